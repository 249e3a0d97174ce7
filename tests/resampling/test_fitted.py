"""A feedback with fitted weights: against the filters that it contains, and the response of one mode by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from slow_input import SLOW, TANH

import rnn_ode as ro
from rnn_ode._resampling.fitted import expected_errors, fits, fitted_weights
from rnn_ode._resampling.interpolation import lagrange

GAP = 44.1 / 48
TS = 1 + GAP * np.arange(40)
PATH = ro.BandLimited(SLOW, GAP, t0=1.0)


@pytest.mark.slow
def test_lagrange_weights_make_it_the_published_filter():
    weights = lagrange(-GAP * np.arange(1.0, 4.0), -1.0, xp=np)
    ours = ro.fitted_feedback(TANH, PATH, TS, predict=weights)
    theirs = ro.delayed_feedback(TANH, PATH, TS, order=2)
    np.testing.assert_allclose(ours.states[5:], theirs.states[5:], rtol=1e-12)
    assert ours.stats["radius"] == pytest.approx(theirs.stats["radius"])


def test_a_correction_is_a_second_application():
    """Three results by hand."""
    predict, correct = [1.5, -0.5], [0.1, 0.8, 0.1]
    run = ro.fitted_feedback(TANH, PATH, TS[:4], np.ones(3), predict=predict, correct=correct)
    rows = [jnp.ones(3), jnp.ones(3)]
    for x in jnp.asarray(SLOW[1:4]):
        first = TANH(x, 1.5 * rows[-1] - 0.5 * rows[-2])
        rows.append(TANH(x, 0.1 * first + 0.8 * rows[-1] + 0.1 * rows[-2]))
    np.testing.assert_allclose(run.states, rows[1:], rtol=1e-12)
    assert run.stats["num_applications"] == 6


@pytest.mark.slow
@pytest.mark.parametrize("correct", [False, True])
def test_the_expected_error_is_the_error_of_a_run(correct):
    """Of a wave of 0.3 radians a step through one mode, whose response is 1 / (1 − 0.9 e^{−iω})."""
    omega, ts = np.array([0.3]), GAP * np.arange(500)
    predict = fitted_weights(np.arange(1, 4), GAP, omega, np.ones(1), 1e-3)
    after = fitted_weights(np.arange(3), GAP, omega, np.ones(1), 1e-2) if correct else ()
    cell = ro.VanillaCell([[0.9]], [[1.0]], [0.0], activation=None)
    run = ro.fitted_feedback(cell, lambda t: jnp.cos(0.3 * t)[None], ts, predict=predict, correct=after)
    exact = np.real(np.exp(0.3j * ts) / (1 - 0.9 * np.exp(-0.3j)))
    error = np.mean((run.states[200:, 0] - exact[200:]) ** 2) / np.mean(exact[200:] ** 2)
    expected = expected_errors(predict, after, GAP, np.array([0.9]), omega)[0, 0]
    assert expected > 1e-8
    assert error == pytest.approx(expected, rel=0.05)


def test_fitted_weights_are_exact_where_there_is_power():
    """Two frequencies and the mean are five conditions: five weights meet them, and more have the least norm."""
    omega = np.array([0.1, 0.4])
    for count in (5, 8):
        weights = np.array(fitted_weights(np.arange(1, count + 1), GAP, omega, np.ones(2), 1e-13))
        waves = np.exp(-1j * GAP * np.outer(omega, np.arange(1, count + 1)))
        assert sum(weights) == pytest.approx(1)
        np.testing.assert_allclose(waves @ weights, np.exp(-1j * omega), atol=1e-5)
    assert len(list(fits(GAP, np.array([0.5]), omega, np.ones(2)))) > 20


@pytest.mark.gate
def test_gradients_and_batches():
    def loss(W, xs):
        cell = ro.VanillaCell(W, TANH.W_x, np.zeros(3), jnp.tanh)
        path = ro.BandLimited(xs, GAP, t0=1.0)
        run = ro.fitted_feedback(cell, path, TS, predict=[1.2, -0.2], correct=[0.1, 0.9], throw=False)
        return jnp.sum(jnp.sin(run.states))

    W, v = jnp.asarray(TANH.W_h), jnp.asarray(np.random.default_rng(0).normal(size=(3, 3)))
    value = jax.jit(loss)
    backward = jnp.sum(jax.jit(jax.grad(loss))(W, SLOW) * v)
    forward = jax.jvp(lambda e: loss(W + e * v, SLOW), (0.0,), (1.0,))[1]
    np.testing.assert_allclose(backward, forward, rtol=1e-9)
    np.testing.assert_allclose((value(W + 1e-5 * v, SLOW) - value(W - 1e-5 * v, SLOW)) / 2e-5, forward, rtol=1e-5)
    batch = jnp.stack([SLOW, -SLOW])
    np.testing.assert_allclose(jax.vmap(loss, (None, 0))(W, batch), [value(W, xs) for xs in batch], rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"predict": []}, "predict must hold at least 1 weight"),
        ({"predict": [0.5, 0.2]}, "predict must hold finite weights whose sum is 1; their sum is 0.7"),
        ({"correct": [np.nan, 1.0]}, "correct must hold finite weights"),
        ({"ts": [0.0, 1.0, 1.5]}, "at equal distances"),
        ({"path": ro.Hold(SLOW)}, "path must be a smooth input for fitted_feedback; got Hold"),
    ],
)
def test_bad_input_is_named(as_user, arguments, message):
    given = {"path": PATH, "ts": TS, "predict": [1.0]} | arguments
    with pytest.raises(ValueError, match=message):
        ro.fitted_feedback(TANH, given.pop("path"), given.pop("ts"), **given)
