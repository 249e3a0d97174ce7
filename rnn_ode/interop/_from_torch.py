"""Cells and networks from PyTorch's arrays."""

import itertools
from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import Any, cast

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._base.checks import about, as_texts, check_count, check_text, counted
from .._base.types import Cell
from .._cells.projected import ProjectedLSTMCell
from .._cells.protocol import output_shape
from .._cells.stacked import StackedCell
from .._cells.vanilla import VanillaCell
from .._files.arrays import shape_of, shapes_of
from ._arrange import applied
from ._fill import as_weights, filled
from ._network import Activation, Network
from ._sequence import in_sequence
from ._torch_module import (
    agreed,
    all_recurrent_of,
    arrays_of,
    check_norms,
    functions_of,
    is_module,
    recurrent_of,
    with_eps,
)
from ._torch_names import GATES, PARTS, layer_keys, plain_name, read_names
from ._torch_parts import initial_of, order_of

Layer = ProjectedLSTMCell | VanillaCell | eqx.nn.GRUCell | eqx.nn.LSTMCell


def from_torch(
    state_dict: Mapping[str, Any] | Any, prefix: str = "", layer: int = 0, *, activation: Activation = jnp.tanh
) -> VanillaCell | eqx.nn.GRUCell | eqx.nn.LSTMCell | ProjectedLSTMCell:
    """The cell in a PyTorch module or state dictionary: one layer, one direction of `torch.nn.RNN`, `GRU` or `LSTM`.

    **Arguments:**

    - `state_dict`: a `torch.nn.RNN`, `GRU`, `LSTM`, `RNNCell`, `GRUCell` or `LSTMCell`, or a module that holds one. Or arrays
      or tensors by name: `weight_ih_l{layer}` (kN, D), `weight_hh_l{layer}` (kN, N), and `bias_ih_l{layer}`,
      `bias_hh_l{layer}` (kN,), both or neither. The number k of gates tells the kind: 1 is an RNN, 3 a GRU, 4 an LSTM. The
      names of cells (`weight_ih`), of wrapped modules (`_orig_mod.`, `module.`) and of normed weights are known too.
    - `prefix`: what stands before these names, such as `"rnn."`. Of a module it is found if there is one recurrent layer.
    - `layer`: number of the layer, from 0.
    - `activation`: of a plain RNN. A module says it. A state dictionary does not; PyTorch's default is tanh. Give
      `jax.nn.relu` for `nonlinearity="relu"`. GRU and LSTM have their own.

    **Returns:** a `VanillaCell` with the two biases summed; an `equinox.nn.GRUCell`; or an `equinox.nn.LSTMCell` with
    the biases summed and state (h, c). Without biases a GRU or LSTM has none either (`use_bias=False`), and a `VanillaCell`
    has zeros. An LSTM with a projection is a cell of its own, with state (h, c) of two sizes.

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
    check_text("prefix", prefix)
    check_count("layer", layer, 0)
    if is_module(state_dict):
        with about("state_dict"):
            return _layer_of_module(state_dict, prefix, layer, activation)
    _check_names(state_dict)
    with about("state_dict" if not (prefix or layer) else f"state_dict, with prefix {prefix!r} and layer {layer}"):
        return one_layer(read_names(state_dict), plain_name(prefix), layer, activation)


def _layer_of_module(module: Any, prefix: str, layer: int, activation: Activation) -> Layer:
    found = recurrent_of(module, prefix or None)
    if layer == 0 and found.layers > 1:
        raise ValueError(
            f"the module has {found.layers} layers: interop.from_torch_network(module).cell is the cell of all of them, "
            "and from_torch(module.state_dict(), prefix, layer) that of one."
        )
    arrays = read_names(arrays_of(module))
    _check_forward(arrays, found.prefix)
    return one_layer(arrays, plain_name(found.prefix), layer, agreed(found.activation, activation))


def one_layer(arrays: Mapping[str, Any], prefix: str, layer: int, activation: Activation) -> Layer:
    """The cell of one layer among the arrays by their plain names."""
    if f"{prefix}weight_hr_l{layer}" in arrays:
        return _projected(arrays, prefix, layer)
    W_x, W_h, *biases = _layer_arrays(arrays, prefix, layer)
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
    prefix: str | Sequence[str] | None = None,
    readout: str | Sequence[str] | EllipsisType | None = ...,
    *,
    activation: Activation = jnp.tanh,
    between: Activation | EllipsisType = ...,
    residual: bool = False,
) -> Network:
    """The network in a PyTorch module or state dictionary: its recurrent layers, input layers, readout and initial state.

    Besides all layers of an RNN, GRU, LSTM, or of cells of these, the names may be those of several such modules in sequence,
    of linear layers with a bias and of layer normalisations before, between and behind them, and of learnt initial states
    (`h0`, `c0`). Each layer is put where its sizes fit. Where they leave a choice, the order of the names and their words
    (such as `embed` and `out`) decide, if they do not contradict each other.

    A module says the eps of its layer normalisations. In a state dictionary a weight and a bias of one axis are taken for a
    LayerNorm with PyTorch's default eps, 1e-5.

    If both `prefix` and `readout` are given, other keys are ignored; otherwise there may be none.

    **Arguments:**

    - `state_dict`: a module, or its arrays or tensors by name.
    - `prefix`: what stands before the names of the recurrent layers, such as `"rec."`; or the prefixes of all layers before
      the readout in their order, input layers included, such as `("embed.", "rec.")`. Default: found.
    - `readout`: what stands before the readout's `weight` and `bias`, such as `"lin."`, or the prefixes of its layers in
      their order; `None` for no readout. Default: found. A readout without a bias must be named.
    - `activation`: of a plain RNN, as in `from_torch`.
    - `between`: the function after each linear layer but the last one, `None` for none. A state dictionary does not say it; a
      module does where its layers are in a `torch.nn.Sequential`. Default: none after an input layer; two linear layers after
      each other are refused.
    - `residual`: whether the input is added to the output. Neither a module nor a state dictionary says.

    **Returns:** a `Network`. Its cell is that of `from_torch` for one layer, and a `StackedCell` for several. Input layers
    are part of the cell.

    **Raises:** `ValueError` naming the key, its shape and what is wanted: for shapes that do not fit, for keys that have no
    meaning here or two, for an order that is not clear, for a second direction and for a module's normalisation that is no
    LayerNorm; otherwise as `from_torch`.

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
    if not is_module(state_dict):
        _check_names(state_dict)
    with about("state_dict"):
        return network_by_names(state_dict, prefix, readout, activation, between, residual)


