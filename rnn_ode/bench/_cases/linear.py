"""The case "linear": the flow dh/dt = A h + B x + c behind an affine network, under a held input."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import rnn_ode as ro

from .. import _diffrax
from .. import _problem as _tanh
from .._precision import TOLERANCES, best, with_its_point
from .._race import OURS, TARGET, Contender, Plan, distance, jitted, race
from .._rows import Row

EXACT = 1e-12  # what ours is allowed


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
        return race("linear", contenders, plan, error, TARGET, _tanh.work(plan))


def _by_tolerance(solve, xs, h0, tolerance):
    return solve(tolerance, xs, h0)


def _problem(plan: Plan) -> tuple[Any, jax.Array, jax.Array]:
    """The flow that `Exact` finds behind a network exp(A), A a Gaussian matrix whose eigenvalues have real parts below 0."""
    given, n = _tanh.problem(plan), plan.hidden
    A = 0.5 * jax.random.normal(jax.random.key(plan.seed + 1), (n, n)) / n**0.5 - 0.6 * jnp.eye(n)
    cell = ro.VanillaCell(jax.scipy.linalg.expm(A), given.W_x, given.b, activation=None)
    return ro.to_ode(cell, ro.Exact()), given.xs, given.h0


def _ours(field, xs, h0):
    return _tanh.over_batch(lambda xs, h0: ro.integrate(field, ro.Hold(xs), h0, throw=False).states, xs, h0)


def _rate(A, B, c, t, k, h, xs):
    return A @ h + B @ xs[k] + c


def _scan(A, B, c, xs, h0):
    P, Q, q = _propagator(jax.scipy.linalg.expm, A, B, c)

    def body(h, drive):
        h = (P @ h if h.ndim == 1 else h @ P.T) + drive
        return h, h

    drives = xs @ Q.T
    return jax.lax.scan(body, h0, drives + jnp.broadcast_to(q, drives.shape))[1]


def _propagator(expm, A, B, c):
    """h ↦ P h + Q x + q over a sample, from the exponential of one augmented matrix (Van Loan 1978)."""
    n, inputs = B.shape
    full = expm(jnp.pad(jnp.concatenate([A, B, c[:, None]], axis=1), ((0, inputs + 1), (0, 0))))
    return full[:n, :n], full[:n, n:-1], full[:n, -1]


def _in_numpy(A, B, c, xs, h):
    P, Q, q = _propagator(_expm, A, B, c)
    states = []
    for x in xs:
        h = h @ P.T + x @ Q.T + q
        states.append(h)
    return np.stack(states)


def _expm(M):
    """By Taylor's series of M/2ˢ, squared s times."""
    squarings = max(int(np.ceil(np.log2(np.linalg.norm(M, 1)))) + 2, 0)
    M = np.asarray(M) / 2**squarings
    total = term = np.eye(len(M))
    for k in range(1, 20):
        term = term @ M / k
        total = total + term
    for _ in range(squarings):
        total = total @ total
    return total
