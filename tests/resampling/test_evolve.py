"""A network at any times: against matrix exponentials, the network itself, finer references and the published figures."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from oracles import assert_gradients_three_ways
from slow_input import AFFINE, SLOW, TANH, W, W_x, affine_flow, wave
from weights import drawn

import rnn_ode as ro
from rnn_ode._resampling import evolve as module
from rnn_ode._resampling.interpolation import Interpolation, uniform_weights, whole_steps
from rnn_ode._resampling.stability import companion
from rnn_ode._run.clock import Clock

LSTM = drawn(eqx.nn.LSTMCell, 1, 3)
GRU = drawn(eqx.nn.GRUCell, 1, 3, seed=1)


def poisson(count, rate=1.3, seed=0):
    return np.cumsum(np.random.default_rng(seed).exponential(1 / rate, count))


@pytest.mark.gate
@pytest.mark.parametrize(
    ("cell", "path"),
    [
        pytest.param(AFFINE, ro.Hold, id="affine-Hold"),
        pytest.param(TANH, ro.Linear, id="tanh-Linear"),
        pytest.param(GRU, ro.Cubic, id="gru-Cubic"),
        pytest.param(LSTM, ro.BandLimited, id="lstm-BandLimited"),
        pytest.param(LSTM, ro.Hold, id="lstm-Hold"),
    ],
)
def test_at_whole_steps_it_is_the_network(cell, path):
    run = ro.evolve(cell, path(SLOW), np.arange(30.0))
    network = ro.iterate(cell, SLOW)
    for ours, theirs in zip(jax.tree.leaves(run.states), jax.tree.leaves(network.states), strict=True):
        np.testing.assert_allclose(ours, theirs[:30], rtol=1e-13, atol=1e-15)
    assert bool(run.result == ro.RESULTS.successful)
    assert run.stats["num_steps"] == 29 and run.stats["num_applications"] == 29 * 3  # its default


@pytest.mark.slow
@pytest.mark.parametrize("gap", [5.0])
def test_long_whole_steps_are_the_network(gap):
    ts = np.arange(0, 31, gap)
    run = ro.evolve(TANH, ro.Cubic(SLOW), ts, dt=1.0)
    np.testing.assert_allclose(run.states, ro.iterate(TANH, SLOW).states[ts.astype(int)], rtol=1e-13, atol=1e-15)


@pytest.mark.gate
@pytest.mark.parametrize(
    ("kind", "ts"),
    [
        pytest.param("held", poisson(25), id="held-poisson"),
        pytest.param("smooth", np.arange(0, 12, 0.37), id="smooth-fine"),
        pytest.param("smooth", poisson(25), id="smooth-poisson"),
        pytest.param("smooth", np.arange(0.4, 20, 3.1), id="smooth-long"),
    ],
)
def test_an_affine_network_under_a_constant_input_follows_its_flow(kind, ts):
    """With 12 nodes and a turn of 0.4 a step; the error is that of interpolation, and falls with the nodes."""
    x, h0 = np.array([0.3]), np.array([1.0, -0.5, 2.0])
    path = ro.Hold(np.tile(x, (40, 1))) if kind == "held" else (lambda t: jnp.asarray(x) + 0 * t)
    exact = affine_flow(ts, h0, x)
    errors = [
        np.abs(ro.evolve(AFFINE, path, ts, h0, ahead=n, behind=n).states - exact).max() / np.abs(exact).max()
        for n in (1, 2, 3, 6)
    ]
    assert errors[1] < errors[0] / 4 and errors[2] < errors[1] / 4 and errors[3] < 2e-7
    assert errors[0] < 0.05


@pytest.mark.gate
def test_dt_is_a_scale_of_time():
    ts = np.arange(0, 12, 0.37)
    one = ro.evolve(TANH, ro.Cubic(SLOW), ts)
    other = ro.evolve(TANH, ro.Cubic(SLOW, 0.25), 0.25 * ts, dt=0.25)
    np.testing.assert_allclose(one.states, other.states, rtol=1e-9, atol=1e-12)


def gentle(activation, size=0.1):
    """A network with multipliers near 1: its tanh's products of multipliers are near 1 as well."""
    return ro.VanillaCell(
        0.95 * scipy.linalg.expm(0.5 * scipy.linalg.logm(W).real), size * W_x, np.zeros(3), activation
    )


def response(cell, ts, steps=400):
    """The state at each time that a smooth input since long ago leads to: the network run up to it, from its own start."""
    h = np.zeros((len(ts), 3))
    for k in range(1 - steps, 1):
        h = np.tanh(h @ np.asarray(cell.W_h).T + np.cos(0.3 * (ts + k))[:, None] * np.asarray(cell.W_x)[:, 0])
    return h


