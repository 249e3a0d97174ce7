"""Networks from Flax's arrays, of linen and of nnx.

Flax has input weights (D, N) and recurrent ones (N, N). Linen and nnx's `LSTMCell` have them for each gate (`ii`, `hi`, …),
nnx's other cells side by side (`dense_i`, `dense_h`). The gates are those of Equinox, in its order.
"""

import importlib
from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._base.checks import about, brief
from .._cells.vanilla import VanillaCell
from ._arrange import Module
from ._fill import as_weights, filled
from ._nested import check_all_read, flat, grouped, network_of
from ._network import Activation, Network
from ._sequence import Layer, layer_norm, linear

_EPSILON = 1e-6  # of Flax's LayerNorm

_GATES = {"lstm": "ifgo", "gru": "rzn", "simple": [""]}  # their letters, in Equinox's order


def from_flax(
    params: Any,
    order: Sequence[str] | None = None,
    *,
    activation: Activation = jnp.tanh,
    between: Activation | EllipsisType = ...,
) -> Network:
    """The network of Flax's arrays: LSTM, GRU and simple cells with Dense and LayerNorm layers before, between and behind.

    Each layer is put where its sizes fit. Where they leave a choice, the order of the names and their words (such as `embed`
    and `out`) decide, if they do not contradict each other.

    **Arguments:**

    - `params`: of linen, what `init` returns, or its part `"params"`; of nnx, the module, or `nnx.state(module)`.
    - `order`: the names of the layers to read in their order, such as `("Dense_0", "GRUCell_0", "Dense_1")`; layers inside
      others are written `"rnn/cell"`. Default: all layers, in the order that fits.
    - `activation`: of simple cells, which the arrays do not say.
    - `between`: the function after each Dense layer but the last one, `None` for none. The arrays do not say it. Default:
      none after an input layer; two Dense layers after each other are refused.

    **Returns:** a `Network`. The state of an LSTM is (h, c), where Flax's carry is (c, h).

    **Raises:** `TypeError` if `params` holds no dictionaries; `ValueError` naming the arrays for layers that are not read,
    for shapes that do not fit, and for an order that is not clear.

    ```python
    >>> import numpy as np
    >>> from rnn_ode import interop
    >>> cell = {"dense_i": {"kernel": np.ones((1, 12))}, "dense_h": {"kernel": np.ones((3, 12)), "bias": np.zeros(12)}}
    >>> network = interop.from_flax({"lstm": cell, "readout": {"kernel": np.ones((3, 1)), "bias": np.zeros(1)}})
    >>> type(network.cell).__name__, network.cell.hidden_size, network.output_size
    ('LSTMCell', 3, 1)

    ```
    """
    if any(base.__module__.startswith("flax.nnx") for base in type(params).__mro__) and not isinstance(params, Mapping):
        params = importlib.import_module("flax.nnx").state(params)
    if not isinstance(params, Mapping):
        raise TypeError(
            f"params must be nested dictionaries of arrays, as Flax's init returns them; got {brief(params)}."
        )
    with about("params"):
        modules, told = _modules(params, activation)
    return network_of("params", modules, order, between, told)


def _modules(params: Mapping[Any, Any], activation: Activation) -> tuple[list[Module], bool]:
    """The layers in the order of the first array of each, and whether that order means something."""
    arrays = flat(params)
    if any(path.startswith("params/") for path in arrays):
        arrays = {path.removeprefix("params/"): array for path, array in arrays.items()}
    groups = grouped(arrays)
    modules, read = _cells(groups, activation)
    for name, parts in groups.items():
        if name not in read and parts.keys() in ({"kernel"}, {"kernel", "bias"}, {"scale"}, {"scale", "bias"}):
            modules[name] = _module(name, parts)
            read.add(name)
    check_all_read(arrays, read, "LSTM, GRU and simple cells, Dense and LayerNorm")
    owners = [name for group in groups for name in (group, group.rpartition("/")[0]) if name in modules]
    return [modules[name] for name in dict.fromkeys(owners)], list(arrays) != sorted(arrays)


