"""Weights from files and from PyTorch.

Nothing here unpickles: a pickle runs whatever code its author put into it. Files may be npz and npy (without pickled
objects), json, safetensors, and csv or txt for one matrix. Entries are real and finite; floating types are kept, but
for float16, which becomes float32, and integers, which become float64. JAX makes float64 into float32 unless
`jax_enable_x64` is set.
"""

import json
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import EllipsisType
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from ._cells import PiecewiseLinearCell, VanillaCell

PathLike = str | os.PathLike[str]
Activation = Callable[[Array], Array] | None

_GATES = {1: "RNN", 3: "GRU", 4: "LSTM"}


def read_arrays(path: PathLike) -> dict[str, np.ndarray]:
    """All arrays of a file, by name.

    **Arguments:** `path`, ending in `.npz`, `.npy` (one array, called "W"), `.json` (an object of nested lists, such as
    `{"W_h": [[0.5]]}`, or one of those under the key "state_dict"), `.safetensors`, or `.csv` or `.txt` (one matrix,
    called "W": a row a line, separated by commas or blanks, `#` for comments).

    **Raises:** `ValueError` naming the file and the key or line, for a malformed file and for entries that are not
    numbers, not real or not finite, for ragged lists and for empty arrays; `ImportError` for safetensors where that
    package is missing; `OSError` where the file cannot be opened.

    ```python
    >>> import pathlib, tempfile
    >>> from rnn_ode import interop
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "weights.json"
    >>> _ = path.write_text('{"W_h": [[0.5, 0], [0, -2]], "b": [0, 1]}')
    >>> {key: array.shape for key, array in interop.read_arrays(path).items()}
    {'W_h': (2, 2), 'b': (2,)}

    ```
    """
    path = Path(path)
    if path.suffix.lower() not in _READERS:
        raise ValueError(
            f"{path}: weights are read from {', '.join(_READERS)}; got a name ending in {path.suffix!r}. Pickles (.pt, "
            ".pth, .pkl) are never read: write the weights with safetensors or numpy.savez instead."
        )
    arrays = _READERS[path.suffix.lower()](path)
    if not arrays:
        raise ValueError(f"{path}: the file holds no arrays.")
    return {key: _as_floats(f"{path}, key {key!r}", value) for key, value in arrays.items()}


def read_matrix(path: PathLike, key: str | None = None) -> Float[np.ndarray, "N N"]:
    """The square matrix (N, N) in a file, to ask for its eigenvalues.

    **Arguments:** `path` as in `read_arrays`; `key`, the matrix's name. `None` takes the recurrent matrix by the names
    it goes by, `W_h` or `weight_hh_l0`, else the only square matrix there is, else `W`, unless an `A` stands beside it
    (in a `PiecewiseLinearCell` neither is the recurrent matrix).

    **Raises:** `ValueError` listing the keys with their shapes where this leaves none; otherwise as `read_arrays`.

    ```python
    >>> import pathlib, tempfile
    >>> from rnn_ode import interop
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "matrix.txt"
    >>> _ = path.write_text("0.5 0\\n0 -2\\n")
    >>> interop.read_matrix(path).tolist()
    [[0.5, 0.0], [0.0, -2.0]]

    ```
    """
    arrays = read_arrays(path)
    square = [name for name, array in arrays.items() if array.ndim == 2 and array.shape[0] == array.shape[1]]
    if key is None:
        known = [name for name in ("W_h", "weight_hh_l0") if name in square]
        only = square if len(square) == 1 else []
        plain = ["W"] if "W" in square and "A" not in square else []
        key = next(iter(known + only + plain), None)
    if key not in square:
        wanted = "one square matrix, or a key that names one" if key is None else f"a square matrix under key {key!r}"
        raise ValueError(f"{path}: {wanted} is wanted; the file holds {_shapes(arrays)}.")
    return arrays[key]


