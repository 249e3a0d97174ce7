"""The page of a forecast."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ._style import NETWORK


def forecast(f: Any) -> Figure:
    """One page of a `rnn_ode.learn.Forecast`: the end of the series with the forecast, the errors of everything against time,
    and the training."""
    figure = Figure(figsize=(13, 9), layout="constrained")
    axes = figure.subplots(2, 2)
    forecast_rows(axes[0, 0], f, None)
    forecast_rows(axes[0, 1], f, max(20, len(f.split.test) // 4))
    forecast_errors(axes[1, 0], f)
    training(axes[1, 1], f.fit.history)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(handles), frameon=False, fontsize=10)
    return figure


def forecast_rows(axes: Axes, f: Any, count: int | None) -> None:
    """The first column of a series from its test part on (all of it, or so many rows at its end), the forecasts made so far
    ahead with their intervals, and what is to come."""
    test = f.split.test
    rows = test.starts + test.inputs.shape[1] + test.gap + test.targets.shape[1] - 1
    end = int(rows[-1]) + 1
    shown = slice(None) if count is None else rows >= end - count
    axes.plot(rows[shown], test.targets[shown, -1, 0], color=NETWORK, lw=1.6, label="series")
    axes.plot(rows[shown], f.band.mean[shown, -1, 0], color="C0", lw=1.2, ls="--", label="forecast")
    interval = f.band.lower[shown, -1, 0], f.band.upper[shown, -1, 0]
    axes.fill_between(rows[shown], *interval, color="C0", alpha=0.25, lw=0, label=f"{f.share:.0%} interval")
    ahead = end + test.gap + np.arange(test.targets.shape[1])
    half = f.future.upper[:, 0] - f.future.mean[:, 0]
    axes.errorbar(ahead, f.future.mean[:, 0], half, fmt="o", ms=3, lw=1, color="C3", label="after the end")
    axes.set(xlabel="row of the series", ylabel="value")
    axes.set_title("The test part, and what comes after" if count is None else "Its end, larger", loc="left")
    axes.margins(x=0.02)


def forecast_errors(axes: Axes, f: Any) -> None:
    """How far off everything is at the last step of the horizon, by window."""
    test = f.split.test
    everything = {**f.baselines, "network (mean)": f.band.mean}
    for i, (name, predictions) in enumerate(everything.items()):
        error = np.abs(predictions - test.targets)[:, -1].mean(axis=1)
        label = f"{name}: {error.mean():.3g}"
        axes.semilogy(test.starts, np.maximum(error, 1e-16), lw=1, color=f"C{i}", label=label, zorder=10 - i)
    axes.set(xlabel="first row of the window", ylabel="absolute error")
    axes.set_title("Errors of everything, with their means", loc="left")
    axes.legend(fontsize=9, framealpha=0.9, edgecolor="none", loc="lower right")


def training(axes: Axes, history: Any) -> None:
    """What a `rnn_ode.learn.History` saw: loss, validation and the norm of the gradient against the step."""
    steps = np.arange(1, len(history.loss) + 1)
    axes.loglog(steps, history.gradient_norm, lw=0.6, color="0.7", label="norm of the gradient")
    axes.loglog(steps, history.loss, lw=0.8, color="C0", label="loss")
    if "validation" in history.checks:
        axes.loglog(history.checked_at, history.checks["validation"], "o-", ms=4, color="C3", label="validation")
    axes.set(xlabel="step of training")
    axes.set_title("Training", loc="left")
    axes.legend(fontsize=9, frameon=False)
