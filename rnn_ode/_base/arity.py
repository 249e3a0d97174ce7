"""How many arguments a callable takes by position."""

import functools
import inspect
from types import FunctionType
from typing import Any


def takes(value: Any, count: int) -> bool:
    """Whether a callable takes so many arguments by position; True where that is not known, as of compiled functions."""
    if isinstance(value, FunctionType):
        return hasattr(value, "__wrapped__") or _accepts(value, count)
    call, with_itself = type(value).__call__, count + 1
    return not isinstance(call, FunctionType) or _wrapped_accepts(call, with_itself)


@functools.lru_cache(maxsize=256)
def _wrapped_accepts(call: FunctionType, count: int) -> bool:
    """`_accepts` of the function that decorators have wrapped, as Equinox does with methods."""
    return _accepts(inspect.unwrap(call), count)  # pyright: ignore[reportArgumentType]


def _accepts(function: FunctionType, count: int) -> bool:
    code = function.__code__
    needed = code.co_argcount - len(function.__defaults__ or ())
    return needed <= count and (count <= code.co_argcount or bool(code.co_flags & inspect.CO_VARARGS))
