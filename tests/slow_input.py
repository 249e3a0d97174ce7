"""Networks under a slow input, which the tests of runs at any times share."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

import rnn_ode as ro

W = scipy.linalg.expm(np.array([[-0.1, 0.4, 0.0], [-0.4, -0.1, 0.1], [0.0, 0.0, -0.05]]))  # turns by 0.4 a step
W_x = np.array([[1.0], [0.0], [0.5]])
AFFINE = ro.VanillaCell(W, W_x, np.array([0.1, 0.0, -0.2]), activation=None)
TANH = ro.VanillaCell(0.6 * W, 0.5 * W_x, np.zeros(3), jnp.tanh)
SLOW = np.cos(0.3 * np.arange(1.0, 41.0))[:, None]


def wave(t):
    return jnp.cos(0.3 * t)[None]


def affine_flow(ts, h0, x):
    """The states of dh/dt = log(W) h + …, the flow behind the affine network under the constant input x, by expm."""
    drive = W_x @ x + np.asarray(AFFINE.b)
    A = scipy.linalg.logm(np.block([[W, drive[:, None]], [np.zeros((1, 3)), np.ones((1, 1))]])).real
    return np.stack([(scipy.linalg.expm(A * (t - ts[0])) @ np.append(h0, 1))[:3] for t in ts])


KEYS = jax.random.split(jax.random.key(0), 3)
XS = np.convolve(np.random.default_rng(0).normal(size=400), np.hanning(15) / 7, "same")[:, None]


def slower_wave(t):
    return jnp.cos(0.2 * t)[None]
