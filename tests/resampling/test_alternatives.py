"""The other ways of running a network at any times, and the ranking of them all."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from slow_input import XS, slower_wave
from weights import drawn

import rnn_ode as ro
from rnn_ode._resampling.alternatives import bounded, windows
from rnn_ode._resampling.stability import companion, feedback_companion

DIAGONAL = np.array([0.6, 0.3])
LINEAR = ro.VanillaCell(np.diag(DIAGONAL), np.ones((2, 1)), np.zeros(2), activation=None)


def response(ts):
    """The response of LINEAR to `slower_wave` after an infinite time: (1 − W e^{−iω})⁻¹ W_x e^{iωt}, by its transfer
    function."""
    transfer = 1 / (1 - DIAGONAL * np.exp(-0.2j))
    return np.real(transfer * np.exp(0.2j * np.asarray(ts))[:, None])


def jittered(count):
    return np.cumsum(np.random.default_rng(1).uniform(0.4, 0.9, count))


@pytest.mark.slow
def test_a_whole_number_of_gaps_delays_exactly():
    """Results a step apart are the network's, started at each of the first times."""
    ts = 0.5 * np.arange(60)
    run = ro.delayed_feedback(LINEAR, slower_wave, ts, np.ones(2), order=3)
    for first in range(2):
        xs = np.cos(0.2 * ts[first + 2 :: 2])[:, None]
        states = ro.iterate(LINEAR, xs, run.states[first]).states
        np.testing.assert_allclose(run.states[first + 2 :: 2], states[1:], rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ts", "orders"), [(0.8 * np.arange(60.0), (1, 2, 4)), (jittered(90), (1, 2))], ids=["uniform", "jittered"]
)
def test_the_error_falls_with_the_order(ts, orders):
    """From the right state on, but for the history before the first time, which decays as 0.6ᵗ. At jittered times a higher
    order has to extrapolate where a gap is long."""
    exact = response(ts)
    late = ts > 25
    error = [
        np.abs(ro.delayed_feedback(LINEAR, slower_wave, ts, exact[0], order=order).states - exact)[late].max()
        for order in orders
    ]
    assert all(higher < lower / 3 for lower, higher in itertools.pairwise(error)) and error[-1] < 1e-3, error


def test_windows_are_around_a_step_ago_and_move_with_the_times():
    gaps = np.full(30, 0.4)
    for order, lag, newest in ((1, 1, 0.2), (2, 1, 0.2), (3, 0, 0.6), (5, 0, 0.6)):
        lags, nodes = windows(gaps, order)
        assert set(lags.tolist()) == {lag}
        np.testing.assert_allclose(nodes, np.tile(newest - 0.4 * np.arange(order, -1, -1), (len(nodes), 1)), atol=1e-12)
    lags, nodes = windows(np.array([3.0, 0.1, 0.1, 4.0]), 2)
    assert lags.min() >= 0 and np.all(np.diff(nodes, axis=1) > 0)


@pytest.mark.gate
@pytest.mark.parametrize("dt", [0.1, 0.37])
@pytest.mark.parametrize("run", [ro.delayed_feedback, ro.state_trajectory])
def test_at_whole_steps_told_by_float32_they_are_the_network(run, dt, float32):
    """The input is noise, so that a single wrong sample would be seen."""
    xs = np.random.default_rng(1).normal(size=(250, 1)).astype(np.float32)
    cell = ro.VanillaCell(np.diag(DIAGONAL), np.ones((2, 1)), np.zeros(2), jnp.tanh)
    network = ro.iterate(cell, xs).states[:250]
    ts = np.arange(250, dtype=np.float32) * np.float32(dt)
    for path, times in (
        (ro.Hold(xs, dt), ts),
        (ro.Hold(xs, dt, t0=100 + dt), np.float32(100) + ts),
        (ro.Cubic(xs, dt), ts),
    ):
        np.testing.assert_allclose(run(cell, path, times, dt=dt).states, network, atol=1e-5)


def test_a_function_of_time_is_read_at_the_very_times(float32):
    times = []

    def path(t):
        jax.debug.callback(lambda t: times.extend(np.ravel(t).tolist()), t)
        return slower_wave(t)

    ts = (0.1 * np.arange(9)).astype(np.float32)
    jax.block_until_ready(ro.delayed_feedback(LINEAR_32, path, ts, order=1).states)
    jax.effects_barrier()
    assert set(times) == set(ts.tolist())


LINEAR_32 = ro.VanillaCell(*(np.asarray(a, np.float32) for a in (LINEAR.W_h, LINEAR.W_x, LINEAR.b)), activation=None)


@pytest.mark.parametrize("mean", [0.1, 0.7, 3.0])
def test_at_irregular_times_no_mode_grows(mean):
    """Whatever the order, at Poisson times, from random pasts: by simulation of every mode with a modulus up to 1."""
    multipliers = np.outer([1.0, 0.9, 0.5], np.exp(1j * np.linspace(0, np.pi, 7))).ravel()
    for order in (2, 3, 5):
        gaps = np.random.default_rng(order).exponential(mean, 800)
        lags, weights = bounded(gaps, order, 0.0)
        assert np.abs(weights).sum(axis=1).max() <= 2 and np.abs(weights.sum(axis=1) - 1).max() < 1e-9
        past = int(lags.max()) + order + 1
        results = list(np.exp(2j * np.pi * np.random.default_rng(0).random((past, len(multipliers)))))
        for lag, row in zip(lags, weights, strict=True):
            end = len(results) - lag
            results.append(multipliers * (row @ np.stack(results[end - order - 1 : end])))
        assert np.abs(np.stack(results)).max() < 15


