"""The bridge of noises under `Exact`: what noise of a flow adds up to the noise of a step.

With W = exp(A), a flow with noise of covariance C per step of time adds to each step noise of covariance

    Q = ∫₀¹ exp(A s) C exp(Aᵀ s) ds.

Van Loan (IEEE Trans. Automat. Control 23, 1978) reads Q off an exponential. With M = [[−A, C], [0, Aᵀ]],

    exp(M) = [[W⁻¹, W⁻¹ Q], [0, Wᵀ]].

Here Q comes from a short step and doublings, Q(2s) = Q(s) + exp(A s) Q(s) exp(Aᵀ s), since exp(−A) of a fast decay overflows.
The way back is a logarithm: C is the upper right block of the logarithm of Van Loan's matrix. That is exact to rounding up to
the boundary of stability and beyond, but W⁻¹ spoils it where a mode decays within a step. There the covariance at which both
settle is better: X − W X Wᵀ = Q and C = −(A X + X Aᵀ).
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from .._base.checks import as_matrix, as_step, in_single, is_concrete
from .._run.noise import as_spread, covariance_of
from ..linalg._eigenvectors import eigvals
from ..linalg._exponential import exponential
from ..linalg._logm import logm, logm_of
from ..linalg._solve import inv, nan_unless
from ..linalg._sylvester import lyapunov_discrete

_MAX_DOUBLINGS = 64


def noise_to_rnn(A: ArrayLike | Sequence, noise: ArrayLike | Sequence, *, dt: float = 1.0) -> Float[Array, "N N"]:
    """The noise of each step of a network that stands for the noise of its linear flow dh = A h dt + σ dB during the step.

    **Arguments:**

    - `A`: the generator (N, N), such as a field's matrix or its Jacobian at a fixed point.
    - `noise`: σ in a unit of time, as `integrate` takes it: a number, (N,), or (N, M).
    - `dt`: length of a step, in time. Default 1.

    **Returns:** a matrix σ (N, N), symmetric, for the `noise` of `iterate`: σ σᵀ is the covariance that the noise of the flow
    gains during a step. Together with `to_rnn(field, ExponentialEuler(), dt)` it makes a network whose states have the very
    distribution of the flow's at the stamps, if the flow is linear.

    **Raises:** `ValueError` or `TypeError` for a matrix that is not square or not finite, noise that does not fit, and dt ≤
    0.

    Source: Van Loan, IEEE Trans. Automat. Control 23, 1978.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> sigma = ro.noise_to_rnn([[-1.0]], 1.0)
    >>> round(float(sigma[0, 0]) ** 2, 4)  # (1 − e⁻²)/2
    0.4323

    ```
    """
    A, spread, dt = _arguments("A", A, noise, dt)
    sigma = _gained(A * dt, covariance_of(spread, A) * dt)
    if is_concrete(sigma) and not np.isfinite(sigma).all():
        raise ValueError(f"dt must be short enough for the noise of a step to be finite in {sigma.dtype}; got {dt:g}.")
    return sigma


def noise_to_ode(W: ArrayLike | Sequence, noise: ArrayLike | Sequence, *, dt: float = 1.0) -> Float[Array, "N N"]:
    """The noise of the flow behind a linear network under `Exact` that adds up to the network's noise in every step.

    **Arguments:**

    - `W`: the matrix of a step (N, N), such as W_h of an affine network or the Jacobian of a cell at a fixed point.
    - `noise`: σ of a step, as `iterate` takes it: a number, (N,), or (N, M).
    - `dt`: length of a step, in time. Default 1.

    **Returns:** a matrix σ (N, N), symmetric, in a unit of time, for the `noise` of `integrate` with the field
    `to_ode(cell, Exact(), dt=dt)`. NaN for traced arguments without an answer.

    **Raises:** `ValueError` where no noise of the flow makes the network's: the covariance per unit time would need a
    negative eigenvalue, which the error names. `ValueError` as `logm` does for a matrix without a logarithm; `ValueError` or
    `TypeError` for noise that does not fit and dt ≤ 0.

    Source: the logarithm of Van Loan's matrix (IEEE Trans. Automat. Control 23, 1978).

    ```python
    >>> import rnn_ode as ro
    >>> there = ro.noise_to_rnn([[-1.0]], 1.0)
    >>> round(float(ro.noise_to_ode([[0.36787944]], there)[0, 0]), 3)
    1.0

    ```
    """
    W, spread, dt = _arguments("W", W, noise, dt)
    sigma, lowest, highest = _behind(W, logm_of("W", W), covariance_of(spread, W), jnp.asarray(dt, W.dtype))
    if is_concrete(sigma) and not np.isfinite(np.asarray(sigma)).all():
        raise ValueError(
            f"no noise of the flow makes this noise of the network: its covariance per unit time would need the eigenvalue "
            f"{float(lowest):.3g} (the largest is {float(highest):.3g}). During a step the flow turns noise from one "
            "direction into another, so noise in one direction alone cannot come from it: give the other directions more "
            "noise, or run the network itself."
        )
    return sigma


def _arguments(name, matrix, noise, dt) -> tuple[Array, Array, float]:
    matrix = in_single(as_matrix(name, matrix))
    spread = as_spread("noise", noise, matrix[0])
    kind = jnp.result_type(matrix, in_single(spread))
    return matrix.astype(kind), spread.astype(kind), as_step("dt", dt)


@jax.jit
def _gained(A: Array, C: Array) -> Array:
    """Return the square root of Q, by a short step and doublings."""
    n = A.shape[0]
    with jax.default_matmul_precision("highest"):
        size = lax.stop_gradient(jnp.linalg.norm(A, 1))
        doublings = jnp.clip(jnp.ceil(jnp.log2(jnp.where(size > 0, size, 1))) + 1, 0, _MAX_DOUBLINGS)
        part = 2.0**-doublings
        short = exponential(jnp.block([[-A, C], [jnp.zeros_like(A), A.T]]) * part)
        W, Q = short[n:, n:].T, short[n:, n:].T @ short[:n, n:]

        def double(state):
            W, Q = state
            return W @ W, Q + W @ Q @ W.T

        _, Q = lax.fori_loop(0, _MAX_DOUBLINGS, lambda i, state: lax.cond(i < doublings, double, tuple, state), (W, Q))
        return square_root(Q)


@jax.jit
def _behind(W: Array, A: Array, Q: Array, dt: Array) -> tuple[Array, Array, Array]:
    """Return the square root of C, and the smallest and the largest eigenvalue of C."""
    n = W.shape[0]
    with jax.default_matmul_precision("highest"):
        sizes = jnp.abs(lax.stop_gradient(eigvals(W)))

        def by_logarithm():
            inverse = inv(W)
            M = jnp.block([[inverse, inverse @ Q], [jnp.zeros_like(W), W.T]])
            return logm(M)[:n, n:]

        def by_what_settles():
            X = lyapunov_discrete(W, Q)
            return -(A @ X + X @ A.T)

        # the errors of the one grow as 1/(1 − |λ|)², those of the other as 1/|λ|
        fast = (jnp.max(sizes) < 1) & (jnp.min(sizes) < (1 - jnp.max(sizes)) ** 2)
        C = lax.cond(fast, by_what_settles, by_logarithm) / dt
        C = (C + C.T) / 2
        values = jnp.linalg.eigvalsh(lax.stop_gradient(C))
        possible = values[0] >= -(jnp.finfo(C.dtype).eps ** (2 / 3)) * values[-1]
        return nan_unless(possible, square_root(C)), values[0], values[-1]


@jax.custom_jvp
def square_root(C: Float[Array, "N N"]) -> Float[Array, "N N"]:
    """Return the symmetric square root of a symmetric matrix without negative eigenvalues but for rounding."""
    values, V = jnp.linalg.eigh((C + C.T) / 2)
    return (V * jnp.sqrt(jnp.maximum(values, 0))[None]) @ V.T


@square_root.defjvp
def _square_root_jvp(primals, tangents):
    (C,), (dC,) = primals, tangents
    S = square_root(C)
    roots, V = jnp.linalg.eigh(S)
    sums = roots[:, None] + roots[None, :]
    # S dS + dS S = dC; where two roots are 0 the derivative is infinite, unless C does not change there
    along = V.T @ ((dC + dC.T) / 2) @ V
    return S, V @ jnp.where(sums == 0, 0, along / jnp.where(sums == 0, 1, sums)) @ V.T
