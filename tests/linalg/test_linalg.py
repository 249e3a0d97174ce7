"""Matrix logarithm, eigendecomposition and the two measures of conditioning, against scipy and numpy.

Tolerances are measured, with a margin of ten or more, unless said to be derived.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.optimize

from rnn_ode.linalg._balance import balanced, balancing
from rnn_ode.linalg._eig import _eig_qr, eig, eigenvalue_condition, modes
from rnn_ode.linalg._exponential import exponential, phi_functions
from rnn_ode.linalg._logm import logm
from rnn_ode.linalg._norms import inverse_norm
from rnn_ode.linalg._solve import inv

PLATFORMS = ("cpu", "cuda", "tpu")


@pytest.fixture(autouse=True)
def _strict():
    with jax.enable_x64(True), jax.numpy_rank_promotion("raise"):
        yield


# Compilation dominates: every test goes through these, at few shapes.
jit_eig = jax.jit(eig)
jit_eig_qr = jax.jit(jax.vmap(_eig_qr))
jit_condition = jax.jit(eigenvalue_condition)
jit_inverse_norm = jax.jit(inverse_norm)


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


def random_matrix(rng, n, dtype=np.float64, scale=1.0):
    """Circular law: spectral radius about `scale`."""
    A = rng.normal(size=(n, n))
    if np.issubdtype(dtype, np.complexfloating):
        A = (A + 1j * rng.normal(size=(n, n))) / np.sqrt(2)
    return (scale * A / np.sqrt(n)).astype(dtype)


def relative(x, reference):
    return np.max(np.abs(np.asarray(x) - reference)) / np.max(np.abs(reference))


def rotation(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def eigenvalue_distance(values, reference):
    cost = np.abs(np.asarray(values)[:, None] - np.asarray(reference)[None, :])
    return cost[scipy.optimize.linear_sum_assignment(cost)].max()


def lower(f, *args):
    """The lowered text of f for every platform."""
    traced = jax.jit(f).trace(*args)
    return {p: traced.lower(lowering_platforms=(p,)).as_text() for p in PLATFORMS}


# logm


@pytest.mark.slow
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
    ("dtype", "n", "tol"), [(np.float64, 1, 1e-14), (np.float64, 128, 1e-12), (np.float32, 32, 1e-4)]
)
def test_logm_undoes_expm(dtype, n, tol):
    G = random_matrix(np.random.default_rng(n), n)
    A = scipy.linalg.expm(G).astype(dtype)
    log = jax.jit(logm)(A)
    assert log.dtype == dtype
    assert relative(log, G) < tol
    assert relative(scipy.linalg.expm(np.asarray(log, np.float64)), A) < tol


@pytest.mark.parametrize("angle", [1e-6, 1.0, 3.0, 3.1, -3.1])
def test_logm_of_a_rotation_is_its_angle(angle):
    A = scipy.linalg.block_diag(rotation(angle), rotation(-angle / 2))
    exact = scipy.linalg.block_diag([[0, -angle], [angle, 0]], [[0, angle / 2], [-angle / 2, 0]])
    np.testing.assert_allclose(logm4(A), exact, rtol=0, atol=1e-13)


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


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
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


@pytest.mark.slow
def test_logm_second_derivative_against_finite_differences():
    rng = np.random.default_rng(3)
    A, E = scipy.linalg.expm(random_matrix(rng, 2)), rng.normal(size=(2, 2))
    gradient = jax.grad(lambda A: jnp.sum(jnp.sin(logm(A))))
    second = jax.jit(lambda A: jax.jvp(gradient, (A,), (E,)))
    h = 1e-5
    difference = (second(A + h * E)[0] - second(A - h * E)[0]) / (2 * h)
    # Derived: h² from the difference, eps / h from rounding.
    assert relative(second(A)[1], np.asarray(difference)) < 1e-8


def test_gradient_of_a_real_loss_through_a_complex_logm():
    rng = np.random.default_rng(4)
    A, E = scipy.linalg.expm(random_matrix(rng, 4, np.complex128)), random_matrix(rng, 4, np.complex128)
    # d sum |log A|² = 2 Re <conj(log A), L[E]>, so JAX's gradient is L^T[2 conj(log A)].
    gradient = logm_derivatives(A, E, 2 * np.conj(logm4(A)))[1]
    h = 1e-6
    loss = [np.sum(np.abs(logm4(A + s * h * E)) ** 2) for s in (1, -1)]
    np.testing.assert_allclose(np.sum(gradient * E).real, (loss[0] - loss[1]) / (2 * h), rtol=1e-7)


# eig


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
    }


@pytest.mark.slow
@pytest.mark.parametrize(("index", "name"), list(enumerate(example_matrices())))
def test_eig_qr_of_examples(index, name):
    As = np.stack(list(example_matrices().values()))
    values, V = jit_eig_qr(As)
    assert_eigenpairs(As[index], values[index], V[index], 1e-11)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "dtype", "tol"),
    [
        (1, np.float64, 1e-14),
        (2, np.float32, 1e-5),
        pytest.param(128, np.float64, 1e-11, marks=pytest.mark.slow),
        pytest.param(128, np.float32, 1e-4, marks=pytest.mark.slow),
    ],
)
def test_eig_qr_of_other_sizes(n, dtype, tol):
    A = random_matrix(np.random.default_rng(n), n, dtype)
    values, V = jit_eig_qr(A[None])
    assert values.dtype == V.dtype == np.result_type(dtype, np.complex64)
    assert_eigenpairs(A, values[0], V[0], tol)


@pytest.mark.slow
def test_eig_qr_of_a_large_cyclic_shift():
    values, _ = jit_eig_qr(np.roll(np.eye(128), 1, 0)[None])
    assert eigenvalue_distance(values[0], np.exp(2j * np.pi * np.arange(128) / 128)) < 1e-12


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


def test_eig_derivative_against_finite_differences_in_both_modes():
    rng = np.random.default_rng(6)
    A, E = rng.normal(size=(8, 8)) / 3, rng.normal(size=(8, 8))
    h = 1e-6
    both = jax.jit(lambda A: (eig_function(A), jax.grad(eig_function)(A), jax.jvp(eig_function, (A,), (E,))[1]))
    difference = (both(A + h * E)[0] - both(A - h * E)[0]) / (2 * h)
    _, gradient, forward = both(A)
    np.testing.assert_allclose(forward, difference, rtol=1e-6)
    np.testing.assert_allclose(np.sum(gradient * E), forward, rtol=1e-10)


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


# eigenvalue_condition and inverse_norm


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


# balancing

jit_balanced = jax.jit(balanced)


def badly_scaled(rng, n, decades, dtype=float):
    """D R D⁻¹ for a Gaussian R and scales over so many decades, and R; exact but for the rounding to `dtype`."""
    R = rng.normal(size=(n, n)) / n**0.5
    d = 2.0 ** np.round(rng.uniform(-decades, decades, n) / 2 * np.log2(10))
    return (d[:, None] * R / d[None]).astype(dtype), R.astype(dtype), d


@pytest.mark.parametrize(
    ("dtype", "decades"), [(np.float32, 12), (np.float32, 30), (np.float64, 12), (np.float64, 100)]
)
def test_balancing_undoes_a_scaling_exactly(dtype, decades):
    A, R, _ = badly_scaled(np.random.default_rng(0), 8, decades, dtype)
    e = np.asarray(jax.jit(balancing)(A))
    B = np.asarray(jit_balanced(A))
    np.testing.assert_array_equal(
        B, np.ldexp(np.ldexp(A, e[None] // 2 - e[:, None] // 2), e[None] - e[None] // 2 - e[:, None] + e[:, None] // 2)
    )
    assert np.linalg.norm(B) <= 1.5 * np.linalg.norm(R)  # LAPACK's own stops within 5 % of a minimum; measured 1.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_balancing_leaves_a_normal_matrix_alone(dtype):
    Q = np.linalg.qr(random_matrix(np.random.default_rng(1), 8, dtype))[0]
    for A in (Q, Q + Q.conj().T, Q - Q.conj().T, np.eye(8, dtype=dtype), np.zeros((8, 8), dtype)):
        assert np.all(np.asarray(balancing(A)) == 0)


def test_balancing_of_what_has_no_scale():
    triangular = np.array([[0.5, 1e10], [0.0, 0.6]])
    assert np.linalg.norm(jit_balanced(triangular)) < 2
    assert np.linalg.norm(jit_balanced(np.array([[0.0, 1e10], [0.0, 0.0]]))) < 1e-5
    assert np.all(np.asarray(balancing(np.array([[np.nan, 1.0], [2.0, 3.0]]))) == 0)


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


def test_conditions_are_those_of_the_matrix_and_of_the_balanced_one():
    A, *_ = badly_scaled(np.random.default_rng(3), 6, 4)
    values, _, *conditions, _ = modes(A)
    for found, B in zip(conditions, (A, np.asarray(jit_balanced(A))), strict=True):
        wanted, left, right = scipy.linalg.eig(B, left=True)
        order = [np.argmin(np.abs(wanted - value)) for value in np.asarray(values)]
        np.testing.assert_allclose(found, (1 / np.abs(np.sum(left.conj() * right, axis=0)))[order], rtol=1e-6)


def test_the_derivative_of_eigenvalues_knows_no_units():
    A, R, d = badly_scaled(np.random.default_rng(4), 4, 8)
    slope = jax.jit(jax.grad(lambda A: jnp.sum(jnp.abs(eig(A)[0]) ** 3)))
    np.testing.assert_allclose(np.asarray(slope(A)) * d[:, None] / d[None], slope(R), rtol=1e-9, atol=1e-11)


# the exponential

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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exponential_of_badly_scaled_matrices(dtype):
    """Each entry, relative to the largest one in the units of the balanced matrix: u (4 + 4 ‖B‖₁), measured 1.3 ‖B‖₁."""
    for A, wanted in exponentials():
        A = A.astype(dtype)
        e = np.asarray(balancing(A))
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


def test_exponential_over_the_float_range():
    assert np.all(np.asarray(exponential(jnp.array([[-1e5]]))) == 0) and np.isinf(exponential(jnp.array([[1e5]])))
    np.testing.assert_allclose(exponential(jnp.array([[709.0]])), np.exp(709.0), rtol=1e-12)
    assert np.isnan(exponential(jnp.array([[-1e20]])))  # beyond 2⁶³ no digit would be right


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


# every platform, dtype and transformation


def logm_loss(A):
    return jnp.sum(jnp.abs(logm(A)))


def eig_loss(A):
    values, V = eig(A)
    return jnp.sum(jnp.abs(values)) + jnp.sum(jnp.abs(V))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
@pytest.mark.parametrize("f", [logm, eig, eigenvalue_condition, inverse_norm, balanced, exponential])
def test_lowers_for_every_platform(f, dtype):
    lower(f, np.eye(3, dtype=dtype))
    text = lower(jax.vmap(f), np.ones((2, 3, 3), dtype))["tpu"]
    assert "geev" not in text


@pytest.mark.slow
@pytest.mark.parametrize("f", [logm_loss, eig_loss])
def test_gradients_lower_for_every_platform(f):
    text = lower(jax.vmap(jax.grad(f)), np.ones((2, 3, 3), np.float32))["tpu"]
    assert "geev" not in text


def test_without_x64_precision_stays_single():
    with jax.enable_x64(False):
        A = jnp.eye(3)
        for f in (logm, jax.grad(logm_loss), jax.grad(eig_loss), _eig_qr, eigenvalue_condition, inverse_norm):
            dtypes = {x.dtype for x in jax.tree.leaves(jax.eval_shape(f, A))}
            assert dtypes == {np.dtype(np.complex64 if f is _eig_qr else np.float32)}


@pytest.mark.parametrize("f", [logm, eig, eigenvalue_condition, inverse_norm])
def test_a_batch_is_refused(f):
    # A TypeError where the run-time type checker comes first.
    with pytest.raises((ValueError, TypeError), match=r"2, ?3, ?3"):
        f(jnp.ones((2, 3, 3)))


@pytest.mark.slow
def test_a_matrix_without_a_logarithm_is_named():
    np.testing.assert_allclose(logm([[1, 0], [0, 2]]), np.diag([0.0, np.log(2)]), atol=1e-15)
    for W in (-np.eye(2), np.diag([1.0, 0.0])):
        with pytest.raises(ValueError, match=r"no principal logarithm: its eigenvalue (-1|0) is on"):
            logm(W)
    assert np.isnan(jax.jit(logm)(-jnp.eye(2))).all()


@pytest.mark.parametrize("f", [inv, logm], ids=["inv", "logm"])
def test_what_nothing_depends_on_passes_no_gradient_back(f):
    """Also where it is not finite, and NaN where something does depend on it."""
    singular = jnp.diag(jnp.array([0.0, 2.0]))
    kept, used = jax.jit(lambda A: [jax.vjp(f, A)[1](ct)[0] for ct in (jnp.zeros((2, 2)), jnp.eye(2))])(singular)
    np.testing.assert_array_equal(kept, np.zeros((2, 2)))
    assert not np.isfinite(used).all()
