"""Checks of cells, fields and activations: whether they take the arguments of one, and the way out where they do not."""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array

from .arity import takes
from .checks import brief

_CELL = ("cell(x, h)", 2)
_FIELD = ("field(t, h, path)", 3)


def check_cell(name: str, value: Any) -> None:
    """Raise `TypeError` unless the value can be called as a cell, `cell(x, h)`."""
    _check(name, value, *_CELL)


def check_field(name: str, value: Any) -> None:
    """Raise `TypeError` unless the value can be called as a field, `field(t, h, path)`."""
    _check(name, value, *_FIELD)


def activated(activation: Callable[[Array], Array] | None, z: Array) -> Array:
    """f(z), or z without f. `TypeError` for an f that NumPy evaluates, where JAX compiles or differentiates it."""
    try:
        return z if activation is None else activation(z)
    except jax.errors.TracerArrayConversionError:
        name = getattr(activation, "__name__", "")
        other = f"jnp.{name} in place of np.{name}" if hasattr(jax.numpy, name) else "jnp.tanh in place of np.tanh"
        raise TypeError(
            f"activation must be a function of JAX's arrays; got {brief(activation)}, which NumPy evaluates. Give "
            f"functions of jax.numpy, such as {other}."
        ) from None


def _check(name: str, value: Any, call: str, count: int) -> None:
    if not callable(value) or hasattr(value, "runner") or _of_torch(type(value)) or not takes(value, count):
        raise TypeError(f"{name} must be a callable {call}; got {brief(value)}.{_way_out(value, count)}")


def _way_out(value: Any, count: int) -> str:
    """What to give instead, where that is known."""
    if _of_torch(type(value)):
        return " rnn_ode.interop.from_torch(module) makes a cell of a module of PyTorch."
    for part in ("cell", "field"):
        if hasattr(value, part) and hasattr(value, "output"):
            return f" Give its .{part}."
        if hasattr(getattr(value, "runner", None), part):
            return f" Give its .runner.{part}."
    if count == 2 and callable(value) and takes(value, 3):
        return " It takes (t, h, path), as a field does: use integrate, Flow or to_rnn."
    if count == 3 and callable(value) and takes(value, 2):
        return " It takes (x, h), as a cell does: use iterate, Map or to_ode."
    return ""


@functools.lru_cache(maxsize=256)
def _of_torch(kind: type) -> bool:
    """Whether a class is PyTorch's, or made of one of them."""
    return any(base.__module__.partition(".")[0] == "torch" for base in kind.__mro__)
