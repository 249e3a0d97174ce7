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

from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int

from .._base.verdict import Verdict
from ._balance import frobenius
from ._norms import inverse_norm, spectral_norm
from ._regions import Reading

_DRIFT = 16  # units of u ‖B‖_F
_SCATTER = 4  # units of u ‖B‖₂
_LOOKED_AT = 16  # the most eigenvalues near which a curve is examined
_SEEDS = 24  # the number of other points
_GOLDEN_ANGLE = 2.39996322972865332

Exponent = Callable[[Array], Array]


@eqx.filter_jit
def judge(
    B: Float[Array, "N N"],
    multipliers: Complex[Array, " N"],
    condition: Float[Array, " N"],
    readings: tuple[Reading, ...],
) -> tuple[Verdict, ...]:
    """Return the verdict of each linear system with exponents g(λ), given a balanced matrix B, its computed eigenvalues λ and
    their condition numbers (all from `modes`)."""
    rounding = Rounding.of(B)
    starts = jnp.concatenate([multipliers, _sunflower(jnp.mean(multipliers), frobenius(B))])
    seen = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(_Seen.by(reading, starts, len(B)) for reading in readings))
    crossings = jax.vmap(partial(_Crossings.of, starts, rounding, condition))(seen)
    poles = [[0 if reading.pole is None else reading.pole] for reading in readings]
    points = jnp.concatenate([crossings.points, jnp.array(poles, crossings.points.dtype)], axis=1)
    eye, accurate = jnp.eye(B.shape[0], dtype=points.dtype), jnp.finfo(B.dtype).eps ** -0.5

    def hit(z):
        drift = rounding.drift / jnp.min(jnp.abs(z - multipliers))
        # rounding may halve the bound, and makes the conditions themselves wrong where they are large
        clear = (jnp.max(condition) < accurate) & (
            rounding.scatter * inverse_bound(z, multipliers, condition) + drift < 0.5
        )
        norm = jax.lax.cond(clear, lambda: jnp.zeros_like(drift), lambda: inverse_norm(z * eye - B))
        return ~(rounding.scatter * norm + drift < 1)

    hits = jax.lax.map(hit, points.ravel()).reshape(points.shape)
    at_pole = hits[:, -1] & jnp.array([reading.pole is not None for reading in readings])
    verdicts = jax.vmap(_Crossings.verdict)(crossings, hits[:, :-1], at_pole)
    return tuple(jax.tree.map(itemgetter(i), verdicts) for i in range(len(readings)))  # pyright: ignore


def inverse_bound(z: Complex[Array, ""], eigenvalues: Complex[Array, " N"], condition: Float[Array, " N"]) -> Array:
    """Return an upper bound of ‖(z − B)⁻¹‖, in any norm that is 1 for the product of two unit vectors. The inverse is the sum
    of xᵢ yᵢᴴ/(z − λᵢ), and ‖xᵢ‖ ‖yᵢ‖ is the condition of λᵢ."""
    return jnp.sum(condition / jnp.abs(z - eigenvalues))


@jax.jit
def eigenvalue_reach(
    B: Float[Array, "N N"], condition: Float[Array, " N"], eigenvalues: Complex[Array, " N"]
) -> Float[Array, " N"]:
    """Return how far each true eigenvalue of a balanced matrix B may be from the computed one, given the computed eigenvalues
    and their condition numbers (both from `modes`).

    To first order this is drift + scatter · condition. A cluster of m eigenvalues may be one defective eigenvalue, for which
    first order says nothing. It moves by at most ‖B‖ (scatter/‖B‖)^(1/m), by which a Jordan block of size m moves
    (Wilkinson, "The Algebraic Eigenvalue Problem", ch. 2).
    """
    return reach(jnp, Rounding.of(B), jnp.finfo(B.dtype).eps, condition, eigenvalues)


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

    drift: Float[Array, ""]
    scatter: Float[Array, ""]
    size: Float[Array, ""]

    @classmethod
    def of(cls, B: Float[Array, "N N"]) -> "Rounding":
        return cls.from_norms(jnp.finfo(B.dtype).eps, frobenius(B), spectral_norm(B))

    @classmethod
    def from_norms(cls, eps: Any, frobenius: Any, spectral: Any) -> "Rounding":
        return cls(_DRIFT * eps * frobenius, _SCATTER * eps * spectral, spectral)


class _Seen(NamedTuple):
    """What a reading g says: `growth` Re g of the multipliers, their `distance` from each of the curves Re g = level to first
    order, and whether g `overflows` at one; and the points of each curve that a search from each of S starts found, the
    first of them at the multipliers, with the distance by which the search missed the curve."""

    growth: Float[Array, " N"]
    distance: Float[Array, "L N"]
    overflows: Bool[Array, ""]
    levels: Float[Array, " L"]
    curves: Complex[Array, "L S"]
    missed: Float[Array, "L S"]

    @classmethod
    def by(cls, reading: Reading, starts: Complex[Array, " S"], n: int) -> "_Seen":
        mu, slope = _with_slope(reading.exponent, starts[:n])
        growth = mu.real
        # level 0 is better near a pole, where g is steep; the other one where many eigenvalues lie near the boundary
        levels = jnp.stack([jnp.zeros_like(growth[0]), _middle_of_largest_gap(growth)])
        curves = jax.vmap(lambda level: reading.contour(starts, level))(levels)
        value, curve_slope = _with_slope(reading.exponent, curves)
        return cls(
            growth,
            jnp.abs(growth[None] - levels[:, None]) / jnp.abs(slope)[None],
            jnp.any(~(growth < jnp.inf) | ~jnp.isfinite(mu.imag)),
            levels,
            curves,
            jnp.abs(value.real - levels[:, None]) / jnp.abs(curve_slope),
        )


