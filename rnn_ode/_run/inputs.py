"""The inputs of a run."""

from typing import Any

from jaxtyping import Array, Float

from .._base.arity import takes
from .._base.checks import as_floats
from .._base.protocol import input_width
from .._base.types import Cell


def check_inputs(cell: Cell, xs: Any) -> Float[Array, "T ..."]:
    """Return inputs as a floating array, time first; `ValueError` unless they have the width that the cell tells."""
    xs = as_floats("xs", xs)
    if xs.ndim == 0 or xs.shape[0] == 0:
        raise ValueError(f"xs must be a sequence with at least one sample, time first: (T, D); got shape {xs.shape}.")
    check_width(cell, xs.shape)
    return xs


def check_width(owner: Any, shape: tuple[int, ...]) -> None:
    """`ValueError` unless inputs of this shape have the width that the cell or field tells."""
    width = input_width(owner)
    if width is not None and shape[1:] != (width,):
        hint = " For one input channel write xs[:, None]." if len(shape) == 1 and width == 1 else ""
        hint = hint or (" For a batch use jax.vmap over the first axis." if len(shape) == 3 else "")
        kind = "cell" if takes(owner, 2) else "field"
        raise ValueError(f"xs must have shape (T, {width}) for this {kind}; got {shape}.{hint}")
