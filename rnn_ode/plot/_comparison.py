"""The page of `compare`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .._base.checks import check_count, counted
from .._base.states import flat_rows
from .._base.text import power_of_ten
from ._needs import colour_in, reads
from ._page import headline, label_end, label_exit, page, title
from ._spectrum import decay_regions
from ._style import RUST, bound, ink, logarithmic, look_of, mark_stop, note, unit_name

_LARGEST = 1e300  # beyond it the limits of an axis leave the float range
_FIRST = 12  # samples of the panel of runs


@reads(c="rows spectrum finding")
def comparison(c: Any) -> Figure:
    """One page of a comparison: the first samples, multipliers on the decay regions, errors, and growth of the linear part.

    **Arguments:**

    - `c`: what `compare` returned; its `network`, `rows`, `spectrum`, `growth`, `finding` and `error_limit` are read.

    **Returns:** a matplotlib figure.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[0.5]], [[1.0]], [0.0], activation=None)
    >>> c = ro.compare(cell, jnp.ones((8, 1)), methods=(ro.Textbook(), ro.Exact()))
    >>> len(ro.plot.comparison(c).axes)
    4

    ```
    """
    figure, axes = page(2, 2, size=(11, 7.6), width_ratios=(1.3, 1))
    colours = {row.method.label: look_of(row.method)["color"] for row in c.rows}
    trajectories(axes[0, 0], c, colours, _FIRST)
    decay_regions(axes[0, 1], c.spectrum, [row.method for row in c.rows], colours)
    errors(axes[1, 0], c, colours)
    growth(axes[1, 1], c)
    headline(figure, c.finding)
    return figure


def _size(error: float) -> str:
    """An error for a text: a few digits, or a power of ten."""
    if not 0 < error < np.inf:
        return "0" if error == 0 else "∞"
    return f"{error:.2g}" if 1e-3 <= error < 1e3 else power_of_ten(round(np.log10(error)))


@reads(c="rows network")
def trajectories(axes: Axes, c: Any, colours: Mapping[str, Any], count: int | None = None) -> None:
    """Draw one unit of the network's run and of every counterpart: of those that move most, where these part least at first.

    A counterpart that leaves the page is labelled there, and does not come back. A cross marks where a run stops.

    **Arguments:**

    - `axes`: the axes to draw into.
    - `c`: what `compare` returned; `ts` and `states` of its `network` and of each row's `trajectory` are read.
    - `colours`: a colour for each method's label.
    - `count`: how many samples to show, from the first. Default: all.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> from matplotlib.figure import Figure
    >>> cell = ro.VanillaCell([[0.5]], [[1.0]], [0.0], activation=None)
    >>> c = ro.compare(cell, jnp.ones((8, 1)), methods=(ro.Textbook(), ro.Exact()))
    >>> axes = Figure().subplots()
    >>> colours = {row.method.label: "tab:red" for row in c.rows}
    >>> ro.plot.trajectories(axes, c, colours, count=4)
    >>> axes.get_xlabel()
    'time'

    ```
    """
    if count is not None:
        check_count("count", count)
    stop = None if count is None else count + 1
    ts = np.asarray(c.network.ts)[:stop]
    states = flat_rows(c.network.states)[:stop].astype(float)
    finite = np.where(np.isfinite(states), states, np.nan)
    runs = {
        row.method.label: flat_rows(row.trajectory.states)[:stop].astype(float)
        for row in c.rows
        if row.trajectory is not None
    }
    unit = _telling_unit(finite, list(runs.values()))
    shown = np.clip(states[:, unit][np.isfinite(states[:, unit])], -_LARGEST, _LARGEST)
    middle, half = (shown.min() + shown.max()) / 2, (shown.max() - shown.min()) / 2
    reach = 1.8 * (half or abs(middle) or 1.0)
    axes.set(xlim=(ts[0], ts[-1]), ylim=(middle - reach, middle + reach))
    axes.set(xlabel="time", ylabel="state" if states.shape[1] == 1 else f"state of {unit_name(c.network.states, unit)}")
    _powers_beside_numbers(axes)
    for row in c.rows:
        if row.trajectory is not None:
            values = runs[row.method.label][:, unit]
            look = {**look_of(row.method), "color": colour_in(colours, row.method.label)}
            _run(axes, np.asarray(row.trajectory.ts)[:stop], values, row.method.label, look)
    dots = len(ts) < 150
    axes.plot(ts, finite[:, unit], "o" if dots else ".", ms=5 if dots else 3, color=ink(), zorder=4, clip_on=False)
    if len(shown):
        label_end(axes, shown[-1], "network", ink())
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=bool(count)))
    first = f": the first {counted(len(ts) - 1, 'sample')}" if count else ""
    title(axes, "The network (dots) and each flow" + first.replace("first 1 ", "first "))


def _powers_beside_numbers(axes: Axes) -> None:
    """Write a power of ten beside each number of the upright axis: above the panel are the labels of lines that leave it."""
    axes.ticklabel_format(axis="y", useOffset=False)
    low, high = axes.get_ylim()
    size = max(abs(low), abs(high))
    if not 1e-4 < size < 1e6:
        digits = 3 + int(np.log10(size / (high - low)))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.{digits}g}")


def _telling_unit(states: np.ndarray, runs: list[np.ndarray]) -> int:
    """Of the units that swing at least half as much as any does, the one in which the runs part least in two samples."""
    size = np.nanmax(np.abs(states)) or 1.0
    swing = np.nanmax(states / size, axis=0) - np.nanmin(states / size, axis=0)
    apart = np.zeros(states.shape[1])
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        for run in runs:
            apart = np.maximum(
                apart, np.nan_to_num(np.abs(run[1:3] / size - states[1:3] / size)).max(axis=0, initial=0)
            )
        return int(np.argmin(np.where((swing >= swing.max() / 2) & (swing > 0), apart / swing, np.inf)))


def _run(axes: Axes, ts: np.ndarray, values: np.ndarray, words: str, look: Mapping[str, Any]) -> None:
    """One run until it leaves the page, with an arrow and a label there, or until it stops, with a cross."""
    low, high = axes.get_ylim()
    with np.errstate(invalid="ignore"):
        inside = np.isfinite(values) & (values >= low) & (values <= high)
    last = len(inside) if inside.all() else int(np.argmin(inside))  # the first value that is not on the page
    style = {"lw": 1.8, "zorder": 3, **look}
    if last == len(inside):
        axes.plot(ts, values, **style)
        label_end(axes, values[-1], words, look["color"])
    elif not np.isfinite(values[last]) or last == 0:  # a run that failed holds infinities
        axes.plot(ts[:last], values[:last], **style)
        mark_stop(axes, ts[max(last - 1, 0)], min(max(values[max(last - 1, 0)], low), high), look["color"])
        label_end(axes, values[max(last - 1, 0)], f"{words} (stops)", look["color"])
    else:
        edge, arrow = (high, "↑") if values[last] > high else (low, "↓")
        before, after = values[last - 1], np.clip(values[last], -_LARGEST, _LARGEST)
        x = ts[last - 1] + (ts[last] - ts[last - 1]) * (edge - before) / (after - before)
        axes.plot([*ts[:last], x], [*values[:last], edge], **style)
        axes.plot([x], [edge], "^" if arrow == "↑" else "v", color=look["color"], ms=7, clip_on=False, zorder=5)
        label_exit(axes, x, f"{words} leaves {arrow}", look["color"])


@reads(c="rows network error_limit")
def errors(axes: Axes, c: Any, colours: Mapping[str, Any]) -> None:
    """Draw the relative error of every counterpart at the samples, on a logarithmic axis.

    **Arguments:**

    - `axes`: the axes to draw into.
    - `c`: what `compare` returned; the times of its `network`, the `errors` of its rows and `error_limit` are read.
    - `colours`: a colour for each method's label.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> from matplotlib.figure import Figure
    >>> cell = ro.VanillaCell([[0.5]], [[1.0]], [0.0], activation=None)
    >>> c = ro.compare(cell, jnp.ones((8, 1)), methods=(ro.Textbook(), ro.Exact()))
    >>> axes = Figure().subplots()
    >>> colours = {row.method.label: "tab:red" for row in c.rows}
    >>> ro.plot.errors(axes, c, colours)
    >>> axes.get_yscale()
    'log'

    ```
    """
    times = np.asarray(c.network.ts)
    known = [np.where(row.errors > 0, row.errors, np.nan) for row in c.rows]
    sizes = np.concatenate([*(error[np.isfinite(error)] for error in known), [c.error_limit]])
    low, high = max(sizes.min() / 5, 1e-18), 5 * min(max(sizes.max(), 0.6), 200.0)
    axes.set(yscale="log", xlim=(times[0], times[-1]), ylim=(low, high))
    axes.axhline(c.error_limit, color=bound(), lw=0.8, ls=":", zorder=1)
    label_end(axes, c.error_limit, "a tenth: they part", note())
    for row, error in zip(c.rows, known, strict=True):
        look, label = {**look_of(row.method), "color": colour_in(colours, row.method.label)}, row.method.label
        seen = np.flatnonzero(np.isfinite(error))
        if not len(seen):
            if np.isfinite(row.errors[1:]).any():
                label_end(axes, low, f"{label}: 0", look["color"])
            continue
        over = seen[error[seen] > high]
        last, marker = over[0] if len(over) else seen[-1], "." if len(seen) == 1 else ""
        axes.plot(times[: last + 1], np.clip(error[: last + 1], low, 10 * high), lw=1.5, marker=marker, **look)
        if len(over):
            label_exit(axes, times[last], f"{label} ↑ {_size(error[seen].max())}", look["color"])
        else:
            if last < len(times) - 1 and np.isnan(error[last + 1 :]).all() and np.isnan(row.errors[-1]):
                mark_stop(axes, times[last], error[last], look["color"])
            label_end(axes, error[last], f"{label}: 0 at the end" if row.errors[-1] == 0 else label, look["color"])
    axes.set(xlabel="time", ylabel="relative error at the samples")
    title(axes, "Error against the network")


@reads(c="growth")
def growth(axes: Axes, c: Any) -> None:
    """Draw ‖exp(W t)‖ and ‖Wᵏ‖ with the bands that the eigenvalues allow, on a logarithmic axis.

    **Arguments:**

    - `axes`: the axes to draw into.
    - `c`: what `compare` returned; its `growth` is read.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> from matplotlib.figure import Figure
    >>> cell = ro.VanillaCell([[0.5]], [[1.0]], [0.0], activation=None)
    >>> c = ro.compare(cell, jnp.ones((8, 1)), methods=(ro.Textbook(), ro.Exact()))
    >>> axes = Figure().subplots()
    >>> ro.plot.growth(axes, c)
    >>> axes.get_yscale()
    'log'

    ```
    """
    g = c.growth
    condition = min(g.eigenvector_condition, 1e12)
    axes.set(yscale="log", xlabel="steps", ylabel="norm", xlim=(0, g.steps[-1]), autoscaley_on=False)
    drawn = []
    for sizes, rate, colour, name in (
        (g.textbook, g.abscissa, RUST, "‖exp(W t)‖"),
        (g.network, np.log(max(g.radius, 1e-300)), ink(), "‖Wᵏ‖"),
    ):
        line = np.exp(np.clip(rate * g.steps, -600, 600))
        band = np.clip(condition * line, None, 1e280)
        axes.fill_between(g.steps, line, band, color=colour, alpha=0.13, lw=0)
        axes.plot(g.steps, line, color=colour, lw=1.2, ls="--", zorder=3)
        shown = np.isfinite(sizes) & (sizes > 0)
        axes.plot(g.steps[shown], sizes[shown], color=colour, lw=4, alpha=0.4)
        label_end(axes, line[-1], name, colour)
        drawn += [line, band, sizes[shown]]
    logarithmic(axes, *_decades(np.concatenate(drawn)))
    title(axes, "Growth: computed (wide), and by eigenvalues")


def _decades(sizes: np.ndarray) -> tuple[float, float]:
    """Limits of a logarithmic axis around positive sizes, with some room, and at most 250 decades from 1."""
    logs = np.log10(np.clip(sizes, 1e-250, 1e250))
    low, high = float(logs.min()), float(logs.max())
    room = 0.05 * (high - low) or 1.0
    return 10.0 ** max(low - room, -250), 10.0 ** min(high + room, 250)
