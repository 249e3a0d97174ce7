"""Closed orbits of maps and flows: where they are, their period, and their Floquet multipliers.

`orbits_shooting` serves flows that are not stiff. For maps and other flows `orbits_ring` holds the equations, `orbits_newton`
solves them, and `orbits_mesh` divides the period of a flow. `orbits_clock` knows what a periodic input asks for, and
`orbits_kinds` describes what was found. `orbits_guess` finds guesses in a run.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PyTree

from .._base.checks import as_floats, as_step, check_count, is_concrete
from .._base.compiled import compiled
from .._base.results import RESULTS
from .._systems.base import AbstractSystem, check_system
from .orbits_clock import check_period, grid_of, intervals_for, is_driven, rate_of, samples_of, turns_of
from .orbits_fill import filled
from .orbits_kinds import described, extent_of, multipliers_of
from .orbits_mesh import better_mesh, error_of, evaluated, first_mesh, interpolated, least_error, times_of
from .orbits_newton import Ended, find
from .orbits_result import PeriodicOrbit
from .orbits_ring import Grid
from .orbits_shooting import shot

ERROR = {64: 1e-7, 32: 1e-4}  # of the points between the ends of intervals, relative to the orbit's extent

_INTERVALS = 24, 32, 48, 64, 96, 128, 192, 256, 384

_TRACED = 48  # intervals where nothing can be looked at

_ROUNDS = 2  # meshes, of one size

_MESHES = 7  # at most, of growing sizes


def periodic_orbit(
    system: AbstractSystem,
    guess: PyTree[ArrayLike],
    period: ArrayLike,
    *,
    intervals: int | None = None,
) -> PeriodicOrbit:
    """The closed orbit near a guess, of a map or a flow, autonomous or under a periodic input.

    **Arguments:**

    - `system`: a `Map`, a `Flow`, or a system of your own. The samples of an input are one period of it, and they repeat. A
      path that is a function of time must have that period.
    - `guess`: one state, flat (N,) or as the cell or field has it, from which a run fills the period; or states along the
      orbit: of a map (period, N), of a flow any number (n, N) at equal distances in time. `orbit_guess` finds them in a run.
    - `period`: of a map, a whole number of steps. Of a flow a time: a guess if no input changes with time, and otherwise the
      period of the input or a whole multiple of it.
    - `intervals`: into how many intervals of collocation the period of a flow is divided. Default: as many steps or intervals
      as an error of the points of 1e-7 (float32: 1e-4) of the orbit's extent needs, at most 384; inside `jit` and `vmap` 48
      intervals.

    **Returns:** a `PeriodicOrbit`. A guess that leads to a fixed point, to an orbit of a shorter period, or nowhere is not
    `converged`, and its `result` says which of these it is.

    **Raises:** `ValueError` or `TypeError` for a guess that is not finite or has another size, for a period that is not
    positive (of a map: not whole) or not one of the input, for an autonomous flow of one state, and for a flow under smooth
    samples, which do not join at their ends.

    *Method.* A map by Newton's method on all points at once. A flow by multiple shooting with steps of eighth order. Where
    that needs too many steps, with `intervals`, and inside `jit` and `vmap`, it is collocation (Radau IIA of degree 4, order
    7), which serves fast decay too. Both meshes follow the orbit. An orbit with very fast jumps, or one of a family of orbits
    of a flow without friction, is not found. An orbit of a flow whose field has kinks, as that of a relu
    network, is found with an error of second order. Everything works inside `jit` and `vmap`; derivatives, in both modes, are
    those of the implicit function theorem.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> ring = ro.Flow(lambda t, h, path: h * (1 - h @ h) + jnp.stack([-h[1], h[0]]))
    >>> orbit = ro.periodic_orbit(ring, jnp.array([1.1, 0.0]), 6.0)
    >>> round(float(orbit.period), 6), [round(float(z), 6) for z in orbit.multipliers.real], orbit.verdict_name
    (6.283185, [1.0, 3e-06], 'DECAYS')

    ```
    """
    check_system("system", system)
    if intervals is not None:
        check_count("intervals", intervals, 3)
    states, length = _as_guess(system, guess, period)
    first, rate, driven = _looked_at(system, states[0])
    states, traced = states.astype(first.dtype), not is_concrete(states, rate)
    driven = is_driven(system, first) if traced else bool(driven)
    if driven:
        check_period(system, states[0], length)
    if system.time.own_step:
        return _of_map(system, states, length)
    if states.shape[1] < 2 and not driven:
        raise ValueError("an autonomous flow of one state has no closed orbits: system must have two states or more.")
    orbit = None if traced or intervals else shot(system, states, length, driven)
    return _of_flow(system, states, length, driven, intervals, traced) if orbit is None else orbit


def _as_guess(system: AbstractSystem, guess: Any, period: Any) -> tuple[Array, float]:
    """Returns the states (n, N) of a guess and the period in time."""
    steps, length = None, as_step("period", period)
    if system.time.own_step:
        steps = int(length)
        if steps != length:
            raise ValueError(f"period of a map must be a whole number of steps; got {length:g}.")
        length = steps * system.stepper().length
    if isinstance(guess, list):
        guess = as_floats("guess", guess)
    if jnp.ndim(guess) != 2 if not isinstance(guess, tuple | dict) else True:
        return filled(system, system.as_point("guess", guess), length, steps), length
    rows = as_floats("guess", guess)
    if steps is not None and len(rows) != steps:
        raise ValueError(
            f"guess must hold one state for each of the {steps} steps of the period; got {len(rows)} rows."
        )
    if len(rows) < (1 if system.time.own_step else 4):
        raise ValueError(
            f"guess must hold at least 4 states along the orbit of a flow, or be one state; got {rows.shape}."
        )
    return rows, length


@compiled
def _looked_at(system: AbstractSystem, h: Array) -> tuple[Array, Array, Array]:
    """Returns a flat state after checks, how it moves, and whether the input or the field changes with time: all from one
    program, since making one takes longer than a search."""
    h = system.as_point("guess", h)
    moves = h if system.time.own_step else rate_of(system, h, jnp.zeros((), h.dtype))
    return h, moves, jnp.asarray(is_driven(system, h))


def _of_map(system: AbstractSystem, states: Float[Array, "m N"], length: float) -> PeriodicOrbit:
    m = len(states)
    grid = grid_of(system, jnp.ones(m, states.dtype) / m, length, False)
    # the state of a segment is the one that follows its beginning
    ended = find(system, jnp.roll(states, -1, axis=0)[:, None], jnp.asarray(length, states.dtype), grid, False)
    points = jnp.roll(ended.S[:, 0], 1, axis=0)
    times = jnp.arange(m) * system.stepper().length
    return _as_orbit(system, ended, grid, points, times.astype(points.dtype), extent_of(states), length, False)


def _of_flow(
    system: AbstractSystem,
    states: Float[Array, "n N"],
    length: float,
    driven: bool,
    intervals: int | None,
    traced: bool,
) -> PeriodicOrbit:
    least = [intervals] if intervals else [_TRACED] if traced else _INTERVALS
    sizes = [intervals_for(system, size, length) for size in least]
    uniform = samples_of(system) is not None

    T, count, limit = jnp.asarray(length, states.dtype), sizes[0], ERROR[jnp.finfo(states.dtype).bits]
    S, widths = _begun(states, count, uniform)
    for left in reversed(range(_MESHES if len(sizes) > 1 else _ROUNDS)):
        ended = find(system, S, T, grid_of(system, widths, length, driven), not driven)
        T, error = ended.T, error_of(ended.S, widths)
        if not left or (not traced and (error <= limit or not np.isfinite(error))):
            break
        if len(sizes) > 1:
            least = count * (4 * float(least_error(ended.S, widths)) / limit) ** 0.2
            count = next((size for size in sizes if size >= max(least, count + (left < _MESHES - 1))), sizes[-1])
        S, widths = _moved(ended.S, widths, count, uniform)
    points, at = _along(ended.S, widths, ended.T)
    grid, enough = grid_of(system, widths, length, driven), (error <= limit) | bool(intervals)  # pyright: ignore
    return _as_orbit(system, ended, grid, points, at, extent_of(states), length, not driven, enough)


@partial(jax.jit, static_argnums=(1, 2))
def _begun(states: Float[Array, "n N"], count: int, uniform: bool) -> tuple[Array, Array]:
    """Returns the states of a guess on a first mesh of `count` intervals, and the widths of these."""
    times = jnp.arange(len(states), dtype=states.dtype) / len(states)
    widths = jnp.full(count, 1 / count, states.dtype) if uniform else first_mesh(states, times, count)
    return interpolated(states, times, times_of(widths)), widths


@partial(jax.jit, static_argnums=(2, 3))
def _moved(S: Array, widths: Array, count: int, uniform: bool) -> tuple[Array, Array]:
    """Returns the states of an orbit on a better mesh of `count` intervals, and the widths of these."""
    new = jnp.full(count, 1 / count, S.dtype) if uniform else better_mesh(S, widths, count)
    return evaluated(S, widths, times_of(new)), new


@jax.jit
def _along(S: Float[Array, "m d N"], widths: Array, T: Array) -> tuple[Array, Array]:
    """Returns the states of an orbit one after the other, from the beginning of the first interval, and their times."""
    points = jnp.roll(S.reshape(-1, S.shape[2]), 1, axis=0)
    return points, jnp.roll(times_of(widths).ravel(), 1).at[0].set(0) * T


def _as_orbit(
    system: AbstractSystem,
    ended: Ended,
    grid: Grid,
    points: Array,
    times: Array,
    extent: Array,
    length: float,
    free: bool,
    enough: Any = True,
) -> PeriodicOrbit:
    found = described(system, ended, grid, extent, free, turns_of(system, length))
    M, direction = ended.linear.monodromy, ended.linear.rate[-1]
    multipliers = multipliers_of(system, M, direction, found.on_kink, found.converged, free)
    result = RESULTS.where(found.converged & ~jnp.asarray(enough), RESULTS.orbit_inexact, found.result)
    return PeriodicOrbit(
        points=points,
        times=times,
        period=ended.T,
        **multipliers._asdict(),
        residual=ended.residual,
        error=found.error,
        converged=found.converged,
        result=result,
    )
