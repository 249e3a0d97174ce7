"""The case "lstm": the outputs of an LSTM."""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.experimental import rnn

from ..._run.iterate import iterate
from .. import _tanh
from .._peers import with_peer, with_weights
from .._race import OURS, Contender, Plan, distance, jitted, race
from .._rows import Row
from .iterate import ROUNDING


def rows(plan: Plan) -> list[Row]:
    with jax.enable_x64(False), jax.default_matmul_precision("highest"):  # GPUs would take fewer bits
        xs = _tanh.problem(plan).xs
        cell = eqx.nn.LSTMCell(1, plan.hidden, key=jax.random.key(plan.seed))
        calls = [
            (OURS, _ours, "jitted, throw=False, save=h"),
            ("hand-written lax.scan", _scan, "jitted, W_x x + b before the scan"),
        ]
        contenders = [Contender(name, partial(jitted(call), cell, xs), note) for name, call, note in calls]
        contenders += [
            *with_peer(plan, "torch", ["PyTorch nn.LSTM"], partial(_torch, cell=cell, xs=xs)),
            *with_peer(plan, "flax", ["flax nnx.RNN"], partial(_flax, cell=cell, xs=xs)),
        ]
        if jax.default_backend() == "gpu":
            call, values = partial(jitted(_cudnn(rnn.lstm)), cell, xs), partial(_time_first, xs)
            contenders.append(Contender("cuDNN, by jax.experimental.rnn", call, "jitted, the batch first", values))
        weights = (cell.weight_hh, cell.weight_ih, cell.bias, xs)
        error = partial(distance, reference=_in_numpy(*(np.asarray(array, np.float64) for array in weights)))
        return race("lstm", contenders, plan, error, ROUNDING, _tanh.work(plan, gates=4))


def _start(cell: eqx.nn.LSTMCell, xs: Array) -> tuple[Array, Array]:
    zeros = jnp.zeros((*xs.shape[1:-1], cell.hidden_size))
    return zeros, zeros


def _ours(cell: eqx.nn.LSTMCell, xs: Array) -> Array:
    def run(xs: Array, state: Any) -> Array:
        return iterate(cell, xs, state, save=lambda state: state[0], throw=False).states

    return _tanh.over_batch(run, xs, _start(cell, xs))


def _scan(cell: Any, xs: Array) -> Array:
    def body(state: tuple[Array, Array], drive: Array) -> tuple[tuple[Array, Array], Array]:
        h, c = state
        z = (cell.weight_hh @ h if h.ndim == 1 else h @ cell.weight_hh.T) + drive
        i, f, g, o = jnp.split(z, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    drives = xs @ cell.weight_ih.T
    return jax.lax.scan(body, _start(cell, xs), drives + jnp.broadcast_to(cell.bias, drives.shape))[1]


def _torch(torch: ModuleType, cell: eqx.nn.LSTMCell, xs: Array) -> list[Contender]:
    network, given = with_weights(torch, torch.nn.LSTM(1, cell.hidden_size), cell), torch.from_numpy(np.array(xs))

    def call() -> Any:
        with torch.no_grad():
            return network(given)[0]

    return [Contender("PyTorch nn.LSTM", call, "CPU, all its threads, no_grad")]


def _flax(_: ModuleType, cell: eqx.nn.LSTMCell, xs: Array) -> list[Contender]:
    from flax import nnx

    theirs = nnx.OptimizedLSTMCell(1, cell.hidden_size, rngs=nnx.Rngs(0))
    theirs.dense_h.kernel[...] = cell.weight_hh.T
    theirs.dense_i.kernel[...] = cell.weight_ih.T
    theirs.dense_h.bias[...] = cell.bias  # pyright: ignore[reportOptionalSubscript]
    states, params = _tanh.as_function(theirs, _start(cell, xs))
    return [Contender("flax nnx.RNN", partial(jitted(states), params, xs), "jitted, OptimizedLSTMCell")]


def _cudnn(lstm: Callable[..., Any]) -> Callable[[eqx.nn.LSTMCell, Array], Array]:
    """The outputs (B, T, N) of inputs (T, …, 1) by `jax.experimental.rnn.lstm`, or by what is given in its place."""

    def call(cell: eqx.nn.LSTMCell, xs: Array) -> Array:
        x = jnp.swapaxes(xs.reshape(len(xs), -1, xs.shape[-1]), 0, 1)
        zeros, lengths = jnp.zeros((1, len(x), cell.hidden_size)), jnp.full(len(x), len(xs), jnp.int32)
        packed = [cell.weight_ih, cell.weight_hh, cell.bias, jnp.zeros(4 * cell.hidden_size)]  # it has two biases
        weights = jnp.concatenate([jnp.ravel(part) for part in packed])
        return lstm(x, zeros, zeros, weights, lengths, x.shape[-1], cell.hidden_size, 1, 0.0, False)[0]

    return call


def _time_first(xs: Array, outputs: Array) -> Array:
    """Outputs (B, T, N) in the form of inputs (T, …, 1)."""
    return jnp.swapaxes(outputs, 0, 1).reshape(*xs.shape[:-1], -1)


def _in_numpy(W_h: np.ndarray, W_x: np.ndarray, b: np.ndarray, xs: np.ndarray) -> np.ndarray:
    """The outputs (T, …, N) by a loop in NumPy."""
    h = c = np.zeros((*xs.shape[1:-1], W_h.shape[1]))
    outputs = []
    for x in xs:
        i, f, g, o = np.split(h @ W_h.T + x @ W_x.T + b, 4, axis=-1)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        h = _sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs)


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))
