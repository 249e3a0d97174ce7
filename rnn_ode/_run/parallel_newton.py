"""The states of a network for all steps at once: Newton's method in windows.

The T steps are divided into K windows of m steps. The unknowns are the states s_j at which the windows start. With F_j the
run through window j, they solve s_{j+1} = F_j(s_j). Newton's method linearises all windows at once:

    δ_{j+1} = D_j δ_j + F_j(s_j) − s_{j+1},    D_j = ∂F_j/∂s_j,

a linear recurrence, which an associative scan solves in log K stages; then s_j ← s_j + δ_j. With windows of one step this is
DEER (Lim et al., ICLR 2024, arXiv 2309.12252); with longer ones it is multiple shooting. At wrong states, Jacobians of single
steps multiply to products that explode. In a window the state runs on freely, and if disturbances decay it comes near the
right one before its Jacobian is used again. The first guess is the end of the window before, run from the state after the
first window.

*Several basins.* If the network can be in one of several parts of its states for long, a correction leads from a wrong part
to the right one in one window a step. Therefore every step first follows the run through a coarse copy of the network
(`parallel_places`): where a window ends far from the start of the next one, and nearer to a place from which all windows were
run before, the run is followed from there.

*Damping.* Where a correction leads out of the range that the run visits, the window starts at the end of the window before
instead, which is the step with D = 0. So nothing explodes, and after i steps the first i windows are exact in any case.

*The diagonal form* (quasi-DEER and ELK: Gonzalez et al., NeurIPS 2024, arXiv 2407.19115) takes the diagonal of D_j alone, for
large states: estimated by a few random vectors of signs z, as the mean of z ∘ D_j z (Hutchinson). It needs more steps.

*When it has converged.* The last correction is at most ε^¾ of each unit's largest value, ε the distance of 1 to the next
number. It is the distance from the solution, amplification by the network included, and the step that applies it leaves an
error of the order of its square. Rounding errors are followed by the same recurrence. Where they grow beyond ε^¾, two ways of
computing the scan differ by as much, and the last correction need not be smaller than that. Where they grow beyond ε^¼, few
digits are left, and the run is the scan. So it is if the windows do not meet in the end: a jump between two of them has
rounding errors of both.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, PyTree

from .parallel_places import followed, places_of
from .parallel_windows import FlatStep, after_each, in_windows, no_errors, push_windows, run_windows

_PROBES = 4
MOST_STEPS = 32
# Numbers of a state, up to which the whole Jacobian is taken. For each step of the run it costs some 2N³ operations a Newton
# step, and the scan some 5 µs of launching on a GPU. Three Newton steps at 10¹³ operations a second cost as much at N = 200;
# this is the power of two below. It is an estimate: no GPU was at hand.
LARGEST_WHOLE = 128


class Solved(NamedTuple):
    """The states after each step; how many steps of Newton's method it took; the largest jump that is left between windows,
    and what rounding errors grow to, both relative to the largest value of a unit; whether they grow too much; whether the
    method converged; and whether no window is so small, compared with the largest one, that its states are rounding errors of
    that one."""

    states: Float[Array, "T N"]
    steps: Int[Array, ""]
    residual: Float[Array, ""]
    rounding: Float[Array, ""]
    rounded: Bool[Array, ""]
    converged: Bool[Array, ""]
    resolved: Bool[Array, ""]


def window_length(steps: int) -> int:
    """The number of steps in a window: a power of two near the root of the number of steps."""
    return 2 ** max(0, int(np.log2(max(steps, 1))) // 2)


def tolerance(dtype) -> float:
    """ε^¾: the size of the last correction, relative to the largest value of a unit."""
    return float(jnp.finfo(dtype).eps) ** 0.75


def most_rounding(dtype) -> float:
    """ε^¼: the size of rounding errors, relative to the largest value of a unit, beyond which a run is the scan."""
    return float(jnp.finfo(dtype).eps) ** 0.25


def most_steps(windows: int) -> int:
    """The number of Newton steps after which the scan is the faster way."""
    return max(4, min(MOST_STEPS, windows // 2))


def solve(step: FlatStep, inputs: PyTree, h0: Float[Array, " N"]) -> Solved:
    """Newton's method for the states of a run from h0 with the inputs (T, …)."""
    total, size = jax.tree.leaves(inputs)[0].shape[0], h0.shape[0]
    inputs = in_windows(inputs, window_length(total))
    windows = jax.tree.leaves(inputs)[0].shape[0]
    whole, tol = size <= LARGEST_WHOLE, tolerance(h0.dtype)
    probes = np.eye(size) if whole else np.random.default_rng(1).choice([-1.0, 1.0], (_PROBES, size))
    probes = jnp.asarray(probes, h0.dtype)
    places = places_of(step, inputs, h0)

    def improve(state):
        starts, _, steps, *_ = state
        ends, pushed, errors = push_windows(step, starts, inputs, probes)
        gains = jnp.swapaxes(pushed, 1, 2) if whole else jnp.mean(probes[None] * pushed, axis=1)
        following = jnp.concatenate([starts[1:], ends[-1:]])
        elsewhere, ends = followed(places, ends, following, _sizes(ends)[None], tol**0.5)
        gains = jnp.where(elsewhere.reshape(-1, *(1,) * (gains.ndim - 1)), 0, gains)
        change = after_each(gains, ends - following)
        errors = jax.vmap(lambda errors: after_each(gains, errors), 1, 1)(errors)
        scale = _sizes(ends)
        error = jnp.where(jnp.any(elsewhere), jnp.inf, _largest(change, scale))
        starts = _kept_in_range(starts + change, ends, h0)
        return starts, errors, steps + 1, error, _largest(errors.reshape(-1, size), scale)

    def allowed(rounding):
        return jnp.clip(rounding, tol, most_rounding(h0.dtype))

    def going(state):
        *_, steps, error, rounding = state
        return (error > allowed(rounding)) & (steps < most_steps(windows))

    zero = jnp.zeros((), h0.dtype)
    guess = _shifted(places.ends[:, 0], h0)
    start = guess, jax.vmap(no_errors)(guess), jnp.zeros((), int), zero + jnp.inf, zero
    starts, errors, steps, error, _ = lax.while_loop(going, improve, start)
    windowed, errors = run_windows(step, starts, errors, inputs)
    states, errors = (rows.reshape(-1, size)[:total] for rows in (windowed, errors))
    sizes, heights = _sizes(states), jnp.max(jnp.abs(windowed), axis=(1, 2))
    residual = _largest(_shifted(windowed[:, -1], h0) - starts, sizes)
    rounding = _largest(errors, sizes)
    rounded = (error <= allowed(rounding)) & (rounding > allowed(rounding))
    converged = (error <= allowed(rounding)) & (residual <= 4 * allowed(rounding))
    resolved = jnp.min(heights) >= tol * jnp.max(heights)
    return Solved(states, steps, residual, rounding, rounded, converged, resolved)


