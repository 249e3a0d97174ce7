"""Carrying a state and a frame of tangent vectors along a system, and making the frame orthonormal again.

Tangent vectors v grow as the disturbances of a state do: v' = J(h) v, J the Jacobian of a step. A frame of k of them is
held as rows, P (k, N), and is pushed through J all at once by `jvp`, never through J itself. P = L Q with L (k, k) lower
triangular and the rows of Q (k, N) orthonormal is the QR factorisation of Pᵀ; log L_jj is what row j adds to the
volume of the rows before it.

The factorisation is Householder's, backward stable row by row, or, six times as fast on a CPU, Cholesky's: L Lᵀ = P Pᵀ and
Q = L⁻¹ P. The second loses orthogonality as κ(P)² u and is used where κ(P) ≤ 0.1/√u, a bound of which is computed.
(Yamamoto, Nakatsukasa, Yanagisawa & Fukaya, "Roundoff error analysis of the CholeskyQR2 algorithm", ETNA 44, 2015. One
pass is enough: an error E of Q, a triangular factor near 1, leaves as it came, in the next L.)
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float

from ._linalg import solve

Advance = Callable[[Array, Array], Array]


class Growth(NamedTuple):
    """What a frame gained over some steps, row by row: `logs` (k,) in nats, 0 where a row is `lost` (k,), that is, in the
    span of the rows before it to within rounding; and whether the `state` was finite all along."""

    logs: Float[Array, " k"]
    lost: Bool[Array, " k"]
    finite: Bool[Array, ""]


def first_frame(count: int, size: int) -> np.ndarray:
    """Random orthonormal rows, the same at every call; a smaller frame is the beginning of a larger one."""
    rows = np.random.default_rng(0).normal(size=(count, size))
    return np.linalg.qr(rows.T)[0].T


def push(advance: Advance, k: Array, h: Float[Array, " N"], P: Float[Array, "k N"]) -> tuple[Array, Array]:
    """The state and the frame after step k."""
    return jax.vmap(lambda v: jax.jvp(lambda h: advance(k, h), (h,), (v,)), out_axes=(None, 0))(P)


def carry(advance: Advance, start: Array, live: Array, h, Q, patient, count: int):
    """The state, the orthonormal frame and its `Growth` after the steps start … start + live − 1 (live ≤ `count`, static).

    The frame is made orthonormal once, after them all, if it bears that, and otherwise after every one of them. `patient`
    says whether the first is tried at all; it comes back as whether it did. The frame has to bear it in two ways: its
    conditioning, and that it turns by no more than 60° in all, at the rate of the first step: what it gains swings as it
    turns, and swings seen less often than that would pass for slow ones.
    """

    def steps(h, Q, settle):
        def body(state, i):
            h, P, total = state
            moved, P = push(advance, start + i, h, P)
            P, total = settle(P, total._replace(finite=total.finite & jnp.all(jnp.isfinite(moved))))
            return jax.tree.map(lambda new, old: jnp.where(i < live, new, old), (moved, P, total), state), None

        return lax.scan(body, (h, Q, no_growth(Q)), jnp.arange(count))[0]

    def every_step(h, Q):
        return steps(h, Q, lambda P, total: _settle(P, total, factor))

    def once(h, Q):
        turns_slowly = _turn(push(advance, start, h, Q)[1], Q) <= math.pi / 3 / count
        h, P, total = steps(h, Q, lambda P, total: (P, total))
        Q, total = _settle(P, total, quick_factor)
        return (h, Q, total), ~jnp.any(total.lost) & turns_slowly

    if count == 1:
        return *every_step(h, Q), patient
    untried = (h, Q, no_growth(Q)), jnp.zeros((), bool)
    done, patient = lax.cond(patient, once, lambda h, Q: untried, h, Q)
    return *lax.cond(patient, lambda h, Q: done, every_step, h, Q), patient


def no_growth(Q: Float[Array, "k N"]) -> Growth:
    count = Q.shape[0]
    return Growth(jnp.zeros(count, Q.dtype), jnp.zeros(count, bool), jnp.ones((), bool))


def _settle(P, total: Growth, factor) -> tuple[Array, Growth]:
    L, Q = factor(P)
    lost = _is_lost(L)
    logs = jnp.log(jnp.where(lost, 1, jnp.abs(jnp.diagonal(L))))
    return Q, Growth(total.logs + logs, total.lost | lost, total.finite)


def _turn(P, Q) -> Float[Array, ""]:
    """The largest angle between a row of P and that of the orthonormal Q."""
    cosines = jnp.sum(P * Q, axis=1) / jnp.linalg.norm(P, axis=1)
    return jnp.max(jnp.arccos(jnp.clip(lax.stop_gradient(cosines), -1, 1)))


def _is_lost(L: Float[Array, "k k"]) -> Bool[Array, " k"]:
    """Which rows the rounding errors of a product J v might have made: 4 √k u of the largest."""
    diagonal = jnp.abs(jnp.diagonal(L))
    return diagonal <= 4 * L.shape[0] ** 0.5 * jnp.finfo(L.dtype).eps * jnp.max(diagonal)


def _one_at_a_time(function):
    """The function of one matrix, with a rule for batches: factorisations and triangular solves of a batch may never return
    on a CPU with JAX 0.10 (see `_linalg`), so that a CPU takes them one by one."""
    single = jax.custom_batching.custom_vmap(function)

    @single.def_vmap
    def _(size, batched, P):
        out = lax.platform_dependent(
            P, cpu=lambda P: lax.map(single, P), default=lambda P: jax.vmap(function)(P)
        )
        return out, (True, True)

    return single


def _differentiable(function):
    """A factorisation P ↦ (L, Q) with its derivative, which is the same however L and Q were found.

    L⁻¹ dP = L⁻¹ dL Q + dQ; times Qᵀ, the first term is lower triangular and the second skew, which tells them apart. Rows
    that are lost have no derivative, and 0 in its place.
    """
    wrapped = jax.custom_jvp(_one_at_a_time(function))

    @wrapped.defjvp
    def _(primals, tangents):
        (L, Q), (dP,) = wrapped(*primals), tangents
        lost = _is_lost(L)[:, None]
        X = solve(jnp.where(lost, jnp.eye(L.shape[0], dtype=L.dtype), L), jnp.where(lost, 0, dP))
        Y = X @ Q.T
        above = jnp.triu(Y, 1)
        lower = Y - above + above.T
        return (L, Q), (L @ lower, X - lower @ Q)

    return wrapped


@_differentiable
def factor(P: Float[Array, "k N"]) -> tuple[Float[Array, "k k"], Float[Array, "k N"]]:
    """L and Q of P = L Q, by Householder's reflections."""
    Q, R = jnp.linalg.qr(P.T)
    return R.T, Q.T


@_differentiable
def quick_factor(P: Float[Array, "k N"]) -> tuple[Float[Array, "k k"], Float[Array, "k N"]]:
    """L and Q of P = L Q, by Cholesky's factorisation; zeros where P is too ill conditioned for it."""
    L = lax.linalg.cholesky(P @ P.T, symmetrize_input=False)
    inverse = lax.linalg.triangular_solve(L, jnp.eye(L.shape[0], dtype=L.dtype), left_side=True, lower=True)
    good = _norm_bound(L) * _norm_bound(inverse) <= 0.1 / jnp.finfo(L.dtype).eps ** 0.5
    return jnp.where(good, L, 0), jnp.where(good, inverse @ P, 0)


def _norm_bound(A):
    """An upper bound of ‖A‖₂: the geometric mean of ‖A‖₁ and ‖A‖∞."""
    size = jnp.abs(A)
    return jnp.sqrt(jnp.max(jnp.sum(size, axis=0)) * jnp.max(jnp.sum(size, axis=1)))
