"""The case "parallel": the states of a tanh network of 8 units, all steps at once and step by step, at growing lengths.

From the crossover length on, the first is quicker. `note` has the number of steps that Newton's method took, and the number
that `parallel_verdict` predicts.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from ..._cells.vanilla import VanillaCell
from ..._run.iterate import iterate
from ..._run.parallel_verdict import parallel_verdict
from .._networks import TANH
from .._race import OURS, Contender, Plan, distance, jitted, race
from .._rows import Row
from .iterate import ROUNDING

UNITS = 8
LENGTHS = (256, 2048, 16384, 131072)


def rows(plan: Plan) -> list[Row]:
    with jax.enable_x64(False):
        return [row for steps in LENGTHS for row in _at_length(plan.of_size(UNITS, 1, steps))]


def _at_length(plan: Plan) -> list[Row]:
    given = TANH.problem(plan)
    given = given._replace(W_h=0.9 * given.W_h)
    cell = VanillaCell(given.W_h, given.W_x, given.b, jnp.tanh)
    taken = iterate(cell, given.xs, given.h0, parallel=True, throw=False).stats["newton_steps"]
    predicted = parallel_verdict(cell, given.xs, given.h0).predicted_steps
    note = f"all steps at once: {int(taken)} steps of Newton's method, {float(predicted):.0f} predicted"
    contenders = [
        Contender(OURS, partial(jitted(partial(_states, True)), *given), note),
        Contender("step by step", partial(jitted(partial(_states, False)), *given), "iterate, parallel=False"),
    ]
    error = partial(distance, reference=TANH.in_numpy(*given.in_numpy()))
    return race("parallel", contenders, plan, error, ROUNDING)


def _states(parallel: bool, W_h: Array, W_x: Array, b: Array, xs: Array, h0: Array) -> Array:
    return iterate(VanillaCell(W_h, W_x, b, jnp.tanh), xs, h0, parallel=parallel, throw=False).states
