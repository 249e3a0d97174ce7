"""The eigenvalues, the Lyapunov exponent and the gradients of a network, watched while it is trained."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from ..._analyses.gradients import gradient_flow
from ..._base.checks import as_floats, check_callable
from ..._base.types import Cell, State
from ..._cells.protocol import as_state


class Dynamics(eqx.Module):
    """Measures the dynamics of a network while it is trained: `fit(…, watch=Dynamics(xs))` records them with the loss.

    Calling it with a model runs the cell of the model on `xs`. It returns a dictionary:

    - "spectral_radius": the spectral radius of the cell's linear part, or else of its Jacobian at the end of the run.
    - "lyapunov": the largest conditional Lyapunov exponent of the run, in nats per step.
    - "gradient_norms": ‖∂h_T/∂h_{T−k}‖ for the lags k = 0, …, T, shape (T+1,).

    **Arguments:**

    - `xs`: an input (T, D) to run on.
    - `of`: a function of the model that returns its cell. Default: the cell of the model's runner.
    - `h0`: the initial state. Default: the cell's zero state.

    ```python
    >>> import jax, jax.numpy as jnp, rnn_ode as ro
    >>> from rnn_ode import learn
    >>> cell = ro.VanillaCell.random(jax.random.key(0), 1, 4, activation=None)
    >>> seen = learn.Dynamics(jnp.zeros((6, 1)), of=lambda model: model)(cell)
    >>> round(seen["spectral_radius"].item(), 4), seen["gradient_norms"].round(4).tolist()
    (1.0, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])

    ```
    """

    xs: Float[Array, "T D"]
    of: Callable[[Any], Cell] = eqx.field(static=True)
    h0: State | None

    def __init__(self, xs, of: Callable[[Any], Cell] = lambda model: model.runner.as_cell(), h0: State | None = None):
        check_callable("of", of, "of(model)")
        self.xs, self.of = as_floats("xs", xs), of
        self.h0 = None if h0 is None else as_state("h0", h0)

    def __call__(self, model: Any) -> dict[str, Array]:
        flow = gradient_flow(self.of(model), self.xs, self.h0, throw=False)
        return {
            "spectral_radius": flow.spectrum.radius,
            "lyapunov": flow.lyapunov_rate,
            "gradient_norms": flow.norms,
        }
