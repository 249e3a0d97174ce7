"""The conversions, each one a way of taking the logarithm of the step.

With E the operator that applies the network once, the flow behind it is G = log(E) / dt, and a method is a scalar function
g with which it maps a multiplier λ of the step to an exponent μ = g(λ), per step. With Δ = E − 1 and ∇ = 1 − E⁻¹,

    log E = Δ − Δ²/2 + Δ³/3 − …  =  ∇ + ∇²/2 + ∇³/3 + …  =  2 artanh((E − 1)/(E + 1)).

The same g of a matrix makes the generator: g(W) is the system's matrix, and the top-right block of g([[W, u], [0, 1]]) is
φ(W) u with φ(z) = g(z)/(z − 1), what the drive u of h ↦ W h + u becomes (Higham, "Functions of Matrices", 2008).
"""

import abc
from collections.abc import Sequence
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Complex, Float

from .._base.checks import as_matrix, is_concrete
from ..linalg._eig import column_lengths
from .existence import Obstacle, _multipliers, _with_hint, singular


class AbstractMethod(eqx.Module):
    """A conversion of a step into a flow. All of it is per step; `to_ode` divides by dt.

    `exponent(multiplier)` is g, elementwise on complex numbers; `generator(W)` is g of a matrix.
    """

    label: eqx.AbstractVar[str]
    """The name in tables and on the command line, such as "forward:3"."""
    input_lead: eqx.AbstractVar[float]
    """How far ahead of the state a smooth input is read, in steps."""
    inverts: ClassVar[bool] = False
    """Whether the method needs the inverse of the step."""
    pole: ClassVar[float | None] = None
    """The multiplier at which g is infinite, if there is one."""
    decay_label: ClassVar[str] = ""
    """The legend of the region where the flow decays, which pictures then shade; without it they draw the border alone."""

    @property
    def adds_equilibria(self) -> bool:
        """Whether the flow of a nonlinear cell may rest where the network does not: φ(z) = g(z)/(z − 1) has zeros."""
        return True

    def exponent(self, multiplier) -> Complex[Array, "..."]:
        """g(λ), elementwise: complex in, complex out; never raises (a pole gives an infinity or NaN)."""
        multiplier = jnp.asarray(multiplier)
        return self._g(multiplier.astype(jnp.result_type(multiplier, jnp.complex64)))

    @abc.abstractmethod
    def _g(self, z: Complex[Array, "..."]) -> Complex[Array, "..."]: ...

    def contour(self, multiplier: Complex[Array, "..."], level: Float[Array, ""]) -> Complex[Array, "..."]:
        """For each multiplier a point near it where Re g = `level`. By Newton's method, which may fail to find one."""

        def step(_, z):
            value, slope = jax.jvp(self._g, (z,), (jnp.ones_like(z),))
            moved = z - (value.real - level) / slope
            return jnp.where(jnp.isfinite(moved), moved, z)

        return jax.lax.fori_loop(0, 20, step, multiplier)

    def generator(self, W: ArrayLike | Sequence) -> Array:
        """g(W) (N, N) of a real matrix W. Raises `ValueError` for what is not one, or where g(W) is seen not to exist."""
        W = as_matrix("W", W)
        if self.pole is not None and is_concrete(W) and (why := obstacle(W, self)):
            raise ValueError(f"{self.label} does not exist for this W: {why.text}.")
        return self.of_matrix(W)

    @abc.abstractmethod
    def of_matrix(self, W: Float[Array, "N N"]) -> Array:
        """g(W) (N, N) of a real matrix, without a look at it: NaN or infinite where it does not exist."""

    def phi(self, J: Float[Array, "N N"], v: Float[Array, " N"]) -> Array:
        """φ(J) v (N,) with φ(z) = g(z)/(z − 1)."""
        return self.affine_generator(J, v[:, None])[1][:, 0]

    def affine_generator(self, J: Float[Array, "N N"], V: Float[Array, "N M"]) -> tuple[Array, Array]:
        """g(J) (N, N) and φ(J) V (N, M), the upper blocks of g([[J, V], [0, 1]]).

        The second is linear in V, whose columns are brought to length 1 for it: a long one would cost g(J) its digits.
        """
        n, m = V.shape
        lengths = jax.lax.stop_gradient(column_lengths(V))
        bottom = jnp.concatenate([jnp.zeros((m, n), J.dtype), jnp.eye(m, dtype=J.dtype)], axis=1)
        blocks = self.of_matrix(jnp.concatenate([jnp.concatenate([J, V / lengths[None]], axis=1), bottom]))
        return blocks[:n, :n], blocks[:n, n:] * lengths[None]

    def excluded(self, multiplier, tolerance):
        """Whether a multiplier, within a tolerance, forbids the method; of NumPy's arrays and of JAX's."""
        return abs(multiplier) < 0

    def fault_of(self, multiplier: complex, tolerance: float) -> str:
        """What is wrong with an excluded multiplier, in words that follow "its multiplier −1 is"."""
        if self.pole is not None and abs(multiplier - self.pole) <= tolerance:
            return f"a pole of {self.label}"
        return "zero to within rounding" if abs(multiplier) <= tolerance else f"excluded by {self.label}"

    @abc.abstractmethod
    def series_ratio(self, multiplier: Complex[Array, "..."]) -> Float[Array, "..."]:
        """Modulus of the quantity in whose powers the method's series runs: it converges below 1."""

    @abc.abstractmethod
    def neglected(self, multiplier: Complex[Array, "..."]) -> Complex[Array, "..."]:
        """The first term of the series that the method leaves out, per step."""


def check_method(name: str, value) -> AbstractMethod:
    """A method as it is, `TypeError` for anything else."""
    if not isinstance(value, AbstractMethod):
        raise TypeError(f"{name} must be one of rnn_ode's methods, such as Forward(1) or Exact(); got {value!r}.")
    return value


def obstacle(W, method: AbstractMethod) -> Obstacle | None:
    """Why the method does not exist for a concrete matrix W (N, N), or `None`. It runs on the host, in NumPy."""
    W = np.asarray(W)
    if not np.isfinite(W).all():
        return Obstacle("its Jacobian is not finite", zero=False)
    if method.inverts and (why := singular(W)):
        return Obstacle(why, zero=True)
    multipliers, reach = _multipliers(W)
    bad = np.flatnonzero(method.excluded(multipliers, reach))
    if not len(bad):
        return None
    value, within = complex(multipliers[bad[0]]), float(reach[bad[0]])
    shown = f"{value.real:.6g}" if abs(value.imag) <= within else f"{value:.6g}"
    text = f"its multiplier {shown} is {method.fault_of(value, within)}"
    certain = abs(value) > within and method.excluded(np.array([value]), np.zeros(1))[0]
    return Obstacle(text if certain else _with_hint(text, W), zero=abs(value) <= within)
