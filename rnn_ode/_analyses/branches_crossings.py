"""Where something happens between two points of a branch, and which bifurcation it is.

Between two points whose tests differ the curve is halved, each time along the cubic through both ends and their tangents,
down to `located`, for every test at once. Whether something happened is decided by the signs that are sure at both ends.
Where it happened is decided by the signs as computed, so that the width of the uncertain stretch does not displace it. A
determinant also changes sign where a step has jumped to another curve: the halves do not shrink then, and the step is taken
again, shorter.
"""

from typing import NamedTuple

import numpy as np
from numpy import ndarray

from .branches_curve import Curve
from .branches_points import Point, Spectrum

UNDECIDED = "undecided"


class Crossing(NamedTuple):
    """The point at which tests change, a point just beyond it with its tests, which tests change, and which eigenvalues
    jump."""

    at: Point
    after: Point
    tests: ndarray
    changed: ndarray
    jumped: ndarray


class Locator:
    """Finds and names what happens along a curve. `signs` are those of the tests at the last point, where 0 means unsure."""

    def __init__(self, curve: Curve, signs: ndarray):
        self.curve, self.signs = curve, signs
        self.undecided = UNDECIDED if curve.eps < 1e-12 else f"{UNDECIDED}: float64 will"

    def crossings(self, a: Point, b: Point) -> list[Crossing] | None:
        """Returns every change of a test between a and b, in order; `None` if a and b are not on one curve."""
        found, signs = [], self.signs
        while np.any(self.tests(a) != self.tests(b)):
            crossing = self.first_crossing(a, b)
            if crossing is None:
                self.signs = signs
                return None
            self._append(found, crossing)
            a, self.signs = crossing.after, crossing.tests[:-1]
        return found

    def first_crossing(self, a: Point, b: Point) -> Crossing | None:
        """Returns the first change of a test between a and b, which differ in some."""
        now, then = self.tests(a), self.tests(b)
        if np.any((now != then)[2:-1] & (np.imag(b.spectrum.values) == 0)):  # then one of the first two changes too
            then[:2] = np.where(b.signs[:2] == 0, self.computed(b)[:2], then[:2])
        due = now != then
        low, high, after = a, b, b
        while (length := self.curve.distance(low, high)) > self.curve.located:
            after = high if length > self.curve.near / 2 else after
            middle = self.curve.between(low, high)
            if middle is None and length > self.curve.near:
                return None
            if middle is None:  # two curves meet here, and a plane across them cannot separate them further
                break
            passed = np.where(due, self.computed(middle) == then, self.tests(middle) != now)
            low, high = (low, middle) if np.any(passed) else (middle, high)
        whole, jump = (np.abs(y.spectrum.distance - x.spectrum.distance) for x, y in ((a, b), (low, high)))
        halved = 10 * self.curve.distance(low, high) < self.curve.distance(a, b)
        jumped = jump > (whole / 2 if halved else self.curve.eps**0.25 * self.curve.largest)
        beyond = np.where(due & (self.computed(after) == then), then, self.tests(after))
        return Crossing(low, after, beyond, now != beyond, jumped)

    def _append(self, found: list[Crossing], new: Crossing) -> None:
        """Appends a crossing, or merges it with the last one if the two are too near to be told apart."""
        if found and self.curve.distance(found[-1].at, new.at) < self.curve.near:
            old = found.pop()
            at = old.at if old.changed[1] else new.at
            new = Crossing(at, new.after, new.tests, old.changed ^ new.changed, old.jumped | new.jumped)
        if np.any(new.changed):
            found.append(new)

    def name(self, crossing: Crossing) -> dict[str, complex]:
        """Returns the bifurcations of a crossing: kind and critical eigenvalue."""
        at = crossing.at
        turned, crossed, grown = *crossing.changed[:2], crossing.changed[2:-1]
        same = crossing.after.spectrum.nearest(at.spectrum)
        kinds, values = self.kinds(at.spectrum, same)
        # `grown` counts, in the order of growth, how many eigenvalues cross; their signs on both sides tell which
        crossing_ones = np.flatnonzero(np.sign(at.spectrum.distance) != np.sign(same.distance))
        places = np.flatnonzero(grown)
        places = crossing_ones if len(crossing_ones) == len(places) else places
        # det ∂F/∂h is the product of these two tests, so if only one changes, an eigenvalue crosses too, or it is rounding
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
        """Returns for each eigenvalue at a point the bifurcation that occurs if it crosses, and the eigenvalue itself, made
        real if it may be real. `after` are the same eigenvalues just beyond the point."""
        imaginary = np.imag(at.values)
        close = (imaginary != 0) & (np.abs(imaginary) <= at.reach)
        # rounding may turn two equal real eigenvalues into such a pair; for a defective pair this cannot be decided
        equal = close & (at.condition <= self.curve.eps**-0.15)
        values = [complex(value) for value in np.where(equal, np.real(at.values), at.values)]
        undecided = (close & ~equal) | ((imaginary != 0) & (np.imag(after.values) == 0))
        kinds = [
            UNDECIDED if u else self.curve.system.time.bifurcation(v) for u, v in zip(undecided, values, strict=True)
        ]
        return kinds, values

    def tests(self, point: Point) -> np.ndarray:
        """Returns the signs of the tests, and whether p is outside. A test that is zero within rounding keeps its last sign.
        So a test that touches zero and an eigenvalue that stays on the boundary are not events."""
        signs = point.signs
        return np.append(np.where(signs == 0, self.signs, signs), self.curve.outside(point))

    def computed(self, point: Point) -> np.ndarray:
        """Returns the signs as computed, even where they consist of rounding errors."""
        return np.append(np.sign(point.tests), self.curve.outside(point))
