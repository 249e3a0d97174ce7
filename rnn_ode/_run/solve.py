"""Solving a field with diffrax, one interval of smooth input after another.

A held input jumps at every sample and an interpolated one has kinks there. An adaptive solver that does not know them spends
most of its steps on finding them. Each interval is therefore a solve of its own, in a local time from 0 to 1, and the field
gets the input's piece of that interval: a solver's stage at the end of the interval still reads the sample of its own step,
and no sample is looked up by a float of the time. One case remains slow: `Tustin` and `Exact` read a smooth input half a step
ahead, so that the kinks of `Linear` and `Cubic` fall into the middle of an interval. They take six to twelve times the steps.

The defaults are those that measured best on a CPU in float64 (tanh networks, N = 8 to 160 in batches of 1 to 256, and 512 in
batches of 1 and 16; the table is in docs/benchmarks.md). Tsit5, the best solver of lower order, takes 0.93 to 4.6 times as
long as Dopri8 at an error of 1e-9, and 0.76 to 3.2 times at 1e-6, where it is faster by more than an eighth only at 512 units
under linear input. Starting an interval with the last step of the one before saved no time. Taking steps of equal length
saved none either. A batch waits in each interval for its slowest member: one member of 64 whose field is 200 times faster in
one of 60 intervals adds a third to the time.

Gradients of the default solver under a path with samples are those of `solve_interval`. Other solvers, and paths without
samples, whose intervals may have thousands of steps, use diffrax's checkpoints: 8 in an interval are within 4 % of the best
of 1, 4, 8 and 16, for all N, batches and tolerances. `BacksolveAdjoint` took 1.2 to 14 times as long as these and is accurate
only to the tolerance.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from .._base.compiled import compiled
from .._base.protocol import is_partial
from .._base.results import RESULTS
from .._base.states import after, frozen, is_finite, mask_failed, real_dtype
from .._base.types import Field, State
from .._paths.base import AbstractPath
from .clock import Clock
from .dopri8 import Dopri8
from .intervals import Interval, segments_of
from .linear_flow import is_exact, linear_flow
from .outcome import Stop, diagnosed
from .runge_kutta import check_rate
from .solve_interval import Outcome, solve_interval
from .tolerances import ATOL_PER_RTOL, Controller, largest_of, moved_by
from .trajectory import is_successful

_CHECKPOINTS = diffrax.RecursiveCheckpointAdjoint(checkpoints=8)


@compiled
def solve_field(
    field: Field,
    path: Any,
    h0: State,
    clock: Clock | None,
    solver: diffrax.AbstractSolver | None,
    tolerances: tuple[Array, Array | None],
    max_steps: int | None,
    adjoint: diffrax.AbstractAdjoint | None,
    save: Callable[[Any], Any] | None,
    count: Array | None = None,
) -> "Solved":
    """Solve a field from interval to interval. Without a clock the states are those at the path's stamps.

    Of the path's samples only the first `count` are run, by default all.
    """
    if solver is None and clock is None and count is None and is_exact(field, path):
        return _solve_exactly(field, path, h0, max_steps, save)
    solver = Dopri8() if solver is None else solver
    (whole, *ends), times, picks, may_run = segments_of(path, clock)
    if count is not None:  # an interval without length is not run
        ends = [jnp.where(whole < count, end, 0) for end in ends]

    def in_kind(state):
        """The intervals and the tolerances in the state's own type: a wider time would widen the state."""
        kind = real_dtype(state)
        return jax.tree.map(lambda value: value.astype(kind), (ends, tolerances))

    h0 = promoted(field, path, h0, (whole, *in_kind(h0)[0]))
    ends, tolerances = in_kind(h0)
    segments = (whole, *ends)
    budget = 65_536 + 64 * whole.shape[0] if max_steps is None else int(max_steps)

    def body(progress, row):
        segment, may_run = row
        if may_run is not None:
            refused = (progress.result == RESULTS.successful) & ~may_run
            result = RESULTS.where(refused, RESULTS.times_not_increasing, progress.result)
            progress = eqx.tree_at(lambda p: p.result, progress, result)
        progress = _advance(field, path, progress, segment, solver, tolerances, budget, adjoint)
        kept = progress.h if save is None else save(progress.h)
        return progress, (kept, progress.result != RESULTS.successful)

    end, (rows, failed) = jax.lax.scan(body, _Progress.begin(h0), (segments, may_run))
    last = jax.tree.map(lambda leaf: leaf[jnp.argmax(failed)], segments)
    states, result = after(h0 if save is None else save(h0), rows), end.result
    failed = jnp.concatenate([~is_finite(h0)[None], failed])
    if picks is not None:
        states, failed = jax.tree.map(lambda leaf: leaf[picks], (states, failed))
    if clock is not None and clock.increasing is not None:
        failed |= ~clock.increasing
        bad = (result == RESULTS.successful) & ~clock.increasing[-1]
        result = RESULTS.where(bad, RESULTS.times_not_increasing, result)  # pyright: ignore
    stats = _stats(end.accepted, end.rejected, budget)
    return Solved(mask_failed(failed, states), times, result, stats, (last, end.anchor, end.stop, tolerances))


