"""A fold over the states of a run: what is accumulated of them while the network runs."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from .._base.checks import brief, check_callable
from .._base.states import described
from .._base.types import State


class Fold(NamedTuple):
    """total ← f(total, h, row) after every step, from `init` on; `rows` is a pytree of (T, …)."""

    f: Callable[[Any, State, Any], Any]
    init: PyTree
    rows: PyTree


NO_FOLD = Fold(lambda total, h, row: total, None, None)


def as_fold(fold: Any, steps: int) -> Fold:
    """The argument `fold` of a run of so many steps; `TypeError` or `ValueError` for a wrong one."""
    if not isinstance(fold, tuple | list) or len(fold) != 3:
        raise TypeError(f"fold must be a triple (f, init, rows), with rows=None if f needs none; got {brief(fold)}.")
    f, init, rows = fold
    check_callable("f in fold=(f, init, rows)", f, "f(acc, h, row)")
    init, rows = _arrays("init", init), _arrays("rows", rows)
    shapes = [leaf.shape for leaf in jax.tree.leaves(rows) if leaf.shape[:1] != (steps,)]
    if shapes:
        raise ValueError(
            f"rows in fold=(f, init, rows) must hold one row for each of the {steps} steps, time first; "
            f"got an array of shape {shapes[0]}."
        )
    return Fold(f, init, rows)


def checked_fold(fold: Fold, h0: State) -> Fold:
    """The fold, with the type that f returns in place of the type of Python numbers in `init`; `ValueError` unless f returns
    a value like `init`."""
    row = jax.tree.map(lambda leaf: leaf[0], fold.rows)
    made = jax.eval_shape(fold.f, fold.init, h0, row)
    if jax.tree.structure(made) == jax.tree.structure(fold.init):
        init = jax.tree.map(lambda a, b: a.astype(b.dtype) if a.weak_type else a, fold.init, made)
        made, fold = jax.eval_shape(fold.f, init, h0, row), fold._replace(init=init)
    if described(made) != described(fold.init):
        raise ValueError(
            "f in fold=(f, init, rows) must return a value like init: "
            f"init is {described(fold.init)}, f returned {described(made)}."
        )
    return fold


def _arrays(name: str, tree: PyTree) -> PyTree:
    try:
        return jax.tree.map(jnp.asarray, tree)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} in fold=(f, init, rows) must hold arrays: {error}") from None
