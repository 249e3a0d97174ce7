"""Cells as one matrix product between two functions.

A run can then compute the input's part of many steps at once, and the gradient of the weight in one product after the run.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact

from .._base.types import State


class Recurrence(NamedTuple):
    """cell(x, h) = combine(drive(x) + place(weight @ read(h)), h).

    `weight` (M, K) is multiplied by `read(h)` (K,). `place` puts the product (M,) where it belongs in the drive.
    """

    drive: Callable[[Array], Array]
    weight: Inexact[Array, "M K"]
    combine: Callable[[Array, State], State]
    read: Callable[[State], Array] = lambda h: h
    place: Callable[[Array], Array] = lambda given: given

    @property
    def absorbing(self) -> bool:
        """Whether a run that has left the finite states is known never to come back to them."""
        return isinstance(self.combine, Absorbing)

    def step(self, drive: Array, h: State) -> State:
        return self.combine(drive + self.place(self.weight @ self.read(h)), h)


class Absorbing(NamedTuple):
    """A `combine` with which a run of real states that has left the finite ones never comes back to them. A unit that is not
    finite makes the whole product with the weight infinite or NaN."""

    combine: Callable[[Array, State], State]

    def __call__(self, z: Array, h: State) -> State:
        return self.combine(z, h)


def of_equinox(cell: Any) -> Recurrence | None:
    """An LSTM or GRU cell of Equinox taken apart; `None` for others, and for subclasses, whose step may be another one.

    A gate is σ(z) = ½ tanh(z/2) + ½. Its rows of the weights are halved here, once for all steps, so that one tanh serves all
    gates: XLA computes it several times faster than the logistic function. Halving is exact.
    """
    if type(cell) is eqx.nn.LSTMCell:
        weight, drive = _halved(cell, (0.5, 0.5, 1.0, 0.5))
        return Recurrence(drive, weight, Absorbing(_long_short), read=lambda h: h[0])
    if type(cell) is eqx.nn.GRUCell:
        # the reset gate scales the recurrent part of n and its bias but not the input's part, so the two stay separate
        weight, drive = _halved(cell, (0.5, 0.5, 1.0))
        inner = jnp.zeros(cell.hidden_size, cell.weight_hh.dtype) if cell.bias_n is None else cell.bias_n
        return Recurrence(lambda x: jnp.concatenate([drive(x), inner]), weight, Absorbing(_gated), place=_beside)
    return None


def _halved(cell: Any, factors: tuple[float, ...]) -> tuple[Array, Callable[[Array], Array]]:
    """The recurrent weights and the drive of a cell, with the rows of each block multiplied by its factor."""
    scale = np.repeat(np.asarray(factors, cell.weight_hh.dtype), cell.hidden_size)
    weight, bias = scale[:, None] * cell.weight_ih, None if cell.bias is None else scale * cell.bias
    return scale[:, None] * cell.weight_hh, lambda x: weight @ x if bias is None else weight @ x + bias


def _beside(given: Array) -> Array:
    reset, update, recurrent = jnp.split(given, 3)
    return jnp.concatenate([reset, update, jnp.zeros_like(recurrent), recurrent])


def _long_short(z: Array, state: State) -> State:
    """`eqx.nn.LSTMCell` (Hochreiter & Schmidhuber 1997), of rows halved by `_halved`."""
    i, f, g, o = jnp.split(jnp.tanh(z), 4)
    c = (0.5 * f + 0.5) * state[1] + (0.5 * i + 0.5) * g
    return (0.5 * o + 0.5) * jnp.tanh(c), c


def _gated(z: Array, h: Array) -> Array:
    """`eqx.nn.GRUCell` (Cho et al. 2014), of rows halved by `_halved`."""
    gates, driven, recurrent = jnp.split(z, (2 * h.shape[0], 3 * h.shape[0]))
    reset, update = jnp.split(0.5 * jnp.tanh(gates) + 0.5, 2)
    n = jnp.tanh(driven + reset * recurrent)
    return n + update * (h - n)
