"""The network and the input of `rnn-ode resample`. The subcommand imports this file when it runs, since it imports JAX."""

from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import typer

from .._cells.vanilla import VanillaCell
from .._resampling.files_source import Source, Table
from .._resampling.stream import as_rate
from ..audio import SUBTYPES, read_wav
from ..interop import Network
from ._app import mention_unused
from ._cell import network_from_file
from ._options import Activation


def source_of(
    context: typer.Context,
    input: Path,
    out: Path,
    to: float,
    rate: float,
    column: list[str] | None,
    subtype: str | None,
) -> Source:
    """The input, after a check that input and output are of one kind and that the options fit that kind."""
    kind = input.suffix.lower()
    if kind not in (".wav", ".csv") or out.suffix.lower() != kind:
        raise ValueError(f"--input and --out must both end in .wav or both in .csv; got {input} and {out}.")
    hz = as_rate("--to", to)
    if kind == ".csv":
        mention_unused(context, "with a csv series", "subtype")
        return Table(input, as_rate("--rate", rate), column)
    mention_unused(context, "with a wav file", "rate", "column")
    if hz.denominator != 1 or hz >= 2**31:
        raise ValueError(f"--to must be a whole number of Hz for a wav file, below 2^31; got {to}.")
    if subtype is not None and subtype not in SUBTYPES:
        raise ValueError(f"--subtype must be one of {', '.join(SUBTYPES)}; got {subtype!r}.")
    return read_wav(input)


def network_in_double(*given: Any) -> Network:
    """The network of the file, as `network_from_file` reads it, in float64, which the command computes in."""
    network = network_from_file(*given)
    return jax.tree.map(lambda leaf: leaf.astype(float) if eqx.is_inexact_array(leaf) else leaf, network)


def assumptions(weights: Path, network: Network, activation: Activation | None) -> list[str]:
    """What is assumed of the network because its file does not say it."""
    relu = isinstance(network.cell, VanillaCell) and network.cell.activation is jax.nn.relu
    taken = [f"{weights} does not say its activation: relu is taken; --activation gives another."]
    states = [f"{weights} has no readout: the output is the network's state, all of its units."]
    return taken * (relu and activation is None) + states * (network.readout is None)
