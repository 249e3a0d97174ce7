"""What the computed eigenvalues of a matrix say of the long run, and when rounding leaves that open.

A linear system with multipliers λ of its step and exponents μ = g(λ) decays where every Re μ < 0 and grows where some
Re μ > 0. Everything here is computed for the balanced matrix B = D⁻¹ W D (`_balance`), which has the eigenvalues of W.

**Rounding.** The QR algorithm returns the eigenvalues of a matrix near B. Its error has two parts. A *drift* moves every
eigenvalue by up to 16 u ‖B‖_F, whatever its condition, because the many reflections change lengths a little and so scale B as
a whole. A *scatter*, a perturbation E with ‖E‖ ≤ 4 u ‖B‖₂, moves an eigenvalue by up to its condition times that (u is the
spacing of floating-point numbers at 1). The two numbers are measured, not proven. Of 30 kinds of matrices with N = 2 to 128
(Gaussian, symmetric, orthogonal, stochastic, sparse, triangular in a rotated basis, …), in float32 against float64, no
eigenvalue moved by more than 10 u ‖B‖_F + 1.03 u ‖B‖₂ · condition, and one of condition 1 by up to 9.4 u ‖B‖_F. The rest is a
margin, which also covers the rounding of the inverses below.

**Counting.** Eigenvalues are continuous functions of the matrix. So as many true as computed eigenvalues lie beyond a curve
Re g = s, if no perturbation of this size puts an eigenvalue on the curve. E alone puts no eigenvalue on the curve if the
smallest singular value of z − B exceeds ‖E‖ for every z on it (Trefethen & Embree, "Spectra and Pseudospectra", 2005, theorem
2.1). A point z is called clear where scatter · ‖(z − B)⁻¹‖ + drift/|z − λ| < 1 with the nearest computed λ; near a λ without
neighbours this means |z − λ| > drift + scatter · condition. Then the verdict is

- DECAYS: no computed eigenvalue lies at Re g ≥ 0, and the curve Re g = 0 is clear;
- GROWS: a computed eigenvalue lies beyond Re g = s, and that curve is clear, for some s ≥ 0;
- PERSISTS: neither, and every eigenvalue that to first order (Wilkinson: drift + scatter · condition) may lie on Re g = 0 is
  well conditioned, or at least has no neighbour;
- UNDETERMINED: otherwise, and where a pole of g is not clear.

The curve is examined near the eigenvalues that are nearest to it, and at other points spread over the size of B. This is a
sample: a perturbation that reaches the curve between these points, far from every computed eigenvalue, is not noticed.
"""

from collections.abc import Callable, Iterator
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int

from .._base.checks import from_host, is_concrete
from .._base.types import AnyArray
from .._base.verdict import Verdict, which
from ._balance import frobenius
from ._norms import host_inverse_norm, host_spectral_norm, inverse_norm, spectral_norm
from ._regions import Reading

_DRIFT = 16  # units of u ‖B‖_F
_SCATTER = 4  # units of u ‖B‖₂
_LOOKED_AT = 16  # the most eigenvalues near which a curve is examined
_SEEDS = 24  # the number of other points
_GOLDEN_ANGLE = 2.39996322972865332

Exponent = Callable[[Array], Array]


def judge(
    B: Float[AnyArray, "N N"],
    multipliers: Complex[AnyArray, " N"],
    condition: Float[AnyArray, " N"],
    readings: tuple[Reading, ...],
) -> tuple[Verdict, ...]:
    """Return the verdict of each linear system with exponents g(λ), given a balanced matrix B, its computed eigenvalues λ and
    their condition numbers (all from `modes`). If these are known, all but g is computed in NumPy, with little to compile."""
    if is_concrete(B, multipliers, condition):
        known, multipliers_known, condition_known = (np.asarray(value) for value in (B, multipliers, condition))
        with np.errstate(all="ignore"):
            starts = _starts(known, multipliers_known)
            seen = [_seen(reading, starts, len(B)) for reading in readings]
            if is_concrete(seen):  # no reading depends on something traced
                return tuple(_judge_on_host(known, condition_known, starts, seen, readings))
    return _judge(B, multipliers, condition, readings)


