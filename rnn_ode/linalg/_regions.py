"""The regions of the complex plane in which eigenvalues are stable: the unit disc of a map, the left half-plane of a flow.

A point of the plane is given by its place on the boundary and its distance from it.
"""

import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Complex, Float, Inexact

from .._base.types import AnyArray
from ._solve import solve


class Frame(NamedTuple):
    """The directions at a point: `outward`, of length 1, away from the region; along the boundary, by `pace` per unit of
    place; and the `curvature` of that motion."""

    outward: Complex[Array, "..."]
    pace: Float[Array, "..."]
    curvature: Float[Array, "..."]


class Reading(NamedTuple):
    """What says how fast a mode with the eigenvalue z grows: the real part of `exponent(z)`, elementwise. `contour(z, s)` is
    a point near z at which it is s; `pole` is the point where the exponent is infinite, or `None`. `with_slope(z)` is the
    exponent and its derivative at an array of NumPy; if it is given `contour` takes such arrays too."""

    exponent: Callable[[Array], Array]
    contour: Callable[[Any, Any], Any]
    pole: float | None = None
    with_slope: Callable[[Any], tuple[Any, Any]] | None = None


class AbstractRegion(eqx.Module):
    """A region of stability."""

    @property
    @abc.abstractmethod
    def reading(self) -> Reading:
        """Returns how an eigenvalue is read as an exponent, whose real part is negative in the region."""

    @abc.abstractmethod
    def point(self, place: Float[Array, "..."], distance: Float[Array, "..."]) -> Complex[Array, "..."]:
        """Returns the point opposite a place on the boundary, outside of the region where `distance` is positive."""

    @abc.abstractmethod
    def position(self, z: Any, xp: Any = jnp) -> tuple[Any, Any]:
        """Returns the place and the distance of points (…), by NumPy or its counterpart in JAX: the inverse of `point`."""

    @abc.abstractmethod
    def extent(self, z: Any) -> Any:
        """Returns what is larger for the eigenvalue that grows faster: |z|, or Re z. Arrays of NumPy or JAX."""

    @abc.abstractmethod
    def frame(self, place: Float[Array, "..."], distance: Float[Array, "..."]) -> Frame:
        """Returns the directions at a point."""

    @abc.abstractmethod
    def crossing(self, A: Float[Array, "N N"], level: Float[Array, ""]) -> tuple[Array, Callable[[Array], Array]]:
        """Returns a matrix (2N, 2N) and a function of its eigenvalues. Those of the values that lie on the boundary are the
        points z of the boundary at which `level` is a singular value of z − A."""


class UnitDisc(AbstractRegion):
    """|z| < 1. The place is the angle θ: z = (1 + distance) e^{iθ}. The exponent is log z."""

    @property
    def reading(self) -> Reading:
        return Reading(logarithm, _on_circle, with_slope=_host_logarithm)

    def point(self, place: Float[Array, "..."], distance: Float[Array, "..."]) -> Complex[Array, "..."]:
        return (1 + distance) * _turn(place)

    def position(self, z: Any, xp: Any = jnp) -> tuple[Any, Any]:
        return xp.angle(z), xp.abs(z) - 1

    def extent(self, z: Any) -> Any:
        return abs(z)

    def frame(self, place: Float[Array, "..."], distance: Float[Array, "..."]) -> Frame:
        return Frame(_turn(place), 1 + distance, 1 / (1 + distance))

    def crossing(self, A: Float[Array, "N N"], level: Float[Array, ""]) -> tuple[Array, Callable[[Array], Array]]:
        # (z − A) x = level y and (z − A)ᴴ y = level x are a pencil M − z N. w = (z − c)/(z + c) makes a matrix of it, if −c
        # is none of its eigenvalues.
        eye, none = jnp.eye(A.shape[0], dtype=A.dtype), jnp.zeros_like(A)
        M, N = jnp.block([[A, level * eye], [none, eye]]), jnp.block([[eye, none], [level * eye, A.T]])
        candidates = _turn(2 * jnp.pi * (jnp.arange(8, dtype=A.dtype) + 0.3) / 8)
        apart = lax.map(lambda c: jnp.linalg.svd(-c * eye - A, compute_uv=False)[-1], candidates)
        c = candidates[jnp.argmax(apart)]
        return solve(M + c * N, M - c * N), lambda w: c * (1 + w) / (1 - w)


class HalfPlane(AbstractRegion):
    """Re z < 0. The place is the frequency ω: z = distance + iω. The exponent is z itself."""

    @property
    def reading(self) -> Reading:
        return Reading(_complex, _on_line, with_slope=_host_identity)

    def point(self, place: Float[Array, "..."], distance: Float[Array, "..."]) -> Complex[Array, "..."]:
        return distance + 1j * place

    def position(self, z: Any, xp: Any = jnp) -> tuple[Any, Any]:
        return xp.imag(z), xp.real(z)

    def extent(self, z: Any) -> Any:
        return z.real

    def frame(self, place: Float[Array, "..."], distance: Float[Array, "..."]) -> Frame:
        one = jnp.ones_like(place)
        return Frame(one + 0j, one, jnp.zeros_like(place))

    def crossing(self, A: Float[Array, "N N"], level: Float[Array, ""]) -> tuple[Array, Callable[[Array], Array]]:
        shift = level * jnp.eye(A.shape[0], dtype=A.dtype)
        return jnp.block([[A, -shift], [shift, -A.T]]), lambda z: z


def _turn(angle: Float[Array, "..."]) -> Complex[Array, "..."]:
    return lax.complex(jnp.cos(angle), jnp.sin(angle))


@jax.custom_jvp
def logarithm(z: Inexact[Array, "..."]) -> Complex[Array, "..."]:
    """log z as log|z| + i arg z, by less code than XLA's logarithm of a complex number.

    Near the unit circle log|z| = ½ log(1 + (|z|² − 1)), where |z|² − 1 is a product and a square. So no digits cancel near 1
    and i.
    """
    z = _complex(z)
    return lax.complex(_log_modulus(z), jnp.angle(z))


def _log_modulus(z: Complex[AnyArray, "..."]) -> Float[AnyArray, "..."]:
    xp = z.__array_namespace__()
    modulus, x, y = xp.abs(z), xp.abs(z.real), xp.abs(z.imag)
    large, small = xp.maximum(x, y), xp.minimum(x, y)
    near = xp.log1p((large - 1) * (large + 1) + small**2) / 2
    return xp.where(xp.abs(modulus - 1) < 0.5, near, xp.log(modulus))


def _host_logarithm(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`logarithm` and its derivative, in NumPy."""
    return (_log_modulus(z) + 1j * np.angle(z)).astype(z.dtype), 1 / z


def _host_identity(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return z, np.ones_like(z)


@logarithm.defjvp
def _logarithm_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (z,), (along,) = primals, tangents
    return logarithm(z), _complex(along) / _complex(z)


def _on_circle(z: Complex[AnyArray, "..."], level: Float[AnyArray, ""]) -> Complex[AnyArray, "..."]:
    """The point e^level z/|z|, at the angle of z; the angle of 0 counts as 0."""
    xp = z.__array_namespace__()
    modulus = xp.abs(z)
    stretch = xp.exp(level) / xp.where(modulus == 0, 1, modulus)
    return stretch * xp.where(modulus == 0, 1, z)


def _on_line(z: Complex[AnyArray, "..."], level: Float[AnyArray, ""]) -> Complex[AnyArray, "..."]:
    return level + 1j * z.imag


def _complex(z: Inexact[Array, "..."]) -> Complex[Array, "..."]:
    return z.astype(jnp.result_type(z.dtype, jnp.complex64))
