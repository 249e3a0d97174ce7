"""A network at any times under a held input, against the flow of each sample's own step."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from slow_input import AFFINE, affine_flow

import rnn_ode as ro


@pytest.mark.slow
def test_a_held_input_is_never_interpolated_across():
    """At every time the flow of the sample's own step, from the network's own state before it."""
    xs = np.random.default_rng(3).normal(size=(8, 1))
    ts = np.sort(np.append(np.random.default_rng(4).uniform(0, 8, 20), 0.0))
    run = ro.evolve(AFFINE, ro.Hold(xs), ts, np.zeros(3), ahead=6, behind=6)
    network = np.asarray(ro.iterate(AFFINE, xs, np.zeros(3)).states)
    for t, state in zip(ts, run.states, strict=True):
        k = int(t)
        np.testing.assert_allclose(state, affine_flow([k, t], network[k], xs[k])[1], atol=2e-6)


@pytest.mark.parametrize("each", [0.5, pytest.param(4.6, marks=pytest.mark.slow)])
def test_a_held_input_may_have_an_interval_of_its_own(each):
    xs = np.random.default_rng(5).normal(size=(6, 1))
    ts = np.linspace(0.3 * each, 5.6 * each, 23)
    run = ro.evolve(AFFINE, ro.Hold(xs, each), ts, np.ones(3), ahead=7, behind=7)
    times = np.unique(np.concatenate([ts, each * np.arange(1, 6)]))
    h, states = np.ones(3), {ts[0]: np.ones(3)}
    for before, after in itertools.pairwise(times):
        x = xs[min(int(np.floor((before + 1e-9) / each)), 5)]
        h = states[after] = affine_flow([before, after], h, x)[1]
    np.testing.assert_allclose(run.states, np.stack([states[t] for t in ts]), atol=2e-5)


@pytest.mark.gate
def test_the_derivative_in_time_at_a_whole_step_is_that_of_the_orbit():
    def state(t):
        return ro.evolve(AFFINE, ro.Hold(np.zeros((6, 1))), jnp.array([0.0, t]), np.ones(3), ahead=5, behind=5).states[
            1, 0
        ]

    exact = (
        affine_flow([0.0, 1.5 + 1e-5], np.ones(3), np.zeros(1))
        - affine_flow([0.0, 1.5 - 1e-5], np.ones(3), np.zeros(1))
    )[1, 0] / 2e-5
    np.testing.assert_allclose(jax.grad(state)(1.5), exact, rtol=1e-5)
