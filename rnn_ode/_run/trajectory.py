"""`Trajectory`: the states of a run, and how it ended."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from .._base.checks import is_concrete
from .._base.results import RESULTS
from .._base.types import State


class Trajectory(eqx.Module):
    """States at times: what `iterate`, `integrate` and `evolve` return.

    **Fields:**

    - `ts`: (n,) times, the first one that of the initial state.
    - `states`: a pytree of (n, …), so that a network's outputs are `states[1:]`.
    - `result`: a `RESULTS`, `successful` or why the run ended early. Rows after that end are infinite, as in diffrax.
    - `stats`: a dictionary of counts such as `num_steps`.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> run = ro.iterate(lambda x, h: 0.5 * h + x, jnp.ones((3, 1)), jnp.zeros(1))
    >>> run.states[:, 0].tolist(), run.ts.tolist()
    ([0.0, 1.0, 1.5, 1.75], [0.0, 1.0, 2.0, 3.0])

    ```
    """

    ts: Float[Array, " n"]
    states: State
    result: RESULTS
    stats: dict[str, Any]

    def plot(self):
        """The components that move most, against time. A matplotlib figure (needs the `app` extra)."""
        from ..plot import trajectory

        return trajectory(self)


def as_trajectory(
    ts: Float[Array, " n"],
    states: State,
    ended: RESULTS,
    stable: Bool[Array | np.ndarray, ""],
    throw: bool,
    stats: dict[str, Any],
) -> Trajectory:
    """Return the trajectory of a run by a scheme, whose result is `unstable_scheme` where the scheme is not `stable`.

    With `throw` a run raises if rows are missing. A complete run of an unstable scheme does not raise."""
    result = _or_unstable(ended, stable)
    if throw and not is_successful(ended):
        states = result.error_if(states, ended != RESULTS.successful)
    return Trajectory(ts, states, result, stats)


@eqx.filter_jit
def _or_unstable(ended: RESULTS, stable: Bool[Array | np.ndarray, ""]) -> RESULTS:
    has_reason = (ended == RESULTS.gap_too_long) | (ended == RESULTS.times_not_increasing)
    return RESULTS.where(has_reason | stable, ended, RESULTS.unstable_scheme)


def is_successful(result: RESULTS) -> bool:
    """Whether a run is known to be successful. The host looks, which compiles nothing; a traced result is not known."""
    (code,), (successful,) = jax.tree.leaves(result), jax.tree.leaves(RESULTS.successful)
    return is_concrete(code) and bool(np.all(np.asarray(code) == np.asarray(successful)))
