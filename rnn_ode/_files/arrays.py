"""Named arrays in files.

A pickle is never read: it runs whatever code its author put into it. Files may be npz and npy (without pickled objects),
json, safetensors, and csv or txt for one matrix. Entries must be real and finite. Floating types are kept, with two
exceptions: float16 and bfloat16 become float32, and integers become float64.
"""

import codecs
import io
import json
import os
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from .._base.checks import about, brief, is_concrete, no_array
from .atomic import as_path, check_regular, written_beside

PathLike = str | os.PathLike[str]

_MOST_BYTES = 4 << 30
_MOST_TEXT = 1 << 30  # text takes ten times its size while it is read
_TEXT = (".json", ".nam", ".aidax", ".csv", ".txt")
ONE_ARRAY = (".npy", ".csv", ".txt")  # whose name W is ours


def read_arrays(path: PathLike) -> dict[str, np.ndarray]:
    """All arrays of a file, by name.

    **Arguments:**

    - `path`: the file. The end of its name tells the format:
        - `.npz`;
        - `.npy`: one array, called "W";
        - `.json`: an object of nested lists, such as `{"W_h": [[0.5]]}`, or such an object under the key "state_dict";
        - `.safetensors`;
        - `.csv`, `.txt`: one matrix, called "W". Every line is a row, with commas, semicolons or blanks between its entries;
          `#` begins a comment.

    **Returns:** NumPy arrays by name.

    **Raises:** `ValueError` naming the file and the key or line, for a malformed file, for entries that are not real finite
    numbers, for ragged lists and for empty arrays; `ImportError` for safetensors without that package; `OSError` if the
    file cannot be opened.

    ```python
    >>> import pathlib, tempfile
    >>> from rnn_ode import interop
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "weights.json"
    >>> _ = path.write_text('{"W_h": [[0.5, 0], [0, -2]], "b": [0, 1]}')
    >>> {key: array.shape for key, array in interop.read_arrays(path).items()}
    {'W_h': (2, 2), 'b': (2,)}

    ```
    """
    path = as_path("path", path)
    if path.suffix.lower() not in _READERS:
        raise ValueError(
            f"{path}: arrays are read from {', '.join(_READERS)}, and networks from .nam and .aidax too; got a name ending "
            f"in {path.suffix!r}. {_way_out(path.suffix)}"
        )
    check_file(path)
    return checked_arrays(path, _READERS[path.suffix.lower()](path))


