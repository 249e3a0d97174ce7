"""The tanh network h' = tanh(W_h h + W_x x + b), as each contender writes it.

All arrays are time-major, so that no contender has to transpose: a batch is the second axis of inputs (T, B, D) and of
states (T, B, N).
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .._cells.vanilla import VanillaCell
from .._run.iterate import iterate
from ._peers import with_weights
from ._race import Plan, Work


class Problem(NamedTuple):
    """The weights and the input: W_h (N, N), W_x (N, 1), b (N,), xs (T, 1) or (T, B, 1), h0 (N,) or (B, N)."""

    W_h: Any
    W_x: Any
    b: Any
    xs: Any
    h0: Any

    def in_numpy(self) -> "Problem":
        """The same in float64 on the host."""
        return Problem(*(np.asarray(array, np.float64) for array in self))


def problem(plan: Plan) -> Problem:
    """Draw the weights and the input from the plan's seed; W_h is orthogonal."""
    keys = jax.random.split(jax.random.key(plan.seed), 3)
    cell = VanillaCell.random(keys[0], 1, plan.hidden, activation=jnp.tanh)
    batch = () if plan.batch == 1 else (plan.batch,)
    b = 0.1 * jax.random.normal(keys[1], (plan.hidden,))
    xs = jax.random.normal(keys[2], (plan.steps, *batch, 1))
    return Problem(cell.W_h, cell.W_x, b, xs, jnp.zeros((*batch, plan.hidden)))


def over_batch(run: Callable, xs: Any, h0: Any) -> Any:
    """`run(xs, h0)`, under `jax.vmap` if there is a batch."""
    return run(xs, h0) if xs.ndim == 2 else jax.vmap(run, in_axes=(1, 0), out_axes=1)(xs, h0)


def ours(W_h: Array, W_x: Array, b: Array, xs: Array, h0: Array) -> Array:
    """The states (T, …, N) by `iterate`."""
    cell = VanillaCell(W_h, W_x, b, jnp.tanh)
    return over_batch(lambda xs, h0: iterate(cell, xs, h0, throw=False).states, xs, h0)


def scan(W_h: Array, W_x: Array, b: Array, xs: Array, h0: Array) -> Array:
    """The states by a hand-written `lax.scan`, with W_x x + b computed before it."""

    def body(h: Array, drive: Array) -> tuple[Array, Array]:
        h = jnp.tanh((W_h @ h if h.ndim == 1 else h @ W_h.T) + drive)
        return h, h

    drives = xs @ W_x.T
    return jax.lax.scan(body, h0, drives + jnp.broadcast_to(b, drives.shape))[1]


def in_numpy(W_h: np.ndarray, W_x: np.ndarray, b: np.ndarray, xs: np.ndarray, h: np.ndarray) -> np.ndarray:
    """The states by a loop in NumPy."""
    states = []
    for x in xs:
        h = np.tanh(h @ W_h.T + x @ W_x.T + b)
        states.append(h)
    return np.stack(states)


def in_torch(torch: ModuleType, given: Problem) -> tuple[Any, Any]:
    """PyTorch's network with these weights, and its input. Like our cell, it trains one bias: PyTorch's second one is 0."""
    W_h, W_x, b, xs, _ = given
    network = with_weights(torch, torch.nn.RNN(W_x.shape[1], len(b)), VanillaCell(W_h, W_x, b, jnp.tanh))
    network.bias_hh_l0.requires_grad_(False)
    return network, torch.from_numpy(np.array(xs))


def in_flax(given: Problem) -> tuple[Callable[[Any, Any], Any], Any]:
    """flax's network with these weights, as a function `states(params, xs)` and its parameters."""
    from flax import nnx

    units, inputs = given.W_x.shape
    cell = nnx.SimpleCell(inputs, units, rngs=nnx.Rngs(0))
    cell.dense_h.kernel[...] = given.W_h.T
    cell.dense_i.kernel[...] = given.W_x.T
    cell.dense_i.bias[...] = given.b  # pyright: ignore[reportOptionalSubscript]
    return as_function(cell, given.h0)


def from_flax(params: Any) -> tuple[Any, Any, Any]:
    """W_h, W_x and b, or what has their places, of parameters as `in_flax` returns them."""
    cell = params["cell"]
    places = (cell["dense_h"]["kernel"], cell["dense_i"]["kernel"], cell["dense_i"]["bias"])
    hidden, inputs, bias = (np.asarray(place[...]) for place in places)
    return hidden.T, inputs.T, bias


def as_function(cell: Any, start: Any) -> tuple[Callable[[Any, Any], Any], Any]:
    """A flax cell, run from the state `start`, as a pure function `states(params, xs)` and its parameters."""
    from flax import nnx

    graph, params, rest = nnx.split(nnx.RNN(cell, time_major=True, rngs=False), nnx.Param, ...)
    return lambda params, xs: nnx.merge(graph, params, rest)(xs, initial_carry=start), params


def work(plan: Plan, gates: int = 1) -> Work:
    """One product with the weights in each step. A tanh network has one gate, an LSTM four."""
    n, inputs, rows = plan.hidden, 1, plan.steps * plan.batch
    weights = gates * n * (n + inputs)
    size = jnp.dtype(jnp.result_type(float)).itemsize
    return Work(2.0 * rows * weights, float(size * (plan.steps * weights + rows * (n + inputs))))
