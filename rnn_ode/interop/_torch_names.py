"""The names that PyTorch gives to the arrays of recurrent layers, such as `rec.weight_hh_l0`."""

import re
from collections.abc import Mapping
from typing import Any

from .._files.arrays import shapes_of

PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
GATES = {1: "RNN", 3: "GRU", 4: "LSTM"}  # number of gates of a kind of layer

_KEY = re.compile(
    r"(?P<prefix>.*)(weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)_l(?P<layer>0|[1-9][0-9]{0,2})(?P<backward>_reverse)?"
)


def layer_keys(arrays: Mapping[str, Any], prefix: str | None = None) -> list[re.Match[str]]:
    """The names of recurrent layers, taken apart into prefix, layer and backward; those under one prefix if it is given."""
    matches = [match for match in map(_KEY.fullmatch, arrays) if match]
    return matches if prefix is None else [match for match in matches if match["prefix"] == prefix]


def only_prefix(arrays: Mapping[str, Any]) -> str:
    """The prefix of the recurrent network. `ValueError` if there are several networks, or none."""
    prefixes = sorted({match["prefix"] for match in layer_keys(arrays)})
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
