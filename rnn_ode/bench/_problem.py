"""The tanh network h' = tanh(W_h h + W_x x + b), as each contender writes it. Everything is time-major: a batch is the
second axis of inputs (T, B, D) and of states (T, B, N), so that nobody pays for a transposition."""

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import rnn_ode as ro

from ._race import Plan, Work


class Problem(NamedTuple):
    """A random network and input: W_h (N, N) orthogonal, W_x (N, 1), b (N,), xs (T, 1) or (T, B, 1), h0 (N,) or (B, N)."""

    W_h: Any
    W_x: Any
    b: Any
    xs: Any
    h0: Any

    def in_numpy(self) -> "Problem":
        """The same in float64 on the host."""
        return Problem(*(np.asarray(array, np.float64) for array in self))


def problem(plan: Plan) -> Problem:
    keys = jax.random.split(jax.random.key(plan.seed), 3)
    cell = ro.VanillaCell.random(keys[0], 1, plan.hidden, activation=jnp.tanh)
    batch = () if plan.batch == 1 else (plan.batch,)
    b = 0.1 * jax.random.normal(keys[1], (plan.hidden,))
    xs = jax.random.normal(keys[2], (plan.steps, *batch, 1))
    return Problem(cell.W_h, cell.W_x, b, xs, jnp.zeros((*batch, plan.hidden)))


def over_batch(run, xs, h0):
    """`run(xs, h0)`, by `jax.vmap` where there is a batch."""
    return run(xs, h0) if xs.ndim == 2 else jax.vmap(run, in_axes=(1, 0), out_axes=1)(xs, h0)


def ours(W_h, W_x, b, xs, h0):
    cell = ro.VanillaCell(W_h, W_x, b, jnp.tanh)
    return over_batch(lambda xs, h0: ro.iterate(cell, xs, h0, throw=False).states, xs, h0)


def scan(W_h, W_x, b, xs, h0):
    """By hand, W_x x + b before the scan."""

    def body(h, drive):
        h = jnp.tanh((W_h @ h if h.ndim == 1 else h @ W_h.T) + drive)
        return h, h

    drives = xs @ W_x.T
    return jax.lax.scan(body, h0, drives + jnp.broadcast_to(b, drives.shape))[1]


def in_numpy(W_h, W_x, b, xs, h):
    """The states (T, …, N), by a loop."""
    states = []
    for x in xs:
        h = np.tanh(h @ W_h.T + x @ W_x.T + b)
        states.append(h)
    return np.stack(states)


def in_torch(torch: ModuleType, given: Problem):
    """PyTorch's network with these weights, one bias as ours has, and its input."""
    W_h, W_x, b, xs, _ = (torch.from_numpy(np.array(array)) for array in given)
    network = torch.nn.RNN(W_x.shape[1], len(b))
    with torch.no_grad():
        pairs = zip(
            (network.weight_hh_l0, network.weight_ih_l0, network.bias_ih_l0, network.bias_hh_l0),
            (W_h, W_x, b, 0 * b),
            strict=True,
        )
        for place, weight in pairs:
            place.copy_(weight)
    network.bias_hh_l0.requires_grad_(False)
    return network, xs


def in_flax(flax: ModuleType, given: Problem):
    """flax's network as a function `states(params, xs)`, and its parameters with these weights."""
    from flax import nnx

    units, inputs = given.W_x.shape
    cell = nnx.SimpleCell(inputs, units, rngs=nnx.Rngs(0))
    cell.dense_h.kernel[...] = given.W_h.T
    cell.dense_i.kernel[...] = given.W_x.T
    cell.dense_i.bias[...] = given.b  # pyright: ignore[reportOptionalSubscript]
    return as_function(cell, given.h0)


def as_function(cell, start) -> tuple[Callable[[Any, Any], Any], Any]:
    """A flax cell as a pure function `states(params, xs)` from that state on, and its parameters."""
    from flax import nnx

    graph, params, rest = nnx.split(nnx.RNN(cell, time_major=True, rngs=False), nnx.Param, ...)
    return lambda params, xs: nnx.merge(graph, params, rest)(xs, initial_carry=start), params


def work(plan: Plan, gates: int = 1) -> Work:
    """One product with the weights a step; a tanh network has one gate, an LSTM four."""
    n, inputs, rows = plan.hidden, 1, plan.steps * plan.batch
    weights = gates * n * (n + inputs)
    size = jnp.dtype(jnp.result_type(float)).itemsize
    return Work(2.0 * rows * weights, float(size * (plan.steps * weights + rows * (n + inputs))))
