"""The cases "integrate" and "integrate_linear_input": the flow dh/dt = tanh(W_h h + W_x x(t) + b) − h of a tanh network.
The input is held between its samples in the first case, and linear between them in the second.

All contenders get the input in the same form: in step k it goes from `start[k]` to `end[k]`. The flow of `Forward(1)` reads
a linear input one step ahead; therefore `start[k]` is sample k and `end[k]` sample k + 1.
"""

from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._bridge.to_ode import to_ode
from ..._cells.vanilla import VanillaCell
from ..._methods.series import Forward
from ..._paths.held import Hold
from ..._paths.interpolated import Linear
from ..._run.integrate import integrate
from .. import _diffrax
from .._networks import TANH, over_batch
from .._peers import with_peer
from .._precision import SUBSTEPS, TOLERANCES, best, quickest
from .._race import OURS, TARGET, Contender, Plan, distance, jitted, race
from .._rows import Row

Host = tuple[np.ndarray, ...]  # W_h, W_x, b, start, end and h0 in NumPy


def held(plan: Plan) -> list[Row]:
    return _rows("integrate", Hold, plan)


def linear_input(plan: Plan) -> list[Row]:
    return _rows("integrate_linear_input", Linear, plan)


def _rows(case: str, path: type, plan: Plan) -> list[Row]:
    with jax.enable_x64(True):
        given = TANH.problem(plan)
        end = given.xs if path is Hold else jnp.concatenate([given.xs[1:], given.xs[-1:]])
        ends = jnp.concatenate([given.xs, end], axis=-1)
        rate = partial(rate_of, given.W_h, given.W_x, given.b)
        plan.progress(f"{case}: the reference, at tolerance 1e-12")
        exact = np.asarray(jitted(partial(_diffrax.solve, rate, diffrax.Dopri8(), True))(1e-12, ends, given.h0))[1:]
        error = partial(distance, reference=exact)
        ours = jitted(partial(states_of, path, given.W_h, given.W_x, given.b))
        ways = {OURS: (lambda tolerance, ends, h0: ours(tolerance, given.xs, h0), "jitted, throw=False")}
        ways |= {name: (jitted(solve), note) for name, (solve, note) in _diffrax.ways(rate).items()}
        contenders = [
            best(case, name, {note: (lambda k, solve=solve: solve(k, ends, given.h0), TOLERANCES)}, error, plan)
            for name, (solve, note) in ways.items()
        ]
        host = tuple(np.asarray(array) for array in (given.W_h, given.W_x, given.b, given.xs, end, given.h0))
        contenders += with_peer(plan, "scipy.integrate", SCIPY, partial(_scipy, case, host, error, plan))
        contenders += with_peer(plan, "torchdiffeq", TORCHDIFFEQ, partial(_torchdiffeq, case, host, error, plan))
        if plan.batch == 1:
            contenders += _loops(case, (given.W_h, given.W_x, given.b, ends), given.h0, error, plan)
        return race(case, contenders, plan, error, TARGET)


# JAX


def states_of(path: type, W_h: Array, W_x: Array, b: Array, tolerance: Any, xs: Array, h0: Array) -> Array:
    field = to_ode(VanillaCell(W_h, W_x, b, jnp.tanh), Forward(1))

    def run(xs: Array, h0: Array) -> Array:
        return integrate(field, path(xs), h0, rtol=tolerance, atol=tolerance / 100, throw=False).states

    return over_batch(run, xs, h0)


def rate_of(W_h: Array, W_x: Array, b: Array, t: Any, k: Any, h: Array, ends: Array) -> Array:
    """dh/dt at time t, which lies in step k."""
    start, end = jnp.split(ends[k], 2)
    return jnp.tanh(W_h @ h + W_x @ (start + (t - k) * (end - start)) + b) - h


def _loops(case: str, problem: tuple[Array, ...], h0: Array, error: Callable, plan: Plan) -> list[Contender]:
    step = jitted(_rk4)
    ways = {"RK4": (lambda count: _loop(step, count, problem, h0), SUBSTEPS)}
    note, its = quickest(case, "Python loop", ways, error, plan)
    return [
        Contender("Python loop, jitted RK4 step", its.call, note, first_s=its.first_s, curve=its.curve),
        Contender("Python loop, un-jitted JAX", lambda: _loop(_rk4, its.setting, problem, h0), note),
    ]


