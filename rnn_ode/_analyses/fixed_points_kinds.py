"""The description of one fixed point: its eigenvalues, their uncertainty, a verdict and a kind.

Kinds are named by the *leading* eigenvalue, the one nearest to the boundary of stability (Kuznetsov, "Elements of Applied
Bifurcation Theory", 2.2, with one more kind: a node whose orbits change sides at every step is a flip).

An eigenvalue λ of the Jacobian J at a computed point is uncertain for two reasons. J is rounded: condition × backward error.
And the point has an error e, which moves λ by yᴴ (J(h + e) − J(h)) x to first order, with yᴴ x = 1. If these errors could
change a verdict, it is UNDETERMINED.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int

from .._base.compiled import compiled, cond
from .._base.types import AnyArray
from .._base.verdict import Verdict, is_item, which
from .._systems.base import AbstractSystem
from .._systems.time import AbstractTime
from ..linalg._eig import Modes
from ..linalg._solve import host_inv, inv, solve
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


class Measured(NamedTuple):
    """What a system is like at a point where a search ended: the `point` with its derivative, the size of the residual, the
    Jacobian, and whether that jumps there."""

    point: Float[AnyArray, " N"]
    residual: Float[AnyArray, ""]
    jacobian: Float[AnyArray, "N N"]
    on_kink: Bool[AnyArray, ""]


def measured(system: AbstractSystem, size: Float[Array, ""], slow: bool, end: End) -> Measured:
    """Returns what the system is like at an end. `size` is that of a typical state, `slow` whether slow points are asked
    for."""
    h = _differentiable(system, end)

    def at_rest(h):
        return system.jacobian_at_rest(h)

    J = jax.lax.cond(end.fixed, at_rest, lambda h: system.jacobian(h), h) if slow else at_rest(h)
    kink = jumps(at_rest, end.point, end.radius, size)
    return Measured(h, jnp.linalg.norm(system.residual(end.point)), J, kink)


def described(system: AbstractSystem, end: End, at: Measured) -> dict[str, Any]:
    """Returns the fields of one row of `FixedPoints`. Of arrays of NumPy only what evaluates the system is compiled, and the
    rest is NumPy's."""
    changed = cond(end.fixed, lambda end: _changed(system, end), _unchanged, end)
    if isinstance(end.point, np.ndarray):
        changed = np.asarray(changed)
    with np.errstate(all="ignore"):
        return _described(system.time, end, at, system.time.modes(at.jacobian), changed)


def _described(
    time: AbstractTime, end: End, at: Measured, found: Modes, changed: Float[AnyArray, "K N N"]
) -> dict[str, Any]:
    eigenvalues, condition = found.values, found.balanced_condition
    xp = eigenvalues.__array_namespace__()
    right = _turned(found.vectors if xp is np else jax.lax.stop_gradient(found.vectors))
    left = host_inv(right) if xp is np else inv(right)
    moved = _moved(changed, left, right)
    reach = eigenvalue_reach(found.balanced, condition, eigenvalues) + moved
    boundary = xp.abs(time.region.position(eigenvalues, xp)[1])
    verdict = time.verdict(at.jacobian, found)
    unsure = ~is_item(verdict, Verdict.PERSISTS) & (boundary[0] <= moved[0])
    verdict = which(Verdict, at.on_kink | unsure | ~end.fixed, Verdict.UNDETERMINED, verdict)
    leading = xp.argmin(xp.where(xp.isnan(boundary), xp.inf, boundary))
    kind = which(Kind, end.fixed, _kind(time, verdict, eigenvalues, leading, boundary, reach), Kind.SLOW)
    stays = boundary <= reach
    return {
        "points": at.point,
        "residuals": at.residual,
        "eigenvalues": eigenvalues,
        "right": right,
        "left": xp.where((condition < 0.1 / roundoff(at.point) ** 0.5)[:, None], left, xp.nan),
        "timescales": xp.where(stays, xp.inf, -1 / xp.where(stays, 1, time.rate(eigenvalues))),
        "leading": eigenvalues[leading],
        "verdicts": verdict,
        "kinds": kind,
        "converged": end.fixed,
        "on_kink": at.on_kink,
    }


