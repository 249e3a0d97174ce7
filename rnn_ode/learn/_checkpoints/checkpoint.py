"""Checkpoints: a model, and the state of its training, in one file that is complete or absent.

The first line is JSON: the kind of file, the version of the package that wrote it, the description of the model
(`description.py`), and the names and shapes of the other arrays. The arrays follow in NumPy's format, written by
`equinox.tree_serialise_leaves`. Nothing is pickled, so reading a file runs no code from it. A typed random key is stored as
its numbers, and its kind is in the first line.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ..._base.checks import brief, check_on_host, from_host
from ..._base.version import __version__
from ..._files.atomic import as_path, check_regular, written_beside
from .description import build, declared_bytes, describe, is_typed_key

_MOST_BYTES = 16 << 30

KIND = "rnn_ode checkpoint 1"

PathLike = str | os.PathLike[str]


class Checkpoint(eqx.Module):
    """The contents of a checkpoint.

    **Fields:**

    - `model`: the model.
    - `state`: the arrays from which a training resumes, by name. Empty in a file of `save`.
    - `notes`: further settings of the training, as JSON.
    """

    model: PyTree
    state: dict[str, Any]
    notes: dict[str, Any]


def save(path: PathLike, model: PyTree) -> None:
    """Write a model to a file: its classes and settings in JSON, its arrays in NumPy's format, no pickle.

    **What a part must be, to be saved, loaded and trained.** The parts of rnn_ode, Equinox, diffrax and JAX are ready. A
    part of your own, such as a cell, a field, a path or a readout, must be

    - an `equinox.Module` whose fields are such parts again, arrays, random keys, numbers, texts, `None`, tuples, lists or
      dictionaries with texts for keys; or
    - a function with a name, such as an activation. A lambda and a function defined inside another one cannot be found
      again, so they cannot be saved.

    The file refers to a class or function by the module that defines it and its name. To load it, import it and give it to
    `load(path, known=(…,))`. `load` sets the fields of a module directly and does not call `__init__`. A field that has a
    default may be missing in the file, so you can add fields to a class later. `fit` trains the floating-point arrays of a
    model and leaves everything else as it is.

    **Arguments:**

    - `path`: the file. An existing one is replaced when the new one is complete.
    - `model`: the model, any pytree of such parts.

    **Raises:** `TypeError` for a part that cannot be saved, with its place in the model; `OSError` if the file cannot be
    written.

    ```python
    >>> import pathlib, tempfile, jax, rnn_ode as ro
    >>> from rnn_ode import learn
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "network.ckpt"
    >>> learn.save(path, ro.VanillaCell.random(jax.random.key(0), 1, 4, activation=jax.numpy.tanh))
    >>> learn.load(path).W_h.shape
    (4, 4)

    ```
    """
    check_on_host("save", model=model)
    write_checkpoint(as_path("path", path), Checkpoint(model, {}, {}))


def load(path: PathLike, known: Iterable[Any] = ()) -> PyTree:
    """Read a model from a file of `save` or from a checkpoint of `fit`, in any process.

    From a checkpoint of a training with validation it is the best model so far. Files written by version 0.1.0 are read.

    **Arguments:**

    - `path`: the file.
    - `known`: your own classes and functions that the model contains (`save` says what they must be). Those of rnn_ode,
      Equinox, diffrax and JAX are known; no other module is imported.

    **Returns:** the model, with JAX arrays. Float64 arrays become float32 unless `jax_enable_x64` is set, as everywhere in
    JAX.

    **Raises:** `ValueError` for a file that is no checkpoint, is damaged or of another kind, or has an unknown part;
    `OSError` if it cannot be opened.

    ```python
    >>> import pathlib, tempfile, equinox as eqx, jax
    >>> from rnn_ode import learn
    >>> class Scaled(eqx.Module):
    ...     factor: jax.Array
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "scaled.ckpt"
    >>> learn.save(path, Scaled(jax.numpy.ones(2)))
    >>> learn.load(path, known=(Scaled,)).factor.tolist()
    [1.0, 1.0]

    ```
    """
    return read_checkpoint(as_path("path", path), known).model


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint beside and rename it, so a process that is killed leaves the old file or the new one."""
    body = io.BytesIO()
    eqx.tree_serialise_leaves(body, _serialisable(checkpoint))
    header = {
        "kind": KIND,
        "rnn_ode": __version__,
        "model": describe(checkpoint.model),
        "state": describe(checkpoint.state, "state"),
        "notes": checkpoint.notes,
        "sha256": hashlib.sha256(body.getbuffer()).hexdigest(),
    }
    with written_beside(path) as beside, open(beside, "wb") as file:
        file.write(json.dumps(header).encode() + b"\n")
        file.write(body.getbuffer())
        file.flush()
        os.fsync(file.fileno())


