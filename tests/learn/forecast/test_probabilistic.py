"""Intervals: what they cover on held-out windows, and networks that say how uncertain they are."""

import jax
import numpy as np
import pytest

from rnn_ode import learn

QUIET = {"key": jax.random.key(0), "progress": False, "members": 2}


@pytest.mark.slow
def test_intervals_cover_nine_tenths_of_over_2000_windows_of_a_stationary_series():
    """An autoregression of order one. 0.87 to 0.93 is four standard errors of the calibration on 1035 windows."""
    rng = np.random.default_rng(0)
    noise, x = rng.normal(size=7400), np.zeros(7400)
    for k in range(1, 7400):
        x[k] = 0.7 * x[k - 1] + noise[k]
    make = learn.many_to_one("tanh", 2)
    f = learn.forecast(x[:, None], make, history=4, needs=learn.Needs(), steps=10, validation=0.2, **QUIET)
    assert len(f.split.test) > 2000 and 0.87 < f.coverage < 0.93
    # the best CRPS of a Gaussian with standard deviation 1, the innovation, is 1/√π
    assert f.scores["ensemble"]["crps"] == pytest.approx(1 / np.sqrt(np.pi), rel=0.05)
    assert f.scores["last value"]["crps"] > f.scores["ensemble"]["crps"]


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["gaussian", "student", "quantile"])
def test_networks_say_how_uncertain_they_are(loss):
    """Every second row has noise of ten times the size: the intervals must be wider there."""
    rng = np.random.default_rng(0)
    loud = np.arange(600) % 2 == 0
    x = np.where(loud, 0.0, 4.0) + np.where(loud, 0.5, 0.05) * rng.normal(size=600)
    f = learn.forecast(
        x[:, None], learn.many_to_one("tanh", 4), history=2, loss=loss, steps=400, validation=0.2, **QUIET
    )
    width = (f.band.upper - f.band.lower)[:, 0, 0]
    there = loud[f.split.test.starts + 2]
    assert np.median(width[there]) > 2 * np.median(width[~there]) and 0.8 < f.coverage < 0.98
