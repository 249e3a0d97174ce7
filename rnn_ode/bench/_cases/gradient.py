"""The case "gradient": the gradient of the sum of squares of all states of a tanh network.

The gradient is with respect to W_h, W_x, b and the input.
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

from .. import _tanh
from .._peers import with_peer
from .._race import OURS, Contender, Plan, Work, jitted, race
from .._rows import Row

ALLOWED = 1e-3  # relative error


def rows(plan: Plan) -> list[Row]:
    with jax.enable_x64(False):
        given = _tanh.problem(plan)
        calls = [
            (OURS, _tanh.ours, "jax.grad, jitted, throw=False"),
            ("hand-written lax.scan", _tanh.scan, "autodiff, jitted"),
        ]
        contenders = [Contender(name, partial(jitted(gradient_of(call)), *given), note) for name, call, note in calls]
        contenders += [
            *with_peer(plan, "torch", ["PyTorch nn.RNN"], partial(_torch, given=given)),
            *with_peer(plan, "flax", ["flax nnx.RNN"], partial(_flax, given=given)),
        ]
        error = partial(distance_of_all, reference=in_numpy(*given.in_numpy()))
        return race("gradient", contenders, plan, error, ALLOWED, _work(plan))


def gradient_of(states: Callable) -> Callable:
    """The gradient function of a contender that computes the states."""

    def loss(W_h: Array, W_x: Array, b: Array, xs: Array, h0: Array) -> Array:
        return jnp.sum(states(W_h, W_x, b, xs, h0) ** 2)

    return jax.grad(loss, argnums=(0, 1, 2, 3))


def _torch(torch: ModuleType, given: _tanh.Problem) -> list[Contender]:
    network, xs = _tanh.in_torch(torch, given)
    xs.requires_grad_()
    wanted = (network.weight_hh_l0, network.weight_ih_l0, network.bias_ih_l0, xs)

    def call() -> Any:
        return torch.autograd.grad((network(xs)[0] ** 2).sum(), wanted)

    return [Contender("PyTorch nn.RNN", call, "autograd, CPU, all its threads")]


def _flax(_: ModuleType, given: _tanh.Problem) -> list[Contender]:
    states, params = _tanh.in_flax(given)

    def gradient(params: Any, xs: Array) -> Any:
        return jax.grad(lambda params, xs: jnp.sum(states(params, xs) ** 2), argnums=(0, 1))(params, xs)

    def values(results: Any) -> tuple[Any, ...]:
        by_params, by_xs = results
        return *_tanh.from_flax(by_params), by_xs

    return [
        Contender("flax nnx.RNN", partial(jitted(gradient), params, given.xs), "jax.grad, jitted, SimpleCell", values)
    ]


def in_numpy(
    W_h: np.ndarray, W_x: np.ndarray, b: np.ndarray, xs: np.ndarray, h0: np.ndarray, readout: int | None = None
) -> tuple[np.ndarray, ...]:
    """The gradients by hand-written back-propagation through time; only the first `readout` units count, if given."""
    states = _tanh.in_numpy(W_h, W_x, b, xs, h0)
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


def _work(plan: Plan) -> Work:
    """Three products: the run, the way back through it, and the gradient of the weights."""
    forward = _tanh.work(plan)
    return Work(3 * forward.flops, 3 * forward.bytes)
