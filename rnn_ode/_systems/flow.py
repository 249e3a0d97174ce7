"""A differential equation as a dynamical system."""

from typing import Any

import diffrax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from .._base.callables import check_field
from .._base.checks import as_step
from .._base.types import Field
from .._paths.base import AbstractPath
from .base import AbstractSystem
from .dependence import depends_on_first
from .inputs import as_input
from .stepper import Stepper, time_at
from .time import Continuous


class Flow(AbstractSystem):
    """A field as a dynamical system: dh/dt = field(t, h, path).

    **Arguments:**

    - `field`: any field, `field(t, h, path) -> dh/dt`.
    - `x`: a constant input (D,), held samples (T, D) one time unit apart, a path, or `None` for a field that ignores it.

    **Raises:** `TypeError` if `field` cannot be called; `ValueError` if the input has another width than the field declares,
    or is missing.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> ro.Flow(lambda t, h, path: path(t) - h, jnp.ones(1)).residual(jnp.array([1.0])).tolist()
    [0.0]

    ```
    """

    field: Field
    path: Any

    def __init__(self, field: Field, x=None):
        check_field("field", field)
        self.field = field
        self.path = as_input(field, x, 1.0)

    @property
    def time(self) -> Continuous:
        return Continuous()

    @property
    def owner(self) -> Field:
        return self.field

    @property
    def input(self) -> Any:
        return self.path

    def rule(self, h: Float[Array, " N"]) -> Float[Array, " N"]:
        return self._rate(jnp.zeros((), h.dtype), self.path, h)

    def equation(self, h: Float[Array, " N"]) -> Float[Array, "..."]:
        own = getattr(self.field, "equation", None)
        return self.residual(h) if own is None else own(jnp.zeros((), h.dtype), self.unravel(h), self.path)

    def jacobian_at_rest(self, h: Float[Array, " N"]) -> Float[Array, "N N"]:
        own = getattr(self.field, "jacobian_at_rest", None)
        return self.jacobian(h) if own is None else own(jnp.zeros((), h.dtype), self.unravel(h), self.path)

    def require_constant(self, name: str, h: Float[Array, " N"] | None = None) -> None:
        super().require_constant(name)
        if h is not None and depends_on_first(
            lambda t, h: self.field(t, self.unravel(h), self.path), jnp.zeros((), h.dtype), h
        ):
            raise ValueError(
                f"{name} needs a field that does not depend on the time t, and this {type(self.field).__name__} uses t (also "
                "where it multiplies t by 0). If it is periodic, ask for the map over a period instead: "
                "Map(to_rnn(field, RungeKutta(substeps=100), dt=period), x). Otherwise make t a part of the state, or give "
                "its value as the input x."
            )

    def stepper(
        self, step: float | None = None, solver: diffrax.AbstractSolver | None = None, parts: Any = 1
    ) -> Stepper:
        """Steps of equal length, each divided into `parts`. Without `step` they are one sampling interval long, or one unit
        of time where the input has no samples; with it, they have the next shorter length such that a whole number of steps
        fits the interval. By the classical fourth-order Runge–Kutta method, or by any explicit diffrax solver."""
        unit = None if step is None else as_step("step", step)
        if isinstance(self.path, AbstractPath):
            parts = parts * (1 if unit is None else -int(-self.path.dt / unit * (1 - 1e-9) // 1))
            unit = self.path.dt

        def rate(k, h, s=0.0):
            s = jnp.asarray(s, h.dtype)
            if isinstance(self.path, AbstractPath):
                return self._rate(*_moment(self.path, parts, k, s), h)
            length = jnp.asarray(1.0 if unit is None else unit, h.dtype) / jnp.asarray(parts, h.dtype)
            return self._rate(time_at(k, s, length), self.path, h)

        return self.time.stepper(rate, unit, solver, parts)

    def _rate(self, t: Array, path: Any, h: Float[Array, " N"]) -> Float[Array, " N"]:
        """Returns dh/dt, real and in the shape of the state."""
        rate = ravel_pytree(self.field(t, self.unravel(h), path))[0]
        if jnp.iscomplexobj(h):
            raise TypeError(f"h must hold real numbers: a flow of real states is wanted; got dtype {h.dtype}.")
        if jnp.iscomplexobj(rate):
            raise TypeError(
                "the field is complex, as Exact(complex=True)'s is, and a flow of real states is wanted. "
                "Tustin() and Forward(order) stay real for negative multipliers."
            )
        if rate.shape != h.shape:
            raise ValueError(
                f"field(t, h, path) must return dh/dt in the shape of h, {h.shape}; it returned {rate.shape}."
            )
        return rate


def _moment(path: AbstractPath, parts: Any, k: Array, s: Array) -> tuple[Array, Any]:
    """Returns the time, and the input near it, a fraction s into step k, where each sampling interval has `parts` steps."""
    whole, fraction = k // parts, (jnp.asarray(k % parts, s.dtype) + s) / jnp.asarray(parts, s.dtype)
    t = time_at(whole, fraction, path.dt) + jnp.asarray(path.start, s.dtype)
    return t, path.piece(whole).moment(t, fraction)
