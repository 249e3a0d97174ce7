"""The regions of the complex plane in which eigenvalues are stable: the unit disc of a map, the left half-plane of a flow.

A point of the plane is given by its place on the boundary and its distance from it.
"""

import abc
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Inexact


class Frame(NamedTuple):
    """The directions at a point: `outward`, of length 1, away from the region; along the boundary, by `pace` per unit of
    place; and the `curvature` of that motion."""

    outward: Complex[Array, "..."]
    pace: Float[Array, "..."]
    curvature: Float[Array, "..."]


class AbstractRegion(eqx.Module):
    """A region of stability."""

    @abc.abstractmethod
    def point(self, place: Float[Array, "..."], distance: Float[Array, "..."]) -> Complex[Array, "..."]:
        """Returns the point opposite a place on the boundary, outside of the region where `distance` is positive."""

    @abc.abstractmethod
    def position(self, z: Inexact[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Returns the place and the distance of a point: the inverse of `point`."""

    @abc.abstractmethod
    def frame(self, place: Float[Array, "..."], distance: Float[Array, "..."]) -> Frame:
        """Returns the directions at a point."""


class UnitDisc(AbstractRegion):
    """|z| < 1. The place is the angle θ: z = (1 + distance) e^{iθ}."""

    def point(self, place: Float[Array, "..."], distance: Float[Array, "..."]) -> Complex[Array, "..."]:
        return (1 + distance) * jnp.exp(1j * place)

    def position(self, z: Inexact[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        return jnp.angle(z), jnp.abs(z) - 1

    def frame(self, place: Float[Array, "..."], distance: Float[Array, "..."]) -> Frame:
        return Frame(jnp.exp(1j * place), 1 + distance, 1 / (1 + distance))


class HalfPlane(AbstractRegion):
    """Re z < 0. The place is the frequency ω: z = distance + iω."""

    def point(self, place: Float[Array, "..."], distance: Float[Array, "..."]) -> Complex[Array, "..."]:
        return distance + 1j * place

    def position(self, z: Inexact[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        return jnp.imag(z), jnp.real(z)

    def frame(self, place: Float[Array, "..."], distance: Float[Array, "..."]) -> Frame:
        one = jnp.ones_like(place)
        return Frame(one + 0j, one, jnp.zeros_like(place))
