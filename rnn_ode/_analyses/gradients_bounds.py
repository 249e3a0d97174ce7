"""Upper bounds of a gradient, by the weights and by the steps of a run."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._base.shown import ShownArrays, Variables
from .._base.text import Table, plain
from .gradients_table import bounds_table


class GradientBounds(ShownArrays, eqx.Module):
    """Upper bounds of ‖∂h_T/∂h_{T−k}‖₂ at the lags k = 0…T, and what Pascanu, Mikolov & Bengio (2013) conclude from them.

    **Fields:**

    - `gain`: a bound () of ‖J‖₂ at every state and input, by the weights alone: γ ‖W_h‖₂ for a `VanillaCell`, ‖A‖₂ + ‖W‖₂
      for a `PiecewiseLinearCell`, NaN for cells that know none and for unknown activations.
    - `log_from_weights`: (T+1,), k log gain, in nats.
    - `log_from_steps`: (T+1,), the sum of log ‖J_j‖₂ over the last k steps of this run, in nats, for any cell.
    - `vanishing_guaranteed`: (), whether gain < 1.
    - `exploding_possible`: (), whether gain > 1 or is unknown.

    The last two allow for rounding, so that both are `False` for an orthogonal W_h with tanh.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[2.0]], [[1.0]], [0.0], activation=jnp.tanh)
    >>> b = ro.gradient_flow(cell, jnp.ones((2, 1))).bounds
    >>> b.from_weights.round(4).tolist(), bool(b.exploding_possible)
    ([1.0, 2.0, 4.0], True)

    ```
    """

    gain: Float[Array, "*batch"]
    log_from_weights: Float[Array, "*batch lags"]
    log_from_steps: Float[Array, "*batch lags"]
    vanishing_guaranteed: Bool[Array, "*batch"]
    exploding_possible: Bool[Array, "*batch"]

    _alone = "log_from_weights", 1

    def _tables(self) -> tuple[Table, ...]:
        return (bounds_table(self.to_dict()),)

    def _data(self) -> dict[str, Any]:
        names = "gain", "log_from_weights", "log_from_steps", "vanishing_guaranteed", "exploding_possible"
        return plain({name: getattr(self, name) for name in names}, infinities=True)

    def _variables(self) -> Variables:
        return {
            "lag": (("lag",), np.arange(len(self.log_from_weights)), "steps"),
            "log_from_weights": (("lag",), self.log_from_weights, "nats"),
            "log_from_steps": (("lag",), self.log_from_steps, "nats"),
        }

    @property
    def from_weights(self) -> Float[Array, "*batch lags"]:
        """gainᵏ."""
        return jnp.exp(self.log_from_weights)

    @property
    def from_steps(self) -> Float[Array, "*batch lags"]:
        """The product of the norms of the last k step Jacobians."""
        return jnp.exp(self.log_from_steps)


def bounds_of(gain: Float[Array, ""], log_steps: Float[Array, " lags"], size: int) -> GradientBounds:
    """The bounds that follow from a network's `gain`, its number of states, and the logarithms of the steps' products."""
    log_gain = jnp.where(gain == 0, -jnp.inf, jnp.log(jnp.where(gain == 0, 1, gain))).astype(log_steps.dtype)
    lags = jnp.arange(len(log_steps), dtype=log_steps.dtype)
    log_weights = jnp.where(lags == 0, 0, jnp.where(lags == 0, 1, lags) * log_gain)
    rounding = 4 * size * jnp.finfo(gain.dtype).eps
    return GradientBounds(gain, log_weights, log_steps, gain < 1 - rounding, ~(gain <= 1 + rounding))
