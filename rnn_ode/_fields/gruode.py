"""The GRU as a differential equation (De Brouwer et al. 2019)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._base.checks import as_floats, as_matrix, check_key
from .._cells.vanilla import VanillaCell
from .base import DrivenField


class GRUODE(DrivenField):
    """dh/dt = (1 − z)(g − h) with the gates of a GRU (De Brouwer, Simm, Arany & Moreau, NeurIPS 2019):

        r = σ(W_r h + V_r x + b_r),  z = σ(W_z h + V_z x + b_z),  g = tanh(W_g (r h) + V_g x + b_g).

    **Arguments:**

    - `W_h`: (3, N, N), the matrices W of r, z and g in this order.
    - `W_x`: (3, N, D), their matrices V.
    - `b`: (3, N).

    **Raises:** `ValueError` for shapes that do not fit and for entries that are not finite.

    A state with |h| < 1 stays there. One step of `Euler()` with dt = 1 is the GRU h' = z h + (1 − z) g of Cho et al. (EMNLP
    2014), whose reset gate r acts before W_g. In `eqx.nn.GRUCell` and PyTorch it acts after W_g; the field of those is
    `to_ode(cell, Forward(1))`.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> field = ro.GRUODE(jnp.zeros((3, 1, 1)), jnp.zeros((3, 1, 2)), jnp.zeros((3, 1)))
    >>> field(0.0, jnp.array([0.5]), lambda t: jnp.zeros(2)).tolist()
    [-0.25]

    ```
    """

    W_h: Float[Array, "3 N N"]
    W_x: Float[Array, "3 N D"]
    b: Float[Array, "3 N"]

    def __init__(self, W_h, W_x, b):
        self.W_h = as_floats("W_h", W_h, (3, "N", "N"))
        n = as_matrix("W_h[0]", self.W_h[0]).shape[0]
        self.W_x = as_floats("W_x", W_x, (3, n, "D"))
        self.b = as_floats("b", b, (3, n))

    @classmethod
    def random(
        cls,
        key: PRNGKeyArray,
        input_size: int,
        hidden_size: int,
        *,
        recurrent: jax.nn.initializers.Initializer = jax.nn.initializers.orthogonal(),  # noqa: B008
    ) -> "GRUODE":
        """A random field: each gate's W (N, N) from the initializer `recurrent`, V (N, D) by `lecun_normal`, b zero.

        ```python
        >>> import jax, rnn_ode as ro
        >>> ro.GRUODE.random(jax.random.key(0), 3, 8).W_h.shape
        (3, 8, 8)

        ```
        """
        check_key(key)
        keys = jax.random.split(key, 3)
        gates = [VanillaCell.random(k, input_size, hidden_size, recurrent=recurrent) for k in keys]
        W_h, W_x, b = (jnp.stack(part) for part in zip(*((c.W_h, c.W_x, c.b) for c in gates), strict=True))
        return cls(W_h, W_x, b)

    def __call__(self, t, h: Float[Array, " N"], path) -> Float[Array, " N"]:
        W_r, W_z, W_g = self.W_h
        for_r, for_z, for_g = self.drive(t, path)
        r, z = jax.nn.sigmoid(W_r @ h + for_r), jax.nn.sigmoid(W_z @ h + for_z)
        return (1 - z) * (jnp.tanh(W_g @ (r * h) + for_g) - h)
