"""Cells as one matrix product between two functions.

A run can then compute the input's part of many steps at once, and the gradient of the weight in one product after the run.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
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

    def step(self, drive: Array, h: State) -> State:
        return self.combine(drive + self.place(self.weight @ self.read(h)), h)


def of_equinox(cell: Any) -> Recurrence | None:
    """An LSTM or GRU cell of Equinox taken apart; `None` for others, and for subclasses, whose step may be another one."""
    if type(cell) is eqx.nn.LSTMCell:
        return Recurrence(lambda x: _affine(cell, x), cell.weight_hh, _long_short, read=lambda h: h[0])
    if type(cell) is eqx.nn.GRUCell:
        # the reset gate scales the recurrent part of n and its bias but not the input's part, so the two stay separate
        inner = jnp.zeros(cell.hidden_size, cell.weight_hh.dtype) if cell.bias_n is None else cell.bias_n
        return Recurrence(
            lambda x: jnp.concatenate([_affine(cell, x), inner]),
            cell.weight_hh,
            _gated,
            place=_beside,
        )
    return None


def _affine(cell: Any, x: Array) -> Array:
    driven = cell.weight_ih @ x
    return driven if cell.bias is None else driven + cell.bias


def _beside(given: Array) -> Array:
    reset, update, recurrent = jnp.split(given, 3)
    return jnp.concatenate([reset, update, jnp.zeros_like(recurrent), recurrent])


def _long_short(z: Array, state: State) -> State:
    """`eqx.nn.LSTMCell` (Hochreiter & Schmidhuber 1997)."""
    i, f, g, o = jnp.split(z, 4)
    c = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def _gated(z: Array, h: Array) -> Array:
    """`eqx.nn.GRUCell` (Cho et al. 2014)."""
    reset, update, driven, recurrent = jnp.split(z, 4)
    n = jnp.tanh(driven + jax.nn.sigmoid(reset) * recurrent)
    return n + jax.nn.sigmoid(update) * (h - n)
