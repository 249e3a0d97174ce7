"""The error that a step of a solver may have, by the type of the state and the size of its components.

An absolute tolerance has the unit of the state. One number for all problems would be too coarse for states of 1e-6 and too
fine for states of 1e6. By default each component therefore has its own: a hundredth of `rtol` times the largest value that
the component has had so far in the run. If a component is a sum of terms that cancel, its error is at least the rounding of
these terms, whose size is taken to be that of the largest component.
"""

from typing import Any

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array

from .._base.checks import as_number, is_concrete
from .._base.protocol import is_linear_in_steps
from .._base.types import Field, State

ATOL_PER_RTOL = 0.01  # of a component's size


def default_rtol(field: Field, h0: State, solver: diffrax.AbstractSolver | None = None) -> float:
    """Return the default relative tolerance of a step, by the type of the state."""
    if jnp.finfo(jnp.result_type(*jax.tree.leaves(h0))).dtype.itemsize < 8:
        return 1e-5
    if isinstance(solver, diffrax.AbstractImplicitSolver):
        # with less, Newton's iterations for a rate of 1e9 reach rounding before they converge (Kvaerno3 and Kvaerno5)
        return 1e-8
    # The flow of a linear field meets the network's samples, so that the only errors are those of the steps. In a thousand
    # steps of a fast rotation they add up to 4e-9 at 1e-10, and to 3e-11 at 1e-12, which takes 1.8 times the steps.
    return 1e-12 if is_linear_in_steps(field) else 1e-10


def tolerances_of(
    field: Field, h0: State, solver: diffrax.AbstractSolver | None, rtol: Any, atol: Any
) -> tuple[Array, Array | None]:
    """Return `rtol` and `atol` as arrays, checked if they are known; `atol` stays `None` if it follows the state's size."""
    rtol = default_rtol(field, h0, solver) if rtol is None else rtol
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value is not None and is_concrete(value) and not as_number(name, value) > 0:
            raise ValueError(f"{name} must be positive; got {value}.")
    kind = jnp.result_type(float)
    return jnp.asarray(rtol, kind), None if atol is None else jnp.asarray(atol, kind)


def shortest_step(s: Array) -> Array:
    """Return the shortest step that a solver may take from a local time 0 ≤ s ≤ 1: s + step must still differ from s."""
    eps = float(jnp.finfo(s.dtype).eps)
    return jnp.maximum(16 * eps * s, eps**2)


class Controller(diffrax.AbstractAdaptiveStepSizeController):
    """`diffrax.PIDController` for a local time from 0 to 1. The solve ends if a step becomes shorter than `shortest_step`.

    With `atol` the error of a step may be atol + rtol |h|, as in diffrax. Without it each component has its own atol, see the
    top of the file. An implicit solver solves its equations to `rtol` and `atol_of_all`. `first` is the first step to try."""

    rtol: Array
    own: Array | None
    atol: Array
    size: State
    first: Array
    pid: diffrax.PIDController

    def __init__(self, rtol, atol, atol_of_all, size: State, first: Array):
        self.rtol, self.own, self.atol, self.size = rtol, atol, atol_of_all if atol is None else atol, size
        self.first = first
        self.pid = diffrax.PIDController(0.0, 1.0)  # its errors are relative to the error allowed

    @property
    def norm(self):
        return self.pid.norm

    def wrap(self, direction):
        return self

    def init(self, terms, t0, t1, y0, dt0, args, func, error_order):
        t1, state = self.pid.init(terms, t0, t1, y0, self.first, args, func, error_order)
        # an adjoint equation has another state, and the sizes of its components are not known before
        known = jax.tree.structure(y0) == jax.tree.structure(self.size)
        return t1, (state, self.size if known else jax.tree.map(jnp.abs, y0))

    def adapt_step_size(self, t0, t1, y0, y1_candidate, args, y_error, error_order, controller_state):
        state, before = controller_state
        ends = jax.tree.map(lambda a, b: jnp.maximum(jnp.abs(a), _finite(jnp.abs(b))), y0, y1_candidate)
        size = jax.lax.stop_gradient(jax.tree.map(jnp.maximum, before, ends))
        rounding = _rounding(size)
        errors = jax.tree.map(lambda error, a, b: error / self._allowed(a, b, rounding), y_error, ends, size)
        none = jax.tree.map(jnp.zeros_like, y0)
        keep, t0, t1, jumped, state, result = self.pid.adapt_step_size(
            t0, t1, none, none, args, errors, error_order, state
        )
        size = jax.tree.map(lambda new, old: jnp.where(keep, new, old), size, before)
        result = diffrax.RESULTS.where(t1 - t0 < shortest_step(jnp.asarray(t0)), diffrax.RESULTS.dt_min_reached, result)
        return keep, t0, t1, jumped, (state, size), result

    def _allowed(self, end, size, rounding):
        absolute = jnp.maximum(ATOL_PER_RTOL * self.rtol * size, rounding) if self.own is None else self.own
        return self.rtol * end + absolute


def _finite(size):
    return jnp.where(jnp.isfinite(size), size, 0)


def _rounding(size: State) -> Array:
    """Return the rounding of the largest component, which is never zero."""
    largest = largest_of(size)
    info = jnp.finfo(largest.dtype)
    return jnp.maximum(0.5 * float(info.eps) * largest, float(info.tiny))


def largest_of(state: State) -> Array:
    """Return the largest modulus of a state's entries."""
    return jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(state)]))


def moved_by(interval: Any, h: State) -> Array:
    """Return how far the state moves in an interval, from its rate and the derivative of the rate along itself.

    For a fast decay towards a state this is the distance to that state, and not the rate times the interval."""

    def rate(h):
        return interval.rate(jnp.zeros_like(interval.segment[1]), h)

    speed, along = jax.jvp(rate, (h,), (rate(h),))
    moved, turned = largest_of(speed), largest_of(along)
    return jnp.where(moved > 0, moved / (1 + turned / jnp.where(moved > 0, moved, 1)), 0)
