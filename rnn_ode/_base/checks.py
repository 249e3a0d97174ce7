"""Checks of arguments that public functions share.

A wrong value raises `ValueError` or `TypeError`, which names the argument, what came and what is wanted. A traced value
cannot be checked: the `result` of the run says what went wrong.
"""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array

from .arity import takes


def is_concrete(*values: Any) -> bool:
    """Whether none of the values is traced, so that Python can read them."""
    try:
        leaves = jax.tree.leaves(values)
    except (TypeError, ValueError):  # a dictionary with keys that cannot be sorted, which no transformation takes
        return True
    return not any(isinstance(leaf, Tracer) for leaf in leaves)


def check_on_host(function: str, **arguments: Any) -> None:
    """Raise `TypeError` for a traced argument of a function that runs on the host."""
    for name, value in arguments.items():
        if not is_concrete(value):
            raise TypeError(
                f"{name} must not be traced: {function} runs on the host. Call it outside jit, vmap and grad."
            )


def brief(value: Any) -> str:
    """The repr of what came, or the text of an exception, on one line of at most 80 characters."""
    line = " ".join((str(value) if isinstance(value, Exception) else repr(value)).split())
    return line if len(line) <= 80 else f"{line[:79]}…"


def no_array(value: Any, error: Exception | None = None) -> str:
    """The kind of what came in place of an array, with the way out if it holds one, as a `Series` does, or else the error."""
    kind = type(value).__name__
    if hasattr(getattr(value, "values", None), "shape"):
        return f"{kind}: give {kind.lower()}.values"
    if hasattr(getattr(value, "W_h", None), "shape"):
        return f"{kind}: give its W_h"
    return kind if error is None else f"{kind} ({brief(error)})"


def as_floats(name: str, value: Any, shape: tuple[int | str, ...] | None = None, complex: bool = False) -> Array:
    """Return `value` as an array of floating-point numbers, real unless `complex`.

    `shape` is the wanted shape: numbers, and letters for sizes that may be anything. A concrete array must be finite.
    """
    array = as_numbers(name, value)
    if not jnp.issubdtype(array.dtype, jnp.inexact if complex else jnp.floating):
        raise TypeError(
            f"{name} must hold {'' if complex else 'real '}floating-point numbers; got dtype {array.dtype}."
        )
    if shape is not None and (
        array.ndim != len(shape) or any(isinstance(n, int) and n != m for n, m in zip(shape, array.shape, strict=True))
    ):
        wanted = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
        raise ValueError(f"{name} must have shape {wanted}; got {array.shape}.")
    check_finite(name, array)
    return array


def as_numbers(name: str, value: Any, ndim: int | None = None) -> Array:
    """Return `value` as an array of floating-point numbers, real or complex and of `ndim` axes if given, NaN included."""
    if any(
        leaf is None or isinstance(leaf, str | bytes) for leaf in jax.tree.leaves(value, is_leaf=lambda v: v is None)
    ):
        # JAX would read None as NaN, and a string as the name of a type
        raise TypeError(f"{name} must be an array of numbers; got {no_array(value)}.")
    try:
        array = _as_array(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(f"{name} must be an array of numbers; got {no_array(value, error)}.") from None
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} {'axis' if ndim == 1 else 'axes'}; got shape {array.shape}.")
    return array.astype(jnp.result_type(float)) if _is_whole(array.dtype) else array


def _as_array(value: Any) -> Array:
    if type(value) is np.ndarray:
        return from_host(value)
    try:
        leaves = jax.tree.leaves(value, is_leaf=lambda leaf: leaf is None) if isinstance(value, list) else []
        if leaves and all(type(leaf) is float for leaf in leaves) and not _is_tracing():
            return from_host(np.asarray(value, float))
        return jnp.asarray(value)
    except OverflowError:  # a whole number that no integer of JAX's holds
        return jnp.asarray(np.asarray(value, np.float64))


_COMMON = {np.dtype(name) for name in ("bool", "int32", "int64", "float32", "float64", "complex64", "complex128")}


