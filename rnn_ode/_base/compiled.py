"""Compiling what works on a user's functions.

JAX compiles a function that is given once, and reads once what that function finds outside itself: `W` in
`lambda x, h: jnp.tanh(W @ h)`. In a notebook such names are bound again, and the compiled program would go on with the old
values, without a word. `compiled` is `equinox.filter_jit` that compiles anew where they have changed.
"""

import dataclasses
import dis
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, TypeVar

import equinox as eqx
import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import ArrayLike, Bool

from .checks import is_concrete
from .memory import memory_error

_F = TypeVar("_F", bound=Callable[..., Any])
_T = TypeVar("_T")


def compiled(function: _F) -> _F:
    """Return the function compiled by `equinox.filter_jit`.

    It is compiled anew where a Python function among its arguments reads other values than before from globals or enclosing
    functions. What is written into lists and into objects that are not modules of Equinox is not seen."""

    def run(read: Read | None, args: Any, kwargs: Any) -> Any:
        return function(*args, **kwargs)

    run.__name__ = run.__qualname__ = function.__name__
    jitted = eqx.filter_jit(run)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return jitted(read_by((args, kwargs)), args, kwargs)
        except jax.errors.JaxRuntimeError as error:
            if (told := memory_error(error)) is None:
                raise
            raise told from None
        except TypeError as error:
            name = _without_numbers(inspect.signature(function).bind(*args, **kwargs).arguments)
            if name is None:
                raise
            raise TypeError(f"{name} must hold numbers; JAX has no arrays of text, dates or objects.") from error

    return call  # pyright: ignore[reportReturnType]


def cond(is_true: Bool[ArrayLike, ""], then: Callable[..., _T], otherwise: Callable[..., _T], *arguments: Any) -> _T:
    """Return what `jax.lax.cond` does. If the condition is known only the branch that it takes is compiled and run."""
    if is_concrete(is_true):
        return (then if bool(is_true) else otherwise)(*arguments)
    return jax.lax.cond(is_true, then, otherwise, *arguments)


def _without_numbers(arguments: Mapping[str, Any]) -> str | None:
    """The name of the first argument with an array of a type that JAX does not have."""
    for name, value in arguments.items():
        if any(isinstance(leaf, np.ndarray) and leaf.dtype.kind not in "biufcV" for leaf in jax.tree.leaves(value)):
            return name
    return None


@dataclasses.dataclass(frozen=True)
class Read:
    """What functions read from outside, as JAX compares it from call to call."""

    values: tuple[Any, ...]


class _Same:
    """An object that equals only itself."""

    def __init__(self, value: Any):
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def read_by(value: Any) -> Read | None:
    """Return what the Python functions in a value read from outside; `None` if that is nothing."""
    seen: dict[int, FunctionType] = {}
    values = tuple(key for function in _functions(value) for key in _outside(function, seen))
    return Read(values) if values else None


def _functions(value: Any) -> Iterator[FunctionType]:
    """The Python functions in nested containers and modules of Equinox."""
    if isinstance(value, FunctionType):
        yield value
    elif isinstance(value, MethodType):
        yield from _functions((value.__func__, value.__self__))
    elif isinstance(value, functools.partial):
        yield from _functions((value.func, value.args, value.keywords))
    else:
        for part in _parts(value):
            yield from _functions(part)


def _parts(value: Any) -> tuple[Any, ...]:
    """What a container or a module of Equinox holds."""
    if isinstance(value, eqx.Module):
        return tuple(vars(value).values())
    if isinstance(value, dict):
        return tuple(value.values())
    return tuple(value) if isinstance(value, tuple | list) else ()


def _outside(function: FunctionType, seen: dict[int, FunctionType]) -> Iterator[Any]:
    """Keys of the values that a function reads from outside, also by functions of the same file that it calls."""
    if id(function) in seen:
        return
    seen[id(function)] = function
    code = function.__code__
    cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
    values = [function.__globals__[name] for name in _names(code) if name in function.__globals__]
    values += [cells[name].cell_contents for name in cells if name not in _written(code) and _has_value(cells[name])]
    for value in values:
        if isinstance(value, FunctionType) and value.__globals__ is function.__globals__:
            yield from _outside(value, seen)
        elif not (callable(value) or isinstance(value, ModuleType | Tracer)) or isinstance(value, eqx.Module):
            yield _key(value)


@functools.lru_cache(maxsize=1024)
def _names(code: CodeType) -> tuple[str, ...]:
    """The names of globals that code may read and does not write, those of inner functions included."""
    inner = (name for part in code.co_consts if isinstance(part, CodeType) for name in _names(part))
    return tuple(dict.fromkeys(name for name in (*code.co_names, *inner) if name not in _written(code)))


@functools.lru_cache(maxsize=1024)
def _written(code: CodeType) -> frozenset[str]:
    """The globals and variables of enclosing functions that code writes, such as a count of its calls."""
    return frozenset(
        step.argval for step in dis.get_instructions(code) if step.opname in ("STORE_GLOBAL", "STORE_DEREF")
    )


def _has_value(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _key(value: Any) -> Any:
    """A value as a key: numbers, arrays of NumPy, dictionaries, tuples and modules by what they hold, others by identity
    (a list too, since functions note in lists what they did)."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.dtype.str, value.shape, value.tobytes()
    if value is None or isinstance(value, bool | int | float | complex | str | np.generic):
        return type(value), repr(value)
    if isinstance(value, eqx.Module | dict | tuple):
        return type(value), tuple(_key(part) for part in _parts(value))
    return _Same(value)
