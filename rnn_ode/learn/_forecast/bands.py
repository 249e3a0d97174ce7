"""Prediction intervals, calibrated on validation windows.

They are as wide as the members of an ensemble disagree, times a factor for each step ahead. The factor is the smallest with
which the intervals cover the wanted share of the validation targets (split conformal prediction with normalised residuals:
Lei et al., JASA 113, 2018).
"""

import math

import equinox as eqx
import numpy as np
from jaxtyping import Float


class Band(eqx.Module):
    """Predictions with intervals, each (…, horizon, D), in the units of the series.

    **Fields:**

    - `mean`: the predictions.
    - `lower`, `upper`: the ends of the intervals.

    ```python
    >>> import numpy as np
    >>> from rnn_ode import learn
    >>> mean = np.zeros((5, 2, 1))  # 5 windows, 2 steps ahead, 1 column
    >>> band = learn.Band(mean, mean - 1, mean + 1)
    >>> learn.coverage(np.full((5, 2, 1), 0.5), band.lower, band.upper)
    1.0

    ```
    """

    mean: Float[np.ndarray, "*n horizon D"]
    lower: Float[np.ndarray, "*n horizon D"]
    upper: Float[np.ndarray, "*n horizon D"]


class ConformalIntervals(eqx.Module):
    """Intervals around the mean of an ensemble, of the half-width factor · (standard deviation of the members + floor).

    **Fields:** `factor` and `floor`, each (horizon, D). `floor` is the root mean square error on the validation windows.
    """

    factor: np.ndarray
    floor: np.ndarray

    @classmethod
    def fit(
        cls,
        predictions: Float[np.ndarray, "members n horizon D"],
        targets: Float[np.ndarray, "n horizon D"],
        share: float,
    ) -> "ConformalIntervals":
        """The intervals that cover this share of the targets."""
        errors = np.abs(predictions.mean(axis=0) - targets)
        floor = np.sqrt(np.mean(errors**2, axis=0)) + np.finfo(float).tiny
        ratios = np.sort(errors / (predictions.std(axis=0) + floor), axis=0)
        place = math.ceil((len(ratios) + 1) * share * (1 - 1e-12)) - 1
        return cls(ratios[place], floor)

    def __call__(self, predictions: Float[np.ndarray, "members n horizon D"]) -> Band:
        """The mean of the members' predictions, with its intervals."""
        mean, half = predictions.mean(axis=0), self.factor * (predictions.std(axis=0) + self.floor)
        return Band(mean, mean - half, mean + half)
