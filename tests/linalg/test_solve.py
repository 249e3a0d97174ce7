import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_ode.linalg._solve import solve


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("columns", [(), (3,), (9,)])
def test_a_solution_solves_its_equation_to_rounding(kind, columns):
    rng = np.random.default_rng(0)
    A = rng.normal(size=(7, 7)).astype(kind)
    A += kind(1j) * rng.normal(size=(7, 7)).astype(kind) if np.iscomplexobj(A) else 0
    A[0, 0] = 0  # so that rows have to be exchanged
    B = rng.normal(size=(7, *columns)).astype(kind)
    X = np.asarray(solve(A, B))
    assert X.dtype == kind
    assert X.shape == B.shape
    # X solves a system whose matrix is within n² ε of A, times its growth (Higham, "Accuracy and Stability", 9.3)
    error = np.abs(A @ X - B).max() / (np.abs(A).max() * np.abs(X).max())
    assert error < 49 * np.finfo(kind).eps


def test_what_an_exchange_of_rows_alone_solves_is_exact():
    A = np.eye(6)[[3, 0, 5, 1, 4, 2]]
    B = np.arange(12.0).reshape(6, 2)
    np.testing.assert_array_equal(solve(A, B), A.T @ B)


def test_a_singular_matrix_gives_no_finite_solution_and_zero_gradient_to_what_is_not_used():
    A = jnp.ones((3, 3))
    assert not np.isfinite(solve(A, jnp.arange(3.0))).any()
    gradient = jax.grad(lambda A: jnp.where(False, solve(A, jnp.arange(3.0)), 0).sum())(A)
    np.testing.assert_array_equal(gradient, 0)


def test_a_batch_is_a_loop_over_it():
    rng = np.random.default_rng(1)
    A, b = rng.normal(size=(5, 4, 4)), rng.normal(size=(5, 4))
    np.testing.assert_array_equal(jax.vmap(solve)(A, b), np.stack([solve(*row) for row in zip(A, b, strict=True)]))


@pytest.mark.slow
def test_it_is_compiled_without_a_loop():
    assert " while(" not in solve.lower(jnp.eye(5), jnp.ones(5)).compile().as_text()
