"""How a user names columns of a csv file: by their names in its header, or by their numbers from 0."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from .._base.checks import brief
from ._series import PathLike

Column = str | int


def as_columns(argument: str, value: Any) -> list[Column]:
    """Return one column, or several of them, as a list of names and numbers. `TypeError` for others."""
    several = isinstance(value, Iterable) and not isinstance(value, str | bytes)
    return [as_column(argument, one) for one in (value if several else [value])]


def as_column(argument: str, value: Any) -> Column:
    """Return the name or the number of a column. `TypeError` for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | np.integer):
        raise TypeError(f"{argument} must be the name of a column, or its number from 0; got {brief(value)}.")
    return value if isinstance(value, str) else int(value)


def index_of(path: PathLike, header: list[str], name: Column, argument: str) -> int:
    """The index of the column that an argument names."""
    if not isinstance(name, str):
        index = int(name)
    elif header.count(name) > 1:
        raise ValueError(
            f"{path}: the header has column {name!r} more than once; give {argument} its number from 0 instead."
        )
    elif name in header:
        index = header.index(name)
    else:
        index = int(name) if name.isdecimal() and len(name) < 10 else -1
    if not 0 <= index < len(header):
        raise ValueError(f"{path}: {argument} {brief(name)}: there is no such column. {_existing(header)}")
    return index


def _existing(header: list[str]) -> str:
    """Say which columns exist. The columns of a file without a header are named by their numbers."""
    last, named = len(header) - 1, header != [str(i) for i in range(len(header))]
    names = ", ".join(map(repr, header))
    if last == 0:
        return f"There is only one column, {names} (number 0)." if named else "There is only one column, number 0."
    if named:
        return f"There are the columns {names}; or give a number from 0 to {last}."
    return f"The columns have no names; give a number from 0 to {last}."
