"""Norms of inverses."""

import jax
import numpy as np
import pytest

from rnn_ode.linalg._norms import inverse_norm

jit_inverse_norm = jax.jit(inverse_norm)


def test_inverse_norm_bounds_the_smallest_singular_value():
    rng = np.random.default_rng(0)
    for _ in range(10):
        A = rng.normal(size=(8, 8))
        least = np.linalg.svd(A, compute_uv=False)[-1]
        estimate = float(jit_inverse_norm(A))
        np.testing.assert_allclose(estimate, np.linalg.norm(np.linalg.inv(A)), rtol=1e-10)
        # Derived: the two norms differ by at most sqrt(N).
        assert least / np.sqrt(8) * (1 - 1e-10) <= 1 / estimate <= least * (1 + 1e-10)
    for scale in (1e-200, 1e200):
        np.testing.assert_allclose(jit_inverse_norm(scale * np.eye(8)), np.sqrt(8) / scale, rtol=1e-14)


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf, -np.inf])
def test_inverse_norm_of_a_singular_matrix_is_infinite(bad):
    assert jit_inverse_norm(np.diag([1.0] * 7 + [bad])) == np.inf
    assert jit_inverse_norm(np.full((8, 8), bad)) == np.inf


def test_gradient_of_inverse_norm():
    A = np.random.default_rng(1).normal(size=(3, 3))
    inverse = np.linalg.inv(A)
    # d ‖A^-1‖_F = -<A^-1, A^-1 dA A^-1> / ‖A^-1‖_F
    expected = -inverse.T @ inverse @ inverse.T / np.linalg.norm(inverse)
    np.testing.assert_allclose(jax.jit(jax.grad(inverse_norm))(A), expected, rtol=1e-10)
