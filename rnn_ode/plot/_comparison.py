"""Pictures of what other modules computed. Every function returns a matplotlib figure and computes nothing but the axes."""

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

try:
    import matplotlib  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("rnn_ode.plot needs matplotlib: pip install 'rnn_ode[app]'", name="matplotlib") from error
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Patch
from matplotlib.ticker import MaxNLocator

from ._analyse import Analysis, Side
from ._compare import PARTED, Comparison, Row
from ._continuation import Branch
from ._errors import RESULTS
from ._gradients import GradientFlow
from ._methods import AbstractMethod, Textbook
from ._spectrum import Spectrum
from ._transient import Transient
from ._types import flat_rows
from ._verdict import Verdict

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


_LARGEST = 1e300  # beyond it the limits of an axis leave the float range


def _colours(rows) -> dict[str, tuple]:
    palette = colormaps["tab10"].colors  # pyright: ignore[reportAttributeAccessIssue]
    return {row.method.label: palette[i % len(palette)] for i, row in enumerate(rows)}


def _legend(row: Row) -> str:
    return row.method.label if row.trajectory is not None else f"{row.method.label} (does not exist here)"


def trajectories(axes: Axes, c: Comparison, colours) -> None:
    """The state with the largest swing in the network's run, in the network and in every counterpart."""
    states = flat_rows(c.network.states)
    finite = np.where(np.isfinite(states), states, np.nan)
    unit = int(np.argmax(np.nanstd(finite / (np.nanmax(np.abs(finite)) or 1), axis=0)))
    shown = np.clip(states[:, unit][np.isfinite(states[:, unit])], -_LARGEST, _LARGEST)
    middle, half = (shown.min() + shown.max()) / 2, (shown.max() - shown.min()) / 2
    half = half or abs(middle) or 1.0
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
    label = axes.annotate("parted", (times[-1], PARTED), xytext=(-3, 3), textcoords="offset points", ha="right")
    label.set(color="0.3", bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1})
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


