"""Carrying a state and a frame of tangent vectors along a system, and making the frame orthonormal again.

Tangent vectors v grow as small disturbances of the state do: v' = J(h) v, J the Jacobian of a step. A frame of k of them is
held as rows, P (k, N), and is pushed through J all at once by `jvp`; J itself is never formed. P = L Q with L (k, k) lower
triangular and the rows of Q (k, N) orthonormal is the QR factorisation of Pᵀ, by Householder's reflections; log |L_jj| is
what row j adds to the volume of the rows before it.

On a CPU a factorisation costs two Runge–Kutta steps of the frame, so that one serves several steps where it can.
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


class Growth(NamedTuple):
    """What a frame gained over some steps, row by row: `logs` (k,) in nats, 0 where a row is `lost` (k,), that is, in the
    span of the rows before it to within rounding; the same `weighted` step by step, and the sum of the weights, `weight`;
    whether the state and the frame were `finite` all along; and whether a step made a NaN of a state of ordinary size, so
    that it is `undefined` there, which a state that overflows is not."""

    logs: Float[Array, " k"]
    weighted: Float[Array, " k"]
    weight: Float[Array, ""]
    lost: Bool[Array, " k"]
    finite: Bool[Array, ""]
    undefined: Bool[Array, ""]


class Sum(NamedTuple):
    """A growth, and what of its sums rounding has cut off: a sum of 10⁵ like numbers in float32 is else wrong by 1 %."""

    value: Growth
    rest: tuple[Array, ...]

    @classmethod
    def of(cls, growth: Growth) -> "Sum":
        return cls(growth, tuple(jnp.zeros_like(x) for x in growth[:3]))

    def plus(self, gain: Growth) -> "Sum":
        """Kahan's sum (Communications of the ACM 8, 1965)."""
        a, b = self.value, gain
        terms = tuple(y + rest for y, rest in zip(b[:3], self.rest, strict=True))
        sums = tuple(x + y for x, y in zip(a[:3], terms, strict=True))
        rest = tuple(y - (s - x) for x, y, s in zip(a[:3], terms, sums, strict=True))
        flags = a.lost | b.lost, a.finite & b.finite, a.undefined | b.undefined
        return Sum(Growth(*sums, *flags), rest)  # pyright: ignore


def first_frame(count: int, size: int) -> np.ndarray:
    """Random orthonormal rows, the same at every call; a smaller frame is the beginning of a larger one."""
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
    h,
    Q,
    patient,
    count: int,
    size: Any = 1.0,
):
    """The state, the orthonormal frame and its `Growth` after the steps start … start + live − 1 (live ≤ `count`, static);
    `weigh(k, s)` is the weight s steps after step k begins.

    The frame is made orthonormal once, after them all, if it bears that, and otherwise after every one of them. `patient`
    says whether the first is tried at all; it comes back as whether it did. What the frame has to bear: each row keeps
    more than √u of its length when those before it are taken out, so that half the digits of L are right, or more; and
    it turns by less than 135°, at the rate of the first step. What a row gains swings as it turns, and swings seen less
    often than every half-turn would pass for slow ones. `size` is that of an ordinary state.
    """

    nothing = no_growth(Q)

    def every_step(h, Q):
        def step(i, h, Q, total):
            before = h
            h, P = push(advance, start + i, h, Q)
            total = _with_health(total, before, h, size)
            return h, *_orthonormalise(P, total, weigh(start + i, 0.5), 1)[1:]

        def body(state, i):
            return lax.cond(i < live, step, lambda i, *state: state, i, *state), None

        return lax.scan(body, (h, Q, nothing), jnp.arange(count))[0]

    def once(h, Q):
        def body(state, i):
            before, P, total = state
            h, P = push(advance, start + i, before, P)
            return (h, P, _with_health(total, before, h, size)), None

        (h, P, total), _ = body((h, Q, nothing), 0)
        turn = _turn(P, Q)
        (h, P, total), _ = lax.scan(body, (h, P, total), jnp.arange(1, count))
        L, Q, total = _orthonormalise(P, total, weigh(start, count / 2), count)
        kept = jnp.abs(jnp.diagonal(L)) / jnp.linalg.norm(L, axis=1)
        bears = jnp.all((kept > jnp.finfo(L.dtype).eps ** 0.5) & ~total.lost) & (turn < 0.75 * math.pi / count)
        return (h, Q, total), bears

    if count == 1:
        return *every_step(h, Q), patient
    untried = (h, Q, nothing), jnp.zeros((), bool)
    done, bears = lax.cond(patient & (live == count), once, lambda h, Q: untried, h, Q)
    state = lax.cond(bears, lambda h, Q: done, every_step, h, Q)
    return *state, bears | (patient & (live < count))


