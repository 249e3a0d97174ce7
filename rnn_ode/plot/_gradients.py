"""Gradients against lag."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from .._base.fate import fate
from ._needs import reads
from ._page import headline, page, single, title
from ._style import AMBER, BLUE, bound, faint, forbidden, ink

_MANY = {"vanishes": "vanish", "persists": "persist", "explodes": "explode", "is undefined": "are undefined"}


@reads(flows="** log_norms")
def gradient_flows(flows: Mapping[str, Any]) -> Figure:
    """Gradient norms against lag, one panel for each network, side by side on one logarithmic axis.

    Each panel has the norms of the run, the rates predicted by the eigenvalues and by the Lyapunov exponent, and both bounds.
    A triangle at the foot marks the lag from which the gradient is exactly 0.

    **Arguments:**

    - `flows`: results of `gradient_flow` for single runs, by name; `log_norms`, `measured_rate`, `predicted_rate`,
      `lyapunov_rate` and `bounds` of each are read.

    **Returns:** a matplotlib figure.

    **Raises:** `ValueError` where `flows` is empty or one of them is of a batch of runs.

    ```python
    >>> import jax, jax.numpy as jnp, rnn_ode as ro
    >>> cells = ro.gradient_examples(jax.random.key(0), 1, 8)
    >>> flows = {name: ro.gradient_flow(cells[name], jnp.ones((50, 1))) for name in ("orthogonal", "tanh")}
    >>> len(ro.plot.gradient_flows(flows).axes)
    2

    ```
    """
    if not flows:
        raise ValueError("flows must hold at least one GradientFlow, by name; it is empty.")
    for name, g in flows.items():
        single(f"flows[{name!r}]", g.log_norms, 1)
    figure, panels = page(1, len(flows), size=(max(6.8, 1.2 + 2.7 * len(flows)), 5.0), sharey=True)
    panels = panels[0]
    panels[0].set(ylim=_decades(flows.values()), ylabel="‖∂h(T) / ∂h(T−k)‖")
    panels[0].yaxis.set_major_locator(MaxNLocator(integer=True))
    panels[0].yaxis.set_major_formatter(lambda decade, _: f"$10^{{{decade:g}}}$")
    for axes, (name, g) in zip(panels, flows.items(), strict=True):
        _gradient_norm(axes, g)
        title(axes, "\n".join(filter(None, (name, fate(g)))))
    panels[len(flows) // 2].set_xlabel("lag k: steps back from the end of the run")
    handles: list = [
        Line2D([], [], color=ink(), lw=2.4, label="gradient norm of this run"),
        Line2D([], [], color=AMBER, lw=1.6, ls="--", label="rate from the eigenvalues (linear part, or last step)"),
        Line2D([], [], color=BLUE, lw=1.6, ls=":", label="rate from the Lyapunov exponent"),
        *_ruled_out(flows.values()),
        Line2D([], [], color=bound(), lw=1.2, ls="-.", label="bound by this run's steps: Π‖J‖"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(3, (len(flows) + 1) // 2), frameon=False)
    if len(flows) > 1:
        headline(figure, _summary(flows.values()))
    return figure


@reads(g="log_norms")
def gradient_flow(g: Any) -> Figure:
    """The gradient norms of one run against lag, as a panel of `gradient_flows`.

    **Arguments:**

    - `g`: what `gradient_flow` returned for a single run.

    **Returns:** a matplotlib figure.

    **Raises:** `ValueError` for a batch.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[0.5]], [[1.0]], [0.0], activation=None)
    >>> ro.plot.gradient_flow(ro.gradient_flow(cell, jnp.ones((9, 1)))).get_suptitle()
    'The gradient vanishes: ×0.5 a step'

    ```
    """
    single("g", g.log_norms, 1)
    figure = gradient_flows({"": g})
    title(figure.axes[0], "")
    headline(figure, f"The gradient {fate(g)}")
    return figure


def _ruled_out(flows: Iterable[Any]) -> list[Patch]:
    """An entry of the legend, if the weights of a network bound its gradients; those of gated units do not."""
    words = "ruled out by the weights: above (γ‖W‖)ᵏ"
    some = any(np.isfinite(g.bounds.gain) for g in flows)
    return [Patch(facecolor=forbidden(), edgecolor=bound(), label=words)] if some else []


def _summary(flows: Iterable[Any]) -> str:
    """How many networks have which fate."""
    fates = [fate(g).split(":")[0] for g in flows]
    said = [f"{fates.count(fate)} of {len(fates)} {_MANY.get(fate, fate)}" for fate in dict.fromkeys(fates)]
    return f"Gradients: {', '.join(said)}"


def _decades(flows: Iterable[Any]) -> tuple[float, float]:
    """Limits of an axis of powers of ten that show every norm, and one."""
    norms = np.concatenate([np.asarray(g.log_norms) for g in flows]) / np.log(10)
    norms = norms[np.isfinite(norms)]
    low, high = norms.min(initial=-1), norms.max(initial=1)
    return low - 0.06 * (high - low), high + 0.06 * (high - low)


def _gradient_norm(axes: Axes, g: Any) -> None:
    """One network's norms in powers of ten, with what predicts and what bounds them."""
    low, high = axes.get_ylim()
    norms, weights, steps = (
        np.asarray(logs, float) / np.log(10)
        for logs in (g.log_norms, g.bounds.log_from_weights, g.bounds.log_from_steps)
    )
    lags = np.arange(len(norms))
    axes.axhline(0, color=faint(), lw=0.8, zorder=0)
    if np.isfinite(g.bounds.gain):
        axes.fill_between(lags, np.clip(weights, low, high), high, facecolor=forbidden(), edgecolor=bound(), zorder=0)
    axes.plot(lags, np.where(np.isfinite(steps), steps, np.nan), color=bound(), lw=1.2, ls="-.")
    axes.plot(lags, np.where(np.isfinite(norms), norms, np.nan), color=ink(), lw=2.6, zorder=2)
    for rate, colour, style in ((g.predicted_rate, AMBER, "--"), (g.lyapunov_rate, BLUE, ":")):
        # a rate of −∞ is drawn as a line that leaves the page at once
        axes.plot(lags, lags * max(float(rate) / np.log(10), 99 * low), color=colour, lw=1.6, ls=style, zorder=3)
    gone = np.flatnonzero(np.isneginf(norms))
    if len(gone):
        axes.plot(gone[:1], [low], "v", color=ink(), ms=9, clip_on=False, zorder=4)
    axes.set(xlim=(0, lags[-1]), ylim=(low, high))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
