"""Encoders and decoders, against Python loops."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from runners import ITERATED, LINEAR, RECURRENT, XS, D, N, T, linear_steps, loop, named
from weights import drawn

import rnn_ode as ro
from rnn_ode import learn


def unroll(name, h, readout, fed=None):
    """Values one after another, each fed the one before, or the true one before."""
    y, values = jnp.zeros(D), []
    for k in range(T):
        output, h = loop(name, [y if fed is None or k == 0 else fed[k - 1]], h)
        values.append(readout(output[0]))
        y = values[-1]
    return np.stack(values)


@pytest.mark.slow
@pytest.mark.parametrize("name", named(("vanilla", "lstm")))
def test_an_encoder_and_decoder_equal_two_loops(name):
    readout = drawn(eqx.nn.Linear, N, D, seed=10)
    model = learn.EncoderDecoder(ITERATED[name], ITERATED[name], readout)
    _, h = loop(name, XS[0])
    free = unroll(name, h, readout)
    np.testing.assert_allclose(model(XS[0], T), free, rtol=1e-12, atol=1e-14)
    taught = unroll(name, h, readout, XS[1])
    np.testing.assert_allclose(model(XS[0], T, targets=XS[1]), taught, rtol=1e-12, atol=1e-14)
    assert np.abs(free - taught).max() > 1e-3


@pytest.mark.parametrize("name", named(("lstm", "cornn")))
def test_a_decoder_taught_its_own_outputs_repeats_them(name):
    model = learn.EncoderDecoder(RECURRENT[name], RECURRENT[name], drawn(eqx.nn.Linear, N, D, seed=10))
    free = model(XS[0], T)
    np.testing.assert_allclose(model(XS[0], T, targets=free), free, rtol=1e-12, atol=1e-14)


@pytest.mark.slow
def test_a_decoding_field_holds_its_input():
    readout = drawn(eqx.nn.Linear, N, D, seed=10)
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

    model = learn.EncoderDecoder(ITERATED["gru"], ITERATED["gru"], drawn(eqx.nn.Linear, N, D, seed=10))
    params, static = eqx.partition(model, eqx.is_inexact_array)
    flat, unravel = ravel_pytree(params)
    of = jax.jit(lambda flat: loss(eqx.combine(unravel(flat), static)))
    gradient = jax.grad(of)(flat)
    along = jnp.sin(jnp.arange(flat.size, dtype=flat.dtype))
    measured = (of(flat + 1e-6 * along) - of(flat - 1e-6 * along)) / 2e-6
    np.testing.assert_allclose(gradient @ along, measured, rtol=1e-7)
