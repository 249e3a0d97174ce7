"""The conversions, each one a way of taking the logarithm of the step.

With E the operator that applies the network once, the flow behind it is G = log(E) / dt, and a method is a scalar function
g with which it maps a multiplier λ of the step to an exponent μ = g(λ), per step. With Δ = E − 1 and ∇ = 1 − E⁻¹,

    log E = Δ − Δ²/2 + Δ³/3 − …  =  ∇ + ∇²/2 + ∇³/3 + …  =  2 artanh((E − 1)/(E + 1)).

The same g of a matrix makes the generator: g(W) is the system's matrix, and the top-right block of g([[W, u], [0, 1]]) is
φ(W) u with φ(z) = g(z)/(z − 1), what the drive u of h ↦ W h + u becomes (Higham, "Functions of Matrices", 2008).
"""

import abc
import inspect
from collections.abc import Sequence
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Complex, Float, Num

from .._base.checks import as_matrix, as_numbers, brief, is_concrete
from ..linalg._eig import column_lengths
from ..linalg._regions import Reading
from .existence import Obstacle, hidden, may_hide, multipliers_of, singular, with_hint


class AbstractMethod(eqx.Module):
    """A conversion of a network's step into a flow. Everything here is per step; `to_ode` divides by dt.

    A method of your own extends this class by three members:

    - `label`: its name, in tables and on the command line.
    - `of_number(z)`: g(z) of complex numbers (…), elementwise.
    - `of_matrix(W)`: g(W) (N, N) of a real matrix (N, N); NaN or infinite where it does not exist.

    It may say more. These members have defaults:

    - `pole`: the multiplier at which g is infinite. Default `None`: g has no pole.
    - `inverts`: whether the method needs the inverse of the step. Default `False`.
    - `excluded(multiplier, tolerance)`: the multipliers that forbid the method. Default: the pole, and 0 if it `inverts`.
    - `input_lead`: how far ahead of the state a smooth input is read, in steps. Default ½.
    - `adds_equilibria`: whether the flow of a nonlinear cell may rest where the network does not. Default `True`.
    - `is_truncation`, `series_ratio(multiplier)`, `neglected(multiplier)`: of a method that is the beginning of a series.
    - `decay_label`: the legend of the region where the flow decays, if pictures should shade it.
    - `colour`, `line`: the colour and the line style in pictures, as matplotlib writes them. Default: picked by the label.
    - `from_label(text)` and `spellings`: how the command finds a method that has parameters.

    `exponent(multiplier)` and `generator(W)` ask the method, and check what they are given.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> class Central(ro.AbstractMethod):  # h' ≈ (h(t + dt) − h(t − dt)) / 2 dt
    ...     label = "central"
    ...     inverts = True
    ...     pole = 0.0
    ...     def of_number(self, z):
    ...         return (z - 1 / z) / 2
    ...     def of_matrix(self, W):
    ...         return (W - jnp.linalg.inv(W)) / 2
    >>> cell = ro.VanillaCell([[0.5]], [[1.0]], [0.0], activation=None)
    >>> field = ro.to_ode(cell, Central())
    >>> field(0.0, jnp.array([1.0]), lambda t: jnp.zeros(1)).tolist()
    [-0.75]

    ```
    """

    label: eqx.AbstractVar[str]
    """The name in tables and on the command line, such as "forward:3"."""
    inverts: ClassVar[bool] = False
    """Whether the method needs the inverse of the step."""
    pole: ClassVar[float | None] = None
    """The multiplier at which g is infinite, if there is one."""
    decay_label: ClassVar[str] = ""
    """The legend of the region where the flow decays, which pictures then shade; without it they draw the border alone."""
    is_truncation: ClassVar[bool] = False
    """Whether g is the beginning of a series for the logarithm: `series_ratio` and `neglected` tell of the rest."""
    ignores_activation: ClassVar[bool] = False
    """Whether the method converts h' = f(W_h h + W_x x + b) as if f were not there, and no other cell."""
    anchored = False  # not annotated, so that it does not come before the fields of `Exact`
    """Whether the Jacobian of a cell that is not affine is taken at the state where the step starts."""

    @abc.abstractmethod
    def of_number(self, z: Complex[Array, "..."]) -> Complex[Array, "..."]:
        """g(z), elementwise; an infinity or NaN where it does not exist."""

    @abc.abstractmethod
    def of_matrix(self, W: Float[Array, "N N"]) -> Num[Array, "N N"]:
        """g(W) (N, N) of a real matrix, which is not checked: NaN or infinite where it does not exist."""

    @property
    def input_lead(self) -> float:
        """How far ahead of the state a smooth input is read, in steps."""
        return 0.5

    @property
    def adds_equilibria(self) -> bool:
        """Whether the flow of a nonlinear cell may rest where the network does not: φ(z) = g(z)/(z − 1) has zeros."""
        return True

    @property
    def affine_only(self) -> bool:
        """Whether the method serves affine cells alone."""
        return False

    @property
    def colour(self) -> str:
        """The colour in pictures, as matplotlib writes it; empty for one that is picked by the label."""
        return ""

    @property
    def line(self) -> str:
        """The line style in pictures, one of "-", "--", "-." and ":"; empty for one that is picked by the label."""
        return ""

    @property
    def forward_differences(self) -> int:
        """The order of a method that is a series in Δ, which needs only applications of the cell; 0 for another method."""
        return 0

    @property
    def backward_differences(self) -> int:
        """The order of a method that is a series in ∇; 0 for another method."""
        return 0

    @property
    def call(self) -> str:
        """The method as it is written in Python, such as "Forward(3)"."""
        return repr(self)

    @classmethod
    def from_label(cls, text: str) -> "AbstractMethod | None":
        """The method of this class with that label, which is in lower case, or `None` if it is the label of another class.

        By default the class has one label, and is made without arguments. A class that needs arguments has its own
        `from_label` and `spellings`. `ValueError` for a parameter that it cannot have.
        """
        known = any(text == label.lower() for label in cls.spellings())
        return cls() if known else None  # pyright: ignore[reportCallIssue]

    @classmethod
    def spellings(cls) -> tuple[str, ...]:
        """The labels that `from_label` understands, such as "forward:ORDER"."""
        label = getattr(cls, "label", None)
        needed = [p for p in inspect.signature(cls).parameters.values() if p.default is p.empty]
        return (label,) if isinstance(label, str) and not needed else ()

    def exponent(self, multiplier: ArrayLike) -> Complex[Array, "..."]:
        """g(λ), elementwise: complex in, complex out; never raises (a pole gives an infinity or NaN)."""
        multiplier = as_numbers("multiplier", multiplier)
        return self.of_number(multiplier.astype(jnp.result_type(multiplier.dtype, jnp.complex64)))

    def generator(self, W: ArrayLike | Sequence) -> Num[Array, "N N"]:
        """g(W) (N, N) of a real matrix W. Raises `ValueError` if W is not such a matrix, or if g(W) does not exist and its
        values are known."""
        W = as_matrix("W", W)
        if self.pole is not None and is_concrete(W) and (why := self.obstacle(W)):
            raise ValueError(f"{self.label} does not exist for this W: {why.text}.")
        return self.of_matrix(W)

    def contour(self, multiplier: Complex[Array, "..."], level: Float[Array, ""]) -> Complex[Array, "..."]:
        """For each multiplier a point near it where Re g = `level`, by Newton's method, which may fail to find one."""

        def step(_, z):
            value, slope = jax.jvp(self.of_number, (z,), (jnp.ones_like(z),))
            moved = z - (value.real - level) / slope
            return jnp.where(jnp.isfinite(moved), moved, z)

        return jax.lax.fori_loop(0, 20, step, multiplier)

    @property
    def reading(self) -> Reading:
        """How a multiplier tells whether the flow grows: by Re g."""
        return Reading(self.exponent, self.contour, self.pole)

    def phi(self, J: Float[Array, "N N"], v: Float[Array, " N"]) -> Num[Array, " N"]:
        """φ(J) v (N,) with φ(z) = g(z)/(z − 1)."""
        return self.affine_generator(J, v[:, None])[1][:, 0]

    def affine_generator(
        self, J: Float[Array, "N N"], V: Float[Array, "N M"]
    ) -> tuple[Num[Array, "N N"], Num[Array, "N M"]]:
        """g(J) (N, N) and φ(J) V (N, M), the upper blocks of g([[J, V], [0, 1]]).

        φ(J) V is linear in V, so it is computed from columns of length 1: a long column would cost g(J) its digits.
        """
        n, m = V.shape
        lengths = jax.lax.stop_gradient(column_lengths(V))
        bottom = jnp.concatenate([jnp.zeros((m, n), J.dtype), jnp.eye(m, dtype=J.dtype)], axis=1)
        blocks = self.of_matrix(jnp.concatenate([jnp.concatenate([J, V / lengths[None]], axis=1), bottom]))
        return blocks[:n, :n], blocks[:n, n:] * lengths[None]

    def excluded(self, multiplier: Any, tolerance: Any) -> Any:
        """Whether multipliers, to within a tolerance, forbid the method: NumPy's or JAX's arrays, elementwise."""
        at_pole = abs(multiplier) < 0 if self.pole is None else abs(multiplier - self.pole) <= tolerance
        return at_pole | (abs(multiplier) <= tolerance) if self.inverts else at_pole

    def fault_of(self, multiplier: complex, tolerance: float) -> str:
        """What is wrong with an excluded multiplier, in words that follow "its multiplier −1 is"."""
        if self.pole is not None and abs(multiplier - self.pole) <= tolerance:
            return f"a pole of {self.label}"
        return "zero to within rounding" if abs(multiplier) <= tolerance else f"excluded by {self.label}"

    def obstacle(self, W: Any) -> Obstacle | None:
        """Why the method does not exist for a concrete matrix W (N, N), or `None`. It runs on the host, in NumPy."""
        W = np.asarray(W)
        if not np.isfinite(W).all():
            return Obstacle("its Jacobian is not finite", zero=False)
        if self.inverts and (why := singular(W)):
            return Obstacle(why, zero=True)
        multipliers, reach = multipliers_of(W)
        bad = np.flatnonzero(self.excluded(multipliers, reach))
        if not len(bad):
            return hidden(W) if may_hide(multipliers, reach).any() and self._hides(W) else None
        value, within = complex(multipliers[bad[0]]), float(reach[bad[0]])
        shown = f"{value.real:.6g}" if abs(value.imag) <= within else f"{value:.6g}"
        text = f"its multiplier {shown} is {self.fault_of(value, within)}"
        if np.isrealobj(W) and np.sum(abs(multipliers - value.conjugate()) <= reach + within) == 1:
            value = complex(value.real)  # its conjugate is no other multiplier, so it is real
        certain = abs(value) > within and self.excluded(np.array([value]), np.zeros(1))[0]
        return Obstacle(text if certain else with_hint(text, W), zero=abs(value) <= within)

    def _hides(self, W: np.ndarray) -> bool:
        with jax.ensure_compile_time_eval():  # also while JAX is tracing something else
            return bool(self.hides(jnp.asarray(W)))

    def hides(self, W: Float[Array, "N N"]) -> Bool[Array, ""]:
        """Whether rounding hides g(W), though no multiplier is excluded. It is asked only of an ill-conditioned matrix, which
        may be traced."""
        return ~jnp.all(jnp.isfinite(self.of_matrix(W)))

    def series_ratio(self, multiplier: Complex[Array, "..."]) -> Float[Array, "..."]:
        """The modulus of z, if the method's series is in powers of z: it converges if this is below 1. NaN without a
        series."""
        return jnp.full(jnp.shape(multiplier), jnp.nan, jnp.real(multiplier).dtype)

    def neglected(self, multiplier: Complex[Array, "..."]) -> Complex[Array, "..."]:
        """The first term of the series that the method leaves out, per step. NaN without a series."""
        return jnp.full_like(multiplier, jnp.nan)


def check_method(name: str, value: Any) -> AbstractMethod:
    """Return a method unchanged; raise `TypeError` for anything else."""
    if not isinstance(value, AbstractMethod):
        raise TypeError(f"{name} must be one of rnn_ode's methods, such as Forward(1) or Exact(); got {brief(value)}.")
    return value
