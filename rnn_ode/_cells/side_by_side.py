"""Copies of a cell side by side, each on its own channel."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._base.types import Cell, State
from .base import AbstractCell
from .protocol import gain_of, hoisted, initial_state, output_of


class SideBySideCell(AbstractCell):
    """Copies of a cell, of which the k-th reads the k-th input and all inputs behind the first `copies`.

    The state has the copies along its first axis. The output is that of the copies one after the other.

    **Fields:**

    - `cell`: takes one input and the `shared` ones.
    - `copies`: their number.
    - `shared`: the number of inputs that every copy reads.
    """

    cell: Cell
    copies: int = eqx.field(static=True)
    shared: int = eqx.field(static=True, default=0)

    @property
    def input_size(self) -> int:
        return self.copies + self.shared

    @property
    def hidden_size(self) -> int:
        return self.copies * self.cell.hidden_size  # pyright: ignore[reportAttributeAccessIssue]

    def initial_state(self) -> State:
        return jax.tree.map(lambda leaf: jnp.tile(leaf, (self.copies, *[1] * leaf.ndim)), initial_state(self.cell))

    def output(self, h: State) -> Array:
        return jax.vmap(lambda state: output_of(self.cell, state))(h).reshape(-1)

    def drive(self, x: Float[Array, " D"]) -> Any:
        return self._each(hoisted(self.cell)[0], x)

    def step(self, drive: Any, h: State) -> State:
        return jax.vmap(hoisted(self.cell)[1])(drive, h)

    def __call__(self, x: Float[Array, " D"], h: State) -> State:
        return self.step(self.drive(x), h)

    @property
    def gain(self) -> Float[Array, ""]:
        return gain_of(self.cell)

    def _each(self, function: Callable, x: Float[Array, " D"]) -> Any:
        shared = jnp.broadcast_to(x[self.copies :], (self.copies, self.shared))
        return jax.vmap(function)(jnp.concatenate([x[: self.copies, None], shared], axis=1))
