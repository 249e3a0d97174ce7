"""What a run keeps of each state, and how the run of these states ended."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PyTree

from .._base.checks import is_concrete
from .._base.results import RESULTS
from .._base.states import after, frozen, is_finite, mask_failed
from .._base.types import State
from .._base.whole_batch import all_in_batch


class Kept(NamedTuple):
    """What is kept of a state; and the health of the whole state, or `None` where the whole state is kept."""

    state: State
    health: "_Health | None"


def keep(state: State, save: Callable[[Any], Any] | None) -> Kept:
    """Return `save(state)`, or the whole state if there is no `save`."""
    return Kept(state, None) if save is None else Kept(save(state), _health(state))


def beside(parts: Sequence[Kept]) -> Kept:
    """Return what is kept of the layers of a network as what is kept of its states, the tuples of theirs."""
    states, healths = zip(*parts, strict=True)
    if healths[0] is None:
        return Kept(states, None)
    finite, nan, moderate = zip(*healths, strict=True)
    return Kept(
        states, _Health(reduce(jnp.logical_and, finite), reduce(jnp.logical_or, nan), reduce(jnp.logical_and, moderate))
    )


def with_result(rows: Kept, increasing: Bool[Array, " n"] | None = None) -> tuple[State, RESULTS]:
    """Return what was kept of the states (n, …), infinity from the first one on that is not finite, and how the run ended.

    `increasing` (n,) says for traced times whether all times up to each one increase; rows are infinite also from the first
    time on that does not."""
    states, (end, result) = rows.state, ending(rows)
    total = jax.tree.leaves(rows)[0].shape[0]
    if increasing is not None:
        first = jnp.min(jnp.where(increasing, total, jnp.arange(total)))
        result = RESULTS.where((first < total) & (first <= end), RESULTS.times_not_increasing, result)  # pyright: ignore
        end = jnp.minimum(end, first)
    return mask_failed(jnp.arange(total) >= end, states), result


def ending(rows: Kept) -> tuple[Int[Array, ""], RESULTS]:
    """Return the number of states (n, …) before the first one that is not finite, and how the run ended."""
    states, healths = rows
    if healths is None:
        return _ending(_finite_rows(states), lambda k: _health(_row(states, k)))
    return _ending(healths.finite, lambda k: _row(healths, k))


def ending_unless(
    fine: Bool[Array, ""], total: int, look: Callable[[], tuple[Int[Array, ""], RESULTS]]
) -> tuple[Int[Array, ""], RESULTS]:
    """Return what `look` returns, as `ending` does, of `total` states. It is in a branch, for states that are not `fine`."""

    def looked():
        end, result = look()
        return end, jax.tree.leaves(result)[0]

    successful, form = jax.tree.flatten(RESULTS.successful)
    end, code = jax.lax.cond(all_in_batch(fine), lambda: (jnp.array(total), successful[0]), looked)
    return end, jax.tree.unflatten(form, [code])


def with_result_unless(fine: Bool[Array, ""], states: State) -> tuple[State, RESULTS]:
    """Return `with_result` of whole states (n, …), which are not checked if they are known to be `fine`.

    If the host knows it, the check is not even compiled."""
    if is_concrete(fine) and bool(fine):
        return states, RESULTS.successful  # pyright: ignore
    return _with_result_unless(fine, states)


@eqx.filter_jit
def _with_result_unless(fine: Bool[Array, ""], states: State) -> tuple[State, RESULTS]:
    """Check the states in a branch, which returns where a run ends and not the states: XLA then copies them only once, in
    whichever order of axes they are wanted. The branch reads the rows as the loop left them: with the first row in front they
    would be made for it."""
    first, rows = (jax.tree.map(lambda leaf, part=part: leaf[part], frozen(states)) for part in (0, slice(1, None)))
    total = jax.tree.leaves(states)[0].shape[0]

    def look():
        def health(k):
            return _health(jax.tree.map(lambda a, b: jnp.where(k == 0, a, b), first, _row(rows, jnp.maximum(k - 1, 0))))

        return _ending(after(is_finite(first), jax.vmap(is_finite)(rows)), health)

    end, result = ending_unless(fine, total, look)
    return mask_failed(jnp.arange(total) >= end, states), result


def _row(rows: PyTree, k: Array) -> PyTree:
    return jax.tree.map(lambda leaf: leaf[k], rows)


def _ending(finite: Bool[Array, " n"], health: "Callable[[Array], _Health]") -> tuple[Array, RESULTS]:
    """Return the number of states before the first one that is not finite, and why that one is not."""
    total = finite.shape[0]
    end = jnp.min(jnp.where(finite, total, jnp.arange(total)))
    undefined = health(jnp.minimum(end, total - 1)).nan & health(jnp.maximum(end - 1, 0)).moderate
    why = RESULTS.where(undefined, RESULTS.not_a_number, RESULTS.left_float_range)  # pyright: ignore
    return end, RESULTS.where(end < total, why, RESULTS.successful)  # pyright: ignore


class _Health(NamedTuple):
    """Whether a state is finite, whether it holds NaN, and whether it is far from the end of the float range."""

    finite: Array
    nan: Array
    moderate: Array


def _health(state: State) -> _Health:
    leaves = jax.tree.leaves(state)
    large = [jnp.any(jnp.abs(leaf) > jnp.finfo(leaf.dtype).max ** 0.5) for leaf in leaves]
    nan = [jnp.any(jnp.isnan(leaf)) for leaf in leaves]
    return _Health(is_finite(state), jnp.any(jnp.stack(nan)), ~jnp.any(jnp.stack(large)))


def _finite_rows(states: State) -> Bool[Array, " n"]:
    """Return whether every entry of each row (n, …) is finite.

    It looks at the row's mean: on a CPU, XLA makes vector code for a mean but not for a conjunction. Half a mean cannot
    overflow."""

    def finite(leaf):
        rows = leaf.reshape(leaf.shape[0], -1)
        weights = jnp.full(rows.shape[1], 0.5 / rows.shape[1], leaf.dtype)
        return jnp.isfinite(jnp.matmul(rows, weights, precision="highest"))

    return jnp.stack([finite(leaf) for leaf in jax.tree.leaves(states)]).all(axis=0)
