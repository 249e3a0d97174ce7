"""The mesh on which the orbit of a flow is computed: collocation polynomials, their error, and a better mesh.

In each of m intervals the orbit is a polynomial of degree d = 4 that satisfies the equation at the points cⱼ of Radau's
formula IIA (Hairer & Wanner, "Solving Ordinary Differential Equations II", IV.5), of which the last one is the end of the
interval. The formula is of order 2d − 1 = 7 at the ends of the intervals. It is L-stable, so that the fast decay of a stiff
flow does not show up as a multiplier near ±1, as it would with Gauss's points.

Between the ends the error is of order d + 1 = 5. It is estimated from the difference of the d-th derivatives of neighbouring
intervals, and the mesh is chosen so that all intervals have the same error (de Boor 1973; Ascher, Mattheij & Russell,
"Numerical Solution of Boundary Value Problems", ch. 9).
"""

from functools import partial
from math import factorial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.polynomial import polynomial as poly

DEGREE = 4


def _radau(d: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the points c (d,) and the matrix A (d, d) of Radau's formula IIA."""
    p = poly.polymul(poly.polypow([0.0, 1.0], d - 1), poly.polypow([-1.0, 1.0], d))
    c = np.sort(poly.polyroots(poly.polyder(p, d - 1)).real)
    c[-1] = 1.0
    rows = [poly.polyint(_lagrange(c, j)) for j in range(d)]
    return c, np.stack([poly.polyval(c, row) for row in rows], axis=1)


def _lagrange(nodes: np.ndarray, j: int) -> np.ndarray:
    """Returns the coefficients of the polynomial that is 1 at node j and 0 at the others."""
    others = np.delete(nodes, j)
    return poly.polyfromroots(others) / np.prod(nodes[j] - others)


POINTS, MATRIX = _radau(DEGREE)
_NODES = np.append(0.0, POINTS)
_BASIS = np.stack([_lagrange(_NODES, j) for j in range(DEGREE + 1)])  # (d + 1, d + 1), a row of coefficients each
_ERROR = np.max(np.abs(poly.polyval(np.linspace(0, 1, 1001), poly.polyfromroots(_NODES))))


@jax.jit
def times_of(widths: Float[Array, " m"]) -> Float[Array, "m d"]:
    """Returns the times of the collocation points, as shares of the period."""
    return (jnp.cumsum(widths) - widths)[:, None] + widths[:, None] * jnp.asarray(POINTS, widths.dtype)[None]


def _pieces(S: Float[Array, "m d N"]) -> Float[Array, "m e N"]:
    """Returns the states of each interval with the one at its beginning."""
    return jnp.concatenate([jnp.roll(S[:, -1:], 1, axis=0), S], axis=1)


@jax.jit
def evaluated(S: Float[Array, "m d N"], widths: Float[Array, " m"], at: Float[Array, "..."]) -> Float[Array, "... N"]:
    """Returns the orbit at times given as shares of the period."""
    ends = jnp.cumsum(widths)
    at = at - jnp.floor(at)
    i = jnp.clip(jnp.searchsorted(ends, at), 0, len(widths) - 1)
    x = jnp.clip((at - (ends - widths)[i]) / widths[i], 0, 1)
    powers = jnp.stack([x**k for k in range(DEGREE + 1)], axis=-1)
    weights = powers @ jnp.asarray(_BASIS.T, S.dtype)
    return jnp.einsum("...e,...en->...n", weights, _pieces(S)[i])


@jax.jit
def interpolated(points: Float[Array, "n N"], times: Float[Array, " n"], at: Float[Array, "..."]) -> Array:
    """Returns states between those of a guess (n, N), at increasing times in [0, 1), by periodic cubic Hermite pieces."""
    n = len(times)
    at = at - times[0] - jnp.floor(at - times[0])
    t = jnp.append(times - times[0], 1.0)
    step = jnp.diff(t)
    slope = (jnp.roll(points, -1, axis=0) - points) / step[:, None]
    before, width = jnp.roll(slope, 1, axis=0), jnp.roll(step, 1)
    slopes = (width[:, None] * slope + step[:, None] * before) / (width + step)[:, None]
    i = jnp.clip(jnp.searchsorted(t, at, side="right") - 1, 0, n - 1)
    x, w, j = ((at - t[i]) / step[i])[..., None], step[i][..., None], (i + 1) % n
    a, b, u, v = points[i], points[j], w * slopes[i], w * slopes[j]
    return a + x * (u + x * (3 * (b - a) - 2 * u - v + x * (2 * (a - b) + u + v)))


@partial(jax.jit, static_argnums=2)
def first_mesh(points: Float[Array, "n N"], times: Float[Array, " n"], count: int) -> Float[Array, " m"]:
    """Returns the widths of a mesh for a guess, whose intervals are short where the guess moves fast."""
    moved = jnp.linalg.norm(jnp.roll(points, -1, axis=0) - points, axis=1)
    step = jnp.diff(jnp.append(times, 1 + times[0]))
    density = moved / jnp.where(jnp.sum(moved) > 0, jnp.sum(moved), 1) + step
    return equidistributed(density / jnp.sum(density), step, count)


def error_density(S: Float[Array, "m d N"], widths: Float[Array, " m"]) -> Float[Array, " m"]:
    """Returns |u⁽ᵈ⁺¹⁾| / (d + 1)! of the orbit u in each interval, relative to its extent, per power of the period."""
    top = jnp.einsum("e,men->mn", jnp.asarray(_BASIS[:, -1], S.dtype), _pieces(S)) * factorial(DEGREE)
    top = top / widths[:, None] ** DEGREE
    between = (widths + jnp.roll(widths, -1)) / 2
    change = jnp.linalg.norm(jnp.roll(top, -1, axis=0) - top, axis=1) / between
    change = (widths * change + jnp.roll(widths * change, 1)) / (widths + jnp.roll(widths, 1))
    extent = jnp.max(jnp.linalg.norm(S - jnp.mean(S, axis=(0, 1), keepdims=True), axis=2))
    return change / (factorial(DEGREE + 1) * jnp.where(extent > 0, extent, 1))


@jax.jit
def error_of(S: Float[Array, "m d N"], widths: Float[Array, " m"]) -> Float[Array, ""]:
    """Returns an estimate of the largest error of the orbit between the ends of intervals, relative to its extent."""
    return jnp.max(_ERROR * error_density(S, widths) * widths ** (DEGREE + 1))


@jax.jit
def least_error(S: Float[Array, "m d N"], widths: Float[Array, " m"]) -> Float[Array, ""]:
    """Returns the error on a mesh of as many intervals that suits the orbit best."""
    return (
        _ERROR
        * jnp.mean(widths * len(widths) * error_density(S, widths) ** (1 / (DEGREE + 1))) ** (DEGREE + 1)
        / float(len(widths)) ** (DEGREE + 1)
    )


@partial(jax.jit, static_argnums=2)
def better_mesh(S: Float[Array, "m d N"], widths: Float[Array, " m"], count: int) -> Float[Array, " n"]:
    """Returns the widths of a mesh of `count` intervals of about the same error."""
    density = error_density(S, widths) ** (1 / (DEGREE + 1))
    share = widths * density
    # at least a fifth of the intervals are spread over the period, since the estimate is rough
    share = share / jnp.where(jnp.sum(share) > 0, jnp.sum(share), 1) + 0.25 * widths
    # no interval is much shorter than its neighbours
    density = share / widths
    density = jnp.maximum(density, jnp.maximum(jnp.roll(density, 1), jnp.roll(density, -1)) / 4)
    share = density * widths
    return equidistributed(share / jnp.sum(share), widths, count)


def equidistributed(share: Float[Array, " n"], widths: Float[Array, " n"], count: int) -> Float[Array, " m"]:
    """Returns the widths of `count` intervals with the same share each, from the shares of intervals of those widths."""
    zero = jnp.zeros(1, share.dtype)
    levels, times = jnp.cumsum(share), jnp.cumsum(widths)
    wanted = jnp.arange(count + 1, dtype=share.dtype) / count
    at = jnp.interp(wanted, jnp.concatenate([zero, levels / levels[-1]]), jnp.concatenate([zero, times / times[-1]]))
    return jnp.diff(at)
