"""Several models of the same kind, trained at once as one model."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, PRNGKeyArray, PyTree

from ..._base.checks import brief, check_callable, check_count, check_index, check_key


class Ensemble(eqx.Module):
    """Several models of the same kind as one model, whose outputs have a leading axis of members.

    If the loss is a mean over that axis, each member is trained as if it were alone, except that its gradient is divided by
    the number of members. Adam does not depend on that factor; with other optimisers multiply the rate by the number.

    **Arguments:**

    - `make`: `make(key)` returns a model. The models may differ in their arrays only.
    - `members`: the number of models.
    - `key`: the key from which each model's key is split.

    `ensemble.member(i)` is one of the models.

    **Raises:** `ValueError` for less than one member.

    ```python
    >>> import jax, jax.numpy as jnp, equinox as eqx
    >>> from rnn_ode import learn
    >>> ensemble = learn.Ensemble(lambda key: eqx.nn.Linear(2, 3, key=key), 4, key=jax.random.key(0))
    >>> outputs = ensemble(jnp.ones(2))
    >>> outputs.shape, bool(jnp.allclose(outputs[1], ensemble.member(1)(jnp.ones(2))))
    ((4, 3), True)

    ```
    """

    stacked: PyTree
    members: int = eqx.field(static=True)

    def __init__(self, make: Callable[[PRNGKeyArray], Any], members: int, *, key: PRNGKeyArray):
        check_callable("make", make, "make(key)")
        check_count("members", members)
        check_key(key)
        self.members = members
        self.stacked = _made(make, jax.random.split(key, members))

    def __call__(self, *inputs: Any) -> Array:
        return eqx.filter_vmap(lambda model: model(*inputs))(self.stacked)

    def member(self, i: int) -> Any:
        """The i-th model, counted from 0 or, with a negative i, from the end."""
        check_index("i", i, -self.members, self.members - 1)
        return jax.tree.map(lambda leaf: leaf[i] if eqx.is_array(leaf) else leaf, self.stacked)


def _made(make: Callable[[PRNGKeyArray], Any], keys: PRNGKeyArray) -> PyTree:
    """The models of these keys in one. `TypeError` where `make` cannot run under `vmap`, or makes no numbers."""
    try:
        stacked = eqx.filter_vmap(make)(keys)
    except TypeError as error:
        raise TypeError(f"make must return a model for a key: {brief(error)}") from error
    arrays = jax.tree.leaves(eqx.filter(stacked, eqx.is_inexact_array))
    if not arrays:
        raise ValueError("make must return a model with floating arrays; it has none.")
    return stacked
