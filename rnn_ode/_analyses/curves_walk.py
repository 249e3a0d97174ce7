"""The walk along a curve of bifurcations in a box of two parameters, and the points of codimension two on it."""

from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from .._base.results import RESULTS
from .branches_curve import unit_vector
from .curves_points import ENDS, Family, Point

_STRAIGHT = 0.97  # the least cosine between the tangents of a step
_INFINITY = 1e6  # times the unit of states
_HALVINGS = 60


class Found(NamedTuple):
    """A point of codimension two, and its name."""

    kind: str
    point: Point


class Walk(NamedTuple):
    """The points of a curve in order, what was found on it, whether it closed, and how it ended."""

    points: list[Point]
    found: list[Found]
    closed: bool
    result: Any


class Walker:
    """Follows a curve of a family, in a box (2, 2) of [lowest, highest] values of each parameter."""

    def __init__(self, family: Family, box: ndarray, max_step: float, max_points: int):
        self.family, self.box, self.max_step, self.max_points = family, box, max_step, max_points
        self.shortest, self.located = family.eps**0.5, family.eps**0.75

    def both_ways(self, home: Point) -> Walk:
        """Returns the whole curve through a point."""
        units = self.family.units
        ahead = self.follow(home, 1.0)
        if ahead.closed:
            return ahead
        self.family.units = units
        back = self.follow(home, -1.0)
        worse = ahead if ahead.result != RESULTS.successful else back
        points, found = [*back.points[:0:-1], *ahead.points], [*back.found[::-1], *ahead.found]
        if len(back.points) > 1 and len(ahead.points) > 1:
            changed = _differs(back.points[1], ahead.points[1])[:-1] & (home.tests[:-1] == 0)
            here = [Found(self.family.event(int(k)), home) for k in np.flatnonzero(changed)]
            found[len(back.found) : len(back.found)] = here
        return Walk(points, found, False, worse.result)

    def follow(self, home: Point, sign: float) -> Walk:
        """Returns the curve from a point on, in one sense, to the edge of the box or back."""
        a, length = home._replace(tangent=sign * home.tangent), self.max_step / 8
        points, found = [home], []
        far = _INFINITY * float(np.max(self.family.units[: self.family.size]))
        while len(points) < self.max_points:
            b, straight = self._step(a, length)
            if b is None:
                length /= 2
                if length > self.shortest:
                    continue
                return Walk(points, found, False, RESULTS.branch_lost)
            if len(points) > 2 and self._returns(home, sign, a, b):
                self._add_events(points, found, a, home._replace(tangent=sign * home.tangent))
                return Walk([*points, home], found, True, RESULTS.successful)
            out = self._outside(b)
            if out is not None:
                b = self._edge(a, b, *out)
            ended = self._add_events(points, found, a, b)
            if ended:
                return Walk(points, found, False, RESULTS.successful)
            points.append(b)
            if out is not None:
                return Walk(points, found, False, RESULTS.successful)
            if np.linalg.norm(b.z[: self.family.size].astype(float)) > far:
                return Walk(points, found, False, RESULTS.branch_diverged)
            length = min(self.max_step, 1.5 * length) if straight > 0.995 and b.iterations <= 5 else length
            self.family.grow(b)
            a = b
        return Walk(points, found, False, RESULTS.branch_cut_short)

    def _step(self, a: Point, length: float) -> tuple[Point | None, float]:
        """Returns the point a step further, if it is surely on the same curve, and how straight the step was."""
        units = self.family.units
        direction = unit_vector(a.tangent, units)
        b = self.family.correct(a.z + length * direction, direction, a.border, a)
        u, v, chord = direction / units, unit_vector(b.tangent, units) / units, (b.z - a.z) / units
        straight = float(min(u @ v, u @ chord / max(np.linalg.norm(chord), 1e-300)))
        return (b if b.converged and b.iterations <= 10 and straight >= _STRAIGHT else None), straight

    def _outside(self, b: Point) -> tuple[int, float] | None:
        """Returns the parameter that has left the box furthest and the edge that it has passed, or `None`."""
        p = b.z[self.family.size : self.family.size + 2]
        width = self.box[:, 1] - self.box[:, 0]
        by = np.maximum(self.box[:, 0] - p, p - self.box[:, 1]) / width
        k = int(np.argmax(by))
        return None if by[k] <= 16 * self.family.eps else (k, float(self.box[k, int(p[k] > self.box[k, 1])]))

    def _edge(self, a: Point, b: Point, k: int, edge: float) -> Point:
        """Returns the point on an edge of the box, or the last one inside if the curve only touches it."""
        place = self.family.size + k
        share = (edge - a.z[place]) / (b.z[place] - a.z[place])
        guess = a.z + share * (b.z - a.z)
        guess[place] = edge
        direction = np.zeros(len(guess))
        direction[place] = np.sign(b.z[place] - a.z[place]) * self.family.units[place]
        at = self.family.correct(guess, direction, a.border, a)
        near = np.linalg.norm((at.z - guess) / self.family.units) <= np.linalg.norm((b.z - a.z) / self.family.units)
        return at if at.converged and near else a

    def _returns(self, home: Point, sign: float, a: Point, b: Point) -> bool:
        """Returns whether the step from a to b passes the start again, in its direction."""
        units = self.family.units
        u = sign * unit_vector(home.tangent, units) / units
        x, y = (a.z - home.z) / units, (b.z - home.z) / units
        if not (u @ x < 0 <= u @ y and u @ (unit_vector(a.tangent, units) / units) > 0.9):
            return False
        nearest = x + (y - x) * (u @ x) / (u @ x - u @ y)
        return bool(np.linalg.norm(nearest) < 0.1 * np.linalg.norm(y - x))

    def _add_events(self, points: list[Point], found: list[Found], a: Point, b: Point) -> bool:
        """Appends the points of codimension two between a and b, in order, and returns whether the curve ends at one."""
        events = [self._located(a, b, int(k)) for k in np.flatnonzero(_differs(a, b))]
        events = [event for event in events if event is not None]
        along = (b.z - a.z) / self.family.units
        events.sort(key=lambda event: float((event[0].z - a.z) / self.family.units @ along))
        for point, test in events:
            name = self.family.event(test) or self._crossing(point)
            last = found[-1].point if found else None
            known = last is not None and np.linalg.norm((last.z - point.z) / self.family.units) < self.family.eps**0.3
            if name and not (known and (not self.family.event(test) or found[-1].kind == name)):
                points.append(point)
                found.append(Found(name, point))
            if test in ENDS.get(self.family.kind, ()):
                return True
        return False

    def _located(self, a: Point, b: Point, test: int) -> tuple[Point, int] | None:
        """Returns the point between a and b at which a test changes, by halving; `None` where it jumps, as at a pole."""
        low, high, units = a, b, self.family.units
        for _ in range(_HALVINGS):
            chord = high.z - low.z
            if np.linalg.norm(chord / units) < self.located:
                break
            middle = self.family.correct((low.z + high.z) / 2, chord, low.border, low)
            if not middle.converged:
                break
            low, high = (low, middle) if _differs(low, middle)[test] else (middle, high)
        least = min(abs(low.tests[test]), abs(high.tests[test]))
        if self.family.event(test) and not least <= 0.1 * max(abs(a.tests[test]), abs(b.tests[test])):
            return None
        return low, test

    def _crossing(self, point: Point) -> str:
        """Returns what happens if another eigenvalue crosses the boundary of stability; "" if that has a test of its own."""
        others = point.others
        _, distance = self.family.system.time.region.position(others, xp=np)
        if not len(others):
            return ""
        value = others[np.argmin(np.abs(distance))]
        # near a double eigenvalue rounding makes a pair of the critical one and another
        alone = np.min(np.abs(others - np.conj(value))) > 1e-3 * abs(value.imag)
        real = alone or abs(value.imag) <= self.family.eps**0.3 * abs(value)
        second = self.family.system.time.bifurcation(complex(value.real, 0.0 if real else abs(value.imag)))
        return _NAMES.get((self.family.kind, second), "")


_NAMES = {
    ("fold", "hopf"): "zero-hopf",
    ("hopf", "fold"): "zero-hopf",
    ("hopf", "hopf"): "double hopf",
    ("fold", "flip"): "fold-flip",
    ("flip", "fold"): "fold-flip",
    ("fold", "neimark-sacker"): "fold-neimark-sacker",
    ("neimark-sacker", "fold"): "fold-neimark-sacker",
    ("flip", "neimark-sacker"): "flip-neimark-sacker",
    ("neimark-sacker", "flip"): "flip-neimark-sacker",
    ("neimark-sacker", "neimark-sacker"): "double neimark-sacker",
}
"""Points at which two bifurcations meet that have no test of their own."""


def _differs(a: Point, b: Point) -> ndarray:
    """Returns which tests differ: in sign, and the last one, a count, in value."""
    signs = np.sign(a.tests[:-1]) * np.sign(b.tests[:-1]) < 0
    return np.append(signs, a.tests[-1] != b.tests[-1])