def _turned(vectors: Complex[AnyArray, "N N"]) -> Complex[AnyArray, "N N"]:
    """Returns eigenvectors, in columns, with the phase that makes the largest entry of each positive."""
    xp = vectors.__array_namespace__()
    largest = xp.take_along_axis(vectors, xp.argmax(xp.abs(vectors), axis=0)[None], axis=0)
    return vectors * xp.conj(largest) / xp.abs(largest)


@compiled
def _changed(system: AbstractSystem, end: End) -> Float[Array, "K N N"]:
    """Returns half the change of the Jacobian from h − e to h + e, for each of the errors e that the point may have."""

    def change(error):
        ahead, behind = jax.lax.map(system.jacobian_at_rest, jnp.stack([end.point + error, end.point - error]))
        return (ahead - behind) / 2

    return jax.lax.map(change, end.errors)


def _unchanged(end: End) -> Float[AnyArray, "K N N"]:
    return jnp.zeros((*end.errors.shape, end.point.shape[0]), end.point.dtype)


def _moved(
    changed: Float[AnyArray, "K N N"], left: Complex[AnyArray, "N N"], right: Complex[AnyArray, "N N"]
) -> Float[AnyArray, " N"]:
    """Returns the error of each eigenvalue that the error of the point causes, to first order: the largest
    yᴴ (J(h + e) − J(h − e)) x / 2 over the errors e. Where eigenvectors are too ill conditioned for floats it is at most
    u^−½ of the Jacobian's change."""
    xp = changed.__array_namespace__()
    most = xp.sqrt(xp.sum(changed**2, axis=(1, 2))) * roundoff(changed) ** -0.5
    products = xp.tensordot(left, changed.astype(left.dtype), axes=(1, 1))
    of_each = xp.abs(xp.sum(products * right.T[:, None, :], axis=2))
    return xp.max(xp.where(of_each <= most[None], of_each, most[None]), axis=1)


def blank(end: End) -> dict[str, Any]:
    """Returns the fields of an empty row."""
    xp = end.point.__array_namespace__()
    nothing, no = xp.full_like(end.point, xp.nan), xp.asarray(False)
    eigenvalues = nothing.astype(jnp.result_type(nothing.dtype, jnp.complex64))
    vectors = xp.full((len(nothing), len(nothing)), xp.nan, eigenvalues.dtype)
    return {
        "points": nothing,
        "residuals": nothing[0],
        "eigenvalues": eigenvalues,
        "right": vectors,
        "left": vectors,
        "timescales": nothing,
        "leading": eigenvalues[0],
        "verdicts": Verdict.UNDETERMINED,
        "kinds": Kind.NONE,
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
    eigenvalues: Complex[AnyArray, " N"],
    leading: Int[AnyArray, ""],
    boundary: Float[AnyArray, " N"],
    reach: Float[AnyArray, " N"],
) -> Kind:
    """Returns the kind of a fixed point with these eigenvalues, fastest growing first. `boundary` is each one's distance
    from the boundary, `reach` its uncertainty, `leading` the number of the one nearest to the boundary."""
    turns, on_boundary = abs(eigenvalues.imag) > reach, boundary <= 10 * reach
    growing, xp = is_item(verdict, Verdict.GROWS), eigenvalues.__array_namespace__()
    kind = which(Kind, time.flips(eigenvalues)[leading], Kind.FLIP, Kind.NODE)
    kind = which(Kind, turns[leading], Kind.FOCUS, kind)
    decays = (time.rate(eigenvalues) < 0) & ~on_boundary
    kind = which(Kind, growing & xp.any(decays), Kind.SADDLE, kind)
    kind = which(Kind, is_item(verdict, Verdict.PERSISTS), Kind.CENTRE, kind)
    unclear = is_item(verdict, Verdict.UNDETERMINED) | xp.any(on_boundary & ~turns)
    return which(Kind, unclear, Kind.UNDETERMINED, kind)
