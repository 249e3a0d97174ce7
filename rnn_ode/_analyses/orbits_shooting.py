"""Closed orbits of flows that are not stiff, by multiple shooting (Stoer & Bulirsch, "Numerical Analysis", 7.3).

The period is divided into m segments, each of which is one step of Dormand and Prince's eighth-order method. Unknown are the
states xᵢ at which they begin, and the period T where no input has a clock of its own. Segment i carries xᵢ to Φᵢ(xᵢ, T), and
Φᵢ(xᵢ, T) = xᵢ₊₁ round the ring. The phase condition is that of `orbits_ring`, and a linear step is condensed as there.

The search takes the derivatives of Φ from steps of the classical fourth-order method, which cost a fraction and are exact
enough: each step divides the error by some ten to a thousand. They are used for as long as they do so. The multipliers come
from the derivatives of the eighth-order steps at the end.

There are as many segments as an embedded estimate of the error asks for. A stiff flow, or one with kinks, asks for too many,
and is left to collocation, as is what does not end on an orbit. All numbers are known here, so nothing has a derivative.
"""

from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._base.compiled import compiled
from .._base.results import RESULTS
from .._run.dopri8 import Dopri8
from .._systems.base import AbstractSystem
from .orbits_clock import Clock, clock_of, intervals_for, samples_of, turns_of
from .orbits_kinds import extent_of, multipliers_of
from .orbits_mesh import equidistributed, first_mesh, interpolated
from .orbits_newton import pseudo_inverse, size_of
from .orbits_result import PeriodicOrbit

_ERROR = {64: 1e-7, 32: 1e-4}  # of all steps together, relative to the orbit's extent

_STEP = {64: 5e-10, 32: 3e-6}  # of one step

_ORDER = 8  # the power of a step's length that its estimated error grows with

_FIRST = 32  # segments of a guess whose errors are estimated

_SIZES = 8, 12, 16, 24, 32, 40, 48, 64, 96, 128, 192  # numbers of segments: few, since each is compiled

_MESHES = 4  # at most

_POINTS = 192  # at least, of an orbit that is returned

_DERIVATIVES = 12  # times at most that the search takes derivatives

_CHORDS = 10  # steps with the same derivatives

_HALVINGS = 6


class Mesh(NamedTuple):
    """The widths (m,) of segments as shares of the period, and how many segments of a better mesh belong into each."""

    widths: Float[Array, " m"]
    wanted: Float[Array, " m"]


class Shot(NamedTuple):
    """Where the search ended: the points (m, N) of the orbit and their times as shares of the period T, the monodromy matrix,
    the rate at the first point, the largest defect, the estimated error of the points, whether it is an orbit, and the mesh
    that would suit it."""

    points: Float[Array, "m N"]
    times: Float[Array, " m"]
    T: Float[Array, ""]
    monodromy: Float[Array, "N N"]
    rate: Float[Array, " N"]
    residual: Float[Array, ""]
    error: Float[Array, ""]
    good: Bool[Array, ""]
    mesh: Mesh


class _Rough(NamedTuple):
    """Rough derivatives: of each segment (m, N, N), of the states x (m, N, N + 1) by x₀ and T, the weights (m, N) of the
    phase condition, and the inverse (N + 1, N + 1) of the condensed equations. T is in the `unit` that makes it a state."""

    J: Array
    V: Array
    phase: Array
    inverse: Array
    unit: Array


def shot(system: AbstractSystem, states: Float[Array, "n N"], length: float, driven: bool) -> PeriodicOrbit | None:
    """Returns the orbit near a guess (n, N) at equal distances in time, or `None` if it is left to collocation."""
    uniform = samples_of(system) is not None
    clock = length if driven else 0.0
    guess, T = states, jnp.asarray(length, states.dtype)
    times, mesh = jnp.arange(len(states), dtype=states.dtype) / len(states), None
    for _ in range(_MESHES):
        if mesh is None:
            mesh = estimated(system, guess, T, intervals_for(system, _FIRST, length), clock)
        count = _count(system, mesh, length, uniform)
        if count is None:
            return None
        found = shoot(system, guess, times, T, mesh, count, clock, turns_of(system, length))
        if not bool(found.good):
            return None
        if float(found.error) <= _ERROR[jnp.finfo(states.dtype).bits]:
            return _as_orbit(system, found, not driven)
        guess, times, T, mesh = found.points, found.times, found.T, found.mesh
    return None


