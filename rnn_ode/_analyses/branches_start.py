"""Where a branch of orbits starts."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from .._systems.base import check_system
from .branches_curve import Curve
from .branches_orbits import OrbitCurve
from .branches_points import Point
from .orbits_clock import check_period, is_driven
from .orbits_iterated import IteratedCurve
from .orbits_mesh import first_mesh, interpolated, times_of

_INTERVALS = 32


def is_orbit(start: Any) -> bool:
    """Returns whether a start is an orbit, and not a state."""
    return all(hasattr(start, name) for name in ("points", "times", "period", "converged"))


def orbits_from(make_system: Any, start: Any, ends: tuple[float, float]) -> tuple[Curve, Point]:
    """Returns the curve of the orbits of a map or a flow through an orbit, and its first point."""
    if not bool(np.asarray(start.converged)):
        raise ValueError("start must be an orbit; this search for one did not converge, and start.result says why.")
    points = np.asarray(start.points)
    system = make_system(jnp.asarray(ends[0], points.dtype))
    check_system(f"what make_system returns at p = {ends[0]:g}", system)
    if system.as_point("start", points[0]).shape != points[0].shape:
        raise ValueError("start must be an orbit of the systems that make_system returns.")
    if system.time.own_step:
        curve = IteratedCurve.of(make_system, system, len(points), ends, points.dtype)
        return curve, curve.start(points[0])
    curve = flow_curve(make_system, system, points, float(start.period), ends)
    times = jnp.asarray(start.times) / start.period
    widths = first_mesh(jnp.asarray(points), times, _INTERVALS)
    S = interpolated(jnp.asarray(points), times, times_of(widths))
    return curve, curve.begin(np.asarray(S), float(start.period), np.asarray(widths))


def flow_curve(
    make_system: Any, system: Any, points: np.ndarray, period: float, ends: tuple[float, float]
) -> OrbitCurve:
    """Returns the curve of orbits of a flow, one of which has these points (m, N)."""
    driven = is_driven(system, jnp.asarray(points[0]))
    if driven:
        check_period(system, jnp.asarray(points[0]), period)
    return OrbitCurve(make_system, system, ends, points.dtype, period if driven else 0.0, points.shape[1])
