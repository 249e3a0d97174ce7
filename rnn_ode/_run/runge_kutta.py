"""Steps of explicit Runge–Kutta methods."""

import functools
from collections.abc import Callable
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array

from .._base.states import real_dtype
from .._base.types import State


def runge_kutta_4(rate, h):
    """One step of the classical Runge–Kutta method of fourth order (Kutta 1901), over a local time of 0 to 1: `rate(s, h)` is
    dh/ds, in the structure of h."""

    def moved(k):
        return jax.tree.map(lambda a, b: a + b, h, k)

    def half(k):
        return jax.tree.map(lambda b: b / 2, k)

    kind = real_dtype(h)
    k1 = rate(jnp.zeros((), kind), h)
    k2 = rate(jnp.full((), 0.5, kind), moved(half(k1)))
    k3 = rate(jnp.full((), 0.5, kind), moved(half(k2)))
    k4 = rate(jnp.ones((), kind), moved(k3))
    return moved(jax.tree.map(lambda a, b, c, d: (a + 2 * b + 2 * c + d) / 6, k1, k2, k3, k4))


def check_rate(h: Any, rate: Any) -> None:
    """`ValueError` unless a field's rate, or its abstract value, has the shape of the state h."""
    shapes = [jax.tree.map(lambda leaf: list(leaf.shape), state) for state in (h, rate)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"field(t, h, path) must return dh/dt in the shape of h; h0 has {shapes[0]}, the field returned {shapes[1]}."
        )


def explicit_step(
    tableau: diffrax.ButcherTableau, rate: Callable[[Array, State], State], start: Array, size: Array, h: State
) -> State:
    """Return the state after one step of an explicit method, from time `start` to `start` + `size`: `rate(t, h)` is dh/dt.

    The stages are written out, without the weights that are 0. For networks of tens of units this is faster than diffrax's
    own step, and so is the gradient: the case "scheme" of the benchmark measures it."""
    rows = [(), *tableau.a_lower, tableau.b_sol]  # of the states of the stages, and of the state after the step
    rates = []

    def moved(row):
        used = [i for i, weight in enumerate(row) if weight]
        if not used:
            return h
        slopes = jax.tree.map(
            lambda *ks: functools.reduce(jnp.add, (float(row[i]) * k for i, k in zip(used, ks, strict=True))),
            *(rates[i] for i in used),
        )
        return jax.tree.map(lambda a, b: a + size * b, h, slopes)

    for i, node in enumerate((0.0, *tableau.c)):
        used = any(row[i] for row in rows if i < len(row))
        rates.append(rate(start + float(node) * size, moved(rows[i])) if used else None)
        if used:
            check_rate(h, rates[i])
    return moved(rows[-1])
