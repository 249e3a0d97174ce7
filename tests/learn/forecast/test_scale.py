"""What the size of errors goes with, and intervals that grow with it."""

import numpy as np
import pytest

from rnn_ode import learn
from rnn_ode.learn._forecast.bands import ConformalIntervals
from rnn_ode.learn._forecast.predicted import Predicted
from rnn_ode.learn._forecast.scale import scale_of

K = np.arange(200.0)


def last_values(values, horizon=1):
    """Windows of a series, and the errors of its last value."""
    every = learn.windows(values[:, None], 8, 0, horizon)
    return every, every.targets - learn.last_value(every)


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("level", lambda noise: (10 + K) * (1 + 0.1 * noise)),
        ("changes", lambda noise: 1000 + np.cumsum(np.exp(2 * np.sin(K / 20)) * noise)),
    ],
)
def test_what_errors_go_with_is_found(kind, made):
    for seed in range(5):
        every, wrong = last_values(made(np.random.default_rng(seed).normal(size=200)))
        scale = scale_of(wrong, every.inputs, 1)
        assert scale is not None and scale.kind == kind, seed
        np.testing.assert_allclose(scale(every.inputs).mean(axis=0), 1, rtol=1e-12)


def test_errors_of_one_size_have_no_scale():
    for seed in range(10):
        noise = np.random.default_rng(seed).normal(size=200)
        for values in (np.cumsum(noise), 100 + noise, noise, 0.1 * K + noise):
            every, wrong = last_values(values, horizon=3)
            assert scale_of(wrong, every.inputs, 3) is None, seed
    every, _ = last_values(2 * K)
    assert scale_of(1e-14 * every.targets, every.inputs, 1) is None  # rounding


def test_intervals_grow_with_the_level_where_no_logarithms_can_be_taken():
    """A series that grows with its errors and has been 0: intervals of one width covered half of the test."""
    covered = {"scaled": [], "even": []}
    for seed in range(6):
        steps = np.random.default_rng(seed).normal(size=200)
        values = np.exp(0.02 * K + 0.05 * np.cumsum(steps)) - 1.05
        every, _ = last_values(values)
        valid, test = every[80:120], every[120:]
        scale = scale_of(*[part[:120] for part in (every.targets - learn.last_value(every), every.inputs)], 1)
        for name, part in (("scaled", scale), ("even", None)):
            pair = [Predicted(learn.last_value(w)[None], None, part and part(w.inputs)) for w in (valid, test)]
            band = ConformalIntervals.fit(pair[0], valid.targets, 0.9)(pair[1])
            covered[name].append(learn.coverage(test.targets, band.lower, band.upper))
    assert np.mean(covered["scaled"]) > 0.8 > np.mean(covered["even"]) + 0.2


def test_intervals_grow_with_the_horizon_as_the_errors_do():
    """The last value of a random walk errs √h at step h."""
    walk = np.cumsum(np.random.default_rng(0).normal(size=6000))
    every, _ = last_values(walk, horizon=16)
    found = Predicted(learn.last_value(every)[None])
    band = ConformalIntervals.fit(found[:3000], every.targets[:3000], 0.9)(found[3000:])
    half = (band.upper - band.mean)[0, :, 0]
    np.testing.assert_allclose(half / half[0], np.sqrt(1 + np.arange(16)), rtol=0.15)
