"""Methods in closed form: the textbook's, the bilinear rule and the logarithm itself."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float

from .._base.checks import check_flag
from ..linalg._eig import eig
from ..linalg._logm import logm, rounding_hides_log
from ..linalg._regions import HalfPlane, UnitDisc, logarithm
from ..linalg._solve import solve
from .base import AbstractMethod


class Textbook(AbstractMethod):
    """The published equation, verbatim: dh/dt = x'(t) + W_h h with x'(t) = W_h⁻¹ (W_x x(t) + b). g(λ) = λ.

    It does not approximate the logarithm: for λ = ½ the network decays and exp(W_h t) grows, for λ = −2 the reverse. It is
    kept for comparison, and converts `VanillaCell` alone, without its activation.

    ```python
    >>> import rnn_ode as ro
    >>> ro.Textbook().exponent(0.5).item()
    (0.5+0j)

    ```
    """

    label: ClassVar[str] = "textbook"
    input_lead: ClassVar[float] = 0.0
    inverts: ClassVar[bool] = True
    ignores_activation: ClassVar[bool] = True
    decay_label: ClassVar[str] = "exp(W t) decays: Re λ < 0"
    colour: ClassVar[str] = "#b43c00"
    line: ClassVar[str] = "-"

    def of_number(self, z: Complex[Array, "..."]) -> Complex[Array, "..."]:
        return z

    def of_matrix(self, W: Float[Array, "N N"]) -> Array:
        return W

    def affine_generator(self, J: Float[Array, "N N"], V: Float[Array, "N M"]) -> tuple[Array, Array]:
        """J and J⁻¹ V: the published equation has another factor for the input than φ(J)."""
        return J, solve(J, V)

    def series_ratio(self, multiplier: Complex[Array, "..."]) -> Float[Array, "..."]:
        return jnp.full(jnp.shape(multiplier), jnp.inf, jnp.real(multiplier).dtype)

    def contour(self, multiplier: Complex[Array, "..."], level: Float[Array, ""]) -> Complex[Array, "..."]:
        return HalfPlane().reading.contour(multiplier, level)

    def neglected(self, multiplier: Complex[Array, "..."]) -> Complex[Array, "..."]:
        return logarithm(multiplier) - multiplier


class Tustin(AbstractMethod):
    """The Cayley transform, or bilinear rule: g(λ) = 2(λ − 1)/(λ + 1), the first term of 2 artanh((λ − 1)/(λ + 1)).

    Its flow decays exactly where the network does, |λ| < 1. The series converges for Re λ > 0. It exists unless a multiplier
    is −1. Source: Tustin 1947.

    ```python
    >>> import rnn_ode as ro
    >>> round(ro.Tustin().exponent(0.5).real.item(), 4)
    -0.6667

    ```
    """

    label: ClassVar[str] = "tustin"
    colour: ClassVar[str] = "#3ca578"
    line: ClassVar[str] = "-"
    adds_equilibria: ClassVar[bool] = False
    pole: ClassVar[float | None] = -1.0
    is_truncation: ClassVar[bool] = True

    def of_number(self, z: Complex[Array, "..."]) -> Complex[Array, "..."]:
        return 2 * (z - 1) / (z + 1)

    def contour(self, multiplier: Complex[Array, "..."], level: Float[Array, ""]) -> Complex[Array, "..."]:
        half = (level + 1j * self.of_number(multiplier).imag) / 2
        return (1 + half) / (1 - half)

    @eqx.filter_jit
    def of_matrix(self, W: Float[Array, "N N"]) -> Array:
        eye = jnp.eye(W.shape[0], dtype=W.dtype)
        return 2 * solve(W + eye, W - eye)

    def phi(self, J: Float[Array, "N N"], v: Float[Array, " N"]) -> Array:
        return 2 * solve(J + jnp.eye(J.shape[0], dtype=J.dtype), v)

    def fault_of(self, multiplier: complex, tolerance: float) -> str:
        return "a pole of the Cayley transform"

    def series_ratio(self, multiplier: Complex[Array, "..."]) -> Float[Array, "..."]:
        return jnp.abs((multiplier - 1) / (multiplier + 1)) ** 2

    def neglected(self, multiplier: Complex[Array, "..."]) -> Complex[Array, "..."]:
        return 2 / 3 * ((multiplier - 1) / (multiplier + 1)) ** 3


class Exact(AbstractMethod):
    """The logarithm itself, g(λ) = log λ: under a held input the flow meets an affine network at every sample.

    **Arguments:**

    - `complex`: whether to take a complex logarithm, which also exists for negative multipliers, of affine or anchored cells.
      The solution is real at the samples. Default `False`.
    - `anchored`: whether to take the Jacobian of a cell that is not affine at the state where the step starts. The flow then
      meets the samples of any cell whose Jacobian has a logarithm (for ReLU networks the construction of Monfared &
      Durstewitz, ICML 2020). Default `False`.

    A multiplier of zero has no logarithm. A negative multiplier has one only with `complex`.

    ```python
    >>> import rnn_ode as ro
    >>> round(ro.Exact().exponent(0.5).real.item(), 4)
    -0.6931

    ```
    """

    complex: bool = eqx.field(static=True)
    anchored: bool = eqx.field(static=True)

    def __init__(self, complex: bool = False, anchored: bool = False):
        check_flag("complex", complex)
        check_flag("anchored", anchored)
        self.complex = complex
        self.anchored = anchored

    inverts: ClassVar[bool] = True
    adds_equilibria: ClassVar[bool] = False
    pole: ClassVar[float | None] = 0.0

    @property
    def colour(self) -> str:
        return "#1e96ff" if self.anchored else "#005af0"

    @property
    def line(self) -> str:
        return "--" if self.complex else "-"

    @property
    def label(self) -> str:
        return ":".join(["exact", *self._flags])

    @property
    def call(self) -> str:
        return f"Exact({', '.join(f'{name}=True' for name in self._flags)})"

    @property
    def _flags(self) -> list[str]:
        return ["complex"] * self.complex + ["anchored"] * self.anchored

    @classmethod
    def from_label(cls, text: str) -> "AbstractMethod | None":
        kind, *flags = text.split(":")
        known = kind == "exact" and set(flags) <= {"complex", "anchored"}
        return cls(complex="complex" in flags, anchored="anchored" in flags) if known else None

    @classmethod
    def spellings(cls) -> tuple[str, ...]:
        return "exact", "exact:complex", "exact:anchored", "exact:complex:anchored"

    @property
    def affine_only(self) -> bool:
        """Between samples the states of a complex logarithm are complex, and a cell cannot be evaluated at complex states."""
        return self.complex and not self.anchored

    def of_number(self, z: Complex[Array, "..."]) -> Complex[Array, "..."]:
        return logarithm(z)

    def contour(self, multiplier: Complex[Array, "..."], level: Float[Array, ""]) -> Complex[Array, "..."]:
        return UnitDisc().reading.contour(multiplier, level)

    def of_matrix(self, W: Float[Array, "N N"]) -> Array:
        return _complex_logm(W) if self.complex else logm(W)

    def hides(self, W: Float[Array, "N N"]) -> Bool[Array, ""]:
        return rounding_hides_log(jnp.exp(-1j * _turn(W)) * W if self.complex else W)

    def excluded(self, multiplier: Any, tolerance: Any) -> Any:
        zero = abs(multiplier) <= tolerance
        if self.complex:
            return zero
        return zero | ((multiplier.real < 0) & (abs(multiplier.imag) <= tolerance))

    def fault_of(self, multiplier: Any, tolerance: float) -> str:
        return "negative" if multiplier.real < -tolerance else "zero to within rounding"

    def series_ratio(self, multiplier: Complex[Array, "..."]) -> Float[Array, "..."]:
        return jnp.zeros(jnp.shape(multiplier), jnp.real(multiplier).dtype)

    def neglected(self, multiplier: Complex[Array, "..."]) -> Complex[Array, "..."]:
        return jnp.zeros_like(multiplier)


def _complex_logm(W: Float[Array, "N N"]) -> Complex[Array, "N N"]:
    """A logarithm of a real matrix that may have negative eigenvalues: log(e^{−iθ} W) + iθ."""
    theta = _turn(W)
    turn = jnp.exp(-1j * theta)
    return logm(turn * W) + 1j * theta * jnp.eye(W.shape[0], dtype=turn.dtype)


def _turn(W: Float[Array, "N N"]) -> Float[Array, ""]:
    """The angle θ by which e^{−iθ} turns every eigenvalue off the negative axis.

    The principal branch ends at the negative axis. The rotation by θ turns the axis into an arc that has no eigenvalue in it.
    That is the arc next to the axis if it is wider than 1e-3, and the logarithm is then the principal one. Otherwise it is
    the next arc that is wide enough, and eigenvalues between the axis and the arc take the neighbouring branch. In either
    case exp(log W) = W.
    """
    below = jnp.minimum(jnp.angle(eig(W)[0]), 0) + jnp.pi  # the angle past the negative axis, in [0, π]
    ladder = jnp.sort(jnp.concatenate([jnp.array([0, jnp.pi], below.dtype), below]))
    wide = jnp.diff(ladder) > 1e-3
    first = jnp.argmax(wide)
    theta = (ladder[first] + ladder[first + 1]) / 2
    # if all multipliers are positive, the arc is half a turn: stay well inside it
    return jnp.minimum(theta, ladder[first] + 0.5)
