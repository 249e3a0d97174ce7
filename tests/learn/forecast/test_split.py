"""A series in parts: nothing leaks from the test into the training."""

import jax
import numpy as np
import pytest
from oracles import equal

from rnn_ode import learn


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


@pytest.mark.parametrize("key", [None, 0])
@pytest.mark.parametrize("history, gap, horizon", [(5, 0, 1), (7, 3, 4), (2, 6, 3), (1, 0, 9)])
def test_no_row_of_the_test_part_trains_or_validates(key, history, gap, horizon):
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


def test_the_scaler_depends_on_the_training_part_only():
    values = noise(200, 1)
    sizes = {"history": 10, "gap": 2, "horizon": 1}
    parts = learn.split(values, **sizes)
    values[max(rows_of(parts.train, "span")) + 1 :] = 1e6
    again = learn.split(values, **sizes)
    assert equal(parts.scaler, again.scaler) and equal(parts.train, again.train)


def test_a_key_chooses_validation_windows_at_random():
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
def test_split_refuses_what_does_not_fit(rows, settings, message):
    settings = {"history": 5, "gap": 1, "horizon": 1} | settings
    with pytest.raises(ValueError, match=message):
        learn.split(noise(rows, 1), **settings)
