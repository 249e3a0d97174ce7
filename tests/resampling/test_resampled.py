"""A network at its own rate with its states read between the steps: against closed forms and sums written out in NumPy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import assert_gradients_three_ways
from slow_input import AFFINE, SLOW, TANH
from weights import drawn

import rnn_ode as ro

LSTM = drawn(eqx.nn.LSTMCell, 1, 3)


def by_hand(cell, path, ts, half_width, beta, dt=1.0):
    """The definition in NumPy: the states at k·dt from the last step at or before ts[0], and a sum over them at each time."""
    begin = int(np.floor(ts[0] / dt))
    xs = np.stack([path(dt * k) for k in range(begin + 1, int(np.floor(ts[-1] / dt)) + half_width + 1)])
    rows = np.asarray(ro.iterate(cell, xs).states)
    read = []
    for t in ts:
        k = np.arange(1 - half_width, half_width + 1) + int(np.floor(t / dt))
        distance = t / dt - k
        weights = np.sinc(distance) * np.i0(beta * np.sqrt(1 - (distance / half_width) ** 2))
        read.append(weights / weights.sum() @ rows[np.clip(k - begin, 0, len(rows) - 1)])
    return np.stack(read)


@pytest.mark.slow
@pytest.mark.parametrize("dt", [1.0, 0.25])
def test_it_is_the_sum_of_the_states_around_a_time(dt):
    ts = dt * np.array([3.2, 4.0, 4.9, 7.35, 7.5, 20.125])
    path = ro.Cubic(SLOW, 0.8 * dt)
    run = ro.resampled(TANH, path, ts, half_width=4, beta=6.0, dt=dt)
    np.testing.assert_allclose(run.states, by_hand(TANH, path, ts, 4, 6.0, dt), rtol=1e-11, atol=1e-13)
    assert run.stats == {"num_steps": 5, "num_applications": 21}


@pytest.mark.slow
@pytest.mark.parametrize("half_width", [1, 8])
def test_at_whole_steps_it_is_the_network(half_width):
    run = ro.resampled(TANH, ro.BandLimited(SLOW), np.arange(40.0), half_width=half_width)
    np.testing.assert_allclose(run.states, ro.iterate(TANH, SLOW).states[:40], rtol=1e-13, atol=1e-15)


@pytest.mark.slow
def test_an_affine_network_under_a_wave_is_its_transfer_function():
    """Its input and its states are waves. With the default window the error is −79 dB of the amplitude."""
    omega, count = 0.3, 400
    ts = 1 + np.arange(count) * 44.1 / 48
    xs = np.cos(omega * (1 + np.arange(count) * 44.1 / 48))[:, None]
    path = ro.BandLimited(xs, 44.1 / 48, t0=1.0)
    W, W_x, b = AFFINE.W_h * 0.9, AFFINE.W_x, np.zeros(3)
    want = np.linalg.solve(np.eye(3) - W * np.exp(-1j * omega), W_x)[:, 0]
    states = ro.resampled(ro.VanillaCell(W, W_x, b, None), path, ts, half_width=16).states
    wave = np.real(np.exp(1j * omega * ts)[:, None] * want)
    inner = slice(150, -40)
    assert abs(states - wave)[inner].max() < 3e-4 * abs(wave).max()


@pytest.mark.slow
def test_what_is_saved_is_read_between_the_steps():
    ts, path = np.arange(0, 9, 0.4), ro.Cubic(SLOW)
    run = ro.resampled(LSTM, path, ts, save=lambda h: h[0][:2])
    whole = ro.resampled(LSTM, path, ts)
    np.testing.assert_allclose(run.states, whole.states[0][:, :2], rtol=1e-12, atol=1e-14)


@pytest.mark.gate
def test_gradients_three_ways():
    """With respect to the weights, the input and the state: what training at another rate needs."""
    ts = np.arange(0.3, 9, 0.7)

    def loss(W, xs, h0):
        cell = ro.VanillaCell(W, TANH.W_x, np.zeros(3), jnp.tanh)
        return jnp.sum(jnp.sin(ro.resampled(cell, ro.BandLimited(xs, 0.9), ts, h0, half_width=3, throw=False).states))

    at = (jnp.asarray(TANH.W_h), jnp.asarray(SLOW[:12]), jnp.array([0.1, -0.3, 0.2]))
    value, backward = jax.jit(loss), jax.jit(jax.grad(loss, argnums=(0, 1, 2)))(*at)
    assert_gradients_three_ways(value, backward, at, np.random.default_rng(0))


@pytest.mark.gate
def test_jitted_equals_eager_and_vmapped_equals_a_loop():
    ts = np.arange(0.2, 9, 0.7)

    def states(xs):
        return ro.resampled(TANH, ro.BandLimited(xs), ts).states

    batch = np.random.default_rng(0).normal(size=(3, 14, 1))
    loop = np.stack([states(xs) for xs in batch])
    np.testing.assert_allclose(jax.jit(states)(batch[0]), loop[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(jax.vmap(states)(batch), loop, rtol=1e-10, atol=1e-12)


@pytest.mark.slow
def test_it_lowers_everywhere_and_is_traced_once(monkeypatch):
    monkeypatch.setenv("EQX_ON_ERROR", "nan")
    ts, traces = np.arange(0, 9, 0.7), 0

    def cell(x, h):
        nonlocal traces
        traces += 1
        return jnp.tanh(0.5 * h + x)

    run = jax.jit(lambda xs: ro.resampled(LSTM, ro.BandLimited(xs), ts, throw=False))
    for platform in ("cpu", "cuda", "tpu"):
        assert run.trace(SLOW).lower(lowering_platforms=(platform,)).as_text()
    ro.resampled(cell, ro.Cubic(SLOW), ts, np.zeros(1))
    once = traces
    ro.resampled(cell, ro.Cubic(2 * SLOW), ts + 0.05, np.zeros(1))
    assert traces - once < once  # the check of h0 traces the cell, the run does not


@pytest.mark.slow
def test_float32_stays_float32_and_long_times_are_exact(float32):
    """At step 10⁶ a float32 of the time would be wrong by a sixteenth of a step."""
    xs = np.tile(SLOW, (3, 1)).astype(np.float32)
    late = ro.BandLimited(xs, t0=1_000_001.0)
    ts = np.arange(0, 90, 0.7)
    cell = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), TANH)
    run, moved = (ro.resampled(cell, path, times) for path, times in ((ro.BandLimited(xs), ts), (late, ts + 1e6)))
    assert run.states.dtype == jnp.float32
    np.testing.assert_allclose(run.states, moved.states, atol=2e-6)


def test_a_network_that_leaves_the_float_range_says_so():
    cell = ro.VanillaCell([[1e30]], [[1.0]], [0.0], None)
    run = ro.resampled(cell, ro.Cubic(SLOW), np.arange(0, 30, 0.5), half_width=2, throw=False)
    assert run.result == ro.RESULTS.left_float_range
    finite = np.isfinite(run.states[:, 0])
    assert finite[:10].all() and not finite[30:].any()
    assert np.isinf(run.states[~finite]).all()
    with pytest.raises(Exception, match="left the float range"):
        ro.resampled(cell, ro.Cubic(SLOW), np.arange(0, 30, 0.5), half_width=2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"path": ro.Hold(SLOW)}, ValueError, "path must be a smooth input for resampled; Hold jumps at its samples"),
        ({"half_width": 0}, ValueError, "half_width must be at least 1; got 0"),
        ({"half_width": 2.5}, TypeError, "half_width must be a whole number"),
        ({"beta": -1}, ValueError, r"beta must be from 0 to 80, the shape of Kaiser's window; got -1"),
        ({"save": lambda h: jnp.argmax(h)}, TypeError, "save must return floating-point arrays"),
        ({"ts": [0.0, 1.0, 1.0]}, ValueError, "a duplicate"),
        ({"dt": 0.0}, ValueError, "dt must be positive"),
        ({"h0": np.zeros(4)}, ValueError, r"h0 must have shape \(3,\)"),
    ],
)
def test_bad_input_is_named(as_user, arguments, error, message):
    given = {"cell": TANH, "path": ro.Cubic(SLOW), "ts": [0.0, 0.5, 1.0]} | arguments
    with pytest.raises(error, match=message):
        ro.resampled(given.pop("cell"), given.pop("path"), given.pop("ts"), **given)


def test_traced_times_are_refused(as_user):
    with pytest.raises(TypeError, match="ts must be known when resampled is traced"):
        jax.jit(lambda ts: ro.resampled(TANH, ro.Cubic(SLOW), ts).states)(np.arange(3.0))


def test_options_without_effect_and_a_span_without_end_are_refused():
    with pytest.raises(ValueError, match="beta was given with half_band"):
        ro.resampled(TANH, ro.BandLimited(SLOW), np.arange(4.0), half_band=True, beta=0.5)
    with pytest.raises(ValueError, match=r"ts spans 1e\+09 steps of dt = 1: are ts and dt in the same unit"):
        ro.resampled(TANH, ro.BandLimited(SLOW), np.array([0, 1e9]))
