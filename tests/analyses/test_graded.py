"""Products of Jacobians in parallel, against QR factorisations one after another in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_ode._analyses import graded
from rnn_ode._analyses.frames import first_frame
from rnn_ode._analyses.graded import frames_before, of_block

graded_qr = jax.jit(graded.graded_qr)

RNG = np.random.default_rng(0)
N, COUNT, BLOCKS = 3, 5, 40
STEPS = COUNT * BLOCKS
TURN = np.array([[np.cos(0.3), -np.sin(0.3), 1.0], [np.sin(0.3), np.cos(0.3), 0.0], [0.0, 0.0, 0.5]])
# rates from e⁺¹ to e⁻⁷ a step, which 200 steps take out of the range of either type
MATRICES = {
    "random": RNG.normal(size=(STEPS, N, N)) @ np.diag([3.0, 0.1, 0.001]),
    "turning pair": np.repeat(TURN[None], STEPS, axis=0),
}


def one_by_one(matrices):
    """The frames before each block, of rows with positive gains."""
    Q, frames = first_frame(N, N).T, []
    for k, J in enumerate(matrices):
        if k % COUNT == 0:
            frames.append(Q.T)
        Q, R = np.linalg.qr(J @ Q)
        Q = Q * np.sign(np.diag(R))
    return np.stack(frames)


@jax.jit
def at_once(J):
    V = jnp.asarray(first_frame(N, N), J.dtype)
    firsts, live, zero = jnp.arange(0, STEPS, COUNT), jnp.asarray(COUNT), jnp.zeros(N, J.dtype)
    return frames_before(jax.vmap(lambda k: of_block(lambda k, h: J[k] @ h, k, live, COUNT, zero, V))(firsts), V)


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("dtype", [np.float64, pytest.param(np.float32, marks=pytest.mark.slow)])
def test_frames_at_once_are_the_frames_one_after_another(name, dtype):
    frames = np.asarray(at_once(jnp.asarray(MATRICES[name], dtype)))
    cosines = np.sum(frames * one_by_one(MATRICES[name]), axis=2)
    # a step's condition number is some 1e3 and more, and enlarges rounding errors as much
    np.testing.assert_allclose(np.abs(cosines), 1, atol=1e4 * float(np.finfo(dtype).eps))


def test_rows_of_any_size_are_factorised():
    C, d = RNG.normal(size=(N, N)), np.array([2.0, 0.0, -5.0])
    X, logs, U = map(np.asarray, graded_qr(d, C))
    np.testing.assert_allclose(X @ X.T, np.eye(N), atol=1e-14)
    np.testing.assert_allclose(X @ (np.exp(logs)[:, None] * U), np.exp(d)[:, None] * C, atol=1e-14)
    np.testing.assert_array_equal(np.tril(U, -1), 0)
    far, logs, _ = graded_qr(1e4 * d, C)
    # the limit is Gaussian elimination: the pivots are ratios of the leading minors
    minors = [np.linalg.det(C[:k, :k]) for k in range(N + 1)]
    np.testing.assert_allclose(logs - 1e4 * d, np.log(np.abs(np.divide(minors[1:], minors[:-1]))), atol=1e-8)
    np.testing.assert_allclose(np.abs(far), np.eye(N), atol=1e-14)
