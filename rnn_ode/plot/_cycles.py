"""Cycles of piecewise-linear networks."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .._base.checks import counted
from .._base.states import principal_plane
from .._base.verdict import verdict_name
from ._needs import reads
from ._page import empty, headline, legend_beside, page, single
from ._portrait import name_axes
from ._style import PALETTE, key, note

_MOST = 10  # orbits


@reads(c="points")
def cycles(c: Any) -> Figure:
    """Each orbit as a closed line, in the plane of the two units or of two principal components; of one unit, against time.

    Stable orbits are solid, all others dashed.

    **Arguments:**

    - `c`: what `cycles` returned; its `points`, `verdicts` and `complete` are read.

    **Returns:** a matplotlib figure.

    **Raises:** `ValueError` for a batch.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> tent = ro.VanillaCell([[1.5, -3.0], [1.5, -3.0]], jnp.zeros((2, 1)), [0.0, -0.5])
    >>> ro.plot.cycles(ro.cycles(ro.Map(tent, jnp.zeros(1)), 2)).get_suptitle()
    '1 orbit of period 2, 0 of them stable'

    ```
    """
    single("c", c.points, 3)
    points = np.asarray(c.points)
    count, period, size = points.shape
    stable = [name == "DECAYS" for name in (verdict_name(c.verdicts) if count else [])]
    figure, axes = page(size=(6.8, 4.4))
    axes = axes[0, 0]
    (_against_time if size == 1 else _in_plane)(axes, points[:_MOST], stable)
    axes.margins(0.12)
    if not count:
        empty(axes, "no orbit")
    words = {True: ("stable", "-"), False: ("not stable", "--")}
    handles = [key(note(), word, ls=line) for decays, (word, line) in words.items() if decays in stable[:_MOST]]
    if handles:
        legend_beside(axes, handles)
    found = f"{counted(count, 'orbit')} of period {period}, {sum(stable)} of them stable"
    some = f"; {_MOST} are drawn" if count > _MOST else ""
    headline(figure, found + some + ("" if c.complete else " (the search was not complete)"))
    return figure


def _against_time(axes: Axes, points: np.ndarray, stable: list[bool]) -> None:
    steps = np.arange(points.shape[1] + 1)
    for orbit, decays, colour in zip(points[..., 0], stable, PALETTE, strict=False):
        axes.plot(steps, np.append(orbit, orbit[:1]), "o-" if decays else "o--", color=colour, lw=1.4, ms=5)
    axes.set(xlabel="step", ylabel="state")


def _in_plane(axes: Axes, points: np.ndarray, stable: list[bool]) -> None:
    centre, directions = principal_plane(points.reshape(-1, points.shape[-1]))
    name_axes(axes, points.shape[-1])
    for orbit, decays, colour in zip((points - centre) @ directions.T, stable, PALETTE, strict=False):
        x, y = np.concatenate([orbit, orbit[:1]]).T
        axes.plot(x, y, "o-" if decays else "o--", color=colour, lw=1.4, ms=5)
        if len(orbit) > 1:
            half = (x[0] + x[1]) / 2, (y[0] + y[1]) / 2
            axes.annotate("", half, (x[0], y[0]), arrowprops={"arrowstyle": "->", "color": colour})
