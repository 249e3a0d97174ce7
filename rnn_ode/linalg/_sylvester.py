"""Sylvester's and Lyapunov's equations, by the Schur forms of their matrices (Bartels & Stewart, Comm. ACM 15, 1972; for
steps instead of time Kitagawa, Int. J. Control 25, 1977).

Upper triangular T and S turn A X + X B = Q into T Y + Y S = F, and X − A X Aᴴ = Q into Y − T Y Tᴴ = F. Column after column of
Y then solves a triangular system. Each matrix is balanced first, which changes the units of X. The derivative is that of the
equation: it solves the same equation with another right-hand side.
"""

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Complex, Inexact, Integer

from .._base.checks import as_floats, as_matrix, in_single, is_concrete
from ._balance import balancing, frobenius, rescaled, times_power
from ._eig import schur
from ._solve import nan_unless, one_by_one_on_cpu, zero_to_zero


def sylvester(A: ArrayLike | Sequence, B: ArrayLike | Sequence, Q: ArrayLike | Sequence) -> Inexact[Array, "N M"]:
    """The solution X of Sylvester's equation A X + X B = Q.

    **Arguments:**

    - `A`: (N, N), real or complex.
    - `B`: (M, M).
    - `Q`: (N, M).

    **Returns:** X (N, M), real if all three are, float32 at least. Differentiable to any order in both modes. How far
    rounding may move it says `condition(sylvester, A, B, Q)` times the precision. NaN for traced matrices without a unique
    solution.

    **Raises:** `ValueError` for shapes that do not fit, values that are not finite, and if an eigenvalue of A and one of B
    sum to 0, to rounding: then no X solves the equation for every Q.

    Source: Bartels & Stewart, Comm. ACM 15, 1972. SciPy's `solve_sylvester` has the same signs.

    ```python
    >>> import rnn_ode as ro
    >>> ro.linalg.sylvester([[1.0]], [[2.0]], [[6.0]]).tolist()
    [[2.0]]

    ```
    """
    A, B = as_matrix("A", A, complex=True), as_matrix("B", B, complex=True)
    Q = as_floats("Q", Q, (A.shape[0], B.shape[0]), complex=True)
    A, B, Q = _in_one_type(A, B, Q)
    X, nearest = _sylvester(A, B, Q, balancing(A), balancing(B))
    return _unique(X, nearest, "A X + X B = Q", "the eigenvalues {} of A and {} of B sum to 0")


def lyapunov_continuous(A: ArrayLike | Sequence, Q: ArrayLike | Sequence) -> Inexact[Array, "N N"]:
    """The solution X of the continuous Lyapunov equation A X + X Aᴴ + Q = 0.

    For a flow dh/dt = A h with noise of covariance Q per unit time, whose eigenvalues have negative real parts, X is the
    covariance at which the state settles.

    **Arguments:**

    - `A`: (N, N), real or complex.
    - `Q`: (N, N).

    **Returns:** X (N, N), real if both are, float32 at least; see `sylvester`. X is Hermitian if Q is, to rounding.

    **Raises:** `ValueError` for shapes that do not fit, values that are not finite, and if two eigenvalues of A, or one
    twice, have μ + μ̄' = 0, to rounding.

    Source: Bartels & Stewart, Comm. ACM 15, 1972. SciPy's `solve_continuous_lyapunov` has the other sign of Q.

    ```python
    >>> import rnn_ode as ro
    >>> ro.linalg.lyapunov_continuous([[-0.5]], [[2.0]]).tolist()
    [[2.0]]

    ```
    """
    A, Q = _lyapunov_arguments(A, Q)
    X, nearest = _lyapunov_continuous(A, Q, balancing(A))
    why = "A has the eigenvalues {} and {}, and the sum of the one and the conjugate of the other is 0"
    return _unique(X, nearest, "A X + X Aᴴ + Q = 0", why)


