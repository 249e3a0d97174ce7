"""What a training recorded."""

import numpy as np

from rnn_ode.learn._training.history import history_of


def test_a_check_that_was_not_made_counts_as_nan():
    checks = [{"validation": np.array(1.0)}, {"rows": np.ones(2)}, {"validation": np.array(3.0), "rows": np.zeros(2)}]
    found = history_of([(0.5, 2.0), (0.25, 1.0)], [2, 4, 6], checks)
    np.testing.assert_array_equal(found.loss, [0.5, 0.25])
    np.testing.assert_array_equal(found.gradient_norm, [2, 1])
    np.testing.assert_array_equal(found.checked_at, [2, 4, 6])
    np.testing.assert_array_equal(found.checks["validation"], [1, np.nan, 3])
    np.testing.assert_array_equal(found.checks["rows"], [[np.nan, np.nan], [1, 1], [0, 0]])


def test_a_training_without_steps_has_an_empty_history():
    found = history_of([], [], [])
    assert found.loss.shape == found.gradient_norm.shape == found.checked_at.shape == (0,) and found.checks == {}