def gradient_flows(flows: Mapping[str, GradientFlow]) -> Figure:
    """Gradient norms against lag, one panel for each network, side by side on one logarithmic axis.

    Each panel has the norms of the run, the rates predicted by the eigenvalues and by the Lyapunov exponent, and both bounds;
    a triangle at the foot is the lag from which the gradient is exactly 0.

    **Arguments:** `flows` results of `gradient_flow` for single runs, by name. **Raises:** `ValueError` for none or a batch.

    ```python
    >>> import jax, jax.numpy as jnp, rnn_ode as ro
    >>> cells = ro.gradient_examples(jax.random.key(0), 1, 4)
    >>> flows = {name: ro.gradient_flow(cell, jnp.ones((9, 1))) for name, cell in cells.items()}
    >>> len(ro.plot.gradient_flows(flows).axes)
    5

    ```
    """
    if not flows:
        raise ValueError("flows must hold at least one GradientFlow, by name; it is empty.")
    for name, g in flows.items():
        if g.log_norms.ndim != 1:
            raise ValueError(f"flows[{name!r}] holds a batch {g.log_norms.shape[:-1]} of runs; draw one of them.")
    figure = Figure(figsize=(max(6.0, 1.2 + 2.7 * len(flows)), 5.0), layout="constrained")
    panels = figure.subplots(1, len(flows), sharey=True, squeeze=False)[0]
    panels[0].set(ylim=_decades(flows.values()), ylabel="‖∂h(T) / ∂h(T−k)‖")
    panels[0].yaxis.set_major_locator(MaxNLocator(integer=True))
    panels[0].yaxis.set_major_formatter(lambda decade, _: f"$10^{{{decade:g}}}$")
    for axes, (name, g) in zip(panels, flows.items(), strict=True):
        _gradient_norm(axes, g)
        axes.set_title(f"{name}\n{_fate(g)}", loc="left")
    figure.supxlabel("lag k: steps back from the end of the run", fontsize="medium")
    handles: list = [
        Line2D([], [], color=NETWORK, lw=2.4, label="gradient norm of this run"),
        Line2D(
            [], [], color="tab:orange", lw=1.6, ls="--", label="rate from the eigenvalues (linear part, or last step)"
        ),
        Line2D([], [], color="tab:blue", lw=1.6, ls=":", label="rate from the Lyapunov exponent"),
        Patch(facecolor="0.88", edgecolor="0.45", label="ruled out by the weights: above (γ‖W‖)ᵏ"),
        Line2D([], [], color="0.45", lw=1.2, ls="-.", label="bound by this run's steps: Π‖J‖"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(3, 1 + len(flows) // 2), frameon=False)
    return figure


def _fate(g: GradientFlow) -> str:
    """What became of the gradient, in a few words: it persists if the run changed it less than a hundredfold."""
    last, rate = float(g.log_norms[-1]), float(g.measured_rate)
    if np.isnan(last):
        return "undefined: see its result"
    if np.isneginf(last):
        return f"vanishes: 0 from lag {int(np.argmax(np.isneginf(g.log_norms)))}"
    fate = "persists" if abs(last) < np.log(100) else "explodes" if last > 0 else "vanishes"
    return f"{fate}: ×{np.exp(rate):.3g} a step"


def _decades(flows) -> tuple[float, float]:
    """Limits of an axis of powers of ten that show every norm, and one."""
    norms = np.concatenate([np.asarray(g.log_norms) for g in flows]) / np.log(10)
    norms = norms[np.isfinite(norms)]
    low, high = norms.min(initial=-1), norms.max(initial=1)
    return low - 0.06 * (high - low), high + 0.06 * (high - low)


def _gradient_norm(axes: Axes, g: GradientFlow) -> None:
    """One network's norms in powers of ten, with what predicts and what bounds them."""
    low, high = axes.get_ylim()
    norms, weights, steps = (
        np.asarray(logs, float) / np.log(10)
        for logs in (g.log_norms, g.bounds.log_from_weights, g.bounds.log_from_steps)
    )
    lags = np.arange(len(norms))
    axes.axhline(0, color="0.7", lw=0.8, zorder=0)
    if np.isfinite(g.bounds.gain):
        axes.fill_between(lags, np.clip(weights, low, high), high, facecolor="0.88", edgecolor="0.45", zorder=0)
    axes.plot(lags, np.where(np.isfinite(steps), steps, np.nan), color="0.45", lw=1.2, ls="-.")
    axes.plot(lags, np.where(np.isfinite(norms), norms, np.nan), color=NETWORK, lw=2.6, zorder=2)
    for rate, colour, style in ((g.predicted_rate, "tab:orange", "--"), (g.lyapunov_rate, "tab:blue", ":")):
        # a rate of −∞ is drawn as one that leaves the page at once
        axes.plot(lags, lags * max(float(rate) / np.log(10), 99 * low), color=colour, lw=1.6, ls=style, zorder=3)
    gone = np.flatnonzero(np.isneginf(norms))
    if len(gone):
        axes.plot(gone[:1], [low], "v", color=NETWORK, ms=9, clip_on=False, zorder=4)
    axes.set(xlim=(0, lags[-1]), ylim=(low, high))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))


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


MARKERS = {
    "fold": ("o", "tab:red"),
    "branch point": ("s", "tab:green"),
    "flip": ("D", "tab:purple"),
    "neimark-sacker": ("^", "tab:orange"),
    "hopf": ("v", "tab:orange"),
    "border collision": ("X", "tab:brown"),
    "undecided": ("P", "tab:gray"),
}
LINES = {"stable": ("-", 2.2), "unstable": ("--", 1.4), "undetermined": (":", 1.4)}


def branch(b: Branch, coordinate: int = 0, axes: Axes | None = None) -> Figure:
    """A bifurcation diagram: a coordinate of the fixed point against the parameter, stable parts solid, unstable ones dashed,
    bifurcations marked by kind. With `axes`, drawn into those, so that several branches share one picture.

    Raises `ValueError` for a coordinate that the state does not have.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> system = lambda p: ro.Flow(lambda t, h, path: p + h - h**3)
    >>> len(ro.plot.branch(ro.continue_branch(system, jnp.array([-1.3]), (-1.0, 1.0))).axes)
    1

    ```
    """
    if not 0 <= coordinate < b.points.shape[1]:
        raise ValueError(f"coordinate must be one of 0 to {b.points.shape[1] - 1}; got {coordinate}.")
    if axes is None:
        axes = Figure(figsize=(8, 5.5), layout="constrained").subplots()
    x, y = b.parameters, b.points[:, coordinate]
    for first, last, style in _runs(_styles(b)):
        line, width = LINES[style]
        axes.plot(x[first : last + 1], y[first : last + 1], line, lw=width, color=NETWORK, zorder=2, label=style)
    for kind, parameter, point in b.bifurcations:
        marker, colour = MARKERS[kind.split(":")[0]]
        axes.plot(parameter, point[coordinate], marker, ms=9, color=colour, mec="white", mew=1, zorder=3, label=kind)
    if not b.complete:
        axes.plot(x[-1], y[-1], "P", ms=9, color="black", mec="white", zorder=3, label="stopped: partial branch")
    if b.result == RESULTS.branch_diverged:
        axes.set_yscale("symlog", linthresh=1)
    axes.set(xlabel="parameter", ylabel=f"coordinate {coordinate} of the fixed point")
    axes.grid(alpha=0.25)
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    axes.legend(once.values(), once.keys(), frameon=False, loc="best")
    return axes.figure  # pyright: ignore[reportReturnType]


def _styles(b: Branch) -> list[str]:
    """How to draw the line from each point to the next: by the end of it that is no bifurcation."""
    stable, unstable = (np.asarray(b.verdicts == verdict) for verdict in (Verdict.DECAYS, Verdict.GROWS))
    names = np.where(stable, "stable", np.where(unstable, "unstable", "undetermined"))
    return [str(names[i + 1] if i in b.indices else names[i]) for i in range(len(names) - 1)]


def _runs(styles: list[str]):
    """(first point, last point, style) of each stretch of one style."""
    first = 0
    for i, style in enumerate(styles):
        if i + 1 == len(styles) or styles[i + 1] != style:
            yield first, i + 1, style
            first = i + 1


SHAPES = {"NODE": "o", "FOCUS": "o", "FLIP": "D", "SADDLE": "X", "CENTRE": "P", "UNDETERMINED": "s"}


def analysis(a: Analysis) -> Figure:
    """One page: the network in the left column, its flow in the right one, a question a row.

    **Arguments:** `a` what `analyse` returned. **Returns:** a matplotlib figure; nothing is computed here.
    """
    figure = Figure(figsize=(11, 14), layout="constrained")
    rows = figure.subplots(4, 2)
    for column, side in zip(rows.T, a.sides, strict=True):
        _portrait(column[0], a, side)
        _exponents(column[1], side)
        _gradients(column[2], side)
        _disturbance(column[3], side)
    for row in rows[1:]:
        low, high = (bound(axes.get_ylim()[i] for axes in row) for i, bound in ((0, min), (1, max)))
        for axes in row:
            axes.set_ylim(low, high)
    figure.suptitle(f"A network and its flow, {a.method.label}, under the input x = {_input(a.x)}", fontsize=13)
    return figure


def _input(x) -> str:
    values = ", ".join(f"{value:.3g}" for value in x.ravel()[:4])
    return f"({values}{', …' if x.size > 4 else ''})"


def _portrait(axes: Axes, a: Analysis, side: Side) -> None:
    """The run in the plane of two units or two principal components, with the fixed points by kind and the nullclines."""
    planar = len(a.centre) > 2
    reach = a.grid[-1]
    axes.set_title(f"{side.name}: phase portrait", loc="left")
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", anchor="W")  # room for the legend
    axes.set(xlabel="first principal component" if planar else "unit 0", ylabel="second" if planar else "unit 1")
    if side.points is None:
        return _gap(axes, side)
    if side.nullclines is not None:
        for unit, (values, colour) in enumerate(zip(side.nullclines, ("tab:orange", "tab:green"), strict=True)):
            axes.contour(a.grid, a.grid, values, levels=[0.0], colors=[colour], linewidths=1.0, alpha=0.8)
            axes.plot([], [], color=colour, lw=1, label=f"unit {unit} at rest")
    run = (side.orbit - a.centre) @ a.axes.T
    discrete = len(run) < 1000
    axes.plot(run[:, 0], run[:, 1], "." if discrete else "-", ms=3, lw=0.8, color=NETWORK, alpha=0.6, label="the run")
    found, kinds, verdicts = side.points, side.points.kind_names, side.points.verdict_names
    seen = set()
    for i in range(int(found.count)):
        x, y = (np.asarray(found.points[i]) - a.centre) @ a.axes.T
        label = f"{kinds[i].lower()}, {verdicts[i]}" + (f" ({side.mark})" if side.added[i] else "")
        axes.plot(x, y, SHAPES.get(kinds[i], "s"), ms=8, mec="tab:red" if side.added[i] else NETWORK,
                  mfc="tab:blue" if verdicts[i] == "DECAYS" else "white", ls="",
                  label=None if label in seen else label)  # fmt: skip
        seen.add(label)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False)


