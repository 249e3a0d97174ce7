"""Baselines beside the networks, and how good the intervals of all are."""

from collections.abc import Sequence

import numpy as np

from .bands import ConformalIntervals
from .baselines import LinearAutoregression, drift, last_value, seasonal
from .classical import classical
from .metrics import coverage, crps
from .predicted import Predicted
from .split import Split
from .windows import Windows


def all_baselines(
    parts: Split, rows: np.ndarray, cut: int, season: int, used: tuple[int, ...]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The forecasts of the baselines for the test windows and for the validation windows, by name.

    The first `cut` rows are those before the test. What validates in time order is not in the rows to which
    its forecasts are fitted.
    """
    tested, before = baselines_of(parts, season, used), baselines_of(parts, season, used, parts.validation)
    series, valid = rows[:, list(used)], parts.validation
    found = classical(series, cut, {"test": parts.test, "valid": valid}, season)
    first = int(valid.starts[0]) + valid.inputs.shape[1] + valid.gap  # the row of the first validation target
    random = parts.train.starts[-1] > valid.starts[0]
    earlier = {} if random else classical(series, first, {"valid": valid}, season)
    tested |= {name: one["test"] for name, one in found.items()}
    return tested, before | {name: earlier.get(name, one)["valid"] for name, one in found.items()}


def baselines_of(
    parts: Split, season: int, used: Sequence[int] | None = None, windows: Windows | None = None
) -> dict[str, np.ndarray]:
    """The forecasts of the baselines for windows, by default those of the test, by name."""
    windows = parts.test if windows is None else windows
    columns = list(range(windows.inputs.shape[2]) if used is None else used)
    found = {"last value": last_value(windows)[:, :, columns]}
    history = windows.inputs.shape[1]
    if history > 1:
        found["drift"] = drift(windows)[:, :, columns]
    if 1 < season <= history:
        found["seasonal"] = seasonal(windows, season)[:, :, columns]
    return found | {"linear autoregression": LinearAutoregression.fit(parts.train)(windows)}


def scores_of(
    parts: Split,
    share: float,
    baselines: dict[str, np.ndarray],
    before: dict[str, np.ndarray],
    valid: Predicted,
    tested: Predicted,
    intervals: ConformalIntervals,
) -> dict[str, dict[str, float]]:
    """The CRPS of each method and the share that its intervals cover, at the last step of the horizon. Intervals and
    distributions of all methods come from their errors on the validation windows."""

    def of(fitted: ConformalIntervals, part: Predicted) -> dict[str, float]:
        band, wanted = fitted(part), parts.test.targets[:, -1]
        return {
            "crps": crps(wanted, fitted.samples(part)[:, :, -1]),
            "covers": coverage(wanted, band.lower[:, -1], band.upper[:, -1]),
        }

    def alone(earlier: np.ndarray, later: np.ndarray, log: bool = False) -> dict[str, float]:
        fitted = ConformalIntervals.fit(Predicted(earlier[None]), parts.validation.targets, share, log)
        return of(fitted, Predicted(later[None]))

    rows = {name: alone(before[name], found) for name, found in baselines.items()}
    each = [alone(a, b, intervals.log) for a, b in zip(valid.found, tested.found, strict=True)]
    rows["network"] = {name: float(np.median([row[name] for row in each])) for name in each[0]}
    return rows | {"ensemble": of(intervals, tested)}
