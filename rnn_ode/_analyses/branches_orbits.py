"""The curve of orbits of a flow that `continue_branch` follows.

It is walked as a curve of fixed points is (`branches_walk`), with other points: z = (S, T, p) has all states of an orbit. Its
multipliers take the place of eigenvalues, without the trivial one of an autonomous flow. Where they leave the unit circle the
bifurcations are those of a map: fold, flip (period doubling), Neimark–Sacker (torus), branch point.

A length is that of (δS / s, δT / T, δp / |p1 − p0|), where s is the larger of the orbit's extent (its states' distance from
their mean, a root mean square) and a quarter of its size at the start. The mesh is made anew where the error of the states
has grown beyond 1e-6 (float32: 1e-4) of the extent.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpy import ndarray

from .._base.results import RESULTS
from .._systems.base import AbstractSystem
from .._systems.time import Discrete
from .branches_curve import Curve
from .branches_orbits_kernels import Local, Place, correct_orbit
from .branches_points import Point, _determinant, _spectrum_of
from .orbits_mesh import better_mesh, evaluated, least_error, times_of

_ERROR = {64: 1e-6, 32: 1e-4}

_SIZES = 32, 48, 72, 108, 162, 244, 384  # numbers of intervals

_LONG = 50.0  # times its shortest period: the period of the branch runs to infinity

_LONGER = 3.0  # times: where the branch is lost, this is the likely reason

_TIMES = 64  # states by which orbits on different meshes are compared


class _Return(AbstractSystem):
    """What multipliers belong to: the map from a state of an orbit to the one a period later. Only its time is asked."""

    time: Discrete = Discrete()

    def rule(self, h: Array) -> Array:
        return h


class OrbitPoint(Point):
    """A point of a branch of orbits, with the widths of its mesh, the error of its states, and the multiplier of a shift
    along the orbit (NaN of a driven flow)."""

    widths: ndarray
    error: float
    shift: float


class OrbitCurve(Curve):
    """The orbits (S, T, p) of the flows that `make_system(p)` returns; `clock` is the period of their input, 0 for none."""

    def __init__(self, make_system, system, ends, dtype, clock: float, size: int):
        super().__init__(make_system, _Return(), ends, dtype)
        self.flow, self.clock, self.size = system, clock, size
        self.widths: Any = None
        self.shortest_period = np.inf
        self.kept: Point | None = None
        self.near, self.nothing = self.eps**0.35, 4 * self.eps**0.25
        self.shortest, self.crease = self.near, 0.0

    def states(self, z: ndarray) -> ndarray:
        """Returns S (m·d, N) of a point."""
        return z[:-2].reshape(-1, self.size)

    def units(self, z: ndarray) -> ndarray:
        S = self.states(z).astype(float)
        extent = max(self.small, float(np.sqrt(np.mean(np.sum((S - S.mean(axis=0)) ** 2, axis=1)))))
        units = np.full(len(z), extent * np.sqrt(len(S)))
        units[-2:] = abs(z[-2]), self.width
        return units.astype(self.dtype)

    @property
    def place(self) -> Place:
        return Place(jnp.asarray(self.widths, self.dtype), self.size, self.clock)

    def correct(self, guess: ndarray, direction: ndarray, units: ndarray, kernel: Any = correct_orbit) -> OrbitPoint:
        rows = (jnp.asarray(row, self.dtype) for row in (guess, direction, units))
        local = correct_orbit(self.make_system, *rows, self.place)  # pyright: ignore[reportCallIssue]
        return self.as_point(jax.device_get(local), units)

    def as_point(self, local: Local, units: ndarray) -> OrbitPoint:
        """Returns a point with its tangent, multipliers and tests."""
        finite = [np.where(np.isfinite(a), a, 0).astype(float) for a in (local.tangent, local.rows, local.monodromy)]
        tangent, rows, M = finite
        tangent = tangent / max(float(np.linalg.norm(tangent / units)), 1e-30)
        largest = float(np.max(np.abs(M), initial=0.0))
        self.largest = np.fmax(self.largest, largest)
        spectrum = _spectrum_of(self.system, M, lambda: np.full(M.shape, 64 * self.eps * largest), self.eps)
        scale = np.max(np.abs(rows), axis=1, keepdims=True)
        made = OrbitPoint(
            local.z,
            tangent,
            float(local.residual),
            M,
            spectrum,
            np.concatenate(
                [[tangent[-1] / self.width, _determinant(rows / (scale + (scale == 0)))], spectrum.distance]
            ),
            np.concatenate([[1e5 * self.eps, 1e5 * self.eps], spectrum.reach]),
            bool(local.converged),
            int(local.iterations),
        )
        made.widths, made.error, made.shift = self.widths, float(local.error), float(local.shift)
        return made

    def begin(self, S: ndarray, T: float, widths: ndarray) -> Point:
        """Returns the point of the branch at p0, from an orbit (m, d, N) there."""
        self.set_size(S)
        self.widths = widths
        guess = np.concatenate([S.ravel(), [T, self.ends[0]]]).astype(self.dtype)
        along = np.zeros(len(guess))
        along[-1] = self.ends[1] - self.ends[0]
        point = self.correct(guess, along, self.units(guess))
        if not point.converged:
            raise ValueError(
                f"start must be near an orbit at p0 = {self.ends[0]:g}; Newton's method finds none from it. "
                "rnn_ode.periodic_orbit(make_system(p0), guess, period) finds one."
            )
        return self.settled(point)

    def set_size(self, S: ndarray) -> None:
        """Sets the least unit of states, from an orbit."""
        self.small = 0.25 * float(np.sqrt(np.mean(np.sum(S.reshape(-1, self.size) ** 2, axis=1))))

    def settled(self, a: Point) -> Point:
        """Returns the same point on a better mesh, if its own has become too coarse."""
        assert isinstance(a, OrbitPoint)
        self.widths = a.widths
        limit = _ERROR[8 * np.dtype(self.dtype).itemsize]
        if a is self.kept or a.error <= limit or not np.isfinite(a.error) or self._sampled:
            return a
        self.kept = self._on_better_mesh(a, limit)
        return self.kept

    def _on_better_mesh(self, a: OrbitPoint, limit: float) -> OrbitPoint:
        m, widths = len(a.widths), jnp.asarray(a.widths, self.dtype)
        S = jnp.asarray(a.z[:-2].reshape(m, -1, self.size))
        wanted = m * float(4 * least_error(S, widths) / limit) ** 0.2
        # few sizes, since each is compiled anew
        count = m if wanted <= m else next((size for size in _SIZES if size > max(m, wanted)), m)
        self.widths = np.asarray(better_mesh(S, widths, count))
        z, along = (self._on_mesh(v.astype(self.dtype), a.widths) for v in (a.z, a.tangent))
        b = self.correct(z, along, self.units(z))
        good = b.converged and b.error < a.error
        self.widths = b.widths if good else a.widths
        return b if good else a

    def _on_mesh(self, v: ndarray, widths: ndarray) -> ndarray:
        """Returns a point or a tangent of another mesh on the mesh at hand."""
        S = jnp.asarray(v[:-2].reshape(len(widths), -1, self.size))
        states = evaluated(S, jnp.asarray(widths), times_of(jnp.asarray(self.widths)))
        return np.append(np.asarray(states).ravel(), v[-2:])

    @property
    def _sampled(self) -> bool:
        return self.clock > 0 and self.flow.span < np.inf

    def note(self, b: Point) -> None:
        self.shortest_period = min(self.shortest_period, float(b.z[-2]))

    def turn(self, a: Point) -> Point | None:
        return None

    def refined(self, at: Point) -> Point:
        return at

    def runs_off(self, home: Point, b: Point) -> Any:
        if float(b.z[-2]) > _LONG * self.shortest_period:
            return RESULTS.branch_period_diverges
        S = self.states(b.z)
        far = 1e6 * max(float(np.max(np.abs(self.states(home.z)))), self.small)
        return RESULTS.branch_diverged if float(np.max(np.abs(S))) > far else None

    def lost(self, a: Point) -> Any:
        long = float(a.z[-2]) > _LONGER * self.shortest_period
        return RESULTS.branch_period_diverges if long else RESULTS.branch_lost

    def told(self, point: Point) -> ndarray:
        """Returns a point as numbers that do not depend on its mesh: the mean state, its extent, log T, p in their units."""
        S = self.states(point.z).astype(float)
        mean, spread = S.mean(axis=0), S.std(axis=0)
        unit = max(self.small, float(np.linalg.norm(spread)))
        return np.concatenate([mean / unit, spread / unit, [np.log(point.z[-2]), point.z[-1] / self.width]])

    def distance(self, a: Point, b: Point) -> float:
        if len(a.z) == len(b.z):
            return super().distance(a, b)
        return float(np.linalg.norm(self.told(a) - self.told(b)))

    def born_at(self, at: Point) -> dict[str, complex]:
        S = self.states(at.z).astype(float)
        size = self.nothing * max(self.small, float(np.max(np.std(S, axis=0))))
        if np.max(np.abs(S - S.mean(axis=0))) <= self.nothing * self.small:
            return {} if self.clock else {"hopf": 2j * np.pi / float(at.z[-2])}
        half = self.shown([at])[0][0]
        again = np.max(np.abs(half - np.roll(half, len(half) // 2, axis=0))) <= size
        return {"flip": -1.0 + 0j} if again else {}

    def closing(self, home: Point, b: Point) -> Point:
        return b

    def eigenvalues(self, point: Point) -> ndarray:
        """Returns all multipliers (N,), largest first."""
        assert isinstance(point, OrbitPoint)
        values = point.spectrum.values if self.clock else np.append(point.spectrum.values, point.shift)
        return values[np.argsort(-np.abs(values), kind="stable")]

    def shown(self, points: Sequence[Point]) -> tuple[ndarray, ndarray | None]:
        """Returns states (k, m, N) at equal distances in time, and periods (k,)."""
        count = max(_TIMES, max(4 * len(point.widths) for point in points))  # pyright: ignore
        at = jnp.arange(count, dtype=self.dtype) / count
        rows = []
        for point in points:
            assert isinstance(point, OrbitPoint)
            m = len(point.widths)
            S = jnp.asarray(point.z[:-2].reshape(m, -1, self.size))
            rows.append(np.asarray(evaluated(S, jnp.asarray(point.widths, self.dtype), at)))
        return np.stack(rows), np.array([point.z[-2] for point in points])

    def returns(self, home: Point, a: Point, b: Point) -> bool:
        """Returns whether the step from a to b passes the start again, in its direction."""
        along = np.array([home.tangent[-2] / home.z[-2], home.tangent[-1] / self.width])
        x, y = (self.told(point)[-2:] - self.told(home)[-2:] for point in (a, b))
        if not (along @ x < 0 <= along @ y):
            return False
        step = self.told(b) - self.told(a)
        share = (along @ x) / (along @ x - along @ y)
        nearest = self.told(a) + share * step - self.told(home)
        return float(np.linalg.norm(nearest)) < 0.1 * float(np.linalg.norm(step))
