"""Random directions, the same ones in every call."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def directions(count: int, size: int, dtype: np.dtype, seed: int) -> Float[Array, "K N"]:
    """Returns vectors of independent normal numbers in rows. They are drawn while Python runs: a compiled generator of random
    numbers would be a large part of a small program."""
    return jnp.asarray(np.random.default_rng(seed).standard_normal((count, size)), dtype)
