"""How large an error a solver's step may have: by the state's type, and by the size that each part of the state has.

An absolute tolerance has the unit of the state. One number for all problems is too coarse for states of 1e-6 and too fine for
states of 1e6. By default each component therefore has its own, a hundredth of `rtol` times the largest value that the
component has had so far in the run. A component that is a sum of terms which cancel is only known to the rounding of these
terms; the largest component of the state stands in for their size.
"""

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array

from ._errors import as_number, is_concrete
from ._fields import is_linear_in_steps
from ._types import Field, State

ATOL_PER_RTOL = 0.01  # of a component's size


def default_rtol(field: Field, h0: State) -> float:
    """The relative tolerance of a step in the type of the state."""
    if jnp.finfo(jnp.result_type(*jax.tree.leaves(h0))).bits < 64:
        return 1e-5
    # a linear field meets the network's samples, so that the errors of the steps are all there is, and they add up: at
    # 1e-10 to 4e-9 in a thousand steps of a fast rotation; at 1e-12 to 3e-11, for 1.8 times the steps
    return 1e-12 if is_linear_in_steps(field) else 1e-10


def tolerances_of(field: Field, h0: State, rtol, atol) -> tuple[Array, Array | None]:
    """`rtol` and `atol` as arrays, checked where they are known; `atol` stays `None` if it follows the state's size."""
    rtol = default_rtol(field, h0) if rtol is None else rtol
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value is not None and is_concrete(value) and not as_number(name, value) > 0:
            raise ValueError(f"{name} must be positive; got {value}.")
    kind = jnp.result_type(float)
    return jnp.asarray(rtol, kind), None if atol is None else jnp.asarray(atol, kind)


def controller_of(rtol, atol, size: State, implicit_size, dtype) -> diffrax.AbstractAdaptiveStepSizeController:
    """Steps by the error. A step that shrinks to rounding is an error of its own: see `_outcome`.

    `size` is the largest value so far of each component, `implicit_size` one number for the whole state, to which an implicit
    solver solves its equations."""
    smallest = float(16 * jnp.finfo(dtype).eps)
    if atol is not None:
        return diffrax.PIDController(rtol, atol, dtmin=smallest, force_dtmin=False)
    steps = diffrax.PIDController(0.0, 1.0, dtmin=smallest, force_dtmin=False)
    return _BySize(rtol, ATOL_PER_RTOL * rtol * implicit_size, steps, size)


class _BySize(diffrax.AbstractAdaptiveStepSizeController):
    """A `PIDController` of the error relative to each component's own size. `rtol` and `atol` are what an implicit solver
    reads; `steps` decides, of errors that are already relative to what they may be."""

    rtol: Array
    atol: Array
    steps: diffrax.PIDController
    size: State

    @property
    def norm(self):
        return self.steps.norm

    def wrap(self, direction):
        return self

    def init(self, terms, t0, t1, y0, dt0, args, func, error_order):
        t1, state = self.steps.init(terms, t0, t1, y0, dt0, args, func, error_order)
        return t1, (state, self.size)

    def adapt_step_size(self, t0, t1, y0, y1_candidate, args, y_error, error_order, controller_state):
        state, size = controller_state
        ends = jax.tree.map(lambda a, b: jnp.maximum(jnp.abs(a), _finite(jnp.abs(b))), y0, y1_candidate)
        size = jax.lax.stop_gradient(jax.tree.map(jnp.maximum, size, ends))
        floor = _floor(size)

        def relative(error, end, size):
            absolute = jnp.maximum(ATOL_PER_RTOL * self.rtol * size, floor.astype(size.dtype))
            return error / (self.rtol * end + absolute)

        errors = jax.tree.map(relative, y_error, ends, size)
        none = jax.tree.map(jnp.zeros_like, y0)
        keep, t0, t1, jumped, state, result = self.steps.adapt_step_size(
            t0, t1, none, none, args, errors, error_order, state
        )
        size = jax.tree.map(lambda new, old: jnp.where(keep, new, old), size, controller_state[1])
        return keep, t0, t1, jumped, (state, size), result


def _finite(size):
    return jnp.where(jnp.isfinite(size), size, 0)


def _floor(size: State) -> Array:
    """The rounding of the largest component; never zero."""
    largest = largest_of(size)
    info = jnp.finfo(largest.dtype)
    return jnp.maximum(0.5 * float(info.eps) * largest, float(info.tiny))


def largest_of(state: State) -> Array:
    """The largest modulus of a state's entries."""
    return jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(state)]))


def moved_by(interval, h: State) -> Array:
    """How far the state moves in an interval, by its rate there and by how fast that changes along itself: of a fast decay
    towards a state the distance to it, not the rate times the interval."""

    def rate(h):
        return interval.rate(jnp.zeros_like(interval.segment[1]), h)

    speed, along = jax.jvp(rate, (h,), (rate(h),))
    moved, turned = largest_of(speed), largest_of(along)
    return jnp.where(moved > 0, moved / (1 + turned / jnp.where(moved > 0, moved, 1)), 0)
