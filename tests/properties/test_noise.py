"""Noise and covariances scale as squares, move with a change of basis, and agree between networks and flows."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from hypothesis import assume
from hypothesis import strategies as st
from properties import strategies as draw
from properties.budget import prop

import rnn_ode as ro

TAME = ("Gaussian", "symmetric", "skew", "normal", "triangular", "Toeplitz", "defective")


def covariance_of(spread, n):
    return spread @ spread.T if np.ndim(spread) == 2 else np.diag(np.broadcast_to(spread, n) ** 2)


def as_columns(spread, n):
    """The same noise as a matrix of one shape, so that one program is compiled."""
    columns = np.diag(np.broadcast_to(spread, n) + 0.0) if np.ndim(spread) < 2 else spread
    return np.pad(columns, ((0, 0), (0, max(n, 2) - columns.shape[1])))


def near(a, b, tolerance):
    return np.max(np.abs(np.asarray(a) - b)) <= tolerance * max(np.max(np.abs(b)), 1e-300)


@jax.jit
def _of_map(W, spread):
    return ro.covariance(ro.Map(lambda x, h: W @ h), jnp.zeros(len(W)), spread)


@jax.jit
def _of_flow(A, spread):
    return ro.covariance(ro.Flow(lambda t, h, path: A @ h), jnp.zeros(len(A)), spread)


@prop(25, 2000, W=draw.stable(least=draw.SLOW, most=8, kinds=TAME), data=st.data())
def test_the_covariance_of_a_map_settles_it(W, data):
    """X = W X Wᵀ + Q, X is symmetric and has no negative eigenvalue."""
    spread = data.draw(draw.covariances(len(W)))
    X, Q = np.asarray(_of_map(W, spread)), covariance_of(spread, len(W))
    assert np.isfinite(X).all()
    assert near(W @ X @ W.T + Q, X, 1e-11 * len(W) * (1 + np.linalg.norm(W) ** 2))
    assert (X == X.T).all()
    assert np.linalg.eigvalsh(X).min() >= -1e-11 * len(W) * np.abs(X).max()


@prop(25, 2000, W=draw.stable(least=draw.SLOW, most=8, kinds=TAME), data=st.data(), factor=st.integers(-40, 40))
def test_twice_the_noise_is_four_times_the_covariance(W, data, factor):
    spread = data.draw(draw.covariances(len(W)))
    s = 2.0**factor
    assert near(_of_map(W, s * spread), s**2 * np.asarray(_of_map(W, spread)), 1e-12)


@prop(
    25,
    1500,
    found="refined solutions of Lyapunov's equations were wrong for slowly decaying defective matrices",
    A=draw.stable(continuous=True, least=draw.SLOW, most=5, kinds=TAME),
    data=st.data(),
    rng=draw.rngs(),
    dt=st.floats(1e-3, 2),
)
def test_a_flow_and_its_sampled_network_settle_at_the_same_covariance(A, data, rng, dt):
    n = len(A)
    spread = as_columns(data.draw(draw.covariances(n)), n)
    assume(np.linalg.norm(A) * dt < 30)
    X = np.asarray(_of_flow(A, spread))
    W = scipy.linalg.expm(A * dt)
    gain = np.abs(np.linalg.eigvals(W)).max()
    assume(1 - gain > 1e-6)
    step = np.asarray(ro.noise_to_rnn(A, spread, dt=dt))
    assert near(_of_map(W, step), X, 1e-10 * n * np.linalg.cond(scipy.linalg.eig(A)[1]).clip(1, 1e4) / (1 - gain))


@prop(25, 2000, A=draw.stable(continuous=True, most=5, kinds=TAME), rng=draw.rngs(), dt=st.floats(0.01, 1))
def test_the_noise_of_a_step_is_the_integral_over_the_step(A, rng, dt):
    """Against Gauss and Legendre's rule, also for a generator that grows."""
    A = A / max(np.linalg.norm(A), 1) + rng.uniform(-0.5, 0.5) * np.eye(len(A))
    spread = rng.normal(size=(len(A), 2))
    nodes, weights = np.polynomial.legendre.leggauss(12)
    exps = [scipy.linalg.expm(A * dt * (x + 1) / 2) for x in nodes]
    wanted = sum(w * dt / 2 * E @ spread @ spread.T @ E.T for w, E in zip(weights, exps, strict=True))
    S = np.asarray(ro.noise_to_rnn(A, spread, dt=dt))
    assert near(S @ S.T, wanted, 1e-9)