def _as_orbit(system: AbstractSystem, found: Shot, free: bool) -> PeriodicOrbit:
    multipliers = multipliers_of(system, found.monodromy, found.rate, jnp.asarray(False), found.good, free)
    return PeriodicOrbit(
        points=found.points,
        times=found.T * found.times,
        period=found.T,
        **multipliers._asdict(),
        residual=found.residual,
        error=found.error,
        converged=found.good,
        result=RESULTS.successful,  # pyright: ignore[reportArgumentType]
    )


def _count(system: AbstractSystem, mesh: Mesh, length: float, uniform: bool) -> int | None:
    """Returns the number of segments of the next mesh; `None` for too many."""
    wanted = jax.device_get(mesh.wanted)
    least = len(wanted) * wanted.max() if uniform else wanted.sum()
    sizes = (intervals_for(system, size, length) for size in _SIZES if least <= size)
    return next((size for size in sizes if size <= _SIZES[-1]), None)


@compiled
def estimated(system: AbstractSystem, states: Array, T: Array, count: int, clock: float) -> Mesh:
    """Returns a first mesh for a guess, and what better one it wants."""
    times = jnp.arange(len(states), dtype=states.dtype) / len(states)
    widths = jnp.full(count, 1 / count, states.dtype)
    if samples_of(system) is None:
        widths = first_mesh(states, times, count)
    x, clocks = interpolated(states, times, _starts(widths)), clock_of(system, widths, clock)
    _, errors = _carried(system, T, x, widths, clocks)
    return Mesh(widths, _wanted(errors, extent_of(states)))