def _cells(groups: Mapping[str, Mapping[str, Any]], activation: Activation) -> tuple[dict[str, Module], set[str]]:
    """The cells among the groups by their names, and the names of the groups that they are made of."""
    cells, read = {}, set()
    children: dict[str, dict[str, str]] = {}
    for group in groups:
        parent, _, last = group.rpartition("/")
        children.setdefault(parent, {})[last.removesuffix("_")] = group
    for name, inner in children.items():
        for kind, gates in _GATES.items():
            apart = [[f"{side}{gate}" for gate in gates] for side in "ih"]
            if inner.keys() >= {*apart[0], *apart[1]}:
                used = [[inner[key] for key in side] for side in apart]
            elif inner.keys() >= {"dense_i", "dense_h"} and _rows(groups[inner["dense_h"]]) == len(gates):
                used = [[inner["dense_i"]], [inner["dense_h"]]]
            else:
                continue
            cells[name] = _cell(name, kind, [[groups[key] for key in side] for side in used], activation)
            read |= {key for side in used for key in side}
            break
    return cells, read


def _rows(parts: Mapping[str, Any]) -> int:
    """How many times as wide as high a recurrent kernel is: the number of gates."""
    shape = np.shape(parts.get("kernel", ()))
    return shape[1] // shape[0] if len(shape) == 2 and shape[0] else 0


def _cell(name: str, kind: str, sides: list[list[Mapping[str, Any]]], activation: Activation) -> Module:
    """The cell of the groups of its input side and of its recurrent side: one for each gate, or one for all."""
    gates = len(_GATES[kind])
    kernels = [np.hstack([as_weights(f"{name}, kernel", parts["kernel"]) for parts in side]) for side in sides]
    inputs, size = len(kernels[0]), len(kernels[1])
    if any(kernel.shape[1] != gates * size for kernel in kernels):
        shapes = " and ".join(str(kernel.shape) for kernel in kernels)
        raise ValueError(
            f"{name}: the kernels of a cell of {size} units must be {gates * size} wide in all; got {shapes}."
        )
    of_input, of_state = (
        np.hstack([_bias(name, parts, gates * size // len(side)) for parts in side]) for side in sides
    )
    W_x, W_h = (kernel.T for kernel in kernels)
    if kind == "simple":
        cell = VanillaCell(W_h, W_x, of_input + of_state, activation)
    elif kind == "lstm":
        cell = filled(eqx.nn.LSTMCell, inputs, size, weight_ih=W_x, weight_hh=W_h, bias=of_input + of_state)
    else:
        inner = np.arange(3 * size) >= 2 * size  # the reset gate multiplies this part of the recurrent bias
        biases = {"bias": of_input + np.where(inner, 0, of_state), "bias_n": of_state[inner]}
        cell = filled(eqx.nn.GRUCell, inputs, size, weight_ih=W_x, weight_hh=W_h, **biases)
    return Module(name, inputs, size, (Layer(cell, True),))


def _bias(name: str, parts: Mapping[str, Any], size: int) -> np.ndarray:
    bias = as_weights(f"{name}, bias", parts["bias"]) if "bias" in parts else np.zeros(size, np.float32)
    if bias.shape != (size,):
        raise ValueError(f"{name}: a bias has shape {bias.shape}; wanted is ({size},).")
    return bias


def _module(name: str, parts: Mapping[str, Any]) -> Module:
    """A Dense layer or a LayerNorm."""
    arrays = {part: as_weights(f"{name}/{part}", array) for part, array in parts.items()}
    if "scale" in arrays:
        size = arrays["scale"].size
        _bias(name, parts, size)
        return Module(name, size, size, (Layer(layer_norm(arrays["scale"], arrays.get("bias"), _EPSILON)),))
    kernel = arrays["kernel"]
    if kernel.ndim != 2:
        raise ValueError(f"{name}: a Dense kernel has two axes; got shape {kernel.shape}. Convolutions are not read.")
    _bias(name, parts, kernel.shape[1])
    made = linear(kernel.T, *([arrays["bias"]] if "bias" in arrays else []))
    return Module(name, kernel.shape[0], kernel.shape[1], (Layer(made),), True)
