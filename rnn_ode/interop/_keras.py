"""Networks from Keras 3: a model, or its arrays."""

from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import Any

import jax.numpy as jnp
import numpy as np

from .._base.checks import about, as_texts, brief
from .._files.arrays import shape_of
from ._arrange import Module
from ._keras_layers import layers_of
from ._layer_list import layer_list
from ._nested import check_all_read, flat, grouped, network_of
from ._network import Activation, Network
from ._sequence import FUNCTIONS

_TYPES = {  # of Keras's classes
    "Dense": "dense",
    "GRU": "gru",
    "LSTM": "lstm",
    "SimpleRNN": "simplernn",
    "Conv1D": "conv1d",
    "Activation": "activation",
    "PReLU": "prelu",
    "BatchNormalization": "batchnorm",
    "LayerNormalization": "layernorm",
}
_NOTHING = ("InputLayer", "Dropout", "GaussianNoise")  # layers that do nothing when a network runs
_ARRAYS = ("kernel", "recurrent_kernel", "bias")
_GATES = {1: "simplernn", 3: "gru", 4: "lstm"}


def from_keras(
    model: Any,
    order: Sequence[str] | None = None,
    *,
    activation: Activation = jnp.tanh,
    between: Activation | EllipsisType = ...,
) -> Network:
    """The network of a Keras model whose layers are in sequence, or of its arrays.

    A model says its functions itself. Of arrays, each layer is put where its sizes fit. Where they leave a choice, the order
    of the names and their words (such as `embed` and `out`) decide, if they do not contradict each other.

    **Arguments:**

    - `model`: a Keras model; or its arrays by path, `{w.path: w for w in model.weights}`; or the list `model.get_weights()`,
      in which a `SimpleRNN` cannot be told from two Dense layers.
    - `order`: of arrays by path, the paths of the layers to read in their order, such as `("m/gru/gru_cell", "m/dense")`.
      Default: all layers, in the order that fits.
    - `activation`: of `SimpleRNN` layers, which arrays do not say.
    - `between`: the function after each Dense layer but the last one, `None` for none. Arrays do not say it. Default: none
      after an input layer; two Dense layers after each other are refused.

    **Returns:** a `Network`, with the gates in Equinox's order.

    **Raises:** `TypeError` for what is no model and no arrays; `ValueError` naming the layer for one that is not read, such
    as a bidirectional one, for shapes that do not fit, and for an order that is not clear.

    ```python
    >>> import numpy as np
    >>> from rnn_ode import interop
    >>> lstm = [np.ones((1, 12)), np.ones((3, 12)), np.zeros(12)]
    >>> network = interop.from_keras([*lstm, np.ones((3, 1)), np.zeros(1)])
    >>> type(network.cell).__name__, network.cell.hidden_size, network.output_size
    ('LSTMCell', 3, 1)

    ```
    """
    if hasattr(model, "layers") and hasattr(model, "get_config"):
        return layer_list(_described(model))
    names = None if order is None else as_texts("order", order)
    if isinstance(model, Mapping):
        with about("model"):
            modules, told = _by_path(model, activation)
        return network_of("model", modules, names, between, told)
    if isinstance(model, Sequence) and not isinstance(model, str):
        with about("model"):
            modules = [_module(f"layer {k}", *entry, activation) for k, entry in enumerate(_taken_apart(model))]
        chosen = [module.name for module in modules] if names is None else names
        return network_of("model", modules, chosen, between)
    raise TypeError(f"model must be a Keras model, its arrays by path, or the list of its arrays; got {brief(model)}.")


def _by_path(model: Mapping[Any, Any], activation: Activation) -> tuple[list[Module], bool]:
    """The layers of arrays by path, and whether their order means something."""
    arrays = flat(model)
    groups = {name: parts for name, parts in grouped(arrays).items() if parts.keys() <= set(_ARRAYS)}
    check_all_read(arrays, groups, "LSTM, GRU, SimpleRNN and Dense")
    modules = [
        _module(name, [parts[part] for part in _ARRAYS if part in parts], "recurrent_kernel" in parts, activation)
        for name, parts in groups.items()
    ]
    return modules, list(arrays) != sorted(arrays)


def _described(model: Any) -> dict[str, Any]:
    """The model as a list of layers with their weights."""
    entries = []
    for layer in model.layers:
        layer = layer.layer if type(layer).__name__ == "TimeDistributed" else layer
        kind, config = type(layer).__name__, layer.get_config()
        if kind in _NOTHING:
            continue
        if kind not in _TYPES:
            raise ValueError(f"layer {layer.name!r}: a {kind} is not read; {', '.join(_TYPES)} are, in sequence.")
        said = {key: config[key] for key in _SAID if key in config}
        entries.append(said | {"type": _TYPES[kind], "weights": [np.asarray(array) for array in layer.get_weights()]})
    return {"in_shape": list(model.input_shape), "layers": entries}


_SAID = (
    "activation", "recurrent_activation", "reset_after", "go_backwards", "epsilon", "kernel_size", "dilation_rate", "strides",
    "groups", "padding",
)  # fmt: skip


def _taken_apart(arrays: Sequence[Any]) -> list[tuple[list[Any], bool]]:
    """The arrays of each layer in a list, and whether the layer is recurrent."""
    shapes, layers, k = [shape_of(array) for array in arrays], [], 0
    while k < len(shapes):
        gates = _gates(shapes[k], shapes[k + 1]) if k + 1 < len(shapes) else 0
        if len(shapes[k]) != 2 or gates == 1:
            raise ValueError(
                f"array {k} of the list has shape {shapes[k]}: "
                + (
                    "with the next one it may be a SimpleRNN or two Dense layers. Give the model, or its arrays by path."
                    if gates
                    else "a layer's kernel (inputs, units) is wanted. Give the model, or its arrays by path."
                )
            )
        end = k + 1 + bool(gates)
        width = shapes[k][1]
        end += end < len(shapes) and shapes[end] in ((width,), (2, width))
        layers.append((list(arrays[k:end]), bool(gates)))
        k = end
    return layers


def _gates(kernel: tuple[int, ...], recurrent: tuple[int, ...]) -> int:
    """The number of gates of a layer with these kernels; 0 if they are not those of one layer."""
    fits = len(kernel) == len(recurrent) == 2 and kernel[1] == recurrent[1] and recurrent[0] > 0
    gates, rest = divmod(recurrent[1], recurrent[0]) if fits else (0, 0)
    return gates if gates in _GATES and not rest else 0


def _module(name: str, weights: list[Any], recurrent: bool, activation: Activation) -> Module:
    kind = "dense"
    if recurrent:
        kind = _GATES.get(_gates(np.shape(weights[0]), np.shape(weights[1])), "")
        if not kind:
            shapes = [np.shape(array) for array in weights]
            raise ValueError(f"{name}: the shapes {shapes} are of no LSTM, GRU or SimpleRNN.")
    width = np.shape(weights[0])[0] if np.ndim(weights[0]) else 0
    entry: dict[str, Any] = {"type": kind, "weights": weights}
    if kind == "simplernn":
        entry["activation"] = next(
            (key for key, function in FUNCTIONS.items() if function is activation), brief(activation)
        )
    layers, gives = layers_of(name, entry, width)
    return Module(name, width, gives, tuple(layers), kind == "dense")
