"""The conversions that control engineers know: `scipy.signal.cont2discrete`, python-control's `c2d`, harold's two ways.

A linear flow x' = A x + B u becomes a network by `to_rnn`, and comes back by `to_ode`. SciPy and python-control convert one
way; their networks are given to `to_ode`, and the flow has to come back. harold also converts back. It scales its states, so
that transfer functions are compared, at points of the unit circle. SciPy's matrices are compared as they are. Rounding may
move the network by u (1 + dt ‖A‖), and the flow by u κ(A_d) / dt; a hundred times that is allowed.

python-control and harold are compared where they are installed. harold 1.0 reads a private name of older NumPy.
"""

import importlib.util
import sys

import jax.numpy as jnp
import numpy as np
import scipy.signal

import rnn_ode as ro

from .rows import row, worst

PART = "Conversions of control theory"
U = np.finfo(float).eps / 2
SYSTEMS = {
    "a damped oscillator": (np.array([[0.0, 1.0], [-10.0, -3.0]]), np.array([[0.0], [10.0]]), 0.1),
    "a stiff triangle": (np.array([[-1.0, 2.0, 0.0], [0.0, -50.0, 5.0], [0.0, 0.0, -0.1]]), np.eye(3)[:, :2], 0.05),
    "an integrator": (np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([[0.0], [1.0]]), 0.5),
}
# our scheme and its inverse, SciPy's name, harold's name, and the power of z with which harold reads the input
KINDS = {
    "held input": (ro.ExponentialEuler(), ro.Exact(), "zoh", "zoh", lambda z: 1),
    "Tustin": (ro.Trapezoidal(), ro.Tustin(), "bilinear", "tustin", lambda z: (z + 1) / 2),
    "forward Euler": (ro.Euler(), ro.Forward(1), "euler", "forward euler", lambda z: 1),
    "backward Euler": (ro.BackwardEuler(), ro.Backward(1), "backward_diff", "backward euler", lambda z: z),
}


def rows() -> list[dict]:
    return [one for name in KINDS for one in of_kind(name, scipys, "scipy.signal.cont2discrete", [*SYSTEMS][:1])]


def slow_rows() -> list[dict]:
    found = [one for name in KINDS for one in of_kind(name, scipys, "scipy.signal.cont2discrete", SYSTEMS)]
    if importlib.util.find_spec("control"):
        found += [one for name in KINDS for one in of_kind(name, controls, "control.c2d of python-control", SYSTEMS)]
    if importlib.util.find_spec("harold"):
        found += [one for name in KINDS for one in with_harold(name)]
    return found


def scipys(A, B, dt, kind):
    return scipy.signal.cont2discrete((A, B, np.eye(len(A)), np.zeros(B.shape)), dt, method=KINDS[kind][2])[:2]


def controls(A, B, dt, kind):
    import control

    there = control.c2d(control.ss(A, B, np.eye(len(A)), np.zeros(B.shape)), dt, KINDS[kind][2])
    return there.A, there.B


def of_kind(kind, theirs, source, names) -> list[dict]:
    """Our network beside theirs, and the flow that `to_ode` finds behind theirs beside the flow of the start."""
    scheme, method, word, *_ = KINDS[kind]
    there, back = [], []
    for A, B, dt in map(SYSTEMS.get, names):
        Ad, Bd = theirs(A, B, dt, kind)
        wanted, start = np.hstack([Ad, Bd]), np.hstack([A, B])
        within = 100 * U * (1 + dt * np.abs(start).max()), 100 * U * np.linalg.cond(Ad) / dt
        forth = matrices(network(A, B, dt, scheme), A, B)
        there.append(row(PART, "", wanted, source, forth, within=within[0], value=f"{word}: A and B"))
        again = flow_behind(Ad, Bd, dt, method)
        back.append(row(PART, "", start, source, again, within=within[1], value=f"{word}: the flow of the start"))
    return [worst(f"{kind}, flow to network", there), worst(f"{kind}, network to flow", back)]


def linear_flow(A, B):
    return lambda t, h, path: jnp.asarray(A) @ h + jnp.asarray(B) @ path(t)


def network(A, B, dt, scheme):
    return ro.to_rnn(linear_flow(A, B), scheme, dt)


def matrices(cell, A, B) -> np.ndarray:
    """(A, B) of a linear cell, from its answers to unit vectors."""
    n, d = B.shape
    of_states = [cell(jnp.zeros(d), h) for h in jnp.eye(n)]
    of_inputs = [cell(x, jnp.zeros(n)) for x in jnp.eye(d)]
    return np.stack([*of_states, *of_inputs], axis=1)


def flow_behind(Ad, Bd, dt, method) -> np.ndarray:
    n, d = Bd.shape
    field = ro.to_ode(ro.VanillaCell(Ad, Bd, np.zeros(n), activation=None), method, dt=dt)
    of_states = [field(0.0, h, lambda t: jnp.zeros(d)) for h in jnp.eye(n)]
    of_inputs = [field(0.0, jnp.zeros(n), lambda t, x=x: x) for x in jnp.eye(d)]
    return np.stack([*of_states, *of_inputs], axis=1)


def with_harold(kind) -> list[dict]:
    sys.modules.setdefault("numpy.linalg.linalg", np.linalg._linalg)
    import harold

    scheme, method, _, word, reads = KINDS[kind]
    there, again, z = [], [], np.exp(1j * np.array([0.1, 0.5, 1.5, 3.0]))
    for A, B, dt in SYSTEMS.values():
        theirs = harold.discretize(harold.State(A, B, np.eye(len(A))), dt, method=word)
        ours = matrices(network(A, B, dt, scheme), A, B)
        Ad, Bd = ours[:, : len(A)], ours[:, len(A) :]
        response = np.array([transfer(Ad, Bd, np.eye(len(A)), at) * reads(at) for at in z])
        wanted = np.array([transfer(theirs.a, theirs.b, theirs.c, at) + theirs.d for at in z])
        within = 100 * U * np.abs(wanted).max() * (1 + dt * np.abs(A).max())
        there.append(
            row(PART, "", wanted, "harold.discretize", response, within=within, value=f"{word}: at 4 frequencies")
        )
        back = harold.undiscretize(harold.State(Ad, Bd, np.eye(len(A)), dt=dt), method=word)
        mine = flow_behind(Ad, Bd, dt, method)[:, : len(A)]
        within = 100 * U * np.linalg.cond(Ad) / dt
        again.append(row(PART, "", back.a, "harold.undiscretize", mine, within=within, value=f"{word}: A"))
    return [worst(f"{kind}, flow to network", there), worst(f"{kind}, network to flow", again)]


def transfer(A, B, C, z):
    return C @ np.linalg.solve(z * np.eye(len(A)) - A, B)
