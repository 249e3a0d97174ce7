"""Phase portraits, and fixed points in a plane."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from .._base.checks import as_numbers, check_finite, counted
from .._base.states import principal_plane
from ._needs import reads
from ._page import empty, headline, legend_beside, page, single
from ._style import AMBER, BLUE, GREEN, RUST, ink, key, paper, shade

SHAPES = {"NODE": "o", "FOCUS": "o", "FLIP": "D", "SADDLE": "X", "CENTRE": "P", "UNDETERMINED": "s", "SLOW": "d"}
"""The marker of each kind of fixed point."""

_SAID = {"DECAYS": "stable", "GROWS": "unstable", "PERSISTS": "neutral", "UNDETERMINED": "undetermined"}


@reads(a="axes grid centre", side="points nullclines")
def portrait(axes: Axes, a: Any, side: Any) -> None:
    """Draw a run in the plane of two units or of two principal components, with its fixed points, nullclines and arrows.

    The legend counts the fixed points that are outside of the axes.

    **Arguments:**

    - `axes`: the axes to draw into.
    - `a`: what `analyse` returned; its `centre`, `axes` and `grid` are read.
    - `side`: one of its sides; `orbit`, `closed`, `points`, `added`, `mark` and `nullclines` are read.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> a = ro.analyse(ro.VanillaCell([[1.5]], [[1.0]], [0.0], jnp.tanh), jnp.zeros(1), steps=100)
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> ro.plot.portrait(axes, a, a.sides[0])
    >>> axes.get_aspect()
    1.0

    ```
    """
    reach = a.grid[-1]
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", anchor="W")  # room for the legend
    name_axes(axes, len(a.centre))
    if side.points is None:
        return
    handles = [] if side.nullclines is None else _field(axes, a.grid, side.nullclines)
    run = (side.orbit - a.centre) @ a.axes.T
    dots = len(run) < 1000
    axes.plot(run[:, 0], run[:, 1], "." if dots else "-", ms=4, lw=0.8, color=ink(), alpha=0.6, zorder=2)
    label = "the run" if len(run) == 0 or _inside(run[:1], reach)[0] else "the run, which begins outside"
    handles.append(key(ink(), label, marker="." if dots else "", ls="" if dots else "-", alpha=0.6))
    handles += _closed(axes, a, getattr(side, "closed", None))
    count = int(side.points.count)
    plane = (np.asarray(side.points.points)[:count] - a.centre) @ a.axes.T
    inside = _inside(plane, reach)
    handles += _fixed_points(axes, plane, side.points, side.added[:count], side.mark, inside)
    if outside := int(np.sum(~inside)):
        handles.append(key(ink(), f"{counted(outside, 'fixed point')} outside", ls=""))
    legend_beside(axes, handles)


@reads(f="points")
def fixed_points(f: Any, runs: Any = None) -> Figure:
    """Fixed points in a plane, by kind and stability: that of the two units, or of the first two principal components.

    **Arguments:**

    - `f`: a single `FixedPoints`; its `points`, `count`, `slow`, `kind_names` and `verdict_names` are read.
    - `runs`: states (T, N) of a run, or (…, T, N) of several, drawn behind the points. The principal components are then
      those of the runs. Default: no runs, and the principal components of the points.

    **Returns:** a matplotlib figure.

    **Raises:** `ValueError` for a batch, and for runs of another size or with values that are not finite.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[1.5]], [[1.0]], [0.0], jnp.tanh)
    >>> found = ro.fixed_points(ro.Map(cell, jnp.zeros(1)), jnp.array([[-1.0], [0.1], [1.0]]))
    >>> ro.plot.fixed_points(found).get_suptitle()
    '3 fixed points, 2 of them stable'

    ```
    """
    single("f", f.points, 2)
    count = int(f.count)
    shown = count + int(np.sum(f.slow))
    points = np.asarray(f.points)[:shown]
    size = points.shape[1]
    paths = np.zeros((0, 1, size)) if runs is None else _as_runs(runs, size)
    centre, directions = principal_plane(points if runs is None else paths.reshape(-1, size))
    figure, axes = page(size=(6.8, 4.4))
    axes = axes[0, 0]
    name_axes(axes, size)
    for path in (paths - centre) @ directions.T:
        axes.plot(*path.T, color=shade(0.35), lw=0.8, zorder=1)
    handles = [key(shade(0.35), "run" if len(paths) == 1 else "runs", lw=0.8)] if len(paths) else []
    handles += _fixed_points(axes, (points - centre) @ directions.T, f, np.zeros(shown, bool), "", np.ones(shown, bool))
    axes.set(aspect="equal", adjustable="datalim")
    axes.margins(0.12)
    if handles:
        legend_beside(axes, handles)
    else:
        empty(axes, "no fixed point")
    stable = f.verdict_names[:count].count("DECAYS")
    headline(figure, f"{counted(count, 'fixed point')}, {stable} of them stable" + _slow(shown - count))
    return figure


def _closed(axes: Axes, a: Any, orbit: Any) -> list[Line2D]:
    """A closed orbit of a system, if there is one."""
    if orbit is None:
        return []
    points = np.asarray(orbit.points)
    rows = (np.concatenate([points, points[:1]]) - a.centre) @ a.axes.T
    stable = orbit.verdict_name == "DECAYS"
    style = {
        "color": GREEN,
        "ls": "-" if stable else "--",
        "marker": "o" if len(points) < 24 else "",
        "ms": 4,
        "lw": 1.6,
    }
    axes.plot(rows[:, 0], rows[:, 1], zorder=2.5, **style)
    words = "stable orbit" if stable else "orbit"
    return [key(label=f"{words} of period {float(orbit.period):.4g}", colour=style.pop("color"), **style)]


def _as_runs(runs: Any, size: int) -> np.ndarray:
    """States (…, T, N) of runs as (B, T, N)."""
    rows = np.asarray(as_numbers("runs", runs), float)
    if rows.ndim < 2 or rows.shape[-1] != size:
        raise ValueError(f"runs must be states (…, T, {size}), as iterate returns them; got shape {rows.shape}.")
    check_finite("runs", rows)
    return rows.reshape(-1, *rows.shape[-2:])


def _slow(count: int) -> str:
    return f", and {counted(count, 'slow point')}" if count else ""


def name_axes(axes: Axes, size: int) -> None:
    names = (
        ("principal component 1", "principal component 2") if size > 2 else ("unit 0", "unit 1" if size == 2 else "")
    )
    axes.set(xlabel=names[0], ylabel=names[1])
    if size == 1:
        axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(5))


def _field(axes: Axes, grid: np.ndarray, velocity: np.ndarray) -> list[Line2D]:
    """Arrows along a velocity (2, m, m), all of one length, and the lines where a component of it is zero."""
    every = max(1, len(grid) // 15)
    part = slice(every // 2, None, every)
    with np.errstate(over="ignore", invalid="ignore"):
        along = velocity[:, part, part] / np.maximum(np.linalg.norm(velocity[:, part, part], axis=0), 1e-300)
    style = {"color": shade(0.35), "pivot": "mid", "width": 0.004, "scale": 24, "zorder": 0.8}
    axes.quiver(grid[part], grid[part], *np.where(np.isfinite(along), along, 0.0), **style)
    handles = []
    for unit, (values, colour) in enumerate(zip(velocity, (AMBER, GREEN), strict=True)):
        if not (np.any(values <= 0) and np.any(values >= 0)):
            continue  # no nullcline here
        axes.contour(grid, grid, values, levels=[0.0], colors=[colour], linewidths=1.4, zorder=1.5)
        handles.append(key(colour, f"nullcline of unit {unit}", lw=1.4))
    return handles


def _inside(plane: np.ndarray, reach: float) -> np.ndarray:
    """Which points (n, 2) are inside axes that reach so far."""
    return np.all(np.abs(plane) <= reach, axis=1)


def _fixed_points(
    axes: Axes, plane: np.ndarray, found: Any, added: np.ndarray, mark: str, inside: np.ndarray
) -> list[Line2D]:
    """A marker for each fixed point inside: its shape is the kind, filled ones decay, rust ones the other system does not
    have."""
    kinds, verdicts = found.kind_names, found.verdict_names
    handles: dict[str, Line2D] = {}
    for i in np.flatnonzero(inside):
        x, y = plane[i]
        label = f"{kinds[i].lower()}, {_SAID.get(verdicts[i], verdicts[i])}" + (f" ({mark})" if added[i] else "")
        edge, face = RUST if added[i] else ink(), BLUE if verdicts[i] == "DECAYS" else paper()
        style = {"marker": SHAPES.get(kinds[i], "s"), "ms": 8, "mec": edge, "mfc": face, "ls": ""}
        axes.plot(x, y, zorder=3, clip_on=False, **style)
        handles.setdefault(label, key(edge, label, **style))
    return list(handles.values())
