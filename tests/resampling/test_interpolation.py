"""The weights of interpolation along an orbit, against what they are exact for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_ode._resampling.interpolation import (
    Interpolation,
    combined,
    lagrange,
    orbit_of,
    read_off,
    uniform_nodes,
    uniform_weights,
    whole_steps,
)


@pytest.mark.slow
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
def test_rows_of_nodes_have_a_row_of_weights_each(band):
    nodes = np.array([[-1.0, 0.0, 1.0], [0.0, 0.5, 2.0], [0.0, 1.0, 2.0], [0.0, 1.0, 3.0]])
    np.testing.assert_allclose(
        lagrange(nodes, 0.4, band, np), [lagrange(row, 0.4, band, np) for row in nodes], atol=1e-14
    )


def test_two_nodes_have_the_weights_of_one_sine():
    weights = np.sin(2 * np.pi * 0.1 * np.array([0.7, 0.3]))
    np.testing.assert_allclose(lagrange(np.arange(2.0), 0.3, 0.1, np), weights / weights.sum(), rtol=1e-13)


@pytest.mark.slow
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


def test_weights_of_equal_gaps_are_those_of_their_nodes():
    """Two whole steps and 0.4 are interpolated from r₋₁ + 1, r₀, r₀ + 1, …: by the product formula."""
    times, at = np.array([-2.4 + 1 - 1, -1.0, 0.0, 1.0, 2.0]), 2.4 - 1
    wanted = [np.prod([(at - t) / (own - t) for t in times if t != own]) for own in times]
    np.testing.assert_allclose(uniform_weights(2.4, Interpolation(2, 2, 0.0), np), wanted, rtol=1e-12)


def test_a_state_that_is_not_finite_counts_only_with_a_weight():
    states = [{"a": jnp.array([1.0, np.inf])}, {"a": jnp.array([3.0, 5.0])}]
    assert combined(jnp.array([0.0, 1.0]), states)["a"].tolist() == [3.0, 5.0]
    assert combined(jnp.array([0.5, 2.0]), states)["a"].tolist() == [6.5, np.inf]


CUBIC = np.polynomial.Polynomial([1.0, -0.5, 0.3, 0.2])


@jax.jit
def _read_off(place, beyond):
    """What is read off an orbit of a cubic of the step number, one of whose states is spoilt."""
    orbit = orbit_of(lambda u, h: h + u, jnp.asarray(1.0), jnp.asarray(np.diff(CUBIC(np.arange(5.0)))))
    return orbit, read_off(orbit.at[beyond].set(jnp.nan), place, Interpolation(2, 1, 0.0))


@pytest.mark.parametrize(("place", "beyond"), [(0.0, 4), (0.4, 4), (1.9, 4), (2.6, 0), (3.9, 0), (4.0, 0)])
def test_a_state_is_read_off_an_orbit_by_the_states_around_it(place, beyond):
    """Four states give a cubic exactly, without the one that is farthest."""
    orbit, found = _read_off(place, beyond)
    np.testing.assert_allclose(orbit, CUBIC(np.arange(5.0)), rtol=1e-14)
    np.testing.assert_allclose(found, CUBIC(place), rtol=1e-13)


@jax.jit
def _read_off_eight(place):
    return read_off(jnp.asarray(CUBIC(np.arange(8.0))), place, Interpolation(2, 1, 0.0))


@pytest.mark.parametrize("place", [0.3, 3.5, 5.4, 6.6])
def test_a_longer_orbit_is_read_by_the_four_states_around_the_place(place):
    np.testing.assert_allclose(_read_off_eight(place), CUBIC(place), rtol=1e-13)
