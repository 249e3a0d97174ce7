"""Runners of every kind, and what their outputs are by other means: for the tests of `learn`'s models."""

from functools import partial

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from lazy import Lazy
from weights import drawn

import rnn_ode as ro
from rnn_ode import learn

T, D, N = 5, 2, 3
RNG = np.random.default_rng(0)
XS = jnp.asarray(RNG.normal(size=(3, T, D)))
KEYS = [jax.random.key(k) for k in range(12)]
LINEAR = ro.CTRNN(*(0.5 * RNG.normal(size=shape) for shape in ((N, N), (N, D), N)), tau=0.5, activation=None)
FLOW = partial(learn.Integrated, rtol=1e-6, atol=1e-8)
OSCILLATORS = partial(ro.CoRNN.random, gamma=2.0, epsilon=0.5)
CELLS = Lazy(
    {
        "vanilla": lambda: drawn(lambda key: ro.VanillaCell.random(key, D, N, activation=jnp.tanh), seed=1),
        "gru": lambda: drawn(eqx.nn.GRUCell, D, N, seed=2),
        "lstm": lambda: drawn(eqx.nn.LSTMCell, D, N, seed=3),
        "ctrnn-cell": lambda: ro.to_rnn(ro.CTRNN.random(KEYS[4], D, N), ro.Euler(), 0.5),
        "cornn-cell": lambda: ro.to_rnn(OSCILLATORS(KEYS[5], D, N), ro.Euler(), 0.2),
    }
)
OUTPUT = {"lstm": lambda h: h[0], "cornn-cell": lambda h: h[0]}
ITERATED = Lazy({name: lambda name=name: learn.Iterated(CELLS[name]) for name in CELLS})
RECURRENT = Lazy(
    ITERATED.makers
    | {
        "cornn": lambda: FLOW(
            OSCILLATORS(KEYS[7], D, N), ro.Linear, dt=0.5, solver=diffrax.Heun(), rtol=1e-3, atol=1e-5
        ),
    }
)
RUNNERS = Lazy(
    RECURRENT.makers
    | {
        "bidirectional": lambda: learn.Bidirectional(ITERATED["gru"], ITERATED["lstm"]),
        "stacked": lambda: learn.Stacked(
            [
                learn.Bidirectional(ITERATED["vanilla"], ITERATED["lstm"]),
                learn.Iterated(drawn(eqx.nn.GRUCell, 2 * N, N, seed=8)),
            ]
        ),
    }
)


def named(runners, quick=("lstm",)):
    """Parameters, most of them for the full run: each takes seconds to compile."""
    return [pytest.param(name, marks=[] if name in quick else [pytest.mark.slow]) for name in runners]


def zeros(name):
    state = jnp.zeros(N)
    return (state, state) if name in OUTPUT else state


def loop(name, xs, h=None):
    """Every output of a cell, and its last state."""
    h, outputs = zeros(name) if h is None else h, []
    for x in xs:
        h = CELLS[name](x, h)
        outputs.append(OUTPUT.get(name, lambda h: h)(h))
    return np.stack(outputs), h


def linear_steps(xs, h, straight=False):
    """The linear field's states by one matrix exponential a sample, its input held or on straight lines: the clock s of a
    step and a constant 1 are states of their own, h' = A h + B (first + slope s) + c."""
    W_h, W_x, b, tau, xs = (np.asarray(a) for a in (LINEAR.W_h, LINEAR.W_x, LINEAR.b, LINEAR.tau, xs))
    states = [np.asarray(h)]
    for k, x in enumerate(xs):
        first = xs[max(k - 1, 0)] if straight else x
        M = np.zeros((N + 2, N + 2))
        M[:N, :N], M[:N, N], M[:N, N + 1] = (W_h - np.eye(N)) / tau, W_x @ (x - first) / tau, (W_x @ first + b) / tau
        M[N, N + 1] = 1
        states.append((scipy.linalg.expm(M) @ [*states[-1], 0, 1])[:N])
    return np.stack(states[1:])


class Peeking(eqx.Module):
    """A field that reads its input later than the time, and does not say so."""

    def initial_state(self):
        return jnp.zeros(N)

    def __call__(self, t, h, path):
        return jnp.sum(path(t + 1.25)) + path(t - 0.75)[0] - h


CELL, AFFINE = (
    CELLS["vanilla"],
    eqx.tree_at(lambda cell: cell.W_h, CELLS["vanilla"], jnp.diag(jnp.array([0.9, 0.5, 0.7]))),
)
AFFINE = ro.VanillaCell(AFFINE.W_h, AFFINE.W_x, AFFINE.b, activation=None)
FLOWS = Lazy(
    {
        "forward": lambda: ro.to_ode(CELL, ro.Forward(2)),
        "peeking": lambda: Peeking(),
        "tustin": lambda: ro.to_ode(CELL, ro.Tustin()),
        "anchored": lambda: ro.to_ode(eqx.tree_at(lambda cell: cell.W_h, CELL, AFFINE.W_h), ro.Exact(anchored=True)),
        "affine": lambda: ro.to_ode(AFFINE, ro.Exact()),
        "backward": lambda: ro.to_ode(AFFINE, ro.Backward(2)),
        "linear": lambda: LINEAR,
        "ctrnn": lambda: ro.CTRNN.random(KEYS[4], D, N),
        "cornn": lambda: OSCILLATORS(KEYS[5], D, N),
        "antisymmetric": lambda: ro.AntisymmetricRNN.random(KEYS[5], D, N),
        "gru-ode": lambda: ro.GRUODE.random(KEYS[5], D, N),
        "gru": lambda: ro.to_ode(CELLS["gru"], ro.Forward(3)),
    }
)
