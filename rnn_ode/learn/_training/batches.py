"""Batches of a training. The batch of step k is the same whenever and wherever step k is run."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray, PyTree

from ..._base.checks import brief, check_count, check_index, check_key


class Minibatches(eqx.Module):
    """Batches of rows of arrays that are in memory, in a new order every epoch.

    The training's key decides the orders. An epoch has n // size batches; the rows that are left over are skipped, and they
    are other rows in every epoch.

    **Arguments:**

    - `data`: a pytree of arrays, each with n rows along its first axis.
    - `size`: rows per batch, at most n.

    **Raises:** `ValueError` for arrays with unequal numbers of rows and for a size that does not fit.

    ```python
    >>> import jax, jax.numpy as jnp
    >>> from rnn_ode import learn
    >>> batches = learn.Minibatches((jnp.arange(6), jnp.arange(6.0)), size=2)
    >>> epoch = [batches.at(step, jax.random.key(0))[0] for step in range(batches.epoch)]
    >>> sorted(jnp.concatenate(epoch).tolist())
    [0, 1, 2, 3, 4, 5]

    ```
    """

    data: PyTree[Array]
    size: int = eqx.field(static=True)

    def __init__(self, data: PyTree, size: int):
        self.data = as_arrays("data", data)
        self.size = size

    def __check_init__(self):
        check_count("size", self.size)
        shapes = [leaf.shape for leaf in jax.tree.leaves(self.data)]
        if not shapes or not all(shape[:1] == shapes[0][:1] != () for shape in shapes):
            raise ValueError(f"data must be arrays with one leading axis of equally many rows; got shapes {shapes}.")
        if self.size > self.rows:
            raise ValueError(f"size must be at most the number of rows of data, {self.rows}; got {self.size}.")

    @property
    def rows(self) -> int:
        """n, the number of rows."""
        return jax.tree.leaves(self.data)[0].shape[0]

    @property
    def epoch(self) -> int:
        """The number of batches in an epoch."""
        return self.rows // self.size

    def at(self, step: Int[Array, ""] | int, key: PRNGKeyArray) -> PyTree[Array]:
        """The batch of a step, from 0 on: rows (size, …) of every array."""
        check_index("step", step, 0, 2**31 - 1)
        check_key(key)
        order = jax.random.permutation(jax.random.fold_in(key, step // self.epoch), self.rows)
        chosen = jax.lax.dynamic_slice_in_dim(order, step % self.epoch * self.size, self.size)
        return jax.tree.map(lambda leaf: leaf[chosen], self.data)


def as_arrays(name: str, tree: Any) -> PyTree[Array]:
    """A pytree of JAX's arrays, which may be random keys; `TypeError` for other leaves."""
    try:
        return jax.tree.map(jnp.asarray, tree)
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(f"{name} must be arrays, or a tree of them; got {brief(tree)}: {brief(error)}") from None


class Drawn(eqx.Module):
    """Batches that a function draws from a key, a new key every step."""

    draw: Callable[[PRNGKeyArray], PyTree]

    def at(self, step: Int[Array, ""] | int, key: PRNGKeyArray) -> PyTree:
        return self.draw(jax.random.fold_in(key, step))


class Given(eqx.Module):
    """A batch that the user's iterable gave."""

    batch: PyTree

    def at(self, step: Int[Array, ""] | int, key: PRNGKeyArray) -> PyTree:
        return self.batch


BatchSource = Minibatches | Drawn | Given


def check_batches(batches: Any) -> None:
    """`TypeError` for the arrays of one batch in the place of batches: a tuple of them, or a list of several ranks."""
    arrays = isinstance(batches, list | tuple) and all(hasattr(one, "shape") for one in batches)
    if not arrays or len(batches) < 2:
        return
    if isinstance(batches, tuple) or len({len(one.shape) for one in batches}) > 1:
        shapes = ", ".join(str(tuple(one.shape)) for one in batches)
        raise TypeError(
            f"batches must be several batches; got a {type(batches).__name__} of arrays with shapes {shapes}, each of which "
            "would be a batch. For one batch give [batch], or Minibatches(data, size) for some of its rows a step; write "
            "batches of one array as a list."
        )


def batch_sources(batches: Any, start: int) -> Iterator[BatchSource]:
    """Yield the source of the batch of step `start`, of the next step and so on; it ends if the batches do."""
    if isinstance(batches, Minibatches) or callable(batches):
        return _repeated(batches if isinstance(batches, Minibatches) else Drawn(batches))
    if isinstance(batches, Iterable) and not isinstance(batches, str | bytes | dict | jax.Array | np.ndarray):
        return _listed(batches, start)
    raise TypeError(
        "batches must be a function of a key, batches(key) -> batch, a Minibatches(data, size), or an iterable of batches; "
        f"got {type(batches).__name__}. For one batch at every step write [batch]."
    )


def _repeated(source: BatchSource) -> Iterator[BatchSource]:
    while True:
        yield source


def _listed(batches: Iterable, start: int) -> Iterator[BatchSource]:
    """The items from number `start` on. After the last item the iterable begins again, if it can."""
    count, at_last_end = 0, -1
    while at_last_end < count:  # a pass that gives nothing is the end
        at_last_end = count
        for batch in batches:
            count += 1
            if count > start:
                yield Given(as_arrays(f"batches[{count - 1}]", batch))
