"""The case "linear": the flow dh/dt = A h + B x + c behind an affine network, for a held input."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._bridge.to_ode import to_ode
from ..._cells.vanilla import VanillaCell
from ..._methods.closed import Exact
from ..._paths.held import Hold
from ..._run.integrate import integrate
from .. import _diffrax
from .._networks import TANH, over_batch, work
from .._precision import TOLERANCES, best, with_its_point
from .._race import OURS, TARGET, Contender, Plan, distance, jitted, race
from .._rows import Row

EXACT = 1e-12  # the error allowed for the two that compute the exponential


def rows(plan: Plan) -> list[Row]:
    with jax.enable_x64(True):
        field, xs, h0 = _problem(plan)
        exact = _in_numpy(*(np.asarray(array) for array in (field.A, field.B, field.c, xs, h0)))
        error = partial(distance, reference=exact)
        problem = (field.A, field.B, field.c, xs, h0)
        exactly = {
            OURS: (partial(jitted(_ours), field, xs, h0), "jitted, throw=False"),
            "hand-written expm, lax.scan": (partial(jitted(_scan), *problem), "jitted, one expm of (N + 2)²"),
        }
        contenders = [
            with_its_point(Contender(name, call, note, allowed=EXACT), error) for name, (call, note) in exactly.items()
        ]
        contenders += [
            best("linear", name, {note: (partial(_by_tolerance, jitted(solve), xs, h0), TOLERANCES)}, error, plan)
            for name, (solve, note) in _diffrax.ways(partial(_rate, *problem[:3])).items()
        ]
        return race("linear", contenders, plan, error, TARGET, work(plan))


def _by_tolerance(solve: Callable, xs: Array, h0: Array, tolerance: float) -> Any:
    return solve(tolerance, xs, h0)


def _problem(plan: Plan) -> tuple[Any, jax.Array, jax.Array]:
    """The flow that `Exact` makes of the network exp(A), the input and the start.

    A is a Gaussian matrix, shifted so that its eigenvalues have negative real parts.
    """
    given, n = TANH.problem(plan), plan.hidden
    A = 0.5 * jax.random.normal(jax.random.key(plan.seed + 1), (n, n)) / n**0.5 - 0.6 * jnp.eye(n)
    cell = VanillaCell(jax.scipy.linalg.expm(A), given.W_x, given.b, activation=None)
    return to_ode(cell, Exact()), given.xs, given.h0


def _ours(field: Any, xs: Array, h0: Array) -> Array:
    return over_batch(lambda xs, h0: integrate(field, Hold(xs), h0, throw=False).states, xs, h0)


def _rate(A: Array, B: Array, c: Array, t: Any, k: Any, h: Array, xs: Array) -> Array:
    return A @ h + B @ xs[k] + c


def _scan(A: Array, B: Array, c: Array, xs: Array, h0: Array) -> Array:
    P, Q, q = _propagator(jax.scipy.linalg.expm, A, B, c)

    def body(h: Array, drive: Array) -> tuple[Array, Array]:
        h = (P @ h if h.ndim == 1 else h @ P.T) + drive
        return h, h

    drives = xs @ Q.T
    return jax.lax.scan(body, h0, drives + jnp.broadcast_to(q, drives.shape))[1]


def _propagator(expm: Callable, A: Any, B: Any, c: Any) -> tuple[Any, Any, Any]:
    """P, Q, q of the map h ↦ P h + Q x + q over one sample, from the exponential of one augmented matrix (Van Loan 1978)."""
    n, inputs = B.shape
    full = expm(jnp.pad(jnp.concatenate([A, B, c[:, None]], axis=1), ((0, inputs + 1), (0, 0))))
    return full[:n, :n], full[:n, n:-1], full[:n, -1]


def _in_numpy(A: np.ndarray, B: np.ndarray, c: np.ndarray, xs: np.ndarray, h: np.ndarray) -> np.ndarray:
    """The states by a loop in NumPy."""
    P, Q, q = _propagator(_expm, A, B, c)
    states = []
    for x in xs:
        h = h @ P.T + x @ Q.T + q
        states.append(h)
    return np.stack(states)


def _expm(M: Any) -> np.ndarray:
    """The exponential: the Taylor series of exp(M/2ˢ), squared s times."""
    squarings = max(int(np.ceil(np.log2(np.linalg.norm(M, 1)))) + 2, 0)
    M = np.asarray(M) / 2**squarings
    total = term = np.eye(len(M))
    for k in range(1, 20):
        term = term @ M / k
        total = total + term
    for _ in range(squarings):
        total = total @ total
    return total
