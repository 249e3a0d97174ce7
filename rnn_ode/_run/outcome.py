"""Why a solver could not finish an interval: overflow, an undefined field, stiffness, rounding, a singularity or a jump.

The diagnosis starts from the last state that the solver accepted, its time, and the length of the steps. The field is
evaluated near that state, and power iteration finds the eigenvalue of its Jacobian with the largest modulus. All times are
local, from 0 to 1 in the interval, so that the answer does not depend on the unit of time.
"""

from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from .._base.results import RESULTS
from .._base.states import frozen, is_finite
from .._base.types import Field, State
from .intervals import Interval
from .tolerances import largest_of, shortest_step

_ITERATIONS = 20

_FOLDS = 50.0  # of decay in an interval, from which on it counts as fast


class Stop(NamedTuple):
    """Where a solver stopped in an interval: the `first` state of the interval, the last state `h` that was accepted, its
    time `s`, and the mean accepted `step` in local time."""

    first: State
    h: State
    s: Array
    step: Array


def diagnosed(
    field: Field,
    path: Any,
    segment: tuple[Array, ...],
    anchor: State,
    stop: Stop,
    result: RESULTS,
    solver: diffrax.AbstractSolver,
    tolerances: tuple[Array, Array | None],
) -> RESULTS:
    """Return the result of a run, with the reason for a failure of the solver in `segment`, the interval in which it ended.

    It uses a loop of at most one iteration: under `vmap`, `cond` would diagnose every run of a batch, failed or not."""
    field, path, segment, anchor, stop = frozen((field, path, segment, anchor, stop))
    known = jnp.array(False)
    for final in (RESULTS.successful, RESULTS.field_undefined, RESULTS.times_not_increasing):
        known |= result == final
    structure = jax.tree.structure(result)

    def look(run):
        result = jax.tree.unflatten(structure, run[1])
        interval, _ = Interval.of(field, path, segment).anchored(stop.first, anchor)
        return jnp.array(True), jax.tree.leaves(_why(interval, stop, result, solver, tolerances))

    _, leaves = jax.lax.while_loop(lambda run: ~run[0], look, (known, jax.tree.leaves(result)))
    return jax.tree.unflatten(structure, leaves)


def _why(interval: Interval, stop: Stop, result: RESULTS, solver, tolerances) -> RESULTS:
    """Return the reason. If several apply, the last one below counts."""
    kind = interval.segment[1].dtype
    adaptive = isinstance(solver, diffrax.AbstractAdaptiveSolver)
    explicit = not isinstance(solver, diffrax.AbstractImplicitSolver)
    shortest = shortest_step(stop.s)
    at_first, at_stop = _exponents(interval, stop)
    size, before = largest_of(stop.h), largest_of(stop.first)
    range_end = jnp.finfo(size.dtype).max
    limit = jnp.log(range_end)
    ahead = shortest * 4.0 ** jnp.arange(-1, 4) if adaptive else jnp.linspace(0, 1, 9)
    finite = _finite_near(interval, stop, ahead.astype(kind), range_end if adaptive else range_end**0.5)
    grown = size > 10 * before
    # the powers of a large state leave the float range before the state does
    large = (jnp.log(size) > 0.5 * limit) | ((jnp.log(size) > 0.25 * limit) & grown)
    if adaptive:
        # an explicit step is stable while it is some units of 1/|λ| long
        step = jnp.maximum(stop.step, shortest)
        stiff = (-at_stop > _FOLDS) & (-at_stop * step > 0.5)
        stiff &= (result != RESULTS.max_steps_reached) | (-at_stop * stop.s > _FOLDS)
        # growth from the start on, too fast for any step, and long enough to leave the float range
        speed = largest_of(interval.rate(jnp.zeros((), kind), stop.first))
        reach = jnp.log(jnp.maximum(before, speed)) + at_first > limit
        leaves = ((jnp.log(size) > 0.75 * limit) & grown) | ((at_first * shortest > 0.05) & reach & (stop.s < 0.5))
        rounded = ~jnp.array(explicit) & is_rounding_too_large(stop, at_first, at_stop, result, tolerances)
    else:
        stiff, leaves, rounded = -at_first > 2, jnp.array(False), jnp.array(False)
    result = RESULTS.where(result == RESULTS.dt_min_reached, RESULTS.step_vanished, result)  # pyright: ignore
    result = RESULTS.where(rounded, RESULTS.rounding_too_large, result)  # pyright: ignore
    result = RESULTS.where(stiff & explicit, RESULTS.stiff, result)  # pyright: ignore
    result = RESULTS.where(~finite & ~large, RESULTS.field_undefined, result)  # pyright: ignore
    return RESULTS.where(leaves | (~finite & large & ~stiff), RESULTS.left_float_range, result)  # pyright: ignore


