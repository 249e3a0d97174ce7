"""The condition of functions of matrices, against SciPy and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from matrices import rotated

from rnn_ode import linalg

A = np.random.default_rng(0).normal(size=(4, 4))


def test_the_condition_of_the_exponential_is_scipys():
    found = linalg.condition(linalg.expm, A)
    assert 0.95 * scipy.linalg.expm_cond(A) < found < 1.0001 * scipy.linalg.expm_cond(A)


@pytest.mark.slow
def test_the_condition_of_an_inverse():
    """By all changes of the same norm: ‖A⁻¹‖₂² ‖A‖_F / ‖A⁻¹‖_F."""
    inverse = np.linalg.inv(A)
    wanted = np.linalg.norm(inverse, 2) ** 2 * np.linalg.norm(A) / np.linalg.norm(inverse)
    np.testing.assert_allclose(linalg.condition(jnp.linalg.inv, A), wanted, rtol=0.02)


@pytest.mark.gate
def test_it_estimates_what_rounding_does():
    """The logarithm in float32 of a matrix that is rounded to float32."""
    W = scipy.linalg.expm(rotated(np.random.default_rng(1), np.diag([-4.0, -3, -2, -1]) + np.diag([9.0, 9, 9], 1)))
    exact = scipy.linalg.logm(W)
    error = np.linalg.norm(linalg.logm(np.float32(W)) - exact) / np.linalg.norm(exact)
    estimate = np.finfo(np.float32).eps * linalg.condition(linalg.logm, W)
    assert estimate / 100 < error < 10 * estimate


@pytest.mark.slow
def test_several_arguments_and_complex_ones():
    def product(A, B):
        return A * B

    both = linalg.condition(product, jnp.array([2.0]), jnp.array([3.0]))
    np.testing.assert_allclose(both, 2**0.5, rtol=1e-6)  # both relative changes of 1, shared by two, add up to √2
    np.testing.assert_allclose(linalg.condition(lambda z: z**3, jnp.array([1.0 + 2j])), 3, rtol=1e-6)
    assert jax.jit(lambda A: linalg.condition(linalg.expm, A))(A) > 1


@pytest.mark.slow
def test_a_function_without_a_value_has_no_condition():
    """The logarithm of a matrix with a negative eigenvalue, and a root at 0, whose derivative is infinite."""
    negative = np.diag([1.0, -2.0])
    with pytest.raises(ValueError, match="f or its derivative is not finite at these arguments"):
        linalg.condition(linalg.logm, negative)
    with pytest.raises(ValueError, match="not finite"):
        linalg.condition(jnp.sqrt, np.array([0.0, 1.0]))
    assert np.isnan(jax.jit(lambda A: linalg.condition(linalg.logm, A))(negative))
    assert linalg.condition(lambda x: x - 1, np.ones(1)) == np.inf
    assert linalg.condition(lambda x: 0 * x, np.ones(1)) == 0


@pytest.mark.slow
def test_the_condition_does_not_depend_on_the_unit():
    """Of x ↦ x² it is 2, also where squares of the numbers leave the float range."""
    for size in (1e-15, 1.0, 1e15):
        found = linalg.condition(lambda x: x * x, np.full(3, size, np.float32))
        np.testing.assert_allclose(found, 2, rtol=1e-6)


def test_bad_input_is_named():
    with pytest.raises(TypeError, match=r"\bf\b"):
        linalg.condition(A, A)
    with pytest.raises(TypeError, match="needs the arguments of f"):
        linalg.condition(linalg.expm)
    with pytest.raises(ValueError, match=r"args\[0\] must be finite"):
        linalg.condition(linalg.expm, np.full((2, 2), np.nan))
