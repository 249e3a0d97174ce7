"""What a state has settled on: a fixed point, an orbit, a quasiperiodic or a chaotic set; and whether neighbours return.

A run from the state is sampled in two windows. If the second one stays within reach of the first one, the motion recurs. The
*reach* is measured: twice the distance within which 95 % of the second half of a window have a neighbour in the first half,
and at least the tolerance. (Datseris & Wagemakers, Chaos 32, 2022, count visits of the cells of a grid. Distances need no
grid, whose cells would be too many beyond a few coordinates, and no border of cells divides an attractor.)

The Lyapunov exponents tell the sets apart. A set is an attractor only if neighbours return to it. Of fixed points and of
orbits of maps the eigenvalues say this. Otherwise states are put beside the set, and carried on.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy import ndarray

from .._base.compiled import compiled
from .._systems.base import AbstractSystem
from .basins_runs import carried, distances
from .fixed_points import fixed_points
from .lyapunov import lyapunov
from .steps import Step

WINDOW = 1024  # samples of a window
SAMPLES = 16  # of a run, by which it is compared with an attractor
SHARE = 0.8  # of the samples that must be within reach
_ROUGHEST = 0.05  # the largest distance, in sizes of the set, at which states still count as recurring
_PART = 0.05  # of the squared range: the mean square distance of two states of an orbit is more
_NEIGHBOURS = 8
_EXPONENTS = 3
_SMALLEST = 1e-3  # the unit of a coordinate, relative to the largest one


class Attractor(NamedTuple):
    """An attractor that `basins` found.

    **Fields:**

    - `kind`: "point", "orbit", "quasiperiodic" or "chaotic".
    - `points`: (m, N), flat states on it: the fixed point, every point of an orbit of a map, or else samples.
    - `period`: in time; of a map a whole number of steps, of a flow an estimate from recurrences. NaN for other kinds, and
      where no recurrence shows it.
    - `exponents`: (k,), the largest Lyapunov exponents, at most three, in nats per unit time. Of a fixed point and of an
      orbit of a map, all N of them, by the eigenvalues.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> logistic = ro.Map(lambda x, h: 3.2 * h * (1 - h))
    >>> (found,) = ro.basins(logistic, jnp.array([[0.1], [0.2], [0.9]])).attractors
    >>> found.kind, found.period, [round(float(h), 4) for h in found.points[:, 0]]
    ('orbit', 2.0, [0.513, 0.7995])

    ```
    """

    kind: str
    points: ndarray
    period: float
    exponents: ndarray


class Settled(NamedTuple):
    """What a state has settled on: the set, whether neighbours return to it, and states on it (m, N). A state within `reach`
    of one of these, with coordinates in these `units`, is on the set. To single points it must also come closer."""

    attractor: Attractor
    attracts: bool
    cloud: ndarray
    reach: float
    units: ndarray
    closing: bool


def settled_on(
    system: AbstractSystem, h: ndarray, parts: Any, gap: int, tolerance: float, units: ndarray
) -> Settled | None:
    """Returns what a state has settled on; `None` if its motion does not recur yet."""
    rows = carried(system, h[None], parts, 0, gap, 2 * WINDOW)[:, 0]
    if not np.all(np.isfinite(rows)):
        return None
    first, second = rows[:WINDOW], rows[WINDOW:]
    if np.max(np.ptp(second, axis=0) / units) < tolerance:
        point = _point(system, second, parts, tolerance, units)
        if point is not None:
            return point
    extent = np.ptp(rows, axis=0)
    if np.max(extent / units) <= 4 * np.finfo(h.dtype).eps ** 0.5:
        return None
    own = np.maximum(extent, _SMALLEST * np.max(extent)).astype(h.dtype)
    if system.time.own_step and gap == 1 and (period := _steps_of(second, own, tolerance)):
        return _orbit_of_map(system, second[-period:], tolerance, own)
    return _recurring(system, first, second, parts, gap, tolerance, own)


def _point(system: AbstractSystem, rows: ndarray, parts: Any, tolerance: float, units: ndarray) -> Settled | None:
    """Returns the fixed point that the rows stay near, if there is one."""
    found = fixed_points(system, rows[-1:])
    point = np.asarray(found.points)[0]
    moved = np.linalg.norm((point - rows[[0, -1]]) / units, axis=1)
    still = 4 * np.finfo(rows.dtype).eps ** 0.5
    if not found.converged[0] or moved[1] > 2 * tolerance or moved[1] > max(moved[0] / 2, still):
        return None
    exponents = np.asarray(system.time.growth(found.eigenvalues[0]))
    zero = 0.0
    if found.on_kink[0]:  # its eigenvalues are a convention: what a run measures there
        exponents, zeros = _exponents_on(system, rows[0], parts, 1)
        zero = float(zeros[0])
    attracts = bool(found.verdict_names[0] != "GROWS" and not (found.on_kink[0] and exponents[0] > zero))
    return Settled(Attractor("point", point[None], np.nan, exponents), attracts, point[None], tolerance, units, True)


def _steps_of(rows: ndarray, units: ndarray, tolerance: float) -> int:
    """Returns the period of rows of a map, 0 for none: after every multiple of it a state returns to within a tenth of the
    tolerance."""
    scaled, near = rows / units, tolerance / 10
    back = np.linalg.norm(scaled[-1] - scaled[:-1], axis=1)[::-1]  # after 1, 2, … steps
    for period in np.flatnonzero(back[: len(rows) // 2] <= near) + 1:
        start = scaled[-period:]
        turns = len(rows) // period
        again = scaled[len(rows) - turns * period :].reshape(turns, period, -1)
        if np.max(np.linalg.norm(again - start[None], axis=2)) <= near:
            return int(period)
    return 0


def _orbit_of_map(system: AbstractSystem, rows: ndarray, tolerance: float, units: ndarray) -> Settled:
    """Returns the orbit of a map with these points, from its least state on."""
    rows = np.roll(rows, -np.lexsort(rows.T[::-1])[0], axis=0)
    product = np.eye(rows.shape[1])
    for J in np.asarray(_jacobians(system, jnp.asarray(rows))):
        product = J.astype(float) @ product
    period = len(rows) * float(system.stepper().length)
    with np.errstate(divide="ignore"):
        exponents = np.sort(np.log(np.abs(np.linalg.eigvals(product))) / period)[::-1]
    attractor = Attractor("orbit", rows, period, exponents.astype(rows.dtype))
    return Settled(attractor, bool(exponents[0] <= 0), rows, tolerance, units, True)


@compiled
def _jacobians(system: AbstractSystem, rows: Any) -> Any:
    return jax.lax.map(system.jacobian, rows)


def _recurring(
    system: AbstractSystem, first: ndarray, second: ndarray, parts: Any, gap: int, tolerance: float, units: ndarray
) -> Settled | None:
    """Returns the set that two windows of a run lie on, if they show the same set."""
    half = WINDOW // 2
    spread = np.quantile(_apart(first[half:], first[:half], units), 0.95)
    reach = float(max(2 * spread, tolerance))
    if spread > _ROUGHEST or np.mean(_apart(second, first, units) <= reach) < 0.9:
        return None
    exponents, zero = _exponents_on(system, second[-1], parts, gap)
    kind = _kind(exponents, zero, system.time.own_step)
    if kind == "quasiperiodic" and len(exponents) == 2 and not system.time.own_step:
        kind = "orbit"  # a plane has no room for a torus of a flow: this is one orbit of a continuum
    if not kind:
        return None
    points, period = first, np.nan
    if kind == "orbit" and not system.time.own_step:
        points, period = _turn_of(system, second[-1], parts, gap, units) or (first, np.nan)
    attracts = _attracts(system, first, second[-1], parts, gap, reach, units)
    return Settled(Attractor(kind, points, period, exponents), attracts, first, reach, units, False)


def _apart(rows: ndarray, points: ndarray, units: ndarray) -> ndarray:
    """Returns the distance of each row from the nearest of the points."""
    return distances(rows[:, None], points, units)[:, 0]


def _exponents_on(system: AbstractSystem, h: ndarray, parts: Any, gap: int) -> tuple[ndarray, ndarray]:
    """Returns the largest Lyapunov exponents along the run from a state, and how large each may be if it is zero."""
    length = float(Step(None, parts).stepper(system, None).length)
    duration, count = 4 * WINDOW * gap * length, min(_EXPONENTS, len(h))
    step = None if system.time.own_step else length
    run = lyapunov(system, jnp.asarray(h), duration, count=count, step=step)
    return np.asarray(run.exponents), np.maximum(4 * np.asarray(run.stderr), 4 / duration)


def _kind(exponents: ndarray, zero: ndarray, steps: bool) -> str:
    """Returns the kind of a set that is no point; "" where the exponents are not those of one. Along an orbit of a flow one
    exponent is zero, on a torus two are. A map has one less."""
    if not np.all(np.isfinite(exponents[:1])):
        return ""
    if exponents[0] > zero[0]:
        return "chaotic"
    neutral = int(np.sum(np.abs(exponents) <= zero)) + steps
    return {0: "", 1: "orbit"}.get(neutral, "quasiperiodic")


def _turn_of(system: AbstractSystem, h: ndarray, parts: Any, gap: int, units: ndarray) -> tuple[ndarray, float] | None:
    """Returns the states of a flow along one turn of an orbit, and its period; `None` where no recurrence shows it."""
    length = float(Step(None, parts).stepper(system, None).length)
    for every in (4**k for k in range(8) if 4**k <= 16 * gap):
        rows = carried(system, h[None], parts, 0, every, 2 * WINDOW)[:, 0]
        if period := _samples_of(rows / units):
            return rows[: round(period)], period * every * length
    return None


def _samples_of(rows: ndarray) -> float:
    """Returns the period of rows (m, N) of a flow, in samples; 0 for none. Their ranges are about 1. The mean square of
    h(t + k) − h(t) is nearly a parabola in k about a period. It is refined on multiples of the period."""
    half = len(rows) // 2
    missed = np.array([np.mean(np.sum((rows[k : k + half] - rows[:half]) ** 2, axis=1)) for k in range(half + 1)])
    # half way between two samples the state has come back to within less than a step
    dips = (missed[1:-1] < missed[:-2]) & (missed[1:-1] <= missed[2:]) & (missed[1:-1] < missed[1])
    if not np.any(dips) or np.max(missed) < _PART:  # less than a turn
        return 0.0
    period = _lowest(missed, int(np.argmax(dips)) + 1)
    turns = 2
    while turns * period < half - 2:
        near = round(turns * period)
        near += int(np.argmin(missed[near - 1 : near + 2])) - 1
        period, turns = _lowest(missed, near) / turns, 2 * turns
    return period


def _lowest(values: ndarray, k: int) -> float:
    """Returns the place of the minimum of the parabola through three values about the k-th."""
    before, at, after = values[k - 1 : k + 2]
    bend = before - 2 * at + after
    return k + float(np.clip((before - after) / (2 * bend), -0.5, 0.5)) if bend > 0 else float(k)


def _attracts(
    system: AbstractSystem, points: ndarray, h: ndarray, parts: Any, gap: int, reach: float, units: ndarray
) -> bool:
    """Returns whether states half a reach beside a set return to it, or at least stay near."""
    beside = np.random.default_rng(0).standard_normal((_NEIGHBOURS, len(h)))
    beside *= reach / 2 / np.linalg.norm(beside, axis=1, keepdims=True)
    neighbours = (h + beside * units).astype(h.dtype)
    samples = carried(system, neighbours, parts, WINDOW * gap, max(1, WINDOW * gap // SAMPLES), SAMPLES)
    near = distances(samples, points, units) <= 1.5 * reach
    return bool(np.all(np.mean(near, axis=0) >= SHARE))
