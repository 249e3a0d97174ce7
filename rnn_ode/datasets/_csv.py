"""Series in csv files: text with one row a sample. pandas reads the cells and the dates, in pieces.

What the user does not say is found from the file: the separator, the decimal mark, the header, the column of times and the
order of day and month. `Series.understood()` tells what was found.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from .._base.checks import as_texts, check_choice, check_count, check_flag, check_text, counted
from ._csv_columns import Column, as_column, as_columns
from ._csv_table import read_table
from ._csv_text import stem
from ._series import PathLike, Reading, Series
from ._times import FILLS, as_text, filled, places_of, season_of, step_of


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
    season: int | None = None,
    known: Sequence[Column] = (),
) -> Series:
    """Read a series from a csv file.

    The file is text in UTF-8, one row a sample. Blank lines and lines that begin with `#` are skipped. What the arguments
    leave open is found from the file. `series.understood()` tells in one line what was found. Rows are sorted by the index.

    Numbers may have groups of thousands, a currency and one unit for the whole column; K, M and B multiply them. A cell
    that is empty or NA, in all of its spellings, is missing. It needs pandas (extra `learn`).

    **Arguments:**

    - `path`: the file.
    - `column`: the column to read, or several: each a name of the header or an index from 0 (a text of digits that is no
      name counts as an index). Default: the last column that holds numbers in at least half of its rows.
    - `index`: the column of times, by name or index; "none" for none. Default: the first column most of which are dates;
      else one named year, date or time; else the first column if it holds years or its numbers increase.
    - `dates`: the format of the dates, such as "%d.%m.%Y". Default: the one that fits; whether day or month is first is
      decided by which makes the times regular.
    - `sep`: the separator, one character. Default: found among , ; tab | and blanks.
    - `decimal`: the decimal mark, "." or ",". Default: found; refused if 1.000 may be one or a thousand.
    - `na`: further texts for a missing value.
    - `header`: whether the first row names the columns. Default: it does if it is text above values, or nothing but text, or
      distinct integers above other kinds of values, or a name and years above anything.
    - `fill`: how to fill missing values and missing rows: "linear", "previous", or "season" for the value a season before.
      Default `None`: missing values are refused, and missing rows are told by `series.gaps`.
    - `season`: rows per season, for `fill="season"`. Default: by the step of dates, such as 12 for months.
    - `known`: those of the columns that may be known after the last sample of the others. Rows at the end of the file in
      which only they have values are `series.ahead`; they must go on at the step of the series.

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
    _check_options(index=index, dates=dates, sep=sep, decimal=decimal, header=header, fill=fill, season=season)
    known = as_columns("known", known)
    table = read_table(path, column, index, dates, sep, decimal, as_texts("na", na), header)
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
    known_places = [table.place_of(one, chosen) for one in known]
    end = _end_of_history(values, known_places)
    missing = np.isnan(values) & ~table.text_in(chosen, lines)
    if fill is None:
        missing[:end] = False
    table.check_values(chosen, np.where(missing, 0.0, values), lines)
    if fill is not None:
        begin, last = _whole_rows(path, values[:end])
        left_out = [(begin, "before the first"), (end - last, "after the last")]
        remarks += tuple(f"{counted(n, 'row')} {where} one with all values left out" for n, where in left_out if n)
        stop = len(values) if known_places else last
        values, times, end = values[begin:stop], None if times is None else times[begin:stop], last - begin
    rows = _completed(path, _Rows(values, times, end), known_places, fill, season)
    ahead, empty = None, None if rows.empty is None else rows.empty[: rows.end]
    if known_places:
        ahead = rows.values[rows.end :].copy()
        ahead[:, [i for i in range(len(chosen)) if i not in known_places]] = np.nan
    values, times = rows.values[: rows.end], None if rows.times is None else rows.times[: rows.end]
    name = ", ".join(names) if table.dialect.header else stem(path)
    about = Reading(Path(path).name, tuple(table.header), None if where is None else table.header[where], ())
    about = Reading(about.file, about.available, about.index, (*table.remarks(chosen), *remarks, *rows.said))
    return Series(name, values, times, names, about, rows.gaps, ahead, empty)


def _check_options(*, index: Any, header: Any, season: Any, fill: Any, **texts: Any) -> None:
    """`TypeError` or `ValueError` for an option of the wrong kind, before the file is read."""
    for name, value in texts.items():
        if value is not None:
            check_text(name, value)
    if fill is not None:
        check_choice("fill", fill, FILLS)
    if index is not None:
        as_column("index", index)
    if header is not None:
        check_flag("header", header)
    if season is not None:
        check_count("season", season)


