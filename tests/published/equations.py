"""Lyapunov equations with known solutions: SLICOT's collections CTLEX and DTLEX, and Barraud's.

D. Kressner, V. Mehrmann & T. Penzl, SLICOT Working Notes 1999-6 and 1999-7: Aᵀ X E + Eᵀ X A = Y, and Aᵀ X A − Eᵀ X E = Y.
An equation with E ≠ I is solved as the one of A E⁻¹. What rounding may do is measured by the condition number κ of the
equation's own matrix of N² rows, from its singular values: 10 N κ times the unit roundoff, where N stands for the sums of N
terms that make Y and X. The largest is 0.01; above that no digit is certain.
"""

import itertools

import mpmath as mp
import numpy as np

import rnn_ode as ro

from .rows import row

PART = "Lyapunov equations of SLICOT"
SOURCE = {"continuous": "SLICOT Working Note 1999-6", "discrete": "SLICOT Working Note 1999-7"}


def rows() -> list[dict]:
    found = []
    for kind in SOURCE:
        found.append(solved(kind, "4.1, n = 10, r = 1.5, s = 1.5", *graded_41(kind, 10, 1.5, 1.5)))
        found.append(solved(kind, "4.3, n = 10, t = 10", *ones_43(kind, 10, 10)))
        found.append(solved(kind, "4.3, n = 10, t = 0", *ones_43(kind, 10, 0)))
    return [*found, barraud()]


def slow_rows() -> list[dict]:
    """Larger ones, and those whose solution is calculated here in 40 digits."""
    found = []
    for kind in SOURCE:
        for n, r, s in ((20, 1.2, 1.1), (30, 1.05, 1.05)):
            found.append(solved(kind, f"4.1, n = {n}, r = {r}, s = {s}", *graded_41(kind, n, r, s)))
        for n, eigenvalue, s in ((10, -0.5, 1.5), (8, -0.9, 1.1)):
            found.append(solved(kind, f"4.2, n = {n}, λ = {eigenvalue}, s = {s}", *jordan_42(kind, n, eigenvalue, s)))
        found.append(solved(kind, "4.3, n = 20, t = 4", *ones_43(kind, 20, 4)))
        for q, t in ((4, 1.5), (3, 3.0), (10, 1.5)):
            found.append(solved(kind, f"4.4, q = {q}, t = {t}", *blocks_44(kind, q, t)))
    return found


def solved(kind, name, A, Y, X, digits="", source="") -> dict:
    """The row of Aᵀ X + X A = Y or of Aᵀ X A − X = Y, whose solution is X."""
    solve = ro.linalg.lyapunov_continuous if kind == "continuous" else ro.linalg.lyapunov_discrete
    one = np.eye(len(A))
    big = np.kron(one, A.T) + np.kron(A.T, one) if kind == "continuous" else np.kron(A.T, A.T) - np.eye(len(A) ** 2)
    singular = np.linalg.svd(big, compute_uv=False)
    allowed = min(0.01, 10 * len(A) * singular[0] / singular[-1] * np.finfo(float).eps / 2)
    try:
        ours = np.asarray(solve(A.T, -Y)) / np.abs(X).max()
        reason = (
            f"κ = {singular[0] / singular[-1]:.0e}: the equation itself has no certain digit" if allowed >= 0.01 else ""
        )
    except ValueError as error:
        ours, reason = np.full_like(X, np.nan), f"refused: {error}"
    about = "X is known" if digits == "" else digits
    return row(
        PART, f"{kind} example {name}", X / np.abs(X).max(), source or SOURCE[kind], ours,
        within=allowed, value=f"{about}, {X.shape[0]} × {X.shape[1]}", reason=reason,
    )  # fmt: skip


def rotated(n, s):
    """The matrix T = H₂ S H₁ of the examples 4.1 and 4.2, and its inverse: reflections beside a graded diagonal."""
    powers, signs = s ** np.arange(n), (-1.0) ** np.arange(n)
    H1 = np.eye(n) - 2 / n * np.ones((n, n))
    H2 = np.eye(n) - 2 / n * np.outer(signs, signs)
    return H2 @ np.diag(powers) @ H1, H1 @ np.diag(1 / powers) @ H2


def graded_41(kind, n, r, s):
    """A = T diag(a) T⁻¹. Continuous: aᵢ = −rⁱ, and X is that of a diagonal matrix, bᵢ bⱼ / −(aᵢ + aⱼ) of bᵢ = i + 1.
    Discrete: aᵢ = (rⁱ − 1)/(rⁱ + 1), the first of which is 0, so that X = bᵀ b of the first row b of T⁻¹."""
    T, inverse = rotated(n, s)
    powers, count = r ** np.arange(n), np.arange(1.0, n + 1)
    if kind == "continuous":
        b = count @ inverse
        X = inverse.T @ (np.outer(count, count) / (powers[:, None] + powers)) @ inverse
        return T @ np.diag(-powers) @ inverse, -np.outer(b, b), X
    b = inverse[0]
    return T @ np.diag((powers - 1) / (powers + 1)) @ inverse, -np.outer(b, b), np.outer(b, b)


