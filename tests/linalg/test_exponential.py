"""The exponential and its φ functions, also of badly scaled matrices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matrices import badly_scaled

from rnn_ode.linalg._balance import balancing
from rnn_ode.linalg._exponential import exponential, matrix_power, phi_functions

PHI = jax.jit(lambda A: tuple(phi_functions(A, 2)))


def exponentials():
    """(A, exp(A)) with the exponential known in closed form, in the units that balancing undoes."""
    for s in (1.0, 1e2, 1e5, 1e8):
        yield np.array([[0, s], [-1 / s, 0]]), np.array([[np.cos(1), s * np.sin(1)], [-np.sin(1) / s, np.cos(1)]])
    for a in (7.0, 10.7, -3.0, 80.0, -80.0):
        yield np.diag([a, a]), np.exp(a) * np.eye(2)
    yield np.array([[0, 1e12], [0, 0]]), np.array([[1, 1e12], [0, 1]])
    for s in (1.0, 2.0**20, 2.0**-20):
        # V diag(−1, −40) V⁻¹ with V = [[1, 1], [1, 2]], in mixed units
        a, b = np.exp(-1.0), np.exp(-40.0)
        D = np.array([[1, s], [1 / s, 1]])
        yield D * np.array([[38, -39], [78, -79.0]]), D * np.array([[2 * a - b, b - a], [2 * a - 2 * b, 2 * b - a]])


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exponential_of_badly_scaled_matrices(dtype):
    """Each entry, relative to the largest one in the units of the balanced matrix: u (4 + 4 ‖B‖₁), measured 1.3 ‖B‖₁."""
    for A, wanted in exponentials():
        A = A.astype(dtype)
        e = np.asarray(balancing(jnp.asarray(A)))
        units = np.exp2(e[None] - e[:, None].astype(float))
        found = np.asarray(PHI(A)[0], float)
        error = np.max(np.abs((found - wanted) * units)) / np.max(np.abs(wanted * units))
        # the exact matrix is the one before it was rounded to the type, which moves exp(A) by as much again
        assert error <= np.finfo(dtype).eps * (4 + 4 * np.linalg.norm(A * units, 1)), (A, error)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_phi_functions_of_badly_scaled_matrices(dtype):
    """z φ₁ = exp − 1 and z φ₂ = φ₁ − 1, with z = [[0, s], [−1/s, 0]]: φ₁ = sin 1 + (1 − cos 1) J, and so on."""
    for s in (1.0, 1e4, 1e8):
        units = np.array([[1, s], [1 / s, 1]])
        turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
        first = np.sin(1) * np.eye(2) + (1 - np.cos(1)) * turn
        second = (1 - np.cos(1)) * np.eye(2) + (1 - np.sin(1)) * turn
        _, *found = PHI((units * turn).astype(dtype))
        for phi, wanted in zip(found, (first, second), strict=True):
            assert np.max(np.abs(phi / units - wanted)) <= 8 * np.finfo(dtype).eps  # measured 2


def test_phi_functions_of_imaginary_numbers():
    """φ₀(iθ) = e^{iθ}, φ₁ = (φ₀ − 1)/iθ, φ₂ = (φ₁ − 1)/iθ."""
    z = 1j * np.array([0.5, np.pi])
    first = (np.exp(z) - 1) / z
    for phi, wanted in zip(PHI(np.diag(z)), (np.exp(z), first, (first - 1) / z), strict=True):
        np.testing.assert_allclose(phi, np.diag(wanted), atol=1e-15)


def test_exponential_over_the_float_range():
    of = jax.jit(exponential)
    assert np.all(np.asarray(of(jnp.array([[-1e5]]))) == 0) and np.isinf(of(jnp.array([[1e5]])))
    np.testing.assert_allclose(of(jnp.array([[709.0]])), np.exp(709.0), rtol=1e-12)
    assert np.isnan(of(jnp.array([[-1e20]])))  # beyond 2⁶³ no digit would be right


def test_a_power_is_exact_up_to_the_largest_whole_number():
    """Of a cyclic shift of three, whose third power is the identity; and no square is taken that would overflow."""
    shift, of = np.roll(np.eye(3), 1, axis=0), jax.jit(matrix_power)
    for k in (0, 1, 2, 5, 2**31, 2**40 + 1, 2**63 - 1):
        np.testing.assert_array_equal(of(shift, jnp.asarray(k)), np.linalg.matrix_power(shift, k % 3))
    np.testing.assert_array_equal(of(1e200 * np.eye(3), jnp.asarray(1)), 1e200 * np.eye(3))


@pytest.mark.gate
def test_derivative_of_the_exponential_in_three_ways():
    rng = np.random.default_rng(5)
    A, R, d = badly_scaled(rng, 3, 8)
    E, h = rng.normal(size=(3, 3)) * d[:, None] / d[None], 1e-6

    def value(A):
        return jnp.sum(jnp.tanh(PHI(A)[0] / d[:, None] * d[None]))

    forward = jax.jvp(value, (jnp.asarray(A),), (E,))[1]
    np.testing.assert_allclose(np.sum(jax.grad(value)(A) * E), forward, rtol=1e-10)
    np.testing.assert_allclose((value(A + h * E) - value(A - h * E)) / (2 * h), forward, rtol=1e-7)
    batch = jax.vmap(PHI)(np.stack([A, R]))[0]
    np.testing.assert_allclose(batch[0] / d[:, None] * d[None], batch[1], rtol=1e-10, atol=1e-13)


def test_a_nilpotent_matrix_that_is_too_large_is_refused_without_a_wrong_reason():
    """exp([[0, c], [0, 0]]) is [[1, c], [0, 1]] for any c: the limit is that of the method."""
    with pytest.raises(ValueError, match=r"1-norm below 2\^63 .*The exponential of a larger one is not computed"):
        phi_functions([[0.0, 1e150], [0.0, 0.0]], 0)
    hadamard = 0.6 * 2.0**63 * np.array([[1.0, 1.0], [1.0, -1.0]])  # its 2-norm is 0.85 · 2⁶³
    with pytest.raises(ValueError, match=r"1-norm below 2\^63"):
        phi_functions(hadamard, 0)
