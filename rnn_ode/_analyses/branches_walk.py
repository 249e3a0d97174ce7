"""The walk along a branch: step by step from its start to an end of the interval, or back to the start."""

from typing import Any, NamedTuple

import numpy as np

from .._base.results import RESULTS
from .branches_crossings import Crossing, Locator
from .branches_curve import Curve
from .branches_points import Point


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


def follow(curve: Curve, home: Point, max_step: float, max_points: int) -> Followed:
    """Returns the branch from `home` on, to an end of the interval or back, or as far as it goes."""
    locator = Locator(curve, home.signs)
    record = _Record(curve, locator)
    record.add(home)
    a, length = home, max_step / 4
    while len(record.points) < max_points:
        a = curve.settled(a)
        b, straight = curve.step(a, length)
        closed = b is not None and len(record.points) > 2 and curve.returns(home, a, b)
        b = curve.closing(home, b) if closed else b  # pyright: ignore[reportArgumentType]
        crossings = None if b is None else locator.crossings(a, b)
        if b is None or crossings is None:
            length /= 2 if b is None else 4
            if length > curve.shortest:
                continue
            b = curve.turn(a)
            crossings = None if b is None else locator.crossings(a, b)
            if b is None or crossings is None:
                return record.end(curve.lost(a))
        for crossing in crossings:
            record.bifurcations(crossing)
            if curve.born_at(crossing.at):
                return record.end(RESULTS.successful)
            if curve.outside(crossing.after):
                record.add(curve.end(crossing.at))
                return record.end(RESULTS.successful)
        record.add(b)
        if closed:
            return record.end(RESULTS.successful, closed=True)
        curve.note(b)
        if (why := curve.runs_off(home, b)) is not None:
            return record.end(why)
        a = b
        length = min(max_step, 1.6 * length) if straight > 0.995 and b.iterations <= 5 else length
    return record.end(RESULTS.branch_cut_short)


class _Record:
    """What a branch has shown so far."""

    def __init__(self, curve: Curve, locator: Locator):
        self.curve, self.locator = curve, locator
        self.points: list[Point] = []
        self.found: list[Found] = []

    def add(self, point: Point) -> int:
        """Appends a point, unless it is the last one again, and returns its place."""
        if not self.points or not np.array_equal(point.z, self.points[-1].z):
            self.points.append(point)
        return len(self.points) - 1

    def bifurcations(self, crossing: Crossing) -> None:
        """Appends the bifurcations of a crossing, with their points."""
        kinds = self.curve.born_at(crossing.at) or self.locator.name(crossing)
        at = self.curve.refined(crossing.at) if "branch point" in kinds else crossing.at
        for kind, critical in kinds.items():
            # a point on the bifurcation, to within rounding, ends one step and starts the next
            near = [found.kind for found in self.found if self.is_near(at, self.points[found.index])]
            if kind not in near:
                self.found.append(Found(kind, self.add(at), critical))

    def is_near(self, a: Point, b: Point) -> bool:
        return self.curve.distance(a, b) < 2 * self.curve.near

    def end(self, result: Any, closed: bool = False) -> Followed:
        """Returns the branch so far, with the reason why it ends here."""
        return Followed(self.points, self.found, closed, result)
