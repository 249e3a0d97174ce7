"""The compiled part of `continue_bifurcation`: the equations of a bifurcation in two parameters, and derivatives.

A state is z = (h, p₀, p₁), and (h, p₀, p₁, κ) where a complex pair crosses. The equations are F(h, p) = 0, F the residual,
and that a matrix M is singular:

- fold: ∂F/∂h;  flip: J + I
- Hopf: J² + κ I with κ = ω²;  Neimark–Sacker: J² − 2κ J + I with κ = cos θ; both lose rank by two.

M, bordered by the singular vectors of a point nearby, is regular, and the corner g of its inverse is zero if and only if M
loses rank (Govaerts, "Numerical Methods for Bifurcations of Dynamical Equilibria", 2000, ch. 4 and 5). For a pair, g (2, 2)
has two degrees of freedom. On the plane of the pair J is a matrix K (2, 2), and by Cayley and Hamilton M is a combination of
K and I. The two equations are the products of g with I and with the K of the point nearby. They stay independent where the
pair meets on the real axis (Bogdanov–Takens, resonances 1:1 and 1:2).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import lineax as lx
import optimistix as optx
from jaxtyping import Array, Float

from .._base.compiled import compiled
from .._systems.base import AbstractSystem
from ..linalg._solve import solve
from .branches_kernels import NEWTON, row_lengths

MakeSystem = Callable[[Array], AbstractSystem]

PAIRS = ("hopf", "neimark-sacker")  # kinds with a complex pair


class Border(NamedTuple):
    """Singular vectors of M (N, m) at a point nearby; `mixed` (m, m) the inverse of leftᵀ right; `plane` (m, m) the matrix of
    J on the plane of the pair; `size` of M."""

    left: Any
    right: Any
    mixed: Any
    plane: Any
    size: Any


class Local(NamedTuple):
    """A state z, and there F (N,), the derivative A of the equations per unit, the Jacobian J and the matrix M (N, N).
    Whether Newton's method has converged to it, and in how many iterations."""

    z: Any
    residual: Any
    derivative: Any
    jacobian: Any
    matrix: Any
    converged: Any = False
    iterations: Any = 0


def _matrix(kind: str, system: AbstractSystem, h: Array, kappa: Array) -> Array:
    """Returns the matrix that is singular at the bifurcation."""
    if kind == "fold":
        return jax.jacfwd(system.residual)(h)
    J = system.jacobian(h)
    identity = jnp.eye(len(h), dtype=h.dtype)
    if kind == "flip":
        return J + identity
    return J @ J + kappa * identity if kind == "hopf" else J @ J - 2 * kappa * J + identity


def _equations(make_system: MakeSystem, kind: str, border: Border, rows: Array) -> Callable[[Array], Array]:
    size, count = border.left.shape
    corner = jnp.eye(size + count, count, -size, dtype=border.left.dtype)
    nothing = jnp.zeros((count, count), border.left.dtype)

    def equations(z):
        h, p, kappa = z[:size], z[size : size + 2], z[-1]
        system = make_system(p)
        M = _matrix(kind, system, h, kappa) / border.size
        g = solve(jnp.block([[M, border.left], [border.right.T, nothing]]), corner)[size:]
        if count == 1:
            return jnp.append(system.residual(h) / rows, g[0, 0])
        g = border.mixed @ g
        return jnp.concatenate([system.residual(h) / rows, jnp.stack([jnp.trace(g), jnp.sum(border.plane * g)])])

    return equations


def _local(make_system: MakeSystem, kind: str, z: Array, units: Array, border: Border, rows: Array) -> Local:
    size = len(border.left)
    system = make_system(z[size : size + 2])
    A = jax.jacfwd(_equations(make_system, kind, border, rows))(z) * units[None]
    M = _matrix(kind, system, z[:size], z[-1])
    return Local(z, system.residual(z[:size]), A, system.jacobian(z[:size]), M)


@compiled
def look(make_system: MakeSystem, kind: str, z: Array, units: Array, border: Border) -> Local:
    """Returns the system at one state."""
    return _local(make_system, kind, z, units, border, _rows(make_system, z, units, len(border.left)))


@compiled
def correct(make_system: MakeSystem, kind: str, guess: Array, direction: Array, units: Array, border: Border) -> Local:
    """Returns the bifurcation in the plane through `guess` across `direction`."""
    rows = _rows(make_system, guess, units, len(border.left))
    equations = _equations(make_system, kind, border, rows)
    normal = direction / units

    def in_plane(v, _):
        return jnp.append(equations(v * units), normal @ (v - guess / units))

    tolerance = NEWTON[jnp.finfo(guess.dtype).bits]
    newton = optx.Newton(tolerance, tolerance, linear_solver=lx.SVD())
    solution = optx.root_find(in_plane, newton, guess / units, max_steps=30, throw=False)
    converged = (solution.result == optx.RESULTS.successful) & jnp.all(jnp.isfinite(solution.value))
    z = jnp.where(converged, solution.value * units, guess)
    found = _local(make_system, kind, z, units, border, rows)
    return found._replace(converged=converged, iterations=solution.stats["num_steps"])


def _rows(make_system: MakeSystem, z: Array, units: Array, size: int) -> Array:
    """Returns the sizes (N,) of the rows of the residual's derivative, in those units."""

    def residual(z):
        return make_system(z[size : size + 2]).residual(z[:size])

    A = jax.jacfwd(residual)(z) * jnp.maximum(units, jnp.abs(z))[None]
    return row_lengths(jnp.where(jnp.isfinite(A), A, 1))


@compiled
def second(make_system: MakeSystem, z: Array, U: Float[Array, "k N"], V: Float[Array, "k N"]) -> Float[Array, "k N"]:
    """Returns the second derivative of the rule, B(u, v), for k pairs of directions."""
    size = U.shape[1]
    rule = make_system(z[size : size + 2]).rule
    return jax.vmap(lambda u, v: _along(_along(rule, u), v)(z[:size]))(U, V)


@compiled
def third(
    make_system: MakeSystem, z: Array, U: Float[Array, "k N"], V: Float[Array, "k N"], W: Float[Array, "k N"]
) -> Float[Array, "k N"]:
    """Returns the third derivative of the rule, C(u, v, w), for k triples of directions."""
    size = U.shape[1]
    rule = make_system(z[size : size + 2]).rule
    return jax.vmap(lambda u, v, w: _along(_along(_along(rule, u), v), w)(z[:size]))(U, V, W)


def _along(function: Callable[[Array], Array], v: Array) -> Callable[[Array], Array]:
    """Returns the derivative of a function in a direction, as a function."""
    return lambda h: jax.jvp(function, (h,), (v,))[1]
