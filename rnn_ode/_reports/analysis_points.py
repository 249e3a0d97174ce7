"""The fixed points of a network and of its flow, set beside each other."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._analyses.fixed_points import FixedPoints, fixed_points
from .._base.compiled import compiled
from .._systems.base import AbstractSystem


def with_shared(
    own: FixedPoints | None, system: AbstractSystem | None, theirs: FixedPoints | None
) -> FixedPoints | None:
    """A system's own fixed points, with those of another system that it also has and its own guesses did not reach."""
    if own is None or system is None or theirs is None:
        return own
    found = np.asarray(own.points)[np.asarray(own.converged)]
    shared = np.asarray(theirs.points)[np.asarray(theirs.converged & ~theirs.absent_from(system))]
    distances = np.linalg.norm(shared[:, None] - found[None], axis=2).min(axis=1, initial=np.inf)
    new = shared[distances > np.finfo(shared.dtype).eps ** 0.5 * float(own.size)]
    if not len(new):
        return own
    rows = np.concatenate([found, new])
    # as many rows as there were guesses, so that the compiled search is used again
    padding = np.repeat(rows[:1], max(len(own.points) - len(rows), 0), axis=0)
    return fixed_points(system, np.concatenate([rows, padding]))


def added_and_undefined(points: FixedPoints | None, other: AbstractSystem | None) -> tuple[np.ndarray, np.ndarray]:
    """Which fixed points (n,) another system does not have, and at which of them it does not exist."""
    if points is None or other is None:
        none = np.zeros(0 if points is None else len(points.points), bool)
        return none, none
    states = jnp.where(points.converged[:, None], points.points, 0)
    undefined = np.asarray(points.converged & ~jnp.isfinite(residuals(other, states)).all(axis=1))
    return np.asarray(points.absent_from(other)) & ~undefined, undefined


@compiled
def residuals(system: AbstractSystem, states: Float[Array, "n N"]) -> Float[Array, "n N"]:
    """The residuals of a system at states: zero at its fixed points."""
    return jax.lax.map(system.residual, states)
