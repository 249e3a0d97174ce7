"""Training with noise: the loss takes a key, and gradients pass through the noisy run, σ included."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnn_ode as ro
from rnn_ode import learn


def variance(model, key):
    """Of a linear network of one unit, with noise."""
    cell = ro.VanillaCell(model["w"][None, None], jnp.zeros((1, 1)), jnp.zeros(1), activation=None)
    run = ro.iterate(cell, jnp.zeros((400, 1)), noise=jnp.exp(model["log_sigma"]), key=key, throw=False)
    return jnp.mean(run.states[50:] ** 2)


def trained(steps):
    def loss(model, wanted, key):
        return (jnp.log(variance(model, key)) - jnp.log(wanted)) ** 2

    model = {"w": jnp.array(0.5), "log_sigma": jnp.array(-2.0)}
    how = {"optimiser": optax.adam(0.1), "steps": steps, "key": jax.random.key(0), "progress": False}
    return learn.fit(model, loss, [jnp.array(1.0)], **how)


@pytest.mark.gate
def test_a_network_learns_its_noise_and_its_decay():
    """The variance is σ²/(1 − w²). Training makes it 1, to the 15 % or so by which 350 correlated steps know it."""
    done = trained(100)
    w, sigma = float(done.model["w"]), float(jnp.exp(done.model["log_sigma"]))
    assert abs(sigma**2 / (1 - w**2) - 1) < 0.3
    assert done.history.loss[0] > 10 and w > 0.55 and sigma > 0.3


@pytest.mark.gate
def test_a_training_with_noise_repeats_itself():
    """The noise of a step is drawn from the training's key and the number of the step."""
    first = trained(3).history.loss
    np.testing.assert_array_equal(first, trained(3).history.loss)
    assert len(set(np.diff(np.log(np.asarray(first))).tolist())) == 2
