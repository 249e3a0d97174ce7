"""The page of `analyse`."""

import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .._base.checks import counted
from .._base.text import number
from ._lyapunov import exponents
from ._needs import reads
from ._page import headline, page, title
from ._portrait import portrait
from ._style import RUST, faint, ink, note

_LONGEST = 30  # steps of the network in the panel of a disturbance


@reads(a="sides x dt")
def analysis(a: Any) -> Figure:
    """One page of an analysis: the network in the left column, its flow in the right one, one question a row.

    **Arguments:**

    - `a`: what `analyse` returned; its `sides`, `method`, `x`, `centre`, `axes`, `grid` and `dt` are read.

    **Returns:** a matplotlib figure.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> a = ro.analyse(ro.VanillaCell([[1.5]], [[1.0]], [0.0], jnp.tanh), jnp.zeros(1), steps=100)
    >>> len(ro.plot.analysis(a).axes)
    8

    ```
    """
    figure, rows = page(4, 2, size=(11, 12.5), height_ratios=(1.45, 0.9, 1, 1))
    for column, side in zip(rows.T, a.sides, strict=True):
        portrait(column[0], a, side)
        title(column[0], f"{side.name}: phase portrait")
        if side.points is None:
            _gap(column[0], side)
        _exponents(column[1], side)
        _gradients(column[2], side)
        _disturbance(column[3], side, _LONGEST * a.dt)
    for row in rows[1:]:
        low, high = (bound(axes.get_ylim()[i] for axes in row) for i, bound in ((0, min), (1, max)))
        for axes in row:
            axes.set_ylim(low, high)
    headline(figure, f"{_finding(a)} (input x = {_vector(a.x)})")
    return figure


def _finding(a: Any) -> str:
    """What both sides answered to the first two questions."""
    return "; ".join(_found(side) for side in a.sides)


def _found(side: Any) -> str:
    if side.points is None:
        return f"{side.name}: no answer"
    words = f"{side.name}: {counted(int(side.points.count), 'fixed point')}"
    if side.exponents is None:
        return words
    run = side.exponents
    largest, error = float(run.exponents[0]), float(run.stderr[0])
    if run.is_zero[0]:
        return f"{words}, largest exponent zero"
    size = f"{largest:.3g}" + (f" ± {error:.1g}" if abs(largest) <= 2 * error else "")
    return f"{words}, largest exponent {size.replace('-', '−').replace('inf', '∞')}"


def _vector(x: np.ndarray) -> str:
    values = ", ".join(number(value) for value in x.ravel()[:4])
    return f"({values}{', …' if x.size > 4 else ''})"


def _exponents(axes: Axes, side: Any) -> None:
    """Lyapunov exponents with their standard errors."""
    title(axes, "Lyapunov exponents")
    if side.exponents is None:
        axes.set(ylabel="nats per unit time")
        return _gap(axes, side)
    exponents(axes, side.exponents)


def _gradients(axes: Axes, side: Any) -> None:
    """How strongly the last state depends on earlier ones, against the lag."""
    words = "How strongly the last state depends on earlier ones"
    title(axes, words)
    axes.set(xlabel="lag, steps of the network", ylabel="log₁₀ ‖∂h(T)/∂h(T − lag)‖")
    axes.axhline(0, color=faint(), lw=0.8)
    if side.gradients is None:
        return _gap(axes, side)
    sizes = np.asarray(side.gradients.log_norms) / np.log(10)
    axes.plot(np.where(np.isfinite(sizes), sizes, np.nan), color=ink(), lw=1.6)
    gone = np.flatnonzero(np.isneginf(sizes))
    if len(gone):
        axes.plot(gone[:1], [0], "v", color=ink(), ms=8, clip_on=False, transform=axes.get_xaxis_transform())
        title(axes, f"{words}: not at all from lag {gone[0]} on")


def _disturbance(axes: Axes, side: Any, until: float) -> None:
    """How much a disturbance of the fixed point nearest to the end of the run may grow, with the peak."""
    axes.set(xlabel="time", ylabel="log₁₀ of the norm")
    axes.axhline(0, color=faint(), lw=0.8)
    where = "" if side.about is None or side.about.size > 2 else f", {_vector(side.about)}"
    words = f"Disturbance of the fixed point nearest to the end of the run{where}"
    if side.transient is None:
        title(axes, words)
        return _gap(axes, side)
    times, sizes = np.asarray(side.transient.times), np.asarray(side.transient.norms)
    shown = np.isfinite(sizes) & (sizes > 0) & (times <= until)
    axes.plot(times[shown], np.log10(sizes[shown]), color=ink(), lw=1.6)
    peak, at = float(side.transient.peak), float(side.transient.peak_time)
    if np.isfinite(peak) and peak > 0:
        words += f": at most ×{peak:.3g}, at t = {at:.3g}"
        if at <= until:
            axes.plot(at, np.log10(peak), "o", color=RUST, ms=6, clip_on=False)
    title(axes, words)


def _gap(axes: Axes, side: Any) -> None:
    """Write why there is no answer."""
    reason = textwrap.fill(side.reason or "no fixed point was found", 44)
    axes.text(0.5, 0.5, f"no answer here:\n{reason}", transform=axes.transAxes, ha="center", va="center", color=note())