def _exponents(axes: Axes, side: Side) -> None:
    """Lyapunov exponents, largest first, with their standard errors."""
    axes.set_title("Lyapunov exponents", loc="left")
    axes.set(xlabel="number, largest first", ylabel="nats per unit time")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.axhline(0, color="0.7", lw=0.8)
    if side.exponents is None:
        return _gap(axes, side)
    values, errors = np.asarray(side.exponents.exponents), np.asarray(side.exponents.stderr)
    shown = np.isfinite(values)
    axes.errorbar(
        np.arange(1, len(values) + 1)[shown], values[shown], errors[shown], fmt="o", ms=4, capsize=3, color=NETWORK
    )
    for number in 1 + np.flatnonzero(np.isneginf(values)):
        axes.plot(number, 0.03, "v", ms=5, color=NETWORK, transform=axes.get_xaxis_transform())
        axes.annotate("−∞", (number, 0.05), xycoords=axes.get_xaxis_transform(), ha="center", va="bottom", fontsize=9)


def _gradients(axes: Axes, side: Side) -> None:
    """How strongly the last state depends on earlier ones, against the lag, with the slope of the eigenvalues."""
    axes.set_title("Gradient through the run", loc="left")
    axes.set(xlabel="lag, steps of the network", ylabel="log₁₀ ‖∂h(T)/∂h(T − lag)‖")
    axes.axhline(0, color="0.7", lw=0.8)
    if side.gradients is None:
        return _gap(axes, side)
    sizes = np.asarray(side.gradients.log_norms) / np.log(10)
    axes.plot(np.where(np.isfinite(sizes), sizes, np.nan), color=NETWORK, lw=1.6)


