"""Norms, the numerical radius and the numerical abscissa."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Inexact, Integer

from .._base.checks import in_single
from ._solve import check_square, inv


def inverse_norm(A: Inexact[Array, "N N"]) -> Float[Array, ""]:
    """Return the Frobenius norm of the inverse of A (N, N), real or complex; inf where A is singular or not finite.

    It bounds the spectral norm of the inverse from above, so 1 / inverse_norm(A) bounds the smallest singular value of A from
    below.
    """
    check_square(A)
    sizes = jnp.abs(inv(A))
    # scaled, so that squares neither overflow nor underflow
    largest = lax.stop_gradient(jnp.max(sizes))
    norm = largest * jnp.linalg.norm(sizes / largest)
    return jnp.where(jnp.all(jnp.isfinite(A)) & jnp.isfinite(norm), norm, jnp.inf)


def spectral_norm(A: Inexact[Array, "N N"]) -> Float[Array, ""]:
    """Return the largest singular value of A (N, N), in float32 at least; inf where A is not finite."""
    A = in_single(A)
    finite = jnp.all(jnp.isfinite(A))
    return jnp.where(finite, jnp.linalg.svd(jnp.where(finite, A, 0), compute_uv=False)[0], jnp.inf)


def host_inverse_norm(A: Inexact[np.ndarray, "N N"]) -> Any:
    """`inverse_norm` of a matrix of known values, in NumPy."""
    try:
        sizes = np.abs(np.linalg.inv(A)) if np.isfinite(A).all() else np.inf
    except np.linalg.LinAlgError:
        return np.inf
    largest = np.max(sizes)
    return largest * np.linalg.norm(sizes / largest) if np.isfinite(largest) else np.inf


def host_spectral_norm(A: Inexact[np.ndarray, "N N"]) -> Any:
    """`spectral_norm` of a matrix of known values, in NumPy."""
    return np.linalg.norm(A, 2) if np.isfinite(A).all() else np.inf


def batched_map(f: Callable[[Array], Any], xs: Inexact[Array, "K *rest"] | Integer[Array, "K *rest"], n: int) -> Any:
    """Return f of each row of `xs` (K, …), by `vmap` of so many rows at a time as fill 64 MB with complex (n, n) matrices.

    It fills the last batch up and so compiles f once, where `lax.map(…, batch_size=…)` compiles it twice.
    """
    count = xs.shape[0]
    batches = -(-count // max(1, min(256, 2**22 // n**2)))
    size = -(-count // batches)
    filled = jnp.concatenate([xs, jnp.repeat(xs[-1:], batches * size - count, axis=0)])
    found = lax.map(jax.vmap(f), filled.reshape(batches, size, *xs.shape[1:]))
    return jax.tree.map(lambda y: y.reshape(batches * size, *y.shape[2:])[:count], found)


def climb(
    slope: Callable[[Array], Array], start: Float[Array, ""], end: Float[Array, ""], rounds: int
) -> tuple[Array, Array]:
    """Bisect for a maximum between `start`, from which the function rises towards `end`, and `end`. Return the last two ends.

    `slope(s)` is the derivative. The function may be the largest of several smooth ones, as the norm of a matrix is: its
    derivative jumps only upwards, so it has a maximum where the derivative changes from positive to negative.
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
    """Return max Re xᴴ A x over unit x: the largest eigenvalue of (A + Aᵀ)/2, and the slope of ‖exp(A t)‖ at t = 0."""
    return jnp.linalg.eigvalsh((A + A.T) / 2)[-1]


def numerical_radius(A: Float[Array, "N N"]) -> Float[Array, ""]:
    """Return max |xᴴ A x| over unit x, of a real matrix (N, N): the maximum over θ of h(θ) = λ_max(e^{iθ} A + its adjoint)/2
    (Johnson, SIAM J. Numer. Anal. 15, 1978).

    h is the support function of a convex set, so h'' ≥ −h: a grid of spacing Δ sees every maximum to a factor cos(Δ/2), and
    bisection of h' then finds it. The derivative is that at the angle of the maximum.
    """
    check_square(A)

    even, odd = (A + A.T) / 2, (A - A.T) / 2

    def turned(theta):
        """The Hermitian part of e^{iθ} A, and its derivative."""
        cos, sin = jnp.cos(theta), jnp.sin(theta)
        return lax.complex(cos * even, sin * odd), lax.complex(-sin * even, cos * odd)

    def support(theta):
        H, rate = lax.stop_gradient(turned(theta))
        values, vectors = jnp.linalg.eigh(H)
        x = vectors[:, -1]
        return values[-1], jnp.real(jnp.vdot(x, rate @ x))

    spacing = jnp.pi / _RADIUS_GRID
    theta = spacing * jnp.arange(_RADIUS_GRID + 1, dtype=A.dtype)  # A is real, so h(−θ) = h(θ)
    h, slope = batched_map(support, theta, A.shape[0])
    beside = jnp.concatenate([h[1:2], h, h[-2:-1]])
    _, best = lax.top_k(jnp.where((h >= beside[:-2]) & (h >= beside[2:]), h, -jnp.inf), _RADIUS_CANDIDATES)
    rounds = jnp.finfo(A.dtype).nmant // 2  # half the digits of its place give all digits of a maximum

    def refine(i):
        return climb(lambda t: support(t)[1], theta[i], theta[i] + spacing * jnp.sign(slope[i]), rounds)

    near, far = batched_map(refine, best, A.shape[0])
    found = near + (far - near) / 2
    angles = jnp.concatenate([found, theta[best]])
    at = angles[jnp.argmax(batched_map(lambda t: support(t)[0], angles, A.shape[0]))]
    return jnp.linalg.eigvalsh(turned(at)[0])[-1]
