"""Keras's layers: each from its arrays in Keras's order, inputs along the first axis."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._base.checks import brief
from .._cells.convolution import ConvolutionCell
from .._cells.vanilla import VanillaCell
from ._fill import as_weights, filled
from ._network import Activation
from ._sequence import FUNCTIONS, Elementwise, Layer, ParametricReLU, layer_norm, linear

Entry = Mapping[str, Any]
Made = tuple[list[Layer], int]


def layers_of(name: str, entry: Entry, width: int) -> Made:
    """The layers that an entry, with `type` and `weights`, makes of an input (width,), and the width of what they give.

    `name` says where the entry is, for the text of a `ValueError`.
    """
    kind = str(entry.get("type")).lower()
    if kind not in _READERS:
        raise ValueError(
            f"{name}: a Keras layer of the type {entry.get('type')!r} is not read; {', '.join(_READERS)} are."
        )
    name = f"{name} ({kind})"
    weights = entry.get("weights", [])
    if not isinstance(weights, Sequence) or isinstance(weights, str):
        raise ValueError(f"{name}: its weights must be a list of arrays; got {brief(weights)}.")
    arrays = [as_weights(f"{name}, weights[{i}]", array) for i, array in enumerate(weights)]
    return _READERS[kind](name, entry, arrays, width)


def whole(name: str, value: Any) -> int:
    """A whole number of at least 1, or the last one of a list, such as a shape."""
    last = value[-1] if isinstance(value, list | tuple) and value else value
    if isinstance(last, bool) or not isinstance(last, int) or last < 1:
        raise ValueError(f"{name} must be a whole number above 0, or a list that ends in one; got {brief(value)}.")
    return last


def real(name: str, value: Any) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ValueError(f"{name} must be a finite number; got {brief(value)}.")
    return value


def _dense(name: str, entry: Entry, weights: Sequence[np.ndarray], width: int) -> Made:
    _check_shapes(name, weights, ((width, "M"), ("M",)), 1)
    kernel, *bias = weights
    return [Layer(linear(kernel.T, *bias)), *_function(name, entry)], kernel.shape[1]


def _lstm(name: str, entry: Entry, weights: Sequence[np.ndarray], width: int) -> Made:
    size = _size_of(name, entry, weights, width, 4, (4,))
    kernel, recurrent, *bias = weights
    biases = {"bias": bias[0]} if bias else {}
    return [
        Layer(filled(eqx.nn.LSTMCell, width, size, weight_ih=kernel.T, weight_hh=recurrent.T, **biases), True)
    ], size


def _gru(name: str, entry: Entry, weights: Sequence[np.ndarray], width: int) -> Made:
    if entry.get("reset_after") is False or (len(weights) == 3 and weights[2].ndim == 1):
        raise ValueError(
            f"{name}: a GRU that resets before its matrix product (reset_after=False, one row of biases) has no counterpart "
            "here. Two rows of biases are wanted, as Keras makes them by default."
        )
    size = _size_of(name, entry, weights, width, 3, (2, 3))
    # Keras's gates are z, r, h; Equinox's are r, z, h
    order = np.concatenate([np.arange(size, 2 * size), np.arange(size), np.arange(2 * size, 3 * size)])
    kernel, recurrent, *bias = (array[..., order] for array in weights)
    biases = {}
    if bias:
        of_input, of_state = bias[0]
        inner = np.arange(3 * size) >= 2 * size  # the reset gate multiplies this part
        biases = {"bias": of_input + np.where(inner, 0, of_state), "bias_n": of_state[inner]}
    return [Layer(filled(eqx.nn.GRUCell, width, size, weight_ih=kernel.T, weight_hh=recurrent.T, **biases), True)], size


def _simple_rnn(name: str, entry: Entry, weights: Sequence[np.ndarray], width: int) -> Made:
    size = _size_of(name, {**entry, "activation": "tanh"}, weights, width, 1, (1,))
    kernel, recurrent, *bias = weights
    function = _activation(name, entry) if "activation" in entry else jnp.tanh
    bias = bias[0] if bias else np.zeros(size, kernel.dtype)
    return [Layer(VanillaCell(recurrent.T, kernel.T, bias, function), True)], size


def _conv1d(name: str, entry: Entry, weights: Sequence[np.ndarray], width: int) -> Made:
    groups, stride, strides = (
        whole(f"{name}, key {key!r}", entry.get(key, 1)) for key in ("groups", "stride", "strides")
    )
    if stride * strides != 1:
        raise ValueError(f"{name}: a convolution with a stride, {stride * strides}, gives fewer outputs than steps.")
    if entry.get("padding", "causal") != "causal":
        raise ValueError(
            f"{name}: a causal convolution is wanted, as a step knows no later input; its padding is {entry['padding']!r}."
        )
    if width % groups:
        raise ValueError(f"{name}: {width} inputs do not make {groups} groups of one size.")
    _check_shapes(name, weights, (("K", width // groups, "M"), ("M",)), 1)
    kernel, *bias = weights
    if whole(f"{name}, key 'kernel_size'", entry.get("kernel_size", len(kernel))) != len(kernel):
        raise ValueError(f"{name}: kernel_size is {entry['kernel_size']}, and the weights have {len(kernel)}.")
    dilation = whole(f"{name}, key 'dilation'", entry.get("dilation", entry.get("dilation_rate", 1)))
    size = kernel.shape[2]
    # an output reads the inputs of its own group only
    same = np.repeat(np.arange(groups), width // groups)[:, None] == np.arange(size) * groups // size
    kernel = np.where(same, np.tile(kernel, (1, groups, 1)), 0)
    bias = bias[0] if bias else np.zeros(size, kernel.dtype)
    cell = ConvolutionCell(jnp.asarray(kernel), jnp.asarray(bias), dilation)
    return [Layer(cell, True), *_function(name, entry)], size


def _only_activation(name: str, entry: Entry, weights: Sequence[np.ndarray], width: int) -> Made:
    return _function(name, entry), width


def _prelu(name: str, entry: Entry, weights: Sequence[np.ndarray], width: int) -> Made:
    flat = [np.broadcast_to(array.reshape(-1), width) if array.size == 1 else array.reshape(-1) for array in weights]
    _check_shapes(name, flat, ((width,),), 1)
    return [Layer(ParametricReLU(jnp.asarray(flat[0])))], width


def _batch_norm(name: str, entry: Entry, weights: Sequence[np.ndarray], width: int) -> Made:
    """A linear layer: after training, mean and variance are constants."""
    _check_shapes(name, weights, ((width,),) * 4, 2)
    *scaled, mean, variance = weights
    if len(scaled) == 1:
        raise ValueError(f"{name}: gamma, beta, mean and variance are wanted, or the last two; got three arrays.")
    gamma, beta = scaled or (np.ones(width), np.zeros(width))
    scale = gamma / np.sqrt(variance + real(f"{name}, key 'epsilon'", entry.get("epsilon", 1e-3)))
    return [Layer(linear(np.diag(scale), beta - scale * mean))], width


def _layer_norm(name: str, entry: Entry, weights: Sequence[np.ndarray], width: int) -> Made:
    _check_shapes(name, weights, ((width,), (width,)), 1)
    epsilon = real(f"{name}, key 'epsilon'", entry.get("epsilon", 1e-3))
    return [Layer(layer_norm(weights[0], weights[1] if len(weights) > 1 else None, epsilon))], width


_READERS: dict[str, Callable[[str, Entry, Sequence[np.ndarray], int], Made]] = {
    "dense": _dense,
    "time-distributed-dense": _dense,
    "gru": _gru,
    "lstm": _lstm,
    "simplernn": _simple_rnn,
    "conv1d": _conv1d,
    "activation": _only_activation,
    "prelu": _prelu,
    "batchnorm": _batch_norm,
    "layernorm": _layer_norm,
}


def _size_of(name: str, entry: Entry, weights: Sequence[np.ndarray], width: int, gates: int, bias: tuple) -> int:
    """The number of units of a recurrent layer, after a check of its shapes and functions.

    `bias` is the shape of the bias, with the number of gates in place of its last size.
    """
    size = weights[1].shape[0] if len(weights) > 1 and weights[1].ndim else 0
    columns = gates * size
    _check_shapes(name, weights, ((width, columns), (size, columns), (*bias[:-1], columns)), 2)
    for key, usual in (("activation", "tanh"), ("recurrent_activation", "sigmoid")):
        if entry.get(key) not in (None, "", usual):
            raise ValueError(f"{name}: its {key} must be {usual}; got {entry[key]!r}.")
    if entry.get("go_backwards"):
        raise ValueError(
            f"{name}: a layer that reads its input backward has no counterpart here, as a step knows no later input."
        )
    return size


def _function(name: str, entry: Entry) -> list[Layer]:
    """The activation of an entry as a layer; nothing where it has none."""
    function = _activation(name, entry)
    return [] if function is None else [Layer(Elementwise(function))]


def _activation(name: str, entry: Entry) -> Activation:
    given = entry.get("activation") or ""
    if not isinstance(given, str) or given not in FUNCTIONS:
        known = ", ".join(key for key in FUNCTIONS if key)
        raise ValueError(f"{name}: its activation must be one of {known}, or empty; got {brief(given)}.")
    return FUNCTIONS[given]


def _check_shapes(name: str, weights: Sequence[np.ndarray], wanted: Sequence[tuple], least: int) -> None:
    """`ValueError` unless there are `least` to all of the arrays wanted, in these shapes, with one size for each letter."""
    if not least <= len(weights) <= len(wanted):
        most = "" if least == len(wanted) else f" to {len(wanted)}"
        raise ValueError(f"{name}: {least}{most} arrays of weights are wanted; got {len(weights)}.")
    sizes: dict[str, int] = {}
    for i, (array, shape) in enumerate(zip(weights, wanted, strict=False)):
        if array.ndim == len(shape):
            sizes = {letter: n for letter, n in zip(shape, array.shape, strict=True) if isinstance(letter, str)} | sizes
        if array.shape != tuple(sizes.get(n, n) if isinstance(n, str) else n for n in shape):
            text = ", ".join(str(sizes.get(n, n) if isinstance(n, str) else n) for n in shape)
            raise ValueError(
                f"{name}, weights[{i}]: its shape is {array.shape}; wanted is ({text}{',' * (len(shape) == 1)})."
            )
