"""Layers one after the other, as the cell and the readout of a network."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .._base.types import Cell
from .._cells.input_layer import InputLayerCell
from .._cells.protocol import output_shape
from .._cells.stacked import StackedCell
from ._fill import filled
from ._network import Activation

FUNCTIONS: dict[str, Activation] = {
    "": None,
    "linear": None,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "elu": jax.nn.elu,
    "softmax": jax.nn.softmax,
}


class Layer(NamedTuple):
    """A layer of a network: a cell, or a `module` that maps (D,) to (M,)."""

    module: Any
    is_cell: bool = False


class Elementwise(eqx.Module):
    """A function as a layer. It is part of the structure, so that a network has arrays for its only leaves."""

    f: Callable[[Array], Array] = eqx.field(static=True)

    def __call__(self, x: Array, *, key: Any = None) -> Array:
        return self.f(x)


class ParametricReLU(eqx.Module):
    """x where it is positive, and slope · x elsewhere (He et al. 2015). `equinox.nn.PReLU` takes no `key` in a sequence."""

    slope: Array

    def __call__(self, x: Array, *, key: Any = None) -> Array:
        return jnp.where(x > 0, x, self.slope * x)


def in_sequence(inputs: int, layers: Sequence[Layer]) -> tuple[Cell | None, Callable[[Array], Array] | None]:
    """The cell and the readout of a network with so many inputs and these layers, whose sizes fit.

    The layers before a cell become its input layer, and those after the last one the readout. Without a cell among the
    layers the cell is `None`.
    """
    cells, waiting, width = [], [], inputs
    for layer in layers:
        if not layer.is_cell:
            waiting.append(layer.module)
            continue
        cells.append(InputLayerCell(_as_one(waiting), layer.module, width) if waiting else layer.module)
        waiting, width = [], cast(tuple, output_shape(layer.module))[0]
    cell = None if not cells else cells[0] if len(cells) == 1 else StackedCell(cells)
    return cell, _as_one(waiting) if waiting else None


def linear(weight: np.ndarray, bias: np.ndarray | None = None) -> eqx.nn.Linear:
    """The linear layer with this weight (M, N) and bias (M,)."""
    arrays = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    return filled(eqx.nn.Linear, weight.shape[1], weight.shape[0], **arrays)


def layer_norm(weight: np.ndarray, bias: np.ndarray | None, eps: float) -> eqx.nn.LayerNorm:
    """The layer normalisation with these weights (N,)."""
    norm = eqx.nn.LayerNorm(weight.shape, eps, use_bias=bias is not None)
    return eqx.tree_at(
        lambda it: (it.weight, it.bias),
        norm,
        (jnp.asarray(weight), bias if bias is None else jnp.asarray(bias)),
        is_leaf=lambda leaf: leaf is None,
    )


def _as_one(modules: Sequence[Any]) -> Any:
    return modules[0] if len(modules) == 1 else eqx.nn.Sequential(modules)
