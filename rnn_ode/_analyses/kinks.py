"""Whether a Jacobian jumps at a state, measured on the Jacobian alone.

Across a kink the Jacobian jumps by an amount that does not depend on the distance of the two states that are compared. J is
compared at h ± δv and at h ± δv/8, for four directions v. The difference shrinks eightfold if the system is smooth, however
curved, and stays the same across a kink. δ/8 is twice the uncertainty ρ of h, and δ is at least u^⅔ of the state's size:
4e-11 of it in float64, 2e-5 in float32. A difference below √u ‖J‖ counts as rounding.

At a kink the derivative's convention picks one side (of `relu` at 0: the lower one), and the eigenvalues are those of that
side. Nothing follows from them for small disturbances, so the verdict is UNDETERMINED.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .directions import directions


def jumps(
    jacobian: Callable[[Array], Array],
    h: Float[Array, " N"],
    radius: Float[Array, ""] | float = 0.0,
    size: Float[Array, ""] | float = 0.0,
) -> Bool[Array, ""]:
    """Returns whether a Jacobian (N, N) jumps at a state h that is known to within `radius`. `size` is that of a typical
    state of the system, if `h` may be much smaller. At a zero `h` without a size only a kink exactly there is seen."""
    kind = jnp.finfo(h.dtype)
    u, least = float(kind.eps), float(kind.tiny) ** 0.5
    delta = 16 * radius + u ** (2 / 3) * jnp.maximum(size + jnp.linalg.norm(h), least)
    v = directions(4, h.shape[0], h.dtype, 0)[None]
    v = v / jnp.max(jnp.abs(v), axis=2, keepdims=True)
    offsets = delta * jnp.array([-1, 1, -1 / 8, 1 / 8], h.dtype)[:, None, None] * v
    around = jax.lax.map(jax.vmap(lambda offset: jacobian(h + offset)), offsets)
    far, near = jnp.linalg.norm(around[1::2] - around[::2], axis=(2, 3))
    largest = jnp.max(jnp.linalg.norm(around, axis=(2, 3)))
    return jnp.any((near > far / 2) & (near > u**0.5 * largest))
