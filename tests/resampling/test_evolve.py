"""A network at any times: against matrix exponentials, the network itself, finer references and the published figures."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

import rnn_ode as ro
from rnn_ode._resampling.interpolation import lagrange, uniform_nodes, whole_steps

W = scipy.linalg.expm(np.array([[-0.1, 0.4, 0.0], [-0.4, -0.1, 0.1], [0.0, 0.0, -0.05]]))  # turns by 0.4 a step
W_x = np.array([[1.0], [0.0], [0.5]])
AFFINE = ro.VanillaCell(W, W_x, np.array([0.1, 0.0, -0.2]), activation=None)
TANH = ro.VanillaCell(0.6 * W, 0.5 * W_x, np.zeros(3), jnp.tanh)
SLOW = np.cos(0.3 * np.arange(1.0, 41.0))[:, None]
LSTM = eqx.nn.LSTMCell(1, 3, key=jax.random.key(0))
GRU = eqx.nn.GRUCell(1, 3, key=jax.random.key(1))


def wave(t):
    return jnp.cos(0.3 * t)[None]


def affine_flow(ts, h0, x):
    """The states of dh/dt = log(W) h + …, the flow behind the affine network under the constant input x, by expm."""
    drive = W_x @ x + np.asarray(AFFINE.b)
    A = scipy.linalg.logm(np.block([[W, drive[:, None]], [np.zeros((1, 3)), np.ones((1, 1))]])).real
    return np.stack([(scipy.linalg.expm(A * (t - ts[0])) @ np.append(h0, 1))[:3] for t in ts])


def poisson(count, rate=1.3, seed=0):
    return np.cumsum(np.random.default_rng(seed).exponential(1 / rate, count))


# The weights.


@pytest.mark.parametrize("band", [0.0, 0.1])
def test_weights_reproduce_what_they_are_exact_for(band):
    nodes, at = np.array([-2.3, -1.1, 0.0, 1.0, 2.0]), 0.7
    weights = lagrange(nodes, at, band, np)
    assert abs(weights.sum() - 1) < 1e-14
    for k in range(5):
        if band == 0:
            assert abs(weights @ nodes**k - at**k) < 1e-12
        else:
            frequency = 2 * np.pi * band * (k - 2) / 2
            assert abs(weights @ np.exp(1j * frequency * nodes) - np.exp(1j * frequency * at)) < 1e-12
    np.testing.assert_allclose(lagrange(jnp.asarray(nodes), at, band), weights, rtol=1e-12)


@pytest.mark.parametrize("band", [0.0, 0.1])
def test_at_a_node_its_weight_is_one_exactly(band):
    nodes = jnp.array([-0.7, 0.0, 1.0, 2.0, 3.0])
    for j, node in enumerate(nodes):
        assert np.array_equal(lagrange(nodes, node, band), np.eye(5)[j])


def test_forward_nodes_are_newtons_series():
    s = 0.37
    weights = lagrange(jnp.arange(4.0), s)
    binomials = [1, s, s * (s - 1) / 2, s * (s - 1) * (s - 2) / 6]
    differences = [[1, 0, 0, 0], [-1, 1, 0, 0], [1, -2, 1, 0], [-1, 3, -3, 1]]
    np.testing.assert_allclose(weights, np.array(binomials) @ np.array(differences), rtol=1e-12)


def test_a_far_node_does_not_bring_the_sines_back():
    weights = lagrange(np.array([-40.0, 0.0, 1.0, 2.0]), 0.5, 0.1, np)
    assert np.all(np.abs(weights) < 2) and abs(weights[0]) < 0.01


@pytest.mark.parametrize(("gap", "ahead", "whole"), [(0.5, 3, 0), (2.4, 3, 0), (2.5, 3, 1), (4.25, 3, 2), (4.0, 1, 3)])
def test_nodes_of_equal_gaps_are_the_states_at_hand(gap, ahead, whole):
    """By listing them: every whole step and every result, in order of time."""
    nodes, found = uniform_nodes(gap, ahead, 4)
    assert found == whole == whole_steps(np.float64(gap), ahead, np)
    known = sorted(k * gap + j for k in range(-9, 1) for j in range(whole + 1))
    np.testing.assert_allclose(nodes[:5], np.array(known[-5:]) - whole, atol=1e-12)
    np.testing.assert_array_equal(nodes[5:], np.arange(1, ahead + 1))


# The states.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "path"),
    [
        pytest.param(AFFINE, ro.Hold, id="affine-Hold"),
        pytest.param(TANH, ro.Linear, id="tanh-Linear"),
        pytest.param(GRU, ro.Cubic, id="gru-Cubic", marks=pytest.mark.slow),
        pytest.param(LSTM, ro.BandLimited, id="lstm-BandLimited"),
        pytest.param(LSTM, ro.Hold, id="lstm-Hold", marks=pytest.mark.slow),
    ],
)
def test_at_whole_steps_it_is_the_network(cell, path):
    run = ro.evolve(cell, path(SLOW), np.arange(30.0))
    network = ro.iterate(cell, SLOW)
    for ours, theirs in zip(jax.tree.leaves(run.states), jax.tree.leaves(network.states), strict=True):
        np.testing.assert_allclose(ours, theirs[:30], rtol=1e-13, atol=1e-15)
    assert bool(run.result == ro.RESULTS.successful)


@pytest.mark.slow
@pytest.mark.parametrize("gap", [5.0])
def test_long_whole_steps_are_the_network(gap):
    ts = np.arange(0, 31, gap)
    run = ro.evolve(TANH, ro.Cubic(SLOW), ts, dt=1.0)
    np.testing.assert_allclose(run.states, ro.iterate(TANH, SLOW).states[ts.astype(int)], rtol=1e-13, atol=1e-15)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "ts"),
    [
        pytest.param("held", poisson(25), id="held-poisson"),
        pytest.param("smooth", np.arange(0, 12, 0.37), id="smooth-fine", marks=pytest.mark.slow),
        pytest.param("smooth", poisson(25), id="smooth-poisson", marks=pytest.mark.slow),
        pytest.param("smooth", np.arange(0.4, 20, 3.1), id="smooth-long", marks=pytest.mark.slow),
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


@pytest.mark.slow
@pytest.mark.parametrize("each", [0.5, 4.6])
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
def test_full_accuracy_from_the_first_step_on():
    """The first results are no worse than later ones, and much better than with the same applications and nothing behind."""
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


@pytest.mark.slow
def test_stacked_states_and_save():
    run = ro.evolve(LSTM, ro.Cubic(SLOW), np.arange(0, 9, 0.4), save=lambda h: h[0][:2])
    whole = ro.evolve(LSTM, ro.Cubic(SLOW), np.arange(0, 9, 0.4))
    np.testing.assert_array_equal(run.states, whole.states[0][:, :2])


def test_one_time_is_the_initial_state():
    run = ro.evolve(TANH, ro.Cubic(SLOW), np.array([2.5]), np.ones(3))
    np.testing.assert_array_equal(run.states, np.ones((1, 3)))


# Time.


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


# Stability.


@pytest.mark.slow
@pytest.mark.parametrize("gap", [0.5, 1.3, 2.7])
def test_the_root_condition_by_simulation(gap):
    """Pairs said to be stable keep every mode of a decaying network bounded, and the others make one grow."""
    cell = ro.VanillaCell(np.diag([0.95, 0.3, -0.7]), np.zeros((3, 1)), np.zeros(3), activation=None)
    roots = ro.root_condition(cell, np.zeros(1), gap, ahead=3, behind=4)
    np.testing.assert_allclose(np.sort(roots.multipliers.real), [-0.7, 0.3, 0.95], atol=1e-9)
    for ahead, behind in ((1, 1), (1, 4), (2, 2), (3, 3)):
        pair = {"ahead": ahead, "behind": behind}
        run = ro.evolve(cell, lambda t: jnp.zeros(1), gap * np.arange(800), np.ones(3), **pair, throw=False)
        size = np.abs(np.asarray(run.states))[-1].max()
        assert ((ahead, behind) in roots.stable) == bool(size < 10), (gap, ahead, behind, size)


def test_a_gap_of_whole_steps_has_the_powers_of_the_multipliers():
    cell = ro.VanillaCell(np.diag([0.9, -0.5]), np.zeros((2, 1)), np.zeros(2), activation=None)
    for gap in (1, 3):
        roots = ro.root_condition(cell, np.zeros(1), gap, ahead=3, behind=3)
        np.testing.assert_allclose(roots.radii, 0.9**gap, rtol=1e-9)


@pytest.mark.slow
def test_an_unstable_scheme_runs_and_says_so():
    """tanh keeps the states finite: the run is complete, and its result and the table of pairs tell."""
    cell = ro.VanillaCell(np.diag([0.95, -0.9]), np.ones((2, 1)), np.zeros(2), jnp.tanh)
    ts = np.arange(0, 30, 0.5)
    run = ro.evolve(cell, ro.Cubic(SLOW), ts, ahead=1, behind=4)
    assert bool(run.result == ro.RESULTS.unstable_scheme) and float(run.stats["radius"]) > 1
    assert "root_condition" in ro.RESULTS[run.result]
    roots = ro.root_condition(cell, SLOW.mean(axis=0), 0.5)
    assert (1, 4) not in roots.stable and (3, 3) in roots.stable
    np.testing.assert_allclose(roots.radii[0, 4], run.stats["radius"], rtol=1e-9)
    assert f"({roots.radii[0, 4]:.4f})" in roots.table()
    well = ro.evolve(cell, ro.Cubic(SLOW), ts)
    assert bool(well.result == ro.RESULTS.successful) and float(well.stats["radius"]) < 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gap", "pair"), [(3.4, (3, 3)), pytest.param(1.7, (1, 4), marks=pytest.mark.slow), (np.nan, (3, 3))]
)
def test_gaps_of_whole_steps_are_asked_too(gap, pair):
    """The radius is what a decaying affine network grows by per result; at irregular times it is the mean gap's."""
    cell = ro.VanillaCell([[-0.95]], [[0.0]], [0.0], activation=None)
    irregular = np.isnan(gap)
    ts = np.cumsum(np.random.default_rng(0).uniform(3.3, 3.5, 61)) if irregular else gap * np.arange(301)
    run = ro.evolve(cell, lambda t: jnp.zeros(1), ts, np.ones(1), ahead=pair[0], behind=pair[1])
    assert bool(run.result == ro.RESULTS.unstable_scheme)
    if irregular:
        mean = ro.root_condition(cell, np.zeros(1), np.mean(np.diff(ts)), ahead=3, behind=3)
        np.testing.assert_allclose(run.stats["radius"], mean.radii[2, 3], rtol=1e-9)
    else:
        size = np.log(np.abs(np.asarray(run.states)[:, 0]))
        growth = (size[251:].mean() - size[151:201].mean()) / 100
        np.testing.assert_allclose(np.log(run.stats["radius"]), growth, atol=2e-3)