class Solved(NamedTuple):
    """What is kept of the states (n, …), the times (n,), how the run ended, counts of steps; and where it ended: the
    interval, the anchor, the solver's last state, the tolerances (`None` for a run without a solver)."""

    states: State
    times: Array
    result: RESULTS
    stats: dict[str, Any]
    end: tuple[tuple[Array, ...], State, Stop, tuple[Array, Array | None]] | None


def reason_of(field: Field, path: Any, solved: Solved, solver: diffrax.AbstractSolver | None) -> RESULTS:
    """Return how a run ended, and why, if its solver failed. That is compiled only if it is not known to be successful."""
    if solved.end is None or is_successful(solved.result):
        return solved.result
    last, anchor, stop, tolerances = solved.end
    return _diagnosed(
        field, path, last, anchor, stop, solved.result, Dopri8() if solver is None else solver, tolerances
    )


_diagnosed = compiled(diagnosed)


def _solve_exactly(field, path, h0, max_steps, save) -> Solved:
    """`solve_field` of a linear field at the path's stamps, by `linear_flow`. Each sample counts as one step."""
    total = path.xs.shape[0]
    zeros, ones = jnp.zeros(total, real_dtype(h0)), jnp.ones(total, real_dtype(h0))
    h0 = promoted(field, path, h0, (jnp.arange(total), zeros, ones))
    states, result = linear_flow(field, path, h0, save)
    budget = total if max_steps is None else int(max_steps)
    if budget < total:
        states = mask_failed(jnp.arange(total + 1) > budget, states)
        result = RESULTS.where(result == RESULTS.successful, RESULTS.max_steps_reached, result)  # pyright: ignore
    steps = jnp.full((), min(budget, total), int)
    return Solved(states, path.times, result, _stats(steps, jnp.zeros((), int), budget), None)


def _stats(accepted: Array, rejected: Array, budget: int) -> dict[str, Any]:
    return {
        "num_steps": accepted + rejected,
        "num_accepted_steps": accepted,
        "num_rejected_steps": rejected,
        "max_steps": budget,
    }


def promoted(field: Field, path: Any, h0: State, segments: tuple[Array, ...]) -> State:
    """Return `h0` in the widest type among it and the field's; `ValueError` if the field does not return the shape of h0."""
    segment = jax.tree.map(lambda leaf: leaf[0], segments)
    rate = jax.eval_shape(lambda h: Interval.of(field, path, segment).rate(jnp.zeros_like(segment[1]), h), h0)
    check_rate(h0, rate)
    return jax.tree.map(lambda h, f: h.astype(jnp.result_type(h, f.dtype)), h0, rate)


class _Progress(eqx.Module):
    """What is carried from interval to interval.

    `h` is the state; `anchor` the state where the sample's step began, for a field that is anchored there; `size` each
    component's largest modulus so far; `stop` where the solver stopped in the last interval that was tried; `dt0` the
    first step to try, in local time; `accepted` and `rejected` the solver's steps so far.
    """

    h: State
    anchor: State
    size: State
    stop: Stop
    result: RESULTS
    dt0: Array
    accepted: Array
    rejected: Array

    @classmethod
    def begin(cls, h0: State) -> "_Progress":
        size = jax.lax.stop_gradient(jax.tree.map(jnp.abs, h0))
        none, zero = jnp.zeros((), real_dtype(h0)), jnp.zeros((), int)
        return cls(h0, h0, size, Stop(h0, h0, none, none), RESULTS.successful, none + 1, zero, zero)  # pyright: ignore