def lyapunov_discrete(A: ArrayLike | Sequence, Q: ArrayLike | Sequence) -> Inexact[Array, "N N"]:
    """The solution X of the discrete Lyapunov equation X = A X Aᴴ + Q.

    For a map h ↦ A h with noise of covariance Q per step, whose eigenvalues lie inside the unit circle, X is the covariance
    at which the state settles.

    **Arguments:**

    - `A`: (N, N), real or complex.
    - `Q`: (N, N).

    **Returns:** X (N, N), real if both are, float32 at least; see `sylvester`. X is Hermitian if Q is, to rounding.

    **Raises:** `ValueError` for shapes that do not fit, values that are not finite, and if two eigenvalues of A, or one
    twice, have λ λ̄' = 1, to rounding.

    Source: Kitagawa, Int. J. Control 25, 1977. SciPy's `solve_discrete_lyapunov` has the same signs.

    ```python
    >>> import rnn_ode as ro
    >>> ro.linalg.lyapunov_discrete([[0.5]], [[3.0]]).tolist()
    [[4.0]]

    ```
    """
    A, Q = _lyapunov_arguments(A, Q)
    X, nearest = _lyapunov_discrete(A, Q, balancing(A))
    why = "A has the eigenvalues {} and {}, and the product of the one and the conjugate of the other is 1"
    return _unique(X, nearest, "X = A X Aᴴ + Q", why)


def _unique(X: Array, nearest: Array, equation: str, why: str) -> Array:
    """Return X; `ValueError` if it is known not to be finite. `why` has a place for each of the two `nearest` eigenvalues."""
    if is_concrete(X) and not np.isfinite(np.asarray(X)).all():
        because = why.format(*(f"{value:.6g}" for value in np.asarray(nearest)))
        raise ValueError(f"{equation} has no unique solution: {because}, to within rounding.")
    return X


def _lyapunov_arguments(A, Q) -> tuple[Array, ...]:
    A = as_matrix("A", A, complex=True)
    return _in_one_type(A, as_floats("Q", Q, A.shape, complex=True))


def _in_one_type(*arrays: Array) -> tuple[Array, ...]:
    kind = jnp.result_type(*(in_single(array) for array in arrays))
    return tuple(array.astype(kind) for array in arrays)


@jax.jit
def _sylvester(A: Array, B: Array, Q: Array, e: Integer[Array, " N"], f: Integer[Array, " M"]) -> tuple[Array, Array]:
    """Return X, and the eigenvalues of A and B whose sum is nearest to 0."""
    A, B, shift = rescaled(A, e), rescaled(B, f), e[:, None] - f[None, :]
    left, right = _eigenvalues(A), _eigenvalues(B)
    X = _solution(
        lambda X: A @ X + X @ B,
        lambda A, B, Q: _by_columns(A, B, Q, _column_of_sum, reverse=False),
        lax.stop_gradient((A, B)),
        times_power(Q, -shift),
        shift,
    )
    rounding = _rounding(A) + _rounding(B)
    regular, nearest = _regular(left, right, jnp.abs(left[:, None] + right[None, :]), rounding)
    return nan_unless(regular, times_power(X, shift)), nearest


@jax.jit
def _lyapunov_continuous(A: Array, Q: Array, e: Integer[Array, " N"]) -> tuple[Array, Array]:
    """Return X, and the eigenvalues μ and μ' of A for which μ + μ̄' is nearest to 0."""
    A, shift = rescaled(A, e), e[:, None] + e[None, :]
    values = _eigenvalues(A)
    X = _solution(
        lambda X: A @ X + X @ A.conj().T,
        lambda A, Q: _by_columns(A, A, Q, _column_of_hermitian_sum, reverse=True),
        (lax.stop_gradient(A),),
        times_power(-Q, -shift),
        shift,
    )
    gaps = jnp.abs(values[:, None] + values[None, :].conj())
    regular, nearest = _regular(values, values, gaps, 2 * _rounding(A))
    return nan_unless(regular, times_power(X, shift)), nearest


@jax.jit
def _lyapunov_discrete(A: Array, Q: Array, e: Integer[Array, " N"]) -> tuple[Array, Array]:
    """Return X, and the eigenvalues λ and λ' of A for which λ λ̄' is nearest to 1."""
    A, shift = rescaled(A, e), e[:, None] + e[None, :]
    values = _eigenvalues(A)
    X = _solution(
        lambda X: X - A @ X @ A.conj().T,
        lambda A, Q: _by_columns(A, A, Q, _column_of_step, reverse=True),
        (lax.stop_gradient(A),),
        times_power(Q, -shift),
        shift,
    )
    gaps = jnp.abs(1 - values[:, None] * values[None, :].conj())
    rounding = 2 * _rounding(A) * jnp.maximum(jnp.max(jnp.abs(values)), 1)
    regular, nearest = _regular(values, values, gaps, rounding)
    return nan_unless(regular, times_power(X, shift)), nearest


