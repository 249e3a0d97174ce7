"""One answer for a whole batch, so that a branch or a loop that asks for it stays one under `vmap`.

`vmap` turns a `cond` whose flag differs from member to member into a choice that computes both branches, and a `while_loop`
into one that chooses between the old and the new values of each member in every iteration."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool


@jax.custom_batching.custom_vmap
def all_in_batch(flag: Bool[Array, ""]) -> Bool[Array, ""]:
    """Return whether the flag holds; under `vmap`, whether it holds for the whole batch, as one flag."""
    return flag


@all_in_batch.def_vmap
def _all_in_batch(size, batched, flag):
    return all_in_batch(jnp.all(flag)), False


@jax.custom_batching.custom_vmap
def largest_in_batch(number: Array) -> Array:
    """Return the number; under `vmap`, the largest of the batch, as one number."""
    return number


@largest_in_batch.def_vmap
def _largest_in_batch(size, batched, number):
    return largest_in_batch(jnp.max(number)), False
