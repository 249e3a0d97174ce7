"""Branches of fixed points along a parameter, through folds, with their bifurcations.

A branch is a curve F(h, p) = 0 in the space of z = (h, p), F the system's residual. Pseudo-arclength continuation (Keller
1977; Allgower & Georg, "Introduction to Numerical Continuation Methods", ch. 2 and 8) goes on along the tangent t, the
null vector of the extended Jacobian A = [∂F/∂h, ∂F/∂p], and returns to the curve by Newton's method in the plane across t,
so that a fold is a point like any other. Test functions that change sign between two points of the curve:

- the parameter's component of t, at a fold;
- the determinant of A bordered by t, at a branch point, where A loses rank (Keller). (On an arm of a pitchfork the former
  changes sign there too: a branch point all the same.)
- the growth of each eigenvalue of the system's Jacobian, sorted by it: log|λ| or Re μ. Which bifurcation it is, the system
  says: flip (λ = −1), Neimark–Sacker (a pair on the circle), Hopf (a pair on the axis).

The growths stand in for det(J + I) and the bialternate products of Kuznetsov, "Elements of Applied Bifurcation Theory",
ch. 10: a neutral saddle (λ₁λ₂ = 1, μ₁ + μ₂ = 0) is no zero of theirs, and two eigenvalues that cross at once do not cancel.

Between the two points the curve is halved, each time along the cubic through both ends and their tangents, down to
`located`, for every test at once. A determinant also changes sign where a step has jumped to another curve: the halves do
not shrink then, and the step is taken again, shorter. A branch point is refined by Newton's method on the regular system
of Griewank & Reddien (1984): F + β ψ = 0 and g = 0, the two numbers g the corner of the inverse of A bordered to a regular
matrix.

Lengths are those of (h / max(s, ‖h‖), p / |p1 − p0|), with s the size of the states at hand: the larger of ‖h‖ at the start
and of |p1 − p0| ‖dh/dp‖ there, and 1 where that is larger, or nothing (a branch that rests at 0). What it cannot see: two
crossings of one eigenvalue within one step, and bifurcations of eigenvalues that stay on the boundary (a conservative
system's).
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import optimistix as optx
from jax.typing import ArrayLike
from jaxtyping import Array, Complex, Float, PyTree

from ._errors import RESULTS, as_number, as_step, check_callable, check_count
from ._kinks import surroundings
from ._linalg import solve
from ._systems import AbstractSystem, check_system
from ._verdict import Verdict, backward_error

_NEWTON = {64: 1e-10, 32: 1e-5}  # the step before the last, and the residual before it
_STRAIGHT = 0.98  # the least cosine between the tangents of a step, and between chord and tangents
_INFINITY = 1e6
_UNTRACEABLE = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


class Bifurcation(NamedTuple):
    """A bifurcation of a branch: `parameter` and `point` (N,) say where.

    `kind` is "fold", "branch point", "flip", "neimark-sacker" or "hopf", or "border collision", where eigenvalues jump across
    the boundary of stability, as on a kink of relu.
    """

    kind: str
    parameter: float
    point: np.ndarray


class Branch(eqx.Module):
    """A curve of fixed points along a parameter: what `continue_branch` returns.

    **Fields:** `parameters` (m,) and `points` (m, N), flat states, in the order in which the branch was followed,
    bifurcations included; `residuals` (m,), the largest entries of cell(x, h) − h or dh/dt; `eigenvalues` (m, N) of the
    system's Jacobian, fastest growing first; `verdicts` (m,), UNDETERMINED on a kink; `bifurcations`, a list of (kind,
    parameter, point) in branch order, with `indices`, their places among the points, and `critical` (k,), the eigenvalue of
    each that crosses: 1 or 0 at a fold, iω at a Hopf point, exp(iθ) at a Neimark–Sacker point; `closed`, whether the branch
    returned to its start; `result`, a `RESULTS`: `successful`, or why the branch is partial and what to try.
    """

    parameters: Float[np.ndarray, " m"]
    points: Float[np.ndarray, "m N"]
    residuals: Float[np.ndarray, " m"]
    eigenvalues: Complex[np.ndarray, "m N"]
    verdicts: Verdict
    bifurcations: list[Bifurcation]
    indices: list[int]
    critical: Complex[np.ndarray, " k"]
    closed: bool
    result: RESULTS

    @property
    def complete(self) -> bool:
        """Whether the branch reached an end of the interval or its own start."""
        return bool(self.result == RESULTS.successful)


def continue_branch(
    make_system: Callable[[Array], AbstractSystem],
    start: PyTree[ArrayLike],
    interval: tuple[ArrayLike, ArrayLike],
    *,
    max_step: float = 0.05,
    max_points: int = 2000,
) -> Branch:
    """The branch of fixed points from p0 on, until p leaves [p0, p1] at either end, through folds.

    **Arguments:** `make_system(p)`, a `Map` or `Flow` with a constant input for a scalar p, which is traced, since the system
    is compiled and differentiated; `start` a guess of the fixed point at p0, flat (N,) or as the cell or field has it;
    `interval` (p0, p1), of which p1 may be the smaller; `max_step` the longest step, in units of |p1 − p0| and the state's
    size; `max_points` after how many to give up.

    **Returns:** a `Branch`. Newton's method ends with a step and a residual of at most 1e-10 (float32: 1e-5), relative to the
    state's size and the Jacobian's, before its last step; bifurcations are located to 2e-12 (float32: some 1e-5) of
    those units. A partial branch (out of points, running off to infinity, lost) says so in its `result`. An eigenvalue that
    crosses twice within one step goes unseen: a smaller `max_step` looks closer.

    **Raises:** `ValueError` where no fixed point is found from `start` at p0, for an empty interval, an input that is not
    constant, or systems of different sizes; `TypeError` where `make_system` returns no system or cannot be traced in p.

    Drives compiled kernels from the host: it is not itself for `jit`. One `make_system` is compiled once.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> def network(b):
    ...     return ro.Map(ro.VanillaCell([[2.0]], [[1.0]], [0.0], jnp.tanh), b[None])
    >>> branch = ro.continue_branch(network, jnp.array([-1.0]), (-1.0, 1.0))
    >>> [(kind, round(b, 3)) for kind, b, _ in branch.bifurcations], branch.complete
    ([('fold', 0.533), ('fold', -0.533)], True)

    ```
    """
    check_callable("make_system", make_system, "make_system(p)")
    max_step = as_step("max_step", max_step)
    check_count("max_points", max_points, 2)
    ends = _as_interval(interval)
    systems = [_made(make_system, p) for p in ends]
    h = systems[0].as_point("start", start)
    if systems[1].as_point("start", h).shape != h.shape or type(systems[0]) is not type(systems[1]):
        raise ValueError("make_system must return systems of one kind and size for every p.")
    systems[0].require_constant("continue_branch", h)
    walk = _Walk(make_system, systems[0], ends, np.asarray(h).dtype)
    return walk.follow(walk.start(np.asarray(h)), max_step, max_points)


def _as_interval(interval) -> tuple[float, float]:
    if not isinstance(interval, tuple | list) or len(interval) != 2:
        raise TypeError(f"interval must be a pair (p0, p1) of numbers; got {interval!r}.")
    p0, p1 = (as_number(name, p) for name, p in zip(("p0", "p1"), interval, strict=True))
    if not (math.isfinite(p0) and math.isfinite(p1)) or p0 == p1:
        raise ValueError(f"interval must have two different, finite ends (p0, p1); got ({p0}, {p1}).")
    return p0, p1


def _made(make_system, p: float) -> AbstractSystem:
    made = make_system(jnp.asarray(p, float))
    check_system(f"what make_system returns at p = {p:g}", made)
    made.require_constant("continue_branch")
    return made


class _Point(NamedTuple):
    """A point z = (h, p) with the unit tangent, and what is asked of it. Arrays of JAX in the kernels, of NumPy outside.

    `growths` and `condition` are the eigenvalues'; `tests` the signs (0 within rounding) of the tangent's parameter
    component, of the bordered determinant, and of every growth.
    """

    z: Any
    tangent: Any
    converged: Any
    iterations: Any
    residual: Any
    eigenvalues: Any
    condition: Any
    growths: Any
    jacobian: Any
    tests: Any


def _equations(make_system, units):
    """F(z), and its derivative in those units: the extended Jacobian (N, N + 1)."""

    def residual(z):
        return make_system(z[-1]).residual(z[:-1])

    return residual, lambda z: jax.jacfwd(residual)(z) * units[None]


@eqx.filter_jit
def _correct(make_system, guess, direction, units) -> _Point:
    """The point of the curve in the plane through `guess` across `direction`."""
    residual, jacobian = _equations(make_system, units)
    scale = jnp.maximum(1, jnp.max(jnp.abs(jacobian(guess))))
    normal = direction / units

    def equations(v, _):
        return jnp.append(residual(v * units) / scale, normal @ (v - guess / units))

    tolerance = _NEWTON[jnp.finfo(guess.dtype).bits]
    # by singular values, since the curve may be asked for where two of them meet
    newton = optx.Newton(tolerance, tolerance, linear_solver=lx.SVD())
    solution = optx.root_find(equations, newton, guess / units, max_steps=50, throw=False)
    converged = (solution.result == optx.RESULTS.successful) & jnp.all(jnp.isfinite(solution.value))
    z = jnp.where(converged, solution.value * units, guess)
    return _describe(make_system, z, direction, units)._replace(
        converged=converged, iterations=solution.stats["num_steps"]
    )


@eqx.filter_jit
def _branch_point(make_system, guess, direction, units) -> _Point:
    """The point near `guess` at which two curves cross, by the system of Griewank and Reddien."""
    residual, jacobian = _equations(make_system, units)
    left, _, right = jnp.linalg.svd(jacobian(guess))
    n = left.shape[0]
    psi, phi = left[:, -1:], right[-2:]
    corner = jnp.eye(n + 2, 2, -n, dtype=guess.dtype)

    def equations(y, _):
        z = y[:-1] * units
        bordered = jnp.block([[jacobian(z), psi], [phi, jnp.zeros((2, 1), z.dtype)]])
        return jnp.append(residual(z) + y[-1] * psi[:, 0], solve(bordered, corner)[-1])

    tolerance = _NEWTON[jnp.finfo(guess.dtype).bits]
    solution = optx.root_find(
        equations, optx.Newton(tolerance, tolerance), jnp.append(guess / units, 0), max_steps=20, throw=False
    )
    true = (solution.result == optx.RESULTS.successful) & (jnp.abs(solution.value[-1]) <= tolerance)
    z = jnp.where(true, solution.value[:-1] * units, guess)
    return _describe(make_system, z, direction, units)._replace(converged=true, iterations=solution.stats["num_steps"])


@eqx.filter_jit
def _look(make_system, z, direction, units) -> _Point:
    return _describe(make_system, z, direction, units)


@eqx.filter_jit
def _on_kink(make_system, z):
    return surroundings(make_system(z[-1]).jacobian, z[:-1]).kink


def _describe(make_system, z, direction, units) -> _Point:
    """What is asked of a point, with the tangent that makes an acute angle with `direction`."""
    residual, jacobian = _equations(make_system, units)
    system, h, eps = make_system(z[-1]), z[:-1], jnp.finfo(z.dtype).eps
    A = _finite(jacobian(z))
    null = _tangent(A, direction / units)
    J = _finite(system.jacobian(h))
    values, condition = system.modes(J)
    growths = jnp.real(system.reading.exponent(values))
    rounding = jnp.minimum(8 * condition * backward_error(J), eps**0.5 * jnp.linalg.norm(J))
    tests = jnp.concatenate(
        [
            _sign(null[-1:], 64 * eps),
            jnp.linalg.slogdet(jnp.concatenate([A, null[None]]))[0][None],
            _sign(growths, rounding),
        ]
    )
    none = jnp.zeros((), int)
    return _Point(z, null * units, none > 0, none, jnp.max(jnp.abs(residual(z))), values, condition, growths, J, tests)


def _tangent(A, direction):
    """The unit null vector of A (N, N + 1) at an acute angle with `direction`; the nearest one where there are several."""
    _, sizes, rows = jnp.linalg.svd(A)
    rounding = A.shape[1] * jnp.finfo(A.dtype).eps * jnp.maximum(1, sizes[0])
    parts = jnp.append(sizes <= rounding, True) * (rows @ direction)
    nearest, length = parts @ rows, jnp.linalg.norm(parts)
    return jnp.where(length > 0, nearest / jnp.where(length > 0, length, 1), rows[-1])


def _finite(A):
    """LAPACK may not return from a matrix with a NaN; that the point is none is known from elsewhere."""
    return jnp.where(jnp.isfinite(A), A, 0)


def _sign(values, rounding):
    return jnp.where(jnp.abs(values) <= rounding, 0, jnp.sign(values))


class _Crossing(NamedTuple):
    """Where tests change, a point just after, and which of them do."""

    at: _Point
    after: _Point
    changed: np.ndarray


class _Walk:
    """The host's side: where to look for the next point, and what happened on the way."""

    def __init__(self, make_system, system: AbstractSystem, ends: tuple[float, float], dtype):
        self.make_system, self.system, self.ends, self.dtype = make_system, system, ends, dtype
        self.width = abs(ends[1] - ends[0])
        eps = float(np.finfo(dtype).eps)
        self.located, self.near, self.shortest, self.crease = eps**0.75, eps**0.4, eps**0.5, eps**0.3
        self.continuous, self.real = eps**0.25, 100 * eps**0.5
        self.size = 0.0  # of the largest Jacobian so far
        self.small = 1.0  # the size of a state below which it is no matter how small it is
        self.signs = np.zeros(0)
        self.slack = 16 * eps * (1 + max(map(abs, ends)) / self.width)

    def units(self, z) -> np.ndarray:
        units = np.full(len(z), max(self.small, _length(z[:-1])), self.dtype)
        units[-1] = self.width
        return units

    def correct(self, guess, direction, units, kernel=_correct) -> _Point:
        point = kernel(self.make_system, guess.astype(self.dtype), direction.astype(self.dtype), units)
        point = jax.device_get(point)
        self.size = max(self.size, _length(point.jacobian))
        return point

    def start(self, h) -> _Point:
        guess, along = np.append(h, self.ends[0]), np.append(np.zeros(len(h)), self.ends[1] - self.ends[0])
        self.small = self.scale(_length(h))
        try:
            point = self.correct(guess, along, self.units(guess))
        except _UNTRACEABLE as error:
            raise TypeError(
                "make_system(p) must be traceable in p: no float(p), int(p), numpy functions or if on p, which is traced "
                f"where it is compiled. ({str(error).splitlines()[0]})"
            ) from None
        if not point.converged:
            raise ValueError(
                f"start must be near a fixed point at p0 = {self.ends[0]:g}; Newton's method finds none from it (largest "
                f"entry of the residual there: {point.residual:.3g}). rnn_ode.fixed_points(make_system(p0), guesses) finds "
                "them."
            )
        slope = point.tangent[:-1] / max(abs(point.tangent[-1]), self.near)
        self.small = self.scale(max(_length(point.z[:-1]), _length(slope) * self.width))
        return self.correct(point.z, along, self.units(point.z))

    def scale(self, size: float) -> float:
        """A size of states as their unit: at most 1, and 1 for what is 0 to within half the digits."""
        return min(size, 1.0) if size > self.shortest else 1.0

    def between(self, a: _Point, b: _Point) -> _Point | None:
        """A point of the curve half way between two, on the cubic through both; `None` where there is none."""
        units = self.units(a.z)
        chord = b.z - a.z
        length = _length(chord / units)
        ta, tb = (length * _unit(point.tangent, units) for point in (a, b))
        middle = self.correct((a.z + b.z) / 2 + (ta - tb) / 8, _unit(1.5 * chord - (ta + tb) / 4, units), units)
        halves = [_length((middle.z - end.z) / units) for end in (a, b)]
        return middle if middle.converged and max(halves) < 0.85 * length else None

    def step(self, a: _Point, length: float) -> tuple[_Point | None, float]:
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

    def turn(self, a: _Point) -> tuple[_Point | None, list["_Crossing"] | None]:
        """A step round a corner where the branch turns back, as relu's: along the tangent that the system has just beyond
        it, in the sense that keeps the sign of the bordered determinant (Allgower & Georg, ch. 12)."""
        units = self.units(a.z)
        beyond = self.correct(a.z + 4 * self.shortest * _unit(a.tangent, units), a.tangent, units, _look)
        direction = _unit(beyond.tangent, units) * beyond.tests[1] * a.tests[1]
        b = self.correct(a.z + 4 * self.shortest * direction, direction, units)
        on_course = b.converged and (b.z - a.z) @ (direction / units**2) > 0 and b.tests[1] == a.tests[1]
        return (b, self.crossings(a, b)) if on_course else (None, None)

    def outside(self, point: _Point) -> bool:
        p0, p1 = self.ends
        return not -self.slack <= (point.z[-1] - p0) / (p1 - p0) <= 1 + self.slack

    def tests(self, point: _Point) -> np.ndarray:
        """The signs of the tests, and whether p is outside. One that is zero within rounding counts as it was before, so that
        touching zero is no event, nor are eigenvalues that stay on the boundary."""
        return np.append(np.where(point.tests == 0, self.signs, point.tests), self.outside(point))

    def crossings(self, a: _Point, b: _Point) -> list["_Crossing"] | None:
        """Every change of a test between a and b, in order; `None` where a and b are not on one curve."""
        found, signs = [], self.signs
        while np.any(self.tests(a) != self.tests(b)):
            now = self.tests(a)
            low, high, after = a, b, b
            while (length := _length((high.z - low.z) / self.units(low.z))) > self.located:
                if length > self.near / 2:
                    after = high
                middle = self.between(low, high)
                if middle is None and length > self.near:
                    self.signs = signs
                    return None
                if middle is None:  # where curves meet, the plane tells them apart no better than this
                    break
                low, high = (low, middle) if np.any(self.tests(middle) != now) else (middle, high)
            self._append(found, _Crossing(low, after, now != self.tests(after)))
            self.signs = self.tests(after)[:-1]
            a = after
        return found

    def _append(self, found: list["_Crossing"], new: "_Crossing") -> None:
        """One crossing more, or one with the last where the two are too near to be told apart."""
        if found and _length((new.at.z - found[-1].at.z) / self.units(new.at.z)) < self.near:
            old = found.pop()
            new = _Crossing(old.at if old.changed[1] else new.at, new.after, old.changed ^ new.changed)
        if np.any(new.changed):
            found.append(new)

    def name(self, at: _Point, changed: np.ndarray) -> dict[str, complex]:
        """The bifurcations where these tests change: kind and critical eigenvalue."""
        turned, crossed, *grown = changed[:-1]
        real = np.where(
            abs(at.eigenvalues.imag) <= self.real * _length(at.jacobian), at.eigenvalues.real, at.eigenvalues
        )
        kinds = [self.system.bifurcation(complex(value)) for value in real]
        steady = [(abs(g), complex(v)) for g, v, kind in zip(at.growths, real, kinds, strict=True) if kind == "fold"]
        # det ∂F/∂h is the product of these two tests: one of them alone comes with an eigenvalue, or is rounding
        turned = turned and (any(grown) or np.any(at.tests[2:] == 0))
        found: dict[str, complex] = {}
        if crossed or turned:
            found["branch point" if crossed else "fold"] = min(steady, default=(0, complex("nan")), key=lambda s: s[0])[
                1
            ]
        for k in np.flatnonzero(grown):
            if abs(at.growths[k]) > self.continuous * self.size:
                found = {"border collision": complex(real[k])}
                break
            if kinds[k] != "fold":
                found.setdefault(kinds[k], complex(np.real(real[k]), abs(np.imag(real[k]))))
            elif not found.keys() & {"fold", "branch point"}:
                found["branch point"] = complex(real[k])
        return found

    def refined(self, at: _Point) -> _Point:
        """A branch point, better than the plane across the curve can tell it."""
        units = self.units(at.z)
        better = self.correct(at.z, at.tangent, units, _branch_point)
        return better if better.converged and _length((better.z - at.z) / units) < 10 * self.near else at

    def end(self, at: _Point) -> _Point:
        """The point at the end of the interval at which the branch leaves it, exactly there if it is no fold."""
        units = self.units(at.z)
        guess = at.z.copy()
        guess[-1] = min(self.ends, key=lambda p: abs(p - at.z[-1]))
        direction = np.append(np.zeros(len(guess) - 1), np.sign(at.tangent[-1]) * self.width)
        exact = self.correct(guess, direction, units)
        return exact if exact.converged and _length((exact.z - at.z) / units) < 10 * self.near else at

    def returns(self, home: _Point, a: _Point, b: _Point) -> bool:
        """Whether the step from a to b passes the start again, in its direction."""
        units = self.units(home.z)
        u = _unit(home.tangent, units) / units
        x, y = (a.z - home.z) / units, (b.z - home.z) / units
        if not (u @ x < 0 <= u @ y and u @ (_unit(a.tangent, units) / units) > 0.9):
            return False
        nearest = x + (y - x) * (u @ x) / (u @ x - u @ y)
        return _length(nearest) < 0.1 * _length(y - x)

    def follow(self, home: _Point, max_step: float, max_points: int) -> Branch:
        record = _Record(self.near)
        record.add(home)
        a, length, self.signs = home, max_step / 4, home.tests
        far = _INFINITY * max(1.0, _length(home.z[:-1]))
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
                    return self.branch(record, RESULTS.branch_lost)
            for at, after, changed in crossings:
                kinds = self.name(at, changed)
                at = self.refined(at) if "branch point" in kinds else at
                for kind, critical in kinds.items():
                    record.bifurcation(kind, at, critical, self.units(at.z))
                if self.outside(after):
                    record.add(self.end(at))
                    return self.branch(record, RESULTS.successful)
            record.add(b)
            if closed:
                return self.branch(record, RESULTS.successful, closed=True)
            if _length(b.z[:-1]) > far:
                return self.branch(record, RESULTS.branch_diverged)
            a = b
            length = min(max_step, 1.6 * length) if straight > 0.995 and b.iterations <= 5 else length
        return self.branch(record, RESULTS.branch_cut_short)

    def verdict(self, point: _Point) -> Verdict:
        verdict = self.system.verdict(*map(jnp.asarray, (point.jacobian, point.eigenvalues, point.condition)))
        return Verdict.where(_on_kink(self.make_system, point.z), Verdict.UNDETERMINED, verdict)

    def branch(self, record: "_Record", result: Any, closed: bool = False) -> Branch:
        points = record.points
        z = np.stack([point.z for point in points])
        verdicts = [self.verdict(point) for point in points]
        return Branch(
            z[:, -1],
            z[:, :-1],
            np.stack([point.residual for point in points]),
            np.stack([point.eigenvalues for point in points]),
            jax.tree.map(lambda *leaves: jnp.stack(leaves), *verdicts),
            record.bifurcations,
            record.indices,
            np.array(record.critical, points[0].eigenvalues.dtype),
            closed,
            result,
        )


class _Record:
    """What a branch has shown so far."""

    def __init__(self, near: float):
        self.near = near
        self.points: list[_Point] = []
        self.bifurcations: list[Bifurcation] = []
        self.indices: list[int] = []
        self.critical: list[complex] = []

    def add(self, point: _Point) -> int:
        if not self.points or np.any(point.z != self.points[-1].z):
            self.points.append(point)
        return len(self.points) - 1

    def bifurcation(self, kind: str, at: _Point, critical: complex, units) -> None:
        # a point that lies on the bifurcation to rounding is one end of two steps
        for other, index in zip(self.bifurcations, self.indices, strict=True):
            if kind == other.kind and _length((self.points[index].z - at.z) / units) < 2 * self.near:
                return
        self.indices.append(self.add(at))
        self.bifurcations.append(Bifurcation(kind, float(at.z[-1]), at.z[:-1]))
        self.critical.append(critical)


def _length(v) -> float:
    return float(np.linalg.norm(v))


def _unit(v, units) -> np.ndarray:
    """A vector of that direction with length one in those units."""
    return v / max(_length(v / units), 1e-30)
