"""The network that a subcommand analyses: from a file, or a random one.

Subcommands import this file when they run, since it imports JAX, which help and completion do without.
"""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import initializers
from .._base.checks import counted
from .._base.protocol import input_width
from .._base.types import Cell, State
from .._cells.input_layer import InputLayerCell
from .._cells.stacked import StackedCell
from .._cells.vanilla import VanillaCell
from ..interop import Network, read_network
from ..interop._read import read_started_cell, says_no_activation
from ._app import say
from ._options import Activation, Recurrent

ACTIVATIONS = {
    Activation.relu: jax.nn.relu,
    Activation.tanh: jnp.tanh,
    Activation.sigmoid: jax.nn.sigmoid,
    Activation.none: None,
}


def cell_from_file(
    weights: Path,
    activation: Activation | None,
    prefix: list[str] | None = None,
    readout: list[str] | None = None,
    between: Activation | None = None,
) -> tuple[Cell, State | None]:
    """The cell in a file, and the state from which it starts. Without an activation it has the one that `read_cell` takes."""
    if prefix or readout or between is not None:
        network = network_from_file(weights, activation, prefix, readout, between)
    else:
        network = read_started_cell(weights, ... if activation is None else ACTIVATIONS[activation])
    return network.cell, network.initial


def assumed_activation(weights: Path, cell: Cell, activation: Activation | None) -> list[str]:
    """The note that relu is taken, if the file leaves it open and the option does too."""
    relu = isinstance(cell, VanillaCell) and cell.activation is jax.nn.relu
    if activation is not None or not relu or not says_no_activation(weights):
        return []
    return [f"{weights} does not say its activation: relu is taken; --activation gives another."]


def mention_activation(weights: Path, cell: Cell, activation: Activation | None) -> None:
    """Print that note, once everything has been checked."""
    for words in assumed_activation(weights, cell, activation):
        say("note", "yellow", words)


def network_from_file(
    weights: Path,
    activation: Activation | None,
    prefix: list[str] | None,
    readout: list[str] | None,
    between: Activation | None,
    residual: bool | None = None,
) -> Network:
    """The network in a file. What is not given is what `read_network` takes."""
    return read_network(
        weights,
        prefix[0] if prefix and len(prefix) == 1 else prefix or None,
        _readout(readout),
        activation=... if activation is None else ACTIVATIONS[activation],
        between=... if between is None else ACTIVATIONS[between],
        residual=... if residual is None else residual,
    )


def _readout(given: list[str] | None) -> Any:
    """The argument `readout` of `read_network`, by the option."""
    if not given:
        return ...
    return None if given == ["none"] else given[0] if len(given) == 1 else given


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
        return "stack of " + ", ".join(map(cell_name, cell.cells))
    if isinstance(cell, InputLayerCell):
        return f"{cell_name(cell.cell)} behind an input layer"
    kind = type(cell).__name__
    if isinstance(cell, VanillaCell):
        kind = "affine network" if cell.activation is None else f"{getattr(cell.activation, '__name__', '')} network"
    return f"{cell.hidden_size}-unit {kind}"  # pyright: ignore[reportAttributeAccessIssue]


def check_inputs(cell: Cell, columns: int, weights: Path) -> None:
    """`ValueError` if the network does not take as many inputs as the series has columns."""
    wanted = input_width(cell)
    if wanted not in (None, columns):
        raise ValueError(
            f"--weights {weights}: the network takes {counted(wanted, 'input')}, and the series has "
            f"{counted(columns, 'column')}."
        )


def constant_input(x: list[float] | None, cell: Cell) -> jax.Array:
    """The values of `--x`, or zeros: as many as the network takes, if it tells that."""
    inputs = input_width(cell)
    if x is None:
        return jnp.zeros(inputs or 1)
    if inputs is not None and inputs != len(x):
        times = "once" if inputs == 1 else f"{inputs} times"
        raise ValueError(
            f"--x must be given {times}: the network takes {counted(inputs, 'input')}; got {', '.join(map(str, x))}."
        )
    if not np.isfinite(x).all():
        raise ValueError(f"--x must be finite numbers; got {', '.join(map(str, x))}.")
    return jnp.asarray(x)
