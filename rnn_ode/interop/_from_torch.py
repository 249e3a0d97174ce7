"""Cells and networks from PyTorch's arrays."""

import itertools
from collections.abc import Mapping
from types import EllipsisType
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._base.checks import counted
from .._cells.stacked import StackedCell
from .._cells.vanilla import VanillaCell
from .._files.arrays import shape_of, shapes_of
from ._fill import as_weights, filled
from ._network import Activation, Network
from ._readout import with_readout
from ._torch_module import agreed, arrays_of, is_module, recurrent_of
from ._torch_names import GATES, PARTS, layer_keys, only_prefix

Layer = VanillaCell | eqx.nn.GRUCell | eqx.nn.LSTMCell


def from_torch(
    state_dict: Mapping[str, Any] | Any, prefix: str = "", layer: int = 0, *, activation: Activation = jnp.tanh
) -> VanillaCell | eqx.nn.GRUCell | eqx.nn.LSTMCell:
    """The cell in a PyTorch module or state dictionary: one layer, one direction of `torch.nn.RNN`, `GRU` or `LSTM`.

    **Arguments:**

    - `state_dict`: a `torch.nn.RNN`, `GRU`, `LSTM`, `RNNCell`, `GRUCell` or `LSTMCell`, or a module that holds one. Or arrays
      or tensors by name: `weight_ih_l{layer}` (kN, D), `weight_hh_l{layer}` (kN, N), and `bias_ih_l{layer}`,
      `bias_hh_l{layer}` (kN,), both or neither. The number k of gates tells the kind: 1 is an RNN, 3 a GRU, 4 an LSTM.
    - `prefix`: what stands before these names, such as `"rnn."`. Of a module it is found if there is one recurrent layer.
    - `layer`: number of the layer, from 0.
    - `activation`: of a plain RNN. A module says it. A state dictionary does not; PyTorch's default is tanh. Give
      `jax.nn.relu` for `nonlinearity="relu"`. GRU and LSTM have their own.

    **Returns:** a `VanillaCell` with the two biases summed; an `equinox.nn.GRUCell`; or an `equinox.nn.LSTMCell` with
    the biases summed and state (h, c). Without biases a GRU or LSTM has none either (`use_bias=False`), and a `VanillaCell`
    has zeros.

    **Raises:** `ValueError` naming the key, its shape and what is wanted, also for a number beyond the float range of the
    cell; for a module with a second direction, with several layers if `layer` does not choose one, with several recurrent
    parts if `prefix` does not, or with none; `TypeError` if `state_dict` is no module and no dictionary by name.

    ```python
    >>> import jax.numpy as jnp, numpy as np
    >>> from rnn_ode import interop
    >>> weights = {"weight_ih_l0": np.ones((3, 1)), "weight_hh_l0": np.zeros((3, 1))}
    >>> cell = interop.from_torch(weights)  # reset and update gates at ½, candidate tanh(0)
    >>> type(cell).__name__, cell(jnp.zeros(1), jnp.ones(1)).tolist()
    ('GRUCell', [0.5])

    ```
    """
    if is_module(state_dict):
        arrays = arrays_of(state_dict)
        found = recurrent_of(state_dict, prefix or None)
        if layer == 0 and found.layers > 1:
            raise ValueError(
                f"the module has {found.layers} layers: interop.from_torch_network(module).cell is the cell of all of them, "
                "and from_torch(module.state_dict(), prefix, layer) that of one."
            )
        _check_forward(arrays, found.prefix)
        return from_torch(arrays, found.prefix, layer, activation=agreed(found.activation, activation))
    _check_names(state_dict)
    W_x, W_h, *biases = _layer_arrays(state_dict, prefix, layer)
    (rows, size), inputs = W_h.shape, W_x.shape[1]
    biases = _summed(*biases, gated=rows == 3 * size) if biases else {}
    if biases:
        name = f"keys '{prefix}bias_ih_l{layer}' and '{prefix}bias_hh_l{layer}', summed"
        biases["bias"] = as_weights(name, biases["bias"])
    if rows == size:
        return VanillaCell(W_h, W_x, biases.get("bias", np.zeros(size, W_h.dtype)), activation)
    cls = eqx.nn.LSTMCell if rows == 4 * size else eqx.nn.GRUCell
    return filled(cls, inputs, size, weight_ih=W_x, weight_hh=W_h, **biases)


