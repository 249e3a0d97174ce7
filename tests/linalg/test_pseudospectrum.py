"""Pseudospectra against NumPy's singular values."""

import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro


def test_pseudospectra_agree_with_numpy():
    rng = np.random.default_rng(0)
    W, z = rng.normal(size=(5, 5)), rng.normal(size=(20, 30)) + 1j * rng.normal(size=(20, 30))
    expected = np.linalg.svd(z[..., None, None] * np.eye(5) - W, compute_uv=False)[..., -1]
    np.testing.assert_allclose(ro.pseudospectrum(W, z), expected, atol=1e-14)
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    values = np.linalg.eigvals(turn)
    distance = np.abs(z[..., None] - values).min(-1)
    np.testing.assert_allclose(ro.pseudospectrum(turn, z), distance, atol=1e-14)


@pytest.mark.slow
def test_grids_of_every_shape():
    W = np.array([[0.5, 1.0], [0.0, 0.5]])
    assert ro.pseudospectrum(W, 0.5).shape == () and ro.pseudospectrum(W, [[1, 2, 3]]).shape == (1, 3)
    assert ro.pseudospectrum(W, np.zeros((0, 4))).shape == (0, 4)
    assert ro.pseudospectrum(W.astype(np.float32), [1.0 + 1j]).dtype == jnp.float32


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ro.pseudospectrum(np.ones((2, 3)), 0), ValueError, "square"),
        (lambda: ro.pseudospectrum(np.eye(2), [np.inf]), ValueError, "grid must be finite"),
        (lambda: ro.pseudospectrum(np.eye(2), "here"), TypeError, "grid"),
        (lambda: ro.pseudospectrum(np.eye(2), [True]), TypeError, "grid"),
    ],
)
def test_bad_input_is_named(as_user, call, error, message):
    with pytest.raises(error, match=message):
        call()
