"""The host's part of `continue_branch`: where to look for the next point, and what happened on the way.

Between two points whose tests differ the curve is halved, each time along the cubic through both ends and their tangents,
down to `located`, for every test at once. Whether something happened is decided by the signs that are sure at both ends;
where it happened, by the signs as computed, so that the width of the uncertain stretch does not displace it. A determinant
also changes sign where a step has jumped to another curve: the halves do not shrink then, and the step is taken again,
shorter.
"""

from typing import Any, NamedTuple

import jax
import numpy as np

from .._base.results import RESULTS
from .._base.verdict import float64_hint
from .._systems.base import AbstractSystem
from .branches_kernels import Local, branch_point, correct, look
from .branches_points import Point, Spectrum, describe

_STRAIGHT = 0.98  # the least cosine between the tangents of a step, and between chord and tangents

_SMALLER = 64.0  # how many times smaller than all a coordinate is that gets a unit of its own

_INFINITY = 1e6  # times the state's size

UNDECIDED = "undecided"

_UNTRACEABLE = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


class Found(NamedTuple):
    """A bifurcation of that kind at a point of the branch, and the eigenvalue that crosses there."""

    kind: str
    index: int
    critical: complex


class Followed(NamedTuple):
    """The points of a branch in order, its bifurcations, whether it closed, and how it ended."""

    points: list[Point]
    found: list[Found]
    closed: bool
    result: Any


class _Crossing(NamedTuple):
    """Where tests change, a point just beyond with its tests, which of them change, and which of the eigenvalues jump."""

    at: Point
    after: Point
    tests: np.ndarray
    changed: np.ndarray
    jumped: np.ndarray


