"""Dates from texts and from numbers."""

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
