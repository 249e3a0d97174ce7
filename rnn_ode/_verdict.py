"""What eigenvalues allow to be said of the long run, and when they allow nothing.

A linear system with multipliers λ of its step and exponents μ = g(λ) decays where every Re μ < 0 and grows where some
Re μ > 0. Computed eigenvalues are exact for a matrix W + E with ‖E‖ ≤ ε = (4 + √N) u ‖W‖_F (u the unit roundoff; the backward
error of the QR algorithm). So a computed verdict holds if no such E carries an eigenvalue across the curve Re g = s that
separates the two cases, which is to say if the smallest singular value of z − W exceeds ε on the curve (Trefethen & Embree,
"Spectra and Pseudospectra", 2005, theorem 2.1). It is looked at where the curve passes nearest to each eigenvalue, and
on a ring of other points.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float

from ._linalg import inverse_norm


class Verdict(eqx.Enumeration):
    """What a linear system does in the long run. `Verdict[item]` is the text, which begins with the name.

    ```python
    >>> import rnn_ode as ro
    >>> ro.Verdict[ro.spectrum([[0.0, 1.0], [-1.0, 0.0]]).discrete].split(":")[0]
    'PERSISTS'

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
    """The name of a concrete verdict: "DECAYS", "PERSISTS", "GROWS" or "UNDETERMINED"."""
    return Verdict[verdict].split(":")[0]


def backward_error(W: Float[Array, "N N"]) -> Float[Array, ""]:
    """A bound of ‖E‖ for the matrix W + E whose eigenvalues the computed ones are."""
    return (4 + W.shape[0] ** 0.5) * jnp.finfo(W.dtype).eps * jnp.linalg.norm(W)


def judge(
    W: Float[Array, "N N"],
    multipliers: Complex[Array, " N"],
    condition: Float[Array, " N"],
    exponent: Callable[[Array], Array],
) -> Verdict:
    """The verdict of the linear system with exponents g(λ), for the computed eigenvalues λ of W and their conditions."""
    error = backward_error(W)
    mu, slope = jax.jvp(exponent, (multipliers,), (jnp.ones_like(multipliers),))
    growth = mu.real
    uncertainty = condition * error * jnp.abs(slope)
    at_pole = jnp.any(~jnp.isfinite(mu) | ((jnp.abs(mu) > 1e3) & (jnp.abs(mu) <= uncertainty)))

    levels = jnp.stack([jnp.zeros_like(error), _middle_of_largest_gap(growth)])
    separated = jax.vmap(lambda level: _separated(W, multipliers, exponent, level, error))(levels)
    grows = jnp.any(separated & (jnp.max(growth) > levels))
    decays = separated[0] & jnp.all(growth < 0)

    on_boundary = jnp.abs(growth) <= 10 * uncertainty
    well_conditioned = condition <= 0.1 / jnp.finfo(W.dtype).eps ** 0.5
    persists = jnp.all(jnp.where(on_boundary, well_conditioned, growth < 0))

    verdict = Verdict.where(persists, Verdict.PERSISTS, Verdict.UNDETERMINED)
    verdict = Verdict.where(decays, Verdict.DECAYS, verdict)
    verdict = Verdict.where(grows, Verdict.GROWS, verdict)
    return Verdict.where(at_pole, Verdict.UNDETERMINED, verdict)


def _middle_of_largest_gap(growth: Float[Array, " N"]) -> Float[Array, ""]:
    """A level above zero that separates the fastest modes from the rest as widely as possible."""
    ladder = jnp.sort(jnp.concatenate([jnp.zeros(1, growth.dtype), jnp.maximum(growth, 0)]))
    i = jnp.argmax(jnp.diff(ladder))
    return (ladder[i] + ladder[i + 1]) / 2


def _separated(W, multipliers, exponent, level, error) -> Bool[Array, ""]:
    """Whether no perturbation of size `error` carries an eigenvalue of W across the curve Re g = level."""
    n = W.shape[0]
    centre = jnp.mean(multipliers)
    radius = jnp.maximum(jnp.max(jnp.abs(multipliers - centre)), 1)
    angles = jnp.linspace(0, 2 * jnp.pi, 16, endpoint=False, dtype=W.dtype)
    starts = jnp.concatenate([multipliers, centre + radius * jnp.exp(1j * angles)])

    def newton(_, z):
        value, slope = jax.jvp(exponent, (z,), (jnp.ones_like(z),))
        moved = z - (value.real - level) * slope.conj() / (slope * slope.conj()).real
        return jnp.where(jnp.isfinite(moved), moved, z)

    curve = jax.lax.fori_loop(0, 12, newton, starts)
    eye = jnp.eye(n, dtype=curve.dtype)
    resolvent = jax.vmap(lambda z: inverse_norm(z * eye - W))(curve)
    return jnp.all(resolvent * error < 1)
