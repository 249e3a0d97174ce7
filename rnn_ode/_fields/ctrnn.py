"""The continuous-time recurrent network."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from .._base.callables import activated
from .._base.checks import as_floats, as_matrix, brief, is_concrete
from .._cells.vanilla import VanillaCell
from .base import DrivenField


class CTRNN(DrivenField):
    """The leaky continuous-time network τ dh/dt = −h + f(W_h h + W_x x + b): firing rates h that relax to their drive.

    **Arguments:**

    - `W_h`: (N, N).
    - `W_x`: (N, D).
    - `b`: (N,).
    - `tau`: τ > 0, in time; a number, or one for each unit (N,). Training changes its logarithm, so that τ stays positive.
      Default 1.
    - `activation`: the elementwise f, or `None` for the linear network. Default `jnp.tanh`.

    **Raises:** `ValueError` for shapes that do not fit, for entries that are not finite and for τ ≤ 0.

    One step of `Euler()` with dt = τ is the `VanillaCell` of the same weights. The other common form,
    τ dv/dt = −v + W_h f(v) + W_x x + b, is the same network in v = W_h h + W_x x + b, if x is constant and τ is one number
    (Miller & Fumarola, Neural Computation 24, 2012).

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> field = ro.CTRNN([[0.5]], [[1.0]], [0.0], tau=2.0, activation=None)
    >>> field(0.0, jnp.array([2.0]), lambda t: jnp.array([3.0])).tolist()
    [1.0]

    ```
    """

    W_h: Float[Array, "N N"]
    W_x: Float[Array, "N D"]
    b: Float[Array, " N"]
    log_tau: Float[Array, ""] | Float[Array, " N"]
    activation: Callable[[Array], Array] | None = eqx.field(static=True)

    def __init__(
        self,
        W_h,
        W_x,
        b,
        tau: ArrayLike | Sequence = 1.0,
        activation: Callable[[Array], Array] | None = jnp.tanh,
    ):
        self.W_h = as_matrix("W_h", W_h)
        n = self.W_h.shape[0]
        self.W_x = as_floats("W_x", W_x, (n, "D"))
        self.b = as_floats("b", b, (n,))
        tau = as_floats("tau", tau)
        if tau.shape not in ((), (n,)) or (is_concrete(tau) and not np.all(np.asarray(tau) > 0)):
            raise ValueError(f"tau must be a positive time, or one for each of the {n} units ({n},); got {tau}.")
        self.log_tau = jnp.log(tau).astype(self.b.dtype)
        self.activation = activation

    def __check_init__(self):
        if self.activation is not None and not callable(self.activation):
            raise TypeError(f"activation must be a function or None (linear); got {brief(self.activation)}.")

    @classmethod
    def random(
        cls,
        key: PRNGKeyArray,
        input_size: int,
        hidden_size: int,
        *,
        tau: ArrayLike | Sequence = 1.0,
        activation: Callable[[Array], Array] | None = jnp.tanh,
        recurrent: jax.nn.initializers.Initializer = jax.nn.initializers.orthogonal(),  # noqa: B008
    ) -> "CTRNN":
        """A random field: W_h (N, N) from the initializer `recurrent`, W_x (N, D) by `lecun_normal`, b zero.

        ```python
        >>> import jax, rnn_ode as ro
        >>> ro.CTRNN.random(jax.random.key(0), 3, 8, tau=0.1).W_h.shape
        (8, 8)

        ```
        """
        cell = VanillaCell.random(key, input_size, hidden_size, recurrent=recurrent)
        return cls(cell.W_h, cell.W_x, cell.b, tau, activation)

    @property
    def tau(self) -> Float[Array, ""] | Float[Array, " N"]:
        return jnp.exp(self.log_tau)

    @property
    def linear(self) -> bool:
        return self.activation is None

    def __call__(self, t, h: Float[Array, " N"], path) -> Float[Array, " N"]:
        z = self.W_h @ h + self.drive(t, path)
        return (activated(self.activation, z) - h) / self.tau
