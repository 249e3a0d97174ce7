"""The cases "iterate", "lstm" and "gru": the states of a tanh network, and the outputs of an LSTM and a GRU.

Beside them stand a scan that makes the part of the input in its loop, and one that does nothing but the products with W_h.
In a batch, ours and flax's run with the batch as the first axis, too.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import _cudnn
from .._networks import GRU, LSTM, TANH, Network, Problem, products, work
from .._peers import with_peer
from .._race import OURS, Contender, Plan, distance, jitted, race
from .._rows import Row

ROUNDING = 1e3 * float(np.finfo(np.float32).eps)  # the error that float32 may make
PRODUCTS = "products alone"


def rows(plan: Plan) -> list[Row]:
    return _rows("iterate", TANH, plan)


def lstm(plan: Plan) -> list[Row]:
    return _rows("lstm", LSTM, plan)


def gru(plan: Plan) -> list[Row]:
    return _rows("gru", GRU, plan)


def _rows(case: str, network: Network, plan: Plan) -> list[Row]:
    with jax.enable_x64(False), jax.default_matmul_precision("highest"):  # GPUs would take fewer bits
        given = network.problem(plan)
        calls = [
            (OURS, network.ours, "jitted, throw=False"),
            ("hand-written lax.scan", network.scan, "jitted, W_x x + b before the scan"),
            ("lax.scan, W_x x in it", network.lean_scan, "jitted, W_h h behind a barrier"),
        ]
        contenders = [Contender(name, partial(jitted(call), *given), note) for name, call, note in calls]
        contenders += [
            *with_peer(plan, "torch", [f"PyTorch nn.{network.name}"], partial(_torch, network=network, given=given)),
            *with_peer(plan, "flax", ["flax nnx.RNN"], partial(_flax, network=network, given=given)),
            Contender(PRODUCTS, partial(jitted(products), *given), "jitted, W_h h in a scan", None),
        ]
        if plan.batch > 1:
            contenders += _batch_first(plan, network, given)
        if network is TANH and plan.batch == 1:
            contenders += _loops(given)
        if network is LSTM and jax.default_backend() == "gpu":
            contenders.append(_cudnn.contender(given))
        error = partial(distance, reference=network.in_numpy(*given.in_numpy()))
        return race(case, contenders, plan, error, ROUNDING, work(plan, len(given.b) // plan.hidden))


def _torch(torch: ModuleType, network: Network, given: Problem) -> list[Contender]:
    module, xs = network.in_torch(torch, given)

    def call() -> Any:
        with torch.no_grad():
            return module(xs)[0]

    return [Contender(f"PyTorch nn.{network.name}", call, "CPU, all its threads, no_grad")]


def _flax(
    _: ModuleType, network: Network, given: Problem, name: str = "flax nnx.RNN", batch_axis: int = 1
) -> list[Contender]:
    states, params = network.in_flax(given, batch_axis)
    return [Contender(name, partial(jitted(states), params, given.xs), f"jitted, {network.in_nnx}")]


def _batch_first(plan: Plan, network: Network, given: Problem) -> list[Contender]:
    """Ours and flax's, on inputs and with states whose first axis is the batch."""
    given = given._replace(xs=jnp.swapaxes(given.xs, 0, 1))
    ours = Contender(OURS, partial(jitted(partial(network.ours, batch_axis=0)), *given), "jitted, throw=False")
    flax = with_peer(plan, "flax", ["flax"], partial(_flax, network=network, given=given, name="flax", batch_axis=0))
    time_first = partial(jnp.swapaxes, axis1=0, axis2=1)
    return [dataclasses.replace(one, name=f"{one.name}, batch first", values=time_first) for one in (ours, *flax)]


def _loops(given: Problem) -> list[Contender]:
    return [
        Contender("Python loop, jitted cell", partial(_loop, jitted(_step), *given)),
        Contender("Python loop, un-jitted JAX", partial(_loop, _step, *given)),
    ]


def _step(W_h: Array, W_x: Array, b: Array, x: Array, h: Array) -> Array:
    return jnp.tanh(W_h @ h + W_x @ x + b)


def _loop(step: Callable, W_h: Array, W_x: Array, b: Array, xs: Array, h: Array) -> Array:
    states = []
    for x in xs:
        h = step(W_h, W_x, b, x, h)
        states.append(h)
    return jnp.stack(states)
