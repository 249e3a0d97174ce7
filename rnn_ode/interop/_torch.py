"""PyTorch's weights, read and written."""

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from types import EllipsisType
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from .._base.checks import counted
from .._base.types import Cell
from .._cells.stacked import StackedCell
from .._cells.vanilla import VanillaCell
from .._files.arrays import as_host_floats, shape_of, shapes_of
from ._network import Activation, Network

_GATES = {1: "RNN", 3: "GRU", 4: "LSTM"}

_PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")

_LAYER_KEY = re.compile(
    r"(?P<prefix>.*)(weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)_l(?P<layer>0|[1-9][0-9]{0,2})(?P<backward>_reverse)?"
)


def from_torch(
    state_dict: Mapping[str, Any], prefix: str = "", layer: int = 0, *, activation: Activation = jnp.tanh
) -> VanillaCell | eqx.nn.GRUCell | eqx.nn.LSTMCell:
    """The cell in a PyTorch state dictionary: one layer, one direction of `torch.nn.RNN`, `GRU` or `LSTM`.

    **Arguments:** `state_dict`, arrays or tensors by name; `prefix`, what stands before the names (`"rnn."`); `layer`;
    `activation` of a plain RNN: PyTorch's default is tanh and the state dictionary does not say, so pass `jax.nn.relu`
    for `nonlinearity="relu"`. GRU and LSTM have their own.

    The names are `weight_ih_l{layer}` (kN, D), `weight_hh_l{layer}` (kN, N), and `bias_ih_l{layer}`,
    `bias_hh_l{layer}` (kN,), both or neither. k tells the kind: 1 is an RNN, 3 a GRU, 4 an LSTM.

    **Returns:** a `VanillaCell` with the two biases summed; an `equinox.nn.GRUCell`; or an `equinox.nn.LSTMCell` with
    the biases summed and state (h, c). Without biases the gated ones have none (`use_bias=False`), and a `VanillaCell`
    zeros.

    **Raises:** `ValueError` naming the key, its shape and what is wanted, also for a number that leaves the float range of
    the cell; `TypeError` for what is no dictionary by name.

    ```python
    >>> import jax.numpy as jnp, numpy as np
    >>> from rnn_ode import interop
    >>> weights = {"weight_ih_l0": np.ones((3, 1)), "weight_hh_l0": np.zeros((3, 1))}
    >>> cell = interop.from_torch(weights)  # reset and update gates at ½, candidate tanh(0)
    >>> type(cell).__name__, cell(jnp.zeros(1), jnp.ones(1)).tolist()
    ('GRUCell', [0.5])

    ```
    """
    _check_names(state_dict)
    W_x, W_h, *biases = _torch_layer(state_dict, prefix, layer)
    (rows, size), inputs = W_h.shape, W_x.shape[1]
    biases = _biases(*biases, gated=rows == 3 * size) if biases else {}
    if biases:
        name = f"keys '{prefix}bias_ih_l{layer}' and '{prefix}bias_hh_l{layer}', summed"
        biases["bias"] = _as_weights(name, biases["bias"])
    if rows == size:
        return VanillaCell(W_h, W_x, biases.get("bias", np.zeros(size, W_h.dtype)), activation)
    cls = eqx.nn.LSTMCell if rows == 4 * size else eqx.nn.GRUCell
    return _filled(cls, inputs, size, weight_ih=W_x, weight_hh=W_h, **biases)


