"""Any analytic function of a matrix, by eigenvectors of matrices near it.

f(A + ρ ζ E) is an analytic function of ζ, so its value at ζ = 0 is its mean over the circle |ζ| = 1. The mean over m points
of the circle has the error of a Taylor series cut after ρᵐ: none, to rounding, while f is analytic a few ρ around. At each of
the points the matrix has single eigenvalues, even if A is defective, and f follows from its eigenvectors V as V f(Λ) V⁻¹. (E
is a fixed matrix of norm about 1. Davies, SIAM J. Matrix Anal. Appl. 29, 2007, takes one such matrix, with ρ the square root
of the precision, which costs half of the digits; the mean over a circle costs none.)

A small ρ makes V ill-conditioned, a large one may leave the domain of f. A ladder of ρ is tried, and the result with the
least estimated error taken: the rounding errors, u · condition of V · size, and the error of the mean, by the last Taylor
coefficients. If the eigenvectors of A itself are well-conditioned, these are used (ρ = 0).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Complex, Float, Inexact, Integer

from .._base.checks import as_matrix, as_numbers, check_callable, in_single, is_concrete
from .._base.compiled import compiled
from .._base.states import frozen
from ._balance import balancing, frobenius, rescaled
from ._eig import eig_of_balanced
from ._solve import inv, nan_unless

_POINTS = 16
_RADII = (0.25, 0.05, 0.01, 1e-3, 1e-4)  # of the norm of A
_LAST = np.exp(-2j * np.pi * np.outer(np.arange(_POINTS - 4, _POINTS), np.arange(_POINTS)) / _POINTS)
_GOOD_CONDITION = 30.0
_LOST = 0.1  # the relative error from which on a result has no digits


class MatrixFunction(NamedTuple):
    """A function of a matrix: what `funm` returns.

    **Fields:**

    - `value` (N, N): the function's value.
    - `error`: an estimate of its relative error in the Frobenius norm.

    ```python
    >>> import jax.numpy as jnp
    >>> from rnn_ode import linalg
    >>> found = linalg.funm(jnp.diag(jnp.array([1.0, 4.0])), jnp.sqrt)
    >>> found.value.tolist(), bool(found.error < 1e-6)
    ([[1.0, 0.0], [0.0, 2.0]], True)

    ```
    """

    value: Inexact[Array, "N N"]
    error: Float[Array, ""]


def funm(A: ArrayLike | Sequence, f: Callable[[Array], Array]) -> MatrixFunction:
    """A function of a matrix, from the function of a number, on every backend; A may be defective.

    **Arguments:**

    - `A`: (N, N), real or complex. A real matrix stands for a function that is real for real numbers: give a complex one,
      such as `A + 0j`, for the square root of a matrix with negative eigenvalues.
    - `f`: an analytic function `f(z)` of a complex number that JAX can differentiate, such as `jnp.sin`. Arrays that it reads
      from outside may be differentiated too.

    **Returns:** a `MatrixFunction`, `value` (N, N) in the type of `A` and an estimate of its relative `error`. `value` has
    first derivatives in both modes.

    **Raises:** `ValueError` for a matrix that is not square or not finite, where f is not finite at an eigenvalue, and where
    no digit of the result is right: for a singularity of f too near to an ill-conditioned eigenvalue, and where f(A) is 0.
    For a traced matrix `value` is NaN and `error` infinite there.

    The logarithm (`logm`) and the exponential (`expm`) have functions of their own, which are quicker and more exact. Source:
    the mean of f over a circle of matrices around A, from their eigenvectors (Davies, SIAM J. Matrix Anal. Appl. 29, 2007,
    for one matrix).

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> found = ro.linalg.funm([[4.0, 1.0], [0.0, 4.0]], jnp.sqrt)
    >>> (found.value.round(3) + 0.0).tolist(), bool(found.error < 1e-5)
    ([[2.0, 0.25], [0.0, 2.0]], True)

    ```
    """
    A = in_single(as_matrix("A", A, complex=True))
    check_callable("f", f, "f(z)")
    point = jax.ShapeDtypeStruct((), jnp.result_type(A, jnp.complex64))
    given = jax.eval_shape(lambda z: as_numbers("f(z)", f(z)), point)
    if given.shape != ():
        raise ValueError(f"f(z) must be a number for a number z; it has the shape {given.shape}.")
    value, error = _funm(A, balancing(A), f)
    if is_concrete(A, value) and not np.isfinite(np.asarray(value)).all():
        raise ValueError(
            "f(A) has no digits that are right: it is 0 to rounding, or f is not finite, or not analytic near enough, at an "
            f"eigenvalue of A, {np.asarray(jnp.linalg.eigvals(A)).round(6).tolist()}"
            + ("" if jnp.iscomplexobj(A) else ", or it is not real for real numbers: then give A + 0j")
            + "."
        )
    return MatrixFunction(value, error)


@compiled
def _funm(A: Array, e: Integer[Array, " N"], f: Callable[[Array], Array]) -> tuple[Array, Array]:
    """Return f(A), and its relative error: by the matrix balanced by e, or by A itself where that is more exact."""
    f = eqx.filter_closure_convert(f, _complex(A[0, 0]))

    def by(e):
        B = rescaled(A, e)
        radius, error = frozen(_best_radius(*frozen((f, B))))
        value = _mean_over_circle(f, radius, B)
        size = frobenius(lax.stop_gradient(value))
        imaginary = 0 if jnp.iscomplexobj(A) else _ratio(frobenius(lax.stop_gradient(value.imag)), size)
        value = value if jnp.iscomplexobj(A) else value.real
        in_units = rescaled(value, -e)
        # balancing makes couplings small that lead one way only: their digits drown in the rounding of the large entries
        magnified = jnp.exp2((jnp.max(e) - jnp.min(e)).astype(size.dtype))
        lost = error * size * magnified / frobenius(lax.stop_gradient(in_units))
        return in_units, _or_infinite(jnp.maximum(error, lost) + imaginary)

    def better(_):
        balanced, itself = by(e), by(jnp.zeros_like(e))
        return jax.tree.map(lambda a, b: jnp.where(balanced[1] <= itself[1], a, b), balanced, itself)

    value, error = lax.cond(jnp.all(e == 0), lambda _: by(jnp.zeros_like(e)), better, None)
    right = error < _LOST
    return nan_unless(right, value), jnp.where(right, error, jnp.inf)


class _Parts(NamedTuple):
    """The eigenvalues, eigenvectors V and V⁻¹ of a matrix, and f at the eigenvalues."""

    eigenvalues: Complex[Array, " N"]
    V: Complex[Array, "N N"]
    inverse: Complex[Array, "N N"]
    values: Complex[Array, " N"]

    @classmethod
    def of(cls, A: Array, f: Callable[[Array], Array]) -> "_Parts":
        eigenvalues, V = eig_of_balanced(A)
        return cls(eigenvalues, V, inv(V), jax.vmap(f)(eigenvalues))

    @property
    def condition(self) -> Array:
        return jnp.linalg.norm(self.V) * jnp.linalg.norm(self.inverse)

    @property
    def function(self) -> Array:
        with jax.default_matmul_precision("highest"):
            return (self.V * self.values[None]) @ self.inverse

    def uncertain(self, size: Array) -> Array:
        """How far the product V f(Λ) V⁻¹ may be off, in units of the precision, for a matrix of that size: f at the computed
        eigenvalues is rounded, and these are off themselves, by which f moves as between neighbours."""
        gaps = jnp.abs(self.eigenvalues[:, None] - self.eigenvalues[None, :])
        steps = jnp.abs(self.values[:, None] - self.values[None, :])
        steepest = jnp.max(jnp.where(gaps > 0, steps / jnp.where(gaps > 0, gaps, 1), 0))
        return self.condition * (jnp.max(jnp.abs(self.values)) + size * steepest)

    def rate(self, f: Callable[[Array], Array], d_values: Array | None, dA: Array) -> Array:
        """Return the rate of f(A) for the rate dA (Daleckii & Krein 1965). `d_values` are rates of f at fixed eigenvalues,
        for an f that changes too."""
        gaps = self.eigenvalues[:, None] - self.eigenvalues[None, :]
        middle = (self.eigenvalues[:, None] + self.eigenvalues[None, :]) / 2
        slope = jax.vmap(jax.vmap(lambda z: jax.jvp(f, (z,), (jnp.ones_like(z),))[1]))(middle)
        # the slope is wrong by its second derivative times gap²/24, the quotient by the precision over the gap
        near = jnp.abs(gaps) <= jnp.finfo(gaps.dtype).eps ** (1 / 3) * jnp.max(jnp.abs(self.eigenvalues))
        quotient = (self.values[:, None] - self.values[None, :]) / jnp.where(near, 1, gaps)
        with jax.default_matmul_precision("highest"):
            change = jnp.where(near, slope, quotient) * (self.inverse @ dA.astype(self.V.dtype) @ self.V)
            change = change if d_values is None else change + jnp.diag(d_values)
            return self.V @ change @ self.inverse


def _best_radius(f: Callable[[Array], Array], B: Array) -> tuple[Array, Array]:
    """Return the radius with the least estimated error, and that error relative to f."""
    eps, size_of_B = jnp.finfo(B.dtype).eps, frobenius(B)
    radii = jnp.asarray(_RADII, B.real.dtype) * size_of_B

    def rounding(parts: _Parts, size: Array) -> Array:
        return eps * _ratio(parts.uncertain(size_of_B), size)

    def error_of(radius):
        parts = lax.map(lambda node: _Parts.of(_moved(B, radius, node), f), _nodes(B))
        functions = jax.vmap(lambda each: each.function)(parts)
        size = jnp.linalg.norm(jnp.mean(functions, axis=0))
        # the last Taylor coefficients that the points tell apart are larger than those that the mean takes for the first
        last = jnp.tensordot(jnp.asarray(_LAST, functions.dtype), functions, 1) / _POINTS
        cut = _ratio(jnp.max(jnp.sqrt(jnp.sum(jnp.abs(last) ** 2, axis=(1, 2)))), size)
        return _or_infinite(jnp.mean(jax.vmap(lambda each: rounding(each, size))(parts)) + cut)

    own = _Parts.of(B, f)
    zero, error = jnp.zeros_like(radii[0]), _or_infinite(rounding(own, jnp.linalg.norm(own.function)))

    def search(_):
        errors = jnp.concatenate([error[None], lax.map(error_of, radii)])
        best = jnp.argmin(errors)
        return jnp.concatenate([zero[None], radii])[best], errors[best]

    return lax.cond(own.condition < _GOOD_CONDITION * B.shape[0], lambda _: (zero, error), search, None)


@eqx.filter_custom_jvp
def _mean_over_circle(f: Callable[[Array], Array], radius: Array, B: Array) -> Array:
    """Return the mean of f over the circle of matrices around B, or f of B itself for radius 0."""

    def function(A):
        return _Parts.of(A, f).function

    return _over_circle(function, radius, B)


def _over_circle(of: Callable[[Array], Array], radius: Array, B: Array) -> Array:
    def mean():
        return jnp.mean(lax.map(lambda node: of(_moved(B, radius, node)), _nodes(B)), axis=0)

    return lax.cond(radius > 0, mean, lambda: of(B.astype(_nodes(B).dtype)))


@_mean_over_circle.def_jvp
def _mean_over_circle_jvp(primals, tangents):
    f, radius, B = primals
    df, _, dB = tangents
    dB = jnp.zeros_like(B) if dB is None else dB

    def rate(A):
        parts = _parts_once(f, A)
        d_values = eqx.filter_jvp(lambda f: jax.vmap(f)(parts.eigenvalues), (f,), (df,))[1]
        return parts.rate(f, d_values, dB)

    return _mean_over_circle(f, radius, B), _over_circle(rate, radius, B)


@eqx.filter_custom_jvp
def _parts_once(f: Callable[[Array], Array], A: Array) -> _Parts:
    """`_Parts.of`, without a derivative of its own: that of eigenvectors would be wrong where eigenvalues are equal."""
    return _Parts.of(A, f)


@_parts_once.def_jvp
def _parts_once_jvp(primals, tangents):
    raise NotImplementedError("funm has first derivatives in both modes, and no second ones.")


def _nodes(B: Array) -> Complex[Array, " K"]:
    # none of them is real: a real matrix then stays away from those with a real double eigenvalue
    points = np.exp(2j * np.pi * (np.arange(_POINTS) + 0.5) / _POINTS)
    return jnp.asarray(points, jnp.result_type(B.dtype, jnp.complex64))


def _moved(B: Array, radius: Array, node: Array) -> Array:
    """Return B + radius · node · E, with E a fixed matrix of norm about 1."""
    n = B.shape[0]
    E = np.random.default_rng(0).normal(size=(n, n)) / (2 * np.sqrt(n))
    return B + radius * node * jnp.asarray(E, node.dtype)


def _complex(z: Array) -> Array:
    return z.astype(jnp.result_type(z.dtype, jnp.complex64))


def _ratio(part: Array, size: Array) -> Array:
    return part / jnp.where(size > 0, size, 1)


def _or_infinite(error: Array) -> Array:
    return jnp.where(jnp.isfinite(error), error, jnp.inf)
