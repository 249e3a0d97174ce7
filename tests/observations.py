"""Observations at times of their own, and models of them, which the tests of ODE-RNNs share."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from lazy import Lazy
from weights import drawn

import rnn_ode as ro
from rnn_ode import learn

T, D, N = 5, 2, 4
KEYS = [jax.random.key(k) for k in range(6)]
TS = jnp.array([0.4, 0.7, 1.9, 2.0, 3.5])
XS = jnp.asarray(np.random.default_rng(0).normal(size=(T, D)))
GRU = drawn(eqx.nn.GRUCell, D, N, seed=1)
FIELDS = Lazy(
    {
        "ctrnn": lambda: (ro.CTRNN.random(KEYS[3], 1, N), GRU),
        "gru-ode": lambda: (ro.GRUODE.random(KEYS[3], 3, N), GRU),
        "cornn and lstm": lambda: (ro.CoRNN.random(KEYS[4], 1, N, gamma=2.0), drawn(eqx.nn.LSTMCell, D, N, seed=5)),
    }
)


def model_of(name, substeps=2):
    return learn.ODERNN(*FIELDS[name], substeps)  # pyright: ignore[reportCallIssue]
