"""Series in csv files.

A csv file is comma-separated text in UTF-8, one row a sample, oldest first. Blank lines and lines that begin with `#` are
skipped. A first row without a number is the header; without a header the columns are called "0", "1", ….
"""

import csv
import io
import math
import operator
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from .._files.arrays import decoded
from ._series import PathLike, Series

Row = tuple[int, list[str]]  # line number, 1-based, and cells


def load_csv(path: PathLike, column: str | int | Sequence[str | int] | None = None) -> Series:
    """Read a series from a csv file.

    The file is comma-separated text in UTF-8, one row a sample, oldest first. Blank lines and lines that begin with `#` are
    skipped. A first row without a number is the header; without a header the columns are called "0", "1", ….

    **Arguments:**

    - `path`: the file.
    - `column`: the column to read, or several: each a name of the header or an index from 0 (a text of digits that is no
      name counts as an index). Default: the last column that holds numbers in at least half of its rows.

    **Returns:** a `Series` of T ≥ 2 samples of D columns.

    **Raises:** `ValueError` with the file, the line, the column and the text found, for a missing or non-finite value, text
    instead of a number, a row of another length than the first, an unknown column, fewer than two rows and a file that is
    not text; `OSError` if the file cannot be opened.

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
    rows = list(read_rows(path))
    if not rows:
        raise ValueError(f"{path}: the file holds no data; a series needs at least 2 rows.")
    has_header = not any(map(_is_number, rows[0][1]))
    header = rows.pop(0)[1] if has_header else [str(i) for i in range(len(rows[0][1]))]
    if len(rows) < 2:
        raise ValueError(f"{path}: a series needs at least 2 rows of data; got {len(rows)}.")

    chosen = _chosen(path, header, rows, column)
    names = tuple(header[i] for i in chosen)
    values = np.stack([_numbers(path, header, rows, i) for i in chosen], axis=1)
    index = None if 0 in chosen else _times(rows)
    return Series(", ".join(names) if has_header else Path(path).stem, values, index, names)


def read_rows(path: PathLike) -> Iterator[Row]:
    """Yield the rows that are not blank, all of one length."""
    # A comment becomes an empty line, which csv skips but counts, so the line numbers are those of the file.
    lines = ("\n" if line.lstrip().startswith("#") else line for line in io.StringIO(decoded(path), newline=""))
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


def _chosen(
    path: PathLike, header: list[str], rows: list[Row], column: str | int | Sequence[str | int] | None
) -> list[int]:
    """The indices of the columns to read."""
    if column is None:
        numeric = [i for i in range(len(header)) if 2 * sum(_is_number(cells[i]) for _, cells in rows) >= len(rows)]
        if not numeric:
            line, cells = rows[0]
            raise ValueError(
                f"{path}, line {line}: no column holds numbers, separated by commas; got {','.join(cells)!r}."
            )
        return numeric[-1:]
    wanted = [column] if isinstance(column, str | int) else list(column)
    if not wanted:
        raise ValueError(f"column must name at least one column of {path}; got {column!r}.")
    return [_index_of(path, header, name) for name in wanted]


def _index_of(path: PathLike, header: list[str], name: str | int) -> int:
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
        raise ValueError(f"{path}: no column {name!r}. {_existing(header)}")
    return index


def _existing(header: list[str]) -> str:
    """Say which columns exist. The columns of a file without a header are named by their numbers."""
    last, named = len(header) - 1, header != [str(i) for i in range(len(header))]
    names = ", ".join(map(repr, header))
    if last == 0:
        return f"There is only one column, {names} (number 0)." if named else "There is only one column, number 0."
    if named:
        return f"There are the columns {names}; or give a number from 0 to {last}."
    return f"The columns have no names; give a number from 0 to {last}."


def _numbers(path: PathLike, header: list[str], rows: list[Row], i: int) -> Float[np.ndarray, " T"]:
    """The values of column i, all finite."""
    for line, cells in rows:
        if not _is_number(cells[i]) or not math.isfinite(float(cells[i])):
            fault = "a missing value" if not cells[i] else f"{cells[i]!r}"
            raise ValueError(f"{path}, line {line}, column {header[i]!r}: a finite number is wanted; got {fault}.")
    return np.array([float(cells[i]) for _, cells in rows])


def _times(rows: list[Row]) -> Float[np.ndarray, " T"] | None:
    """The first column if its numbers are finite and strictly increase or decrease, else `None`."""
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
