"""The case "integrate_gradient": the gradient, by the weights, of the sum of squares of the states of a tanh flow.

The flow is dh/dt = tanh(W_h h + W_x x + b) − h with a held input, in float32 at a tolerance of 1e-6. Beside the gradient
stands the run alone, and both by one solve of diffrax that knows where the input jumps. The reference is diffrax's gradient
in float64 at 1e-10.
"""

from functools import partial
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._bridge.to_ode import to_ode
from ..._methods.series import Forward
from ..._paths.held import Hold
from ..._run.integrate import integrate
from .. import _diffrax
from .._networks import TANH, Problem, over_batch
from .._race import OURS, Contender, Plan, jitted, race
from .._rows import Row
from .gradient import ALLOWED, distance_of_all, gradient_of
from .iterate import without_values

SIZES = (48, 1, 60), (48, 32, 60)  # units, batch, steps
TOLERANCE = 1e-6
WEIGHTS = (0, 1, 2)  # the arguments of the derivative
MAX_STEPS = 4096  # of diffrax's checkpoints


def rows(plan: Plan) -> list[Row]:
    return [row for size in SIZES for row in _of_size(plan.of_size(*size))]


def _of_size(plan: Plan) -> list[Row]:
    with jax.enable_x64(False):
        given = TANH.problem(plan)
    exact = _reference(given)
    tsit5, dopri8 = (partial(_by_diffrax, solver, TOLERANCE) for solver in (diffrax.Tsit5(), diffrax.Dopri8()))
    with jax.enable_x64(False):
        calls = [
            (OURS, gradient_of(_ours, WEIGHTS), "jax.grad, jitted, throw=False", None),
            (f"{OURS}, the run alone", _ours, "the same without derivatives", without_values),
            ("diffrax, Tsit5", gradient_of(tsit5, WEIGHTS), "jump_ts, jax.grad, jitted", None),
            ("diffrax, Dopri8", gradient_of(dopri8, WEIGHTS), "jump_ts, jax.grad, jitted", None),
            ("diffrax, Tsit5, the run alone", tsit5, "the same without derivatives", without_values),
        ]
        contenders = [
            Contender(name, partial(jitted(call), *given), note, values or (lambda found: found))
            for name, call, note, values in calls
        ]
        return race("integrate_gradient", contenders, plan, partial(_error, exact), ALLOWED)


def _reference(given: Problem) -> list[np.ndarray]:
    with jax.enable_x64(True):
        gradient = jitted(gradient_of(partial(_by_diffrax, diffrax.Dopri8(), 1e-10), WEIGHTS))
        return [np.asarray(array) for array in gradient(*map(jnp.asarray, given.in_numpy()))]


def _error(exact: list[np.ndarray], found: Any) -> float | None:
    return None if found is None else distance_of_all(found, exact)


def _ours(W_h: Array, W_x: Array, b: Array, xs: Array, h0: Array) -> Array:
    field = to_ode(TANH.cell(W_h, W_x, b), Forward(1))

    def run(xs: Array, h0: Array) -> Array:
        return integrate(field, Hold(xs), h0, rtol=TOLERANCE, atol=TOLERANCE / 100, throw=False).states

    return over_batch(run, xs, h0)


def _by_diffrax(solver: Any, tolerance: float, W_h: Array, W_x: Array, b: Array, xs: Array, h0: Array) -> Array:
    def rate(t: Any, k: Any, h: Array, xs: Array) -> Array:
        return jnp.tanh(W_h @ h + W_x @ xs[k] + b) - h

    return _diffrax.solve(rate, solver, True, tolerance, xs, h0, MAX_STEPS)