@pytest.mark.gate
@pytest.mark.parametrize("ts", [np.arange(0, 20, 0.45), poisson(40, 1.5)], ids=["uniform", "poisson"])
def test_a_tanh_network_under_a_smooth_input_converges_as_nodes_are_added(ts):
    """To its own response, at small signals: the n-th harmonic of the input has n times its frequency, and n-th power of
    its size, and those of more than a radian a step no interpolation knows."""
    cell = gentle(jnp.tanh, 0.02)
    exact = response(cell, ts)
    error = [
        np.abs(ro.evolve(cell, wave, ts, exact[0], ahead=n, behind=n).states - exact).max() / np.abs(exact).max()
        for n in (1, 2, 3)
    ]
    assert error[0] < 0.05 and error[1] < error[0] / 10 and error[2] < error[1] / 4, error


@pytest.mark.gate
def test_integrating_the_forward_series_agrees_as_orders_grow():
    """Both take the logarithm of the same steps: of an affine network with multipliers near 1, and of its tanh."""
    ts = np.linspace(0, 12, 25)
    for activation in (None, jnp.tanh):
        cell, difference = gentle(activation), []
        for order in (2, 4):
            flow = ro.integrate(ro.to_ode(cell, ro.Forward(order)), wave, np.full(3, 0.2), ts=ts).states
            difference.append(
                np.abs(ro.evolve(cell, wave, ts, np.full(3, 0.2), ahead=order, behind=order).states - flow).max()
            )
        assert difference[1] < difference[0] / 5 and difference[1] < 0.005, difference


@pytest.mark.slow
def test_the_first_results_are_as_accurate_as_later_ones():
    """The first results are as accurate as later ones, and much more accurate than with as many applications and
    `behind=0`."""
    ts, h0 = np.arange(0, 20, 0.45), np.array([1.0, -0.5, 2.0])
    exact = affine_flow(ts, h0, np.array([0.3]))
    error, alone = (
        np.abs(ro.evolve(AFFINE, lambda t: jnp.full(1, 0.3), ts, h0, behind=n).states - exact).max(axis=1)
        for n in (3, 0)
    )
    assert error[1:4].max() < 5 * error[4:8].max() and error[1:4].max() < alone[1:4].max() / 20


@pytest.mark.slow
def test_a_band_beats_polynomials_for_what_it_holds():
    """A network that turns by 0.08 cycles a step: at two applications a result, a hundred times less error."""
    angle = 2 * np.pi * 0.08
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    cell = ro.VanillaCell(turn, np.zeros((2, 1)), np.zeros(2), activation=None)
    ts, h0 = np.arange(0, 30, 0.9), np.array([1.0, 0.0])
    exact = np.stack([np.cos(angle * ts), np.sin(angle * ts)], axis=1)
    polynomial, fitted = (
        np.abs(ro.evolve(cell, lambda t: jnp.zeros(1), ts, h0, ahead=2, behind=2, band=band).states - exact).max()
        for band in (0.0, 0.08)
    )
    assert fitted < 1e-9 and polynomial > 1e-4


@pytest.mark.gate
def test_stacked_states_and_save():
    run = ro.evolve(LSTM, ro.Cubic(SLOW), np.arange(0, 9, 0.4), save=lambda h: h[0][:2])
    whole = ro.evolve(LSTM, ro.Cubic(SLOW), np.arange(0, 9, 0.4))
    np.testing.assert_array_equal(run.states, whole.states[0][:, :2])


def test_the_roots_of_a_held_input_are_those_from_sample_to_sample(monkeypatch):
    """Results are interpolated from the states at the samples, 1.7/0.5 steps apart, and not from each other."""
    asked = []

    def record(run, gap, matrices):
        asked.append((gap, matrices(gap, np.array([0.9]), np)))
        return jnp.asarray(1.0), np.array(True)

    monkeypatch.setattr(module, "roots_at_rest", record)
    rule, other = Interpolation(2, 1, 0.1), Interpolation(3, 0, 0.1)
    for path, wanted, mean in ((ro.Hold(SLOW, 1.7), other, 3.4), (ro.Cubic(SLOW, 1.7), rule, 1.4)):
        module._roots(TANH, path, Clock.of(path, [0.0, 0.6, 1.4], 0.5), jnp.zeros(3), rule)
        gap, found = asked.pop()
        assert gap == pytest.approx(mean)
        weights, whole = uniform_weights(gap, wanted, np), whole_steps(gap, wanted.ahead, np)
        np.testing.assert_allclose(found, companion(weights, np.array([0.9]), wanted.behind, whole, np), rtol=1e-13)


