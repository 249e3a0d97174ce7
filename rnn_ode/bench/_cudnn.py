"""cuDNN's LSTM, by `jax.experimental.rnn.lstm`."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.experimental import rnn

from ._networks import Problem
from ._race import Contender, jitted


def contender(given: Problem) -> Contender:
    """cuDNN's LSTM on this input. It needs a GPU."""
    call = partial(jitted(outputs), *given)
    return Contender("cuDNN, by jax.experimental.rnn", call, "jitted, the batch first", partial(time_first, given.xs))


def outputs(W_h: Array, W_x: Array, b: Array, xs: Array, h0: Array, lstm: Callable[..., Any] = rnn.lstm) -> Array:
    """The outputs (B, T, N) of inputs (T, …, D) by cuDNN, or by what is given in its place."""
    x, units = jnp.swapaxes(xs.reshape(len(xs), -1, xs.shape[-1]), 0, 1), W_h.shape[1]
    zeros, lengths = jnp.zeros((1, len(x), units)), jnp.full(len(x), len(xs), jnp.int32)
    packed = [W_x, W_h, b, jnp.zeros(4 * units)]  # it has two biases
    weights = jnp.concatenate([jnp.ravel(part) for part in packed])
    return lstm(x, zeros, zeros, weights, lengths, x.shape[-1], units, 1, 0.0, False)[0]


def time_first(xs: Array, outputs: Array) -> Array:
    """Outputs (B, T, N) in the form of inputs (T, …, D)."""
    return jnp.swapaxes(outputs, 0, 1).reshape(*xs.shape[:-1], -1)
