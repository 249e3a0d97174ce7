"""The antisymmetric network (Chang et al. 2019)."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._base.checks import as_floats, as_matrix
from .._cells.vanilla import VanillaCell
from ..initializers import gaussian
from .base import DrivenField, as_coefficient


class AntisymmetricRNN(DrivenField):
    """dh/dt = tanh((A − Aᵀ − γ I) h + W_x x + b) (Chang, Chen, Haber & Chi, ICLR 2019).

    For γ = 0 the state neither grows nor forgets.

    **Arguments:**

    - `A`: (N, N).
    - `W_x`: (N, D).
    - `b`: (N,).
    - `gamma`: γ ≥ 0, the diffusion, which keeps a step of `Euler()` stable. It is a setting and is not trained. Default 0.

    **Raises:** `ValueError` for shapes that do not fit, for entries that are not finite and for γ < 0.

    The Jacobian is diag(tanh') (A − Aᵀ − γ I). Where tanh' = 1 its eigenvalues are −γ ± iω; elsewhere their real parts lie
    between −γ and 0.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> field = ro.AntisymmetricRNN([[0.0, 1.0], [0.0, 0.0]], [[0.0], [0.0]], [0.0, 0.0])
    >>> [round(rate, 3) for rate in field(0.0, jnp.array([0.0, 1.0]), lambda t: jnp.zeros(1)).tolist()]
    [0.762, 0.0]

    ```
    """

    A: Float[Array, "N N"]
    W_x: Float[Array, "N D"]
    b: Float[Array, " N"]
    gamma: float = eqx.field(static=True)

    def __init__(self, A, W_x, b, gamma: float = 0.0):
        self.A = as_matrix("A", A)
        n = self.A.shape[0]
        self.W_x = as_floats("W_x", W_x, (n, "D"))
        self.b = as_floats("b", b, (n,))
        self.gamma = as_coefficient("gamma", gamma)

    @classmethod
    def random(
        cls,
        key: PRNGKeyArray,
        input_size: int,
        hidden_size: int,
        *,
        gamma: float = 0.0,
        recurrent: jax.nn.initializers.Initializer = gaussian(),  # noqa: B008
    ) -> "AntisymmetricRNN":
        """A random field: A (N, N) from the initializer `recurrent`, W_x (N, D) by `lecun_normal`, b zero.

        ```python
        >>> import jax, rnn_ode as ro
        >>> ro.AntisymmetricRNN.random(jax.random.key(0), 3, 8, gamma=0.1).A.shape
        (8, 8)

        ```
        """
        cell = VanillaCell.random(key, input_size, hidden_size, recurrent=recurrent)
        return cls(cell.W_h, cell.W_x, cell.b, gamma)

    def __call__(self, t, h: Float[Array, " N"], path) -> Float[Array, " N"]:
        return jnp.tanh((self.A - self.A.T) @ h - self.gamma * h + self.drive(t, path))
