"""Inputs of maps and flows, as paths."""

from typing import Any

from .._base.checks import as_floats
from .._base.protocol import input_width
from .._paths.base import AbstractPath, Constant
from .._paths.held import Hold


def as_input(owner: Any, x: Any, dt: float) -> Any:
    """Returns an input as a path, after a check that it has the width which the cell or field declares."""
    width = input_width(owner)
    if not (x is None or callable(x)):
        x = as_floats("x", x)
        x = Constant(x) if x.ndim < 2 else Hold(x, dt)
    shape = x.x.shape if isinstance(x, Constant) else x.xs.shape[1:] if isinstance(x, AbstractPath) else None
    if width is not None and (x is None or shape not in (None, (width,))):
        came = "None" if x is None else f"one of shape {shape}"
        many = f" in each of {x.xs.shape[0]} samples" if isinstance(x, AbstractPath) else ""
        raise ValueError(
            f"x must be an input of shape ({width},) for this {type(owner).__name__}, or samples (T, {width}); "
            f"got {came}{many}."
        )
    return x