def ones_43(kind, n, t):
    """E unit lower triangular of 2⁻ᵗ, A upper triangular of ones: X is all ones, of any size of the numbers."""
    E = np.eye(n) + 2.0**-t * np.tril(np.ones((n, n)), -1)
    shift = -1 if kind == "continuous" else 0
    A = np.diag(2.0**-t + shift + np.arange(1, n + 1)) + np.triu(np.ones((n, n)), 1)
    X = np.ones((n, n))
    inverse = np.linalg.inv(E)
    M = A @ inverse
    return M, (M.T @ X + X @ M) if kind == "continuous" else (M.T @ X @ M - X), X


def jordan_42(kind, n, eigenvalue, s):
    """A = T J T⁻¹ with one Jordan block J: the equation of J is solved in 40 digits."""
    T, inverse = rotated(n, s)
    J = eigenvalue * np.eye(n) + np.eye(n, k=1)
    first = np.zeros(n)
    first[0] = 1
    X = exact_solution(kind, J, first)
    b = inverse[0]
    return T @ J @ inverse, -np.outer(b, b), inverse.T @ X @ inverse, "X in 40 digits"


def blocks_44(kind, q, t):
    """A = F D L and E = F L with F and L of ones: A E⁻¹ = F D F⁻¹, with blocks of one and two rows on the diagonal of D."""
    n = 3 * q
    L = np.tril(np.ones((n, n)))
    F = L[:, ::-1]
    D = np.zeros((n, n))
    for i in range(q):
        size = -(t ** (i + 1)) if kind == "continuous" else 1 - t ** -(i + 1)
        turn = size if kind == "continuous" else -size / 2**0.5
        D[3 * i, 3 * i] = size
        D[3 * i + 1 : 3 * i + 3, 3 * i + 1 : 3 * i + 3] = turn * np.array([[1, 1], [-1, 1]])
    inverse = np.linalg.inv(F).round()  # of −1, 0 and 1
    # Eᵀ (Mᵀ X + X M) E = −b bᵀ: with c = L⁻ᵀ b, Z = Fᵀ X F has Dᵀ Z + Z D = −c cᵀ
    c = np.linalg.inv(L).round().T @ np.arange(1.0, n + 1)
    Z = exact_solution(kind, D, c)
    b = c @ inverse
    return F @ D @ inverse, -np.outer(b, b), inverse.T @ Z @ inverse, "X in 40 digits"


def exact_solution(kind, A, b):
    """The solution of Aᵀ X + X A = −b bᵀ, or of Aᵀ X A − X = −b bᵀ, column by column of an upper block triangular A."""
    n = len(A)
    with mp.workdps(40):
        M, X = mp.matrix(A.tolist()), mp.zeros(n)
        starts = [k for k in range(n) if k == 0 or A[k, k - 1] == 0]
        for start, end in zip(starts, [*starts[1:], n], strict=True):
            columns = range(start, end)
            known = [_known(kind, M, X, b, j, range(start)) for j in columns]
            for j, column in zip(columns, _block(kind, M, columns, known), strict=True):
                X[:, j] = column
        return np.array(X.tolist(), float)


def _known(kind, M, X, b, j, before):
    """The right-hand side of column j: −b bⱼ less what earlier columns of X add to it."""
    side = mp.matrix([-bi * b[j] for bi in b])
    past = sum((X[:, k] * M[k, j] for k in before), mp.zeros(len(b), 1))
    return side - (past if kind == "continuous" else M.T * past)


def _block(kind, M, columns, known):
    """One or two columns at once: Aᵀ X + X B = R, or Aᵀ X B − X = R, with B the block on the diagonal."""
    n, m = M.rows, len(columns)
    big, side = mp.zeros(n * m), mp.zeros(n * m, 1)
    for q, j in enumerate(columns):
        side[q * n : (q + 1) * n, 0] = known[q]
        for p, i in enumerate(columns):
            factor = M[i, j]  # of column i of X in column j of the equation
            for a in range(n):
                if kind == "continuous":
                    big[q * n + a, p * n + a] += factor
                    for c in range(n if p == q else 0):
                        big[q * n + a, p * n + c] += M[c, a]
                else:
                    for c in range(n):
                        big[q * n + a, p * n + c] += M[c, a] * factor
                    if p == q:
                        big[q * n + a, p * n + a] -= 1
    found = mp.lu_solve(big, side)
    return [found[q * n : (q + 1) * n, 0] for q in range(m)]


def barraud():
    """A. Y. Barraud, IEEE Trans. Automatic Control 22 (1977) 883: Aᵀ X A − X = Q of 7 rows with binomial coefficients."""
    A = np.array(
        [
            [1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5],
            [1, -1.5, 2.5, 3.5, 4.5, 5.5, 6.5],
            [0, 0, 1.5, -2.5, 3.5, 4.5, 5.5],
            [0, 0, 0, 1.5, 2.5, -3.5, 4.5],
            [0, 0, 0, 1, 1.5, 2.5, -3.5],
            [0, 0, 0, 0, 0, 1.5, -2.5],
            [0, 0, 0, 0, 0, 1, 1.5],
        ]
    )
    X = np.zeros((7, 7))
    X[0] = 1
    for i, j in itertools.product(range(1, 7), repeat=2):
        X[i, j] = X[i - 1, j - 1] + X[i, j - 1] if j > i else float(i == j)
    X = np.triu(X) + np.triu(X, 1).T
    return solved("discrete", "of Barraud", A, A.T @ X @ A - X, X, source="Barraud 1977")
