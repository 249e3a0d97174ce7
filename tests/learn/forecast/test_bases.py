"""Affine forecasts: what each candidate forecasts, and which rolling validation chooses."""

import numpy as np
import pytest

from rnn_ode import learn
from rnn_ode.learn._forecast.bases import candidates, choose
from rnn_ode.learn._forecast.profile import profile_of, without

T = np.arange(120.0)
RNG = np.random.default_rng(0)


def candidate(name, history=8, gap=0, horizon=2, season=1, width=1):
    return next(one for one in candidates(history, gap, horizon, season, width) if one.name == name)


def chosen(values, season=1, history=12, log=False, cycle=0, horizon=2):
    every = learn.windows(np.asarray(values, float)[:, None], history, 0, horizon)
    found = choose(
        every, list(candidates(history, 0, horizon, season, 1)), [0], log, cycle, np.asarray(values, float)[:, None]
    )
    return found, every


def test_candidates_are_the_baselines_of_their_names():
    every = learn.windows(RNG.normal(size=(60, 1)), 8, 1, 2)
    size = {"gap": 1, "horizon": 2, "season": 3}
    for name, baseline in (
        ("the last value", learn.last_value(every)),
        ("drift", learn.drift(every)),
        ("the season before", learn.seasonal(every, 3)),
        ("linear autoregression of order 8", learn.LinearAutoregression.fit(every)(every)),
    ):
        found = candidate(name, **size).fit(every, [0])(every.inputs)
        np.testing.assert_allclose(found, baseline, rtol=1e-9, atol=1e-12)


def test_a_smoothed_level_is_exponential_smoothing():
    every = learn.windows(RNG.normal(size=(30, 1)), 8, 0, 2)
    level = every.inputs[:, 0, 0]
    for row in range(1, 8):
        level = level + 0.35 * (every.inputs[:, row, 0] - level)
    found = candidate("a level smoothed by 0.35").fit(every, [0])(every.inputs)
    np.testing.assert_allclose(found[:, :, 0], np.stack([level, level], axis=1), rtol=1e-12)


def test_a_moving_regression_follows_a_line_beyond_its_training():
    line = 3 * T[:, None] + 7
    train = learn.windows(line[:40], 4, 0, 2)
    later = learn.windows(line[40:], 4, 0, 2)
    base = candidate("linear autoregression of order 3 from the last value", history=4).fit(train, [0])
    np.testing.assert_allclose(base(later.inputs), later.targets, rtol=1e-12)


@pytest.mark.parametrize(
    "values, season, log",
    [(2 * T + 5, 1, False), (np.exp(0.05 * T), 1, True), (np.tile([1.0, 5.0, 2.0, 8.0], 30) + 0.5 * T, 4, False)],
)
def test_series_with_a_rule_are_forecast_exactly(values, season, log):
    found, every = chosen(values, season, log=log)
    assert found.error < 1e-8
    seen = learn.Windows(np.log(every.inputs), np.log(every.targets), every.starts, 0) if log else every
    made = found.fit(seen, [0])(seen.inputs)
    np.testing.assert_allclose(made, seen.targets, rtol=1e-7)


def test_noise_is_forecast_by_a_mean_and_a_random_walk_by_about_its_last_value():
    noise, _ = chosen(RNG.normal(size=400))
    assert noise.error < 1.05 * np.sqrt(2 / np.pi)  # the mean absolute value of a standard normal
    walk = np.cumsum(RNG.normal(size=400))
    found, every = chosen(walk)
    last = np.abs(learn.last_value(every) - every.targets)[200:].mean() / every.targets.std()
    assert found.error < 1.05 * last  # over the last two thirds of the windows, not quite the same


def test_the_profile_of_a_season_is_found_beside_a_trend():
    season = np.array([3.0, -1.0, 0.0, -2.0])
    rows = (np.tile(season, 20) + 0.7 * np.arange(80))[:, None]
    np.testing.assert_allclose(profile_of(rows, 4)[:, 0], season, atol=1e-12)
    odd = (np.tile([1.0, 0.0, -1.0], 20) + 0.7 * np.arange(60))[:, None]
    np.testing.assert_allclose(profile_of(odd, 3)[:, 0], [1, 0, -1], atol=1e-12)
    every = learn.windows(rows, 5, 1, 2)
    line = learn.windows(0.7 * np.arange(80.0)[:, None], 5, 1, 2)
    apart = without(every, profile_of(rows, 4), [0])
    np.testing.assert_allclose(apart.inputs, line.inputs, atol=1e-12)
    np.testing.assert_allclose(apart.targets, line.targets, atol=1e-12)


def test_too_few_windows_for_a_regression_leave_it_out():
    found, _ = chosen(RNG.normal(size=24), history=8)
    assert np.isfinite(found.error)


def test_only_what_is_clearly_better_takes_the_place_of_the_last_value():
    """Averages of what looked as good on a short random walk were up to 12 % worse; a noisy level is not its last value."""
    for seed in range(6):
        steps, noise = np.random.default_rng(seed).normal(size=(2, 110))
        walk, _ = chosen(np.cumsum(steps))
        assert [one.name for one, _ in walk.shares] == ["the last value"], seed
        level, every = chosen(100 + noise)
        errors = [
            np.abs(base(every.inputs) - every.targets).mean()
            for base in (level.fit(every, [0]), candidate("the last value", history=12).fit(every, [0]))
        ]
        assert errors[0] < 0.85 * errors[1]  # without parameters the best has 1/√2 of the error
