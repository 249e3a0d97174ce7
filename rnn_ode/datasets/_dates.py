"""Dates from texts and from numbers."""

import datetime
import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from ._times import places_of, step_of

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
            times = _parsed(cells, given)
            return Dates(times, _years_in_words(times, given))
        except ValueError as error:
            raise ValueError(f"dates must be a format such as %d.%m.%Y; got {given!r} ({error}).") from None
    for read in (_quarter, _week):
        times = _in_range(np.array([read(cell) for cell in cells], "datetime64[D]"))
        if 2 * np.isnat(times).sum() < len(times):
            return Dates(times)
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
    years = _years_in_words(found[best], best)
    if len(found) == 1 or all((times == found[best]).all() for times in found.values()):
        return Dates(found[best], years)
    order = ", then ".join(_WORDS[letter] for letter in re.findall("%([dmbBYy])", best))
    doubt = any(name != best and _disorder(found[name]) == _disorder(found[best]) for name in names)
    remark = f"dates read as {order}" + "; the other order fits as well" * doubt
    return Dates(found[best], "; ".join(filter(None, (remark, years))))


def _years_in_words(times: np.ndarray, form: str) -> str:
    """How years of two digits were read; nothing for other years."""
    there = times[~np.isnat(times)].astype("datetime64[Y]")
    if "%y" not in form or not len(there):
        return ""
    years = sorted({str(there.min()), str(there.max())})
    return f"years of two digits read as {' to '.join(years)}"


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
    without_weekday = re.sub(r"(?i)^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[., ]+", "", match[1].strip())
    date = re.sub(r"[-./, ]+", "-", without_weekday).removesuffix("-")
    return f"{date} {match[2].strip()}" if match[2] else date


def _parsed(cells: np.ndarray, form: str) -> np.ndarray:
    import pandas as pd

    found = pd.to_datetime(pd.Series(cells, dtype=object), format=form, errors="coerce", utc=True)
    times = _in_range(found.dt.tz_localize(None).to_numpy())
    return _in_one_century(times) if "%y" in form else times


def _in_range(times: np.ndarray) -> np.ndarray:
    """Dates in nanoseconds; NaT before 1678 and after 2261, where NumPy would count past the range and return others."""
    counted = times.copy()
    years = times.astype("datetime64[Y]")
    counted[(years < np.datetime64("1678", "Y")) | (years > np.datetime64("2261", "Y"))] = np.datetime64("NaT", "Y")
    return counted.astype("datetime64[ns]")


def _in_one_century(times: np.ndarray) -> np.ndarray:
    """Dates whose years had two digits, with years that are as close together as possible, and at most ten ahead of now."""
    there = ~np.isnat(times)
    if not there.any():
        return times
    years = times[there].astype("datetime64[Y]").astype(int) + 1970
    short = np.unique(years % 100)
    behind = np.roll(short, -1) - short  # how far the next one is; the last one's next is the first one, 100 later
    behind[-1] += 100
    ends = short[behind == behind.max()]
    end = next((one for one in (years[-1] % 100, years[0] % 100) if one in ends), ends[0])
    latest = int(np.datetime64("now").astype("datetime64[Y]").astype(int)) + 1980
    last = latest - (latest - int(end)) % 100
    wanted = last - (end - years) % 100
    moved = times.copy()
    months = times[there].astype("datetime64[M]")
    moved[there] = (months + 12 * (wanted - years)).astype("datetime64[ns]") + (times[there] - months)
    return moved


def _quarter(cell: str) -> np.datetime64:
    """The first day of a quarter such as 1974Q1, or NaT."""
    match = re.fullmatch(r"(\d{4})[- ]?Q([1-4])|Q([1-4])[- ]?(\d{4})", cell)
    if match is None:
        return np.datetime64("NaT", "D")
    return np.datetime64(f"{match[1] or match[4]}-{3 * int(match[2] or match[3]) - 2:02d}-01")


def _week(cell: str) -> np.datetime64:
    """The first day of an ISO week such as 2020-W01, or NaT."""
    match = re.fullmatch(r"(\d{4})-?W(\d{1,2})", cell)
    try:
        return np.datetime64(datetime.date.fromisocalendar(int(match[1]), int(match[2]), 1) if match else "NaT", "D")
    except ValueError:
        return np.datetime64("NaT", "D")


def dates_in_numbers(values: Float[np.ndarray, " T"]) -> np.ndarray | None:
    """The dates of numbers such as 19580329 or 195803, all different, or `None`."""
    if len(values) < 2 or not np.isfinite(values).all() or (values != np.round(values)).any():
        return None
    for form, low, high in (("%Y%m%d", 1500_01_01, 2500_12_31), ("%Y%m", 1500_01, 2500_12)):
        if values.min() >= low and values.max() <= high:
            times = _parsed(values.astype(int).astype(str).astype(object), form)
            if not np.isnat(times).any() and len(np.unique(times)) == len(times):
                return times
    return None
