"""What eigenvalues allow to be said of the long run, and when they allow nothing.

A linear system with multipliers λ of its step and exponents μ = g(λ) decays where every Re μ < 0 and grows where some
Re μ > 0. All of it is asked of the balanced matrix B = D⁻¹ W D (`_balance`), which has the same eigenvalues.

**Rounding.** The QR algorithm returns the eigenvalues of a matrix near B. Its error has two parts. A *drift* moves every
eigenvalue by up to 16 u ‖B‖_F, whatever its condition: the many reflections do not keep lengths exactly, and this scales B
as a whole. A *scatter*, a perturbation E with ‖E‖ ≤ 4 u ‖B‖₂, moves an eigenvalue by up to its condition times that (u is the
spacing of floating-point numbers at 1). The two numbers are measured, not proven. Of 30 kinds of matrices with N = 2 to
128 (Gaussian, symmetric, orthogonal, stochastic, sparse, triangular in a rotated basis, …), in float32 against float64, no
eigenvalue moved by more than 10 u ‖B‖_F + 1.03 u ‖B‖₂ · condition, and by up to 9.4 u ‖B‖_F where its condition is 1. The
rest is a margin, for the inverses below too.

**Counting.** Eigenvalues move continuously with the matrix, so the number of them beyond a curve Re g = s is that of the
computed ones if no such perturbation puts one on the curve. E alone puts none on it where the smallest singular value
of z − B exceeds ‖E‖ for every z on the curve (Trefethen & Embree, "Spectra and Pseudospectra", 2005, theorem 2.1). A point z
is called clear where scatter · ‖(z − B)⁻¹‖ + drift/|z − λ| < 1 with the nearest computed λ; near a λ that is alone this says
|z − λ| > drift + scatter · condition. Then

- DECAYS: nothing computed lies at Re g ≥ 0, and the curve Re g = 0 is clear;
- GROWS: something computed lies beyond Re g = s, and that curve is clear, for an s ≥ 0;
- PERSISTS: neither, and to first order (Wilkinson: drift + scatter · condition) what may lie on Re g = 0 is well conditioned
  there, or at least alone;
- UNDETERMINED: anything else, and a pole of g that is not clear.

The curve is looked at next to the eigenvalues that come nearest to it, and at other points spread over the size of W.
This is a sample: a curve that is touched in between and nowhere near a computed eigenvalue would pass for clear.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float

from .._base.verdict import Verdict
from ._balance import balanced, frobenius
from ._norms import inverse_norm, spectral_norm
from ._regions import Reading

_DRIFT = 16  # units of u ‖B‖_F

_SCATTER = 4  # units of u ‖B‖₂

_LOOKED_AT = 16  # eigenvalues, at most

_SEEDS = 24  # other points

_GOLDEN_ANGLE = 2.39996322972865332


class Rounding(NamedTuple):
    """What rounding does to the eigenvalues of a balanced matrix B, as `reach` sums it up: `drift` moves every eigenvalue,
    whatever its condition; `scatter` is the norm of a perturbation that moves it by as many times its condition."""

    drift: Float[Array, ""]
    scatter: Float[Array, ""]
    size: Float[Array, ""]
    """The spectral norm of B."""

    @classmethod
    def of(cls, B: Float[Array, "N N"]) -> "Rounding":
        return cls.from_norms(jnp.finfo(B.dtype).eps, frobenius(B), spectral_norm(B))

    @classmethod
    def from_norms(cls, eps, frobenius, spectral) -> "Rounding":
        return cls(_DRIFT * eps * frobenius, _SCATTER * eps * spectral, spectral)


def eigenvalue_reach(
    W: Float[Array, "N N"],
    condition: Float[Array, " N"],
    eigenvalues: Complex[Array, " N"],
    B: Float[Array, "N N"] | None = None,
) -> Float[Array, " N"]:
    """How far each true eigenvalue of W may be from the computed one of that condition (both from `modes`). `B` is the
    balanced W, if it is at hand.

    To first order it is drift + scatter · condition. Where first order ends, in a cluster of m eigenvalues that may be one
    defective one, it is at most ‖W‖ (scatter/‖W‖)^(1/m), by which a Jordan block of size m moves (Wilkinson, "The Algebraic
    Eigenvalue Problem", ch. 2).
    """
    rounding = Rounding.of(balanced(W) if B is None else B)
    return reach(jnp, rounding, jnp.finfo(W.dtype).eps, condition, eigenvalues)


def reach(xp, rounding: Rounding, eps, condition, eigenvalues):
    """`eigenvalue_reach`, by NumPy or its counterpart in JAX."""
    first = rounding.drift + rounding.scatter * condition
    n = eigenvalues.shape[0]
    gaps = xp.abs(eigenvalues[:, None] - eigenvalues[None, :])
    others = xp.where(xp.eye(n, dtype=bool), xp.inf, gaps)
    ill = (condition > eps**-0.15) & ~(xp.min(others, axis=1) > 10 * first)
    # the largest block that the ill-conditioned eigenvalues near by would make
    blocks = _block_reach(rounding, xp.arange(1, n + 1))
    nearest = xp.sort(xp.where(ill[None, :], gaps, xp.inf), axis=1)
    m = xp.max(xp.where(nearest <= 2 * blocks[None, :], xp.arange(1, n + 1)[None, :], 1), axis=1)
    return xp.where(ill, xp.minimum(m * first, rounding.drift + blocks[m - 1]), first)


def _block_reach(rounding: Rounding, m):
    """How far the eigenvalues of a Jordan block of size m move."""
    size = rounding.size + (rounding.size == 0)
    return size * (rounding.scatter / size) ** (1 / m)


@eqx.filter_jit
def judge(
    W: Float[Array, "N N"],
    multipliers: Complex[Array, " N"],
    condition: Float[Array, " N"],
    readings: tuple[Reading, ...],
    B: Float[Array, "N N"] | None = None,
) -> tuple[Verdict, ...]:
    """The verdict of each linear system with exponents g(λ), for the computed eigenvalues λ of W and their conditions. `B` is
    the balanced W, if it is at hand."""
    B = balanced(W) if B is None else B
    rounding = Rounding.of(B)
    crossings = [_Crossings.of(B, rounding, multipliers, condition, reading) for reading in readings]
    points = jnp.stack([crossing.points for crossing in crossings])
    eye = jnp.eye(W.shape[0], dtype=points.dtype)

    def clear(z):
        nearest = jnp.min(jnp.abs(z - multipliers))
        return rounding.scatter * inverse_norm(z * eye - B) + rounding.drift / nearest < 1

    hits = ~jax.lax.map(clear, points.ravel()).reshape(points.shape)
    return tuple(crossing.verdict(hit) for crossing, hit in zip(crossings, hits, strict=True))


class _Crossings(eqx.Module):
    """Where rounding might carry eigenvalues of a matrix across the curves Re g = level, or onto the pole."""

    growth: Float[Array, " N"]
    levels: Float[Array, " L"]
    points: Complex[Array, " P"]
    """Points on the curves, level by level, and then the pole: to be asked whether rounding may put an eigenvalue there."""
    found: Bool[Array, "L K"]
    beyond: Bool[Array, "L K"]
    persists: Bool[Array, ""]
    overflow: Bool[Array, ""]
    has_pole: bool = eqx.field(static=True)

    @classmethod
    def of(cls, B, rounding: Rounding, multipliers, condition, reading: Reading) -> "_Crossings":
        n = B.shape[0]
        reach = rounding.drift + rounding.scatter * condition
        error = rounding.drift + rounding.scatter
        mu = reading.exponent(multipliers)
        growth = mu.real
        # the lower level is the better one near a pole, where g is steep, the upper one over a crowd at the boundary
        levels = jnp.stack([jnp.zeros_like(growth[0]), _middle_of_largest_gap(growth)])
        starts = jnp.concatenate([multipliers, _sunflower(jnp.mean(multipliers), frobenius(B))])
        curves = jax.vmap(lambda level: reading.contour(starts, level))(levels)
        select = jax.vmap(lambda *line: _select(reading.exponent, starts, reach, error, *line))
        points, found, beyond = select(levels, curves)
        boundary = curves[0, :n]
        reached = _on_curve(reading.exponent, boundary, multipliers, levels[0], error)
        on_boundary = reached & (jnp.abs(multipliers - boundary) <= 10 * reach)
        well_conditioned = condition <= _condition_limit(multipliers, reach)
        return cls(
            growth,
            levels,
            jnp.append(points, 0 if reading.pole is None else reading.pole),
            found,
            beyond,
            jnp.any(on_boundary) & jnp.all(jnp.where(on_boundary, well_conditioned, growth < 0)),
            jnp.any(~(growth < jnp.inf) | ~jnp.isfinite(mu.imag)),
            reading.pole is not None,
        )

    def verdict(self, hit: Bool[Array, " P"]) -> Verdict:
        """What follows, given at which of the points rounding may put an eigenvalue."""
        clear = jnp.all(jnp.where(self.found, ~hit[:-1].reshape(self.found.shape), self.beyond), axis=1)
        grows = jnp.any(clear & (jnp.max(self.growth) > self.levels))
        decays = clear[0] & jnp.all(self.growth < 0)
        at_pole = hit[-1] & self.has_pole
        verdict = Verdict.where(self.persists, Verdict.PERSISTS, Verdict.UNDETERMINED)
        verdict = Verdict.where(decays, Verdict.DECAYS, verdict)
        verdict = Verdict.where(grows, Verdict.GROWS, verdict)
        return Verdict.where(at_pole | self.overflow, Verdict.UNDETERMINED, verdict)


def _condition_limit(multipliers, reach) -> Float[Array, " N"]:
    """Up to which condition an eigenvalue on the boundary may pass for semisimple.

    Rounding E splits a Jordan block with c above its diagonal into a pair of condition κ = √(c/‖E‖)/2, a distance c/κ
    apart, which is of the order of their reach, κ ‖E‖. So one that is alone within ten times its reach is limited by where
    first order ends, and one with company by the smallest block to be told from rounding: u^0.7, a heuristic.
    """
    eps, n = jnp.finfo(reach.dtype).eps, len(multipliers)
    gaps = jnp.abs(multipliers[:, None] - multipliers[None, :])
    alone = jnp.min(jnp.where(jnp.eye(n, dtype=bool), jnp.inf, gaps), axis=1) > 10 * reach
    return jnp.where(alone, 0.1 / eps**0.5, eps**-0.15)


def _middle_of_largest_gap(growth: Float[Array, " N"]) -> Float[Array, ""]:
    """A level above zero that separates the fastest modes from the rest as widely as possible."""
    ladder = jnp.sort(jnp.concatenate([jnp.zeros(1, growth.dtype), jnp.maximum(growth, 0)]))
    i = jnp.argmax(jnp.diff(ladder))
    return ladder[i] / 2 + ladder[i + 1] / 2


def _select(exponent, starts, reach, error, level, curve):
    """The points (K,) of a curve Re g = level to look at, whether they are on it, and whether the eigenvalue that each
    was found from is beyond the curve to first order, where it was not."""
    n = len(reach)
    # W is real, so that one of two conjugates speaks for both
    offset = jnp.where(starts.imag < 0, jnp.inf, jnp.abs(curve - starts)).at[n:].set(-1)
    chosen = jnp.argsort(offset)[: _SEEDS + _LOOKED_AT]
    found = _on_curve(exponent, curve, starts, level, error)
    beyond = jnp.append(_distance(exponent, starts[:n], level) > reach, jnp.ones(_SEEDS, bool))
    return curve[chosen], found[chosen], beyond[chosen]


def _on_curve(exponent, curve, starts, level, error):
    """Whether points that were looked for on Re g = level, from others, are there."""
    return _distance(exponent, curve, level) <= 1e-3 * jnp.abs(curve - starts) + error


def _distance(exponent, z, level):
    """How far z is from the curve Re g = level, to first order."""
    value, slope = jax.jvp(exponent, (z,), (jnp.ones_like(z),))
    return jnp.abs(value.real - level) / jnp.abs(slope)


def _sunflower(centre, radius):
    """Points spread evenly over a disc, complex."""
    k = jnp.arange(1, _SEEDS + 1, dtype=radius.dtype)
    return centre + radius * jnp.sqrt(k / _SEEDS) * jnp.exp(1j * _GOLDEN_ANGLE * k)
