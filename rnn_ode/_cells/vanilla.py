"""The vanilla network, h' = f(W_h h + W_x x + b)."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._base.callables import activated
from .._base.checks import about, as_floats, brief, check_callable, check_count, check_key
from ..linalg._norms import spectral_norm
from .base import AffineMap, Pieces
from .driven import AbstractDrivenCell
from .recurrence import Absorbing, Recurrence

# sup |f'| of the activations for which it is known
_STEEPEST = (
    (1.0, (jax.nn.relu, jax.nn.relu6, jax.nn.leaky_relu, jax.nn.elu, jax.nn.celu, jax.nn.softplus, jax.nn.log_sigmoid)),
    (1.0, (None, jax.nn.identity, jnp.tanh, jax.lax.tanh, jax.nn.tanh, jax.nn.hard_tanh, jax.nn.soft_sign)),
    (1 / 4, (jax.nn.sigmoid, jax.lax.logistic)),
    (1 / 6, (jax.nn.hard_sigmoid,)),
)
_ABSORBING = None, jax.nn.identity, jnp.tanh, jax.lax.tanh, jax.nn.tanh, jax.nn.sigmoid, jax.lax.logistic
"""Activations with which a run that has left the finite states never comes back. An affine unit makes no finite number of an
infinite one. tanh and the logistic function are bounded, so that a unit may become NaN and never infinite."""


class VanillaCell(AbstractDrivenCell):
    """The discrete recurrent network h' = f(W_h h + W_x x + b) (Elman 1990).

    **Arguments:**

    - `W_h`: recurrent weights (N, N).
    - `W_x`: input weights (N, D).
    - `b`: biases (N,).
    - `activation`: the elementwise f, or `None` for the affine network h' = W_h h + W_x x + b. Default `jax.nn.relu`.

    **Raises:** `ValueError` for shapes that do not fit and for entries that are not finite; `TypeError` for an activation
    that cannot be called.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[0.5]], [[1.0]], [0.0])
    >>> cell(jnp.array([1.0]), jnp.array([2.0])).tolist()
    [2.0]

    ```
    """

    W_h: Float[Array, "N N"]
    W_x: Float[Array, "N D"]
    b: Float[Array, " N"]
    activation: Callable[[Array], Array] | None = eqx.field(static=True)

    def __init__(self, W_h, W_x, b, activation: Callable[[Array], Array] | None = jax.nn.relu):
        self.W_h = as_floats("W_h", W_h, ("N", "N"))
        self.W_x = as_floats("W_x", W_x, ("N", "D"))
        self.b = as_floats("b", b, ("N",))
        self.activation = activation

    def __check_init__(self):
        n = self.b.shape[0]
        if self.W_h.shape != (n, n) or self.W_x.shape[0] != n or n == 0:
            raise ValueError(
                "W_h, W_x and b must have shapes (N, N), (N, D) and (N,) with one N ≥ 1; "
                f"got {self.W_h.shape}, {self.W_x.shape} and {self.b.shape}."
            )
        if self.activation is not None and not callable(self.activation):
            raise TypeError(f"activation must be a function or None (affine); got {brief(self.activation)}.")

    @classmethod
    def random(
        cls,
        key: PRNGKeyArray,
        input_size: int,
        hidden_size: int,
        *,
        activation: Callable[[Array], Array] | None = jax.nn.relu,
        recurrent: jax.nn.initializers.Initializer = jax.nn.initializers.orthogonal(),  # noqa: B008
    ) -> "VanillaCell":
        """Make a random network.

        **Arguments:**

        - `key`: a JAX random key.
        - `input_size`, `hidden_size`: D and N, whole numbers ≥ 1.
        - `activation`: as for the class.
        - `recurrent`: the JAX initializer of W_h (N, N). Default: orthogonal.

        **Returns:** a `VanillaCell`, with W_x (N, D) drawn by `lecun_normal` and b zero.

        ```python
        >>> import jax, rnn_ode as ro
        >>> ro.VanillaCell.random(jax.random.key(0), 3, 8).W_h.shape
        (8, 8)

        ```
        """
        check_key(key)
        check_count("input_size", input_size)
        check_count("hidden_size", hidden_size)
        check_callable("recurrent", recurrent, "recurrent(key, shape, dtype)")
        with about("recurrent"):
            W_h, W_x = _draw(key, input_size, hidden_size, recurrent)
            W_h = as_floats("W_h", W_h, (hidden_size, hidden_size))
        return cls(W_h, W_x, jnp.zeros(hidden_size), activation)

    @property
    def linear_part(self) -> Float[Array, "N N"]:
        return self.W_h

    @property
    def linear_part_name(self) -> str:
        return "W_h"

    @property
    def preactivation(self) -> AffineMap:
        return AffineMap(self.W_h, self.W_x, self.b)

    @property
    def affine(self) -> AffineMap | None:
        return self.preactivation if self.activation is None else None

    @property
    def gain(self) -> Float[Array, ""]:
        """γ ‖W_h‖₂ with γ = sup |f'|, since the Jacobian is diag(f') W_h. γ is 1 for tanh, relu and None, ¼ for sigmoid, and
        NaN for an activation that is not listed here."""
        known = (slope for slope, group in _STEEPEST if any(self.activation is f for f in group))
        return next(known, jnp.nan) * spectral_norm(self.W_h)

    @property
    def recurrence(self) -> Recurrence:
        def combine(z, h):
            return activated(self.activation, z)

        known = any(self.activation is f for f in _ABSORBING)
        return Recurrence(self.drive, self.W_h, Absorbing(combine) if known else combine)

    def pieces(self, x: Float[Array, " D"]) -> Pieces | None:
        """The network under the constant input x (D,); z is what relu is applied to. `None` for other activations."""
        W, zero = np.asarray(self.W_h, np.float64), np.zeros(self.W_h.shape)
        if self.activation is None:
            return Pieces(W, zero, self.host_drive(x), False)
        return Pieces(zero, W, self.host_drive(x), True) if self.activation is jax.nn.relu else None


@eqx.filter_jit
def _draw(
    key: PRNGKeyArray, input_size: int, hidden_size: int, recurrent: jax.nn.initializers.Initializer
) -> tuple[Array, Array]:
    key_h, key_x = jax.random.split(key)
    kind = jnp.result_type(float)
    scale = jax.nn.initializers.lecun_normal(in_axis=-1, out_axis=-2)
    return recurrent(key_h, (hidden_size, hidden_size), kind), scale(key_x, (hidden_size, input_size), kind)