@pytest.mark.slow
def test_traced_long_gaps_are_asked_too():
    cell = ro.VanillaCell([[-0.95]], [[1.0]], [0.1], jnp.tanh)
    known = ro.evolve(cell, wave, 3.4 * np.arange(20))
    traced = jax.jit(lambda ts: ro.evolve(cell, wave, ts, throw=False))(3.4 * np.arange(20))
    assert bool(known.result == ro.RESULTS.unstable_scheme) and bool(traced.result == ro.RESULTS.unstable_scheme)
    np.testing.assert_allclose(traced.stats["radius"], known.stats["radius"], rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("ahead", "radius"), [(1, 0.95**2 * (0.4 + 1.4 * 0.95)), (4, None)])
def test_a_long_held_interval_is_asked_too(ahead, radius):
    """From a sample to the next, 3.4 steps: two whole ones, then z² (1.4 z − 0.4) for z = −0.95, by hand."""
    cell = ro.VanillaCell([[-0.95]], [[1.0]], [0.0], activation=None)
    run = ro.evolve(cell, ro.Hold(np.ones((9, 1)), 3.4), 1.7 * np.arange(12), ahead=ahead, behind=0)
    assert bool(run.result == ro.RESULTS.unstable_scheme) == (ahead == 1)
    assert run.stats["radius"] < 1 if radius is None else abs(run.stats["radius"] - radius) < 1e-9


