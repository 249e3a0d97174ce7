"""The trial of a scheme: what is counted as aliasing, and the ideal output against a sum of waves."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro
from rnn_ode._resampling.reading import at_rate, fitted_window, relative_error, spectrum_of, through_phase
from rnn_ode._resampling.resampled import Window
from rnn_ode._resampling.scheme import Scheme
from rnn_ode._resampling.trial import Trial, tried


class Squaring(eqx.Module):
    """Its output is half the square of the input: a wave comes out at twice the frequency."""

    def initial_state(self):
        return jnp.zeros(1)

    def __call__(self, x, h):
        return x + 0.5 * x**2


@pytest.mark.gate
@pytest.mark.parametrize("gap", [2.0, 0.5])
def test_aliasing_is_apart_from_the_error_in_band(gap):
    """A wave of 0.9 of a quarter of the rate, and its square at 0.9 of half the rate, with 1/4 of the amplitude.

    At half the rate only the wave may remain. Windows of 32 steps read both, so that the square is folded down whole, 12 dB
    below the wave (16 in energy); at twice the rate there is nothing to fold."""
    xs = np.sin(0.45 * np.pi * np.arange(3000.0))[:, None]
    cell = Squaring()
    outputs = np.asarray(ro.iterate(cell, xs).states)[1:]
    trial = Trial.of(cell, xs, jnp.zeros(1), gap, lambda h: h, outputs)
    run = partial(ro.resampled, half_width=32)
    found = tried(Scheme("resampled", run, 1, 64, np.nan, True, np.nan, reads=Window(32, 8.6)), trial)
    total, band, alias = (10 ** (-value / 10) for value in (found.snr, found.in_band, found.aliasing))
    assert total == pytest.approx(band + alias, rel=1e-6)
    if gap == 2:
        assert found.aliasing == pytest.approx(10 * np.log10(16), abs=0.1) and found.in_band > 45
    else:
        assert found.aliasing > 60


def test_the_ideal_output_keeps_what_the_new_rate_holds():
    """Two waves, of which a rate of 0.7 holds one."""
    t, places = np.arange(800.0), np.arange(560) / 0.7
    rows = (np.sin(0.5 * t) + np.sin(2.6 * t))[:, None]
    inner = slice(150, -150)
    ideal, whole = (at_rate(rows, 1 / 0.7, 560, 64, lowpass=lowpass)[inner, 0] for lowpass in (True, False))
    np.testing.assert_allclose(ideal, np.sin(0.5 * places)[inner], atol=3e-4)
    np.testing.assert_allclose(whole, (np.sin(0.5 * places) + np.sin(2.6 * places))[inner], atol=3e-4)


def test_the_expected_error_of_a_window_is_that_of_its_readings():
    """Of a wave of 1.2 radians a sample, at a thousand times."""
    path = ro.BandLimited(np.sin(1.2 * np.arange(1.0, 201.0)), half_width=3, beta=6.0)
    ts = np.linspace(90, 110, 1003)
    error = np.mean((np.array([float(path(t)) for t in ts[::17]]) - np.sin(1.2 * ts[::17])) ** 2) / 0.5
    assert error == pytest.approx(relative_error(Window(3, 6.0), np.array([1.2]), np.ones(1)), rel=0.1)


def test_the_fitted_window_is_the_best_one():
    frequencies, power = np.linspace(0.01, 1.5, 40), np.ones(40)
    window, error = fitted_window(3, frequencies, power)
    assert all(error <= relative_error(Window(3, beta), frequencies, power) for beta in (2.0, 4.0, 6.0, 8.0))
    assert window.half_width == 3 and error == relative_error(window, frequencies, power)


@pytest.mark.parametrize("gap", [1.0, 0.6])
def test_the_phase_is_that_of_a_half_band_path(gap):
    """Waves up to 2/3 of half the rate, read by the path at whole rows."""
    t = np.arange(3000.0)
    rows = np.sin(0.2 * t) + np.cos(0.5 * t) + np.sin(2.0 * t + 1)
    samples = np.arange(0, 2999, gap)
    path = ro.HalfBand(
        np.sin(0.2 * samples) + np.cos(0.5 * samples) + np.sin(2.0 * samples + 1), gap, t0=1.0, half_width=16
    )
    read = np.asarray(jax.vmap(path)(1 + t[1400:1600]))
    np.testing.assert_allclose(through_phase(rows[:, None], gap)[1400:1600, 0], read, atol=3e-4)


def test_a_spectrum_has_its_power_where_the_wave_is():
    frequencies, power = spectrum_of(np.sin(0.7 * np.arange(4000.0))[:, None], most=100)
    assert len(power) <= 100 and abs(frequencies[np.argmax(power)] - 0.7) < 0.04
