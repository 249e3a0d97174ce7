"""The coupled oscillatory network (Rusch & Mishra 2021)."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._base.checks import as_floats, as_matrix, check_key
from .._cells.vanilla import VanillaCell
from ..initializers import gaussian
from .base import DrivenField, as_coefficient


class CoRNN(DrivenField):
    """Coupled damped oscillators, y'' = tanh(W_y y + W_z y' + W_x x + b) − γ y − ε y' (Rusch & Mishra, ICLR 2021).

    The paper calls the matrices W, 𝓦 and V. The state is the tuple (y, z) with z = y', both (N,); the output, which a layer
    above reads, is y.

    **Arguments:**

    - `W_y`, `W_z`: (N, N).
    - `W_x`: (N, D).
    - `b`: (N,).
    - `gamma`: γ ≥ 0, the squared frequency, 1/time². Default 1.
    - `epsilon`: ε ≥ 0, the damping, 1/time. Default 1.

    γ and ε are settings and are not trained, as in the paper.

    **Raises:** `ValueError` for shapes that do not fit, for entries that are not finite, for γ < 0 and ε < 0.

    The paper steps z first, and then y with the new z; `to_rnn(field, Euler(), dt)` steps both from the old state.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> field = ro.CoRNN([[0.0]], [[0.0]], [[0.0]], [0.0], gamma=4.0, epsilon=1.0)
    >>> dy, dz = field(0.0, (jnp.array([1.0]), jnp.array([2.0])), lambda t: jnp.zeros(1))
    >>> dy.tolist(), dz.tolist()
    ([2.0], [-6.0])

    ```
    """

    W_y: Float[Array, "N N"]
    W_z: Float[Array, "N N"]
    W_x: Float[Array, "N D"]
    b: Float[Array, " N"]
    gamma: float = eqx.field(static=True)
    epsilon: float = eqx.field(static=True)

    def __init__(self, W_y, W_z, W_x, b, gamma: float = 1.0, epsilon: float = 1.0):
        self.W_y = as_matrix("W_y", W_y)
        n = self.W_y.shape[0]
        self.W_z = as_floats("W_z", W_z, (n, n))
        self.W_x = as_floats("W_x", W_x, (n, "D"))
        self.b = as_floats("b", b, (n,))
        self.gamma = as_coefficient("gamma", gamma)
        self.epsilon = as_coefficient("epsilon", epsilon)

    @classmethod
    def random(
        cls,
        key: PRNGKeyArray,
        input_size: int,
        hidden_size: int,
        *,
        gamma: float = 1.0,
        epsilon: float = 1.0,
        recurrent: jax.nn.initializers.Initializer = gaussian(),  # noqa: B008
    ) -> "CoRNN":
        """A random field: W_y and W_z (N, N) from the initializer `recurrent`, W_x (N, D) by `lecun_normal`, b zero.

        ```python
        >>> import jax, rnn_ode as ro
        >>> y, z = ro.CoRNN.random(jax.random.key(0), 3, 8).initial_state()
        >>> y.shape, z.shape
        ((8,), (8,))

        ```
        """
        check_key(key)
        key_y, key_z = jax.random.split(key)
        cell = VanillaCell.random(key_y, input_size, hidden_size, recurrent=recurrent)
        W_z = recurrent(key_z, cell.W_h.shape, cell.W_h.dtype)
        return cls(cell.W_h, W_z, cell.W_x, cell.b, gamma, epsilon)

    def initial_state(self) -> Any:
        zeros = super().initial_state()
        return zeros, zeros

    def output(self, h: tuple[Float[Array, "*n N"], Float[Array, "*n N"]]) -> Float[Array, "*n N"]:
        """Return y of the state (y, z), or of the states of a run."""
        return h[0]

    def __call__(self, t, h, path) -> tuple[Float[Array, " N"], Float[Array, " N"]]:
        y, z = h
        force = jnp.tanh(self.W_y @ y + self.W_z @ z + self.drive(t, path))
        return z, force - self.gamma * y - self.epsilon * z
