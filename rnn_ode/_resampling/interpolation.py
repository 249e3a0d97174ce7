"""Any part of a step: interpolation along an orbit, and whether a scheme made of it is stable.

The states h(t−…), h(t), E h(t), E² h(t), … of a network lie on one orbit, and E^s h(t) is what the orbit passes s steps
after t. Through P nodes on it, at times t_j counted in steps, it is Σ w_j h(t_j) with

    w_j = Π_{m≠j} (s − t_m) / (t_j − t_m)                                          (Lagrange)
    w_j = Π_{m≠j} sin(δ(s − t_m)/2) / sin(δ(t_j − t_m)/2)                          (Gauss)

The first is exact for polynomials of degree P − 1, and with the nodes 0, 1, 2, … it is Newton's series Σ C(s, k) Δᵏ. The
second is exact for the frequencies 0, ±δ, …, ±(P−1)/2 · δ (P odd; for even P the half-integer ones, and the weights are
divided by their sum, so that what rests stays at rest), and with δ → 0 it becomes the first. A signal has content up to
some frequency and not only next to 0, so that the second one, with its band over that content, errs less at the same
cost. Sources: Lagrange 1795; Gauss, "Theoria interpolationis methodo nova tractata" (Werke III), art. 20.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def lagrange(nodes, at, band: float = 0.0, xp: Any = jnp):
    """Weights (…, P) of the values at the nodes (…, P), in steps, in the value at `at`: Lagrange's, or Gauss's up to the
    frequency `band`, in cycles per step. At a node its own weight is exactly 1 and all others exactly 0."""
    count = nodes.shape[-1]

    def factor(distance):
        if band == 0 or count < 2:
            return distance
        # within half a period of the slowest sine, whatever the nodes: beyond it the sines come back
        span = xp.maximum(xp.max(nodes, axis=-1), at) - xp.minimum(xp.min(nodes, axis=-1), at)
        return xp.sin(xp.minimum(2 * np.pi * band / (count - 1), np.pi / 2 / span)[..., None, None] * distance)

    own = np.eye(count, dtype=bool)
    among = factor(xp.where(own, 1, nodes[..., :, None] - nodes[..., None, :]))
    ratios = xp.where(own, 1, factor(at - nodes[..., None, :]) / among)
    weights = ratios[..., 0]
    for column in range(1, count):  # as a chain of products, which has a derivative where a factor is 0
        weights = weights * ratios[..., column]
    return weights / xp.sum(weights, axis=-1, keepdims=True) if band else weights


def combined(weights, states):
    """Σ w_j h_j, where a state that is not finite and has no weight does not count: at whole steps this is the network."""

    def total(*leaves):
        terms = (
            w.astype(leaf.dtype) * jnp.where((w == 0) & ~jnp.isfinite(leaf), 0, leaf)
            for w, leaf in zip(weights, leaves, strict=True)
        )
        return sum(terms)

    return jax.tree.map(total, *states)


def whole_steps(gap, ahead: int, xp: Any = jnp):
    """How often the network is applied before a gap of so many steps is interpolated: ⌊gap − ahead/2⌋, or not at all."""
    return xp.maximum(xp.floor(gap - ahead / 2), 0).astype(int)


def uniform_nodes(gap: Any, ahead: int, behind: int, xp: Any = np) -> tuple[Any, Any]:
    """The nodes (behind + 1 + ahead,) of a scheme with equal gaps, in steps from the state that is interpolated from, oldest
    first; and how many whole steps that state is after the last result."""
    gap = xp.asarray(gap)
    whole = whole_steps(gap, ahead, xp)
    back = np.arange(behind, 0, -1)
    results, steps = back // (whole + 1), back % (whole + 1)  # every result has its whole steps after it
    return xp.concatenate([-results * gap - steps, xp.arange(ahead + 1, dtype=gap.dtype)]), whole