def from_torch_network(
    state_dict: Mapping[str, Any] | Any,
    prefix: str | None = None,
    readout: str | EllipsisType | None = ...,
    *,
    activation: Activation = jnp.tanh,
    residual: bool = False,
) -> Network:
    """The network in a PyTorch module or state dictionary: all layers of an RNN, GRU or LSTM, and its linear readout.

    If both `prefix` and `readout` are given, other keys are ignored; otherwise there may be none.

    **Arguments:**

    - `state_dict`: a module, or its arrays or tensors by name.
    - `prefix`: what stands before the names of the recurrent layers, such as `"rec."`. Default: that of the only network.
    - `readout`: what stands before the readout's `weight` and `bias`, such as `"lin."`; `None` for no readout. Default: that
      of the one weight (M, N) with a bias (M,), N the size of the top layer, if there is one. A readout without a bias must
      be named.
    - `activation`: of a plain RNN, as in `from_torch`.
    - `residual`: whether the input is added to the output. Neither a module nor a state dictionary says.

    **Returns:** a `Network`. Its cell is that of `from_torch` for one layer, and a `StackedCell` for several.

    **Raises:** `ValueError` naming the key, its shape and what is wanted: for shapes that do not fit, for keys that have no
    meaning here or two, for a second direction and for projections; otherwise as `from_torch`.

    ```python
    >>> import numpy as np
    >>> from rnn_ode import interop
    >>> weights = {"rec.weight_ih_l0": np.ones((8, 1)), "rec.weight_hh_l0": np.ones((8, 2))}
    >>> weights |= {"rec.weight_ih_l1": np.ones((8, 2)), "rec.weight_hh_l1": np.ones((8, 2))}
    >>> network = interop.from_torch_network(weights | {"lin.weight": np.ones((1, 2)), "lin.bias": np.ones(1)})
    >>> [type(cell).__name__ for cell in network.cell.cells], network.readout.out_features
    (['LSTMCell', 'LSTMCell'], 1)

    ```
    """
    leave_others = prefix is not None and not isinstance(readout, EllipsisType)
    if is_module(state_dict):
        found = recurrent_of(state_dict, prefix)
        state_dict, prefix, activation = arrays_of(state_dict), found.prefix, agreed(found.activation, activation)
    _check_names(state_dict)
    prefix = only_prefix(state_dict) if prefix is None else prefix
    cell = all_layers(state_dict, prefix, activation)
    own = {match[0] for match in layer_keys(state_dict, prefix)}
    others = {key: value for key, value in state_dict.items() if key not in own}
    network = with_readout(cell, others, f"recurrent layers {prefix!r}", readout, leave_others)
    return Network(network.cell, network.readout, residual)


def all_layers(state_dict: Mapping[str, Any], prefix: str, activation: Activation = jnp.tanh) -> Layer | StackedCell:
    """The cell of all layers under one prefix: that of `from_torch` for one layer, and a `StackedCell` for several."""
    keys = layer_keys(state_dict, prefix)
    _check_forward(state_dict, prefix)
    count = 1 + max((int(match["layer"]) for match in keys), default=0)
    cells = [from_torch(state_dict, prefix, layer, activation=activation) for layer in range(count)]
    for layer, (below, cell) in enumerate(itertools.pairwise(cells), start=1):
        if cell.input_size != below.hidden_size:
            key = f"{prefix}weight_ih_l{layer}"
            shape = shape_of(state_dict[key])
            raise ValueError(
                f"key {key!r} has shape {shape}; wanted is {(shape[0], below.hidden_size)}, as the layer below has "
                f"{counted(below.hidden_size, 'unit')}."
            )
    return cells[0] if len(cells) == 1 else StackedCell(cells)


