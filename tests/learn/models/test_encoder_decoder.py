"""Encoders and decoders, against Python loops."""

from functools import partial

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from jax.flatten_util import ravel_pytree

import rnn_ode as ro
from rnn_ode import learn

T, D, N = 5, 2, 3
XS = jax.random.normal(jax.random.key(0), (3, T, D))
KEYS = jax.random.split(jax.random.key(1), 12)
LINEAR = ro.CTRNN.random(KEYS[0], D, N, tau=0.5, activation=None)
FLOW = partial(learn.Integrated, rtol=1e-6, atol=1e-8)
OSCILLATORS = partial(ro.CoRNN.random, gamma=2.0, epsilon=0.5)
CELLS = {
    "vanilla": ro.VanillaCell.random(KEYS[1], D, N, activation=jnp.tanh),
    "gru": eqx.nn.GRUCell(D, N, key=KEYS[2]),
    "lstm": eqx.nn.LSTMCell(D, N, key=KEYS[3]),
    "ctrnn-cell": ro.to_rnn(ro.CTRNN.random(KEYS[4], D, N), ro.Euler(), 0.5),
    "cornn-cell": ro.to_rnn(OSCILLATORS(KEYS[5], D, N), ro.Euler(), 0.2),
}
OUTPUT = {"lstm": lambda h: h[0], "cornn-cell": lambda h: h[0]}
ITERATED = {name: learn.Iterated(cell) for name, cell in CELLS.items()}
RECURRENT = ITERATED | {
    "cornn": FLOW(OSCILLATORS(KEYS[7], D, N), ro.Linear, dt=0.5, solver=diffrax.Heun(), rtol=1e-3, atol=1e-5),
}


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


def unroll(name, h, readout, fed=None):
    """Values one after another, each fed the one before, or the true one before."""
    y, values = jnp.zeros(D), []
    for k in range(T):
        output, h = loop(name, [y if fed is None or k == 0 else fed[k - 1]], h)
        values.append(readout(output[0]))
        y = values[-1]
    return np.stack(values)


@pytest.mark.parametrize("name", named(CELLS))
def test_an_encoder_and_decoder_equal_two_loops(name):
    readout = eqx.nn.Linear(N, D, key=KEYS[10])
    model = learn.EncoderDecoder(ITERATED[name], ITERATED[name], readout)
    _, h = loop(name, XS[0])
    free = unroll(name, h, readout)
    np.testing.assert_allclose(model(XS[0], T), free, rtol=1e-12, atol=1e-14)
    taught = unroll(name, h, readout, XS[1])
    np.testing.assert_allclose(model(XS[0], T, targets=XS[1]), taught, rtol=1e-12, atol=1e-14)
    assert np.abs(free - taught).max() > 1e-3


@pytest.mark.parametrize("name", named(RECURRENT))
def test_a_decoder_taught_its_own_outputs_repeats_them(name):
    model = learn.EncoderDecoder(RECURRENT[name], RECURRENT[name], eqx.nn.Linear(N, D, key=KEYS[10]))
    free = model(XS[0], T)
    np.testing.assert_allclose(model(XS[0], T, targets=free), free, rtol=1e-12, atol=1e-14)


@pytest.mark.slow
def test_a_decoding_field_holds_its_input():
    readout = eqx.nn.Linear(N, D, key=KEYS[10])
    model = learn.EncoderDecoder(learn.Integrated(LINEAR), learn.Integrated(LINEAR, ro.Linear), readout)
    h, y, values = linear_steps(XS[0], np.zeros(N))[-1], np.zeros(D), []
    for _ in range(T):
        h = linear_steps(y[None], h)[0]
        y = np.asarray(readout(h))
        values.append(y)
    np.testing.assert_allclose(model(XS[0], T), values, atol=1e-4)  # four steps of Tsit5 a sample


@pytest.mark.slow
def test_the_gradient_equals_finite_differences():
    def loss(model):
        return jnp.mean((model(XS[0], T) - XS[1]) ** 2)

    model = learn.EncoderDecoder(ITERATED["gru"], ITERATED["gru"], eqx.nn.Linear(N, D, key=KEYS[10]))
    params, static = eqx.partition(model, eqx.is_inexact_array)
    flat, unravel = ravel_pytree(params)
    of = jax.jit(lambda flat: loss(eqx.combine(unravel(flat), static)))
    gradient = jax.grad(of)(flat)
    along = jnp.sin(jnp.arange(flat.size, dtype=flat.dtype))
    measured = (of(flat + 1e-6 * along) - of(flat - 1e-6 * along)) / 2e-6
    np.testing.assert_allclose(gradient @ along, measured, rtol=1e-7)
