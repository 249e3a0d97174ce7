"""Networks from a list of Keras's layers, as RTNeural's exporter and AIDA-X write it.

The json object has `in_shape`, which ends in the number of inputs, and `layers`. Each layer has a `type`, an `activation`, a
`shape`, which ends in the number of its outputs, and `weights`. AIDA-X also writes `in_skip` (1: the input is added to the
output), `in_gain` (of the first input, in dB), `out_gain` (in dB) and the sampling rate, `samplerate`.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .._base.checks import brief
from ._keras_layers import layers_of, real, whole
from ._network import Network
from ._sequence import Layer, in_sequence, linear

_MOST_HZ, _MOST_DB = 10**8, 200


def is_layer_list(content: Mapping[str, Any]) -> bool:
    return isinstance(content.get("layers"), list)


def is_keras_config(content: Mapping[str, Any]) -> bool:
    return "class_name" in content and "config" in content


def refuse_keras_config(content: Mapping[str, Any]) -> Network:
    """`ValueError`: what `model.to_json()` returns has no weights."""
    raise ValueError(
        "key 'class_name': the description of a Keras model, without its weights (model.to_json()). Load the model in "
        'Keras, and write interop.write_network("net.json", interop.from_keras(model)).'
    )


def layer_list(content: Mapping[str, Any]) -> Network:
    """The network of a json object with a list of layers. `ValueError` names the key and the layer."""
    inputs = width = whole("key 'in_shape'", content.get("in_shape"))
    layers: list[Layer] = []
    for number, entry in enumerate(content["layers"]):
        name = f"key 'layers', layer {number}"
        if not isinstance(entry, Mapping):
            raise ValueError(f"{name} must be an object with type and weights; got {brief(entry)}.")
        made, width = layers_of(name, entry, width)
        if "shape" in entry and whole(f"{name}, key 'shape'", entry["shape"]) != width:
            raise ValueError(f"{name}: its shape is {entry['shape']}, and its weights give {width} outputs.")
        layers += made
    gain_in, gain_out = (_gain(key, content.get(key) or 0) for key in ("in_gain", "out_gain"))
    skip = content.get("in_skip") or 0
    if skip not in (0, 1) or (skip and width != 1):
        raise ValueError(f"key 'in_skip' must be 0, or 1 for a network with one output; got {brief(skip)} for {width}.")
    if gain_in != 1:
        layers = [Layer(linear(np.diag([gain_in] + [1.0] * (inputs - 1)))), *layers]
    if gain_out != 1:
        layers = [*layers, Layer(linear(gain_out * np.eye(width)))]
    cell, readout = in_sequence(inputs, layers)
    if cell is None:
        raise ValueError(
            "key 'layers': Keras's layers without a recurrent one, an lstm or a gru: there is no state to run."
        )
    residual = gain_in * gain_out if skip and gain_in * gain_out != 1 else bool(skip)
    return Network(cell, readout, residual, rate=_rate_in(content))


def _gain(key: str, decibels: Any) -> float:
    """The factor of a gain in dB."""
    if abs(real(f"key {key!r}", decibels)) > _MOST_DB:
        raise ValueError(f"key {key!r} must be within ±{_MOST_DB} dB; got {decibels:g}.")
    return 10 ** (decibels / 20)


def sampling_rate(key: str, value: Any) -> float:
    """A sampling rate in Hz, which some programs write as text. `ValueError` unless it is one."""
    try:
        rate = float(value)
    except (TypeError, ValueError):
        rate = math.nan
    if isinstance(value, bool) or not 0 < rate <= _MOST_HZ:
        raise ValueError(
            f"key {key!r}: a sampling rate in Hz is wanted, above 0 and at most {_MOST_HZ:,}; got {brief(value)}."
        )
    return rate


def _rate_in(content: Mapping[str, Any]) -> float | None:
    """The sampling rate, which stands in `metadata` or beside it, where there is one."""
    about = content.get("metadata")
    for place in (about if isinstance(about, Mapping) else {}, content):
        for key in ("samplerate", "sample_rate"):
            if place.get(key) is not None:
                return sampling_rate(key, place[key])
    return None
