"""The logarithm of a matrix."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Inexact, Integer

from .._base.checks import as_matrix, from_host, is_concrete
from .._base.types import AnyArray
from .._base.verdict import float64_hint
from ._balance import balancing, host_balancing, host_rescaled, rescaled
from ._exponential import exponential
from ._solve import inv, solve, zero_to_zero

# ||X||_1 up to which the 7-node rule gives log(I + X) to working precision, by the bits of a real number: float64 from
# Higham, "Functions of Matrices", Table 11.1; float32 from the scalar worst case X = -theta.
_PADE_NODES = 7

_PADE_THETA = {64: 0.264, 32: 0.7}

_MAX_ROOTS = 50

_MAX_ROOT_STEPS = 60

_SMALL = 64  # units up to which NumPy takes no longer than a compiled program


class _Operations(NamedTuple):
    """What the logarithm is made of: `xp` is JAX's NumPy or NumPy."""

    xp: Any
    inverses: Callable[[Any], Any]
    solve: Callable[[Any, Any], Any]
    solve_each: Callable[[Any, Any], Any]
    while_loop: Callable[..., Any]
    fixed: Callable[[Any], Any]


def _while(unfinished: Callable[[Any], Any], step: Callable[[Any], Any], state: Any) -> Any:
    while unfinished(state):
        state = step(state)
    return state


_ON_DEVICE = _Operations(
    jnp, jax.vmap(inv), solve, jax.vmap(solve, in_axes=(0, None)), lax.while_loop, lax.stop_gradient
)

_ON_HOST = _Operations(np, np.linalg.inv, np.linalg.solve, np.linalg.solve, _while, lambda x: x)


def _sqrtm(A: Inexact[AnyArray, "N N"], by: _Operations) -> Inexact[AnyArray, "N N"]:
    """Return the principal square root, NaN where there is none, by the determinant-scaled Denman–Beavers iteration
    (Higham, "Functions of Matrices", 6.3 and 6.5). Its product form loses twice as many digits where eigenvalues are near
    the negative axis or widely spread."""
    n, xp = A.shape[0], by.xp
    tol = float(jnp.finfo(A.dtype).eps) ** 0.5

    def step(roots):
        # The limit, (A^1/2, A^-1/2), does not depend on the scale, so neither does its derivative.
        scale = xp.exp(-xp.sum(xp.linalg.slogdet(by.fixed(roots))[1]) / (2 * n))
        return (scale * roots + by.inverses(roots)[::-1] / scale) / 2

    def iterate(state):
        roots, change, _, steps = state
        new = step(roots)
        sizes = xp.linalg.norm(xp.stack([new - roots, new]), axis=(2, 3))
        return new, by.fixed(xp.max(sizes[0] / sizes[1])), change, steps + 1

    # Convergence is quadratic: after the first step with a small change the root is exact, and after one more its derivative.
    start, never = xp.stack([A, xp.eye(n, dtype=A.dtype)]), xp.full((), xp.inf, A.real.dtype)
    (X, _), _, change, _ = by.while_loop(
        lambda state: (state[2] > tol) & (state[3] < _MAX_ROOT_STEPS), iterate, (start, never, never, 0)
    )
    # Rounding can carry a negative eigenvalue across zero; the iteration then converges, but not to a root of A.
    residual = xp.linalg.norm(by.solve(X, A) - X)
    return X * xp.where((change <= tol) & (residual <= tol * xp.linalg.norm(X)), 1, xp.nan).astype(A.real.dtype)


def _logm_by(by: _Operations, A: Inexact[AnyArray, "N N"]) -> Inexact[AnyArray, "N N"]:
    """Return the logarithm of a matrix in float32 or wider; NaN where there is none."""
    eye, xp = by.xp.eye(A.shape[0], dtype=A.dtype), by.xp
    theta = _PADE_THETA[jnp.finfo(A.dtype).bits]
    nodes, weights = (x.astype(A.real.dtype) for x in np.polynomial.legendre.leggauss(_PADE_NODES))

    root, scale = by.while_loop(
        lambda state: (xp.linalg.norm(state[0] - eye, 1) > theta) & (state[1] < 2.0**_MAX_ROOTS),
        lambda state: (_sqrtm(state[0], by), 2 * state[1]),
        (A, xp.ones((), A.real.dtype)),
    )
    X = root - eye
    terms = by.solve_each(eye[None] + (1 + nodes)[:, None, None] / 2 * X[None], X)
    log = scale / 2 * xp.tensordot(weights, terms, 1)
    return log * xp.where(xp.linalg.norm(X, 1) <= theta, 1, xp.nan).astype(A.real.dtype)


