"""Solutions of linear systems, and inverses."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Inexact

from .._base.types import AnyArray


def check_square(A: AnyArray) -> None:
    """`ValueError` for anything but one square matrix."""
    if A.ndim != 2 or A.shape[0] != A.shape[1]:
        raise ValueError(f"expected one square matrix (use jax.vmap for a batch), got shape {A.shape}")


def one_by_one_on_cpu(f: Callable[..., Array]) -> Callable[..., Array]:
    """Return a function of arrays that under `vmap` takes the members of a batch one at a time on a CPU.

    There, batched factorisations and triangular solves of JAX 0.10 may never return: two threads of its pool wait for each
    other (seen with 60 matrices of 32 × 32 on two cores)."""
    single = jax.custom_batching.custom_vmap(f)

    @single.def_vmap
    def batch(size, batched, *given):
        def one_by_one(*given):
            def member(i):
                return single(*(array[i] if has else array for array, has in zip(given, batched, strict=True)))

            return lax.map(member, jnp.arange(size))

        def together(*given):
            return jax.vmap(f, [0 if has else None for has in batched])(*given)

        return lax.platform_dependent(*given, cpu=one_by_one, default=together), True

    return single


@one_by_one_on_cpu
def _lu_solve(A: Array, B: Array) -> Array:
    """Return X of A X = B, both matrices, by LU with partial pivoting.

    The factors of P (A, B) = L (U, L⁻¹ P B) give U X = L⁻¹ P B at once. With the factors of A alone the rows of B have to be
    exchanged by a loop, which takes longer to compile than all the rest."""
    n = A.shape[0]
    factors, *_ = lax.linalg.lu(jnp.concatenate([A, B], axis=1))
    return lax.linalg.triangular_solve(factors[:, :n], factors[:, n:], left_side=True, lower=False)


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


def host_inv(A: Inexact[np.ndarray, "N N"]) -> Inexact[np.ndarray, "N N"]:
    """`inv` of a matrix of known values, in NumPy."""
    try:
        return np.linalg.inv(A)
    except np.linalg.LinAlgError:
        return np.full_like(A, np.inf)


def nan_unless(ok: Array, X: Array) -> Array:
    """Return X where `ok` holds, else NaN. The derivative must be NaN there too, so this is a product and not `where`."""
    return X * jnp.where(ok, 1, jnp.nan).astype(X.real.dtype)
