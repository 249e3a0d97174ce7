"""What every cell of ours has, and what is asked of any cell."""

import abc
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._base.checks import as_floats, check_finite
from .recurrence import Recurrence, of_equinox


class Pieces(NamedTuple):
    """A network that is linear between kinks, under a constant input: z' = A z + W relu(z) + c, in float64 on the host.

    `A`, `W` (N, N); `c` (N,). The network's state is z, or relu(z) where `rectified`.
    """

    A: np.ndarray
    W: np.ndarray
    c: np.ndarray
    rectified: bool


class AbstractCell(eqx.Module):
    """A cell whose input enters through a *drive*, which needs no state and so can be computed for all steps at once.

    Subclasses give their `recurrence`; `cell(x, h)` is `step(drive(x), h)`.
    """

    W_x: eqx.AbstractVar[Float[Array, "N D"]]
    b: eqx.AbstractVar[Float[Array, " N"]]

    @property
    def input_size(self) -> int:
        return self.W_x.shape[1]

    @property
    def hidden_size(self) -> int:
        return self.W_x.shape[0]

    def initial_state(self) -> Float[Array, " N"]:
        return jnp.zeros(self.hidden_size, self.b.dtype)

    def drive(self, x: Float[Array, " D"]) -> Float[Array, " N"]:
        """What the input contributes to the step before the state is known: W_x x + b."""
        return self.W_x @ x + self.b

    def host_drive(self, x) -> np.ndarray:
        """`drive` in float64 on the host; `ValueError` for an input that does not fit."""
        if np.shape(x) != (self.input_size,):
            raise ValueError(f"x must be a constant input ({self.input_size},) for this network; got {np.shape(x)}.")
        return np.asarray(self.W_x, np.float64) @ np.asarray(x, np.float64) + np.asarray(self.b, np.float64)

    @property
    @abc.abstractmethod
    def recurrence(self) -> Recurrence:
        """The cell taken apart."""

    def step(self, drive: Float[Array, " N"], h: Float[Array, " N"]) -> Float[Array, " N"]:
        """The next state."""
        return self.recurrence.step(drive, h)

    @property
    @abc.abstractmethod
    def linear_part(self) -> Float[Array, "N N"]:
        """The matrix whose eigenvalues are the multipliers of the network's linear part."""

    @property
    def linear_part_name(self) -> str:
        """What that matrix is called in tables."""
        return "its linear part"

    @property
    @abc.abstractmethod
    def gain(self) -> Float[Array, ""]:
        """A bound of ‖∂h'/∂h‖₂ that holds at every state and input; NaN where none is known."""

    def __call__(self, x: Float[Array, " D"], h: Float[Array, " N"]) -> Float[Array, " N"]:
        return self.step(self.drive(x), h)


def hoisted(cell):
    """`drive` and `step` with cell(x, h) = step(drive(x), h): what needs no state can be computed for all steps at once."""
    if isinstance(cell, AbstractCell):
        return cell.drive, cell.step
    apart = of_equinox(cell)
    return (lambda x: x, cell) if apart is None else (apart.drive, apart.step)


def recurrence(cell: Any) -> Recurrence | None:
    """One of our cells or Equinox's taken apart; `None` for others, and where a subclass has a step of its own."""
    if not isinstance(cell, AbstractCell):
        return of_equinox(cell)
    kind = type(cell)
    own = kind.step is AbstractCell.step and kind.__call__ is AbstractCell.__call__
    return cell.recurrence if own else None


def initial_state(cell):
    """The zero state of a cell that tells it, `cell.initial_state()`, and of Equinox's, or `ValueError`: h (N,), or (h, c)
    for an LSTM."""
    if hasattr(cell, "initial_state"):
        return cell.initial_state()
    if isinstance(cell, eqx.nn.GRUCell | eqx.nn.LSTMCell):
        zeros = jnp.zeros(cell.hidden_size, cell.weight_hh.dtype)
        return (zeros, zeros) if isinstance(cell, eqx.nn.LSTMCell) else zeros
    raise ValueError(
        f"h0=None means zeros, and the state's shape is known only for rnn_ode's and Equinox's cells; "
        f"got {type(cell).__name__}. Pass h0."
    )


def output_of(cell, state) -> Any:
    """What a cell hands to the layer above it: `cell.output(state)` of a cell that tells it, h of an LSTM's (h, c), and
    otherwise the state. `TypeError` where that is no array: which of its parts is the output, only the cell can say."""
    if hasattr(cell, "output"):
        return cell.output(state)
    output = state[0] if isinstance(cell, eqx.nn.LSTMCell) else state
    if not isinstance(output, jax.Array | np.ndarray):
        raise TypeError(
            f"the state of a {type(cell).__name__} is {jax.tree.structure(state)}, and which part of it is the output only "
            "the cell can say: give it a method `output(h)`."
        )
    return output


def as_state(name: str, h0, owner=None):
    """An initial state as a pytree of floating arrays, finite where it can be seen, in the shape its owner's state has.

    `owner` is the cell or field that takes it; where that does not say what its state looks like, any shape passes. A list
    of Python numbers, nested or not, is one array, as in NumPy; a list of arrays is a pytree.
    """
    if isinstance(h0, list) and all(isinstance(leaf, int | float) for leaf in jax.tree.leaves(h0)):
        h0 = as_floats(name, h0)

    def one(leaf):
        try:
            array = jnp.asarray(leaf)
        except (TypeError, ValueError):
            raise TypeError(f"{name} must hold arrays of numbers; got {type(leaf).__name__}.") from None
        check_finite(name, array)
        return array if jnp.issubdtype(array.dtype, jnp.inexact) else array.astype(jnp.result_type(float))

    if not jax.tree.leaves(h0):
        raise ValueError(f"{name} must hold at least one array; got {h0!r}.")
    state = jax.tree.map(one, h0)
    wanted, came = _shapes_of(owner), jax.tree.map(jnp.shape, state)
    if wanted is not None and wanted != came:
        raise ValueError(f"{name} must have shape {wanted} for this {type(owner).__name__}; got {came}.")
    return state


def _shapes_of(owner):
    """The shapes in the owner's state, as a pytree, or `None` where it does not say."""
    try:
        return jax.tree.map(jnp.shape, jax.eval_shape(lambda: initial_state(owner)))
    except ValueError:
        return None
