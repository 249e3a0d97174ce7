"""The page of `compare`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .._base.states import flat_rows
from ._spectrum import decay_regions
from ._style import BLUE, BOUND, NETWORK, NOTE, colours_of

_LARGEST = 1e300  # beyond it the limits of an axis leave the float range


def comparison(c: Any) -> Figure:
    """One page of a comparison: trajectories, multipliers on the decay regions, errors, and growth of the linear part.

    **Arguments:**

    - `c`: what `compare` returned; its `network`, `rows`, `spectrum`, `growth` and `error_limit` are read.

    **Returns:** a matplotlib figure.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[0.5]], [[1.0]], [0.0], activation=None)
    >>> c = ro.compare(cell, jnp.ones((8, 1)), methods=(ro.Exact(),))
    >>> len(ro.plot.comparison(c).axes)
    4

    ```
    """
    figure = Figure(figsize=(13, 9), layout="constrained")
    axes = figure.subplots(2, 2)
    colours = colours_of(row.method.label for row in c.rows)
    trajectories(axes[0, 0], c, colours)
    decay_regions(axes[0, 1], c.spectrum, [row.method for row in c.rows], colours)
    errors(axes[1, 0], c, colours)
    growth(axes[1, 1], c)
    handles = [Line2D([], [], color=NETWORK, lw=2.2, label="network")]
    handles += [Line2D([], [], color=colours[row.method.label], lw=1.6, label=_row_label(row)) for row in c.rows]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(4, len(handles)), frameon=False, fontsize=10)
    return figure


def _row_label(row: Any) -> str:
    return row.method.label if row.trajectory is not None else f"{row.method.label} (does not exist here)"


def trajectories(axes: Axes, c: Any, colours: Mapping[str, Any]) -> None:
    """Draw the unit with the largest swing in the network's run, of the network and of every counterpart.

    **Arguments:**

    - `axes`: the axes to draw into.
    - `c`: what `compare` returned; `ts` and `states` of its `network` and of each row's `trajectory` are read.
    - `colours`: a colour for each method's label.
    """
    states = flat_rows(c.network.states).astype(float)
    finite = np.where(np.isfinite(states), states, np.nan)
    unit = int(np.argmax(np.nanstd(finite / (np.nanmax(np.abs(finite)) or 1), axis=0)))
    shown = np.clip(states[:, unit][np.isfinite(states[:, unit])], -_LARGEST, _LARGEST)
    middle, half = (shown.min() + shown.max()) / 2, (shown.max() - shown.min()) / 2
    half = half or abs(middle) or 1.0
    for row in c.rows:
        if row.trajectory is not None:
            values = flat_rows(row.trajectory.states)[:, unit]
            gone = np.cumsum(~(np.abs(values - middle) < 6 * half)) > 1  # the first value off the page ends the line
            values = np.where(gone, np.nan, values)
            axes.plot(np.asarray(row.trajectory.ts), values, color=colours[row.method.label], lw=1.3)
    axes.plot(np.asarray(c.network.ts), finite[:, unit], ".", ms=4, color=NETWORK, zorder=3)
    axes.set(ylim=(middle - 1.8 * half, middle + 1.8 * half), xlabel="time", ylabel=f"state of unit {unit}")
    axes.set_title("The network's samples (dots) and each flow", loc="left")
    axes.margins(x=0.01)


def errors(axes: Axes, c: Any, colours: Mapping[str, Any]) -> None:
    """Draw the relative error of every counterpart at the samples, on a logarithmic axis.

    **Arguments:**

    - `axes`: the axes to draw into.
    - `c`: what `compare` returned; the times of its `network`, the `errors` of its rows and `error_limit` are read.
    - `colours`: a colour for each method's label.
    """
    times = np.asarray(c.network.ts)
    for row in c.rows:
        seen = np.where(row.errors > 0, row.errors, np.nan)
        if np.any(np.isfinite(seen)):
            axes.semilogy(times, np.clip(seen, 1e-18, 1e6), color=colours[row.method.label], lw=1.4)
    axes.axhline(c.error_limit, color=BOUND, lw=0.8, ls="--")
    place = {"xytext": (-3, 3), "textcoords": "offset points", "ha": "right"}
    label = axes.annotate("parted", (times[-1], c.error_limit), **place)
    label.set(color=NOTE, bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1})
    axes.set(xlabel="time", ylabel="relative error at the samples", xlim=(times[0], times[-1]))
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 1e-18), min(max(high, 1.0), 1e3))
    axes.set_title("Error against the network (above 1000 is off the page)", loc="left")
    axes.grid(alpha=0.25)


def growth(axes: Axes, c: Any) -> None:
    """Draw ‖exp(W t)‖ and ‖Wᵏ‖ with the bands that the eigenvalues allow, on a logarithmic axis.

    **Arguments:**

    - `axes`: the axes to draw into.
    - `c`: what `compare` returned; its `growth` is read.
    """
    g = c.growth
    condition = min(g.eigenvector_condition, 1e12)
    for sizes, rate, colour, name in (
        (g.textbook, g.abscissa, BLUE, "‖exp(W t)‖, the textbook's term"),
        (g.network, np.log(max(g.radius, 1e-300)), NETWORK, "‖Wᵏ‖, the network's"),
    ):
        line = np.exp(np.clip(rate * g.steps, -600, 600))
        axes.fill_between(g.steps, line, np.clip(condition * line, None, 1e280), color=colour, alpha=0.13, lw=0)
        axes.semilogy(g.steps, line, color=colour, lw=1.2, ls="--", zorder=3)
        shown = np.isfinite(sizes) & (sizes > 0)
        axes.semilogy(g.steps[shown], sizes[shown], color=colour, lw=4, alpha=0.4, label=name)
    axes.plot([], [], color=NOTE, lw=1.2, ls="--", label="exp(rate · steps), the rate from the eigenvalues")
    axes.set(xlabel="steps", ylabel="norm", xlim=(0, g.steps[-1]))
    axes.set_title("Growth of the linear part, predicted (dashed, band) and computed", loc="left")
    axes.legend(fontsize=9, loc="best")
    axes.grid(alpha=0.25)
