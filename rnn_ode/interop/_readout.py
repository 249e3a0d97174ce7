"""The linear readout of a network, among the arrays of a file or of a state dictionary."""

from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import Any, cast

import equinox as eqx

from .._base.checks import counted
from .._base.types import Cell
from .._files.arrays import shape_of, shapes_of
from ._fill import as_weights
from ._network import Network
from ._sequence import linear


def with_readout(cell: Cell, others: Mapping[str, Any], layers: str, readout: Any) -> Network:
    """The network of a cell and of the readout among the `others`, the arrays that are not the cell's.

    `readout` is the prefix of the readout's names, `None` for no readout, and `...` to look for it: then all arrays must
    belong to it. An error's text calls the cell's own arrays `layers`.
    """
    size, leave_others = cast(int, Network(cell).output_size), not isinstance(readout, EllipsisType)
    if isinstance(readout, EllipsisType):
        readout = _only_readout(others, size)
    if readout is not None and not isinstance(readout, str):
        raise ValueError(f"beside W_h, W_x, b one linear readout is read; got the prefixes {readout}.")
    made = None if readout is None else linear_of(others, readout, size)
    unknown = [key for key in others if made is None or key not in (f"{readout}weight", f"{readout}bias")]
    if unknown and not leave_others:
        raise ValueError(neither(unknown[0], others[unknown[0]], layers, size))
    return Network(cell, made)


def neither(key: str, value: Any, layers: str, size: int) -> str:
    """The text of an error: an array has no meaning."""
    prefix = key.removesuffix("weight")
    named = ""
    if prefix != key and shape_of(value)[1:] == (size,):
        named = f" One without a bias must be named: readout={prefix!r} in Python, --readout {prefix!r} in a terminal."
    return (
        f"key {key!r} {shape_of(value)} belongs neither to the {layers} nor to a linear readout. A "
        f"readout is a weight (M, {size}) with a bias (M,), such as 'readout.weight' and 'readout.bias'.{named} "
        "Rename it so, or write a file without the key; in Python give readout, "
        "and prefix with PyTorch's names, to leave others alone."
    )


def several_readouts(found: Sequence[str], size: int) -> str:
    """The text of an error: there are several readouts."""
    return (
        f"there must be one linear readout of the network's {counted(size, 'output')}; there are several, "
        f"{', '.join(map(repr, found))}. Write a file without the others, or choose in Python: "
        f"interop.read_network(path, prefix, readout={found[0]!r}), with None for no readout."
    )


def linear_of(arrays: Mapping[str, Any], prefix: str, size: int) -> eqx.nn.Linear:
    """The linear layer under a prefix, with or without a bias. `ValueError` if its shapes do not fit."""
    names = [f"{prefix}weight", f"{prefix}bias"]
    if names[0] not in arrays:
        raise ValueError(f"no key {names[0]!r} for the readout; there are {shapes_of(arrays)}.")
    weight, *bias = [as_weights(f"key {name!r}", arrays[name]) for name in names if name in arrays]
    if weight.ndim != 2 or weight.shape[1] != size:
        raise ValueError(
            f"key {names[0]!r} has shape {weight.shape}; wanted is (M, {size}), as the network has "
            f"{counted(size, 'output')}."
        )
    if bias and bias[0].shape != weight.shape[:1]:
        raise ValueError(f"key {names[1]!r} has shape {bias[0].shape}; wanted is {weight.shape[:1]}.")
    return linear(weight, *bias)


def _only_readout(arrays: Mapping[str, Any], size: int) -> str | None:
    """The prefix of the one linear layer with a bias that takes `size` outputs, or `None`."""
    shapes = {key: shape_of(value) for key, value in arrays.items()}
    found = []
    for key, shape in shapes.items():
        prefix = key.removesuffix("weight")
        is_weight = prefix != key and (not prefix or prefix.endswith("."))
        if is_weight and shape[1:] == (size,) and shapes.get(f"{prefix}bias") == shape[:1]:
            found.append(prefix)
    if len(found) > 1:
        raise ValueError(several_readouts(found, size))
    return found[0] if found else None