def _rk4(size: Any, at: Any, W_h: Array, W_x: Array, b: Array, ends: Array, h: Array) -> Array:
    """One step of the classical Runge–Kutta method, from the time `at` within a sample interval on."""

    def rate(s: Any, h: Array) -> Array:
        return rate_of(W_h, W_x, b, s, 0, h, ends[None])

    k1 = rate(at, h)
    k2 = rate(at + size / 2, h + size / 2 * k1)
    k3 = rate(at + size / 2, h + size / 2 * k2)
    k4 = rate(at + size, h + size * k3)
    return h + size / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def _loop(step: Callable, count: int, problem: tuple[Array, ...], h: Array) -> Array:
    """The states by a Python loop of `count` steps a sample."""
    *weights, ends = problem
    states = []
    for piece in ends:
        for i in range(count):
            h = step(1 / count, i / count, *weights, piece, h)
        states.append(h)
    return jnp.stack(states)


# SciPy: one solve of the whole run or one for every sample, whichever is quicker. A batch is solved one by one.

SCIPY = ["scipy LSODA", "scipy DOP853"]


def _scipy(case: str, problem: Host, error: Callable, plan: Plan, scipy: ModuleType) -> list[Contender]:
    def run(solve: Callable, method: str, tolerance: float) -> np.ndarray:
        given = partial(scipy.solve_ivp, method=method, rtol=tolerance, atol=tolerance / 100)
        return _one_by_one(partial(solve, given), *problem)

    contenders = []
    for name in SCIPY:
        solves = {"the whole": _whole, "one solve a sample": _each}
        ways = {
            f"solve_ivp, {note}": (partial(run, solve, name.split()[1]), TOLERANCES) for note, solve in solves.items()
        }
        contenders.append(best(case, name, ways, error, plan))
    return contenders


def _one_by_one(
    solve: Callable, W_h: np.ndarray, W_x: np.ndarray, b: np.ndarray, start: np.ndarray, end: np.ndarray, h0: np.ndarray
) -> np.ndarray:
    """The states by `solve(W_h, drive, slope, h0)`, which knows no batches."""
    drive, slope = start @ W_x.T + b, (end - start) @ W_x.T
    if h0.ndim == 1:
        return solve(W_h, drive, slope, h0)
    return np.stack([solve(W_h, drive[:, i], slope[:, i], h) for i, h in enumerate(h0)], axis=1)


def _whole(solve_ivp: Callable, W_h: np.ndarray, drive: np.ndarray, slope: np.ndarray, h0: np.ndarray) -> np.ndarray:
    last = len(drive) - 1

    def rate(t: float, h: np.ndarray) -> np.ndarray:
        k = min(int(t), last)
        return np.tanh(W_h @ h + drive[k] + (t - k) * slope[k]) - h

    return solve_ivp(rate, (0, last + 1), h0, t_eval=np.arange(last + 2.0), max_step=1).y.T


def _each(solve_ivp: Callable, W_h: np.ndarray, drive: np.ndarray, slope: np.ndarray, h: np.ndarray) -> np.ndarray:
    states = []
    for d, s in zip(drive, slope, strict=True):
        h = solve_ivp(lambda t, h, d=d, s=s: np.tanh(W_h @ h + d + t * s) - h, (0, 1), h).y[:, -1]
        states.append(h)
    return np.stack(states)


# torchdiffeq: as in its documentation, and the best of its solvers that are told of the jumps.

TORCHDIFFEQ = ["torchdiffeq", "torchdiffeq, its best"]


def _torchdiffeq(case: str, problem: Host, error: Callable, plan: Plan, torchdiffeq: ModuleType) -> list[Contender]:
    import torch

    given = [torch.from_numpy(np.array(array)) for array in problem]
    times = torch.arange(len(problem[3]) + 1, dtype=torch.float64)

    def way(method: str, **options: Any) -> tuple[Callable, Sequence]:
        """An adaptive method, whose setting is the tolerance."""
        return (lambda k: _odeint(torch, torchdiffeq, given, times, method, options, rtol=k, atol=k / 100)), TOLERANCES

    def fixed(steps: int) -> Any:
        return _odeint(torch, torchdiffeq, given, times, "rk4", {"step_size": 1 / steps, "perturb": True})

    told = {f"{method}, jump_t": way(method, jump_t=times[1:-1]) for method in ("dopri5", "dopri8")}
    all_ways = ({"dopri5": way("dopri5")}, told | {"rk4, perturb": (fixed, SUBSTEPS)})
    return [best(case, name, ways, error, plan) for name, ways in zip(TORCHDIFFEQ, all_ways, strict=True)]


def _odeint(
    torch: Any, torchdiffeq: Any, given: list[Any], times: Any, method: str, options: dict, **tolerances: float
) -> Any:
    W_h, W_x, b, start, end, h0 = given
    drive, slope = start @ W_x.T + b, (end - start) @ W_x.T
    transposed, last = W_h.T, len(drive) - 1

    def rate(t: Any, h: Any) -> Any:
        k = min(max(int(t), 0), last)
        return torch.tanh(h @ transposed + drive[k] + (t - k) * slope[k]) - h

    with torch.no_grad():
        return torchdiffeq.odeint(rate, h0, times, method=method, options=options, **tolerances)