def is_rounding_too_large(stop: Stop, at_first, at_stop, result: RESULTS, tolerances) -> Bool[Array, ""]:
    """Whether the field's rounding ended the run of an implicit solver, which solves for the rate.

    A decay at rate λ multiplies the rounding of the state by |λ|. The steps of an explicit solver are too short for that to
    matter. The decay must be fast also at the start of the interval: near a singularity it is fast only where the solver
    stopped. If the steps ran out, the run must be past the first transient, and its steps must be as short as those of an
    explicit solver, no longer than some decay times."""
    rtol, atol = tolerances
    size = jnp.maximum(largest_of(stop.h), largest_of(stop.first))
    allowed = rtol if atol is None else rtol + atol / jnp.where(size > 0, size, 1)
    decay = -jnp.maximum(at_first, at_stop)
    above = (decay > _FOLDS) & (decay * float(jnp.finfo(size.dtype).eps) > allowed)
    vanished = (result == RESULTS.dt_min_reached) | (result == RESULTS.step_vanished)
    short = (decay * stop.s > _FOLDS) & (decay * stop.step < 10)
    return above & (vanished | ((result == RESULTS.max_steps_reached) & short))


def _finite_near(interval: Interval, stop: Stop, ahead: Array, too_far) -> Bool[Array, ""]:
    """Whether the field is finite where the solver stopped, and at the states ahead along its rate that are not too far."""
    rate = interval.rate(stop.s, stop.h)

    def probe(length):
        h = jax.tree.map(lambda a, b: a + length.astype(jnp.finfo(a.dtype).dtype) * b, stop.h, rate)
        return is_finite(interval.rate(jnp.minimum(stop.s + length, 1), h)) | ~(largest_of(h) < too_far)

    return is_finite(rate) & jnp.all(jax.lax.map(probe, ahead))


def _exponents(interval: Interval, stop: Stop) -> Array:
    """The eigenvalue of largest modulus of the Jacobian at the interval's start and where the solver stopped, per interval:
    its real part, or 0 where it turns faster than it grows or decays."""
    states = jax.tree.map(lambda a, b: jnp.stack([a, b]), stop.first, stop.h)

    def of(point):
        s, h = point
        v = jax.tree.map(lambda leaf: jnp.cos(1.0 + jnp.arange(leaf.size)).reshape(leaf.shape).astype(leaf.dtype), h)

        def along(v, _):
            new = jax.jvp(lambda h: interval.rate(s, h), (h,), (v,))[1]
            new, size = _scaled(new)
            inner, own, length = _inner(new, v), _inner(v, v), _inner(new, new)
            aligned = jnp.abs(inner) > 0.5 * jnp.sqrt(length * own)
            return new, jnp.where(aligned, size * inner / own, 0)

        return jax.lax.scan(along, v, length=_ITERATIONS)[1][-1]

    return jax.lax.map(of, (jnp.stack([jnp.zeros_like(stop.s), stop.s]), states))


def _scaled(v: State) -> tuple[State, Array]:
    """Return the state divided by its largest entry, and that entry."""
    size = largest_of(v)
    safe = jnp.where(size > 0, size, 1)
    return jax.tree.map(lambda leaf: leaf / safe.astype(jnp.finfo(leaf.dtype).dtype), v), size


def _inner(a: State, b: State) -> Array:
    """Return Re⟨a, b⟩."""
    return jnp.sum(
        jnp.stack([jnp.sum((x * y.conj()).real) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)])
    )
