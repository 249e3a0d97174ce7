"""Growth of the linear part: simulated, against closed forms."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import rnn_ode as ro
from rnn_ode._reports import linear_growth
from rnn_ode._reports.linear_growth import measured_rate

W = np.array([[0.8, 0.2, 0.0], [-0.1, 0.7, 0.1], [0.05, 0.0, 0.9]])


def test_norms_are_those_of_powers_and_exponentials():
    growth = linear_growth.linear_growth(ro.spectrum(W), 5)
    np.testing.assert_array_equal(growth.steps, np.arange(6))
    np.testing.assert_allclose(growth.textbook, [np.linalg.norm(expm(k * W), 2) for k in range(6)])
    np.testing.assert_allclose(growth.network, [np.linalg.norm(np.linalg.matrix_power(W, k), 2) for k in range(6)])
    multipliers, vectors = np.linalg.eig(W)
    np.testing.assert_allclose(growth.radius, np.abs(multipliers).max())
    np.testing.assert_allclose(growth.abscissa, multipliers.real.max())
    np.testing.assert_allclose(growth.eigenvector_condition, np.linalg.cond(vectors))


def test_norms_beyond_the_float_range_are_infinite():
    growth = linear_growth.linear_growth(ro.spectrum(1e200 * np.eye(2)), 3)
    assert np.isinf(growth.network[2:]).all() and np.isinf(growth.textbook[1:]).all()


def test_growth_is_followed_over_forty_steps():
    assert linear_growth.linear_growth(ro.spectrum(W)).steps.tolist() == list(range(41))


@pytest.mark.parametrize(("norm", "parts"), [(0.0, 1), (1.0, 1), (16.0, 1), (17.0, 2), (40.0, 4), (4e3, 256)])
def test_measured_rate_is_the_slope_of_the_second_half_per_unit_of_time(norm, parts, monkeypatch):
    """With another simulator the number changes: the measured rate does not come from the eigenvalues. A step of a large
    matrix is the exponential of a part of it, and the simulation has that many more steps, up to 128 times."""
    matrix = norm * np.array([[-0.5, 0.5], [0.5, -0.5]])  # its 1-norm is `norm`
    seen = []

    def invented(step, runs):
        seen.append((np.asarray(step), runs))
        k = np.arange(1, 2001)
        return np.where(k <= 1000, 9.0 + 5 * k, 0.125 * k)

    monkeypatch.setattr(linear_growth, "simulate", invented)
    assert measured_rate(jnp.asarray(matrix)) == pytest.approx(0.125 * parts)
    np.testing.assert_allclose(seen[0][0], expm(matrix / parts), atol=1e-12)
    assert seen[0][1] == min(parts, 128)
    assert measured_rate(jnp.asarray(matrix), flow=False) == pytest.approx(0.125)
    np.testing.assert_array_equal(seen[1][0], matrix)
    assert seen[1][1] == 1


def test_a_simulation_has_the_logarithms_of_the_lengths():
    """h ↦ h/2 and a turn: each step takes log 2 from the logarithm of the length."""
    step = 0.5 * np.array([[0.6, -0.8], [0.8, 0.6]])
    sizes = linear_growth.simulate(jnp.asarray(step), 2)
    start = np.log(np.linalg.norm(np.asarray(linear_growth._random_start(2, np.dtype(float))[0])))
    np.testing.assert_allclose(sizes, start - np.log(2) * np.arange(1, 4001), rtol=1e-10)


def test_a_rate_that_cannot_be_measured_is_none():
    assert measured_rate(jnp.array([[np.nan]])) is None
    assert measured_rate(jnp.array([[0.0, 1.0], [0.0, 0.0]]), flow=False) == -math.inf


@pytest.mark.parametrize("rate", [-300.0, -2.0, 0.0, 0.5, 300.0])
def test_measured_rate_of_stiff_and_fast_flows(rate):
    matrix = jnp.array([[rate, 0.0, 0.0], [0.0, -1.0, 3.0], [0.0, -3.0, -1.0]])
    np.testing.assert_allclose(measured_rate(matrix), max(rate, -1.0), atol=2e-2)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_the_simulator_keeps_to_the_float_range(size):
    """Neither 2000 steps nor the squares of one step leave the float range."""
    assert measured_rate(size * jnp.eye(3), flow=False) == pytest.approx(np.log(size), rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("size", [5e3, 1e5, 1e30])
def test_measured_rate_of_flows_beyond_the_exponential_of_a_step(size, float32):
    matrix = jnp.asarray(size * np.diag([1.0, 0.5, -1.0]), jnp.float32)
    assert measured_rate(matrix) == pytest.approx(size, rel=1e-3)
    assert measured_rate(-matrix) == pytest.approx(size, rel=1e-3)
    assert measured_rate(jnp.asarray(-size * np.diag([1.0, 0.5, 2.0]), jnp.float32)) == pytest.approx(
        -size / 2, rel=1e-3
    )
