"""The times of a run at any times: float32, float64, traced and wrong ones."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from slow_input import SLOW, TANH, wave

import rnn_ode as ro


@pytest.mark.slow
def test_float32_times_of_a_uniform_grid_are_taken_for_one(float32):
    """At 40 000 steps a float32 of the time is off by 0.002 steps; the grid is recognised, and the phase of a turn kept."""
    angle = 0.01
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    cell = ro.VanillaCell(turn, np.zeros((2, 1)), np.zeros(2), activation=None)
    ts = (np.arange(20_000) * 2.1 + 1 / 3).astype(np.float32)
    run = ro.evolve(cell, lambda t: jnp.zeros(1), ts, np.array([1.0, 0.0], np.float32), throw=False)
    rough = np.diff(ts.astype(np.float64)).std()
    h = np.asarray(run.states, float)
    phase = np.unwrap(np.arctan2(h[:, 1], h[:, 0]))
    assert rough > 1e-4
    np.testing.assert_allclose(np.diff(phase), 2.1 * angle, atol=1e-6)


@pytest.mark.slow
def test_float64_times_keep_their_digits_in_a_float32_session(float32):
    ts = 10_000 + np.cumsum(np.random.default_rng(0).uniform(0.5, 1.5, 50))
    late = ro.evolve(TANH_32, lambda t: jnp.full(1, 0.3), ts)
    early = ro.evolve(TANH_32, lambda t: jnp.full(1, 0.3), ts - 10_000)
    assert late.states.dtype == jnp.float32
    np.testing.assert_allclose(late.states, early.states, atol=2e-6)


TANH_32 = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32) if eqx.is_array(leaf) else leaf, TANH)


@pytest.mark.gate
def test_traced_times_are_the_same_up_to_a_length():
    ts = np.array([0.0, 0.6, 1.7, 6.5, 7.0, 7.2, 12.0])
    known = ro.evolve(TANH, ro.Cubic(SLOW), ts)
    traced = jax.jit(lambda ts: ro.evolve(TANH, ro.Cubic(SLOW), ts, throw=False))
    np.testing.assert_allclose(traced(ts).states, known.states, rtol=1e-10, atol=1e-12)
    late = traced(np.array([0.0, 0.6, 1.7, 6.5, 7.0, 27.2, 28.0]))
    assert bool(late.result == ro.RESULTS.gap_too_long)
    assert np.isfinite(late.states[:5]).all() and np.isinf(late.states[5:]).all()


@pytest.mark.gate
@pytest.mark.parametrize(
    ("run", "path"), [(ro.evolve, wave), (ro.state_trajectory, ro.Hold(SLOW))], ids=["smooth", "held"]
)
def test_traced_times_that_do_not_increase_are_told(run, path):
    ts = np.array([1.0, 1.5, 2.25, 3.0, 3.25, 4.5])
    rows = np.stack([ts] * 5)
    for row, (k, value) in enumerate([(3, 2.0), (2, 1.5), (1, np.nan), (0, np.inf)]):
        rows[row, k] = value
    got = jax.jit(jax.vmap(lambda ts: run(TANH, path, ts, throw=False)))(rows)
    bad = np.asarray(got.result == ro.RESULTS.times_not_increasing)
    assert bad.tolist() == [True, True, True, True, False]
    for states, kept in zip(got.states, (3, 2, 1, 0), strict=False):
        np.testing.assert_allclose(states[:kept], got.states[-1][:kept], rtol=1e-12, atol=1e-15)
        assert np.all(np.isinf(states[kept:]))
