"""Runners, against Python loops over the cell, matrix exponentials and runs without padding."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from runners import CELLS, FLOW, FLOWS, ITERATED, LINEAR, RUNNERS, XS, D, N, T, linear_steps, loop, named
from weights import drawn

import rnn_ode as ro
from rnn_ode import learn


@pytest.mark.parametrize("name", CELLS)
def test_a_network_is_a_loop_over_its_cell(name):
    outputs, last = loop(name, XS[0])
    np.testing.assert_allclose(ITERATED[name].outputs(XS[0]), outputs, rtol=1e-12, atol=1e-14)
    states = ITERATED[name].states(XS[0])
    for a, b in zip(jax.tree.leaves(states), jax.tree.leaves(last), strict=True):
        assert a.shape == (T + 1, N) and not a[0].any()
        np.testing.assert_allclose(a[-1], b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("path, straight, dt", [(ro.Hold, False, 1.0), (ro.Linear, True, 0.25)])
@pytest.mark.parametrize("h0", [None, jnp.array([1.0, -2.0, 0.5])])
def test_a_linear_field_is_its_matrix_exponentials(path, straight, dt, h0):
    faster = eqx.tree_at(lambda field: field.log_tau, LINEAR, LINEAR.log_tau + jnp.log(dt))
    states = learn.Integrated(faster, path, dt).states(XS[0], h0)
    start = np.zeros(N) if h0 is None else h0
    np.testing.assert_array_equal(states[0], start)
    np.testing.assert_allclose(states[1:], linear_steps(XS[0], start, straight), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("length", [None, 3])
def test_both_directions_are_two_loops(length):
    n = length or T
    forward, _ = loop("gru", XS[0, :n])
    backward, last = loop("lstm", XS[0, :n][::-1])
    both = np.concatenate([forward, backward[::-1]], axis=1)
    both = both[np.minimum(np.arange(T), n - 1)]  # after the last sample that counts, its output
    runner = RUNNERS["bidirectional"]
    np.testing.assert_allclose(runner.outputs(XS[0], length), both, rtol=1e-12, atol=1e-14)
    end = np.concatenate([forward[-1], last[0]])
    np.testing.assert_allclose(runner.last(XS[0], length), end, rtol=1e-12, atol=1e-14)


def test_stacked_networks_equal_a_stacked_cell():
    below, above = CELLS["lstm"], drawn(eqx.nn.GRUCell, N, 4, seed=9)
    layers = learn.Stacked([learn.Iterated(below), learn.Iterated(above)])
    one = learn.Iterated(ro.StackedCell([below, above]))
    np.testing.assert_allclose(layers.outputs(XS[0]), one.outputs(XS[0]), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(layers.last(XS[0]), one.last(XS[0]), rtol=1e-12, atol=1e-14)


@pytest.mark.gate
@pytest.mark.parametrize("name", named(("gru", "lstm")))
@pytest.mark.parametrize("length", [1, 3, T])
def test_a_padded_sequence_gives_the_outputs_of_a_shorter_one(name, length):
    padded = XS[0].at[length:].set(jnp.nan)
    short, _ = loop(name, XS[0, :length])
    outputs = ITERATED[name].outputs(padded, length)
    np.testing.assert_allclose(outputs[:length], short, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(outputs[length:], jnp.broadcast_to(outputs[length - 1], (T - length, N)))


@pytest.mark.slow
@pytest.mark.parametrize("path, straight", [(ro.Hold, False), (ro.Linear, True)])
@pytest.mark.parametrize("length", [1, 3, T])
def test_a_padded_sequence_gives_a_field_the_outputs_of_a_shorter_one(path, straight, length):
    padded = XS[0].at[length:].set(jnp.nan)
    outputs = learn.Integrated(LINEAR, path).outputs(padded, length)
    short = linear_steps(XS[0, :length], np.zeros(N), straight)
    np.testing.assert_allclose(outputs[:length], short, rtol=1e-9, atol=1e-10)
    np.testing.assert_array_equal(outputs[length:], jnp.broadcast_to(outputs[length - 1], (T - length, N)))


@pytest.mark.gate
@pytest.mark.parametrize(
    "runner, length, total",
    [
        (learn.Iterated(ro.VanillaCell(1e3 * np.eye(2), np.ones((2, 1)), np.ones(2))), 40, 150),
        (learn.Iterated(ro.VanillaCell([[1.0]], [[0.0]], [0.0], activation=jnp.exp)), 4, 8),  # 1, e, 15, 4e6, ∞
        (FLOW(ro.CTRNN([[101.0]], [[1.0]], [1.0], activation=jax.nn.relu)), 3, 12),  # grows as e^{100 t}
    ],
    ids=["steps", "one step", "flow"],
)
def test_padding_over_which_the_state_would_overflow_leaves_gradients_finite(runner, length, total):
    xs = jnp.ones((total, 1))

    def size(parts):
        return jnp.sum(parts[0].last(parts[1], length))

    value, (weights, samples) = eqx.filter_value_and_grad(size)((runner, xs))
    exact, (wanted, by_sample) = eqx.filter_value_and_grad(
        lambda parts: jnp.sum(parts[0].last(parts[1])),
    )((runner, xs[:length]))
    np.testing.assert_allclose(value, exact, rtol=1e-9)
    assert jnp.isfinite(exact) and not samples[length:].any()
    for a, b in zip(jax.tree.leaves((weights, samples[:length])), jax.tree.leaves((wanted, by_sample)), strict=True):
        assert jnp.isfinite(b).all()
        np.testing.assert_allclose(a, b, rtol=1e-8)


@pytest.mark.slow
def test_padding_is_ignored_in_float32(float32):
    cell = ro.VanillaCell.random(jax.random.key(0), D, N, activation=jnp.tanh)
    xs = jax.random.normal(jax.random.key(1), (T, D))
    runner = learn.Iterated(cell)
    outputs = runner.outputs(xs.at[3:].set(jnp.nan), 3)
    assert outputs.dtype == jnp.float32
    np.testing.assert_allclose(outputs[:3], runner.outputs(xs[:3]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("length", [0, -1, T + 1, jnp.array(T + 1)])
@pytest.mark.parametrize("name", ["gru", "cornn", "bidirectional", "stacked"])
def test_a_length_out_of_range_is_refused(name, length):
    with pytest.raises(ValueError, match=f"length must be from 1 to the number of samples of xs, 5; got {int(length)}"):
        RUNNERS[name].outputs(XS[0], length)


@pytest.mark.parametrize("length", [2.0, jnp.array([1, 2])])
def test_a_length_that_is_no_whole_number_is_refused(as_user, length):
    with pytest.raises(TypeError, match="length must be a whole number"):
        ITERATED["gru"].last(XS[0], length)


@pytest.mark.gate
@pytest.mark.parametrize("c", [2.0**20, 2.0**-20])
def test_another_unit_of_time_changes_nothing(c):
    fast = eqx.tree_at(lambda field: field.log_tau, FLOWS["ctrnn"], FLOWS["ctrnn"].log_tau + np.log(c))
    one, other = (
        learn.Integrated(f, ro.Linear, dt, rtol=1e-8, atol=1e-10) for f, dt in ((FLOWS["ctrnn"], 1.0), (fast, c))
    )
    np.testing.assert_allclose(other.outputs(XS[0]), one.outputs(XS[0]), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(other.outputs(XS[0], 3), one.outputs(XS[0], 3), rtol=1e-8, atol=1e-10)


@pytest.mark.slow
def test_the_field_takes_the_width_that_the_path_gives():
    field = ro.CTRNN.random(jax.random.key(0), 2, 3)
    both = learn.Integrated(field, path=lambda xs, dt: ro.Hold(jnp.concatenate([xs, xs**2], axis=1), dt))
    xs = jnp.ones((5, 1))
    assert both.outputs(xs).shape == (5, 3)
    with pytest.raises(ValueError, match=r"xs must have shape \(T, 2\) for this field; got \(5, 1\)"):
        learn.Integrated(field).outputs(xs)


def test_layers_may_come_from_a_generator():
    cells = [drawn(eqx.nn.GRUCell, 2, 3), drawn(eqx.nn.GRUCell, 3, 4, seed=1)]
    assert len(learn.Stacked(learn.Iterated(cell) for cell in cells).layers) == 2
