"""The search for a closed orbit from a guess: Newton's method with halved steps, and what it ended on.

The search itself has no derivative. Its last step does: it is made with the equations of the system as it is, so that
derivatives of the orbit are those of the implicit function theorem, and its multipliers are computed after it.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._base.compiled import compiled
from .._base.states import frozen
from .._systems.base import AbstractSystem
from .orbits_ring import Grid, Linear, MakeSystem, defects, linearised, unit_row

_STEPS = 40

_HALVINGS = 6

RESIDUAL = {64: 1e-10, 32: 3e-5}  # of the size of states


class Ended(NamedTuple):
    """Where the search ended: the states S (m, d, N), the period T, the linear step there, the largest defect, whether it is
    a solution, and the number of Newton's steps."""

    S: Float[Array, "m d N"]
    T: Float[Array, ""]
    linear: Linear
    residual: Float[Array, ""]
    converged: Bool[Array, ""]
    steps: Int[Array, ""]


def size_of(S: Array) -> Array:
    """Returns the size of states: the largest norm; 1 for states that are all zero."""
    size = jnp.max(jnp.linalg.norm(S, axis=-1))
    return jnp.where(size > 0, size, 1)


@compiled
def find(system: AbstractSystem, S: Array, T: Array, grid: Grid, free: bool) -> Ended:
    """Returns the orbit near a guess. `free` says whether the period is unknown; it is static."""

    def constant(p):
        return system

    def fixed(p):
        return still

    still, p = frozen(system), jnp.zeros((), S.dtype)
    guess, T = frozen((S, T))
    eps = float(jnp.finfo(S.dtype).eps)
    size = size_of(guess)

    def going(state):
        _, _, moved, count = state
        return (moved > eps**0.25) & (count < _STEPS)

    def advance(state):
        S, T, _, count = state
        dS, dT, moved, linear = _step(fixed, p, S, T, grid, free, size)
        finite, missed = jnp.isfinite(moved), jnp.linalg.norm(linear.missed)
        dS, dT = jnp.where(finite, dS, 0), jnp.where(finite, dT, 0)

        def worse(trial):
            _, now, halved = trial
            return ~(now < missed * (1 + 1e-3) + eps**0.5 * size) & (halved < _HALVINGS)

        def halve(trial):
            share, _, halved = trial
            now = jnp.linalg.norm(defects(fixed, p, S + share / 2 * dS, T + share / 2 * dT, grid))
            return share / 2, now, halved + 1

        # no step is longer than the orbit is large, or changes the period by more than a half
        share = jnp.minimum(1, 1 / jnp.where(finite, moved, 1))
        share, now, _ = jax.lax.while_loop(worse, halve, (2 * share, jnp.asarray(jnp.inf, S.dtype), 0))
        return S + share * dS, T + share * dT, jnp.where(finite & jnp.isfinite(now), moved, jnp.nan), count + 1

    state = guess, T, jnp.asarray(jnp.inf, S.dtype), 0
    S, T, _, count = frozen(jax.lax.while_loop(going, advance, state))

    def last(state, _):
        S, T = state
        dS, dT, moved, linear = _step(constant, p, S, T, grid, free, size)
        kept = jnp.isfinite(moved) & (frozen(moved) < 0.1)
        return (S + jnp.where(kept, dS, 0), T + jnp.where(kept, dT, 0)), (S, T, frozen(moved), linear)

    _, rows = jax.lax.scan(last, (S, T), length=2)
    S, T, moved, linear = jax.tree.map(lambda leaf: leaf[1], rows)
    residual = jnp.max(jnp.abs(linear.missed))
    small = residual <= RESIDUAL[jnp.finfo(S.dtype).bits] * size_of(S)
    return Ended(S, T, linear, residual, (moved <= eps**0.35) & small & (T > 0), jnp.asarray(count))


def least(A: Array, b: Array) -> Array:
    """Returns the shortest solution of A y = b. There are many where orbits lie in a continuum, as those of a map that is a
    step of a flow."""
    right, inverse, left = _parts(A)
    return right @ (inverse * (left @ b))


def pseudo_inverse(A: Array) -> Array:
    """Returns the matrix that gives the shortest solution of A y = b. `least` is more exact where A is nearly singular."""
    right, inverse, left = _parts(A)
    return (right * inverse[None]) @ left


def _parts(A: Array) -> tuple[Array, Array, Array]:
    """Returns the factors of the pseudo-inverse of A, with a diagonal one between two matrices."""
    kept = jnp.all(jnp.isfinite(A))  # LAPACK may not return from a matrix with a NaN
    # large rows are those of large multipliers; a row of rounding errors stays small
    scale = jnp.maximum(jnp.max(jnp.abs(A), axis=1), 1)
    left, sizes, right = jnp.linalg.svd(jnp.where(kept, A / scale[:, None], 0))
    limit = 30 * len(A) * jnp.finfo(A.dtype).eps * sizes[0]
    inverse = jnp.where(sizes > limit, 1 / jnp.where(sizes > limit, sizes, 1), 0)
    return right.T, jnp.where(kept, inverse, jnp.nan), left.T / scale[None]


def _step(make_system: MakeSystem, p: Array, S: Array, T: Array, grid: Grid, free: bool, size: Array):
    """Returns δS, δT at fixed p, how far this moves the orbit, relative to its size and twice its period, and the linear
    step."""
    linear = linearised(make_system, p, S, T, grid)
    n = S.shape[2]
    third = linear.phase(grid.widths) if free else unit_row(n, n, S.dtype)
    rows = jnp.concatenate([linear.closing, third[None], unit_row(n, n + 1, S.dtype)[None]])
    units = jnp.append(jnp.ones(n, S.dtype), jnp.asarray([T / size, 1]))  # a change of T in those of a state
    y = units * least(rows[:, :-1] * units[None], -rows[:, -1])
    dS = linear.states(y).reshape(S.shape)
    moved = jnp.max(jnp.linalg.norm(dS, axis=-1)) / size + 2 * jnp.abs(y[n] / T)
    return dS, y[n], moved, linear
