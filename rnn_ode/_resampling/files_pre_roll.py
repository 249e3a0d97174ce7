"""The pre-roll of `rnn-ode resample`: silence before the first sample, so that the network starts at rest."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .._cells.protocol import as_initial_state
from .._run.iterate import iterate
from .._run.trajectory import is_successful
from ..interop import Network

_MOST = 10**8  # steps: half an hour at 48 kHz


def after_silence(network: Network, silence: Float[np.ndarray, " D"], steps: float) -> Network:
    """The network with the state after so many steps under the input `silence` as its initial state.

    `ValueError` for a number of steps that is negative or very large, and if the network leaves the float range.
    """
    if not 0 <= steps <= _MOST:  # which NaN is not either
        raise ValueError(f"--pre-roll must be from 0 to {_MOST:,} steps of the network; got {steps:g}.")
    count = math.ceil(steps)
    if not count:
        return network
    start = as_initial_state(network.initial, network.cell)
    xs = jnp.tile(jnp.asarray(silence), (count, 1))
    last = iterate(network.cell, xs, start, save=lambda h: (), fold=(lambda last, h, row: h, start, None), throw=False)
    if not is_successful(last.result):
        raise ValueError(
            "the network leaves the float range under silence: run it without --pre-roll, or look at its weights."
        )
    return dataclasses.replace(network, initial=last.stats["fold"])