def _disturbance(axes: Axes, side: Side) -> None:
    """How a disturbance of the fixed point nearest to the end of the run may grow, with the peak."""
    where = "" if side.about is None else f" {_input(side.about)}"
    axes.set_title(
        f"Growth of a disturbance of the fixed point{where}\nthat is nearest to the end of the run", loc="left"
    )
    axes.set(xlabel="time", ylabel="log₁₀ of the norm")
    axes.axhline(0, color="0.7", lw=0.8)
    if side.transient is None:
        return _gap(axes, side)
    times, sizes = np.asarray(side.transient.times), np.asarray(side.transient.norms)
    shown = np.isfinite(sizes) & (sizes > 0) & (times <= 30)
    axes.plot(times[shown], np.log10(sizes[shown]), color=NETWORK, lw=1.6)
    peak, at = float(side.transient.peak), float(side.transient.peak_time)
    if np.isfinite(peak) and peak > 0 and at <= 30:
        axes.plot(at, np.log10(peak), "o", color="tab:red", ms=6, label=f"peak {peak:.3g} at {at:.3g}")
        axes.legend(fontsize=8)


def _gap(axes: Axes, side: Side) -> None:
    reason = textwrap.fill(side.reason or "no fixed point was found", 44)
    axes.text(0.5, 0.5, f"no answer here:\n{reason}", transform=axes.transAxes, ha="center", va="center", color="0.4")


