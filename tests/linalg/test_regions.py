"""Regions, and the logarithm of a complex number, which verdicts and rates are made of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_ode.linalg._regions import AbstractRegion, logarithm


def test_a_region_must_say_where_it_is():
    with pytest.raises(TypeError) as refused:
        AbstractRegion()
    assert all(name in str(refused.value) for name in ("reading", "point", "position", "frame", "crossing"))


@pytest.mark.slow
def test_a_rate_near_the_unit_circle_keeps_its_digits_in_float32():
    """The squares of float32 numbers are exact in float64, so that |z|² − 1 is known there. The largest error measured is a
    third of a rounding of 1."""
    rng = np.random.default_rng(0)
    moduli = 1 + np.outer([1e-7, 1e-5, 1e-3], rng.normal(size=200))
    z = (moduli * np.exp(1j * rng.uniform(-np.pi, np.pi, moduli.shape))).astype(np.complex64)
    x, y = z.real.astype(np.float64), z.imag.astype(np.float64)
    exact = np.log1p((x**2 - 1) + y**2) / 2
    assert np.abs(np.asarray(logarithm(jnp.asarray(z)).real) - exact).max() < 0.6 * 2.0**-24


def test_the_derivative_of_the_logarithm_is_1_over_z_at_any_size():
    for size in (1e-150, 0.3, 1.0, 2.0, 1e150):
        slope = jax.grad(lambda z: logarithm(z).real)(jnp.asarray(size * (0.6 + 0.8j)))
        np.testing.assert_allclose(slope * size, 0.6 - 0.8j, rtol=1e-14)
    assert logarithm(jnp.asarray(0.0)).tolist() == complex(-np.inf, 0)
