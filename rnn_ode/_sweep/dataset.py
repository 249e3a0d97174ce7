"""The results of a sweep as an `xarray.Dataset`: in memory, gathered from all processes, or read from a store."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from .grid import Chunk, Grid
from .outputs import Output
from .plan import Plan
from .program import Found

if TYPE_CHECKING:
    import xarray


def gathered(plan: Plan, computed: Iterable[tuple[Chunk, Found]]) -> "xarray.Dataset":
    """The data set of the chunks that this process computes and of those of all others."""
    import xarray

    grid = plan.grid
    arrays = {one.name: np.full(grid.shape + one.shape, one.missing, one.dtype) for one in plan.outputs}
    for chunk, found in computed:
        region = grid.region(chunk, plan.box)
        for name, array in arrays.items():
            array[region] = found[name].reshape(array[region].shape)
    if jax.process_count() > 1:
        _exchange(plan, arrays)
    coordinates = {name: ((grid.names[axis],), values) for name, (axis, values) in grid.parameters.items()}
    variables = {one.name: (grid.names + one.axes, arrays[one.name], one.attributes) for one in plan.outputs}
    return _with_words(xarray.Dataset(variables, coordinates), plan.outputs)


def opened(path: Path, grid: Grid, outputs: Sequence[Output]) -> "xarray.Dataset":
    """The data set in a store. Numbers are read when they are needed."""
    import xarray

    found = xarray.open_zarr(path, consolidated=False, chunks=None, decode_cf=False)
    found = found.set_coords(list(grid.parameters)).drop_attrs(deep=False)
    return _with_words(found[[*(one.name for one in outputs)]], outputs)


def _with_words(data: "xarray.Dataset", outputs: Sequence[Output]) -> "xarray.Dataset":
    """The data set with the meanings of codes in their place."""
    for one in outputs:
        if one.meanings:
            variable = data[one.name].variable
            codes, place = np.unique(variable.values, return_inverse=True)
            words = np.array([one.meanings.get(int(code), str(code)) for code in codes], object)
            data = data.assign({one.name: (variable.dims, words[place.reshape(variable.shape)])})
    return data


def _exchange(plan: Plan, arrays: dict[str, np.ndarray]) -> None:
    """Fill in the chunks of the other processes, and give them ours. All processes call this together."""
    from jax.experimental.multihost_utils import process_allgather

    count, regions = jax.process_count(), [plan.grid.region(chunk, plan.box) for chunk in plan.grid.chunks(plan.box)]
    for array in arrays.values():
        own = np.zeros((math.ceil(len(regions) / count), *plan.box, *array.shape[len(plan.box) :]), array.dtype)
        for rows, region in zip(own, regions[jax.process_index() :: count], strict=False):
            part = array[region]
            rows[_corner(part)] = part
        every: Any = process_allgather(own)
        for k, region in enumerate(regions):
            part = array[region]
            array[region] = every[k % count, k // count][_corner(part)]


def _corner(part: np.ndarray) -> tuple[slice, ...]:
    """Where a part that may be smaller than a chunk is in the chunk."""
    return tuple(slice(length) for length in part.shape)
