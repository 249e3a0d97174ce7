"""Times of a series: dates from texts, the step from one row to the next, and gaps."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

_DAY = 86_400_000_000_000  # nanoseconds
_MONTHS = {1: "monthly", 3: "quarterly", 6: "every half year", 12: "yearly"}
_UNITS = ((_DAY, "day"), (_DAY // 24, "hour"), (_DAY // 1440, "minute"), (_DAY // 86400, "second"))
_NAMED = {_DAY: "daily", 7 * _DAY: "weekly", _DAY // 24: "hourly"}
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
            last = (months + 1).astype("datetime64[D]") - 1
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


def step_of(times: np.ndarray) -> Step | None:
    """The step of increasing times, some of which may be missing, or `None` if they are irregular."""
    if len(times) < 2:
        return None
    candidates = _dated_steps(times) if times.dtype.kind == "M" else [Step("number", float(np.median(np.diff(times))))]
    for step in candidates:
        places = step.places(times)
        whole = np.round(places)
        near = 0.01 if step.kind == "number" else 1e-9
        strict = bool((np.diff(whole) > 0).all())
        if strict and (np.abs(places - whole) <= near).all() and whole[-1] + 1 <= _SPARSE * len(times):
            return step
    return None


def _dated_steps(times: np.ndarray) -> list[Step]:
    """Steps that dates may have: months first, then weekdays, then equal times."""
    days = times.astype("datetime64[D]")
    months = times.astype("datetime64[M]")
    day = (days - months.astype("datetime64[D]")).astype(int)
    at_end = bool((days + 1 == (months + 1).astype("datetime64[D]")).all())
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


def places_of(step: Step, times: np.ndarray) -> Int[np.ndarray, " T"]:
    """The number of each time in the regular sequence of times."""
    return np.round(step.places(times)).astype(int)


def as_text(time: np.generic) -> str:
    """A time as people write it: a date without a time of day where there is none, a number without needless digits."""
    if not isinstance(time, np.datetime64):
        return f"{float(time):.10g}"
    text = str(time.astype("datetime64[s]"))
    return text.removesuffix("T00:00:00").replace("T", " ")


# Dates in texts. Separators become "-" before a format is tried.

_ISO = "ISO8601"
_FORMATS = (
    ("%Y-%m-%d",),
    ("%d-%m-%Y", "%m-%d-%Y"),  # those on one line are read from the same texts, and the more regular one is taken
    ("%d-%m-%y", "%m-%d-%y"),
    ("%Y-%m",),
    ("%m-%Y",),
    ("%b-%d-%Y",),
    ("%B-%d-%Y",),
    ("%d-%b-%Y", "%d-%B-%Y"),
    ("%d-%b-%y",),
    ("%Y-%b-%d",),
    ("%b-%Y",),
    ("%B-%Y",),
    ("%b-%y",),
    ("%Y-%b",),
    ("%YM%m",),
)
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
_WORDS = {"d": "day", "m": "month", "b": "month", "B": "month", "Y": "year", "y": "year"}


@dataclass(frozen=True)
class Dates:
    """Dates read from texts, NaT where a text is none, and a remark on how they were read."""

    times: np.ndarray
    remark: str = ""

    @property
    def unread(self) -> Bool[np.ndarray, " T"]:
        return np.isnat(self.times)


def dates_of(cells: np.ndarray, given: str | None = None) -> Dates:
    """The dates that all of these texts are, by the format `given` or one of those known; else those of the best format."""
    if given is not None:
        try:
            return Dates(_parsed(cells, given))
        except ValueError as error:
            raise ValueError(f"dates must be a format such as %d.%m.%Y; got {given!r} ({error}).") from None
    quarters = _quarters(cells)
    if quarters is not None:
        return Dates(quarters)
    times = _parsed(cells, _ISO)
    if not np.isnat(times).any():
        return Dates(times)
    best, normal = times, np.array([_normal(cell) for cell in cells], object)
    clocks = _CLOCKS if any(":" in cell for cell in cells[:10]) else _CLOCKS[:1]
    for formats in _FORMATS:
        for clock in clocks:
            whole = {}
            for one in formats:
                times = _parsed(normal, one + clock)
                best = min(best, times, key=lambda found: np.isnat(found).sum())
                if not np.isnat(times).any():
                    whole[one] = times
            if whole:
                return _most_regular(whole, points="." in cells[0])
    return Dates(best)


def _most_regular(found: dict[str, np.ndarray], points: bool) -> Dates:
    """Of two readings, the more regular one. If both are, day comes first between points, and else month comes first."""
    names = list(found) if points else list(found)[::-1]
    best = min(names, key=lambda name: _disorder(found[name]))
    if len(found) == 1 or all((times == found[best]).all() for times in found.values()):
        return Dates(found[best])
    order = ", then ".join(_WORDS[letter] for letter in re.findall("%([dmbBYy])", best))
    doubt = any(name != best and _disorder(found[name]) == _disorder(found[best]) for name in names)
    return Dates(found[best], f"dates read as {order}" + "; the other order fits as well" * doubt)


def _disorder(times: np.ndarray) -> tuple[bool, bool, int]:
    """Whether times go back and forth, whether they have no step, and how many different steps they make."""
    ordered, turns = np.sort(times), np.sign(np.diff(times).astype(int))
    step = step_of(ordered) if (np.diff(ordered).astype(int) > 0).all() else None
    places = np.diff(ordered).astype(int) if step is None else np.diff(places_of(step, ordered))
    return len(np.unique(turns)) > 1, step is None, len(np.unique(places))


def _normal(cell: str) -> str:
    """A date with "-" between its parts, and its time of day after a blank."""
    match = re.fullmatch(r"(.*?)(?:[T ]+(\d{1,2}:\d{2}.*))?", cell)
    assert match is not None
    date = re.sub(r"[-./, ]+", "-", match[1].strip()).removesuffix("-")
    return f"{date} {match[2].strip()}" if match[2] else date


def _parsed(cells: np.ndarray, form: str) -> np.ndarray:
    import pandas as pd

    found = pd.to_datetime(pd.Series(cells, dtype=object), format=form, errors="coerce", utc=True)
    return found.dt.tz_localize(None).to_numpy().astype("datetime64[ns]")


def _quarters(cells: np.ndarray) -> np.ndarray | None:
    """The first days of quarters such as 1974Q1, or `None`."""
    found = [re.fullmatch(r"(\d{4})-?Q([1-4])|Q([1-4])[- ]?(\d{4})", cell) for cell in cells]
    if not all(found):
        return None
    months = [12 * (int(m[1] or m[4]) - 1970) + 3 * (int(m[2] or m[3]) - 1) for m in found if m]
    return np.array(months).astype("datetime64[M]").astype("datetime64[ns]")


def dates_in_numbers(values: Float[np.ndarray, " T"]) -> np.ndarray | None:
    """The dates of numbers such as 19580329 or 195803, which increase or decrease, or `None`."""
    if len(values) < 2 or not np.isfinite(values).all() or (values != np.round(values)).any():
        return None
    for form, low, high in (("%Y%m%d", 1500_01_01, 2500_12_31), ("%Y%m", 1500_01, 2500_12)):
        if values.min() >= low and values.max() <= high:
            times = _parsed(values.astype(int).astype(str).astype(object), form)
            steps = np.diff(times).astype(int)
            if not np.isnat(times).any() and ((steps > 0).all() or (steps < 0).all()):
                return times
    return None


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
