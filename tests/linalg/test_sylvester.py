"""Sylvester's and Lyapunov's equations, against SciPy, Kronecker products and residuals. Tolerances are measured, times
ten."""

import itertools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.linalg
from jax.test_util import check_grads
from matrices import jordan, lower, rotated

from rnn_ode import linalg
from rnn_ode.linalg._sylvester import _lyapunov_arguments

RNG = np.random.default_rng(0)
A, Q = RNG.normal(size=(4, 4)), RNG.normal(size=(4, 4))
B, WIDE = RNG.normal(size=(3, 3)), RNG.normal(size=(4, 3))

jit_sylvester = jax.jit(linalg.sylvester)
jit_discrete = jax.jit(linalg.lyapunov_discrete)
jit_continuous = jax.jit(linalg.lyapunov_continuous)


@pytest.mark.gate
def test_the_solutions_are_scipys():
    np.testing.assert_allclose(
        jit_sylvester(A, B, WIDE), scipy.linalg.solve_sylvester(A, B, WIDE), rtol=1e-11, atol=1e-12
    )
    for scale in (0.3, 2.0):  # stable, and not
        wanted = scipy.linalg.solve_discrete_lyapunov(scale * A, Q)
        np.testing.assert_allclose(jit_discrete(scale * A, Q), wanted, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(
        jit_continuous(A, Q), scipy.linalg.solve_continuous_lyapunov(A, -Q), rtol=1e-10, atol=1e-12
    )


def test_the_arguments_of_an_equation_may_be_complex():
    assert {array.dtype for array in _lyapunov_arguments(1j * A, Q)} == {np.dtype(complex)}
    assert {array.dtype for array in _lyapunov_arguments(np.float32(A), 1j * np.float32(Q))} == {np.dtype(np.complex64)}
    assert {array.dtype for array in _lyapunov_arguments(np.float16(A), np.float16(Q))} == {np.dtype(np.float32)}


@pytest.mark.slow
def test_complex_matrices():
    Z = A + 1j * Q
    wanted = scipy.linalg.solve_discrete_lyapunov(Z, Q)
    np.testing.assert_allclose(linalg.lyapunov_discrete(Z, Q), wanted, rtol=1e-10, atol=1e-12)
    wanted = scipy.linalg.solve_continuous_lyapunov(Z, -Q)
    np.testing.assert_allclose(linalg.lyapunov_continuous(Z, Q), wanted, rtol=1e-10, atol=1e-12)


def test_a_defective_matrix():
    """Against the solution by Kronecker products."""
    W = rotated(RNG, jordan(0.5, 4))
    wanted = np.linalg.solve(np.eye(16) - np.kron(W, W), Q.ravel()).reshape(4, 4)
    np.testing.assert_allclose(jit_discrete(W, Q), wanted, rtol=1e-11, atol=1e-11)
    wanted = np.linalg.solve(np.kron(W, np.eye(4)) + np.kron(np.eye(4), W), -Q.ravel()).reshape(4, 4)
    np.testing.assert_allclose(jit_continuous(W, Q), wanted, rtol=1e-10, atol=1e-10)


def exactly(products, Q):
    """The solution X of Σ ± A X Bᵀ = Q for products (sign, A, B), in 50 digits."""
    n, m = Q.shape
    with mpmath.workdps(50):
        K = mpmath.matrix(n * m)
        for sign, A, B in products:
            for (i, j), (k, l) in itertools.product(np.ndindex(n, n), np.ndindex(m, m)):
                K[i * m + k, j * m + l] += sign * mpmath.mpf(A[i, j]) * mpmath.mpf(B[k, l])
        return np.array(mpmath.lu_solve(K, mpmath.matrix(Q.ravel())).tolist(), float).reshape(n, m)


@pytest.mark.parametrize("decay", [1e-4, 1e-3, 1e-2])
def test_slow_decay_of_a_defective_matrix(decay):
    """A change of A by the precision ε moves the solution by about ε/decay³. The solver may do no more than 20 times that,
    where three times were measured. The equations as a system of nine have conditions of up to 1e20."""
    rng = np.random.default_rng(3)
    M, one, Q = rotated(rng, jordan(-decay, 3)), np.eye(3), np.cov(rng.normal(size=(3, 9)))
    W = one + M
    flow = exactly([(1, M, one), (1, one, M)], -Q)
    for found, wanted in (
        (jit_continuous(M, Q), flow),
        (jit_sylvester(M, M.T, -Q), flow),
        (jit_discrete(W, Q), exactly([(1, one, one), (-1, W, W)], Q)),
    ):
        assert np.linalg.norm(found - wanted) <= 20 * np.finfo(float).eps / decay**3 * np.linalg.norm(wanted)


@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_scales_near_the_ends_of_the_float_range(scale):
    np.testing.assert_allclose(jit_continuous(scale * A, Q) * scale, jit_continuous(A, Q), rtol=1e-10)
    units = np.array([1.0, 1e100, 1e-100, 1e40])
    W = units[:, None] * A / 4 / units
    X = jit_discrete(W, units[:, None] * Q * units)
    np.testing.assert_allclose(np.asarray(X) / units[:, None] / units, jit_discrete(A / 4, Q), rtol=1e-9)


@pytest.mark.slow
def test_single_precision():
    X = linalg.lyapunov_discrete(np.float32(0.3 * A), np.float32(Q))
    assert X.dtype == jnp.float32
    np.testing.assert_allclose(X, scipy.linalg.solve_discrete_lyapunov(0.3 * A, Q), rtol=1e-4, atol=1e-5)


@pytest.mark.gate
def test_gradients_in_three_ways():
    check_grads(linalg.sylvester, (A, B, WIDE), 2, eps=1e-5)
    check_grads(linalg.lyapunov_discrete, (0.3 * A, Q), 2, eps=1e-5)
    check_grads(linalg.lyapunov_continuous, (A, Q), 2, eps=1e-5)


@pytest.mark.slow
def test_the_gradient_is_the_adjoint_equations():
    """The gradient of the sum of X by Q solves the transposed equation."""
    found = jax.jit(jax.grad(lambda Q: jnp.sum(linalg.lyapunov_discrete(0.3 * A, Q))))(jnp.asarray(Q))
    np.testing.assert_allclose(found, scipy.linalg.solve_discrete_lyapunov(0.3 * A.T, np.ones((4, 4))), rtol=1e-11)


@pytest.mark.gate
def test_a_batch_and_every_platform():
    stack = jnp.stack([0.3 * A, 0.2 * A])
    batch = jax.vmap(linalg.lyapunov_discrete, (0, None))(stack, jnp.asarray(Q))
    np.testing.assert_allclose(batch[1], jit_discrete(0.2 * A, Q), rtol=1e-12)
    for f in (linalg.lyapunov_discrete, linalg.lyapunov_continuous):
        assert "gees" not in lower(f, A, Q)["tpu"]
    assert "gees" not in lower(linalg.sylvester, A, B, WIDE)["tpu"]


def test_an_equation_without_a_unique_solution_is_refused():
    with pytest.raises(ValueError, match=r"no unique solution: A has the eigenvalues 1\+0j and 1\+0j"):
        linalg.lyapunov_discrete(np.diag([1.0, 0.5, 0.2, 0.1]), Q)
    with pytest.raises(ValueError, match=r"eigenvalues (4\+0j and 0\.25|0\.25\+0j and 4)\+0j, and the product"):
        linalg.lyapunov_discrete(np.diag([4.0, 0.25, 0.2, 0.1]), Q)
    with pytest.raises(ValueError, match=r"sum of the one and the conjugate of the other is 0"):
        linalg.lyapunov_continuous(np.diag([1.0, -1.0, 2.0, 3.0]), Q)
    with pytest.raises(ValueError, match=r"the eigenvalues .* of A and .* of B sum to 0"):
        linalg.sylvester(np.eye(4), -np.eye(3), WIDE)
    with pytest.raises(ValueError, match=r"Q must have shape \(4, 3\); got \(4, 4\)"):
        linalg.sylvester(A, B, Q)
    with pytest.raises(ValueError, match="Q must be finite"):
        linalg.lyapunov_discrete(A, np.full((4, 4), np.nan))
    assert np.isnan(jit_discrete(np.diag([1.0, 0.5, 0.2, 0.1]), Q)).all()


@pytest.mark.slow
def test_balancing_costs_no_digits_of_a_step_that_is_nearly_defective():
    """Of 16 digits 8 were wrong, since the entries of the balanced solution have very different sizes."""
    small = 9.99731531e-09
    A = np.array([[-small, -2.0], [-small, small]])
    Q = np.array([[9.0, 1.0], [1.0, 5.0]])
    X = linalg.lyapunov_discrete(A, Q)
    np.testing.assert_allclose(A @ X @ A.T + Q, X, rtol=0, atol=1e-14 * np.abs(X).max())