def _shifted(ends: Float[Array, "K N"], h0: Float[Array, " N"]) -> Float[Array, "K N"]:
    """The starts that the ends of the windows before are."""
    return jnp.concatenate([h0[None], ends[:-1]])


def _kept_in_range(
    starts: Float[Array, "K N"], ends: Float[Array, "K N"], h0: Float[Array, " N"]
) -> Float[Array, "K N"]:
    """The starts, where they are within the range of the ends and half of its size around; else the end before."""
    low, high = jnp.min(ends, axis=0, keepdims=True), jnp.max(ends, axis=0, keepdims=True)
    room = (high - low) / 2 + _sizes(ends) / 2
    inside = jnp.all((starts >= low - room) & (starts <= high + room), axis=1, keepdims=True)
    return jnp.where(inside & jnp.isfinite(starts), starts, _shifted(ends, h0)).at[0].set(h0)


def _sizes(states: Float[Array, "K N"]) -> Float[Array, "1 N"]:
    """The largest value of each unit. A unit that is small because others cancel has their rounding errors."""
    sizes = jnp.max(jnp.abs(states), axis=0, keepdims=True)
    sizes = jnp.maximum(sizes, float(jnp.finfo(states.dtype).eps) ** 0.25 * jnp.max(sizes))
    return jnp.where(sizes > 0, sizes, 1)


def _largest(values: Float[Array, "K N"], sizes: Float[Array, "1 N"]) -> Float[Array, ""]:
    """The largest of the values, relative to the sizes; infinity where one is not finite, which a maximum may overlook."""
    ratios = jnp.abs(values) / sizes
    return jnp.where(jnp.all(jnp.isfinite(ratios)), jnp.max(ratios), jnp.inf)
