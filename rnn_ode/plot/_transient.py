"""Transient growth against time."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .._base.verdict import verdict_name
from ._needs import reads
from ._page import headline, label_end, page, single
from ._style import AMBER, BLUE, RUST, faint, ink, logarithmic


@reads(t="norms")
def transient(t: Any) -> Figure:
    """How far disturbances grow, against time, with the peak, the eigenvalues' rate, and the Kreiss constant below the peak.

    **Arguments:**

    - `t`: what `transient` returned, of a single matrix; its `times`, `norms`, `rate`, `peak`, `peak_time`, `kreiss` and
      `verdict` are read, and whether it has a `numerical_radius`, as maps do.

    **Returns:** a matplotlib figure.

    **Raises:** `ValueError` for a batch.

    ```python
    >>> import rnn_ode as ro, rnn_ode.plot
    >>> ro.plot.transient(ro.transient([[0.5, 10.0], [0.0, 0.5]])).axes[0].get_xlabel()
    'steps · dt'

    ```
    """
    single("t", t.norms, 1)
    figure, axes = page(size=(7.4, 4.4))
    axes = axes[0, 0]
    discrete = t.numerical_radius is not None
    name = "‖Wᵏ‖" if discrete else "‖exp(A t)‖"
    times, norms = _sampled(t)
    finite = float(np.max(norms, initial=1.0)), float(t.kreiss) if np.isfinite(t.kreiss) else 1.0
    low = max(float(np.min(norms, initial=1.0)) / 2, 1e-3)
    axes.set(xlabel="steps · dt" if discrete else "time", ylabel="norm")
    logarithmic(axes, low, 3 * min(max(finite), 1e307))
    exponent = np.multiply(float(t.rate), times, where=times > 0, out=np.zeros(len(times)))  # 0 at 0, also of a rate −∞
    predicted = np.exp(np.clip(exponent, -600, 600))
    axes.plot(times, predicted, "--", lw=1.4, color=BLUE)
    axes.plot(times, norms, ".-" if discrete else "-", color=ink(), lw=1.8, ms=5)
    if len(times):
        label_end(axes, np.clip(predicted[-1], *axes.get_ylim()), "exp(rate · t), from the eigenvalues", BLUE)
        label_end(axes, norms[-1], name, ink())
    if np.isfinite(t.peak):
        axes.axhline(float(t.kreiss), color=AMBER, lw=1.4)
        label_end(axes, t.kreiss, f"Kreiss constant {float(t.kreiss):.4g}", AMBER)
        axes.plot(float(t.peak_time), float(t.peak), "o", ms=8, mfc="none", mew=1.8, color=RUST, zorder=4)
    axes.margins(x=0.02)
    axes.grid(color=faint(), lw=0.6, alpha=0.6)
    headline(figure, _finding(t))
    return figure


_WITHOUT_PEAK = {
    "GROWS": "Disturbances grow without bound",
    "UNDETERMINED": "The eigenvalues cannot say whether disturbances stay bounded",
}


def _finding(t: Any) -> str:
    if not np.isfinite(t.peak):
        return _WITHOUT_PEAK.get(verdict_name(t.verdict), "Disturbances grow beyond the float range")
    if float(t.peak) <= 1 + 1e-6:
        return "No disturbance grows, not even at first"
    return f"Disturbances grow up to ×{float(t.peak):.4g}, at t = {float(t.peak_time):.4g}"


def _sampled(t: Any) -> tuple[np.ndarray, np.ndarray]:
    """The positive, finite norms with their times, up to the first norm below 0.1 after the peak."""
    times, norms = np.asarray(t.times), np.asarray(t.norms)
    seen = np.isfinite(norms) & (norms > 0)
    times, norms = times[seen], norms[seen]
    over = np.flatnonzero((norms < 0.1) & (times > (float(t.peak_time) if np.isfinite(t.peak_time) else 0)))
    end = over[0] + 1 if len(over) else len(times)
    return times[:end], norms[:end]
