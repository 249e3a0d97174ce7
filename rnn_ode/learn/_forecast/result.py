"""The result of `forecast`."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float

from ..._base.checks import check_index, check_on_host, counted
from ..._base.shown import ShownArrays, Variables
from ..._base.text import Column, Table, fixed, number, percent, plain
from ..._files.arrays import as_host_floats
from .._training.fit import Fit
from .bands import Band, band_table
from .forecaster import Forecaster
from .metrics import coverage, mae, mse, naive_errors, smape
from .split import Split
from .verdict import worth

_WRITTEN = {"mae": (number, 5), "mse": (number, 3), "smape": (fixed, 4), "mase": (fixed, 3), "crps": (number, 3)}

_SAYS = {
    "mae": "mean absolute error, in the units of the series",
    "mse": "mean squared error",
    "smape": "mean of 2 |y − p| / (|y| + |p|), from 0 to 2",
    "mase": "mean absolute error, relative to a naive forecast",
    "crps": "error of the whole distribution, in the units of the series",
}
_COLUMNS = (Column("method"), *(Column(name.upper(), ">", _SAYS[name]) for name in _WRITTEN))
_COVERS = Column("covers", ">", "share of the test targets that the intervals cover")


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
    - `asked`: the share that was asked for, if so few validation windows do not allow it; else `None`.
    - `fit`: the `Fit` of the training; `fit.model` is an `Ensemble` of the networks.
    - `season`: rows per season.
    - `forecaster`: a `Forecaster` that forecasts what comes after any rows, or `None`.
    - `scores`: by method the "crps", and "covers", the share of the test targets in the intervals, at the last step of the
      horizon. The distributions of all methods come from their errors on the validation windows.
    - `columns`: the names of the columns that are forecast.
    - `skipped`: those that were left out, since they are constant.
    - `prepared`: what was done to the series before the networks saw it, in words; empty if nothing was chosen.
    - `filled`: what became of values that were filled, in words; empty if there are none.
    - `gaps`: which values of `past` are filled, or `None`. The MASE's unit leaves them out.
    - `times`: the times of the rows of `future`, or `None`.
    - `index`: the times of the rows of the series, or `None`. The figure shows them.

    `verdict` is one sentence: whether the networks are worth having, or that the test windows are too few to tell.

    `to_dict()` has, at the last step of the horizon: "metrics" of a single network (median), "naive" of the last value,
    "ensemble", "members" and "baselines". At every step: "by_step" of the ensemble. Further: "coverage", and the "future" at
    its "steps" after the last row of the series and its "time", the "verdict", and with several columns the "by_column".

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
    forecaster: Forecaster | None = None
    scores: dict[str, dict[str, float]] = eqx.field(default_factory=dict)
    columns: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    prepared: str = ""
    filled: str = ""
    times: Any = None
    index: Any = None
    gaps: Bool[np.ndarray, "T D"] | None = None
    asked: float | None = None

    @property
    def steps_ahead(self) -> range:
        """How many rows after the last row of the series each row of `future` is: gap + 1, gap + 2, …."""
        first = self.split.test.gap + 1
        return range(first, first + len(self.future.mean))

    @property
    def coverage(self) -> float:
        """The share of the test targets that the intervals cover."""
        return coverage(self.split.test.targets, self.band.lower, self.band.upper)

    def metrics(
        self, predictions: Float[np.ndarray, "n horizon D"], step: int = -1, column: int | None = None
    ) -> dict[str, float | None]:
        """The "mae", "mse", "smape" and "mase" of predictions at one step of the horizon, by default the last one.

        They are means over the columns, or those of one column. The MASE leaves out columns whose naive forecast has no error
        before the test; it is `None` if that is so for all.
        """
        targets, predictions = self.split.test.targets, as_host_floats("predictions", predictions)
        if predictions.shape != targets.shape:
            raise ValueError(
                f"predictions must have the shape of the test targets, {targets.shape}; got {predictions.shape}."
            )
        check_on_host("metrics", step=step, column=column)
        check_index("step", step, -targets.shape[1], targets.shape[1] - 1)
        if column is not None:
            check_index("column", column, 0, targets.shape[2] - 1)
        which = slice(None) if column is None else slice(int(column), int(column) + 1)
        pair = targets[:, step, which], predictions[:, step, which]
        errors = {"mae": mae(*pair), "mse": mse(*pair), "smape": smape(*pair)}
        units = self._units[which]
        there = units > 0
        relative = np.abs(pair[0] - pair[1])[:, there] / units[there]
        return errors | {"mase": float(relative.mean()) if there.any() else None}

    @property
    def _units(self) -> np.ndarray:
        """The errors of the naive forecast before the test, of each column."""
        return naive_errors(np.asarray(self.past, float), self.season, self.gaps)

    def typical(self, column: int | None = None) -> dict[str, float | None]:
        """Each metric's median over the networks: how good a single network is."""
        rows = [self.metrics(predictions, column=column) for predictions in self.members]
        return {name: _median([row[name] for row in rows]) for name in rows[0]}

    def rows(self, column: int | None = None) -> dict[str, dict[str, float | None]]:
        """The metrics by name: of each baseline, of a "network" (median of all), and of the "ensemble" (their mean)."""
        table = {name: self.metrics(predictions, column=column) for name, predictions in self.baselines.items()}
        table |= {"network": self.typical(column), "ensemble": self.metrics(self.band.mean, column=column)}
        if column is None:
            return {name: row | self.scores.get(name, {}) for name, row in table.items()}
        return table

    @property
    def verdict(self) -> str:
        """One sentence: whether the networks are worth having, by their errors at the last step of the horizon."""
        targets = self.split.test.targets[:, -1]
        units = np.where(self._units > 0, self._units, 1.0)
        found = {name: rows[:, -1] for name, rows in self.baselines.items()}
        lead = self.split.test.gap + self.split.test.targets.shape[1]
        corrected = self.forecaster is None or bool(self.forecaster.trust)
        return worth(targets, self.band.mean[:, -1], found, units, lead, corrected)

    def _tables(self) -> tuple[Table, ...]:
        test, horizon = self.split.test, self.split.test.targets.shape[1]
        count = len(self.members)
        labels = {"network": f"network (median of {count})", "ensemble": f"mean of all {count}"}
        found = self.rows()
        scored = all("covers" in row for row in found.values())
        written = {name: way for name, way in _WRITTEN.items() if scored or name != "crps"}
        rows = tuple(
            (
                labels.get(name, name.replace("_", " ")),
                *(_entry(row[key], way) for key, way in written.items()),
                *([f"{row['covers']:.0%}"] if scored else []),
            )
            for name, row in found.items()
        )
        title = f"Errors at step {test.gap + horizon} after the history, on {counted(len(test), 'test window')}."
        ahead = "season" if self.season > 1 else "sample"
        flat = [self._name(column) for column in np.flatnonzero(self._units == 0)]
        notes = (
            self.verdict,
            f"Before the test {', '.join(flat)} repeats itself after {self.season} rows, so that it has no MASE."
            * bool(flat),
            f"MASE is relative to the naive forecast one {ahead} ahead in the past." * (len(flat) < len(self._units)),
            f"The intervals of {percent(self.share)} cover {self.coverage:.1%} of the test targets.",
            self._why_this_share(),
            f"Preparation: {self.prepared}." * bool(self.prepared),
            self.filled,
            f"Left out, since constant: {', '.join(self.skipped)}." * bool(self.skipped),
            f"Training: {self.fit.stopped_because}.",
        )
        columns = (*(one for one, name in zip(_COLUMNS, ("", *_WRITTEN), strict=True) if name in ("", *written)),)
        main = Table((*columns, *([_COVERS] if scored else [])), rows, title, tuple(filter(None, notes)))
        return main, *self._by_column(), future_table(self)

    def _why_this_share(self) -> str:
        """Why the intervals are not of the share that was asked for; empty if they are."""
        if self.asked is None:
            return ""
        count = len(self.split.validation)
        windows = f"{counted(count, 'validation window')} {'allows' if count == 1 else 'allow'}"
        return f"The intervals are not of {percent(self.asked)}: {windows} at most {percent(self.share)}, n/(n + 1)."

    def _name(self, column: Any) -> str:
        return self.columns[column] if self.columns else f"column {column}"

    def _by_column(self) -> tuple[Table, ...]:
        """The mean absolute error of each method for each column, if there are several."""
        count = len(self._units)
        if count == 1:
            return ()
        every = [self.rows(column) for column in range(count)]
        shown = list(range(min(count, _MOST_COLUMNS)))
        rows = tuple(
            (name.replace("_", " "), *(number(every[column][name]["mase"], 4) for column in shown)) for name in every[0]
        )
        headings = Column("method"), *(Column(self._name(column), ">") for column in shown)
        more = f" The first {len(shown)} of {count} are shown." if len(shown) < count else ""
        return (Table(headings, rows, f"MASE of each column at the last step of the horizon.{more}"),)

    def _data(self) -> dict[str, Any]:
        rows, steps = self.rows(), range(self.split.test.targets.shape[1])
        found = {
            "naive": rows["last value"],
            "metrics": rows["network"],
            "ensemble": rows["ensemble"],
            "members": [self.metrics(predictions) for predictions in self.members],
            "by_step": [self.metrics(self.band.mean, step) for step in steps],
            "baselines": {name: row for name, row in rows.items() if name in self.baselines},
            "coverage": {
                "wanted": self.share,
                "measured": self.coverage,
                "asked": self.share if self.asked is None else self.asked,
            },
            "windows": {part: len(getattr(self.split, part)) for part in ("train", "validation", "test")},
            "stopped_because": self.fit.stopped_because,
            "verdict": self.verdict,
            "scores": self.scores,
            "columns": list(self.columns),
            "skipped": list(self.skipped),
            "prepared": self.prepared,
            "filled": self.filled,
            "future": {"steps": list(self.steps_ahead), "time": times_of(self), **self.future.to_dict()},
        }
        if len(self._units) > 1:
            every = range(len(self._units))
            found["by_column"] = {self._name(column): self.rows(column) for column in every}
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


_MOST_COLUMNS = 6


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _entry(value: float | None, way: Any) -> str:
    write, digits = way
    return number(None) if value is None else write(value, digits)


def times_of(f: Any) -> list[Any]:
    """The times of the rows of `future` as texts or numbers; without times their numbers after the last row."""
    if f.times is None:
        return list(f.steps_ahead)
    if f.times.dtype.kind == "M":
        texts = [str(time) for time in f.times.astype("datetime64[s]")]
        return [text.removesuffix("T00:00:00") for text in texts]
    return [float(f"{time:.12g}") for time in f.times]


def future_table(f: Any) -> Table:
    """The forecast of what comes after the series, a row a time."""
    count = len(f.members) if hasattr(f, "members") else f.count
    table = band_table(
        f.future,
        f.steps_ahead[0],
        f"The forecast: the mean of all {count}, with intervals of {percent(f.share)}.",
        "rows after the last row of the series",
        list(map(str, times_of(f))) if f.times is not None else None,
        f.columns,
    )
    return table
