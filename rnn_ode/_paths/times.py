"""Times as whole steps and a fraction of a step.

A float of the time is turned into that pair by rounding to the nearest step where the float cannot tell them apart. In
float32, a floor of t/dt would pick the wrong sample for a fifth of the samples in five seconds of audio.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int


def split(t: Any, start: Any, dt: float, eps: float, xp: Any = jnp) -> tuple[Int[Any, "..."], Float[Any, "..."]]:
    """Floats of time as whole steps of dt since the start and a fraction of one, in [0, 1), by JAX or (`xp`) by NumPy.

    A time within two roundings, `eps` of its own type, of a whole step is that step, fraction 0: nearer floats cannot be
    told apart.
    """
    steps = (t - start) / dt
    nearest = xp.round(steps)
    unit = eps * xp.maximum(xp.abs(steps), xp.maximum(xp.abs(t), abs(start)) / dt)
    same = xp.abs(steps - nearest) <= 2 * unit
    whole = xp.where(same, nearest, xp.floor(steps))
    taken = xp.where(same, steps, whole)
    # a difference, not a constant 0, so that derivatives with respect to t pass through it
    return whole.astype(int), steps - (jax.lax.stop_gradient(taken) if xp is jnp else taken)
