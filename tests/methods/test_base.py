"""What every method says of multipliers and of matrices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matrices import METHODS, g

import rnn_ode as ro


def test_exponents_never_raise():
    points = np.array([0, -1, 1, 1e300, 1e-320, -2.0, 0.5 + 1j, np.inf, np.nan], complex)
    for method in METHODS:
        values = method.exponent(jnp.asarray(points))
        assert values.shape == points.shape and jnp.iscomplexobj(values)
        tame = [2, 5, 6] if method.pole != -1 else [2, 5, 6, 0]
        assert np.allclose(np.asarray(values)[tame], g(method, points[tame])), method
        assert jnp.iscomplexobj(method.exponent(0.5)) and method.exponent(1).shape == ()
    assert not np.isfinite(ro.Tustin().exponent(-1.0)) and not np.isfinite(ro.Backward(1).exponent(0.0))


def test_series_exponents_converge_to_the_logarithm():
    points = jnp.asarray([0.6, 0.7 + 0.3j, 1.3, 0.9 - 0.4j])
    for kind, ratio in ((ro.Forward, np.abs(points - 1)), (ro.Backward, np.abs(1 - 1 / points))):
        for order in (1, 4, 16, 48):
            tail = ratio ** (order + 1) / (order + 1) / (1 - ratio)
            error = np.abs(kind(order).exponent(points) - np.log(points))
            assert np.all(error <= tail + 1e-14), (kind, order)
            assert np.allclose(kind(order).exponent(points), g(kind(order), points))


@pytest.mark.slow
def test_exponents_are_the_eigenvalues_of_the_generator():
    rng = np.random.default_rng(3)
    W = 0.3 * rng.standard_normal((4, 4)) + np.eye(4)
    values = np.linalg.eigvals(W)
    assert np.all((values.real > 0) | (np.abs(values.imag) > 1e-3))
    for method in (*METHODS, ro.Exact(complex=True)):
        expected = np.sort_complex(g(method, values))
        found = np.sort_complex(np.linalg.eigvals(np.asarray(jax.jit(method.generator)(jnp.asarray(W)))))
        assert np.allclose(np.sort(found.real), np.sort(expected.real), atol=1e-11), method
        assert np.allclose(np.sort(found.imag), np.sort(expected.imag), atol=1e-11), method


@pytest.mark.slow
def test_contours():
    """What the verdict relies on: points of the curve, and near an eigenvalue that is near the curve."""
    points = jnp.asarray(np.random.default_rng(2).standard_normal((40, 2)) @ [1, 1j])
    for method in METHODS:
        for level in (0.0, 0.3):
            contour = jax.jit(method.contour)
            curve = contour(points, jnp.asarray(level))
            on_curve = np.abs(method.exponent(curve).real - level) < 1e-9
            assert on_curve.mean() > (0.8 if method == ro.Forward(3) or method == ro.Backward(2) else 0.99), method
            near = curve[on_curve] + 1e-7 * np.exp(1j * np.arange(on_curve.sum()))
            near = jnp.concatenate([near, points])[: len(points)]  # one shape
            again = contour(near, jnp.asarray(level))[: on_curve.sum()]
            near = curve[on_curve]
            steep = np.abs(curve[on_curve] - (method.pole if method.pole is not None else np.inf)) < 1e-2
            assert np.all((np.abs(again - near) < 3e-7) | steep), method
