"""Windows, splits, scaling, metrics and baselines, against plain loops, hand-computed values and the published pendulum."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_ode import datasets, learn

PENDULUM = {"history": 100, "gap": 10}


@pytest.fixture(scope="module")
def pendulum():
    return datasets.pendulum().values


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def rows_of(windows, what):
    """The set of the series' rows that are `what` ("inputs", "targets" or "span") of any of the windows."""
    history, horizon = windows.inputs.shape[1], windows.targets.shape[1]
    first, last = {
        "inputs": (0, history),
        "targets": (history + windows.gap, history + windows.gap + horizon),
        "span": (0, history + windows.gap + horizon),
    }[what]
    return {start + row for start in windows.starts.tolist() for row in range(first, last)}


# The published task


@pytest.mark.parametrize(
    "horizon, count, published",
    [(1, 1090, (0.092666, 0.010553, 0.37655)), (3, 1088, (0.109485, 0.014723, 0.423563))],
)
def test_the_naive_forecast_of_the_published_pendulum(pendulum, horizon, count, published):
    test = learn.split(pendulum, horizon=horizon, **PENDULUM).test
    assert len(test) == count
    y, p = test.targets[:, -1], learn.last_value(test)[:, -1]
    assert (round(learn.mae(y, p), 6), round(learn.mse(y, p), 6), round(learn.smape(y, p), 6)) == published


@pytest.mark.parametrize("kind, bound", [(np.float64, 1e-10), (np.float32, 1e-5)])
def test_a_linear_autoregression_solves_the_pendulum(pendulum, kind, bound):
    # A damped oscillation obeys a linear recursion of two terms.
    parts = learn.split(pendulum.astype(kind), horizon=3, **PENDULUM)
    predictions = learn.LinearAutoregression.fit(parts.train)(parts.test)
    assert predictions.dtype == kind and predictions.shape == parts.test.targets.shape
    assert abs(predictions - parts.test.targets).max() < bound


# Windows


@pytest.mark.parametrize("history, gap, horizon", [(1, 0, 1), (3, 0, 2), (2, 3, 1), (4, 1, 5)])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_windows_are_what_a_loop_cuts(history, gap, horizon, kind):
    values = noise(11, 2).astype(kind)
    windows = learn.windows(values, history, gap, horizon)
    assert len(windows) == 11 - (history + gap + horizon) + 1 and windows.gap == gap
    assert windows.inputs.dtype == windows.targets.dtype == kind
    for i in range(len(windows)):
        np.testing.assert_array_equal(windows.inputs[i], values[i : i + history])
        np.testing.assert_array_equal(windows.targets[i], values[i + history + gap :][:horizon])
    np.testing.assert_array_equal(windows.starts, np.arange(len(windows)))


def test_windows_share_one_copy_of_the_series():
    values = noise(1000, 1)
    windows = learn.windows(values, 900, 0, 1)
    values[:] = 0
    assert windows.inputs.all() and np.shares_memory(windows.inputs, windows.targets)


def test_windows_by_slice_and_by_indices():
    windows = learn.windows(noise(12, 1), 2, 1, 2)
    for rows in (slice(2, 5), np.array([2, 3, 4])):
        some = windows[rows]
        assert len(some) == 3 and some.gap == 1 and some.starts.tolist() == [2, 3, 4]
        np.testing.assert_array_equal(some.targets, windows.targets[2:5])


@pytest.mark.parametrize(
    "values, sizes, error, message",
    [
        (
            noise(5, 1),
            (3, 1, 2),
            ValueError,
            "values must have at least 6 rows, .* history 3, gap 1 and horizon 2; got 5",
        ),
        (noise(9), (3, 1, 2), ValueError, r"values must have shape \(T, D\), .*values\[:, None\]; got \(9,\)"),
        (np.array([[1.0], [np.nan], [3.0]]), (1, 0, 1), ValueError, r"values: finite .* at \(1, 0\) is nan"),
        (noise(9, 1), (0, 1, 2), ValueError, "history must be at least 1; got 0"),
        (noise(9, 1), (3, -1, 2), ValueError, "gap must be at least 0; got -1"),
        (noise(9, 1), (3, 1, 0), ValueError, "horizon must be at least 1; got 0"),
        (noise(9, 1), (3, 1.5, 2), TypeError, "gap must be a whole number"),
    ],
)
def test_windows_refuse(as_user, values, sizes, error, message):
    with pytest.raises(error, match=message):
        learn.windows(values, *sizes)


