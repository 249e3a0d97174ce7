"""The m-th iterate of a map as a map: its fixed points are the orbits of period m."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._base.checks import from_host
from .._base.compiled import compiled
from .._systems.base import AbstractSystem
from .._systems.time import Discrete
from .branches_curve import Curve
from .branches_points import Point
from .orbits_clock import samples_of


class Iterated(AbstractSystem):
    """`count` steps of a map, under samples that repeat."""

    map: AbstractSystem
    count: int = eqx.field(static=True)

    @property
    def time(self) -> Discrete:
        return Discrete(self.count * self.map.stepper().length)

    @property
    def owner(self) -> Any:
        return self.map.owner

    def rule(self, h: Float[Array, " N"]) -> Float[Array, " N"]:
        return self.states(h)[1]

    def states(self, h: Float[Array, " N"]) -> tuple[Float[Array, "m N"], Float[Array, " N"]]:
        """Returns the states of the orbit from h on, and the one after them."""
        samples, number = samples_of(self.map), jnp.arange(self.count)
        advance = self.map.stepper().advance
        after, rows = jax.lax.scan(lambda h, k: (advance(k, h), h), h, number if samples is None else number % samples)
        return rows, after


class MakeIterated(eqx.Module):
    """A `make_system` of iterates: a module, so that what is compiled for it is kept."""

    make_system: Callable[[Array], AbstractSystem]
    count: int = eqx.field(static=True)

    def __call__(self, p: Array) -> Iterated:
        return Iterated(self.make_system(p), self.count)  # pyright: ignore


@compiled
def states_of(make_system: MakeIterated, z: Float[Array, "k M"]) -> Float[Array, "k m N"]:
    """Returns the orbits that begin at states with their parameters, z = (h, p)."""
    return jax.lax.map(lambda z: make_system(z[-1]).states(z[:-1])[0], z)


class IteratedCurve(Curve):
    """The curve of orbits of a map, as fixed points of its iterates."""

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        # where an orbit is born, the iterate's fixed points are less exact
        self.near = self.eps**0.25

    def born_at(self, at: Point) -> dict[str, complex]:
        rows, _ = self.shown([at])
        count = rows.shape[1]
        apart = np.max(np.abs(rows[0] - np.roll(rows[0], count // 2, axis=0)))
        return {"flip": -1.0 + 0j} if count % 2 == 0 and apart <= 4 * self.near * self.small else {}

    @classmethod
    def of(cls, make_system: Any, system: AbstractSystem, count: int, ends: tuple[float, float], dtype: Any):
        return cls(MakeIterated(make_system, count), Iterated(system, count), ends, dtype)  # pyright: ignore

    def shown(self, points: Sequence[Point]) -> tuple[np.ndarray, np.ndarray | None]:
        z = np.stack([point.z for point in points])
        states = np.asarray(states_of(self.make_system, from_host(z)))
        return states, np.full(len(z), self.system.time.dt, states.dtype)  # pyright: ignore