def read_cell(path: PathLike, activation: Activation | EllipsisType = ...) -> Callable:
    """The cell whose weights a file holds.

    **Arguments:** `path` as in `read_arrays`, with the keys `W_h` (N, N), `W_x` (N, D), `b` (N,) of a `VanillaCell`; or
    `A`, `W`, `W_x`, `b` of a `PiecewiseLinearCell`; or PyTorch's names of one layer, whatever their prefix, as in
    `from_torch`. Other keys (a readout's, say) are left alone. `activation` of the vanilla network, `None` for affine;
    left out, it is relu for the first set of names and tanh, PyTorch's, for the third. Other cells have their own.

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
    arrays = read_arrays(path)
    chosen: dict[str, Any] = {} if isinstance(activation, EllipsisType) else {"activation": activation}
    try:
        if "W_h" in arrays:
            return VanillaCell(**_take(arrays, "W_h", "W_x", "b"), **chosen)
        if "A" in arrays:
            return PiecewiseLinearCell(**_take(arrays, "A", "W", "W_x", "b"))
        return from_torch(arrays, _only_prefix(arrays), **chosen)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


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
    the biases summed and state (h, c). Without biases theirs are zero.

    **Raises:** `ValueError` naming the key, its shape and what is wanted.

    ```python
    >>> import jax.numpy as jnp, numpy as np
    >>> from rnn_ode import interop
    >>> weights = {"weight_ih_l0": np.ones((3, 1)), "weight_hh_l0": np.zeros((3, 1))}
    >>> cell = interop.from_torch(weights)  # reset and update gates at ½, candidate tanh(0)
    >>> type(cell).__name__, cell(jnp.zeros(1), jnp.ones(1)).tolist()
    ('GRUCell', [0.5])

    ```
    """
    W_x, W_h, b_x, b_h = _torch_layer(state_dict, prefix, layer)
    (rows, size), inputs = W_h.shape, W_x.shape[1]
    if rows == size:
        return VanillaCell(W_h, W_x, b_x + b_h, activation)
    # Equinox keeps PyTorch's gate order: reset, update, new for a GRU; input, forget, cell, output for an LSTM.
    if rows == 4 * size:
        cell = eqx.nn.LSTMCell(inputs, size, key=jr.PRNGKey(0))
        return _place(cell, weight_ih=W_x, weight_hh=W_h, bias=b_x + b_h)
    # The reset gate multiplies the candidate's recurrent bias, so that one may not be summed into the other.
    gates, candidate = np.split(b_h, [2 * size])
    bias = b_x + np.concatenate([gates, np.zeros_like(candidate)])
    cell = eqx.nn.GRUCell(inputs, size, key=jr.PRNGKey(0))
    return _place(cell, weight_ih=W_x, weight_hh=W_h, bias=bias, bias_n=candidate)


def _place(cell, **arrays: np.ndarray):
    """The cell with those arrays in place of its random ones."""
    return eqx.tree_at(lambda c: [getattr(c, name) for name in arrays], cell, list(map(jnp.asarray, arrays.values())))


def _torch_layer(state_dict: Mapping[str, Any], prefix: str, layer: int):
    """W_x (kN, D), W_h (kN, N) and the two biases (kN,), of shapes that fit."""
    names = {part: f"{prefix}{part}_l{layer}" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    missing = [name for part, name in names.items() if name not in state_dict and not part.startswith("bias")]
    has_bias = names["bias_ih"] in state_dict
    if has_bias != (names["bias_hh"] in state_dict):
        missing.append(names["bias_hh" if has_bias else "bias_ih"])
    if missing:
        raise ValueError(f"no key {missing[0]!r}; there are {_shapes(state_dict)}. prefix and layer choose the keys.")
    if f"{prefix}weight_hr_l{layer}" in state_dict:
        raise ValueError(f"key '{prefix}weight_hr_l{layer}': an LSTM with a projection has no counterpart here.")

    arrays = {part: _as_floats(f"key {name!r}", state_dict[name]) for part, name in names.items() if name in state_dict}
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
    zeros = np.zeros(W_h.shape[0], W_h.dtype)
    return arrays["weight_ih"], W_h, arrays.get("bias_ih", zeros), arrays.get("bias_hh", zeros)


def _only_prefix(arrays: Mapping[str, np.ndarray]) -> str:
    """What stands before PyTorch's names, where the file holds one layer of one network in one direction."""
    layers = [key for key in arrays if "weight_hh_l" in key]
    if len(layers) == 1 and layers[0].endswith("weight_hh_l0"):
        return layers[0].removesuffix("weight_hh_l0")
    if layers:
        raise ValueError(
            f"a cell is one layer, one direction; the file holds {', '.join(map(repr, layers))}. "
            "Choose with interop.from_torch(interop.read_arrays(path), prefix, layer)."
        )
    raise ValueError(
        "the keys of a cell are wanted: W_h, W_x, b; or A, W, W_x, b; or PyTorch's weight_ih_l0, weight_hh_l0, "
        f"bias_ih_l0, bias_hh_l0. The file holds {_shapes(arrays)}."
    )


def _take(arrays: Mapping[str, np.ndarray], *keys: str) -> dict[str, np.ndarray]:
    missing = [key for key in keys if key not in arrays]
    if missing:
        raise ValueError(f"no key {missing[0]!r}; wanted are {', '.join(keys)}, the file holds {_shapes(arrays)}.")
    return {key: arrays[key] for key in keys}


def _shapes(arrays: Mapping[str, Any]) -> str:
    return ", ".join(f"{key!r} {tuple(np.shape(array))}" for key, array in arrays.items()) or "nothing"


def _as_floats(name: str, value: Any) -> np.ndarray:
    """`value` as a finite real array that is not empty; `name` heads the messages."""
    if hasattr(value, "detach"):  # a torch tensor that requires a gradient does not convert
        value = value.detach().cpu()
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: an array of numbers is wanted; got {type(value).__name__} ({error}).") from None
    if array.size == 0:
        raise ValueError(f"{name}: the array is empty, of shape {array.shape}.")
    if array.dtype.kind in "iu":
        array = array.astype(np.float64)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise ValueError(f"{name}: real numbers are wanted; got entries of type {array.dtype}.")
    if array.dtype.itemsize < 4:
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name}: finite numbers are wanted; the entry at {where} is {array[where]}.")
    return array


