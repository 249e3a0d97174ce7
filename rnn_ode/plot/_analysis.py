"""The page of `analyse`."""

import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ._portrait import portrait
from ._style import RUST, faint, ink, note


def analysis(a: Any) -> Figure:
    """One page of an analysis: the network in the left column, its flow in the right one, one question a row.

    **Arguments:**

    - `a`: what `analyse` returned; its `sides`, `method`, `x`, `centre`, `axes` and `grid` are read.

    **Returns:** a matplotlib figure.
    """
    figure = Figure(figsize=(11, 14), layout="constrained")
    rows = figure.subplots(4, 2)
    for column, side in zip(rows.T, a.sides, strict=True):
        column[0].set_title(f"{side.name}: phase portrait", loc="left")
        portrait(column[0], a, side)
        if side.points is None:
            _gap(column[0], side)
        _exponents(column[1], side)
        _gradients(column[2], side)
        _disturbance(column[3], side)
    for row in rows[1:]:
        low, high = (bound(axes.get_ylim()[i] for axes in row) for i, bound in ((0, min), (1, max)))
        for axes in row:
            axes.set_ylim(low, high)
    figure.suptitle(f"A network and its flow, {a.method.label}, under the input x = {_vector(a.x)}", fontsize=13)
    return figure


def _vector(x: np.ndarray) -> str:
    values = ", ".join(f"{value:.3g}" for value in x.ravel()[:4])
    return f"({values}{', …' if x.size > 4 else ''})"


def _exponents(axes: Axes, side: Any) -> None:
    """Lyapunov exponents, largest first, with their standard errors."""
    axes.set_title("Lyapunov exponents", loc="left")
    axes.set(xlabel="number, largest first", ylabel="nats per unit time")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.axhline(0, color=faint(), lw=0.8)
    if side.exponents is None:
        return _gap(axes, side)
    values, errors = np.asarray(side.exponents.exponents), np.asarray(side.exponents.stderr)
    numbers, shown = np.arange(1, len(values) + 1), np.isfinite(values)
    axes.errorbar(numbers[shown], values[shown], errors[shown], fmt="o", ms=4, capsize=3, color=ink())
    for number in numbers[np.isneginf(values)]:
        axes.plot(number, 0.03, "v", ms=5, color=ink(), transform=axes.get_xaxis_transform())
        axes.annotate("−∞", (number, 0.05), xycoords=axes.get_xaxis_transform(), ha="center", va="bottom", fontsize=9)


def _gradients(axes: Axes, side: Any) -> None:
    """How strongly the last state depends on earlier ones, against the lag."""
    axes.set_title("Gradient through the run", loc="left")
    axes.set(xlabel="lag, steps of the network", ylabel="log₁₀ ‖∂h(T)/∂h(T − lag)‖")
    axes.axhline(0, color=faint(), lw=0.8)
    if side.gradients is None:
        return _gap(axes, side)
    sizes = np.asarray(side.gradients.log_norms) / np.log(10)
    axes.plot(np.where(np.isfinite(sizes), sizes, np.nan), color=ink(), lw=1.6)


def _disturbance(axes: Axes, side: Any) -> None:
    """How much a disturbance of the fixed point nearest to the end of the run may grow, with the peak."""
    where = "" if side.about is None else f" {_vector(side.about)}"
    axes.set_title(
        f"Growth of a disturbance of the fixed point{where}\nthat is nearest to the end of the run", loc="left"
    )
    axes.set(xlabel="time", ylabel="log₁₀ of the norm")
    axes.axhline(0, color=faint(), lw=0.8)
    if side.transient is None:
        return _gap(axes, side)
    times, sizes = np.asarray(side.transient.times), np.asarray(side.transient.norms)
    shown = np.isfinite(sizes) & (sizes > 0) & (times <= 30)
    axes.plot(times[shown], np.log10(sizes[shown]), color=ink(), lw=1.6)
    peak, at = float(side.transient.peak), float(side.transient.peak_time)
    if np.isfinite(peak) and peak > 0 and at <= 30:
        axes.plot(at, np.log10(peak), "o", color=RUST, ms=6, label=f"peak {peak:.3g} at {at:.3g}")
        axes.legend(fontsize=8)


def _gap(axes: Axes, side: Any) -> None:
    """Write why there is no answer."""
    reason = textwrap.fill(side.reason or "no fixed point was found", 44)
    axes.text(0.5, 0.5, f"no answer here:\n{reason}", transform=axes.transAxes, ha="center", va="center", color=note())
