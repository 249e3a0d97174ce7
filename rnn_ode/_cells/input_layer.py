"""A cell behind a layer that does not know the state."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from .._base.types import Cell, State
from .base import AbstractCell
from .protocol import gain_of, hoisted, initial_state, linear_part, output_of, recurrence
from .recurrence import Recurrence


class InputLayerCell(AbstractCell):
    """h' = cell(layer(x), h): the input goes through a layer first.

    **Fields:**

    - `layer`: maps an input (D,) to what the cell takes.
    - `cell`: any cell.
    - `input_size`: D.
    """

    layer: Callable[[Array], Array]
    cell: Cell
    input_size: int = eqx.field(static=True)

    @property
    def hidden_size(self) -> int:
        return self.cell.hidden_size  # pyright: ignore[reportAttributeAccessIssue]

    def initial_state(self) -> State:
        return initial_state(self.cell)

    def output(self, h: State) -> Array:
        return output_of(self.cell, h)

    def __call__(self, x: Float[Array, " D"], h: State) -> State:
        return self.cell(self.layer(x), h)

    def drive(self, x: Float[Array, " D"]) -> Any:
        return hoisted(self.cell)[0](self.layer(x))

    def step(self, drive: Any, h: State) -> State:
        return hoisted(self.cell)[1](drive, h)

    @property
    def recurrence(self) -> Recurrence | None:
        apart = recurrence(self.cell)
        return None if apart is None else apart._replace(drive=lambda x: apart.drive(self.layer(x)))

    @property
    def linear_part(self) -> Float[Array, "N N"] | None:
        found = linear_part(self.cell)
        return None if found is None else found[0]

    @property
    def linear_part_name(self) -> str | None:
        found = linear_part(self.cell)
        return None if found is None else found[1]

    @property
    def gain(self) -> Float[Array, ""]:
        return gain_of(self.cell)
