"""Eigenvalues and eigenvectors for users: vectors of one definite length and phase, so that they have a derivative."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Complex, Inexact, Integer

from .._base.checks import as_matrix, in_single
from ._balance import balancing, frobenius, rescaled
from ._eig import eig_of_balanced, in_units, inverse_gaps, rates_of_eig
from ._solve import inv
from ._verdict import Rounding

_NEARLY_LARGEST = 0.9


def eig(A: ArrayLike | Sequence) -> tuple[Complex[Array, " N"], Complex[Array, "N N"]]:
    """The eigenvalues and right eigenvectors of a matrix, with the derivatives of both, on every backend.

    **Arguments:**

    - `A`: (N, N), real or complex.

    **Returns:** the eigenvalues (N,), in no particular order, and the eigenvectors (N, N) in columns; both complex. Each
    column has 2-norm 1. Its first entry whose modulus is at least 0.9 of the largest is real and positive. That makes the
    eigenvectors a function of the matrix, which has a derivative, in both modes and of any order. For traced matrices that
    are not finite both are NaN. How much each eigenvalue magnifies a change of the matrix says
    `eigenvalue_condition(vectors)`.

    Two eigenvalues that are equal, to rounding, do not determine their vectors, so these have no derivative: there it is an
    error to differentiate `eig`. `eigvals`, the eigenvalues alone, has no such error.

    **Raises:** `ValueError` for a matrix that is not square or not finite; at run time, an error where the derivative of
    vectors is asked for that are not determined.

    Source: LAPACK on a CPU, its counterpart on CUDA, and elsewhere a Hessenberg QR iteration in plain JAX, of the balanced
    matrix. The derivative is that of Magnus, Econometric Theory 1, 1985.

    ```python
    >>> import jax, jax.numpy as jnp, rnn_ode as ro
    >>> def leading(A):
    ...     values, vectors = ro.linalg.eig(A)
    ...     return vectors[:, jnp.argmax(values.real)].real
    >>> rate = jax.jvp(leading, (jnp.diag(jnp.array([2.0, 1.0])),), (jnp.array([[0.0, 0.0], [1.0, 0.0]]),))[1]
    >>> rate.tolist()
    [0.0, 1.0]

    ```
    """
    A = in_single(as_matrix("A", A, complex=True))
    return _eig(A, balancing(A))


def eigvals(A: ArrayLike | Sequence) -> Complex[Array, " N"]:
    """The eigenvalues of a matrix, on every backend, with their derivative.

    **Arguments:**

    - `A`: (N, N), real or complex.

    **Returns:** the eigenvalues (N,), in no particular order. The derivative of single eigenvalues that are equal has no
    meaning, but that of a symmetric function of them, such as their sum, has.

    **Raises:** `ValueError` for a matrix that is not square or not finite.

    Source: see `eig`.

    ```python
    >>> import rnn_ode as ro
    >>> sorted(ro.linalg.eigvals([[0.0, 1.0], [1.0, 0.0]]).real.tolist())
    [-1.0, 1.0]

    ```
    """
    A = in_single(as_matrix("A", A, complex=True))
    return _eigvals(A, balancing(A))


@jax.jit
def _eigvals(A: Inexact[Array, "N N"], e: Integer[Array, " N"]) -> Complex[Array, " N"]:
    return eig_of_balanced(rescaled(A, e))[0]


@eqx.filter_jit
def _eig(A: Inexact[Array, "N N"], e: Integer[Array, " N"]) -> tuple[Complex[Array, " N"], Complex[Array, "N N"]]:
    values, V = _determined(rescaled(A, e))
    V = in_units(V, e)
    sizes = jnp.abs(jax.lax.stop_gradient(V))
    # of a conjugate pair or a symmetric vector several entries are the largest, and rounding must not choose among them
    pivot = jnp.argmax(sizes >= _NEARLY_LARGEST * jnp.max(sizes, axis=0, keepdims=True), axis=0)
    entry = jnp.take_along_axis(V, pivot[None], axis=0)
    V = V * (entry.conj() / jnp.abs(entry))
    return values, V / jnp.linalg.norm(V, axis=0, keepdims=True)


@jax.custom_jvp
def _determined(B: Inexact[Array, "N N"]) -> tuple[Complex[Array, " N"], Complex[Array, "N N"]]:
    """`eig_of_balanced`, whose vectors have a derivative only where they are determined."""
    return eig_of_balanced(B)


@_determined.defjvp
def _determined_jvp(primals, tangents):
    (B,), (dB,) = primals, tangents
    values, V = _determined(B)
    rounding = Rounding.from_norms(jnp.finfo(B.dtype).eps, frobenius(B), frobenius(B))
    reach = rounding.drift + rounding.scatter * jnp.linalg.norm(inv(V), axis=1)
    gaps = jnp.abs(values[:, None] - values[None, :])
    apart = gaps > jnp.maximum(reach[:, None], reach[None, :])
    apart |= jnp.eye(B.shape[0], dtype=bool)
    # part of the forward pass, which reverse mode runs; what nobody uses is not computed
    F = eqx.error_if(
        inverse_gaps(values),
        ~jnp.all(apart),
        "The eigenvectors have no derivative here: two eigenvalues are equal, to rounding, and do not determine their "
        "vectors (the matrix is defective, or it has a repeated eigenvalue). For eigenvalues alone use eigvals; for a "
        "function of the matrix use funm, which needs no vectors.",
    )
    return (values, V), rates_of_eig(V, F, dB)
