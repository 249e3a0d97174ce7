"""Pictures of what other modules computed. Every function returns a matplotlib figure and computes nothing but the axes."""

import jax.numpy as jnp
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Patch

from ._compare import PARTED, Comparison, Row
from ._methods import AbstractMethod, Textbook
from ._spectrum import Spectrum
from ._transient import Transient
from ._types import flat_rows

NETWORK = "#1a1a1a"


def comparison(c: Comparison) -> Figure:
    """One figure of a comparison: trajectories, eigenvalues on the decay regions, errors, and ‖exp(W_h t)‖.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[0.5]], [[1.0]], [0.0], activation=None)
    >>> c = ro.compare(cell, jnp.ones((8, 1)), methods=(ro.Exact(),))
    >>> len(ro.plot.comparison(c).axes)
    4

    ```
    """
    figure = Figure(figsize=(13, 9), layout="constrained")
    axes = figure.subplots(2, 2)
    colours = _colours(c.rows)
    trajectories(axes[0, 0], c, colours)
    decay_regions(axes[0, 1], c.spectrum, [row.method for row in c.rows], colours)
    errors(axes[1, 0], c, colours)
    growth(axes[1, 1], c)
    handles = [Line2D([], [], color=NETWORK, lw=2.2, label="network")]
    handles += [Line2D([], [], color=colours[row.method.label], lw=1.6, label=_legend(row)) for row in c.rows]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(4, len(handles)), frameon=False, fontsize=10)
    return figure


def _colours(rows) -> dict[str, tuple]:
    palette = colormaps["tab10"].colors  # pyright: ignore[reportAttributeAccessIssue]
    return {row.method.label: palette[i % len(palette)] for i, row in enumerate(rows)}


def _legend(row: Row) -> str:
    return row.method.label if row.trajectory is not None else f"{row.method.label} (does not exist here)"


def trajectories(axes: Axes, c: Comparison, colours) -> None:
    """The state with the largest swing in the network's run, in the network and in every counterpart."""
    states = flat_rows(c.network.states)
    unit = int(np.argmax(np.nanstd(np.where(np.isfinite(states), states, np.nan), axis=0)))
    shown = states[:, unit][np.isfinite(states[:, unit])]
    middle, half = (shown.min() + shown.max()) / 2, max((shown.max() - shown.min()) / 2, 1e-9)
    for row in c.rows:
        if row.trajectory is not None:
            values = flat_rows(row.trajectory.states)[:, unit]
            gone = np.cumsum(~(np.abs(values - middle) < 6 * half)) > 1  # one row past the page, then no more
            values = np.where(gone, np.nan, values)
            axes.plot(np.asarray(row.trajectory.ts), values, color=colours[row.method.label], lw=1.3)
    axes.plot(np.asarray(c.network.ts), np.where(np.isfinite(states[:, unit]), states[:, unit], np.nan), ".", ms=4,
              color=NETWORK, zorder=3)  # fmt: skip
    axes.set(ylim=(middle - 1.8 * half, middle + 1.8 * half), xlabel="time", ylabel=f"state of unit {unit}")
    axes.set_title("The network's samples (dots) and each flow", loc="left")
    axes.margins(x=0.01)


