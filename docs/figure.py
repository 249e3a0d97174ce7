"""Draws docs/network_and_ode.png, the README's figure: run `python docs/figure.py` from the repository's root."""

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

import rnn_ode as ro

jax.config.update("jax_enable_x64", True)

DERIVATION = (
    (r"$h_t = W_h h_{t-1} + W_x x_t + b$", "the network, one step"),
    (r"$h(t-1) \approx h(t) - h'(t)$", "Taylor"),
    (r"$h' = W_h h + x'(t)$,   $x'(t) = W_h^{-1}(W_x x + b)$", "as published: Textbook()"),
    (r"$h' = (1 - W_h^{-1})\,h + x'(t)$", "done with care: Backward(1)"),
    (r"$h' = (\log W_h)\,h + \varphi(W_h)(W_x x + b)$", "the logarithm of the step: Exact()"),
)


def derivation(axes):
    axes.axis("off")
    axes.set_title("From the step to a flow", loc="left")
    for i, (formula, words) in enumerate(DERIVATION):
        y = 0.9 - 0.21 * i
        axes.text(0.0, y, formula, fontsize=13, transform=axes.transAxes, va="center")
        axes.text(0.0, y - 0.085, words, fontsize=9.5, color="0.35", transform=axes.transAxes, va="center")


def unrolled(axes):
    axes.set(xlim=(-0.3, 6.3), ylim=(-1.5, 1.6))
    axes.axis("off")
    axes.set_title("The network unrolled, and its flow between the samples", loc="left")
    for k in range(3):
        x = 0.6 + 2 * k
        name = "t" if k == 1 else f"t{'−' if k == 0 else '+'}1"
        axes.add_patch(
            FancyBboxPatch((x - 0.36, -0.28), 0.72, 0.56, boxstyle="round,pad=0.06", fc="#dce6f2", ec="#1f4e79")
        )
        axes.text(x, 0, f"$h_{{{name}}}$", ha="center", va="center", fontsize=14)
        axes.text(x, -1.32, f"$x_{{{name}}}$", ha="center", va="center", fontsize=13)
        _arrow(axes, (x, -1.1), (x, -0.4))
        axes.text(x + 0.1, -0.78, "$W_x$", fontsize=10, color="0.35")
        if k < 2:
            _arrow(axes, (x + 0.45, 0.0), (x + 1.55, 0.0))
            axes.text(x + 1.0, 0.1, "$W_h$", fontsize=10, color="0.35", ha="center")
    s = np.linspace(0.6, 4.6, 200)
    axes.plot(s, 0.95 + 0.28 * np.sin(1.9 * s), color="tab:red", lw=1.8)
    for x in (0.6, 2.6, 4.6):
        axes.plot(x, 0.95 + 0.28 * np.sin(1.9 * x), "o", color="#1f4e79", ms=6)
    axes.text(4.75, 0.95 + 0.28 * np.sin(1.9 * 4.6), "h(t)", color="tab:red", fontsize=11, va="center")


def _arrow(axes, a, b):
    axes.add_patch(FancyArrowPatch(a, b, arrowstyle="-|>", mutation_scale=12, color="0.25", lw=1.3))


def trajectories(axes):
    """Two units whose multipliers 0.6 ± 0.5i decay: the network, and four readings of it."""
    W = jnp.array([[0.6, -0.5], [0.5, 0.6]])
    cell = ro.VanillaCell(W, jnp.eye(2), jnp.zeros(2), activation=None)
    xs = jnp.zeros((12, 2)).at[0].set(jnp.array([1.0, 0.0]))
    network, path = ro.iterate(cell, xs), ro.Hold(xs)
    ts = jnp.linspace(0.0, 12.0, 241)
    for method, colour, label in (
        (ro.Textbook(), "tab:red", "Textbook()"),
        (ro.Backward(1), "tab:orange", "Backward(1)"),
        (ro.Tustin(), "tab:green", "Tustin()"),
        (ro.Exact(), "tab:blue", "Exact()"),
    ):
        run = ro.integrate(ro.to_ode(cell, method), path, jnp.zeros(2), ts=ts)
        axes.plot(ts, run.states[:, 0], color=colour, label=label, lw=1.7)
    axes.plot(network.ts, network.states[:, 0], "o", color="0.1", ms=5, label="network", zorder=4)
    axes.set(ylim=(-2.6, 2.2), xlim=(0, 12), xlabel="steps", ylabel="first unit")
    axes.set_title("One network, four readings (λ = 0.6 ± 0.5i)", loc="left")
    axes.legend(fontsize=9, loc="lower right", framealpha=1)


def main():
    figure = Figure(figsize=(14, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=[1.05, 1.1, 1.0])
    derivation(left)
    unrolled(middle)
    trajectories(right)
    figure.savefig("docs/network_and_ode.png", dpi=110)


if __name__ == "__main__":
    main()
