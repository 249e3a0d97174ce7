"""Metrics, against values computed by hand."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from rnn_ode import learn
from rnn_ode.learn._forecast.metrics import naive_errors


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_metrics_equal_values_computed_by_hand():
    y, p = np.array([[1.0, -2.0], [0.0, 4.0]]), np.array([[2.0, 2.0], [0.0, 1.0]])
    assert learn.mae(y, p) == (1 + 4 + 0 + 3) / 4
    assert learn.mse(y, p) == (1 + 16 + 0 + 9) / 4
    assert learn.smape(y, p) == pytest.approx((2 / 3 + 2 + 0 + 6 / 5) / 4, rel=1e-15)
    # Steps of the training part: 1, 3 and 10, 10; two seasons apart: 4 and 0, which column 1 does not have.
    training = np.array([[0.0, 0.0], [1.0, 10.0], [4.0, 0.0]])
    assert learn.mase(y, p, training) == pytest.approx((1 / 2 + 4 / 10 + 0 + 3 / 10) / 4, rel=1e-15)
    assert learn.mase(y[:, :1], p[:, :1], training[:, :1], season=2) == pytest.approx((1 / 4 + 0) / 2, rel=1e-15)


def test_the_naive_forecast_has_a_mase_of_1_on_its_own_training_part():
    values = noise(100, 2).cumsum(axis=0)
    for season in (1, 7):
        assert learn.mase(values[season:], values[:-season], values, season) == pytest.approx(1, rel=1e-13)


@pytest.mark.parametrize("metric", [learn.mae, learn.mse, learn.smape])
def test_metrics_of_single_precision_and_of_jax(metric):
    y, p = noise(40, 3, 1).astype(np.float32), noise(40, 3, 1, seed=1).astype(np.float32)
    value = metric(y, p)
    assert type(value) is float and value == metric(y.astype(np.float64), p.astype(np.float64))
    assert metric(jnp.asarray(y), jnp.asarray(p)) == value


def test_float64_is_not_rounded_without_x64(float32):
    assert learn.mae(np.array([1.0]), np.array([1 + 1e-12])) == pytest.approx(1e-12, rel=1e-3)


def test_coverage_counts_the_ends():
    y = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert learn.coverage(y, y, y) == 1.0
    assert learn.coverage(y, np.full(5, 2.0), np.full(5, 4.0)) == 3 / 5
    draws = noise(20_000)
    # 1.645 standard deviations hold nine tenths of a normal law, to four standard errors of the share.
    assert abs(learn.coverage(draws, np.full(20_000, -1.645), np.full(20_000, 1.645)) - 0.9) < 4 * np.sqrt(
        0.09 / 20_000
    )


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: learn.mae(noise(4, 1), noise(4)),
            r"targets and predictions must have one shape; got \(4, 1\) and \(4,\)",
        ),
        (lambda: learn.mse([], []), r"targets: the array is empty, of shape \(0,\)"),
        (lambda: learn.smape([1.0, 2.0], [1.0, np.inf]), r"predictions: finite .* at \(1,\) is inf"),
        (lambda: learn.mase(noise(4, 2), noise(4, 2), noise(9, 1)), r"with one D; got \(4, 2\) and \(9, 1\)"),
        (lambda: learn.mase(noise(4, 1), noise(4, 1), noise(3, 1), 3), "more rows than season, 3; got 3"),
        (lambda: learn.mase(noise(4, 1), noise(4, 1), noise(3, 1), 0), "season must be at least 1; got 0"),
        (lambda: learn.mase(noise(4, 1), noise(4, 1), np.ones((9, 1))), "column 0 repeats itself"),
        (lambda: learn.coverage([1.0], [0.0, 0.0], [2.0, 2.0]), r"targets and lower must have one shape"),
        (lambda: learn.coverage([1.0, 1.0], [0.0, 3.0], [2.0, 2.0]), r"at \(1,\) it is 3.0 and upper 2.0"),
    ],
)
def test_metrics_refuse_what_does_not_fit(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_crps_of_a_gaussian_is_the_closed_form():
    """Gneiting & Raftery 2007, equation 21: y (2 Φ(y) − 1) + 2 φ(y) − 1/√π."""
    levels = (np.arange(4000) + 0.5) / 4000
    y = np.array([-1.5, 0.0, 0.7])
    samples = np.repeat(stats.norm.ppf(levels)[:, None], 3, axis=1)
    exact = y * (2 * stats.norm.cdf(y) - 1) + 2 * stats.norm.pdf(y) - 1 / np.sqrt(np.pi)
    assert learn.crps(y, samples) == pytest.approx(exact.mean(), rel=2e-3)
    with pytest.raises(ValueError, match="samples must have shape"):
        learn.crps(y, samples[:, :2])


def test_a_scale_that_is_rounding_gives_no_mase():
    sine = np.sin(2 * np.pi * np.arange(120) / 12)[:, None]
    with pytest.raises(ValueError, match="repeats itself"):
        learn.mase(sine[:3], sine[1:4], sine, 12)


def test_the_unit_of_mase_leaves_out_filled_values():
    """A gap that was filled by a line has small changes, and made the unit too small."""
    rows = np.array([[0.0], [4.0], [5.0], [6.0], [10.0]])
    filled = np.array([[False], [False], [True], [False], [False]])
    assert naive_errors(rows, 1).item() == 2.5 and naive_errors(rows, 1, filled).item() == 4.0
    assert naive_errors(rows, 2, filled).item() == 2.0
    assert naive_errors(rows, 1, np.ones((5, 1), bool)).item() == 2.5  # there is nothing else
