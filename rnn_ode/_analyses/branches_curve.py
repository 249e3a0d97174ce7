"""The curve that `continue_branch` follows: its points, steps along it, and the units of lengths on it."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from numpy import ndarray

from .._base.checks import from_host
from .._base.results import RESULTS
from .._base.verdict import float64_hint
from .._systems.base import AbstractSystem
from .branches_kernels import Local, branch_point, correct, look
from .branches_points import Point, point_at

_STRAIGHT = 0.98  # the least cosine between the tangents of a step, and between chord and tangents

_INFINITY = 1e6  # times the state's size

_SMALLER = 64.0  # a coordinate that is this many times smaller than the state gets its own unit

_UNTRACEABLE = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


class Curve:
    """The fixed points (h, p) of the systems that `make_system(p)` returns, of which `system` is one.

    Lengths on the curve have units, which grow with the states met so far. `located` is the accuracy of a bifurcation's
    place, `near` the distance below which two points count as one, `shortest` the shortest step, and `crease` the longest
    step that may turn a corner.
    """

    def __init__(self, make_system, system: AbstractSystem, ends: tuple[float, float], dtype: Any):
        self.make_system, self.system, self.ends, self.dtype = make_system, system, ends, dtype
        self.width = abs(ends[1] - ends[0])
        self.eps = eps = float(np.finfo(dtype).eps)
        self.located, self.near, self.shortest, self.crease = eps**0.75, eps**0.4, eps**0.5, eps**0.3
        self.small = 1.0  # a state smaller than this counts as of this size
        self.sizes: Any = 0.0  # (N,) of each coordinate so far
        self.largest = 0.0  # entry of a Jacobian so far
        self.slack = 16 * eps * (1 + max(map(abs, ends)) / self.width)

    def units(self, z: ndarray) -> ndarray:
        """Returns the units (N + 1,) of lengths at z: the norm of the state, and less for a coordinate that is always far
        smaller."""
        whole = max(self.small, length_of(z[:-1]))
        sizes = np.maximum(self.sizes, np.abs(z[:-1]))
        each = np.where(sizes == 0, whole, np.clip(_SMALLER * sizes, self.shortest * whole, whole))
        return np.append(each, self.width).astype(self.dtype)

    def look(self, z: ndarray, units: ndarray) -> Local:
        """Returns the system at a state."""
        return jax.device_get(look(self.make_system, from_host(np.asarray(z, self.dtype)), from_host(units)))

    def correct(self, guess: ndarray, direction: ndarray, units: ndarray, kernel: Any = correct) -> Point:
        """Returns the point that `kernel` finds near `guess`: by default that of the curve in the plane through `guess`
        across `direction`."""
        local = kernel(self.make_system, guess.astype(self.dtype), direction.astype(self.dtype), units)
        return self.point(jax.device_get(local), direction, units)

    def point(self, local: Local, direction: ndarray, units: ndarray) -> Point:
        """Returns a point with its tangent, eigenvalues and tests."""
        self.largest = np.fmax(self.largest, np.max(np.abs(local.jacobian)))
        return point_at(self.system, local, direction, units, lambda z: self.look(z, units).jacobian)

    def start(self, h: ndarray) -> Point:
        """Returns the point of the branch at p0, found from h, and sets the size of states."""
        guess, along = np.append(h, self.ends[0]), np.append(np.zeros(len(h)), self.ends[1] - self.ends[0])
        try:
            natural = self.natural_size(guess)
        except _UNTRACEABLE as error:
            raise TypeError(
                "make_system(p) must be traceable in p: no float(p), int(p), numpy functions or if on p, which is traced "
                f"where it is compiled. ({str(error).splitlines()[0]})"
            ) from None
        sizes = self.guessed_sizes(guess)
        least = 0.0
        # where large terms cancel, a state is known only to within their rounding errors
        for coarser in (1.0, 8.0, 64.0, 512.0):
            self.small = max(self.state_size(length_of(sizes), natural), least)
            point = self.correct(guess, along, self.units(np.append(coarser * sizes, 0)))
            if point.converged:
                break
            least = 8 * coarser * length_of(sizes)
        if not np.isfinite(point.residual):
            raise ValueError(
                f"start must be a state at which the system is defined; at p0 = {self.ends[0]:g} its residual there is not "
                "finite. A field of Exact or Backward does not exist where a multiplier of the local step is zero or "
                "negative; Forward(order) and Tustin() need neither."
            )
        if not point.converged:
            raise ValueError(
                f"start must be near a fixed point at p0 = {self.ends[0]:g}; Newton's method finds none from it (largest "
                f"entry of the residual there: {point.residual:.3g}). rnn_ode.fixed_points(make_system(p0), guesses) finds "
                f"them. {float64_hint(self.dtype)}".strip()
            )
        change = point.tangent[:-1] / max(abs(point.tangent[-1]), self.near) * self.width
        self.small = max(self.state_size(max(length_of(point.z[:-1]), length_of(change)), natural), least)
        self.sizes = np.maximum(np.abs(point.z[:-1]), np.abs(change))
        return self.correct(point.z, along, self.units(point.z))

    def guessed_sizes(self, z: ndarray) -> ndarray:
        """Returns the size expected of each coordinate (N,): that of the guess z, or that of Newton's first step where the
        guess is 0."""
        here = self.look(z, np.ones_like(z, self.dtype))
        try:
            step = np.linalg.solve(here.extended[:, :-1].astype(float), here.residual.astype(float))
        except np.linalg.LinAlgError:
            step = np.zeros(len(z) - 1)
        return np.where((z[:-1] == 0) & np.isfinite(step), np.abs(step), np.abs(z[:-1]))

    def natural_size(self, z: ndarray) -> float:
        """Returns the system's own unit of states, to within a factor of 4: the distance from z over which some row of the
        Jacobian changes by a quarter. A row that is 0 or on a kink changes at once. It counts when it has changed the
        residual by a quarter of what p changes it over the interval. The unit is infinite if neither happens."""
        units, away = np.ones_like(z, self.dtype), np.random.default_rng(0).standard_normal(len(z))
        away[-1] = 0
        away /= length_of(away)
        here = self.look(z, units)
        J = here.jacobian.astype(float)
        quarter, by_p = 0.25 * np.linalg.norm(J, axis=1), 0.25 * np.abs(here.extended[:, -1]) * self.width
        at_once = None
        for distance in 4.0 ** np.arange(-30, 31):
            if distance < self.shortest * length_of(z[:-1]):
                continue
            there = self.look(z + distance * away, units).jacobian.astype(float)
            change = np.linalg.norm(there - J, axis=1)
            at_once = change > quarter if at_once is None else at_once
            changed = np.where(at_once, (by_p > 0) & (change * distance > by_p), change > quarter)
            if np.any(changed) or not np.all(np.isfinite(there)):
                return float(distance)
        return np.inf

    def state_size(self, at_hand: float, natural: float) -> float:
        """Returns the unit of states: the size at hand, or the system's own size if that is smaller or if the size at hand is
        0 to within half the digits. It is 1 if neither is known."""
        if at_hand > self.shortest * natural or (natural == np.inf and at_hand > 0):
            return min(at_hand, natural)
        return natural if natural < np.inf else 1.0

    def between(self, a: Point, b: Point) -> Point | None:
        """Returns a point of the curve half way between two, near the cubic through both; `None` if there is none."""
        units = self.units(a.z)
        chord = b.z - a.z
        length = length_of(chord / units)
        ta, tb = (length * unit_vector(point.tangent, units) for point in (a, b))
        middle = self.correct((a.z + b.z) / 2 + (ta - tb) / 8, unit_vector(1.5 * chord - (ta + tb) / 4, units), units)
        halves = [length_of((middle.z - end.z) / units) for end in (a, b)]
        return middle if middle.converged and max(halves) < 0.85 * length else None

    def step(self, a: Point, length: float) -> tuple[Point | None, float]:
        """Returns the point a step further, if it is surely on the same curve, and how straight the step was."""
        units = self.units(a.z)
        direction = unit_vector(a.tangent, units)
        b = self.correct(a.z + length * direction, direction, units)
        chord = (b.z - a.z) / units
        u, v = direction / units, unit_vector(b.tangent, units) / units
        straight = min(u @ v, (u + v) @ chord / (length_of(u + v) * max(length_of(chord), 1e-30)))
        # a step that is short enough may turn a corner, as that of a relu
        bend = _STRAIGHT if length > self.crease else 0.05
        return b if b.converged and b.iterations <= 10 and straight >= bend else None, float(straight)

    def turn(self, a: Point) -> Point | None:
        """Returns the point after a corner at which the branch turns back, as at a kink of relu: a step along the tangent
        just beyond the corner, in the sense that keeps the sign of the bordered determinant (Allgower & Georg, ch. 12)."""
        units = self.units(a.z)
        ahead = self.look(a.z + 4 * self.shortest * unit_vector(a.tangent, units), units)
        beyond = self.point(ahead, a.tangent, units)
        side = np.sign(a.tests[1])
        direction = unit_vector(beyond.tangent, units) * np.sign(beyond.tests[1]) * side
        b = self.correct(a.z + 4 * self.shortest * direction, direction, units)
        on_course = b.converged and (b.z - a.z) @ (direction / units**2) > 0 and np.sign(b.tests[1]) == side
        return b if on_course else None

    def refined(self, at: Point) -> Point:
        """Returns a branch point more exactly than by the plane across the curve."""
        units = self.units(at.z)
        better = self.correct(at.z, at.tangent, units, branch_point)
        return better if better.converged and self.distance(at, better) < 10 * self.near else at

    def end(self, at: Point) -> Point:
        """Returns the point at which the branch leaves the interval, exactly at its end unless that is a fold."""
        units = self.units(at.z)
        guess = at.z.copy()
        guess[-1] = min(self.ends, key=lambda p: abs(p - at.z[-1]))
        direction = np.append(np.zeros(len(guess) - 1), np.sign(at.tangent[-1]) * self.width)
        exact = self.correct(guess, direction, units)
        return exact if exact.converged and self.distance(at, exact) < 10 * self.near else at

    def settled(self, a: Point) -> Point:
        """Returns the point from which a step is made: a itself, or, of an orbit, the same one on a better mesh."""
        return a

    def note(self, b: Point) -> None:
        """Takes notice of a new point."""
        self.sizes = np.maximum(self.sizes, np.abs(b.z[:-1]))

    def runs_off(self, home: Point, b: Point) -> Any:
        """Returns the reason to stop at a point that is too far away, or `None`."""
        far = _INFINITY * max(self.small, length_of(home.z[:-1]))
        return RESULTS.branch_diverged if length_of(b.z[:-1]) > far else None

    def lost(self, a: Point) -> Any:
        """Returns why there may be no point after this one."""
        return RESULTS.branch_lost

    def closing(self, home: Point, b: Point) -> Point:
        """Returns the last point of a closed branch, of which b is just beyond the start."""
        return home

    def born_at(self, at: Point) -> dict[str, complex]:
        """Returns the bifurcation at which a branch of orbits is born and ends, with the eigenvalue that crosses there. It is
        empty elsewhere."""
        return {}

    def returns(self, home: Point, a: Point, b: Point) -> bool:
        """Returns whether the step from a to b passes the start again, in its direction."""
        units = self.units(home.z)
        u = unit_vector(home.tangent, units) / units
        x, y = (a.z - home.z) / units, (b.z - home.z) / units
        if not (u @ x < 0 <= u @ y and u @ (unit_vector(a.tangent, units) / units) > 0.9):
            return False
        nearest = x + (y - x) * (u @ x) / (u @ x - u @ y)
        return length_of(nearest) < 0.1 * length_of(y - x)

    def distance(self, a: Point, b: Point) -> float:
        """Returns the distance of two points in the units at a."""
        return length_of((b.z - a.z) / self.units(a.z))

    def eigenvalues(self, point: Point) -> ndarray:
        """Returns the eigenvalues (N,) of a point, fastest growing first."""
        return point.spectrum.values

    def shown(self, points: Sequence[Point]) -> tuple[ndarray, ndarray | None]:
        """Returns the states (k, …) of points, and their periods (k,) if they are orbits."""
        return np.stack([point.z[:-1] for point in points]), None

    def outside(self, point: Point) -> bool:
        """Returns whether p has left the interval."""
        p0, p1 = self.ends
        return not -self.slack <= (point.z[-1] - p0) / (p1 - p0) <= 1 + self.slack


def length_of(v: ndarray) -> float:
    """Returns the 2-norm, computed in float64: the squares of small float32 numbers would be 0."""
    return float(np.linalg.norm(v.astype(float)))


def unit_vector(v: ndarray, units: ndarray) -> ndarray:
    """Returns a vector of that direction with length one in those units."""
    return v / max(length_of(v / units), 1e-30)
