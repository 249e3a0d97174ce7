"""Draws docs/network_and_ode.png, the README's figure: run `python docs/figure.py` from the repository's root."""

import io

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from PIL import Image

import rnn_ode as ro
from rnn_ode.plot._page import headline, label_end, label_exit, page, title
from rnn_ode.plot._style import ink, look_of, note, shade

jax.config.update("jax_enable_x64", True)

METHODS = ro.Textbook(), ro.Backward(1), ro.Exact()
FORMULAS = (
    (None, r"$h_t = W_h h_{t-1} + W_x x_t + b$", "the network, one step"),
    (METHODS[0], r"$h' = W_h h + W_h^{-1}(W_x x + b)$", "as the textbook has it: Textbook()"),
    (METHODS[1], r"$h' = (1 - W_h^{-1})\,h + W_h^{-1}(W_x x + b)$", "Taylor, done with care: Backward(1)"),
    (METHODS[2], r"$h' = (\log W_h)\,h + \varphi(W_h)(W_x x + b)$", "the logarithm of the step: Exact()"),
)
LAST = 14.0


def derivation(axes):
    axes.axis("off")
    for i, (method, formula, words) in enumerate(FORMULAS):
        y = 0.94 - 0.27 * i
        place = {"transform": axes.transAxes, "va": "center"}
        axes.text(0.0, y, formula, fontsize=12.5, color=look_of(method)["color"] if method else ink(), **place)
        axes.text(0.0, y - 0.115, words, fontsize=9.5, color=note(), **place)
    title(axes, "From the step to a flow")


def unrolled(axes):
    axes.set(xlim=(-0.1, 6.4), ylim=(-1.6, 1.5))
    axes.axis("off")
    for k in range(3):
        x = 0.6 + 2 * k
        name = "t" if k == 1 else f"t{'−' if k == 0 else '+'}1"
        axes.add_patch(
            FancyBboxPatch((x - 0.36, -0.28), 0.72, 0.56, boxstyle="round,pad=0.06", fc=shade(0.1), ec=ink())
        )
        axes.text(x, 0, f"$h_{{{name}}}$", ha="center", va="center", fontsize=14)
        axes.text(x, -1.38, f"$x_{{{name}}}$", ha="center", va="center", fontsize=13)
        _arrow(axes, (x, -1.14), (x, -0.4))
        axes.text(x + 0.1, -0.8, "$W_x$", fontsize=10, color=note())
        if k < 2:
            _arrow(axes, (x + 0.45, 0.0), (x + 1.55, 0.0))
            axes.text(x + 1.0, 0.1, "$W_h$", fontsize=10, color=note(), ha="center")
    s, blue = np.linspace(0.6, 4.6, 200), look_of(METHODS[2])["color"]
    axes.plot(s, 0.95 + 0.28 * np.sin(1.9 * s), color=blue, lw=1.8)
    at = np.array([0.6, 2.6, 4.6])
    axes.plot(at, 0.95 + 0.28 * np.sin(1.9 * at), "o", color=ink(), ms=6)
    axes.text(4.85, 0.95 + 0.28 * np.sin(1.9 * 4.6), "h(t)", color=blue, fontsize=11, va="center")
    title(axes, "The network unrolled, and a flow through its states")


def _arrow(axes, a, b):
    axes.add_patch(FancyArrowPatch(a, b, arrowstyle="-|>", mutation_scale=12, color=note(), lw=1.3))


def runs(axes):
    """Two units whose multipliers 0.6 ± 0.5i decay, after one impulse: the network, and its three equations."""
    W = jnp.array([[0.6, -0.5], [0.5, 0.6]])
    cell = ro.VanillaCell(W, jnp.eye(2), jnp.zeros(2), activation=None)
    xs = jnp.zeros((int(LAST), 2)).at[0].set(jnp.array([1.0, 0.0]))
    network, path, ts = ro.iterate(cell, xs), ro.Hold(xs), np.linspace(0.0, LAST, 281)
    low, high = -1.55, 1.95
    axes.set(xlim=(0, LAST), ylim=(low, high), xlabel="steps", ylabel="first unit")
    for method in METHODS:
        look = look_of(method)
        values = np.asarray(ro.integrate(ro.to_ode(cell, method), path, jnp.zeros(2), ts=ts).states[:, 0])
        out = np.flatnonzero((values < low) | (values > high))
        end = out[0] if len(out) else len(ts)
        axes.plot(ts[: end + 1], values[: end + 1], lw=2, **look)
        if len(out):
            up = values[end] > high
            axes.plot(ts[end], high if up else low, "^" if up else "v", ms=8, clip_on=False, color=look["color"])
            label_exit(axes, ts[end], f"{method.label} leaves {'↑' if up else '↓'}", look["color"])
        else:
            label_end(axes, values[-1], method.label, look["color"])
    axes.plot(network.ts, network.states[:, 0], "o", color=ink(), ms=5.5, zorder=4, clip_on=False)
    label_end(axes, network.states[-1, 0], "network", ink())
    title(axes, "One network (dots) after an impulse, and its three equations: multipliers 0.6 ± 0.5i")


def main():
    figure, _ = page(size=(10, 6.4))
    figure.clear()
    grid = figure.add_gridspec(2, 2, width_ratios=(1.25, 1), height_ratios=(1, 1.15))
    unrolled(figure.add_subplot(grid[0, 0]))
    derivation(figure.add_subplot(grid[0, 1]))
    runs(figure.add_subplot(grid[1, :]))
    headline(
        figure, "The textbook's equation grows while the network decays; the logarithm of the step meets every sample"
    )
    file = io.BytesIO()
    figure.savefig(file, dpi=80)
    Image.open(file).convert("RGB").quantize(96, method=Image.Quantize.FASTOCTREE).save(
        "docs/network_and_ode.png", optimize=True
    )  # a third as large


if __name__ == "__main__":
    main()
