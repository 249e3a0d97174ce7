"""What every run of a network shares: one type for all states, what is kept of each, and how the run ended."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._base.results import RESULTS
from .._base.states import is_finite, mask_failed
from .._base.types import State


class Trajectory(eqx.Module):
    """States at times: what `iterate`, `integrate` and `evolve` return.

    **Fields:** `ts` (n,) times, the first one the initial state's; `states` a pytree of (n, …), so that a network's
    outputs are `states[1:]`; `result` a `RESULTS`, `successful` or why the run ended early (rows past that end are
    infinite, as diffrax's are); `stats` a dictionary of counts such as `num_steps`.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> run = ro.iterate(lambda x, h: 0.5 * h + x, jnp.ones((3, 1)), jnp.zeros(1))
    >>> run.states[:, 0].tolist(), run.ts.tolist()
    ([0.0, 1.0, 1.5, 1.75], [0.0, 1.0, 2.0, 3.0])

    ```
    """

    ts: Float[Array, " n"]
    states: State
    result: RESULTS
    stats: dict[str, Any]


class Kept(NamedTuple):
    """What is kept of a state, and the health of all of it where that is not everything."""

    state: State
    health: "_Health | None"


def keep(state: State, save: Callable[[Any], Any] | None) -> Kept:
    """`save` of a state, or all of it."""
    return Kept(state, None) if save is None else Kept(save(state), _health(state))


def conclude(rows: Kept, increasing: Array | None = None) -> tuple[State, RESULTS]:
    """What was kept of the states (n, …), infinite from the first one that is not finite on, and how the run ended.

    `increasing` (n,) says for traced times whether all times so far increase; rows from the first that does not are infinite.
    """
    states, healths = rows
    if healths is None:
        finite, health = _finite_rows(states), lambda k: _health(jax.tree.map(lambda leaf: leaf[k], states))
    else:
        finite, health = healths.finite, lambda k: jax.tree.map(lambda leaf: leaf[k], healths)
    total = finite.shape[0]
    end = jnp.min(jnp.where(finite, total, jnp.arange(total)))
    undefined = health(jnp.minimum(end, total - 1)).nan & health(jnp.maximum(end - 1, 0)).moderate
    why = RESULTS.where(undefined, RESULTS.not_a_number, RESULTS.left_float_range)  # pyright: ignore
    result = RESULTS.where(end < total, why, RESULTS.successful)  # pyright: ignore
    if increasing is not None:
        first = jnp.min(jnp.where(increasing, total, jnp.arange(total)))
        result = RESULTS.where((first < total) & (first <= end), RESULTS.times_not_increasing, result)  # pyright: ignore
        end = jnp.minimum(end, first)
    return mask_failed(jnp.arange(total) >= end, states), result


def conclude_states(states: State, fine: Array) -> tuple[State, RESULTS]:
    """`conclude` of whole states (n, …), which need not be looked at where they are known to be `fine`."""
    states, code = _concluded(states, fine)
    return states, jax.tree.unflatten(jax.tree.structure(RESULTS.successful), [code])


@jax.custom_jvp
def _concluded(states, fine):
    return _look_unless_fine(states, fine)


@_concluded.defjvp
def _concluded_jvp(primals, tangents):
    return jax.jvp(_look, primals[:1], tangents[:1])


@jax.custom_batching.custom_vmap
def _look_unless_fine(states, fine):
    return _looked_unless(fine, _look, states)


@_look_unless_fine.def_vmap
def _look_unless_all_fine(size, batched, states, fine):
    """Of a batch all are looked at or none: under `vmap` a branch is no branch, and looking costs twice the memory."""
    states, fine = (
        jax.tree.map(lambda leaf, has: leaf if has else jnp.broadcast_to(leaf, (size, *jnp.shape(leaf))), value, has)
        for value, has in zip((states, fine), batched, strict=True)
    )
    out = _looked_unless(jnp.all(fine), jax.vmap(_look), states, (size,))
    return out, jax.tree.map(lambda _: True, out)


def _looked_unless(fine, look, states, batch=()):
    """A loop of one trip or none: its result takes the place of what it began with, where a conditional copies it."""
    code = jnp.full(batch, jax.tree.leaves(RESULTS.successful)[0])
    _, states, code = jax.lax.while_loop(
        lambda run: ~run[0], lambda run: (jnp.array(True), *look(run[1])), (fine, states, code)
    )
    return states, code


def _look(states):
    states, result = conclude(keep(states, None))
    return states, jax.tree.leaves(result)[0]


class _Health(NamedTuple):
    """Whether a state is finite, holds NaN, and is nowhere near the end of the float range."""

    finite: Array
    nan: Array
    moderate: Array


def _health(state) -> _Health:
    leaves = jax.tree.leaves(state)
    large = [jnp.any(jnp.abs(leaf) > jnp.finfo(leaf.dtype).max ** 0.5) for leaf in leaves]
    nan = [jnp.any(jnp.isnan(leaf)) for leaf in leaves]
    return _Health(is_finite(state), jnp.any(jnp.stack(nan)), ~jnp.any(jnp.stack(large)))


def _finite_rows(states):
    """Whether every entry of a row (n, …) is finite, by its mean: XLA makes vector code of that on a CPU, which it does
    not of a conjunction, and half a mean cannot overflow."""

    def finite(leaf):
        rows = leaf.reshape(leaf.shape[0], -1)
        weights = jnp.full(rows.shape[1], 0.5 / rows.shape[1], leaf.dtype)
        return jnp.isfinite(jnp.matmul(rows, weights, precision="highest"))

    return jnp.stack([finite(leaf) for leaf in jax.tree.leaves(states)]).all(axis=0)


def finished(ts, rows: State, ended: RESULTS, stable: Array, throw: bool, stats: dict[str, Any]) -> Trajectory:
    """The trajectory of a scheme that may be unstable: it says so, and raises only where rows are missing."""
    known = (ended == RESULTS.gap_too_long) | (ended == RESULTS.times_not_increasing) | stable
    result = RESULTS.where(known, ended, RESULTS.unstable_scheme)
    if throw:
        rows = result.error_if(rows, ended != RESULTS.successful)
    return Trajectory(ts, rows, result, stats)
