"""What a field may tell of itself, and what our fields share."""

import abc
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Inexact

from .._base.checks import as_number
from .._base.types import Field, State
from .._paths.base import read


class AbstractField(eqx.Module):
    """The base class of a field of your own, dh/dt = field(t, h, path).

    Only `__call__(t, h, path)` is required: t is the time, h the state (an array or a pytree of arrays), `path` the input
    as a function of time, and the result has the structure of h. Any other callable of this form is a field too. The base
    class says what else the package asks of a field, each with an answer that is right for any field:

    - `initial_state()`: the zero state. A cell that `to_rnn` makes of the field starts from it unless `h0` is given.
    - `input_size`: the width D of the input, for checks; `None` if any width fits.
    - `output(h)`: the part of a state that a layer above reads. The state itself if there is no such method.
    - `generator(t, h, path)`: the linear part of the field, a matrix (M, M) per unit time over the M numbers in the state.
      `BackwardEuler`, `Trapezoidal` and `ExponentialEuler` use it. By default the Jacobian ∂field/∂h.
    - `linear`: whether the field is A h + u(t) with a constant matrix A. `integrate` then solves it exactly.
    - `leads`: the times at which the field reads its input, counted from t. By default (0.0,), the time t alone.
    - `partial`: whether the field does not exist at some states. By default `False`.
    - `equation(t, h, path)` and `jacobian_at_rest(t, h, path)`, for the search for fixed points, if they are cheaper: a
      vector that is zero where the field is, and the Jacobian at such a state.

    Each may be a field of the dataclass, a property or a method; these names have no other meaning.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> class Cooling(ro.AbstractField):
    ...     rate: float
    ...
    ...     def __call__(self, t, h, path):
    ...         return self.rate * (path(t) - h)
    >>> run = ro.integrate(Cooling(0.5), ro.Hold(jnp.ones((2, 1))), jnp.zeros(1))
    >>> [round(h, 3) for h in run.states[:, 0].tolist()]
    [0.0, 0.393, 0.632]
    >>> step = ro.to_rnn(Cooling(0.5), ro.BackwardEuler(), dt=2.0)
    >>> step(jnp.ones(1), jnp.zeros(1)).item()
    0.5

    ```
    """

    @abc.abstractmethod
    def __call__(self, t: Any, h: Any, path: Any) -> Any:
        """Return dh/dt at time t, in the structure of h."""

    def initial_state(self) -> Any:
        raise ValueError(
            f"h0=None starts from the field's initial state, and {type(self).__name__} has no method `initial_state()`. "
            "Give h0, or give the field that method."
        )

    def generator(self, t: Any, h: State, path: Any) -> Inexact[Array, "M M"]:
        return jacobian_of(self, t, h, path)


def jacobian_of(field: Field, t: Any, h: State, path: Any) -> Inexact[Array, "M M"]:
    """Return ∂field/∂h over the M numbers in the state."""
    flat, unravel = ravel_pytree(h)
    return jax.jacfwd(lambda v: ravel_pytree(field(t, unravel(v), path))[0])(flat)


def generator_of(field: Field, t: Any, h: State, path: Any) -> Inexact[Array, "M M"]:
    """Return the field's own `generator` at a state, or its Jacobian if it has none."""
    own = getattr(field, "generator", None)
    return jacobian_of(field, t, h, path) if own is None else own(t, h, path)


class DrivenField(AbstractField):
    """A field of N units whose input enters through the *drive* W_x x(t) + b; both may have an axis of gates in front."""

    W_x: eqx.AbstractVar[Float[Array, "*gates N D"]]
    b: eqx.AbstractVar[Float[Array, "*gates N"]]

    @property
    def input_size(self) -> int:
        return self.W_x.shape[-1]

    @property
    def hidden_size(self) -> int:
        return self.b.shape[-1]

    def initial_state(self) -> Any:
        return jnp.zeros(self.hidden_size, self.b.dtype)

    def drive(self, t: Any, path: Any) -> Float[Array, "*gates N"]:
        return self.W_x @ read(path, t) + self.b


def as_coefficient(name: str, value: Any) -> float:
    """Return a coefficient of an equation as a float; `ValueError` unless it is finite and 0 or more."""
    coefficient = as_number(name, value)
    if not 0 <= coefficient < math.inf:
        raise ValueError(f"{name} must be a finite number, 0 or more; got {coefficient}.")
    return coefficient
