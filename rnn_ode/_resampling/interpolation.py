"""Any part of a step: interpolation along the orbit of a network.

The states h(t−…), h(t), E h(t), E² h(t), … of a network lie on one orbit, and E^s h(t) is the state that the orbit passes
s steps after t. Through P nodes on the orbit, at times t_j counted in steps, it is Σ w_j h(t_j) with

    w_j = Π_{m≠j} (s − t_m) / (t_j − t_m)                                          (Lagrange)
    w_j = Π_{m≠j} sin(δ(s − t_m)/2) / sin(δ(t_j − t_m)/2)                          (Gauss)

Lagrange's weights are exact for polynomials of degree P − 1; with the nodes 0, 1, 2, … they are Newton's series Σ C(s, k) Δᵏ.
Gauss's weights are exact for the frequencies 0, ±δ, …, ±(P−1)/2 · δ if P is odd. If P is even, these are the half-integer
multiples of δ, and the weights are divided by their sum, so that a constant stays constant. As δ → 0 they become Lagrange's.
A signal contains frequencies up to some limit, not only those near 0: weights that are exact throughout that band have a
smaller error at the same cost. Sources: Lagrange 1795; Gauss, "Theoria interpolationis methodo nova tractata" (Werke III),
art. 20.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._base.states import after, like
from .._base.types import State


class Interpolation(NamedTuple):
    """What a result is interpolated from: `ahead` applications of the network and `behind` earlier states. `band` is
    δ(P − 1)/4π, the highest frequency for which the weights are exact, in cycles per step; 0 for polynomials."""

    ahead: int
    behind: int
    band: float


def lagrange(nodes: Any, at: Any, band: float = 0.0, xp: Any = jnp) -> Any:
    """Return the weights (…, P) of the values at the nodes (…, P) in the value at `at`, all in steps.

    They are Lagrange's for a band of 0, and otherwise Gauss's up to the frequency `band`, in cycles per step. At a node its
    own weight is exactly 1 and all others are exactly 0."""
    count = nodes.shape[-1]

    def factor(distance):
        if band == 0 or count < 2:
            return distance
        # no more than half a period of the slowest sine between any two nodes: beyond it the sines repeat
        span = xp.maximum(xp.max(nodes, axis=-1), at) - xp.minimum(xp.min(nodes, axis=-1), at)
        return xp.sin(xp.minimum(2 * np.pi * band / (count - 1), np.pi / 2 / span)[..., None, None] * distance)

    own = np.eye(count, dtype=bool)
    among = factor(xp.where(own, 1, nodes[..., :, None] - nodes[..., None, :]))
    ratios = xp.where(own, 1, factor(at - nodes[..., None, :]) / among)
    weights = ratios[..., 0]
    for column in range(1, count):  # a chain of products has a derivative also where a factor is 0
        weights = weights * ratios[..., column]
    return weights / xp.sum(weights, axis=-1, keepdims=True) if band else weights


def combined(weights: Any, states: list[State]) -> State:
    """Return Σ w_j h_j. A state that is not finite is left out if its weight is 0, as all but one are at whole steps."""

    def total(*leaves):
        terms = (
            w.astype(leaf.dtype) * jnp.where((w == 0) & ~jnp.isfinite(leaf), 0, leaf)
            for w, leaf in zip(weights, leaves, strict=True)
        )
        return sum(terms)

    return jax.tree.map(total, *states)


def whole_steps(gap: Any, ahead: int, xp: Any = jnp) -> Any:
    """Return how often the network is applied before the rest of a gap is interpolated: ⌊gap − ahead/2⌋, or 0 if negative."""
    return xp.maximum(xp.floor(gap - ahead / 2), 0).astype(int)


def uniform_nodes(gap: Any, ahead: int, behind: int, xp: Any = np) -> tuple[Any, Any]:
    """Return the nodes (behind + 1 + ahead,) of a scheme with equal gaps, and the whole steps before them.

    The nodes are in steps, oldest first, counted from the state that so many whole steps after the last result lead to."""
    gap = xp.asarray(gap)
    whole = whole_steps(gap, ahead, xp)
    back = np.arange(behind, 0, -1)
    results, steps = back // (whole + 1), back % (whole + 1)  # every result has its whole steps after it
    return xp.concatenate([-results * gap - steps, xp.arange(ahead + 1, dtype=gap.dtype)]), whole


def uniform_weights(gap: Any, rule: Interpolation, xp: Any = jnp) -> Any:
    """Return the weights (P,) of a scheme with equal gaps."""
    nodes, whole = uniform_nodes(gap, rule.ahead, rule.behind, xp)
    return lagrange(nodes, gap - whole, rule.band, xp)


def orbit_of(step: Callable[[Any, State], State], h: State, drives: Any) -> State:
    """Return the state h and those after it, (L + 1, …), under the drives (L, …)."""

    def body(h, u):
        new = like(h, step(u, h))
        return new, new

    return after(h, jax.lax.scan(body, h, drives)[1])


def read_off(orbit: State, place: Float[Array, ""], rule: Interpolation) -> State:
    """Return the state `place` steps after the start of an orbit (L + 1, …), from the ahead + behind + 1 states around it."""
    nodes = rule.ahead + rule.behind + 1
    begin = jnp.minimum(whole_steps(place, nodes - 1), jax.tree.leaves(orbit)[0].shape[0] - nodes)
    window = jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, begin, nodes), orbit)
    weights = lagrange(jnp.arange(nodes, dtype=place.dtype), place - begin, rule.band)
    return combined(weights, [jax.tree.map(lambda leaf, k=k: leaf[k], window) for k in range(nodes)])
