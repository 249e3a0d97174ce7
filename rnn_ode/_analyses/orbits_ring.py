"""The equations of a closed orbit of a map or a flow, and one step of Newton's method on all of its points at once.

An orbit is a ring of m segments. Segment i begins at xᵢ, the last state of the segment before it, and has the states Sᵢ
(d, N): one for a map, Sᵢ = rule(xᵢ), and for a flow those at the collocation points, Sᵢⱼ = xᵢ + τᵢ T Σₗ Aⱼₗ f(Sᵢₗ)
(`orbits_mesh`), with the period T. Unknown are all S, and T where no input has a clock of its own. There the orbit may be
shifted in time, and the phase condition Σ τᵢ ⟨f(xᵢ), δxᵢ⟩ = 0 keeps it in place.

A linear step is condensed: it gives δSᵢ = Uᵢ (δxᵢ, δT, δp, 1), and with it δxᵢ = Vᵢ (δx₀, δT, δp, 1), where V is a product
of the last rows of U. The ring closes where δx_m = δx₀, so that N + 2 numbers remain: δx₀, δT and the change of a parameter
p. The first N columns of V_m are the monodromy matrix, whose eigenvalues are the multipliers.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._systems.base import AbstractSystem
from ..linalg._solve import solve
from .fixed_points_newton import value_and_jacobian
from .orbits_mesh import MATRIX

MakeSystem = Callable[[Array], AbstractSystem]


class Grid(NamedTuple):
    """Where the segments are in time: the `widths` (m,) of a flow's as shares of the period, the number (m,) of the `step` of
    the input that each is in, and how far into that step (m, d) its states are (in time, if the input has no steps)."""

    widths: Float[Array, " m"]
    step: Int[Array, " m"]
    into: Float[Array, "m d"]


class Linear(NamedTuple):
    """A linear step: U (m, d·N, N + 3) and V (m + 1, N, N + 3) in the columns (δx, δT, δp, 1); the rates f (m, N) at the ends
    of the segments (of a map: the next states); and by how much each state (m, d, N) misses its equation."""

    U: Array
    V: Array
    rate: Array
    missed: Array

    @property
    def monodromy(self) -> Array:
        return self.V[-1, :, : self.V.shape[1]]

    @property
    def closing(self) -> Array:
        """Returns the rows (N, N + 3) that are zero where the ring closes."""
        n = self.V.shape[1]
        return self.V[-1] - jnp.eye(n, n + 3, dtype=self.V.dtype)

    def row(self, weights: Float[Array, "m N"]) -> Array:
        """Returns the row (N + 3,) of Σ ⟨weightsᵢ, δxᵢ₊₁⟩."""
        return jnp.einsum("mn,mnk->k", weights, self.V[1:])

    def phase(self, widths: Float[Array, " m"]) -> Array:
        """Returns the row of the phase condition."""
        weights = widths[:, None] * self.rate
        size = jnp.linalg.norm(weights)
        return self.row(weights / jnp.where(size > 0, size, 1))

    def states(self, y: Array) -> Array:
        """Returns δS (m, d·N) of (δx₀, δT, δp)."""
        n = self.V.shape[1]
        y = jnp.append(y, 1)
        rest = jnp.broadcast_to(y[n:], (len(self.U), 3))
        first = jnp.einsum("mnk,k->mn", self.V[:-1], y)
        return jnp.einsum("mak,mk->ma", self.U, jnp.concatenate([first, rest], axis=1))


def starts(S: Float[Array, "m d N"]) -> Float[Array, "m N"]:
    """Returns the states at which the segments begin."""
    return jnp.roll(S[:, -1], 1, axis=0)


def defects(make_system: MakeSystem, p: Array, S: Array, T: Array, grid: Grid) -> Array:
    """Returns by how much each state (m, d, N) misses its equation."""
    system = make_system(p)
    stepper, first = system.stepper(), starts(S)
    if system.time.own_step:
        return jax.vmap(stepper.advance)(grid.step, first)[:, None] - S
    rates = jax.vmap(jax.vmap(stepper.rate, (None, 0, 0)))(grid.step, S, grid.into)  # pyright: ignore
    return _missed(rates, S, T, grid.widths)


def _missed(rates: Array, S: Array, T: Array, widths: Array) -> Array:
    moved = jnp.einsum("jl,mln->mjn", jnp.asarray(MATRIX, S.dtype), rates)
    return starts(S)[:, None] + T * widths[:, None, None] * moved - S


def linearised(make_system: MakeSystem, p: Array, S: Array, T: Array, grid: Grid) -> Linear:
    """Returns the linear step of Newton's method at an orbit."""
    n = S.shape[2]
    own_step = make_system(p).time.own_step

    def one(k, h, s):
        def rule(hp):
            stepper = make_system(hp[-1]).stepper()
            return stepper.advance(k, hp[:-1]) if own_step else stepper.rate(k, hp[:-1], s)  # pyright: ignore

        return value_and_jacobian(rule, jnp.append(h, p))

    if own_step:
        F, J = jax.vmap(one)(grid.step, starts(S), grid.into[:, 0])
        U = jnp.concatenate([J[:, :, :n], jnp.zeros_like(F)[..., None], J[:, :, n:], (F - S[:, 0])[..., None]], axis=2)
        rate, missed = F, F[:, None] - S
    else:
        F, J = jax.vmap(jax.vmap(one, (None, 0, 0)))(grid.step, S, grid.into)
        rate, missed = F[:, -1], _missed(F, S, T, grid.widths)
        U = _collocated(F, J, missed, T, grid.widths)
    ends = U[:, -n:]

    def carry(V, end):
        added = jnp.concatenate([jnp.zeros((n, n), V.dtype), end[:, n:]], axis=1)
        return end[:, :n] @ V + added, V

    last, V = jax.lax.scan(carry, jnp.eye(n, n + 3, dtype=S.dtype), ends)
    return Linear(U, jnp.concatenate([V, last[None]]), rate, missed)


def _collocated(F: Array, J: Array, missed: Array, T: Array, widths: Array) -> Array:
    """Returns U (m, d·N, N + 3) of a flow, from its rates (m, d, N) and their derivatives (m, d, N, N + 1)."""
    _, d, n = F.shape
    A, eye = jnp.asarray(MATRIX, F.dtype), jnp.eye(n, dtype=F.dtype)

    def one(F, J, missed, width):
        length = width * T
        matrix = jnp.eye(d * n, dtype=F.dtype) - length * jnp.einsum("jl,lab->jalb", A, J[..., :n]).reshape(
            d * n, d * n
        )
        moved, by_p = jnp.einsum("jl,ln->jn", A, F), jnp.einsum("jl,ln->jn", A, J[..., n])
        columns = [width * moved, length * by_p, missed]
        right = jnp.concatenate([jnp.tile(eye, (d, 1)), *(column.reshape(d * n, 1) for column in columns)], axis=1)
        return solve(matrix, right)

    return jax.vmap(one)(F, J, missed, widths)


def unit_row(n: int, place: int, dtype) -> Array:
    """Returns the row (N + 3,) that is the entry `place` of (δx₀, δT, δp, 1) itself, from the end."""
    return jnp.zeros(n + 3, dtype).at[place].set(1)
