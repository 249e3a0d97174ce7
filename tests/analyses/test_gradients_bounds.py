"""Upper bounds of gradients, and what Pascanu, Mikolov & Bengio (2013) conclude from them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import parts
import pytest
from linear_networks import SIZE, STEPS, linear, orthogonal, zeros

import rnn_ode as ro
from rnn_ode._analyses import gradients_bounds
from rnn_ode._analyses.gradients_table import gradient_tables

slow = pytest.mark.slow
bounds_of = eqx.filter_jit(gradients_bounds.bounds_of)


def test_the_bound_of_the_weights_is_a_power_of_the_gain():
    b = bounds_of(np.asarray(0.5), np.log([1.0, 0.4, 0.1]), 3)
    np.testing.assert_allclose(b.from_weights, [1, 0.5, 0.25])
    np.testing.assert_allclose(b.from_steps, [1, 0.4, 0.1])
    assert b.vanishing_guaranteed and not b.exploding_possible


@pytest.mark.parametrize(
    ("gain", "vanishing", "exploding"),
    [
        (0.9, True, False),
        (1.1, False, True),
        (np.nan, False, True),
        (1 + 1e-15, False, False),
        (1 - 1e-15, False, False),
    ],
)
def test_conclusions_allow_for_rounding_and_for_an_unknown_gain(gain, vanishing, exploding):
    b = bounds_of(np.asarray(gain), np.zeros(2), 4)
    assert (b.vanishing_guaranteed, b.exploding_possible) == (vanishing, exploding)
    wider = bounds_of(np.asarray(1 + 30 * np.finfo(float).eps), np.zeros(2), 4)
    assert wider.exploding_possible and not bounds_of(wider.gain, np.zeros(2), 10).exploding_possible


@pytest.mark.gate
@pytest.mark.parametrize(
    ("activation", "gamma"),
    [(None, 1), (jax.nn.relu, 1), (jnp.tanh, 1), pytest.param(jax.nn.sigmoid, 1 / 4, marks=slow)],
)
@pytest.mark.parametrize("excess", [0.98, 1.02])
def test_a_norm_below_one_guarantees_vanishing_and_above_one_allows_exploding(activation, gamma, excess):
    """‖W‖₂ < 1/γ suffices for vanishing, ‖W‖₂ > 1/γ is necessary for exploding."""
    g = ro.gradient_flow(linear(excess / gamma * orthogonal(), activation), zeros(), 0.1 * np.ones(SIZE))
    np.testing.assert_allclose(g.bounds.gain, excess, rtol=1e-14)
    assert g.bounds.vanishing_guaranteed == (excess < 1)
    assert g.bounds.exploding_possible == (excess > 1)
    if excess < 1:
        assert g.norms[-1] <= excess**STEPS * (1 + 1e-12)


def test_bounds_that_are_unknown_or_zero():
    assert np.isnan(linear(np.eye(1), jnp.sin).gain)
    g = ro.gradient_flow(linear(np.zeros((SIZE, SIZE))), zeros())
    np.testing.assert_array_equal(g.bounds.from_weights, [1] + [0] * STEPS)
    np.testing.assert_array_equal(g.bounds.from_steps, [1] + [0] * STEPS)
    assert g.bounds.vanishing_guaranteed


@pytest.mark.parametrize(("lags", "said"), [(2, "up to 1 step before it."), (3, "up to 2 steps before it.")])
def test_the_table_counts_the_steps(lags, said):
    bounds = bounds_of(jnp.asarray(0.5), jnp.zeros(lags), lags).to_dict()
    rates = dict.fromkeys(("predicted_rate", "lyapunov_rate", "measured_rate"))
    words = {"finding": "The gradient vanishes.", "spectrum_of": "W_h"}
    report = {**rates, **words, "log_norms": [0.0] * lags, "bounds": bounds, "result": "successful"}
    assert gradient_tables(report)[0].title.endswith(said)


@pytest.mark.parametrize(
    ("name", "of", "bounded"),
    [("tanh", "W_h", True), ("lstm", "the Jacobian at the last state", False)],
)
def test_the_table_says_what_became_of_the_gradient_and_what_the_eigenvalues_are_of(name, of, bounded):
    """A column of bounds by the weights is there for a cell that knows such a bound."""
    g = ro.gradient_flow(parts.CELLS[name], parts.XS, jax.tree.map(jnp.asarray, parts.STATES[name]))
    text = g.table()
    assert text.startswith(f"The gradient vanishes: ×{np.exp(g.measured_rate):.3g} a step.\n")
    assert f"the eigenvalues of {of}\n" in text and g.spectrum_of == of
    assert ("by weights" in text) == bounded and ("The weights alone give no bound here." in text) == (not bounded)
    assert ("by weights" in g.bounds.table()) == bounded and "by steps" in g.bounds.table()