def checked_arrays(path: Path, arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Arrays of finite floats. `ValueError`, which names the file and the key, for others and if there are none."""
    if not arrays:
        raise ValueError(f"{path}: the file holds no arrays.")
    alone = path.suffix.lower() in ONE_ARRAY
    return {key: as_host_floats(str(path) if alone else f"{path}, key {key!r}", value) for key, value in arrays.items()}


def check_file(path: Path) -> None:
    """`ValueError` for a file that is larger than any weights of a recurrent network, or whose name tells a wrong format."""
    check_regular(path)
    size, most = path.stat().st_size, _MOST_TEXT if path.suffix.lower() in _TEXT else _MOST_BYTES
    if size > most:
        raise ValueError(f"{path}: a file of at most {most >> 30} GiB is read; it has {size:,} bytes.")
    with path.open("rb") as file:
        start = file.read(8)
    for beginning, suffix, kind in _FOREIGN:
        if start.startswith(beginning) and not (suffix == ".pt" and path.suffix.lower() == ".npz"):
            raise ValueError(f"{path}: by its content this is {kind}. {_way_out(suffix)}")


_FOREIGN = (
    (b"\x89HDF\r\n\x1a\n", ".h5", "an HDF5 file"),
    (b"PK\x03\x04", ".pt", "a zip archive, as PyTorch and Keras write them"),
    *((b"\x80" + bytes([version]), ".pkl", "a pickle") for version in range(2, 6)),
)


def _way_out(suffix: str) -> str:
    """What to do about a file of another format, by the end of its name."""
    if suffix.lower() in (".h5", ".hdf5", ".keras"):
        return (
            "Load Keras's files (.h5, .keras) in Keras, and in Python write the model anew: "
            'interop.write_network("net.json", interop.from_keras(model)).'
        )
    return (
        "Pickles (.pt, .pth, .pkl) are never read. In Python write the weights anew: "
        'interop.write_arrays("net.npz", module) for a PyTorch module, interop.write_arrays("net.npz", '
        "interop.to_torch(cell)) for a cell."
    )


def write_arrays(path: PathLike, arrays: Mapping[str, Any] | Any) -> None:
    """Write arrays to a file, by name, for `read_arrays` and other programs.

    The file is written under another name and then renamed: `path` is always the complete old file or the complete new one.

    **Arguments:**

    - `path`: the file, with a name that ends in `.npz`, `.json` (an object of nested lists) or `.safetensors`.
    - `arrays`: arrays or torch tensors by name, as `to_torch` and a torch module's `state_dict()` return them, or the module
      itself: real, finite and not empty. `read_arrays` returns the same arrays, except that json has one floating type:
      float32 comes back as the same numbers in float64.

    **Raises:** `ValueError` naming the file and the key; `TypeError` for arrays without names, such as a cell; `ImportError`
    for safetensors without that package; `OSError` if the file cannot be written.

    ```python
    >>> import pathlib, tempfile
    >>> from rnn_ode import interop
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "weights.npz"
    >>> interop.write_arrays(path, {"W_h": [[0.5]], "b": [1.0]})
    >>> {key: array.tolist() for key, array in interop.read_arrays(path).items()}
    {'W_h': [[0.5]], 'b': [1.0]}

    ```
    """
    path = as_path("path", path)
    if path.suffix.lower() not in _WRITERS:
        raise ValueError(f"{path}: arrays are written to {', '.join(_WRITERS)}; got a name ending in {path.suffix!r}.")
    if callable(state_dict := getattr(arrays, "state_dict", None)):  # of a torch module
        arrays = state_dict()
    if not isinstance(arrays, Mapping) or not all(isinstance(key, str) for key in arrays):
        raise TypeError(
            f"{path}: arrays by name are wanted, as interop.to_torch(cell) returns them for a cell; got {brief(arrays)}."
        )
    if not arrays:
        raise ValueError(f"{path}: there are no arrays to write.")
    with about("arrays"):
        ready = {key: np.asarray(as_host_floats(f"{path}, key {key!r}", arrays[key]), order="C") for key in arrays}
    content = _WRITERS[path.suffix.lower()](ready)
    with written_beside(path) as beside:
        beside.write_bytes(content)


def shape_of(value: Any) -> tuple[int, ...]:
    """The shape of an array, tensor or nested list; for a ragged list its length."""
    try:
        return tuple(np.shape(value))
    except ValueError:
        return (len(value),)


def shapes_of(arrays: Mapping[str, Any]) -> str:
    """The names with their shapes, for an error's text."""
    return ", ".join(f"{key!r} {shape_of(array)}" for key, array in arrays.items()) or "none"


def as_host_floats(name: str, value: Any) -> np.ndarray:
    """`value` as a finite real array that is not empty. `name` begins the text of a `ValueError`."""
    if hasattr(value, "detach"):  # NumPy does not convert a torch tensor that requires a gradient
        value = value.detach().cpu()
    if str(getattr(value, "dtype", "")) == "torch.bfloat16":  # NumPy does not know this type
        value = value.float()
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        if not is_concrete(value):
            raise ValueError(
                f"{name}: a traced array has no numbers yet. Call it outside jit, vmap and grad."
            ) from None
        raise ValueError(f"{name}: an array of numbers is wanted; got {no_array(value, error)}.") from None
    if array.dtype == object and not array.ndim:  # NumPy did not look into it
        raise ValueError(f"{name}: real numbers are wanted; got {no_array(value)}.")
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
            if loaded.zip is not None and sum(entry.file_size for entry in loaded.zip.infolist()) > _MOST_BYTES:
                raise ValueError(f"{path}: arrays of at most {_MOST_BYTES >> 30} GiB are read; the archive holds more.")
            return {key: _npz_entry(path, loaded, key) for key in loaded.files}


def _npz_entry(path: Path, archive: np.lib.npyio.NpzFile, key: str) -> Any:
    try:
        return archive[key]
    except _NOT_NUMPY as error:
        raise ValueError(
            f"{path}, key {key!r}: not an array that NumPy reads without pickle{_detail(error)}."
        ) from None


def _detail(error: Exception) -> str:
    """The text of NumPy's error, without its advice to unpickle."""
    return "" if "pickle" in str(error) else f" ({error})"


_WANTS_SAFETENSORS = "needs safetensors: pip install '.[interop]' in a clone of rnn_ode"

# what numpy and zipfile raise for files that are truncated, damaged, encrypted or invented (a header may claim any size)
_NOT_NUMPY = (
    ValueError,
    EOFError,
    KeyError,
    MemoryError,
    RuntimeError,
    OSError,
    OverflowError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_json_object(path: Path) -> dict[str, Any]:
    """The object in a json file. `ValueError`, which names the file and the line, if there is none."""
    data = path.read_bytes()
    try:
        content = json.loads(data)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}: not json ({error.msg}).") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}, line {line}: not json (not UTF-8 text).") from None
    except (RecursionError, ValueError) as error:  # nested too deeply, or an integer with too many digits
        raise ValueError(f"{path}: not json that can be read ({error}).") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: an object of nested lists is wanted, by name; got a {type(content).__name__}.")
    return content


