"""Norms, the numerical radius and abscissa, and how maxima are found."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_ode.linalg._norms import (
    batched_map,
    climb,
    inverse_norm,
    numerical_abscissa,
    numerical_radius,
    spectral_norm,
)

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


def test_the_spectral_norm_is_the_largest_singular_value():
    of = jax.jit(spectral_norm)
    A = np.random.default_rng(2).normal(size=(3, 3))
    np.testing.assert_allclose(of(A), np.linalg.norm(A, 2), rtol=1e-13)
    assert of(A * [1, np.nan, 1]) == of(A * [1, np.inf, 1]) == np.inf
    assert spectral_norm(jnp.ones((1, 1), jnp.float16)).dtype == jnp.float32


def test_the_numerical_radius_and_abscissa_are_those_of_all_unit_vectors():
    """Of a shift by 3 in the plane 3/2, of a normal matrix the largest modulus; else by a fine grid of angles."""
    radius, W = jax.jit(numerical_radius), np.random.default_rng(3).normal(size=(3, 3))
    shift, turn = np.zeros((3, 3)), np.zeros((3, 3))
    shift[0, 1], turn[:2, :2] = 3.0, [[0.6, -0.8], [0.8, 0.6]]
    turns = np.exp(1j * np.linspace(0, np.pi, 20_001))[:, None, None]
    wanted = np.linalg.eigvalsh((turns * W + (turns * W).conj().swapaxes(1, 2)) / 2)[:, -1].max()
    np.testing.assert_allclose(
        [radius(shift), radius(turn), radius(np.diag([0.5, -2.0, 1.0]))], [1.5, 1, 2], rtol=1e-14
    )
    assert wanted <= radius(W) * (1 + 1e-14) and radius(W) < wanted * (1 + 1e-7)
    abscissa = jax.jit(numerical_abscissa)
    np.testing.assert_allclose([abscissa(shift), abscissa(turn - 2 * np.eye(3))], [1.5, -1.4], rtol=1e-14)


@pytest.mark.slow
def test_a_climb_halves_the_way_to_the_maximum_from_either_side():
    climbed = jax.jit(lambda start, end: climb(lambda s: 0.3 - s, start, end, 20))
    for start, end in ((0.0, 1.0), (1.0, 0.0), (-0.5, 0.5)):
        near, far = climbed(start, end)
        assert abs(far - near) <= 1.01 * 2.0**-20 and min(near, far) <= 0.3 <= max(near, far)


@pytest.mark.parametrize(("count", "n"), [(5, 2), (600, 2), (5, 2**11)])  # the last: one matrix fills 64 MB
def test_a_map_in_batches_is_that_of_each_row(count, n):
    rows, sizes = np.arange(3.0 * count).reshape(count, 3), []

    def each(row):
        sizes.append(row.shape)
        return jnp.sum(row), row[:2]

    total, first = jax.jit(lambda rows: batched_map(each, rows, n))(rows)
    np.testing.assert_array_equal(total, rows.sum(axis=1))
    np.testing.assert_array_equal(first, rows[:, :2])
    assert sizes == [(3,)]  # compiled once, also for a last batch that is not full


@pytest.mark.parametrize(("count", "n", "batches"), [(600, 2, 3), (5, 2**10, 2), (5, 2**11, 5), (5, 2**12, 5)])
def test_a_batch_is_of_256_rows_or_64_megabytes_at_most(count, n, batches):
    """A complex matrix of size 2¹⁰ takes 16 MB."""
    mapped = jax.make_jaxpr(lambda rows: batched_map(jnp.sum, rows, n))(np.zeros((count, 3)))
    assert [one.params["length"] for one in mapped.eqns if one.primitive.name == "scan"] == [batches]
