"""Exponential smoothing and Theta beside the same by statsmodels, and the sentence on the networks' worth."""

import warnings

import numpy as np
import pytest

from rnn_ode import learn
from rnn_ode.learn._forecast.classical import classical
from rnn_ode.learn._forecast.scores import all_baselines
from rnn_ode.learn._forecast.verdict import worth

ROWS = np.cumsum(np.random.default_rng(0).normal(size=120))[:, None] + 50
CUT = 84


@pytest.fixture(scope="module")
def found():
    pytest.importorskip("statsmodels")
    every = learn.windows(ROWS, 10, 1, 3)
    return every, classical(ROWS, CUT, {"all": every}, 1)


@pytest.mark.slow
def test_they_are_the_forecasts_of_statsmodels(found):
    """From the last row before the test the parameters are those fitted to just these rows."""
    from statsmodels.tsa.forecasting.theta import ThetaModel
    from statsmodels.tsa.statespace.exponential_smoothing import ExponentialSmoothing

    _, methods = found
    assert set(methods) == {"exponential smoothing", "Theta"}
    window = CUT - 10
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theta = ThetaModel(ROWS[:CUT, 0], period=1, deseasonalize=False).fit().forecast(4)
        kinds = [ExponentialSmoothing(ROWS[:CUT, 0], **kind) for kind in ({}, {"trend": True, "damped_trend": True})]
        smoothed = min((kind.fit(disp=False) for kind in kinds), key=lambda one: one.aic).forecast(4)
    np.testing.assert_allclose(methods["Theta"]["all"][window, :, 0], np.asarray(theta)[1:], rtol=2e-3)
    np.testing.assert_allclose(methods["exponential smoothing"]["all"][window, :, 0], smoothed[1:], rtol=2e-3)


@pytest.mark.slow
def test_they_do_not_see_what_they_forecast(found):
    _, methods = found
    changed = ROWS.copy()
    changed[100:] += 5
    again = classical(changed, CUT, {"all": learn.windows(changed, 10, 1, 3)}, 1)
    for name, parts in methods.items():
        same = np.abs(again[name]["all"] - parts["all"]).max(axis=(1, 2)) == 0
        assert same[: 100 - 10 + 1].all() and not same[100 - 10 + 1 :].any()


@pytest.mark.slow
def test_the_season_is_in_its_place_whatever_row_the_fit_begins_with(monkeypatch):
    """Fitted to 61 rows and run from row 0, the season came 3 rows late, with errors as large as itself."""
    pytest.importorskip("statsmodels")
    monkeypatch.setattr("rnn_ode.learn._forecast.classical._LONGEST", 61)
    rows = np.tile([10.0, -3.0, -7.0, 0.0], 32)[:, None] + np.random.default_rng(0).normal(size=(128, 1))
    later = learn.windows(rows, 5, 0, 1)[96:]
    for found in classical(rows, 100, {"test": later}, 4).values():
        assert np.abs(found["test"] - later.targets).mean() < 1.5


@pytest.mark.slow
def test_forecasts_that_calibrate_are_not_fitted_to_their_targets():
    """The forecast of the first validation target stays when this and all later rows change."""
    pytest.importorskip("statsmodels")
    changed = ROWS.copy()
    split = learn.split(ROWS, history=10, gap=0, horizon=1, validation=0.2)
    changed[split.validation.starts[0] + 10 :] *= 3
    again = learn.split(changed, history=10, gap=0, horizon=1, validation=0.2)
    (_, before), (_, after) = (
        all_baselines(parts, rows, 84, 1, (0,)) for parts, rows in ((split, ROWS), (again, changed))
    )
    assert {"Theta", "exponential smoothing"} <= set(before)
    for name in before:
        np.testing.assert_array_equal(before[name][0], after[name][0])


def test_short_series_have_no_classical_forecasts():
    assert classical(ROWS[:20], 8, {"all": learn.windows(ROWS[:20], 2, 0, 1)}, 1) == {}


def test_the_verdict_tells_chance_from_merit():
    rng = np.random.default_rng(0)
    y, one = rng.normal(size=(300, 1)), np.ones(1)
    better, same = y + 0.5 * rng.normal(size=y.shape), {"drift": y + rng.normal(size=y.shape)}
    assert worth(y, better, same, one, 1).startswith("The networks are worth having here: they err 47% less")
    assert "drift errs" in worth(y, y + 3 * rng.normal(size=y.shape), same, one, 1)
    twin = {"last value": same["drift"] + 0.01 * rng.normal(size=y.shape)}
    assert "as good, within chance" in worth(y, same["drift"], twin, one, 1)
    assert "drift is exact" in worth(y, better, {"drift": y}, one, 1)
    assert worth(y, better, {}, one, 1) == "There is no baseline beside the networks."


def test_the_verdict_needs_windows_enough_for_a_sign_test():
    """All n errors of one sign have the chance 2 · 2^-n if nothing is better: 6 % for 5 windows, 3 % for 6. Two standard
    errors are 4.6 %. Windows that ask for the same rows are not counted as several."""
    y, best = np.zeros((30, 1)), {"drift": np.ones((30, 1))}
    one, exact = np.ones(1), {"drift": y}

    def said(n, lead, found):
        return worth(y[:n], y[:n] + 0.1, {name: rows[:n] for name, rows in found.items()}, one, lead)

    for n in (1, 5):
        few = f"There are too few test windows to tell whether the networks are worth having: {n}, and 6 are needed."
        assert said(n, 1, best) == said(n, 1, exact) == few
    assert said(6, 1, best).startswith("The networks are worth having here: they err 90% less")
    assert said(15, 3, best).endswith("15, and 16 are needed, so that 6 of them do not overlap.")
    assert said(16, 3, best).startswith("The networks are worth having here")