def decay_regions(axes: Axes, s: Spectrum, methods: list[AbstractMethod], colours) -> None:
    """The multipliers in the complex plane, with the border of each method's decay region Re g(λ) < 0."""
    points = np.asarray(s.multipliers)
    reach = 1.15 * max(1.5, float(np.max(np.abs(points))))
    x, y = np.meshgrid(np.linspace(-reach, reach, 401), np.linspace(-reach, reach, 401))
    plane = jnp.asarray(x + 1j * y)
    for method in methods:
        real = np.nan_to_num(np.real(np.asarray(method.exponent(plane))), nan=1.0, posinf=1e9, neginf=-1e9)
        colour = colours[method.label]
        axes.contour(x, y, real, levels=[0.0], colors=[colour], linewidths=1.6)
        if isinstance(method, Textbook):
            axes.contourf(x, y, real, levels=[-1e30, 0.0], colors=[colour], alpha=0.12)
    axes.add_patch(Circle((0, 0), 1, facecolor="#88888844", edgecolor=NETWORK, lw=2.2, ls=":"))
    axes.plot(np.real(points), np.imag(points), "o", ms=5, color=NETWORK, mfc="white", mew=1.4, zorder=4)
    axes.axhline(0, color="0.8", lw=0.7, zorder=0)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="Re λ", ylabel="Im λ")
    axes.set_title("Multipliers λ and where each flow decays", loc="left")
    handles: list = [
        Patch(facecolor="#88888844", edgecolor=NETWORK, ls=":", label="network decays: |λ| < 1"),
        Line2D([], [], marker="o", ls="", color=NETWORK, mfc="white", label="multipliers of the linear part"),
        Line2D([], [], color="0.4", label="borders Re g(λ) = 0, by colour\n(tustin's and exact's are the circle)"),
    ]
    if any(isinstance(method, Textbook) for method in methods):
        colour = next(colours[m.label] for m in methods if isinstance(m, Textbook))
        handles.insert(1, Patch(facecolor=(*colour[:3], 0.15), label="exp(W t) decays: Re λ < 0"))
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.02, 1.0), fontsize=9, frameon=False)


def errors(axes: Axes, c: Comparison, colours) -> None:
    """The relative error of every counterpart at the samples, on a logarithmic axis."""
    times = np.asarray(c.network.ts)
    for row in c.rows:
        seen = np.where(row.errors > 0, row.errors, np.nan)
        if np.any(np.isfinite(seen)):
            axes.semilogy(times, np.clip(seen, 1e-18, 1e6), color=colours[row.method.label], lw=1.4)
    axes.axhline(PARTED, color="0.5", lw=0.8, ls="--")
    axes.annotate("parted", (times[-1], PARTED), xytext=(0, 3), textcoords="offset points", ha="right", color="0.4")
    axes.set(xlabel="time", ylabel="relative error at the samples", xlim=(times[0], times[-1]))
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 1e-18), min(max(high, 1.0), 1e3))
    axes.set_title("Error against the network (above 1000 is off the page)", loc="left")
    axes.grid(alpha=0.25)


def growth(axes: Axes, c: Comparison) -> None:
    """‖exp(W t)‖ and ‖Wᵏ‖ with the envelopes that the eigenvalues allow, on a logarithmic axis."""
    g = c.growth
    kappa = min(g.eigenvector_condition, 1e12)
    for sizes, rate, colour, name in (
        (g.textbook, g.abscissa, "tab:blue", "‖exp(W t)‖, the textbook's term"),
        (g.network, np.log(max(g.radius, 1e-300)), NETWORK, "‖Wᵏ‖, the network's"),
    ):
        line = np.exp(np.clip(rate * g.steps, -600, 600))
        axes.fill_between(g.steps, line, np.clip(kappa * line, None, 1e280), color=colour, alpha=0.13, lw=0)
        axes.semilogy(g.steps, line, color=colour, lw=1.2, ls="--", zorder=3)
        shown = np.isfinite(sizes) & (sizes > 0)
        axes.semilogy(g.steps[shown], sizes[shown], color=colour, lw=4, alpha=0.4, label=name)
    axes.plot([], [], color="0.4", lw=1.2, ls="--", label="exp(rate · steps), the rate from the eigenvalues")
    axes.set(xlabel="steps", ylabel="norm", xlim=(0, g.steps[-1]))
    axes.set_title("Growth of the linear part, predicted (dashed, band) and computed", loc="left")
    axes.legend(fontsize=9, loc="best")
    axes.grid(alpha=0.25)


def transient(t: Transient) -> Figure:
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


def _sampled(t: Transient) -> tuple[np.ndarray, np.ndarray]:
    """Times and norms up to where everything of interest has happened."""
    times, norms = np.asarray(t.times), np.asarray(t.norms)
    seen = np.isfinite(norms) & (norms > 0)
    times, norms = times[seen], norms[seen]
    over = np.flatnonzero((norms < 0.1) & (times > (float(t.peak_time) if np.isfinite(t.peak_time) else 0)))
    end = over[0] + 1 if len(over) else len(times)
    return times[:end], norms[:end]


def pseudospectrum(t: Transient, grid, smallest) -> Figure:
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


def _boundaries(axes: Axes, t: Transient) -> None:
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
