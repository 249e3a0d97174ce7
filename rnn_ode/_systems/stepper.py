"""How a system moves in steps."""

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._base.checks import check_solver
from .._run.runge_kutta import runge_kutta_4


class Stepper(NamedTuple):
    """The steps of a system: `advance(k, h)` returns the state (N,) after step k, which starts at h (N,); a step takes
    `length` time. `rate(k, h)` returns dh/dt at the start of step k; it is `None` for a map."""

    advance: Callable[[Array, Array], Array]
    length: Any
    rate: Callable[[Array, Array], Array] | None = None


def step_by(
    rate: Callable[..., Array], h: Float[Array, " N"], solver: diffrax.AbstractSolver | None
) -> Float[Array, " N"]:
    """Returns the state after a step over a local time s from 0 to 1, where `rate(s, h)` is dh/ds. Without a solver the step
    is that of the classical fourth-order Runge–Kutta method."""
    if solver is None:
        return runge_kutta_4(rate, h)
    start, end = jnp.zeros((), h.dtype), jnp.ones((), h.dtype)
    term = diffrax.ODETerm(lambda s, v, _: rate(s, v))
    state = solver.init(term, start, end, h, None)
    return solver.step(term, start, end, h, None, state, made_jump=False)[0]


def as_explicit(solver: diffrax.AbstractSolver) -> diffrax.AbstractSolver:
    """Returns a solver that takes derivatives in both modes, after a check that it is explicit.

    Unless told otherwise, diffrax loops over the stages in a way that has derivatives of reverse mode only.
    """
    check_solver("solver", solver)
    if isinstance(solver, diffrax.AbstractImplicitSolver):
        raise ValueError(
            "solver must be an explicit one for a flow carried on in fixed steps, such as diffrax.Tsit5(); got "
            f"{type(solver).__name__}(), which is implicit."
        )
    if getattr(solver, "scan_kind", "lax") is not None:
        return solver
    return eqx.tree_at(lambda s: s.scan_kind, solver, "lax", is_leaf=lambda leaf: leaf is None)


def time_at(k: Array, fraction: Array, step: Any) -> Array:
    """Returns (k + fraction) · step, rounded only at the end: a float32 cannot hold the sum of a fraction and a k above
    2²⁴."""
    step = jnp.asarray(step, fraction.dtype)
    high, low = (jnp.asarray(part, fraction.dtype) for part in (k // 4096, k % 4096))
    return high * (4096 * step) + (low + fraction) * step
