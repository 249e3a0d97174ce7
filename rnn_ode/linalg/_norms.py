"""Dense linear algebra that JAX lacks on some backend: `logm`, `eig`, and two measures of conditioning.

Every function takes one matrix (batch it with `jax.vmap`), keeps its precision, and lowers for CPU, CUDA and TPU.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Complex, Float, Inexact, Integer

from ._balance import balancing, exponents, rescaled, times_power
from ._errors import as_matrix, in_single, is_concrete

# ||X||_1 up to which the 7-node rule gives log(I + X) to working precision, by the bits of a real number: float64 from
# Higham, "Functions of Matrices", Table 11.1; float32 from the scalar worst case X = -theta.
_PADE_NODES = 7
_PADE_THETA = {64: 0.264, 32: 0.7}
_MAX_ROOTS = 50
_MAX_ROOT_STEPS = 60
_MAX_QR_STEPS_PER_EIGENVALUE = 30


def _check_square(A: Array) -> None:
    if A.ndim != 2 or A.shape[0] != A.shape[1]:
        raise ValueError(f"expected one square matrix (use jax.vmap for a batch), got shape {A.shape}")


@jax.custom_batching.custom_vmap
def _lu_solve(A: Array, B: Array) -> Array:
    """X of A X = B, both matrices, by LU with partial pivoting."""
    lu, _, permutation = lax.linalg.lu(A)
    X = lax.linalg.triangular_solve(lu, B[permutation], left_side=True, lower=True, unit_diagonal=True)
    return lax.linalg.triangular_solve(lu, X, left_side=True, lower=False)


@_lu_solve.def_vmap
def _lu_solve_batch(size, batched, A, B):
    # Batched factorisations and triangular solves of JAX 0.10 on a CPU may never return when two threads of its pool
    # meet in them (seen with 60 matrices of 32 × 32 on two cores), so that a CPU takes the matrices one at a time.
    def one_by_one(A, B):
        return lax.map(lambda i: _lu_solve(A[i] if batched[0] else A, B[i] if batched[1] else B), jnp.arange(size))

    def together(A, B):
        return jax.vmap(_lu_solve.fun, [0 if b else None for b in batched])(A, B)

    return lax.platform_dependent(A, B, cpu=one_by_one, default=together), True


@jax.jit
def solve(A: Inexact[Array, "N N"], B: Inexact[Array, "N *K"]) -> Inexact[Array, "N *K"]:
    """X (N,) or (N, K) of A X = B, by LU with partial pivoting; infinite or NaN where A is singular.

    It is `jnp.linalg.solve`, but safe under `vmap` on the CPU with every JAX this package supports, and a solution that
    nothing depends on passes no gradient back, also where it is not finite.
    """
    kind = jnp.result_type(A, B)
    A, B = A.astype(kind), B.astype(kind)
    X = _solve(A, B if B.ndim == 2 else B[:, None])
    return X if B.ndim == 2 else X[:, 0]


@jax.custom_jvp
def _solve(A: Inexact[Array, "N N"], B: Inexact[Array, "N K"]) -> Inexact[Array, "N K"]:
    fixed = lax.stop_gradient(A)
    return lax.custom_linear_solve(
        lambda X: A @ X,
        B,
        lambda _, Y: _lu_solve(fixed, Y),
        lambda _, Y: _zero_to_zero(_lu_solve(fixed.T, Y), Y),
    )


@_solve.defjvp
def _solve_jvp(primals, tangents):
    (A, B), (dA, dB) = primals, tangents
    X = _solve(A, B)
    finite = jnp.where(lax.stop_gradient(jnp.all(jnp.isfinite(X))), X, 0)
    return X, _solve(A, dB - dA @ finite)


def _zero_to_zero(image: Array, Y: Array) -> Array:
    """The image of Y under a linear map, zero for Y = 0 also where the map is not finite: an adaptive solver throws its
    failed trial steps away, and 0 · NaN from one of them would spoil the gradient of the steps it kept."""
    return jnp.where(jnp.any(Y != 0), image, 0)


def inv(A: Inexact[Array, "N N"]) -> Inexact[Array, "N N"]:
    """The inverse of A (N, N), by `solve`."""
    return solve(A, jnp.eye(A.shape[0], dtype=A.dtype))


def _nan_unless(ok: Array, X: Array) -> Array:
    # A product, not a `where`, so that the derivative is NaN too.
    return X * jnp.where(ok, 1, jnp.nan).astype(X.real.dtype)


def _sqrtm(A: Inexact[Array, "N N"]) -> Inexact[Array, "N N"]:
    """Principal square root by the determinant-scaled Denman–Beavers iteration (Higham, "Functions of Matrices",
    6.3 and 6.5), NaN where there is none. (The product form loses twice the digits where eigenvalues
    come near the negative axis or are widely spread.)"""
    n = A.shape[0]
    tol = float(jnp.finfo(A.dtype).eps) ** 0.5

    def step(roots):
        # The limit, (A^1/2, A^-1/2), does not depend on the scaling, so its derivative does not need the scaling's.
        scale = jnp.exp(-jnp.sum(jnp.linalg.slogdet(lax.stop_gradient(roots))[1]) / (2 * n))
        return (scale * roots + jax.vmap(inv)(roots)[::-1] / scale) / 2

    def iterate(state):
        roots, change, _, steps = state
        new = step(roots)
        sizes = jnp.linalg.norm(jnp.stack([new - roots, new]), axis=(2, 3))
        return new, lax.stop_gradient(jnp.max(sizes[0] / sizes[1])), change, steps + 1

    # Convergence is quadratic: the step that changes little settles the root, and one more settles its derivative.
    start, never = jnp.stack([A, jnp.eye(n, dtype=A.dtype)]), jnp.full((), jnp.inf, A.real.dtype)
    (X, _), _, change, _ = lax.while_loop(
        lambda state: (state[2] > tol) & (state[3] < _MAX_ROOT_STEPS), iterate, (start, never, never, 0)
    )
    # Rounding can carry a negative eigenvalue across zero; the iteration then converges, but not to a root of A.
    residual = jnp.linalg.norm(solve(X, A) - X)
    return _nan_unless((change <= tol) & (residual <= tol * jnp.linalg.norm(X)), X)


@jax.jit
def _logm(A: Inexact[Array, "N N"]) -> Inexact[Array, "N N"]:
    eye = jnp.eye(A.shape[0], dtype=A.dtype)
    theta = _PADE_THETA[jnp.finfo(A.dtype).bits]
    nodes, weights = (x.astype(A.real.dtype) for x in np.polynomial.legendre.leggauss(_PADE_NODES))

    with jax.default_matmul_precision("highest"):
        root, scale = lax.while_loop(
            lambda state: (jnp.linalg.norm(state[0] - eye, 1) > theta) & (state[1] < 2.0**_MAX_ROOTS),
            lambda state: (_sqrtm(state[0]), 2 * state[1]),
            (A, jnp.ones((), A.real.dtype)),
        )
        X = root - eye
        terms = jax.vmap(lambda node: solve(eye + (1 + node) / 2 * X, X))(nodes)
        return _nan_unless(jnp.linalg.norm(X, 1) <= theta, scale / 2 * jnp.tensordot(weights, terms, 1))


def logm(A: ArrayLike | Sequence) -> Inexact[Array, "N N"]:
    """Principal logarithm of a matrix, by inverse scaling and squaring.

    Square roots by the Denman–Beavers iteration until the matrix is near I, then the Gauss–Legendre form of the
    diagonal Padé approximant of log(I + X) (Cheng, Higham, Kenney & Laub, SIAM J. Matrix Anal. Appl. 22, 2001; Higham,
    "Functions of Matrices", ch. 11). Needs only products, solves and inverses, no Schur form.

    `A`: (N, N), real or complex, with no eigenvalue on (-inf, 0]. Returns the (N, N) logarithm of the same dtype.
    Differentiable to any order in forward and reverse mode, also where eigenvalues coincide. Raises `ValueError` for a
    matrix that is not square or has no principal logarithm; of a traced one all entries are NaN then.
    """
    A = as_matrix("A", A, complex=True)
    e = balancing(A)
    log = rescaled(_differentiable_logm(rescaled(A, e)), -e)
    if is_concrete(A, log) and not np.isfinite(np.asarray(log)).all():
        values = np.linalg.eigvals(np.asarray(A))
        nearest = values[np.argmin(np.abs(np.angle(-values)) * (values != 0))]
        raise ValueError(
            f"A has no principal logarithm: its eigenvalue {_spelled(nearest)} is on (−∞, 0], or too near to it. A negative "
            "one has a complex logarithm, Exact(complex=True).generator(A); a zero has none."
        )
    return log


def _spelled(value) -> str:
    """A number for a message, without an imaginary part that is zero (NumPy may or may not leave one)."""
    value = complex(value)
    return f"{value:.6g}" if value.imag else f"{value.real:.6g}"


@jax.custom_jvp
def _differentiable_logm(A):
    if jnp.finfo(A.dtype).bits < 32:
        return _logm(A.astype(jnp.float32)).astype(A.dtype)
    return _logm(A)


@_differentiable_logm.defjvp
def _logm_jvp(primals, tangents):
    # The derivative L_log(A) is the inverse of L_exp(log A), and its transpose is L_log(A^T). Stating both leaves
    # nothing for JAX to transpose through the while loops.
    (A,), (dA,) = primals, tangents
    log = _differentiable_logm(A)

    def derivative_of_exp(Y):
        with jax.default_matmul_precision("highest"):
            return jax.jvp(exponential, (log,), (Y,))[1]

    def derivative_of_log(A, E):
        return jax.jvp(_logm, (A,), (E,))[1]

    return log, lax.custom_linear_solve(
        derivative_of_exp,
        dA,
        solve=lambda _, E: derivative_of_log(A, E),
        transpose_solve=lambda _, E: _zero_to_zero(derivative_of_log(A.T, E), E),
    )


def _hessenberg(A: Complex[Array, "N N"]) -> tuple[Complex[Array, "N N"], Complex[Array, "N N"]]:
    """Upper Hessenberg H and unitary Q with A = Q H Q^H, by Householder reflections."""
    n = A.shape[0]

    def reflect(k, state):
        H, Q = state
        x = jnp.where(jnp.arange(n) > k, H[:, k], 0)
        norm, pivot = jnp.linalg.norm(x), jnp.abs(x[k + 1])
        phase = jnp.where(pivot == 0, 1, x[k + 1] / jnp.where(pivot == 0, 1, pivot))
        v = x.at[k + 1].add(phase * norm)
        v = v / jnp.where(norm == 0, 1, jnp.linalg.norm(v))
        H = H - 2 * jnp.outer(v, v.conj() @ H)
        return H - 2 * jnp.outer(H @ v, v.conj()), Q - 2 * jnp.outer(Q @ v, v.conj())

    H, Q = lax.fori_loop(0, max(n - 2, 0), reflect, (A, jnp.eye(n, dtype=A.dtype)))
    return jnp.triu(H, -1), Q


def _wilkinson_shift(T: Complex[Array, "N N"], i: Array) -> Complex[Array, ""]:
    """Of the two eigenvalues of the 2 by 2 block that ends at row i, the one nearer to T[i, i]."""
    half = (T[i - 1, i - 1] - T[i, i]) / 2
    product = T[i - 1, i] * T[i, i - 1]
    root = jnp.sqrt(half**2 + product)
    larger = jnp.where(jnp.abs(half + root) > jnp.abs(half - root), half + root, half - root)
    return T[i, i] - jnp.where(larger == 0, 0, product / jnp.where(larger == 0, 1, larger))


def _schur(A: Complex[Array, "N N"]) -> tuple[Complex[Array, "N N"], Complex[Array, "N N"]]:
    """Upper triangular T and unitary Q with A = Q T Q^H, by the explicit single-shift QR iteration on the Hessenberg
    form (Golub & Van Loan, "Matrix Computations", 7.3-7.5); NaN where it does not converge."""
    n = A.shape[0]
    eye = jnp.eye(n, dtype=A.dtype)
    eps, size = jnp.finfo(A.dtype).eps, jnp.linalg.norm(A)

    def deflate(T):
        below, diagonal = jnp.diagonal(T, -1), jnp.abs(jnp.diagonal(T))
        neighbours = diagonal[1:] + diagonal[:-1]
        small = jnp.abs(below) <= eps * jnp.where(neighbours == 0, size, neighbours)
        return T - jnp.diag(jnp.where(small, below, 0), -1)

    def last_active_row(T):
        return jnp.max(jnp.where(jnp.abs(jnp.diagonal(T, -1)) > 0, jnp.arange(1, n), 0), initial=0)

    def step(state):
        T, Q, row, steps, stalled = state
        # Now and then a shift out of the blue, for matrices such as a cyclic permutation that the step would leave be.
        exceptional = T[row, row] + 0.75 * jnp.abs(T[row, row - 1])
        shift = jnp.where(stalled % 10 == 9, exceptional, _wilkinson_shift(T, row))
        # The deflated part is triangular, so the factor of the whole matrix leaves it alone.
        U, R = jnp.linalg.qr(T - shift * eye)
        U = jnp.triu(U, -1)
        T = deflate(jnp.triu(R @ U, -1) + shift * eye)
        new_row = last_active_row(T)
        return T, Q @ U, new_row, steps + 1, jnp.where(new_row == row, stalled + 1, 0)

    H, Q = _hessenberg(A)
    H = deflate(H)
    T, Q, row, _, _ = lax.while_loop(
        lambda state: (state[2] > 0) & (state[3] < _MAX_QR_STEPS_PER_EIGENVALUE * n),
        step,
        (H, Q, last_active_row(H), 0, 0),
    )
    return _nan_unless(row == 0, T), Q


def _triangular_eigenvectors(T: Complex[Array, "N N"]) -> Complex[Array, "N N"]:
    """Right eigenvectors of an upper triangular matrix, in columns, by back-substitution in all of them at once."""
    n = T.shape[0]
    index, values = jnp.arange(n), jnp.diagonal(T)
    # As in LAPACK's trevc: equal eigenvalues are taken apart by a rounding error.
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
    """`eig` in operations every backend has."""
    A = A.astype(jnp.result_type(A, jnp.complex64))
    size = jnp.max(jnp.abs(A))
    size = jnp.where(size == 0, 1, size)
    with jax.default_matmul_precision("highest"):
        T, Q = _schur(A / size)
        V = Q @ _triangular_eigenvectors(T)
    return size * jnp.diagonal(T), V / jnp.linalg.norm(V, axis=0, keepdims=True)


def _eig_lapack(A: Inexact[Array, "N N"]) -> tuple[Complex[Array, " N"], Complex[Array, "N N"]]:
    # LAPACK's eigenvalues of matrices near the ends of the float range come back scaled; a power of two is exact
    size = exponents(A, axis=None)
    values, vectors = jnp.linalg.eig(times_power(A, -size))
    return times_power(values, size), vectors


@jax.jit
def eig(A: Inexact[Array, "N N"]) -> tuple[Complex[Array, " N"], Complex[Array, "N N"]]:
    """Eigenvalues and right eigenvectors of a general matrix, on every backend.

    `A`: (N, N), real or complex. Returns the (N,) eigenvalues, in no particular order, and the (N, N) eigenvectors as
    columns of unit 2-norm, both complex; NaN where the iteration does not converge or `A` is not finite. LAPACK on a
    CPU, its counterpart on CUDA, and elsewhere a Hessenberg QR iteration in plain JAX; each of the balanced matrix.

    The derivative, in both modes, is dλ = diag(C) and dV = V (F ∘ C) with C = V^{-1} dA V and F_ij = 1 / (λ_j - λ_i)
    off the diagonal, 0 on it. The scale and phase of a column are a gauge: this rule leaves each column's own component
    alone, so only functions of V that do not depend on the scale of its columns have a meaningful derivative. Between
    exactly equal eigenvalues F is taken as 0, which keeps dλ finite; dV has no meaning there.
    """
    _check_square(A)
    e = balancing(A)
    values, V = _eig(rescaled(A, e))
    return values, _in_units(V, e)


def _in_units(V: Complex[Array, "N N"], e: Integer[Array, " N"]) -> Complex[Array, "N N"]:
    """D V with columns of unit 2-norm, D = diag(2ᵉ)."""
    largest = jnp.max(exponents(lax.stop_gradient(V)[None], axis=0) + e[:, None], axis=0)
    V = times_power(V, e[:, None] - largest[None, :])
    return V / lax.stop_gradient(jnp.linalg.norm(V, axis=0, keepdims=True))


class Modes(NamedTuple):
    """The eigenvalues (N,) of a matrix, in no particular order; its right eigenvectors (N, N) in columns of unit 2-norm; the
    condition numbers (N,) of the eigenvalues; and those of the balanced matrix, by which rounding is judged (`_verdict`)."""

    values: Complex[Array, " N"]
    vectors: Complex[Array, "N N"]
    condition: Float[Array, " N"]
    balanced_condition: Float[Array, " N"]


@jax.jit
def modes(A: Inexact[Array, "N N"]) -> Modes:
    """Eigenvalues, eigenvectors and conditions of a matrix, by one factorisation."""
    _check_square(A)
    e = balancing(A)
    values, V = _eig(rescaled(A, e))
    vectors = _in_units(V, e)
    return Modes(values, vectors, eigenvalue_condition(vectors), eigenvalue_condition(V))


@jax.custom_jvp
def _eig(A: Inexact[Array, "N N"]) -> tuple[Complex[Array, " N"], Complex[Array, "N N"]]:
    return _eig_anywhere(A)


@jax.jit
def _eig_anywhere(A):
    return lax.platform_dependent(A, cpu=_eig_lapack, cuda=_eig_lapack, default=_eig_qr)


@_eig.defjvp
def _eig_jvp(primals, tangents):
    (A,), (dA,) = primals, tangents
    values, V = _eig(A)
    gap = values[None, :] - values[:, None]
    F = jnp.where(gap == 0, 0, 1 / jnp.where(gap == 0, 1, gap))
    with jax.default_matmul_precision("highest"):
        C = solve(V, dA.astype(V.dtype) @ V)
        return (values, V), (jnp.diagonal(C), V @ (F * C))


def column_lengths(V: Inexact[Array, "N M"]) -> Float[Array, " M"]:
    """A power of two near the size of every column, 1 for a column of zeros; dividing by it rounds nothing."""
    return times_power(jnp.ones(V.shape[1], V.real.dtype), exponents(V, axis=0))


@jax.jit
def eigenvalue_condition(vectors: Inexact[Array, "N N"]) -> Float[Array, " N"]:
    """How many times a perturbation of a matrix can be magnified in each of its eigenvalues, to first order.

    `vectors`: (N, N), right eigenvectors in columns of any scale. Returns the (N,) condition numbers
    κ_i = ‖v_i‖ ‖row i of V^{-1}‖ = 1 / |y_i^H x_i| (Wilkinson, "The Algebraic Eigenvalue Problem", ch. 2): 1 for a
    normal matrix, inf where V is singular to working precision.
    """
    _check_square(vectors)
    inverse = inv(vectors / jnp.linalg.norm(vectors, axis=0, keepdims=True))
    condition = jnp.linalg.norm(inverse, axis=1)
    return jnp.where(jnp.all(jnp.isfinite(condition)), condition, jnp.inf)


def inverse_norm(A: Inexact[Array, "N N"]) -> Float[Array, ""]:
    """Frobenius norm of the inverse, an upper bound of its spectral norm: 1 / inverse_norm(A) is a lower bound of the
    smallest singular value of A.

    `A`: (N, N), real or complex. Returns a scalar, inf where A is singular or not finite.
    """
    _check_square(A)
    inverse = inv(A)
    # Scaled, so that squares neither overflow nor vanish.
    size = lax.stop_gradient(jnp.max(jnp.abs(inverse)))
    norm = size * jnp.linalg.norm(inverse / size)
    return jnp.where(jnp.all(jnp.isfinite(A)) & jnp.isfinite(norm), norm, jnp.inf)


_MAX_SQUARINGS = 64


def phi_functions(A: Inexact[Array, "N N"], count: int) -> list[Inexact[Array, "N N"]]:
    """exp(A), φ₁(A), …, φ_count(A) of a matrix (N, N); φ_j(z) = Σ zⁱ/(i + j)!. What dh/ds = A h + Σ_j c_j sʲ/j! makes of
    h in s = 0 … 1 is exp(A) h + Σ_j φ_{j+1}(A) c_j.

    Scaling and squaring of the balanced matrix: the last by its Taylor polynomial, the others from
    φ_{j−1}(z) = 1/(j−1)! + z φ_j(z), then φ_j(2z) = 2⁻ʲ (eᶻ φ_j(z) + Σᵢ φᵢ(z)/(j−i)!), i = 1 … j (Skaflestad & Wright 2009).
    Matrix products alone, so that a batch is safe on a CPU (see `solve`); zero and defective eigenvalues are like others.
    The norm of the balanced matrix may be up to 2⁶³; above it everything is NaN. At ‖A‖₁ ≤ ½ sixteen terms leave
    ½¹⁶/16! = 7e-19. The error is about u ‖A‖ times the norm of the result, in the units of the balanced matrix.
    (`jax.scipy.linalg.expm` is off by up to 2e-3 in float32, and by more for badly scaled matrices.) Differentiable in both
    modes.
    """
    _check_square(A)
    last = max(count, 1)
    weights = [1 / math.factorial(i) for i in range(16 + last)]
    eye = jnp.eye(A.shape[0], dtype=A.dtype)

    def double(functions):
        # exp(z) − 1 keeps the digits of what is near 1 however often it is squared, exp(z) those of what is near 0
        power, less, *phis = functions
        sums = [sum(phi * weights[j - i] for i, phi in enumerate(phis[:j], start=1)) for j in range(1, count + 1)]
        phis = [(phi + less @ phi + rest) / 2**j for j, (phi, rest) in enumerate(zip(phis, sums, strict=True), start=1)]
        less = 2 * less + less @ less
        return [jnp.where(jnp.linalg.norm(power, 1) < 0.5, power @ power, eye + less), less, *phis]

    e = balancing(A)
    A = rescaled(A, e)
    with jax.default_matmul_precision("highest"):
        size = lax.stop_gradient(jnp.linalg.norm(A, 1))
        A = _nan_unless(size < 2.0 ** (_MAX_SQUARINGS - 1), A)
        squarings = jnp.clip(jnp.ceil(jnp.log2(jnp.where(size == 0, 1, size))) + 1, 0, _MAX_SQUARINGS)
        z = A * 2**-squarings
        square = z @ z
        powers, fourth = (eye, z, square, z @ square), square @ square
        phi = jnp.zeros_like(A)
        for first in (12, 8, 4, 0):
            phi = fourth @ phi + sum(power * weights[first + i + last] for i, power in enumerate(powers))
        functions = [phi]
        for j in range(last - 1, 0, -1):
            functions.insert(0, weights[j] * eye + z @ functions[0])
        less = z @ functions[0]
        functions = [eye + less, less, *functions[:count]]
        power, _, *phis = lax.fori_loop(
            0, _MAX_SQUARINGS, lambda i, functions: lax.cond(i < squarings, double, list, functions), functions
        )
        return [rescaled(function, -e) for function in (power, *phis)]


def exponential(A: Inexact[Array, "N N"]) -> Inexact[Array, "N N"]:
    """exp(A) of a matrix (N, N): see `phi_functions`."""
    return phi_functions(A, 0)[0]


def spectral_norm(A: Inexact[Array, "N N"]) -> Float[Array, ""]:
    """The largest singular value of A (N, N), in float32 at least; infinite where A is not finite."""
    A = in_single(A)
    finite = jnp.all(jnp.isfinite(A))
    return jnp.where(finite, jnp.linalg.svd(jnp.where(finite, A, 0), compute_uv=False)[0], jnp.inf)


def matrix_power(A: Inexact[Array, "N N"], k: Array) -> Inexact[Array, "N N"]:
    """Aᵏ of A (N, N) for a traced whole number k ≥ 0, by squaring. Differentiable in both modes."""
    bits = jnp.iinfo(k.dtype).bits - 1

    def step(_, carry):
        k, base, total = carry
        total = jnp.where(k % 2 == 1, total @ base, total)
        # no square that is not needed: it might overflow, and its derivative with it
        return k // 2, jnp.where(k > 1, base @ base, base), total

    with jax.default_matmul_precision("highest"):
        return lax.fori_loop(0, bits, step, (k, A, jnp.eye(A.shape[0], dtype=A.dtype)))[2]


def batched_map(f, xs: Inexact[Array, "K *rest"] | Integer[Array, "K *rest"], n: int):
    """f of each row of `xs` (K, …), by `vmap` of as many at a time as make 64 MB of (n, n) matrices of complex128.

    Unlike `lax.map(…, batch_size=…)` it fills the last batch up, and so compiles f once.
    """
    count = xs.shape[0]
    batches = -(-count // max(1, min(256, 2**22 // n**2)))
    size = -(-count // batches)
    filled = jnp.concatenate([xs, jnp.repeat(xs[-1:], batches * size - count, axis=0)])
    found = lax.map(jax.vmap(f), filled.reshape(batches, size, *xs.shape[1:]))
    return jax.tree.map(lambda y: y.reshape(batches * size, *y.shape[2:])[:count], found)


def climb(slope, start: Float[Array, ""], end: Float[Array, ""], rounds: int) -> tuple[Array, Array]:
    """Bisects for a maximum between `start`, from where the function rises, and `end`; returns the last two ends.

    `slope(s)` is the derivative. Of a function that is the largest of several smooth ones, as the norm of a matrix is,
    the derivative jumps only up, so that it is a maximum where it goes from rising to falling.
    """
    towards = jnp.sign(end - start)

    def halve(_, ends):
        near, far = ends
        middle = near + (far - near) / 2
        rising = slope(middle) * towards > 0
        return jnp.where(rising, middle, near), jnp.where(rising, far, middle)

    return lax.fori_loop(0, rounds, halve, (start, end))


_RADIUS_GRID = 64
_RADIUS_CANDIDATES = 6


def numerical_abscissa(A: Float[Array, "N N"]) -> Float[Array, ""]:
    """max Re xᴴ A x over unit x: the largest eigenvalue of (A + Aᵀ)/2, the slope of ‖exp(A t)‖ at t = 0."""
    return jnp.linalg.eigvalsh((A + A.T) / 2)[-1]


def numerical_radius(A: Float[Array, "N N"]) -> Float[Array, ""]:
    """max |xᴴ A x| over unit x, of a real matrix (N, N): the maximum over θ of h(θ) = λ_max(e^{iθ} A + its adjoint)/2
    (Johnson, SIAM J. Numer. Anal. 15, 1978).

    h is the support function of a convex set, so that h'' ≥ −h: a grid of spacing Δ sees every maximum to a factor
    cos(Δ/2), and bisection of h' finds it. Differentiable at the maximising angle.
    """
    _check_square(A)

    def support(A, theta):
        turned = jnp.exp(1j * theta) * A
        values, vectors = jnp.linalg.eigh((turned + turned.conj().T) / 2)
        x = vectors[:, -1]
        return values[-1], jnp.real(jnp.vdot(x, 1j * turned @ x))

    fixed = lax.stop_gradient(A)
    spacing = jnp.pi / _RADIUS_GRID
    theta = spacing * jnp.arange(_RADIUS_GRID + 1, dtype=A.dtype)  # A is real: the other half mirrors this one
    h, slope = batched_map(lambda t: support(fixed, t), theta, A.shape[0])
    beside = jnp.concatenate([h[1:2], h, h[-2:-1]])
    _, best = lax.top_k(jnp.where((h >= beside[:-2]) & (h >= beside[2:]), h, -jnp.inf), _RADIUS_CANDIDATES)
    rounds = jnp.finfo(A.dtype).nmant // 2  # a maximum is flat: half the digits of its place are all of its value's

    def refine(i):
        return climb(lambda t: support(fixed, t)[1], theta[i], theta[i] + spacing * jnp.sign(slope[i]), rounds)

    near, far = batched_map(refine, best, A.shape[0])
    found = near + (far - near) / 2
    angles = jnp.concatenate([found, theta[best]])
    at = angles[jnp.argmax(batched_map(lambda t: support(fixed, t)[0], angles, A.shape[0]))]
    turned = jnp.exp(1j * at) * A
    return jnp.linalg.eigvalsh((turned + turned.conj().T) / 2)[-1]
