"""The `Branch` of a curve that was followed: verdicts, and normal forms of its bifurcations."""

import jax
import jax.numpy as jnp
import numpy as np

from .._base.verdict import Verdict
from .branches_curve import Curve
from .branches_kernels import on_kink
from .branches_orbits import OrbitCurve
from .branches_points import Point
from .branches_result import Bifurcation, Branch
from .branches_walk import Followed, Found
from .normal_forms import Forms, NormalForm, normal_form


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
        verdicts=jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *verdicts),
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
        # the derivatives of the return map are not at hand; on which side of a fold there are orbits is seen on the branch
        side = parameters[max(found.index - 1, 0)] - parameters[found.index]
        words = ("two orbits above" if side > 0 else "two orbits below") if kind == "fold" else ""
        return NormalForm(float("nan"), words)
    units = curve.units(point.z)
    by_p = curve.look(point.z, units).extended[:, -1].astype(float) / units[-1]
    forms = Forms(curve.make_system, point.z, point.jacobian)
    if curve.born_at(point):  # the coefficient is that of the shorter orbit, on its own branch
        return NormalForm(float("nan"), "")
    form = normal_form(kind, found.critical, forms, by_p, curve.small, curve.eps, not curve.system.time.own_step)
    orbits = periods is not None
    return form._replace(criticality=form.criticality.replace("points", "orbits")) if orbits else form


def _verdict_at(curve: Curve, point: Point) -> Verdict:
    J = jnp.asarray(np.where(np.isfinite(point.jacobian), point.jacobian, 0))
    kink = jnp.asarray(False) if isinstance(curve, OrbitCurve) else on_kink(curve.make_system, jnp.asarray(point.z))
    return curve.system.time.judged(J.astype(curve.dtype), kink)[1]
