"""The accuracy of interpolated inputs."""

import jax
import numpy as np
import pytest
from readings import XS, evaluate

import rnn_ode as ro


def test_linear_is_exact_on_lines():
    path = ro.Linear(3 - 2 * 0.1 * np.arange(1, 7), 0.1)
    ts = np.linspace(0.1, 0.6, 41)
    np.testing.assert_allclose(evaluate(path, ts), 3 - 2 * ts, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("total", [1, 2, 3, 4, 5, 9])
def test_cubic_is_exact_on_polynomials_its_samples_determine(total):
    polynomial = np.polynomial.Polynomial([1.0, -2.0, 0.7, 0.3][:total])
    path = ro.Cubic(polynomial(0.1 * np.arange(1, total + 1)), 0.1)
    ts = np.linspace(0.1, 0.1 * total, 41)
    np.testing.assert_allclose(evaluate(path, ts), polynomial(np.asarray(ts)), atol=1e-13)


@pytest.mark.slow
def test_cubic_is_of_fourth_order_up_to_the_ends_and_linear_of_second():
    def error(kind, total):
        dt = 2.0 / total
        path = kind(np.sin(1 + 3 * dt * np.arange(1, total + 1)), dt)
        middles = dt * np.concatenate([np.arange(1, 32), total / 2 + np.arange(31)]) + dt / 2
        return np.max(np.abs(evaluate(path, middles) - np.sin(1 + 3 * middles)))

    for kind, order in ((ro.Linear, 2), (ro.Cubic, 4)):
        assert np.log2(error(kind, 800) / error(kind, 1600)) == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize("kind", [ro.Hold, ro.Linear, ro.Cubic])
def test_the_degree_is_that_of_the_polynomial_between_two_stamps(kind):
    path, places = kind(XS), 2.1 + 0.1 * np.arange(6)
    values = evaluate(path, places)
    assert np.abs(np.diff(values, path.degree + 1, axis=0)).max() < 1e-12
    assert np.abs(np.diff(values, path.degree, axis=0)).min() > 1e-6


def test_cubic_has_one_continuous_derivative():
    path = ro.Cubic(XS)
    stamps = np.array([2.0, 3.0, 4.0, 5.0])
    slopes = jax.jit(jax.vmap(jax.jacfwd(path)))(np.concatenate([stamps - 1e-9, stamps]))
    np.testing.assert_allclose(slopes[:4], slopes[4:], atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("half_width", [8, 16, 32])
def test_band_limited_errs_by_less_than_79_decibels_in_its_band(half_width):
    edge = np.pi * (1 - 2.8 / half_width)  # radians per sample
    ts = np.linspace(100.0, 110.0, 64)  # a hundred samples from the ends
    for share in (0.1, 0.5, 0.9, 1.0):
        omega = share * edge
        path = ro.BandLimited(np.sin(omega * np.arange(1, 211)), half_width=half_width)
        assert np.max(np.abs(evaluate(path, ts) - np.sin(omega * ts))) < 10 ** (-79 / 20)
    beyond = ro.BandLimited(np.sin(0.97 * np.pi * np.arange(1, 211)), half_width=half_width)
    assert np.max(np.abs(evaluate(beyond, ts) - np.sin(0.97 * np.pi * ts))) > 1e-2


@pytest.mark.parametrize(
    ("half_width", "error", "message"),
    [
        (0, ValueError, "half_width must be at least 1; got 0"),
        (1.5, TypeError, r"half_width must be a whole number, .* got 1\.5"),
        (True, TypeError, "half_width must be a whole number"),
    ],
)
def test_half_width_is_a_whole_number(half_width, error, message, as_user):
    with pytest.raises(error, match=message):
        ro.BandLimited(XS, half_width=half_width)


@pytest.mark.slow
def test_a_narrow_window_reads_better_with_a_smaller_beta():
    """Two samples to either side, a wave of an eighth of the rate: the default window errs five times as much."""
    omega, ts = np.pi / 4, np.linspace(100.0, 110.0, 64)
    errors = [
        np.max(np.abs(evaluate(ro.BandLimited(np.sin(omega * np.arange(1, 211)), half_width=2, **beta), ts) - wave))
        for wave in [np.sin(omega * ts)]
        for beta in ({"beta": 4.5}, {})
    ]
    assert errors[0] < 0.02 and errors[1] > 3 * errors[0]


@pytest.mark.parametrize(
    ("beta", "error"), [(-0.1, ValueError), (np.nan, ValueError), (81, ValueError), ("8", TypeError)]
)
def test_beta_is_a_number_from_0_to_80(beta, error, as_user):
    with pytest.raises(error, match="beta must be"):
        ro.BandLimited(XS, beta=beta)


@pytest.mark.parametrize(
    ("path", "reach"),
    [(ro.Hold, 0.1), (ro.Linear, 0.1), (ro.Cubic, 0.4), (ro.BandLimited, 1.6)],
)
def test_no_reading_uses_a_sample_beyond_its_reach(path, reach):
    """The derivative with respect to every sample, at a time between stamps."""
    xs, t = np.arange(60.0), 3.05  # between the stamps of samples 29 and 30
    assert path(xs, 0.1).reach == pytest.approx(reach)
    used = np.flatnonzero(jax.grad(lambda xs: path(xs, 0.1)(t))(xs))
    assert 0.1 * (used.max() + 1) <= t + reach + 1e-12
