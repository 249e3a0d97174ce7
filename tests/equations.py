"""Networks in plain NumPy, by the equations of Keras, PyTorch and Neural Amp Modeler. Inputs and outputs are (T, …)."""

import jax
import jax.numpy as jnp
import numpy as np

import rnn_ode as ro


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


FUNCTIONS = {"": lambda z: z, "tanh": np.tanh, "sigmoid": sigmoid, "relu": lambda z: np.maximum(z, 0)}


def dense(xs, kernel, bias, activation=""):
    return FUNCTIONS[activation](xs @ kernel + bias)


def keras_lstm(xs, kernel, recurrent, bias):
    """The gates in Keras's order: input, forget, candidate, output."""
    h = c = np.zeros(len(recurrent))
    hs = []
    for x in xs:
        i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        hs.append(h)
    return np.array(hs)


def keras_gru(xs, kernel, recurrent, bias):
    """The gates in Keras's order, update, reset, candidate; `reset_after`."""
    h = np.zeros(len(recurrent))
    hs = []
    for x in xs:
        xz, xr, xh = np.split(x @ kernel + bias[0], 3)
        hz, hr, hh = np.split(h @ recurrent + bias[1], 3)
        z, r = sigmoid(xz + hz), sigmoid(xr + hr)
        h = z * h + (1 - z) * np.tanh(xh + r * hh)
        hs.append(h)
    return np.array(hs)


def convolution(xs, kernel, bias, dilation):
    """Causal: kernel[-1] multiplies the newest sample."""
    span = (len(kernel) - 1) * dilation
    padded = np.concatenate([np.zeros((span, xs.shape[1])), xs])
    return bias + sum(padded[k * dilation : k * dilation + len(xs)] @ kernel[k] for k in range(len(kernel)))


def outputs_of(network, xs):
    """What a `Network` gives, by the recipe of its documentation."""
    states = jax.tree.map(lambda rows: rows[1:], ro.iterate(network.cell, xs, network.initial).states)
    return np.asarray(jax.vmap(network.output)(jnp.asarray(xs), states))
