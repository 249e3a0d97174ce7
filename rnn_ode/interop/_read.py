"""Matrices, cells and networks from files."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import EllipsisType
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .._base.checks import check_text
from .._base.types import Cell
from .._cells.piecewise import PiecewiseLinearCell
from .._cells.vanilla import VanillaCell
from .._files.arrays import (
    ONE_ARRAY,
    PathLike,
    check_file,
    checked_arrays,
    named_lists,
    read_arrays,
    read_json_object,
    shape_of,
    shapes_of,
)
from .._files.atomic import as_path
from ._from_torch import before_readout, network_by_names
from ._guitarml import as_described
from ._layer_list import is_keras_config, is_layer_list, layer_list, refuse_keras_config
from ._nam import is_nam, nam_network
from ._network import Activation, Network
from ._readout import with_readout


def read_matrix(path: PathLike, key: str | None = None) -> Float[np.ndarray, "N N"]:
    """The square matrix (N, N) in a file, to ask for its eigenvalues.

    **Arguments:**

    - `path`: as in `read_arrays`.
    - `key`: name of the matrix. Default `None`: the recurrent matrix by its usual names, `W_h` or `weight_hh_l0`; else the
      only square matrix; else `W`, unless there is an `A` too (in a `PiecewiseLinearCell` neither is the recurrent matrix).

    **Returns:** the matrix, in the file's floating type.

    **Raises:** `ValueError` listing the keys with their shapes if there is no such matrix; otherwise as `read_arrays`.

    ```python
    >>> import pathlib, tempfile
    >>> from rnn_ode import interop
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "matrix.txt"
    >>> _ = path.write_text("0.5 0\\n0 -2\\n")
    >>> interop.read_matrix(path).tolist()
    [[0.5, 0.0], [0.0, -2.0]]

    ```
    """
    if key is not None:
        check_text("key", key)
    arrays = read_arrays(path)
    square = [name for name, array in arrays.items() if array.ndim == 2 and array.shape[0] == array.shape[1]]
    if key is None:
        known = [name for name in ("W_h", "weight_hh_l0") if name in square]
        only = square if len(square) == 1 else []
        plain = ["W"] if "W" in square and "A" not in square else []
        key = next(iter(known + only + plain), None)
    if key not in square:
        raise ValueError(f"{path}: {_no_matrix(path, key, arrays)}")
    return arrays[key]


def _no_matrix(path: PathLike, key: str | None, arrays: Mapping[str, np.ndarray]) -> str:
    """Why there is no matrix of that key, or none to choose."""
    if key is not None:
        return f"a square matrix under key {key!r} is wanted; the file holds {shapes_of(arrays)}."
    if as_path("path", path).suffix.lower() in ONE_ARRAY:
        return f"a square matrix is wanted; the file holds one of shape {shape_of(*arrays.values())}."
    for rows, *units in (array.shape for name, array in arrays.items() if name.endswith("weight_hh_l0")):
        if units in ([rows / 3], [rows / 4]):
            kind = "a GRU" if units == [rows / 3] else "an LSTM"
            return (
                f"{kind} has no one recurrent matrix; compare and analyse take it as a network. The file holds "
                f"{shapes_of(arrays)}."
            )
    return f"one square matrix, or the key of one, is wanted; the file holds {shapes_of(arrays)}."


def read_cell(path: PathLike, activation: Activation | EllipsisType = ...) -> Callable:
    """The cell whose weights are in a file.

    The file has the keys `W_h` (N, N), `W_x` (N, D), `b` (N,) of a `VanillaCell`; or `A`, `W`, `W_x`, `b` of a
    `PiecewiseLinearCell`; or PyTorch's names of one network after any prefix, as in `from_torch_network`, with its input
    layers. Other keys are ignored (`read_network` reads a readout). It may also be a file that describes a network, as in
    `read_network`.

    **Arguments:**

    - `path`: as in `read_arrays`.
    - `activation`: of a vanilla network, `None` for affine. Default: relu for `W_h`, `W_x`, `b`, and tanh for PyTorch's
      names, as in PyTorch. Other cells have their own.

    **Returns:** the cell.

    **Raises:** `ValueError` for keys that make no cell and shapes that do not fit; otherwise as `read_arrays`.

    ```python
    >>> import pathlib, tempfile
    >>> import jax.numpy as jnp
    >>> from rnn_ode import interop
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "weights.json"
    >>> _ = path.write_text('{"W_h": [[0.5]], "W_x": [[1]], "b": [0]}')
    >>> interop.read_cell(path, activation=None)(jnp.array([1.0]), jnp.array([2.0])).tolist()
    [2.0]

    ```
    """
    return read_started_cell(path, activation).cell


def read_started_cell(path: PathLike, activation: Activation | EllipsisType) -> Network:
    """The cell that `read_cell` returns, as a network with the initial state of the file."""
    path, whole, arrays, _ = _looked_into(path)
    if whole is not None:
        return Network(whole.cell, initial=whole.initial)
    try:
        if _own_names(arrays):
            return Network(_own_cell(arrays, activation))
        return before_readout(arrays, jnp.tanh if isinstance(activation, EllipsisType) else activation)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def says_no_activation(path: PathLike) -> bool:
    """Whether a file has the names `W_h`, `W_x`, `b`, which do not say the activation, so that relu is taken."""
    _, whole, arrays, _ = _looked_into(path)
    return whole is None and "W_h" in arrays


def read_network(
    path: PathLike,
    prefix: str | Sequence[str] | None = None,
    readout: str | Sequence[str] | EllipsisType | None = ...,
    *,
    activation: Activation | EllipsisType = ...,
    between: Activation | EllipsisType = ...,
    residual: bool | EllipsisType = ...,
) -> Network:
    """The network, with its readout and initial state, in a file of weights or of an amplifier.

    The output of step k is `network.output(xs[k], states[k])`, where `states` are those after each step of a run of
    `network.cell` from `network.initial` on. Everything before the readout is in the cell, input layers and gains included.

    **Arguments:**

    - `path`: a file of arrays as in `read_arrays`, with the names that `read_cell` knows; or a json file that describes a
      network: GuitarML's and Proteus's `.json` (`state_dict`, and `model_data`, whose `skip` says whether the input is
      added); `.json` and `.aidax` files of RTNeural and AIDA-X (`in_shape`, and `layers`, which are Keras's); Neural Amp
      Modeler's `.nam` with the architecture LSTM.
    - `prefix`, `readout`: as in `from_torch_network`; a readout is also looked for beside `W_h`, `W_x`, `b`. If there is
      none, the output is the state. A file that describes a network leaves no choice.
    - `activation`: as in `read_cell`.
    - `between`: as in `from_torch_network`.
    - `residual`: whether the input is added to the output. Default: what the file says, and `False` if it says nothing.

    **Returns:** a `Network`. Its `rate` is the sampling rate where the file says it.

    **Raises:** `ValueError` naming the file, the key and the reason: for a file that is damaged or of another format, for a
    network of other layers than those known, and for numbers that are not finite; otherwise as `read_arrays`.

    ```python
    >>> import json, pathlib, tempfile
    >>> from rnn_ode import interop
    >>> weights = {"rec.weight_ih_l0": [[1]], "rec.weight_hh_l0": [[0.5]], "lin.weight": [[2]], "lin.bias": [0]}
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "amplifier.json"
    >>> _ = path.write_text(json.dumps({"model_data": {"skip": 1}, "state_dict": weights}))
    >>> network = interop.read_network(path)
    >>> network.readout.weight.tolist(), network.residual
    ([[2.0]], True)

    ```
    """
    path, whole, arrays, about = _looked_into(path)
    try:
        if whole is not None:
            _check_unused(prefix, readout, activation, between)
            network = whole
        elif prefix is None and (names := _own_names(arrays)):
            others = {key: array for key, array in arrays.items() if key not in names}
            cell, layers = _own_cell(arrays, activation), f"cell ({', '.join(names)})"
            network = with_readout(cell, others, layers, readout)
        else:
            chosen = jnp.tanh if isinstance(activation, EllipsisType) else activation
            network = network_by_names(arrays, prefix, readout, chosen, between)
        network = as_described(network, about, arrays, isinstance(residual, EllipsisType))
        return network if isinstance(residual, EllipsisType) else dataclasses.replace(network, residual=residual)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _looked_into(path: PathLike) -> tuple[Path, Network | None, dict[str, np.ndarray], Any]:
    """The path; the network of a file that describes one as a whole, or the arrays of another; and its `model_data`."""
    path = as_path("path", path)
    if path.suffix.lower() not in _JSON:
        arrays = read_arrays(path)
        # safetensors sorts arrays by type and name, so that their order says nothing
        return path, None, dict(sorted(arrays.items())) if path.suffix.lower() == ".safetensors" else arrays, None
    check_file(path)
    content = read_json_object(path)
    try:
        for is_format, network_of in _WHOLE.items():
            if is_format(content) or (network_of is nam_network and path.suffix.lower() == ".nam"):
                return path, network_of(content), {}, None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return path, None, checked_arrays(path, named_lists(content)), content.get("model_data")


_JSON = (".json", ".nam", ".aidax")
_WHOLE: dict[Callable, Callable] = {
    is_nam: nam_network,
    is_layer_list: layer_list,
    is_keras_config: refuse_keras_config,
}


def _check_unused(prefix: Any, *options: Any) -> None:
    """`ValueError` if something is chosen among the names of a file that has none."""
    if prefix is not None or not all(isinstance(option, EllipsisType) for option in options):
        raise ValueError(
            "the file itself says what its layers are: leave out prefix, readout, activation and between, which are for "
            "arrays by name."
        )


def _own_names(arrays: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of this package's own cells that the file uses; none if it uses PyTorch's."""
    return ("W_h", "W_x", "b") if "W_h" in arrays else ("A", "W", "W_x", "b") if "A" in arrays else ()


def _own_cell(arrays: Mapping[str, np.ndarray], activation: Activation | EllipsisType) -> Cell:
    """The cell by this package's own names. `ValueError` if one of them is missing."""
    names = _own_names(arrays)
    missing = [name for name in names if name not in arrays]
    if missing:
        raise ValueError(f"no key {missing[0]!r}; wanted are {', '.join(names)}, the file holds {shapes_of(arrays)}.")
    parts: dict[str, Any] = {name: arrays[name] for name in names}
    if "A" in parts:
        return PiecewiseLinearCell(**parts)
    return VanillaCell(**parts) if isinstance(activation, EllipsisType) else VanillaCell(**parts, activation=activation)
