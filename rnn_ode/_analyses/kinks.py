"""Whether a Jacobian jumps at a state, found without asking what the system is made of.

Across a kink the Jacobian jumps, by an amount that does not depend on how far apart one looks. J is compared at h ± δv and at
h ± δv/8, for four directions v: a smooth cell, however curved, has a difference that shrinks eightfold, a kink one that
stays. δ/8 reaches twice as far as the uncertainty ρ of h, and δ is at least u^⅔ of the state's size: 4e-11 of it in float64,
2e-5 in float32. A difference below √u ‖J‖ is taken for rounding.

At a kink an eigenvalue is that of the side which the derivative's convention picks (of `relu` at 0: the lower one), so that
nothing follows from it for small disturbances, and the verdict is UNDETERMINED.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def jumps(
    jacobian: Callable[[Array], Array],
    h: Float[Array, " N"],
    radius: Float[Array, ""] | float = 0.0,
    size: Float[Array, ""] | float = 0.0,
) -> Bool[Array, ""]:
    """Whether a Jacobian (N, N) jumps at a state that is known to within `radius`. `size` is that of a state of the system,
    where `h` may be much smaller. At a zero `h` without a size only a kink exactly there is seen."""
    kind = jnp.finfo(h.dtype)
    u, least = float(kind.eps), float(kind.tiny) ** 0.5
    delta = 16 * radius + u ** (2 / 3) * jnp.maximum(size + jnp.linalg.norm(h), least)
    v = jax.random.normal(jax.random.key(0), (1, 4, h.shape[0]), h.dtype)
    offsets = (
        delta * jnp.array([-1, 1, -1 / 8, 1 / 8], h.dtype)[:, None, None] * v / jnp.max(jnp.abs(v), axis=2)[..., None]
    )
    around = jax.lax.map(jax.vmap(lambda offset: jacobian(h + offset)), offsets)
    far, near = jnp.linalg.norm(around[1::2] - around[::2], axis=(2, 3))
    largest = jnp.max(jnp.linalg.norm(around, axis=(2, 3)))
    return jnp.any((near > far / 2) & (near > u**0.5 * largest))