# Splits


@pytest.mark.parametrize("key", [None, 0])
@pytest.mark.parametrize("history, gap, horizon", [(5, 0, 1), (7, 3, 4), (2, 6, 3), (1, 0, 9)])
def test_nothing_leaks(key, history, gap, horizon):
    values = noise(200, 2)
    key = None if key is None else jax.random.key(key)
    parts = learn.split(values, history=history, gap=gap, horizon=horizon, test=0.25, validation=0.2, key=key)
    assert rows_of(parts.test, "span") == set(range(150, 200))
    earlier = rows_of(parts.train, "span") | rows_of(parts.validation, "span")
    assert earlier <= set(range(150)) and not earlier & rows_of(parts.test, "inputs")
    assert not set(parts.train.starts.tolist()) & set(parts.validation.starts.tolist())
    if key is None:
        assert not rows_of(parts.train, "span") & rows_of(parts.validation, "targets")
        assert max(rows_of(parts.train, "span")) + 1 == min(rows_of(parts.validation, "targets"))
    for part in (parts.train, parts.validation, parts.test):
        assert np.all(np.diff(part.starts) > 0)
        np.testing.assert_array_equal(part.inputs[:, 0], values[part.starts])
        np.testing.assert_array_equal(part.targets[:, -1], values[part.starts + history + gap + horizon - 1])
    seen = sorted(rows_of(parts.train, "inputs") | rows_of(parts.train, "targets"))
    np.testing.assert_allclose(parts.scaler.mean, values[seen].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(parts.scaler.std, values[seen].std(axis=0), rtol=1e-12)


def test_the_scaler_knows_nothing_but_the_training_part():
    values = noise(200, 1)
    sizes = {"history": 10, "gap": 2, "horizon": 1}
    parts = learn.split(values, **sizes)
    values[max(rows_of(parts.train, "span")) + 1 :] = 1e6
    again = learn.split(values, **sizes)
    assert eqx.tree_equal(parts.scaler, again.scaler) and eqx.tree_equal(parts.train, again.train)


def test_a_random_share_validates():
    sizes = {"history": 5, "gap": 0, "horizon": 1, "validation": 0.1}
    drawn = [learn.split(noise(200, 1), key=jax.random.key(seed), **sizes) for seed in (0, 0, 1)]
    first, again, other = (parts.validation.starts.tolist() for parts in drawn)
    assert first == again != other
    # 140 rows before the test hold 135 windows; a random 14 of them are not the last.
    assert len(first) == 14 and first != list(range(121, 135))
    assert sorted(first + drawn[0].train.starts.tolist()) == list(range(135))


def test_a_split_without_validation():
    parts = learn.split(noise(50, 1), history=3, gap=1, horizon=2, test=0.2, validation=0.0)
    assert len(parts.validation) == 0 and parts.validation.inputs.shape == (0, 3, 1)
    assert len(parts.train) == 40 - 6 + 1 and len(parts.test) == 10 - 6 + 1
    few = learn.split(noise(50, 1), history=3, gap=1, horizon=2, validation=0.001)
    assert len(few.validation) == 1


@pytest.mark.parametrize(
    "rows, settings, message",
    [
        (20, {}, r"the test part of values must have at least 7 rows, .* history 5, gap 1 and horizon 1; got 6"),
        (20, {"test": 0.8}, "the part of values before the test must have at least 7 rows, .*; got 4"),
        (50, {"test": 0.0}, "test must be a share above 0 and below 1; got 0.0"),
        (50, {"test": 1.0}, "test must be a share above 0 and below 1; got 1.0"),
        (50, {"validation": -0.1}, "validation must be a share of at least 0 and below 1; got -0.1"),
        (50, {"validation": 0.999}, "there are 29 windows, of which 29 validate, and none is left"),
        (50, {"validation": 0.999, "key": jax.random.key(0)}, "29 windows, of which 29 validate, and none is left"),
        (
            40,
            {"horizon": 8, "test": 0.4, "validation": 0.45},
            "there are 11 windows, of which 5 validate, and none is left",
        ),
    ],
)
def test_splits_refuse(rows, settings, message):
    settings = {"history": 5, "gap": 1, "horizon": 1} | settings
    with pytest.raises(ValueError, match=message):
        learn.split(noise(rows, 1), **settings)


# Scaling


@pytest.mark.parametrize("kind, tolerance", [(np.float64, 1e-13), (np.float32, 1e-5)])
def test_scaled_columns_have_mean_0_and_std_1_and_come_back(kind, tolerance):
    values = (noise(500, 3) * [1.0, 1e-3, 1e4] + [0.0, 5.0, -1e4]).astype(kind)
    scaler = learn.Scaler.fit(values)
    scaled = scaler.transform(values)
    assert scaled.dtype == kind and scaler.mean.dtype == np.float64
    if kind is np.float64:
        np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-11)
        np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-11)
    back = scaler.inverse(scaled)
    assert back.dtype == kind
    np.testing.assert_allclose(back, values, rtol=tolerance, atol=tolerance)
    windows = learn.windows(values, 4, 0, 2)
    np.testing.assert_array_equal(scaler.transform(windows.inputs)[7], scaled[7:11])


