"""Recurrent networks as each contender writes them: tanh network, LSTM and GRU.

All arrays are time-major, so that no contender has to transpose: a batch is the second axis of inputs (T, B, D) and of
states (T, B, N). The gates of an LSTM and a GRU stand below each other in the weights. A GRU has one bias, as in flax.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .._base.types import Cell
from .._cells.vanilla import VanillaCell
from .._run.iterate import iterate
from ._peers import with_weights
from ._race import Plan, Work


class Problem(NamedTuple):
    """The weights and the input: W_h (G·N, N), W_x (G·N, D) and b (G·N,) of G gates, xs (T, D) or (T, B, D), h0 (N,) or
    (B, N). A tanh network has one gate."""

    W_h: Any
    W_x: Any
    b: Any
    xs: Any
    h0: Any

    def in_numpy(self) -> "Problem":
        """The same in float64 on the host."""
        return Problem(*(np.asarray(array, np.float64) for array in self))


@dataclasses.dataclass(frozen=True)
class Network:
    """A kind of network.

    - `name`: PyTorch's class.
    - `draw(units, inputs, key)`: W_h, W_x and b.
    - `cell(W_h, W_x, b)`: ours.
    - `advance(xp, product, drive, state)`: the next state from W_h h and W_x x + b, with `xp` NumPy or `jax.numpy`. A state
      is a tuple of `parts` arrays, h the first.
    - `in_nnx`, `biased`: flax's class, and its layer that has the bias.
    """

    name: str
    draw: Callable[[int, int, Array], tuple[Array, Array, Array]]
    cell: Callable[[Any, Any, Any], Cell]
    advance: Callable[[ModuleType, Any, Any, tuple[Any, ...]], tuple[Any, ...]]
    parts: int
    in_nnx: str
    biased: str

    def problem(self, plan: Plan) -> Problem:
        """Draw the weights and the input from the plan's seed."""
        keys = jax.random.split(jax.random.key(plan.seed))
        batch = () if plan.batch == 1 else (plan.batch,)
        xs = jax.random.normal(keys[0], (plan.steps, *batch, plan.inputs))
        return Problem(*self.draw(plan.hidden, plan.inputs, keys[1]), xs, jnp.zeros((*batch, plan.hidden)))

    def ours(self, W_h: Array, W_x: Array, b: Array, xs: Array, h0: Array, batch_axis: int = 1) -> Array:
        """The states h (T + 1, …, N) by `iterate`."""
        cell = self.cell(W_h, W_x, b)

        def run(xs: Array, h0: Array) -> Array:
            start = h0 if self.parts == 1 else (h0,) * self.parts
            return jax.tree.leaves(iterate(cell, xs, start, throw=False).states)[0]

        return over_batch(run, xs, h0, batch_axis)

    def scan(self, W_h: Array, W_x: Array, b: Array, xs: Array, h0: Array) -> Array:
        """The states h (T, …, N) by a hand-written `lax.scan`, with W_x x + b computed before it."""

        def body(state: tuple[Array, ...], drive: Array) -> tuple[tuple[Array, ...], Array]:
            state = self.advance(jnp, _times(W_h, state[0]), drive, state)
            return state, state[0]

        drives = xs @ W_x.T
        return jax.lax.scan(body, (h0,) * self.parts, drives + jnp.broadcast_to(b, drives.shape))[1]

    def lean_scan(self, W_h: Array, W_x: Array, b: Array, xs: Array, h0: Array) -> Array:
        """The same with W_x x + b computed in the loop, and the product W_h h kept apart from the rest."""
        product_with = _prepared(W_h)

        def body(state: tuple[Array, ...], x: Array) -> tuple[tuple[Array, ...], Array]:
            product = jax.lax.optimization_barrier(product_with(state[0]))
            drive = _times(W_x, x)
            state = self.advance(jnp, product, drive + jnp.broadcast_to(b, drive.shape), state)
            return state, state[0]

        return jax.lax.scan(body, (h0,) * self.parts, xs)[1]

    def in_numpy(self, W_h: np.ndarray, W_x: np.ndarray, b: np.ndarray, xs: np.ndarray, h0: np.ndarray) -> np.ndarray:
        """The states h by a loop in NumPy."""
        state: tuple[Any, ...] = (h0,) * self.parts
        states = []
        for x in xs:
            state = self.advance(np, state[0] @ W_h.T, x @ W_x.T + b, state)
            states.append(state[0])
        return np.stack(states)

    def in_torch(self, torch: ModuleType, given: Problem) -> tuple[Any, Any]:
        """PyTorch's network with these weights, and its input. PyTorch's second bias is 0 and not trained."""
        W_h, W_x, b, xs, _ = given
        empty = getattr(torch.nn, self.name)(W_x.shape[1], W_h.shape[1])
        network = with_weights(torch, empty, self.cell(W_h, W_x, b))
        network.bias_hh_l0.requires_grad_(False)
        return network, torch.from_numpy(np.array(xs))

    def in_flax(self, given: Problem, batch_axis: int = 1) -> tuple[Callable[[Any, Any], Any], Any]:
        """flax's network with these weights, as a function `states(params, xs)` and its parameters."""
        from flax import nnx

        cell = getattr(nnx, self.in_nnx)(given.W_x.shape[1], given.W_h.shape[1], rngs=nnx.Rngs(0))
        cell.dense_h.kernel[...] = given.W_h.T
        cell.dense_i.kernel[...] = given.W_x.T
        getattr(cell, self.biased).bias[...] = given.b
        start = given.h0 if self.parts == 1 else (given.h0,) * self.parts
        graph, params, rest = nnx.split(nnx.RNN(cell, time_major=batch_axis == 1, rngs=False), nnx.Param, ...)
        return lambda params, xs: nnx.merge(graph, params, rest)(xs, initial_carry=start), params

    def from_flax(self, params: Any) -> tuple[Any, Any, Any]:
        """W_h, W_x and b, or what has their places, of parameters as `in_flax` returns them."""
        cell = params["cell"]
        places = (cell["dense_h"]["kernel"], cell["dense_i"]["kernel"], cell[self.biased]["bias"])
        hidden, inputs, bias = (np.asarray(place[...]) for place in places)
        return hidden.T, inputs.T, bias