def _starts(B: Float[AnyArray, "N N"], multipliers: Complex[AnyArray, " N"]) -> Complex[AnyArray, " S"]:
    """Return where the searches for a point of a curve start: at the multipliers, and at points spread over the size of B."""
    xp = multipliers.__array_namespace__()
    return xp.concatenate([multipliers, _sunflower(xp.mean(multipliers), frobenius(B))])


def _seen(reading: Reading, starts: np.ndarray, n: int) -> "_Seen":
    """Return `_Seen` of known starts: by a compiled program, unless NumPy can."""
    if reading.with_slope is not None:
        return _Seen.by(reading, starts, n)
    return jax.tree.map(lambda leaf: np.asarray(leaf) if is_concrete(leaf) else leaf, _compiled(reading, starts, n))


def _judge_on_host(
    B: np.ndarray, condition: np.ndarray, starts: np.ndarray, seen: "list[_Seen]", readings: tuple[Reading, ...]
) -> Iterator[Verdict]:
    rounding, multipliers, eye = Rounding.of(B), starts[: len(B)], np.eye(len(B), dtype=starts.dtype)

    def hit(points):
        drift, clear = _first_look(points[:, None], multipliers, condition, rounding)
        norms = np.zeros_like(drift)
        norms[~clear] = [host_inverse_norm(z * eye - B) for z in points[~clear]]
        return ~(rounding.scatter * norms + drift < 1)

    for reading, one in zip(readings, seen, strict=True):
        crossings = _Crossings.of(starts, rounding, condition, one)
        pole = np.array([] if reading.pole is None else [reading.pole], starts.dtype)
        yield crossings.verdict(hit(crossings.points), np.any(hit(pole)))


@eqx.filter_jit
def _judge(
    B: Float[Array, "N N"],
    multipliers: Complex[Array, " N"],
    condition: Float[Array, " N"],
    readings: tuple[Reading, ...],
) -> tuple[Verdict, ...]:
    rounding = Rounding.of(B)
    starts = _starts(B, multipliers)
    seen = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(_Seen.by(reading, starts, len(B)) for reading in readings))
    crossings = jax.vmap(partial(_Crossings.of, starts, rounding, condition))(seen)
    poles = [[0 if reading.pole is None else reading.pole] for reading in readings]
    points = jnp.concatenate([crossings.points, jnp.array(poles, crossings.points.dtype)], axis=1)
    eye = jnp.eye(B.shape[0], dtype=points.dtype)

    def hit(z):
        drift, clear = _first_look(z, multipliers, condition, rounding)
        norm = jax.lax.cond(clear, lambda: jnp.zeros_like(drift), lambda: inverse_norm(z * eye - B))
        return ~(rounding.scatter * norm + drift < 1)

    hits = jax.lax.map(hit, points.ravel()).reshape(points.shape)
    at_pole = hits[:, -1] & jnp.array([reading.pole is not None for reading in readings])
    verdicts = jax.vmap(_Crossings.verdict)(crossings, hits[:, :-1], at_pole)
    return tuple(jax.tree.map(itemgetter(i), verdicts) for i in range(len(readings)))  # pyright: ignore


def _first_look(
    z: Complex[AnyArray, "..."],
    multipliers: Complex[AnyArray, " N"],
    condition: Float[AnyArray, " N"],
    rounding: "Rounding",
) -> tuple[AnyArray, AnyArray]:
    """Return by how much of its distance from z the drift may move the multiplier that is nearest to a point z, and whether
    z is clear by the bound of the inverse alone."""
    xp = condition.__array_namespace__()
    drift = rounding.drift / xp.min(xp.abs(z - multipliers), axis=-1)
    # rounding may halve the bound, and makes the conditions themselves wrong where they are large
    accurate = xp.max(condition) < xp.finfo(condition.dtype).eps ** -0.5
    return drift, accurate & (rounding.scatter * inverse_bound(z, multipliers, condition) + drift < 0.5)


