"""What is computed in NumPy on the host is what JAX computes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from rnn_ode.linalg._balance import balancing, host_balancing
from rnn_ode.linalg._exponential import exponential, host_exponential

jit_balancing = jax.jit(balancing)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["full", "triangular", "with a zero row", "zero"])
def test_host_balancing_is_balancing(kind, dtype):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        units = np.exp2(rng.integers(-20, 20, 5))
        A = rng.normal(size=(5, 5)) * units[:, None] / units
        A = {"full": A, "triangular": np.triu(A), "with a zero row": A * [[0], [1], [1], [1], [1]], "zero": 0 * A}[kind]
        A = A.astype(dtype)
        np.testing.assert_array_equal(host_balancing(A), jit_balancing(A))
        np.testing.assert_array_equal(host_balancing(A), balancing(jnp.asarray(A)))


def test_host_balancing_of_a_large_matrix_is_balancing():
    """Each row and column is visited several times."""
    rng = np.random.default_rng(0)
    units = np.exp2(rng.integers(-150, 150, 32))
    R = rng.normal(size=(32, 32))
    A = R * units[:, None] / units
    e = host_balancing(A)
    np.testing.assert_array_equal(e, jit_balancing(A))
    assert np.linalg.norm(A * np.exp2(e[None].astype(float) - e[:, None])) < 1.5 * np.linalg.norm(R)


@pytest.mark.parametrize("size", [1e-3, 1.0, 16.0])
def test_host_exponential_agrees_with_scipy(size):
    A = size * np.random.default_rng(0).normal(size=(4, 4))
    for matrix in (A, A + 1j * A.T, np.zeros((4, 4))):
        wanted = expm(matrix)
        np.testing.assert_allclose(host_exponential(matrix), wanted, atol=1e-12 * np.abs(wanted).max())


def test_host_exponential_knows_no_units():
    units = np.exp2([0.0, 30.0, -30.0])
    R = np.array([[0.5, 1.0, 0.2], [-1.0, 0.5, 0.3], [0.1, 0.2, -0.4]])
    np.testing.assert_allclose(
        host_exponential(R * units[:, None] / units), expm(R) * units[:, None] / units, rtol=1e-13
    )


def test_host_exponential_leaves_the_float_range():
    assert not np.isfinite(host_exponential(np.diag([1e3, 0.0]))).all()
    assert np.isnan(host_exponential(np.diag([1e30, 0.0]))).all()


@pytest.mark.slow
def test_host_exponential_has_the_limit_of_the_exponential():
    """exp(−c) is 0 in floating-point numbers; from a norm of 2⁶³ on it is not computed."""
    below, above = (np.diag([-c, -c / 3]) for c in (0.9 * 2.0**63, 1.1 * 2.0**63))
    for of in (host_exponential, jax.jit(exponential)):
        np.testing.assert_array_equal(of(below), np.zeros((2, 2)))
        assert np.isnan(of(above)).all()
