"""The gradient of a run by its accepted steps, beside diffrax's through the same steps."""

import functools

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear_system import RNG

import rnn_ode as ro

W, V, XS, H0, ROWS = (jax.device_put(RNG.normal(size=shape)) for shape in ((3, 3), (3, 2), (5, 2), 3, (6, 3)))


def run(adjoint, speed, W, xs, h0):
    def field(t, h, path):
        return speed * (jnp.tanh(W @ h + V @ path(t)) - h)

    return ro.integrate(field, ro.Linear(xs), h0, adjoint=adjoint, throw=False)


@functools.cache
def gradient_of(adjoint, axes=None):
    """The gradient of a sum over a run, or over a batch of runs with these axes."""

    def loss(*values):
        one = functools.partial(run, adjoint)
        states = (one if axes is None else jax.vmap(one, axes))(*values).states
        return jnp.sum(jnp.einsum("...tn,tn", states, ROWS))

    return jax.jit(jax.grad(loss, argnums=(0, 1, 2, 3)))


def assert_exact(values, axes=None):
    ours, diffraxs = (gradient_of(way, axes)(*values) for way in (None, diffrax.RecursiveCheckpointAdjoint(8)))
    for a, b in zip(ours, diffraxs, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-11 * np.max(np.abs(b)))


@pytest.mark.gate
def test_a_gradient_is_that_of_the_accepted_steps():
    values = (jnp.asarray(0.5), W, XS, H0)
    assert 2 * len(XS) < run(None, *values).stats["num_accepted_steps"] <= 8 * len(XS)  # all of them are kept
    assert_exact(values)


@pytest.mark.gate
def test_gradients_of_a_batch_whose_members_take_from_one_step_to_hundreds():
    """The intervals of some members are solved again, in more than one part."""
    speeds, starts = jnp.array([0.0, 0.5, 30.0, 300.0]), jnp.stack([H0, -H0, 2 * H0, 0 * H0])
    steps = [run(None, speed, W, XS, h0).stats["num_accepted_steps"] for speed, h0 in zip(speeds, starts, strict=True)]
    assert steps[0] == len(XS) and len(XS) < steps[1] <= 8 * len(XS) < steps[2] and steps[3] > 3 * 64 * len(XS)
    assert_exact((speeds, W, XS, starts), (0, None, None, 0))


@pytest.mark.gate
def test_gradients_of_each_member_of_a_batch_that_shares_its_weights():
    starts = jnp.stack([H0, -H0])
    values = (jnp.asarray(3.0), W, XS)
    batch = jax.vmap(gradient_of(None), (None, None, None, 0))(*values, starts)
    for k, h0 in enumerate(starts):
        for a, b in zip(batch, gradient_of(None)(*values, h0), strict=True):
            np.testing.assert_allclose(a[k], b, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_runs_that_fail_have_the_gradients_of_their_finite_rows():
    def finite_rows(a):
        """The solution of dh/dt = a h² from 1 is 1/(1 − a t), until t = 1/a."""
        rows = ro.integrate(lambda t, h, path: a * h**2, ro.Hold(jnp.ones((4, 1))), jnp.ones(1), throw=False).states
        return jnp.sum(jnp.where(jnp.isfinite(rows), rows, 0))

    slopes = jax.vmap(jax.grad(finite_rows))(jnp.array([0.4, 5.0]))  # the second run fails in the first interval
    np.testing.assert_allclose(slopes, [1 / (1 - 0.4) ** 2 + 2 / (1 - 0.8) ** 2, 0], rtol=1e-7)


@pytest.mark.gate
def test_forward_mode_over_a_gradient_gives_second_derivatives():
    def slope(h0):
        return gradient_of(None)(jnp.asarray(3.0), W, XS, h0)[3]

    step = 1e-5 * jnp.ones(3)
    wanted = (slope(H0 + step) - slope(H0 - step)) / 2e-5
    np.testing.assert_allclose(jax.jvp(slope, (H0,), (jnp.ones(3),))[1], wanted, rtol=1e-5, atol=1e-8)
