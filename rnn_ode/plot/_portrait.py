"""Phase portraits."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ._style import AMBER, BLUE, GREEN, RUST, ink

SHAPES = {"NODE": "o", "FOCUS": "o", "FLIP": "D", "SADDLE": "X", "CENTRE": "P", "UNDETERMINED": "s"}
"""The marker of each kind of fixed point."""


def portrait(axes: Axes, a: Any, side: Any) -> None:
    """Draw a run in the plane of two units or of two principal components, with its fixed points and nullclines.

    Reads `centre`, `axes` and `grid` of the analysis `a`, and `orbit`, `points`, `added`, `mark`, `nullclines` of the side.
    """
    principal = len(a.centre) > 2
    reach = a.grid[-1]
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", anchor="W")  # room for the legend
    axes.set(xlabel="first principal component" if principal else "unit 0", ylabel="second" if principal else "unit 1")
    if side.points is None:
        return
    if side.nullclines is not None:
        for unit, (values, colour) in enumerate(zip(side.nullclines, (AMBER, GREEN), strict=True)):
            axes.contour(a.grid, a.grid, values, levels=[0.0], colors=[colour], linewidths=1.0, alpha=0.8)
            axes.plot([], [], color=colour, lw=1, label=f"unit {unit} at rest")
    run = (side.orbit - a.centre) @ a.axes.T
    line = "." if len(run) < 1000 else "-"
    axes.plot(run[:, 0], run[:, 1], line, ms=3, lw=0.8, color=ink(), alpha=0.6, label="the run")
    _fixed_points(axes, a, side)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False)


def _fixed_points(axes: Axes, a: Any, side: Any) -> None:
    """A marker for each fixed point: its shape is the kind, filled ones decay, red ones the other system does not have."""
    found, kinds, verdicts = side.points, side.points.kind_names, side.points.verdict_names
    seen = set()
    for i in range(int(found.count)):
        x, y = (np.asarray(found.points[i]) - a.centre) @ a.axes.T
        label = f"{kinds[i].lower()}, {verdicts[i]}" + (f" ({side.mark})" if side.added[i] else "")
        edge, face = RUST if side.added[i] else ink(), BLUE if verdicts[i] == "DECAYS" else "white"
        legend = None if label in seen else label
        axes.plot(x, y, SHAPES.get(kinds[i], "s"), ms=8, mec=edge, mfc=face, ls="", label=legend)
        seen.add(label)
