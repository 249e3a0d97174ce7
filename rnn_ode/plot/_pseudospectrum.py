"""Pseudospectra."""

from typing import Any

import numpy as np
from jax.typing import ArrayLike
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .._base.checks import as_floats
from ._needs import reads
from ._page import headline, page
from ._style import RUST, ink, paper


@reads(t="eigenvalues")
def pseudospectrum(t: Any, grid: ArrayLike, smallest: ArrayLike) -> Figure:
    """Contours of log₁₀ σ_min(z − W), the eigenvalues, the boundary of stability, and the extent of the numerical range.

    **Arguments:**

    - `t`: what `transient` returned for the same matrix; its `eigenvalues`, and `numerical_radius` (of a map) or
      `numerical_abscissa` (of a flow) are read.
    - `grid`: complex points (m, n), m, n ≥ 2, in rows of equal imaginary part.
    - `smallest`: (m, n), what `pseudospectrum` returned for them.

    **Returns:** a matplotlib figure.

    **Raises:** `ValueError` where the shapes do not fit.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro, rnn_ode.plot
    >>> x = jnp.linspace(-1.0, 2.0, 20)
    >>> grid, W = x[None] + 1j * x[:, None], [[0.5, 1.0], [0.0, 0.5]]
    >>> len(ro.plot.pseudospectrum(ro.transient(W), grid, ro.pseudospectrum(W, grid)).axes)
    2

    ```
    """
    grid = np.asarray(as_floats("grid", grid, complex=True))
    smallest = np.asarray(as_floats("smallest", smallest))
    if grid.ndim != 2 or grid.shape != smallest.shape or min(grid.shape) < 2:
        raise ValueError(f"grid and smallest must both be (m, n), m, n ≥ 2; got {grid.shape} and {smallest.shape}.")
    figure, axes = page(size=(7.2, 6))
    axes = axes[0, 0]
    x, y = np.real(grid), np.imag(grid)
    levels = np.log10(np.maximum(smallest, np.finfo(smallest.dtype).tiny))
    top = np.ceil(levels.max() * 2) / 2
    low = max(
        np.floor(levels.min() * 2) / 2, top - 12
    )  # lower values are rounding errors, or an eigenvalue on the grid
    shades = np.arange(low, max(top, low + 0.5) + 0.25, 0.5)
    filled = axes.contourf(x, y, levels, levels=shades, cmap="viridis_r", alpha=0.75, extend="min")
    axes.contour(x, y, levels, levels=shades, colors=paper(), linewidths=0.5)
    figure.colorbar(filled, ax=axes, label="log₁₀ σ_min(z − W)")
    points = np.asarray(t.eigenvalues)
    dots = {"ms": 5, "color": ink(), "mfc": paper(), "mew": 1.4, "ls": "", "label": "eigenvalues"}
    axes.plot(np.real(points), np.imag(points), "o", **dots)
    _boundaries(axes, t)
    axes.set(xlim=(x.min(), x.max()), ylim=(y.min(), y.max()), aspect="equal", xlabel="Re z", ylabel="Im z")
    axes.xaxis.set_major_locator(MaxNLocator(5))  # numbers of any size beside each other
    figure.legend(fontsize="small", loc="outside lower center", ncols=3, frameon=False)
    headline(figure, f"Pseudospectra: {_finding(t)}")
    return figure


def _finding(t: Any) -> str:
    """How far the numerical range reaches beyond the eigenvalues."""
    values = np.asarray(t.eigenvalues)
    if t.numerical_radius is not None:
        return (
            f"eigenvalues reach |z| = {np.abs(values).max():.3g}, the numerical range {float(t.numerical_radius):.3g}"
        )
    if t.numerical_abscissa is not None:
        return f"eigenvalues reach Re z = {np.real(values).max():.3g}, the numerical range {float(t.numerical_abscissa):.3g}"
    return "distances from the nearest matrix with the eigenvalue z"


def _boundaries(axes: Axes, t: Any) -> None:
    """The boundary of stability and how far the numerical range reaches: circles for a map, upright lines for a flow."""
    solid, dashed = {"color": ink(), "lw": 2.0}, {"color": RUST, "lw": 1.4, "ls": "--"}
    if t.numerical_radius is not None:
        radius, angle = float(t.numerical_radius), np.linspace(0, 2 * np.pi, 361)
        x, y = np.cos(angle), np.sin(angle)
        axes.plot(x, y, label="boundary of stability, |z| = 1", **solid)
        axes.plot(radius * x, radius * y, label=f"numerical radius {radius:.3g}", **dashed)
    elif t.numerical_abscissa is not None:
        abscissa = float(t.numerical_abscissa)
        axes.axvline(0, label="boundary of stability, Re z = 0", **solid)
        axes.axvline(abscissa, label=f"numerical abscissa {abscissa:.3g}", **dashed)
