"""What the package asks of any cell: one of ours, one of Equinox's, or any other callable `cell(x, h)`. Functions with an
argument `owner` take a field as well.
"""

import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._base.checks import as_floats, as_numbers, check_finite
from .._base.types import State
from .base import AbstractCell, AffineMap
from .recurrence import Recurrence, of_equinox


def initial_state(owner: Any) -> State:
    """The state from which a cell or field starts: its own `initial_state()`, or zeros for Equinox's cells.

    h (N,), or (h, c) for an LSTM. `ValueError` for others.
    """
    if hasattr(owner, "initial_state"):
        return owner.initial_state()
    if isinstance(owner, eqx.nn.GRUCell | eqx.nn.LSTMCell):
        zeros = jnp.zeros(owner.hidden_size, owner.weight_hh.dtype)
        return (zeros, zeros) if isinstance(owner, eqx.nn.LSTMCell) else zeros
    raise ValueError(
        f"h0=None means zeros, and the state's shape is known only for rnn_ode's and Equinox's cells; "
        f"got {type(owner).__name__}. Pass h0."
    )


def as_initial_state(h0: Any, owner: Any) -> State:
    """The argument `h0` of a run as a state: as `as_state` checks it, and for `None` the owner's own."""
    return initial_state(owner) if h0 is None else as_state("h0", h0, owner)


def as_state(name: str, h0: Any, owner: Any = None) -> State:
    """A state as a pytree of floating arrays, finite where it can be seen, in the shape that the owner's state has.

    `owner` is the cell or field that takes it; if that does not declare its state, any shape is accepted. A list of Python
    numbers, nested or not, is one array, as in NumPy; a list of arrays is a pytree.
    """
    if isinstance(h0, list) and all(isinstance(leaf, int | float) for leaf in jax.tree.leaves(h0)):
        h0 = as_floats(name, h0)

    def one(leaf):
        array = as_numbers(name, leaf)
        check_finite(name, array)
        return array

    if not jax.tree.leaves(h0):
        raise ValueError(f"{name} must hold at least one array; got {h0!r}.")
    state = jax.tree.map(one, h0)
    if not any(leaf.size for leaf in jax.tree.leaves(state)):
        raise ValueError(f"{name} must hold at least one number; it is empty.")
    wanted, came = _shapes_of(owner), jax.tree.map(jnp.shape, state)
    if wanted is not None and wanted != came:
        raise ValueError(f"{name} must have shape {wanted} for this {type(owner).__name__}; got {came}.")
    return state


def output_of(cell: Any, state: State) -> Any:
    """Return what a cell gives to the layer above it: its own `output(state)`, h of an LSTM's (h, c), or the state as it is.

    `TypeError` where that is no array: only the cell can say which part of it is the output.
    """
    if hasattr(cell, "output"):
        return cell.output(state)
    output = state[0] if isinstance(cell, eqx.nn.LSTMCell) else state
    if not isinstance(output, jax.Array | np.ndarray):
        raise TypeError(
            f"the state of a {type(cell).__name__} is {jax.tree.structure(state)}, and which part of it is the output only "
            "the cell can say: give it a method `output(h)`."
        )
    return output


def output_shape(cell: Any) -> tuple[int, ...] | None:
    """The shape of the cell's output, or `None` where the cell does not say."""
    try:
        return jax.eval_shape(lambda: output_of(cell, initial_state(cell))).shape
    except ValueError:
        return None


def hoisted(cell: Any) -> tuple[Callable[[Array], Any], Callable[[Any, State], State]]:
    """`drive` and `step` with cell(x, h) = step(drive(x), h): what needs no state can be computed for all steps at once."""
    if isinstance(cell, AbstractCell):
        return cell.drive, cell.step
    apart = of_equinox(cell)
    return (lambda x: x, cell) if apart is None else (apart.drive, apart.step)


def recurrence(cell: Any) -> Recurrence | None:
    """The `Recurrence` of a cell; `None` if it has none. Those of Equinox's cells are known here."""
    if not isinstance(cell, AbstractCell):
        return of_equinox(cell)
    return getattr(cell, "recurrence", None) if _still_holds(cell, "recurrence") else None


def affine_map(cell: Any) -> AffineMap | None:
    """(W, W_x, b) of a cell that is h' = W h + W_x x + b, whose Jacobian is one matrix everywhere; `None` for others."""
    found = getattr(cell, "affine", None) if _still_holds(cell, "affine") else None
    return None if found is None else AffineMap(*found)


def preactivation(cell: Any) -> AffineMap | None:
    """(W, W_x, b) of a cell that is h' = f(W h + W_x x + b); `None` for others."""
    found = getattr(cell, "preactivation", None) if _still_holds(cell, "preactivation") else None
    return None if found is None else AffineMap(*found)


def linear_part(cell: Any) -> tuple[Float[Array, "N N"], str] | None:
    """The matrix that a cell calls its linear part, and what tables call it; `None` where the cell knows none."""
    matrix = getattr(cell, "linear_part", None) if isinstance(cell, AbstractCell) else None
    return None if matrix is None else (matrix, getattr(cell, "linear_part_name", "its linear part"))


def gain_of(cell: Any) -> Float[Array, ""]:
    """A bound of ‖∂h'/∂h‖₂ at every state and input, NaN where none is known."""
    return jnp.asarray(getattr(cell, "gain", jnp.nan) if isinstance(cell, AbstractCell) else jnp.nan)


def _still_holds(cell: Any, member: str) -> bool:
    """Whether this member of an `AbstractCell` still describes its step: whether no subclass has overridden the step without
    the member."""
    kinds = type(cell).__mro__

    def depth(name: str) -> int:
        defined = (i for i, kind in enumerate(kinds) if name in vars(kind) or name in inspect.get_annotations(kind))
        return next(defined, len(kinds))

    return isinstance(cell, AbstractCell) and depth(member) <= min(map(depth, ("step", "drive", "__call__")))


def _shapes_of(owner: Any) -> Any:
    """The shapes in the owner's state, as a pytree, or `None` where it does not say."""
    try:
        return jax.tree.map(jnp.shape, jax.eval_shape(lambda: initial_state(owner)))
    except ValueError:
        return None
