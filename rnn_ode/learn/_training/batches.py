"""What a training learns from, step by step, so that step k is given the same batch whenever and wherever it is run."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray, PyTree

from ..._base.checks import check_count


class Minibatches(eqx.Module):
    """Batches of `size` rows of arrays that are in memory: every epoch in another order, given by the key of the training.

    **Arguments:** `data` a pytree of arrays with one leading axis of n rows; `size` rows per batch, n at most. What an epoch
    of n // size batches leaves over is left out of it, other rows each time. **Raises:** `ValueError` for rows that do not
    match and sizes that do not fit.

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
        self.data = jax.tree.map(jnp.asarray, data)
        self.size = size

    def __check_init__(self):
        check_count("size", self.size)
        shapes = [leaf.shape for leaf in jax.tree.leaves(self.data)]
        if not shapes or not all(shape[:1] == shapes[0][:1] != () for shape in shapes):
            raise ValueError(f"data must be arrays with one leading axis of equally many rows; got shapes {shapes}.")
        if self.size > self.rows:
            raise ValueError(f"size must be at most the number of rows, {self.rows}; got {self.size}.")

    @property
    def rows(self) -> int:
        """n, how many rows there are."""
        return jax.tree.leaves(self.data)[0].shape[0]

    @property
    def epoch(self) -> int:
        """How many batches make an epoch."""
        return self.rows // self.size

    def at(self, step: Int[Array, ""] | int, key: PRNGKeyArray) -> PyTree[Array]:
        """The batch of a step: rows (size, …) of every array."""
        order = jax.random.permutation(jax.random.fold_in(key, step // self.epoch), self.rows)
        chosen = jax.lax.dynamic_slice_in_dim(order, step % self.epoch * self.size, self.size)
        return jax.tree.map(lambda leaf: leaf[chosen], self.data)


class Drawn(eqx.Module):
    """Batches that a function draws from a key, another key every step."""

    draw: Callable[[PRNGKeyArray], PyTree]

    def at(self, step, key: PRNGKeyArray) -> PyTree:
        return self.draw(jax.random.fold_in(key, step))


class Given(eqx.Module):
    """A batch that is there already."""

    batch: PyTree

    def at(self, step, key) -> PyTree:
        return self.batch


def sources(batches: Any, start: int) -> Iterator[Minibatches | Drawn | Given]:
    """What gives the batch of step `start`, of the next one, and so on; an end means that there are no more."""
    if isinstance(batches, Minibatches) or callable(batches):
        return _repeat(batches if isinstance(batches, Minibatches) else Drawn(batches))
    if isinstance(batches, Iterable) and not isinstance(batches, str | bytes | dict | jax.Array | np.ndarray):
        return _listed(batches, start)
    raise TypeError(
        "batches must be a function of a key, batches(key) -> batch, a Minibatches(data, size), or an iterable of batches; "
        f"got {type(batches).__name__}. For one batch at every step write [batch]."
    )


def _repeat(source: Any) -> Iterator[Any]:
    while True:
        yield source


def _listed(batches: Iterable, start: int) -> Iterator[Given]:
    """The items from `start` on, from the first again after the last where the iterable can be begun again."""
    k, ended = 0, -1
    while ended < k:
        ended = k
        for batch in batches:
            k += 1
            if k > start:
                yield Given(jax.tree.map(jnp.asarray, batch))
        if ended == k:
            return