def network_by_names(
    state_dict: Mapping[str, Any] | Any,
    prefix: str | Sequence[str] | None,
    readout: str | Sequence[str] | EllipsisType | None,
    activation: Activation,
    between: Activation | EllipsisType,
    residual: bool = False,
) -> Network:
    """What `from_torch_network` returns."""
    prefix = prefix if prefix is None or isinstance(prefix, str) else as_texts("prefix", prefix)
    if readout is not None and not isinstance(readout, EllipsisType):
        readout = as_texts("readout", readout)
    activations: dict[str, Activation] = {}
    functions: dict[str, Activation] = {}
    module = state_dict if is_module(state_dict) else None
    if module is not None:
        chosen = prefix if isinstance(prefix, str) else None
        found = [recurrent_of(module, chosen)] if chosen else all_recurrent_of(module)
        activations = {one.prefix: agreed(one.activation, activation) for one in found}
        functions = functions_of(module)
        if prefix is None or isinstance(readout, EllipsisType):
            check_norms(module)
        state_dict = arrays_of(module)
    arrays = read_names(state_dict)
    order = order_of(arrays, prefix, readout, lambda one: all_layers(arrays, one, activations.get(one, activation)))
    if module is not None:
        order = tuple(with_eps(module, layer) for layer in order)
    cell, head = in_sequence(order[0].takes, applied(order, functions, between))
    return Network(cast(Cell, cell), head, residual, initial_of(arrays, order))


def before_readout(state_dict: Mapping[str, Any], activation: Activation) -> Network:
    """The recurrent layers and the input layers, with their initial state. Arrays that belong to neither are left out."""
    arrays = read_names(state_dict)
    order = order_of(arrays, None, ..., lambda one: all_layers(arrays, one, activation), leave_others=True)
    order = order[: max(number for number, module in enumerate(order, start=1) if module.recurrent)]
    cell, _ = in_sequence(order[0].takes, applied(order, {}, ...))
    return Network(cast(Cell, cell), initial=initial_of(arrays, order))


def all_layers(state_dict: Mapping[str, Any], prefix: str, activation: Activation = jnp.tanh) -> Layer | StackedCell:
    """The cell of all layers under one prefix: that of `from_torch` for one layer, and a `StackedCell` for several."""
    keys = layer_keys(state_dict, prefix)
    _check_forward(state_dict, prefix)
    count = 1 + max((int(match["layer"]) for match in keys), default=0)
    cells = [one_layer(state_dict, prefix, layer, activation) for layer in range(count)]
    for layer, (below, cell) in enumerate(itertools.pairwise(cells), start=1):
        size = cast(tuple, output_shape(below))[0]
        if cell.input_size != size:
            key = f"{prefix}weight_ih_l{layer}"
            shape = shape_of(state_dict[key])
            raise ValueError(
                f"key {key!r} has shape {shape}; wanted is {(shape[0], size)}, as the layer below has "
                f"{counted(size, 'unit')}."
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


def _projected(state_dict: Mapping[str, Any], prefix: str, layer: int) -> ProjectedLSTMCell:
    """The cell of an LSTM with a projection. `ValueError` if the shapes of its arrays do not fit."""
    names = {part: f"{prefix}{part}_l{layer}" for part in (*PARTS, "weight_hr")}
    missing = [name for part, name in names.items() if name not in state_dict and not part.startswith("bias")]
    if missing:
        raise ValueError(f"no key {missing[0]!r}; there are {shapes_of(state_dict)}.")
    arrays = {part: as_weights(f"key {name!r}", state_dict[name]) for part, name in names.items() if name in state_dict}
    W_x, W_h, W_p = (arrays[part] for part in ("weight_ih", "weight_hh", "weight_hr"))
    biases = [arrays[part] for part in ("bias_ih", "bias_hh") if part in arrays] or [np.zeros(W_h.shape[0], W_h.dtype)]
    size, rows = W_p.shape[-1], W_h.shape[0]
    fits = W_p.ndim == W_h.ndim == W_x.ndim == 2 and rows == 4 * size == len(W_x) and W_h.shape[1] == len(W_p)
    if not fits or any(bias.shape != (rows,) for bias in biases):
        raise ValueError(
            f"key {names['weight_hr']!r}: an LSTM with a projection has weight_hr (P, N), weight_hh (4N, P), weight_ih "
            f"(4N, D) and biases (4N,); got {shapes_of({names[part]: array for part, array in arrays.items()})}."
        )
    bias = as_weights(f"keys {names['bias_ih']!r} and {names['bias_hh']!r}, summed", sum(biases))
    return ProjectedLSTMCell(*(jnp.asarray(array) for array in (W_x, W_h, bias, W_p)))


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
