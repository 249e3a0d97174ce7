"""Intervals: what they cover on held-out windows, and networks that say how uncertain they are."""

import jax
import numpy as np
import pytest

from rnn_ode import learn
from rnn_ode.learn._forecast.bands import ConformalIntervals
from rnn_ode.learn._forecast.predicted import Predicted

QUIET = {"key": jax.random.key(0), "progress": False, "members": 2}


def autoregression():
    """An autoregression of order one, 7400 rows."""
    noise, x = np.random.default_rng(0).normal(size=7400), np.zeros(7400)
    for k in range(1, 7400):
        x[k] = 0.7 * x[k - 1] + noise[k]
    return x


def test_intervals_cover_nine_tenths_of_over_2000_windows_of_a_stationary_series():
    """0.87 to 0.93 is four standard errors of the calibration on 1035 windows."""
    parts = learn.split(autoregression()[:, None], history=4, gap=0, horizon=2, validation=0.2)
    found = [Predicted(0.7 * learn.last_value(part)[None]) for part in (parts.validation, parts.test)]
    band = ConformalIntervals.fit(found[0], parts.validation.targets, 0.9)(found[1])
    for step in range(2):
        inside = [one[:, step] for one in (parts.test.targets, band.lower, band.upper)]
        assert len(parts.test) > 2000 and 0.87 < learn.coverage(*inside) < 0.93


@pytest.mark.thorough
def test_a_forecast_covers_nine_tenths_of_over_2000_windows_of_a_stationary_series():
    x, make = autoregression(), learn.many_to_one("tanh", 2)
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


def test_intervals_of_logarithms_are_those_of_the_logarithms():
    rng = np.random.default_rng(0)
    logs, wanted = rng.normal(size=(1, 40, 2, 1)), rng.normal(size=(40, 2, 1))
    spread = rng.uniform(0.5, 1, logs.shape)
    for uncertain in (None, spread):
        of_values = None if uncertain is None else np.exp(logs + uncertain) - np.exp(logs)
        plain = ConformalIntervals.fit(Predicted(logs, uncertain), wanted, 0.9)
        found = ConformalIntervals.fit(Predicted(np.exp(logs), of_values), np.exp(wanted), 0.9, log=True)
        for name in ("mean", "lower", "upper"):
            band, one = found(Predicted(np.exp(logs), of_values)), plain(Predicted(logs, uncertain))
            np.testing.assert_allclose(getattr(band, name), np.exp(getattr(one, name)), rtol=1e-9)
        np.testing.assert_allclose(
            found.samples(Predicted(np.exp(logs), of_values)),
            np.exp(plain.samples(Predicted(logs, uncertain))),
            rtol=1e-9,
        )


@pytest.fixture(scope="module")
def growing():
    """An exponential with the errors of a random walk in its logarithm, of which logarithms are taken."""
    t, rng = np.arange(600), np.random.default_rng(1)
    values = np.exp(0.01 * t + np.cumsum(0.03 * rng.normal(size=600)))[:, None]
    made = learn.forecast(
        values, learn.many_to_one("gru", 2), history=10, needs=learn.Needs(log=True, linear=True), steps=2,
        validation=0.2, **QUIET,
    )  # fmt: skip
    return values, made


@pytest.mark.gate
def test_intervals_of_a_growing_series_grow_with_it(growing):
    """Calibrated in units of the series they covered 22 %. 0.8 is three standard errors of the 82 validation windows."""
    assert growing[1].coverage > 0.8


@pytest.mark.slow
def test_intervals_without_logarithms_grow_where_the_errors_do(growing, tmp_path):
    """With one width they covered 22 %. The saved forecaster has the same."""
    values, _ = growing
    way = {"history": 10, "needs": learn.Needs(log=False, linear=True), "steps": 2, "validation": 0.2, **QUIET}
    path = tmp_path / "run.ckpt"
    f = learn.forecast(values, learn.many_to_one("gru", 2), refit=True, checkpoint=path, **way)
    assert f.coverage > 0.8 and f"the intervals grow with the {f.forecaster.scale.kind} of the history" in f.prepared
    band, loaded = f.forecaster(values[:300]), learn.load_forecaster(path)
    width, narrower = (b.upper - b.lower for b in (f.future, band))
    assert width.item() > 3 * narrower.item()
    np.testing.assert_allclose(loaded(values[:300]).upper, band.upper, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "value", "came"), [(598, 0.0, "got 0 in row 598, column 0"), (595, np.nan, "got nan in row 595")]
)
def test_a_history_without_a_forecast_is_refused(growing, place, value, came):
    values, made = growing
    bad = values.copy()
    bad[place] = value
    with pytest.raises(ValueError, match=f"rows must be finite and positive.*{came}"):
        made.forecaster(bad)
    bad[400] = value  # before the history nothing is read
    assert np.isfinite(made.forecaster(bad[:590]).mean).all()
