"""Guesses for the search for fixed points."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .._base.checks import as_number, as_numbers, check_count, check_finite, check_key


def draw_guesses(key: PRNGKeyArray, n: int, states: PyTree, spread: float = 0.0) -> Float[Array, "n N"]:
    """Guesses for `fixed_points`: states chosen at random, with replacement, each moved by Gaussian noise.

    **Arguments:**

    - `key`: a random key.
    - `n`: how many guesses.
    - `states`: those of a run (T, N), `ro.iterate(…).states`: an array or a pytree of arrays of two axes each. One row of
      zeros gives guesses near the origin.
    - `spread`: standard deviation of the noise, in units of the state. Default 0.

    **Returns:** flat rows (n, N).

    **Raises:** `ValueError` for states of three axes or more (flatten a batch of runs first), that are not finite or have no
    rows, for n < 1 and for a negative spread.

    ```python
    >>> import jax, jax.numpy as jnp, rnn_ode as ro
    >>> ro.draw_guesses(jax.random.key(0), 5, jnp.zeros((1, 3)), spread=1.0).shape
    (5, 3)

    ```
    """
    check_count("n", n)
    spread = as_number("spread", spread)
    check_key(key)
    if not 0 <= spread < float("inf"):
        raise ValueError(f"spread must be a finite number of at least 0; got {spread}.")
    shapes = [np.shape(leaf) for leaf in jax.tree.leaves(_as_arrays("states", states))]
    if any(len(shape) > 2 for shape in shapes):
        raise ValueError(
            f"states must be rows (T, N), one state each; got {', '.join(map(str, shapes))}. Flatten a batch of runs with "
            "states.reshape(-1, states.shape[-1]), and states of several axes with states.reshape(len(states), -1)."
        )
    return _drawn(key, n, as_rows("states", states), spread)


@partial(jax.jit, static_argnums=1)
def _drawn(key: PRNGKeyArray, n: int, rows: Float[Array, "T N"], spread: ArrayLike) -> Float[Array, "n N"]:
    which, noise = jax.random.split(key)
    chosen = rows[jax.random.randint(which, (n,), 0, rows.shape[0])]
    return chosen + spread * jax.random.normal(noise, chosen.shape, chosen.dtype)


def _as_arrays(name: str, states: PyTree) -> PyTree:
    """The states with arrays for lists and numbers."""
    return jax.tree.map(partial(as_numbers, name), states, is_leaf=lambda leaf: isinstance(leaf, list))


def as_rows(name: str, states: PyTree) -> Float[Array, "n N"]:
    """Returns a pytree of states with a leading axis as flat rows, after checks."""
    states = _as_arrays(name, states)
    leaves = jax.tree.leaves(states)
    shapes = ", ".join(str(leaf.shape) for leaf in leaves)
    if not leaves or any(leaf.ndim < 2 or leaf.shape[0] != leaves[0].shape[0] for leaf in leaves):
        raise ValueError(
            f"{name} must be flat states (n, N), or a pytree of states with a leading axis of n; got {shapes}."
        )
    if leaves[0].shape[0] == 0 or not any(leaf.size for leaf in leaves):
        raise ValueError(f"{name} must have at least one row and one column; got {shapes}.")
    for leaf in leaves:
        check_finite(name, leaf)
    rows = jax.vmap(lambda state: ravel_pytree(state)[0])(states)
    if jnp.iscomplexobj(rows):
        raise TypeError(f"{name} must hold real numbers; got {rows.dtype}.")
    return rows if jnp.issubdtype(rows.dtype, jnp.floating) else rows.astype(jnp.result_type(float))
