"""What eigenvalues allow to be said of the long run, and when they allow nothing.

A linear system with multipliers λ of its step and exponents μ = g(λ) decays where every Re μ < 0 and grows where some
Re μ > 0. Computed eigenvalues are exact for a matrix W + E with ‖E‖ ≤ ε = (4 + √N) u ‖W‖_F (u the unit roundoff; the
backward error of the QR algorithm). Eigenvalues move continuously with the matrix, so the number of them beyond a curve
Re g = s is that of the computed ones if no such E puts one on the curve, that is, if the smallest singular value of
z − W exceeds ε for every z on it (Trefethen & Embree, "Spectra and Pseudospectra", 2005, theorem 2.1). Then

- DECAYS: nothing computed lies at Re g ≥ 0, and the curve Re g = 0 is clear;
- GROWS: something computed lies beyond Re g = s, and that curve is clear, for an s ≥ 0;
- PERSISTS: neither, and to first order (Wilkinson: condition × ε) what may lie on Re g = 0 is well conditioned there, or at
  least alone;
- UNDETERMINED: anything else, and a pole of g that is an eigenvalue of W to within ε.

The curve is looked at next to the eigenvalues that come nearest to it, and at other points spread over the size of W.
This is a sample: a curve that is touched in between and nowhere near a computed eigenvalue would pass for clear.
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float

from ._linalg import inverse_norm

_LOOKED_AT = 16  # eigenvalues, at most
_SEEDS = 24  # other points
_GOLDEN_ANGLE = 2.39996322972865332


class Verdict(eqx.Enumeration):
    """What a linear system does in the long run. `Verdict[item]` is the text, which begins with the name.

    ```python
    >>> import rnn_ode as ro
    >>> print(ro.Verdict[ro.spectrum([[0.5]]).discrete])
    DECAYS: every solution shrinks to zero.

    ```
    """

    DECAYS = "DECAYS: every solution shrinks to zero."
    PERSISTS = "PERSISTS: neither grows nor decays, to within rounding; the boundary eigenvalues are well conditioned."
    GROWS = "GROWS: almost every solution grows without bound."
    UNDETERMINED = (
        "UNDETERMINED: the eigenvalues cannot say. They lie within rounding of the boundary and are ill conditioned or "
        "defective there, or the method has a pole at one of them."
    )


def verdict_name(verdict: Verdict) -> str:
    """The name of a concrete verdict: "DECAYS", "PERSISTS", "GROWS" or "UNDETERMINED".

    ```python
    >>> import rnn_ode as ro
    >>> ro.verdict_name(ro.spectrum([[0.5]]).discrete)
    'DECAYS'

    ```
    """
    return Verdict[verdict].split(":")[0]


def float64_hint(dtype) -> str:
    """What to try where rounding leaves a question open: float64, unless `dtype` has as many digits already. Empty then."""
    if jnp.finfo(dtype).eps <= jnp.finfo(jnp.float64).eps:
        return ""
    return "float64 may decide it: jax.config.update('jax_enable_x64', True) before the first array is made."


def backward_error(W: Float[Array, "N N"]) -> Float[Array, ""]:
    """A bound ε of ‖E‖ for the matrix W + E whose eigenvalues the computed ones are."""
    return (4 + W.shape[0] ** 0.5) * jnp.finfo(W.dtype).eps * _size(W)


def eigenvalue_reach(W: Float[Array, "N N"], condition: Float[Array, " N"]) -> Float[Array, " N"]:
    """How far, to first order, the true eigenvalues of W may be from the computed ones of those conditions; at most √u ‖W‖,
    which is where first order ends."""
    return jnp.minimum(backward_error(W) * condition, jnp.finfo(W.dtype).eps ** 0.5 * _size(W))


def _size(W) -> Float[Array, ""]:
    """Frobenius norm, scaled so that squares neither overflow nor vanish."""
    largest = jnp.max(jnp.abs(W))
    return largest * jnp.linalg.norm(W / jnp.where(largest == 0, 1, largest))


class Reading(NamedTuple):
    """A way of reading the multipliers: `exponent` is g, `contour(λ, s)` a point near λ where Re g = s, `pole` where g is
    infinite, if anywhere."""

    exponent: Callable[[Array], Array]
    contour: Callable[[Array, Array], Array]
    pole: float | None = None


@eqx.filter_jit
def judge(
    W: Float[Array, "N N"],
    multipliers: Complex[Array, " N"],
    condition: Float[Array, " N"],
    readings: tuple[Reading, ...],
) -> tuple[Verdict, ...]:
    """The verdict of each linear system with exponents g(λ), for the computed eigenvalues λ of W and their conditions."""
    crossings = [_Crossings.of(W, multipliers, condition, reading) for reading in readings]
    points = jnp.stack([crossing.points for crossing in crossings])
    eye = jnp.eye(W.shape[0], dtype=points.dtype)
    resolvents = jax.lax.map(lambda z: inverse_norm(z * eye - W), points.ravel()).reshape(points.shape)
    hits = ~(resolvents * backward_error(W) < 1)
    return tuple(crossing.verdict(hit) for crossing, hit in zip(crossings, hits, strict=True))


class _Crossings(eqx.Module):
    """Where perturbations of size ε might carry eigenvalues of W across the curves Re g = level, or onto the pole."""

    growth: Float[Array, " N"]
    levels: Float[Array, " L"]
    points: Complex[Array, " P"]
    """Points on the curves, level by level, and then the pole: to be asked whether they are eigenvalues within ε."""
    found: Bool[Array, "L K"]
    beyond: Bool[Array, "L K"]
    persists: Bool[Array, ""]
    overflow: Bool[Array, ""]
    has_pole: bool = eqx.field(static=True)

    @classmethod
    def of(cls, W, multipliers, condition, reading: Reading) -> "_Crossings":
        n = W.shape[0]
        reach = condition * backward_error(W)
        mu = reading.exponent(multipliers)
        growth = mu.real
        # the lower level is the better one near a pole, where g is steep, the upper one over a crowd at the boundary
        levels = jnp.stack([jnp.zeros_like(growth[0]), _middle_of_largest_gap(growth)])
        starts = jnp.concatenate([multipliers, _sunflower(jnp.mean(multipliers), _size(W))])
        curves = jax.vmap(lambda level: reading.contour(starts, level))(levels)
        select = jax.vmap(lambda *line: _select(reading.exponent, starts, reach, backward_error(W), *line))
        points, found, beyond = select(levels, curves)
        boundary = curves[0, :n]
        reached = _on_curve(reading.exponent, boundary, multipliers, levels[0], backward_error(W))
        on_boundary = reached & (jnp.abs(multipliers - boundary) <= 10 * reach)
        well_conditioned = condition <= _condition_limit(W, multipliers, reach)
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
        """What follows, given which of the points are eigenvalues of W to within ε."""
        clear = jnp.all(jnp.where(self.found, ~hit[:-1].reshape(self.found.shape), self.beyond), axis=1)
        grows = jnp.any(clear & (jnp.max(self.growth) > self.levels))
        decays = clear[0] & jnp.all(self.growth < 0)
        at_pole = hit[-1] & self.has_pole
        verdict = Verdict.where(self.persists, Verdict.PERSISTS, Verdict.UNDETERMINED)
        verdict = Verdict.where(decays, Verdict.DECAYS, verdict)
        verdict = Verdict.where(grows, Verdict.GROWS, verdict)
        return Verdict.where(at_pole | self.overflow, Verdict.UNDETERMINED, verdict)


def _condition_limit(W, multipliers, reach) -> Float[Array, " N"]:
    """Up to which condition an eigenvalue on the boundary may pass for semisimple.

    Rounding E splits a Jordan block with c above its diagonal into a pair of condition κ = √(c/‖E‖)/2, a distance c/κ
    apart, which is of the order of their reach, κ ε. So one that is alone within ten times its reach is limited by where
    first order ends, and one with company by the smallest block to be told from rounding: u^0.7, a heuristic.
    """
    eps, n = jnp.finfo(W.dtype).eps, len(multipliers)
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
    reach = jnp.concatenate([reach, jnp.full(_SEEDS, -1, reach.dtype)])
    # W is real, so that one of two conjugates speaks for both
    offset = jnp.where(starts.imag < 0, jnp.inf, jnp.abs(curve - starts)).at[n:].set(-1)
    chosen = jnp.argsort(offset)[: _SEEDS + _LOOKED_AT]
    found = _on_curve(exponent, curve, starts, level, error)
    beyond = _distance(exponent, starts, level) > reach
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
