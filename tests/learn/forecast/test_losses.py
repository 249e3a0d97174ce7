"""Losses: each has its minimum where its name says, and is a known density."""

from functools import partial

import jax
import numpy as np
import pytest
from scipy import stats

from rnn_ode import learn
from rnn_ode.learn._forecast.losses import Loss, pinball

DRAWS = np.random.default_rng(0).normal(size=20_000)


@partial(jax.jit, static_argnums=0)
def loss_of(name, given, wanted):
    return Loss(name)(given, wanted)


def mean_loss(name, *outputs):
    given = np.broadcast_to(np.array(outputs), (len(DRAWS), len(outputs)))
    return float(np.mean(loss_of(name, given, DRAWS)))


def test_likelihoods_are_the_densities_of_their_names():
    z, scale = 0.7, 1.3
    given = np.array([0.2, np.log(scale)])
    wanted = -stats.norm.logpdf(z, 0.2, scale), -stats.t.logpdf(z, 5, 0.2, scale)
    for name, value in zip(("gaussian", "student"), wanted, strict=True):
        np.testing.assert_allclose(float(loss_of(name, given, z)), value, rtol=1e-6)


def test_the_gaussian_likelihood_is_best_for_the_true_mean_and_scale():
    best = mean_loss("gaussian", 0.0, 0.0)
    assert all(best < mean_loss("gaussian", m, s) for m, s in ((0.1, 0.0), (0.0, 0.1), (0.0, -0.1)))


def test_the_pinball_loss_is_least_at_the_quantile():
    quantile = stats.norm.ppf(0.95)
    at = [float(np.mean(pinball(jax.device_put(DRAWS - (quantile + d)), 0.95))) for d in (-0.1, 0.0, 0.1)]
    assert at[1] < min(at[0], at[2])
    half = np.log(np.expm1(quantile))  # its softplus is the quantile
    best = mean_loss("quantile", 0.0, half, half)
    assert best < min(mean_loss("quantile", 0.1, half, half), mean_loss("quantile", 0.0, half + 0.2, half))


def test_a_spread_is_what_the_network_says():
    np.testing.assert_allclose(Loss("gaussian").spread(np.array([5.0, 0.5])), np.exp(0.5))
    np.testing.assert_allclose(Loss("quantile").spread(np.array([5.0, 1.0, 1.0])), np.log1p(np.e), rtol=1e-6)
    assert Loss("mse").spread(np.zeros(1)) is None and learn.LOSSES[0] == "mse"


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="loss must be one of mse, mae, gaussian, student, quantile; got 'l2'"):
        Loss("l2")