def inverse_bound(
    z: Complex[AnyArray, "..."], eigenvalues: Complex[AnyArray, " N"], condition: Float[AnyArray, " N"]
) -> AnyArray:
    """Return an upper bound of ‖(z − B)⁻¹‖, in any norm that is 1 for the product of two unit vectors. The inverse is the sum
    of xᵢ yᵢᴴ/(z − λᵢ), and ‖xᵢ‖ ‖yᵢ‖ is the condition of λᵢ."""
    xp = condition.__array_namespace__()
    return xp.sum(condition / xp.abs(z - eigenvalues), axis=-1)


def eigenvalue_reach(
    B: Float[AnyArray, "N N"], condition: Float[AnyArray, " N"], eigenvalues: Complex[AnyArray, " N"]
) -> Float[AnyArray, " N"]:
    """Return how far each true eigenvalue of a balanced matrix B may be from the computed one, given the computed eigenvalues
    and their condition numbers (both from `modes`).

    To first order this is drift + scatter · condition. A cluster of m eigenvalues may be one defective eigenvalue, for which
    first order says nothing. It moves by at most ‖B‖ (scatter/‖B‖)^(1/m), by which a Jordan block of size m moves
    (Wilkinson, "The Algebraic Eigenvalue Problem", ch. 2).

    Of known values it is computed in NumPy, with nothing to compile; arrays of NumPy give an array of NumPy.
    """
    given = B, condition, eigenvalues
    if not is_concrete(given):
        return _reach(*given)
    with np.errstate(all="ignore"):
        found = _reach_by(np, *(np.asarray(known) for known in given))
    return found if isinstance(B, np.ndarray) else from_host(found)


def _reach_by(xp: Any, B: Any, condition: Any, eigenvalues: Any) -> Any:
    return reach(xp, Rounding.of(B), xp.finfo(B.dtype).eps, condition, eigenvalues)


_reach = jax.jit(partial(_reach_by, jnp))


def reach(xp: Any, rounding: "Rounding", eps: Any, condition: Any, eigenvalues: Any) -> Any:
    """Return what `eigenvalue_reach` returns, by `xp`: NumPy or its counterpart in JAX."""
    first = rounding.drift + rounding.scatter * condition
    n = eigenvalues.shape[0]
    gaps = xp.abs(eigenvalues[:, None] - eigenvalues[None, :])
    others = xp.where(xp.eye(n, dtype=bool), xp.inf, gaps)
    ill = (condition > eps**-0.15) & ~(xp.min(others, axis=1) > 10 * first)
    # the largest block that the ill-conditioned eigenvalues near by would make
    blocks = _block_reach(rounding, xp.arange(1, n + 1))
    nearest = xp.sort(xp.where(ill[None, :], gaps, xp.inf), axis=1)
    m = xp.max(xp.where(nearest <= 2 * blocks[None, :], xp.arange(1, n + 1)[None, :], 1), axis=1)
    return xp.where(ill & (m > 1), xp.minimum(m * first, rounding.drift + blocks[m - 1]), first)


def _block_reach(rounding: "Rounding", m: Any) -> Any:
    """Return how far the eigenvalues of a Jordan block of size m move."""
    size = rounding.size + (rounding.size == 0)
    return size * (rounding.scatter / size) ** (1 / m)


