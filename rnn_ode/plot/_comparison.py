"""Pictures of what other modules computed. Every function returns a matplotlib figure and computes nothing but the axes."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Patch

from .._base.states import flat_rows
from ._style import NETWORK


def comparison(c: Any) -> Figure:
    """One figure of a comparison: trajectories, eigenvalues on the decay regions, errors, and ‖exp(W_h t)‖.

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
    colours = _colours(c.rows)
    trajectories(axes[0, 0], c, colours)
    decay_regions(axes[0, 1], c.spectrum, [row.method for row in c.rows], colours)
    errors(axes[1, 0], c, colours)
    growth(axes[1, 1], c)
    handles = [Line2D([], [], color=NETWORK, lw=2.2, label="network")]
    handles += [Line2D([], [], color=colours[row.method.label], lw=1.6, label=_legend(row)) for row in c.rows]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(4, len(handles)), frameon=False, fontsize=10)
    return figure


_LARGEST = 1e300  # beyond it the limits of an axis leave the float range


def _colours(rows) -> dict[str, tuple]:
    palette = colormaps["tab10"].colors  # pyright: ignore[reportAttributeAccessIssue]
    return {row.method.label: palette[i % len(palette)] for i, row in enumerate(rows)}


def _legend(row: Any) -> str:
    return row.method.label if row.trajectory is not None else f"{row.method.label} (does not exist here)"


def trajectories(axes: Axes, c: Any, colours) -> None:
    """The state with the largest swing in the network's run, in the network and in every counterpart."""
    states = flat_rows(c.network.states)
    finite = np.where(np.isfinite(states), states, np.nan)
    unit = int(np.argmax(np.nanstd(finite / (np.nanmax(np.abs(finite)) or 1), axis=0)))
    shown = np.clip(states[:, unit][np.isfinite(states[:, unit])], -_LARGEST, _LARGEST)
    middle, half = (shown.min() + shown.max()) / 2, (shown.max() - shown.min()) / 2
    half = half or abs(middle) or 1.0
    for row in c.rows:
        if row.trajectory is not None:
            values = flat_rows(row.trajectory.states)[:, unit]
            gone = np.cumsum(~(np.abs(values - middle) < 6 * half)) > 1  # one row past the page, then no more
            values = np.where(gone, np.nan, values)
            axes.plot(np.asarray(row.trajectory.ts), values, color=colours[row.method.label], lw=1.3)
    axes.plot(np.asarray(c.network.ts), np.where(np.isfinite(states[:, unit]), states[:, unit], np.nan), ".", ms=4,
              color=NETWORK, zorder=3)  # fmt: skip
    axes.set(ylim=(middle - 1.8 * half, middle + 1.8 * half), xlabel="time", ylabel=f"state of unit {unit}")
    axes.set_title("The network's samples (dots) and each flow", loc="left")
    axes.margins(x=0.01)


def decay_regions(axes: Axes, s: Any, methods: list[Any], colours) -> None:
    """The multipliers in the complex plane, with the border of each method's decay region Re g(λ) < 0."""
    points = np.asarray(s.multipliers)
    reach = 1.15 * max(1.5, float(np.max(np.abs(points))))
    x, y = np.meshgrid(np.linspace(-reach, reach, 401), np.linspace(-reach, reach, 401))
    plane = jnp.asarray(x + 1j * y)
    for method in methods:
        real = np.nan_to_num(np.real(np.asarray(method.exponent(plane))), nan=1.0, posinf=1e9, neginf=-1e9)
        colour = colours[method.label]
        axes.contour(x, y, real, levels=[0.0], colors=[colour], linewidths=1.6)
        if method.label == "textbook":
            axes.contourf(x, y, real, levels=[-1e30, 0.0], colors=[colour], alpha=0.12)
    axes.add_patch(Circle((0, 0), 1, facecolor="#88888844", edgecolor=NETWORK, lw=2.2, ls=":"))
    axes.plot(np.real(points), np.imag(points), "o", ms=5, color=NETWORK, mfc="white", mew=1.4, zorder=4)
    axes.axhline(0, color="0.8", lw=0.7, zorder=0)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="Re λ", ylabel="Im λ")
    axes.set_title("Multipliers λ and where each flow decays", loc="left")
    handles: list = [
        Patch(facecolor="#88888844", edgecolor=NETWORK, ls=":", label="network decays: |λ| < 1"),
        Line2D([], [], marker="o", ls="", color=NETWORK, mfc="white", label="multipliers of the linear part"),
        Line2D([], [], color="0.4", label="borders Re g(λ) = 0, by colour\n(tustin's and exact's are the circle)"),
    ]
    if any(method.label == "textbook" for method in methods):
        colour = next(colours[m.label] for m in methods if m.label == "textbook")
        handles.insert(1, Patch(facecolor=(*colour[:3], 0.15), label="exp(W t) decays: Re λ < 0"))
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.02, 1.0), fontsize=9, frameon=False)


def errors(axes: Axes, c: Any, colours) -> None:
    """The relative error of every counterpart at the samples, on a logarithmic axis."""
    times = np.asarray(c.network.ts)
    for row in c.rows:
        seen = np.where(row.errors > 0, row.errors, np.nan)
        if np.any(np.isfinite(seen)):
            axes.semilogy(times, np.clip(seen, 1e-18, 1e6), color=colours[row.method.label], lw=1.4)
    axes.axhline(c.parted, color="0.5", lw=0.8, ls="--")
    label = axes.annotate("parted", (times[-1], c.parted), xytext=(-3, 3), textcoords="offset points", ha="right")
    label.set(color="0.3", bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1})
    axes.set(xlabel="time", ylabel="relative error at the samples", xlim=(times[0], times[-1]))
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 1e-18), min(max(high, 1.0), 1e3))
    axes.set_title("Error against the network (above 1000 is off the page)", loc="left")
    axes.grid(alpha=0.25)


def growth(axes: Axes, c: Any) -> None:
    """‖exp(W t)‖ and ‖Wᵏ‖ with the envelopes that the eigenvalues allow, on a logarithmic axis."""
    g = c.growth
    kappa = min(g.eigenvector_condition, 1e12)
    for sizes, rate, colour, name in (
        (g.textbook, g.abscissa, "tab:blue", "‖exp(W t)‖, the textbook's term"),
        (g.network, np.log(max(g.radius, 1e-300)), NETWORK, "‖Wᵏ‖, the network's"),
    ):
        line = np.exp(np.clip(rate * g.steps, -600, 600))
        axes.fill_between(g.steps, line, np.clip(kappa * line, None, 1e280), color=colour, alpha=0.13, lw=0)
        axes.semilogy(g.steps, line, color=colour, lw=1.2, ls="--", zorder=3)
        shown = np.isfinite(sizes) & (sizes > 0)
        axes.semilogy(g.steps[shown], sizes[shown], color=colour, lw=4, alpha=0.4, label=name)
    axes.plot([], [], color="0.4", lw=1.2, ls="--", label="exp(rate · steps), the rate from the eigenvalues")
    axes.set(xlabel="steps", ylabel="norm", xlim=(0, g.steps[-1]))
    axes.set_title("Growth of the linear part, predicted (dashed, band) and computed", loc="left")
    axes.legend(fontsize=9, loc="best")
    axes.grid(alpha=0.25)
