"""A network at any times under a smooth input.

From one result to the next: the network is applied in whole steps until the next time is no more than half of `ahead` steps
away, then `ahead` times more. The result is read at that time off the orbit through these states and the `behind` states
before them, which are whole steps or earlier results. The first `behind` results have too few states before them. They are
read off the orbit of h0 alone, through the same number of nodes.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._base.states import after, like, mask_failed
from .._base.types import Cell, State
from .._cells.protocol import hoisted
from .._run.clock import ROWS, Clock
from .._run.kept import Kept, keep
from .interpolation import Interpolation, combined, lagrange, orbit_of, read_off, uniform_weights, whole_steps
from .times import Bounds


class Past(eqx.Module):
    """The last result `h`, and the states behind it, oldest first, `offsets` (behind,) steps from it."""

    h: State
    behind: tuple[State, ...]
    offsets: Float[Array, " behind"]


def run_smooth(
    cell: Cell,
    path: Any,
    clock: Clock,
    h0: State,
    rule: Interpolation,
    bounds: Bounds,
    save: Callable[[Any], Any] | None,
) -> tuple[Kept, Bool[Array, ""]]:
    """Return what is kept of the states (n, …) at the times, and whether no gap was longer than `bounds` allow."""
    ahead = rule.ahead
    drive, step = hoisted(cell)
    count = clock.gaps.shape[0]
    first = min(rule.behind, count)
    within = jnp.all(whole_steps(clock.gaps, ahead) <= bounds.whole)
    past, rows = _first_results(cell, path, clock, h0, rule, first, bounds.start)
    early = jax.vmap(lambda h: keep(h, save))(rows)
    if first == count:
        return early, within

    def inputs(i):
        after = (whole_steps(clock.gaps[i], ahead) + 1) * clock.dt
        return jax.vmap(drive)(clock.read_ahead(path, i, after, ahead))

    index = jnp.arange(first, count)
    drives = jax.lax.map(inputs, index, batch_size=ROWS)
    weights = uniform_weights(clock.gaps[0], rule) if clock.uniform and not bounds.whole else None

    def body(past, row):
        i, drives = row
        whole = whole_steps(clock.gaps[i], ahead)
        past = _by_whole_steps(cell, path, clock, past, i, whole, bounds.whole)
        past = advance(step, past, drives, clock.gaps[i] - whole, rule, weights)
        if not clock.known:
            past = eqx.tree_at(lambda p: p.h, past, mask_failed(whole > bounds.whole, past.h))
        return past, keep(past.h, save)

    _, late = jax.lax.scan(body, past, (index, drives))
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), early, late), within


def advance(
    step: Callable[[Any, State], State],
    past: Past,
    drives: Any,
    gap: Float[Array, ""],
    rule: Interpolation,
    weights: Any = None,
) -> Past:
    """Return the past with the next result, `gap` steps after the last one, for its last.

    It is interpolated from the last result, the states behind it, and the next `ahead` states of the network under the
    `drives` (ahead, …); by the `weights`, where they are those of every result."""
    orbit = [past.h]
    for j in range(rule.ahead):
        orbit.append(like(past.h, step(jax.tree.map(lambda leaf, j=j: leaf[j], drives), orbit[-1])))
    if weights is None:
        nodes = jnp.concatenate([past.offsets, jnp.arange(rule.ahead + 1, dtype=past.offsets.dtype)])
        weights = lagrange(nodes, gap, rule.band)
    return moved(past, combined(weights, [*past.behind, *orbit]), gap)


def moved(past: Past, h: State, by: Any) -> Past:
    """Return the past with `h` for its last state, `by` steps after the one before."""
    if not past.behind:
        return Past(h, (), past.offsets)
    offsets = jnp.concatenate([past.offsets[1:], jnp.zeros(1, past.offsets.dtype)]) - by
    return Past(h, (*past.behind[1:], past.h), offsets)


def _by_whole_steps(cell, path, clock: Clock, past: Past, i: Array, whole: Array, cap: int) -> Past:
    """Apply the network `whole` times from the i-th time on, at most `cap` times."""
    if cap == 0:
        return past

    def one(past, j):
        def go():
            return moved(past, cell(clock.read(path, i, (j + 1) * clock.dt), past.h), 1)

        return jax.lax.cond(j < whole, go, lambda: past), None

    def all_of_them():
        return jax.lax.scan(one, past, jnp.arange(cap))[0]

    return jax.lax.cond(whole > 0, all_of_them, lambda: past)


def _first_results(
    cell, path, clock: Clock, h0: State, rule: Interpolation, first: int, length: int
) -> tuple[Past, State]:
    """Return h0 and the `first` results, as the past of the next result and as rows, from `length` steps of the network."""
    kind = clock.gaps.dtype
    if first == 0:
        return Past(h0, (), jnp.zeros(0, kind)), jax.tree.map(lambda leaf: leaf[None], h0)
    drive, step = hoisted(cell)
    drives = jax.vmap(drive)(clock.read_ahead(path, 0, clock.dt, length))
    return begun(step, h0, drives, clock.gaps[:first], rule)


def begun(
    step: Callable[[Any, State], State], h0: State, drives: Any, gaps: Any, rule: Interpolation
) -> tuple[Past, State]:
    """Return h0 and the results after the `gaps` (n,), as the past of the next result and as rows (n + 1, …).

    They are read off the orbit of h0 under the drives (L, …)."""
    places = jnp.cumsum(jnp.asarray(gaps))
    orbit = orbit_of(step, h0, drives)
    rows = after(h0, jax.vmap(lambda place: read_off(orbit, place, rule))(places))
    states = [jax.tree.map(lambda leaf, k=k: leaf[k], rows) for k in range(len(gaps) + 1)]
    offsets = jnp.concatenate([jnp.zeros(1, places.dtype), places[:-1]]) - places[-1]
    return Past(states[-1], tuple(states[:-1]), offsets), rows