def forecast(f: Any) -> Figure:
    """One page of a `rnn_ode.learn.Forecast`: the end of the series with the forecast, the errors of everything against time,
    and the training."""
    figure = Figure(figsize=(13, 9), layout="constrained")
    axes = figure.subplots(2, 2)
    forecast_rows(axes[0, 0], f, None)
    forecast_rows(axes[0, 1], f, max(20, len(f.split.test) // 4))
    forecast_errors(axes[1, 0], f)
    training(axes[1, 1], f.fit.history)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(handles), frameon=False, fontsize=10)
    return figure


def forecast_rows(axes: Axes, f: Any, count: int | None) -> None:
    """The first column of a series from its test part on (all of it, or so many rows at its end), the forecasts made so far
    ahead with their intervals, and what is to come."""
    test = f.split.test
    rows = test.starts + test.inputs.shape[1] + test.gap + test.targets.shape[1] - 1
    end = int(rows[-1]) + 1
    shown = slice(None) if count is None else rows >= end - count
    axes.plot(rows[shown], test.targets[shown, -1, 0], color=NETWORK, lw=1.6, label="series")
    axes.plot(rows[shown], f.band.mean[shown, -1, 0], color="C0", lw=1.2, ls="--", label="forecast")
    interval = f.band.lower[shown, -1, 0], f.band.upper[shown, -1, 0]
    axes.fill_between(rows[shown], *interval, color="C0", alpha=0.25, lw=0, label=f"{f.share:.0%} interval")
    ahead = end + test.gap + np.arange(test.targets.shape[1])
    half = f.future.upper[:, 0] - f.future.mean[:, 0]
    axes.errorbar(ahead, f.future.mean[:, 0], half, fmt="o", ms=3, lw=1, color="C3", label="after the end")
    axes.set(xlabel="row of the series", ylabel="value")
    axes.set_title("The test part, and what comes after" if count is None else "Its end, larger", loc="left")
    axes.margins(x=0.02)


def forecast_errors(axes: Axes, f: Any) -> None:
    """How far off everything is at the last step of the horizon, by window."""
    test = f.split.test
    everything = {**f.baselines, "network (mean)": f.band.mean}
    for i, (name, predictions) in enumerate(everything.items()):
        error = np.abs(predictions - test.targets)[:, -1].mean(axis=1)
        label = f"{name}: {error.mean():.3g}"
        axes.semilogy(test.starts, np.maximum(error, 1e-16), lw=1, color=f"C{i}", label=label, zorder=10 - i)
    axes.set(xlabel="first row of the window", ylabel="absolute error")
    axes.set_title("Errors of everything, with their means", loc="left")
    axes.legend(fontsize=9, framealpha=0.9, edgecolor="none", loc="lower right")


def training(axes: Axes, history: Any) -> None:
    """What a `rnn_ode.learn.History` saw: loss, validation and the norm of the gradient against the step."""
    steps = np.arange(1, len(history.loss) + 1)
    axes.loglog(steps, history.gradient_norm, lw=0.6, color="0.7", label="norm of the gradient")
    axes.loglog(steps, history.loss, lw=0.8, color="C0", label="loss")
    if "validation" in history.checks:
        axes.loglog(history.checked_at, history.checks["validation"], "o-", ms=4, color="C3", label="validation")
    axes.set(xlabel="step of training")
    axes.set_title("Training", loc="left")
    axes.legend(fontsize=9, frameon=False)


def memory(study: Any) -> Figure:
    """One page of a `rnn_ode.learn.Study`: the share of the seeds that learnt each lag, and what came of each network against
    the gradient that reached back over the lag before training."""
    figure = Figure(figsize=(13, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    cells = list(dict.fromkeys(trial.cell for trial in study.trials))
    colours = dict(zip(cells, colormaps["tab10"].colors, strict=False))  # pyright: ignore[reportAttributeAccessIssue]
    for i, cell in enumerate(cells):
        groups = [group for group in study.groups() if group[0].cell == cell]
        shares = [study.share(group) for group in groups]
        shift = 0.012 * (i - (len(cells) - 1) / 2)  # so that no line hides another
        left.plot([g[0].lag for g in groups], np.array(shares) + shift, "o-", color=colours[cell], label=cell)
        for learnt in (True, False):
            these = [trial for group in groups for trial in group if trial.learnt == learnt]
            place = [max(trial.gradient_before, -150) for trial in these], [trial.score for trial in these]
            face = colours[cell] if learnt else "none"
            right.scatter(*place, s=28, edgecolors=[colours[cell]], facecolors=[face] * len(these))
    left.set(xlabel="lag in steps", ylabel="share of the seeds that learnt it", ylim=(-0.08, 1.08))
    left.set_title(f"{study.settings['task']}: which lag is learnt", loc="left")
    left.legend(fontsize=9, frameon=False)
    right.set(xlabel="log ‖∂h_T/∂h_(T−lag)‖ before training, nats", ylabel="best score (filled: learnt)")
    right.set_title("What the gradient said before, and what came of it", loc="left")
    right.axhline(study.settings["solved"], color="0.6", lw=1, ls=":")
    return figure


def bench(rows: Iterable[Any]) -> Figure:
    """The rows of `rnn_ode.bench.run`: every contender's time over ours, and the work–precision curves where there are some.

    ```python
    >>> from rnn_ode import bench, plot
    >>> rows = bench.run(cases="iterate", hidden=2, steps=4, repeats=2, peers=False)
    >>> len(plot.bench(rows).axes)
    1

    ```
    """
    groups: dict[tuple, list] = {}
    for row in rows:
        groups.setdefault((row.case, row.hidden, row.batch, row.steps), []).append(row)
    if not groups:
        raise ValueError("rows must hold at least one row of rnn_ode.bench.run; it is empty.")
    curved = [group for group in groups.values() if any(row.curve for row in group)]
    lines = sum(len(group) for group in groups.values()) + 1.0 * len(groups)
    height = max(1.6 + 0.24 * lines, 0.6 + 3.6 * len(curved), 3.0)
    figure = Figure(figsize=(14 if curved else 8.5, height), layout="constrained")
    widths = (1, 0.9) if curved else (1,)
    parts = figure.subfigures(1, len(widths), squeeze=False, width_ratios=widths)[0]
    bench_ratios(parts[0].subplots(), list(groups.values()))
    if curved:
        for axes, group in zip(parts[1].subplots(len(curved), 1, squeeze=False)[:, 0], curved, strict=True):
            bench_curves(axes, group)
    return figure


def _bench_title(row: Any) -> str:
    return row.case if row.hidden is None else f"{row.case}, {row.hidden} units × {row.batch} × {row.steps} steps"


def bench_ratios(axes: Axes, groups: list[list[Any]]) -> None:
    """A bar from 1 to each contender's time over ours, on a logarithmic axis; ours are the line at 1."""
    y, ticks, names = 0.0, [], []
    for group in groups:
        place = {"transform": axes.get_yaxis_transform(), "va": "center", "weight": "bold"}
        axes.text(0.01, y, _bench_title(group[0]), **place, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
        for row in group[1:]:
            y += 1
            ticks.append(y)
            names.append(row.contender)
            if row.ratio is None:
                axes.text(1, y, " skipped" if row.skipped else " wrong values", va="center", color="0.5", fontsize=9)
                continue
            colour = "tab:blue" if row.ratio >= 1 else "tab:orange"
            axes.barh(y, row.ratio - 1, left=1, height=0.7, color=colour)
            number = f"{row.ratio:.3g}" if row.ratio < 1000 else f"{row.ratio:,.0f}"
            axes.text(max(row.ratio, 1), y, f" {number}", va="center", fontsize=9)
        y += 1.4
    ratios = [row.ratio for group in groups for row in group if row.ratio] or [1.0]
    axes.axvline(1, color=NETWORK, lw=1)
    axes.set(xscale="log", xlim=(min(0.7, 0.8 * min(ratios)), 2 * max(2.0, *ratios) ** 1.15), ylim=(y - 0.6, -0.8))
    axes.set_yticks(ticks, names, fontsize=9)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.set(xlabel="the contender's time over ours (right of 1, ours is faster)")
    axes.grid(axis="x", alpha=0.25)
    axes.set_axisbelow(True)


def bench_curves(axes: Axes, group: list[Any]) -> None:
    """The seconds that each contender takes for an error."""
    for i, row in enumerate(row for row in group if row.curve):
        errors, seconds = zip(*row.curve, strict=True)
        colour = NETWORK if row is group[0] else f"C{(i - 1) % 10}"
        axes.loglog(errors, seconds, "o-", ms=3.5, lw=2 if row is group[0] else 1.2, color=colour, label=row.contender)
    axes.axvline(1e-6, color="0.6", lw=1, ls=":")
    axes.set(xlabel="largest relative error", ylabel="seconds")
    axes.set_title(_bench_title(group[0]), loc="left", fontsize=10)
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes.grid(alpha=0.25)
