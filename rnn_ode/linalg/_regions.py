"""The regions of the complex plane in which eigenvalues are stable: the unit disc of a map, the left half-plane of a flow.

A point of the plane is given by its place on the boundary and its distance from it.
"""

import abc

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Inexact


class AbstractRegion(eqx.Module):
    """A region of stability."""

    @abc.abstractmethod
    def point(self, place: Float[Array, "..."], distance: Float[Array, "..."]) -> Complex[Array, "..."]:
        """Returns the point opposite a place on the boundary, outside of the region where `distance` is positive."""

    @abc.abstractmethod
    def position(self, z: Inexact[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Returns the place and the distance of a point: the inverse of `point`."""


class UnitDisc(AbstractRegion):
    """|z| < 1. The place is the angle θ: z = (1 + distance) e^{iθ}."""

    def point(self, place: Float[Array, "..."], distance: Float[Array, "..."]) -> Complex[Array, "..."]:
        return (1 + distance) * jnp.exp(1j * place)

    def position(self, z: Inexact[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        return jnp.angle(z), jnp.abs(z) - 1


class HalfPlane(AbstractRegion):
    """Re z < 0. The place is the frequency ω: z = distance + iω."""

    def point(self, place: Float[Array, "..."], distance: Float[Array, "..."]) -> Complex[Array, "..."]:
        return distance + 1j * place

    def position(self, z: Inexact[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        return jnp.imag(z), jnp.real(z)
