"""Series in csv files: text with one row a sample. pandas reads the cells and the dates, in pieces.

What the user does not say is found from the file: the separator, the decimal mark, the header, the column of times and the
order of day and month. `Series.understood()` tells what was found.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ._csv_table import Column, index_of, read_table
from ._csv_text import stem
from ._series import PathLike, Reading, Series
from ._times import FILLS, as_text, filled, places_of, step_of


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
    table = read_table(path, column, index, dates, sep, decimal, tuple(na), header)
    chosen = table.chosen(column)
    where, remarks = table.index_column(index, chosen, dates)
    times = None
    if where is not None:
        times, remarks = table.times(where, dates)
    names = tuple(table.header[i] for i in chosen)
    values, lines = np.stack([table.numbers[i].values for i in chosen], axis=1), np.array(table.lines)
    if times is not None:
        order = np.argsort(times, kind="stable")
        if (np.diff(order) < 0).any():
            remarks = (*remarks, "rows sorted from old to new")
            times, values, lines = times[order], values[order], lines[order]
        _check_once(path, table.header[where or 0], times, lines)
    ahead_columns = [chosen.index(index_of(path, table.header, one)) for one in known]
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
