"""What `rnn-ode forecast` reads: options of csv files, and the series that they give."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from ._options import FILL, SERIES

if TYPE_CHECKING:
    from ..datasets import Series

Target = Annotated[
    list[str] | None,
    typer.Option(help="A column to forecast, its name or number; the other columns are inputs. Can be repeated. Without it: "
                 "all columns."),
]  # fmt: skip
Known = Annotated[
    list[str] | None,
    typer.Option(
        help="A column that is known in advance, also in rows after the last value of the others. Can be repeated."
    ),
]


@dataclasses.dataclass(frozen=True)
class Data:
    """A series, the numbers of its columns to forecast and of those known in advance, and whether its times are irregular."""

    series: "Series"
    targets: tuple[int, ...]
    known: tuple[int, ...]
    irregular: bool

    def times_after(self, counts: range) -> np.ndarray | None:
        """The times so many steps after the last row. Irregular ones go on by the median interval."""
        index = self.series.index
        if index is None:
            return None
        step = self.series.step
        if step is not None:
            return step.after(index[-1], counts)
        steps = np.diff(index)
        if index.dtype.kind != "M":
            return index[-1] + np.asarray(counts) * np.median(steps)
        usual = int(np.median(steps.astype("timedelta64[ns]").astype(int)))
        return index[-1] + (np.asarray(counts) * usual).astype("timedelta64[ns]")

    def with_times(self, result: Any) -> Any:
        """The result with the times of its rows and of its future."""
        return dataclasses.replace(result, times=self.times_after(result.steps_ahead), index=self.series.index)


def series_file(series: str) -> Path | None:
    """The csv file that `series` names, or `None` if it names a series of ours. `FileNotFoundError` if it is neither."""
    if series in SERIES:
        return None
    if not Path(series).exists():
        raise FileNotFoundError(
            f"SERIES {series}: there is no such csv file, and no series of that name; there are {', '.join(SERIES)}."
        )
    return Path(series)


def read_series(
    series: str,
    column: list[str] | None,
    target: list[str] | None,
    known: list[str] | None,
    how: dict[str, Any],
    season: int | None,
    model: str | None,
) -> Data:
    """The series, of the columns to read: `column`, or those of `target` and `known`, or the last one."""
    from ..datasets import load, load_csv

    if series in SERIES:
        found = load(series)
        return Data(found, tuple(range(found.values.shape[1])), (), False)
    every: list[str] = [*(column or []), *(target or []), *(known or [])]
    wanted = list(dict.fromkeys(every))
    if known and not (column or target):
        raise ValueError("--known needs --target or --column: the columns to forecast.")
    found = load_csv(series, wanted or None, known=known or (), season=season, **how)
    if found.gaps and model != "odernn":
        from .._base.checks import counted
        from ..datasets._times import as_text

        time, count = found.gaps[0]
        rows, gaps = (counted(n, noun) for n, noun in ((count, "row"), (len(found.gaps), "such gap")))
        are = ["is" if n == 1 else "are" for n in (count, len(found.gaps))]
        raise ValueError(
            f"{series}: after {as_text(time)} {rows} {are[0]} missing, and there {are[1]} {gaps}; the step is {found.step}. "
            f"Give --fill ({', '.join(FILL)}), or --model odernn, which takes the times as they are, or --index none to "
            "count rows as equal steps."
        )
    irregular = model == "odernn" or (found.index is not None and found.step is None)
    if irregular and model not in (None, "odernn"):
        raise ValueError(
            f"{series}: the times are irregular, and --model {model} would take them as equal steps. Leave --model out for "
            "odernn, or give --index none."
        )
    if model == "odernn" and found.index is None:
        raise ValueError(f"{series}: --model odernn needs times; give --index.")
    names = [_place(found.columns, wanted, name) for name in (target or [])]
    ahead = tuple(_place(found.columns, wanted, name) for name in (known or []))
    rest = tuple(i for i in range(len(found.columns)) if i not in ahead)
    _check_apart(found, target or [], known or [], bool(rest))
    return Data(found, tuple(names) or rest, ahead, irregular)


def _check_apart(found: "Series", target: list[str], known: list[str], others: bool) -> None:
    """`ValueError` if a column is to be forecast and known in advance, however it is named, or if all are known."""
    file = found.reading.available if found.reading else found.columns
    numbers = {file.index(name) if name in file else int(name) for name in target}
    both = [name for name in known if (file.index(name) if name in file else int(name)) in numbers]
    if both:
        raise ValueError(
            f"--known must name other columns than --target: {', '.join(both)} cannot be known in advance and be forecast."
        )
    if not others:
        raise ValueError(f"--known must leave a column to forecast; got all that are read: {', '.join(found.columns)}.")


def _place(columns: tuple[str, ...], wanted: list[str], name: str) -> int:
    """The place of a column among those read, which may have been given by its number in the file."""
    return wanted.index(name) if name in wanted else columns.index(name)


def default_season(series: "Series") -> int:
    """The rows in a season by the step of dates, or 1."""
    from ..datasets._times import season_of

    rows = season_of(series.step) or 1
    return rows if len(series.values) >= 6 * rows else 1


def default_history(count: int, season: int, span: int) -> int:
    """A tenth of the rows, at most 100; at least a season and a row, and 2, if there are rows enough."""
    wanted = max(2, min(100, count // 10), season + 1 if season > 1 else 0)
    most = round(0.3 * count) - span  # the test part must hold a window
    return max(1, min(wanted, most))


def inputs_of(data: Data) -> tuple[np.ndarray, list[int] | None]:
    """The values that networks and baselines see, and the places of those to forecast; `None` for all."""
    kept = [i for i in range(data.series.values.shape[1]) if i not in data.known]
    places = [kept.index(i) for i in data.targets]
    return data.series.values[:, kept], None if places == list(range(len(kept))) else places


def filled_of(data: Data) -> np.ndarray | None:
    """Which of the values of `inputs_of` are filled; `None` if nothing was to be filled."""
    kept = [i for i in range(data.series.values.shape[1]) if i not in data.known]
    return None if data.series.filled is None else data.series.filled[:, kept]


def known_of(data: Data, calendar: bool, span: int) -> np.ndarray | None:
    """What is known in advance (T + span, F): columns of the file, and the calendar."""
    from ..datasets._times import calendar_of

    count = len(data.series.values)
    parts = []
    if data.known:
        ahead = data.series.ahead
        later = np.zeros((0, len(data.known))) if ahead is None else ahead[:, list(data.known)]
        whole = np.concatenate([data.series.values[:, list(data.known)], later])[: count + span]
        if len(whole) < count + span or not np.isfinite(whole).all():
            names = ", ".join(data.series.columns[i] for i in data.known)
            raise ValueError(
                f"--known must have values for {span} rows after the last row of the series, in {names}; there are "
                f"{min(len(whole), int(np.isfinite(whole).all(axis=1).sum())) - count}."
            )
        parts.append(whole)
    if calendar:
        index = data.series.index
        if index is None or index.dtype.kind != "M" or data.irregular:
            raise ValueError("--calendar needs an index of regular dates.")
        after = data.times_after(range(1, span + 1))
        assert after is not None
        parts.append(calendar_of(np.concatenate([index.astype("datetime64[ns]"), after])))
    return np.concatenate(parts, axis=1) if parts else None
