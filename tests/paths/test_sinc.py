"""The weights of a windowed sinc."""

import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from rnn_ode._paths.sinc import sinc_weights


def by_definition(f, half_width, beta):
    """In 30 digits."""
    with mpmath.workdps(30):
        distances = [mpmath.mpf(f) - k for k in range(1 - half_width, half_width + 1)]
        windows = [mpmath.besseli(0, beta * mpmath.sqrt(1 - (d / half_width) ** 2)) for d in distances]
        weights = [mpmath.sincpi(d) * window for d, window in zip(distances, windows, strict=True)]
        return np.array([float(weight / mpmath.fsum(weights)) for weight in weights])


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("f", [0.25, 0.5, 2.0**-20, 1 - 2.0**-20])
def test_each_weight_has_its_digits_also_beside_a_stamp(dtype, f):
    """Relative to itself, in roundings: measured 5."""
    found = sinc_weights(jnp.asarray(f, dtype), 4, 6.0)
    np.testing.assert_allclose(found, by_definition(f, 4, 6.0), rtol=16 * np.finfo(dtype).eps)


def test_fractions_in_a_column_have_a_row_of_weights_each():
    found = sinc_weights(np.array([[0.2], [0.0], [0.7]]), 3, 4.0, np)
    np.testing.assert_allclose(found[[0, 2]], [by_definition(f, 3, 4.0) for f in (0.2, 0.7)], rtol=1e-14)
    assert found[1].tolist() == [0, 0, 1, 0, 0, 0]