def over_batch(run: Callable, xs: Any, h0: Any, axis: int = 1) -> Any:
    """`run(xs, h0)`, under `jax.vmap` if there is a batch: that axis of `xs` and of the result."""
    return run(xs, h0) if xs.ndim == 2 else jax.vmap(run, in_axes=(axis, 0), out_axes=axis)(xs, h0)


def products(W_h: Array, W_x: Array, b: Array, xs: Array, h0: Array) -> Array:
    """A scan of T steps with nothing but the product W_h h, of which the first N rows go on.

    W_h is scaled so that they stay of the size of one.
    """
    units = W_h.shape[1]
    product_with = _prepared(W_h / (jnp.std(W_h) * units**0.5))
    return jax.lax.scan(lambda h, _: (product_with(h)[..., :units], None), jnp.ones_like(h0), None, len(xs))[0]


def work(plan: Plan, gates: int = 1) -> Work:
    """One product with the weights in each step."""
    n, inputs, rows = plan.hidden, plan.inputs, plan.steps * plan.batch
    weights = gates * n * (n + inputs)
    size = jnp.dtype(jnp.result_type(float)).itemsize
    return Work(2.0 * rows * weights, float(size * (plan.steps * weights + rows * (n + inputs))))


def _prepared(W: Array) -> Callable[[Array], Array]:
    """W h of one state, or of a batch (B, N), with W in the order of axes that XLA multiplies fastest by."""
    transposed = jax.lax.optimization_barrier(W.T)
    return lambda h: W @ h if h.ndim == 1 else h @ transposed


def _times(W: Array, h: Array) -> Array:
    """W h of one state, or of a batch (B, N)."""
    return W @ h if h.ndim == 1 else h @ W.T


# The kinds.


def _draw_tanh(units: int, inputs: int, key: Array) -> tuple[Array, Array, Array]:
    """W_h is orthogonal."""
    keys = jax.random.split(key)
    cell = VanillaCell.random(keys[0], inputs, units, activation=jnp.tanh)
    return cell.W_h, cell.W_x, 0.1 * jax.random.normal(keys[1], (units,))


def _draw_gated(kind: Callable[..., Any], units: int, inputs: int, key: Array) -> tuple[Array, Array, Array]:
    """The weights as Equinox draws them."""
    cell = kind(inputs, units, key=key)
    return cell.weight_hh, cell.weight_ih, cell.bias


def _gated_cell(kind: Callable[..., Any], W_h: Any, W_x: Any, b: Any) -> Any:
    """Equinox's cell with these weights, and with a second bias of 0 if it has one."""
    made = eqx.filter_eval_shape(lambda: kind(W_x.shape[1], W_h.shape[1], key=jax.random.key(0)))
    weights = {"weight_hh": W_h, "weight_ih": W_x, "bias": b}
    if hasattr(made, "bias_n"):
        weights["bias_n"] = jnp.zeros(W_h.shape[1], jnp.result_type(W_h))
    return eqx.tree_at(lambda cell: [getattr(cell, name) for name in weights], made, list(weights.values()))


def _tanh(xp: Any, product: Any, drive: Any, state: tuple[Any, ...]) -> tuple[Any]:
    return (xp.tanh(product + drive),)


def _lstm(xp: Any, product: Any, drive: Any, state: tuple[Any, ...]) -> tuple[Any, Any]:
    i, f, g, o = xp.split(product + drive, 4, axis=-1)
    c = _sigmoid(xp, f) * state[1] + _sigmoid(xp, i) * xp.tanh(g)
    return _sigmoid(xp, o) * xp.tanh(c), c


def _gru(xp: Any, product: Any, drive: Any, state: tuple[Any, ...]) -> tuple[Any]:
    (h,), (r, z, n), (r_x, z_x, n_x) = state, xp.split(product, 3, axis=-1), xp.split(drive, 3, axis=-1)
    n = xp.tanh(n_x + _sigmoid(xp, r + r_x) * n)
    return (n + _sigmoid(xp, z + z_x) * (h - n),)


def _sigmoid(xp: Any, z: Any) -> Any:
    return jax.nn.sigmoid(z) if xp is jnp else 1 / (1 + np.exp(-z))


TANH = Network(
    name="RNN",
    draw=_draw_tanh,
    cell=lambda W_h, W_x, b: VanillaCell(W_h, W_x, b, jnp.tanh),
    advance=_tanh,
    parts=1,
    in_nnx="SimpleCell",
    biased="dense_i",
)
LSTM = Network(
    name="LSTM",
    draw=partial(_draw_gated, eqx.nn.LSTMCell),
    cell=partial(_gated_cell, eqx.nn.LSTMCell),
    advance=_lstm,
    parts=2,
    in_nnx="OptimizedLSTMCell",
    biased="dense_h",
)
GRU = Network(
    name="GRU",
    draw=partial(_draw_gated, eqx.nn.GRUCell),
    cell=partial(_gated_cell, eqx.nn.GRUCell),
    advance=_gru,
    parts=1,
    in_nnx="GRUCell",
    biased="dense_i",
)
