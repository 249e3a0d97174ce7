"""Equinox's layers with weights that NumPy draws: JAX compiles a program for each shape that it draws."""

from collections.abc import Callable
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

Layer = TypeVar("Layer")


def drawn(layer: Callable[..., Layer], *sizes: int | str, seed: int = 0, **settings: object) -> Layer:
    """`layer(*sizes, key=…, **settings)`, its weights uniform between −½ and ½, as Equinox draws them for four units."""
    rng = np.random.default_rng(seed)
    empty = eqx.filter_eval_shape(layer, *sizes, **settings, key=jax.random.key(0))

    def filled(leaf):
        if not isinstance(leaf, jax.ShapeDtypeStruct):
            return leaf
        return jnp.asarray(rng.uniform(-0.5, 0.5, leaf.shape), leaf.dtype)

    return jax.tree.map(filled, empty)
