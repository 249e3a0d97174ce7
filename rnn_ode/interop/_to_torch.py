"""Cells and networks written as PyTorch's arrays."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._base.checks import brief, check_flag, check_on_host, check_text
from .._base.types import Cell
from .._cells.projected import ProjectedLSTMCell
from .._cells.stacked import StackedCell
from .._cells.vanilla import VanillaCell
from ._network import Network
from ._torch_names import PARTS

_ACTIVATIONS = {"tanh": (jnp.tanh, jax.nn.tanh, jax.lax.tanh), "relu": (jax.nn.relu,)}


def to_torch(
    network: Network | Cell, prefix: str = "", readout: str = "readout.", *, bias: bool | None = None
) -> dict[str, np.ndarray]:
    """The state dictionary with which PyTorch computes what a cell or a network computes.

    **Arguments:**

    - `network`: a `VanillaCell` with tanh or relu; an `equinox.nn.GRUCell` or `LSTMCell`; an LSTM with a projection, as
      `from_torch` reads it; a `StackedCell` of several of one kind and size; or a `Network` of one of these with a linear
      readout or none.
    - `prefix`: what to write before the names of the recurrent layers.
    - `readout`: what to write before the names of the readout.
    - `bias`: as PyTorch's layers take it. `False` leaves the recurrent biases out, which must be zero; `True` writes zeros
      where the cells have none. Default `None`: biases are written if a cell has them.

    **Returns:** arrays by PyTorch's names, for `write_arrays`, or for `load_state_dict` of the module with these names:

        module.load_state_dict({key: torch.from_numpy(array) for key, array in to_torch(network).items()})

    `bias_ih` is the cell's bias. `bias_hh` is zero, except the part of a GRU's that its reset gate multiplies. Cells
    without biases give none, for a module built with `bias=False`; a `VanillaCell` always has one. The state dictionary
    does not say everything: build the `torch.nn.RNN` of relu cells with `nonlinearity="relu"`, add the input in `forward` if
    the network is `residual`, and start it from the network's `initial` state. A file by `write_network` says the last two.

    **Raises:** `TypeError` for a cell that PyTorch does not have and for a readout of several layers; `ValueError` for
    another activation, for layers of several kinds or sizes, and for `bias=False` with biases that are not zero.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> from rnn_ode import interop
    >>> cell = ro.VanillaCell([[0.5]], [[1.0]], [0.25], activation=jnp.tanh)
    >>> {key: array.tolist() for key, array in interop.to_torch(cell).items()}
    {'weight_ih_l0': [[1.0]], 'weight_hh_l0': [[0.5]], 'bias_ih_l0': [0.25], 'bias_hh_l0': [0.0]}

    ```
    """
    check_on_host("interop.to_torch", network=network)
    check_text("prefix", prefix)
    check_text("readout", readout)
    if bias is not None:
        check_flag("bias", bias)
    if not isinstance(network, Network):
        return _recurrent_arrays(network, prefix, bias)
    linear = network.readout
    if not isinstance(linear, eqx.nn.Linear | None):
        raise TypeError(
            f"the readout must be one linear layer, or None; got a {type(linear).__name__}. Write its layers alone."
        )
    arrays = {} if linear is None else {"weight": linear.weight, "bias": linear.bias}
    named = {f"{readout}{part}": np.array(value) for part, value in arrays.items() if value is not None}
    return _recurrent_arrays(network.cell, prefix, bias) | named


def _recurrent_arrays(cell: Cell, prefix: str, bias: bool | None) -> dict[str, np.ndarray]:
    """The arrays of all layers by PyTorch's names."""
    layers = [_kind_and_parts(layer) for layer in (cell.cells if isinstance(cell, StackedCell) else (cell,))]
    if len({kind for kind, _ in layers}) > 1:
        raise ValueError(
            f"PyTorch stacks layers of one kind and size; got {', '.join(kind for kind, _ in layers)}. Convert each alone."
        )
    biased = any("bias_ih" in parts for _, parts in layers) if bias is None else bias
    lost = [name for _, parts in layers for name, part in parts.items() if name.startswith("bias") and np.any(part)]
    if lost and not biased:
        raise ValueError(f"bias=False leaves the biases out, which must be zero; a layer's {lost[0]} is not.")
    return {
        f"{prefix}{part}_l{number}": np.array(parts[part]) if part in parts else np.zeros_like(parts["weight_hh"][:, 0])
        for number, (_, parts) in enumerate(layers)
        for part in (*(PARTS if biased else PARTS[:2]), *(["weight_hr"] if "weight_hr" in parts else []))
    }


def _kind_and_parts(cell: Any) -> tuple[str, dict[str, np.ndarray]]:
    """The kind of a layer, in words, and its arrays by PyTorch's names without the number of the layer."""
    if isinstance(cell, VanillaCell):
        kind, (W_x, W_h, b, b_n) = f"{_activation_name(cell)} RNN", (cell.W_x, cell.W_h, cell.b, None)
    elif isinstance(cell, eqx.nn.GRUCell):
        kind, (W_x, W_h, b, b_n) = "GRU", (cell.weight_ih, cell.weight_hh, cell.bias, cell.bias_n)
    elif isinstance(cell, eqx.nn.LSTMCell | ProjectedLSTMCell):
        kind, (W_x, W_h, b, b_n) = "LSTM", (cell.weight_ih, cell.weight_hh, cell.bias, None)
    else:
        raise TypeError(
            "network must be of cells that PyTorch has: VanillaCell, equinox.nn.GRUCell, equinox.nn.LSTMCell, an LSTM with a "
            f"projection or a stack of one of them; got {brief(cell)}."
        )
    parts = {"weight_ih": np.asarray(W_x), "weight_hh": np.asarray(W_h)}
    if b is not None:
        parts |= {"bias_ih": np.asarray(b), "bias_hh": np.zeros_like(b)}
    if b_n is not None:
        parts["bias_hh"][2 * cell.hidden_size :] = b_n
    if isinstance(cell, ProjectedLSTMCell):
        parts["weight_hr"] = np.asarray(cell.weight_hr)
    return f"{kind} of {cell.hidden_size} units", parts


def _activation_name(cell: VanillaCell) -> str:
    """PyTorch's name of the cell's activation; `ValueError` if it has none."""
    for name, functions in _ACTIVATIONS.items():
        if any(cell.activation is function for function in functions):
            return name
    given = getattr(cell.activation, "__name__", cell.activation)
    raise ValueError(f"PyTorch's RNN has the activations tanh and relu (jax.nn.relu) only; the cell has {given}.")
