"""Runs in their principal components, with fixed points, orbits and unstable directions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .._base.checks import counted
from ._needs import as_places, reads
from ._page import headline, legend_beside, page
from ._portrait import SHAPES
from ._style import BLUE, GREEN, RUST, ink, key, paper, shade

_SAID = {"DECAYS": "stable", "GROWS": "unstable", "PERSISTS": "neutral", "UNDETERMINED": "undetermined"}
_ARM = 0.12  # length of an unstable direction, relative to the picture
_ARMS = 4  # directions of a point, at most
_FAR = 1.0  # a point that is further outside the runs than this, in units of their largest range, is left out


@reads(p="points runs fixed")
def state_portrait(p: Any, components: Sequence[int] = (0, 1), axes: Axes | None = None) -> Figure:
    """A portrait: runs in grey, points by kind and stability, unstable directions as lines through them, orbits in green.

    **Arguments:**

    - `p`: what `portrait` returned; its `runs`, `points`, `fixed`, `unstable`, `orbits`, `stable`, `explained` and `centre`
      are read.
    - `components`: two components for a plane, or three for a view in space.
    - `axes`: the axes to draw into. Default: those of a new figure.

    **Returns:** the matplotlib figure.

    **Raises:** `ValueError` for components that the portrait does not have.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell(1.5 * jnp.eye(3), jnp.zeros((3, 1)), jnp.zeros(3), jnp.tanh)
    >>> run = ro.iterate(cell, jnp.zeros((30, 1)), jnp.array([0.1, -0.2, 0.3])).states
    >>> len(ro.plot.state_portrait(ro.portrait(ro.Map(cell, jnp.zeros(1)), run)).axes)
    1

    ```
    """
    most = p.runs.shape[2]
    chosen = [0] if most == 1 else as_places("components", components, most, 2, 3)
    if axes is None:
        figure, panels = page(size=(7.4, 5.2), subplot_kw={"projection": "3d"} if len(chosen) == 3 else {})
        headline(figure, _finding(p))
        return state_portrait(p, components, panels[0, 0])
    handles: dict[str, Any] = {"run": key(shade(0.35), "run" if len(p.runs) == 1 else "runs", lw=0.8)}
    view = _flat if most == 1 else lambda rows: rows[..., chosen].T
    for run in p.runs:
        axes.plot(*view(run), color=shade(0.35), lw=0.8, zorder=1)
    low, high = (bound(p.runs, axis=(0, 1)) for bound in (np.min, np.max))
    far = _FAR * (np.max(high - low) or np.inf)
    shown = np.all((p.points >= low - far) & (p.points <= high + far), axis=1)
    for orbit, stable in zip(p.orbits, p.stable, strict=True):
        words, line = {True: ("stable orbit", "-"), False: ("unstable orbit", "--"), None: ("orbit", "-")}[stable]
        axes.plot(
            *view(np.concatenate([orbit, orbit[:1]])), line, marker=_dots(orbit), ms=4, color=GREEN, lw=1.8, zorder=2
        )
        handles[words] = key(GREEN, words, ls=line, lw=1.8)
    for i in np.flatnonzero(shown):
        for direction in p.unstable[i][:_ARMS]:
            arm = _ARM * np.max((high - low)[chosen]) * direction
            axes.plot(*view(np.stack([p.points[i] - arm, p.points[i] + arm])), color=RUST, lw=1.4, zorder=2.5)
            handles["arm"] = key(RUST, "unstable direction", lw=1.4)
        kind, verdict = p.fixed.kind_names[i], p.fixed.verdict_names[i]
        label = "slow point" if kind == "SLOW" else f"{kind.lower()}, {_SAID.get(verdict, verdict)}"
        style = {
            "marker": SHAPES.get(kind, "s"),
            "ms": 8,
            "mec": ink(),
            "mfc": BLUE if verdict == "DECAYS" else paper(),
        }
        axes.plot(*view(p.points[i : i + 1]), ls="", zorder=3, **style)
        handles.setdefault(label, key(ink(), label, ls="", **style))
    if not np.all(shown):
        handles["far"] = key("none", f"{counted(int(np.sum(~shown)), 'point')} far from the runs", ls="")
    _name_axes(axes, p, chosen)
    legend_beside(axes, list(handles.values()))
    return axes.figure  # pyright: ignore[reportReturnType]


def _flat(rows: np.ndarray) -> np.ndarray:
    """One unit: on a line."""
    return np.stack([rows[..., 0], np.zeros(rows.shape[:-1])])


def _dots(orbit: np.ndarray) -> str:
    """A marker for each state of an orbit of few."""
    return "o" if len(orbit) < 24 else ""


def _name_axes(axes: Axes, p: Any, chosen: Sequence[int]) -> None:
    units = len(p.centre) <= 2
    names = [f"unit {c}" if units else f"principal component {c + 1} ({100 * p.explained[c]:.3g} %)" for c in chosen]
    axes.set(**dict(zip(("xlabel", "ylabel", "zlabel"), names, strict=False)))
    if len(chosen) == 1:
        axes.set_yticks([])
    elif len(chosen) == 3:
        axes.set_box_aspect(None, zoom=0.82)  # pyright: ignore[reportCallIssue]  # room for the names of the axes
    else:
        axes.set_aspect("equal", adjustable="datalim")
        axes.margins(0.08)


def _finding(p: Any) -> str:
    count, slow = int(p.fixed.count), int(np.sum(p.fixed.slow))
    stable = p.fixed.verdict_names[:count].count("DECAYS")
    words = f"{counted(count, 'fixed point')}, {stable} of them stable"
    words += f"; {counted(slow, 'slow point')}" if slow else ""
    return words + (f"; {counted(len(p.orbits), 'orbit')}" if p.orbits else "")