def test_one_time_is_the_initial_state():
    run = ro.evolve(TANH, ro.Cubic(SLOW), np.array([2.5]), np.ones(3))
    np.testing.assert_array_equal(run.states, np.ones((1, 3)))
    assert run.result == ro.RESULTS.successful and np.isnan(run.stats["radius"])


@pytest.mark.gate
@pytest.mark.parametrize("kind", ["smooth", "held"])
def test_gradients_three_ways(kind):
    """With respect to the weights, the input, the state and the times."""
    ts = poisson(9, 1.2)
    path = ro.Hold if kind == "held" else ro.Cubic

    def loss(W, xs, h0, ts):
        cell = ro.VanillaCell(W, 0.5 * W_x, np.zeros(3), jnp.tanh)
        return jnp.sum(jnp.sin(ro.evolve(cell, path(xs), ts, h0, throw=False).states))

    at = (jnp.asarray(0.6 * W), jnp.asarray(SLOW[:12]), jnp.array([0.1, -0.3, 0.2]), jnp.asarray(ts))
    value = jax.jit(loss)
    backward = jax.jit(jax.grad(loss, argnums=(0, 1, 2, 3)))(*at)
    assert_gradients_three_ways(value, backward, at, np.random.default_rng(0))


@pytest.mark.gate
def test_jitted_equals_eager_and_vmapped_equals_a_loop():
    ts = np.arange(0.2, 9, 0.7)

    def states(xs):
        return ro.evolve(GRU, ro.Cubic(xs), ts).states

    batch = np.random.default_rng(0).normal(size=(3, 14, 1))
    loop = np.stack([states(xs) for xs in batch])
    np.testing.assert_allclose(jax.jit(states)(batch[0]), loop[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(jax.vmap(states)(batch), loop, rtol=1e-10, atol=1e-12)


@pytest.mark.slow
def test_shapes_are_traced_once():
    traces = 0

    def cell(x, h):
        nonlocal traces
        traces += 1
        return jnp.tanh(0.5 * h + x)

    def run(xs, gap):
        return ro.evolve(cell, ro.Cubic(xs), gap * np.arange(12), np.zeros(1))

    run(SLOW, 0.7)
    once = traces
    run(2 * SLOW, 0.8)
    assert traces == once


@pytest.mark.gate
def test_it_lowers_everywhere(monkeypatch):
    monkeypatch.setenv("EQX_ON_ERROR", "nan")
    for path in (ro.Hold, ro.BandLimited):
        run = jax.jit(lambda xs, ts, path=path: ro.evolve(LSTM, path(xs), ts, throw=False))
        traced = run.trace(SLOW, jnp.arange(0, 9, 0.7))
        for platform in ("cpu", "cuda", "tpu"):
            assert traced.lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.slow
def test_float32_stays_float32(float32):
    cell = drawn(eqx.nn.GRUCell, 1, 3)
    run = ro.evolve(cell, ro.BandLimited(SLOW.astype(np.float32)), np.arange(0, 9, 0.7))
    assert run.states.dtype == run.ts.dtype == jnp.float32


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"ts": [0.0, 2.0, 1.0]}, ValueError, r"ts\[1\] = 2.0 and ts\[2\] = 1.0 are out of order"),
        ({"ts": [0.0, 1.0, 1.0]}, ValueError, "a duplicate"),
        ({"ts": []}, ValueError, "ts must hold at least one time"),
        ({"ts": [0.0, np.nan]}, ValueError, "ts must be finite"),
        ({"ahead": 0}, ValueError, "ahead must be at least 1; got 0"),
        ({"behind": -1}, ValueError, "behind must be at least 0; got -1"),
        ({"ahead": 2.5}, TypeError, "ahead must be a whole number"),
        ({"band": 0.3}, ValueError, "band must be in cycles per step of the network, from 0 to below 0.25; got 0.3"),
        ({"dt": 0.0}, ValueError, "dt must be positive"),
        ({"h0": np.zeros(4)}, ValueError, r"h0 must have shape \(3,\)"),
        ({"path": SLOW}, TypeError, "path must be a callable"),
        ({"path": ro.Cubic(np.zeros((9, 2)))}, ValueError, r"path must have samples of shape \(1,\)"),
        ({"cell": 3}, TypeError, "cell must be a callable"),
        ({"cell": lambda x, h: h, "h0": None}, ValueError, "Pass h0"),
        ({"save": 3}, TypeError, "save must be a callable"),
    ],
)
def test_bad_input_is_named(as_user, arguments, error, message):
    given = {"cell": TANH, "path": ro.Cubic(SLOW), "ts": [0.0, 0.5, 1.0]} | arguments
    with pytest.raises(error, match=message):
        ro.evolve(given.pop("cell"), given.pop("path"), given.pop("ts"), **given)
