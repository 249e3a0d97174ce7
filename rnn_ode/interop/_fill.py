"""Arrays of others as the weights of Equinox's layers."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from .._base.checks import from_host
from .._files.arrays import as_host_floats


def as_weights(name: str, value: Any) -> np.ndarray:
    """`value` as an array of finite floats that JAX can hold. `name` begins the text of a `ValueError`.

    JAX makes float64 into float32 unless `jax_enable_x64` is set; numbers beyond float32 are then refused.
    """
    array = as_host_floats(name, value)
    kind = jax.dtypes.canonicalize_dtype(array.dtype)
    largest = array.flat[np.argmax(np.abs(array))]
    if abs(largest) > jnp.finfo(kind).max:
        raise ValueError(f"{name}: numbers of {kind} are wanted (jax_enable_x64 is for larger ones); got {largest}.")
    return array


def filled(cls: type, *sizes: int, **arrays: np.ndarray) -> Any:
    """The Equinox layer `cls(*sizes)` with these arrays as its weights, and without a bias unless there is one."""

    def make(key: jax.Array) -> Any:
        return cls(*sizes, use_bias="bias" in arrays, key=key)

    layer = eqx.filter_eval_shape(make, jr.PRNGKey(0))  # draws no random weights, which would be replaced
    weights = [from_host(np.asarray(array)) for array in arrays.values()]
    return eqx.tree_at(lambda it: [getattr(it, name) for name in arrays], layer, weights)
