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

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, PyTree, Real

from ._cells import as_state
from ._dopri8 import Dopri8
from ._errors import RESULTS, as_number, as_times, check_callable, check_count, check_solver, is_concrete
from ._fields import is_linear_in_steps
from ._intervals import Interval, segments_of
from ._linear_flow import is_exact, linear_flow
from ._paths import SampledPath
from ._types import Field, State, Trajectory, is_finite, keep_before, real_dtype


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
    without an error estimate takes one step from each time (or sample, whichever comes first) to the next; `rtol`, `atol`
    tolerances of a step, 1e-10 and 1e-12 in float64 (a hundredth of it where the flow of a step is linear), 1e-5 and 1e-7
    in float32; `max_steps` steps in total, by default 65,536 and 64 more for every interval; `adjoint` how gradients are
    taken, by default `RecursiveCheckpointAdjoint(checkpoints=8)` an interval, in reverse mode (`diffrax.ForwardMode()` for
    `jvp`); `save` what to keep of each state; `throw` whether a failed run raises.

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
    ts = None if ts is None else as_times("ts", ts)
    _check_path(field, path)
    if isinstance(path, SampledPath) and ts is not None and is_concrete(ts):
        with jax.ensure_compile_time_eval():
            ts = None if np.array_equal(ts, path.times) else ts
    if save is not None:
        check_callable("save", save, "save(h)")
    if adjoint is not None and not isinstance(adjoint, diffrax.AbstractAdjoint):
        raise TypeError(f"adjoint must be one of diffrax's, such as diffrax.ForwardMode(); got {adjoint!r}.")
    if not isinstance(path, SampledPath) and ts is None:
        raise ValueError(
            f"ts must be given for a path without samples ({type(path).__name__}): nothing says when to stop."
        )
    if solver is not None:
        check_solver("solver", solver)
    if max_steps is not None:
        check_count("max_steps", max_steps)
    tolerances = _tolerances(field, h0, rtol, atol)
    rows, times, result, stats = _run(
        field,
        path,
        h0,
        ts,
        solver,
        tolerances,
        max_steps,
        diffrax.RecursiveCheckpointAdjoint(checkpoints=8) if adjoint is None else adjoint,
        save,
    )
    if throw:
        rows = result.error_if(rows, result != RESULTS.successful)
    return Trajectory(times, rows, result, stats)


def _check_path(field, path):
    if path is not None and not callable(path):
        raise TypeError(
            f"path must be one of rnn_ode's paths, a function of time, or None; got {type(path).__name__}. "
            "Samples (T, D) become a path with Hold(xs)."
        )
    width = getattr(field, "input_size", None)
    if isinstance(path, SampledPath) and width is not None and path.xs.shape[1:] != (width,):
        raise ValueError(f"path must have samples of shape ({width},) for this field; they are {path.xs.shape[1:]}.")


def _tolerances(field, h0, rtol, atol):
    defaults = (1e-5, 1e-7)
    if jnp.result_type(*jax.tree.leaves(h0)) in (jnp.float64, jnp.complex128):
        # a linear field meets the network's samples, so that the errors of the steps are all there is, and they add up: at
        # 1e-10 to 4e-9 in a thousand steps of a fast rotation; at 1e-12 to 3e-11, for 1.8 times the steps
        defaults = (1e-12, 1e-14) if is_linear_in_steps(field) else (1e-10, 1e-12)
    chosen = (defaults[0] if rtol is None else rtol, defaults[1] if atol is None else atol)
    for name, value in zip(("rtol", "atol"), chosen, strict=True):
        if is_concrete(value) and not as_number(name, value) > 0:
            raise ValueError(f"{name} must be positive; got {value}.")
    return tuple(jnp.asarray(value, jnp.result_type(float)) for value in chosen)


class _Run(eqx.Module):
    """What is carried from interval to interval."""

    h: State
    anchor: State
    result: RESULTS
    dt0: Array
    accepted: Array
    rejected: Array


@eqx.filter_jit
def _run(field, path, h0, ts, solver, tolerances, max_steps, adjoint, save):
    if solver is None and ts is None and is_exact(field, path):
        return _run_exactly(field, path, h0, max_steps, save)
    solver = Dopri8() if solver is None else solver
    (whole, *ends), times, picks = segments_of(path, ts)

    def in_kind(state):
        """The intervals and the tolerances in the state's own type: a wider time would widen the state."""
        kind = real_dtype(state)
        return (whole, *(end.astype(kind) for end in ends)), tuple(value.astype(kind) for value in tolerances)

    h0 = _promote(field, path, h0, in_kind(h0)[0])
    segments, tolerances = in_kind(h0)
    budget = 65_536 + 64 * segments[0].shape[0] if max_steps is None else int(max_steps)
    save = (lambda h: h) if save is None else save
    zero = jnp.zeros((), int)
    start = _Run(h0, h0, RESULTS.successful, jnp.ones((), real_dtype(h0)), zero, zero)  # pyright: ignore

    def body(run, segment):
        run = _advance(field, path, run, segment, solver, tolerances, budget, adjoint)
        return run, (save(run.h), run.result != RESULTS.successful)

    end, (rows, failed) = jax.lax.scan(body, start, segments)
    result = _diagnosed(field, path, end, segments, failed)
    states = jax.tree.map(lambda a, b: jnp.concatenate([jnp.asarray(a)[None], b]), save(h0), rows)
    failed = jnp.concatenate([~is_finite(h0)[None], failed])
    if picks is not None:
        states, failed = jax.tree.map(lambda leaf: leaf[picks], (states, failed))
    stats = {
        "num_steps": end.accepted + end.rejected,
        "num_accepted_steps": end.accepted,
        "num_rejected_steps": end.rejected,
        "max_steps": budget,
    }
    return keep_before(failed, states), times, result, stats


