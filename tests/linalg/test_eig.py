"""Eigenvalues, eigenvectors and their condition numbers. Tolerances are measured, with a margin of ten or more."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
from matrices import badly_scaled, random_matrix, rotation

from rnn_ode.linalg._balance import balanced
from rnn_ode.linalg._eig import _eig_qr, _schur_qr, _wilkinson_shift, eig, eigenvalue_condition, modes

# Compilation dominates: every test goes through these, at few shapes.
jit_eig = jax.jit(eig)
jit_eig_qr = jax.jit(jax.vmap(_eig_qr))
jit_condition = jax.jit(eigenvalue_condition)


def eigenvalue_distance(values, reference):
    cost = np.abs(np.asarray(values)[:, None] - np.asarray(reference)[None, :])
    return cost[scipy.optimize.linear_sum_assignment(cost)].max()


def assert_eigenpairs(A, values, V, tol):
    """Relative to the largest entry of A."""
    values, V, size = np.asarray(values), np.asarray(V), np.abs(A).max() or 1.0
    assert eigenvalue_distance(values / size, np.linalg.eigvals(A.astype(np.complex128) / size)) < tol
    assert np.abs(A / size @ V - V * (values / size)).max() < tol
    np.testing.assert_allclose(np.linalg.norm(V, axis=0), 1, rtol=tol)


def example_matrices(n=8):
    rng = np.random.default_rng(0)
    return {
        "random": rng.normal(size=(n, n)),
        "zero": np.zeros((n, n)),
        "identity": np.eye(n),
        "ones": np.ones((n, n)),
        "upper triangular": np.triu(rng.normal(size=(n, n))),
        "lower triangular": np.tril(rng.normal(size=(n, n))),
        "diagonal": np.diag(rng.normal(size=n)),
        "cyclic shift": np.roll(np.eye(n), 1, 0),
        "permutation": np.eye(n)[rng.permutation(n)],
        "orthogonal": np.linalg.qr(rng.normal(size=(n, n)))[0],
        "rotations": scipy.linalg.block_diag(*[rotation(t) for t in range(n // 2)]),
        "companion": scipy.linalg.companion(np.poly(np.linspace(-1, 1, n))),
        "nilpotent": np.eye(n, k=-1),
        "symmetric": (lambda X: X + X.T)(rng.normal(size=(n, n))),
        "skew": (lambda X: X - X.T)(rng.normal(size=(n, n))),
        "graded": np.diag(np.logspace(0, -10, n)) @ rng.normal(size=(n, n)),
        "large": 1e200 * rng.normal(size=(n, n)),
        "small": 1e-200 * rng.normal(size=(n, n)),
        "a block whose squares are beneath the float range": scipy.linalg.block_diag(
            1, 1e-160 * rng.normal(size=(7, 7))
        ),
        "rows that are": np.diag([1.0] * 2 + [1e-170] * 6) @ rng.normal(size=(n, n)),
        "a cyclic shift that is": scipy.linalg.block_diag(1, 1e-160 * np.roll(np.eye(7), 1, 0)),
    }


@pytest.fixture(scope="module")
def examples():
    As = np.stack(list(example_matrices().values()))
    return As, *jit_eig_qr(As)


@pytest.mark.slow
@pytest.mark.parametrize(("index", "name"), list(enumerate(example_matrices())))
def test_eig_qr_of_examples(examples, index, name):
    assert_eigenpairs(*(each[index] for each in examples), 1e-11)


@pytest.mark.slow
def test_a_schur_form_knows_no_units():
    """Also where the squares of all entries leave the float range, above or below."""
    R = random_matrix(np.random.default_rng(5), 8, np.complex128)
    of = jax.jit(_schur_qr)
    for size in (1.0, 1e-150, 1e-160, 1e-290, 1e160, 1e300):
        T, Q = map(np.asarray, of(size * R))
        np.testing.assert_allclose(Q @ (T / size) @ Q.conj().T, R, atol=1e-13)
        np.testing.assert_allclose(Q @ Q.conj().T, np.eye(8), atol=1e-13)
        assert np.all(np.tril(T, -1) == 0)
    single = of(np.complex64(1e-25 * R))
    np.testing.assert_allclose(single[1] @ (single[0] / np.float32(1e-25)) @ single[1].conj().T, R, atol=1e-4)


@pytest.mark.gate
@pytest.mark.parametrize(
    ("n", "dtype", "tol"),
    [
        (1, np.float64, 1e-14),
        (2, np.float32, 1e-5),
        pytest.param(128, np.float64, 1e-11, marks=pytest.mark.thorough),
        (128, np.float32, 1e-4),
    ],
)
def test_eig_qr_of_other_sizes(n, dtype, tol):
    A = random_matrix(np.random.default_rng(n), n, dtype)
    values, V = jit_eig_qr(A[None])
    assert values.dtype == V.dtype == np.result_type(dtype, np.complex64)
    assert_eigenpairs(A, values[0], V[0], tol)


def test_the_shift_is_the_eigenvalue_of_the_last_block_that_is_nearer_to_its_corner():
    T, shift = np.random.default_rng(0).normal(size=(4, 4, 2)) @ [1, 1j], jax.jit(_wilkinson_shift)
    for i in (1, 2, 3):
        pair = np.linalg.eigvals(T[i - 1 : i + 1, i - 1 : i + 1])
        nearer = pair[np.argmin(abs(pair - T[i, i]))]
        np.testing.assert_allclose(shift(T, i), nearer, rtol=1e-12)


@pytest.mark.slow
def test_eig_qr_of_a_large_cyclic_shift():
    values, _ = jit_eig_qr(np.roll(np.eye(48), 1, 0)[None])
    assert eigenvalue_distance(values[0], np.exp(2j * np.pi * np.arange(48) / 48)) < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_eig(dtype):
    A = random_matrix(np.random.default_rng(0), 8, dtype)
    values, V = jit_eig(A)
    assert values.dtype == V.dtype == np.result_type(dtype, np.complex64)
    assert_eigenpairs(A, values, V, 1e-4 if dtype == np.float32 else 1e-11)


def test_eig_qr_of_a_defective_matrix_does_not_overflow():
    As = np.stack([np.eye(8, k=1)] * len(example_matrices()))
    values, V = jit_eig_qr(As)
    assert np.all(np.asarray(values) == 0)
    np.testing.assert_allclose(np.abs(V[:, 0]), 1, rtol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_eig_of_a_matrix_that_is_not_finite_is_nan(bad):
    A = np.eye(8)
    A[0, 1] = bad
    assert np.isnan(np.concatenate(jit_eig(A), axis=None)).all()
    As = np.stack([A] + [np.eye(8)] * (len(example_matrices()) - 1))
    values, V = jit_eig_qr(As)
    assert np.isnan(values[0]).all() and np.isnan(V[0]).all()
    assert np.isfinite(values[1:]).all() and np.isfinite(V[1:]).all()


def eig_function(A):
    """Depends on the eigenvalues and, through a ratio, on the eigenvectors, but not on their gauge or order."""
    values, V = eig(A)
    inverse = jnp.linalg.inv(V)
    return jnp.sum(jnp.abs(values) ** 3) + jnp.sum((V * jnp.tanh(values)[None, :] @ inverse).real ** 2)


@pytest.mark.slow
def test_eig_derivative_against_finite_differences_in_both_modes():
    rng = np.random.default_rng(6)
    A, E = rng.normal(size=(8, 8)) / 3, rng.normal(size=(8, 8))
    h = 1e-6
    both = jax.jit(lambda A: (eig_function(A), jax.grad(eig_function)(A), jax.jvp(eig_function, (A,), (E,))[1]))
    difference = (both(A + h * E)[0] - both(A - h * E)[0]) / (2 * h)
    _, gradient, forward = both(A)
    np.testing.assert_allclose(forward, difference, rtol=1e-6)
    np.testing.assert_allclose(np.sum(gradient * E), forward, rtol=1e-10)


@pytest.mark.slow
def test_eig_second_derivative():
    A = np.random.default_rng(7).normal(size=(3, 3))
    # tr A³ = sum λ³, whose second derivative along E is 6 tr(A E E).
    E = np.random.default_rng(8).normal(size=(3, 3))
    slope = jax.grad(lambda A: jnp.sum(eig(A)[0] ** 3).real)
    second = jax.jit(lambda A: jax.jvp(slope, (A,), (E,))[1])(A)
    np.testing.assert_allclose(np.sum(second * E), 6 * np.trace(A @ E @ E), rtol=1e-10)


def test_gradient_of_equal_eigenvalues_is_finite():
    gradient = jax.jit(jax.grad(lambda A: jnp.sum(eig(A)[0] ** 2).real))
    np.testing.assert_allclose(gradient(np.eye(8)), 2 * np.eye(8), atol=1e-14)


def test_condition_of_a_normal_matrix_is_one():
    Q = scipy.linalg.expm(1j * (lambda X: X + X.conj().T)(random_matrix(np.random.default_rng(0), 8, np.complex128)))
    np.testing.assert_allclose(jit_condition(Q), 1, rtol=1e-13)


def test_condition_is_the_inverse_cosine_between_left_and_right_eigenvectors():
    A = np.random.default_rng(1).normal(size=(8, 8))
    _, left, right = scipy.linalg.eig(A, left=True, right=True)
    expected = 1 / np.abs(np.sum(left.conj() * right, axis=0))
    np.testing.assert_allclose(jit_condition(right), expected, rtol=1e-11)
    scales = np.logspace(-150, 150, 8) * np.exp(1j * np.arange(8))
    np.testing.assert_allclose(jit_condition(right * scales), expected, rtol=1e-11)


def test_condition_of_singular_vectors_is_infinite():
    assert np.all(jit_condition(np.zeros((8, 8), complex)) == np.inf)
    assert np.all(jit_condition(np.ones((8, 8), complex)) == np.inf)
    assert np.all(jit_condition(np.diag([1.0] * 7 + [0.0]).astype(complex)) == np.inf)
    assert np.all(jit_condition(np.full((8, 8), np.nan, complex)) == np.inf)
    jordan = jit_condition(jit_eig(np.eye(8) + np.eye(8, k=1))[1])
    assert np.all(jordan > 1e15)
    assert eigenvalue_condition(jnp.ones((1, 1), jnp.float32)).dtype == jnp.float32


@pytest.mark.gate
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-5), (np.float64, 1e-13)])
@pytest.mark.parametrize("function", [eig, _eig_qr])
def test_eigenvalues_and_vectors_of_badly_scaled_matrices(dtype, tolerance, function):
    """By the one in plain lax too, which without balancing is off by the whole spectrum."""
    A, R, d = badly_scaled(np.random.default_rng(2), 8, 12, dtype)
    values, V = (eig if function is eig else jax.jit(lambda A: _eig_qr(balanced(A))))(A)
    assert eigenvalue_distance(values, np.linalg.eigvals(R.astype(float))) < tolerance
    if function is eig:
        scaled = np.asarray(V) / d[:, None]
        scaled = scaled / np.linalg.norm(scaled, axis=0)
        assert np.max(np.abs(R @ scaled - scaled * np.asarray(values)[None])) < tolerance
        np.testing.assert_allclose(np.linalg.norm(V, axis=0), 1, rtol=1e-5)


@pytest.mark.slow
def test_conditions_are_those_of_the_matrix_and_of_the_balanced_one():
    A, *_ = badly_scaled(np.random.default_rng(3), 6, 4)
    values, _, *conditions, _ = modes(jnp.asarray(A))
    for found, B in zip(conditions, (A, np.asarray(balanced(jnp.asarray(A)))), strict=True):
        wanted, left, right = scipy.linalg.eig(B, left=True)
        order = [np.argmin(np.abs(wanted - value)) for value in np.asarray(values)]
        np.testing.assert_allclose(found, (1 / np.abs(np.sum(left.conj() * right, axis=0)))[order], rtol=1e-6)


def test_the_derivative_of_eigenvalues_knows_no_units():
    A, R, d = badly_scaled(np.random.default_rng(4), 4, 8)
    slope = jax.jit(jax.grad(lambda A: jnp.sum(jnp.abs(eig(A)[0]) ** 3)))
    np.testing.assert_allclose(np.asarray(slope(A)) * d[:, None] / d[None], slope(R), rtol=1e-9, atol=1e-11)
