"""The case "stream": an LSTM of 40 units, sample by sample as a recording comes, beside the network alone.

The network was trained at 44.1 kHz, and the recording has 48 kHz. A note says how many times faster than real time each
contender is. PyTorch gets one thread, as in a plug-in. RTNeural is called from C++ and takes no part.
"""

import dataclasses
from functools import partial
from types import ModuleType
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax import Array

from ..._resampling.stream import Stream
from ..._run.iterate import iterate
from ...interop import Network
from .._peers import with_peer, with_weights
from .._race import OURS, Contender, Plan, jitted, race
from .._rows import Row

UNITS, SAMPLES, OWN, RATE = 40, 48_000, 44_100, 48_000


def rows(plan: Plan) -> list[Row]:
    plan = plan.of_size(UNITS, 1, SAMPLES)
    with jax.enable_x64(False):
        keys = jax.random.split(jax.random.key(plan.seed), 3)
        cell = eqx.nn.LSTMCell(1, UNITS, key=keys[0])
        xs = 0.1 * jax.random.normal(keys[1], (SAMPLES, 1))
        network = Network(cell, eqx.nn.Linear(UNITS, 1, key=keys[2]), residual=True)
        samples = np.asarray(xs)
        streams = {
            OURS: ({"half_width": 8, "input_half_width": 8}, "Stream(half_width=8) at 48 kHz"),
            "Stream, evolve": ({"ahead": 3, "behind": 3}, "three applications a result"),
            "Stream, blocks of 64": ({"half_width": 8, "input_half_width": 8, "block": 64}, "as a plug-in asks for it"),
        }
        contenders = [
            Contender(name, partial(_streamed, network, samples, given), note)
            for name, (given, note) in streams.items()
        ]
        alone = partial(jitted(_alone), network, xs)
        contenders.append(Contender("iterate", alone, "the network alone, jitted"))
        contenders += with_peer(plan, "torch", ["PyTorch nn.LSTM"], partial(_torch, cell=cell, xs=xs))
        return [_as_factor(row) for row in race("stream", contenders, plan, None)]


def _as_factor(row: Row) -> Row:
    if row.skipped or not row.median_s:
        return row
    factor = SAMPLES / RATE / row.median_s
    return dataclasses.replace(row, note=f"{factor:.3g} times real time; {row.note}")


def _streamed(network: Network, samples: np.ndarray, given: dict[str, Any]) -> np.ndarray:
    stream = Stream(network.cell, network.output, RATE, RATE, OWN, **given)
    return np.concatenate([stream.push(samples), stream.flush()])


def _alone(network: Network, xs: Array) -> Array:
    states = iterate(network.cell, xs, throw=False).states
    return jax.vmap(network.output)(xs, jax.tree.map(lambda rows: rows[1:], states))


def _torch(torch: ModuleType, cell: Any, xs: Array) -> list[Contender]:
    network, given = with_weights(torch, torch.nn.LSTM(1, UNITS), cell), torch.from_numpy(np.array(xs))

    def call() -> Any:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.no_grad():
                return network(given)[0].mean(axis=1)
        finally:
            torch.set_num_threads(threads)

    return [Contender("PyTorch nn.LSTM", call, "the network alone, CPU, one thread, no_grad")]
