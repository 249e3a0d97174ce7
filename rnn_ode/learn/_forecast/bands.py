"""Prediction intervals, calibrated on validation windows.

They are as wide as the members of an ensemble disagree, times a factor for each step ahead. The factor is the smallest with
which the intervals cover the wanted share of the validation targets (split conformal prediction with normalised residuals:
Lei et al., JASA 113, 2018).
"""

import math
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from ..._base.shown import Shown
from ..._base.text import Column, Table, number, plain

_MOST = 12  # rows of a table


class Band(Shown, eqx.Module):
    """Predictions with intervals, each (…, horizon, D), in the units of the series. `print(band)` shows those of one window.

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

    _alone = "mean", 2

    def _tables(self) -> tuple[Table, ...]:
        return (band_table(self, 1, "Predictions with intervals."),)

    def _data(self) -> dict[str, Any]:
        return plain({"mean": self.mean, "lower": self.lower, "upper": self.upper})


def band_table(band: Band, first: int, title: str, says: str = "") -> Table:
    """The predictions of one window as a table. Its steps count from `first`, and `says` tells what they are."""
    horizon, width = band.mean.shape
    places = [(step, column) for step in range(horizon) for column in range(width)]
    rows = tuple(
        (
            str(first + step),
            *([str(column)] if width > 1 else []),
            *(number(values[step, column], 5) for values in (band.mean, band.lower, band.upper)),
        )
        for step, column in places[:_MOST]
    )
    headings = ["column", "mean", "lower", "upper"][width == 1 :]
    columns = Column("step", ">", says), *(Column(heading, ">") for heading in headings)
    return Table(columns, rows, title, hidden=len(places) - len(rows))


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
