"""Whether a Jacobian jumps at a state, found without asking what the system is made of.

Across a kink the Jacobian jumps, by an amount that does not depend on how far apart one looks. J is compared at h ± δv and at
h ± δv/8, for four directions v: a smooth cell, however curved, has a difference that shrinks eightfold, a kink one that
stays. δ is the uncertainty of h (16ρ) and u^⅔ (1 + ‖h‖), which is 4e-11 in float64 and 2e-5 in float32; a difference below
√u ‖J‖ is taken for rounding.

At a kink an eigenvalue is that of the side which the derivative's convention picks (of `relu` at 0: the lower one), so that
nothing follows from it for small disturbances, and the verdict is UNDETERMINED.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


class Surroundings(NamedTuple):
    """Whether the Jacobian jumps at a state, and how much it changes within the state's uncertainty."""

    kink: Bool[Array, ""]
    change: Float[Array, ""]


def surroundings(
    jacobian: Callable[[Array], Array], h: Float[Array, " N"], radius: Float[Array, ""] | float = 0.0
) -> Surroundings:
    """What a Jacobian (N, N) does about a state that is known to within `radius`."""
    u = float(jnp.finfo(h.dtype).eps)
    delta = 16 * radius + u ** (2 / 3) * (1 + jnp.linalg.norm(h))
    v = jax.random.normal(jax.random.key(0), (1, 4, h.shape[0]), h.dtype)
    offsets = (
        delta * jnp.array([-1, 1, -1 / 8, 1 / 8], h.dtype)[:, None, None] * v / jnp.max(jnp.abs(v), axis=2)[..., None]
    )
    around = jax.lax.map(jax.vmap(lambda offset: jacobian(h + offset)), offsets)
    far, near = jnp.linalg.norm(around[1::2] - around[::2], axis=(2, 3))
    size = jnp.max(jnp.linalg.norm(around, axis=(2, 3)))
    return Surroundings(jnp.any((near > far / 2) & (near > u**0.5 * size)), jnp.max(near))
