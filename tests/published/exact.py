"""Bifurcations in 40 digits by mpmath, where a published value and ours differ: a referee that knows neither.

`rate(h, p)` returns the list of dh/dt for lists of mpmath numbers. The defining equations are those of the eigenvalues, by
the coefficients of the characteristic polynomial λⁿ + c₁ λⁿ⁻¹ + … + cₙ. Coefficients of normal forms are Kuznetsov's (2004,
5.4).
"""

import mpmath as mp

DIGITS = 40
ZERO = {  # what vanishes, of the coefficients c₁ … cₙ
    "fold": lambda c: [c[-1]],
    "hopf": lambda c: [c[0]] if len(c) == 2 else [c[0] * c[1] - c[2]],
    "bogdanov-takens": lambda c: [c[-1], c[-2]],
    "zero-hopf": lambda c: [c[-1], c[0] * c[1] - c[2]],
}


def bifurcation(kind, rate, point, parameters) -> tuple[list, list]:
    """The state and the parameters of a bifurcation near those given, with as many conditions as parameters."""
    n = len(point)

    def residual(*unknown):
        h, p = list(unknown[:n]), list(unknown[n:])
        return [*rate(h, p), *ZERO[kind](characteristic(jacobian(rate, h, p)))]

    return _solved(residual, [*point, *parameters], n)


def cusp(rate, point, parameters) -> tuple[list, list]:
    """A fold of three equations whose coefficient vanishes too, in two parameters."""

    def residual(*unknown):
        h, p = list(unknown[:3]), list(unknown[3:])
        J = jacobian(rate, h, p)
        q, left = _null(J), _null(J.T)
        return [*rate(h, p), mp.det(J), _dot(left, second(rate, h, p, q, q))]

    return _solved(residual, [*point, *parameters], 3)


def fold_coefficient(rate, h, p):
    """½ ⟨p, B(q, q)⟩ with |q| = 1 and ⟨p, q⟩ = 1."""
    with mp.workdps(DIGITS):
        q, left = _null(jacobian(rate, h, p)), _null(jacobian(rate, h, p).T)
        q = q / mp.norm(q)
        return _dot(left, second(rate, h, p, q, q)) / (2 * _dot(left, q))


def lyapunov_coefficient(rate, h, p):
    """The first Lyapunov coefficient l₁, and the frequency ω."""
    with mp.workdps(DIGITS):
        A = jacobian(rate, h, p)
        n, c = A.rows, characteristic(A)
        omega = mp.sqrt(c[1])
        q, left = _null(A - 1j * omega * mp.eye(n)), _null(A.T + 1j * omega * mp.eye(n))
        q = q / mp.norm(q)
        left = left / mp.conj(_dot(left, q))
        bar = q.conjugate()

        def B(u, v):
            return second(rate, h, p, u, v)

        inner = 2 * _dot(left, B(q, mp.lu_solve(A, B(q, bar))))
        outer = _dot(left, B(bar, mp.lu_solve(2j * omega * mp.eye(n) - A, B(q, q))))
        return mp.re(_dot(left, third(rate, h, p, q, q, bar)) - inner + outer) / (2 * omega), omega


def characteristic(A) -> list:
    """c₁ … cₙ by Faddeev and LeVerrier."""
    M, found = mp.zeros(A.rows), []
    for k in range(1, A.rows + 1):
        M = A * M + (found[-1] if found else 1) * mp.eye(A.rows)
        AM = A * M
        found.append(-sum(AM[i, i] for i in range(A.rows)) / k)
    return found


def jacobian(rate, h, p):
    n = len(h)
    rows = [[_along(rate, h, p, [_unit(n, j)], i) for j in range(n)] for i in range(n)]
    return mp.matrix(rows)


def second(rate, h, p, u, v):
    return mp.matrix([_along(rate, h, p, [u, v], i) for i in range(len(h))])


def third(rate, h, p, u, v, w):
    return mp.matrix([_along(rate, h, p, [u, v, w], i) for i in range(len(h))])


def _along(rate, h, p, directions, i):
    """The derivative of the i-th rate once along each direction."""

    def moved(*steps):
        at = [h[j] + sum(s * d[j] for s, d in zip(steps, directions, strict=True)) for j in range(len(h))]
        return rate(at, p)[i]

    if len(directions) == 1:
        return mp.diff(moved, 0)
    return mp.diff(moved, (0,) * len(directions), (1,) * len(directions))


def _solved(residual, start, n):
    with mp.workdps(DIGITS):
        found = mp.findroot(residual, [mp.mpf(float(value)) for value in start], tol=1e-40, verify=False)
        assert max(abs(value) for value in residual(*found)) < 1e-25
        return list(found[:n]), list(found[n:])


def _null(A):
    """A vector that the singular A takes to 0: a column of its adjugate, the longest."""
    n = A.rows
    columns = []
    for j in range(n):
        minors = [_minor(A, j, i) for i in range(n)]
        columns.append(mp.matrix([(-1) ** (i + j) * minors[i] for i in range(n)]))
    return max(columns, key=mp.norm)


def _minor(A, row, column):
    rest = [[A[i, j] for j in range(A.cols) if j != column] for i in range(A.rows) if i != row]
    return mp.det(mp.matrix(rest)) if rest else mp.mpf(1)


def _dot(a, b):
    return sum(mp.conj(a[i]) * b[i] for i in range(len(a)))


def _unit(n, j):
    return [int(i == j) for i in range(n)]