class _Crossings(eqx.Module):
    """Where rounding may move eigenvalues across the curves Re g = level."""

    seen: _Seen
    points: Complex[Array, " P"]
    """Points on the curves, level by level. Rounding may or may not put an eigenvalue on each."""
    found: Bool[Array, "L K"]
    beyond: Bool[Array, "L K"]
    persists: Bool[Array, ""]

    @classmethod
    def of(
        cls, starts: Complex[Array, " S"], rounding: Rounding, condition: Float[Array, " N"], seen: _Seen
    ) -> "_Crossings":
        n = len(condition)
        multipliers, boundary = starts[:n], seen.curves[0, :n]
        reach = rounding.drift + rounding.scatter * condition
        found = seen.missed <= 1e-3 * jnp.abs(seen.curves - starts[None]) + rounding.drift + rounding.scatter
        beyond = jnp.concatenate([seen.distance > reach[None], jnp.ones((len(seen.levels), _SEEDS), bool)], axis=1)
        chosen = jax.vmap(partial(_chosen, starts, n))(seen.curves)
        points, chosen_found, chosen_beyond = (
            jnp.take_along_axis(each, chosen, axis=1) for each in (seen.curves, found, beyond)
        )
        on_boundary = found[0, :n] & (jnp.abs(multipliers - boundary) <= 10 * reach)
        well_conditioned = condition <= _condition_limit(multipliers, reach)
        persists = jnp.any(on_boundary) & jnp.all(jnp.where(on_boundary, well_conditioned, seen.growth < 0))
        return cls(seen, points.ravel(), chosen_found, chosen_beyond, persists)

    def verdict(self, hit: Bool[Array, " P"], at_pole: Bool[Array, ""]) -> Verdict:
        """Return the verdict, given at which of the points rounding may put an eigenvalue, and whether at the pole of g."""
        growth = self.seen.growth
        clear = jnp.all(jnp.where(self.found, ~hit.reshape(self.found.shape), self.beyond), axis=1)
        grows = jnp.any(clear & (jnp.max(growth) > self.seen.levels))
        decays = clear[0] & jnp.all(growth < 0)
        verdict = Verdict.where(self.persists, Verdict.PERSISTS, Verdict.UNDETERMINED)
        verdict = Verdict.where(decays, Verdict.DECAYS, verdict)
        verdict = Verdict.where(grows, Verdict.GROWS, verdict)
        return Verdict.where(at_pole | self.seen.overflows, Verdict.UNDETERMINED, verdict)


def _condition_limit(multipliers: Complex[Array, " N"], reach: Float[Array, " N"]) -> Float[Array, " N"]:
    """Return the condition up to which each eigenvalue on the boundary is taken for semisimple.

    Rounding E splits a Jordan block with c above its diagonal into a pair of condition κ = √(c/‖E‖)/2, a distance c/κ
    apart, which is of the order of their reach, κ ‖E‖. So the limit of an eigenvalue without a neighbour within ten times its
    reach is where first order ends. With a neighbour it follows from the smallest block that can be told from rounding,
    c = u^0.7, a heuristic.
    """
    eps, n = jnp.finfo(reach.dtype).eps, len(multipliers)
    gaps = jnp.abs(multipliers[:, None] - multipliers[None, :])
    alone = jnp.min(jnp.where(jnp.eye(n, dtype=bool), jnp.inf, gaps), axis=1) > 10 * reach
    return jnp.where(alone, 0.1 / eps**0.5, eps**-0.15)


def _middle_of_largest_gap(growth: Float[Array, " N"]) -> Float[Array, ""]:
    """Return the level above zero that separates the fastest modes from the rest as widely as possible."""
    ladder = jnp.sort(jnp.concatenate([jnp.zeros(1, growth.dtype), jnp.maximum(growth, 0)]))
    i = jnp.argmax(jnp.diff(ladder))
    return ladder[i] / 2 + ladder[i + 1] / 2


def _chosen(starts: Complex[Array, " S"], n: int, curve: Complex[Array, " S"]) -> Int[Array, " K"]:
    """Return which points (K,) of a curve to examine: those of the search from all seeds, and from the eigenvalues nearest to
    the curve. The first n starts are the eigenvalues."""
    # B is real, so one of two conjugates is enough
    offset = jnp.where(starts.imag < 0, jnp.inf, jnp.abs(curve - starts))[:n]
    return jnp.concatenate([jnp.arange(n, len(starts)), jnp.argsort(offset)[:_LOOKED_AT]])


def _with_slope(exponent: Exponent, z: Complex[Array, "..."]) -> tuple[Complex[Array, "..."], Complex[Array, "..."]]:
    """Return g(z) and g'(z)."""
    return jax.jvp(exponent, (z,), (jnp.ones_like(z),))


def _sunflower(centre: Complex[Array, ""], radius: Float[Array, ""]) -> Complex[Array, " P"]:
    """Return points that are spread evenly over a disc."""
    k = np.arange(1, _SEEDS + 1)
    return centre + radius * jnp.asarray(np.sqrt(k / _SEEDS) * np.exp(1j * _GOLDEN_ANGLE * k), centre.dtype)
