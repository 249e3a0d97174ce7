"""Networks of Neural Amp Modeler (`.nam`): LSTMs of any number of layers.

The json object has `architecture`, `config` (input_size, hidden_size, num_layers), `weights`, one list of numbers, and
`sample_rate`. The numbers are, for each layer, the rows of the matrix (4H, inputs + H) for (x, h), the biases (4H), the
initial h (H) and the initial c (H); then the rows of the readout's matrix (M, H) and its biases (M), M = 1 unless the config
has out_channels. The gates are in the order i, f, g, o.
"""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._base.checks import brief
from .._cells.stacked import StackedCell
from ._fill import as_weights, filled
from ._keras_layers import whole
from ._layer_list import sampling_rate
from ._network import Network
from ._sequence import linear

_WITHOUT_STATE = ("WaveNet", "ConvNet", "Linear")


def is_nam(content: Mapping[str, Any]) -> bool:
    return "architecture" in content and "weights" in content


def nam_network(content: Mapping[str, Any]) -> Network:
    """The network of a Neural Amp Modeler file, with its initial state and its sampling rate. `ValueError` names the key."""
    missing = [key for key in ("architecture", "config", "weights") if key not in content]
    if missing:
        raise ValueError(f"no key {missing[0]!r}: a Neural Amp Modeler file has architecture, config and weights.")
    architecture, config = content["architecture"], content["config"]
    if architecture != "LSTM":
        raise ValueError(
            f"key 'architecture': of Neural Amp Modeler's networks the LSTMs are read; got {brief(architecture)}."
            + " It has no recurrent layer, and no state to carry from step to step." * (architecture in _WITHOUT_STATE)
        )
    if not isinstance(config, Mapping):
        raise ValueError(f"key 'config': input_size, hidden_size and num_layers are wanted; got {brief(config)}.")
    inputs, size, layers = (
        whole(f"key 'config', {key}", config.get(key)) for key in ("input_size", "hidden_size", "num_layers")
    )
    outputs = whole("key 'config', out_channels", config.get("out_channels", 1))
    if config.get("in_channels", inputs) != inputs:
        raise ValueError(f"key 'config': in_channels must be input_size, {inputs}; got {brief(config['in_channels'])}.")
    weights = as_weights("key 'weights'", content["weights"])
    numbers = [4 * size * (width + size) + 6 * size for width in (inputs, size)]  # in the first layer, and in another
    wanted = numbers[0] + (layers - 1) * numbers[1] + outputs * (size + 1)
    if weights.shape != (wanted,):
        raise ValueError(
            f"key 'weights': an LSTM of input_size {inputs}, hidden_size {size} and num_layers {layers} has {wanted} "
            f"numbers; got an array of shape {weights.shape}: the file is truncated, or has another layout."
        )
    cells, initial = [], []
    for width in [inputs, *[size] * (layers - 1)]:
        matrix, bias, h, c, weights = np.split(weights, np.cumsum([4 * size * (width + size), 4 * size, size, size]))
        matrix = matrix.reshape(4 * size, width + size)
        cells.append(
            filled(eqx.nn.LSTMCell, width, size, weight_ih=matrix[:, :width], weight_hh=matrix[:, width:], bias=bias)
        )
        initial.append((jnp.asarray(h), jnp.asarray(c)))
    readout = linear(weights[:-outputs].reshape(outputs, size), weights[-outputs:])
    one = len(cells) == 1
    cell, state = (cells[0], initial[0]) if one else (StackedCell(cells), tuple(initial))
    return Network(cell, readout, initial=state, rate=_rate(content))


def _rate(content: Mapping[str, Any]) -> float | None:
    """The sampling rate; `None` where there is none, or −1, which older files have for an unknown one."""
    about = content.get("metadata")
    given = content.get("sample_rate")
    if given is None and isinstance(about, Mapping):
        given = about.get("sample_rate")
    return None if given is None or given == -1 else sampling_rate("sample_rate", given)
