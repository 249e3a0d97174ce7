"""Carrying a state and a frame of tangent vectors along a system, and making the frame orthonormal again.

Tangent vectors v grow as small disturbances of the state do: v' = J(h) v, J the Jacobian of a step. A frame of k of them is
held as rows, P (k, N), and is pushed through J all at once by `jvp`; J itself is never formed. P = L Q with L (k, k) lower
triangular and the rows of Q (k, N) orthonormal is the QR factorisation of Pᵀ, by Householder's reflections; log |L_jj| is
what row j adds to the volume of the rows before it.

On a CPU a factorisation costs as much as two Runge–Kutta steps of the frame, so one serves several steps where possible.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float

from ..linalg._solve import solve

Advance = Callable[[Array, Array], Array]


class FrameGrowth(NamedTuple):
    """What a frame gained over some steps."""

    logs: Float[Array, " k"]
    """The gain of each row in nats; 0 where the row is lost."""
    weighted: Float[Array, " k"]
    """The same, with a weight for each step."""
    weight: Float[Array, ""]
    """The sum of the weights."""
    lost: Bool[Array, " k"]
    """Whether a row came into the span of the rows before it, to within rounding."""
    finite: Bool[Array, ""]
    """Whether the state and the frame were finite at every step."""
    undefined: Bool[Array, ""]
    """Whether a step made a NaN of a state of ordinary size: the system does not exist there. An overflow does not count."""


class Sum(NamedTuple):
    """A growth, and the rounding error of its sums. Without this correction, a sum of 10⁵ similar numbers in float32 is wrong
    by 1 %."""

    value: FrameGrowth
    rest: tuple[Array, ...]

    @classmethod
    def of(cls, growth: FrameGrowth) -> "Sum":
        return cls(growth, tuple(jnp.zeros_like(x) for x in growth[:3]))

    def plus(self, gain: FrameGrowth) -> "Sum":
        """Add by Kahan's method (Communications of the ACM 8, 1965)."""
        a, b = self.value, gain
        terms = tuple(y + rest for y, rest in zip(b[:3], self.rest, strict=True))
        sums = tuple(x + y for x, y in zip(a[:3], terms, strict=True))
        rest = tuple(y - (s - x) for x, y, s in zip(a[:3], terms, sums, strict=True))
        flags = a.lost | b.lost, a.finite & b.finite, a.undefined | b.undefined
        return Sum(FrameGrowth(*sums, *flags), rest)  # pyright: ignore


def first_frame(count: int, size: int) -> np.ndarray:
    """Random orthonormal rows (count, size), the same at every call; a smaller frame is the beginning of a larger one."""
    rows = np.random.default_rng(0).normal(size=(count, size))
    return np.linalg.qr(rows.T)[0].T


def push(advance: Advance, k: Array, h: Float[Array, " N"], P: Float[Array, "k N"]) -> tuple[Array, Array]:
    """The state and the frame after step k."""
    return jax.vmap(lambda v: jax.jvp(lambda h: advance(k, h), (h,), (v,)), out_axes=(None, 0))(P)


def carry(
    advance: Advance,
    weigh: Callable[[Array, float], Array],
    start: Array,
    live: Array,
    h: Float[Array, " N"],
    Q: Float[Array, "k N"],
    patient: Bool[Array, ""],
    count: int,
    size: Any = 1.0,
) -> tuple[Float[Array, " N"], Float[Array, "k N"], FrameGrowth, Bool[Array, ""]]:
    """Carry the state and an orthonormal frame through the steps start … start + live − 1, where live ≤ `count`.

    The frame is orthonormalised once after all steps if it stays well conditioned, else after each step; the former is tried
    only where `patient`. Returns the state, the frame, its growth, and whether to be patient again.

    A frame stays well conditioned if each row keeps more than √u of its length when those before it are taken out, so that at
    least half the digits of L are right, and if it turns by less than 135°, at the rate of the first step. What a row gains
    oscillates as the row turns, and oscillations sampled less often than every half-turn would look like slow ones.

    `weigh(k, s)` is the weight s steps after step k begins; `size` is that of an ordinary state.
    """
    nothing = no_growth(Q)

    def orthonormalised_every_step(h, Q):
        def step(i, h, Q, total):
            before = h
            h, P = push(advance, start + i, h, Q)
            total = _with_health(total, before, h, size)
            return h, *_orthonormalise(P, total, weigh(start + i, 0.5), 1)[1:]

        def body(state, i):
            return lax.cond(i < live, step, lambda i, *state: state, i, *state), None

        return lax.scan(body, (h, Q, nothing), jnp.arange(count))[0]

    def orthonormalised_once(h, Q):
        def body(state, i):
            before, P, first, total = state
            h, P = push(advance, start + i, before, P)
            return (h, P, jnp.where(i == 0, P, first), _with_health(total, before, h, size)), None

        (h, P, first, total), _ = lax.scan(body, (h, Q, Q, nothing), jnp.arange(count))
        turn = _turn(first, Q)
        L, Q, total = _orthonormalise(P, total, weigh(start, count / 2), count)
        kept = jnp.abs(jnp.diagonal(L)) / jnp.linalg.norm(L, axis=1)
        fine = jnp.all((kept > jnp.finfo(L.dtype).eps ** 0.5) & ~total.lost) & (turn < 0.75 * math.pi / count)
        return (h, Q, total), fine

    if count == 1:
        return *orthonormalised_every_step(h, Q), patient
    untried = (h, Q, nothing), jnp.zeros((), bool)
    done, fine = lax.cond(patient & (live == count), orthonormalised_once, lambda h, Q: untried, h, Q)
    state = lax.cond(fine, lambda h, Q: done, orthonormalised_every_step, h, Q)
    return *state, fine | (patient & (live < count))


