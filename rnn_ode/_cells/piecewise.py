"""The piecewise-linear network."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._base.checks import as_floats
from ..linalg._norms import spectral_norm
from .base import Pieces
from .driven import AbstractDrivenCell
from .recurrence import Absorbing, Recurrence


class PiecewiseLinearCell(AbstractDrivenCell):
    """The piecewise-linear network h' = A h + W relu(h) + W_x x + b (Durstewitz 2017; A is often diagonal).

    **Arguments:**

    - `A`: the linear part of the memory, (N, N).
    - `W`: weights of the rectified states, (N, N).
    - `W_x`: input weights (N, D).
    - `b`: biases (N,).

    `compare` and `gradient_flow` show the eigenvalues of A + W, the Jacobian of a step where every unit is active.

    **Raises:** `ValueError` for shapes that do not fit and for entries that are not finite.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.PiecewiseLinearCell([[0.5]], [[1.0]], [[1.0]], [0.0])
    >>> cell(jnp.zeros(1), jnp.array([2.0])).tolist(), cell(jnp.zeros(1), jnp.array([-2.0])).tolist()
    ([3.0], [-1.0])

    ```
    """

    A: Float[Array, "N N"]
    W: Float[Array, "N N"]
    W_x: Float[Array, "N D"]
    b: Float[Array, " N"]

    def __init__(self, A, W, W_x, b):
        self.A = as_floats("A", A, ("N", "N"))
        self.W = as_floats("W", W, ("N", "N"))
        self.W_x = as_floats("W_x", W_x, ("N", "D"))
        self.b = as_floats("b", b, ("N",))

    def __check_init__(self):
        n = self.b.shape[0]
        if self.A.shape != (n, n) or self.W.shape != (n, n) or self.W_x.shape[0] != n or n == 0:
            raise ValueError(
                "A, W, W_x and b must have shapes (N, N), (N, N), (N, D) and (N,) with one N ≥ 1; "
                f"got {self.A.shape}, {self.W.shape}, {self.W_x.shape} and {self.b.shape}."
            )

    @property
    def linear_part(self) -> Float[Array, "N N"]:
        return self.A + self.W

    @property
    def linear_part_name(self) -> str:
        return "A + W, every unit active"

    @property
    def gain(self) -> Float[Array, ""]:
        """‖A‖₂ + ‖W‖₂: the Jacobian is A + W D, where D has ones for the active units and zeros for the others."""
        return spectral_norm(self.A) + spectral_norm(self.W)

    @property
    def recurrence(self) -> Recurrence:
        both = jnp.concatenate([self.A, self.W], axis=1)
        itself = Absorbing(lambda z, h: z)
        return Recurrence(self.drive, both, itself, read=lambda h: jnp.concatenate([h, jax.nn.relu(h)]))

    def pieces(self, x: Float[Array, " D"]) -> Pieces:
        """The network under the constant input x (D,)."""
        return Pieces(np.asarray(self.A, np.float64), np.asarray(self.W, np.float64), self.host_drive(x), False)
