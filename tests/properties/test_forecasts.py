"""Forecasts: scores, windows and scalers satisfy their definitions."""

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from properties import strategies as draw
from properties.budget import prop

from rnn_ode import learn

columns = st.integers(1, 3)


@prop(40, 4000, rng=draw.rngs(), d=columns, scale=draw.scales(150), offset=st.floats(-1e3, 1e3))
def test_scores_scale_as_they_should(rng, d, scale, offset):
    """mae and mase as the data and not at all; smape not at all; and all are 0 for a perfect forecast."""
    y, p, past = rng.normal(size=(3, 20, d))
    np.testing.assert_allclose(learn.mae(scale * y, scale * p), scale * learn.mae(y, p), rtol=1e-12)
    np.testing.assert_allclose(learn.smape(scale * y, scale * p), learn.smape(y, p), rtol=1e-12)
    np.testing.assert_allclose(learn.mase(scale * y, scale * p, scale * past), learn.mase(y, p, past), rtol=1e-12)
    np.testing.assert_allclose(learn.mase(y + offset, p + offset, past + offset), learn.mase(y, p, past), rtol=1e-9)
    assert learn.mae(y, y) == learn.mse(y, y) == learn.smape(y, y) == 0
    assert learn.mae(y, p) <= learn.mse(y, p) ** 0.5 * (1 + 1e-12)
    assert learn.mae(y, p) == learn.mae(p, y) and 0 <= learn.smape(y, p) <= 2


@prop(40, 4000, rows=st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=2, max_size=12))
def test_a_scaler_makes_mean_0_and_deviation_1_and_undoes_it(rows):
    column = np.array(rows)[:, None]
    assume(np.abs(column).max() < 1e300 and np.ptp(column) > 0)
    scaler = learn.Scaler.fit(column)
    there = scaler.transform(column)
    assert np.isfinite(there).all()
    spread = np.ptp(column) / np.abs(column).max()
    assume(spread > 1e-9 and np.abs(column).max() > 1e-290)
    np.testing.assert_allclose([there.mean(), there.std()], [0, 1], atol=1e-6)
    np.testing.assert_allclose(scaler.inverse(there), column, rtol=0, atol=1e-12 * np.abs(column).max())


cuts = {"history": st.integers(1, 8), "gap": st.integers(0, 4), "horizon": st.integers(1, 5)}


@prop(40, 3000, T=st.integers(60, 120), d=columns, **cuts)
def test_windows_hold_every_row_in_order_and_no_test_row_is_used_earlier(T, d, history, gap, horizon):
    series = np.arange(T, dtype=float)[:, None] + 1000 * np.arange(d)
    every = learn.windows(series, history, gap, horizon)
    assert len(every) == T - history - gap - horizon + 1
    for start, a, b in zip(every.starts, every.inputs, every.targets, strict=True):
        np.testing.assert_array_equal(a, series[start : start + history])
        np.testing.assert_array_equal(b, series[start + history + gap :][:horizon])
    parts = learn.split(series, history=history, gap=gap, horizon=horizon)
    cut = int(parts.test.inputs.min())
    for part in (parts.train, parts.validation):
        assert max(part.inputs[..., 0].max(), part.targets[..., 0].max()) < cut
    assert parts.train.targets[..., 0].max() < parts.validation.targets[..., 0].min()


@prop(30, 2000, rng=draw.rngs(), d=columns, season=st.integers(1, 8), **cuts)
def test_naive_forecasts_are_rows_of_the_history(rng, d, season, history, gap, horizon):
    every = learn.windows(rng.normal(size=(40, d)), history, gap, horizon)
    last = every.inputs[:, -1:]
    np.testing.assert_array_equal(learn.last_value(every), np.repeat(last, horizon, axis=1))
    assume(season <= history)
    came = learn.seasonal(every, season)
    for k in range(horizon):
        lead = gap + k + 1
        back = next(m * season for m in range(1, 20) if m * season >= lead)
        np.testing.assert_array_equal(came[:, k], every.inputs[:, history - 1 + lead - back])


@prop(30, 2000, rng=draw.rngs(), m=st.integers(1, 9))
def test_crps_of_members_is_at_least_0_and_the_absolute_error_of_one(rng, m):
    y, members = rng.normal(size=(5, 2)), rng.normal(size=(m, 5, 2))
    score = learn.crps(y, members)
    assert score >= -1e-12
    np.testing.assert_allclose(learn.crps(y, members[:1]), learn.mae(y, members[0]), rtol=1e-12)
    order = rng.permutation(m)
    np.testing.assert_allclose(learn.crps(y, members[order]), score, rtol=1e-12)
