"""Work and precision: the cheapest setting of a contender that is precise enough, and its curve of seconds and errors."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ._race import TARGET, Contender, Plan, timed

QUARTERS = 4  # of a decade
TOLERANCES = tuple(10 ** (-k / QUARTERS) for k in range(2 * QUARTERS, 13 * QUARTERS + 1))
SUBSTEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
POINT_S = 0.3  # seconds for which a point of the curve is timed, but once at least
CURVE_S = 1.0  # after a setting that was good enough and took longer, no finer one is tried
FINEST = 1e-11  # errors below this are those of the reference itself


@dataclasses.dataclass(frozen=True)
class Tuned:
    """The cheapest setting that meets the target (or the finest that was tried), and the work–precision curve."""

    setting: Any
    call: Callable[[], Any]
    first_s: float
    error: float
    seconds: float
    curve: list[tuple[float, float]]


def tuned(solve: Callable, settings: Sequence, error: Callable[[Any], float], stride: int = 1) -> Tuned:
    """The cheapest setting of `solve(setting)` with an error below the target, and the curve.

    Settings are tried from coarse to fine, every `stride`-th. Once one is good enough, those that the stride left out just
    before it are tried too, and the first good one is chosen. Finer ones follow for the curve while they are quick.
    """
    seen: dict[int, tuple[float, float]] = {}
    first_s, chosen = None, None

    def is_good(i: int) -> bool:
        nonlocal first_s
        seconds, its, first = _point(lambda: solve(settings[i]), error, bool(seen))
        first_s = first if first_s is None else first_s
        seen[i] = (its, seconds)
        return its <= TARGET

    for i in range(0, len(settings), stride):
        if is_good(i) and chosen is None:
            chosen = next((k for k in range(max(i - stride + 1, 0), i) if is_good(k)), i)
        its, seconds = seen[i]
        if chosen is not None and (its <= FINEST or seconds > CURVE_S):
            break
    chosen = max(seen) if chosen is None else chosen
    curve = sorted(point for point in seen.values() if math.isfinite(point[0]))
    setting = settings[chosen]
    return Tuned(setting, lambda: solve(setting), first_s or 0.0, *seen[chosen], curve)


def _point(call: Callable[[], Any], error: Callable[[Any], float], compiled: bool) -> tuple[float, float, float]:
    """The median seconds of a few calls, the error, and the seconds of the first call.

    The first call does not count for the median unless the program is `compiled`.
    """
    first_s, results = timed(call)
    its = error(results)
    seconds = [first_s] if compiled else []
    while len(seconds) < 5 and (not seconds or sum(seconds) < POINT_S):
        seconds.append(timed(call)[0])
    return float(np.median(seconds)), its, first_s


def quickest(
    case: str, name: str, ways: Mapping[str, tuple[Callable, Sequence]], error: Callable[[Any], float], plan: Plan
) -> tuple[str, Tuned]:
    """The note and the result of the quickest of several ways, each at its cheapest setting.

    A way is `note: (solve, settings)`, with `solve(setting)`.
    """
    found = {}
    for note, (solve, settings) in ways.items():
        plan.progress(f"{case}: the setting of {name}: {note}")
        found[note] = tuned(solve, settings, error, QUARTERS if settings is TOLERANCES else 1)
    note, its = min(found.items(), key=lambda pair: (pair[1].error > TARGET, pair[1].seconds))
    chosen = f"{its.setting} steps a sample" if isinstance(its.setting, int) else f"rtol {its.setting:.1e}"
    return f"{note}, {chosen}", its


def best(
    case: str, name: str, ways: Mapping[str, tuple[Callable, Sequence]], error: Callable[[Any], float], plan: Plan
) -> Contender:
    """The contender that takes the quickest of several ways."""
    note, its = quickest(case, name, ways, error, plan)
    return Contender(name, its.call, note, first_s=its.first_s, curve=its.curve)


def with_its_point(contender: Contender, error: Callable[[Any], float]) -> Contender:
    """A contender that has no error to choose, with a curve of one point."""
    assert contender.call is not None
    seconds, its, first_s = _point(contender.call, error, False)
    return dataclasses.replace(contender, first_s=first_s, curve=[(its, seconds)] if math.isfinite(its) else [])
