"""Observations at times of their own, and models of them, which the tests of ODE-RNNs share."""

import equinox as eqx
import jax
import jax.numpy as jnp
from lazy import Lazy

import rnn_ode as ro
from rnn_ode import learn

T, D, N = 5, 2, 4
KEYS = jax.random.split(jax.random.key(0), 6)
TS = jnp.array([0.4, 0.7, 1.9, 2.0, 3.5])
XS = jax.random.normal(KEYS[0], (T, D))
GRU = eqx.filter_jit(eqx.nn.GRUCell)(D, N, key=KEYS[1])
FIELDS = Lazy(
    {
        "ctrnn": lambda: (ro.CTRNN.random(KEYS[3], 1, N), GRU),
        "gru-ode": lambda: (ro.GRUODE.random(KEYS[3], 3, N), GRU),
        "cornn and lstm": lambda: (ro.CoRNN.random(KEYS[4], 1, N, gamma=2.0), eqx.nn.LSTMCell(D, N, key=KEYS[5])),
    }
)


def model_of(name, substeps=2):
    return learn.ODERNN(*FIELDS[name], substeps)  # pyright: ignore[reportCallIssue]
