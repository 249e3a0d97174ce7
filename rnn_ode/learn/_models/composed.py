"""Runners made of runners: in both directions, and one on top of another."""

from collections.abc import Iterable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Real

from ..._base.checks import brief
from .base import AbstractRunner, Length, as_samples, check_runner


class Bidirectional(AbstractRunner):
    """Runs one runner forward over a sequence and another one backward (Schuster & Paliwal 1997).

    The output (2 H,) is the output of the forward runner followed by that of the backward one. Every output depends on the
    whole sequence, so it cannot forecast what comes after a sample.

    **Arguments:**

    - `forward`: a runner.
    - `backward`: a runner, which reads the sequence from its end to its start.

    ```python
    >>> import jax, jax.numpy as jnp, equinox as eqx
    >>> from rnn_ode import learn
    >>> there, back = (learn.Iterated(eqx.nn.GRUCell(2, 3, key=jax.random.key(k))) for k in range(2))
    >>> learn.Bidirectional(there, back).outputs(jnp.ones((5, 2)), length=4).shape
    (5, 6)

    ```
    """

    forward: AbstractRunner
    backward: AbstractRunner

    def __check_init__(self):
        check_runner("forward", self.forward)
        check_runner("backward", self.backward)

    def outputs(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> Float[Array, "T H"]:
        behind = _reversed(self.backward.offline(_reversed(xs, length), length), length)
        return jnp.concatenate([self.forward.offline(xs, length), behind], axis=1)

    def last(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> Float[Array, " H"]:
        return jnp.concatenate([self.forward.last(xs, length), self.backward.last(_reversed(xs, length), length)])


class Stacked(AbstractRunner):
    """Runs runners on top of each other, each on the outputs of the one below.

    (`rnn_ode.StackedCell` makes one network of several networks.)

    **Arguments:**

    - `layers`: the runners, the lowest first; at least one.

    **Raises:** `ValueError` for no layers.

    ```python
    >>> import jax, jax.numpy as jnp, equinox as eqx
    >>> from rnn_ode import learn
    >>> below, above = eqx.nn.GRUCell(2, 3, key=jax.random.key(0)), eqx.nn.GRUCell(3, 4, key=jax.random.key(1))
    >>> learn.Stacked([learn.Iterated(below), learn.Iterated(above)]).last(jnp.ones((5, 2))).shape
    (4,)

    ```
    """

    layers: tuple[AbstractRunner, ...]

    def __init__(self, layers: Iterable[AbstractRunner]):
        if not isinstance(layers, Iterable):
            raise TypeError(f"layers must be a list of runners; got {brief(layers)}.")
        self.layers = tuple(layers)
        if not self.layers:
            raise ValueError("layers must hold at least one runner; it is empty.")
        for i, layer in enumerate(self.layers):
            check_runner(f"layers[{i}]", layer)

    def outputs(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> Float[Array, "T H"]:
        outputs = as_samples(xs)
        for layer in self.layers:
            outputs = layer.outputs(outputs, length)
        return outputs

    def offline(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> Float[Array, "T H"]:
        outputs = as_samples(xs)
        for layer in self.layers:
            outputs = layer.offline(outputs, length)
        return outputs

    def last(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> Float[Array, " H"]:
        for layer in self.layers[:-1]:
            xs = layer.offline(xs, length)
        return self.layers[-1].last(xs, length)


def _reversed(xs: Real[Array | np.ndarray, "T D"], length: Length) -> Float[Array, "T D"]:
    """The samples that count, in reverse order; the padding becomes the last of them, which was the first sample."""
    xs = as_samples(xs, length)
    last = xs.shape[0] if length is None else length
    return xs[jnp.maximum(last - 1 - jnp.arange(xs.shape[0]), 0)]
