"""The cases "gradient", "lstm_gradient" and "gru_gradient": the gradient of the sum of squares of all states of a network.

The gradient is with respect to W_h, W_x, b and the input. The reference of a tanh network is written by hand in NumPy, that
of the others is JAX's of the hand-written scan in float64.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .._networks import GRU, LSTM, TANH, Network, Problem, work
from .._peers import with_peer
from .._race import OURS, Contender, Plan, Work, jitted, race
from .._rows import Row

ALLOWED = 1e-3  # relative error


def rows(plan: Plan) -> list[Row]:
    return _rows("gradient", TANH, plan)


def lstm(plan: Plan) -> list[Row]:
    return _rows("lstm_gradient", LSTM, plan)


def gru(plan: Plan) -> list[Row]:
    return _rows("gru_gradient", GRU, plan)


def _rows(case: str, network: Network, plan: Plan) -> list[Row]:
    with jax.enable_x64(False):
        given = network.problem(plan)
    exact = in_numpy(*given.in_numpy()) if network is TANH else _in_float64(network, given)
    with jax.enable_x64(False):
        calls = [
            (OURS, network.ours, "jax.grad, jitted, throw=False"),
            ("hand-written lax.scan", network.scan, "autodiff, jitted"),
        ]
        contenders = [Contender(name, partial(jitted(gradient_of(call)), *given), note) for name, call, note in calls]
        contenders += [
            *with_peer(plan, "torch", [f"PyTorch nn.{network.name}"], partial(_torch, network=network, given=given)),
            *with_peer(plan, "flax", ["flax nnx.RNN"], partial(_flax, network=network, given=given)),
        ]
        error = partial(distance_of_all, reference=exact)
        return race(case, contenders, plan, error, ALLOWED, gradient_work(plan, len(given.b) // plan.hidden))


def gradient_of(states: Callable, by: Sequence[int] = (0, 1, 2, 3)) -> Callable:
    """The gradient function of a contender that computes the states: that by W_h, W_x, b and xs."""

    def loss(W_h: Array, W_x: Array, b: Array, xs: Array, h0: Array) -> Array:
        return jnp.sum(states(W_h, W_x, b, xs, h0) ** 2)

    return jax.grad(loss, argnums=by)


def _in_float64(network: Network, given: Problem) -> list[np.ndarray]:
    with jax.enable_x64(True):
        return [np.asarray(array) for array in jitted(gradient_of(network.scan))(*given.in_numpy())]


def _torch(torch: ModuleType, network: Network, given: Problem) -> list[Contender]:
    module, xs = network.in_torch(torch, given)
    xs.requires_grad_()
    wanted = (module.weight_hh_l0, module.weight_ih_l0, module.bias_ih_l0, xs)

    def call() -> Any:
        return torch.autograd.grad((module(xs)[0] ** 2).sum(), wanted)

    return [Contender(f"PyTorch nn.{network.name}", call, "autograd, CPU, all its threads")]


def _flax(_: ModuleType, network: Network, given: Problem) -> list[Contender]:
    states, params = network.in_flax(given)

    def gradient(params: Any, xs: Array) -> Any:
        return jax.grad(lambda params, xs: jnp.sum(states(params, xs) ** 2), argnums=(0, 1))(params, xs)

    def values(results: Any) -> tuple[Any, ...]:
        by_params, by_xs = results
        return *network.from_flax(by_params), by_xs

    note = f"jax.grad, jitted, {network.in_nnx}"
    return [Contender("flax nnx.RNN", partial(jitted(gradient), params, given.xs), note, values)]


def in_numpy(
    W_h: np.ndarray, W_x: np.ndarray, b: np.ndarray, xs: np.ndarray, h0: np.ndarray, readout: int | None = None
) -> tuple[np.ndarray, ...]:
    """The gradients by hand-written back-propagation through time; only the first `readout` units count, if given."""
    states = TANH.in_numpy(W_h, W_x, b, xs, h0)
    before = np.concatenate([h0[None], states[:-1]])
    deltas, later = np.empty_like(states), np.zeros_like(h0)
    seen = np.arange(len(b)) < (len(b) if readout is None else readout)
    for k in reversed(range(len(xs))):
        deltas[k] = (1 - states[k] ** 2) * (2 * seen * states[k] + later)
        later = deltas[k] @ W_h
    by_step = deltas.reshape(-1, len(b))
    return (
        by_step.T @ before.reshape(-1, len(b)),
        by_step.T @ xs.reshape(-1, xs.shape[-1]),
        by_step.sum(axis=0),
        deltas @ W_x,
    )


def distance_of_all(values: Sequence[Any], reference: Sequence[np.ndarray]) -> float:
    """The largest distance between an array and its reference, each relative to the norm of the reference."""
    distances = []
    for value, exact in zip(values, reference, strict=True):
        value = np.asarray(value, float)
        if value.shape != exact.shape or not np.isfinite(value).all():
            return math.inf
        distances.append(float(np.linalg.norm(value - exact) / np.linalg.norm(exact)))
    return max(distances)


def gradient_work(plan: Plan, gates: int = 1) -> Work:
    """Three products: the run, the way back through it, and the gradient of the weights."""
    forward = work(plan, gates)
    return Work(3 * forward.flops, 3 * forward.bytes)
