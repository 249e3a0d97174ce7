"""The result of `forecast`."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .._training.fit import Fit
from .bands import Band
from .metrics import coverage, mae, mase, mse, smape
from .split import Split


class Forecast(eqx.Module):
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

    def table(self) -> str:
        """The metrics as a text table, with the coverage of the intervals."""
        test, horizon = self.split.test, self.split.test.targets.shape[1]
        lines = [f"{'':<26}{'MAE':>12}{'MSE':>12}{'SMAPE':>10}{'MASE':>10}"]
        labels = {"network": f"network (median of {len(self.members)})", "ensemble": f"mean of all {len(self.members)}"}
        for name, row in self.rows().items():
            label = labels.get(name, name.replace("_", " "))
            lines.append(f"{label:<26}{row['mae']:>12.5g}{row['mse']:>12.3g}{row['smape']:>10.4f}{row['mase']:>10.3f}")
        lines.append("")
        lines.append(
            f"step {test.gap + horizon} after the history, on {len(test)} test windows; MASE is relative to the naive"
        )
        lines.append(f"forecast one {'season' if self.season > 1 else 'sample'} ahead in the past")
        lines.append(f"intervals of {self.share:.0%} cover {self.coverage:.1%} of the test targets")
        lines.append(f"training: {self.fit.stopped_because}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """All results but the predictions for the test windows, as JSON.

        At the last step of the horizon: "metrics" of a single network (median), "naive" of the last value, "ensemble",
        "members" and "baselines". At every step: "by_step" of the ensemble. Further: "coverage" and "future".
        """
        rows, steps = self.rows(), range(self.split.test.targets.shape[1])
        future = {name: getattr(self.future, name).tolist() for name in ("mean", "lower", "upper")}
        return {
            "naive": rows["last value"],
            "metrics": rows["network"],
            "ensemble": rows["ensemble"],
            "members": [self.metrics(predictions) for predictions in self.members],
            "by_step": [self.metrics(self.band.mean, step) for step in steps],
            "baselines": {name: row for name, row in rows.items() if name in self.baselines},
            "coverage": {"wanted": self.share, "measured": self.coverage},
            "windows": {part: len(getattr(self.split, part)) for part in ("train", "validation", "test")},
            "stopped_because": self.fit.stopped_because,
            "future": future,
        }

    def plot(self):
        """One page as a matplotlib figure: the forecast with its intervals, the errors of all methods, and the training."""
        from ... import plot

        return plot.forecast(self)