def named_lists(content: dict[str, Any]) -> dict[str, Any]:
    """The arrays of a json object: those under the key "state_dict", or all of it."""
    inner = content.get("state_dict")
    return inner if isinstance(inner, dict) else content


def _read_json(path: Path) -> Mapping[str, Any]:
    return named_lists(read_json_object(path))


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    try:
        from safetensors import SafetensorError, deserialize
    except ImportError as error:
        raise ImportError(f"{path}: reading it {_WANTS_SAFETENSORS}") from error
    try:
        entries = deserialize(path.read_bytes())
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        reason = str(error).removeprefix("Error while deserializing: ")
        raise ValueError(f"{path}: not a safetensors file ({reason}).") from None
    return {key: _safetensors_entry(path, key, **entry) for key, entry in entries}


def _safetensors_entry(path: Path, key: str, dtype: str, shape: Sequence[int], data: bytes) -> np.ndarray:
    if dtype not in _SAFETENSORS_TYPES:
        raise ValueError(f"{path}, key {key!r}: entries of {', '.join(_SAFETENSORS_TYPES)} are read; got {dtype}.")
    return np.frombuffer(data, _SAFETENSORS_TYPES[dtype]).reshape(shape)


_SAFETENSORS_TYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": jnp.bfloat16,
    "BOOL": np.bool_,
    **{f"{kind}{bits}": f"{kind.lower()}{bits // 8}" for kind in "IU" for bits in (64, 32, 16, 8)},
}


def decoded(path: PathLike) -> str:
    """The text of a file. `ValueError`, which names the line, if it is not UTF-8."""
    data = Path(path).read_bytes().removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}, line {line}: not UTF-8 text; got byte 0x{data[error.start]:02x}.") from None


def _read_text(path: Path) -> Mapping[str, Any]:
    rows: list[list[float]] = []
    for number, whole in enumerate(decoded(path).splitlines(), start=1):
        line = whole.partition("#")[0].strip()
        if not line:
            continue
        try:
            sep = ";" if ";" in line else "," if "," in line else None
            rows.append([float(cell) for cell in line.split(sep)])
        except ValueError:
            raise ValueError(
                f"{path}, line {number}: a row of numbers is wanted, with decimal points, and with commas, semicolons or "
                f"blanks between them; got {whole[:60]!r}."
            ) from None
        if not np.isfinite(rows[-1]).all():
            raise ValueError(f"{path}, line {number}: finite numbers are wanted; got {whole[:60]!r}.")
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


def _npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:  # not np.savez: it takes names as keywords, and some are its own
        for key, array in arrays.items():
            with archive.open(f"{key}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
    return file.getvalue()


def _json_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    return json.dumps({key: array.tolist() for key, array in arrays.items()}, allow_nan=False).encode()


def _safetensors_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    try:
        from safetensors.numpy import save
    except ImportError as error:
        raise ImportError(f"writing .safetensors {_WANTS_SAFETENSORS}") from error
    return save(dict(arrays))


_WRITERS: dict[str, Callable[[Mapping[str, np.ndarray]], bytes]] = {
    ".npz": _npz_bytes,
    ".json": _json_bytes,
    ".safetensors": _safetensors_bytes,
}
