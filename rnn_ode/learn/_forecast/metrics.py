"""How far forecasts are off. All take arrays of NumPy's or JAX's, compute in float64 on the host and return Python floats."""

from collections.abc import Sequence

import numpy as np
from jax.typing import ArrayLike

from ..._base.checks import check_count
from ..._files.arrays import as_host_floats


def mae(targets: ArrayLike | Sequence, predictions: ArrayLike | Sequence) -> float:
    """The mean absolute error, mean |y − p|, in the units of the values.

    **Arguments:** `targets` y and `predictions` p, of one shape, any. **Raises:** `ValueError` for shapes that differ, empty
    arrays and entries that are not finite.

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

    **Arguments:** `targets` y and `predictions` p, of one shape, any. **Raises:** `ValueError` as `mae`.

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

    Of the definitions in use it is that of Chen & Yang (2004), with absolute values in the denominator, not in percent. An
    exact forecast of zero, 0/0, counts as 0. Near zero crossings it says little: any value of the other sign counts as 2.

    **Arguments:** `targets` y and `predictions` p, of one shape, any. **Raises:** `ValueError` as `mae`.

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
    """The mean absolute scaled error: |y − p| in units of what the (seasonal) naive forecast misses by on the training part.

    The unit of each column is mean |y(t) − y(t − season)| over the training part; below 1 a forecast beats the naive one
    there. Hyndman & Koehler, International Journal of Forecasting 22 (2006) 679.

    **Arguments:** `targets` and `predictions` (…, D); `training` (T, D) in time order, T > season; `season` in samples.

    **Raises:** `ValueError` as `mae`, for `training` of another D or too short, and naming a column of it that repeats itself
    after `season`, whose unit is 0.

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
    units = np.abs(rows[season:] - rows[:-season]).mean(axis=0)
    for column in np.flatnonzero(units == 0):
        raise ValueError(
            f"training must change within season, {season}: column {column} repeats itself and so gives no unit of error."
        )
    return float((np.abs(y - p) / units).mean())


def coverage(targets: ArrayLike | Sequence, lower: ArrayLike | Sequence, upper: ArrayLike | Sequence) -> float:
    """The share of targets inside their intervals, lower ≤ y ≤ upper, from 0 to 1.

    **Arguments:** `targets`, `lower` and `upper`, of one shape, any. **Raises:** `ValueError` as `mae`, and where an
    interval's lower end is above its upper end.

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


def _pair(targets, values, name: str = "predictions") -> tuple[np.ndarray, np.ndarray]:
    y = as_host_floats("targets", targets).astype(np.float64)
    p = as_host_floats(name, values).astype(np.float64)
    if y.shape != p.shape:
        raise ValueError(f"targets and {name} must have one shape; got {y.shape} and {p.shape}.")
    return y, p
