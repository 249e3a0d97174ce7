"""Series to drive networks with: one that ships, and a reader of plain csv files that says what is wrong with them.

A file is comma-separated text in UTF-8, one row a sample, oldest first. Lines that are blank or begin with `#` are
skipped. A first row without a single number in it is the header; without a header the columns are called "0", "1", ….
"""

import csv
import io
import math
import operator
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from jaxtyping import Float

PathLike = str | os.PathLike[str]
Row = tuple[int, list[str]]  # line number, 1-based, and cells


@dataclass(frozen=True, eq=False)
class Series:
    """A series read from a file.

    **Fields:** `name`, the columns' names, or the file's where it has no header; `values` (T, D), float64, finite;
    `index` (T,), the file's first column where that is another column than those read, numeric and strictly increasing
    or decreasing (years, say), otherwise `None`; `columns`, the D names.
    """

    name: str
    values: Float[np.ndarray, "T D"]
    index: Float[np.ndarray, " T"] | None
    columns: tuple[str, ...]


def sunspots() -> Series:
    """The yearly mean sunspot numbers 1700–2008: `values` (309, 1), `index` the years. It ships with the package.

    Source: National Geophysical Data Center, by way of `statsmodels.datasets.sunspots`; public domain.

    ```python
    >>> from rnn_ode import datasets
    >>> series = datasets.sunspots()
    >>> series.name, series.values.shape, series.index[-1].item(), series.values[-1].tolist()
    ('sunspots', (309, 1), 2008.0, [2.9])

    ```
    """
    with resources.as_file(resources.files("rnn_ode") / "data" / "sunspots.csv") as path:
        return load_csv(path)


def load_csv(path: PathLike, column: str | int | Sequence[str | int] | None = None) -> Series:
    """Reads a series from a csv file.

    **Arguments:** `path`; `column`, what to read: a name in the header, a 0-based index (digits that are no name count
    as one), or several of either. `None` takes the last column that holds a number in the first row of data: a leading
    column of times is passed over.

    **Returns:** a `Series` of T ≥ 2 samples of D columns.

    **Raises:** `ValueError` naming the file, the line, the column and what came: a missing or non-finite value, text
    where a number belongs, a row of another length than the first, an unknown column, fewer than two rows, a file that
    is not text. `OSError` where the file cannot be opened.

    ```python
    >>> import pathlib, tempfile
    >>> from rnn_ode import datasets
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "tides.csv"
    >>> _ = path.write_text("hour,low,high\\n0,1.5,4\\n6,1,4.5\\n")
    >>> datasets.load_csv(path).values.tolist()
    [[4.0], [4.5]]
    >>> series = datasets.load_csv(path, ("low", "high"))
    >>> series.values.tolist(), series.index.tolist()
    ([[1.5, 4.0], [1.0, 4.5]], [0.0, 6.0])

    ```
    """
    rows = list(_rows(path))
    if not rows:
        raise ValueError(f"{path}: the file holds no data; a series needs at least 2 rows.")
    has_header = not any(map(_is_number, rows[0][1]))
    header = rows.pop(0)[1] if has_header else [str(i) for i in range(len(rows[0][1]))]
    if len(rows) < 2:
        raise ValueError(f"{path}: a series needs at least 2 rows of data; got {len(rows)}.")

    chosen = _choose(path, header, rows[0], column)
    names = tuple(header[i] for i in chosen)
    values = np.stack([_column(path, header, rows, i) for i in chosen], axis=1)
    index = None if 0 in chosen else _index(rows)
    return Series(", ".join(names) if has_header else Path(path).stem, values, index, names)


def _rows(path: PathLike) -> Iterator[Row]:
    """The rows that hold cells, all of one length."""
    # A comment becomes an empty line, which csv skips and counts, so that line numbers stay the file's.
    lines = ("\n" if line.lstrip().startswith("#") else line for line in io.StringIO(_text(path), newline=""))
    reader = csv.reader(lines, skipinitialspace=True)
    width = None
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if cells in ([], [""]):
                continue
            width = width or len(cells)
            if len(cells) != width:
                raise ValueError(
                    f"{path}, line {reader.line_num}: every row must have as many cells as the first, {width}; "
                    f"got {len(cells)}: {','.join(row)!r}."
                )
            yield reader.line_num, cells
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: not comma-separated text ({error}).") from None


def _text(path: PathLike) -> str:
    data = Path(path).read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}, line {line}: not UTF-8 text; got byte 0x{data[error.start]:02x}.") from None


def _choose(path: PathLike, header: list[str], first: Row, column) -> list[int]:
    """The indices of the columns to read."""
    if column is None:
        numeric = [i for i, cell in enumerate(first[1]) if _is_number(cell)]
        if not numeric:
            raise ValueError(f"{path}, line {first[0]}: no column holds a number; got {','.join(first[1])!r}.")
        return numeric[-1:]
    wanted = [column] if isinstance(column, str | int) else list(column)
    if not wanted:
        raise ValueError(f"column must name at least one column of {path}; got {column!r}.")
    return [_find(path, header, name) for name in wanted]


def _find(path: PathLike, header: list[str], name: str | int) -> int:
    """The index of one column."""
    if not isinstance(name, str):
        index = operator.index(name)
    elif header.count(name) > 1:
        raise ValueError(f"{path}: the header has column {name!r} more than once; give its 0-based index instead.")
    elif name in header:
        index = header.index(name)
    else:
        index = int(name) if name.isdecimal() else -1
    if not 0 <= index < len(header):
        raise ValueError(
            f"{path}: no column {name!r}; there are {', '.join(map(repr, header))} (0 to {len(header) - 1})."
        )
    return index


def _column(path: PathLike, header: list[str], rows: list[Row], i: int) -> Float[np.ndarray, " T"]:
    for line, cells in rows:
        if not _is_number(cells[i]) or not math.isfinite(float(cells[i])):
            fault = "a missing value" if not cells[i] else f"{cells[i]!r}"
            raise ValueError(f"{path}, line {line}, column {header[i]!r}: a finite number is wanted; got {fault}.")
    return np.array([float(cells[i]) for _, cells in rows])


def _index(rows: list[Row]) -> Float[np.ndarray, " T"] | None:
    """The first column, where it can be a time axis."""
    if not all(_is_number(cells[0]) for _, cells in rows):
        return None
    values = np.array([float(cells[0]) for _, cells in rows])
    steps = np.diff(values)
    return values if np.isfinite(values).all() and (np.all(steps > 0) or np.all(steps < 0)) else None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
