"""Wrong and unusual values for one argument, by label: the same for every argument, and some made from a valid value."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

TEXT = "no such thing"
ANY: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "text": lambda: TEXT,
    "empty text": lambda: "",
    "bytes": lambda: b"abc",
    "object": object,
    "NaN": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "-inf": lambda: float("-inf"),
    "-1": lambda: -1,
    "0": lambda: 0,
    "1": lambda: 1,
    "0.5": lambda: 0.5,
    "1e300": lambda: 1e300,
    "1e-300": lambda: 1e-300,
    "10**30": lambda: 10**30,
    "10**12": lambda: 10**12,
    "complex": lambda: 1j,
    "True": lambda: True,
    "empty list": list,
    "empty tuple": tuple,
    "empty dict": dict,
    "dict": lambda: {"a": 1.0},
    "empty array": lambda: np.array([]),
    "array of NaN": lambda: np.array([np.nan]),
    "array of one": lambda: np.array([1.0]),
    "array of three axes": lambda: np.ones((2, 3, 4)),
    "array of text": lambda: np.array(["a", "b"]),
    "array of objects": lambda: np.array([None, 1], dtype=object),
    "array of dates": lambda: np.array(["2020-01-01"], "datetime64[D]"),
    "ragged list": lambda: [[1.0], [1.0, 2.0]],
    "list of None": lambda: [None, None],
    "list of text": lambda: ["a", "b"],
    "function of nothing": lambda: lambda: 0.0,
    "class": lambda: int,
}


def of(valid: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The values that any argument gets, and those made from the valid one."""
    yield from ANY.items()
    if isinstance(valid, np.ndarray | jax.Array) and np.ndim(valid) and jnp.issubdtype(valid.dtype, jnp.number):
        yield from _arrays(np.asarray(valid))
    elif isinstance(valid, list | tuple) and valid:
        yield "without its last", lambda: valid[:-1]
        yield "twice", lambda: [*valid, *valid] if isinstance(valid, list) else (*valid, *valid)
        kind = list if isinstance(valid, list) else tuple
        yield "with None", lambda: kind([*valid[:-1], None])
        yield "with text", lambda: kind([*valid[:-1], TEXT])
        yield "itself inside", lambda: kind([valid])
        if all(isinstance(v, int | float) for v in valid):
            yield from _arrays(np.asarray(valid))
    elif isinstance(valid, dict) and valid:
        yield "without its first", lambda: dict(list(valid.items())[1:])
        yield "with None in it", lambda: valid | {next(iter(valid)): None}
        yield "with a number for a key", lambda: valid | {3: 1.0}
    elif isinstance(valid, str):
        yield "another case", lambda: valid.swapcase()
        yield "with a null", lambda: valid + "\0"
        yield "very long", lambda: "x" * 100_000
    elif isinstance(valid, bool):
        yield "two", lambda: 2
    elif callable(valid):  # a cell, a field, a function
        yield "returns None", lambda: lambda *a, **k: None
        yield "returns text", lambda: lambda *a, **k: "text"
        yield "returns NaN", lambda: lambda *a, **k: jnp.nan
        yield "returns three axes", lambda: lambda *a, **k: jnp.ones((2, 3, 4))


def _arrays(valid: np.ndarray) -> Iterator[tuple[str, Callable[[], Any]]]:
    made = {
        "batch first": lambda: valid[None],
        "one axis less": lambda: valid[0],
        "one axis more behind": lambda: valid[..., None],
        "first axis longer": lambda: np.concatenate([valid, valid[:1]]),
        "last axis longer": lambda: np.concatenate([valid, valid[..., :1]], -1),
        "no rows": lambda: valid[:0],
        "no columns": lambda: valid[..., :0],
        "one NaN": lambda: _with(valid, np.nan),
        "one inf": lambda: _with(valid, np.inf),
        "zeros": lambda: np.zeros_like(valid),
        "ones": lambda: np.ones_like(valid),
        "negative": lambda: -valid,
        "reversed": lambda: valid[::-1],
        "enormous": lambda: valid * 1e30,
        "tiny": lambda: valid * 1e-30,
        "complex array": lambda: valid.astype(complex),
        "booleans": lambda: valid.astype(bool),
        "integers": lambda: np.nan_to_num(valid.real, posinf=1, neginf=-1).astype(int),
        "float16": lambda: valid.real.astype(np.float16),
        "as text": lambda: valid.astype(str),
        "as objects": lambda: valid.astype(object),
    }
    yield from made.items()


def _with(valid: np.ndarray, entry: float) -> np.ndarray:
    changed = np.array(valid, np.result_type(valid.dtype, np.float32))
    changed.flat[0] = entry
    return changed


def traceable(valid: Any) -> bool:
    """Whether a valid value can be traced: numbers and arrays of numbers, but no flags."""
    if isinstance(valid, bool | str | bytes) or valid is None:
        return False
    leaves = jax.tree.leaves(valid)
    return (
        bool(leaves)
        and all(
            isinstance(leaf, int | float | complex | np.number)
            or (isinstance(leaf, np.ndarray | jax.Array) and jnp.issubdtype(leaf.dtype, jnp.number))
            for leaf in leaves
        )
        and not any(isinstance(leaf, bool) for leaf in leaves)
    )
