"""Scaling: mean 0, standard deviation 1, and back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_ode import learn


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("kind, tolerance", [(np.float64, 1e-13), (np.float32, 1e-5)])
def test_scaled_columns_have_mean_0_and_std_1_and_come_back(kind, tolerance):
    values = (noise(500, 3) * [1.0, 1e-3, 1e4] + [0.0, 5.0, -1e4]).astype(kind)
    scaler = learn.Scaler.fit(values)
    scaled = scaler.transform(values)
    assert scaled.dtype == kind and scaler.mean.dtype == np.float64
    if kind is np.float64:
        np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-11)
        np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-11)
    back = scaler.inverse(scaled)
    assert back.dtype == kind
    np.testing.assert_allclose(back, values, rtol=tolerance, atol=tolerance)
    windows = learn.windows(values, 4, 0, 2)
    np.testing.assert_array_equal(scaler.transform(windows.inputs)[7], scaled[7:11])


@pytest.mark.slow
@pytest.mark.parametrize("kind", [jnp.float32, jnp.float64])
def test_traced_values_are_scaled(kind):
    scaler = learn.Scaler.fit(noise(50, 2) + 3)
    values = jnp.asarray(noise(4, 5, 2), kind)
    tolerance = 2e-6 if kind == jnp.float32 else 1e-13
    for function in (learn.Scaler.transform, learn.Scaler.inverse):
        traced = jax.jit(function)(scaler, values)
        assert traced.dtype == kind
        np.testing.assert_allclose(traced, function(scaler, np.asarray(values)), rtol=tolerance)
        each = jax.vmap(function, (None, 0))(scaler, values)
        np.testing.assert_allclose(each, traced, rtol=tolerance)


def test_scaling_in_float32(float32):
    scaler = learn.Scaler.fit(noise(50, 2) + 3)
    scaled = scaler.transform(jnp.asarray(noise(5, 2), jnp.float32))
    assert scaled.dtype == jnp.float32
    np.testing.assert_allclose(scaled, (noise(5, 2) - scaler.mean) / scaler.std, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [1e-200, 2.0**-20, 2.0**20, 1e200])
def test_columns_of_any_size_are_scaled(size):
    """The square of a deviation of 1e-200 vanishes, and that of 1e200 overflows."""
    values = noise(50, 2) + 3
    scaled = learn.Scaler.fit(values).transform(values)
    np.testing.assert_allclose(learn.Scaler.fit(size * values).transform(size * values), scaled, rtol=1e-12, atol=1e-13)


def test_a_constant_column_is_named():
    values = noise(30, 3)
    values[:21, 1] = 0.1
    with pytest.raises(ValueError, match=r"column 1 is constant, 0.1, in all of the 21 rows"):
        learn.Scaler.fit(values[:21])
    with pytest.raises(ValueError, match="column 1 is constant"):  # though it varies in the test part
        learn.split(values, history=3, gap=0, horizon=1)


def test_scaling_refuses_other_columns(as_user):
    scaler = learn.Scaler.fit(noise(30, 3))
    with pytest.raises(ValueError, match=r"values must have shape \(…, 3\), as those fitted; got \(4, 2\)"):
        scaler.transform(noise(4, 2))
    with pytest.raises(TypeError, match="values must hold real floating-point numbers; got dtype int"):
        scaler.inverse(np.ones((4, 3), int))
