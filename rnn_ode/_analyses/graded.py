"""Products of many Jacobians, in any order of the factors, whose parts grow and decay at very different rates.

A frame V of N orthonormal tangent vectors, in rows, that the product M of many steps carries on is V Mᵀ = Rᵀ Q, with
orthonormal rows Q and R upper triangular. The rows of R differ by factors that leave the float range, e^{λ_j t} for exponents
λ_j. So R is held as diag(e^d) T, with logarithms d and T unit upper triangular, whose entries stay moderate: the UDT form in
which simulations of electrons multiply matrices stably (Loh et al., in Interacting Electrons in Reduced Dimensions, 1989).

Two such products are multiplied by one QR factorisation of diag(e^d) C. Householder's reflections work there on the rows of
C, with quotients e^{d_j − d_i} ≤ 1 for j > i alone, so that nothing overflows and what underflows is negligible. The product
is associative, so a parallel prefix gives the frames at all times. (Heinsen & Kozachkov, Generalized orders of magnitude,
2025, have the same aim. Where vectors come close to dependent they begin anew with a frame, and this product goes on with
the right one.)
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from .._base.whole_batch import all_in_batch
from .._run.parallel_windows import prefix
from .frames import Advance, factor, push

_CROWDED = 0.9  # the sum of a row's cosines with the others, below which the rows' condition number is at most √19
_LARGE = 60.0  # of an exponent; only directions that are lost have larger ones


class Graded(NamedTuple):
    """V Mᵀ = (diag(e^d) T)ᵀ Q, for the frame V that is common to all products."""

    Q: Float[Array, "*K N N"]
    d: Float[Array, "*K N"]
    T: Float[Array, "*K N N"]

    def then(self, Q: Float[Array, "N N"], logs: Float[Array, " N"], U: Float[Array, "N N"]) -> "Graded":
        """The product after further steps that carry the rows of this Q to (diag(e^logs) U)ᵀ times another Q."""
        quotients = jnp.exp(jnp.minimum(self.d[None] - self.d[:, None], _LARGE))
        return Graded(Q, self.d + logs, (jnp.triu(U) * jnp.triu(quotients)) @ self.T)


def of_block(
    advance: Advance, first: Array, live: Array, count: int, h: Float[Array, " N"], V: Float[Array, "N N"]
) -> Graded:
    """The product of the steps first … first + live − 1 from state h, where live ≤ `count`.

    The rows are orthonormalised where they come close to dependent, of one block or of another of the same batch."""

    def step(carry, i):
        h, P, total = carry
        going = i < live
        after, pushed = push(advance, first + i, h, P)
        h, P = jnp.where(going, after, h), jnp.where(going, pushed, P)
        apart = all_in_batch(~_is_crowded(lax.stop_gradient(P)) & (i < count - 1))
        P, total = lax.cond(apart, lambda P, total: (P, total), _orthonormalised, P, total)
        return (h, P, total), None

    eye = jnp.eye(V.shape[0], dtype=V.dtype)
    start = h, V, Graded(V, jnp.zeros(V.shape[0], V.dtype), eye)
    return lax.scan(step, start, jnp.arange(count))[0][2]


def _is_crowded(P: Float[Array, "N N"]) -> Bool[Array, ""]:
    """Whether rows are close to dependent, or far from length one."""
    sizes = jnp.linalg.norm(P, axis=1)
    unit = P / sizes[:, None]
    cosines = jnp.sum(jnp.abs(unit @ unit.T), axis=1) - 1
    moderate = (sizes > 1e-3) & (sizes < 1e3)
    return ~jnp.all((cosines < _CROWDED) & moderate)


def _orthonormalised(P: Float[Array, "N N"], total: Graded) -> tuple[Float[Array, "N N"], Graded]:
    L, Q = factor(P)
    logs, signs, U = _unit_rows(L.T)
    Q = signs[:, None] * Q
    return Q, total.then(Q, logs, U)


def _unit_rows(R: Float[Array, "N N"]) -> tuple[Float[Array, " N"], Float[Array, " N"], Float[Array, "N N"]]:
    """d, signs and U of R = diag(± e^d) U, U with ones on its diagonal. An entry of the diagonal below rounding errors is set
    to their size: the direction is lost, and so is everything that follows in it."""
    diagonal = jnp.diagonal(R)
    least = jnp.finfo(R.dtype).eps * jnp.max(jnp.abs(diagonal)) + jnp.finfo(R.dtype).tiny
    diagonal = jnp.where(jnp.abs(diagonal) <= least, least, diagonal)
    return jnp.log(jnp.abs(diagonal)), jnp.sign(diagonal), _unit(R / diagonal[:, None])


def _unit(U: Float[Array, "N N"]) -> Float[Array, "N N"]:
    return jnp.triu(U, 1) + jnp.eye(U.shape[0], dtype=U.dtype)


def after(first: Graded, second: Graded, V: Float[Array, "N N"]) -> Graded:
    """The product of the steps of the first and then of the second."""
    order = jnp.argsort(-second.d)
    C = (second.T @ (first.Q @ V.T).T)[order]
    X, logs, U = graded_qr(second.d[order], C)
    return first.then(X.T @ second.Q[order], logs, U)


def graded_qr(
    d: Float[Array, " N"], C: Float[Array, "N N"]
) -> tuple[Float[Array, "N N"], Float[Array, " N"], Float[Array, "N N"]]:
    """X orthogonal, logs and U unit upper triangular with diag(e^d) C = X diag(±e^logs) U; d must not increase.

    Row i of diag(e^d) C is held as row i of C: e^{d_i} is never formed. The signs are left to X."""
    size = len(d)
    rows = jnp.arange(size)

    def reflect(i, state):
        C, X = state
        shares = jnp.where(rows >= i, jnp.exp(jnp.minimum(d - d[i], 0)), 0)  # e^{d_j − d_i}
        column = jnp.where(rows >= i, C[:, i], 0)
        scaled = shares * column
        length = jnp.linalg.norm(jnp.where(jnp.any(scaled != 0), scaled, 1))
        alive = jnp.any(scaled != 0)
        pivot = scaled[i] + jnp.where(scaled[i] < 0, -length, length)
        v = jnp.where(rows == i, pivot, scaled)
        beta = jnp.where(alive, 2 / jnp.where(alive, jnp.sum(v**2), 1), 0)
        w = beta * (v * shares) @ C
        C = C - jnp.where(rows == i, pivot, column)[:, None] * w[None]
        return C, X - beta * (X @ v)[:, None] * v[None]

    S, X = lax.fori_loop(0, size, reflect, (C, jnp.eye(size, dtype=C.dtype)))
    diagonal = jnp.diagonal(S)
    tiny = jnp.finfo(S.dtype).tiny ** 0.5
    diagonal = jnp.where(jnp.abs(diagonal) <= tiny, tiny, diagonal)
    return X * jnp.sign(diagonal)[None], d + jnp.log(jnp.abs(diagonal)), _unit(S / diagonal[:, None])


def frames_before(blocks: Graded, V: Float[Array, "N N"]) -> Float[Array, "K N N"]:
    """The frame at the start of each block, of one that starts as V: by a parallel prefix of the blocks' products."""
    combine: Callable[[Any, Any], Any] = jax.vmap(lambda a, b: after(a, b, V))
    frames = prefix(combine, blocks).Q
    return jnp.concatenate([V[None], frames[:-1]])