@pytest.mark.slow
def test_an_unstable_scheme_that_leaves_the_float_range_raises():
    cell = ro.VanillaCell(np.diag([0.95, -0.9]), np.ones((2, 1)), np.zeros(2), None)
    ts = np.arange(0, 3000, 0.5)
    with pytest.raises(Exception, match="unstable"):
        ro.evolve(cell, wave, ts, ahead=1, behind=5)


@pytest.mark.slow
def test_an_exploding_network_is_not_called_unstable():
    cell = ro.VanillaCell([[1.2]], [[0.0]], [0.0], None)
    run = ro.evolve(cell, wave, np.arange(0, 20, 0.5), np.ones(1))
    assert bool(run.result == ro.RESULTS.successful)
    np.testing.assert_allclose(run.states[:, 0], 1.2 ** np.arange(0, 20, 0.5), rtol=1e-5)
    gone = ro.evolve(cell, wave, np.arange(0, 8000, 0.5), np.ones(1), throw=False)
    assert bool(gone.result == ro.RESULTS.left_float_range)


# Differentiable and compiled.


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["smooth", "held", "poisson"])
def test_gradients_three_ways(kind):
    """With respect to the weights, the input, the state and the times."""
    ts = poisson(9, 1.2) if kind == "poisson" else 0.8 * np.arange(1.0, 8.0) + 0.13
    path = ro.Hold if kind == "held" else ro.Cubic

    def loss(W, xs, h0, ts):
        cell = ro.VanillaCell(W, 0.5 * W_x, np.zeros(3), jnp.tanh)
        return jnp.sum(jnp.sin(ro.evolve(cell, path(xs), ts, h0, throw=False).states))

    at = (jnp.asarray(0.6 * W), jnp.asarray(SLOW[:12]), jnp.array([0.1, -0.3, 0.2]), jnp.asarray(ts))
    value = jax.jit(loss)
    backward = jax.jit(jax.grad(loss, argnums=(0, 1, 2, 3)))(*at)
    rng = np.random.default_rng(0)
    for i in range(4):
        v = jnp.asarray(rng.normal(size=at[i].shape))

        def along(e, i=i, v=v):
            return value(*(a + e * v if j == i else a for j, a in enumerate(at)))

        forward = jax.jvp(along, (0.0,), (1.0,))[1]
        difference = (along(1e-5) - along(-1e-5)) / 2e-5
        np.testing.assert_allclose(jnp.sum(backward[i] * v), forward, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(forward, difference, rtol=2e-5, atol=1e-8)


@pytest.mark.slow
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


@pytest.mark.slow
def test_jitted_equals_eager_and_vmapped_equals_a_loop():
    ts = np.arange(0.2, 9, 0.7)

    def states(xs):
        return ro.evolve(GRU, ro.Cubic(xs), ts).states

    batch = np.random.default_rng(0).normal(size=(3, 14, 1))
    loop = np.stack([states(xs) for xs in batch])
    np.testing.assert_allclose(jax.jit(states)(batch[0]), loop[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(jax.vmap(states)(batch), loop, rtol=1e-10, atol=1e-12)


@pytest.mark.slow
def test_traced_times_are_the_same_up_to_a_length():
    ts = np.array([0.0, 0.6, 1.7, 6.5, 7.0, 7.2, 12.0])
    known = ro.evolve(TANH, ro.Cubic(SLOW), ts)
    traced = jax.jit(lambda ts: ro.evolve(TANH, ro.Cubic(SLOW), ts, throw=False))
    np.testing.assert_allclose(traced(ts).states, known.states, rtol=1e-10, atol=1e-12)
    late = traced(np.array([0.0, 0.6, 1.7, 6.5, 7.0, 27.2, 28.0]))
    assert bool(late.result == ro.RESULTS.gap_too_long)
    assert np.isfinite(late.states[:5]).all() and np.isinf(late.states[5:]).all()


@pytest.mark.parametrize("run", [ro.evolve, ro.state_trajectory], ids=lambda run: run.__name__)
@pytest.mark.parametrize("path", [wave, ro.Hold(SLOW)], ids=["smooth", "held"])
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


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
def test_it_lowers_everywhere(platform, monkeypatch):
    monkeypatch.setenv("EQX_ON_ERROR", "nan")
    for path in (ro.Hold, ro.BandLimited):
        run = jax.jit(lambda xs, ts, path=path: ro.evolve(LSTM, path(xs), ts, throw=False))
        assert run.trace(SLOW, jnp.arange(0, 9, 0.7)).lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.slow
def test_float32_stays_float32(float32):
    cell = eqx.nn.GRUCell(1, 3, key=jax.random.key(0))
    run = ro.evolve(cell, ro.BandLimited(SLOW.astype(np.float32)), np.arange(0, 9, 0.7))
    assert run.states.dtype == run.ts.dtype == jnp.float32


# Bad input.


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


def test_the_gap_of_a_root_condition_is_checked(as_user):
    with pytest.raises(ValueError, match="gap must be positive and finite, in steps of the network; got 0"):
        ro.root_condition(TANH, np.zeros(1), 0)
    with pytest.raises(ValueError, match=r"x must be a constant input \(1,\) for this cell; got \(3,\)"):
        ro.root_condition(TANH, np.zeros(3), 0.5)
