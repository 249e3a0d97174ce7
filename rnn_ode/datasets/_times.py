"""Times of a series: the step from one row to the next, missing values, and the calendar."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

_DAY = 86_400_000_000_000  # nanoseconds
_MONTHS = {1: "monthly", 3: "quarterly", 6: "every half year", 12: "yearly"}
_UNITS = ((_DAY, "day"), (_DAY // 24, "hour"), (_DAY // 1440, "minute"), (_DAY // 86400, "second"))
_NAMED = {_DAY: "daily", 7 * _DAY: "weekly", _DAY // 24: "hourly"}
_LONGEST = 144  # rows of a day that count as a season: more make the history, and so the training, very long
_SPARSE = 2.0  # times with fewer than one of so many places taken are irregular, and not full of gaps


@dataclass(frozen=True)
class Step:
    """What leads from one time to the next.

    **Fields:** `kind`, "months", "time", "weekdays" or "number"; `size`, how many of them, nanoseconds for "time"; `end`,
    whether months are told by their last days.
    """

    kind: str
    size: float
    end: bool = False

    def __str__(self) -> str:
        if self.kind == "months":
            return _MONTHS.get(int(self.size), f"every {self.size:g} months")
        if self.kind == "weekdays":
            return "every weekday"
        if self.kind == "number":
            return f"a step of {self.size:.6g}"
        if self.size in _NAMED:
            return _NAMED[int(self.size)]
        unit, word = next(((unit, word) for unit, word in _UNITS if self.size % unit == 0), (_UNITS[-1]))
        return f"every {self.size / unit:g} {word}s" if self.size != unit else f"every {word}"

    def places(self, times: np.ndarray) -> Float[np.ndarray, " T"]:
        """How many steps each time is after the first one."""
        if self.kind == "months":
            months = times.astype("datetime64[M]").astype(int)
            return (months - months[0]) / self.size
        if self.kind == "weekdays":
            days = times.astype("datetime64[D]")
            return np.busday_count(days[0], days).astype(float)
        if self.kind == "time":
            return (times - times[0]).astype("timedelta64[ns]").astype(float) / self.size
        return (times - times[0]) / self.size

    def after(self, time: Any, counts: Sequence[int] | np.ndarray) -> np.ndarray:
        """The times that many steps after a time."""
        counts = np.asarray(counts)
        if self.kind == "months":
            months = time.astype("datetime64[M]") + (counts * int(self.size)).astype("timedelta64[M]")
            last = _last_days(months)
            day = time.astype("datetime64[D]") - time.astype("datetime64[M]").astype("datetime64[D]")
            rest = time - time.astype("datetime64[D]")
            days = last if self.end else np.minimum(months.astype("datetime64[D]") + day, last)
            return (days + rest).astype("datetime64[ns]")
        if self.kind == "weekdays":
            day = time.astype("datetime64[D]")
            return (np.busday_offset(day, counts) + (time - day)).astype("datetime64[ns]")
        if self.kind == "time":
            return time + (counts * int(self.size)).astype("timedelta64[ns]")
        return time + counts * self.size


def _last_days(months: np.ndarray) -> np.ndarray:
    """The last day of each month."""
    return (months + np.timedelta64(1, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")


def step_of(times: np.ndarray) -> Step | None:
    """The step of increasing times, some of which may be missing, or `None` if they are irregular."""
    if len(times) < 2:
        return None
    candidates = _dated_steps(times) if times.dtype.kind == "M" else [_number_step(times)]
    for step in candidates:
        places = step.places(times)
        whole = np.round(places)
        near = 0.01 if step.kind == "number" else 1e-9
        strict = bool((np.diff(whole) > 0).all())
        if strict and (np.abs(places - whole) <= near).all() and whole[-1] + 1 <= _SPARSE * len(times):
            return step
    return None


def _number_step(times: np.ndarray) -> Step:
    """The step that numbers may have. It divides their range, so that it is as exact as they are when they are rounded."""
    steps = np.diff(times)
    middle = np.sort(steps)[(len(steps) - 1) // 2]
    usual = steps[np.abs(steps - middle) <= 0.2 * middle].mean()
    return Step("number", float((times[-1] - times[0]) / max(1, round((times[-1] - times[0]) / usual))))


def _dated_steps(times: np.ndarray) -> list[Step]:
    """Steps that dates may have: months first, then weekdays, then equal times."""
    days = times.astype("datetime64[D]")
    months = times.astype("datetime64[M]")
    day = (days - months.astype("datetime64[D]")).astype(int)
    at_end = bool((days == _last_days(months)).all())
    gaps = np.diff(months.astype(int))
    found = []
    if gaps.min() > 0 and (at_end or (day == day[0]).all()):
        found.append(Step("months", float(np.gcd.reduce(gaps)), at_end))
    steps = np.diff(times).astype("timedelta64[ns]").astype(int)
    sizes, counts = np.unique(steps, return_counts=True)
    usual = int(sizes[np.argmax(counts)])
    if usual == _DAY and len(times) > 5 and np.is_busday(days).all() and (steps == 3 * _DAY).any():
        found.append(Step("weekdays", 1.0))
    return [*found, Step("time", float(usual))]


def increases(values: np.ndarray) -> bool:
    """Whether numbers are times: they increase, or decrease by equal steps."""
    if not np.isfinite(values).all():
        return False
    steps = np.diff(values)
    falling = len(steps) > 1 and bool((steps < 0).all())
    return bool((steps > 0).all()) or (falling and bool(np.ptp(steps) <= 0.01 * abs(steps[0])))


def season_of(step: Step | None) -> int | None:
    """The rows in a season: a year of months and weeks, a week of days, a day of shorter steps unless they are too many."""
    if step is None or step.kind == "number":
        return None
    if step.kind == "months":
        return int(12 / step.size) if 12 % step.size == 0 and step.size < 12 else None
    if step.kind == "weekdays":
        return 5
    rows = {7 * _DAY: 52.0, _DAY: 7.0}.get(int(step.size), _DAY / step.size)
    return int(rows) if rows == round(rows) and 1 < rows <= _LONGEST else None


def places_of(step: Step, times: np.ndarray) -> Int[np.ndarray, " T"]:
    """The number of each time in the regular sequence of times."""
    return np.round(step.places(times)).astype(int)


def as_text(time: np.generic) -> str:
    """A time as people write it: a date without a time of day where there is none, a number without needless digits."""
    if not isinstance(time, np.datetime64):
        return f"{float(time):.10g}"
    text = str(time.astype("datetime64[s]"))
    return text.removesuffix("T00:00:00").replace("T", " ")


# Missing values and missing rows.


def filled(values: Float[np.ndarray, "T D"], how: str, season: int) -> Float[np.ndarray, "T D"]:
    """The values with every NaN filled. The first and the last row have none."""
    return np.stack([_FILLS[how](column, season) for column in values.T], axis=1)


def _linear(column: np.ndarray, season: int) -> np.ndarray:
    known = np.flatnonzero(~np.isnan(column))
    return np.interp(np.arange(len(column)), known, column[known])


def _previous(column: np.ndarray, season: int) -> np.ndarray:
    last = np.maximum.accumulate(np.where(np.isnan(column), 0, np.arange(len(column))))
    return column[last]


def _season(column: np.ndarray, season: int) -> np.ndarray:
    """The value a season before; in the first season that of the season after; else a straight line."""
    found = column.copy()
    for row in np.flatnonzero(np.isnan(column)):
        if row >= season:
            found[row] = found[row - season]
        elif row + season < len(column):
            found[row] = column[row + season]
    return _linear(found, season)


_FILLS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "linear": _linear,
    "season": _season,
    "previous": _previous,
}
FILLS = tuple(_FILLS)


def calendar_of(times: np.ndarray) -> Float[np.ndarray, "T F"]:
    """The place of dates (T,) in the year, and in the week and the day where these change, as cosine and sine."""
    days, years = times.astype("datetime64[D]"), times.astype("datetime64[Y]").astype("datetime64[D]")
    turns = [(days - years).astype(int) / 365.25]
    if len(times) > 1 and np.diff(times).min() < np.timedelta64(7, "D"):
        turns.append((days.astype(int) + 3) % 7 / 7)
    hours = (times - days).astype("timedelta64[s]").astype(int) / 86400
    turns += [hours] * (len(np.unique(hours)) > 1)
    return np.stack([wave(2 * np.pi * turn) for turn in turns for wave in (np.cos, np.sin)], axis=1)
