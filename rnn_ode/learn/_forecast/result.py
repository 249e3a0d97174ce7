"""What a forecast found."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .._training.fit import Fit
from .bands import Band
from .metrics import coverage, mae, mase, mse, smape
from .split import Split


class Forecast(eqx.Module):
    """A forecast of the test windows of a series, and what was found on the way: what `forecast` returns.

    **Fields:** `split` the windows, `past` (T, D) the rows before the test part; `band` the forecast of the test windows, and
    `members` (members, n, horizon, D) that of each network; `future` a `Band` of the rows after the series' end, the first
    `gap` of them skipped; `baselines` the predictions of others by name, for the test windows; `share` of the targets that
    the intervals are meant to cover; `fit` what training saw, `fit.model` the networks; `season` in samples.
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
        """The share of the test targets that the intervals do cover."""
        return coverage(self.split.test.targets, self.band.lower, self.band.upper)

    def metrics(self, predictions: Float[np.ndarray, "n horizon D"], step: int = -1) -> dict[str, float]:
        """MAE, MSE, SMAPE and MASE of one step of the horizon, the last one by default."""
        pair = self.split.test.targets[:, step], predictions[:, step]
        errors = {"mae": mae(*pair), "mse": mse(*pair), "smape": smape(*pair)}
        return errors | {"mase": mase(*pair, self.past, self.season)}

    def typical(self) -> dict[str, float]:
        """The median over the networks of each metric: what one of them is worth."""
        rows = [self.metrics(predictions) for predictions in self.members]
        return {name: float(np.median([row[name] for row in rows])) for name in rows[0]}

    def rows(self) -> dict[str, dict[str, float]]:
        """The metrics of everything, by name: the baselines, a single network, and the mean of all."""
        table = {name: self.metrics(predictions) for name, predictions in self.baselines.items()}
        return table | {"network": self.typical(), "ensemble": self.metrics(self.band.mean)}

    def table(self) -> str:
        """`rows` as text, with the coverage of the intervals."""
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
        """Everything but the windows, as JSON: "metrics" of a single network (median) and "naive" of the last value, at the
        last step of the horizon; "by_step" those of the ensemble at every step; "baselines", "ensemble", "coverage"
        and "future"."""
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
        """One page: the forecast with its intervals, the errors of everything, and the training; a matplotlib figure."""
        from ... import plot

        return plot.forecast(self)
