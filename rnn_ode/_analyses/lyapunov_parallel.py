"""The states and frames at the starts of all blocks of a run, at once.

The states come from Newton's method, or from a scan where that does not converge, as along a chaotic trajectory. The products
of the Jacobians of each block need the states alone, so they are formed for all blocks side by side, and a parallel prefix
makes the frames of them. All blocks of the run are then independent of each other.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._run.parallel import ParallelRun, flat_states
from .frames import Advance, first_frame
from .graded import frames_before, of_block
from .lyapunov_plan import Plan
from .steps import Step


def starts_of_blocks(
    advance: Advance,
    plan: Plan,
    step: Step,
    first: Int[Array, " m"],
    live: Int[Array, " m"],
    h0: Float[Array, " N"],
    count: int,
) -> tuple[Float[Array, "m N"], Float[Array, "m k N"], ParallelRun]:
    """The state and the frame of `count` vectors before each block, and how the states were found."""
    steps = jnp.arange((plan.transient + plan.counted) * step.parts)
    one = eqx.filter_closure_convert(lambda k, h: advance(k, h), steps[0], h0)
    found = flat_states(one, steps, h0, resolved=True)
    states = jnp.concatenate([h0[None], found.states])[first]
    V = jnp.asarray(first_frame(len(h0), len(h0)), h0.dtype)
    most = plan.block * step.parts
    blocks = jax.vmap(lambda k, live, h: of_block(one, k, live, most, h, V))(first, live, states)
    return states, frames_before(blocks, V)[:, :count], found
