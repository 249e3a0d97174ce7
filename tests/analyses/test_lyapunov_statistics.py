"""Exponents and standard errors from made-up growths."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro
from rnn_ode._analyses.frames import FrameGrowth
from rnn_ode._analyses.lyapunov_statistics import exponents_of, window
from rnn_ode._analyses.lyapunov_table import lyapunov_table
from rnn_ode._analyses.steps import Accuracy

M = 50
LIVE = np.full(M, 2)


def accuracy(error=0.0, inexact=False, useless=False, length=1.0):
    return Accuracy(*map(jnp.asarray, (error, inexact, useless, length, length)))


@partial(jax.jit, static_argnames=("size", "length"))
def _exponents(rows, size, length, how):
    return exponents_of(rows, LIVE, size, length, how, ro.RESULTS.left_float_range)


def exponents(logs, size=9, *, weights=None, lost=None, finite=None, length=1.0, how=None):
    """Of logs (M, k) in blocks of two steps."""
    logs = jnp.asarray(logs)
    weights = jnp.full(M, 2.0) if weights is None else jnp.asarray(weights)
    rows = FrameGrowth(
        logs=logs,
        weighted=logs * weights[:, None] / 2,
        weight=weights,
        lost=jnp.zeros(logs.shape, bool) if lost is None else jnp.asarray(lost),
        finite=jnp.ones(M, bool) if finite is None else jnp.asarray(finite),
        undefined=jnp.zeros(M, bool),
    )
    how = accuracy(length=length) if how is None else how
    return _exponents(rows, size, length, how)


@pytest.mark.slow
def test_the_window_is_flat_in_the_middle_half_and_falls_to_zero():
    np.testing.assert_allclose(window(jnp.array([0.25, 0.5, 0.75])), 1)
    np.testing.assert_allclose(window(jnp.array([0.0, 1.0])), 0, atol=1e-300)
    np.testing.assert_allclose(window(jnp.array([0.125, 0.875])), 0.5)


@pytest.mark.slow
def test_steady_growth_is_known_without_error():
    found = exponents(np.tile([1.0, -3.0], (M, 1)), length=0.5)
    np.testing.assert_allclose(found.history, np.tile([1.0, -3.0], (M, 1)))  # half of it a step, of length ½
    np.testing.assert_allclose(found.times, 1.0 + np.arange(M))
    np.testing.assert_allclose(found.stderr, 0, atol=1e-12)
    assert found.result == ro.RESULTS.successful


@pytest.mark.slow
def test_exponents_are_sorted_by_size_with_their_history_and_errors():
    logs = np.stack([np.full(M, -1.0), np.random.default_rng(0).normal(size=M)], axis=1)
    found = exponents(logs)
    assert found.history[-1, 0] > found.history[-1, 1] == -0.5
    assert found.stderr[0] > 0 and found.stderr[1] < 1e-12
    np.testing.assert_allclose(found.history[10, 0], logs[:11, 1].sum() / 22)


@pytest.mark.slow
def test_the_mean_has_the_weights_of_the_window():
    logs, weights = np.arange(M, dtype=float)[:, None], np.linspace(0, 1, M)
    np.testing.assert_allclose(
        exponents(logs, weights=weights).history[-1], (weights / 2 * logs[:, 0]).sum() / weights.sum()
    )


@pytest.mark.slow
def test_all_exponents_have_the_plain_mean_as_their_sum():
    """The difference to the window's mean goes to the one that varies."""
    logs = np.stack([np.full(M, 2.0), np.arange(M, dtype=float)], axis=1)
    weights = np.linspace(0, 1, M)
    whole, part = exponents(logs, 2, weights=weights), exponents(logs, 3, weights=weights)
    np.testing.assert_allclose(jnp.sum(whole.history[-1]), logs.sum() / (2 * M))
    np.testing.assert_allclose(whole.history[-1, 1], 1.0)
    assert part.history[-1, 0] > whole.history[-1, 0] + 1
    shift = part.history[-1, 0] - whole.history[-1, 0]
    np.testing.assert_allclose(whole.stderr[0], np.hypot(part.stderr[0], shift))


@pytest.mark.slow
def test_the_standard_error_of_noise_is_its_spread_over_the_root_of_the_number():
    logs = np.random.default_rng(1).normal(size=(M, 400))
    claimed = np.sqrt(np.mean(exponents(logs, 500).stderr ** 2))
    np.testing.assert_allclose(claimed, 0.5 / np.sqrt(M), rtol=0.1)


def test_the_error_of_the_steps_is_part_of_the_standard_error():
    found = exponents(np.ones((M, 1)), how=accuracy(error=0.3))
    np.testing.assert_allclose(found.stderr, 0.3)


def test_a_lost_direction_has_minus_infinity_from_there_on():
    lost = np.arange(M)[:, None] >= 7
    found = exponents(np.ones((M, 1)), lost=lost)
    np.testing.assert_array_equal(np.isneginf(found.history), lost)
    assert found.stderr[0] == 0


def test_a_run_that_fails_has_nan_from_there_on():
    found = exponents(np.ones((M, 1)), finite=np.arange(M) < 7)
    np.testing.assert_array_equal(np.isnan(found.history[:, 0]), np.arange(M) >= 7)
    assert np.isnan(found.stderr[0]) and found.result == ro.RESULTS.left_float_range


@pytest.mark.parametrize(("useless", "shown"), [(False, True), (True, False)])
def test_steps_that_are_too_long_are_said(useless, shown):
    found = exponents(np.ones((M, 1)), how=accuracy(inexact=True, useless=useless))
    assert found.result == ro.RESULTS.step_too_long and np.isfinite(found.history).all() == shown


@pytest.mark.parametrize(
    ("values", "errors", "said"),
    [
        ([0.9, -1.0], [0.01, 0.01], "sum of the positive exponents 0.9."),
        ([0.9, "-inf"], [None, None], "sum of the positive exponents 0.9."),
        ([2e-4, -1.0], [3e-3, 0.01], "no exponent is above 0 by two standard errors."),
        ([None, None], [None, None], "no exponent is above 0 by two standard errors."),
    ],
)
def test_the_table_names_the_sum_of_the_positive_exponents_if_one_is_positive(values, errors, said):
    report = {"exponents": values, "stderr": errors, "kaplan_yorke": 1.0, "kaplan_yorke_range": [1.0, 1.0]}
    table = lyapunov_table({**report, "entropy_sum": values[0], "times": [9.0], "result": "successful"})
    assert table.notes == (f"Kaplan–Yorke dimension 1; {said}",)


def test_the_table_says_that_a_run_is_too_short_to_tell_the_dimension():
    report = {"exponents": [-0.02, -0.3], "stderr": [0.1, 0.2], "kaplan_yorke": 0.0, "kaplan_yorke_range": [0.0, 2.0]}
    table = lyapunov_table({**report, "entropy_sum": 0.0, "times": [9.0], "result": "successful"})
    assert table.notes[0].startswith("Kaplan–Yorke dimension 0 (0 to 2)")
    assert table.notes[1] == "The run is too short to tell the dimension: give a longer duration, or a transient."
