"""Balancing undoes a change of units."""

import jax
import numpy as np
import pytest
from matrices import badly_scaled, random_matrix

from rnn_ode.linalg._balance import balanced, balancing, exponents, frobenius, times_power

jit_balanced = jax.jit(balanced)
jit_balancing = jax.jit(balancing)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "decades"), [(np.float32, 12), (np.float32, 30), (np.float64, 12), (np.float64, 100)]
)
def test_balancing_undoes_a_scaling_exactly(dtype, decades):
    A, R, _ = badly_scaled(np.random.default_rng(0), 8, decades, dtype)
    e = np.asarray(jit_balancing(A))
    B = np.asarray(jit_balanced(A))
    np.testing.assert_array_equal(
        B, np.ldexp(np.ldexp(A, e[None] // 2 - e[:, None] // 2), e[None] - e[None] // 2 - e[:, None] + e[:, None] // 2)
    )
    assert np.linalg.norm(B) <= 1.5 * np.linalg.norm(R)  # LAPACK's own stops within 5 % of a minimum; measured 1.0


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_balancing_leaves_a_normal_matrix_alone(dtype):
    Q = np.linalg.qr(random_matrix(np.random.default_rng(1), 8, dtype))[0]
    for A in (Q, Q + Q.conj().T, Q - Q.conj().T, np.eye(8, dtype=dtype), np.zeros((8, 8), dtype)):
        assert np.all(np.asarray(jit_balancing(A)) == 0)


@pytest.mark.slow
def test_balancing_of_triangular_and_undefined_matrices():
    triangular = np.array([[0.5, 1e10], [0.0, 0.6]])
    assert np.linalg.norm(jit_balanced(triangular)) < 2
    assert np.linalg.norm(jit_balanced(np.array([[0.0, 1e10], [0.0, 0.0]]))) < 1e-5
    assert np.all(np.asarray(jit_balancing(np.array([[np.nan, 1.0], [2.0, 3.0]]))) == 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_power_of_two_is_exact_to_the_ends_of_the_float_range(dtype):
    info = np.finfo(dtype)
    top, least = info.maxexp - 1, info.minexp
    X = np.array([1.5, 1.5, 1.5, 2.0**-9, 2.0**9, 1.0, 1.0], dtype)
    k = np.array([-3, 0, 11, top + 9, least - 9, -3 * top, 3 * top], np.int32)
    wanted = np.array([1.5 / 8, 1.5, 1.5 * 2**11, 2.0**top, 2.0**least, 0, np.inf])
    with jax.enable_x64(dtype is np.float64):
        np.testing.assert_array_equal(jax.jit(times_power)(X, k), wanted)


def test_the_exponent_of_the_largest_entry():
    X = np.array([[1.0, -8.0, 0.0, np.inf], [0.75, 3.0, 0.0, 1.0]])
    of = jax.jit(lambda X: (exponents(X, axis=0), exponents(X[:, :3], axis=1), exponents(X[:, :2], axis=None)))
    assert [found.tolist() for found in of(X)] == [[0, 3, 0, 0], [3, 1], 3]


def test_the_frobenius_norm_at_any_size():
    of = jax.jit(frobenius)
    for size in (1e-200, 1.0, 1e200, 0.0):
        np.testing.assert_allclose(of(size * np.array([[3.0, 0.0], [0.0, -4.0]])), 5 * size, rtol=1e-15)
