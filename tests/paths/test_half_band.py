"""The two stages of a half-band path: the filter's response, its phase, and a network between two of them."""

import numpy as np
import pytest
from readings import evaluate
from scipy.special import ellipj, ellipk

import rnn_ode as ro
from rnn_ode._paths.half_band import delay_of, half_band, phase_of


def response(omega):
    """H at frequencies in radians per sample of the doubled rate, from its definition."""
    z, c = np.exp(-1j * np.asarray(omega)), half_band()
    even, odd = (np.prod([(k + z**2) / (1 + k * z**2) for k in c[p::2]], axis=0) for p in (0, 1))
    return (even + z * odd) / 2


def phase(omega):
    """By how much a wave of omega radians per sample comes out late, in radians, its delay at low frequencies made up for."""
    grid = np.linspace(0, omega / 2, 200)
    return -np.unwrap(np.angle(response(grid)))[-1] - delay_of(half_band()) * omega / 2


def test_the_filter_passes_one_half_of_the_band_and_stops_the_other():
    assert abs(20 * np.log10(abs(response(2 * np.pi * np.linspace(0, 0.225, 200))))).max() < 1e-6
    assert 20 * np.log10(abs(response(2 * np.pi * np.linspace(0.275, 0.5, 200)))).max() < -100
    assert delay_of(half_band()) == pytest.approx(-np.angle(response(1e-4)) / 1e-4, rel=1e-6)


@pytest.mark.parametrize(("transition", "rtol"), [(0.05, 1e-13), (0.005, 5e-9)])
def test_the_coefficients_are_those_of_jacobis_elliptic_functions(transition, rtol):
    """With the modulus k, poles belong to k sn²(2nK/(2N + 1)). The series of the nome is cut off at e¹³."""
    k = np.tan((1 - 2 * transition) * np.pi / 4) ** 2
    squared = k * ellipj(2 * np.arange(1, 9) / 17 * ellipk(k**2), k**2)[0] ** 2
    x = np.sqrt((1 - squared * k) * (1 - squared / k)) / (1 + squared)
    np.testing.assert_allclose(half_band(8, transition), (1 - x) / (1 + x), rtol=rtol)


def test_the_phase_of_the_filter_is_that_of_its_response():
    omegas = np.array([0.1, 1.0, 2.0])
    wanted = np.exp(-1j * np.array([phase(omega) for omega in omegas]))
    np.testing.assert_allclose(phase_of(omegas), wanted, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("omega", [0.1, 1.0, 2.0])
def test_a_wave_is_read_with_the_phase_of_the_filter(omega):
    """The sinc of 4 samples to either side errs by less than 3e-4 up to 2/3 of half the rate."""
    path = ro.HalfBand(np.sin(omega * np.arange(1.0, 201.0))[:, None])
    ts = np.linspace(140, 150, 41)
    np.testing.assert_allclose(evaluate(path, ts)[:, 0], np.sin(omega * ts - phase(omega)), atol=3e-4)


@pytest.mark.slow
def test_a_network_between_two_of_them_is_its_transfer_function_through_the_same_phase():
    """A wave through the filter, h' = 0.6 h + x, and the filter again, to 48 kHz from 44.1 and back."""
    omega, gap = 0.8, 44.1 / 48  # radians per step of the network
    ts = 1 + gap * np.arange(300)
    path = ro.HalfBand(np.cos(omega * gap * np.arange(300))[:, None], gap, t0=1.0)
    cell = ro.VanillaCell([[0.6]], [[1.0]], [0.0], activation=None)
    run = ro.resampled(cell, path, ts, half_width=4, half_band=True)
    late = phase(omega * gap) + phase(omega)
    wave = np.real(np.exp(1j * (omega * (ts - 1) - late)) / (1 - 0.6 * np.exp(-1j * omega)))
    inner = slice(100, -20)
    assert abs(run.states[inner, 0] - wave[inner]).max() < 3e-3 * abs(wave).max()
    assert abs(late) > 0.05  # which plain windows do not have


def test_a_constant_stays_constant_and_no_sample_beyond_the_reach_counts():
    import jax

    path = ro.HalfBand(np.full((40, 2), 1.5))
    np.testing.assert_allclose(evaluate(path, np.linspace(0, 45, 50)), 1.5, rtol=1e-12)
    used = np.flatnonzero(np.abs(jax.grad(lambda xs: ro.HalfBand(xs)(20.3)[0])(np.zeros((40, 1)))[:, 0]))
    assert 1 + used.max() <= 20.3 + path.reach <= 2 + used.max()
    assert path.reach <= path.beyond < path.reach + 1  # the interval's end takes the place of the time


@pytest.mark.gate
@pytest.mark.parametrize("half_width", [1, 4, 9])
def test_after_the_last_sample_its_value_holds(half_width):
    xs, ts = np.random.default_rng(0).normal(size=(30, 1)), np.linspace(20, 30, 41)
    longer = ro.HalfBand(np.concatenate([xs, np.repeat(xs[-1:], 20, axis=0)]), half_width=half_width)
    np.testing.assert_allclose(evaluate(ro.HalfBand(xs, half_width=half_width), ts), evaluate(longer, ts), rtol=1e-12)


def test_samples_of_a_half_band_path_may_be_scalars_and_must_be_there():
    assert ro.HalfBand(np.ones(4)).doubled.ndim == 1
    with pytest.raises(ValueError, match="xs must hold at least one sample"):
        ro.HalfBand(np.ones((0, 2)))


def test_half_width_is_a_whole_number(as_user):
    with pytest.raises(ValueError, match="half_width must be at least 1; got 0"):
        ro.HalfBand(np.ones((4, 1)), half_width=0)
