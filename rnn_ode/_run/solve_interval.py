"""One interval's solve by `Dopri8`, with the gradient of the steps that were accepted.

The choice of the steps has no derivative. The run therefore needs none: it keeps the last steps that were accepted, their
times and the states at their start. On the way back each step is transposed by itself, and no step that was rejected is taken
again. The cotangents of the field's parameters follow from the states and cotangents of all stages of a step at once, by one
matrix product for a weight. Plain reverse mode adds an outer product in every stage. An interval of more steps than are kept
is solved again, from its start to the first step that is not done yet.
"""

from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from .._base.states import is_finite
from .._base.types import State
from .._base.whole_batch import largest_in_batch
from .dopri8 import Dopri8, step_transposed
from .tolerances import Controller

_KEPT = 8  # steps of each interval, from the run
_KEPT_AGAIN = 64  # steps of one interval, when it is solved again


class Outcome(NamedTuple):
    """Where a solve of one interval ended, in state and local time, how, and after how many steps."""

    h: State
    s: Array
    result: Any
    accepted: Array
    rejected: Array

    @classmethod
    def of(cls, solution: diffrax.Solution) -> "Outcome":
        h = jax.tree.map(lambda leaf: leaf[-1], solution.ys)
        stats = solution.stats
        return cls(h, solution.ts[-1], solution.result, stats["num_accepted_steps"], stats["num_rejected_steps"])  # pyright: ignore


@eqx.filter_custom_vjp
def solve_interval(rate_and_h, begin: Array, end: Array, controller: Controller, budget: int) -> Outcome:
    """Solve dh/ds = rate(s, h) from `begin` to `end`, for a pair of the rate and the state at `begin`.

    Both have derivatives. The arrays that the rate needs must be leaves of it, as `eqx.filter_closure_convert` makes them.
    """
    rate, h = rate_and_h
    return Outcome.of(_solve(rate, h, begin, end, controller, budget, diffrax.SaveAt(t1=True)))


@solve_interval.def_fwd
def _forward(_, rate_and_h, begin, end, controller, budget):
    rate, h = rate_and_h
    outcome, steps = _kept(rate, h, begin, end, _Keeper(controller, jnp.full_like(end, jnp.inf), _KEPT), budget)
    good = (outcome.result == diffrax.RESULTS.successful) & is_finite(outcome.h)
    return outcome, eqx.tree_at(lambda s: s.count, steps, jnp.where(good, steps.count, 0))


@solve_interval.def_bwd
def _backward(steps, cotangents, _, rate_and_h, begin, end, controller, budget):
    dynamic, static = eqx.partition((rate_and_h, begin, end, controller), eqx.is_array)

    def from_kept(steps, cotangent, dynamic):
        (rate, _), *_ = eqx.combine(dynamic, static)
        return _through(steps, rate, _no_change(rate), cotangent)

    def from_new_solves(steps, cotangent, dynamic):
        (rate, h), begin, end, controller = eqx.combine(dynamic, static)

        def through_window(carry):
            change, cotangent, until = carry
            keeper = _Keeper(controller, until, _KEPT_AGAIN)
            _, again = _kept(rate, h, begin, jnp.where(until > begin, end, begin), keeper, budget)
            change, cotangent = _through(again, rate, change, cotangent)
            return change, cotangent, jnp.where(again.count > 0, jnp.min(again.starts), begin)

        carry = (_no_change(rate), cotangent, jnp.where(steps.count > 0, end, begin))
        return jax.lax.while_loop(lambda carry: largest_in_batch(carry[2] - begin) > 0, through_window, carry)[:2]

    return jax.lax.cond(largest_in_batch(steps.count) > _KEPT, from_new_solves, from_kept, steps, cotangents.h, dynamic)


def _solve(rate, h, begin, end, controller, budget, saveat) -> diffrax.Solution:
    return diffrax.diffeqsolve(
        diffrax.ODETerm(lambda s, h, _: rate(s, h)),
        Dopri8(),
        begin,
        end,
        None,
        h,
        saveat=saveat,
        stepsize_controller=controller,
        adjoint=diffrax.ForwardMode(),  # the plainest loop
        max_steps=budget,
        throw=False,
    )


def _kept(rate, h, begin, end, keeper: "_Keeper", budget) -> "tuple[Outcome, _Steps]":
    solution = _solve(rate, h, begin, end, keeper, budget, diffrax.SaveAt(t1=True, controller_state=True))
    return Outcome.of(solution), solution.controller_state[1]  # pyright: ignore


class _Steps(eqx.Module):
    """The last steps that a solve accepted, the latest in the last row: the states where they start, and their times. `count`
    is the number of all steps that it accepted. A row without a step starts and ends at the solve's end."""

    states: State
    starts: Array
    ends: Array
    count: Int[Array, ""]

    @property
    def rows(self) -> int:
        return self.starts.shape[0]

    def with_last(self, keep, state, start, end) -> "_Steps":
        def put(rows, row):
            return jnp.where(keep, jnp.concatenate([rows[1:], jnp.asarray(row, rows.dtype)[None]]), rows)

        states = jax.tree.map(put, self.states, state)
        return _Steps(states, put(self.starts, start), put(self.ends, end), self.count + keep)


class _Keeper(diffrax.AbstractStepSizeController):
    """A controller that keeps the steps it accepts, and ends the solve after the step that reaches `until`.

    With `until` as the end of the solve, diffrax would fit the last steps to it and not take the same steps again."""

    controller: Controller
    until: Array
    rows: int = eqx.field(static=True)

    def wrap(self, direction):
        return self

    def init(self, terms, t0, t1, y0, dt0, args, func, error_order):
        until, state = self.controller.init(terms, t0, t1, y0, dt0, args, func, error_order)
        states = jax.tree.map(lambda leaf: jnp.zeros((self.rows, *leaf.shape), leaf.dtype), y0)
        times = jnp.full(self.rows, t1)
        return until, (state, _Steps(states, times, times, jnp.zeros((), int)))

    def adapt_step_size(self, t0, t1, y0, y1_candidate, args, y_error, error_order, controller_state):
        state, steps = controller_state
        keep, *after, state, result = self.controller.adapt_step_size(
            t0, t1, y0, y1_candidate, args, y_error, error_order, state
        )
        result = diffrax.RESULTS.where(keep & (t1 >= self.until), diffrax.RESULTS.event_occurred, result)
        return keep, *after, (state, steps.with_last(keep, y0, t0, t1)), result


def _no_change(rate) -> Any:
    return jax.tree.map(jnp.zeros_like, eqx.filter(rate, eqx.is_inexact_array))


def _through(steps: _Steps, rate, change, cotangent) -> tuple[Any, State]:
    """Return the cotangents of the rate's parameters, added to `change`, and of the state where the steps start."""
    parameters, rest = eqx.partition(rate, eqx.is_inexact_array)

    def back(done, carry):
        change, cotangent = carry
        row = steps.rows - 1 - done
        h, start, end = jax.tree.map(lambda rows: rows[row], (steps.states, steps.starts, steps.ends))
        before, pushes, times, stages = step_transposed(rate, start, end, h, cotangent)
        _, pull = jax.vjp(lambda parameters: jax.vmap(eqx.combine(parameters, rest))(times, stages), parameters)
        there = done < steps.count
        change = jax.tree.map(lambda old, new: old + jnp.where(there, new, 0), change, pull(pushes)[0])
        return change, jax.tree.map(lambda old, new: jnp.where(there, new, old), cotangent, before)

    return jax.lax.fori_loop(0, largest_in_batch(jnp.minimum(steps.count, steps.rows)), back, (change, cotangent))
