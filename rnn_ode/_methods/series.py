"""Methods that are series of differences."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from .._base.checks import check_count
from ..linalg._regions import HalfPlane
from ..linalg._solve import inv, solve
from .base import AbstractMethod


class Forward(AbstractMethod):
    """The forward series Δ − Δ²/2 + … It needs applications of the cell alone, so it serves any cell.

    g(λ) = Σₖ (−1)ᵏ⁺¹ (λ−1)ᵏ / k, which converges to log λ for |λ − 1| < 1. `Forward(1)` of a tanh network is the CT-RNN of
    its weights with τ = dt, dt dh/dt = −h + tanh(W_h h + W_x x + b): see `CTRNN`.

    **Arguments:**

    - `order`: the number of terms, and of applications of the cell. Default 1.

    **Raises:** `TypeError` or `ValueError` for an order that is not a whole number ≥ 1.

    ```python
    >>> import rnn_ode as ro
    >>> ro.Forward(2).exponent(0.5).item()
    (-0.625+0j)

    ```
    """

    order: int = eqx.field(static=True)

    def __init__(self, order: int = 1):
        check_count("order", order)
        self.order = int(order)

    input_lead: ClassVar[float] = 1.0
    is_truncation: ClassVar[bool] = True

    @property
    def label(self) -> str:
        return f"forward:{self.order}"

    @property
    def call(self) -> str:
        return f"Forward({self.order})"

    @classmethod
    def from_label(cls, text: str) -> "AbstractMethod | None":
        order = _order_in(text, "forward")
        return None if order is None else cls(order)

    @classmethod
    def spellings(cls) -> tuple[str, ...]:
        return ("forward:ORDER",)

    @property
    def colour(self) -> str:
        return "#c38700" if self.order == 1 else "#875a3c"

    @property
    def line(self) -> str:
        return _line_of(self.order)

    @property
    def forward_differences(self) -> int:
        return self.order

    def of_number(self, z: Complex[Array, "..."]) -> Complex[Array, "..."]:
        delta = z - 1
        total = jnp.zeros_like(z)
        for k in range(self.order, 0, -1):
            total = delta * ((-1) ** (k + 1) / k + total)
        return total

    def contour(self, multiplier: Complex[Array, "..."], level: Float[Array, ""]) -> Complex[Array, "..."]:
        if self.order == 1:  # g(z) = z − 1
            return 1 + HalfPlane().reading.contour(multiplier, level)
        return super().contour(multiplier, level)

    @eqx.filter_jit
    def of_matrix(self, W: Float[Array, "N N"]) -> Array:
        eye = jnp.eye(W.shape[0], dtype=W.dtype)
        delta = W - eye
        total = jnp.zeros_like(W)
        for k in range(self.order, 0, -1):
            total = delta @ ((-1) ** (k + 1) / k * eye + total)
        return total

    def series_ratio(self, multiplier: Complex[Array, "..."]) -> Float[Array, "..."]:
        return jnp.abs(multiplier - 1)

    def neglected(self, multiplier: Complex[Array, "..."]) -> Complex[Array, "..."]:
        k = self.order + 1
        return (-1) ** (k + 1) * (multiplier - 1) ** k / k


class Backward(AbstractMethod):
    """The backward series ∇ + ∇²/2 + …: the Taylor expansion of h(t − dt), inverted. It needs the inverse of the step.

    g(λ) = Σₖ (1 − 1/λ)ᵏ / k, which converges to log λ for Re λ > ½. `Backward(1)` is the result of the textbook's derivation
    if that is done without its error: h' = (I − W⁻¹) h + W⁻¹ (W_x x + b).

    **Arguments:**

    - `order`: the number of terms. Default 1.

    **Raises:** `TypeError` or `ValueError` for an order that is not a whole number ≥ 1.

    ```python
    >>> import rnn_ode as ro
    >>> ro.Backward(1).exponent(0.5).real.item()
    -1.0

    ```
    """

    order: int = eqx.field(static=True)

    def __init__(self, order: int = 1):
        check_count("order", order)
        self.order = int(order)

    inverts: ClassVar[bool] = True
    pole: ClassVar[float | None] = 0.0
    is_truncation: ClassVar[bool] = True
    colour: ClassVar[str] = "#784bb4"

    @property
    def label(self) -> str:
        return f"backward:{self.order}"

    @property
    def call(self) -> str:
        return f"Backward({self.order})"

    @classmethod
    def from_label(cls, text: str) -> "AbstractMethod | None":
        order = _order_in(text, "backward")
        return None if order is None else cls(order)

    @classmethod
    def spellings(cls) -> tuple[str, ...]:
        return ("backward:ORDER",)

    @property
    def line(self) -> str:
        return _line_of(self.order)

    @property
    def backward_differences(self) -> int:
        return self.order

    @property
    def adds_equilibria(self) -> bool:
        return self.order > 1

    @property
    def input_lead(self) -> float:
        """Order 1: 0, since an input that is read half a step late cancels the method's own error of half a step. Higher
        orders: ½, since their g is near log."""
        return 0.0 if self.order == 1 else 0.5

    def of_number(self, z: Complex[Array, "..."]) -> Complex[Array, "..."]:
        return -Forward(self.order).of_number(1 / z)

    def contour(self, multiplier: Complex[Array, "..."], level: Float[Array, ""]) -> Complex[Array, "..."]:
        return 1 / Forward(self.order).contour(1 / multiplier, -level)

    @eqx.filter_jit
    def of_matrix(self, W: Float[Array, "N N"]) -> Array:
        return -Forward(self.order).of_matrix(inv(W))

    def phi(self, J: Float[Array, "N N"], v: Float[Array, " N"]) -> Array:
        term = total = solve(J, v)
        for k in range(2, self.order + 1):
            term = term - solve(J, term)
            total = total + term / k
        return total

    def series_ratio(self, multiplier: Complex[Array, "..."]) -> Float[Array, "..."]:
        return jnp.abs(1 - 1 / multiplier)

    def neglected(self, multiplier: Complex[Array, "..."]) -> Complex[Array, "..."]:
        return (1 - 1 / multiplier) ** (self.order + 1) / (self.order + 1)


def _line_of(order: int) -> str:
    """The line style of a series of that order in pictures; orders from 4 on share one."""
    return ("-", "--", "-.", ":")[min(order, 4) - 1]


def _order_in(text: str, name: str) -> int | None:
    """The order in a label such as `forward:3`, 1 in `forward`; `None` where the label is not one of that name."""
    first, *rest = text.split(":")
    if first != name or len(rest) > 1:
        return None
    order = rest[0] if rest else "1"
    if not order.isdecimal():
        raise ValueError(f"the order must be a whole number, as in {name}:3; got {order!r}.")
    return int(order)
