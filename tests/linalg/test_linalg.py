"""What all functions of `linalg` promise: every backend, one matrix, the precision that came, no gradient of nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matrices import lower

from rnn_ode.linalg._balance import balanced
from rnn_ode.linalg._eig import _eig_qr, eig, eigenvalue_condition
from rnn_ode.linalg._exponential import exponential
from rnn_ode.linalg._logm import logm
from rnn_ode.linalg._norms import inverse_norm
from rnn_ode.linalg._solve import inv


def logm_loss(A):
    return jnp.sum(jnp.abs(logm(A)))


def eig_loss(A):
    values, V = eig(A)
    return jnp.sum(jnp.abs(values)) + jnp.sum(jnp.abs(V))


@pytest.mark.gate
@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.complex64, marks=pytest.mark.thorough)])
@pytest.mark.parametrize(
    "f",
    [
        eig,
        *(
            pytest.param(f, marks=pytest.mark.slow)
            for f in (logm, eigenvalue_condition, inverse_norm, balanced, exponential)
        ),
    ],
)
def test_lowers_for_every_platform(f, dtype):
    lower(f, np.eye(3, dtype=dtype))
    text = lower(jax.vmap(f), np.ones((2, 3, 3), dtype))["tpu"]
    assert "geev" not in text


@pytest.mark.gate
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


@pytest.mark.parametrize("f", [inv, pytest.param(logm, marks=pytest.mark.slow)], ids=["inv", "logm"])
def test_what_nothing_depends_on_passes_no_gradient_back(f):
    """Also where it is not finite, and NaN where something does depend on it."""
    singular = jnp.diag(jnp.array([0.0, 2.0]))
    kept, used = jax.jit(lambda A: [jax.vjp(f, A)[1](ct)[0] for ct in (jnp.zeros((2, 2)), jnp.eye(2))])(singular)
    np.testing.assert_array_equal(kept, np.zeros((2, 2)))
    assert not np.isfinite(used).all()
