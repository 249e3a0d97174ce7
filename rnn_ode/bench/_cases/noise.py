"""The case "noise": 10⁵ noisy steps of a tanh network, beside the same network without noise."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._cells.vanilla import VanillaCell
from ..._run.iterate import iterate
from .._networks import TANH, Problem
from .._race import OURS, Contender, Plan, jitted, race
from .._rows import Row

SIZE = (128, 1, 100_000)  # units, batch, steps

SIGMA = 0.1

_COMPARED = 2000  # steps

ALLOWED = 0.05  # relative error of the standard deviation, of 2000 steps of a few units at least


def rows(plan: Plan) -> list[Row]:
    plan = plan.of_size(*SIZE)
    with jax.enable_x64(False):
        given, key = TANH.problem(plan), jax.random.key(plan.seed)

        def contender(name: str, run: Callable, note: str = "", values: Any = lambda states: states) -> Contender:
            return Contender(name, partial(jitted(run), *given, key), note, values)

        contenders = [
            contender(OURS, _noisy, f"σ = {SIGMA}"),
            contender(f"{OURS} without noise", _still, values=None),
            contender("plain lax.scan", _at_once, "normal numbers of all steps at once"),
            contender("plain lax.scan, step by step", _step_by_step, "normal numbers in each step"),
        ]
        return race("noise", contenders, plan, partial(_error, given.in_numpy()), ALLOWED)


def _noisy(W_h: Array, W_x: Array, b: Array, xs: Array, h0: Array, key: Array) -> Array:
    cell = VanillaCell(W_h, W_x, b, jnp.tanh)
    return iterate(cell, xs, h0, noise=SIGMA, key=key, throw=False).states[1:]


def _still(W_h: Array, W_x: Array, b: Array, xs: Array, h0: Array, key: Array) -> Array:
    return iterate(VanillaCell(W_h, W_x, b, jnp.tanh), xs, h0, throw=False).states[1:]


def _at_once(W_h: Array, W_x: Array, b: Array, xs: Array, h0: Array, key: Array) -> Array:
    kicks = SIGMA * jax.random.normal(key, (xs.shape[0], h0.shape[0]))

    def body(h: Array, given: tuple[Array, Array]) -> tuple[Array, Array]:
        h = jnp.tanh(W_h @ h + given[0]) + given[1]
        return h, h

    return jax.lax.scan(body, h0, (xs @ W_x.T + b[None], kicks))[1]


def _step_by_step(W_h: Array, W_x: Array, b: Array, xs: Array, h0: Array, key: Array) -> Array:
    def body(h: Array, given: tuple[Array, Array]) -> tuple[Array, Array]:
        drive, k = given
        h = jnp.tanh(W_h @ h + drive) + SIGMA * jax.random.normal(jax.random.fold_in(key, k), h.shape)
        return h, h

    return jax.lax.scan(body, h0, (xs @ W_x.T + b[None], jnp.arange(xs.shape[0])))[1]


def _error(given: Problem, states: Any) -> float:
    """The relative error of the standard deviation of what is added to the states, in the last steps."""
    count = min(_COMPARED, len(states) - 1)
    h, xs = np.asarray(states, np.float64)[-count - 1 :], given.xs[-count:]
    added = h[1:] - np.tanh(h[:-1] @ given.W_h.T + xs @ given.W_x.T + given.b)
    return float(abs(np.sqrt(np.mean(added**2)) / SIGMA - 1))
