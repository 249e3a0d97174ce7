"""Cells, their inputs and states, which the tests of conversions share."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
import scipy.optimize
from lazy import Lazy
from weights import drawn

import rnn_ode as ro

N, D, T = 3, 2, 8
RNG = np.random.default_rng(1)
XS = RNG.normal(size=(T, D))


H0 = np.array([1.0, -0.5, 0.3])
W = scipy.linalg.expm(np.array([[-0.3, 0.5, 0.1], [-0.6, -0.2, 0.2], [0.1, 0.0, -0.4]]))  # multipliers near 0.7 ± 0.4i
W_X, BIAS = RNG.normal(size=(N, D)), RNG.normal(size=N)
AFFINE = ro.VanillaCell(W, W_X, BIAS, activation=None)
KEY = jax.random.key(0)


def blocks(W, W_x, b):
    """[[W, W_x, b], [0, 1]]: one step of the state, the input and 1 together."""
    extra = W_x.shape[1] + 1
    bottom = np.concatenate([np.zeros((extra, len(W))), np.eye(extra)], axis=1)
    return np.concatenate([np.concatenate([W, W_x, b[:, None]], axis=1), bottom])


def forward(M, order):
    delta = M - np.eye(len(M))
    return sum((-1) ** (k + 1) / k * np.linalg.matrix_power(delta, k) for k in range(1, order + 1))


def backward(M, order):
    nabla = np.eye(len(M)) - np.linalg.inv(M)
    return sum(np.linalg.matrix_power(nabla, k) / k for k in range(1, order + 1))


# each method's g of a matrix, from elsewhere
MATRIX_FUNCTIONS = {
    ro.Forward(1): lambda M: forward(M, 1),
    ro.Forward(4): lambda M: forward(M, 4),
    ro.Backward(1): lambda M: backward(M, 1),
    ro.Backward(3): lambda M: backward(M, 3),
    ro.Tustin(): lambda M: 2 * np.linalg.solve(M + np.eye(len(M)), M - np.eye(len(M))),
    ro.Exact(): lambda M: scipy.linalg.logm(M).real,
}

labelled = {"ids": lambda value: getattr(value, "label", None)}
CELLS = Lazy(
    {
        "affine": lambda: AFFINE,
        "tanh": lambda: ro.VanillaCell(0.6 * W, 0.1 * W_X, 0.1 * BIAS, activation=jnp.tanh),
        "gru": lambda: drawn(eqx.nn.GRUCell, D, N),
        "lstm": lambda: drawn(eqx.nn.LSTMCell, D, 2),
        "piecewise": lambda: ro.PiecewiseLinearCell(np.diag([0.5, 0.6, 0.7]), 0.1 * W, W_X, BIAS),
    }
)
STATES = {name: H0 / 2 for name in CELLS} | {"lstm": (H0[:2], np.array([0.2, -0.1]))}


def together(fields):
    """Several fields as one, so that one compilation solves them all."""

    def field(t, states, path):
        return tuple(one(t, h, path) for one, h in zip(fields, states, strict=True))

    return field
