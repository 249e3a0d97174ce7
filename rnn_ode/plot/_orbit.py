"""Closed orbits."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .._base.states import principal_plane
from .._base.text import number
from .._base.verdict import verdict_name
from ._needs import reads
from ._page import headline, page, single, title
from ._portrait import name_axes
from ._style import PALETTE, faint, ink

_LINES = 4  # units against time
_REACH = 8.0  # of the panel of multipliers, in which the unit circle is to be seen

_WORDS = {"DECAYS": "stable", "GROWS": "unstable", "PERSISTS": "neutral", "UNDETERMINED": "undetermined"}


@reads(o="points times multipliers period")
def orbit(o: Any) -> Figure:
    """A closed orbit in the plane of two units or of two principal components, the units that move most against time, and the
    multipliers with the unit circle. The title tells of multipliers of more than 8 in modulus, which are outside.

    **Arguments:**

    - `o`: what `periodic_orbit` returned; its `points`, `times`, `period`, `multipliers`, `trivial`, `verdict`, `error` and
      `converged` are read.

    **Returns:** the matplotlib figure.

    **Raises:** `ValueError` for a batch, and for a search that found no orbit.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> henon = ro.Map(lambda x, h: jnp.stack([1 - 1.4 * h[0] ** 2 + h[1], 0.3 * h[0]]))
    >>> found = ro.periodic_orbit(henon, jnp.array([[1.0, -0.15], [-0.5, 0.3]]), 2)
    >>> ro.plot.orbit(found).get_suptitle()
    'An unstable orbit of period 2'

    ```
    """
    single("o", o.points, 2)
    if not bool(o.converged):
        raise ValueError("o holds no orbit: its search did not converge, and o.result says why.")
    points, times, period = (np.asarray(x, float) for x in (o.points, o.times, o.period))
    word = _WORDS[verdict_name(o.verdict)]
    figure, panels = page(1, 3, size=(10.4, 3.7))
    article = "An" if word[0] in "aeiou" else "A"
    headline(figure, f"{article} {word} orbit of period {number(period, 6)}")
    steps = float(o.error) == 0  # those of a map
    _in_plane(panels[0, 0], points, steps)
    _against_time(panels[0, 1], points, np.append(times, period), steps)
    _multipliers(panels[0, 2], np.asarray(o.multipliers), int(o.trivial))
    return figure


def _in_plane(axes: Axes, points: np.ndarray, steps: bool) -> None:
    centre, directions = principal_plane(points)
    plane = (points - centre) @ directions.T
    x, y = np.concatenate([plane, plane[:1]]).T
    if steps:
        axes.plot(x, y, "--", color=faint(), lw=0.9, zorder=1)
    axes.plot(x, y, "o" if steps else "-", color=ink(), ms=5, lw=1.6, zorder=2)
    name_axes(axes, points.shape[1])
    axes.margins(0.1)
    title(axes, "in the state space")


def _against_time(axes: Axes, points: np.ndarray, times: np.ndarray, steps: bool) -> None:
    moved = np.argsort(-np.ptp(points, axis=0), kind="stable")[:_LINES]
    for unit, colour in zip(np.sort(moved), PALETTE, strict=False):
        line = np.append(points[:, unit], points[0, unit])
        axes.plot(times, line, "o--" if steps else "-", color=colour, ms=4, lw=1.4, label=f"unit {unit}")
    axes.set(xlabel="time", xlim=(times[0], times[-1]))
    axes.legend(fontsize="small", frameon=False)
    title(axes, "against time" if points.shape[1] <= _LINES else f"the {_LINES} units that move most")


def _multipliers(axes: Axes, values: np.ndarray, trivial: int) -> None:
    angle = np.linspace(0, 2 * np.pi, 200)
    axes.plot(np.cos(angle), np.sin(angle), color=faint(), lw=1)
    others = np.delete(values, trivial) if trivial >= 0 else values
    others = others[np.isfinite(others)]
    far = np.abs(others) > _REACH
    axes.plot(np.real(others[~far]), np.imag(others[~far]), "o", color=ink(), ms=6)
    if trivial >= 0:
        axes.plot(values[trivial].real, values[trivial].imag, "+", color=ink(), ms=9, mew=1.5)
    reach = 1.15 * float(np.abs(others[~far]).max(initial=1.0))
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="real part", ylabel="imaginary part")
    words = "multipliers (+: the shift along the orbit)" if trivial >= 0 else "multipliers, and the unit circle"
    if far.any():
        words += f"\n{int(np.sum(far))} outside, |λ| ≤ {number(np.abs(others).max())}"
    title(axes, words)
