"""A run that carries a frame along a system, block by block."""

from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._base.results import RESULTS
from .._base.states import frozen
from .._run.parallel import ParallelRun
from .._systems.base import AbstractSystem
from .frames import FrameGrowth, Sum, carry, no_growth
from .lyapunov_parallel import starts_of_blocks
from .lyapunov_plan import Plan
from .lyapunov_statistics import window
from .steps import INEXACT, Accuracy, Errors, Step, is_thrown, local_error, some_rows

_RETRY = 16  # blocks after which a longer stride is tried again

Accurate = tuple[Int[Array, ""], Float[Array, " N"]]
"""A step that was accurate, by its number, and the state before it."""


class Run(NamedTuple):
    """The outcome of a run: the last state; what the frame gained in each counted block, where `lost` and `finite` hold for
    the run up to the end of the block; the numbers of steps of these blocks; the accuracy of the steps, and why the run
    failed, if it did."""

    state: Float[Array, " N"]
    growth: FrameGrowth
    live: Int[np.ndarray, " m"]
    accuracy: Accuracy
    why: RESULTS
    found: ParallelRun | None
    """How the states were found, of a run in parallel."""


def run_blocks(
    system: AbstractSystem,
    h0: Float[Array, " N"],
    frame: Float[Array, "k N"],
    plan: Plan,
    step: Step,
    solver: diffrax.AbstractSolver | None,
    parallel: bool = False,
) -> Run:
    """Carry an orthonormal frame from h0 along the system, as planned; with `parallel` through all blocks at once."""
    stepper = step.stepper(system, solver)
    first, live, skipped = plan.schedule()
    size = frozen(jnp.maximum(jnp.max(jnp.abs(h0)), 1))

    def weigh(k, after):
        return window(((k - plan.transient * step.parts) + jnp.asarray(after, h0.dtype)) / (plan.counted * step.parts))

    @jax.checkpoint
    def block(state, row):
        number, first, live = row
        h, Q, patient, last = state
        h, patient = jnp.where(first == 0, h0, h), patient | (number % _RETRY == 0)
        errors, last = _checked(system, step, solver, first, h, Q, last)

        def stride(state):
            offset, h, Q, patient, total = state
            steps = jnp.clip(live - offset, 0, plan.stride)
            how = patient, plan.stride, size
            h, Q, gain, patient = carry(stepper.advance, weigh, first + offset, steps, h, Q, *how)
            return offset + plan.stride, h, Q, patient, total.plus(gain)

        start = (jnp.zeros_like(first), h, Q, patient, Sum.of(no_growth(Q)))
        if isinstance(step.parts, int):
            strides = plan.block // plan.stride
            end = jax.lax.scan(lambda state, _: (stride(state), None), start, length=strides)[0]
        else:
            end = jax.lax.while_loop(lambda state: state[0] < live, stride, start)
        _, h, Q, patient, total = end
        return (h, Q, patient, last), (total.value, errors)

    numbers, firsts, lives = (jnp.asarray(rows) for rows in (np.arange(len(first)), first, live))
    firsts, lives = firsts * step.parts, lives * step.parts
    rows, found = (numbers, firsts, lives), None
    if parallel:
        starts, frames, found = starts_of_blocks(stepper.advance, plan, step, firsts, lives, h0, frame.shape[0])
        states = starts, frames, jnp.ones(len(first), bool), (firsts, starts)
        (h, _, _, last), (growth, errors) = jax.vmap(block)(states, rows)
        h, last = h[-1], _last_accurate(last, errors)
    else:
        start = (h0, frame, jnp.ones((), bool), (firsts[0], h0))
        (h, _, _, last), (growth, errors) = jax.lax.scan(block, start, rows)
    # the steps that align the frame are also steps of the run: a row that they lose stays lost
    lost, failed = jnp.cumsum(growth.lost, axis=0) > 0, jnp.cumsum(~growth.finite) > 0
    growth = growth._replace(lost=lost, finite=~failed)
    looked_at = jnp.asarray(np.arange(len(first)) >= skipped) | failed[-1]
    accuracy = Accuracy.of(errors, looked_at, plan.length / step.parts, solver)
    ends = jnp.where(failed[-1], (firsts + lives)[jnp.argmax(failed)], 0)
    why = _why_failed(system, step, solver, jnp.any(growth.undefined), last, ends)
    return Run(h, jax.tree.map(lambda row: row[skipped:], growth), live[skipped:], accuracy, why, found)


def _last_accurate(last: tuple[Int[Array, " m"], Float[Array, "m N"]], errors: Errors) -> Accurate:
    """The last of the steps (m,) at the starts of blocks that are accurate, or the first one."""
    accurate = errors.size <= INEXACT * errors.move
    index = jnp.max(jnp.where(accurate, jnp.arange(len(accurate)), 0))
    return jax.tree.map(lambda rows: rows[index], last)


def _checked(
    system: AbstractSystem,
    step: Step,
    solver: diffrax.AbstractSolver | None,
    k: Int[Array, ""],
    h: Float[Array, " N"],
    Q: Float[Array, "k N"],
    last: Accurate,
) -> tuple[Errors, Accurate]:
    """The errors of step k on a frame; and (k, h) if the step is accurate, else the `last` at which one was.

    Errors are 0 for a system with a step of its own, and after the end of its run.
    """
    rows = frozen(some_rows(Q))
    if system.time.own_step:
        return Errors.none(rows), last
    alive = jnp.all(jnp.isfinite(h))
    errors = frozen(local_error(frozen(system), step, solver, k, frozen(h), rows))
    errors = jax.tree.map(lambda x: jnp.where(alive, x, 0), errors)
    accurate = alive & (errors.size <= INEXACT * errors.move)
    return errors, jax.tree.map(lambda new, old: jnp.where(accurate, new, old), (k, h), last)


def _why_failed(
    system: AbstractSystem, step: Step, solver: Any, undefined: Array, last: Accurate, end: Array
) -> RESULTS:
    """The result of a run that failed before step `end`: the system does not exist there, its steps were too long, or it left
    the float range."""
    why = RESULTS.where(undefined, system.time.undefined, RESULTS.left_float_range)  # pyright: ignore
    if system.time.own_step:
        return why
    thrown = is_thrown(frozen(system), step, solver, last[0], frozen(last[1]), end)
    return RESULTS.where(thrown & ~undefined, RESULTS.step_too_long, why)  # pyright: ignore
