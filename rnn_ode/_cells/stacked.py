"""Cells on top of each other, as one cell."""

import itertools
from collections.abc import Iterable, Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Array

from .._base.callables import check_cell
from .._base.checks import brief
from .._base.protocol import input_width
from .._base.types import Cell
from .protocol import initial_state, output_of, output_shape


class StackedCell(eqx.Module):
    """Several cells as one: each layer's input is the output of the layer below, at the same step.

    **Arguments:**

    - `cells`: the layers, the bottom one first.

    The state is the tuple of their states. The output of a layer is its state, h of an LSTM's (h, c), or what the cell's own
    `output(h)` returns. This class has that method, so a stack can be a layer too.

    **Raises:** `TypeError` for a cell that is not callable; `ValueError` without cells, and where a layer's output does not
    fit the layer above, if both sizes are known.

    ```python
    >>> import jax, jax.numpy as jnp, equinox as eqx, rnn_ode as ro
    >>> lower, upper = eqx.nn.LSTMCell(2, 4, key=jax.random.key(0)), eqx.nn.GRUCell(4, 3, key=jax.random.key(1))
    >>> cell = ro.StackedCell([lower, upper])
    >>> (h, c), top = ro.iterate(cell, jnp.ones((5, 2))).states
    >>> h.shape, c.shape, top.shape
    ((6, 4), (6, 4), (6, 3))

    ```
    """

    cells: tuple[Cell, ...]

    def __init__(self, cells: Sequence[Cell]):
        if not isinstance(cells, Iterable):
            raise TypeError(f"cells must be a list of cells; got {brief(cells)}.")
        self.cells = tuple(cells)

    def __check_init__(self):
        if not self.cells:
            raise ValueError("cells must hold at least one cell; it is empty.")
        for k, cell in enumerate(self.cells):
            check_cell(f"cells[{k}]", cell)
        for k, (below, above) in enumerate(itertools.pairwise(self.cells)):
            given, wanted = output_shape(below), input_width(above)
            if None not in (given, wanted) and given != (wanted,):
                raise ValueError(
                    f"cells[{k + 1}] takes inputs ({wanted},), but the layer below it, cells[{k}], gives outputs {given}."
                )

    @property
    def input_size(self) -> int:
        """The input size of the bottom layer, if it has one."""
        return self.cells[0].input_size  # pyright: ignore[reportAttributeAccessIssue]

    def initial_state(self) -> tuple:
        return tuple(initial_state(cell) for cell in self.cells)

    def output(self, h: tuple) -> Array | np.ndarray:
        """The top layer's output."""
        return output_of(self.cells[-1], h[-1])

    def __call__(self, x: Array, h: tuple) -> tuple:
        states = []
        for cell, state in zip(self.cells, h, strict=True):
            states.append(cell(x, state))
            x = output_of(cell, states[-1])
        return tuple(states)


def layers_of(cell: Cell) -> tuple[Cell, ...] | None:
    """The layers of a stack, the bottom one first; `None` for other cells, and for subclasses, whose step may be another."""
    return cell.cells if type(cell) is StackedCell else None
