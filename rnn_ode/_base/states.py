"""Functions on states, which are pytrees of arrays."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from .types import State


def after(first: Any, rows: Any) -> Any:
    """Return the rows (n, …) with `first` in front of them: (n + 1, …)."""
    return jax.tree.map(lambda a, b: jnp.concatenate([jnp.asarray(a)[None], b]), first, rows)


def promote(h0: State, *others, least: Any = None) -> State:
    """Return `h0` in the widest floating type among its own, those of the arrays in `others`, and the type `least`."""
    met = [leaf.dtype for leaf in jax.tree.leaves(others) if hasattr(leaf, "dtype")]
    types = [dtype for dtype in (*met, least) if dtype is not None and jnp.issubdtype(dtype, jnp.inexact)]
    return jax.tree.map(lambda leaf: leaf.astype(jnp.result_type(leaf, *types)), h0)


def like(h: State, new: State) -> State:
    """Return the new state; `ValueError` unless it has the structure, shapes and type of the old one."""
    new = jax.tree.map(jnp.asarray, new)
    if described(new) != described(h):
        raise ValueError(
            f"cell(x, h) must return a state like h: h is {described(h)}, the cell returned {described(new)}. "
            "Pass an h0 of the state's own structure, shape and type."
        )
    return new


def described(tree: PyTree) -> PyTree:
    """Return the type and shape of every array, as text: `float32[3]`."""
    return jax.tree.map(lambda leaf: f"{leaf.dtype}{list(leaf.shape)}", tree)


def of_each(name: str, ndim: int):
    """Return a decorator for the methods of a result class, which then serve a batch of results, as `vmap` makes it, too.

    The field `name` has `ndim` axes in a single result. More axes mean a batch, and the method is mapped over them by `vmap`.
    """

    def decorate(method):
        @functools.wraps(method)
        def ask(self, *args, **by_name):
            def one(result):
                return method(result, *args, **by_name)

            for _ in range(jnp.ndim(getattr(self, name)) - ndim):
                one = jax.vmap(one)
            return one(self)

        return ask

    return decorate


def is_finite(state: State) -> Array:
    """Return whether every entry of a state is finite, a boolean scalar."""
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(state)]))


def real_dtype(state: State) -> Any:
    """Return the real floating type of a state. Times that it is solved with have the same type."""
    return jnp.finfo(jnp.result_type(*jax.tree.leaves(state))).dtype


def frozen(tree: PyTree) -> PyTree:
    """Return the tree with the derivative of every array stopped."""
    return jax.tree.map(lambda leaf: jax.lax.stop_gradient(leaf) if eqx.is_inexact_array(leaf) else leaf, tree)


def flat_rows(states: State) -> np.ndarray:
    """Return states (n, …) as real rows (n, M) on the host, the leaves side by side."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(states)]
    return np.concatenate([np.real(leaf).reshape(len(leaf), -1) for leaf in leaves], axis=1)


def mask_failed(failed: Array, states: State) -> State:
    """Return states (n, …) with the rows where `failed` (n,) holds set to infinity; or one state, for a scalar `failed`."""

    def mask(rows):
        flags = failed.reshape(failed.shape + (1,) * (rows.ndim - failed.ndim))
        return jnp.where(flags, jnp.asarray(jnp.inf, rows.dtype), rows) if eqx.is_inexact_array(rows) else rows

    return jax.tree.map(mask, states)


def principal_plane(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A centre (N,) and two directions (2, N) to draw states (n, N) in: two units as they are, or principal components."""
    count, size = rows.shape
    if size <= 2 or not count:
        return np.zeros(size), np.eye(2, size)
    centre = rows.mean(axis=0)
    directions = np.linalg.svd(rows - centre, full_matrices=False)[2][:2]
    return centre, np.concatenate([directions, np.zeros((2 - len(directions), size))])
