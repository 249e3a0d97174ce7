"""What a point of a branch tells: tangent, eigenvalues, tests, and how uncertain each of them is.

All of it is linear algebra on the host, in float64 whatever the system computes in. What remains uncertain is the Jacobian
itself, and each eigenvalue by its own share of that: to first order a change E of J moves the eigenvalue λ with the left and
right eigenvectors y and x by |yᴴ E x| / |yᴴ x| ≤ |y|ᵀ|E||x| / |yᴴ x| (Geurts 1982, "A contribution to the theory of
condition"). That bound does not depend on the units of the states, nor on a fast mode that is coupled to nothing; the norm of
J would. E is taken from J at nearby states, as far off as rounding moves the point, and is at least some units in the last
place of each entry.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from .._systems.base import AbstractSystem
from .branches_kernels import Local, row_lengths

_NEIGHBOURS = 3  # states at which J is asked for its rounding

_SAFETY = 8.0  # how many times the change among so few may fall short of the true uncertainty


class Spectrum(NamedTuple):
    """The eigenvalues (N,) of J, fastest growing first, and for each of them: its `distance` beyond the boundary of stability
    (|λ| − 1 or Re μ), the `reach` of its uncertainty, and its `condition` in the units that suit it best,
    Σ|yᵢ||xᵢ|/|yᴴx|."""

    values: np.ndarray
    distance: np.ndarray
    reach: np.ndarray
    condition: np.ndarray

    def nearest(self, other: "Spectrum") -> "Spectrum":
        """Of these eigenvalues those nearest to another point's, in its order."""
        places = np.argmin(np.abs(self.values[None] - other.values[:, None]), axis=1)
        return Spectrum(*(array[places] for array in self))


class Point(NamedTuple):
    """A point z = (h, p) (N + 1,) of the branch, with the tangent of length one in the units at hand.

    `tests` (N + 2,) change sign at bifurcations: the parameter's part of the tangent, the bordered determinant, the distance
    of every eigenvalue. `noise` (N + 2,) is how large they may be by rounding alone.
    """

    z: np.ndarray
    tangent: np.ndarray
    residual: float
    jacobian: np.ndarray
    spectrum: Spectrum
    tests: np.ndarray
    noise: np.ndarray
    converged: bool
    iterations: int

    @property
    def signs(self) -> np.ndarray:
        """The signs of the tests, 0 where rounding may have made them."""
        return np.where(np.abs(self.tests) <= self.noise, 0, np.sign(self.tests))


def describe(system: AbstractSystem, local: Local, direction, units, jacobian: Callable) -> Point:
    """What is asked of a point, with the tangent that makes an acute angle with `direction`. `jacobian(z)` is J at another
    state."""
    eps = float(np.finfo(local.z.dtype).eps)
    A = _finite(local.extended)
    A = A / row_lengths(A)[:, None]
    null = tangent(A, direction / units, eps)
    bordered = np.vstack([A, null])
    z = local.z.astype(float)
    # how far rounding moves the point, and no further than half the digits
    left, sizes, right = np.linalg.svd(bordered)
    inverse = (right.T / np.maximum(sizes, eps**0.5)) @ left.T
    misses = 4 * eps * np.abs(A) @ np.abs(z / units) + np.abs(local.residual) / row_lengths(_finite(local.extended))
    moved = np.abs(inverse[:, :-1]) @ misses * units
    spectrum = _spectrum(system, _finite(local.jacobian), lambda: _change(jacobian, local, moved), eps)
    return Point(
        local.z,
        null * units,
        float(np.max(np.abs(local.residual))),
        local.jacobian,
        spectrum,
        np.concatenate([[null[-1], _determinant(bordered)], spectrum.distance]),
        np.concatenate([[64 * eps, 8 * eps], spectrum.reach]),
        bool(local.converged),
        int(local.iterations),
    )


def tangent(A, direction, eps: float) -> np.ndarray:
    """The unit null vector of A (N, N + 1), known to within `eps`, at an acute angle with `direction`; the nearest one where
    there are several."""
    _, sizes, rows = np.linalg.svd(A)
    rounding = A.shape[1] * eps * sizes[0]
    parts = np.append(sizes <= rounding, True) * (rows @ direction)
    nearest, length = parts @ rows, np.linalg.norm(parts)
    return nearest / length if length > 0 else rows[-1]


def _determinant(A) -> float:
    """A number with the sign of det A: the relative change of every entry that might make A singular, to first order. No unit
    of a row or column changes it."""
    try:
        return np.linalg.slogdet(A)[0] / float(np.sum(np.abs(np.linalg.inv(A).T * A)))
    except np.linalg.LinAlgError:
        return 0.0


def _change(jacobian, local: Local, moved) -> np.ndarray:
    """The largest change of each entry of J at states as far from z as `moved` (N + 1,) says."""
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (_NEIGHBOURS, len(moved)))
    states = (local.z + signs * moved).astype(local.z.dtype)
    return np.max([np.abs(_finite(jacobian(z)) - _finite(local.jacobian)) for z in states], axis=0)


def _spectrum(system: AbstractSystem, J, change: Callable[[], np.ndarray], eps: float) -> Spectrum:
    values, right = np.linalg.eig(J)
    values, right = values.astype(complex), right.astype(complex)
    distance = np.asarray(system.time.region.position(jnp.asarray(values))[1], float)
    order = np.argsort(-distance, kind="stable")
    values, right, distance = values[order], right[:, order], distance[order]
    left = _rows(right)
    missed = np.abs(np.sum(left * (J @ right - right * values).T, axis=1))  # LAPACK's own error, to first order
    condition = np.sum(np.abs(left) * np.abs(right.T), axis=1)
    near = np.any(np.abs(distance) <= 1e-2 * np.max(np.abs(values)))  # elsewhere nobody asks
    E = 2 * eps * np.abs(J) + (_SAFETY * change() if near else 0)
    with np.errstate(all="ignore"):
        reach = np.sum((np.abs(left) @ E) * np.abs(right.T), axis=1) + 2 * missed
    # first order ends where half the digits are lost
    reach = np.fmin(reach, eps**0.5 * np.max(np.abs(J)) + np.linalg.norm(E))
    return Spectrum(values, distance, reach, condition)


def _rows(right) -> np.ndarray:
    """The left eigenvectors yᴴ in rows, of yᴴx = 1; infinite where J has too few eigenvectors."""
    lengths = np.maximum(row_lengths(np.abs(right)), 1e-300)[:, None]
    try:
        return np.linalg.inv(right / lengths) / lengths.T
    except np.linalg.LinAlgError:
        return np.full(right.shape, np.inf)


def _finite(A) -> np.ndarray:
    """LAPACK may not return from a matrix with a NaN; that the point is none is known from elsewhere."""
    return np.where(np.isfinite(A), A, 0).astype(float)
