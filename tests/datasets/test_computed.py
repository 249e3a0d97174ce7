"""Computed series, against known solutions and published numbers."""

import jax
import numpy as np
import pytest

from rnn_ode import datasets


def test_the_pendulum_swings_as_written():
    series = datasets.pendulum()
    assert series.values.shape == (4000, 1) and series.columns == ("theta",)
    period = 2 * np.pi * np.sqrt(100 / 9.81)
    np.testing.assert_allclose(np.diff(series.index), period / 400, rtol=1e-10)
    # One period on it is where it was, but for what the damping took: e^(−0.001 P).
    np.testing.assert_allclose(series.values[400:], series.values[:-400] * np.exp(-0.001 * period), rtol=0, atol=1e-13)
    # θ'' + 2γ θ' + (ω² + γ²) θ = 0 by central differences, to their own error of ω⁴ dt² / 12.
    dt, omega, gamma, theta = period / 400, np.sqrt(9.81 / 100), 0.001, series.values[:, 0]
    acceleration = (theta[2:] - 2 * theta[1:-1] + theta[:-2]) / dt**2
    velocity = (theta[2:] - theta[:-2]) / (2 * dt)
    rest = acceleration + 2 * gamma * velocity + (omega**2 + gamma**2) * theta[1:-1]
    assert abs(rest).max() < 2 * omega**4 * dt**2 / 12


def test_lorenz_where_it_is_solvable():
    # The z-axis is invariant, with dz/dt = −βz there; (±√(β(ρ−1)), ±√(β(ρ−1)), ρ−1) are equilibria.
    series = datasets.lorenz(50, 0.1, beta=2.0, start=(0.0, 0.0, 3.0))
    np.testing.assert_allclose(series.values[:, 2], 3 * np.exp(-2 * series.index), rtol=0, atol=1e-11)
    assert not series.values[:, :2].any()
    root = np.sqrt(8 / 3 * 27)
    np.testing.assert_allclose(datasets.lorenz(5, start=(root, root, 27.0)).values[-1], [root, root, 27], rtol=1e-10)


def test_lorenz_is_right_for_as_long_as_promised():
    # Taylor series of order 24 in 40 digits (mpmath), by themselves right to far more digits.
    series = datasets.lorenz(1001, 0.02)
    np.testing.assert_allclose(series.values[50], [-9.378570010925, -8.357033788427, 29.362325337363], rtol=1e-10)
    np.testing.assert_allclose(series.values[1000], [13.7931995951, 12.9518039362, 34.9016086811], rtol=0, atol=1e-4)
    np.testing.assert_array_equal(series.index, np.arange(1001) * 0.02)
    assert series.columns == ("x", "y", "z")


def test_van_der_pol_without_damping_is_a_cosine():
    series = datasets.van_der_pol(1000, 0.05, mu=0.0)
    np.testing.assert_allclose(series.values[:, 0], 2 * np.cos(series.index), rtol=0, atol=1e-9)
    np.testing.assert_allclose(series.values[:, 1], -2 * np.sin(series.index), rtol=0, atol=1e-9)


@pytest.mark.slow
def test_van_der_pol_goes_to_its_limit_cycle():
    # Amplitude and period at μ = 1: 2.00861986 and 6.66328686 (Andersen & Geer, SIAM J. Appl. Math. 42 (1982) 678).
    x = datasets.van_der_pol(20_000, 0.005, start=(0.1, 0.0)).values[10_000:, 0]
    assert x.max() == pytest.approx(2.00861986, abs=1e-5)
    rises = np.flatnonzero((x[:-1] < 0) & (x[1:] >= 0))
    times = rises + x[rises] / (x[rises] - x[rises + 1])
    assert 0.005 * np.diff(times).mean() == pytest.approx(6.66328686, abs=1e-5)


def test_what_is_solved_does_not_depend_on_the_precision_of_jax():
    with jax.enable_x64(False):
        single = datasets.lorenz(200).values
    assert single.dtype == np.float64
    np.testing.assert_array_equal(single, datasets.lorenz(200).values)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: datasets.lorenz(1), "n must be at least 2; got 1"),
        (lambda: datasets.lorenz(10, 0.0), "dt must be positive and finite; got 0.0"),
        (lambda: datasets.lorenz(10, rho=float("nan")), "rho must be finite; got nan"),
        (lambda: datasets.lorenz(10, start=(1.0, 2.0)), r"start must hold 3 numbers, x, y, z; got \(1\.0, 2\.0\)"),
        (lambda: datasets.van_der_pol(10, start=(1.0, float("inf"))), r"start\[1\] must be finite; got inf"),
        (lambda: datasets.van_der_pol(100, 1.0, -1.0, start=(3.0, 0.0)), "overflows"),
    ],
)
def test_refuses_to_solve(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_series_that_would_take_hours_to_solve_is_refused():
    with pytest.raises(ValueError, match="dt must be such that the 500 samples span at most 1e"):
        datasets.lorenz(500, 1e12)
