"""The cases "orbit" and "orbits": a limit cycle of a tanh flow with its multipliers, and a branch of limit cycles.

The search for one orbit is set beside integration by diffrax: of twenty periods, and of one period together with the matrix
that small disturbances are multiplied by. The period is compared, and for diffrax how far the run is from its start as well.
"""

from functools import partial
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._analyses.branches import continue_branch
from ..._analyses.orbits import periodic_orbit
from ..._systems.flow import Flow
from .._race import OURS, Contender, Plan, race
from .._rows import Row

ORBIT = (64, 2.0)  # units, and how strongly the first two turn

BRANCH = (16, 100)  # units, orbits

_ALLOWED = 1e-5

_PERIODS = 20


def ring(units: int, seed: int, gain: Any) -> Flow:
    """A network dh/dt = −h + tanh(W h) with a limit cycle: two units that turn, and others that follow them."""
    draw = np.random.default_rng(seed)
    W = 0.5 * draw.standard_normal((units, units)) / np.sqrt(units)
    W[:2] = 0
    W[:2, :2] = [[1, -1], [1, 1]]
    W = jnp.asarray(W).at[:2].multiply(gain)
    return Flow(lambda t, h, path: jnp.tanh(W @ h) - h)


def rows(plan: Plan) -> list[Row]:
    units, gain = ORBIT
    plan = plan.of_size(units, 1, 1)
    with jax.enable_x64(True):
        flow = ring(units, plan.seed, gain)
        guess = np.zeros((64, units))
        angle = 2 * np.pi * np.arange(64) / 64
        guess[:, :2] = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        plan.progress("orbit: the reference")
        exact = periodic_orbit(flow, guess, 3.0, intervals=96)
        period, start = float(exact.period), exact.points[0]
        runs = jax.jit(partial(_integrated, flow)), jax.jit(partial(_with_tangents, flow))
        contenders = [
            Contender(
                OURS,
                lambda: _found(flow, exact.points[::6], period),
                "period and all multipliers",
                lambda found: found[0] - period,
            ),
            Contender(
                f"diffrax, {_PERIODS} periods",
                lambda: runs[0](start, _PERIODS * period),
                "Tsit5 at 1e-8, the state alone",
                lambda h: np.max(np.abs(h - start)),
            ),
            Contender(
                "diffrax, one period with tangents",
                lambda: runs[1](start, period),
                "Tsit5 at 1e-8, the matrix of all disturbances",
                lambda both: np.max(np.abs(both[0] - start)),
            ),
        ]
        return race("orbit", contenders, plan, lambda miss: float(np.max(np.abs(miss))), _ALLOWED)


def branch_rows(plan: Plan) -> list[Row]:
    units, count = BRANCH
    plan = plan.of_size(units, 1, count)
    with jax.enable_x64(True):
        make = partial(ring, units, plan.seed)
        guess = np.zeros((64, units))
        angle = 2 * np.pi * np.arange(64) / 64
        guess[:, :2] = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        orbit = periodic_orbit(make(2.0), guess, 3.0)
        call = partial(continue_branch, make, orbit, (2.0, 60.0), max_step=0.005, max_points=count)
        ours = Contender(OURS, lambda: call().residuals, f"{count} orbits with multipliers", np.max)
        return race("orbits", [ours], plan, lambda worst: float(np.max(worst)), _ALLOWED)


def _found(flow: Flow, guess: Array, period: float) -> tuple[Array, Array]:
    orbit = periodic_orbit(flow, guess, period)
    return orbit.period, orbit.multipliers


def _integrated(flow: Flow, start: Array, duration: Any) -> Array:
    return _solved(lambda t, h, _: flow.rule(h), start, duration)


def _with_tangents(flow: Flow, start: Array, duration: Any) -> tuple[Array, Array]:
    def rate(t, state, _):
        h, V = state
        return flow.rule(h), jax.vmap(lambda v: jax.jvp(flow.rule, (h,), (v,))[1], 1, 1)(V)

    return _solved(rate, (start, jnp.eye(len(start))), duration)


def _solved(rate: Any, start: Any, duration: Any) -> Any:
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(rate),
        diffrax.Tsit5(),
        0.0,
        duration,
        None,
        start,
        saveat=diffrax.SaveAt(t1=True),
        stepsize_controller=diffrax.PIDController(rtol=1e-8, atol=1e-10),
        max_steps=100_000,
    )
    return jax.tree.map(lambda leaf: leaf[0], solution.ys)
