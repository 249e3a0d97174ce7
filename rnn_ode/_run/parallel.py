"""A run of a network whose steps are computed in parallel, with the derivatives of the scan.

Newton's method gives the states. They solve h_k = f(x_k, h_{k−1}), so their derivatives follow from the equation and not from
the iteration: u_k = J_k u_{k−1} + (what changes of weights and inputs do in step k), a linear recurrence. It runs in the
same windows, forwards for a tangent, and transposed for a gradient.

Where Newton's method does not converge, the states are those of the scan, and so is everything that follows. Under `vmap` the
batch is asked as a whole: `cond` on a batch of flags would run both ways for each member.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from .._base.compiled import compiled
from .._base.results import RESULTS
from .._base.states import after, like, promote
from .._base.types import Cell, State
from .._base.whole_batch import all_in_batch
from .._cells.protocol import hoisted
from .kept import keep, with_result
from .parallel_choice import ParallelChoice
from .parallel_newton import LARGEST_WHOLE, solve, window_length
from .parallel_windows import flat_form, linear_states


class ParallelRun(NamedTuple):
    """The flat states after each step, and how they were found."""

    states: Float[Array, "T N"]
    steps: Int[Array, ""]
    residual: Float[Array, ""]
    rounding: Float[Array, ""]
    rounded: Bool[Array, ""]
    together: Bool[Array, ""]
    """Whether the states are those of Newton's method: whether it converged, for this run and all others of its batch."""


@compiled
def run_in_parallel(
    cell: Cell, xs: Float[Array, "T ..."], h0: State, dt: Any, save: Callable[[Any], Any] | None
) -> tuple[Float[Array, " n"], State, RESULTS | None, Bool[Array, ""], dict[str, Any]]:
    """The times, what is kept of the states (T + 1, …), how the run ended, and its stats.

    The result is `None` where the states need a check unless they are known to be fine, which the flag after it says."""
    ts = dt.astype(jnp.result_type(float)) * jnp.arange(xs.shape[0] + 1)
    h0 = promote(h0, cell, xs)
    drive, advance = hoisted(cell)
    inputs = jax.vmap(drive)(xs)
    flat, restore = flat_form(h0)

    def step(row, v):
        h = restore(v)
        return flat(like(h, advance(row, h)))

    first = flat(h0)
    # the arrays that the cell closes over become arguments, of which derivatives are taken
    step = eqx.filter_closure_convert(step, jax.tree.map(lambda leaf: leaf[0], inputs), first)
    run = flat_states(step, inputs, first)
    states = after(h0, jax.vmap(restore)(run.states))
    why_not = ParallelChoice.where(run.rounded, ParallelChoice.SCAN_ROUNDING, ParallelChoice.SCAN_NOT_CONVERGED)  # pyright: ignore
    stats = stats_of(run, why_not)
    if save is None:
        return ts, states, None, jnp.all(jnp.isfinite(run.states)), stats
    states, result = with_result(jax.vmap(partial(keep, save=save))(states))
    return ts, states, result, run.together, stats


def stats_of(run: ParallelRun, otherwise: ParallelChoice) -> dict[str, Any]:
    """The stats of a run: its choice is `otherwise` where its states are the scan's."""
    way = ParallelChoice.NEWTON if run.states.shape[1] <= LARGEST_WHOLE else ParallelChoice.QUASI_NEWTON
    choice = ParallelChoice.where(run.together, way, otherwise)  # pyright: ignore
    return {"parallel": choice, "newton_steps": run.steps, "residual": run.residual, "rounding": run.rounding}


@eqx.filter_custom_jvp
def flat_states(step: Any, inputs: Any, h0: Float[Array, " N"], *, resolved: bool = False) -> ParallelRun:
    """The states of h_k = step(row_k, h_{k−1}), by Newton's method or, where that does not converge, by the scan.

    States that are small compared with the largest ones of the run have the errors of those. With `resolved` such a run is
    the scan: near a kink at zero, the sign of such a state decides about the Jacobian."""
    found = solve(step, inputs, h0)
    together = all_in_batch(found.converged & ~found.rounded & (found.resolved | (not resolved)))

    def scan():
        def one(h, row):
            h = step(row, h)
            return h, h

        return lax.scan(one, h0, inputs)[1]

    states = lax.cond(together, lambda: found.states, scan)
    return ParallelRun(states, found.steps, found.residual, found.rounding, found.rounded, together)


@flat_states.def_jvp
def _flat_states_jvp(primals, tangents, *, resolved: bool = False):
    step, inputs, h0 = primals
    d_step, d_inputs, d_h0 = tangents
    run = flat_states(step, inputs, h0, resolved=resolved)
    before = jnp.concatenate([h0[None], run.states[:-1]])
    pushes, first = jnp.zeros_like(before), jnp.zeros_like(h0) if d_h0 is None else d_h0
    if jax.tree.leaves((d_step, d_inputs)):
        _, pushes = eqx.filter_jvp(
            lambda step, inputs: jax.vmap(step)(inputs, before), (step, inputs), (d_step, d_inputs)
        )
    total, size = before.shape
    length = window_length(total) if size <= LARGEST_WHOLE else total
    ways = (partial(linear_states, step, inputs, before, length=length) for length in (length, total))
    d_states = lax.cond(run.together, *ways, pushes, first)
    still = jnp.zeros_like(run.residual)
    return run, ParallelRun(d_states, None, still, still, None, None)  # pyright: ignore
