"""The schemes that `recommend` tried."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .._base.checks import counted
from ._page import headline, page
from ._style import BLUE, shade

_MOST = 12  # schemes


def recommendation(r: Any) -> Figure:
    """A bar for the signal-to-error ratio of each scheme that was tried, the recommended one in blue.

    **Arguments:**

    - `r`: what `recommend` returned; its `schemes`, `best` and `ratio` are read.

    **Returns:** a matplotlib figure.

    ```python
    >>> from types import SimpleNamespace
    >>> from rnn_ode import plot
    >>> best = SimpleNamespace(label="evolve(ahead=1, behind=1)", snr=30.0, applications=1)
    >>> plot.recommendation(SimpleNamespace(schemes=(best,), best=best, ratio=2.0)).get_suptitle()
    'At 2 times the rate: evolve(ahead=1, behind=1), 30.0 dB with 1 application a result'

    ```
    """
    tried = [scheme for scheme in r.schemes if not np.isnan(scheme.snr)]
    shown = tried[:_MOST] if any(scheme is r.best for scheme in tried[:_MOST]) else [*tried[: _MOST - 1], r.best]
    shown = shown[::-1]
    finite = [scheme.snr for scheme in shown if np.isfinite(scheme.snr)] or [1.0]
    low, high = min(0.0, *finite), max(1.0, *finite)
    widths = np.clip([scheme.snr for scheme in shown], low, high)
    figure, axes = page(size=(7.8, 1.6 + 0.27 * len(shown)))
    axes = axes[0, 0]
    colours = [BLUE if scheme is r.best else shade(0.35) for scheme in shown]
    bars = axes.barh(range(len(shown)), widths, color=colours, height=0.7)
    axes.bar_label(bars, [_decibels(scheme.snr) for scheme in shown], padding=4, fontsize="small")
    axes.set_yticks(
        range(len(shown)), [f"{scheme.label}  ×{scheme.applications}" for scheme in shown], fontsize="small"
    )
    axes.set(xlabel="signal to error in the trial, dB (×: applications a result)", xlim=(1.15 * low, 1.18 * high))
    best = r.best
    applications = counted(best.applications, "application")
    headline(
        figure, f"At {r.ratio:.4g} times the rate: {best.label}, {_decibels(best.snr)} dB with {applications} a result"
    )
    return figure


def _decibels(value: float) -> str:
    return f"{value:.1f}" if np.isfinite(value) else "∞" if value > 0 else "−∞"
