"""A recording of several channels through a network that takes one."""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._base.protocol import input_width
from .._cells.side_by_side import SideBySideCell
from ..audio import Recording
from ..interop import Network
from .files_source import Source


class _EachReadout(eqx.Module):
    """A readout of each of several copies."""

    readout: Callable[[Array], Array]
    copies: int = eqx.field(static=True)

    def __call__(self, y: Float[Array, " N"]) -> Float[Array, " M"]:
        return jax.vmap(self.readout)(y.reshape(self.copies, -1)).reshape(-1)


def on_channels(network: Network, source: Source, constants: int, channel: str | None) -> tuple[Network, Source]:
    """The network and the input for one channel of a recording, or for each of them.

    `channel` is `"left"`, `"right"`, `"mix"` or `"each"`. Default `None`: each, if the recording has several and the network
    takes one besides the `constants`.
    """
    if not isinstance(source, Recording) or source.channels == 1:
        return network, source
    if channel is None and input_width(network.cell) != 1 + constants:
        return network, source
    if channel not in (None, "each"):
        return network, source.channel(channel)
    return _each(network, source.channels, constants), source


def _each(network: Network, copies: int, constants: int) -> Network:
    """Copies of a network of one input and some constants, each on its channel. Its outputs are those of the copies."""
    if network.residual and network.output_size != 1:
        raise ValueError(
            f"--channel each: the network adds its input to {network.output_size} outputs; choose left, right or mix."
        )
    readout = None if network.readout is None else _EachReadout(network.readout, copies)
    initial = jax.tree.map(lambda leaf: jnp.tile(leaf, (copies, *[1] * jnp.ndim(leaf))), network.initial)
    return dataclasses.replace(
        network, cell=SideBySideCell(network.cell, copies, constants), readout=readout, initial=initial
    )
