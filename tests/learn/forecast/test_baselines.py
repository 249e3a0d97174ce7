"""Baselines, against series that they forecast exactly, and the published pendulum."""

import numpy as np
import pytest

from rnn_ode import datasets, learn

PENDULUM = {"history": 100, "gap": 10}


@pytest.fixture(scope="module")
def pendulum():
    return datasets.pendulum().values


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize(
    "horizon, count, published",
    [(1, 1090, (0.092666, 0.010553, 0.37655)), (3, 1088, (0.109485, 0.014723, 0.423563))],
)
def test_the_naive_forecast_has_the_published_errors_on_the_pendulum(pendulum, horizon, count, published):
    test = learn.split(pendulum, horizon=horizon, **PENDULUM).test
    assert len(test) == count
    y, p = test.targets[:, -1], learn.last_value(test)[:, -1]
    assert (round(learn.mae(y, p), 6), round(learn.mse(y, p), 6), round(learn.smape(y, p), 6)) == published


@pytest.mark.slow
@pytest.mark.parametrize("kind, bound", [(np.float64, 1e-10), (np.float32, 1e-5)])
def test_a_linear_autoregression_solves_the_pendulum(pendulum, kind, bound):
    # A damped oscillation obeys a linear recursion of two terms.
    parts = learn.split(pendulum.astype(kind), horizon=3, **PENDULUM)
    predictions = learn.LinearAutoregression.fit(parts.train)(parts.test)
    assert predictions.dtype == kind and predictions.shape == parts.test.targets.shape
    assert abs(predictions - parts.test.targets).max() < bound


@pytest.mark.parametrize("units", [[2.0**20, 2.0**-20], [1e12, 1e-12]])
def test_autoregression_does_not_depend_on_the_units_of_columns(units):
    """More weights than windows too: the smallest ones do not depend on the units."""
    for rows in (60, 20):
        one, other = (learn.windows(noise(rows, 2) * unit, 8, 0, 2) for unit in (np.ones(2), np.array(units)))
        found = learn.LinearAutoregression.fit(other)(other) / units
        np.testing.assert_allclose(found, learn.LinearAutoregression.fit(one)(one), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("gap", [0, 2, 5])
def test_baselines_forecast_the_series_they_are_made_for(gap):
    t = np.arange(40.0)[:, None]
    constant, line, periodic = np.full((40, 2), 3.0), t * [2.0, -0.5] + 1, np.sin(2 * np.pi * t / 4 + [0.3, 1.0])
    for values, baseline in (
        (constant, learn.last_value),
        (line, learn.drift),
        (periodic, lambda windows: learn.seasonal(windows, 4)),
    ):
        for history in (4, 6, 9):
            windows = learn.windows(values, history, gap, 7)
            predictions = baseline(windows)
            assert predictions.shape == windows.targets.shape
            np.testing.assert_allclose(predictions, windows.targets, rtol=0, atol=1e-12)


def test_the_seasonal_forecast_repeats_the_latest_season():
    # Rows 0 to 4 are given; wanted are rows 6 to 10, whose latest rows whole seasons of 3 before are 3, 4, 2, 3, 4.
    windows = learn.windows(np.arange(11.0)[:, None], 5, 1, 5)
    assert learn.seasonal(windows, 3)[0, :, 0].tolist() == [3, 4, 2, 3, 4]
    np.testing.assert_array_equal(learn.seasonal(windows, 1), learn.last_value(windows))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_baselines_keep_the_floating_type(kind):
    windows = learn.windows(noise(60, 2).astype(kind), 4, 1, 2)
    model = learn.LinearAutoregression.fit(windows)
    for baseline in (learn.last_value, learn.drift, lambda windows: learn.seasonal(windows, 2), model):
        assert baseline(windows).dtype == kind


def test_autoregression_is_the_least_squares_solution():
    values = noise(80, 2).cumsum(axis=0)
    windows = learn.windows(values, 3, 1, 2)
    model = learn.LinearAutoregression.fit(windows)
    residual = (windows.targets - model(windows)).reshape(len(windows), -1)
    regressors = np.column_stack([np.ones(len(windows)), windows.inputs.reshape(len(windows), -1)])
    np.testing.assert_allclose(regressors.T @ residual, 0, atol=1e-9)  # the normal equations
    assert model.weights.shape == (3, 2, 2, 2) and model.intercept.shape == (2, 2)


def test_autoregression_finds_the_process():
    # x(t) = 0.5 x(t−1) − 0.3 x(t−2) + 1 without noise, from a start that is not its mean.
    x = [4.0, -3.0]
    for _ in range(28):
        x.append(0.5 * x[-1] - 0.3 * x[-2] + 1)
    model = learn.LinearAutoregression.fit(learn.windows(np.array(x)[:, None], 2, 0, 1))
    np.testing.assert_allclose(model.weights.ravel(), [-0.3, 0.5], rtol=1e-9)
    np.testing.assert_allclose(model.intercept, [[1.0]], rtol=1e-9)


def test_autoregression_of_a_single_window():
    windows = learn.windows(noise(6, 1), 4, 1, 1)
    model = learn.LinearAutoregression.fit(windows)
    np.testing.assert_array_equal(model(windows), windows.targets)
    assert not model.weights.any()


def test_baselines_refuse_what_does_not_fit():
    values = noise(30, 1)
    windows = learn.windows(values, 4, 1, 2)
    with pytest.raises(ValueError, match="season must be at most the windows' history, 4; got 5"):
        learn.seasonal(windows, 5)
    with pytest.raises(ValueError, match="season must be at least 1; got 0"):
        learn.seasonal(windows, 0)
    with pytest.raises(ValueError, match="history of at least 2; got 1"):
        learn.drift(learn.windows(values, 1, 0, 1))
    with pytest.raises(ValueError, match="train must hold at least one window; it is empty"):
        learn.LinearAutoregression.fit(windows[:0])
    model = learn.LinearAutoregression.fit(windows)
    with pytest.raises(ValueError, match=r"those fitted, \(4, 1, 1, 2, 1\); got \(4, 1, 2, 2, 1\)"):
        model(learn.windows(values, 4, 2, 2))
