"""Stationary covariances and spectral densities, against closed forms, SciPy and runs."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from jax.test_util import check_grads
from matrices import lower

import rnn_ode as ro

W = np.array([[0.6, 0.3], [-0.4, 0.5]])
SPREAD = np.array([[0.5, 0.0, 0.2], [0.1, 0.3, 0.0]])
Q = SPREAD @ SPREAD.T
AT = jax.device_put(np.zeros(2))


def network(W, dt=1.0, activation=jnp.tanh):
    return ro.Map(ro.VanillaCell(W, np.ones((2, 1)), np.zeros(2), activation=activation), jnp.zeros(1), dt=dt)


def sine(A, t, h, path):
    return jnp.sin(A @ h)


def flow(A):
    """Of matrices of one size, one compiled program for all."""
    return ro.Flow(jax.tree_util.Partial(sine, jnp.asarray(A)))


@pytest.mark.gate
def test_the_covariance_of_a_normal_system_in_closed_form():
    """Of λ I rotated, with noise σ: σ²/(1 − |λ|²), and σ²/(2 |Re μ|) for a flow."""
    turn = np.array([[np.cos(1), -np.sin(1)], [np.sin(1), np.cos(1)]])
    found = ro.covariance(network(0.8 * turn), AT, 0.3)
    np.testing.assert_allclose(found, 0.09 / (1 - 0.64) * np.eye(2), rtol=1e-12, atol=1e-15)
    found = ro.covariance(flow([[-0.5, 2.0], [-2.0, -0.5]]), AT, 0.3)
    np.testing.assert_allclose(found, 0.09 / (2 * 0.5) * np.eye(2), rtol=1e-12, atol=1e-15)


def test_a_matrix_as_noise():
    np.testing.assert_allclose(
        ro.covariance(network(W), AT, SPREAD), scipy.linalg.solve_discrete_lyapunov(W, Q), rtol=1e-12
    )
    A = W - np.eye(2)
    wanted = scipy.linalg.solve_continuous_lyapunov(A, -np.diag([0.25, 0.01]))
    np.testing.assert_allclose(ro.covariance(flow(A), AT, [0.5, 0.1]), wanted, rtol=1e-12)


@pytest.mark.slow
def test_small_noise_of_a_tanh_network_settles_there():
    """A run of 2·10⁵ steps with noise of 0.01, to 4 standard errors from 50 parts. The curvature adds 0.1 %."""
    system, steps = network(1.2 * W), 200_000
    states = ro.iterate(system.cell, jnp.zeros((steps, 1)), noise=0.01 * SPREAD, key=jax.random.key(0)).states[1:]
    parts = np.stack([part.T @ part / len(part) for part in np.split(np.asarray(states), 50)])
    wanted = np.asarray(ro.covariance(system, AT, 0.01 * SPREAD))
    assert (np.abs(parts.mean(0) - wanted) < 4 * parts.std(0, ddof=1) / np.sqrt(50) + 0.002 * wanted.max()).all()


@pytest.mark.slow
@pytest.mark.parametrize("dt", [1.0, 0.25])
def test_the_density_of_a_map_adds_up_to_the_covariance(dt):
    """The trapezoidal rule over a period is exact to rounding for a rational function of e^{iω}."""
    frequencies = np.arange(-100, 100) / 200 / dt
    density = np.asarray(ro.spectral_density(network(W, dt), AT, SPREAD, frequencies))
    np.testing.assert_allclose(density.mean(0) / dt, ro.covariance(network(W, dt), AT, SPREAD), atol=1e-14)
    np.testing.assert_allclose(density, density.conj().transpose(0, 2, 1), atol=1e-15)


@pytest.mark.slow
def test_the_density_of_a_flow_in_closed_form():
    """Of dh = −a h dt + σ dB: σ²/(a² + (2πf)²). Of a damped oscillation the peak is at its frequency."""
    f = np.array([0.0, 0.1, 3.0])
    found = ro.spectral_density(ro.Flow(lambda t, h, path: -0.5 * h), jnp.zeros(1), 2.0, f)[:, 0, 0]
    np.testing.assert_allclose(found, 4 / (0.25 + (2 * np.pi * f) ** 2), rtol=1e-12)
    f = np.linspace(0, 1, 501)
    power = ro.spectral_density(flow([[-0.05, 2.0], [-2.0, -0.05]]), AT, 1.0, f)[:, 0, 0].real
    assert abs(f[np.argmax(power)] - 1 / np.pi) < 0.003


@pytest.mark.slow
def test_the_density_is_a_runs_periodogram():
    """Averaged over 200 parts of a run, at three frequencies, to 4 standard errors and the leakage of 512 steps."""
    system, n = network(W, activation=None), 512
    states = ro.iterate(system.cell, jnp.zeros((200 * n, 1)), noise=SPREAD, key=jax.random.key(1)).states[1:]
    parts = np.asarray(states).reshape(200, n, 2)
    waves = np.fft.fft(parts, axis=1) / np.sqrt(n)
    k = np.array([5, 60, 200])
    power = np.abs(waves[:, k]) ** 2
    wanted = np.asarray(ro.spectral_density(system, AT, SPREAD, k / n)).diagonal(axis1=1, axis2=2).real
    assert (np.abs(power.mean(0) - wanted) < 4 * wanted / np.sqrt(200) + 0.02 * wanted).all()


@pytest.mark.gate
def test_gradients_in_three_ways():
    def by_map(W, spread):
        return ro.covariance(network(W), AT, spread)

    def by_flow(A, spread):
        density = ro.spectral_density(flow(A), AT, spread, np.array([0.1, 0.3]))
        return density.real, density.imag

    check_grads(by_map, (jnp.asarray(W), jnp.asarray(SPREAD)), 1, eps=1e-6)
    check_grads(by_flow, (jnp.asarray(W - np.eye(2)), jnp.asarray(SPREAD)), 1, eps=1e-6)


@pytest.mark.slow
def test_single_precision():
    system = jax.tree.map(lambda leaf: leaf.astype(np.float32) if eqx.is_inexact_array(leaf) else leaf, network(W))
    found = ro.covariance(system, jnp.zeros(2, jnp.float32), np.float32(SPREAD))
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, scipy.linalg.solve_discrete_lyapunov(W, Q), rtol=1e-5)


@pytest.mark.gate
def test_a_batch_and_every_platform():
    batch = jax.vmap(lambda W: ro.covariance(network(W), AT, SPREAD))(jnp.stack([W, W / 2]))
    np.testing.assert_allclose(batch[1], ro.covariance(network(W / 2), AT, SPREAD), rtol=1e-12)
    assert "gees" not in lower(lambda W: ro.covariance(network(W), AT, SPREAD), W)["tpu"]
    lower(lambda W: ro.spectral_density(flow(W), AT, SPREAD, np.ones(2)), W)


def test_a_system_that_is_not_stable_is_refused_with_the_eigenvalue():
    with pytest.raises(ValueError, match=r"covariance needs a stable fixed point.* has the eigenvalue 1.5\+0j"):
        ro.covariance(network(np.diag([1.5, 0.2])), AT, 0.1)
    with pytest.raises(
        ValueError, match=r"spectral_density needs a stable.* eigenvalue 0.5\+2j, which grows by 0.5 nats"
    ):
        ro.spectral_density(flow([[0.5, 2.0], [-2.0, 0.5]]), AT, 0.1, [0.1])
    with pytest.raises(ValueError, match="eigenvalue 1"):
        ro.covariance(network(np.eye(2)), AT, 0.1)
    assert np.isnan(jax.jit(lambda W: ro.covariance(network(W), AT, 0.1))(np.diag([1.5, 0.2]))).all()


def test_a_state_that_moves_is_refused_with_its_speed():
    """tanh(h + ½) is not ½ at ½: it moves by tanh(1) − ½ = 0.262. dh/dt = h − h³ is −24 at 3."""
    moving = ro.Map(lambda x, h: jnp.tanh(h + 0.5))
    with pytest.raises(
        ValueError, match=r"covariance needs at to be a fixed point; there the state moves by 0.262 per"
    ):
        ro.covariance(moving, jnp.full(1, 0.5), 1.0)
    falling = ro.Flow(lambda t, h, path: h - h**3)
    with pytest.raises(ValueError, match=r"spectral_density needs at to be a fixed.* moves by 24 per .* fixed_points"):
        ro.spectral_density(falling, jnp.full(1, 3.0), 1.0, [0.1])
    assert np.isnan(jax.jit(lambda h: ro.covariance(moving, h, 1.0))(jnp.full(1, 0.5))).all()


class Cubic(eqx.Module):
    """A field with the equilibria 0 and ±unit: one program for every unit."""

    unit: jax.Array

    def __call__(self, t, h, path):
        return (h - h**3 / self.unit**2) / 64


class Saturating(eqx.Module):
    """A network that comes slowly to 0."""

    unit: jax.Array

    def __call__(self, x, h):
        return self.unit * jnp.tanh(0.9 * h / self.unit)


@pytest.mark.gate
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fixed_point_that_a_search_found_is_one(dtype):
    """Of the system in other units of state and time too, and at 0, where its own size says nothing."""
    for unit in (2.0**-40, 1.0, 2.0**40):
        flow, slow = ro.Flow(Cubic(jnp.asarray(unit, dtype))), ro.Map(Saturating(jnp.asarray(unit, dtype)))
        for system, start, exact in ((flow, 0.7, 0.01 / (2 * 2 / 64)), (slow, 0.3, 0.01 / (1 - 0.81))):
            at = ro.fixed_points(system, np.full((1, 1), start * unit, dtype)).points[0]
            found = ro.covariance(system, at, dtype(0.1 * unit))
            np.testing.assert_allclose(found / unit**2, exact, rtol=1e-5)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"noise must be a standard deviation"):
        ro.covariance(network(W), AT, np.ones(3))
    with pytest.raises(ValueError, match="at least 0; got -1"):
        ro.covariance(network(W), AT, -1.0)
    with pytest.raises(ValueError, match=r"frequencies must have shape \(F,\)"):
        ro.spectral_density(network(W), AT, 1.0, 0.5)
    with pytest.raises(ValueError, match="covariance needs a system with a constant input"):
        ro.covariance(ro.Map(network(W).cell, np.zeros((3, 1))), AT, 1.0)
    with pytest.raises(TypeError, match="system"):
        ro.covariance(W, AT, 1.0)
