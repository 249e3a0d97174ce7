"""What a point of a branch tells: tangent, eigenvalues, tests, and how uncertain each of them is.

All of it is linear algebra on the host, in float64 whatever the system computes in. What remains uncertain is the Jacobian,
and through it each eigenvalue: to first order a change E of J moves the eigenvalue λ with the left and right eigenvectors y
and x by |yᴴ E x| / |yᴴ x| ≤ |y|ᵀ|E||x| / |yᴴ x| (Geurts 1982, "A contribution to the theory of condition"). That bound does
not depend on the units of the states, or on a fast mode that is not coupled to the others. A bound by the norm of J would
depend on both. E is taken from J at nearby states, as far off as rounding moves the point, and is at least some units in the
last place of each entry.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from .._systems.base import AbstractSystem
from .branches_kernels import Local, row_lengths

_NEIGHBOURS = 3  # number of states at which the rounding error of J is measured

_SAFETY = 8.0  # the true uncertainty may be this many times the change among so few states


class Spectrum(NamedTuple):
    """The eigenvalues (N,) of J, fastest growing first, and for each of them: its `distance` beyond the boundary of stability
    (|λ| − 1 or Re μ), the `reach` of its uncertainty, and its `condition` in the units that suit it best,
    Σ|yᵢ||xᵢ|/|yᴴx|."""

    values: ndarray
    distance: ndarray
    reach: ndarray
    condition: ndarray

    def nearest(self, other: "Spectrum") -> "Spectrum":
        """Returns these eigenvalues in the order of another point's: for each of those the nearest one here."""
        places = np.argmin(np.abs(self.values[None] - other.values[:, None]), axis=1)
        return Spectrum(*(array[places] for array in self))


class Point(NamedTuple):
    """A point z = (h, p) (N + 1,) of the branch, with the tangent of length one in the units at hand.

    `tests` (N + 2,) change sign at bifurcations: the parameter's part of the tangent, the bordered determinant, the distance
    of every eigenvalue. `noise` (N + 2,) is how large they may be by rounding alone.
    """

    z: ndarray
    tangent: ndarray
    residual: float
    jacobian: ndarray
    spectrum: Spectrum
    tests: ndarray
    noise: ndarray
    converged: bool
    iterations: int

    @property
    def signs(self) -> ndarray:
        """The signs of the tests, 0 where rounding may have made them."""
        return np.where(np.abs(self.tests) <= self.noise, 0, np.sign(self.tests))


def point_at(
    system: AbstractSystem, local: Local, direction: ndarray, units: ndarray, jacobian: Callable[[ndarray], ndarray]
) -> Point:
    """Returns a point with its tangent, eigenvalues and tests. The tangent makes an acute angle with `direction`.
    `jacobian(z)` is J at another state."""
    eps = float(np.finfo(local.z.dtype).eps)
    A = _without_nan(local.extended)
    A = A / row_lengths(A)[:, None]
    null = tangent(A, direction / units, eps)
    bordered = np.vstack([A, null])
    z = local.z.astype(float)
    # how far rounding may move the point, but no further than half the digits
    left, sizes, right = np.linalg.svd(bordered)
    inverse = (right.T / np.maximum(sizes, eps**0.5)) @ left.T
    misses = 4 * eps * np.abs(A) @ np.abs(z / units) + np.abs(local.residual) / row_lengths(
        _without_nan(local.extended)
    )
    moved = np.abs(inverse[:, :-1]) @ misses * units
    spectrum = _spectrum_of(system, _without_nan(local.jacobian), lambda: _change(jacobian, local, moved), eps)
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


def tangent(A: ndarray, direction: ndarray, eps: float) -> ndarray:
    """Returns the unit null vector of A (N, N + 1), known to within `eps`, at an acute angle with `direction`; the nearest
    one where there are several."""
    _, sizes, rows = np.linalg.svd(A)
    rounding = A.shape[1] * eps * sizes[0]
    parts = np.append(sizes <= rounding, True) * (rows @ direction)
    nearest, length = parts @ rows, np.linalg.norm(parts)
    return nearest / length if length > 0 else rows[-1]


def _determinant(A: ndarray) -> float:
    """Returns a number with the sign of det A: the relative change of every entry that might make A singular, to first
    order. It does not depend on the units of rows and columns."""
    try:
        return np.linalg.slogdet(A)[0] / float(np.sum(np.abs(np.linalg.inv(A).T * A)))
    except np.linalg.LinAlgError:
        return 0.0


def _change(jacobian: Callable[[ndarray], ndarray], local: Local, moved: ndarray) -> ndarray:
    """Returns the largest change of each entry of J at states as far from z as `moved` (N + 1,) says."""
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (_NEIGHBOURS, len(moved)))
    states = (local.z + signs * moved).astype(local.z.dtype)
    return np.max([np.abs(_without_nan(jacobian(z)) - _without_nan(local.jacobian)) for z in states], axis=0)


def _spectrum_of(system: AbstractSystem, J: ndarray, change: Callable[[], ndarray], eps: float) -> Spectrum:
    """Returns the eigenvalues of J; `change()` is by how much each entry of J may be off."""
    values, right = np.linalg.eig(J)
    values, right = values.astype(complex), right.astype(complex)
    _, distance = system.time.region.position(values, xp=np)
    order = np.argsort(-distance, kind="stable")
    values, right, distance = values[order], right[:, order], distance[order]
    left = _left_rows(right)
    missed = np.abs(np.sum(left * (J @ right - right * values).T, axis=1))  # the error of LAPACK, to first order
    condition = np.sum(np.abs(left) * np.abs(right.T), axis=1)
    near = np.any(np.abs(distance) <= 1e-2 * np.max(np.abs(values)))  # further from the boundary no sign is uncertain
    E = 2 * eps * np.abs(J) + (_SAFETY * change() if near else 0)
    with np.errstate(all="ignore"):
        reach = np.sum((np.abs(left) @ E) * np.abs(right.T), axis=1) + 2 * missed
    # to first order, up to where half the digits are lost
    reach = np.fmin(reach, eps**0.5 * np.max(np.abs(J)) + np.linalg.norm(E))
    return Spectrum(values, distance, reach, condition)


def sizes_along(J: ndarray, right: ndarray) -> ndarray:
    """Returns the size (N,) of J in the direction of each eigenvector, |yᴴ| |J| |x|. A fast direction does not enlarge the
    sizes of slow ones. A size is large or not finite where the eigenvalue is defective."""
    return np.sum((np.abs(_left_rows(right)) @ np.abs(J)) * np.abs(right.T), axis=1)


def _left_rows(right: ndarray) -> ndarray:
    """Returns the left eigenvectors yᴴ in rows, of yᴴx = 1; infinite where J has too few eigenvectors."""
    lengths = np.maximum(row_lengths(np.abs(right)), 1e-300)[:, None]
    try:
        return np.linalg.inv(right / lengths) / lengths.T
    except np.linalg.LinAlgError:
        return np.full(right.shape, np.inf)


def _without_nan(A: ndarray) -> ndarray:
    """Returns the array with 0 in place of entries that are not finite, since LAPACK may not return from a matrix with a NaN.
    (Such a point has not converged.)"""
    return np.where(np.isfinite(A), A, 0).astype(float)
