"""Windows of a series, against plain loops."""

import numpy as np
import pytest

from rnn_ode import learn


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("history, gap, horizon", [(1, 0, 1), (3, 0, 2), (2, 3, 1), (4, 1, 5)])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_windows_equal_those_of_a_loop(history, gap, horizon, kind):
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


def test_windows_are_chosen_by_slice_and_by_indices():
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
def test_windows_refuse_what_does_not_fit(as_user, values, sizes, error, message):
    with pytest.raises(error, match=message):
        learn.windows(values, *sizes)
