"""How the steps of a run are computed, and why."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp


class ParallelChoice(eqx.Enumeration):
    """How the steps of a run are computed, and why: `run.stats["parallel"]`. `ParallelChoice[item]` is the text, which begins
    with the name.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[0.5]], [[1.0]], [0.0], activation=jnp.tanh)
    >>> run = ro.iterate(cell, jnp.ones((64, 1)), parallel=True)
    >>> print(ro.ParallelChoice[run.stats["parallel"]])
    NEWTON: all steps at once, by Newton's method with the whole Jacobian.

    ```
    """

    NEWTON = "NEWTON: all steps at once, by Newton's method with the whole Jacobian."
    QUASI_NEWTON = (
        "QUASI_NEWTON: all steps at once, by Newton's method with an estimate of the Jacobian's diagonal, since the state is "
        "large."
    )
    SCAN_NOT_CONVERGED = (
        "SCAN_NOT_CONVERGED: step by step, since Newton's method did not converge for this run, or for another one of its "
        "batch. The states are those of the scan. Disturbances of this network do not decay, or decay too slowly."
    )
    SCAN_ROUNDING = (
        "SCAN_ROUNDING: step by step, since the network enlarges rounding errors somewhere, so that two ways of "
        "computing the same states would agree to a few digits only. Newton's method converged. Float64 has more digits."
    )
    FRAMES = (
        "FRAMES: the frames of a run for Lyapunov exponents all at once, but the states before them step by step, since "
        "Newton's method did not give them: along a chaotic trajectory, or where rounding errors grow."
    )
    SCAN_ON_CPU = "SCAN_ON_CPU: step by step, since the run is on a CPU, where the scan is faster."
    SCAN_TRACED = (
        "SCAN_TRACED: step by step, since the cell, the inputs or h0 are traced (jit, vmap, grad), and the verdict needs "
        "their values. Ask `parallel_verdict` outside, and give parallel=True."
    )
    SCAN_FOLDS = (
        "SCAN_FOLDS: step by step, since the run has a `fold`, `checkpoints` or `noise`, which go step by step."
    )
    SCAN_SHORT = "SCAN_SHORT: step by step, since the sequence is too short for windows to pay."
    SCAN_GROWS = (
        "SCAN_GROWS: step by step, since disturbances grow, or decay too slowly: by the exponent along the first steps, "
        "Newton's method would need too many steps."
    )


def in_words(value: Any) -> Any:
    """The text of a choice that is known; any other value as it is."""
    if not isinstance(value, type(ParallelChoice.NEWTON)):
        return value
    # an Enumeration reads JAX's scalars, not NumPy's
    return ParallelChoice[jax.tree.map(jnp.asarray, value)]
