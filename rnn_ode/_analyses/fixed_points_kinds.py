"""The description of one fixed point: its eigenvalues, their uncertainty, a verdict and a kind.

Kinds are named by the *leading* eigenvalue, the one nearest to the boundary of stability (Kuznetsov, "Elements of Applied
Bifurcation Theory", 2.2, with one more kind: a node whose orbits change sides at every step is a flip).

An eigenvalue λ of the Jacobian J at a computed point is uncertain for two reasons. J is rounded: condition × backward error.
And the point has an error e, which moves λ by yᴴ (J(h + e) − J(h)) x to first order, with yᴴ x = 1. If these errors could
change a verdict, it is UNDETERMINED.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int

from .._base.verdict import Verdict
from .._systems.base import AbstractSystem
from .._systems.time import AbstractTime
from ..linalg._solve import inv, solve
from ..linalg._verdict import eigenvalue_reach
from .fixed_points_newton import End, roundoff, value_and_jacobian
from .kinks import jumps


class Kind(eqx.Enumeration):
    """How states near a fixed point move. `Kind[item]` is the text, which begins with the name.

    The leading eigenvalue is the one nearest to the boundary, |λ| = 1 of a map or Re μ = 0 of a flow.

    ```python
    >>> import rnn_ode as ro
    >>> print(ro.Kind[ro.Kind.SADDLE])
    SADDLE: some directions grow and some decay.

    ```
    """

    NODE = "NODE: all directions grow or all decay, and the leading eigenvalue is real (of a map: and positive)."
    FOCUS = "FOCUS: all directions grow or all decay, and the leading eigenvalues are a complex pair: orbits turn."
    FLIP = (
        "FLIP: all directions grow or all decay, and the leading multiplier is negative: orbits change sides each step."
    )
    SADDLE = "SADDLE: some directions grow and some decay."
    CENTRE = "CENTRE: complex pairs lie on the boundary to within rounding, and nothing grows."
    UNDETERMINED = (
        "UNDETERMINED: a real eigenvalue lies on the boundary (a fold, a branch point, a flip, a line of fixed points, a "
        "gate that rounds to 1), the point is on a kink, or the eigenvalues are too ill conditioned to say."
    )
    SLOW = "SLOW: no fixed point, but a local minimum of the speed."
    NONE = "NONE: an empty row."


def described(system: AbstractSystem, size: Float[Array, ""], slow: bool, end: End) -> dict[str, Any]:
    """Returns the fields of one row of `FixedPoints`; `size` is that of a typical state, `slow` whether slow points are asked
    for."""
    h = _differentiable(system, end)

    def at_rest(h):
        return system.jacobian_at_rest(h)

    J = jax.lax.cond(end.fixed, at_rest, lambda h: system.jacobian(h), h) if slow else at_rest(h)
    found = system.time.modes(J)
    eigenvalues, condition = found.values, found.balanced_condition
    right = _turned(jax.lax.stop_gradient(found.vectors))
    left = inv(right)
    moved = jax.lax.cond(end.fixed, lambda: _moved(system, end, left, right), lambda: jnp.zeros_like(condition))
    reach = eigenvalue_reach(found.balanced, condition, eigenvalues) + moved
    boundary = jnp.abs(system.time.region.reading.contour(eigenvalues, jnp.zeros_like(moved[0])) - eigenvalues)
    kink = jumps(at_rest, end.point, end.radius, size)
    verdict = system.time.verdict(J, found)
    unsure = (verdict != Verdict.PERSISTS) & (boundary[0] <= moved[0])
    verdict = Verdict.where(kink | unsure | ~end.fixed, Verdict.UNDETERMINED, verdict)
    leading = jnp.argmin(jnp.where(jnp.isnan(boundary), jnp.inf, boundary))
    kind = _kind(system.time, verdict, eigenvalues, leading, boundary, reach)
    kind = Kind.where(end.fixed, kind, Kind.SLOW)
    stays = boundary <= reach
    return {
        "points": h,
        "residuals": jnp.linalg.norm(system.residual(end.point)),
        "eigenvalues": eigenvalues,
        "right": right,
        "left": jnp.where((condition < 0.1 / roundoff(h) ** 0.5)[:, None], left, jnp.nan),
        "timescales": jnp.where(stays, jnp.inf, -1 / jnp.where(stays, 1, system.time.growth(eigenvalues))),
        "leading": eigenvalues[leading],
        "verdicts": verdict,
        "kinds": kind,
        "converged": end.fixed,
        "on_kink": kink,
    }


def _turned(vectors: Complex[Array, "N N"]) -> Complex[Array, "N N"]:
    """Returns eigenvectors, in columns, with the phase that makes the largest entry of each positive."""
    largest = jnp.take_along_axis(vectors, jnp.argmax(jnp.abs(vectors), axis=0)[None], axis=0)
    return vectors * jnp.conj(largest) / jnp.abs(largest)


def _moved(
    system: AbstractSystem, end: End, left: Complex[Array, "N N"], right: Complex[Array, "N N"]
) -> Float[Array, " N"]:
    """Returns the error of each eigenvalue that the error of the point causes, to first order: the largest
    yᴴ (J(h + e) − J(h − e)) x / 2 over the errors e. Where eigenvectors are too ill conditioned for floats it is at most
    u^−½ of the Jacobian's change."""

    def shift(error):
        ahead, behind = jax.lax.map(system.jacobian_at_rest, jnp.stack([end.point + error, end.point - error]))
        change = (ahead - behind) / 2
        most = jnp.linalg.norm(change) * roundoff(error) ** -0.5
        of_each = jnp.abs(jnp.sum((left @ change.astype(left.dtype)) * right.T, axis=1))
        return jnp.where(of_each <= most, of_each, most)

    return jnp.max(jax.lax.map(shift, end.errors), axis=0)


