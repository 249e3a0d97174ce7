"""Pictures of transient growth and pseudospectra."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ._style import NETWORK


def transient(t: Any) -> Figure:
    """The growth of disturbances against time, with its peak, the eigenvalues' rate, and the Kreiss constant below it.

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
    axes.semilogy(times, np.exp(np.clip(float(t.rate) * times, -600, 600)), "--", lw=1.4, color="tab:blue",
                  label="exp(rate · t), the rate from the eigenvalues")  # fmt: skip
    axes.semilogy(times, norms, ".-" if discrete else "-", color=NETWORK, lw=1.8, ms=5, label=name)
    if np.isfinite(t.peak):
        axes.axhline(
            float(t.kreiss), color="tab:orange", lw=1.4, label=f"Kreiss constant {float(t.kreiss):.4g}: peak ≥ it"
        )
        axes.plot(float(t.peak_time), float(t.peak), "o", ms=8, mfc="white", mew=1.8, color="tab:red", zorder=4,
                  label=f"peak {float(t.peak):.4g} at {float(t.peak_time):.4g}")  # fmt: skip
    top = max(float(np.max(norms)), float(t.kreiss) if np.isfinite(t.kreiss) else 1.0)
    axes.set(xlabel="steps · dt" if discrete else "time", ylabel="norm", ylim=(max(norms.min() / 2, 1e-3), 3 * top))
    axes.margins(x=0.02)
    axes.set_title(f"How far a disturbance grows before the eigenvalues have the say: {name}", loc="left", fontsize=11)
    axes.legend(fontsize=9, loc="best")
    axes.grid(alpha=0.25)
    return figure


def _sampled(t: Any) -> tuple[np.ndarray, np.ndarray]:
    """Times and norms up to where everything of interest has happened."""
    times, norms = np.asarray(t.times), np.asarray(t.norms)
    seen = np.isfinite(norms) & (norms > 0)
    times, norms = times[seen], norms[seen]
    over = np.flatnonzero((norms < 0.1) & (times > (float(t.peak_time) if np.isfinite(t.peak_time) else 0)))
    end = over[0] + 1 if len(over) else len(times)
    return times[:end], norms[:end]


def pseudospectrum(t: Any, grid, smallest) -> Figure:
    """Contours of log₁₀ σ_min(z − W), the eigenvalues, the boundary of stability, and the extent of the numerical range.

    **Arguments:** `t` the `transient` of the same matrix; `grid` (m, n) complex points, rows of equal imaginary part, and
    `smallest` (m, n), what `pseudospectrum` says of them.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro, rnn_ode.plot
    >>> x = jnp.linspace(-1.0, 2.0, 20)
    >>> grid, W = x[None] + 1j * x[:, None], [[0.5, 1.0], [0.0, 0.5]]
    >>> len(ro.plot.pseudospectrum(ro.transient(W), grid, ro.pseudospectrum(W, grid)).axes)
    2

    ```
    """
    grid, smallest = np.asarray(grid), np.asarray(smallest)
    if grid.ndim != 2 or grid.shape != smallest.shape or min(grid.shape) < 2:
        raise ValueError(f"grid and smallest must both be (m, n), m, n ≥ 2; got {grid.shape} and {smallest.shape}.")
    figure = Figure(figsize=(7.5, 6), layout="constrained")
    axes = figure.subplots()
    x, y = np.real(grid), np.imag(grid)
    levels = np.log10(np.maximum(smallest, np.finfo(smallest.dtype).tiny))
    low = max(np.floor(levels.min() * 2) / 2, np.ceil(levels.max() * 2) / 2 - 12)  # deeper is rounding, or a pole
    shades = np.arange(low, np.ceil(levels.max() * 2) / 2 + 0.25, 0.5)
    filled = axes.contourf(x, y, levels, levels=shades, cmap="viridis_r", alpha=0.75, extend="min")
    axes.contour(x, y, levels, levels=shades, colors="white", linewidths=0.5)
    figure.colorbar(filled, ax=axes, label="log₁₀ σ_min(z − W)")
    points = np.asarray(t.eigenvalues)
    axes.plot(
        np.real(points), np.imag(points), "o", ms=5, color=NETWORK, mfc="white", mew=1.4, ls="", label="eigenvalues"
    )
    _boundaries(axes, t)
    axes.set(xlim=(x.min(), x.max()), ylim=(y.min(), y.max()), aspect="equal", xlabel="Re z", ylabel="Im z")
    axes.set_title("Pseudospectra", loc="left", fontsize=11)
    figure.legend(fontsize=9, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _boundaries(axes: Axes, t: Any) -> None:
    """The boundary of stability and how far the numerical range reaches: circles for a map, upright lines for a flow."""
    solid, dashed = {"color": NETWORK, "lw": 2.0}, {"color": "tab:red", "lw": 1.4, "ls": "--"}
    if t.numerical_radius is not None:
        radius, angle = float(t.numerical_radius), np.linspace(0, 2 * np.pi, 361)
        x, y = np.cos(angle), np.sin(angle)
        axes.plot(x, y, label="boundary of stability, |z| = 1", **solid)
        axes.plot(radius * x, radius * y, label=f"numerical radius {radius:.3g}", **dashed)
    elif t.numerical_abscissa is not None:
        abscissa = float(t.numerical_abscissa)
        axes.axvline(0, label="boundary of stability, Re z = 0", **solid)
        axes.axvline(abscissa, label=f"numerical abscissa {abscissa:.3g}", **dashed)
