"""The case "scheme": a network made of a flow by a Runge–Kutta method, run, and its gradient as in the case "gradient".

The flow is dh/dt = tanh(W_h h + W_x x + b) − h with a held input. Beside the gradient stand the run alone, and both by steps
of diffrax's solver in a hand-written `lax.scan`. The reference is diffrax's gradient in float64.
"""

from functools import partial

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._bridge.schemes import RungeKutta
from ..._bridge.to_rnn import to_rnn
from ..._run.iterate import iterate
from .._networks import TANH, Problem, over_batch
from .._race import OURS, Contender, Plan, jitted, race
from .._rows import Row
from .gradient import ALLOWED, distance_of_all, gradient_of

SIZES = (48, 1, 200), (48, 32, 200)  # units, batch, steps

DT = 0.5


def rows(plan: Plan) -> list[Row]:
    return [row for size in SIZES for row in _of_size(plan.of_size(*size))]


def _of_size(plan: Plan) -> list[Row]:
    with jax.enable_x64(False):
        given = TANH.problem(plan)
    exact = _reference(given)
    with jax.enable_x64(False):
        told = "Tsit5, jax.grad, jitted"
        calls = [
            (OURS, gradient_of(_ours), told, lambda found: found),
            (f"{OURS}, the run alone", _ours, "the same without derivatives", None),
            ("diffrax in lax.scan", gradient_of(_by_diffrax), told, lambda found: found),
            ("diffrax, the run alone", _by_diffrax, "the same without derivatives", None),
        ]
        contenders = [
            Contender(name, partial(jitted(call), *given), note, values) for name, call, note, values in calls
        ]
        return race("scheme", contenders, plan, partial(distance_of_all, reference=exact), ALLOWED)


def _reference(given: Problem) -> list[np.ndarray]:
    with jax.enable_x64(True):
        return [np.asarray(array) for array in jax.jit(gradient_of(_by_diffrax))(*map(jnp.asarray, given.in_numpy()))]


def _rate(W_h: Array, W_x: Array, b: Array, h: Array, x: Array) -> Array:
    return jnp.tanh(W_h @ h + W_x @ x + b) - h


def _ours(W_h: Array, W_x: Array, b: Array, xs: Array, h0: Array) -> Array:
    cell = to_rnn(lambda t, h, path: _rate(W_h, W_x, b, h, path(t)), RungeKutta(), DT)
    return over_batch(lambda xs, h0: iterate(cell, xs, h0, throw=False).states[1:], xs, h0)


def _by_diffrax(W_h: Array, W_x: Array, b: Array, xs: Array, h0: Array) -> Array:
    term, solver = diffrax.ODETerm(lambda t, h, x: _rate(W_h, W_x, b, h, x)), diffrax.Tsit5()
    dt = jnp.asarray(DT, h0.dtype)

    def body(h: Array, x: Array) -> tuple[Array, Array]:
        state = solver.init(term, 0 * dt, dt, h, x)
        h, *_ = solver.step(term, 0 * dt, dt, h, x, state, False)
        return h, h

    return over_batch(lambda xs, h0: jax.lax.scan(body, h0, xs)[1], xs, h0)
