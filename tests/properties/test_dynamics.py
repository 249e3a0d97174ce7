"""Exponents, transients and gradients: known for linear systems, and the same in every basis and unit of time."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from hypothesis import assume
from hypothesis import strategies as st
from properties import strategies as draw
from properties.budget import prop

import rnn_ode as ro

TAME = ("Gaussian", "symmetric", "skew", "normal", "orthogonal", "triangular", "Toeplitz", "stochastic")


@jax.jit
def _exponents(W, b, S, h):
    inverse = jnp.linalg.inv(S)
    system = ro.Map(lambda x, h: S @ jnp.tanh(W @ (inverse @ h) + b), dt=0.5)
    run = ro.lyapunov(system, S @ h, 150.0)
    return run.exponents, run.history


@prop(
    15,
    1000,
    W=draw.matrices(TAME, n=3, entries=False),
    gain=st.floats(0.3, 3),
    rng=draw.rngs(),
    power=st.integers(-20, 20),
)
def test_exponents_do_not_depend_on_the_basis_and_sum_to_the_mean_of_the_determinant(W, gain, rng, power):
    """The sum needs no convergence: it is the mean of log |det J| of the run, in every orthogonal basis and unit."""
    W, b, h = gain * W, 0.3 * rng.normal(size=3), rng.normal(size=3)
    assume(np.abs(np.linalg.det(W)) > 1e-4)
    S = draw._orthogonal(rng, 3) * 2.0**power
    exponents, _ = _exponents(W, b, np.eye(3), h)
    there, _ = _exponents(W, b, S, h)
    total, v, largest = 0.0, h, 0.0
    for _ in range(300):
        v = np.tanh(W @ v + b)
        largest = max(largest, np.abs(v).max())
        total += np.log(np.abs(np.linalg.det(W))) + np.sum(np.log1p(-np.minimum(v**2, 1 - 1e-16)))
    assume(np.isfinite(np.asarray(exponents)).all() and largest < 1 - 1e-6)  # 1 − h² loses its digits beyond
    assume(exponents[0] < -0.02)  # of a chaotic run rounding makes another one
    wanted = total / 150
    assert abs(np.sum(exponents) - wanted) < 1e-6 * (1 + abs(wanted))
    np.testing.assert_allclose(np.sum(there), np.sum(exponents), rtol=1e-5)
    assert (np.diff(exponents) <= 0).all()


@jax.jit
def _linear(W, A, h):
    return (
        ro.lyapunov(ro.Map(lambda x, h: W @ h), h, 300.0, transient=100.0).exponents,
        ro.lyapunov(ro.Flow(lambda t, h, path: A @ h), h, 300.0, transient=100.0, step=0.05).exponents,
    )


@prop(10, 500, rng=draw.rngs(), spread=st.floats(0.1, 1.0))
def test_the_exponents_of_a_linear_map_and_of_its_flow_are_those_of_the_eigenvalues(rng, spread):
    """μ of the generator, and log |λ| of its exponential, with gaps of at least 0.1 between real parts."""
    real = -0.3 + spread * np.array([0.8, 0.0, 0.0])
    blocks = scipy.linalg.block_diag([[real[0]]], [[real[1], 1.3], [-1.3, real[2]]])
    S = np.eye(3) + 0.3 * rng.normal(size=(3, 3)) / 3**0.5
    assume(np.linalg.cond(S) < 10)
    A = S @ blocks @ np.linalg.inv(S)
    of_map, of_flow = _linear(scipy.linalg.expm(A), A, rng.normal(size=3))
    np.testing.assert_allclose(of_map, np.sort(real)[::-1], atol=0.02)
    np.testing.assert_allclose(of_flow, np.sort(real)[::-1], atol=0.02)


@prop(25, 1500, W=draw.stable(least=2, most=5, kinds=TAME), rng=draw.rngs())
def test_a_transient_is_what_the_powers_show(W, rng):
    """And does not change in an orthogonal basis."""
    rate = np.abs(np.linalg.eigvals(W)).max()
    assume(rate < 0.999)
    t = ro.transient(W)
    norms, power = [1.0], np.eye(len(W))
    for _ in range(int(min(40 / -np.log(max(rate, 1e-3)), 30_000)) + 200):
        power = power @ W
        norms.append(np.linalg.norm(power, 2))
    peak = max(norms)
    np.testing.assert_allclose(float(t.peak), peak, rtol=1e-8)
    if peak > 1 + 1e-6 and np.sort(norms)[-2] < peak * (1 - 1e-9):
        assert round(float(t.peak_time)) == int(np.argmax(norms))
    assert 1 - 1e-9 <= float(t.kreiss) <= peak * (1 + 1e-6)
    assert rate * (1 - 1e-9) <= float(t.numerical_radius) <= np.linalg.norm(W, 2) * (1 + 1e-9)
    Q = draw._orthogonal(rng, len(W))
    other = ro.transient(Q @ W @ Q.T)
    np.testing.assert_allclose(float(other.peak), float(t.peak), rtol=1e-8)
    np.testing.assert_allclose(float(other.kreiss), float(t.kreiss), rtol=1e-3)
    np.testing.assert_allclose(float(other.departure), float(t.departure), atol=1e-6 * np.linalg.norm(W))


@jax.jit
def _flow_transient(A):
    return ro.transient(ro.Flow(lambda t, h, path: A @ h), jnp.zeros(len(A)))


@prop(0, 800, A=draw.stable(continuous=True, n=3, kinds=TAME), power=st.integers(-8, 8))
def test_the_transient_of_a_flow_scales_with_its_time(A, power):
    assume(np.linalg.eigvals(A).real.max() < -0.02 and np.linalg.norm(A) < 20)
    s = 2.0**power
    one, other = _flow_transient(A), _flow_transient(A * s)
    times = np.linspace(0, 60, 1500)
    sampled = max(np.linalg.norm(scipy.linalg.expm(A * t), 2) for t in times)
    assert sampled <= float(one.peak) * (1 + 1e-6)
    assert float(one.peak) <= sampled * np.exp(max(float(one.numerical_abscissa), 0) * times[1]) * (1 + 1e-6)
    np.testing.assert_allclose(float(other.peak), float(one.peak), rtol=1e-7)
    np.testing.assert_allclose(
        float(other.peak_time) * s, float(one.peak_time), atol=1e-3 * max(float(one.peak_time), 1)
    )
    np.testing.assert_allclose(float(other.kreiss), float(one.kreiss), rtol=1e-4)


@jax.jit
def _gradients(W, b, xs):
    cell = ro.VanillaCell(W, jnp.eye(3), b, jnp.tanh)
    return ro.gradient_flow(cell, xs), ro.iterate(cell, xs).states


@prop(20, 1500, W=draw.matrices(TAME, n=3), gain=st.floats(0.1, 3), rng=draw.rngs())
def test_the_flow_of_gradients_is_the_norm_of_the_product_of_jacobians_and_within_its_bounds(W, gain, rng):
    W, b, xs = gain * W, 0.3 * rng.normal(size=3), rng.normal(size=(20, 3))
    found, states = _gradients(W, b, xs)
    assume(np.abs(states).max() < 1 - 1e-5)  # 1 − h² of the comparison loses its digits there
    J = (1 - np.asarray(states)[1:, :, None] ** 2) * W
    product, wanted = np.eye(3), [1.0]
    for step in J[::-1]:
        product = product @ step
        wanted.append(np.linalg.norm(product, 2))
    np.testing.assert_allclose(found.norms, wanted, rtol=1e-8, atol=1e-300)
