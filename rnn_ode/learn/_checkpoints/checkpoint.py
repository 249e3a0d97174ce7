"""Checkpoints: a model, and what a training needs to go on, in one file that is whole or not there.

The first line is JSON: the kind of file, the version of the package that wrote it, the model as data and the names and
shapes of everything else. After it come the arrays, in NumPy's own format (`equinox.tree_serialise_leaves`). Nothing in it
is pickled, and nothing of it is run. Of a typed random key the numbers are stored, and the first line says its kind.
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

from ..._base.version import __version__
from ..._files.atomic import written_beside
from .description import build, describe, is_typed_key

KIND = "rnn_ode checkpoint 1"

PathLike = str | os.PathLike[str]


class Checkpoint(eqx.Module):
    """What a checkpoint holds: `model`; `state`, arrays by name that a training goes on from; `notes`, JSON."""

    model: PyTree
    state: dict[str, Any]
    notes: dict[str, Any]


def save(path: PathLike, model: PyTree) -> None:
    """Writes a model to a file, as data: its classes and settings in JSON, its arrays in NumPy's format, no pickle.

    **Arguments:** `path`, replaced in one go where it exists; `model` any pytree of modules of rnn_ode, Equinox and diffrax
    or your own, arrays, numbers, texts, functions that have a name, tuples, lists and dictionaries. **Raises:** `TypeError`
    for a part that is none of these, `OSError` where the file cannot be written.

    ```python
    >>> import pathlib, tempfile, jax, rnn_ode as ro
    >>> from rnn_ode import learn
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "network.ckpt"
    >>> learn.save(path, ro.VanillaCell.random(jax.random.key(0), 1, 4, activation=jax.numpy.tanh))
    >>> learn.load(path).W_h.shape
    (4, 4)

    ```
    """
    write(Path(path), Checkpoint(model, {}, {}))


def load(path: PathLike, known: Iterable[Any] = ()) -> PyTree:
    """Reads the model from a file of `save` or from a checkpoint of `fit`, in any process: the best by validation so far,
    where there is one.

    **Arguments:** `path`; `known` classes and functions of your own that the model has as parts; those of rnn_ode, Equinox,
    diffrax and JAX are known, and no other is looked for. **Returns:** the model, with arrays of JAX's. **Raises:**
    `ValueError` for a file that is no checkpoint, is damaged or of another kind, or has an unknown part; `OSError` where it
    cannot be opened. Float64 arrays want `jax_enable_x64`; without it they become float32, as everywhere in JAX.
    """
    return read(Path(path), known).model


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Writes the file beside and renames it, so that a process killed at any moment leaves the old one or the new one."""
    body = io.BytesIO()
    eqx.tree_serialise_leaves(body, _plain_arrays(checkpoint))
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
    """The first line of a checkpoint, and what comes after it."""
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


def read(path: Path, known: Iterable[Any] = (), model: PyTree | None = None) -> Checkpoint:
    """The whole of a checkpoint, the model's arrays JAX's, those of the state NumPy's; in a `model` of the same description
    where there is one."""
    header, body = read_header(path)
    if hashlib.sha256(body.getbuffer()).hexdigest() != header.get("sha256"):
        raise ValueError(
            f"{path}: its arrays are damaged or cut short: they have another checksum than its first line says."
        )
    try:
        model = build(header["model"], known) if model is None else model
        like = Checkpoint(model, build(header["state"]), header["notes"])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    except (KeyError, TypeError, AttributeError, MemoryError, RecursionError) as error:
        raise ValueError(f"{path}: what it says of the model is damaged ({error!r}).") from None
    try:
        arrays = eqx.tree_deserialise_leaves(body, _plain_arrays(like))
    except (RuntimeError, ValueError, EOFError) as error:
        raise ValueError(f"{path}: its arrays are damaged or cut short ({str(error).splitlines()[0]}).") from None
    leaves, structure = jax.tree.flatten(like)
    remaining = iter(arrays)
    leaves = [_as_it_was(leaf, next(remaining)) if _is_array(leaf) else leaf for leaf in leaves]
    found: Checkpoint = jax.tree.unflatten(structure, leaves)
    model = jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf, found.model)
    return Checkpoint(model, found.state, found.notes)


def _plain_arrays(tree: PyTree) -> list[Any]:
    """The arrays of a tree, of typed random keys the numbers."""
    arrays = [leaf for leaf in jax.tree.leaves(tree) if _is_array(leaf)]
    return [np.asarray(jax.random.key_data(leaf)) if is_typed_key(leaf) else leaf for leaf in arrays]


def _as_it_was(like: Any, array: Any) -> Any:
    """The array, a typed random key where `like` is one."""
    return jax.random.wrap_key_data(jnp.asarray(array), impl=jax.random.key_impl(like)) if is_typed_key(like) else array


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray)