def _biases(b_x: np.ndarray, b_h: np.ndarray, gated: bool) -> dict[str, np.ndarray]:
    """The two summed, but for the part of a GRU's (`gated`) that its reset gate multiplies with the candidate's state."""
    kept = np.zeros_like(b_h)
    if gated:
        kept[len(b_h) // 3 * 2 :] = b_h[len(b_h) // 3 * 2 :]
    with np.errstate(over="ignore"):
        summed = {"bias": b_x + (b_h - kept)}
    return summed | ({"bias_n": kept[len(b_h) // 3 * 2 :]} if gated else {})


def _check_names(state_dict: Any) -> None:
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"state_dict must be a dictionary of arrays by name; got {type(state_dict).__name__}.")
    other = [key for key in state_dict if not isinstance(key, str)]
    if other:
        raise TypeError(f"state_dict must have names for keys; got {other[0]!r}.")


def _as_weights(name: str, value: Any) -> np.ndarray:
    """As `as_host_floats`, and finite in the type that JAX makes of it."""
    array = as_host_floats(name, value)
    kind = jax.dtypes.canonicalize_dtype(array.dtype)
    largest = array.flat[np.argmax(np.abs(array))]
    if abs(largest) > jnp.finfo(kind).max:
        raise ValueError(f"{name}: numbers of {kind} are wanted (jax_enable_x64 is for larger ones); got {largest}.")
    return array


def _filled(cls, *args, **arrays: np.ndarray):
    """An Equinox layer with those arrays for its weights; its random ones are never drawn, only their shapes."""
    layer = eqx.filter_eval_shape(lambda key: cls(*args, use_bias="bias" in arrays, key=key), jr.PRNGKey(0))
    return eqx.tree_at(
        lambda it: [getattr(it, name) for name in arrays], layer, list(map(jnp.asarray, arrays.values()))
    )


def from_torch_network(
    state_dict: Mapping[str, Any],
    prefix: str | None = None,
    readout: str | EllipsisType | None = ...,
    *,
    activation: Activation = jnp.tanh,
    residual: bool = False,
) -> Network:
    """The network in a PyTorch state dictionary: all layers of an RNN, GRU or LSTM, and its linear readout.

    **Arguments:** `state_dict`, arrays or tensors by name; `prefix`, what stands before the recurrent layers' names
    (`"rec."`), found where there is one network only; `readout`, what stands before the readout's `weight` and `bias`
    (`"lin."`), or `None` for none. Left out, it is the one weight (M, N) with a bias (M,) whose N is the top layer's
    size, if there is one; a readout without bias must be named. Where both are given, other keys are left alone;
    otherwise there may be none. `activation` of a plain RNN, as in `from_torch`; `residual`, whether the input is added
    to the readout's output, which the state dictionary does not say.

    **Returns:** a `Network`, its cell that of `from_torch` for one layer and a `StackedCell` for several.

    **Raises:** `ValueError` naming the key, its shape and what is wanted: for shapes that do not fit, for keys without a
    meaning here or with two, for a second direction and for projections; otherwise as `from_torch`.

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
    _check_names(state_dict)
    named = prefix is not None and not isinstance(readout, EllipsisType)
    prefix = _only_prefix(state_dict) if prefix is None else prefix
    cells = _torch_layers(state_dict, prefix, activation)
    layers = {match[0] for match in _layer_keys(state_dict, prefix)}
    others = {key: value for key, value in state_dict.items() if key not in layers}
    network = _with_readout(cells, others, f"recurrent layers {prefix!r}", readout, named)
    return Network(network.cell, network.readout, residual)


def _with_readout(
    cells: Sequence[Callable], others: Mapping[str, Any], layers: str, readout: str | EllipsisType | None, named: bool
) -> Network:
    """The network of these cells and of the readout among the other arrays; `named`: there may be more of them."""
    size = cells[-1].hidden_size  # pyright: ignore[reportFunctionMemberAccess]
    if isinstance(readout, EllipsisType):
        readout = _only_readout(others, size)
    linear = None if readout is None else _torch_linear(others, readout, size)
    unknown = [key for key in others if linear is None or key not in (f"{readout}weight", f"{readout}bias")]
    if unknown and not named:
        raise ValueError(
            f"key {unknown[0]!r} {shape_of(others[unknown[0]])} belongs neither to the {layers} nor to a linear readout. A "
            f"readout is a weight (M, {size}) with a bias (M,), such as 'readout.weight' and 'readout.bias'. Rename it so, "
            "or write a file without the key; in Python give readout, and prefix with PyTorch's names, to leave others alone."
        )
    return Network(_as_one(cells), linear)


def to_torch(
    network: Network | Cell, prefix: str = "", readout: str = "readout.", *, bias: bool | None = None
) -> dict[str, np.ndarray]:
    """The state dictionary that makes PyTorch compute what a cell or a network computes.

    **Arguments:** `network`, a `VanillaCell` with tanh or relu, an `equinox.nn.GRUCell` or `LSTMCell`, a `StackedCell` of
    several of one kind and size, or a `Network` of these; `prefix` and `readout`, what to write before the names of the
    recurrent layers and of the readout, as in `from_torch_network`; `bias`, as PyTorch's layers take it: `False` leaves the
    recurrent biases out, which must be zero, `True` writes them where the cells have none, and unless given the cells say.

    **Returns:** arrays by PyTorch's names, for `write_arrays`, or for `load_state_dict` of the module with these names:

        module.load_state_dict({key: torch.from_numpy(array) for key, array in to_torch(network).items()})

    `bias_ih` is the cell's bias and `bias_hh` zero, but for the part of a GRU's that its reset gate multiplies. Cells
    without biases give none, for a module built with `bias=False`; a `VanillaCell` always has one. Build the `torch.nn.RNN`
    of relu cells with `nonlinearity="relu"`, and add the input in `forward` where the network is `residual`: the state
    dictionary tells neither.

    **Raises:** `TypeError` for a cell that PyTorch has no counterpart of; `ValueError` for another activation, for layers of
    several kinds or sizes, and for biases that are left out and not zero.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> from rnn_ode import interop
    >>> cell = ro.VanillaCell([[0.5]], [[1.0]], [0.25], activation=jnp.tanh)
    >>> {key: array.tolist() for key, array in interop.to_torch(cell).items()}
    {'weight_ih_l0': [[1.0]], 'weight_hh_l0': [[0.5]], 'bias_ih_l0': [0.25], 'bias_hh_l0': [0.0]}

    ```
    """
    if isinstance(network, Network):
        linear = network.readout
        arrays = {} if linear is None else {"weight": linear.weight, "bias": linear.bias}
        named = {f"{readout}{part}": np.array(value) for part, value in arrays.items() if value is not None}
        return to_torch(network.cell, prefix, bias=bias) | named
    cells = network.cells if isinstance(network, StackedCell) else (network,)
    layers = [_torch_parts(cell) for cell in cells]
    kinds = {kind for kind, _ in layers}
    if len(kinds) > 1:
        raise ValueError(
            f"PyTorch stacks layers of one kind and size; got {', '.join(kind for kind, _ in layers)}. Convert each alone."
        )
    biased = any("bias_ih" in parts for _, parts in layers) if bias is None else bias
    lost = [name for _, parts in layers for name, part in parts.items() if name not in _PARTS[:2] and np.any(part)]
    if lost and not biased:
        raise ValueError(f"bias=False leaves the biases out, which must be zero; a layer's {lost[0]} is not.")
    return {
        f"{prefix}{part}_l{layer}": np.array(parts[part]) if part in parts else np.zeros_like(parts["weight_hh"][:, 0])
        for layer, (_, parts) in enumerate(layers)
        for part in (_PARTS if biased else _PARTS[:2])
    }


_ACTIVATIONS = {"tanh": (jnp.tanh, jax.nn.tanh, jax.lax.tanh), "relu": (jax.nn.relu,)}


def _torch_parts(cell: Any) -> tuple[str, dict[str, Any]]:
    """The kind of a layer, in words, and its arrays by PyTorch's names; without biases where the cell has none."""
    if isinstance(cell, VanillaCell):
        known = [name for name, group in _ACTIVATIONS.items() if any(cell.activation is f for f in group)]
        if not known:
            name = getattr(cell.activation, "__name__", cell.activation)
            raise ValueError(
                f"PyTorch's RNN has the activations tanh and relu (jax.nn.relu) only; the cell has {name}."
            )
        kind, (W_x, W_h, b, b_n) = f"{known[0]} RNN", (cell.W_x, cell.W_h, cell.b, None)
    elif isinstance(cell, eqx.nn.GRUCell):
        kind, (W_x, W_h, b, b_n) = "GRU", (cell.weight_ih, cell.weight_hh, cell.bias, cell.bias_n)
    elif isinstance(cell, eqx.nn.LSTMCell):
        kind, (W_x, W_h, b, b_n) = "LSTM", (cell.weight_ih, cell.weight_hh, cell.bias, None)
    else:
        raise TypeError(
            f"PyTorch has no counterpart of a {type(cell).__name__}: VanillaCell, equinox.nn.GRUCell, equinox.nn.LSTMCell "
            "and stacks of one of them are written."
        )
    parts = {"weight_ih": np.asarray(W_x), "weight_hh": np.asarray(W_h)}
    if b is not None:
        parts |= {"bias_ih": np.asarray(b), "bias_hh": np.zeros_like(b)}
    if b_n is not None:
        parts["bias_hh"][2 * cell.hidden_size :] = b_n
    return f"{kind} of {cell.hidden_size} units", parts


def _torch_layers(
    state_dict: Mapping[str, Any], prefix: str, activation: Activation = jnp.tanh
) -> list[VanillaCell | eqx.nn.GRUCell | eqx.nn.LSTMCell]:
    """The cells of all layers under one prefix, the bottom one first."""
    keys = _layer_keys(state_dict, prefix)
    backward = [match[0] for match in keys if match["backward"]]
    if backward:
        raise ValueError(
            f"key {backward[0]!r}: a network that reads its input backward too has no counterpart here, as a step knows no "
            "later input. One direction of one layer is interop.from_torch(state_dict, prefix, layer)."
        )
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
    return cells


def _as_one(cells: Sequence[Callable]) -> Callable:
    return cells[0] if len(cells) == 1 else StackedCell(cells)


def _layer_keys(state_dict: Mapping[str, Any], prefix: str) -> list[re.Match[str]]:
    """The keys of recurrent layers under a prefix, taken apart."""
    return [match for match in map(_LAYER_KEY.fullmatch, state_dict) if match and match["prefix"] == prefix]


def _only_readout(arrays: Mapping[str, Any], size: int) -> str | None:
    """What stands before the names of the one linear layer, with a bias, that takes the network's output."""
    shapes = {key: shape_of(value) for key, value in arrays.items()}
    found = []
    for key, shape in shapes.items():
        stem = key.removesuffix("weight")
        named = stem != key and (not stem or stem.endswith("."))
        if named and shape[1:] == (size,) and shapes.get(f"{stem}bias") == shape[:1]:
            found.append(stem)
    if len(found) > 1:
        raise ValueError(
            f"there must be one linear readout of the network's {counted(size, 'output')}; there are several, "
            f"{', '.join(map(repr, found))}. Write a file without the others, or choose in Python: "
            f"interop.read_network(path, prefix, readout={found[0]!r}), with None for no readout."
        )
    return found[0] if found else None


def _torch_linear(state_dict: Mapping[str, Any], prefix: str, size: int) -> eqx.nn.Linear:
    """The linear layer under a prefix, with or without a bias, of shapes that fit."""
    names = [f"{prefix}weight", f"{prefix}bias"]
    if names[0] not in state_dict:
        raise ValueError(f"no key {names[0]!r} for the readout; there are {shapes_of(state_dict)}.")
    weight, *bias = [_as_weights(f"key {name!r}", state_dict[name]) for name in names if name in state_dict]
    if weight.ndim != 2 or weight.shape[1] != size:
        raise ValueError(
            f"key {names[0]!r} has shape {weight.shape}; wanted is (M, {size}), as the network has "
            f"{counted(size, 'output')}."
        )
    if bias and bias[0].shape != weight.shape[:1]:
        raise ValueError(f"key {names[1]!r} has shape {bias[0].shape}; wanted is {weight.shape[:1]}.")
    arrays = {"weight": weight, **({"bias": bias[0]} if bias else {})}
    return _filled(eqx.nn.Linear, size, len(weight), **arrays)


def _torch_layer(state_dict: Mapping[str, Any], prefix: str, layer: int):
    """W_x (kN, D), W_h (kN, N) and the two biases (kN,), where it has them, of shapes that fit."""
    names = {part: f"{prefix}{part}_l{layer}" for part in _PARTS}
    missing = [name for part, name in names.items() if name not in state_dict and not part.startswith("bias")]
    has_bias = names["bias_ih"] in state_dict
    if has_bias != (names["bias_hh"] in state_dict):
        missing.append(names["bias_hh" if has_bias else "bias_ih"])
    if missing:
        raise ValueError(f"no key {missing[0]!r}; there are {shapes_of(state_dict)}.")
    if f"{prefix}weight_hr_l{layer}" in state_dict:
        raise ValueError(f"key '{prefix}weight_hr_l{layer}': an LSTM with a projection has no counterpart here.")

    arrays = {
        part: _as_weights(f"key {name!r}", state_dict[name]) for part, name in names.items() if name in state_dict
    }
    W_h = arrays["weight_hh"]
    if W_h.ndim != 2 or W_h.shape[0] not in [k * W_h.shape[1] for k in _GATES]:
        kinds = ", ".join(f"({'' if k == 1 else k}N, N) {kind}" for k, kind in _GATES.items())
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


def _only_prefix(arrays: Mapping[str, Any]) -> str:
    """What stands before PyTorch's names, where there is one recurrent network."""
    matches = [match for match in map(_LAYER_KEY.fullmatch, arrays) if match]
    prefixes = sorted({match["prefix"] for match in matches})
    if len(prefixes) == 1:
        return prefixes[0]
    if prefixes:
        raise ValueError(
            f"one recurrent network is wanted; there are several, {', '.join(map(repr, prefixes))}. Write a file of one of "
            f"them, or choose in Python: interop.read_network(path, prefix={prefixes[0]!r}, readout), or "
            f"interop.from_torch(interop.read_arrays(path), prefix={prefixes[0]!r})."
        )
    raise ValueError(
        "no recurrent network: its arrays are named W_h, W_x, b; or A, W, W_x, b; or weight_ih_l0, weight_hh_l0, bias_ih_l0, "
        f"bias_hh_l0 as in PyTorch, after any prefix. There are {shapes_of(arrays)}."
    )


def _take(arrays: Mapping[str, np.ndarray], *keys: str) -> dict[str, np.ndarray]:
    missing = [key for key in keys if key not in arrays]
    if missing:
        raise ValueError(f"no key {missing[0]!r}; wanted are {', '.join(keys)}, the file holds {shapes_of(arrays)}.")
    return {key: arrays[key] for key in keys}
