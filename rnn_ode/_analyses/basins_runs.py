"""The compiled part of `basins`: many states carried on at once, and their distances from the points of an attractor."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._base.checks import from_host
from .._base.compiled import compiled
from .._systems.base import AbstractSystem
from .steps import Step

_TOGETHER = 512  # states whose distances from all points are in memory at a time


def carried(
    system: AbstractSystem, states: Float[np.ndarray, "c N"], parts: Any, lead: int, gap: int, count: int
) -> Float[np.ndarray, "s c N"]:
    """Returns `count` samples of the runs of c states, `gap` steps apart, the first of them `lead` + `gap` steps after the
    start. A state that is not finite stays as it is."""
    # as arrays, since numbers would be compiled into the program
    return np.asarray(_carried(system, from_host(states), parts, np.asarray(lead), np.asarray(gap), count))


@compiled
def _carried(
    system: AbstractSystem, states: Float[Array, "c N"], parts: Any, lead: Any, gap: Any, count: int
) -> Float[Array, "s c N"]:
    stepper = Step(None, parts).stepper(system, None)

    def step(h):
        alive = jnp.all(jnp.isfinite(h))
        # LAPACK may not return from a matrix with a NaN
        return jnp.where(alive, stepper.advance(jnp.zeros((), int), jnp.where(alive, h, 0)), h)

    def carry_on(states, steps):
        return jax.lax.fori_loop(0, steps, lambda _, rows: jax.vmap(step)(rows), states)

    def sample(states, _):
        states = carry_on(states, gap)
        return states, states

    return jax.lax.scan(sample, carry_on(states, lead), length=count)[1]


def distances(
    samples: Float[np.ndarray, "s c N"], points: Float[np.ndarray, "m N"], units: Float[np.ndarray, " N"]
) -> Float[np.ndarray, "s c"]:
    """Returns the distance of each sample from the nearest of the points, with coordinates in those units. The error is at
    most some √u of the size of the points' cloud, u the unit roundoff."""
    return np.asarray(_distances(*map(from_host, (samples, points, units))))


@compiled
def _distances(
    samples: Float[Array, "s c N"], points: Float[Array, "m N"], units: Float[Array, " N"]
) -> Float[Array, "s c"]:
    centre = jnp.mean(points, axis=0)
    cloud = (points - centre[None]) / units[None]
    sizes = jnp.sum(cloud**2, axis=1)

    def nearest(h):
        at = (h - centre) / units
        products = jnp.matmul(cloud, at, precision="highest")
        return jnp.sqrt(jnp.maximum(jnp.min(sizes - 2 * products) + jnp.sum(at**2), 0))

    rows = samples.reshape(-1, samples.shape[-1])
    return jax.lax.map(nearest, rows, batch_size=_TOGETHER).reshape(samples.shape[:-1])
