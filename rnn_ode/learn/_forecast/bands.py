"""Prediction intervals, calibrated on validation windows.

They are as wide as the members of an ensemble disagree, times a factor for each step ahead. The factor is the smallest with
which the intervals cover the wanted share of the validation targets (split conformal prediction with normalised residuals:
Lei et al., JASA 113, 2018).
"""

import math
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from ..._base.shown import Shown
from ..._base.text import Column, Table, number, plain
from .predicted import Predicted

_MOST = 24  # rows of a table


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


def band_table(
    band: Band,
    first: int,
    title: str,
    says: str = "",
    times: Sequence[str] | None = None,
    names: Sequence[str] = (),
) -> Table:
    """The predictions of one window as a table. Its steps count from `first`, and `says` tells what they are."""
    horizon, width = band.mean.shape
    places = [(step, column) for step in range(horizon) for column in range(width)]
    rows = tuple(
        (
            str(first + step),
            *([times[step]] if times else []),
            *([names[column] if names else str(column)] if width > 1 else []),
            *(number(values[step, column], 5) for values in (band.mean, band.lower, band.upper)),
        )
        for step, column in places[:_MOST]
    )
    headings = ["column", "mean", "lower", "upper"][width == 1 :]
    when = [Column("time")] if times else []
    columns = Column("step", ">", says), *when, *(Column(heading, ">") for heading in headings)
    return Table(columns, rows, title, hidden=len(places) - len(rows))


class ConformalIntervals(eqx.Module):
    """Intervals around the mean of an ensemble, of the half-width factor · (standard deviation of the members + floor).

    If the predictions have a scale, the floor is multiplied by it. If the members say how uncertain they are (`spread`), that
    stands in place of the standard deviation and the floor.

    **Fields:** `factor` and `floor`, each (horizon, D). `floor` is the root mean square error on the validation windows,
    relative to the scale. `ratios` (m, horizon, D) are quantiles of the errors, with sign, in the same units as `factor`.
    With `log` all of this is about logarithms, so that the intervals grow with the level; the mean is that of the values.
    """

    factor: np.ndarray
    floor: np.ndarray
    ratios: np.ndarray
    log: bool = eqx.field(static=True, default=False)

    @classmethod
    def fit(
        cls, predicted: Predicted, targets: Float[np.ndarray, "n horizon D"], share: float, log: bool = False
    ) -> "ConformalIntervals":
        """The intervals that cover this share of the targets."""
        centre, each, spread = _scaled(predicted, log)
        wrong = (np.log(targets) if log else targets) - centre
        scale = 1.0 if predicted.scale is None else predicted.scale
        floor = np.sqrt(np.mean((wrong / scale) ** 2, axis=0)) + np.finfo(float).tiny
        width = _width(each, floor * scale, spread)
        ratios = np.sort(np.abs(wrong) / width, axis=0)
        place = math.ceil((len(ratios) + 1) * share * (1 - 1e-12)) - 1
        levels = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
        return cls(ratios[min(place, len(ratios) - 1)], floor, np.quantile(wrong / width, levels, axis=0), log)

    def __call__(self, predicted: Predicted) -> Band:
        """The mean of the members' predictions, with its intervals."""
        centre, each, spread = _scaled(predicted, self.log)
        half = self.factor * _width(each, self._floor(predicted), spread)
        return Band(predicted.found.mean(axis=0), self._undone(centre - half), self._undone(centre + half))

    def samples(self, predicted: Predicted) -> Float[np.ndarray, "m n horizon D"]:
        """Equally likely values of each target: the mean, and the errors of the validation windows in its units."""
        centre, each, spread = _scaled(predicted, self.log)
        return self._undone(centre + self.ratios[:, None] * _width(each, self._floor(predicted), spread))

    def _floor(self, predicted: Predicted) -> np.ndarray:
        return self.floor if predicted.scale is None else self.floor * predicted.scale

    def _undone(self, values: np.ndarray) -> np.ndarray:
        return np.exp(np.clip(values, -700, 700)) if self.log else values


_QUANTILES = 40


def _scaled(predicted: Predicted, log: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The mean of the members, the members, and how uncertain they say they are: as they are, or all in logarithms."""
    found, spread = predicted.found, predicted.spread
    mean = found.mean(axis=0)
    if not log:
        return mean, found, spread
    return np.log(mean), np.log(found), None if spread is None else np.log1p(spread / found)


def _width(predictions: np.ndarray, floor: np.ndarray, spread: np.ndarray | None) -> np.ndarray:
    """In what units errors are compared."""
    if spread is None:
        return predictions.std(axis=0) + floor
    return np.sqrt(np.mean(spread**2, axis=0) + predictions.var(axis=0)) + 1e-3 * floor
