"""The compiled part of a branch of orbits of a flow: Newton's method back to the branch, and what a point of it tells.

A point is z = (S, T, p): all states of the orbit, its period and the parameter (`orbits_ring`). A linear step is condensed to
N + 2 numbers, with one row more than for a single orbit: the plane across the branch's direction.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._base.compiled import compiled
from .branches_kernels import NEWTON, MakeSystem
from .orbits_clock import grid_of
from .orbits_kinds import split
from .orbits_mesh import error_of
from .orbits_newton import least, size_of
from .orbits_ring import Grid, Linear, linearised, unit_row

_STEPS = 12


class Local(NamedTuple):
    """A point z of the branch with the tangent in the same units; the condensed rows (N + 2, N + 2) that are zero along the
    branch, with the tangent's own row last; the monodromy matrix (of an autonomous flow, across the orbit), and what a shift
    along the orbit is multiplied by (NaN of a driven flow); the largest defect; the error of the states between the ends
    of intervals; whether Newton's method has converged, and its number of steps."""

    z: Any
    tangent: Any
    rows: Any
    monodromy: Any
    shift: Any
    residual: Any
    error: Any
    converged: Any
    iterations: Any


def parts(z: Array, m: int, n: int) -> tuple[Array, Array, Array]:
    """Returns S (m, d, N), T and p of a point."""
    return z[:-2].reshape(m, -1, n), z[-2], z[-1]


class Place(NamedTuple):
    """What does not change along a step: the widths of the mesh, the number N of the state, the period of the input (0 for
    none)."""

    widths: Float[Array, " m"]
    size: int
    clock: float


def _condensed(make_system: MakeSystem, z: Array, place: Place) -> tuple[Linear, Array]:
    """Returns the linear step at z, and the rows (N + 1, N + 3) of the ring and of the phase, or of a period that is kept."""
    S, T, p = parts(z, len(place.widths), place.size)
    driven = place.clock > 0
    grid = grid_of(make_system(p), place.widths, place.clock, driven)
    linear = linearised(make_system, p, S, T, Grid(*grid))
    n = place.size
    third = unit_row(n, n, z.dtype) if driven else linear.phase(place.widths)
    return linear, jnp.concatenate([linear.closing, third[None]])


def _plane(linear: Linear, normal: Array) -> Array:
    """Returns the row (N + 3,) of ⟨normal, δz⟩, where the normal has the length of z."""
    m, _, k = linear.U.shape
    n = k - 3
    through = jnp.einsum("ma,mak->mk", normal[:-2].reshape(m, -1), linear.U)
    row = jnp.einsum("mn,mnk->k", through[:, :n], linear.V[:-1])
    return row.at[n:].add(jnp.sum(through[:, n:], axis=0)).at[n].add(normal[-2]).at[n + 1].add(normal[-1])


def _whole(linear: Linear, y: Array, constant: int) -> Array:
    """Returns δz of (δx₀, δT, δp); with `constant` 0 without the defects."""
    n = linear.V.shape[1]
    y = jnp.append(y, constant)
    first = jnp.einsum("mnk,k->mn", linear.V[:-1], y)
    rest = jnp.broadcast_to(y[n:], (len(linear.U), 3))
    dS = jnp.einsum("mak,mk->ma", linear.U, jnp.concatenate([first, rest], axis=1))
    return jnp.concatenate([dS.ravel(), y[n : n + 2]])


@compiled
def correct_orbit(make_system: MakeSystem, guess: Array, direction: Array, units: Array, place: Place) -> Local:
    """Returns the orbit of the branch in the plane through `guess` across `direction`."""
    normal = direction / units**2
    tolerance = NEWTON[jnp.finfo(guess.dtype).bits]
    n = place.size
    last = jnp.zeros(n + 2, guess.dtype).at[-1].set(1)

    def going(state):
        _, moved, count = state
        return (moved > tolerance**0.5) & (count < _STEPS)

    def advance(state):
        z, _, count = state
        linear, rows = _condensed(make_system, z, place)
        plane = _plane(linear, normal).at[-1].add(normal @ (z - guess))
        rows = jnp.concatenate([rows, plane[None]])
        dz = _whole(linear, least(rows[:, :-1], -rows[:, -1]), 1)
        moved = jnp.linalg.norm(dz / units)
        dz = dz * jnp.minimum(1, 1 / jnp.where(moved > 0, moved, 1))
        return z + dz, jnp.where(jnp.isfinite(moved), moved, jnp.nan), count + 1

    z, moved, count = jax.lax.while_loop(going, advance, (guess, jnp.asarray(jnp.inf, guess.dtype), 0))
    z, again, _ = advance((z, moved, count))
    linear, rows = _condensed(make_system, z, place)
    row = _plane(linear, normal)
    tangent = _whole(linear, least(jnp.concatenate([rows, row[None]])[:, :-1], last), 0)
    own = _plane(linear, tangent / units**2)
    M = linear.monodromy
    across, along = split(M, linear.rate[-1]) if place.clock == 0 else (M, jnp.full(n, jnp.nan, z.dtype))
    S, T, _ = parts(z, len(place.widths), n)
    residual = jnp.max(jnp.abs(linear.missed))
    converged = (moved <= tolerance**0.5) & (again <= 100 * tolerance) & (T > 0)
    converged &= residual <= 100 * tolerance * size_of(S)
    return Local(
        z,
        tangent,
        jnp.concatenate([rows, own[None]])[:, :-1],
        M if place.clock > 0 else across,
        along[0],
        residual,
        error_of(S, place.widths),
        converged & jnp.all(jnp.isfinite(tangent)),
        count,
    )


@compiled
def expanded(make_system: MakeSystem, z: Array, y: Array, place: Place) -> Array:
    """Returns δz of a condensed direction (δx₀, δT, δp): how a small disturbance goes once round the orbit."""
    return _whole(_condensed(make_system, z, place)[0], y, 0)


@compiled
def monodromy_of(make_system: MakeSystem, z: Array, place: Place) -> tuple[Array, Array]:
    """Returns the rows (N + 1, N + 2) that are zero along the branch, and the monodromy matrix."""
    linear, rows = _condensed(make_system, z, place)
    return rows[:, :-1], linear.monodromy
