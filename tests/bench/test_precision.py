"""The cheapest setting that is precise enough."""

import numpy as np
import pytest

from rnn_ode.bench import _precision


def test_a_setting_that_reaches_the_error_is_the_cheapest():
    tried = []

    def solve(setting):
        tried.append(setting)
        return np.full((3, 1), 1 + setting)

    def error(values):
        return abs(float(values[0, 0]) - 1)

    found = _precision.tuned(solve, (1e-2, 1e-4, 1e-7, 1e-9), error)
    assert found.setting == 1e-7 and sorted(set(tried), reverse=True) == [1e-2, 1e-4, 1e-7, 1e-9] and found.first_s > 0
    assert found.call()[0, 0] == 1 + 1e-7 and len(found.curve) == 4
    assert [error for error, _ in found.curve] == pytest.approx([1e-9, 1e-7, 1e-4, 1e-2])
    assert _precision.tuned(solve, (1e-2, 1e-4), error).setting == 1e-4


def test_settings_between_are_tried_where_the_stride_first_succeeds():
    settings = [10.0**-k for k in range(2, 13)]
    found = _precision.tuned(np.array, settings, lambda values: 2 * float(values), stride=4)
    assert found.setting == 1e-7 and found.error == 2e-7
    assert [error for error, _ in found.curve] == pytest.approx([2e-10, 2e-7, 2e-6, 2e-2])
