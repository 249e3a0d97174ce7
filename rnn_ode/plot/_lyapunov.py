"""Lyapunov exponents."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .._base.checks import counted
from .._base.text import number
from ._needs import reads
from ._page import headline, label_end, page, single, title
from ._style import PALETTE, faint, ink

_FEW = 6  # exponents of which the course is drawn, rather than the spectrum


@reads(l="exponents")
def lyapunov(l: Any) -> Figure:
    """Lyapunov exponents with their standard errors, and the running means that led to them.

    **Arguments:**

    - `l`: a single `Lyapunov`; its `exponents`, `stderr`, `history`, `times` and `kaplan_yorke` are read.

    **Returns:** a matplotlib figure.

    **Raises:** `ValueError` for a batch.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> found = ro.lyapunov(ro.Map(lambda x, h: 0.5 * h, jnp.zeros(1)), jnp.ones(1), 20)
    >>> ro.plot.lyapunov(found).get_suptitle()
    'Largest exponent −0.693: neighbours approach each other'

    ```
    """
    single("l", l.exponents, 1)
    count = len(l.exponents)
    figure, axes = page(1, 2, size=(9, 3.8), width_ratios=(1.4, 1))
    course(axes[0, 0], l)
    title(axes[0, 0], "Running means" + (f" of the first {_FEW}" if count > _FEW else ""))
    levels(axes[0, 1], l)
    title(axes[0, 1], f"{counted(count, 'exponent')}, with standard errors")
    headline(figure, _finding(l))
    return figure


def _finding(l: Any) -> str:
    largest, error = float(l.exponents[0]), float(l.stderr[0])
    if np.isnan(largest):
        return "No exponents: the run failed, and its result says why"
    if np.isneginf(largest):
        return "Every exponent is −∞: a step destroys all differences"
    size = number(largest).replace("-", "−")
    if abs(largest) <= 2 * error:
        return f"Largest exponent {size} ± {error:.1g}: zero to within two standard errors"
    return f"Largest exponent {size}: neighbours {'part' if largest > 0 else 'approach each other'}"


def exponents(axes: Axes, l: Any) -> None:
    """Draw the running means of a few exponents, or the spectrum of many."""
    (course if len(l.exponents) <= _FEW else levels)(axes, l)


def course(axes: Axes, l: Any) -> None:
    """Draw the running mean of each of the first exponents against time, with the result at its end."""
    times, history = np.asarray(l.times), np.asarray(l.history)
    values, errors = np.asarray(l.exponents), np.asarray(l.stderr)
    axes.axhline(0, color=faint(), lw=0.8, zorder=0)
    finite = history[:, :_FEW][np.isfinite(history[:, :_FEW])]
    seen = (
        [0.0, *values[:_FEW][np.isfinite(values[:_FEW])], *np.quantile(finite, (0.02, 0.98))] if len(finite) else [0.0]
    )
    low, high = min(seen), max(seen)
    room = 0.12 * (high - low) or 1.0
    axes.set(ylim=(low - room, high + room), xlabel="time", ylabel="nats per unit time")
    for i in range(min(len(values), _FEW)):
        colour = PALETTE[i]
        means = np.where(np.isfinite(history[:, i]), history[:, i], np.nan)
        axes.plot(times, means, color=colour, lw=1.4, marker="." if len(times) == 1 else "")
        if np.isnan(values[i]):
            continue
        words = number(values[i]).replace("-", "−", 1)
        if np.isfinite([values[i], errors[i]]).all():
            words += f" ± {errors[i]:.1g}"
        label_end(axes, values[i] if np.isfinite(values[i]) else low - room, words, colour)
    if len(times) > 1:
        axes.set_xlim(times[0], times[-1])


def levels(axes: Axes, l: Any) -> None:
    """Draw the exponents against their number, largest first, with their standard errors."""
    values, errors = np.asarray(l.exponents), np.asarray(l.stderr)
    numbers, shown = np.arange(1, len(values) + 1), np.isfinite(values)
    axes.axhline(0, color=faint(), lw=0.8)
    sizes = np.where(np.isfinite(errors), errors, 0.0)
    axes.errorbar(numbers[shown], values[shown], sizes[shown], fmt="o", ms=4, capsize=3, color=ink())
    gone = numbers[np.isneginf(values)]
    if len(gone):
        axes.plot(gone, 0 * gone + 0.03, "v", ms=5, color=ink(), transform=axes.get_xaxis_transform())
        axes.annotate(
            "−∞", (gone[-1], 0.06), xycoords=axes.get_xaxis_transform(), ha="center", va="bottom", fontsize="small"
        )
    axes.set(xlabel="number, largest first", ylabel="nats per unit time", xlim=(0.4, len(values) + 0.6))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