def _check_once(path: PathLike, name: str, times: np.ndarray, lines: np.ndarray) -> None:
    """`ValueError` for a time that is there twice, with both lines."""
    same = np.flatnonzero(times[1:] == times[:-1])
    if len(same):
        first = int(same[0])
        more = (
            f", and {counted(len(same) - 1, 'more time')} {'is' if len(same) == 2 else 'are'} there again"
            if len(same) > 1
            else ""
        )
        raise ValueError(
            f"{path}, lines {lines[first]} and {lines[first + 1]}, column {name!r}: each time may be there once; both have "
            f'{as_text(times[first])}{more}. Keep one row a time, or give index another column or "none".'
        )


def _end_of_history(values: np.ndarray, known: list[int]) -> int:
    """The number of rows up to the last one in which a column that is not known in advance has a value."""
    others = [i for i in range(values.shape[1]) if i not in known]
    if not known or not others:
        return len(values)
    there = np.flatnonzero(~np.isnan(values[:, others]).all(axis=1))
    return int(there[-1]) + 1 if len(there) else len(values)


def _whole_rows(path: PathLike, values: np.ndarray) -> tuple[int, int]:
    """The first row in which no value is missing, and the one after the last of these."""
    whole = np.flatnonzero(~np.isnan(values).any(axis=1))
    if len(whole) < 2:
        raise ValueError(
            f"{path}: a series needs at least 2 rows in which all of its columns have values; got {len(whole)}."
        )
    return int(whole[0]), int(whole[-1]) + 1


class _Rows(NamedTuple):
    """Rows of a file, of which those from `end` on are ahead of the series; where rows are missing; what was done; and
    which values were empty before they were filled."""

    values: Float[np.ndarray, "T D"]
    times: np.ndarray | None
    end: int
    gaps: tuple[tuple[Any, int], ...] = ()
    said: tuple[str, ...] = ()
    empty: np.ndarray | None = None


def _completed(path: PathLike, rows: _Rows, known: list[int], fill: str | None, season: int | None) -> _Rows:
    """The rows without gaps if they are to be filled, else with where the gaps are; and what was done, in words."""
    values, times, end = rows[:3]
    step = None if times is None else step_of(times)
    places = np.arange(len(values)) if times is None or step is None else places_of(step, times)
    jumps = np.flatnonzero(np.diff(places) > 1)
    gaps = tuple((times[i], int(places[i + 1] - places[i] - 1)) for i in jumps) if times is not None else ()
    missing = sum(count for _, count in gaps)
    if fill is None:
        ahead = [gap for gap, i in zip(gaps, jumps, strict=True) if i + 1 >= end]
        if ahead:
            time, count = ahead[0]
            raise ValueError(
                f"{path}: after {as_text(time)} {counted(count, 'row')} {'is' if count == 1 else 'are'} missing, where only "
                f"the columns known in advance have values; the step is {step}. Add them, or give fill."
            )
        said = f"{counted(missing, 'row')} {'is' if missing == 1 else 'are'} missing in {counted(len(gaps), 'gap')}"
        return _Rows(values, times, end, gaps, (said,) * (missing > 0))
    season = season or season_of(step)
    whole = np.full((int(places[-1]) + 1, values.shape[1]), np.nan)
    whole[places] = values
    if step is not None and times is not None and missing:
        complete = step.after(times[0], np.arange(len(whole)))
        complete[places] = times
        times = complete
    end = int(places[end - 1]) + 1
    empty = np.isnan(whole)
    lasts = {i: int(np.flatnonzero(~empty[:, i])[-1]) + 1 for i in known}
    if fill == "season" and season is None and (empty[:end].any() or any(empty[:n, i].any() for i, n in lasts.items())):
        raise ValueError(f"{path}: the times do not tell how long a season is; fill='season' needs season, in rows.")
    whole[:end] = filled(whole[:end], fill, season or 1)
    for i, last in lasts.items():
        whole[:last, i] = filled(whole[:last, [i]], fill, season or 1)[:, 0]
    written = np.isin(np.arange(len(whole)), places)
    count = int((empty & ~np.isnan(whole))[written].sum())
    said = [f"{counted(count, 'missing value')} filled ({fill})"] * (count > 0)
    said += [f"{counted(missing, 'missing row')} filled ({fill})"] * (missing > 0)
    return _Rows(whole, times, end, (), tuple(said), empty)
