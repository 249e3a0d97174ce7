"""The logarithm, against SciPy and its own inverse. Tolerances are measured, with a margin of ten or more."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
from matrices import jordan, random_matrix, relative, rotated, rotation

from rnn_ode.linalg._logm import logm


@jax.jit
@jax.vmap
def batched_logm_and_derivatives(A, E, Z):
    """log A, L[E] and L^T[Z], with L the derivative of logm at A."""
    log, forward = jax.jvp(logm, (A,), (E,))
    return log, forward, jax.vjp(logm, A)[1](Z)[0]


def logm_derivatives(A, E, Z):
    return [np.asarray(x[0]) for x in batched_logm_and_derivatives(A[None], E[None], Z[None])[1:]]


def logm4(A):
    """logm of a 4 by 4 matrix, without compiling anything that the tests of the derivative do not."""
    return np.asarray(batched_logm_and_derivatives(A[None], A[None], A[None])[0][0])


@pytest.mark.gate
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_logm_agrees_with_scipy(dtype):
    rng = np.random.default_rng(0)
    for _ in range(20):
        A = scipy.linalg.expm(random_matrix(rng, 4, dtype))
        log = logm4(A)
        assert log.dtype == dtype
        assert relative(log, scipy.linalg.logm(A)) < 1e-12
        assert relative(scipy.linalg.expm(log), A) < 1e-12


@pytest.mark.parametrize(
    ("dtype", "n", "tol"),
    [(np.float64, 1, 1e-14), pytest.param(np.float64, 128, 1e-12, marks=pytest.mark.slow), (np.float32, 32, 1e-4)],
)
def test_logm_undoes_expm(dtype, n, tol):
    G = random_matrix(np.random.default_rng(n), n)
    A = scipy.linalg.expm(G).astype(dtype)
    log = jax.jit(logm)(A)
    assert log.dtype == dtype
    assert relative(log, G) < tol
    assert relative(scipy.linalg.expm(np.asarray(log, np.float64)), A) < tol


@pytest.mark.slow
@pytest.mark.parametrize("angle", [1e-6, 1.0, 3.0, 3.1, -3.1])
def test_logm_of_a_rotation_is_its_angle(angle):
    A = scipy.linalg.block_diag(rotation(angle), rotation(-angle / 2))
    exact = scipy.linalg.block_diag([[0, -angle], [angle, 0]], [[0, angle / 2], [-angle / 2, 0]])
    np.testing.assert_allclose(logm4(A), exact, rtol=0, atol=1e-13)


@pytest.mark.slow
def test_logm_of_defective_matrices():
    shear = np.eye(4) + np.eye(4, k=3)
    np.testing.assert_allclose(logm4(shear), shear - np.eye(4), atol=1e-14)
    jordan = 2 * np.eye(4) + np.eye(4, k=1)
    # log(2I + N) = log 2 I + N/2 - N²/8 + N³/24
    exact = sum(c * np.eye(4, k=k) for k, c in enumerate([np.log(2), 1 / 2, -1 / 8, 1 / 24]))
    np.testing.assert_allclose(logm4(jordan), exact, atol=1e-14)


def test_logm_near_the_identity_keeps_relative_accuracy():
    A = np.eye(4) + 1e-8 * np.random.default_rng(0).normal(size=(4, 4))
    X = A - np.eye(4)
    # Derived: the terms left out are below 1e-16 of the first.
    assert relative(logm4(A), X - X @ X / 2) < 1e-14


def test_logm_of_widely_spread_eigenvalues():
    d = np.logspace(-6, 6, 4)
    assert relative(logm4(np.diag(d)), np.diag(np.log(d))) < 1e-14
    V = np.eye(4) + 0.3 * random_matrix(np.random.default_rng(0), 4)
    A = V * d @ np.linalg.inv(V)
    log = logm4(A)
    assert relative(scipy.linalg.expm(np.asarray(log)), A) < 1e-9
    # Derived: rounding A moves its smallest eigenvalue by eps * 1e12 of itself.
    assert relative(log, V * np.log(d) @ np.linalg.inv(V)) < 1e-3


@pytest.mark.parametrize(
    "A",
    [
        [[-1, 0], [0, -2]],
        [[-1, 0], [0, -1]],
        [[-2, 0], [0, -2]],
        [[-1, 1], [0, 2]],
        [[1, 0], [0, 0]],
        [[0, 0], [0, 0]],
        [[1, 2], [2, 4]],
        [[np.nan, 0], [0, 1]],
        [[1, np.inf], [0, 1]],
        [[-3]],
    ],
)
def test_logm_is_nan_where_there_is_none(A):
    assert np.isnan(logm4(scipy.linalg.block_diag(np.array(A, float), np.eye(4 - len(A))))).all()


def test_logm_is_nan_exactly_for_real_matrices_with_a_negative_eigenvalue():
    As = np.random.default_rng(0).normal(size=(300, 4, 4))
    values = np.linalg.eigvals(As)
    none = ((values.imag == 0) & (values.real < 0)).any(1)
    assert 20 < none.sum() < 280
    logs = np.stack([logm4(A) for A in As])
    assert np.isnan(logs[none]).all()
    back = np.stack([scipy.linalg.expm(L) for L in logs[~none]])
    assert relative(back, As[~none]) < 1e-9


@pytest.mark.parametrize("dtype", [np.float64, pytest.param(np.complex128, marks=pytest.mark.slow)])
def test_logm_derivative_is_the_frechet_derivative(dtype):
    rng = np.random.default_rng(1)
    A = scipy.linalg.expm(random_matrix(rng, 4, dtype))
    E, Z = random_matrix(rng, 4, dtype), random_matrix(rng, 4, dtype)
    forward, reverse = logm_derivatives(A, E, Z)
    # Higham, "Functions of Matrices", 3.2: the derivative is a block of the logarithm of a larger matrix.
    block = scipy.linalg.logm(np.block([[A, E], [np.zeros((4, 4)), A]]))[:4, 4:]
    assert relative(forward, block) < 1e-12
    # JAX transposes without conjugating, so <L[E], Z> = <E, L^T[Z]> holds without conjugation.
    np.testing.assert_allclose(np.sum(forward * Z), np.sum(E * reverse), rtol=1e-11)


def test_logm_derivative_where_eigenvalues_coincide():
    rng = np.random.default_rng(2)
    E = rng.normal(size=(4, 4))
    for derivative in logm_derivatives(np.eye(4), E, E):
        np.testing.assert_allclose(derivative, E, rtol=1e-14)
    jordan = 2 * np.eye(4) + np.eye(4, k=1)
    block = scipy.linalg.logm(np.block([[jordan, E], [np.zeros((4, 4)), jordan]]))[:4, 4:]
    # scipy's own error on a defective matrix of twice the size.
    forward, reverse = logm_derivatives(jordan, E, E)
    assert relative(forward, block) < 1e-10
    np.testing.assert_allclose(np.sum(forward * E), np.sum(E * reverse), rtol=1e-12)


def test_logm_derivative_is_nan_where_there_is_no_logarithm():
    A = np.diag([1.0, 2.0, 3.0, -1.0])
    assert np.isnan(logm_derivatives(A, np.eye(4), np.eye(4))).all()


@pytest.mark.gate
def test_logm_second_derivative_against_finite_differences():
    rng = np.random.default_rng(3)
    A, E = scipy.linalg.expm(random_matrix(rng, 2)), rng.normal(size=(2, 2))
    gradient = jax.grad(lambda A: jnp.sum(jnp.sin(logm(A))))
    second = jax.jit(lambda A: jax.jvp(gradient, (A,), (E,)))
    h = 1e-5
    difference = (second(A + h * E)[0] - second(A - h * E)[0]) / (2 * h)
    # Derived: h² from the difference, eps / h from rounding.
    assert relative(second(A)[1], np.asarray(difference)) < 1e-8


@pytest.mark.slow
def test_gradient_of_a_real_loss_through_a_complex_logm():
    rng = np.random.default_rng(4)
    A, E = scipy.linalg.expm(random_matrix(rng, 4, np.complex128)), random_matrix(rng, 4, np.complex128)
    # d sum |log A|² = 2 Re <conj(log A), L[E]>, so JAX's gradient is L^T[2 conj(log A)].
    gradient = logm_derivatives(A, E, 2 * np.conj(logm4(A)))[1]
    h = 1e-6
    loss = [np.sum(np.abs(logm4(A + s * h * E)) ** 2) for s in (1, -1)]
    np.testing.assert_allclose(np.sum(gradient * E).real, (loss[0] - loss[1]) / (2 * h), rtol=1e-7)


@pytest.mark.slow
def test_a_matrix_without_a_logarithm_is_named():
    np.testing.assert_allclose(logm([[1, 0], [0, 2]]), np.diag([0.0, np.log(2)]), atol=1e-15)
    for W in (-np.eye(2), np.diag([1.0, 0.0])):
        with pytest.raises(ValueError, match=r"no principal logarithm: its eigenvalue (-1|0) is on"):
            logm(W)
    assert np.isnan(jax.jit(logm)(-jnp.eye(2))).all()


def test_a_matrix_that_is_too_ill_conditioned_for_its_type_is_not_said_to_have_no_logarithm():
    """Five equal eigenvalues of 0.1 are far from the negative axis; the condition number is 1e5."""
    W = rotated(np.random.default_rng(0), jordan(0.1, 5)).astype(np.float32)
    with pytest.raises(ValueError, match=r"A is too ill-conditioned for float32: rounding hides .* float64 may decide"):
        logm(W)
    assert np.isfinite(logm(W.astype(float))).all()
