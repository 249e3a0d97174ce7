"""Why a solver could not finish an interval: overflow, a field that is not finite, stiffness, or a singularity or jump.

All that is known is where the solver stopped, at the last state that it accepted, and how long its steps were. The field is
asked near there, and its Jacobian for the eigenvalue of largest modulus, by power iteration. Everything is in the local time
of the interval, 0 to 1, and so holds in any unit of time.
"""

from typing import NamedTuple

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from ._errors import RESULTS
from ._intervals import Interval
from ._tolerances import largest_of, shortest_step
from ._types import State, frozen, is_finite

_ITERATIONS = 20
_FOLDS = 50.0  # of decay within the interval, that count as fast


class Stop(NamedTuple):
    """Where a solver stopped in an interval: the interval's first state, the last state that was accepted, its local time,
    and the mean accepted step in local time."""

    first: State
    h: State
    s: Array
    step: Array


def diagnosed(field, path, segment, anchor, stop: Stop, result: RESULTS, solver) -> RESULTS:
    """The result of a run, looked into at the interval in which it ended, `segment`.

    A loop of one trip or none: under `vmap` a conditional would look into every run of a batch, failed or not."""
    field, path, segment, anchor, stop = frozen((field, path, segment, anchor, stop))
    known = jnp.array(False)
    for final in (RESULTS.successful, RESULTS.field_undefined, RESULTS.times_not_increasing):
        known |= result == final
    structure = jax.tree.structure(result)

    def look(run):
        result = jax.tree.unflatten(structure, run[1])
        interval, _ = Interval.of(field, path, segment).anchored(stop.first, anchor)
        return jnp.array(True), jax.tree.leaves(_why(interval, stop, result, solver))

    _, leaves = jax.lax.while_loop(lambda run: ~run[0], look, (known, jax.tree.leaves(result)))
    return jax.tree.unflatten(structure, leaves)


def _why(interval: Interval, stop: Stop, result: RESULTS, solver) -> RESULTS:
    kind = interval.segment[1].dtype
    adaptive = isinstance(solver, diffrax.AbstractAdaptiveSolver)
    explicit = not isinstance(solver, diffrax.AbstractImplicitSolver)
    shortest = shortest_step(stop.s)
    step = jnp.where(stop.step > 0, stop.step, shortest) if adaptive else jnp.ones((), kind)
    size, before = largest_of(stop.h), largest_of(stop.first)
    limit = jnp.log(jnp.finfo(size.dtype).max)
    at_first, at_stop = _exponents(interval, stop)
    grown = (jnp.log(size) > 0.75 * limit) & (size > 10 * before)
    ahead = shortest * 4.0 ** jnp.arange(-1, 4) if adaptive else jnp.linspace(0, 1, 9)
    undefined = _undefined_near(interval, stop, ahead.astype(kind))
    # an explicit step is stable while it is some units of 1/|λ| long
    fast = (-at_stop > _FOLDS) & (-at_stop * jnp.maximum(step, shortest) > 0.5)
    settled = (result != RESULTS.max_steps_reached) | (-at_stop * stop.s > _FOLDS)
    stiff = explicit & fast & settled if adaptive else explicit & (-at_first > 2)
    result = RESULTS.where(result == RESULTS.dt_min_reached, RESULTS.step_vanished, result)  # pyright: ignore
    if not adaptive:
        result = RESULTS.where(stiff, RESULTS.stiff, result)  # pyright: ignore
        return RESULTS.where(undefined, RESULTS.field_undefined, result)  # pyright: ignore
    # growth so fast from the start that no step is short enough for it, and long enough to leave the range
    speed = largest_of(interval.rate(jnp.zeros((), kind), stop.first))
    reach = jnp.log(jnp.maximum(before, speed)) + at_first > limit
    leaves = grown | ((at_first * shortest > 0.05) & reach & (stop.s < 0.5))
    result = RESULTS.where(stiff, RESULTS.stiff, result)  # pyright: ignore
    result = RESULTS.where(undefined, RESULTS.field_undefined, result)  # pyright: ignore
    return RESULTS.where(leaves, RESULTS.left_float_range, result)  # pyright: ignore


def _undefined_near(interval: Interval, stop: Stop, ahead: Array) -> Bool[Array, ""]:
    """Whether the field is not finite a little ahead of where the solver stopped, along its rate, without an overflow."""
    rate = interval.rate(stop.s, stop.h)

    def probe(length):
        h = jax.tree.map(lambda a, b: a + length.astype(jnp.finfo(a.dtype).dtype) * b, stop.h, rate)
        size = largest_of(h)
        finite = is_finite(interval.rate(jnp.minimum(stop.s + length, 1), h))
        return ~finite & (size < jnp.finfo(size.dtype).max ** 0.5)

    here = ~is_finite(rate) & (largest_of(stop.h) < jnp.finfo(largest_of(stop.h).dtype).max ** 0.5)
    return here | jnp.any(jax.lax.map(probe, ahead))


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
    """A state with a largest entry of 1, and what it was."""
    size = largest_of(v)
    safe = jnp.where(size > 0, size, 1)
    return jax.tree.map(lambda leaf: leaf / safe.astype(jnp.finfo(leaf.dtype).dtype), v), size


def _inner(a: State, b: State) -> Array:
    """Re⟨a, b⟩."""
    return jnp.sum(
        jnp.stack([jnp.sum((x * y.conj()).real) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)])
    )
