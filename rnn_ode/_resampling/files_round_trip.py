"""The round trip: how near the output is to the network at its own rate, on the beginning of the input."""

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .._paths.interpolated import BandLimited
from .._run.clock import ROWS
from .._run.iterate import iterate
from ..interop import Network
from .reading import through_phase

_SHORTEST = 128  # steps, from which on a run through half-band filters is compared


class OwnRun(NamedTuple):
    """The network at its own rate: inputs (K, D) and outputs (K, M), from the time of the first sample on."""

    xs: np.ndarray
    outputs: np.ndarray


def own_run(network: Network, head: np.ndarray, steps: float) -> OwnRun:
    """Run the network at its own rate on the beginning of the input, whose samples are `steps` of its steps apart.

    `ValueError` if the network leaves the float range there.
    """
    count = int((len(head) - 1) * steps + 1e-9) + 1
    xs = head if steps == 1 else read_at_steps(head, steps, count)
    return OwnRun(xs, _outputs(network, xs))


def own_through_half_band(network: Network, own: OwnRun, steps: float) -> OwnRun:
    """Return the network's own run through the phase of half-band filters: that of its input, whose samples are `steps` of
    its steps apart, and that of its outputs. A short run has no outputs to compare: the filters' beginning and end count."""
    if len(own.xs) < _SHORTEST:
        return own._replace(outputs=own.outputs[:0])
    return own._replace(outputs=through_phase(_outputs(network, through_phase(own.xs, steps)), 1.0))


def _outputs(network: Network, xs: np.ndarray) -> np.ndarray:
    states = jax.tree.map(lambda rows: rows[1:], iterate(network.cell, xs, network.initial, throw=False).states)
    outputs = np.asarray(jax.vmap(network.output)(jnp.asarray(xs), states))
    finite = np.isfinite(outputs).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"the network leaves the float range on this input, at its own rate, at step {int(np.argmin(finite))}: it cannot "
            "be run at another rate. Look at its weights, --activation, and the scale of the input."
        )
    return outputs


def round_trip(own: np.ndarray, output: np.ndarray, gap: float) -> float | None:
    """Signal to error in dB: the output, read at the network's own steps, against the network's own run.

    `gap` is the number of the network's steps between two rows of the output. Rows that the start or the ends make inaccurate
    do not count. `None` if nothing is left, or if signal or error is zero.
    """
    count = len(own)
    if count == 0:
        return None
    inner = slice(min(2000, count // 4), count - count // 16)
    noise = level((read_at_steps(output, gap, count) - own)[inner])
    power = level((own - own.mean(axis=0))[inner])
    return power - noise if np.isfinite(noise) and np.isfinite(power) else None


def level(values: np.ndarray) -> float:
    """The energy in dB, −inf for zeros. It is scaled first, so that squares neither overflow nor vanish."""
    largest = float(np.abs(values).max(initial=0))
    if not 0 < largest < math.inf:
        return 20 * math.log10(largest) if largest else -math.inf
    return 20 * math.log10(largest) + 10 * math.log10(np.sum((values / largest) ** 2))


def read_at_steps(rows: np.ndarray, steps: float, count: int) -> np.ndarray:
    """Read rows that are `steps` steps apart at the first `count` whole steps from the first row on, band-limited."""
    path = BandLimited(rows, dt=steps, t0=1.0, half_width=64)
    return np.asarray(_along(path, 1.0 + np.arange(count)))


@eqx.filter_jit
def _along(path: BandLimited, ts: np.ndarray | Array) -> Array:
    return jax.lax.map(path, ts, batch_size=ROWS)