@jax.jit
def _logm(A: Inexact[Array, "N N"]) -> Inexact[Array, "N N"]:
    with jax.default_matmul_precision("highest"):
        return _logm_by(_ON_DEVICE, A)


def _host_logm(A: Inexact[np.ndarray, "N N"]) -> Inexact[np.ndarray, "N N"]:
    """Return the logarithm of a matrix of known values, in NumPy; NaN where there is none."""
    e = host_balancing(A)
    try:
        with np.errstate(all="ignore"):
            return host_rescaled(_logm_by(_ON_HOST, host_rescaled(A, e)), -e)
    except np.linalg.LinAlgError:  # a singular matrix
        return np.full_like(A, np.nan)


def logm(A: ArrayLike | Sequence) -> Inexact[Array, "N N"]:
    """The principal logarithm of a matrix.

    **Arguments:**

    - `A`: (N, N), real or complex, without an eigenvalue on (−∞, 0].

    **Returns:** the logarithm (N, N), in the type of `A`. Differentiable to any order in forward and reverse mode, also where
    eigenvalues coincide. If `A` is traced and has no principal logarithm, all entries are NaN.

    **Raises:** `ValueError` for a matrix that is not square, not finite, has no principal logarithm, or is so ill-conditioned
    that rounding hides it.

    The method is inverse scaling and squaring: square roots by the Denman–Beavers iteration until the matrix is near I, then
    the Gauss–Legendre form of the diagonal Padé approximant of log(I + X) (Cheng, Higham, Kenney & Laub, SIAM J. Matrix Anal.
    Appl. 22, 2001; Higham, "Functions of Matrices", ch. 11). It needs products, solves and inverses, and no Schur form.

    ```python
    >>> import rnn_ode as ro
    >>> ro.logm([[1.0, 2.0], [0.0, 1.0]]).round(4).tolist()
    [[0.0, 2.0], [0.0, 0.0]]

    ```
    """
    return logm_of("A", A)


def logm_of(name: str, A: ArrayLike | Sequence) -> Inexact[Array, "N N"]:
    """Return the logarithm of the argument `name` of a function: see `logm`."""
    A = as_matrix(name, A, complex=True)
    small = is_concrete(A) and A.shape[0] <= _SMALL and jnp.finfo(A.dtype).bits >= 32
    log = from_host(_host_logm(np.asarray(A))) if small else _of_balanced(A, balancing(A))
    if is_concrete(A, log) and not np.isfinite(np.asarray(log)).all():
        values, eps = np.linalg.eigvals(np.asarray(A)), float(jnp.finfo(A.dtype).eps)
        nearest = values[np.argmin(np.abs(np.angle(-values)) * (values != 0))]
        # of a block of size N rounding moves eigenvalues by about ‖A‖ ε^(1/N)
        within = np.linalg.norm(np.asarray(A, complex)) * eps ** (1 / len(values))
        if (abs(nearest.imag) if nearest.real < 0 else abs(nearest)) > within:
            raise ValueError(
                f"{name} is too ill-conditioned for {A.dtype}: rounding hides its logarithm. See condition(logm, {name}). "
                f"{float64_hint(A.dtype)}".rstrip()
            )
        raise ValueError(
            f"{name} has no principal logarithm: its eigenvalue {_spelled(nearest)} is on (−∞, 0], or too near to it. If "
            f"that is negative, Exact(complex=True).generator({name}) is a complex logarithm; if it is zero, there is none."
        )
    return log


def rounding_hides_log(A: Inexact[Array, "N N"]) -> Bool[Array, ""]:
    """Return whether the logarithm of A comes out as NaN; A may be traced."""
    return ~jnp.all(jnp.isfinite(_of_balanced(A, balancing(A))))


@jax.jit
def _of_balanced(A: Inexact[Array, "N N"], e: Integer[Array, " N"]) -> Inexact[Array, "N N"]:
    """Return the logarithm of A, by that of the matrix balanced by e; NaN where there is none."""
    return rescaled(_differentiable_logm(rescaled(A, e)), -e)


def _spelled(value) -> str:
    """Return a number as text, without an imaginary part that is zero."""
    value = complex(value)
    return f"{value:.6g}" if value.imag else f"{value.real:.6g}"


@jax.custom_jvp
def _differentiable_logm(A):
    if jnp.finfo(A.dtype).bits < 32:
        return _logm(A.astype(jnp.float32)).astype(A.dtype)
    return _logm(A)


@_differentiable_logm.defjvp
def _logm_jvp(primals, tangents):
    # The derivative L_log(A) is the inverse of L_exp(log A), and its transpose is L_log(A^T). With both stated, JAX need not
    # transpose the while loops, which it cannot.
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
        transpose_solve=lambda _, E: zero_to_zero(derivative_of_log(A.T, E), E),
    )
