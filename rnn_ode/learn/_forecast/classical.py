"""Exponential smoothing and Theta by statsmodels, where it is installed.

For the test their parameters are fitted to the last rows before it; for the validation, which calibrates their intervals, to
those before its first target. With these they run over the whole series, and forecast from every row what comes after it.
"""

import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
from jaxtyping import Float

from .windows import Windows

_LONGEST = 1500  # rows to which parameters are fitted
_MOST = 50_000  # rows of a series, times columns, for which they are worth their time


def classical(
    rows: Float[np.ndarray, "T D"], cut: int, parts: dict[str, Windows], season: int
) -> dict[str, dict[str, np.ndarray]]:
    """The forecasts of each part's targets, by method and part; nothing without statsmodels.

    Their parameters are fitted to rows among the first `cut` ones.
    """
    if find_spec("statsmodels") is None or rows.size > _MOST or cut < max(10, 2 * season + 2):
        return {}
    found: dict[str, dict[str, np.ndarray]] = {}
    window = next(iter(parts.values()))
    horizon, leads = window.targets.shape[1], window.gap + 1 + np.arange(window.targets.shape[1])
    for name, method in (("exponential smoothing", _smoothing), ("Theta", _theta)):
        try:
            columns = [method(column, cut, leads, season) for column in rows.T]
        except (ValueError, np.linalg.LinAlgError, FloatingPointError):
            continue  # the method does not fit such a series, for example too few seasons
        every = np.stack(columns, axis=2)  # (T, horizon, D), from the row before
        if not np.isfinite(every[cut:]).all():
            continue
        found[name] = {
            part: every[windows.starts + windows.inputs.shape[1]].reshape(len(windows), horizon, -1)
            for part, windows in parts.items()
        }
    return found


def _smoothing(column: np.ndarray, cut: int, leads: np.ndarray, season: int) -> np.ndarray:
    """Forecasts (T + 1, horizon): row t is made from the rows before t. Trend and season are taken if AIC says so."""
    from statsmodels.tsa.statespace.exponential_smoothing import ExponentialSmoothing

    size = np.abs(column[:cut]).max() or 1.0
    scaled = column / size
    first = max(0, cut - _LONGEST)
    first -= first % season  # row 0, from which the fitted states are run, is at the same place in the season
    kinds = [{}, {"trend": True, "damped_trend": True}]
    if season > 1 and season <= 24 and cut - first > 3 * season:
        kinds += [{**kind, "seasonal": season} for kind in kinds]
    best: Any = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in kinds:
            fitted: Any = ExponentialSmoothing(scaled[first:cut], **kind).fit(disp=False, maxiter=50)
            if best is None or fitted.aic < best.aic:
                best = fitted
        whole = best.apply(scaled)
        kalman = whole.filter_results
    states, design, transition = kalman.predicted_state, kalman.design[..., 0], kalman.transition[..., 0]
    offset = kalman.obs_intercept[..., 0] if kalman.obs_intercept.size else 0.0
    powers = [np.linalg.matrix_power(transition, int(lead) - 1) for lead in leads]
    return np.stack([(design @ power @ states + np.reshape(offset, (-1, 1)))[0] for power in powers], axis=1) * size


def _theta(column: np.ndarray, cut: int, leads: np.ndarray, season: int) -> np.ndarray:
    """Forecasts (T + 1, horizon), as those of `_smoothing`, by the Theta model with the usual slope of a half."""
    from statsmodels.tsa.forecasting.theta import ThetaModel
    from statsmodels.tsa.seasonal import seasonal_decompose

    first = max(0, cut - _LONGEST)
    phases = (np.arange(len(column) + leads[-1] + 1) - first) % season  # the first row that is fitted has phase 0
    cycle = np.zeros(season)
    if season > 1 and cut - first > 2 * season:
        cycle = seasonal_decompose(column[first:cut], period=season).seasonal[:season]
    level_of = column - cycle[phases[: len(column)]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted: Any = ThetaModel(level_of[first:cut], period=1, deseasonalize=False).fit()
    rate, slope = float(fitted.params["alpha"]), float(fitted.params["b0"])
    level, found = level_of[0], np.zeros((len(column) + 1, len(leads)))
    for row in range(len(column)):
        level = level + rate * (level_of[row] - level)
        age = row + 1
        trend = slope / 2 * (leads - 1 + (1 - (1 - rate) ** age) / max(rate, 1e-6))
        found[row + 1] = level + trend + cycle[phases[row + leads]]
    return found