def no_growth(Q: Float[Array, "k N"]) -> Growth:
    zeros, zero = jnp.zeros(Q.shape[0], Q.dtype), jnp.zeros((), Q.dtype)
    return Growth(zeros, zeros, zero, zeros > 0, jnp.ones((), bool), jnp.zeros((), bool))


def is_undefined(before: Float[Array, "... N"], after: Float[Array, "... N"], size: Any = 1.0) -> Bool[Array, "..."]:
    """Whether a step made a NaN of a state of ordinary size: one that does not overflow within the four stages of a cubic,
    which might make a NaN of infinities. States are counted in units of `size`."""
    ordinary = jnp.all(jnp.abs(before) / size <= jnp.finfo(before.dtype).max ** (1 / 27), axis=-1)
    return ordinary & jnp.any(jnp.isnan(after), axis=-1)


def _with_health(total: Growth, before, after, size) -> Growth:
    finite, undefined = jnp.all(jnp.isfinite(after)), is_undefined(before, after, size)
    return total._replace(finite=total.finite & finite, undefined=total.undefined | undefined)


def _orthonormalise(P, total: Growth, weight, steps) -> tuple[Array, Array, Growth]:
    """L and Q of P = L Q, and the growth with that of so many steps added."""
    L, Q = factor(P)
    lost = _is_lost(L)
    logs = jnp.log(jnp.where(lost, 1, jnp.abs(jnp.diagonal(L))))
    weight = jnp.asarray(weight, Q.dtype)
    total = Growth(
        total.logs + logs,
        total.weighted + weight * logs,
        total.weight + weight * steps,
        total.lost | lost,
        total.finite & jnp.all(jnp.isfinite(logs)),
        total.undefined,
    )
    return L, Q, total


def _turn(P, Q) -> Float[Array, ""]:
    """The largest angle between a row of P and that of the orthonormal Q."""
    cosines = jnp.sum(P * Q, axis=1) / jnp.linalg.norm(P, axis=1)
    return jnp.max(jnp.arccos(jnp.clip(lax.stop_gradient(cosines), -1, 1)))


def _is_lost(L: Float[Array, "k k"]) -> Bool[Array, " k"]:
    """Which rows the rounding errors of a product J v might have made: 4 √k u of the largest."""
    diagonal = jnp.abs(jnp.diagonal(L))
    return diagonal <= 4 * L.shape[0] ** 0.5 * jnp.finfo(L.dtype).eps * jnp.max(diagonal)


@jax.custom_batching.custom_vmap
def _factor(P):
    Q, R = jnp.linalg.qr(P.T)
    return R.T, Q.T


@_factor.def_vmap
def _factor_batch(size, batched, P):
    # one by one on a CPU, as in `linalg`: factorisations of a batch may never return there
    one_by_one, together = (lambda P: lax.map(_factor, P)), jax.vmap(_factor.fun)
    return lax.platform_dependent(P, cpu=one_by_one, default=together), (True, True)


@jax.custom_jvp
def factor(P: Float[Array, "k N"]) -> tuple[Float[Array, "k k"], Float[Array, "k N"]]:
    """L (k, k) lower triangular and Q (k, N) with orthonormal rows, of P = L Q.

    Rows that are lost have no derivative, and 0 in its place.
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
