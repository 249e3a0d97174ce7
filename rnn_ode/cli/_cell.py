"""The network that a subcommand analyses: from a file, or a random one."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from .. import initializers
from .._base.types import Cell
from .._cells.stacked import StackedCell
from .._cells.vanilla import VanillaCell
from ..interop import read_cell
from ._options import Activation, Recurrent

ACTIVATIONS = {
    Activation.relu: jax.nn.relu,
    Activation.tanh: jnp.tanh,
    Activation.sigmoid: jax.nn.sigmoid,
    Activation.none: None,
}


def cell_from_file(weights: Path, activation: Activation | None) -> Cell:
    """The cell in a file. Without an activation it has the one that `read_cell` takes."""
    return read_cell(weights) if activation is None else read_cell(weights, ACTIVATIONS[activation])


def random_cell(
    inputs: int, hidden: int, *, activation: Activation, recurrent: Recurrent, gain: float, seed: int
) -> VanillaCell:
    """A random network whose recurrent matrix is of this kind and multiplied by `gain`."""
    if not np.isfinite(gain):
        raise ValueError(f"--gain must be a finite number; got {gain}.")
    key, chosen = jax.random.key(seed), ACTIVATIONS[activation]
    return VanillaCell.random(key, inputs, hidden, activation=chosen, recurrent=initializer(recurrent, gain))


def initializer(kind: Recurrent, gain: float) -> jax.nn.initializers.Initializer:
    """The initializer of this name in `rnn_ode.initializers`, with this gain."""
    return getattr(initializers, kind)(gain)


def cell_name(cell: Cell) -> str:
    """The kind and size of a cell in words, such as `3-unit tanh network`."""
    if isinstance(cell, StackedCell):
        return "stack of a " + ", a ".join(map(cell_name, cell.cells))
    kind = type(cell).__name__
    if isinstance(cell, VanillaCell):
        kind = "affine network" if cell.activation is None else f"{getattr(cell.activation, '__name__', '')} network"
    return f"{cell.hidden_size}-unit {kind}"  # pyright: ignore[reportAttributeAccessIssue]