def from_host(array: np.ndarray) -> Array:
    """Return what `jnp.asarray` does. That compiles a program for each shape, in 15 ms, where the type is not said."""
    if array.dtype not in _COMMON or _is_tracing():
        return jnp.asarray(array)
    dtype = jax.dtypes.canonicalize_dtype(array.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        own = np.array(array, dtype)  # JAX may use the memory that it is given
    return jnp.asarray(own, dtype)


def _is_tracing() -> bool:
    """Return whether arrays that are made here are traced, as inside `jit`."""
    return isinstance(jnp.asarray(0.0), Tracer)


def _is_whole(dtype: Any) -> bool:
    return dtype.kind == "b" or jnp.issubdtype(dtype, jnp.integer)


def as_array(name: str, value: Any) -> np.ndarray:
    """Return `value` as NumPy's array of any type; `ValueError` for a ragged list."""
    try:
        return np.asarray(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be an array; got {no_array(value, error)}.") from None


def as_matrix(name: str, value: Any, complex: bool = False) -> Array:
    """Return `value` as a square matrix (N, N), N ≥ 1, checked as `as_floats` does."""
    array = as_floats(name, value, ("N", "N"), complex)
    if array.shape[0] != array.shape[1] or array.shape[0] == 0:
        raise ValueError(f"{name} must be a square matrix (N, N), such as a network's W_h; got {array.shape}.")
    return array


def in_single(array: Array) -> Array:
    """Return the array in float32 or wider: there is no linear algebra in half precision."""
    return array.astype(jnp.promote_types(array.dtype, jnp.float32))


def check_finite(name: str, array: Any) -> None:
    """`ValueError` for a concrete array with an entry that is not finite."""
    if is_concrete(array):
        bad = np.argwhere(~np.isfinite(np.asarray(array)))
        if len(bad):
            where = tuple(int(i) for i in bad[0])
            value = np.asarray(array)[where]
            raise ValueError(
                f"{name} must be finite; {len(bad)} of {np.size(array)} entries are not, the first at {where}: {value}."
            )


def check_callable(name: str, value: Any, signature: str) -> None:
    """Raise `TypeError` unless the value can be called; `signature` is the call for the text, with its arguments.

    Those in brackets, as in "loss(model, batch[, key])", the value may take or not.
    """
    arguments = signature[signature.index("(") + 1 : signature.index(")")]
    least, most = arguments.partition("[")[0].count(",") + 1, arguments.count(",") + 1
    fits = "**" in arguments or (callable(value) and any(takes(value, count) for count in range(least, most + 1)))
    if not callable(value) or not fits:
        raise TypeError(f"{name} must be a callable {signature}; got {brief(value)}.")


def progress_of(progress: Any) -> Callable[[str], Any]:
    """The argument `progress`, a function of a line of text; for `None` one that does nothing."""
    if progress is None:
        return lambda text: None
    check_callable("progress", progress, "progress(text)")
    return progress


def check_key(key: Any) -> None:
    """Raise `TypeError` unless the value is one random key of JAX, of either kind."""
    kind, shape = getattr(key, "dtype", None), getattr(key, "shape", ())
    typed = kind is not None and jnp.issubdtype(kind, jax.dtypes.prng_key) and shape == ()
    if not typed and not (kind == jnp.uint32 and len(shape) == 1):
        raise TypeError(f"key must be one JAX random key, such as jax.random.key(0); got {brief(key)}.")


def check_text(name: str, value: Any) -> None:
    """Raise `TypeError` unless the value is a text."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text; got {brief(value)}.")


def as_texts(name: str, value: Any) -> tuple[str, ...]:
    """Return a text, or several of them, as a tuple. `TypeError` for others."""
    try:
        texts: tuple[Any, ...] = (value,) if isinstance(value, str) else tuple(value)
    except TypeError:
        texts = (None,)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError(f"{name} must be a text or a list of texts; got {brief(value)}.")
    return texts


def check_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    """Raise `ValueError` unless the value is one of these texts."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}; got {brief(value)}.")


@contextlib.contextmanager
def about(name: str) -> Iterator[None]:
    """Begin the text of each `ValueError` and `TypeError` with the name of the argument that holds what is wrong."""
    try:
        yield
    except (ValueError, TypeError) as error:
        if type(error) not in (ValueError, TypeError):  # one of JAX's own kinds
            raise
        raise type(error)(f"{name}: {error}") from error


def check_flag(name: str, value: Any) -> None:
    """Raise `TypeError` unless the value is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False; got {brief(value)}.")


def check_solver(name: str, value: Any) -> None:
    """Raise `TypeError` unless the value is a solver of diffrax."""
    if not isinstance(value, diffrax.AbstractSolver):
        raise TypeError(f"{name} must be a diffrax solver, such as diffrax.Tsit5(); got {brief(value)}.")


def as_number(name: str, value: Any) -> float:
    """Return a real number, which must be concrete, as a Python float."""
    if not is_concrete(value):
        raise TypeError(f"{name} must be a Python number, known when the function is traced; got {brief(value)}.")
    if isinstance(value, str | bytes | bool | list | tuple) or np.ndim(value) != 0:
        raise TypeError(f"{name} must be a number; got {brief(value)}.")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{name} must be a number; got {brief(value)}.") from None


def as_step(name: str, value: Any) -> float:
    """Return a time step, which must be concrete, positive and finite, as a Python float."""
    step = as_number(name, value)
    if not (math.isfinite(step) and step > 0):
        raise ValueError(f"{name} must be positive and finite; got {step}.")
    limits = jnp.finfo(jnp.result_type(float))
    if not float(limits.tiny) <= step <= float(limits.max):
        raise ValueError(
            f"{name} must be from {limits.tiny:.2g} to {limits.max:.2g}, the range of {limits.dtype}; got {step}."
        )
    return step


def as_band(name: str, value: Any) -> float:
    """Return a frequency in cycles per step: from 0 to below 0.25, half the highest one that samples can show."""
    band = as_number(name, value)
    if not 0 <= band < 0.25:
        raise ValueError(f"{name} must be in cycles per step of the network, from 0 to below 0.25; got {band}.")
    return band


_MOST = 2**31 - 1  # what an index of JAX's holds


def check_count(name: str, value: Any, least: int = 1) -> None:
    """Raise `TypeError` or `ValueError` unless the value, such as an order, is a concrete whole number ≥ `least`, which an
    index can hold."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be a whole number, known when the function is traced; got {brief(value)}.")
    if value < least:
        raise ValueError(f"{name} must be at least {least}; got {value}.")
    if value > _MOST:
        raise ValueError(f"{name} must be at most {_MOST:,}; got {brief(value)}.")