def _read_numpy(path: Path) -> Mapping[str, Any]:
    with path.open("rb") as file:
        try:
            loaded = np.load(file, allow_pickle=False)
        except _NOT_NUMPY as error:
            raise ValueError(f"{path}: not a file of arrays that NumPy reads without pickle{_detail(error)}.") from None
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            return {"W": loaded}
        with loaded:
            return {key: _npz_entry(path, loaded, key) for key in loaded.files}


def _npz_entry(path: Path, archive: np.lib.npyio.NpzFile, key: str) -> Any:
    try:
        return archive[key]
    except _NOT_NUMPY as error:
        raise ValueError(
            f"{path}, key {key!r}: not an array that NumPy reads without pickle{_detail(error)}."
        ) from None


def _detail(error: Exception) -> str:
    """What NumPy said, unless it is advice to unpickle."""
    return "" if "pickle" in str(error) else f" ({error})"


# What numpy and zipfile raise on files that were cut, altered or made up (a header may claim any size).
_NOT_NUMPY = (ValueError, EOFError, KeyError, MemoryError, NotImplementedError, OSError, zipfile.BadZipFile, zlib.error)


def _read_json(path: Path) -> Mapping[str, Any]:
    data = path.read_bytes()
    try:
        content = json.loads(data)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}: not json ({error.msg}).") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}, line {line}: not json (not UTF-8 text).") from None
    except (RecursionError, ValueError) as error:  # nested too deep; a whole number of too many digits
        raise ValueError(f"{path}: not json that can be read ({error}).") from None
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise ValueError(f"{path}: an object of nested lists is wanted, by name; got a {type(content).__name__}.")
    return content


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load
    except ImportError as error:
        raise ImportError(f"{path}: reading it needs safetensors: pip install 'rnn_ode[app]'") from error
    data = path.read_bytes()
    try:
        return load(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not a safetensors file that NumPy can hold ({error}).") from None


def _read_text(path: Path) -> Mapping[str, Any]:
    rows: list[list[float]] = []
    for number, line in enumerate(path.read_bytes().decode("utf-8-sig", "replace").splitlines(), start=1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        try:
            rows.append([float(cell) for cell in (line.split(",") if "," in line else line.split())])
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: a row of numbers is wanted ({error}).") from None
        if len(rows[-1]) != len(rows[0]):
            raise ValueError(
                f"{path}, line {number}: every row must have as many entries as the first, {len(rows[0])}; "
                f"got {len(rows[-1])}."
            )
    return {"W": rows} if rows else {}


_READERS: dict[str, Callable[[Path], Mapping[str, Any]]] = {
    ".npz": _read_numpy,
    ".npy": _read_numpy,
    ".json": _read_json,
    ".safetensors": _read_safetensors,
    ".csv": _read_text,
    ".txt": _read_text,
}
