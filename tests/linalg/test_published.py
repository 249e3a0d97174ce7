"""Matrices on which other libraries failed, and Higham's, with answers in closed form or of 40 digits (mpmath)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from rnn_ode import linalg


def test_scipys_issue_6113():
    """A quarter turn, on which SciPy 0.16 ended with "internal inconsistency"."""
    quarter = np.array([[0.0, 1.0], [-1.0, 0.0]])
    np.testing.assert_allclose(linalg.logm(quarter), np.pi / 2 * quarter, atol=4e-15)


@pytest.mark.slow
def test_scipys_issue_6378():
    """diag(−i, i), on which SciPy 0.17 ended with "cannot convert float NaN to integer"."""
    found = linalg.logm(np.diag([-1j, 1j]))
    np.testing.assert_allclose(found, np.diag([-0.5j, 0.5j]) * np.pi, atol=4e-15)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_scipys_issue_19602(dtype):
    """The logarithm of the exponential of an antisymmetric matrix (10, 10), whose frequencies come near to ±π."""
    rng = np.random.default_rng(19602)
    Q = np.linalg.qr(rng.normal(size=(10, 10)))[0]
    turns = scipy.linalg.block_diag(*[w * np.array([[0.0, 1.0], [-1.0, 0.0]]) for w in (3.1, 3.0, 2.9, 0.1, 1e-3)])
    X = (Q @ turns @ Q.T).astype(dtype)
    # π − 3.1 = 0.04 magnifies the rounding of the exponential some 25 times
    np.testing.assert_allclose(linalg.logm(linalg.expm(X)), X, atol=2e4 * np.finfo(dtype).eps)


def test_the_logarithm_of_al_mohy_and_higham():
    """SIAM J. Sci. Comput. 34, 2012, experiment 1: triangular, nearly defective, with entries of 3e4."""
    A = 3e4 * np.triu(np.ones((4, 4)), 1) + np.diag([0.32346, 0.30089, 0.3221, 0.30744])
    wanted = np.array(
        [
            [-1.12867982029050462, 9.61418377142025565e4, -4.52485573953179264e9, 2.92496941103871812e14],
            [0, -1.20101052953082288, 9.63469687211303099e4, -4.68104828911105442e9],
            [0, 0, -1.13289322264498393, 9.53249183094775653e4],
            [0, 0, 0, -1.17947533272554850],
        ]
    )
    np.testing.assert_allclose(linalg.logm(A), wanted, rtol=1e-8, atol=0)


def test_the_exponential_of_moler_and_van_loan():
    """SIAM Review 20, 1978, example 1: 19 terms of its Taylor series have no correct digit."""
    A = np.array([[-49.0, 24.0], [-64.0, 31.0]])
    a, b = np.exp(-1), np.exp(-17)
    wanted = np.array([[-2 * a + 3 * b, 1.5 * (a - b)], [-4 * (a - b), 3 * a - 2 * b]])
    np.testing.assert_allclose(linalg.expm(A), wanted, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "size"), [(np.float64, 1e7), (np.float32, 1e6)])
def test_the_exponential_is_finite_where_jaxs_is_nan(dtype, size):
    fast = size * np.array([[-1.0, 1.0], [0.0, -2.0]], dtype)
    assert np.isnan(jax.scipy.linalg.expm(fast)).any()
    np.testing.assert_array_equal(linalg.expm(fast), 0)
    # a fast decay beside a slow one, which stays
    mixed = np.array([[-1.0, 0.0], [0.0, -size]], dtype)
    np.testing.assert_allclose(linalg.expm(mixed), np.diag([np.exp(-1), 0]), rtol=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_scales_near_the_ends_of_the_float_range(scale):
    """log(c A) = log A + log c, and units of states of 1e±150."""
    A = np.array([[2.0, 1.0], [0.5, 1.0]])
    log = scipy.linalg.logm(A)
    np.testing.assert_allclose(linalg.logm(scale * A), log + np.log(scale) * np.eye(2), rtol=1e-13)
    units = np.array([1.0, scale])
    np.testing.assert_allclose(
        np.asarray(linalg.logm(units[:, None] * A / units)) / units[:, None] * units, log, rtol=1e-12
    )
    values = np.sort(np.asarray(linalg.eigvals(scale * A)).real / scale)
    np.testing.assert_allclose(values, np.sort(np.linalg.eigvals(A).real), rtol=1e-13)


@pytest.mark.gate
def test_the_roots_of_higham():
    """ "Functions of Matrices", 2008, (1.18): f of a Jordan block of 1 with f(z) = √z has ½, −⅛ beside the diagonal."""
    found = linalg.funm(np.eye(3) + np.eye(3, k=1), jnp.sqrt).value
    np.testing.assert_allclose(found, np.eye(3) + np.eye(3, k=1) / 2 - np.eye(3, k=2) / 8, atol=1e-12)
