"""The case "lyapunov": all Lyapunov exponents of a rate network, dh/dt = W tanh(h) − h, by Runge–Kutta steps.

The sum of the exponents is compared.
"""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._analyses.lyapunov import lyapunov
from ..._systems.flow import Flow
from .._peers import with_peer
from .._race import OURS, TARGET, Contender, Plan, distance, jitted, race
from .._rows import Row

RATE_NETWORK = (100, 2500, 0.05)  # units, number of steps and length of a step

LYAPAX = {
    "lyapax, renorm_every=1": (1, "RK4, QR every step, its default"),
    "lyapax, renorm_every=10": (10, "RK4, QR every 10 steps"),
}


def rows(plan: Plan) -> list[Row]:
    units, steps, step = RATE_NETWORK
    plan = plan.of_size(units, 1, steps)
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(plan.seed))
        problem = (1.8 * jax.random.normal(keys[0], (units, units)) / units**0.5, jax.random.normal(keys[1], (units,)))
        span = (steps, max(steps // 5, 1), step)
        plan.progress("lyapunov: the reference, in NumPy")
        exact = _mean_log_det(*span, *map(np.asarray, problem))
        hand = partial(jitted(partial(_frame_scan, *span)), *problem)
        contenders = [
            Contender(OURS, partial(jitted(partial(_ours, *span)), *problem), "jitted, RK4"),
            Contender("hand-written lax.scan", hand, "RK4, vmap of jvp and QR, every step"),
            *with_peer(plan, "lyapax", list(LYAPAX), partial(_lyapax, span=span, problem=problem)),
        ]
        return race("lyapunov", contenders, plan, partial(distance, reference=exact), TARGET)


def _ours(steps: int, before: int, step: float, W: Array, h: Array) -> Array:
    flow = Flow(lambda t, h, path: W @ jnp.tanh(h) - h)
    return jnp.sum(lyapunov(flow, h, steps * step, transient=before * step, step=step).exponents)[None, None]


def _frame_scan(steps: int, before: int, step: float, W: Array, h: Array) -> Array:
    def advance(h: Array) -> Array:
        return _rate_step(jnp.tanh, step, W, h)

    def body(state: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        h, Q = state
        h, P = jax.vmap(lambda v: jax.jvp(advance, (h,), (v,)), in_axes=1, out_axes=(None, 1))(Q)
        Q, R = jnp.linalg.qr(P)
        return (h, Q), jnp.log(jnp.abs(jnp.diagonal(R)))

    logs = jax.lax.scan(body, (h, jnp.eye(len(h))), length=before + steps)[1]
    return jnp.sum(jnp.mean(logs[before:], axis=0))[None, None] / step


def _lyapax(lyapax: ModuleType, span: tuple[int, int, float], problem: tuple[Array, Array]) -> list[Contender]:
    steps, before, step = span

    def exponents(every: int, W: Array, h: Array) -> Array:
        problem = lyapax.ode_problem(lambda h: W @ jnp.tanh(h) - h, h, dt=step)
        run = lyapax.lyapunov_spectrum(problem, n_steps=steps, renorm_every=every, t_transient=before * step)
        return jnp.sum(run.exponents)[None, None]

    return [
        Contender(name, partial(jitted(partial(exponents, every)), *problem), note)
        for name, (every, note) in LYAPAX.items()
        if steps % every == before % every == 0
    ]


def _mean_log_det(steps: int, before: int, step: float, W: np.ndarray, h: np.ndarray) -> np.ndarray:
    """The sum of the exponents, (1, 1): the mean of log|det J| / step over the steps after `before`."""
    total, eye = 0.0, np.eye(len(h))
    for k in range(before + steps):
        if k >= before:
            total += np.linalg.slogdet(_rate_jacobian(step, W, h, eye))[1]
        h = _rate_step(np.tanh, step, W, h)
    return np.full((1, 1), total / (steps * step))


def _rate_step(tanh: Callable, step: float, W: Any, h: Any) -> Any:
    """One step of the classical Runge–Kutta method."""
    k1 = W @ tanh(h) - h
    k2 = W @ tanh(h + step / 2 * k1) - (h + step / 2 * k1)
    k3 = W @ tanh(h + step / 2 * k2) - (h + step / 2 * k2)
    k4 = W @ tanh(h + step * k3) - (h + step * k3)
    return h + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def _rate_jacobian(step: float, W: np.ndarray, h: np.ndarray, eye: np.ndarray) -> np.ndarray:
    """The Jacobian J of that step, by the chain rule through its stages."""
    k, K, total = 0 * h, 0 * eye, eye
    for reach, weight in ((0, 1), (step / 2, 2), (step / 2, 2), (step, 1)):
        at, P = h + reach * k, eye + reach * K
        k, K = W @ np.tanh(at) - at, (W * (1 - np.tanh(at) ** 2)[None]) @ P - P
        total = total + step * weight / 6 * K
    return total
