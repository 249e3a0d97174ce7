"""`eig` for users: the pairs, their derivatives, and the refusal where vectors have none."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from matrices import jordan, rotated

from rnn_ode import linalg

RNG = np.random.default_rng(0)
A = RNG.normal(size=(4, 4))

jit_eig = jax.jit(linalg.eig)


def parts(A):
    values, V = linalg.eig(A)
    return values.real, values.imag, V.real, V.imag


@pytest.mark.parametrize("kind", [np.float32, np.float64, pytest.param(np.complex128, marks=pytest.mark.slow)])
def test_the_pairs_have_one_length_and_phase(kind):
    W = (A + 1j * A.T if np.issubdtype(kind, np.complexfloating) else A).astype(kind)
    values, V = (np.asarray(part) for part in jit_eig(W))
    eps = np.finfo(kind).eps
    assert np.abs(W @ V - V * values).max() < 50 * eps
    np.testing.assert_allclose(np.linalg.norm(V, axis=0), 1, rtol=10 * eps)
    sizes = np.abs(V)
    pivots = V[np.argmax(sizes >= 0.9 * sizes.max(axis=0), axis=0), np.arange(4)]
    assert (pivots.real > 0).all() and np.abs(pivots.imag).max() < 10 * eps


@pytest.mark.slow
def test_values_alone_are_the_same():
    np.testing.assert_array_equal(linalg.eigvals(A), linalg.eig(A)[0])


@pytest.mark.gate
def test_gradients_of_values_and_vectors_in_three_ways():
    check_grads(parts, (jnp.asarray(A),), 2, eps=1e-6, rtol=1e-4, atol=1e-4)
    check_grads(parts, (jnp.asarray(A + 1j * A.T),), 1, eps=1e-6, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_the_derivative_of_a_vector_in_closed_form():
    """The leading eigenvector of [[2, 0], [s, 1]] is (1, s)/√(1 + s²)."""

    def leading(s):
        values, V = linalg.eig(jnp.array([[2.0, 0.0], [0.0, 1.0]]).at[1, 0].set(s))
        return V[:, jnp.argmax(values.real)].real

    s = 0.3
    np.testing.assert_allclose(jax.jit(jax.jacfwd(leading))(s), np.array([-s, 1]) / (1 + s**2) ** 1.5, rtol=1e-12)


@pytest.mark.parametrize(
    "W",
    [
        pytest.param(jordan(1.0, 4), marks=pytest.mark.slow, id="block"),
        pytest.param(np.eye(4), marks=pytest.mark.slow, id="identity"),
        pytest.param(rotated(RNG, jordan(0.5, 4)), id="hidden"),
    ],
)
def test_vectors_that_are_not_determined_have_no_derivative(W):
    def loss(W):
        return jnp.sum(jnp.abs(linalg.eig(W)[1]) ** 4)

    W = jnp.asarray(W)
    with pytest.raises(Exception, match="eigenvectors have no derivative here: two eigenvalues are equal"):
        jax.block_until_ready(jax.grad(loss)(W))
    with pytest.raises(Exception, match="eigenvectors have no derivative here"):
        jax.block_until_ready(jax.jit(jax.grad(loss))(W))


@pytest.mark.slow
def test_the_sum_of_equal_eigenvalues_has_a_derivative():
    for f in (lambda W: jnp.sum(linalg.eigvals(W)).real, jax.jit(lambda W: jnp.sum(linalg.eig(W)[0]).real)):
        gradient = jax.jit(jax.grad(f))(jnp.eye(4))
        np.testing.assert_allclose(gradient, np.eye(4), atol=1e-15)


def test_bad_input_is_named():
    for f in (linalg.eig, linalg.eigvals):
        with pytest.raises(ValueError, match="A must be a square matrix"):
            f(np.ones((2, 3)))
        with pytest.raises(ValueError, match="A must be finite"):
            f(np.diag([1.0, np.inf]))


LOWERING = """
import jax, jax.numpy as jnp
from rnn_ode import linalg
loss = jax.jit(jax.grad(lambda A: jnp.sum(jnp.abs(linalg.eig(A)[1]) ** 4)))
for platform in ("cpu", "cuda", "tpu"):
    text = loss.trace(jnp.ones((3, 3))).lower(lowering_platforms=(platform,)).as_text()
print("geev" in text)
"""


@pytest.mark.slow
def test_the_gradient_lowers_for_every_platform():
    """Under Equinox's own switch for programs whose errors cannot call the host."""
    env = os.environ | {"EQX_ON_ERROR": "nan", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", LOWERING], env=env, capture_output=True, encoding="utf-8")
    assert done.stdout.strip() == "False", done.stderr
