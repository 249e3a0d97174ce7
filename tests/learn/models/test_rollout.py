"""Rollouts, against Python loops and known recursions."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_ode import learn

T, D, N = 5, 2, 3
XS = jnp.asarray(np.random.default_rng(0).normal(size=(3, T, D)))


@pytest.mark.slow
def test_a_rollout_equals_a_loop():
    history, model = np.asarray(XS[0]), eqx.nn.MLP(T * D, D, 4, 1, key=jax.random.key(9))
    seen = [*history]
    for _ in range(7):
        seen.append(np.asarray(model(jnp.ravel(jnp.stack(seen[-T:])))))
    forecast = learn.rollout(lambda history: model(jnp.ravel(history))[None], XS[0], 7)
    np.testing.assert_allclose(forecast, seen[T:], rtol=1e-12, atol=1e-14)


def test_a_rollout_of_an_autoregression_is_a_damped_oscillation():
    """x_t = 2 r cos ω x_{t−1} − r² x_{t−2} is solved by r^t cos(ω t + φ)."""
    r, omega, phase = 0.95, 0.7, 0.3
    t = np.arange(30)
    wave = (r**t * np.cos(omega * t + phase))[:, None]
    forecast = learn.rollout(
        lambda seen: 2 * r * jnp.cos(omega) * seen[-1] - r**2 * seen[-2], jnp.asarray(wave[:6]), 24
    )
    np.testing.assert_allclose(forecast, wave[6:], atol=1e-13)


def test_a_rollout_takes_whole_numbers():
    assert learn.rollout(lambda seen: 0.5 * seen[-1], np.ones((2, 1), int), 2)[:, 0].tolist() == [0.5, 0.25]
