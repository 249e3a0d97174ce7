"""The compiled part of `continue_branch`: Newton's method back to the curve F(h, p) = 0, and the derivatives on it.

A state z = (h, p) comes with its `units` (N + 1,), and A = [∂F/∂h, ∂F/∂p] is taken in those units. The rows of F are divided
by the lengths of the rows of A, so that neither the unit of time nor one fast coordinate decides what counts as zero.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import lineax as lx
import optimistix as optx
from jaxtyping import Array, Bool

from .._base.compiled import compiled
from .._systems.base import AbstractSystem
from ..linalg._solve import solve
from .kinks import jumps

MakeSystem = Callable[[Array], AbstractSystem]

NEWTON = {64: 1e-10, 32: 1e-5}  # the step before the last, and the residual before it


class Local(NamedTuple):
    """A state z (N + 1,), and the system there: F (N,), A (N, N + 1) per unit, the Jacobian J (N, N). Where a root was asked
    for, also whether Newton's method has `converged` to it, and in how many `iterations`."""

    z: Any
    residual: Any
    extended: Any
    jacobian: Any
    converged: Any = False
    iterations: Any = 0


def _equations(make_system: MakeSystem, units: Array) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """Returns F(z), and its derivative in those units: the extended Jacobian (N, N + 1)."""

    def residual(z):
        return make_system(z[-1]).residual(z[:-1])

    return residual, lambda z: jax.jacfwd(residual)(z) * units[None]


def row_lengths(A: Any) -> Any:
    """Returns the size of the largest entry of each row, 1 for a row of zeros."""
    largest = abs(A).max(axis=1)
    return largest + (largest == 0)


def _local(make_system: MakeSystem, z: Array, units: Array) -> Local:
    """Returns the system at a state, not converged."""
    residual, extended = _equations(make_system, units)
    return Local(z, residual(z), extended(z), make_system(z[-1]).jacobian(z[:-1]))


@compiled
def look(make_system: MakeSystem, z: Array, units: Array) -> Local:
    """Returns the system at one state."""
    return _local(make_system, z, units)


@compiled
def correct(make_system: MakeSystem, guess: Array, direction: Array, units: Array) -> Local:
    """Returns the point of the curve in the plane through `guess` across `direction`."""
    residual, extended = _equations(make_system, units)
    scale = _without_nan(row_lengths(extended(guess) * jnp.maximum(1, jnp.abs(guess / units))[None]))
    normal = direction / units

    def equations(v, _):
        return jnp.append(residual(v * units) / scale, normal @ (v - guess / units))

    tolerance = NEWTON[jnp.finfo(guess.dtype).bits]
    # by singular values, because the curve may be asked for where two curves meet and A is singular
    newton = optx.Newton(tolerance, tolerance, linear_solver=lx.SVD())
    solution = optx.root_find(equations, newton, guess / units, max_steps=50, throw=False)
    converged = (solution.result == optx.RESULTS.successful) & jnp.all(jnp.isfinite(solution.value))
    z = jnp.where(converged, solution.value * units, guess)
    return _local(make_system, z, units)._replace(converged=converged, iterations=solution.stats["num_steps"])


@compiled
def branch_point(make_system: MakeSystem, guess: Array, direction: Array, units: Array) -> Local:
    """Returns the point near `guess` at which two curves cross, by the system of Griewank and Reddien."""
    residual, extended = _equations(make_system, units)
    A = _without_nan(extended(guess))
    scale = row_lengths(A)
    left, _, right = jnp.linalg.svd(A / scale[:, None])
    n = left.shape[0]
    psi, phi = left[:, -1:], right[-2:]
    corner = jnp.eye(n + 2, 2, -n, dtype=guess.dtype)

    def equations(y, _):
        z = y[:-1] * units
        bordered = jnp.block([[extended(z) / scale[:, None], psi], [phi, jnp.zeros((2, 1), z.dtype)]])
        return jnp.append(residual(z) / scale + y[-1] * psi[:, 0], solve(bordered, corner)[-1])

    tolerance = NEWTON[jnp.finfo(guess.dtype).bits]
    solution = optx.root_find(
        equations, optx.Newton(tolerance, tolerance), jnp.append(guess / units, 0), max_steps=20, throw=False
    )
    true = (solution.result == optx.RESULTS.successful) & (jnp.abs(solution.value[-1]) <= tolerance)
    z = jnp.where(true, solution.value[:-1] * units, guess)
    return _local(make_system, z, units)._replace(converged=true, iterations=solution.stats["num_steps"])


@compiled
def on_kink(make_system: MakeSystem, z: Array) -> Bool[Array, ""]:
    """Returns whether the Jacobian jumps at a state."""
    return jumps(make_system(z[-1]).jacobian, z[:-1])


def _without_nan(A: Array) -> Array:
    """Returns the array with 1 in place of entries that are not finite, since LAPACK may not return from a matrix with a NaN.
    (Such a point has not converged.)"""
    return jnp.where(jnp.isfinite(A), A, 1)
