"""The page of a forecast, and the course of a training."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from .._base.checks import check_count
from .._base.text import percent
from ._needs import reads
from ._page import headline, label_end, page, title
from ._style import BLUE, PURPLE, RUST, ink, note, shade


@reads(f="fit split band")
def forecast(f: Any) -> Figure:
    """One page of a forecast: the end of the series with the forecast, the errors of every method, and the training.

    **Arguments:**

    - `f`: a `rnn_ode.learn.Forecast`; its `split`, `band`, `members`, `future`, `share`, `baselines` and `fit`
      are read.

    **Returns:** a matplotlib figure.

    ```python
    >>> import numpy as np
    >>> from rnn_ode import learn, plot
    >>> series = np.sin(np.arange(60.0))[:, None]
    >>> parts = learn.split(series, history=5, gap=0, horizon=1)
    >>> zero = np.zeros_like(parts.test.targets)  # a forecast of nothing but 0
    >>> history = learn.History(np.array([0.5]), np.array([1.0]), np.array([1]), {})
    >>> band = learn.Band(zero, zero - 1, zero + 1)
    >>> future = learn.Band(zero[0], zero[0] - 1, zero[0] + 1)
    >>> fit = learn.Fit(None, history, "all 1 steps are done")
    >>> f = learn.Forecast(parts, series[:42], band, zero[None], future, {"last value": zero}, 0.9, fit, 1)
    >>> len(plot.forecast(f).axes)
    4

    ```
    """
    figure, axes = page(2, 2, size=(11, 7.6))
    forecast_rows(axes[0, 0], f, None)
    forecast_rows(axes[0, 1], f, max(20, len(f.split.test) // 4))
    forecast_errors(axes[1, 0], f)
    training(axes[1, 1], f.fit.history)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(handles), frameon=False)
    headline(figure, _finding(f))
    return figure


@reads(f="future past steps_ahead")
def future(f: Any) -> Figure:
    """The end of a series, and the forecast of what comes after it with its interval.

    **Arguments:**

    - `f`: a forecast with the rows `past` (T, K), the `future` with `mean`, `lower` and `upper` (horizon, K), its `times` or
      `None`, `steps_ahead`, `share` and the names `columns`. The first column is drawn.

    **Returns:** a matplotlib figure.

    ```python
    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from rnn_ode import plot
    >>> band = SimpleNamespace(mean=np.ones((2, 1)), lower=np.zeros((2, 1)), upper=2 * np.ones((2, 1)))
    >>> f = SimpleNamespace(past=np.ones((9, 1)), future=band, times=None, steps_ahead=range(1, 3), share=0.9, columns=("x",))
    >>> plot.future(f).axes[0].get_xlabel()
    'row of the series'

    ```
    """
    figure, axes = page(size=(7, 4.2))
    draw, count = axes[0, 0], len(f.past)
    shown = max(20, 6 * len(f.future.mean))
    rows = np.arange(count)[-shown:]
    draw.plot(rows, f.past[-shown:, 0], color=ink(), lw=1.6)
    ahead = count - 1 + np.asarray(f.steps_ahead)
    draw_ahead(draw, f, ahead)
    draw.set(xlabel="row of the series", ylabel=f.columns[0] if f.columns else "value")
    draw.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    _times(draw, f, count + f.steps_ahead[0] - 1)
    headline(figure, f"What comes next, with the {percent(f.share)} interval")
    return figure


def draw_ahead(axes: Axes, f: Any, ahead: np.ndarray) -> None:
    """Draw the future of the first column at these places."""
    mean, low, high = (getattr(f.future, name)[:, 0] for name in ("mean", "lower", "upper"))
    half = np.maximum(np.stack([mean - low, high - mean]), 0)
    axes.errorbar(ahead, mean, half, fmt="o", ms=3, lw=1, color=RUST, label="after the end")


def _mean_of_all(f: Any) -> str:
    """What the table calls the mean of the networks."""
    return f"mean of all {len(f.members)}"


def _mean_errors(f: Any) -> dict[str, float]:
    """The mean absolute errors at the last step of the horizon, of every baseline and of the mean of the networks."""
    targets = f.split.test.targets[:, -1]
    everything = {**f.baselines, _mean_of_all(f): f.band.mean}
    return {name.replace("_", " "): float(np.abs(rows[:, -1] - targets).mean()) for name, rows in everything.items()}


def _finding(f: Any) -> str:
    errors = _mean_errors(f)
    ours = errors.pop(_mean_of_all(f))
    says = f"The {_mean_of_all(f)} networks is wrong by {ours:.3g} on average"
    if not errors:
        return says
    name, best = min(errors.items(), key=lambda item: item[1])
    if not best:
        return f"{says}; {name} is exact"
    apart = f"{abs(1 - ours / best):.0%}"
    if apart == "0%":
        return f"{says}, as much as {name}"
    return f"{says}, {apart} {'less' if ours < best else 'more'} than {name}"


@reads(f="band split future")
def forecast_rows(axes: Axes, f: Any, count: int | None) -> None:
    """Draw the first column of the series, the forecasts at the end of the horizon with their intervals, and what comes next.

    Forecasts and intervals below 0 are drawn at 0 if the series itself is never negative. The title then says so.

    **Arguments:**

    - `axes`: the axes to draw into.
    - `f`: a `rnn_ode.learn.Forecast`; its `split`, `band`, `future` and `share` are read.
    - `count`: how many rows at the end of the test part. `None` draws all of it.

    ```python
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from rnn_ode import learn, plot
    >>> series = np.sin(np.arange(60.0))[:, None]
    >>> parts = learn.split(series, history=5, gap=0, horizon=1)
    >>> zero = np.zeros_like(parts.test.targets)  # a forecast of nothing but 0
    >>> history = learn.History(np.array([0.5]), np.array([1.0]), np.array([1]), {})
    >>> band = learn.Band(zero, zero - 1, zero + 1)
    >>> future = learn.Band(zero[0], zero[0] - 1, zero[0] + 1)
    >>> fit = learn.Fit(None, history, "all 1 steps are done")
    >>> f = learn.Forecast(parts, series[:42], band, zero[None], future, {"last value": zero}, 0.9, fit, 1)
    >>> axes = Figure().subplots()
    >>> plot.forecast_rows(axes, f, None)
    >>> len(axes.lines) > 1
    True

    ```
    """
    test = f.split.test
    rows = test.starts + test.inputs.shape[1] + test.gap + test.targets.shape[1] - 1
    end = int(rows[-1]) + 1
    if count is not None:
        check_count("count", count)
    shown = slice(None) if count is None else rows >= end - count
    known = np.concatenate([test.inputs[..., 0].ravel(), test.targets[..., 0].ravel()])
    drawn = [getattr(f.band, name)[shown, -1, 0] for name in ("lower", "mean", "upper")]
    drawn += [getattr(f.future, name)[:, 0] for name in ("lower", "mean", "upper")]
    cut = known.min() >= 0 and min(values.min() for values in drawn) < 0
    lower, middle, upper, first, mean, last = (np.maximum(values, 0) for values in drawn) if cut else drawn
    axes.fill_between(rows[shown], lower, upper, color=BLUE, alpha=0.25, lw=0, label=f"{percent(f.share)} interval")
    axes.plot(rows[shown], test.targets[shown, -1, 0], color=ink(), lw=1.6, label="series")
    axes.plot(rows[shown], middle, color=BLUE, lw=1.2, ls="--", label="forecast")
    ahead = end + test.gap + np.arange(test.targets.shape[1])
    half = np.maximum(np.stack([mean - first, last - mean]), 0)
    axes.errorbar(ahead, mean, half, fmt="o", ms=3, lw=1, color=RUST, label="after the end")
    axes.set(xlabel="row of the series", ylabel="value")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    _times(axes, f, end + test.gap)
    axes.margins(x=0.02)
    words = "The test part, and what comes after" if count is None else "Its end, larger"
    title(axes, words + (" (cut at 0, as the series is never negative)" if cut else ""))


def _times(axes: Axes, f: Any, first: int) -> None:
    """Write times in place of the numbers of rows, if they are known; row `first` is that of the first time after the end."""
    index, after = getattr(f, "index", None), getattr(f, "times", None)
    if index is None or after is None:
        return
    dated = index.dtype.kind == "M"
    unit = "M" if dated and len(index) > 1 and np.diff(index).min() >= np.timedelta64(28, "D") else "D"
    if dated and len(index) > 1 and np.diff(index).min() < np.timedelta64(1, "D"):
        unit = "m"

    def text(place: float, _: Any) -> str:
        row = round(place)
        if not 0 <= row < first + len(after) or len(index) <= row < first:
            return ""
        time = index[row] if row < len(index) else after[row - first]
        return str(time.astype(f"datetime64[{unit}]")).replace("T", " ") if dated else f"{float(time):.6g}"

    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(text))
    axes.set_xlabel("time")


@reads(f="split band members baselines")
def forecast_errors(axes: Axes, f: Any) -> None:
    """Draw a bar for the mean absolute error at the last step of the horizon, of every baseline and of the networks' mean.

    **Arguments:**

    - `axes`: the axes to draw into.
    - `f`: a `rnn_ode.learn.Forecast`; its `split`, `band`, `members` and `baselines` are read.

    ```python
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from rnn_ode import learn, plot
    >>> series = np.sin(np.arange(60.0))[:, None]
    >>> parts = learn.split(series, history=5, gap=0, horizon=1)
    >>> zero = np.zeros_like(parts.test.targets)  # a forecast of nothing but 0
    >>> history = learn.History(np.array([0.5]), np.array([1.0]), np.array([1]), {})
    >>> band = learn.Band(zero, zero - 1, zero + 1)
    >>> future = learn.Band(zero[0], zero[0] - 1, zero[0] + 1)
    >>> fit = learn.Fit(None, history, "all 1 steps are done")
    >>> f = learn.Forecast(parts, series[:42], band, zero[None], future, {"last value": zero}, 0.9, fit, 1)
    >>> axes = Figure().subplots()
    >>> plot.forecast_errors(axes, f)
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['last value', 'mean of all 1']

    ```
    """
    errors = _mean_errors(f)
    order = sorted(errors, key=lambda name: -errors[name])
    colours = [BLUE if name == _mean_of_all(f) else shade(0.35) for name in order]
    bars = axes.barh(order, [errors[name] for name in order], color=colours, height=0.7)
    axes.bar_label(bars, [f"{errors[name]:.3g}" for name in order], padding=4, fontsize="small")
    axes.margins(x=0.25)  # for the numbers
    axes.set(xlabel="mean absolute error at the last step of the horizon")
    title(axes, "Errors on the test part")


@reads(f="history stopped_because")
def fit(f: Any) -> Figure:
    """The course of a training.

    **Arguments:**

    - `f`: a `rnn_ode.learn.Fit`; its `history` and `stopped_because` are read.

    **Returns:** a matplotlib figure.

    ```python
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from rnn_ode import plot
    >>> history = SimpleNamespace(
    ...     loss=np.array([1.0, 0.1]), gradient_norm=np.ones(2), checks={}, checked_at=np.zeros(0, int)
    ... )
    >>> plot.fit(SimpleNamespace(history=history, stopped_because="all 2 steps are done")).get_suptitle()
    'The loss went from 1 to 0.1: all 2 steps are done'

    ```
    """
    figure = history(f.history)
    loss = np.asarray(f.history.loss)
    headline(figure, f"{_went(loss)}: {f.stopped_because}" if len(loss) else f.stopped_because)
    return figure


@reads(h="loss gradient_norm")
def history(h: Any) -> Figure:
    """What a training recorded.

    **Arguments:**

    - `h`: a `rnn_ode.learn.History`; see `training`.

    **Returns:** a matplotlib figure.

    ```python
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from rnn_ode import plot
    >>> h = SimpleNamespace(loss=np.array([1.0, 0.1]), gradient_norm=np.ones(2), checks={}, checked_at=np.zeros(0, int))
    >>> plot.history(h).get_suptitle()
    'The loss went from 1 to 0.1'

    ```
    """
    figure, axes = page(size=(7, 4.2))
    training(axes[0, 0], h)
    headline(figure, _went(np.asarray(h.loss)) if len(h.loss) else "A training of no step")
    return figure


def _went(loss: np.ndarray) -> str:
    return f"The loss went from {loss[0]:.3g} to {loss[-1]:.3g}"


@reads(history="loss gradient_norm checks")
def training(axes: Axes, history: Any) -> None:
    """Draw the loss, the validation error and the norm of the gradient against the step of training.

    The upright axis is logarithmic; where a loss is 0 or negative, it is linear about 0.

    **Arguments:**

    - `axes`: the axes to draw into.
    - `history`: a `rnn_ode.learn.History`; its `loss`, `gradient_norm`, `checks` and `checked_at` are read.

    ```python
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from rnn_ode import learn, plot
    >>> axes = Figure().subplots()
    >>> plot.training(axes, learn.History(np.array([2.0, 1.0]), np.array([3.0, 2.0]), np.array([], int), {}))
    >>> axes.get_xlabel()
    'step of training'

    ```
    """
    steps = np.arange(1, len(history.loss) + 1)
    marker = "." if len(steps) == 1 else ""
    axes.set(xscale="log", xlabel="step of training")
    axes.plot(steps, history.gradient_norm, marker=marker, lw=0.6, color=shade(0.35))
    axes.plot(steps, history.loss, marker=marker, lw=0.9, color=BLUE)
    ends = [("norm of the gradient", history.gradient_norm, note()), ("loss", history.loss, BLUE)]
    if "validation" in history.checks:
        checked = np.asarray(history.checks["validation"])
        axes.plot(history.checked_at, checked, "o-", ms=4, color=PURPLE)
        ends.append(("validation", checked, PURPLE))
    positive = _scale_losses(axes, np.concatenate([np.asarray(values) for _, values, _ in ends[1:]]))
    for words, values, colour in ends:
        values = np.asarray(values)
        values = values[np.isfinite(values) & ((values > 0) | (not positive))]
        if len(values):
            label_end(axes, values[-1], words, colour)
    title(axes, "Training")


def _scale_losses(axes: Axes, losses: np.ndarray) -> bool:
    """Make the upright axis logarithmic, or linear about 0 if a loss is 0 or negative; whether all are positive."""
    losses = losses[np.isfinite(losses)]
    positive = bool(np.all(losses > 0))
    if positive:
        axes.set_yscale("log")
    else:
        sizes = np.abs(losses[losses != 0])
        least = np.min(sizes, initial=1.0) if losses.min() == 0 else np.median(sizes)
        axes.set_yscale("symlog", linthresh=least)
    return positive