@pytest.mark.parametrize("kind", [jnp.float32, jnp.float64])
def test_scaling_of_traced_values(kind):
    scaler = learn.Scaler.fit(noise(50, 2) + 3)
    values = jnp.asarray(noise(4, 5, 2), kind)
    tolerance = 2e-6 if kind == jnp.float32 else 1e-13
    for function in (learn.Scaler.transform, learn.Scaler.inverse):
        traced = jax.jit(function)(scaler, values)
        assert traced.dtype == kind
        np.testing.assert_allclose(traced, function(scaler, np.asarray(values)), rtol=tolerance)
        each = jax.vmap(function, (None, 0))(scaler, values)
        np.testing.assert_allclose(each, traced, rtol=tolerance)


def test_scaling_in_float32(float32):
    scaler = learn.Scaler.fit(noise(50, 2) + 3)
    scaled = scaler.transform(jnp.asarray(noise(5, 2), jnp.float32))
    assert scaled.dtype == jnp.float32
    np.testing.assert_allclose(scaled, (noise(5, 2) - scaler.mean) / scaler.std, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [1e-200, 2.0**-20, 2.0**20, 1e200])
def test_columns_of_any_size_are_scaled(size):
    """The square of a deviation of 1e-200 vanishes, and that of 1e200 overflows."""
    values = noise(50, 2) + 3
    scaled = learn.Scaler.fit(values).transform(values)
    np.testing.assert_allclose(learn.Scaler.fit(size * values).transform(size * values), scaled, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("units", [[2.0**20, 2.0**-20], [1e12, 1e-12]])
def test_autoregression_takes_columns_of_unlike_size(units):
    """More weights than windows too: the smallest ones do not depend on the units."""
    for rows in (60, 20):
        one, other = (learn.windows(noise(rows, 2) * unit, 8, 0, 2) for unit in (np.ones(2), np.array(units)))
        found = learn.LinearAutoregression.fit(other)(other) / units
        np.testing.assert_allclose(found, learn.LinearAutoregression.fit(one)(one), rtol=1e-8, atol=1e-9)


def test_a_constant_column_is_named():
    values = noise(30, 3)
    values[:21, 1] = 0.1
    with pytest.raises(ValueError, match=r"column 1 is constant, 0.1, in all of the 21 rows"):
        learn.Scaler.fit(values[:21])
    with pytest.raises(ValueError, match="column 1 is constant"):  # though it varies in the test part
        learn.split(values, history=3, gap=0, horizon=1)


def test_scaling_refuses_other_columns(as_user):
    scaler = learn.Scaler.fit(noise(30, 3))
    with pytest.raises(ValueError, match=r"values must have shape \(…, 3\), as those fitted; got \(4, 2\)"):
        scaler.transform(noise(4, 2))
    with pytest.raises(TypeError, match="values must hold real floating-point numbers; got dtype int"):
        scaler.inverse(np.ones((4, 3), int))


# Metrics


def test_metrics_by_hand():
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
def test_metrics_refuse(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Baselines


@pytest.mark.parametrize("gap", [0, 2, 5])
def test_baselines_meet_the_series_they_are_made_for(gap):
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


def test_seasonal_takes_the_latest_season():
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


def test_baselines_refuse():
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
