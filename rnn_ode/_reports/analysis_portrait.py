"""What the phase portraits of an analysis need: their plane, how far to draw them, and the nullclines."""

from collections.abc import Iterable

import jax.numpy as jnp
import numpy as np

from .._analyses.fixed_points import FixedPoints
from .._base.states import principal_plane
from .._systems.base import AbstractSystem
from .analysis_points import residuals
from .analysis_questions import moderate

_GRID = 121  # points a side


def plane_of(orbit: np.ndarray, found: FixedPoints | None) -> tuple[np.ndarray, np.ndarray]:
    """The `principal_plane` of the network's run and of its fixed points, which count alike: a run may end in one point."""
    rows = moderate(orbit)
    if found is not None and int(found.count):
        points = np.asarray(found.points)[: int(found.count)]
        rows = np.concatenate([rows, np.resize(moderate(points), rows.shape)])
    return principal_plane(rows)


def grid_of(orbit: np.ndarray, found: Iterable[FixedPoints | None], centre: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """The coordinates (m,) of the portraits, which hold the network's run, its fixed points, and those of the flow within a
    few times of these. `found` are the network's points and the flow's."""
    reach = float(np.quantile(np.abs((moderate(orbit) - centre) @ axes.T), 0.99)) or 1.0
    most = np.inf
    for points in found:
        if points is not None:
            plane = (np.asarray(points.points)[np.asarray(points.converged)] - centre) @ axes.T
            far = np.abs(moderate(plane)).max(axis=1)
            reach = max(reach, *far[far < most], 0.0)
        most = 5 * reach
    return np.linspace(-1.15 * reach, 1.15 * reach, _GRID)


def nullclines_of(system: AbstractSystem | None, size: int, grid: np.ndarray) -> np.ndarray | None:
    """The residual (2, m, m) of a system of two units on the grid; `None` for another size."""
    if system is None or size != 2:
        return None
    plane = jnp.stack(jnp.meshgrid(jnp.asarray(grid), jnp.asarray(grid)), axis=-1).reshape(-1, 2)
    values = np.asarray(residuals(system, plane))
    return np.moveaxis(values.reshape(len(grid), len(grid), 2), -1, 0)
