"""The result of `forecast`."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from ..._base.shown import ShownArrays, Variables
from ..._base.text import Column, Table, fixed, number, plain
from .._training.fit import Fit
from .bands import Band, band_table
from .metrics import coverage, mae, mase, mse, smape
from .split import Split

_WRITTEN = {"mae": (number, 5), "mse": (number, 3), "smape": (fixed, 4), "mase": (fixed, 3)}

_SAYS = {
    "mae": "mean absolute error, in the units of the series",
    "mse": "mean squared error",
    "smape": "mean of 2 |y − p| / (|y| + |p|), from 0 to 2",
    "mase": "mean absolute error, relative to a naive forecast",
}
_COLUMNS = (Column("method"), *(Column(name.upper(), ">", _SAYS[name]) for name in _WRITTEN))


class Forecast(ShownArrays, eqx.Module):
    """The result of `forecast`: predictions for the test windows of a series, with intervals and baselines.

    **Fields:**

    - `split`: the windows, a `Split`.
    - `past`: the rows (T, D) before the test part.
    - `band`: a `Band` of the test windows: the mean of the networks, with intervals.
    - `members`: the predictions (members, n, horizon, D) of each network for the test windows.
    - `future`: a `Band` (horizon, D) of the rows after the end of the series. The first `gap` of them are skipped.
    - `baselines`: the predictions of the baselines for the test windows, by name.
    - `share`: the share of the targets that the intervals are meant to cover.
    - `fit`: the `Fit` of the training; `fit.model` is an `Ensemble` of the networks.
    - `season`: rows per season.

    `to_dict()` has, at the last step of the horizon: "metrics" of a single network (median), "naive" of the last value,
    "ensemble", "members" and "baselines". At every step: "by_step" of the ensemble. Further: "coverage", and the "future" at
    its "steps" after the last row of the series.

    ```python
    >>> import numpy as np
    >>> from rnn_ode import learn
    >>> series = np.sin(np.arange(60.0))[:, None]
    >>> parts = learn.split(series, history=5, gap=0, horizon=1)
    >>> zero = np.zeros_like(parts.test.targets)  # a forecast of nothing but 0
    >>> history = learn.History(np.array([0.5]), np.array([1.0]), np.array([1]), {})
    >>> band = learn.Band(zero, zero - 1, zero + 1)
    >>> future = learn.Band(zero[0], zero[0] - 1, zero[0] + 1)
    >>> fit = learn.Fit(None, history, "all 1 steps are done")
    >>> f = learn.Forecast(parts, series[:42], band, zero[None], future, {"last value": zero}, 0.9, fit, 1)
    >>> f.coverage, round(f.metrics(f.band.mean)["mse"], 1)
    (1.0, 0.5)

    ```
    """

    split: Split
    past: Float[np.ndarray, "T D"]
    band: Band
    members: Float[np.ndarray, "members n horizon D"]
    future: Band
    baselines: dict[str, np.ndarray]
    share: float
    fit: Fit
    season: int

    @property
    def steps_ahead(self) -> range:
        """How many rows after the last row of the series each row of `future` is: gap + 1, gap + 2, …."""
        first = self.split.test.gap + 1
        return range(first, first + len(self.future.mean))

    @property
    def coverage(self) -> float:
        """The share of the test targets that the intervals cover."""
        return coverage(self.split.test.targets, self.band.lower, self.band.upper)

    def metrics(self, predictions: Float[np.ndarray, "n horizon D"], step: int = -1) -> dict[str, float]:
        """The "mae", "mse", "smape" and "mase" of predictions at one step of the horizon, by default the last one."""
        pair = self.split.test.targets[:, step], predictions[:, step]
        errors = {"mae": mae(*pair), "mse": mse(*pair), "smape": smape(*pair)}
        return errors | {"mase": mase(*pair, self.past, self.season)}

    def typical(self) -> dict[str, float]:
        """Each metric's median over the networks: how good a single network is."""
        rows = [self.metrics(predictions) for predictions in self.members]
        return {name: float(np.median([row[name] for row in rows])) for name in rows[0]}

    def rows(self) -> dict[str, dict[str, float]]:
        """The metrics by name: of each baseline, of a "network" (median of all), and of the "ensemble" (their mean)."""
        table = {name: self.metrics(predictions) for name, predictions in self.baselines.items()}
        return table | {"network": self.typical(), "ensemble": self.metrics(self.band.mean)}

    def _tables(self) -> tuple[Table, ...]:
        test, horizon = self.split.test, self.split.test.targets.shape[1]
        count = len(self.members)
        labels = {"network": f"network (median of {count})", "ensemble": f"mean of all {count}"}
        rows = tuple(
            (
                labels.get(name, name.replace("_", " ")),
                *(write(row[key], digits) for key, (write, digits) in _WRITTEN.items()),
            )
            for name, row in self.rows().items()
        )
        title = f"Errors at step {test.gap + horizon} after the history, on {len(test)} test windows."
        ahead = "season" if self.season > 1 else "sample"
        notes = (
            f"MASE is relative to the naive forecast one {ahead} ahead in the past.",
            f"The intervals of {self.share:.0%} cover {self.coverage:.1%} of the test targets.",
            f"Training: {self.fit.stopped_because}.",
        )
        future = band_table(
            self.future,
            self.steps_ahead[0],
            f"The forecast: the {labels['ensemble']}, with intervals of {self.share:.0%}.",
            "rows after the last row of the series",
        )
        return Table(_COLUMNS, rows, title, notes), future

    def _data(self) -> dict[str, Any]:
        rows, steps = self.rows(), range(self.split.test.targets.shape[1])
        found = {
            "naive": rows["last value"],
            "metrics": rows["network"],
            "ensemble": rows["ensemble"],
            "members": [self.metrics(predictions) for predictions in self.members],
            "by_step": [self.metrics(self.band.mean, step) for step in steps],
            "baselines": {name: row for name, row in rows.items() if name in self.baselines},
            "coverage": {"wanted": self.share, "measured": self.coverage},
            "windows": {part: len(getattr(self.split, part)) for part in ("train", "validation", "test")},
            "stopped_because": self.fit.stopped_because,
            "future": {"steps": list(self.steps_ahead), **self.future.to_dict()},
        }
        return plain(found)

    def _variables(self) -> Variables:
        axes, unit = ("window", "step", "column"), "as the series"
        return {
            "targets": (axes, self.split.test.targets, unit),
            "mean": (axes, self.band.mean, unit),
            "lower": (axes, self.band.lower, unit),
            "upper": (axes, self.band.upper, unit),
            "members": (("member", *axes), self.members, unit),
            **{name: (axes, predictions, unit) for name, predictions in self.baselines.items()},
            **{f"future_{name}": (axes[1:], getattr(self.future, name), unit) for name in ("mean", "lower", "upper")},
        }

    def plot(self):
        """One page as a matplotlib figure: the forecast with its intervals, the errors of all methods, and the training."""
        from ... import plot

        return plot.forecast(self)