def blank(end: End) -> dict[str, Any]:
    """Returns the fields of an empty row."""
    nothing, no = jnp.full_like(end.point, jnp.nan), jnp.array(False)
    eigenvalues = nothing.astype(jnp.result_type(nothing.dtype, jnp.complex64))
    vectors = jnp.full((len(nothing), len(nothing)), jnp.nan, eigenvalues.dtype)
    return {
        "points": nothing,
        "residuals": nothing[0],
        "eigenvalues": eigenvalues,
        "right": vectors,
        "left": vectors,
        "timescales": nothing,
        "leading": eigenvalues[0],
        "verdicts": Verdict.where(no, Verdict.DECAYS, Verdict.UNDETERMINED),
        "kinds": Kind.where(no, Kind.NODE, Kind.NONE),
        "converged": no,
        "on_kink": no,
    }


def _differentiable(system: AbstractSystem, end: End) -> Float[Array, " N"]:
    """Returns the point with the derivative of a Newton step at it, which is that of the implicit function theorem."""
    residual, jacobian = value_and_jacobian(system.equation, end.point)
    step = solve(jacobian, residual)
    moves = end.fixed & jnp.all(jnp.isfinite(step))
    return end.point - jnp.where(moves, step - jax.lax.stop_gradient(step), 0)


def _kind(
    time: AbstractTime,
    verdict: Verdict,
    eigenvalues: Complex[Array, " N"],
    leading: Int[Array, ""],
    boundary: Float[Array, " N"],
    reach: Float[Array, " N"],
) -> Kind:
    """Returns the kind of a fixed point with these eigenvalues, fastest growing first. `boundary` is each one's distance
    from the boundary, `reach` its uncertainty, `leading` the number of the one nearest to the boundary."""
    turns, on_boundary = jnp.abs(eigenvalues.imag) > reach, boundary <= 10 * reach
    growing = verdict == Verdict.GROWS
    kind = Kind.where(time.flips(eigenvalues)[leading], Kind.FLIP, Kind.NODE)
    kind = Kind.where(turns[leading], Kind.FOCUS, kind)
    decays = (time.growth(eigenvalues) < 0) & ~on_boundary
    kind = Kind.where(growing & jnp.any(decays), Kind.SADDLE, kind)
    kind = Kind.where(verdict == Verdict.PERSISTS, Kind.CENTRE, kind)
    unclear = (verdict == Verdict.UNDETERMINED) | jnp.any(on_boundary & ~turns)
    return Kind.where(unclear, Kind.UNDETERMINED, kind)
