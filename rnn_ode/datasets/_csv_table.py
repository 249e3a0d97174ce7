"""The cells of a csv file: numbers of each column, dates, and which columns are read. pandas reads the cells, in pieces."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from .._base.checks import brief, counted
from ._csv_cells import Numbers, kind
from ._csv_columns import Column, as_columns, index_of
from ._csv_text import HEAD, Dialect, Stream, checked_records, dialect_of, records, separator_in
from ._dates import dates_in_numbers, dates_of
from ._series import PathLike
from ._times import increases

_PIECE = 100_000  # rows that are texts at the same time
_CODES = (-99, -999, -9999, -99999, -999.9, -99.99, -999.99)  # with which some files write missing values
_TIMES = frozenset(("year", "years", "date", "time", "datetime", "timestamp", "jahr", "datum", "zeit"))

_NAMES = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
)  # fmt: skip


@dataclass
class Table:
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
            numeric = [i for i in numeric if i not in self._named_as_times()] or numeric
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
                    f"got {self.first[:200]!r}.{self._no_numbers()}"
                )
            return numeric[-1:]
        wanted = as_columns("column", column)
        if not wanted:
            raise ValueError(f"column must name at least one column of {self.path}; got {column!r}.")
        found = [index_of(self.path, self.header, name, "column") for name in wanted]
        for i in found:
            if self.numbers[i].unit is None:
                raise ValueError(
                    f"{self.path}, column {self.header[i]!r}: one unit is wanted for all of it; got "
                    f"{self.numbers[i].units_in_words()}."
                )
        return found

    def _no_numbers(self) -> str:
        """What to do if no column holds numbers."""
        cells = self.dialect.cells(self.first)
        if len(cells) == 1 and re.search(r"\w\W+\w", cells[0]):
            return " Give sep, if something else separates them."
        if any(cell.lower() in ("true", "false") for cell in cells):
            return " True and False are no numbers: write 1 and 0."
        return f" Its cells are {', '.join(map(repr, cells))[:80]}; numbers are wanted, such as 0.5."

    def place_of(self, known: Column, chosen: list[int]) -> int:
        """Where a column that is known in advance is among those to read."""
        where = index_of(self.path, self.header, known, "known")
        if where not in chosen:
            raise ValueError(
                f"{self.path}: known {brief(known)}: each of them must be among the columns to read, which are "
                f"{', '.join(repr(self.header[i]) for i in chosen)}."
            )
        return chosen.index(where)

    def index_column(
        self, index: Column | None, chosen: list[int], dates: str | None
    ) -> tuple[int | None, tuple[str, ...]]:
        """The column of times, or `None`, and a remark if a column seems to be of times and is not taken."""
        if index is not None:
            if index == "none" and "none" not in self.header:
                return None, ()
            return index_of(self.path, self.header, index, "index"), ()
        free = [i for i in self.dated if i not in chosen]
        if free:
            return free[0], ()
        if dates is not None:
            raise ValueError(
                f"{self.path}: there is no column of dates; give index the name of one, or leave dates out."
            )
        named = self._named_as_times()
        remarks = ()
        for i in dict.fromkeys((*named, 0)):
            if i in chosen or (self.dialect.header and self.header[i].isdecimal()):
                continue  # a column named 2019 holds no times
            values = self.numbers[i].values
            if increases(values) or dates_in_numbers(values) is not None or _are_years(values):
                return i, ()
            there = values[np.isfinite(values)]
            if i in named and 2 * len(there) > len(values):
                if 2 * len(np.unique(there)) > len(there):
                    return i, ()
                remarks = (*remarks, f"{self.header[i]} is no index, since its times are there again and again")
        return None, remarks

    def _named_as_times(self) -> list[int]:
        """The columns whose names say that they hold times."""
        return [i for i, name in enumerate(self.header) if name.lower() in _TIMES]

    def times(self, where: int, dates: str | None) -> tuple[np.ndarray, tuple[str, ...]]:
        """The times in a column, in the order of the file, and remarks on how they were read."""
        values, name = self.numbers[where].values, self.header[where]
        if where not in self.texts:
            found = dates_in_numbers(values)
            if found is not None:
                return found, ()
            bad = np.flatnonzero(~np.isfinite(values))
            if len(bad):
                line = self.lines[bad[0]]
                cell = _cell_at(self.path, self.dialect, line, where)
                raise ValueError(
                    f"{self.path}, line {line}, column {name!r}: a time is wanted like those around it; got "
                    f'{cell!r}. Leave that row out, or give index another column or "none".'
                )
            return values, ()
        cells = np.concatenate(self.texts[where])
        read = dates_of(cells, dates)
        if read.unread.any():
            row = int(np.flatnonzero(read.unread)[0])
            came = repr(cells[row]) if cells[row] else "an empty cell"
            raise ValueError(
                f"{self.path}, line {self.lines[row]}, column {name!r}: a date is wanted like those around it, "
                f"from 1678 to 2261; got {came}. "
                f"{_months_in(cells[row])}Leave that row out, or give dates a format such as %d.%m.%Y, or give index another "
                'column or "none".'
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
        way = "; give fill (linear, previous, season) to fill it" if missing else ""
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
            *self._doubts(chosen),
        ]
        return tuple(filter(None, said))

    def _doubts(self, chosen: list[int]) -> Iterator[str]:
        """What the user may have meant otherwise."""
        for i in chosen:
            name, values = self.header[i], self.numbers[i].values
            count = self.header.count(name)
            if count > 1:
                yield f"{name} is column {i}, one of {count} of that name"
            code = np.nanmin(values)
            if code in _CODES and not (values[values != code] < 0).any():
                times = int((values == code).sum())
                yield f"{code:g} is there {counted(times, 'time')}: if it stands for a missing value, give na {code:g}"
        years = [int(name) for name in self.header if name.isdecimal() and 1500 <= int(name) < 2500]
        if self.dialect.header and len(years) > 2 and (np.diff(years) == 1).all():
            yield "columns are named by years: if each row is a series, turn rows into columns first"


def read_table(
    path: PathLike,
    column: Column | Sequence[Column] | None,
    index: Column | None,
    dates: str | None,
    sep: str | None,
    decimal: str | None,
    na: tuple[str, ...],
    header: bool | None,
) -> Table:
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
    dialect = dialect_of(path, head, sep or separator_in(path), decimal, na, header)
    names = (
        [cell.strip("'") for cell in dialect.cells(head[0][1])]
        if dialect.header
        else list(map(str, range(dialect.width)))
    )
    sample = [dialect.cells(text) for _, text in head[dialect.header :]]
    dated = _dated(sample, dialect)
    keep = set(dated)
    if index is not None and dates is not None and index != "none":
        keep.add(index_of(path, names, index, "index"))
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
    return Table(path, dialect, names, stream.lines, numbers, texts, dated, head[dialect.header][1])


def _dated(sample: list[list[str]], dialect: Dialect) -> list[int]:
    """The columns most of whose first cells are dates; those with most of them first."""
    rows = [row for row in sample if len(row) == dialect.width]
    columns = list(zip(*rows, strict=True)) if rows else []
    shares = [np.mean([kind(cell, dialect.spelling) == "date" for cell in cells]) for cells in columns]
    return sorted((i for i, share in enumerate(shares) if share > 0.5), key=lambda i: -shares[i])


def _months_in(cell: str) -> str:
    """What to say of a date whose month may have its name in another language; nothing for other texts."""
    match = re.fullmatch(r"(?:\d{1,2}[-. ]+)?([^\W\d_]{3,})[-., ]+(?:\d{1,2}[-., ]+)?\d{2,4}(?: .*)?", cell)
    if match is None or any(match[1].lower() in (name, name[:3]) for name in _NAMES):
        return ""
    return f"If {match[1]!r} is a month: its name must be English, as in January 2010 or Jan-10; or write 2010-01. "


def _are_years(values: np.ndarray) -> bool:
    """Whether numbers are years in any order: distinct, whole, and most of those between the first and the last are there."""
    if not np.isfinite(values).all() or (values != np.round(values)).any() or len(np.unique(values)) < len(values):
        return False
    return bool(values.min() >= 1500 and values.max() <= 2500 and np.ptp(values) < 2 * len(values))


def _cell_at(path: PathLike, dialect: Dialect, line: int, column: int) -> str:
    """One cell of a file."""
    return next(dialect.cells(text)[column] for number, text in records(path) if number == line)
