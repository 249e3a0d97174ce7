"""The noise of a run: normal numbers, drawn in blocks of steps.

Drawing step by step is slow, and all steps at once takes as much memory as all states. A block belongs to the key and to its
number alone. So a run has the same noise however it is cut into pieces for its gradient, and a shorter run that of a longer
one.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray

from .._base.checks import as_floats, brief, is_concrete
from .._base.types import State

BLOCK = 256  # steps whose normal numbers are drawn at a time


class Noise(eqx.Module):
    """σ ξ with independent standard normal ξ. `spread` is σ: a number, one for each number of a state (N,), or a matrix (N,
    M) for ξ of M numbers."""

    spread: Float[Array, "..."]
    key: PRNGKeyArray

    @classmethod
    def of(cls, noise: Any, key: Any, h0: State) -> "Noise | None":
        """Return the arguments `noise` and `key` of a run that starts at h0, or `None` if there is no noise; `TypeError` or
        `ValueError` for wrong ones."""
        if noise is None and key is None:
            return None
        if key is None:
            raise TypeError("noise needs a key from which it is drawn: give key=jax.random.key(0).")
        if noise is None:
            raise TypeError(
                "key is what noise is drawn from, and there is no noise: give noise=, a standard deviation."
            )
        return cls(as_spread("noise", noise, h0), as_key(key))

    def steps(self, first: Array | int, count: int, h: State, length: int = BLOCK) -> State:
        """Return what is added to the states h in `count` steps, a pytree of (count, …). The first of them begins block
        number `first`; blocks have that `length`."""
        flat, unravel = ravel_pytree(h)
        blocks = first + jnp.arange(-(-count // length))
        size = flat.shape[0] if self.spread.ndim < 2 else self.spread.shape[1]

        def draw(block):
            return jax.random.normal(jax.random.fold_in(self.key, block), (length, size), flat.dtype)

        normals = (draw(blocks[0]) if len(blocks) == 1 else jax.lax.map(draw, blocks).reshape(-1, size))[:count]
        spread = self.spread.astype(flat.dtype)
        if spread.ndim == 2:
            rows = jnp.matmul(normals, spread.T, precision="highest")
        else:
            rows = normals * jnp.broadcast_to(spread, normals.shape)
        return jax.vmap(unravel)(rows)


def as_spread(name: str, noise: Any, h: State) -> Float[Array, "..."]:
    """Return the argument `noise`, for a state like h, as an array; `TypeError` or `ValueError` for a wrong one."""
    spread = as_floats(name, noise)
    if any(jnp.issubdtype(jnp.result_type(leaf), jnp.complexfloating) for leaf in jax.tree.leaves(h)):
        raise TypeError(
            f"{name} is for real states; the state is complex. Give its real and imaginary part as two arrays."
        )
    size = sum(jnp.size(leaf) for leaf in jax.tree.leaves(h))
    if spread.ndim > 2 or spread.shape[:1] not in ((), (size,)):
        raise ValueError(
            f"{name} must be a standard deviation σ: a number, one for each number of the state ({size},), or a matrix "
            f"({size}, M) for the covariance σ σᵀ; got shape {spread.shape}."
        )
    if spread.ndim < 2 and is_concrete(spread) and np.any(np.asarray(spread) < 0):
        raise ValueError(f"{name} must be a standard deviation, at least 0; got {np.asarray(spread).min():g}.")
    return spread


def covariance_of(spread: Float[Array, "..."], like: Float[Array, "N N"]) -> Float[Array, "N N"]:
    """Return σ σᵀ in the type and shape of a matrix."""
    spread = spread.astype(like.dtype)
    if spread.ndim == 2:
        return jnp.matmul(spread, spread.T, precision="highest")
    return jnp.diag(jnp.broadcast_to(spread, like.shape[:1]) ** 2)


def as_key(key: Any) -> PRNGKeyArray:
    """Return one key of JAX's random numbers, of the new or the old kind; `TypeError` for anything else."""
    kind = getattr(key, "dtype", None)
    new = kind is not None and jnp.issubdtype(kind, jax.dtypes.prng_key) and key.shape == ()
    old = kind is not None and kind == jnp.uint32 and key.ndim == 1
    if not (new or old):
        raise TypeError(
            f"key must be one key, such as jax.random.key(0); got {brief(key)}. For a batch of keys use jax.vmap."
        )
    return key
