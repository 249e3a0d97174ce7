"""What is computed in NumPy on the host is what JAX computes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matrices import METHODS, name
from scipy.linalg import expm

from rnn_ode.linalg._balance import balancing, host_balancing, rescaled
from rnn_ode.linalg._eig import modes
from rnn_ode.linalg._exponential import exponential, host_exponential
from rnn_ode.linalg._logm import _host_logm, logm
from rnn_ode.linalg._norms import host_inverse_norm, host_spectral_norm, inverse_norm, spectral_norm
from rnn_ode.linalg._regions import HalfPlane, UnitDisc
from rnn_ode.linalg._verdict import eigenvalue_reach, judge

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


jit_modes = jax.jit(modes)
READINGS = (UnitDisc().reading, HalfPlane().reading, *(method.reading for method in METHODS))


@jax.jit
def _traced(A):
    found = modes(A)
    given = found.balanced, found.values, found.balanced_condition
    return judge(*given, READINGS), eigenvalue_reach(found.balanced, found.balanced_condition, found.values)


def kinds():
    """Matrices of four units of which some decay, grow or persist, and some are ill conditioned, defective or not finite."""
    rng, turn = np.random.default_rng(3), np.array([[0.6, -0.8], [0.8, 0.6]])
    units = np.exp2([0.0, 40.0, -40.0, 3.0])
    gauss = rng.normal(size=(4, 4))
    return {
        "decaying": 0.3 * gauss,
        "growing": gauss,
        "orthogonal": np.kron(np.eye(2), turn),
        "nearly so": np.kron(np.eye(2), turn) * (1 + 3e-16),
        "in other units": 0.3 * gauss * units[:, None] / units,
        "defective": np.eye(4) + np.triu(gauss, 1),
        "nearly defective": np.diag([1, 1 + 1e-9, 0.5, 0.5]) + np.triu(gauss, 1),
        "nilpotent": np.triu(gauss, 1),
        "zero": np.zeros((4, 4)),
        "huge": 2.0**-6 * gauss,  # of the largest number
        "not finite": np.where(np.eye(4) == 1, np.nan, gauss),
        "infinite": np.where(np.eye(4) == 1, np.inf, gauss),
    }


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", kinds())
def test_modes_and_verdicts_of_a_known_matrix_are_those_of_a_traced_one(kind, dtype):
    A = jnp.asarray(kinds()[kind] * (np.finfo(dtype).max if kind == "huge" else 1), dtype)
    known, traced = modes(A), jit_modes(A)
    assert [leaf.dtype for leaf in known] == [leaf.dtype for leaf in traced]
    ill, u = "defective" in kind or kind == "nilpotent", float(jnp.finfo(dtype).eps)
    moved = 0 if kind == "nilpotent" else u**0.25 if ill else 16 * u * np.abs(A).max()
    np.testing.assert_allclose(known.values, traced.values, rtol=min(moved, u**0.25), atol=moved)
    np.testing.assert_array_equal(known.balanced, traced.balanced)
    if not ill:
        np.testing.assert_allclose(known.condition, traced.condition, rtol=1e3 * u)
        np.testing.assert_allclose(known.balanced_condition, traced.balanced_condition, rtol=1e3 * u)
        np.testing.assert_allclose(np.abs(known.vectors), np.abs(traced.vectors), atol=1e3 * u)
    verdicts, reach = _traced(A)
    found = judge(known.balanced, known.values, known.balanced_condition, READINGS)
    assert [name(verdict) for verdict in found] == [name(verdict) for verdict in verdicts]
    np.testing.assert_allclose(
        eigenvalue_reach(known.balanced, known.balanced_condition, known.values), reach, rtol=1 if ill else 1e-3
    )


def test_a_matrix_is_rescaled_and_measured_alike_on_the_host():
    rng = np.random.default_rng(1)
    A, e = rng.normal(size=(3, 3)), np.array([3, -70, 500])
    np.testing.assert_array_equal(rescaled(A, e), jax.jit(rescaled)(A, e))
    singular, huge = np.outer(A[0], A[1]), 1e300 * A
    for matrix in (A, huge, np.zeros((3, 3)), singular, np.full((3, 3), np.nan)):
        norm = float(jax.jit(inverse_norm)(matrix))
        assert (
            host_inverse_norm(matrix) == pytest.approx(norm, rel=1e-12) or min(norm, host_inverse_norm(matrix)) > 1e15
        )
        assert host_spectral_norm(matrix) == pytest.approx(float(jax.jit(spectral_norm)(matrix)), rel=1e-14)


def test_the_verdict_on_a_known_matrix_compiles_nothing(caplog):
    A = jnp.asarray(np.diag(np.arange(7.0)))
    with jax.log_compiles():
        found = modes(A)
        judge(found.balanced, found.values, found.balanced_condition, READINGS[:2])
        eigenvalue_reach(found.balanced, found.balanced_condition, found.values)
    assert not caplog.records


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_the_logarithm_of_a_known_matrix_is_that_of_a_traced_one(dtype):
    rng, one, units = np.random.default_rng(5), np.ones(4), np.exp2([0.0, 20.0, -20.0, 3.0])
    near, spread = np.eye(4) + 0.2 * rng.normal(size=(4, 4)), expm(1.5 * rng.normal(size=(4, 4)))
    cases = [(near, one), (near, units), (spread, one), (np.eye(4) + np.triu(near, 1), one)]
    traced = jax.jit(logm)
    for matrix, units in cases:
        A = (matrix * units[:, None] / units).astype(dtype)
        found, wanted = (log / units[:, None] * units for log in (_host_logm(A), np.asarray(traced(A))))
        assert _host_logm(A).dtype == dtype
        np.testing.assert_allclose(found, wanted, atol=1e3 * np.finfo(dtype).eps * np.abs(wanted).max())
    for none in (np.diag([1.0, -1, 2, 3]), np.zeros((4, 4))):
        assert np.isnan(_host_logm(none.astype(dtype))).any() and np.isnan(traced(none.astype(dtype))).any()
