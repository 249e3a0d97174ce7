"""A float of the time finds the right sample."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro

AUDIO = 1 / 44100
SLOW_BAND_LIMITED = pytest.param(ro.BandLimited, None, marks=pytest.mark.slow)


@pytest.mark.gate
@pytest.mark.parametrize(("kind", "t0"), [(ro.Hold, None), (ro.Hold, 0.5), (ro.Linear, None), SLOW_BAND_LIMITED])
def test_float32_time_picks_the_right_one_of_200_000_samples(kind, t0, float32):
    total = 200_000
    k = np.arange(total)
    path = kind(np.arange(total, dtype=np.float32), AUDIO, t0)
    start = path.start
    dt = np.float32(AUDIO)
    times = {
        "product of floats": np.float32(start) + k.astype(np.float32) * dt,
        "rounded product": (start + k * AUDIO).astype(np.float32),
        "the path's own": np.asarray(path.time(jnp.asarray(k), 0.0)),
    }
    at = jax.jit(lambda ts: jax.lax.map(lambda t: (path(t), *path.split(t)), ts, batch_size=10_000))
    for name, ts in times.items():
        assert ts.dtype == np.float32
        samples, whole, fraction = at(ts)
        assert np.array_equal(whole, k), name
        np.testing.assert_allclose(fraction, 0, atol=0.05, err_msg=name)  # exactly 0 but where a compiler fuses
        wanted = k if kind is ro.Hold else np.maximum(k - 1, 0)
        np.testing.assert_allclose(samples, wanted, atol=0 if kind is ro.Hold else 0.05, err_msg=name)
    middle = at((start + (k + 0.5) * AUDIO).astype(np.float32))[0]
    if kind is ro.Hold:
        assert np.array_equal(middle, k)
    else:
        inner = slice(100, -100)  # a ramp has corners at its ends, which ring in BandLimited
        np.testing.assert_allclose(middle[inner], k[inner] - 0.5, atol=0.05)  # a rounding of 5 s is 0.02 samples


def test_a_sum_of_steps_is_not_a_time():
    """What `split` forgives is two roundings; a clock that adds up dt drifts by more, and reads where it says."""
    drift = np.cumsum(np.full(200_000, AUDIO, np.float32))[-1] / AUDIO - 200_000
    assert abs(drift) > 1


@pytest.mark.slow
def test_float32_integration_reads_every_one_of_200_000_samples(float32):
    xs = np.random.default_rng(0).integers(0, 61, 200_000)  # their sum is below 2^24: each increment is exact
    path = ro.Hold(xs.astype(np.float32)[:, None], AUDIO)
    run = ro.integrate(lambda t, h, path: path(t) / AUDIO, path, jnp.zeros(1), solver=diffrax.Euler())
    assert run.states.dtype == jnp.float32
    assert np.array_equal(np.round(np.diff(np.asarray(run.states[:, 0], np.float64))), xs)
    np.testing.assert_allclose(run.ts, AUDIO * np.arange(200_001), rtol=3e-7)


def test_a_float32_time_finds_its_sample_in_a_float64_session():
    """A stamp rounded to float32 is that sample, though float64 can tell the two apart."""
    path, k = ro.Hold(np.arange(1000.0)[:, None], 1 / 44100), np.arange(1000)
    found = jax.vmap(path)(jnp.asarray(k / 44100, jnp.float32))[:, 0]
    np.testing.assert_array_equal(found, k)
