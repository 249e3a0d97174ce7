"""Series in csv files: text with one row a sample. pandas reads the cells and the dates, in pieces.

What the user does not say is found from the file: the separator, the decimal mark, the header, the column of times and the
order of day and month. `Series.understood()` tells what was found.
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from ._csv_cells import Numbers, kind
from ._csv_text import HEAD, Dialect, Stream, checked_records, dialect_of, records, stem
from ._series import PathLike, Reading, Series
from ._times import FILLS, as_text, dates_in_numbers, dates_of, filled, places_of, step_of

_PIECE = 100_000  # rows that are texts at the same time
Column = str | int


def load_csv(
    path: PathLike,
    column: Column | Sequence[Column] | None = None,
    *,
    index: Column | None = None,
    dates: str | None = None,
    sep: str | None = None,
    decimal: str | None = None,
    na: Sequence[str] = (),
    header: bool | None = None,
    fill: str | None = None,
    season: int = 1,
    known: Sequence[Column] = (),
) -> Series:
    """Read a series from a csv file.

    The file is text in UTF-8, one row a sample. Blank lines and lines that begin with `#` are skipped. What the arguments
    leave open is found from the file. `series.understood()` tells in one line what was found. Rows are sorted by the index.

    Numbers may have groups of thousands, a currency and one unit for the whole column. A cell that is empty or NA, in all of
    its spellings, is missing. It needs pandas (extra `learn`).

    **Arguments:**

    - `path`: the file.
    - `column`: the column to read, or several: each a name of the header or an index from 0 (a text of digits that is no
      name counts as an index). Default: the last column that holds numbers in at least half of its rows.
    - `index`: the column of times, by name or index; "none" for none. Default: the first column of dates, or the first
      column if its numbers increase.
    - `dates`: the format of the dates, such as "%d.%m.%Y". Default: the one that fits; whether day or month is first is
      decided by which makes the times regular.
    - `sep`: the separator, one character. Default: found among , ; tab | and blanks.
    - `decimal`: the decimal mark, "." or ",". Default: found.
    - `na`: further texts for a missing value.
    - `header`: whether the first row names the columns. Default: it does if it is text above values, or nothing but text, or
      distinct integers above other kinds of values.
    - `fill`: how to fill missing values and missing rows: "linear", "previous", or "season" for the value a season before.
      Default `None`: missing values are refused, and missing rows are told by `series.gaps`.
    - `season`: rows per season, for `fill="season"`.
    - `known`: those of the columns that may be known after the last sample of the others. Rows at the end of the file in
      which only they have values are `series.ahead`.

    **Returns:** a `Series` of T ≥ 2 samples of D columns.

    **Raises:** `ValueError` with the file, the line, the column and the text found, for a missing or infinite value, text
    instead of a number, a row of another length than the first, an unknown column, a time that is there twice, fewer than two
    rows and a file that is not text; `ImportError` without pandas; `OSError` if the file cannot be opened.

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
    >>> datasets.load_csv(path).understood()
    'tides.csv: 2 rows; column high of 3; index hour from 0 to 6, a step of 6'

    ```
    """
    if fill is not None and fill not in FILLS:
        raise ValueError(f"fill must be one of {', '.join(FILLS)}; got {fill!r}.")
    table = _read(path, column, index, dates, sep, decimal, tuple(na), header)
    chosen = table.chosen(column)
    where = table.index_column(index, chosen, dates)
    times, remarks = (None, ()) if where is None else table.times(where, dates, explicit=index is not None)
    names = tuple(table.header[i] for i in chosen)
    values, lines = np.stack([table.numbers[i].values for i in chosen], axis=1), np.array(table.lines)
    if times is not None:
        order = np.argsort(times, kind="stable")
        if (np.diff(order) < 0).any():
            remarks = (*remarks, "rows sorted from old to new")
            times, values, lines = times[order], values[order], lines[order]
        _check_once(path, table.header[where or 0], times, lines)
    ahead_columns = [chosen.index(_index_of(path, table.header, one)) for one in known]
    values, ahead = _without_end(values, ahead_columns)
    if fill is None:
        table.check_values(chosen, values, lines)
    else:
        table.check_values(chosen, np.where(np.isnan(values) & ~table.text_in(chosen, lines), 0.0, values), lines)
        values, begin, end = _known_in_the_middle(path, values)
        times = None if times is None else times[begin:end]
        remarks += (f"{begin} rows before the first value left out",) * (begin > 0)
    times = None if times is None else times[: len(values)]
    values, times, gaps, said, empty = _completed(values, times, fill, season)
    name = ", ".join(names) if table.dialect.header else stem(path)
    about = Reading(Path(path).name, tuple(table.header), None if where is None else table.header[where], ())
    about = Reading(about.file, about.available, about.index, (*table.remarks(chosen), *remarks, *said))
    return Series(name, values, times, names, about, gaps, ahead, empty)


@dataclass
class _Table:
    """The cells of a file: numbers of each column, texts of the columns that hold dates."""

    path: PathLike
    dialect: Dialect
    header: list[str]
    lines: list[int]
    numbers: list[Numbers]
    texts: dict[int, list[np.ndarray]]
    dated: list[int]
    first: str

    def chosen(self, column: Column | Sequence[Column] | None) -> list[int]:
        """The indices of the columns to read."""
        if column is None:
            numeric = [i for i, one in enumerate(self.numbers) if one.is_numeric and i not in self.dated]
            mixed = self._mixed()
            if mixed and mixed[-1] > max(numeric, default=-1):
                units = "; ".join(f"in {self.header[i]!r}: {self.numbers[i].units_in_words()}" for i in mixed)
                raise ValueError(
                    f"{self.path}: one unit is wanted for all of a column; units differ {units}. "
                    "Give column, if another one is to be read."
                )
            if not numeric:
                raise ValueError(
                    f"{self.path}, line {self.lines[0]}: no column holds numbers, {self.dialect.separated()}; "
                    f"got {self.first[:200]!r}."
                )
            return numeric[-1:]
        wanted = [column] if isinstance(column, str | int) else list(column)
        if not wanted:
            raise ValueError(f"column must name at least one column of {self.path}; got {column!r}.")
        found = [_index_of(self.path, self.header, name) for name in wanted]
        for i in found:
            if self.numbers[i].unit is None:
                raise ValueError(
                    f"{self.path}, column {self.header[i]!r}: one unit is wanted for all of it; got "
                    f"{self.numbers[i].units_in_words()}."
                )
        return found

    def index_column(self, index: Column | None, chosen: list[int], dates: str | None) -> int | None:
        """The column of times, or `None`."""
        if index is not None:
            if index == "none" and "none" not in self.header:
                return None
            return _index_of(self.path, self.header, index)
        free = [i for i in self.dated if i not in chosen]
        if free:
            return free[0]
        if dates is not None:
            raise ValueError(f"{self.path}: dates needs a column of dates, and there is none; give index its name.")
        return 0 if 0 not in chosen and _increases(self.numbers[0].values) else None

    def times(self, where: int, dates: str | None, explicit: bool) -> tuple[np.ndarray, tuple[str, ...]]:
        """The times in a column, in the order of the file, and remarks on how they were read."""
        values, name = self.numbers[where].values, self.header[where]
        if where not in self.texts:
            found = dates_in_numbers(values)
            if found is not None:
                return found, ()
            bad = np.flatnonzero(~np.isfinite(values))
            if len(bad):
                raise ValueError(
                    f"{self.path}, line {self.lines[bad[0]]}, column {name!r}: a time is wanted; got no number."
                )
            return values, ()
        cells = np.concatenate(self.texts[where])
        read = dates_of(cells, dates)
        if read.unread.any():
            row = int(np.flatnonzero(read.unread)[0])
            raise ValueError(
                f"{self.path}, line {self.lines[row]}, column {name!r}: a date is wanted like those around it; got "
                f'{cells[row]!r}. Give dates a format such as %d.%m.%Y, or index another column or "none".'
            )
        return read.times, (read.remark,) * bool(read.remark)

    def text_in(self, chosen: list[int], lines: np.ndarray) -> np.ndarray:
        """Whether each cell is text and not a number, in the order of these lines."""
        order = np.searchsorted(self.lines, lines)
        return np.stack([self.numbers[i].text[order] for i in chosen], axis=1)[:, : len(chosen)]

    def check_values(self, chosen: list[int], values: np.ndarray, lines: np.ndarray) -> None:
        """`ValueError` with the line of the first value that is not a finite number."""
        bad = np.argwhere(~np.isfinite(values))
        if not len(bad):
            return
        row, place = bad[np.lexsort((lines[bad[:, 0]], bad[:, 1]))[0]]
        line = int(lines[row])
        came = _cell_at(self.path, self.dialect, line, chosen[place])
        fault = "a missing value" if not came else repr(came[:60])
        missing = self.dialect.spelling.is_missing(came)
        way = "; fill (linear, previous, season) would fill it" if missing else ""
        raise ValueError(
            f"{self.path}, line {line}, column {self.header[chosen[place]]!r}: a finite number is wanted; got {fault}{way}."
        )

    def _mixed(self) -> list[int]:
        """The columns of numbers whose units differ."""
        return [i for i, one in enumerate(self.numbers) if one.is_mixed and i not in self.dated]

    def remarks(self, chosen: list[int]) -> tuple[str, ...]:
        """How the file is written, as far as it is not the usual way."""
        units = {self.numbers[i].unit for i in chosen} - {""}
        mixed = [self.header[i] for i in self._mixed()]
        said = [
            self.dialect.separated() if self.dialect.sep != "," else "",
            "decimal commas" if self.dialect.spelling.decimal == "," else "",
            "" if self.dialect.header else "no header",
            f"in {', '.join(sorted(map(str, units)))}" if units else "",
            "K, M and B read as thousand, million and billion" if any(self.numbers[i].scaled for i in chosen) else "",
            f"{', '.join(mixed)} not read, since units differ there" if mixed else "",
        ]
        return tuple(filter(None, said))


def _read(
    path: PathLike,
    column: Column | Sequence[Column] | None,
    index: Column | None,
    dates: str | None,
    sep: str | None,
    decimal: str | None,
    na: tuple[str, ...],
    header: bool | None,
) -> _Table:
    """Read the cells of a file, in pieces, so that it is never in the memory as text."""
    try:
        import pandas as pd
    except ModuleNotFoundError as error:
        raise ImportError(
            "reading csv files needs pandas: pip install '.[learn]' in a clone of rnn_ode", name="pandas"
        ) from error
    head = list(islice(records(path), HEAD))
    if not head:
        raise ValueError(f"{path}: the file holds no data; a series needs at least 2 rows.")
    dialect = dialect_of(path, head, sep, decimal, na, header)
    names = (
        [cell.strip("'") for cell in dialect.cells(head[0][1])]
        if dialect.header
        else list(map(str, range(dialect.width)))
    )
    sample = [dialect.cells(text) for _, text in head[dialect.header :]]
    dated = _dated(sample, dialect)
    keep = set(dated)
    if index is not None and dates is not None and index != "none":
        keep.add(_index_of(path, names, index))
    stream = Stream(checked_records(path, dialect))
    numbers, texts = [Numbers.empty(dialect.spelling) for _ in names], {i: [] for i in keep}
    if len(head) - dialect.header > 0:
        pieces = pd.read_csv(
            stream,  # pyright: ignore[reportArgumentType]
            sep=r"\s+" if dialect.sep == " " else dialect.sep,
            header=None,
            names=range(len(names)),  # pyright: ignore[reportArgumentType]
            index_col=False,
            dtype=object,
            keep_default_na=False,
            na_filter=False,
            skip_blank_lines=False,
            skipinitialspace=True,
            chunksize=_PIECE,
        )
        for piece in pieces:
            for i in range(len(names)):
                cells = np.array([cell.strip() for cell in piece[i]], object)
                numbers[i].add(cells)
                if i in keep:
                    texts[i].append(cells)
    if len(stream.lines) < 2:
        raise ValueError(f"{path}: a series needs at least 2 rows of data; got {len(stream.lines)}.")
    return _Table(path, dialect, names, stream.lines, numbers, texts, dated, head[dialect.header][1])


def _dated(sample: list[list[str]], dialect: Dialect) -> list[int]:
    """The columns whose first cells are all dates."""
    rows = [row for row in sample if len(row) == dialect.width]
    columns = list(zip(*rows, strict=True)) if rows else []
    return [i for i, cells in enumerate(columns) if all(kind(cell, dialect.spelling) == "date" for cell in cells)]


def _increases(values: np.ndarray) -> bool:
    """Whether numbers are times: they increase, or decrease by equal steps."""
    if not np.isfinite(values).all():
        return False
    steps = np.diff(values)
    falling = len(steps) > 1 and bool((steps < 0).all())
    return (
        bool((steps > 0).all())
        or (falling and np.ptp(steps) <= 0.01 * abs(steps[0]))
        or (falling and dates_in_numbers(values) is not None)
    )


def _check_once(path: PathLike, name: str, times: np.ndarray, lines: np.ndarray) -> None:
    """`ValueError` for a time that is there twice, with both lines."""
    same = np.flatnonzero(times[1:] == times[:-1])
    if len(same):
        first = int(same[0])
        more = f", and {len(same) - 1} more are there again" if len(same) > 1 else ""
        raise ValueError(
            f"{path}, lines {lines[first]} and {lines[first + 1]}, column {name!r}: each time may be there once; both have "
            f'{as_text(times[first])}{more}. Keep one row a time, or give index another column or "none".'
        )


def _without_end(values: np.ndarray, known: list[int]) -> tuple[np.ndarray, np.ndarray | None]:
    """The rows up to the last sample, and those after it in which only the known columns have values."""
    others = [i for i in range(values.shape[1]) if i not in known]
    if not known or not others:
        return values, None
    there = np.flatnonzero(~np.isnan(values[:, others]).all(axis=1))
    end = int(there[-1]) + 1 if len(there) else len(values)
    return values[:end], values[end:]


def _known_in_the_middle(path: PathLike, values: np.ndarray) -> tuple[np.ndarray, int, int]:
    """The rows from the first to the last one in which no value is missing."""
    whole = np.flatnonzero(~np.isnan(values).any(axis=1))
    if len(whole) < 2:
        raise ValueError(
            f"{path}: a series needs at least 2 rows in which all of its columns have values; got {len(whole)}."
        )
    begin, end = int(whole[0]), int(whole[-1]) + 1
    return values[begin:end], begin, end


def _completed(
    values: np.ndarray, times: np.ndarray | None, fill: str | None, season: int
) -> tuple[np.ndarray, np.ndarray | None, tuple, tuple[str, ...], np.ndarray | None]:
    """Values and times without gaps if they are to be filled, else where the gaps are; what was done, in words; and which
    values are filled."""
    step = None if times is None else step_of(times)
    places = np.arange(len(values)) if times is None or step is None else places_of(step, times)
    jumps = np.flatnonzero(np.diff(places) > 1)
    gaps = tuple((times[i], int(places[i + 1] - places[i] - 1)) for i in jumps) if times is not None else ()
    missing = sum(count for _, count in gaps)
    if fill is None:
        said = f"{missing} rows are missing in {len(gaps)} {'gap' if len(gaps) == 1 else 'gaps'}"
        return values, times, gaps, (said,) * (missing > 0), None
    whole = np.full((int(places[-1]) + 1, values.shape[1]), np.nan)
    whole[places] = values
    if step is not None and times is not None and missing:
        complete = step.after(times[0], np.arange(len(whole)))
        complete[places] = times
        times = complete
    count = int(np.isnan(values).sum())
    said = [f"{count} missing values filled ({fill})"] * (count > 0)
    said += [f"{missing} missing rows filled ({fill})"] * (missing > 0)
    return filled(whole, fill, season), times, (), tuple(said), np.isnan(whole)


def _cell_at(path: PathLike, dialect: Dialect, line: int, column: int) -> str:
    """One cell of a file."""
    return next(dialect.cells(text)[column] for number, text in records(path) if number == line)


def _index_of(path: PathLike, header: list[str], name: Column) -> int:
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
