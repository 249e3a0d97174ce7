"""Bifurcation diagrams."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .._base.results import RESULTS
from .._base.verdict import Verdict
from ._style import NETWORK

MARKERS = {
    "fold": ("o", "tab:red"),
    "branch point": ("s", "tab:green"),
    "flip": ("D", "tab:purple"),
    "neimark-sacker": ("^", "tab:orange"),
    "hopf": ("v", "tab:orange"),
    "border collision": ("X", "tab:brown"),
    "undecided": ("P", "tab:gray"),
}

LINES = {"stable": ("-", 2.2), "unstable": ("--", 1.4), "undetermined": (":", 1.4)}


def branch(b: Any, coordinate: int = 0, axes: Axes | None = None) -> Figure:
    """A bifurcation diagram: a coordinate of the fixed point against the parameter, stable parts solid, unstable ones dashed,
    bifurcations marked by kind. With `axes`, drawn into those, so that several branches share one picture.

    Raises `ValueError` for a coordinate that the state does not have.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> system = lambda p: ro.Flow(lambda t, h, path: p + h - h**3)
    >>> len(ro.plot.branch(ro.continue_branch(system, jnp.array([-1.3]), (-1.0, 1.0))).axes)
    1

    ```
    """
    if not 0 <= coordinate < b.points.shape[1]:
        raise ValueError(f"coordinate must be one of 0 to {b.points.shape[1] - 1}; got {coordinate}.")
    if axes is None:
        axes = Figure(figsize=(8, 5.5), layout="constrained").subplots()
    x, y = b.parameters, b.points[:, coordinate]
    for first, last, style in _runs(_styles(b)):
        line, width = LINES[style]
        axes.plot(x[first : last + 1], y[first : last + 1], line, lw=width, color=NETWORK, zorder=2, label=style)
    for kind, parameter, point in b.bifurcations:
        marker, colour = MARKERS[kind.split(":")[0]]
        axes.plot(parameter, point[coordinate], marker, ms=9, color=colour, mec="white", mew=1, zorder=3, label=kind)
    if not b.complete:
        axes.plot(x[-1], y[-1], "P", ms=9, color="black", mec="white", zorder=3, label="stopped: partial branch")
    if b.result == RESULTS.branch_diverged:
        axes.set_yscale("symlog", linthresh=1)
    axes.set(xlabel="parameter", ylabel=f"coordinate {coordinate} of the fixed point")
    axes.grid(alpha=0.25)
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    axes.legend(once.values(), once.keys(), frameon=False, loc="best")
    return axes.figure  # pyright: ignore[reportReturnType]


def _styles(b: Any) -> list[str]:
    """How to draw the line from each point to the next: by the end of it that is no bifurcation."""
    stable, unstable = (np.asarray(b.verdicts == verdict) for verdict in (Verdict.DECAYS, Verdict.GROWS))
    names = np.where(stable, "stable", np.where(unstable, "unstable", "undetermined"))
    return [str(names[i + 1] if i in b.indices else names[i]) for i in range(len(names) - 1)]


def _runs(styles: list[str]):
    """(first point, last point, style) of each stretch of one style."""
    first = 0
    for i, style in enumerate(styles):
        if i + 1 == len(styles) or styles[i + 1] != style:
            yield first, i + 1, style
            first = i + 1