@prop(
    25,
    1500,
    A=draw.stable(continuous=True, least=draw.SLOW, most=5, kinds=TAME),
    rng=draw.rngs(),
    dt=st.floats(0.01, 3),
)
def test_the_noise_of_a_flow_comes_back_from_its_network(A, rng, dt):
    n = len(A)
    assume(np.linalg.norm(A) < 20)
    A = A / max(np.linalg.norm(A) * dt, 1)
    C = rng.normal(size=(n, n))
    C = C @ C.T + 0.1 * np.eye(n)
    spread = scipy.linalg.sqrtm(C).real
    W = scipy.linalg.expm(A * dt)
    assume(np.abs(np.angle(np.linalg.eigvals(W))).max() < 3)
    back = np.asarray(ro.noise_to_ode(W, ro.noise_to_rnn(A, spread, dt=dt), dt=dt))
    assert near(back @ back.T, C, 1e-8 * np.linalg.cond(W) ** 2)


@prop(20, 1500, W=draw.stable(least=draw.SLOW, most=5, kinds=TAME), data=st.data(), rng=draw.rngs())
def test_the_covariance_moves_with_a_change_of_basis(W, data, rng):
    n = len(W)
    spread = data.draw(draw.covariances(n))
    spread = as_columns(spread, n)
    S = draw._orthogonal(rng, n) @ np.diag(2.0 ** rng.integers(-6, 7, n))
    gap = 1 - np.abs(np.linalg.eigvals(W)).max()
    assume(gap > 1e-3)
    one, other = np.asarray(_of_map(W, spread)), _of_map(S @ W @ np.linalg.inv(S), S @ spread)
    assert near(other, S @ one @ S.T, 1e-11 * np.linalg.cond(S) ** 2 * (1 + np.linalg.norm(W)) ** (2 * n) / gap**n)


@jax.jit
def _density(W, spread, frequencies):
    at = jnp.zeros(len(W))
    system = ro.Map(lambda x, h: W @ h, dt=0.5)
    return ro.covariance(system, at, spread), ro.spectral_density(system, at, spread, frequencies)


@prop(20, 1000, W=draw.stable(least=draw.SLOW, most=5, kinds=TAME), data=st.data())
def test_the_covariance_is_the_integral_of_the_spectral_density(W, data):
    """By the trapezoidal rule, which converges like ρ^512 for a periodic function; the density is Hermitian, and no power is
    negative."""
    assume(np.abs(np.linalg.eigvals(W)).max() < 0.93)
    spread = as_columns(data.draw(draw.covariances(len(W))), len(W))
    frequencies = np.arange(512) / 512 * 2.0 - 1.0
    X, density = (np.asarray(part) for part in _density(W, spread, frequencies))
    assert near(density.mean(axis=0).real * 2, X, 1e-9 * (1 + np.linalg.norm(W)) ** 2)
    assert near(np.swapaxes(density, 1, 2).conj(), density, 1e-13)
    assert np.linalg.eigvalsh(density).min() >= -1e-12 * np.abs(density).max()


@jax.jit
def _noisy(W, xs, h, spread, key):
    cell = ro.VanillaCell(W, jnp.eye(len(W)), jnp.zeros(len(W)), None)
    return ro.iterate(cell, xs, h, noise=spread, key=jax.random.key(key), throw=False).states


@prop(
    20,
    1500,
    W=draw.stable(least=draw.SLOW, most=3, kinds=TAME),
    rng=draw.rngs(),
    key=st.integers(0, 2**31),
    data=st.data(),
)
def test_noise_adds_to_a_linear_run_and_a_longer_run_begins_with_the_shorter_one(W, rng, key, data):
    n = len(W)
    spread, xs, h = data.draw(draw.covariances(n)), rng.normal(size=(300, n)), rng.normal(size=n)
    spread = as_columns(spread, n)
    still = np.asarray(_noisy(W, xs, h, 0 * spread, key))
    once, twice = (np.asarray(_noisy(W, xs, h, c * spread, key)) - still for c in (1.0, 2.0))
    size = np.abs(once).max() + np.abs(still).max()
    # a step rounds to within n u ‖W‖ of the state, and the steps after it carry that on
    powers = itertools.accumulate([W] * 300, np.matmul, initial=np.eye(n))
    carried = sum(np.linalg.norm(power, 2) for power in powers)
    rounding = 4 * n * 2.0**-53 * (1 + np.linalg.norm(W)) * carried * size
    np.testing.assert_allclose(twice, 2 * once, rtol=0, atol=rounding)
    shorter = np.asarray(_noisy(W, xs[:280], h, spread, key))
    np.testing.assert_array_equal(shorter, np.asarray(_noisy(W, xs, h, spread, key))[:281])
