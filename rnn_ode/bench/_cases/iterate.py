"""The case "iterate": the states of a tanh network."""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import _tanh
from .._peers import with_peer
from .._race import OURS, Contender, Plan, distance, jitted, race
from .._rows import Row

ROUNDING = 1e3 * float(np.finfo(np.float32).eps)  # the error that float32 may make


def rows(plan: Plan) -> list[Row]:
    with jax.enable_x64(False):
        given = _tanh.problem(plan)
        contenders = [
            Contender(OURS, partial(jitted(_tanh.ours), *given), "jitted, throw=False"),
            Contender(
                "hand-written lax.scan", partial(jitted(_tanh.scan), *given), "jitted, W_x x + b before the scan"
            ),
            *with_peer(plan, "torch", ["PyTorch nn.RNN"], partial(_torch, given=given)),
            *with_peer(plan, "flax", ["flax nnx.RNN"], partial(_flax, given=given)),
        ]
        if plan.batch == 1:
            contenders += [
                Contender("Python loop, jitted cell", partial(_loop, jitted(_step), *given)),
                Contender("Python loop, un-jitted JAX", partial(_loop, _step, *given)),
            ]
        error = partial(distance, reference=_tanh.in_numpy(*given.in_numpy()))
        return race("iterate", contenders, plan, error, ROUNDING, _tanh.work(plan))


def _torch(torch: ModuleType, given: _tanh.Problem) -> list[Contender]:
    network, xs = _tanh.in_torch(torch, given)

    def call() -> Any:
        with torch.no_grad():
            return network(xs)[0]

    return [Contender("PyTorch nn.RNN", call, "CPU, all its threads, no_grad")]


def _flax(_: ModuleType, given: _tanh.Problem) -> list[Contender]:
    states, params = _tanh.in_flax(given)
    return [Contender("flax nnx.RNN", partial(jitted(states), params, given.xs), "jitted, SimpleCell")]


def _step(W_h: Array, W_x: Array, b: Array, x: Array, h: Array) -> Array:
    return jnp.tanh(W_h @ h + W_x @ x + b)


def _loop(step: Callable, W_h: Array, W_x: Array, b: Array, xs: Array, h: Array) -> Array:
    states = []
    for x in xs:
        h = step(W_h, W_x, b, x, h)
        states.append(h)
    return jnp.stack(states)
