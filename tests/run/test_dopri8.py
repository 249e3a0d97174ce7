"""Our eighth-order step against diffrax's."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear_system import RNG

from rnn_ode._run.dopri8 import Dopri8, step_transposed


@pytest.mark.gate
@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128"])
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


@pytest.mark.parametrize("dtype", ["float64", pytest.param("complex128", marks=pytest.mark.slow)])
def test_a_step_is_transposed_as_autodiff_transposes_it(dtype):
    """The cotangents of the state and, through the rates, of a matrix: the same as those of the step of the solver itself."""
    kind = jnp.dtype(dtype)
    A = jnp.asarray(RNG.normal(size=(3, 3)), kind)
    y0, cotangent = ((jnp.asarray(RNG.normal(size=3), kind), jnp.asarray(RNG.normal(size=(2, 2)), kind)) for _ in "ab")
    t0, t1 = jnp.asarray(0.3), jnp.asarray(0.8)

    def rate(t, y, A):
        return jnp.tanh(A @ y[0]) * jnp.cos(t), jnp.sin(y[1]) - t * y[0][:2, None]

    @jax.jit
    def ours(y0, A):
        before, pushes, times, ys = step_transposed(lambda t, y: rate(t, y, A), t0, t1, y0, cotangent)
        return before, jax.vjp(lambda A: jax.vmap(rate, (0, 0, None))(times, ys, A), A)[1](pushes)[0]

    @jax.jit
    def autodiff(y0, A):
        def y1(y0, A):
            return Dopri8().step(diffrax.ODETerm(rate), t0, t1, y0, A, None, made_jump=False)[0]

        return jax.vjp(y1, y0, A)[1](cotangent)

    for a, b in zip(jax.tree.leaves(ours(y0, A)), jax.tree.leaves(autodiff(y0, A)), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
