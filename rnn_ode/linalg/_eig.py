"""Eigenvalues, eigenvectors and their conditions."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Complex, Float, Inexact, Integer

from .._base.checks import as_matrix, in_single, is_concrete
from .._base.types import AnyArray
from ._balance import balancing, exponents, host_balancing, host_rescaled, rescaled, times_power
from ._solve import check_square, host_inv, inv, nan_unless, solve

_MAX_QR_STEPS_PER_EIGENVALUE = 30


def _least(A: Complex[Array, "N N"]) -> float:
    """Return the size below which an entry has a square without digits, which is nothing beside a largest entry of 1."""
    info = jnp.finfo(A.dtype)
    return float(info.tiny / info.eps) ** 0.5


def _hessenberg(A: Complex[Array, "N N"]) -> tuple[Complex[Array, "N N"], Complex[Array, "N N"]]:
    """Return an upper Hessenberg H and a unitary Q with A = Q H Q^H, by Householder reflections. Entries below `_least` are
    left out."""
    n = A.shape[0]

    def reflect(k, state):
        H, Q = state
        x = jnp.where((jnp.arange(n) > k) & (jnp.abs(H[:, k]) >= _least(A)), H[:, k], 0)
        norm, pivot = jnp.linalg.norm(x), jnp.abs(x[k + 1])
        phase = jnp.where(pivot == 0, 1, x[k + 1] / jnp.where(pivot == 0, 1, pivot))
        v = x.at[k + 1].add(phase * norm)
        v = v / jnp.where(norm == 0, 1, jnp.linalg.norm(v))
        H = H - 2 * jnp.outer(v, v.conj() @ H)
        return H - 2 * jnp.outer(H @ v, v.conj()), Q - 2 * jnp.outer(Q @ v, v.conj())

    H, Q = lax.fori_loop(0, max(n - 2, 0), reflect, (A, jnp.eye(n, dtype=A.dtype)))
    return jnp.triu(H, -1), Q


def _wilkinson_shift(T: Complex[Array, "N N"], i: Array) -> Complex[Array, ""]:
    """Return the eigenvalue nearer to T[i, i] of the 2 by 2 block that ends at row i."""
    half = (T[i - 1, i - 1] - T[i, i]) / 2
    product = T[i - 1, i] * T[i, i - 1]
    root = jnp.sqrt(half**2 + product)
    larger = jnp.where(jnp.abs(half + root) > jnp.abs(half - root), half + root, half - root)
    return T[i, i] - jnp.where(larger == 0, 0, product / jnp.where(larger == 0, 1, larger))


def _schur(A: Complex[Array, "N N"]) -> tuple[Complex[Array, "N N"], Complex[Array, "N N"]]:
    """Return an upper triangular T and a unitary Q with A = Q T Q^H, by the explicit single-shift QR iteration on the
    Hessenberg form (Golub & Van Loan, "Matrix Computations", 7.3-7.5). T is NaN where that does not converge. The largest
    entry of A must be near 1."""
    n = A.shape[0]
    eye, eps = jnp.eye(n, dtype=A.dtype), jnp.finfo(A.dtype).eps

    def deflate(T):
        below, diagonal = jnp.diagonal(T, -1), jnp.abs(jnp.diagonal(T))
        small = jnp.abs(below) <= jnp.maximum(eps * (diagonal[1:] + diagonal[:-1]), _least(A))
        return T - jnp.diag(jnp.where(small, below, 0), -1)

    def last_active_row(T):
        return jnp.max(jnp.where(jnp.abs(jnp.diagonal(T, -1)) > 0, jnp.arange(1, n), 0), initial=0)

    def step(state):
        T, Q, row, steps, stalled = state
        # Every tenth step without progress another shift is used: Wilkinson's leaves a cyclic permutation as it is.
        exceptional = T[row, row] + 0.75 * jnp.abs(T[row, row - 1])
        shift = jnp.where(stalled % 10 == 9, exceptional, _wilkinson_shift(T, row))
        # The deflated part is triangular, so the QR step of the whole matrix does not change it.
        U, R = jnp.linalg.qr(T - shift * eye)
        U = jnp.triu(U, -1)
        T = deflate(R @ U + shift * eye)
        new_row = last_active_row(T)
        return T, Q @ U, new_row, steps + 1, jnp.where(new_row == row, stalled + 1, 0)

    H, Q = _hessenberg(nan_unless(jnp.all(jnp.isfinite(A)), A))
    H = deflate(H)
    T, Q, row, _, _ = lax.while_loop(
        lambda state: (state[2] > 0) & (state[3] < _MAX_QR_STEPS_PER_EIGENVALUE * n),
        step,
        (H, Q, last_active_row(H), 0, 0),
    )
    return nan_unless(row == 0, T), Q


@jax.jit
def schur(A: Complex[Array, "N N"]) -> tuple[Complex[Array, "N N"], Complex[Array, "N N"]]:
    """Return what `_schur` returns, of a matrix of any size, on a CPU by LAPACK. It has no derivative."""
    T, Q = lax.platform_dependent(A, cpu=lambda A: tuple(lax.linalg.schur(A)), default=_schur_qr)
    return T, Q


def _schur_qr(A: Complex[Array, "N N"]) -> tuple[Complex[Array, "N N"], Complex[Array, "N N"]]:
    """Return what `schur` returns, by operations that every backend has."""
    size = exponents(A, axis=None)
    T, Q = _schur(times_power(A, -size))
    return times_power(T, size), Q


def _triangular_eigenvectors(T: Complex[Array, "N N"]) -> Complex[Array, "N N"]:
    """Return the right eigenvectors of an upper triangular matrix, in columns, by back-substitution in all columns at
    once."""
    n = T.shape[0]
    index, values = jnp.arange(n), jnp.diagonal(T)
    # As in LAPACK's trevc, equal eigenvalues are moved apart by a rounding error.
    size = jnp.linalg.norm(T)
    least = jnp.finfo(T.dtype).eps * jnp.where(size == 0, 1, size)

    def solve_row(k, V):
        i = n - 1 - k
        gap = T[i, i] - values
        solved = -(T[i] @ V) / jnp.where(jnp.abs(gap) < least, least, gap)
        row = jnp.where(index > i, solved, jnp.where(index == i, 1, 0))
        # A defective matrix multiplies a column by 1 / eps per row: scale it before it overflows.
        return V.at[i].set(row) / jnp.maximum(1, jnp.abs(row))[None]

    V = lax.fori_loop(0, n, solve_row, jnp.zeros_like(T))
    return V / jnp.linalg.norm(V, axis=0, keepdims=True)


def _eig_qr(A: Inexact[Array, "N N"]) -> tuple[Complex[Array, " N"], Complex[Array, "N N"]]:
    """Return what `eig` returns, by operations that every backend has."""
    size = exponents(A, axis=None)
    with jax.default_matmul_precision("highest"):
        T, Q = _schur(times_power(A, -size).astype(jnp.result_type(A.dtype, jnp.complex64)))
        V = nan_unless(jnp.all(jnp.isfinite(T)), Q @ _triangular_eigenvectors(T))
    return times_power(jnp.diagonal(T), size), V / jnp.linalg.norm(V, axis=0, keepdims=True)


def _eig_lapack(A: Inexact[Array, "N N"]) -> tuple[Complex[Array, " N"], Complex[Array, "N N"]]:
    """Return what `eig` returns, by LAPACK or its counterpart on CUDA."""
    # LAPACK scales a matrix near the ends of the float range, and one version forgets to scale the eigenvalues back
    size = exponents(A, axis=None)
    values, vectors = jnp.linalg.eig(times_power(A, -size))
    return times_power(values, size), vectors


@jax.jit
def eig(A: Inexact[Array, "N N"]) -> tuple[Complex[Array, " N"], Complex[Array, "N N"]]:
    """Return the eigenvalues and right eigenvectors of a general matrix, on every backend.

    `A` (N, N) may be real or complex. The eigenvalues (N,) are in no particular order; the eigenvectors (N, N) are columns of
    2-norm 1. Both are complex, and NaN if the iteration does not converge or `A` is not finite. The balanced matrix is
    factorised: by LAPACK on a CPU, by its counterpart on CUDA, and elsewhere by a Hessenberg QR iteration in plain JAX.

    The derivative, in both modes, is dλ = diag(C) and dV = V (F ∘ C) with C = V^{-1} dA V and F_ij = 1 / (λ_j - λ_i)
    off the diagonal, 0 on it. The scale and phase of a column are arbitrary, and this rule does not change them, so only
    functions of V that do not depend on them have a meaningful derivative. Between equal eigenvalues F is set to 0, which
    keeps dλ finite; dV has no meaning there.
    """
    check_square(A)
    e = balancing(A)
    values, V = eig_of_balanced(rescaled(A, e))
    return values, in_units(V, e)


def in_units(V: Complex[AnyArray, "N N"], e: Integer[AnyArray, " N"]) -> Complex[AnyArray, "N N"]:
    """Return D V with columns of 2-norm 1, D = diag(2ᵉ)."""
    V = times_power(V, e[:, None] - _largest_exponents(V, e)[None, :])
    return V * (1 / _fixed(V.__array_namespace__().linalg.norm(V, axis=0, keepdims=True)))


def _fixed(X: AnyArray) -> AnyArray:
    return X if isinstance(X, np.ndarray) else lax.stop_gradient(X)


def _largest_exponents(V: Complex[AnyArray, "N N"], e: Integer[AnyArray, " N"]) -> Integer[AnyArray, " N"]:
    """Return the exponent of the largest entry of each column of D V."""
    return V.__array_namespace__().max(exponents(_fixed(V)[None], axis=0) + e[:, None], axis=0)


class Modes(NamedTuple):
    """The eigenvalues (N,) of a matrix, in the order asked for; its right eigenvectors (N, N) in columns of unit 2-norm; the
    condition numbers (N,) of the eigenvalues; and those of the balanced matrix (N, N), by which rounding is judged
    (`_verdict`); and that matrix."""

    values: Complex[AnyArray, " N"]
    vectors: Complex[AnyArray, "N N"]
    condition: Float[AnyArray, " N"]
    balanced_condition: Float[AnyArray, " N"]
    balanced: Inexact[AnyArray, "N N"]


def modes(A: Inexact[AnyArray, "N N"], growth: Callable[[Array], Array] = abs) -> Modes:
    """Return the eigenvalues, eigenvectors and condition numbers of a matrix, by one factorisation and one inverse, in the
    order of `growth` of the eigenvalues, arrays of JAX or NumPy: the largest first. If the values of A are known they are
    computed in NumPy, with nothing to compile; an array of NumPy gives arrays of NumPy."""
    check_square(A)
    if not is_concrete(A):
        return _modes(A, balancing(A), growth)
    known = np.asarray(A)
    with np.errstate(all="ignore"):
        e = host_balancing(known)
        B = host_rescaled(known, e)
        values, V = _host_eig(B)
        found = _modes_of_balanced(B, e, values, V, host_inv, growth)
    return found if A is known else jax.device_put(found)


@eqx.filter_jit
def _modes(A: Inexact[Array, "N N"], e: Integer[Array, " N"], growth: Callable[[Array], Array]) -> Modes:
    B = rescaled(A, e)
    return _modes_of_balanced(B, e, *eig_of_balanced(B), inv, growth)


def _modes_of_balanced(
    B: Inexact[AnyArray, "N N"],
    e: Integer[AnyArray, " N"],
    values: Complex[AnyArray, " N"],
    V: Complex[AnyArray, "N N"],
    inv: Callable[[Any], Any],
    growth: Callable[[Array], Array],
) -> Modes:
    """Return the modes of a matrix that was balanced by e, given its eigenvalues and eigenvectors: of NumPy or JAX."""
    xp = V.__array_namespace__()
    order = xp.argsort(-growth(values), stable=True)
    values, V = values[order], V[:, order]
    inverse = inv(V)
    largest = _largest_exponents(V, e)
    lengths = xp.linalg.norm(times_power(V, e[:, None] - largest[None, :]), axis=0)
    rows = xp.linalg.norm(times_power(inverse, largest[:, None] - e[None, :]), axis=1)
    condition, balanced_condition = lengths * rows, xp.linalg.norm(inverse, axis=1)
    known = xp.all(xp.isfinite(balanced_condition))
    return Modes(
        values,
        in_units(V, e),
        xp.where(known & xp.isfinite(condition), condition, xp.inf),
        xp.where(known, balanced_condition, xp.inf),
        B,
    )


def _host_eig(B: Inexact[np.ndarray, "N N"]) -> tuple[np.ndarray, np.ndarray]:
    """`eig_of_balanced` of a matrix of known values, in NumPy."""
    kind = np.result_type(B.dtype, np.complex64)
    size = exponents(B, axis=None)
    try:
        values, V = np.linalg.eig(times_power(B, -size))
    except np.linalg.LinAlgError:  # not finite, or without convergence
        return np.full(len(B), np.nan, kind), np.full(B.shape, np.nan, kind)
    return times_power(values.astype(kind), size), V.astype(kind)


@jax.custom_jvp
def eig_of_balanced(A: Inexact[Array, "N N"]) -> tuple[Complex[Array, " N"], Complex[Array, "N N"]]:
    return _eig_anywhere(A)


@jax.jit
def _eig_anywhere(A):
    return lax.platform_dependent(A, cpu=_eig_lapack, cuda=_eig_lapack, default=_eig_qr)


@eig_of_balanced.defjvp
def _eig_jvp(primals, tangents):
    (A,), (dA,) = primals, tangents
    values, V = eig_of_balanced(A)
    return (values, V), rates_of_eig(V, inverse_gaps(values), dA)


def inverse_gaps(values: Complex[Array, " N"]) -> Complex[Array, "N N"]:
    """Return 1 / (λ_j − λ_i), and 0 between equal eigenvalues."""
    gap = values[None, :] - values[:, None]
    return jnp.where(gap == 0, 0, 1 / jnp.where(gap == 0, 1, gap))


def rates_of_eig(
    V: Complex[Array, "N N"], F: Complex[Array, "N N"], dA: Inexact[Array, "N N"]
) -> tuple[Complex[Array, " N"], Complex[Array, "N N"]]:
    """Return the rates of eigenvalues and eigenvectors, as `eig` describes them, for the rate dA of the matrix, given F of
    `inverse_gaps`."""
    with jax.default_matmul_precision("highest"):
        C = solve(V, dA.astype(V.dtype) @ V)
        return jnp.diagonal(C), V @ (F * C)


def column_lengths(V: Inexact[Array, "N M"]) -> Float[Array, " M"]:
    """Return a power of two near the size of each column, 1 for a column of zeros. Division by it is exact."""
    return times_power(jnp.ones(V.shape[1], V.real.dtype), exponents(V, axis=0))


def eigenvalue_condition(vectors: Inexact[Array, "N N"]) -> Float[Array, " N"]:
    """How much each eigenvalue of a matrix magnifies a change of the matrix, to first order.

    **Arguments:**

    - `vectors`: (N, N) right eigenvectors in columns of any scale, such as `eig` returns.

    **Returns:** the condition numbers (N,), κ_i = ‖v_i‖ ‖row i of V⁻¹‖ = 1/|y_iᴴ x_i|. A change of the matrix by E moves an
    eigenvalue by up to κ_i ‖E‖. 1 for a normal matrix, infinite where V is singular to working precision, as that of a
    defective matrix is.

    **Raises:** `ValueError` or `TypeError` for anything but one square matrix of finite numbers.

    Source: Wilkinson, "The Algebraic Eigenvalue Problem", 1965, ch. 2.

    ```python
    >>> import rnn_ode as ro
    >>> values, vectors = ro.linalg.eig([[1.0, 10.0], [0.0, 2.0]])
    >>> [round(float(kappa), 2) for kappa in ro.linalg.eigenvalue_condition(vectors)]
    [10.05, 10.05]

    ```
    """
    return _condition(in_single(as_matrix("vectors", vectors, complex=True)))


@jax.jit
def _condition(vectors: Inexact[Array, "N N"]) -> Float[Array, " N"]:
    inverse = inv(vectors / jnp.linalg.norm(vectors, axis=0, keepdims=True))
    condition = jnp.linalg.norm(inverse, axis=1)
    return jnp.where(jnp.all(jnp.isfinite(condition)), condition, jnp.inf)
