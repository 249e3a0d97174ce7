"""The case "gradient": that of the sum of squares of all states of a tanh network, by W_h, W_x, b and the input."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from .. import _problem as _tanh
from .._peers import with_peer
from .._race import OURS, Contender, Plan, Work, jitted, race
from .._rows import Row

ALLOWED = 1e-3


def rows(plan: Plan) -> list[Row]:
    with jax.enable_x64(False):
        given = _tanh.problem(plan)
        calls = [
            (OURS, _tanh.ours, "jax.grad, jitted, throw=False"),
            ("hand-written lax.scan", _tanh.scan, "autodiff, jitted"),
        ]
        contenders = [Contender(name, partial(jitted(_gradient(call)), *given), note) for name, call, note in calls]
        contenders += [
            *with_peer(plan, "torch", ["PyTorch nn.RNN"], partial(_torch, given=given)),
            *with_peer(plan, "flax", ["flax nnx.RNN"], partial(_flax, given=given)),
        ]
        error = partial(distance_of_all, reference=in_numpy(*given.in_numpy()))
        return race("gradient", contenders, plan, error, ALLOWED, _work(plan))


def _gradient(states):
    def loss(W_h, W_x, b, xs, h0):
        return jnp.sum(states(W_h, W_x, b, xs, h0) ** 2)

    return jax.grad(loss, argnums=(0, 1, 2, 3))


def _torch(torch, given) -> list[Contender]:
    network, xs = _tanh.in_torch(torch, given)
    xs.requires_grad_()
    wanted = (network.weight_hh_l0, network.weight_ih_l0, network.bias_ih_l0, xs)
    call = lambda: torch.autograd.grad((network(xs)[0] ** 2).sum(), wanted)  # noqa: E731
    return [Contender("PyTorch nn.RNN", call, "autograd, CPU, all its threads")]


def _flax(flax, given) -> list[Contender]:
    states, params = _tanh.in_flax(flax, given)

    def gradient(params, xs):
        return jax.grad(lambda params, xs: jnp.sum(states(params, xs) ** 2), argnums=(0, 1))(params, xs)

    def values(results):
        by_params, by_xs = results
        cell = by_params["cell"]
        hidden, inputs, bias = (
            np.asarray(part[...])
            for part in (cell["dense_h"]["kernel"], cell["dense_i"]["kernel"], cell["dense_i"]["bias"])
        )
        return hidden.T, inputs.T, bias, by_xs

    return [
        Contender("flax nnx.RNN", partial(jitted(gradient), params, given.xs), "jax.grad, jitted, SimpleCell", values)
    ]


def in_numpy(W_h, W_x, b, xs, h0, readout: int | None = None):
    """The gradients by back-propagation through time, by hand, of the sum of squares of the first `readout` units."""
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


def distance_of_all(values, reference) -> float:
    """The largest of the distances of several arrays, each relative to the reference's norm."""
    distances = []
    for value, exact in zip(values, reference, strict=True):
        value = np.asarray(value, float)
        if value.shape != exact.shape or not np.isfinite(value).all():
            return math.inf
        distances.append(float(np.linalg.norm(value - exact) / np.linalg.norm(exact)))
    return max(distances)


def _work(plan: Plan) -> Work:
    """The run, the way back through it, and the weights' gradient: three products."""
    forward = _tanh.work(plan)
    return Work(3 * forward.flops, 3 * forward.bytes)
