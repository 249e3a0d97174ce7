"""Bifurcation diagrams."""

from collections.abc import Iterator
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .._base.checks import check_index, counted
from .._base.verdict import verdict_name
from ._needs import reads
from ._page import headline, legend_beside, page
from ._style import AMBER, BROWN, GREEN, PURPLE, RUST, SLATE, faint, ink, paper

MARKERS = {
    "fold": ("o", RUST),
    "branch point": ("s", GREEN),
    "flip": ("D", PURPLE),
    "neimark-sacker": ("^", AMBER),
    "hopf": ("v", AMBER),
    "border collision": ("X", BROWN),
    "undecided": ("P", SLATE),
}
"""Marker and colour of each kind of bifurcation."""

LINES = {"stable": ("-", 2.2), "unstable": ("--", 1.4), "undetermined": (":", 1.4)}
"""Line style and width of each part of a branch."""

_STATES = 16  # of an orbit, each of which is drawn

_NAMES = {"hopf": "Hopf point", "neimark-sacker": "Neimark–Sacker point", "undecided": "undecided point"}
_STABILITY = {"DECAYS": "stable", "GROWS": "unstable"}


@reads(b="parameters points bifurcations")
def branch(b: Any, coordinate: int = 0, axes: Axes | None = None) -> Figure:
    """A bifurcation diagram: a coordinate of the fixed point against the parameter, or of the orbit.

    Stable parts are solid, unstable ones dashed, and bifurcations are marked by kind. Of an orbit of at most 16 states each
    is drawn, and of any other one the largest and the smallest value of the coordinate.

    **Arguments:**

    - `b`: what `continue_branch` returned; its `parameters`, `points`, `verdicts`, `bifurcations`, `indices`, `complete` and
      `diverged` are read.
    - `coordinate`: which coordinate of the state, from 0.
    - `axes`: the axes to draw into, so that several branches share one picture. Default: those of a new figure.

    **Returns:** the matplotlib figure.

    **Raises:** `ValueError` for a coordinate that the state does not have.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> system = lambda p: ro.Flow(lambda t, h, path: p + h - h**3)
    >>> len(ro.plot.branch(ro.continue_branch(system, jnp.array([-1.3]), (-1.0, 1.0))).axes)
    1

    ```
    """
    check_index("coordinate", coordinate, 0, b.points.shape[-1] - 1)
    if axes is None:
        figure, panels = page(size=(7.6, 4.6))
        headline(figure, _finding(b))
        return branch(b, coordinate, panels[0, 0])
    x, lines, of_orbit = b.parameters, _lines(b.points[..., coordinate]), b.points.ndim > 2
    for first, last, style in _stretches(_styles(b)):
        line, width = LINES[style]
        for y in lines:
            axes.plot(x[first : last + 1], y[first : last + 1], line, lw=width, color=ink(), zorder=2, label=style)
    for (kind, parameter, _), index in zip(b.bifurcations, b.indices, strict=True):
        marker, colour = MARKERS[kind.split(":")[0]]
        for y in lines:
            axes.plot(parameter, y[index], marker, ms=9, color=colour, mec=paper(), mew=1, zorder=3, label=kind)
    if not b.complete:
        for y in lines:
            axes.plot(x[-1], y[-1], "x", ms=9, mew=2, color=ink(), zorder=3, label="stopped: partial branch")
    if b.diverged:
        axes.set_yscale("symlog", linthresh=1)
    axes.set(xlabel="parameter", ylabel=f"coordinate {coordinate} of the {'orbit' if of_orbit else 'fixed point'}")
    axes.grid(color=faint(), lw=0.6, alpha=0.6)
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    legend_beside(axes, list(once.values()))
    return axes.figure  # pyright: ignore[reportReturnType]


def _lines(values: Any) -> list[Any]:
    """The lines (m,) of a branch, from a coordinate of its fixed points (m,) or of its orbits (m, n)."""
    if values.ndim == 1:
        return [values]
    return list(values.T) if values.shape[1] <= _STATES else [values.max(axis=1), values.min(axis=1)]


def _finding(b: Any) -> str:
    """How many bifurcations of each kind there are."""
    kinds: list[str] = [bifurcation[0].split(":")[0] for bifurcation in b.bifurcations]
    counts = [counted(kinds.count(kind), _NAMES.get(kind) or kind) for kind in dict.fromkeys(kinds)]
    found = ", ".join(counts) if counts else "No bifurcation"
    return found + (" up to where the branch stops" if not b.complete else "")


def _styles(b: Any) -> list[str]:
    """How to draw the line from each point to the next: by the stability of the one that is no bifurcation."""
    names = [_STABILITY.get(name, "undetermined") for name in verdict_name(b.verdicts)]
    return [names[i + 1] if i in b.indices else names[i] for i in range(len(names) - 1)]


def _stretches(styles: list[str]) -> Iterator[tuple[int, int, str]]:
    """(first point, last point, style) of each stretch of one style."""
    first = 0
    for i, style in enumerate(styles):
        if i + 1 == len(styles) or styles[i + 1] != style:
            yield first, i + 1, style
            first = i + 1
