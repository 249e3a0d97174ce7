"""The case "sequence": the gradient of a sequence loss by the weights of a tanh network with a linear readout.

The loss is the mean square of the difference between the readout of every state and a target. The network has 16 inputs.
"""

from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._cells.vanilla import VanillaCell
from ..._run.iterate import iterate
from .._networks import TANH, Problem
from .._peers import with_peer
from .._race import OURS, Contender, Plan, jitted, race
from .._rows import Row
from .gradient import ALLOWED, distance_of_all, gradient_work

INPUTS, OUTPUTS = 16, 1


class _Lesson(NamedTuple):
    """The network, its readout R (O, N), and the targets (T, …, O)."""

    given: Problem
    R: Any
    targets: Any


def rows(plan: Plan) -> list[Row]:
    with jax.enable_x64(False):
        plan = plan.of_size(plan.hidden, plan.batch, plan.steps, INPUTS)
        lesson = _lesson(plan)
        calls = [
            (OURS, _ours, "iterate(…, fold=), jax.grad, jitted, throw=False"),
            ("hand-written lax.scan", _scan, "loss of all states, autodiff, jitted"),
        ]
        contenders = [
            Contender(name, partial(jitted(jax.grad(loss, argnums=(0, 1, 2, 3))), *_arguments(lesson)), note)
            for name, loss, note in calls
        ]
        contenders += [
            *with_peer(plan, "torch", ["PyTorch nn.RNN"], partial(_torch, lesson=lesson)),
            *with_peer(plan, "flax", ["flax nnx.RNN"], partial(_flax, lesson=lesson)),
        ]
        error = partial(distance_of_all, reference=_in_numpy(lesson))
        return race("sequence", contenders, plan, error, ALLOWED, gradient_work(plan))


def _lesson(plan: Plan) -> _Lesson:
    given = TANH.problem(plan)
    keys = jax.random.split(jax.random.key(plan.seed + 1))
    R = jax.random.normal(keys[0], (OUTPUTS, plan.hidden)) / plan.hidden**0.5
    return _Lesson(given, R, jax.random.normal(keys[1], (*given.xs.shape[:-1], OUTPUTS)))


def _arguments(lesson: _Lesson) -> tuple[Array, ...]:
    """The arguments of a loss, the weights first."""
    W_h, W_x, b, xs, h0 = lesson.given
    return W_h, W_x, b, lesson.R, xs, h0, lesson.targets


def _ours(W_h: Array, W_x: Array, b: Array, R: Array, xs: Array, h0: Array, targets: Array) -> Array:
    cell = VanillaCell(W_h, W_x, b, jnp.tanh)

    def squares(total: Array, h: Array, target: Array) -> Array:
        return total + jnp.sum((R @ h - target) ** 2)

    def one(xs: Array, h0: Array, targets: Array) -> Array:
        return iterate(cell, xs, h0, fold=(squares, 0.0, targets), throw=False).stats["fold"]

    if xs.ndim == 2:
        return one(xs, h0, targets) / targets.size
    return jnp.sum(jax.vmap(one, in_axes=(1, 0, 1))(xs, h0, targets)) / targets.size


def _scan(W_h: Array, W_x: Array, b: Array, R: Array, xs: Array, h0: Array, targets: Array) -> Array:
    return jnp.mean((TANH.scan(W_h, W_x, b, xs, h0) @ R.T - targets) ** 2)


def _torch(torch: ModuleType, lesson: _Lesson) -> list[Contender]:
    network, xs = TANH.in_torch(torch, lesson.given)
    R = torch.from_numpy(np.array(lesson.R)).requires_grad_()
    targets = torch.from_numpy(np.array(lesson.targets))
    wanted = (network.weight_hh_l0, network.weight_ih_l0, network.bias_ih_l0, R)

    def call() -> Any:
        return torch.autograd.grad(torch.mean((network(xs)[0] @ R.T - targets) ** 2), wanted)

    return [Contender("PyTorch nn.RNN", call, "autograd, CPU, all its threads")]


def _flax(_: ModuleType, lesson: _Lesson) -> list[Contender]:
    states, params = TANH.in_flax(lesson.given)

    def gradient(params: Any, R: Array, xs: Array, targets: Array) -> Any:
        return jax.grad(lambda params, R: jnp.mean((states(params, xs) @ R.T - targets) ** 2), argnums=(0, 1))(
            params, R
        )

    def values(results: Any) -> tuple[Any, ...]:
        return *TANH.from_flax(results[0]), results[1]

    call = partial(jitted(gradient), params, lesson.R, lesson.given.xs, lesson.targets)
    return [Contender("flax nnx.RNN", call, "jax.grad, jitted, SimpleCell", values)]


def _in_numpy(lesson: _Lesson) -> tuple[np.ndarray, ...]:
    """The gradients by hand-written back-propagation through time."""
    W_h, W_x, b, xs, h0 = lesson.given.in_numpy()
    R, targets = np.asarray(lesson.R, float), np.asarray(lesson.targets, float)
    states = TANH.in_numpy(W_h, W_x, b, xs, h0)
    before = np.concatenate([h0[None], states[:-1]])
    errors = 2 * (states @ R.T - targets) / targets.size
    deltas, later = np.empty_like(states), np.zeros_like(h0)
    for k in reversed(range(len(xs))):
        deltas[k] = (1 - states[k] ** 2) * (errors[k] @ R + later)
        later = deltas[k] @ W_h
    deltas, before, xs = (array.reshape(-1, array.shape[-1]) for array in (deltas, before, xs))
    by_readout = errors.reshape(-1, OUTPUTS).T @ states.reshape(-1, len(b))
    return deltas.T @ before, deltas.T @ xs, deltas.sum(axis=0), by_readout
