"""Solutions of linear systems, and inverses."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Inexact


def check_square(A: Array) -> None:
    """`ValueError` for anything but one square matrix."""
    if A.ndim != 2 or A.shape[0] != A.shape[1]:
        raise ValueError(f"expected one square matrix (use jax.vmap for a batch), got shape {A.shape}")


@jax.custom_batching.custom_vmap
def _lu_solve(A: Array, B: Array) -> Array:
    """Return X of A X = B, both matrices, by LU with partial pivoting."""
    lu, _, permutation = lax.linalg.lu(A)
    X = lax.linalg.triangular_solve(lu, B[permutation], left_side=True, lower=True, unit_diagonal=True)
    return lax.linalg.triangular_solve(lu, X, left_side=True, lower=False)


@_lu_solve.def_vmap
def _lu_solve_batch(size, batched, A, B):
    # On a CPU, batched factorisations and triangular solves of JAX 0.10 may never return: two threads of its pool wait for
    # each other (seen with 60 matrices of 32 × 32 on two cores). So a CPU takes the matrices one at a time.
    def one_by_one(A, B):
        return lax.map(lambda i: _lu_solve(A[i] if batched[0] else A, B[i] if batched[1] else B), jnp.arange(size))

    def together(A, B):
        return jax.vmap(_lu_solve.fun, [0 if b else None for b in batched])(A, B)

    return lax.platform_dependent(A, B, cpu=one_by_one, default=together), True


@jax.jit
def solve(A: Inexact[Array, "N N"], B: Inexact[Array, "N *K"]) -> Inexact[Array, "N *K"]:
    """Return X (N,) or (N, K) of A X = B, by LU with partial pivoting; infinite or NaN where A is singular.

    Unlike `jnp.linalg.solve` it is safe under `vmap` on a CPU with every JAX that this package supports. If the loss does not
    depend on a solution, its gradient is 0, even if the solution is not finite.
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
        lambda _, Y: zero_to_zero(_lu_solve(fixed.T, Y), Y),
    )


@_solve.defjvp
def _solve_jvp(primals, tangents):
    (A, B), (dA, dB) = primals, tangents
    X = _solve(A, B)
    finite = jnp.where(lax.stop_gradient(jnp.all(jnp.isfinite(X))), X, 0)
    return X, _solve(A, dB - dA @ finite)


def zero_to_zero(image: Array, Y: Array) -> Array:
    """Return `image`, the image of Y under a linear map, but zero for Y = 0 even if the map is not finite. An adaptive solver
    does not use its failed trial steps, and 0·NaN from one of them would make the gradient of the others NaN."""
    return jnp.where(jnp.any(Y != 0), image, 0)


def inv(A: Inexact[Array, "N N"]) -> Inexact[Array, "N N"]:
    """Return the inverse of A (N, N), by `solve`."""
    return solve(A, jnp.eye(A.shape[0], dtype=A.dtype))


def nan_unless(ok: Array, X: Array) -> Array:
    """Return X where `ok` holds, else NaN. The derivative must be NaN there too, so this is a product and not `where`."""
    return X * jnp.where(ok, 1, jnp.nan).astype(X.real.dtype)
