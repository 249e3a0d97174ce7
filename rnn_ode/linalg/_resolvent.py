"""The resolvent (z − W)⁻¹ of a matrix, and how far W is from normal.

Where the resolvent is large, a small change of W moves an eigenvalue to z.

Its norm is 1/σ_min(z − W). The Kreiss constant of a matrix and a region of stability is the supremum of

    d(z) / σ_min(z − W)    over all z outside of the region, where d(z) is the distance of z from the region.

For the unit disc K ≤ sup ‖Wᵏ‖ ≤ e N K (Kreiss 1962; the constant is Spijker's, 1991), and for the left half-plane the same
bounds hold for sup ‖exp(W t)‖ (Trefethen & Embree, "Spectra and Pseudospectra", 2005, ch. 14-18). It is searched for on a
grid: logarithmic in d, and along the boundary opposite every eigenvalue, between each two, and in even steps. Newton's method
with a trust region then starts from the best local maxima. This is a search: the value found is a lower bound, to rounding.
Singular values have no digits below ε‖W‖. Where these decide, inverses of the balanced matrix are searched instead.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Inexact

from .._base.compiled import cond
from ._balance import balancing, rescaled
from ._norms import batched_map, spectral_norm
from ._regions import AbstractRegion
from ._solve import inv

_DISTANCES = 32

_PLACES = 24

_OPPOSITE = 24

_SEEDS = 12

_NEWTON_STEPS = 20

_POLISHING_STEPS = 6

_ZOOMS = 12


def smallest_singular_value(A: Inexact[Array, "N N"]) -> Float[Array, ""]:
    """Returns the smallest singular value of A."""
    return jnp.linalg.svd(A, compute_uv=False)[-1]


@jax.jit
def resolvent_distances(W: Float[Array, "N N"], points: Complex[Array, " K"]) -> Float[Array, " K"]:
    """Returns σ_min(z − W) for each point z: the distance of W from the nearest matrix with the eigenvalue z."""
    eye = jnp.eye(W.shape[0], dtype=points.dtype)
    return batched_map(lambda z: smallest_singular_value(z * eye - W), points, W.shape[0])


def kreiss_constant(
    W: Float[Array, "N N"], eigenvalues: Complex[Array, " N"], region: AbstractRegion
) -> Float[Array, ""]:
    """Returns the Kreiss constant of W with these eigenvalues, the one furthest outside of the region first; at least 1.

    The result is differentiable in W: with the derivative at the point where the maximum is found.
    """
    search = _searched(*jax.lax.stop_gradient((W, eigenvalues)), region)

    def by_inverse(W):
        pair, better = _better_by_inverse(jax.lax.stop_gradient(W), region, search)
        return cond(better, partial(_by_inverse, region), partial(_by_singular_value, region), W, pair)

    return cond(search.hidden, by_inverse, lambda W: _by_singular_value(region, W, search.found), W)


@jax.jit
def _by_singular_value(region: AbstractRegion, W: Float[Array, "N N"], pair: Float[Array, " 2"]) -> Float[Array, ""]:
    """Returns d/σ_min(z − W) at a place and distance, at least 1."""
    z = region.point(pair[0], pair[1])
    return jnp.maximum(1, region.position(z)[1] / smallest_singular_value(_less(z, W)))


@jax.jit
def _by_inverse(region: AbstractRegion, W: Float[Array, "N N"], pair: Float[Array, " 2"]) -> Float[Array, ""]:
    """Returns d ‖(z − W)⁻¹‖ at a place and distance, at least 1."""
    z = region.point(pair[0], pair[1])
    return jnp.maximum(1, region.position(z)[1] * _resolvent_norm(W, z))


def _less(z: Complex[Array, ""], W: Float[Array, "N N"]) -> Complex[Array, "N N"]:
    return z * jnp.eye(W.shape[0], dtype=z.dtype) - W


def _resolvent_norm(W: Float[Array, "N N"], z: Complex[Array, ""]) -> Float[Array, ""]:
    """Returns ‖(z − W)⁻¹‖ by the inverse of the balanced matrix: of a graded matrix it has the digits that σ_min lacks."""
    e = balancing(W)
    return spectral_norm(rescaled(inv(_less(z, rescaled(W, e))), -e))


def departure(
    W: Float[Array, "N N"], eigenvalues: Complex[Array, " N"], vectors: Complex[Array, "N N"]
) -> Float[Array, ""]:
    """Returns Henrici's departure of W from normality, √(‖W‖_F² − Σ|λ|²), given its eigenvalues and right eigenvectors.

    Where the difference cancels it is the part off the diagonal in the unitary basis that the eigenvectors span.
    """
    size = jax.lax.stop_gradient(jnp.max(jnp.abs(W)))
    size = jnp.where(size == 0, 1, size)
    W = W / size
    total = jnp.sum(W**2)
    difference = total - jnp.sum(jnp.abs(eigenvalues / size) ** 2)
    cancels = difference <= jnp.finfo(W.dtype).eps ** 0.5 * total
    Q = jnp.linalg.qr(jax.lax.stop_gradient(vectors))[0]
    T = Q.conj().T @ W @ Q
    rest = jnp.linalg.norm(jnp.where(jnp.eye(W.shape[0], dtype=bool), 0, T))
    return size * jnp.where(cancels, rest, jnp.sqrt(jnp.where(cancels, 1, difference)))


class _Search(NamedTuple):
    """The place and distance that were `found` by singular values, σ_min there, and whether its rounding error may have
    `hidden` a larger maximum; and the grid: `places` on the boundary, and the `closest` and `furthest` distance from it."""

    found: Float[Array, " 2"]
    sigma: Float[Array, ""]
    hidden: Bool[Array, ""]
    places: Float[Array, " P"]
    closest: Float[Array, ""]
    furthest: Float[Array, ""]


@jax.jit
def _searched(W: Float[Array, "N N"], eigenvalues: Complex[Array, " N"], region: AbstractRegion) -> _Search:
    """Returns where d/(σ_min(z − W) + δ) is largest. δ is the rounding error of a singular value. Without it the search would
    end at the boundary, where d and σ_min are both rounding errors."""
    n, eps, size = W.shape[0], jnp.finfo(W.dtype).eps, spectral_norm(W)
    origin = jnp.abs(region.point(jnp.zeros((), W.dtype), jnp.zeros((), W.dtype)))
    scale = jnp.where(origin + size == 0, 1, origin + size)
    noise = 8 * eps * scale
    at, distance = region.position(eigenvalues)
    gap, places = -jnp.max(distance) / (8 * n), _places(at, size, region)
    furthest = 1e3 * jnp.minimum(scale, 1e-4 * jnp.finfo(W.dtype).max)
    pairs = _pairs(places, jnp.maximum(gap, eps * scale), furthest)
    sigmas = resolvent_distances(W, region.point(pairs[..., 0], pairs[..., 1]).ravel()).reshape(pairs.shape[:2])
    values = pairs[..., 1] / (sigmas + noise)
    framed = jnp.pad(values, 1, constant_values=-jnp.inf)
    beside = jnp.stack([framed[:-2, 1:-1], framed[2:, 1:-1], framed[1:-1, :-2], framed[1:-1, 2:]])
    crests = jnp.where(values >= jnp.max(beside, axis=0), values, -jnp.inf)
    starts = pairs.reshape(-1, 2)[jax.lax.top_k(crests.ravel(), _SEEDS)[1]]

    def refined(starts, phase):
        found = batched_map(lambda start: _climbed(W, region, *phase, *start), starts, n)
        best = jnp.argmax(found.value)
        return jnp.broadcast_to(jnp.stack([found.place[best], found.distance[best]]), starts.shape), None

    # last a few short steps without δ, which moves the maximum of a matrix near to unstable
    phases = jnp.stack([noise, 0.0]), jnp.array([_NEWTON_STEPS, _POLISHING_STEPS]), jnp.array([2, 0.25], W.dtype)
    starts, _ = jax.lax.scan(refined, starts, phases)
    sigma = smallest_singular_value(_less(region.point(starts[0, 0], starts[0, 1]), W))
    return _Search(starts[0], sigma, sigma < noise / eps**0.25, places, gap, furthest)


def _pairs(places: Float[Array, " P"], closest: Array, furthest: Array) -> Float[Array, "P D 2"]:
    """Returns places on the boundary with distances from it, in even steps of their logarithm."""
    distances = jnp.exp(jnp.linspace(jnp.log(closest), jnp.log(furthest), _DISTANCES, dtype=places.dtype))
    return jnp.stack(jnp.meshgrid(places, distances, indexing="ij"), axis=-1)


@jax.jit
def _better_by_inverse(
    W: Float[Array, "N N"], region: AbstractRegion, search: _Search
) -> tuple[Float[Array, " 2"], Bool[Array, ""]]:
    """Returns the place and distance where d ‖(z − W)⁻¹‖ is largest by inverses, on a grid and then nearer and nearer to the
    best; the one that `search` found if it is not larger; and whether it is. W is balanced first.

    What rounding may have added to an inverse R of M is at most some ε |R| |M| |R| (Higham, "Accuracy and Stability of
    Numerical Algorithms", 2002, 14.1). Less that, the value is a lower bound."""
    eps, n = jnp.finfo(W.dtype).eps, W.shape[0]
    e = balancing(W)
    B = rescaled(W, e)

    def value(pair):
        M = _less(region.point(pair[0], pair[1]), B)
        R = inv(M)
        rounding = 8 * eps * (jnp.abs(R) @ jnp.abs(M) @ jnp.abs(R))
        bound = pair[1] * (spectral_norm(rescaled(R, -e)) - jnp.linalg.norm(rescaled(rounding, -e)))
        return jnp.where(bound > 0, bound, 0)

    def best(pairs):
        values = batched_map(value, pairs, n)
        return pairs[jnp.argmax(values)], jnp.max(values)

    def nearer(pair, reach):
        shifts = reach * jnp.stack(jnp.meshgrid(*[jnp.linspace(-1, 1, 5, dtype=W.dtype)] * 2), axis=-1).reshape(-1, 2)
        along = shifts[:, 0] * pair[1] / region.frame(pair[0], pair[1]).pace
        return best(jnp.stack([pair[0] + along, pair[1] * jnp.exp(shifts[:, 1])], axis=1))

    closest = jnp.maximum(search.closest, eps * spectral_norm(B))
    pair, _ = best(_pairs(search.places, closest, search.furthest).reshape(-1, 2))
    pair, values = jax.lax.scan(nearer, pair, 2.0 ** -jnp.arange(_ZOOMS, dtype=W.dtype))
    better = values[-1] * search.sigma > (1 + eps**0.25) * search.found[1]
    return jnp.where(better, pair, search.found), better


def _places(at: Float[Array, " N"], size: Float[Array, ""], region: AbstractRegion) -> Float[Array, " P"]:
    """Returns places on the boundary, in order: opposite the first eigenvalues, between each two, and opposite a circle of
    the size of the matrix. Half the plane is enough, since W is real."""
    at = jnp.sort(jnp.abs(at[:_OPPOSITE]))
    circle = size * jnp.asarray(np.exp(1j * (np.arange(_PLACES) + 0.25) * (np.pi / _PLACES)), jnp.result_type(at, 1j))
    return jnp.sort(jnp.concatenate([jnp.zeros(1, at.dtype), at, (at[1:] + at[:-1]) / 2, region.position(circle)[0]]))


class _Point(NamedTuple):
    """A point outside of the region, and log(d/(σ_min + δ)) there with its gradient (2,) and Hessian (2, 2), in the
    coordinates log d and (shift along the boundary)/d."""

    place: Array
    distance: Array
    value: Array
    gradient: Array
    hessian: Array


def _climbed(
    W: Float[Array, "N N"],
    region: AbstractRegion,
    noise: Array,
    steps: Array,
    reach: Array,
    place: Array,
    distance: Array,
) -> _Point:
    """Returns the `_Point` of a local maximum, by Newton's method in a trust region of at most that reach."""

    def step(_, state):
        point, trial, radius = state
        to = _at(W, region, noise, *trial)
        finite = jnp.all(jnp.isfinite(to.hessian)) & jnp.all(jnp.isfinite(to.gradient))
        better = (to.value > point.value) & finite
        point = jax.tree.map(lambda new, old: jnp.where(better, new, old), to, point)
        radius = jnp.where(better, jnp.minimum(2 * radius, reach), radius / 4)
        move = _uphill(point.hessian, point.gradient)
        length = jnp.linalg.norm(move)
        move = move * jnp.minimum(1, radius / jnp.where(length == 0, 1, length))
        shift = move[1] * point.distance / region.frame(point.place, point.distance).pace
        return point, (point.place + shift, point.distance * jnp.exp(move[0])), radius

    nothing = jnp.zeros(2, W.dtype), jnp.zeros((2, 2), W.dtype)
    start = _Point(place, distance, jnp.full((), -jnp.inf, W.dtype), *nothing)
    return jax.lax.fori_loop(0, steps, step, (start, (place, distance), reach / 8))[0]


def _uphill(hessian: Float[Array, "2 2"], gradient: Float[Array, " 2"]) -> Float[Array, " 2"]:
    """Returns Newton's step towards a maximum, |H|⁻¹ g, where |H| has the sizes of H's eigenvalues, 1e-6 at least."""
    a, b, c = hessian[0, 0], hessian[0, 1], hessian[1, 1]
    middle, half = (a + c) / 2, (a - c) / 2
    radius = jnp.hypot(half, b)
    high, low = (1 / jnp.maximum(jnp.abs(middle + sign * radius), 1e-6) for sign in (1, -1))
    # a function f of H is (f(high) + f(low))/2 + (f(high) − f(low))/2 · R, with R the reflection (H − middle)/radius
    reflected = half * gradient * jnp.array([1, -1], gradient.dtype) + b * gradient[::-1]
    return (high + low) / 2 * gradient + (high - low) / 2 * reflected / jnp.where(radius == 0, 1, radius)


def _at(W: Array, region: AbstractRegion, noise: Array, place: Array, distance: Array) -> _Point:
    """Returns the `_Point` at a place and distance. Everything is divided by d, so that no square leaves the float range.

    σ_min is an eigenvalue of the Hermitian [[0, M], [Mᴴ, 0]], M = z − W, whose other eigenvalues are the singular values and
    their negatives. Second-order perturbation theory gives its derivatives (Kato, "Perturbation Theory", II.6).
    """
    frame = region.frame(place, distance)
    z = region.point(place, distance)
    U, sigmas, Vh = jnp.linalg.svd(z * jnp.eye(W.shape[0], dtype=z.dtype) - W)
    sigma, u, v = sigmas[-1], U[:, -1], Vh[-1].conj()
    directions = frame.outward * jnp.array([1, 1j], z.dtype)
    first = jnp.real(directions * jnp.vdot(u, v))
    towards, back = jnp.outer(directions, U.conj().T @ v), jnp.outer(directions.conj(), Vh @ u)
    second = jnp.zeros((2, 2), W.dtype)
    for sign in (1, -1):
        gap = sigma - sign * sigmas
        weight = jnp.where(gap == 0, 0, distance / jnp.where(gap == 0, 1, gap))
        coupling = (towards + sign * back) / 2
        second += 2 * jnp.real((coupling.conj() * weight[None]) @ coupling.T)
    share = distance / (sigma + noise)
    slope, bend = -share * first, frame.curvature * distance
    first_place, last_place, crossed = (
        jnp.array(E, W.dtype) for E in ([[1, 0], [0, 0]], [[0, 0], [0, 1]], [[0, 1], [1, 0]])
    )
    turning = slope[0] * (first_place - bend * last_place) + bend * slope[1] * crossed
    gradient = slope + jnp.array([1, 0], W.dtype)
    hessian = share**2 * jnp.outer(first, first) - share * second + turning
    return _Point(place, distance, jnp.log(share), gradient, hessian)
