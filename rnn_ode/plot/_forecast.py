"""The page of a forecast."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ._style import BLUE, RUST, faint, ink


def forecast(f: Any) -> Figure:
    """One page of a forecast: the end of the series with the forecast, the errors of every method, and the training.

    **Arguments:**

    - `f`: a `rnn_ode.learn.Forecast`; its `split`, `band`, `future`, `share`, `baselines` and `fit` are read.

    **Returns:** a matplotlib figure.
    """
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
    """Draw the first column of the series, the forecasts at the end of the horizon with their intervals, and what comes next.

    **Arguments:**

    - `axes`: the axes to draw into.
    - `f`: a `rnn_ode.learn.Forecast`; its `split`, `band`, `future` and `share` are read.
    - `count`: how many rows at the end of the test part. `None` draws all of it.
    """
    test = f.split.test
    rows = test.starts + test.inputs.shape[1] + test.gap + test.targets.shape[1] - 1
    end = int(rows[-1]) + 1
    shown = slice(None) if count is None else rows >= end - count
    axes.plot(rows[shown], test.targets[shown, -1, 0], color=ink(), lw=1.6, label="series")
    axes.plot(rows[shown], f.band.mean[shown, -1, 0], color=BLUE, lw=1.2, ls="--", label="forecast")
    interval = f.band.lower[shown, -1, 0], f.band.upper[shown, -1, 0]
    axes.fill_between(rows[shown], *interval, color=BLUE, alpha=0.25, lw=0, label=f"{f.share:.0%} interval")
    ahead = end + test.gap + np.arange(test.targets.shape[1])
    half = f.future.upper[:, 0] - f.future.mean[:, 0]
    axes.errorbar(ahead, f.future.mean[:, 0], half, fmt="o", ms=3, lw=1, color=RUST, label="after the end")
    axes.set(xlabel="row of the series", ylabel="value")
    axes.set_title("The test part, and what comes after" if count is None else "Its end, larger", loc="left")
    axes.margins(x=0.02)


def forecast_errors(axes: Axes, f: Any) -> None:
    """Draw the absolute error at the last step of the horizon, of the network and of every baseline, against the window.

    **Arguments:**

    - `axes`: the axes to draw into.
    - `f`: a `rnn_ode.learn.Forecast`; its `split`, `band` and `baselines` are read.
    """
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
    """Draw the loss, the validation error and the norm of the gradient against the step of training.

    **Arguments:**

    - `axes`: the axes to draw into.
    - `history`: a `rnn_ode.learn.History`; its `loss`, `gradient_norm`, `checks` and `checked_at` are read.
    """
    steps = np.arange(1, len(history.loss) + 1)
    axes.loglog(steps, history.gradient_norm, lw=0.6, color=faint(), label="norm of the gradient")
    axes.loglog(steps, history.loss, lw=0.8, color=BLUE, label="loss")
    if "validation" in history.checks:
        axes.loglog(history.checked_at, history.checks["validation"], "o-", ms=4, color=RUST, label="validation")
    axes.set(xlabel="step of training")
    axes.set_title("Training", loc="left")
    axes.legend(fontsize=9, frameon=False)
