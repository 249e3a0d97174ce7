"""The schemes that `recommend` tried, and the front of them."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .._base.checks import counted
from ._needs import reads
from ._page import headline, page, title
from ._style import BLUE, ink, shade

_MOST = 12  # schemes with a bar


@reads(r="best front schemes")
def recommendation(r: Any) -> Figure:
    """A bar for the signal-to-error ratio of each scheme that was tried, and the ratios against the latency.

    The recommended scheme is blue. Dark ones are on the front: no other scheme beats them in latency, cost and error at once.
    Hollow ones have a phase of their own.

    **Arguments:**

    - `r`: what `recommend` returned; its `schemes`, `best`, `front` and `ratio` are read.

    **Returns:** a matplotlib figure.

    ```python
    >>> from types import SimpleNamespace
    >>> from rnn_ode import plot
    >>> best = SimpleNamespace(label="evolve(ahead=1, behind=1)", snr=30.0, applications=1, latency=2.0, in_phase=True)
    >>> plot.recommendation(SimpleNamespace(schemes=(best,), best=best, front=(best,), ratio=2.0)).get_suptitle()
    'At 2 times the rate: evolve(ahead=1, behind=1), 30.0 dB with 1 application a result'

    ```
    """
    tried = [scheme for scheme in r.schemes if not np.isnan(scheme.snr)]
    front = [scheme for scheme in tried if any(scheme is one for one in r.front)]
    shown = _shown(tried, front, r.best)
    figure, axes = page(1, 2, size=(11.5, 1.9 + 0.27 * len(shown)), width_ratios=(3, 2))
    colours = {id(scheme): BLUE if scheme is r.best else shade(0.7 if scheme in front else 0.3) for scheme in tried}
    _bars(axes[0, 0], shown, colours)
    _against_latency(axes[0, 1], tried, front, colours)
    best = r.best
    applications = f"{best.applications:.3g} applications"
    if best.applications == round(best.applications):
        applications = counted(round(best.applications), "application")
    headline(
        figure, f"At {r.ratio:.4g} times the rate: {best.label}, {_decibels(best.snr)} dB with {applications} a result"
    )
    return figure


def _shown(tried: list[Any], front: list[Any], best: Any) -> list[Any]:
    """The schemes with a bar, the best one last: first those on the front, since others are like them."""
    wanted = [best, *(one for one in front if one is not best), *(one for one in tried if one not in front)]
    kept = {id(scheme) for scheme in wanted[:_MOST]}
    return [scheme for scheme in reversed(tried) if id(scheme) in kept]


def _bars(axes: Axes, shown: list[Any], colours: dict[int, Any]) -> None:
    finite = [scheme.snr for scheme in shown if np.isfinite(scheme.snr)] or [1.0]
    low, high = min(0.0, *finite), max(1.0, *finite)
    widths = np.clip([scheme.snr for scheme in shown], low, high)
    bars = axes.barh(range(len(shown)), widths, color=[colours[id(scheme)] for scheme in shown], height=0.7)
    axes.bar_label(bars, [_decibels(scheme.snr) for scheme in shown], padding=4, fontsize="small")
    names = [f"{scheme.label}  ×{scheme.applications:.3g}" for scheme in shown]
    axes.set_yticks(range(len(shown)), names, fontsize="small")
    room = 0.18 * (high - low)  # for the numbers at the ends of the bars
    axes.set(xlabel="signal to error, dB (×: applications a result)", xlim=(low - room * (low < 0), high + room))
    title(axes, "In the trial")


def _against_latency(axes: Axes, tried: list[Any], front: list[Any], colours: dict[int, Any]) -> None:
    points = [scheme for scheme in tried if np.isfinite([scheme.snr, scheme.latency]).all()]
    reached: list[Any] = []  # the schemes that are better than all that wait less
    for scheme in sorted((s for s in front if s in points and s.in_phase), key=lambda s: (s.latency, -s.snr)):
        if not reached or scheme.snr > reached[-1].snr:
            reached.append(scheme)
    axes.step([s.latency for s in reached], [s.snr for s in reached], where="post", color=ink(), lw=1, zorder=1)
    for scheme in points:
        colour = colours[id(scheme)]
        look = {"s": 30 if scheme in front else 14, "edgecolors": colour, "zorder": 2}
        axes.scatter(scheme.latency, scheme.snr, color=colour if scheme.in_phase else "none", **look)
    axes.set_xscale("symlog", base=2, linthresh=1)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set(xlabel="latency, steps of the network", ylabel="signal to error, dB")
    title(axes, "What waiting buys")


def _decibels(value: float) -> str:
    return f"{value:.1f}" if np.isfinite(value) else "∞" if value > 0 else "−∞"