def _check_forward(state_dict: Mapping[str, Any], prefix: str) -> None:
    """`ValueError` for a network that reads its input backward too."""
    backward = [match[0] for match in layer_keys(state_dict, prefix) if match["backward"]]
    if backward:
        raise ValueError(
            f"key {backward[0]!r}: a network that reads its input backward too has no counterpart here, as a step knows no "
            "later input. One direction of one layer is interop.from_torch(state_dict, prefix, layer)."
        )


def _check_names(state_dict: Any) -> None:
    if not isinstance(state_dict, Mapping):
        raise TypeError(
            f"state_dict must be a dictionary of arrays by name, or a PyTorch module; got {type(state_dict).__name__}."
        )
    other = [key for key in state_dict if not isinstance(key, str)]
    if other:
        raise TypeError(f"state_dict must have names for keys; got {other[0]!r}.")


def _layer_arrays(state_dict: Mapping[str, Any], prefix: str, layer: int) -> tuple[np.ndarray, ...]:
    """W_x (kN, D), W_h (kN, N) and, if it has them, the two biases (kN,). `ValueError` if their shapes do not fit."""
    names = {part: f"{prefix}{part}_l{layer}" for part in PARTS}
    missing = [name for part, name in names.items() if name not in state_dict and not part.startswith("bias")]
    has_bias = names["bias_ih"] in state_dict
    if has_bias != (names["bias_hh"] in state_dict):
        missing.append(names["bias_hh" if has_bias else "bias_ih"])
    if missing:
        raise ValueError(f"no key {missing[0]!r}; there are {shapes_of(state_dict)}.")
    if f"{prefix}weight_hr_l{layer}" in state_dict:
        raise ValueError(f"key '{prefix}weight_hr_l{layer}': an LSTM with a projection has no counterpart here.")

    arrays = {part: as_weights(f"key {name!r}", state_dict[name]) for part, name in names.items() if name in state_dict}
    W_h = arrays["weight_hh"]
    if W_h.ndim != 2 or W_h.shape[0] not in [k * W_h.shape[1] for k in GATES]:
        kinds = ", ".join(f"({'' if k == 1 else k}N, N) {kind}" for k, kind in GATES.items())
        raise ValueError(f"key {names['weight_hh']!r} has shape {W_h.shape}; wanted is one of {kinds}.")
    for part, ndim in (("weight_ih", 2), ("bias_ih", 1), ("bias_hh", 1)):
        array = arrays.get(part)
        if array is not None and (array.ndim != ndim or array.shape[0] != W_h.shape[0]):
            wanted = f"({W_h.shape[0]}, D)" if ndim == 2 else f"({W_h.shape[0]},)"
            raise ValueError(
                f"key {names[part]!r} has shape {array.shape}; wanted is {wanted}, as {names['weight_hh']!r} "
                f"has shape {W_h.shape}."
            )
    return tuple(arrays.values())


def _summed(b_x: np.ndarray, b_h: np.ndarray, gated: bool) -> dict[str, np.ndarray]:
    """Equinox's biases: the sum of PyTorch's two.

    A GRU (`gated`) has its second bias of the candidate state apart, as `bias_n`, since its reset gate multiplies it.
    """
    apart = np.zeros_like(b_h)
    candidate = slice(len(b_h) // 3 * 2, None)
    if gated:
        apart[candidate] = b_h[candidate]
    with np.errstate(over="ignore"):  # the caller refuses what overflows
        summed = {"bias": b_x + (b_h - apart)}
    return summed | ({"bias_n": apart[candidate]} if gated else {})
