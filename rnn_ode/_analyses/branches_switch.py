"""What is born at a bifurcation: the other arm of a branch point, the doubled orbit of a flip, the orbit of a Hopf point.

At each of these the linear equations of the branch have one solution more than the branch's own direction. A first point is
searched for in the plane at some distance along that solution, and the branch is walked from there (Keller 1977; Kuznetsov,
"Elements of Applied Bifurcation Theory", 10.2).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpy import ndarray

from .._base.checks import as_step, brief, check_callable, check_count
from .._base.results import RESULTS
from .._systems.base import AbstractSystem, check_system
from .branches_circle import circle_from
from .branches_curve import Curve, length_of, unit_vector
from .branches_made import as_branch
from .branches_orbits import OrbitCurve
from .branches_orbits_kernels import Place, expanded, monodromy_of
from .branches_points import Point
from .branches_result import Bifurcation, Branch
from .branches_start import flow_curve
from .branches_walk import Followed, Found, follow
from .orbits_iterated import IteratedCurve
from .orbits_mesh import first_mesh, interpolated, times_of

_DISTANCES = 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001  # of the first point, times the longest step

_ASIDE = 3.0  # times that distance: a point further aside is on the old branch

_ALONG = 0.1  # of the longest step: the most by which p may be aside, since the next bifurcation may be near

_INTERVALS = 32


class Departure(NamedTuple):
    """Where a branch departs: its curve, the point, the direction, and whether it goes to both sides of the point."""

    curve: Curve
    z: ndarray
    direction: ndarray
    both: bool


def switch_branch(
    make_system: Callable[[Array], AbstractSystem],
    branch: Branch,
    bifurcation: Bifurcation,
    *,
    max_step: float = 0.05,
    max_points: int = 2000,
) -> Branch:
    """The branch that is born at a bifurcation, within the interval of the branch on which it was found.

    **Arguments:**

    - `make_system`: the function of p that the branch was made with.
    - `branch`: what `continue_branch` or `switch_branch` returned.
    - `bifurcation`: one of `branch.bifurcations`.
    - `max_step`, `max_points`: as those of `continue_branch`.

    **Returns:** a `Branch`:

    - at a branch point, the other curve through it, from one end to the other. It has the branch point among its own.
    - at a flip of a fixed point or of an orbit, the orbit of twice the period.
    - at a Hopf point, the orbit of the flow.
    - at a Neimark–Sacker point of a map, the start of the invariant circle: circles of the normal form, at a few parameters
      near the point, with `residuals` that say how far their images are from them and `periods` of one turn. No further
      point can be continued, since the map on the circle locks to orbits at some parameters and has none at others. The
      `result` says so.

    A branch of orbits has `points` (k, m, N) and `periods` (k,), and its `eigenvalues` are the multipliers.

    **Raises:** `ValueError` for a bifurcation that is not one of the branch's; for one at which nothing else is born (a fold,
    a border collision, an undecided point, the point at which the branch itself is born); and where no branch departs that
    can be followed, as of the torus of a flow and the circles around an orbit of a map.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> unit = lambda p: ro.Map(lambda x, h: jnp.tanh(p * h))
    >>> branch = ro.continue_branch(unit, jnp.zeros(1), (0.0, -1.6))
    >>> [one.kind for one in branch.bifurcations]
    ['flip']
    >>> doubled = ro.switch_branch(unit, branch, branch.bifurcations[0])
    >>> doubled.points.shape[1:], doubled.verdict_names[-1], round(float(doubled.parameters[-1]), 3)
    ((2, 1), 'DECAYS', -1.6)

    ```
    """
    check_callable("make_system", make_system, "make_system(p)")
    max_step = as_step("max_step", max_step)
    check_count("max_points", max_points, 2)
    index = _index_of(branch, bifurcation)
    system = make_system(jnp.asarray(bifurcation.parameter, branch.points.dtype))
    check_system(f"what make_system returns at p = {bifurcation.parameter:g}", system)
    kind = bifurcation.kind.split(":")[0]
    if kind == "neimark-sacker" and system.time.own_step and branch.periods is None:
        return circle_from(make_system, system, branch, index, bifurcation)
    _check_kind(kind, branch, index, system)
    of_map = system.time.own_step or (branch.periods is None and kind == "branch point")
    departure = (_of_states if of_map else _of_orbits)(make_system, system, branch, index, kind)
    sides = [_first(departure, sign, max_step) for sign in ((1, -1) if departure.both else (1,))]
    homes = [home for home in sides if home is not None]
    if not homes:
        raise ValueError(
            f"no other branch is found at the {kind} at p = {bifurcation.parameter:g}: Newton's method finds no point away "
            "from this branch. Try a smaller max_step."
        )
    runs = [follow(departure.curve, home, max_step, max_points) for home in homes]
    return as_branch(
        departure.curve, _joined(departure, runs, homes, complex(branch.critical[branch.indices.index(index)]))
    )


def _index_of(branch: Branch, bifurcation: Bifurcation) -> int:
    """Returns the place of a bifurcation among the points of its branch."""
    if not (hasattr(branch, "bifurcations") and hasattr(branch, "indices")) or isinstance(branch, type):
        raise TypeError(f"branch must be what continue_branch returned; got {brief(branch)}.")
    if not all(hasattr(bifurcation, field) for field in ("kind", "parameter", "point")):
        raise TypeError(f"bifurcation must be one of branch.bifurcations; got {brief(bifurcation)}.")
    for one, index in zip(branch.bifurcations, branch.indices, strict=True):
        if one is bifurcation or (one[:2] == tuple(bifurcation)[:2] and np.array_equal(one.point, bifurcation.point)):
            return index
    raise ValueError(
        f"bifurcation must be one of branch.bifurcations, of which there are {len(branch.bifurcations)}; "
        f"got {brief(bifurcation)}."
    )


def _check_kind(kind: str, branch: Branch, index: int, system: AbstractSystem) -> None:
    """Raises `ValueError` where nothing is born that can be followed."""
    if kind == "neimark-sacker":
        what = (
            "circles around this orbit of the map" if system.time.own_step else "a torus around this orbit of the flow"
        )
        raise ValueError(
            f"{what} are born at this neimark-sacker point, and no branch of orbits: motion on them does not close except at "
            "resonances. Run the system near the point and look at the states, or at its Lyapunov exponents."
        )
    if kind not in ("branch point", "flip", "hopf"):
        raise ValueError(
            f"nothing but the branch itself passes a point of the kind {kind!r}; there is nothing to switch to."
        )
    if branch.periods is not None and index in (0, len(branch.points) - 1) and kind in ("flip", "hopf"):
        raise ValueError(
            f"this branch of orbits is itself what is born at its {kind} point; there is nothing to switch to."
        )


def _of_states(make_system: Any, system: AbstractSystem, branch: Branch, index: int, kind: str) -> Departure:
    """The departure from fixed points, or from orbits of a map, which are fixed points of an iterate."""
    states = branch.points if branch.periods is None else branch.points[:, 0]
    count = 1 if branch.periods is None else branch.points.shape[1]
    count = 2 * count if kind == "flip" else count
    orbits = branch.periods is not None or kind == "flip"
    curve = (
        IteratedCurve.of(make_system, system, count, branch.interval, states.dtype)
        if orbits
        else Curve(make_system, system, branch.interval, states.dtype)
    )
    z = np.append(states[index], branch.parameters[index])
    curve.sizes = np.max(np.abs(states), axis=0)
    curve.small = curve.state_size(length_of(curve.sizes), curve.natural_size(z))
    units = curve.units(z)
    here = curve.look(z, units)
    if kind == "flip":  # of the iterate the multiplier is (−1)² = 1
        once = IteratedCurve.of(make_system, system, count // 2, branch.interval, states.dtype)
        q = _eigenvector(once.look(z, units).jacobian.astype(float), -1)
        return Departure(curve, z, np.append(np.real(q), 0.0), False)
    near = [np.append(states[k], branch.parameters[k]) for k in _around(branch, index)]
    direction = _other_direction(here.extended.astype(float), (near[1] - near[0]) / units, curve.eps)
    return Departure(curve, z, direction * units, True)


def _eigenvector(J: ndarray, value: Any) -> ndarray:
    """Returns the eigenvector of the eigenvalue nearest to a value."""
    values, right = np.linalg.eig(J)
    return right[:, np.argmin(np.abs(values - value))]


def _around(branch: Branch, index: int) -> tuple[int, int]:
    return max(index - 1, 0), min(index + 1, len(branch.points) - 1)


def _other_direction(A: ndarray, along: ndarray, eps: float) -> ndarray:
    """Returns the direction (n,) of length one in the kernel of A (n − 1, n), which is two-dimensional at a bifurcation,
    across the branch's own direction."""
    scale = np.max(np.abs(A), axis=1, keepdims=True)
    # a row of rounding errors, as of a coordinate that is not coupled to the others, stays small
    scale = np.maximum(scale, eps**0.5 * (np.max(scale) or 1))
    kernel = np.linalg.svd(A / scale)[2][-2:]
    own = kernel @ along
    return np.array([-own[1], own[0]]) @ kernel / max(float(np.linalg.norm(own)), 1e-300)


def _of_orbits(make_system: Any, system: AbstractSystem, branch: Branch, index: int, kind: str) -> Departure:
    """The departure from a Hopf point, or from orbits of a flow."""
    p = float(branch.parameters[index])
    if branch.periods is None:
        return _of_hopf(make_system, system, branch, index)
    points, period = branch.points[index], float(branch.periods[index])
    curve = flow_curve(make_system, system, points, period, branch.interval)
    kept = _orbit_at(curve, points, period, p)
    n, place = curve.size, curve.place
    rows, M = (np.asarray(a, float) for a in monodromy_of(make_system, jnp.asarray(kept.z), place))
    if kind == "branch point":
        k = _around(branch, index)[0] if index else 1
        before = _orbit_at(curve, branch.points[k], float(branch.periods[k]), float(branch.parameters[k]))
        along = np.concatenate([curve.states(before.tangent)[-1], before.tangent[-2:]])
        unit = np.append(np.full(n, curve.units(kept.z)[0]), curve.units(kept.z)[-2:])
        other = _other_direction(rows * unit, along / unit, curve.eps) * unit
        curve.widths = kept.widths
        return Departure(curve, kept.z, _around_orbit(curve, kept.z, other, place), True)
    q = np.real(_eigenvector(M, -1))
    once = _around_orbit(curve, kept.z, np.append(q, [0.0, 0.0]), place)[:-2]
    twice = flow_curve(make_system, system, points, (1 + (curve.clock > 0)) * period, branch.interval)
    twice.small, twice.widths = curve.small, np.concatenate([kept.widths, kept.widths]) / 2
    S = curve.states(kept.z)
    z = np.concatenate([S.ravel(), S.ravel(), [2 * kept.z[-2], p]]).astype(curve.dtype)
    return Departure(twice, z, np.concatenate([once, -once, [0.0, 0.0]]), False)


def _around_orbit(curve: OrbitCurve, z: ndarray, y: ndarray, place: Place) -> ndarray:
    """Returns δz of a condensed direction y = (δx₀, δT, δp)."""
    return np.asarray(expanded(curve.make_system, jnp.asarray(z), jnp.asarray(y, curve.dtype), place), float)


def _orbit_at(curve: OrbitCurve, points: ndarray, period: float, p: float) -> Any:
    """Returns the point of a branch that was stored as states at equal distances in time."""
    times = jnp.arange(len(points), dtype=curve.dtype) / len(points)
    if curve.widths is None:
        curve.set_size(points)
        curve.widths = np.asarray(first_mesh(jnp.asarray(points), times, _INTERVALS))
    S = np.asarray(interpolated(jnp.asarray(points), times, times_of(jnp.asarray(curve.widths)))).ravel()
    z = np.append(S, [period, p]).astype(curve.dtype)
    along = np.zeros(len(z))
    along[-1] = curve.ends[1] - curve.ends[0]
    return curve.settled(curve.correct(z, along, curve.units(z)))


def _of_hopf(make_system: Any, system: AbstractSystem, branch: Branch, index: int) -> Departure:
    """The departure of orbits from a Hopf point: h + Re q exp(iωt), with the eigenvector q of iω."""
    h, p = branch.points[index], float(branch.parameters[index])
    omega = abs(complex(branch.critical[branch.indices.index(index)]).imag)
    J = np.asarray(system.jacobian(jnp.asarray(h)), float)
    q = _eigenvector(J, 1j * omega)
    states = Curve(make_system, system, branch.interval, h.dtype)
    size = states.state_size(length_of(np.max(np.abs(branch.points), axis=0)), states.natural_size(np.append(h, p)))
    curve = OrbitCurve(make_system, system, branch.interval, h.dtype, 0.0, len(h))
    curve.widths, curve.small = np.full(_INTERVALS, 1 / _INTERVALS), 0.25 * size
    turn = np.exp(2j * np.pi * np.asarray(times_of(jnp.asarray(curve.widths))).ravel())
    S, dS = np.tile(h, (len(turn), 1)), np.real(turn[:, None] * q)
    z = np.append(S.ravel(), [2 * np.pi / omega, p]).astype(h.dtype)
    return Departure(curve, z, np.append(dS.ravel(), [0.0, 0.0]), False)


def _first(departure: Departure, sign: int, max_step: float) -> Point | None:
    """Returns a point of the new branch on one side, in the plane at some distance from the bifurcation: the furthest one
    with as many growing directions as the next nearer one, so that the branch begins before its own next bifurcation."""
    curve, z = departure.curve, departure.z
    widths = getattr(curve, "widths", None)
    units = curve.units(z)
    direction = unit_vector(sign * departure.direction, units)
    further = None
    for share in _DISTANCES:
        if widths is not None:
            curve.widths = widths  # pyright: ignore[reportAttributeAccessIssue]
        distance = share * max_step
        guess = z + distance * direction
        found = curve.correct(guess, direction, units)
        aside = (found.z - guess) / units
        if not found.converged or length_of(aside) > _ASIDE * distance or abs(aside[-1]) > _ALONG * max_step:
            continue
        if further is not None and _growing(further) == _growing(found):
            return further
        further = found
    return further


def _growing(point: Point) -> int:
    return int(np.sum(point.spectrum.distance > point.spectrum.reach))


def _joined(departure: Departure, runs: list[Followed], homes: list[Point], critical: complex) -> Followed:
    """Returns one branch of the runs to both sides, from one end to the other, with the branch point between them."""
    if not departure.both or len(runs) < 2 or runs[0].closed:
        return runs[0]
    forth, back = runs
    curve, units = departure.curve, departure.curve.units(departure.z)
    middle = curve.correct(departure.z.astype(curve.dtype), departure.direction, units)
    k = len(back.points)
    points = [*back.points[::-1], middle, *forth.points]
    found = [Found(one.kind, k - 1 - one.index, one.critical) for one in back.found[::-1]]
    found += [Found("branch point", k, critical)]
    found += [Found(one.kind, k + 1 + one.index, one.critical) for one in forth.found]
    partial = [run.result for run in runs if not bool(run.result == RESULTS.successful)]
    return Followed(points, found, False, partial[0] if partial else RESULTS.successful)