def check_index(name: str, value: Any, least: int, most: int) -> None:
    """Raise `TypeError` unless the value is one whole number, which may be traced, and `ValueError` for a known one outside
    `least` to `most`."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole and not (isinstance(value, jax.Array | np.ndarray) and value.ndim == 0 and value.dtype.kind in "iu"):
        raise TypeError(f"{name} must be a whole number; got {brief(value)}.")
    if is_concrete(value) and not least <= value <= most:
        raise ValueError(f"{name} must be from {least} to {most}; got {brief(int(value))}.")


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: `1 input`, `2 inputs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def as_times(name: str, value: Any) -> Array:
    """Return times (n,), which must increase strictly. They are compared in their own type, which may be wider than JAX's."""
    ts = as_floats(name, value, ("n",))
    if ts.shape[0] == 0:
        raise ValueError(f"{name} must hold at least one time; it is empty.")
    if is_concrete(value):
        own = np.asarray(value)
        steps = np.diff(own)
        if np.any(steps <= 0):
            i = int(np.argmax(steps <= 0))
            kind = "a duplicate" if steps[i] == 0 else "out of order"
            raise ValueError(
                f"{name} must increase strictly; {name}[{i}] = {own[i]} and {name}[{i + 1}] = {own[i + 1]} are {kind}."
            )
    return ts
