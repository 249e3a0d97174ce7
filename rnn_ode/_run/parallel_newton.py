"""The states of a network for all steps at once: Newton's method in windows.

The T steps are divided into K windows of m steps. The unknowns are the states s_j at which the windows start. With F_j the
run through window j, they solve s_{j+1} = F_j(s_j). Newton's method linearises all windows at once:

    δ_{j+1} = D_j δ_j + F_j(s_j) − s_{j+1},    D_j = ∂F_j/∂s_j,

a linear recurrence, which an associative scan solves in log K stages; then s_j ← s_j + δ_j. With windows of one step this is
DEER (Lim et al., ICLR 2024, arXiv 2309.12252); with longer ones it is multiple shooting. At wrong states, Jacobians of single
steps multiply to products that explode. In a window the state runs on freely, and if disturbances decay it comes near the
right one before its Jacobian is used again. The first guess is the end of the window before, run from the state after the
first window: of several basins that is more often the right one than h0 is.

*Damping.* Where a correction leads out of the range that the run visits, the window starts at the end of the window before
instead, which is the step with D = 0. So nothing explodes, and after i steps the first i windows are exact in any case.

*The diagonal form* (quasi-DEER and ELK: Gonzalez et al., NeurIPS 2024, arXiv 2407.19115) takes the diagonal of D_j alone, for
large states: estimated by a few random vectors of signs z, as the mean of z ∘ D_j z (Hutchinson). It needs more steps.

*When it has converged.* The last correction is at most ε^¾ of each unit's largest value, ε the unit roundoff. It is the
distance from the solution, amplification by the network included, and the step that applies it leaves an error of the order
of its square. Rounding errors are followed by the same recurrence: where they would grow beyond ε^¾, two runs of the scan
itself need not agree, and the run does not count as converged. Nor does it if the windows do not meet in the end.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, PyTree

from .parallel_windows import FlatStep, after_each, push_windows, run_windows

_PROBES = 4
MOST_STEPS = 32
# Numbers of a state, up to which the whole Jacobian is taken. For each step of the run it costs some 2N³ operations a Newton
# step, and the scan some 5 µs of launching on a GPU. Three Newton steps at 10¹³ operations a second cost as much at N = 200;
# this is the power of two below. It is an estimate: no GPU was at hand.
LARGEST_WHOLE = 128


class Solved(NamedTuple):
    """The states after each step; how many steps of Newton's method it took; the largest jump that is left between windows,
    relative to the largest value of a unit; whether rounding errors grow too much; whether the method converged; and
    whether no window is so small, compared with the largest one, that its states are rounding errors of that one."""

    states: Float[Array, "K m N"]
    steps: Int[Array, ""]
    residual: Float[Array, ""]
    rounded: Bool[Array, ""]
    converged: Bool[Array, ""]
    resolved: Bool[Array, ""]


def window_length(steps: int) -> int:
    """The number of steps in a window: a power of two near the root of the number of steps."""
    return 2 ** max(0, int(np.log2(max(steps, 1))) // 2)


def tolerance(dtype) -> float:
    """ε^¾: the size of the last correction, relative to the largest value of a unit."""
    return float(jnp.finfo(dtype).eps) ** 0.75


def most_steps(windows: int) -> int:
    """The number of Newton steps after which the scan is the faster way."""
    return max(4, min(MOST_STEPS, windows // 2))


def solve_windows(step: FlatStep, inputs: PyTree, h0: Float[Array, " N"]) -> Solved:
    """Newton's method for the states of a run from h0 whose inputs are in windows (K, m, …)."""
    windows, size = jax.tree.leaves(inputs)[0].shape[0], h0.shape[0]
    whole, tol = size <= LARGEST_WHOLE, tolerance(h0.dtype)
    probes = np.eye(size) if whole else np.random.default_rng(1).choice([-1.0, 1.0], (_PROBES, size))
    probes = jnp.asarray(probes, h0.dtype)

    def improve(state):
        starts, steps, *_ = state
        ends, pushed, errors = push_windows(step, starts, inputs, probes)
        gains = jnp.swapaxes(pushed, 1, 2) if whole else jnp.mean(probes[None] * pushed, axis=1)
        following = jnp.concatenate([starts[1:], ends[-1:]])
        change, rounding = after_each(gains, ends - following), after_each(gains, errors)
        scale = _sizes(ends)
        error = _largest(change, scale)
        rounding = jnp.maximum(_largest(rounding, scale), _largest(errors, scale))
        starts = _kept_in_range(starts + change, ends, h0)
        return starts, steps + 1, error, rounding

    def going(state):
        _, steps, error, rounding = state
        hopeless = (error <= tol**0.5) & (
            rounding > tol
        )  # near the solution, what it makes of rounding errors is known
        return (error > tol) & ~hopeless & (steps < most_steps(windows))

    settled = run_windows(step, h0[None], jax.tree.map(lambda leaf: leaf[:1], inputs))[0, -1]
    guess = jnp.broadcast_to(settled, (windows, size)).at[0].set(h0)
    guess = _shifted(run_windows(step, guess, inputs)[:, -1], h0)
    infinite = jnp.asarray(jnp.inf, h0.dtype)
    start = guess, jnp.zeros((), int), infinite, infinite
    starts, steps, error, rounding = lax.while_loop(going, improve, start)
    states = run_windows(step, starts, inputs)
    residual = _largest(_shifted(states[:, -1], h0) - starts, _sizes(states[:, -1]))
    sizes = jnp.max(jnp.abs(states), axis=(1, 2))
    rounded, converged = (error <= tol**0.5) & (rounding > tol), (error <= tol) & (residual <= tol)
    return Solved(states, steps, residual, rounded, converged, jnp.min(sizes) >= tol * jnp.max(sizes))


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
