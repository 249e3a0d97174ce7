"""The classical Runge-Kutta step."""

import jax
import jax.numpy as jnp

from .._base.states import real_dtype


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