class Walk:
    """Follows one branch."""

    def __init__(self, make_system, system: AbstractSystem, ends: tuple[float, float], dtype):
        self.make_system, self.system, self.ends, self.dtype = make_system, system, ends, dtype
        self.width = abs(ends[1] - ends[0])
        self.eps = eps = float(np.finfo(dtype).eps)
        self.located, self.near, self.shortest, self.crease = eps**0.75, eps**0.4, eps**0.5, eps**0.3
        self.undecided = UNDECIDED if eps < 1e-12 else f"{UNDECIDED}: float64 will"
        self.small = 1.0  # the size of a state below which it is no matter how small it is
        self.sizes: Any = 0.0  # (N,) of each coordinate so far
        self.size = 0.0  # of the largest Jacobian so far
        self.signs = np.zeros(0)
        self.slack = 16 * eps * (1 + max(map(abs, ends)) / self.width)

    def units(self, z) -> np.ndarray:
        """The units (N + 1,) of lengths at z: of states their norm, and less for a coordinate that is always far smaller."""
        whole = max(self.small, _length(z[:-1]))
        sizes = np.maximum(self.sizes, np.abs(z[:-1]))
        each = np.where(sizes == 0, whole, np.clip(_SMALLER * sizes, self.shortest * whole, whole))
        return np.append(each, self.width).astype(self.dtype)

    def look(self, z, units) -> Local:
        return jax.device_get(look(self.make_system, z.astype(self.dtype), units))

    def correct(self, guess, direction, units, kernel=correct) -> Point:
        local = kernel(self.make_system, guess.astype(self.dtype), direction.astype(self.dtype), units)
        return self.point(jax.device_get(local), direction, units)

    def point(self, local: Local, direction, units) -> Point:
        self.size = np.fmax(self.size, np.max(np.abs(local.jacobian)))
        return describe(self.system, local, direction, units, lambda z: self.look(z, units).jacobian)

    def start(self, h) -> Point:
        """The point of the branch at p0, found from h, which also sets the size of states."""
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
        for coarser in (1.0, 8.0, 64.0, 512.0):  # a state that large terms cancel in is known no better than they are
            self.small = max(self.state_size(_length(sizes), natural), least)
            point = self.correct(guess, along, self.units(np.append(coarser * sizes, 0)))
            if point.converged:
                break
            least = 8 * coarser * _length(sizes)
        if not point.converged:
            raise ValueError(
                f"start must be near a fixed point at p0 = {self.ends[0]:g}; Newton's method finds none from it (largest "
                f"entry of the residual there: {point.residual:.3g}). rnn_ode.fixed_points(make_system(p0), guesses) finds "
                f"them. {float64_hint(self.dtype)}".strip()
            )
        change = point.tangent[:-1] / max(abs(point.tangent[-1]), self.near) * self.width
        self.small = max(self.state_size(max(_length(point.z[:-1]), _length(change)), natural), least)
        self.sizes = np.maximum(np.abs(point.z[:-1]), np.abs(change))
        return self.correct(point.z, along, self.units(point.z))

    def guessed_sizes(self, z) -> np.ndarray:
        """How large each coordinate (N,) may be, from a guess: where that is 0, by the first step of Newton's method."""
        here = self.look(z, np.ones_like(z, self.dtype))
        try:
            step = np.linalg.solve(here.extended[:, :-1].astype(float), here.residual.astype(float))
        except np.linalg.LinAlgError:
            step = np.zeros(len(z) - 1)
        return np.where((z[:-1] == 0) & np.isfinite(step), np.abs(step), np.abs(z[:-1]))

    def natural_size(self, z) -> float:
        """The system's own unit of states, to within a factor of 4: the distance from z over which some row of the Jacobian
        changes by a quarter. Where it does so at once, being 0 or on a kink: by a quarter of what p does over the interval.
        Infinite where neither happens."""
        units, away = np.ones_like(z, self.dtype), np.random.default_rng(0).standard_normal(len(z))
        away[-1] = 0
        away /= _length(away)
        here = self.look(z, units)
        J = here.jacobian.astype(float)
        quarter, by_p = 0.25 * np.linalg.norm(J, axis=1), 0.25 * np.abs(here.extended[:, -1]) * self.width
        at_once = None
        for distance in 4.0 ** np.arange(-30, 31):
            if distance < self.shortest * _length(z[:-1]):
                continue
            there = self.look(z + distance * away, units).jacobian.astype(float)
            change = np.linalg.norm(there - J, axis=1)
            at_once = change > quarter if at_once is None else at_once
            changed = np.where(at_once, (by_p > 0) & (change * distance > by_p), change > quarter)
            if np.any(changed) or not np.all(np.isfinite(there)):
                return float(distance)
        return np.inf

    def state_size(self, at_hand: float, natural: float) -> float:
        """A size of states as their unit: the one at hand, but the system's own where that is smaller, or where the former
        is 0 to within half the digits. 1 where neither says anything."""
        if at_hand > self.shortest * natural or (natural == np.inf and at_hand > 0):
            return min(at_hand, natural)
        return natural if natural < np.inf else 1.0

    def between(self, a: Point, b: Point) -> Point | None:
        """A point of the curve half way between two, on the cubic through both; `None` where there is none."""
        units = self.units(a.z)
        chord = b.z - a.z
        length = _length(chord / units)
        ta, tb = (length * _unit(point.tangent, units) for point in (a, b))
        middle = self.correct((a.z + b.z) / 2 + (ta - tb) / 8, _unit(1.5 * chord - (ta + tb) / 4, units), units)
        halves = [_length((middle.z - end.z) / units) for end in (a, b)]
        return middle if middle.converged and max(halves) < 0.85 * length else None

    def step(self, a: Point, length: float) -> tuple[Point | None, float]:
        """The point a step further, if it may be trusted to be the curve's next one, and how straight the step was."""
        units = self.units(a.z)
        direction = _unit(a.tangent, units)
        b = self.correct(a.z + length * direction, direction, units)
        chord = (b.z - a.z) / units
        u, v = direction / units, _unit(b.tangent, units) / units
        straight = min(u @ v, (u + v) @ chord / (_length(u + v) * max(_length(chord), 1e-30)))
        # a step that is short enough may turn a corner, as that of a relu
        bend = _STRAIGHT if length > self.crease else 0.05
        return b if b.converged and b.iterations <= 10 and straight >= bend else None, float(straight)

    def turn(self, a: Point) -> tuple[Point | None, list[_Crossing] | None]:
        """A step round a corner where the branch turns back, as relu's: along the tangent that the system has just beyond
        it, in the sense that keeps the sign of the bordered determinant (Allgower & Georg, ch. 12)."""
        units = self.units(a.z)
        ahead = self.look(a.z + 4 * self.shortest * _unit(a.tangent, units), units)
        beyond = self.point(ahead, a.tangent, units)
        side = np.sign(a.tests[1])
        direction = _unit(beyond.tangent, units) * np.sign(beyond.tests[1]) * side
        b = self.correct(a.z + 4 * self.shortest * direction, direction, units)
        on_course = b.converged and (b.z - a.z) @ (direction / units**2) > 0 and np.sign(b.tests[1]) == side
        return (b, self.crossings(a, b)) if on_course else (None, None)

    def outside(self, point: Point) -> bool:
        p0, p1 = self.ends
        return not -self.slack <= (point.z[-1] - p0) / (p1 - p0) <= 1 + self.slack

    def tests(self, point: Point) -> np.ndarray:
        """The signs of the tests, and whether p is outside. One that is zero within rounding counts as it was before, so that
        touching zero is no event, nor are eigenvalues that stay on the boundary."""
        signs = point.signs
        return np.append(np.where(signs == 0, self.signs, signs), self.outside(point))

    def computed(self, point: Point) -> np.ndarray:
        """The same as computed, be they rounding or not."""
        return np.append(np.sign(point.tests), self.outside(point))

    def crossings(self, a: Point, b: Point) -> list[_Crossing] | None:
        """Every change of a test between a and b, in order; `None` where a and b are not on one curve."""
        found, signs = [], self.signs
        while np.any(self.tests(a) != self.tests(b)):
            crossing = self.first_crossing(a, b)
            if crossing is None:
                self.signs = signs
                return None
            self._append(found, crossing)
            a, self.signs = crossing.after, crossing.tests[:-1]
        return found

    def first_crossing(self, a: Point, b: Point) -> _Crossing | None:
        """The first change of a test between a and b, which differ in some."""
        now, then = self.tests(a), self.tests(b)
        if np.any(
            (now != then)[2:-1] & (np.imag(b.spectrum.values) == 0)
        ):  # then one of the first two changes, sure or not
            then[:2] = np.where(b.signs[:2] == 0, self.computed(b)[:2], then[:2])
        due = now != then
        low, high, after = a, b, b
        while (length := self.distance(low, high)) > self.located:
            after = high if length > self.near / 2 else after
            middle = self.between(low, high)
            if middle is None and length > self.near:
                return None
            if middle is None:  # where curves meet, the plane tells them apart no better than this
                break
            passed = np.where(due, self.computed(middle) == then, self.tests(middle) != now)
            low, high = (low, middle) if np.any(passed) else (middle, high)
        whole, jump = (np.abs(y.spectrum.distance - x.spectrum.distance) for x, y in ((a, b), (low, high)))
        halved = 10 * self.distance(low, high) < self.distance(a, b)
        jumped = jump > (whole / 2 if halved else self.eps**0.25 * self.size)
        beyond = np.where(due & (self.computed(after) == then), then, self.tests(after))
        return _Crossing(low, after, beyond, now != beyond, jumped)

    def distance(self, a: Point, b: Point) -> float:
        return _length((b.z - a.z) / self.units(a.z))

    def _append(self, found: list[_Crossing], new: _Crossing) -> None:
        """One crossing more, or one with the last where the two are too near to be told apart."""
        if found and self.distance(found[-1].at, new.at) < self.near:
            old = found.pop()
            at = old.at if old.changed[1] else new.at
            new = _Crossing(at, new.after, new.tests, old.changed ^ new.changed, old.jumped | new.jumped)
        if np.any(new.changed):
            found.append(new)

    def name(self, crossing: _Crossing) -> dict[str, complex]:
        """The bifurcations of a crossing: kind and critical eigenvalue."""
        at = crossing.at
        turned, crossed, grown = *crossing.changed[:2], crossing.changed[2:-1]
        same = crossing.after.spectrum.nearest(at.spectrum)
        kinds, values = self.kinds(at.spectrum, same)
        # the places in the order of growth tell how many cross; which, the signs of the same ones on both sides
        crossing_ones = np.flatnonzero(np.sign(at.spectrum.distance) != np.sign(same.distance))
        places = np.flatnonzero(grown)
        places = crossing_ones if len(crossing_ones) == len(places) else places
        # det ∂F/∂h is the product of these two tests: one of them alone comes with an eigenvalue, or is rounding
        turned = turned and (any(grown) or np.any(at.signs[2:] == 0))
        found: dict[str, complex] = {}
        if crossed or turned:
            order = np.argsort(abs(at.spectrum.distance), kind="stable")
            nearest = next((k for k in order if kinds[k] == "fold"), order[0])
            found["branch point" if crossed else "fold"] = complex(values[nearest].real)
        if np.any(crossing.jumped[grown]):
            return {"border collision": values[np.flatnonzero(crossing.jumped & grown)[0]]}
        for k in places:
            if kinds[k] not in ("fold", UNDECIDED):
                found.setdefault(kinds[k], complex(values[k].real, abs(values[k].imag)))
            elif not found:
                found["branch point" if kinds[k] == "fold" else self.undecided] = values[k]
        return found

    def kinds(self, at: Spectrum, after: Spectrum) -> tuple[list[str], list[complex]]:
        """Which bifurcation it is when each eigenvalue crosses at a point, and the eigenvalue, real where it may be."""
        imaginary = np.imag(at.values)
        close = (imaginary != 0) & (np.abs(imaginary) <= at.reach)
        # rounding makes such a pair of two real eigenvalues that are equal; a defective one may be anything
        equal = close & (at.condition <= self.eps**-0.15)
        values = [complex(value) for value in np.where(equal, np.real(at.values), at.values)]
        undecided = (close & ~equal) | ((imaginary != 0) & (np.imag(after.values) == 0))
        kinds = [UNDECIDED if u else self.system.time.bifurcation(v) for u, v in zip(undecided, values, strict=True)]
        return kinds, values

    def refined(self, at: Point) -> Point:
        """A branch point, better than the plane across the curve can tell it."""
        units = self.units(at.z)
        better = self.correct(at.z, at.tangent, units, branch_point)
        return better if better.converged and self.distance(at, better) < 10 * self.near else at

    def end(self, at: Point) -> Point:
        """The point at the end of the interval at which the branch leaves it, exactly there if it is no fold."""
        units = self.units(at.z)
        guess = at.z.copy()
        guess[-1] = min(self.ends, key=lambda p: abs(p - at.z[-1]))
        direction = np.append(np.zeros(len(guess) - 1), np.sign(at.tangent[-1]) * self.width)
        exact = self.correct(guess, direction, units)
        return exact if exact.converged and self.distance(at, exact) < 10 * self.near else at

    def returns(self, home: Point, a: Point, b: Point) -> bool:
        """Whether the step from a to b passes the start again, in its direction."""
        units = self.units(home.z)
        u = _unit(home.tangent, units) / units
        x, y = (a.z - home.z) / units, (b.z - home.z) / units
        if not (u @ x < 0 <= u @ y and u @ (_unit(a.tangent, units) / units) > 0.9):
            return False
        nearest = x + (y - x) * (u @ x) / (u @ x - u @ y)
        return _length(nearest) < 0.1 * _length(y - x)

    def follow(self, home: Point, max_step: float, max_points: int) -> Followed:
        """The branch from `home` on, to an end of the interval or back, or as far as it goes."""
        record = _Record(self)
        record.add(home)
        a, length, self.signs = home, max_step / 4, home.signs
        far = _INFINITY * max(self.small, _length(home.z[:-1]))
        while len(record.points) < max_points:
            b, straight = self.step(a, length)
            closed = b is not None and len(record.points) > 2 and self.returns(home, a, b)
            b = home if closed else b
            crossings = None if b is None else self.crossings(a, b)
            if b is None or crossings is None:
                length /= 2 if b is None else 4
                if length > self.shortest:
                    continue
                b, crossings = self.turn(a)
                if b is None or crossings is None:
                    return record.end(RESULTS.branch_lost)
            for crossing in crossings:
                record.bifurcations(crossing)
                if self.outside(crossing.after):
                    record.add(self.end(crossing.at))
                    return record.end(RESULTS.successful)
            record.add(b)
            if closed:
                return record.end(RESULTS.successful, closed=True)
            if _length(b.z[:-1]) > far:
                return record.end(RESULTS.branch_diverged)
            a, self.sizes = b, np.maximum(self.sizes, np.abs(b.z[:-1]))
            length = min(max_step, 1.6 * length) if straight > 0.995 and b.iterations <= 5 else length
        return record.end(RESULTS.branch_cut_short)


class _Record:
    """What a branch has shown so far."""

    def __init__(self, walk: Walk):
        self.walk = walk
        self.points: list[Point] = []
        self.found: list[Found] = []

    def add(self, point: Point) -> int:
        if not self.points or np.any(point.z != self.points[-1].z):
            self.points.append(point)
        return len(self.points) - 1

    def bifurcations(self, crossing: _Crossing) -> None:
        kinds = self.walk.name(crossing)
        at = self.walk.refined(crossing.at) if "branch point" in kinds else crossing.at
        for kind, critical in kinds.items():
            # a point that lies on the bifurcation to rounding is one end of two steps
            near = [
                other for other in self.found if self.walk.distance(at, self.points[other.index]) < 2 * self.walk.near
            ]
            if kind not in [other.kind for other in near]:
                self.found.append(Found(kind, self.add(at), critical))

    def end(self, result: Any, closed: bool = False) -> Followed:
        return Followed(self.points, self.found, closed, result)


def _length(v) -> float:
    return float(np.linalg.norm(v.astype(float)))  # float32 squares vanish where the state need not


def _unit(v, units) -> np.ndarray:
    """A vector of that direction with length one in those units."""
    return v / max(_length(v / units), 1e-30)
