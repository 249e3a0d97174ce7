"""Long products that neither over- nor underflow."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_ode._analyses import products

log_norm, log_size, push, rescale = map(
    eqx.filter_jit, (products.log_norm, products.log_size, products.push, products.rescale)
)


def test_rescaled_rows_are_the_same_with_a_largest_entry_near_one():
    rows = np.array([[3e200, -1.0, 0.0], [-5e-200, 1e-300, 0.0], [0.0, 0.0, 0.0], [1.0, 0.5, -0.25]])
    scaled, exponents = map(np.asarray, rescale(rows, np.array([0, 7, 3, 0])))
    largest = np.max(np.abs(scaled), axis=1)
    assert np.all((largest >= 0.75) & (largest <= 1.5) | (largest == 0))
    np.testing.assert_array_equal(np.ldexp(scaled, (exponents - [0, 7, 3, 0])[:, None]), rows)
    assert exponents[2] == 3


def test_the_norm_of_rows_with_exponents_is_that_of_the_matrix():
    rows = np.random.default_rng(0).normal(size=(3, 3))
    exponents = np.array([3, -2, 0])
    wanted = np.log(np.linalg.norm(np.ldexp(rows, exponents[:, None]), 2))
    np.testing.assert_allclose(log_norm(rows, exponents), wanted)
    far = log_norm(rows, exponents + 5000)
    np.testing.assert_allclose(far, wanted + 5000 * np.log(2), rtol=1e-15)
    assert log_norm(np.zeros((2, 2)), np.array([9, -9])) == -np.inf


def test_a_row_of_zeros_does_not_set_the_scale():
    rows, exponents = np.array([[0.0, 0.0], [2.0, 0.0]]), np.array([2000, -2000])
    np.testing.assert_allclose(log_norm(rows, exponents), np.log(2) - 2000 * np.log(2))


@pytest.mark.slow
@pytest.mark.parametrize("size", [1e-300, 0.3, 1e300])
def test_the_length_of_a_pushed_vector_is_that_of_the_product(size):
    R = np.array([[1.0, 2.0], [-0.5, 0.25]])
    (_, exponent), (sizes, exponents) = push(lambda v, _: size * R @ v, (np.ones(2), np.zeros((), int)), None, 30)
    wanted = [
        np.log(np.linalg.norm(np.linalg.matrix_power(R, k) @ np.ones(2))) + k * np.log(size) for k in range(1, 31)
    ]
    np.testing.assert_allclose(log_size(sizes, exponents), wanted, rtol=1e-12)
    assert exponent == np.asarray(exponents)[-1]


def test_each_step_reads_its_own_input_and_a_vector_that_is_gone_stays_gone():
    factors = np.array([2.0, 3.0, 0.0, 5.0])
    _, sizes = push(lambda v, factor: factor * v, (np.ones(1), np.zeros((), int)), factors)
    np.testing.assert_allclose(log_size(*sizes), [np.log(2), np.log(6), -np.inf, -np.inf])


@pytest.mark.slow
def test_the_derivative_of_a_length_is_finite_also_where_it_is_zero():
    def total(factor):
        _, (sizes, _) = push(lambda v, _: factor * v, (jnp.ones(2), jnp.zeros((), int)), None, 3)
        return jnp.sum(sizes)

    assert np.isfinite(jax.grad(total)(0.0))