class Rounding(NamedTuple):
    """What rounding does to the eigenvalues of a balanced matrix B. `drift` moves each of them, whatever its condition.
    `scatter` is the norm of a perturbation, which moves each by its condition times that. `size` is B's spectral norm."""

    drift: Float[AnyArray, ""]
    scatter: Float[AnyArray, ""]
    size: Float[AnyArray, ""]

    @classmethod
    def of(cls, B: Float[AnyArray, "N N"]) -> "Rounding":
        """Return it for a matrix of JAX or NumPy."""
        spectral = host_spectral_norm(B) if isinstance(B, np.ndarray) else spectral_norm(B)
        return cls.from_norms(jnp.finfo(B.dtype).eps, frobenius(B), spectral)

    @classmethod
    def from_norms(cls, eps: Any, frobenius: Any, spectral: Any) -> "Rounding":
        return cls(_DRIFT * eps * frobenius, _SCATTER * eps * spectral, spectral)


class _Seen(NamedTuple):
    """What a reading g says: `growth` Re g of the multipliers, their `distance` from each of the curves Re g = level to first
    order, and whether g `overflows` at one; and the points of each curve that a search from each of S starts found, the
    first of them at the multipliers, with the distance by which the search missed the curve."""

    growth: Float[AnyArray, " N"]
    distance: Float[AnyArray, "L N"]
    overflows: Bool[AnyArray, ""]
    levels: Float[AnyArray, " L"]
    curves: Complex[AnyArray, "L S"]
    missed: Float[AnyArray, "L S"]

    @classmethod
    def by(cls, reading: Reading, starts: Complex[AnyArray, " S"], n: int) -> "_Seen":
        """Return it for starts of JAX, or, if the reading takes them, of NumPy."""
        xp = starts.__array_namespace__()
        with_slope = reading.with_slope if xp is np and reading.with_slope else partial(_with_slope, reading.exponent)
        mu, slope = with_slope(starts[:n])
        growth = mu.real
        # level 0 is better near a pole, where g is steep; the other one where many eigenvalues lie near the boundary
        levels = xp.stack([xp.zeros_like(growth[0]), _middle_of_largest_gap(growth)])
        curves = xp.stack([reading.contour(starts, level) for level in levels])
        value, curve_slope = with_slope(curves)
        return cls(
            growth,
            xp.abs(growth[None] - levels[:, None]) / xp.abs(slope)[None],
            xp.any(~(growth < xp.inf) | ~xp.isfinite(mu.imag)),
            levels,
            curves,
            xp.abs(value.real - levels[:, None]) / xp.abs(curve_slope),
        )


_compiled = eqx.filter_jit(_Seen.by)


class _Crossings(eqx.Module):
    """Where rounding may move eigenvalues across the curves Re g = level."""

    seen: _Seen
    points: Complex[AnyArray, " P"]
    """Points on the curves, level by level. Rounding may or may not put an eigenvalue on each."""
    found: Bool[AnyArray, "L K"]
    beyond: Bool[AnyArray, "L K"]
    persists: Bool[AnyArray, ""]

    @classmethod
    def of(
        cls, starts: Complex[AnyArray, " S"], rounding: Rounding, condition: Float[AnyArray, " N"], seen: _Seen
    ) -> "_Crossings":
        n, xp = len(condition), condition.__array_namespace__()
        multipliers, boundary = starts[:n], seen.curves[0, :n]
        reach = rounding.drift + rounding.scatter * condition
        found = seen.missed <= 1e-3 * xp.abs(seen.curves - starts[None]) + rounding.drift + rounding.scatter
        beyond = xp.concatenate([seen.distance > reach[None], xp.ones((len(seen.levels), _SEEDS), bool)], axis=1)
        chosen = _chosen(starts, n, seen.curves)
        points, chosen_found, chosen_beyond = (
            xp.take_along_axis(each, chosen, axis=1) for each in (seen.curves, found, beyond)
        )
        on_boundary = found[0, :n] & (xp.abs(multipliers - boundary) <= 10 * reach)
        well_conditioned = condition <= _condition_limit(multipliers, reach)
        persists = xp.any(on_boundary) & xp.all(xp.where(on_boundary, well_conditioned, seen.growth < 0))
        return cls(seen, points.ravel(), chosen_found, chosen_beyond, persists)

    def verdict(self, hit: Bool[AnyArray, " P"], at_pole: Bool[AnyArray, ""]) -> Verdict:
        """Return the verdict, given at which of the points rounding may put an eigenvalue, and whether at the pole of g."""
        growth, xp = self.seen.growth, self.seen.growth.__array_namespace__()
        clear = xp.all(xp.where(self.found, ~hit.reshape(self.found.shape), self.beyond), axis=1)
        grows = xp.any(clear & (xp.max(growth) > self.seen.levels))
        decays = clear[0] & xp.all(growth < 0)
        verdict = which(Verdict, self.persists, Verdict.PERSISTS, Verdict.UNDETERMINED)
        verdict = which(Verdict, decays, Verdict.DECAYS, verdict)
        verdict = which(Verdict, grows, Verdict.GROWS, verdict)
        return which(Verdict, at_pole | self.seen.overflows, Verdict.UNDETERMINED, verdict)


