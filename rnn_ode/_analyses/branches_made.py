"""The `Branch` of a curve that was followed: verdicts, and normal forms of its bifurcations."""

import jax
import jax.numpy as jnp
import numpy as np

from .._base.checks import from_host
from .._base.verdict import Verdict
from .branches_curve import Curve
from .branches_kernels import on_kink
from .branches_orbits import OrbitCurve, OrbitPoint
from .branches_points import Point
from .branches_result import Bifurcation, Branch
from .branches_walk import Followed, Found
from .normal_forms import Forms, NormalForm, normal_form
from .orbits_clock import rate_of
from .orbits_return import MakeReturn, across, return_derivatives

_SAME = 1e-3  # the largest difference of a critical multiplier and that of the return map


def as_branch(curve: Curve, followed: Followed) -> Branch:
    """Returns the branch with all that is told of its points."""
    points, kind = followed.points, np.result_type(curve.dtype, np.complex64)
    states, periods = curve.shown(points)
    parameters = np.array([point.z[-1] for point in points])
    verdicts = [_verdict_at(curve, point) for point in points]

    def bifurcation(found: Found) -> Bifurcation:
        form = _normal_form(curve, found, points, parameters, periods)
        return Bifurcation(found.kind, float(parameters[found.index]), states[found.index], *form)

    return Branch(
        parameters=parameters,
        points=states,
        residuals=np.array([point.residual for point in points], curve.dtype),
        eigenvalues=np.stack([curve.eigenvalues(point) for point in points]).astype(kind),
        verdicts=jax.tree.map(lambda *leaves: from_host(np.stack(leaves)), *verdicts),
        bifurcations=[bifurcation(found) for found in followed.found],
        indices=[found.index for found in followed.found],
        critical=np.array([found.critical for found in followed.found], kind),
        closed=followed.closed,
        result=followed.result,
        interval=curve.ends,
        periods=periods,
    )


def _normal_form(
    curve: Curve, found: Found, points: list[Point], parameters: np.ndarray, periods: np.ndarray | None
) -> NormalForm:
    kind, point = found.kind.split(":")[0], points[found.index]
    if isinstance(curve, OrbitCurve):
        form = _of_flow(curve, kind, found.critical, point)
        if kind == "fold":  # on which side of a fold there are orbits is seen on the branch
            side = parameters[max(found.index - 1, 0)] - parameters[found.index]
            form = form._replace(criticality="two orbits above" if side > 0 else "two orbits below")
        return form
    units = curve.units(point.z)
    by_p = curve.look(point.z, units).extended[:, -1].astype(float) / units[-1]
    forms = Forms(curve.make_system, point.z, point.jacobian)
    if curve.born_at(point):  # the coefficient is that of the shorter orbit, on its own branch
        return NormalForm(float("nan"), "")
    form = normal_form(kind, found.critical, forms, by_p, curve.small, curve.eps, not curve.system.time.own_step)
    orbits = periods is not None
    return form._replace(criticality=form.criticality.replace("points", "orbits")) if orbits else form


def _of_flow(curve: OrbitCurve, kind: str, critical: complex, point: Point) -> NormalForm:
    """Returns the normal form of the return map of a flow's orbit, at the first state of the orbit."""
    if curve.born_at(point):
        return NormalForm(float("nan"), "")
    S, (period, p) = curve.states(point.z), point.z[-2:]
    assert isinstance(point, OrbitPoint)
    rate = np.asarray(rate_of(curve.make_system(jnp.asarray(p)), jnp.asarray(S[-1]), jnp.zeros((), curve.dtype)))
    plane = across(rate, curve.clock > 0).astype(curve.dtype)
    rows = (jnp.asarray(row, curve.dtype) for row in (S[-1], plane, period, point.widths))
    make_return = MakeReturn(curve.make_system, *rows, curve.clock)  # pyright: ignore
    J, by_p = (np.asarray(row, float) for row in return_derivatives(make_return, jnp.asarray(p)))
    values = np.linalg.eigvals(J) if np.all(np.isfinite(J)) else np.array([np.inf])
    if not np.min(np.abs(values - critical)) <= _SAME:
        return NormalForm(float("nan"), "undecided: the flow is too stiff for the derivatives of its return map")
    z = np.append(np.zeros(len(J)), p).astype(curve.dtype)
    form = normal_form(kind, critical, Forms(make_return, z, J), by_p, curve.small, curve.eps, False)
    return form._replace(criticality=form.criticality.replace("points", "orbits"))


def _verdict_at(curve: Curve, point: Point) -> Verdict:
    J = from_host(np.where(np.isfinite(point.jacobian), point.jacobian, 0).astype(curve.dtype))
    kink = jnp.asarray(False) if isinstance(curve, OrbitCurve) else on_kink(curve.make_system, from_host(point.z))
    return curve.system.time.judged(J, kink)[1]