def test_at_irregular_times_the_window_is_read_where_it_serves():
    """Where the order need not fall the weights are Lagrange's; after a long gap the last result stands for one step ago."""
    gaps = np.random.default_rng(0).uniform(0.45, 0.55, 40)
    lags, weights = bounded(gaps, 3, 0.0)
    times = np.concatenate([-gaps.mean() * np.arange(30, 0, -1), [0], np.cumsum(gaps)])
    for i in (5, 20, 39):
        end = 30 + i + 1 - lags[i]
        nodes, at = times[end - 4 : end], times[31 + i] - 1
        cubics = [nodes**k @ weights[i] - at**k for k in range(4)]
        assert np.abs(cubics).max() < 1e-9 and nodes[0] < at < nodes[-1]
    lags, weights = bounded(np.array([0.3, 4.7, 0.1]), 5, 0.0)
    assert lags[1] == 0 and weights[1].tolist() == [0, 0, 0, 0, 0, 1]


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, 3, 5])
def test_contracting_networks_stay_bounded_at_irregular_times(order):
    ts = np.cumsum(np.random.default_rng(3).exponential(0.7, 60))
    turning = ro.VanillaCell([[0.9, 0.2], [-0.2, 0.8]], np.zeros((2, 1)), np.zeros(2), activation=None)
    for cell, times in ((turning, ts), (GRU, np.array([0, 0.3, 5, 5.1, 20, 20.5, 21.5]))):
        h0 = np.ones(2)
        run = ro.delayed_feedback(cell, slower_wave, times, h0, order=order)
        assert bool(run.result == ro.RESULTS.successful) and np.abs(np.asarray(run.states)).max() < 2


GRU = drawn(eqx.nn.GRUCell, 1, 2, seed=1)


@pytest.mark.parametrize("run", [ro.delayed_feedback, ro.state_trajectory])
def test_one_time_is_the_initial_state(run):
    for path in (ro.Hold(XS), slower_wave):
        one = run(LINEAR, path, np.array([2.5]), np.ones(2))
        np.testing.assert_array_equal(one.states, np.ones((1, 2)))
        assert bool(one.result == ro.RESULTS.successful)


def test_eulers_rule_by_hand():
    ts = np.array([0.0, 0.3, 0.9, 2.0])
    run = ro.state_trajectory(LINEAR, slower_wave, ts, np.ones(2))
    h = np.ones(2)
    for k in range(3):
        gap = ts[k + 1] - ts[k]
        h = h + gap * (DIAGONAL * h + np.cos(0.2 * ts[k + 1]) - h)
        np.testing.assert_allclose(run.states[k + 1], h, rtol=1e-12)
    # the mean gap is 2/3 of a step
    np.testing.assert_allclose(run.stats["radius"], np.abs(1 + (DIAGONAL - 1) * 2 / 3).max(), rtol=1e-9)


@pytest.mark.gate
@pytest.mark.parametrize("run", [ro.delayed_feedback, ro.state_trajectory])
def test_with_the_networks_own_step_they_are_the_network(run):
    for cell in (LINEAR, drawn(eqx.nn.LSTMCell, 1, 3)):
        for path in (ro.Hold, ro.Cubic):
            states = run(cell, path(XS[:20], 0.5), 0.5 * np.arange(21), dt=0.5).states
            for ours, theirs in zip(
                jax.tree.leaves(states), jax.tree.leaves(ro.iterate(cell, XS[:20]).states), strict=True
            ):
                np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def test_companions_are_the_recurrences():
    """Their powers are what the scheme makes of a mode."""
    z = np.array([0.8 + 0.1j])
    step, fed = (
        companion(np.array([0.2, 0.5, 0.4]), z, 1, 0, np)[0],
        feedback_companion(np.array([0.3, 0.8]), z, 1, np)[0],
    )
    new, old = np.array([1.0, 2.0]), np.array([1.0, 2.0, 3.0])
    assert np.allclose(step @ new, [0.2 * 2 + 0.5 * 1 + 0.4 * z[0], 1])
    assert np.allclose(fed @ old, [z[0] * (0.8 * 2 + 0.3 * 3), 1, 2])


@pytest.mark.slow
def test_an_unstable_order_says_so():
    cell = ro.VanillaCell(np.diag([0.95, -0.9]), np.ones((2, 1)), np.zeros(2), jnp.tanh)
    run = ro.delayed_feedback(cell, slower_wave, 1.2 * np.arange(30), order=5)
    assert bool(run.result == ro.RESULTS.unstable_scheme) and run.stats["radius"] > 1.1
    well = ro.delayed_feedback(cell, slower_wave, 0.8 * np.arange(30), order=2)
    assert bool(well.result == ro.RESULTS.successful) and well.stats["radius"] < 1


def test_bad_input_is_named(as_user):
    path = ro.Cubic(XS)
    with pytest.raises(ValueError, match="order must be at least 0; got -1"):
        ro.delayed_feedback(LINEAR, path, [0.0, 1.0], order=-1)
    with pytest.raises(ValueError, match="out of order"):
        ro.state_trajectory(LINEAR, path, [1.0, 0.0])
    with pytest.raises(TypeError, match="ts must be known when delayed_feedback is traced"):
        jax.jit(lambda ts: ro.delayed_feedback(LINEAR, path, ts).states)(np.arange(3.0))
    with pytest.raises(ValueError, match="ratio must be positive and finite"):
        ro.recommend(LINEAR, XS, 0)
    with pytest.raises(ValueError, match="at least 64 samples for a trial; got 10"):
        ro.recommend(LINEAR, XS[:10], 2)
    with pytest.raises(ValueError, match=r"at least 4 results in a trial; 80 samples have 0\.8"):
        ro.recommend(LINEAR, XS[:80], 0.01)
    with pytest.raises(ValueError, match="budget must be at least 1"):
        ro.recommend(LINEAR, XS, 2, budget=0)