def read_header(path: Path) -> tuple[dict[str, Any], io.BytesIO]:
    """The first line of a checkpoint, parsed, and the bytes after it."""
    check_regular(path)
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(
            f"{path}: a checkpoint of at most {_MOST_BYTES >> 30} GiB is read; it has {path.stat().st_size:,} bytes."
        )
    first, _, rest = path.read_bytes().partition(b"\n")
    try:
        header = json.loads(first)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or not str(header.get("kind")).startswith("rnn_ode checkpoint"):
        raise ValueError(f"{path}: not a checkpoint of rnn_ode; its first line is {first[:60]!r}.")
    if header["kind"] != KIND:
        raise ValueError(
            f"{path}: this version of rnn_ode reads files of the kind {KIND!r}; this is a {header['kind']!r}."
        )
    return header, io.BytesIO(rest)


def read_checkpoint(path: Path, known: Iterable[Any] = (), model: PyTree | None = None) -> Checkpoint:
    """A checkpoint: JAX arrays in the model, NumPy arrays in the state.

    The model is built from the file, or the arrays of the file are put into a given `model` of the same description.
    """
    known = _callables(known)
    header, body = read_header(path)
    if hashlib.sha256(body.getbuffer()).hexdigest() != header.get("sha256"):
        raise ValueError(
            f"{path}: its arrays are damaged or cut short: they have another checksum than its first line says."
        )
    try:
        declared = declared_bytes([header["model"], header["state"]])
        if declared > body.getbuffer().nbytes:
            raise ValueError(
                f"its description promises arrays of {declared:,} bytes; it holds {body.getbuffer().nbytes:,}."
            )
        model = build(header["model"], known) if model is None else model
        like = Checkpoint(model, build(header["state"]), header["notes"])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    except (KeyError, TypeError, AttributeError, MemoryError, RecursionError) as error:
        raise ValueError(f"{path}: its description of the model is damaged ({error!r}).") from None
    try:
        arrays = eqx.tree_deserialise_leaves(body, _serialisable(like))
    except Exception as error:  # whatever NumPy makes of bytes that are none of its arrays
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"{path}: its arrays are damaged or cut short ({reason}).") from None
    leaves, structure = jax.tree.flatten(like)
    remaining = iter(arrays)
    leaves = [_deserialised(leaf, next(remaining)) if _is_array(leaf) else leaf for leaf in leaves]
    found: Checkpoint = jax.tree.unflatten(structure, leaves)
    model = jax.tree.map(lambda leaf: from_host(leaf) if isinstance(leaf, np.ndarray) else leaf, found.model)
    return Checkpoint(model, found.state, found.notes)


def _callables(known: Any) -> tuple[Any, ...]:
    """The argument `known`. `TypeError` unless it lists classes and functions."""
    listed = tuple(known) if isinstance(known, Iterable) and not isinstance(known, str | bytes) else (None,)
    if not all(callable(one) for one in listed):
        raise TypeError(f"known must be a list of classes and functions; got {brief(known)}.")
    return listed


def _serialisable(tree: PyTree) -> list[Any]:
    """The arrays of a tree, with typed random keys as their numbers."""
    arrays = [leaf for leaf in jax.tree.leaves(tree) if _is_array(leaf)]
    return [np.asarray(jax.random.key_data(leaf)) if is_typed_key(leaf) else leaf for leaf in arrays]


def _deserialised(like: Any, array: Any) -> Any:
    """The array, or the typed random key of these numbers if `like` is such a key."""
    return jax.random.wrap_key_data(jnp.asarray(array), impl=jax.random.key_impl(like)) if is_typed_key(like) else array


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray)
