"""Matrices on which `expm`, `logm` or `funm` of another library failed, from the issues where users reported them.

The values are closed forms, or mpmath's of 40 digits, and entries are compared relative to the largest. Rounding may move an
exponential by the unit roundoff u times the norm of the matrix, and a logarithm or a root by u times ‖A‖ ‖A⁻¹‖. A hundred
times that is allowed.
"""

import jax.numpy as jnp
import mpmath as mp
import numpy as np

import rnn_ode as ro

from .rows import row, told

PART = "Matrices on which other libraries failed"
U = np.finfo(float).eps / 2


def rows() -> list[dict]:
    return [*exponentials(), *logarithms()]


def slow_rows() -> list[dict]:
    return [*larger_exponentials(), *functions()]


def compared(subject, wanted, source, ours, condition, value) -> dict:
    wanted = np.asarray(wanted)
    scale = np.abs(wanted).max()
    return row(PART, subject, wanted / scale, source, np.asarray(ours) / scale, within=100 * U * condition, value=value)


def exp_of(subject, A, wanted, source, value, plus=0.0) -> dict:
    condition = max(1, np.linalg.norm(A, 1))
    return compared(f"exp of {subject}", wanted, source, plus + ro.linalg.expm(A), condition, value)


def log_of(subject, A, wanted, source, value) -> dict:
    return compared(f"log of {subject}", wanted, source, ro.logm(A), np.linalg.cond(A, 1), value)


def in_40_digits(function, A):
    with mp.workdps(40):
        found = function(mp.matrix(np.asarray(A).tolist()))
        found = np.array([[complex(found[i, j]) for j in range(found.cols)] for i in range(found.rows)])
    return found if np.iscomplexobj(A) else found.real


def exponentials() -> list[dict]:
    tree = np.diag([1.0, 1, 1, 0, 0, 0, 0])
    tree[0, [1, 2]] = tree[1, [3, 4]] = tree[2, [5, 6]] = -0.5
    limit = np.zeros((7, 7))  # each node's probability of reaching a leaf
    limit[0, 3:] = 0.25
    limit[1, [3, 4]] = limit[2, [5, 6]] = 0.5
    limit[range(3, 7), range(3, 7)] = 1
    a, b = -494.08845191 / 2, -12566.3706 / 2
    filtered = [[np.exp(a), 0], [-b * (np.exp(a) - np.exp(b)) / (a - b), np.exp(b)]]
    M = np.array([[50, 3], [2j, 0]])
    p, q = np.exp(-1), np.exp(-17)
    moler = [[-2 * p + 3 * q, 1.5 * (p - q)], [-4 * (p - q), 3 * p - 2 * q]]
    shift = np.diag([1e8, 1e8], 1)
    return [
        exp_of("−2000 L, the Laplacian of a tree", -2000 * tree, limit, "scipy#11839: NaN", "its limit"),
        exp_of("(−494, 0; 12566, −12566)/2", np.array([[a, 0], [-b, b]]), filtered, "scipy#19584: NaN", "closed form"),
        exp_of("(50, 3; 2i, 0)", M, in_40_digits(mp.expm, M), "scipy#21803", "40 digits"),
        exp_of("−(50, 3; 2i, 0)", -M, in_40_digits(mp.expm, -M), "scipy#21803", "40 digits"),
        exp_of("(−49, 24; −64, 31)", np.array([[-49.0, 24], [-64, 31]]), moler, "Moler & Van Loan 1978", "closed form"),
        exp_of("1e8 N, N nilpotent", shift, np.eye(3) + shift + shift @ shift / 2, "scipy#8029: crash", "I + A + A²/2"),
    ]


def larger_exponentials() -> list[dict]:
    corner = np.zeros((200, 200))
    corner[-1, 0] = 1
    found = [exp_of("200 × 200 zeros and a 1", corner, np.eye(200) + corner, "scipy#5546: ValueError", "I + A")]
    for size in (1e5, 1e7, 1e9):
        A = size * np.array([[-1.0, 1.0], [0.0, -2.0]])
        found.append(exp_of(f"{size:.0e} (−1, 1; 0, −2), plus 1", A, np.ones((2, 2)), "scipy#7433", "1 + 0", plus=1))
    return found


def logarithms() -> list[dict]:
    quarter = np.array([[0.0, 1.0], [-1.0, 0.0]])
    turn = np.diag([-1j, 1j])
    B = np.array([[3.0, 2.0], [-5.0, -3.0]])  # B² = −I
    nearly = 3e4 * np.triu(np.ones((4, 4)), 1) + np.diag([0.32346, 0.30089, 0.3221, 0.30744])
    corner = 2.92496941103871812e14
    within = 1e-8 * corner  # the eigenvalues are 1e-3 apart under entries of 3e4
    none = "an error: there is none"
    return [
        log_of("(0, 1; −1, 0)", quarter, np.pi / 2 * quarter, "scipy#6113: an exception", "π/2 A"),
        log_of("diag(−i, i)", turn, np.pi / 2 * turn, "scipy#6378: an exception", "π/2 A"),
        log_of("(3, 2; −5, −3)", B, np.pi / 2 * B, "LinearAlgebra.jl#415: wrong", "π/2 A"),
        row(PART, "log of a nearly defective triangle: its corner", corner, "Al-Mohy & Higham 2012",
            float(ro.logm(nearly)[0, 3]), within=within),
        told(PART, "log of 0", none, "scipy#17136: −46 I", answer(np.zeros((2, 2)))),
        told(PART, "log of (0, 0; 1, 1)", none, "scipy#3279: NaN, or −46", answer(np.array([[0.0, 0], [1, 1]]))),
        told(PART, "log of (1, −1; 1, −1), nilpotent", none, "julia#21179: never ended",
             answer(np.array([[1.0, -1], [1, -1]]))),
        told(PART, "log of (0, 1; 0, 0), nilpotent", none, "mpmath#1017: ZeroDivisionError",
             answer(np.array([[0.0, 1], [0, 0]]))),
    ]  # fmt: skip


def answer(A) -> str:
    try:
        return f"returned {np.asarray(ro.logm(A)).tolist()}"
    except ValueError as error:
        return "an error: there is none" if "logarithm" in str(error) else f"ValueError: {error}"


def functions() -> list[dict]:
    block = np.array([[2.0, 1.0], [0.0, 2.0]])
    found = []
    for name, f, value, slope in (("exp", jnp.exp, np.exp(2), np.exp(2)), ("cos", jnp.cos, np.cos(2), -np.sin(2))):
        ours = ro.linalg.funm(block, f)
        found.append(
            compared(f"{name} of (2, 1; 0, 2)", [[value, slope], [0, value]], "scipy#2304: f′ missing", ours.value,
                     float(ours.error) / U + 1, "f and f′")
        )  # fmt: skip
    for name, M, source in (
        ("(1, 0, 0; 0, 1, −i; 0, i, 2)", np.array([[1, 0, 0], [0, 1, -1j], [0, 1j, 2]]), "scipy#23278: another matrix"),
        ("(0, −i; i, 0)", np.array([[0, -1j], [1j, 0]]), "scipy#21687: differs by machine"),
    ):
        root = np.asarray(ro.linalg.funm(M, jnp.sqrt).value)
        found.append(compared(f"square of the root of {name}", M, source, root @ root, np.linalg.cond(M) * 1e3, "A"))
    return found
