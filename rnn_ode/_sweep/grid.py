"""The members of a sweep: a grid of parameters, or a list of them, cut into chunks.

A chunk is a box of the grid. It keeps the last axes whole as far as its number of members allows, and cuts the one before
them. Which chunks there are depends on the axes and on the wanted number alone, not on devices or processes.
"""

import dataclasses
import hashlib
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from .._base.checks import brief, check_finite

MEMBER = "member"
"""The name of the only axis of a list."""

Chunk = tuple[int, ...]
"""The place of a chunk among the chunks, by axis."""


@dataclasses.dataclass(frozen=True)
class Grid:
    """The names and lengths of the axes, and the values of each parameter with the number of the axis that it belongs to."""

    names: tuple[str, ...]
    shape: tuple[int, ...]
    parameters: dict[str, tuple[int, np.ndarray]]

    @property
    def size(self) -> int:
        """The number of members."""
        return math.prod(self.shape)

    def box(self, most: int, alone: Sequence[str] = ()) -> tuple[int, ...]:
        """The shape of a chunk of at most so many members. Along the axes named `alone` it has one value."""
        lengths = []
        for name, length in zip(reversed(self.names), reversed(self.shape), strict=True):
            lengths.append(1 if name in alone else min(length, max(1, most)))
            most //= lengths[-1]
            if lengths[-1] < length and name not in alone:
                most = 1
        return tuple(reversed(lengths))

    def chunks(self, box: tuple[int, ...]) -> list[Chunk]:
        """All chunks, in the order of their members."""
        counts = [math.ceil(n / m) for n, m in zip(self.shape, box, strict=True)]
        return list(itertools.product(*map(range, counts)))

    def region(self, chunk: Chunk, box: tuple[int, ...]) -> tuple[slice, ...]:
        """The part of the grid that a chunk covers."""
        ends = zip(chunk, box, self.shape, strict=True)
        return tuple(slice(i * m, min((i + 1) * m, n)) for i, m, n in ends)

    def values(self, region: tuple[slice, ...]) -> dict[str, np.ndarray]:
        """The parameters of the members of a region, each as an array with one axis."""
        index = np.indices([part.stop - part.start for part in region]).reshape(len(region), -1)
        return {name: values[region[axis]][index[axis]] for name, (axis, values) in self.parameters.items()}

    def described(self) -> dict[str, str]:
        """What identifies each parameter: its values in short, and a fingerprint of all of them."""
        return {name: _in_short(values) for name, (_, values) in self.parameters.items()}


def as_grid(axes: Any) -> Grid:
    """The grid of a mapping of names to values, or of a sequence of mappings, one for each member.

    **Raises:** `TypeError` or `ValueError` for anything else, for no members, and for values that are not finite numbers.
    """
    if isinstance(axes, Mapping):
        found = {name: _numbers(f"axes[{name!r}]", values) for name, values in axes.items()}
        names, shape = tuple(map(str, found)), tuple(map(len, found.values()))
        parameters = {name: (k, values) for k, (name, values) in enumerate(found.items())}
    elif isinstance(axes, Sequence) and not isinstance(axes, str) and all(isinstance(one, Mapping) for one in axes):
        first = dict(axes[0]) if axes else {}
        for k, one in enumerate(axes):
            if one.keys() != first.keys():
                raise ValueError(
                    f"axes, as a list, must name the same parameters for every member; axes[0] names {', '.join(first)} "
                    f"and axes[{k}] {', '.join(map(str, one))}."
                )
        found = {name: _numbers(f"{name!r} of axes", [one[name] for one in axes]) for name in first}
        names, shape = (MEMBER,), (len(axes),)
        parameters = {name: (0, values) for name, values in found.items()}
        if MEMBER in parameters:
            raise ValueError(f"axes, as a list, must not name a parameter {MEMBER!r}: that is the name of its axis.")
    else:
        raise TypeError(
            "axes must be a dictionary of values by name, {'gain': [0.5, 1.0], 'seed': range(10)}, or a list of "
            f"dictionaries, one for each member, as frame.to_dict('records') makes it of a table; got {brief(axes)}."
        )
    for name in parameters:
        if not (isinstance(name, str) and name.isidentifier()):
            raise ValueError(f"axes must be named as the arguments of f are, by identifiers; got {name!r}.")
    if not parameters:
        raise ValueError("axes must name at least one parameter; they are empty.")
    return Grid(names, shape, parameters)


def in_jax(name: str, values: np.ndarray) -> np.ndarray:
    """The values in the type in which JAX computes; `ValueError` for whole numbers that do not fit it."""
    fitting = values.astype(jax.dtypes.canonicalize_dtype(values.dtype))
    if values.dtype.kind in "iu" and (fitting != values).any():
        raise ValueError(
            f"axes[{name!r}] must fit {fitting.dtype}; got {values[fitting != values][0]}. "
            'Larger ones need jax.config.update("jax_enable_x64", True).'
        )
    return fitting


def _numbers(name: str, values: Any) -> np.ndarray:
    """The values of a parameter (n,), n ≥ 1, after checks."""
    try:
        array = np.asarray(list(values) if isinstance(values, range) else values)
    except (TypeError, ValueError):  # random keys, and lists of different lengths
        array = np.array(None)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{name} must be numbers; got {brief(values)}. In place of random keys give seeds, and call jax.random.key(seed) "
            "in f; in place of names call sweep once for each."
        )
    if array.ndim != 1 or not len(array):
        raise ValueError(f"{name} must have shape (n,) with n of at least 1; got {array.shape}.")
    check_finite(name, array)
    return array


def _in_short(values: np.ndarray) -> str:
    digest = hashlib.sha256(values.tobytes()).hexdigest()[:16]
    return f"{len(values)} values from {values[0]} to {values[-1]} ({values.dtype}, fingerprint {digest})"
