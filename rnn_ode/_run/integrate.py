"""Running a field: `diffrax`, one sampling interval at a time.

A held input jumps at every sample and an interpolated one has kinks there, so that an adaptive solver which does not know
them spends most of its steps finding them. Each interval is therefore a solve of its own, from a local time 0 to 1, and
the field is handed that interval's own piece of the input: a stage at the closing end still reads the sample of its step,
and no sample is ever looked up by a float of the time. A limit: the field is smooth in the interval if it reads a smooth
input whole steps ahead. `Tustin` and `Exact` read it half a step ahead, meet `Linear`'s and `Cubic`'s kinks in
mid-interval, and take six to twelve times the steps.

The defaults are what measured best on a CPU in float64 (tanh networks, N = 8 to 160 in batches of 1 to 256, 512 in 1 and 16;
the table is in docs/benchmarks.md). Tsit5, the best of lower order, takes 0.93 to 4.6 times as long as Dopri8 at an error of
1e-9, and 0.76 to 3.2 times at 1e-6, where it is ahead by more than an eighth at 512 units under linear input alone. Neither a
first step that carries on from the last interval's nor steps of equal length took less time. A batch waits for the slowest of
its members in each interval alone: of 64, one that is 200 times faster than the others in one of 60 intervals costs a third
more than none. Gradients: 8 checkpoints an interval are within 4 % of the best of 1, 4, 8 and 16, whatever N, batch and
tolerance; `BacksolveAdjoint` takes 1.2 to 14 times as long, and is right to the tolerance only.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, PyTree, Real

from .._base.checks import check_callable, check_count, check_solver, is_concrete
from .._base.results import RESULTS
from .._base.states import is_finite, mask_failed, real_dtype
from .._base.types import Field, State
from .._cells.protocol import as_state
from .._paths.base import AbstractPath
from .clock import Clock
from .dopri8 import Dopri8
from .intervals import Interval, segments_of
from .linear_flow import is_exact, linear_flow
from .outcome import Stop, diagnosed
from .tolerances import ATOL_PER_RTOL, Controller, largest_of, moved_by, tolerances_of
from .trajectory import Trajectory

_DEFAULT_ADJOINT = diffrax.RecursiveCheckpointAdjoint(checkpoints=8)


def integrate(
    field: Field,
    path: Any,
    h0: PyTree[ArrayLike],
    *,
    ts: Real[ArrayLike, "..."] | None = None,
    solver: diffrax.AbstractSolver | None = None,
    rtol: ArrayLike | None = None,
    atol: ArrayLike | None = None,
    max_steps: int | None = None,
    adjoint: diffrax.AbstractAdjoint | None = None,
    save: Callable[[Any], Any] | None = None,
    throw: bool = True,
) -> Trajectory:
    """Solve dh/dt = field(t, h, path) with diffrax.

    **Arguments:** `field` any callable `field(t, h, path)`; `path` one of our paths, or any function of time, or `None`
    (the last two need `ts`); `h0` the state at the first time; `ts` (n,) increasing times, by default the start of the
    first step (0) and then every stamp of the path; `solver` by default none for a linear field at the stamps (those of
    `Textbook`, of any method on an affine cell, `CTRNN(…, activation=None)`) under any path but `BandLimited`, which is
    solved exactly by one matrix exponential (`adjoint` and tolerances then have no use), and Dopri8 for all others; a solver
    without an error estimate takes one step from each time (or sample, whichever comes first) to the next; `rtol` the
    relative tolerance of a step, by default 1e-10 in float64 (1e-12 where the flow of a step is linear, 1e-8 for an
    implicit solver) and 1e-5 in float32; `atol` the absolute one, in the state's unit, by default for each component a
    hundredth of `rtol` times the largest value that the component has had; `max_steps` steps in total, by default 65,536
    and 64 more for every interval; `adjoint` how gradients are taken, by default
    `RecursiveCheckpointAdjoint(checkpoints=8)` an interval, in reverse mode (`diffrax.ForwardMode()` for `jvp`); `save`
    what to keep of each state; `throw` whether a failed run raises.

    Times known while Python runs are differenced in their own type, so that NumPy float64 times as large as Unix seconds
    keep their digits in float32. The field itself is handed the time as a float of the state's type.

    **Returns:** a `Trajectory` at `ts`, the initial state first. Its `result` says how it ended: rows past a failure are
    infinite. `stats` holds `num_steps`, `num_accepted_steps`, `num_rejected_steps` and `max_steps`.

    **Raises:** `ValueError` or `TypeError` for times that are not increasing, states that are not finite, counts that are
    not whole; at run time what `result` says, with `throw=True`.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> run = ro.integrate(lambda t, h, path: path(t) - h, ro.Hold(jnp.ones((3, 1))), jnp.zeros(1))
    >>> [round(h, 3) for h in run.states[:, 0].tolist()]
    [0.0, 0.632, 0.865, 0.95]

    ```
    """
    check_callable("field", field, "field(t, h, path)")
    h0 = as_state("h0", h0, field)
    clock = None if ts is None else Clock.of(path, ts, path.dt if isinstance(path, AbstractPath) else 1.0)
    _check_path(field, path)
    if isinstance(path, AbstractPath) and clock is not None and is_concrete(clock.ts):
        with jax.ensure_compile_time_eval():
            clock = None if np.array_equal(clock.ts, path.times) else clock
    if clock is not None:
        clock = dataclasses.replace(clock, uniform=False)  # of no use here, and would be compiled apart
    if save is not None:
        check_callable("save", save, "save(h)")
    if adjoint is not None and not isinstance(adjoint, diffrax.AbstractAdjoint):
        raise TypeError(f"adjoint must be one of diffrax's, such as diffrax.ForwardMode(); got {adjoint!r}.")
    if not isinstance(path, AbstractPath) and clock is None:
        raise ValueError(
            f"ts must be given for a path without samples ({type(path).__name__}): nothing says when to stop."
        )
    if solver is not None:
        check_solver("solver", solver)
    if max_steps is not None:
        check_count("max_steps", max_steps)
    tolerances = tolerances_of(field, h0, solver, rtol, atol)
    adjoint = _DEFAULT_ADJOINT if adjoint is None else adjoint
    rows, times, result, stats = _run(field, path, h0, clock, solver, tolerances, max_steps, adjoint, save)
    if throw:
        rows = result.error_if(rows, result != RESULTS.successful)
    return Trajectory(times, rows, result, stats)


def integrate_samples(field: Field, path: AbstractPath, h0: State, count: Array, solver, rtol, atol, adjoint) -> State:
    """The states (T + 1, …) of `integrate` at the stamps of a path, of which only the first `count` samples, which may be
    traced, are run: the states after them are that of the last one."""
    tolerances = tolerances_of(field, h0, solver, rtol, atol)
    adjoint = _DEFAULT_ADJOINT if adjoint is None else adjoint
    return _run(field, path, h0, None, solver, tolerances, None, adjoint, None, count)[0]


def _check_path(field, path):
    if path is not None and not callable(path):
        raise TypeError(
            f"path must be one of rnn_ode's paths, a function of time, or None; got {type(path).__name__}. "
            "Samples (T, D) become a path with Hold(xs)."
        )
    width = getattr(field, "input_size", None)
    if isinstance(path, AbstractPath) and width is not None and path.xs.shape[1:] != (width,):
        raise ValueError(f"path must have samples of shape ({width},) for this field; they are {path.xs.shape[1:]}.")


class _Run(eqx.Module):
    """What is carried from interval to interval. `size` is the largest modulus so far of every component; `stop` is where
    the last interval that was tried ended."""

    h: State
    anchor: State
    size: State
    stop: Stop
    result: RESULTS
    dt0: Array
    accepted: Array
    rejected: Array


@eqx.filter_jit
def _run(field, path, h0, clock, solver, tolerances, max_steps, adjoint, save, count=None):
    if solver is None and clock is None and count is None and is_exact(field, path):
        return _run_exactly(field, path, h0, max_steps, save)
    solver = Dopri8() if solver is None else solver
    (whole, *ends), times, picks, runs = segments_of(path, clock)
    if count is not None:  # an interval without length is not run
        ends = [jnp.where(whole < count, end, 0) for end in ends]

    def in_kind(state):
        """The intervals and the tolerances in the state's own type: a wider time would widen the state."""
        kind = real_dtype(state)
        return jax.tree.map(lambda value: value.astype(kind), (ends, tolerances))

    h0 = _promote(field, path, h0, (whole, *in_kind(h0)[0]))
    ends, tolerances = in_kind(h0)
    segments = (whole, *ends)
    budget = 65_536 + 64 * whole.shape[0] if max_steps is None else int(max_steps)
    save = (lambda h: h) if save is None else save
    zero, none = jnp.zeros((), int), jnp.zeros((), real_dtype(h0))
    size = jax.lax.stop_gradient(jax.tree.map(jnp.abs, h0))
    start = _Run(h0, h0, size, Stop(h0, h0, none, none), RESULTS.successful, none + 1, zero, zero)  # pyright: ignore

    def body(run, row):
        segment, may_run = row
        if may_run is not None:
            refused = (run.result == RESULTS.successful) & ~may_run
            result = RESULTS.where(refused, RESULTS.times_not_increasing, run.result)
            run = eqx.tree_at(lambda r: r.result, run, result)
        run = _advance(field, path, run, segment, solver, tolerances, budget, adjoint)
        return run, (save(run.h), run.result != RESULTS.successful)

    end, (rows, failed) = jax.lax.scan(body, start, (segments, runs))
    last = jax.tree.map(lambda leaf: leaf[jnp.argmax(failed)], segments)
    result = diagnosed(field, path, last, end.anchor, end.stop, end.result, solver, tolerances)
    states = jax.tree.map(lambda a, b: jnp.concatenate([jnp.asarray(a)[None], b]), save(h0), rows)
    failed = jnp.concatenate([~is_finite(h0)[None], failed])
    if picks is not None:
        states, failed = jax.tree.map(lambda leaf: leaf[picks], (states, failed))
    if clock is not None and clock.increasing is not None:
        failed |= ~clock.increasing
        bad = (result == RESULTS.successful) & ~clock.increasing[-1]
        result = RESULTS.where(bad, RESULTS.times_not_increasing, result)  # pyright: ignore
    stats = {
        "num_steps": end.accepted + end.rejected,
        "num_accepted_steps": end.accepted,
        "num_rejected_steps": end.rejected,
        "max_steps": budget,
    }
    return mask_failed(failed, states), times, result, stats


def _run_exactly(field, path, h0, max_steps, save):
    """A linear field from sample to sample, a step of the solution's own each: see `linear_flow`."""
    total = path.xs.shape[0]
    zeros, ones = jnp.zeros(total, real_dtype(h0)), jnp.ones(total, real_dtype(h0))
    h0 = _promote(field, path, h0, (jnp.arange(total), zeros, ones))
    states, result = linear_flow(field, path, h0, save)
    budget, none = total if max_steps is None else int(max_steps), jnp.zeros((), int)
    if budget < total:
        states = mask_failed(jnp.arange(total + 1) > budget, states)
        result = RESULTS.where(result == RESULTS.successful, RESULTS.max_steps_reached, result)  # pyright: ignore
    steps = jnp.full((), min(budget, total), int)
    stats = {"num_steps": steps, "num_accepted_steps": steps, "num_rejected_steps": none, "max_steps": budget}
    return states, path.times, result, stats


def _promote(field, path, h0, segments):
    """`h0` in the widest type among it and the field's, or `ValueError` where the field is not shaped like it."""
    segment = jax.tree.map(lambda leaf: leaf[0], segments)
    rate = jax.eval_shape(lambda h: Interval.of(field, path, segment).rate(jnp.zeros_like(segment[1]), h), h0)
    shapes = [jax.tree.map(lambda leaf: list(leaf.shape), state) for state in (h0, rate)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"field(t, h, path) must return dh/dt in the shape of h; h has {shapes[0]}, the field returned {shapes[1]}."
        )
    return jax.tree.map(lambda h, f: h.astype(jnp.result_type(h, f.dtype)), h0, rate)


def _advance(field, path, run, segment, solver, tolerances, budget, adjoint):
    """One interval: solve it unless the run has failed.

    What is known when compiled (the local times 0 and 1), and what is not here (asking why a run failed), lets XLA keep
    the whole scan in one piece of machine code: half the time of a small field.
    """
    alive = run.result == RESULTS.successful
    interval, anchor = Interval.of(field, path, segment).anchored(run.h, run.anchor)
    partial = getattr(field, "partial", False)
    begin, end = jnp.zeros_like(segment[1]), jnp.ones_like(segment[1])
    # a solver that meets an undefined field at once would shrink its step to nothing before giving up
    defined = is_finite(interval.rate(begin, run.h)) | (interval.length <= 0) if partial else True
    moving = alive & defined & (interval.length > 0)
    # as large as the state: in a batch, a mask of one value a member costs small states half their speed
    masks = jax.tree.map(lambda leaf: jnp.full(leaf.shape, moving), run.h)
    end = jnp.where(moving, end, begin) if partial else end
    adaptive = isinstance(solver, diffrax.AbstractAdaptiveSolver)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(_rate),
        solver,
        begin,
        end,
        run.dt0 if adaptive else end,
        run.h,
        (interval, masks),
        stepsize_controller=_controller(solver, tolerances, interval, run) if adaptive else diffrax.ConstantStepSize(),
        adjoint=adjoint,
        max_steps=budget,
        throw=False,
    )
    h = jax.tree.map(lambda leaf: leaf[-1], solution.ys)
    steps = jnp.where(moving, solution.stats["num_accepted_steps"], 0)
    accepted = run.accepted + steps
    rejected = run.rejected + jnp.where(moving, solution.stats["num_rejected_steps"], 0)
    out_of_steps = (solution.result == diffrax.RESULTS.max_steps_reached) | (accepted + rejected > budget)
    overflowed = (solution.result == diffrax.RESULTS.successful) & ~is_finite(h)
    result = RESULTS.where(overflowed, RESULTS.left_float_range, RESULTS.promote(solution.result))  # pyright: ignore
    result = RESULTS.where(out_of_steps, RESULTS.max_steps_reached, result)  # pyright: ignore
    result = RESULTS.where(defined, result, RESULTS.field_undefined)
    result = RESULTS.where(alive, result, run.result)
    s = solution.ts[-1].astype(run.dt0.dtype)  # pyright: ignore
    reached = Stop(run.h, _where(is_finite(h), h, run.h), s, s / jnp.maximum(steps, 1).astype(s.dtype))
    stop = _where(alive, reached, run.stop)
    h = _where(result == RESULTS.successful, h, run.h)
    anchor = _where(alive, anchor, run.anchor)
    size = jax.tree.map(lambda size, leaf: jnp.maximum(size, jnp.abs(leaf)), run.size, h)
    dt0 = jnp.where(steps > 0, 1 / jnp.maximum(steps, 1).astype(run.dt0.dtype), run.dt0)
    return _Run(h, anchor, *jax.lax.stop_gradient((size, stop)), result, dt0, accepted, rejected)


def _where(condition, new, old):
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)


def _rate(s, h, args):
    """dh/ds; nothing moves in an interval that need not be solved."""
    interval, masks = args
    return jax.tree.map(lambda moving, leaf: jnp.where(moving, leaf, 0), masks, interval.rate(s, h))


def _controller(solver, tolerances, interval, run) -> Controller:
    """An implicit solver also wants one tolerance for the whole state, whose size from rest is told by the field."""
    rtol, atol = tolerances
    size = largest_of(run.size)
    if atol is None and isinstance(solver, diffrax.AbstractImplicitSolver):
        size = jax.lax.stop_gradient(jnp.maximum(size, moved_by(interval, run.h)))
    atol_of_all = jnp.maximum(ATOL_PER_RTOL * rtol * size, float(jnp.finfo(size.dtype).tiny))
    return Controller(rtol, atol, atol_of_all, run.size)
