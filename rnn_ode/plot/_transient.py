"""Transient growth against time."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ._style import AMBER, BLUE, RUST, ink


def transient(t: Any) -> Figure:
    """How far disturbances grow, against time, with the peak, the eigenvalues' rate, and the Kreiss constant below the peak.

    **Arguments:**

    - `t`: what `transient` returned; its `times`, `norms`, `rate`, `peak`, `peak_time` and `kreiss` are read, and whether it
      has a `numerical_radius`, as maps do.

    **Returns:** a matplotlib figure.

    ```python
    >>> import rnn_ode as ro, rnn_ode.plot
    >>> ro.plot.transient(ro.transient([[0.5, 10.0], [0.0, 0.5]])).axes[0].get_xlabel()
    'steps · dt'

    ```
    """
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    discrete = t.numerical_radius is not None
    name = "‖Wᵏ‖" if discrete else "‖exp(A t)‖"
    times, norms = _sampled(t)
    predicted = np.exp(np.clip(float(t.rate) * times, -600, 600))
    axes.semilogy(times, predicted, "--", lw=1.4, color=BLUE, label="exp(rate · t), the rate from the eigenvalues")
    axes.semilogy(times, norms, ".-" if discrete else "-", color=ink(), lw=1.8, ms=5, label=name)
    if np.isfinite(t.peak):
        kreiss, peak, at = float(t.kreiss), float(t.peak), float(t.peak_time)
        axes.axhline(kreiss, color=AMBER, lw=1.4, label=f"Kreiss constant {kreiss:.4g}: peak ≥ it")
        label = f"peak {peak:.4g} at {at:.4g}"
        axes.plot(at, peak, "o", ms=8, mfc="white", mew=1.8, color=RUST, zorder=4, label=label)
    top = max(float(np.max(norms)), float(t.kreiss) if np.isfinite(t.kreiss) else 1.0)
    axes.set(xlabel="steps · dt" if discrete else "time", ylabel="norm", ylim=(max(norms.min() / 2, 1e-3), 3 * top))
    axes.margins(x=0.02)
    axes.set_title(f"How far a disturbance grows before the eigenvalues have the say: {name}", loc="left", fontsize=11)
    axes.legend(fontsize=9, loc="best")
    axes.grid(alpha=0.25)
    return figure


def _sampled(t: Any) -> tuple[np.ndarray, np.ndarray]:
    """The positive, finite norms with their times, up to the first norm below 0.1 after the peak."""
    times, norms = np.asarray(t.times), np.asarray(t.norms)
    seen = np.isfinite(norms) & (norms > 0)
    times, norms = times[seen], norms[seen]
    over = np.flatnonzero((norms < 0.1) & (times > (float(t.peak_time) if np.isfinite(t.peak_time) else 0)))
    end = over[0] + 1 if len(over) else len(times)
    return times[:end], norms[:end]