def _advance(field, path, progress: _Progress, segment, solver, tolerances, budget: int, adjoint) -> _Progress:
    """Solve one interval, unless the run has failed already.

    The local times 0 and 1 are constants of the compiled program, and why a run failed is asked after the scan. XLA then
    keeps the whole scan in one piece of machine code, which halves the time of a small field.
    """
    alive = progress.result == RESULTS.successful
    interval, anchor = Interval.of(field, path, segment).anchored(progress.h, progress.anchor)
    begin, end = jnp.zeros_like(segment[1]), jnp.ones_like(segment[1])
    # a solver that starts where the field is undefined would shrink its step to nothing before it gives up
    partial = is_partial(field)
    defined = is_finite(interval.rate(begin, progress.h)) | (interval.length <= 0) if partial else True
    moving = alive & defined & (interval.length > 0)
    # such a field may take long at a state: it is not solved where nothing moves
    end = jnp.where(moving, end, begin) if partial else end
    # as large as the state: in a batch, a mask of one value a member costs small states half their speed
    masks = jax.tree.map(lambda leaf: jnp.full(leaf.shape, moving), progress.h)
    if adjoint is None and isinstance(solver, Dopri8) and isinstance(path, AbstractPath):
        rate = eqx.filter_closure_convert(lambda s, h: _rate(s, h, (interval, masks)), begin, progress.h)
        controller = frozen(_controller(solver, tolerances, interval, progress))
        outcome = solve_interval((rate, progress.h), begin, end, controller, budget)
    else:
        outcome = _solve(solver, begin, end, (interval, masks), progress, tolerances, budget, adjoint)
    h = outcome.h
    steps = jnp.where(moving, outcome.accepted, 0)
    accepted = progress.accepted + steps
    rejected = progress.rejected + jnp.where(moving, outcome.rejected, 0)
    out_of_steps = (outcome.result == diffrax.RESULTS.max_steps_reached) | (accepted + rejected > budget)
    overflowed = (outcome.result == diffrax.RESULTS.successful) & ~is_finite(h)
    result = RESULTS.where(overflowed, RESULTS.left_float_range, RESULTS.promote(outcome.result))  # pyright: ignore
    result = RESULTS.where(out_of_steps, RESULTS.max_steps_reached, result)  # pyright: ignore
    result = RESULTS.where(defined, result, RESULTS.field_undefined)
    result = RESULTS.where(alive, result, progress.result)
    s = outcome.s.astype(progress.dt0.dtype)
    reached = Stop(progress.h, _where(is_finite(h), h, progress.h), s, s / jnp.maximum(steps, 1).astype(s.dtype))
    stop = _where(alive, reached, progress.stop)
    h = _where(result == RESULTS.successful, h, progress.h)
    anchor = _where(alive, anchor, progress.anchor)
    size = jax.tree.map(lambda size, leaf: jnp.maximum(size, jnp.abs(leaf)), progress.size, h)
    dt0 = jnp.where(steps > 0, 1 / jnp.maximum(steps, 1).astype(progress.dt0.dtype), progress.dt0)
    return _Progress(h, anchor, *jax.lax.stop_gradient((size, stop)), result, dt0, accepted, rejected)


def _solve(solver, begin, end, args, progress: _Progress, tolerances, budget: int, adjoint) -> Outcome:
    """Solve one interval with any solver, and with diffrax's way of taking the gradient."""
    adaptive = isinstance(solver, diffrax.AbstractAdaptiveSolver)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda s, h, args: _rate(s, h, args)),  # new, since diffrax keeps what it traced for an old one
        solver,
        begin,
        end,
        None if adaptive else end,  # of a first step here, diffrax asks the host whether it goes forward
        progress.h,
        args,
        stepsize_controller=(
            _controller(solver, tolerances, args[0], progress) if adaptive else diffrax.ConstantStepSize()
        ),
        adjoint=_CHECKPOINTS if adjoint is None else adjoint,
        max_steps=budget,
        throw=False,
    )
    return Outcome.of(solution)


def _where(condition, new, old):
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)


def _rate(s: Any, h: State, args: tuple[Interval, State]) -> State:
    """Return dh/ds, and 0 in an interval that is not solved."""
    interval, masks = args
    return jax.tree.map(lambda moving, leaf: jnp.where(moving, leaf, 0), masks, interval.rate(s, h))


def _controller(solver, tolerances, interval: Interval, progress: _Progress) -> Controller:
    """The step size controller. An implicit solver needs one absolute tolerance for the whole state. The size of a state that
    starts at zero is estimated by how far the field moves it."""
    rtol, atol = tolerances
    size = largest_of(progress.size)
    if atol is None and isinstance(solver, diffrax.AbstractImplicitSolver):
        size = jax.lax.stop_gradient(jnp.maximum(size, moved_by(interval, progress.h)))
    atol_of_all = jnp.maximum(ATOL_PER_RTOL * rtol * size, float(jnp.finfo(size.dtype).tiny))
    return Controller(rtol, atol, atol_of_all, progress.size, progress.dt0)