def no_growth(Q: Float[Array, "k N"]) -> FrameGrowth:
    """The growth of a frame over no steps."""
    zeros, zero = jnp.zeros(Q.shape[0], Q.dtype), jnp.zeros((), Q.dtype)
    return FrameGrowth(zeros, zeros, zero, zeros > 0, jnp.ones((), bool), jnp.zeros((), bool))


def is_undefined(before: Float[Array, "... N"], after: Float[Array, "... N"], size: Any = 1.0) -> Bool[Array, "..."]:
    """Whether a step made a NaN of a state of ordinary size, in units of `size`.

    A state is of ordinary size if the four stages of a cubic field do not overflow. After an overflow, a NaN may come from
    infinities.
    """
    ordinary = jnp.all(jnp.abs(before) / size <= jnp.finfo(before.dtype).max ** (1 / 27), axis=-1)
    return ordinary & jnp.any(jnp.isnan(after), axis=-1)


def _with_health(total: FrameGrowth, before: Float[Array, " N"], after: Float[Array, " N"], size: Any) -> FrameGrowth:
    """The growth, with its flags updated by one step: whether the state is finite, and whether the system exists there."""
    finite, undefined = jnp.all(jnp.isfinite(after)), is_undefined(before, after, size)
    return total._replace(finite=total.finite & finite, undefined=total.undefined | undefined)


def _orthonormalise(
    P: Float[Array, "k N"], total: FrameGrowth, weight: Array, steps: int
) -> tuple[Float[Array, "k k"], Float[Array, "k N"], FrameGrowth]:
    """L and Q of P = L Q, and the growth with that of so many steps added."""
    L, Q = factor(P)
    lost = _is_lost(L)
    logs = jnp.log(jnp.where(lost, 1, jnp.abs(jnp.diagonal(L))))
    weight = jnp.asarray(weight, Q.dtype)
    total = FrameGrowth(
        total.logs + logs,
        total.weighted + weight * logs,
        total.weight + weight * steps,
        total.lost | lost,
        total.finite & jnp.all(jnp.isfinite(logs)),
        total.undefined,
    )
    return L, Q, total


def _turn(P: Float[Array, "k N"], Q: Float[Array, "k N"]) -> Float[Array, ""]:
    """The largest angle between a row of P and that of the orthonormal Q."""
    cosines = jnp.sum(P * Q, axis=1) / jnp.linalg.norm(P, axis=1)
    return jnp.max(jnp.arccos(jnp.clip(lax.stop_gradient(cosines), -1, 1)))


def _is_lost(L: Float[Array, "k k"]) -> Bool[Array, " k"]:
    """Which rows are no larger than the rounding errors of a product J v: 4 √k u of the largest row."""
    diagonal = jnp.abs(jnp.diagonal(L))
    return diagonal <= 4 * L.shape[0] ** 0.5 * jnp.finfo(L.dtype).eps * jnp.max(diagonal)


@jax.custom_batching.custom_vmap
def _factor(P: Float[Array, "k N"]) -> tuple[Float[Array, "k k"], Float[Array, "k N"]]:
    Q, R = jnp.linalg.qr(P.T)
    return R.T, Q.T


@_factor.def_vmap
def _factor_batch(size, batched, P):
    # one by one on a CPU, as in `linalg`: there a batched factorisation may hang
    one_by_one, together = (lambda P: lax.map(_factor, P)), jax.vmap(_factor.fun)
    return lax.platform_dependent(P, cpu=one_by_one, default=together), (True, True)


@jax.custom_jvp
def factor(P: Float[Array, "k N"]) -> tuple[Float[Array, "k k"], Float[Array, "k N"]]:
    """L (k, k) lower triangular and Q (k, N) with orthonormal rows, of P = L Q.

    Rows that are lost have no derivative; 0 is used in its place.
    """
    return _factor(P)


@factor.defjvp
def _factor_jvp(primals, tangents):
    # L⁻¹ dP = L⁻¹ dL Q + dQ; times Qᵀ, the first term is lower triangular and the second skew, which tells them apart
    (L, Q), (dP,) = factor(*primals), tangents
    lost = _is_lost(L)[:, None]
    X = solve(jnp.where(lost, jnp.eye(L.shape[0], dtype=L.dtype), L), jnp.where(lost, 0, dP))
    Y = X @ Q.T
    above = jnp.triu(Y, 1)
    lower = Y - above + above.T
    return (L, Q), (L @ lower, X - lower @ Q)
