"""The case "integrate_gradient": the gradient, by the weights, of the sum of squares of the states of a tanh flow.

The flow is that of the case "integrate". Beside the gradient stands the run alone, and both by one solve of diffrax that
knows where the input jumps. The reference is diffrax's gradient at a tolerance of 1e-12.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._paths.held import Hold
from .. import _diffrax
from .._networks import TANH
from .._precision import quickest
from .._race import OURS, TARGET, Contender, Plan, jitted, race
from .._rows import Row
from . import flow
from .gradient import distance_of_all, gradient_of

SIZES = (48, 1, 60), (48, 32, 60)  # units, batch, steps
TOLERANCES = tuple(10 ** (-k / 2) for k in range(6, 17))
MAX_STEPS = 4096  # which diffrax spreads its checkpoints over


def rows(plan: Plan) -> list[Row]:
    with jax.enable_x64(True):
        return [row for size in SIZES for row in _of_size(plan.of_size(*size))]


def _of_size(plan: Plan) -> list[Row]:
    given = TANH.problem(plan)
    tsit5, dopri8 = (partial(_by_diffrax, solver) for solver in (diffrax.Tsit5(), diffrax.Dopri8()))
    exact = [np.asarray(array) for array in jitted(_gradient(dopri8))(1e-12, *given)]
    ways = {
        OURS: (_ours, "jax.grad, jitted, throw=False"),
        "diffrax, Tsit5": (tsit5, "jump_ts, jax.grad, jitted"),
        "diffrax, Dopri8": (dopri8, "jump_ts, jax.grad, jitted"),
    }
    error = partial(distance_of_all, reference=exact)
    contenders, runs = [], []
    for name, (states, note) in ways.items():
        gradient = jitted(_gradient(states))
        way = {note: (lambda k, gradient=gradient: gradient(k, *given), TOLERANCES)}
        note, its = quickest("integrate_gradient", name, way, error, plan)
        contenders.append(Contender(name, its.call, note, first_s=its.first_s, curve=its.curve))
        run = partial(jitted(states), its.setting, *given)
        runs.append(Contender(f"{name}, the run alone", run, "the same without derivatives", None))
    return race("integrate_gradient", contenders + runs, plan, error, TARGET)


def _gradient(states: Callable) -> Callable:
    """The gradient as a function of the tolerance and the arrays of the problem."""
    return lambda tolerance, *given: gradient_of(partial(states, tolerance), by=(0, 1, 2))(*given)


def _ours(tolerance: Any, W_h: Array, W_x: Array, b: Array, xs: Array, h0: Array) -> Array:
    return flow.states_of(Hold, W_h, W_x, b, tolerance, xs, h0)


def _by_diffrax(solver: Any, tolerance: Any, W_h: Array, W_x: Array, b: Array, xs: Array, h0: Array) -> Array:
    ends = jnp.concatenate([xs, xs], axis=-1)
    return _diffrax.solve(partial(flow.rate_of, W_h, W_x, b), solver, True, tolerance, ends, h0, MAX_STEPS)
