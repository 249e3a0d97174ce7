"""Errors of forecasts. All functions take NumPy or JAX arrays, compute in float64 on the host and return Python floats."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jax.typing import ArrayLike

from ..._base.checks import check_count
from ..._files.arrays import as_host_floats


def mae(targets: ArrayLike | Sequence, predictions: ArrayLike | Sequence) -> float:
    """The mean absolute error, mean |y − p|, in the units of the values.

    **Arguments:**

    - `targets`: the true values y, in any shape.
    - `predictions`: the predictions p, in the same shape.

    **Returns:** one number.

    **Raises:** `ValueError` for shapes that differ, empty arrays and entries that are not finite.

    ```python
    >>> from rnn_ode import learn
    >>> learn.mae([1.0, 2.0], [1.5, 4.0])
    1.25

    ```
    """
    y, p = _pair(targets, predictions)
    return float(np.abs(y - p).mean())


def mse(targets: ArrayLike | Sequence, predictions: ArrayLike | Sequence) -> float:
    """The mean squared error, mean (y − p)², in the units of the values squared.

    **Arguments:**

    - `targets`: the true values y, in any shape.
    - `predictions`: the predictions p, in the same shape.

    **Returns:** one number.

    **Raises:** `ValueError` as `mae`.

    ```python
    >>> from rnn_ode import learn
    >>> learn.mse([1.0, 2.0], [1.5, 4.0])
    2.125

    ```
    """
    y, p = _pair(targets, predictions)
    return float(np.square(y - p).mean())


def smape(targets: ArrayLike | Sequence, predictions: ArrayLike | Sequence) -> float:
    """The symmetric mean absolute percentage error, as a fraction: mean 2 |y − p| / (|y| + |p|), from 0 to 2.

    There are several definitions. This is the one of Chen & Yang (2004), with absolute values in the denominator and not in
    percent. An exact forecast of zero, 0/0, counts as 0. It says little near zero crossings: any prediction of the wrong
    sign counts as 2.

    **Arguments:**

    - `targets`: the true values y, in any shape.
    - `predictions`: the predictions p, in the same shape.

    **Returns:** one number.

    **Raises:** `ValueError` as `mae`.

    ```python
    >>> from rnn_ode import learn
    >>> learn.smape([1.0, 2.0, 0.0], [3.0, 2.0, 0.0]) == 1 / 3
    True

    ```
    """
    y, p = _pair(targets, predictions)
    size = np.abs(y) + np.abs(p)
    return float(np.divide(2 * np.abs(y - p), size, out=np.zeros_like(size), where=size > 0).mean())


def mase(
    targets: ArrayLike | Sequence,
    predictions: ArrayLike | Sequence,
    training: ArrayLike | Sequence,
    season: int = 1,
) -> float:
    """The mean absolute scaled error: |y − p| divided by the error of the (seasonal) naive forecast in the training part.

    That error is, for each column, the mean of |y(t) − y(t − season)| over the training part. A forecast below 1 beats the
    naive one there. Hyndman & Koehler, International Journal of Forecasting 22 (2006) 679.

    **Arguments:**

    - `targets`: the true values y (…, D).
    - `predictions`: the predictions p, in the same shape.
    - `training`: the training part (T, D), oldest row first, T > season.
    - `season`: rows per season. Default 1.

    **Returns:** one number.

    **Raises:** `ValueError` as `mae`, for `training` of another D or too short, and for a column of it that repeats itself
    after `season` rows, since its naive forecast has no error.

    ```python
    >>> from rnn_ode import learn
    >>> learn.mase([[5.0], [7.0]], [[4.0], [7.0]], training=[[0.0], [2.0], [4.0]])
    0.25

    ```
    """
    y, p = _pair(targets, predictions)
    rows = as_host_floats("training", training).astype(np.float64)
    check_count("season", season)
    if rows.ndim != 2 or y.ndim == 0 or rows.shape[1] != y.shape[-1]:
        raise ValueError(
            f"targets must have shape (…, D) and training (T, D) with one D; got {y.shape} and {rows.shape}."
        )
    if len(rows) <= season:
        raise ValueError(f"training must have more rows than season, {season}; got {len(rows)}.")
    units = naive_errors(rows, season)
    for column in np.flatnonzero(units == 0):
        raise ValueError(
            f"training must change within season, {season}: column {column} repeats itself and so gives no unit of error."
        )
    return float((np.abs(y - p) / units).mean())


def naive_errors(rows: np.ndarray, season: int, filled: np.ndarray | None = None) -> np.ndarray:
    """The mean absolute error (D,) of the seasonal naive forecast of rows (T, D); 0 if it is but a rounding error.

    Pairs of values of which one is `filled` (T, D) do not count, unless a column has no others.
    """
    changes = np.abs(rows[season:] - rows[:-season])
    counted = np.ones(changes.shape, bool) if filled is None else ~(filled[season:] | filled[:-season])
    counted |= ~counted.any(axis=0)
    errors = changes.mean(axis=0, where=counted)
    return np.where(errors > 1e-12 * np.abs(rows).max(axis=0), errors, 0.0)


def crps(targets: ArrayLike | Sequence, samples: ArrayLike | Sequence) -> float:
    """The continuous ranked probability score of forecasts that are samples: mean |x − y| − mean |x − x'| / 2.

    It is in the units of the values. For one sample it is the mean absolute error; a forecast that spreads rightly has less.
    Gneiting & Raftery, Journal of the American Statistical Association 102 (2007) 359, equation 21.

    **Arguments:**

    - `targets`: the true values y, in any shape.
    - `samples`: the samples x (m, …) of each.

    **Returns:** one number.

    **Raises:** `ValueError` as `mae`, and for samples of another shape.

    ```python
    >>> from rnn_ode import learn
    >>> learn.crps([0.0], [[-1.0], [1.0]]), learn.crps([0.0], [[1.0]])
    (0.5, 1.0)

    ```
    """
    y = as_host_floats("targets", targets).astype(np.float64)
    x = np.sort(np.atleast_1d(as_host_floats("samples", samples)).astype(np.float64), axis=0)
    if x.shape[1:] != y.shape:
        raise ValueError(f"samples must have shape (m, …) with the shape of targets, {y.shape}; got {x.shape}.")
    m = len(x)
    ranks = (2 * np.arange(1, m + 1) - m - 1).reshape(-1, *[1] * y.ndim)  # Σ|x − x'| = 2 Σ rank · x, sorted
    return float((np.abs(x - y).mean(axis=0) - (ranks * x).sum(axis=0) / m**2).mean())


def coverage(targets: ArrayLike | Sequence, lower: ArrayLike | Sequence, upper: ArrayLike | Sequence) -> float:
    """The share of targets inside their intervals, lower ≤ y ≤ upper, from 0 to 1.

    **Arguments:**

    - `targets`: the true values y, in any shape.
    - `lower`, `upper`: the ends of the intervals, in the same shape.

    **Returns:** the share.

    **Raises:** `ValueError` as `mae`, and if the lower end of an interval is above its upper end.

    ```python
    >>> from rnn_ode import learn
    >>> learn.coverage([1.0, 2.0, 3.0, 4.0], [0.0, 2.0, 4.0, 0.0], [2.0, 2.0, 5.0, 3.0])
    0.5

    ```
    """
    y, low = _pair(targets, lower, "lower")
    _, high = _pair(targets, upper, "upper")
    if (low > high).any():
        where = tuple(int(i) for i in np.argwhere(low > high)[0])
        raise ValueError(f"lower must not exceed upper; at {where} it is {low[where]} and upper {high[where]}.")
    return float(((low <= y) & (y <= high)).mean())


def _pair(targets: Any, values: Any, name: str = "predictions") -> tuple[np.ndarray, np.ndarray]:
    """Two arrays of one shape in float64."""
    y = as_host_floats("targets", targets).astype(np.float64)
    p = as_host_floats(name, values).astype(np.float64)
    if y.shape != p.shape:
        raise ValueError(f"targets and {name} must have one shape; got {y.shape} and {p.shape}.")
    return y, p
