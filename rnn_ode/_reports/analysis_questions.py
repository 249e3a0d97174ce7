"""The questions of an analysis, asked of one system."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._analyses.fixed_points import FixedPoints, fixed_points
from .._analyses.fixed_points_guesses import draw_guesses
from .._analyses.frames import is_undefined
from .._analyses.gradients import GradientFlow, gradient_flow
from .._analyses.lyapunov import Lyapunov, lyapunov
from .._analyses.orbits import periodic_orbit
from .._analyses.orbits_guess import orbit_guess
from .._analyses.orbits_result import PeriodicOrbit
from .._analyses.transient import Transient, transient
from .._base.compiled import compiled
from .._base.results import RESULTS
from .._base.types import Cell
from .._systems.base import AbstractSystem

_MOST_LAGS = 100  # of the gradients

_FAR = 1e6  # a run that ends further away than this, in sizes of the guesses, runs off

_RESTS = 1e-3  # a run that ends so near to a fixed point, in sizes of the guesses, comes to rest there


class Answers(NamedTuple):
    """What one system answered: see `Side`. Without a `system` there are no answers, and `reason` says why."""

    name: str
    system: AbstractSystem | None
    times: np.ndarray = np.zeros(0)
    orbit: np.ndarray = np.zeros((0, 0))
    points: FixedPoints | None = None
    closed: PeriodicOrbit | None = None
    exponents: Lyapunov | None = None
    gradients: GradientFlow | None = None
    transient: Transient | None = None
    about: np.ndarray | None = None
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Questions:
    """Every question, with what it needs: see `analyse`. `start` is a flat state, `report` is called as each part begins."""

    x: Float[Array, " D"]
    start: Float[Array, " N"]
    dt: float
    steps: int
    guesses: int
    seed: int
    report: Callable[[str], None]

    def ask(
        self, name: str, system: AbstractSystem, stepped: Cell, step: float | None, orbits: Sequence[np.ndarray] = ()
    ) -> Answers:
        """The answers of a system.

        `stepped` is the system as a cell that makes one step of the network, `step` the length of a step of the run, and
        `orbits` are states of other systems, about which fixed points are looked for too.
        """
        self.report(f"{name}: a run")
        times, orbit = run_orbit(system, self.start, self.steps * self.dt, step)
        alive = _finite_rows(orbit)
        reason = "" if len(alive) == len(orbit) else _why_ended(system, orbit[: len(alive) + 1], times[len(alive) - 1])
        self.report(f"{name}: fixed points")
        points = fixed_points(system, self._guesses(alive, *orbits))
        self.report(f"{name}: a closed orbit")
        closed = None if reason else self._closed(system, points, alive[-1])
        self.report(f"{name}: Lyapunov exponents")
        exponents = None if reason else self._exponents(system)
        self.report(f"{name}: gradients")
        gradients = None if reason else self._gradients(system, stepped, alive[-1])
        self.report(f"{name}: transients")
        about = _nearest(points, moderate(alive[-1]))
        return Answers(
            name=name,
            system=system,
            times=times[: len(alive)],
            orbit=alive,
            points=points,
            closed=closed,
            exponents=exponents,
            gradients=gradients,
            transient=None if about is None else transient(system, about),
            about=about,
            reason=reason,
        )

    def _closed(self, system: AbstractSystem, points: FixedPoints, last: np.ndarray) -> PeriodicOrbit | None:
        """The closed orbit that the run ends in or passes; `None` where it comes to rest or does not come back."""
        size = max(float(points.size), 1e-300)
        if np.max(np.abs(last)) > _FAR * size:
            return None
        nearest = _nearest(points, last)
        if nearest is not None and np.linalg.norm(last - nearest) <= _RESTS * size:
            return None
        try:
            found = periodic_orbit(system, *orbit_guess(system, jnp.asarray(last), self.dt * self.steps))
        except ValueError:  # the run comes to rest after all, or does not come back
            return None
        return found if bool(found.converged) else None

    def _exponents(self, system: AbstractSystem) -> Lyapunov:
        return lyapunov(system, self.start, self.dt * self.steps, transient=self.dt * (self.steps // 10))

    def _gradients(self, system: AbstractSystem, stepped: Cell, last: np.ndarray) -> GradientFlow:
        xs = jnp.broadcast_to(self.x, (min(self.steps, _MOST_LAGS), *self.x.shape))
        return gradient_flow(stepped, xs, system.unravel(jnp.asarray(last)), throw=False)

    def _guesses(self, *orbits: np.ndarray) -> Float[Array, "n N"]:
        """Guesses: zero, and for each run some near its states and some of their size near zero."""
        key, guesses = jax.random.key(self.seed), [jnp.zeros((1, orbits[0].shape[1]), orbits[0].dtype)]
        for run in (jnp.asarray(moderate(orbit)) for orbit in orbits):
            size = float(jnp.sqrt(jnp.mean(run**2))) or 1.0
            guesses.append(draw_guesses(key, self.guesses, run, float(jnp.std(run)) or size))
            guesses.append(draw_guesses(key, self.guesses, guesses[0], size))
        return jnp.concatenate(guesses)


def run_orbit(
    system: AbstractSystem, start: Float[Array, " N"], duration: float, step: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Times (n,) and flat states (n, N) of a run, the start first."""
    length = float(system.stepper(step).length)
    count = round(duration / length)
    states = np.concatenate([np.asarray(start)[None], np.asarray(_advanced(system, start, step, count))])
    return length * np.arange(count + 1), states


@compiled
def _advanced(system: AbstractSystem, start: Float[Array, " N"], step: float | None, count: int) -> Float[Array, "n N"]:
    stepper = system.stepper(step)

    def advance(h, k):
        h = stepper.advance(k, h)
        return h, h

    return jax.lax.scan(advance, start, jnp.arange(count))[1]


def _finite_rows(orbit: np.ndarray) -> np.ndarray:
    """The states of a run before the first one that is not finite."""
    return orbit[np.cumprod(np.isfinite(orbit).all(axis=1)).astype(bool)]


def moderate(states: np.ndarray) -> np.ndarray:
    """States clipped to where products of two of them, and sums of these, are in the float range."""
    limit = np.finfo(states.dtype).max ** 0.25
    return np.clip(states, -limit, limit)


def _why_ended(system: AbstractSystem, rows: np.ndarray, time: float) -> str:
    """Why a run left the finite numbers after the given time; the last of `rows` is its first state that is not finite."""
    if is_undefined(*jnp.asarray(rows[-2:])):
        sentence = RESULTS[system.time.undefined].split(". ")[0].split("; ")[0]
        return f"does not exist here: {sentence[0].lower()}{sentence[1:]} (at t = {time:g})"
    return f"left the float range after t = {time:g}"


def _nearest(points: FixedPoints, state: np.ndarray) -> np.ndarray | None:
    """The fixed point nearest to a state, if there is one."""
    rows = np.asarray(points.points)[np.asarray(points.converged)]
    return rows[np.argmin(np.linalg.norm(rows - state, axis=1))] if len(rows) else None