def _eigenvalues(A: Array) -> Complex[Array, " N"]:
    return jnp.diagonal(schur(lax.stop_gradient(A).astype(jnp.result_type(A.dtype, jnp.complex64)))[0])


def _rounding(A: Array) -> Array:
    """How far rounding moves a well-conditioned eigenvalue, at most."""
    return jnp.finfo(A.dtype).eps * jnp.max(jnp.abs(lax.stop_gradient(A)))


def _regular(left: Array, right: Array, gaps: Array, rounding: Array) -> tuple[Array, Array]:
    """Whether every gap is larger than rounding, and the pair (2,) of the smallest gap."""
    i, j = jnp.unravel_index(jnp.argmin(gaps), gaps.shape)
    return gaps[i, j] > rounding, jnp.stack([left[i], right[j]])


def _solution(
    equation: Callable[[Array], Array],
    solver: Callable[..., Array],
    matrices: tuple[Array, ...],
    Q: Array,
    shift: Array,
) -> Array:
    """Return X with equation(X) = Q, differentiable by the equation. `solver(*matrices, Q)` solves it, and with transposed
    matrices its transpose. X 2^shift is the solution in the caller's units.

    Balancing may give the entries of X very different sizes, and the solver's errors are those of the largest. A correction
    by the residual mends them. But the residual has rounding errors too, and an ill-conditioned equation magnifies them far
    more than the solver's own, which are as if A were rounded. Further corrections consist of them alone. So the first one is
    made if the units were changed, and if it is ten times larger than two further ones, in the caller's units."""

    def size(X):
        return frobenius(times_power(X, shift))

    def solve(equation, Q):
        def correct(k, changes):
            return changes.at[k].set(solver(*matrices, Q - equation(jnp.sum(changes, axis=0))))

        count = jnp.where(jnp.any(shift != 0), 4, 1)
        X, first, *further = lax.fori_loop(0, count, correct, jnp.zeros((4, *Q.shape), Q.dtype))
        larger = jnp.maximum(*map(size, further)) <= size(first) / 10
        return X + jnp.where(larger, first, 0)

    def solve_transposed(_, Q):
        return zero_to_zero(solver(*(matrix.T for matrix in matrices), Q), Q)

    with jax.default_matmul_precision("highest"):
        return lax.custom_linear_solve(equation, Q, solve, solve_transposed)


def _by_columns(A: Array, B: Array, Q: Array, column: Callable[..., tuple[Array, Array]], reverse: bool) -> Array:
    """Return the solution, by Schur forms and one column after another, the last one first if `reverse`."""
    X = one_by_one_on_cpu(partial(_complex_by_columns, column=column, reverse=reverse))(
        *(matrix.astype(jnp.result_type(matrix.dtype, jnp.complex64)) for matrix in (A, B, Q))
    )
    return X if jnp.iscomplexobj(Q) else X.real


def _complex_by_columns(A, B, Q, *, column, reverse):
    (T, U), (S, V) = schur(A), schur(B)
    F, m = U.conj().T @ Q @ V, S.shape[0]

    def step(k, Y):
        j = m - 1 - k if reverse else k
        M, rest = column(T, S, F, Y, j)
        return Y.at[:, j].set(lax.linalg.triangular_solve(M, rest[:, None], left_side=True)[:, 0])

    Y = lax.fori_loop(0, m, step, jnp.zeros_like(F))
    return U @ Y @ V.conj().T


# Each returns the triangular matrix and the right-hand side of column j, given the columns of Y that are known; the others
# are 0.


def _column_of_sum(T, S, F, Y, j):
    """T Y + Y S = F."""
    return T + S[j, j] * jnp.eye(T.shape[0], dtype=T.dtype), F[:, j] - Y @ S[:, j]


def _column_of_hermitian_sum(T, S, F, Y, j):
    """T Y + Y Tᴴ = F."""
    row = S[j].conj()
    return T + row[j] * jnp.eye(T.shape[0], dtype=T.dtype), F[:, j] - Y @ row


def _column_of_step(T, S, F, Y, j):
    """Y − T Y Tᴴ = F."""
    row = S[j].conj()
    return jnp.eye(T.shape[0], dtype=T.dtype) - row[j] * T, F[:, j] + T @ (Y @ row)
