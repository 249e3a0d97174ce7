"""A sweep is a loop over its members, in whatever chunks."""

import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st
from properties import strategies as draw
from properties.budget import prop

import rnn_ode as ro


def answers(gain, bias):
    h = jnp.zeros(2)
    W = gain * jnp.array([[0.8, -0.6], [0.6, 0.8]])
    for _ in range(4):
        h = jnp.tanh(W @ h + bias)
    return {"state": h, "size": jnp.linalg.norm(h), "root": jnp.sqrt(bias)}


@prop(6, 300, rng=draw.rngs(), a=st.integers(1, 4), b=st.integers(1, 4), chunk=st.integers(1, 7))
def test_a_sweep_is_a_loop_in_any_chunks_and_tells_of_nan(rng, a, b, chunk):
    gains, biases = rng.normal(size=a), rng.normal(size=b)
    found = ro.sweep(answers, {"gain": gains, "bias": biases}, chunk=chunk, progress=False)
    whole = ro.sweep(answers, {"gain": gains, "bias": biases}, progress=False)
    for name in ("state", "size", "root"):
        np.testing.assert_array_equal(found[name].values, whole[name].values)
    for i, gain in enumerate(gains):
        for k, bias in enumerate(biases):
            one = answers(jnp.asarray(gain), jnp.asarray(bias))
            for name, wanted in one.items():
                np.testing.assert_allclose(found[name].values[i, k], wanted, rtol=1e-6, atol=1e-9)
            assert (str(found["outcome"].values[i, k]) == "successful") == (bias >= 0)
    np.testing.assert_array_equal(found["gain"].values, gains)