@compiled
def shoot(
    system: AbstractSystem,
    guess: Array,
    times: Array,
    T: Array,
    mesh: Mesh,
    count: int,
    clock: float,
    turns: tuple[int, ...],
) -> Shot:
    """Returns the orbit near a guess (n, N) at those times, which are shares of the period, with `count` segments. It is not
    good if it may have gone round `turns` times."""
    widths = jnp.full(count, 1 / count, guess.dtype)
    if samples_of(system) is None:
        share = mesh.wanted + 0.02 * jnp.sum(mesh.wanted) * mesh.widths
        widths = equidistributed(share / jnp.sum(share), mesh.widths, count)
    clocks = clock_of(system, widths, clock)
    x = interpolated(guess, times, _starts(widths))
    ended = _newton(system, x, T, widths, clocks, clock == 0)
    x, T = ended.x + ended.dx, ended.T + ended.dT  # the search computed this step and did not take it
    after, errors = _carried(system, T, x, widths, clocks)
    residual = jnp.max(jnp.abs(after - jnp.roll(x, -1, axis=0)))
    M = _monodromy(system, x, T, widths, clocks)
    points, at, parts = _dense(system, x, T, widths, clocks, -(-_POINTS // count), turns)
    extent, eps = extent_of(points), float(jnp.finfo(x.dtype).eps)
    good = (ended.moved <= eps**0.7) & (T > 0) & jnp.all(jnp.isfinite(M))
    moves = extent > eps**0.4 * size_of(points)
    comes_back = jnp.any(jnp.max(jnp.abs(parts - x[:1]), axis=1) <= eps**0.4 * extent)
    good &= moves & ~comes_back if clock == 0 else ~(moves & comes_back)
    rate = _rate(system, jax.tree.map(lambda leaf: leaf[0], clocks), jnp.zeros((), x.dtype), x[0])
    error = jnp.sum(errors) / jnp.where(extent > 0, extent, 1)
    return Shot(points, at, T, M, rate, residual, error, good, Mesh(widths, _wanted(errors, extent)))


def _starts(widths: Array) -> Array:
    return jnp.cumsum(widths) - widths


def _wanted(errors: Array, extent: Array) -> Array:
    """Returns how many segments each one should be, by its error."""
    limit = _STEP[jnp.finfo(errors.dtype).bits] * jnp.where(extent > 0, extent, 1)
    return jnp.where(jnp.isfinite(errors), (errors / limit) ** (1 / _ORDER), jnp.inf)


def _rate(system: AbstractSystem, clock: Clock, share: Any, h: Array) -> Array:
    """Returns dh/dt at a share of a segment."""
    return system.stepper().rate(clock.step, h, clock.into + share * clock.span)  # pyright: ignore


def _carried(system: AbstractSystem, T: Array, x: Array, widths: Array, clocks: Clock) -> tuple[Array, Array]:
    """Returns the states (m, N) after segments, and the estimated errors (m,) of them."""
    zero, one = jnp.zeros((), x.dtype), jnp.ones((), x.dtype)

    def segment(h, width, clock):
        term = diffrax.ODETerm(lambda s, h, _: T * width * _rate(system, clock, s, h))
        after, error, *_ = Dopri8().step(term, zero, one, h, None, None, False)
        return after, jnp.linalg.norm(error)

    return jax.vmap(segment)(x, widths, clocks)


def _linearised(system: AbstractSystem, T: Array, width: Array, clock: Clock) -> Any:
    """Returns a function of a share of a segment and of a state: its rate per segment, and that of a disturbance."""
    return lambda s, h: jax.linearize(lambda h: T * width * _rate(system, clock, s, h), h)


class _Search(NamedTuple):
    """A search: the states and the period at hand, by how much they miss their equations, the next step and the share of it
    to try, how far the whole step goes, relative to the size of states, and that of the step before it."""

    x: Array
    T: Array
    missed: Array
    dx: Array
    dT: Array
    share: Array
    moved: Array
    before: Array
    halved: Array
    steps: Array


def _newton(system: AbstractSystem, x: Array, T: Array, widths: Array, clocks: Clock, free: bool) -> _Search:
    """Returns where Newton's method with halved steps ends. It takes derivatives anew where a step with old ones is more than
    a third as long as the one before."""
    eps = float(jnp.finfo(x.dtype).eps)
    size = size_of(x)

    def trial(rough, at):
        x, T = at.x + at.share * at.dx, at.T + at.share * at.dT
        missed = _carried(system, T, x, widths, clocks)[0] - jnp.roll(x, -1, axis=0)
        now, length = jnp.linalg.norm(missed), jnp.linalg.norm(at.missed)
        good = (now < length * (1 + 1e-3) + eps**0.5 * size) | (at.halved >= _HALVINGS)
        dx, dT = _direction(rough, missed)
        moved = jnp.max(jnp.linalg.norm(dx, axis=1)) / size + 2 * jnp.abs(dT / T)
        # no step is longer than the orbit is large, or changes the period by more than a half
        new = _Search(x, T, missed, dx, dT, jnp.minimum(1, 1 / moved), moved, at.moved, 0 * at.halved, at.steps + 1)
        shorter = at._replace(share=at.share / 2, halved=at.halved + 1)
        return jax.tree.map(lambda a, b: jnp.where(good, a, b), new, shorter)

    def with_new_derivatives(state):
        at, count = state
        rough = _rough(system, at.x, at.T, widths, clocks, free)

        def going(at):
            return (at.steps == 0) | (
                (at.moved > eps**0.7) & ((at.moved < at.before / 3) | (at.halved > 0)) & (at.steps < _CHORDS)
            )

        return jax.lax.while_loop(going, lambda at: trial(rough, at), begun(at.x, at.T)), count + 1

    def begun(x, T):
        far, zero = jnp.asarray(jnp.inf, x.dtype), jnp.zeros((), int)
        return _Search(x, T, jnp.full_like(x, jnp.inf), 0 * x, 0 * T, jnp.ones_like(T), far, far, zero, zero)

    def going(state):
        at, count = state
        return (at.moved > eps**0.7) & (count < _DERIVATIVES)

    return jax.lax.while_loop(going, with_new_derivatives, (begun(x, T), 0))[0]


def _direction(rough: _Rough, missed: Array) -> tuple[Array, Array]:
    """Returns the step δx (m, N), δT."""

    def carry(c, row):
        J, miss = row
        return J @ c + miss, c

    last, c = jax.lax.scan(carry, jnp.zeros_like(missed[0]), (rough.J, missed))
    y = -rough.inverse @ jnp.append(last, jnp.sum(rough.phase * c))
    return rough.V @ y + c, rough.unit * y[-1]


def _rough(system: AbstractSystem, x: Array, T: Array, widths: Array, clocks: Clock, free: bool) -> _Rough:
    """Returns the derivatives by one step of the classical fourth-order method for each segment."""
    m, n = x.shape
    eye = jnp.eye(n, dtype=x.dtype)

    def one(segment):
        h, width, clock = segment
        start, linearised = (h, eye, jnp.zeros_like(h)), _linearised(system, T, width, clock)

        def rate(s, h, V, by_T):
            F, along = linearised(s, h)
            return F, jax.vmap(along)(V), along(by_T) + F / T

        def stage(carry, row):
            total, k = carry
            before, share = row
            k = rate(before, *jax.tree.map(lambda a, b: a + before * b, start, k))
            return (jax.tree.map(lambda a, b: a + share * b, total, k), k), None

        rows = jnp.array([0, 1, 1, 2], h.dtype) / 2, jnp.array([1, 2, 2, 1], h.dtype) / 6
        (total, _), _ = jax.lax.scan(stage, (start, jax.tree.map(jnp.zeros_like, start)), rows)
        return total[1:]

    # a few at a time, so that all of it stays in the cache, and as many each time, so that there is one program
    few = max(size for size in range(1, max(1, min(m, 4096 // n**2)) + 1) if m % size == 0)
    V, g = jax.lax.map(one, (x, widths, clocks), batch_size=few)
    unit = T / size_of(x)
    J, by_T = jnp.swapaxes(V, 1, 2), unit * g

    def carry(V, row):
        J, g = row
        return (J @ V).at[:, n].add(g), V

    start = jnp.eye(n, n + 1, dtype=x.dtype)
    last, V = jax.lax.scan(carry, start, (J, by_T))
    # by T a segment moves along its rate
    phase = by_T / jnp.where((size := jnp.linalg.norm(by_T)) > 0, size, 1)
    third = jnp.einsum("mn,mnk->k", phase, V) if free else jnp.eye(n + 1, dtype=x.dtype)[n]
    rows = jnp.concatenate([last - start, third[None]])
    return _Rough(J, V, phase if free else jnp.zeros_like(phase), pseudo_inverse(rows), unit)


def _monodromy(system: AbstractSystem, x: Array, T: Array, widths: Array, clocks: Clock) -> Array:
    """Returns the monodromy matrix."""
    zero, one = jnp.zeros((), x.dtype), jnp.ones((), x.dtype)

    def carry(V, row):
        h, width, clock = row
        linearised = _linearised(system, T, width, clock)

        def rate(s, state, _):
            F, along = linearised(s, state[0])
            return F, jax.vmap(along)(state[1])

        (_, V), *_ = Dopri8().step(diffrax.ODETerm(rate), zero, one, (h, V), None, None, False)
        return V, None

    return jax.lax.scan(carry, jnp.eye(x.shape[1], dtype=x.dtype), (x, widths, clocks))[0].T


def _dense(
    system: AbstractSystem, x: Array, T: Array, widths: Array, clocks: Clock, per: int, turns: tuple[int, ...]
) -> tuple[Array, Array, Array]:
    """Returns `per` states of each segment, their times as shares of the period, and the states after each of the turns."""
    starts, parts = _starts(widths), 1 / jnp.asarray(turns, x.dtype)
    within, part = jnp.arange(per, dtype=x.dtype) / per, jnp.clip(jnp.searchsorted(starts, parts, side="right") - 1, 0)
    at = (starts[:, None] + widths[:, None] * within[None]).ravel()
    i = jnp.append(jnp.repeat(jnp.arange(len(x)), per), part)
    shares = jnp.append(jnp.tile(within, len(x)), (parts - starts[part]) / widths[part])
    clocks = jax.tree.map(lambda leaf: leaf[i], clocks)
    states, _ = _carried(system, T, x[i], shares * widths[i], clocks._replace(span=shares * clocks.span))
    return states[: len(at)], at, states[len(at) :]
