"""Our eighth-order step against diffrax's."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear_system import RNG

from rnn_ode._run.dopri8 import Dopri8


@pytest.mark.parametrize(
    "dtype", ["float64", *(pytest.param(dtype, marks=pytest.mark.slow) for dtype in ("float32", "complex128"))]
)
def test_the_default_solver_steps_as_that_of_diffrax(dtype):
    """One step of each from the same state, their solutions and their errors apart by rounding only."""
    kind = jnp.dtype(dtype)
    eps, clock = float(jnp.finfo(kind).eps), jnp.finfo(kind).dtype
    A = jnp.asarray(RNG.normal(size=(3, 3)), kind)
    y0 = (jnp.asarray(RNG.normal(size=3), kind), jnp.asarray(RNG.normal(size=(2, 2)), kind))
    term = diffrax.ODETerm(lambda t, y, A: (jnp.tanh(A @ y[0]) * jnp.cos(t), jnp.sin(y[1]) - t * y[0][:2, None]))
    t0, t1 = jnp.asarray(0.3, clock), jnp.asarray(0.8, clock)

    def step(solver):
        state = solver.init(term, t0, t1, y0, A)
        y1, error, _, _, result = solver.step(term, t0, t1, y0, A, state, made_jump=False)
        assert result == diffrax.RESULTS.successful
        return y1, error

    ours, theirs = (eqx.filter_jit(step)(solver) for solver in (Dopri8(), diffrax.Dopri8()))
    assert Dopri8().order(term) == diffrax.Dopri8().order(term) == 8
    # fourteen stages whose weights reach a few hundred, of rates of order one
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e3 * eps)
