"""Forecasts that cost nothing, which a network has to beat.

Each takes `Windows` and returns predictions (n, horizon, D) of their targets from their inputs alone. The first three are the
"simple forecasting methods" of Hyndman & Athanasopoulos, Forecasting: Principles and Practice (3rd ed., 2021, section 5.2),
with the history of each window as the past.
"""

import equinox as eqx
import numpy as np
from jaxtyping import Float

from ..._base.checks import check_count
from .windows import Windows, check_windows


def last_value(windows: Windows) -> Float[np.ndarray, "n horizon D"]:
    """The naive forecast: the last value of the history, repeated over the horizon.

    **Arguments:**

    - `windows`: `Windows` of `learn.windows` or `learn.split`.

    **Returns:** predictions (n, horizon, D).

    ```python
    >>> import numpy as np
    >>> from rnn_ode import learn
    >>> every = learn.windows(np.arange(6.0)[:, None], history=3, gap=1, horizon=2)
    >>> learn.last_value(every).tolist()
    [[[2.0], [2.0]]]

    ```
    """
    check_windows("last_value", "windows", windows)
    return np.repeat(windows.inputs[:, -1:], windows.targets.shape[1], axis=1)


def seasonal(windows: Windows, season: int) -> Float[np.ndarray, "n horizon D"]:
    """The seasonal naive forecast: the latest value of the history that is a whole number of seasons before the target.

    **Arguments:**

    - `windows`: `Windows` of `learn.windows` or `learn.split`.
    - `season`: rows per season. With 1 it is `last_value`.

    **Returns:** predictions (n, horizon, D).

    **Raises:** `ValueError` if the history is shorter than a season.

    ```python
    >>> import numpy as np
    >>> from rnn_ode import learn
    >>> every = learn.windows(np.array([1.0, 2.0, 3.0, 1.0, 2.0, 3.0])[:, None], history=3, gap=1, horizon=2)
    >>> learn.seasonal(every, 3).tolist(), every.targets.tolist()
    ([[[2.0], [3.0]]], [[[2.0], [3.0]]])

    ```
    """
    check_windows("seasonal", "windows", windows)
    check_count("season", season)
    history = windows.inputs.shape[1]
    if history < season:
        raise ValueError(f"season must be at most the windows' history, {history}; got {season}.")
    back = -(-_leads(windows) // season) * season - _leads(windows)  # rows before the last one of the history
    return windows.inputs[:, history - 1 - back]


def drift(windows: Windows) -> Float[np.ndarray, "n horizon D"]:
    """The drift forecast: the straight line through the first and the last value of the history, continued.

    **Arguments:**

    - `windows`: `Windows` with a history of at least 2 rows.

    **Returns:** predictions (n, horizon, D).

    **Raises:** `ValueError` for a history of 1.

    ```python
    >>> import numpy as np
    >>> from rnn_ode import learn
    >>> every = learn.windows(np.arange(6.0)[:, None], history=3, gap=1, horizon=2)
    >>> learn.drift(every).tolist()
    [[[4.0], [5.0]]]

    ```
    """
    check_windows("drift", "windows", windows)
    history = windows.inputs.shape[1]
    if history < 2:
        raise ValueError(f"drift must have windows with a history of at least 2; got {history}.")
    first, last = windows.inputs[:, :1], windows.inputs[:, -1:]
    leads = _leads(windows).astype(windows.inputs.dtype)[:, None]
    return last + leads * ((last - first) / (history - 1))


class LinearAutoregression(eqx.Module):
    """The best linear forecast on the training windows: each target is an affine function of the whole history.

    `LinearAutoregression.fit(train)` finds it by least squares. It makes one regression for each step of the horizon, so it
    does not feed the error of one step into the next. Call it with `Windows` of the same history, gap, horizon and D; it
    returns predictions.

    **Fields:**

    - `weights`: (history, D, horizon, K), of each input for each target; K is D unless `train` has fewer targets.
    - `intercept`: (horizon, K).
    - `gap`: the gap of the windows.

    ```python
    >>> from rnn_ode import datasets, learn
    >>> parts = learn.split(datasets.pendulum().values, history=100, gap=10, horizon=1)
    >>> model = learn.LinearAutoregression.fit(parts.train)
    >>> learn.mae(parts.test.targets, model(parts.test)) < 1e-9
    True

    ```
    """

    weights: Float[np.ndarray, "history D horizon K"]
    intercept: Float[np.ndarray, "horizon K"]
    gap: int = eqx.field(static=True)

    @classmethod
    def fit(cls, train: Windows) -> "LinearAutoregression":
        """Fit the model to windows, in float64; `ValueError` for no windows.

        If the windows do not determine the weights (fewer windows than weights, or a series without noise), the smallest
        weights are taken, with each column in units of its standard deviation.
        """
        check_windows("LinearAutoregression.fit", "train", train)
        if not len(train):
            raise ValueError("train must hold at least one window; it is empty.")
        # in units of the standard deviations, so that columns of different sizes count equally and rounding errors stay small
        unit = train.inputs.astype(np.float64).std(axis=(0, 1))
        unit = np.where(unit > 0, unit, 1.0)
        aim = train.targets.astype(np.float64).std(
            axis=(0, 1)
        )  # in the units of the inputs where they are the same columns
        aim = unit if len(aim) == len(unit) else np.where(aim > 0, aim, 1.0)
        inputs, targets = (
            (part.astype(np.float64) / one).reshape(len(train), -1)
            for part, one in ((train.inputs, unit), (train.targets, aim))
        )
        centre, level = inputs.mean(axis=0), targets.mean(axis=0)
        weights = np.linalg.lstsq(inputs - centre, targets - level)[0]
        shape = train.targets.shape[1:]
        intercept = (level - centre @ weights).reshape(shape) * aim
        weights = weights.reshape(*train.inputs.shape[1:], *shape) / unit[:, None, None] * aim
        return cls(weights, intercept, train.gap)

    def __call__(self, windows: Windows) -> Float[np.ndarray, "n horizon K"]:
        """Predictions (n, horizon, K), in the windows' floating type. `ValueError` for windows of other sizes."""
        wanted = (*self.weights.shape[:2], self.gap, *self.intercept.shape)
        came = (*windows.inputs.shape[1:], windows.gap, *windows.targets.shape[1:])
        if came != wanted:
            raise ValueError(
                f"windows must have the history, D, gap, horizon and D of those fitted, {wanted}; got {came}."
            )
        predictions = np.tensordot(windows.inputs.astype(np.float64), self.weights, 2) + self.intercept
        return predictions.astype(windows.inputs.dtype)


def _leads(windows: Windows) -> np.ndarray:
    """The number of rows from the last one of the history to each target."""
    return windows.gap + 1 + np.arange(windows.targets.shape[1])