def _run_exactly(field, path, h0, max_steps, save):
    """A linear field from sample to sample, a step of the solution's own each: see `_linear_flow`."""
    total = path.xs.shape[0]
    zeros, ones = jnp.zeros(total, real_dtype(h0)), jnp.ones(total, real_dtype(h0))
    h0 = _promote(field, path, h0, (jnp.arange(total), zeros, ones))
    states, result = linear_flow(field, path, h0, save)
    budget, none = total if max_steps is None else int(max_steps), jnp.zeros((), int)
    if budget < total:
        states = keep_before(jnp.arange(total + 1) > budget, states)
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
    defined = is_finite(interval.rate(begin, run.h)) if partial else True
    moving = alive & defined & (segment[1] < segment[2])
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
        stepsize_controller=_controller(*tolerances, end.dtype) if adaptive else diffrax.ConstantStepSize(),  # pyright: ignore
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
    h = jax.tree.map(lambda new, old: jnp.where(result == RESULTS.successful, new, old), h, run.h)
    anchor = jax.tree.map(lambda new, old: jnp.where(alive, new, old), anchor, run.anchor)
    dt0 = jnp.where(steps > 0, 1 / jnp.maximum(steps, 1).astype(run.dt0.dtype), run.dt0)
    return _Run(h, anchor, result, dt0, accepted, rejected)


def _rate(s, h, args):
    """dh/ds; nothing moves in an interval that need not be solved."""
    interval, masks = args
    return jax.tree.map(lambda moving, leaf: jnp.where(moving, leaf, 0), masks, interval.rate(s, h))


def _controller(rtol, atol, dtype):
    """Steps by the error; a step that shrinks to rounding means that the field or the state is not finite."""
    return diffrax.PIDController(rtol, atol, dtmin=float(16 * jnp.finfo(dtype).eps), force_dtmin=False)


def _diagnosed(field, path, run, segments, failed) -> RESULTS:
    """The result of a run, looked into at the interval that it ended in."""
    known = (
        (run.result == RESULTS.successful)
        | (run.result == RESULTS.max_steps_reached)
        | (run.result == RESULTS.field_undefined)
    )

    def why():
        segment = jax.tree.map(lambda leaf: leaf[jnp.argmax(failed)], segments)
        interval, _ = Interval.of(field, path, segment).anchored(run.h, run.anchor)
        return jax.lax.stop_gradient(_why(interval, run.h, run.result))

    return jax.lax.cond(known, lambda: run.result, why)


def _why(interval, h, result) -> RESULTS:
    """Why an interval could not be solved: the state leaves the float range in it, or the field is not finite in it.

    The field is looked at along its first direction, which is a guess at the path that the solver failed to follow. The
    state leaves the range if growth at the rate seen there takes it out of it: the speed over the size, or what the
    velocity itself grows by along its own direction, which is the one that counts at h = 0.
    """
    kind = interval.segment[1].dtype
    rate = interval.rate(jnp.zeros((), kind), h)
    size, speed = _largest(h), _largest(rate)
    largest = jnp.finfo(size.dtype).max
    parts = jnp.linspace(0, 1, 9, dtype=kind)

    def probe(s):
        ahead = interval.rate(s, jax.tree.map(lambda a, b: a + s.astype(a.dtype) * b, h, rate))
        return is_finite(ahead), _along(ahead, rate, speed)

    defined, stretch = jax.lax.map(probe, parts)
    defined = jnp.all(defined)
    growth = jnp.maximum(speed / jnp.maximum(size, 1), (stretch[1] - stretch[0]) / parts[1])
    leaves_range = (size > largest**0.5) | (jnp.log(jnp.maximum(size, speed)) + growth > 0.95 * jnp.log(largest))
    result = RESULTS.where(result == RESULTS.dt_min_reached, RESULTS.step_vanished, result)  # pyright: ignore
    why = RESULTS.where(defined, result, RESULTS.field_undefined)
    return RESULTS.where(leaves_range, RESULTS.left_float_range, why)


def _along(a, b, size):
    """Re⟨a, b⟩ / ‖b‖², for a largest entry of b of that size."""
    size = jnp.where(size > 0, size, 1)
    pairs = [(x / size, y / size) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)]
    inner = sum(jnp.sum((x * y.conj()).real) for x, y in pairs)
    return inner / jnp.maximum(sum(jnp.sum(jnp.abs(y) ** 2) for _, y in pairs), 1e-30)


def _largest(state):
    return jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(state)]))