def _condition_limit(multipliers: Complex[AnyArray, " N"], reach: Float[AnyArray, " N"]) -> Float[AnyArray, " N"]:
    """Return the condition up to which each eigenvalue on the boundary is taken for semisimple.

    Rounding E splits a Jordan block with c above its diagonal into a pair of condition κ = √(c/‖E‖)/2, a distance c/κ
    apart, which is of the order of their reach, κ ‖E‖. So the limit of an eigenvalue without a neighbour within ten times its
    reach is where first order ends. With a neighbour it follows from the smallest block that can be told from rounding,
    c = u^0.7, a heuristic.
    """
    xp = reach.__array_namespace__()
    eps, n = xp.finfo(reach.dtype).eps, len(multipliers)
    gaps = xp.abs(multipliers[:, None] - multipliers[None, :])
    alone = xp.min(xp.where(xp.eye(n, dtype=bool), xp.inf, gaps), axis=1) > 10 * reach
    return xp.where(alone, 0.1 / eps**0.5, eps**-0.15)


def _middle_of_largest_gap(growth: Float[AnyArray, " N"]) -> Float[AnyArray, ""]:
    """Return the level above zero that separates the fastest modes from the rest as widely as possible."""
    xp = growth.__array_namespace__()
    ladder = xp.sort(xp.concatenate([xp.zeros(1, growth.dtype), xp.maximum(growth, 0)]))
    i = xp.argmax(xp.diff(ladder))
    return ladder[i] / 2 + ladder[i + 1] / 2


def _chosen(starts: Complex[AnyArray, " S"], n: int, curves: Complex[AnyArray, "... S"]) -> Int[AnyArray, "... K"]:
    """Return which points (K,) of each curve to examine: those of the search from all seeds, and from the eigenvalues nearest
    to the curve. The first n starts are the eigenvalues."""
    xp = curves.__array_namespace__()
    each = xp.broadcast_to(starts, curves.shape)
    # B is real, so one of two conjugates is enough
    offset = xp.where(each.imag < 0, xp.inf, xp.abs(curves - each))[..., :n]
    nearest = xp.argsort(offset, axis=-1, stable=True)[..., :_LOOKED_AT]
    seeds = xp.broadcast_to(xp.arange(n, len(starts)), (*nearest.shape[:-1], len(starts) - n))
    return xp.concatenate([seeds, nearest], axis=-1)


def _with_slope(exponent: Exponent, z: Complex[Array, "..."]) -> tuple[Complex[Array, "..."], Complex[Array, "..."]]:
    """Return g(z) and g'(z)."""
    return jax.jvp(exponent, (z,), (jnp.ones_like(z),))


def _sunflower(centre: Complex[AnyArray, ""], radius: Float[AnyArray, ""]) -> Complex[AnyArray, " P"]:
    """Return points that are spread evenly over a disc."""
    k = np.arange(1, _SEEDS + 1)
    xp, points = centre.__array_namespace__(), np.sqrt(k / _SEEDS) * np.exp(1j * _GOLDEN_ANGLE * k)
    return centre + radius * xp.asarray(points, centre.dtype)
