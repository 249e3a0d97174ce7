"""The case "long": the gradient of a readout over 10⁵ steps. It needs memory: `iterate` keeps only checkpoints of the run."""

from functools import partial
from math import isqrt

import jax
import jax.numpy as jnp
from jax import Array

from ..._cells.vanilla import VanillaCell
from ..._run.iterate import iterate
from .._networks import TANH
from .._race import OURS, Contender, Plan, jitted, race
from .._rows import Row
from .gradient import distance_of_all, in_numpy

SIZE = (128, 1, 100_000)  # units, batch, steps

ALLOWED = 1e-2  # relative error


def rows(plan: Plan) -> list[Row]:
    plan = plan.of_size(*SIZE)
    with jax.enable_x64(False):
        given = TANH.problem(plan)
        kept = isqrt(plan.steps)
        contenders = [
            Contender(OURS, partial(jitted(jax.grad(partial(_ours, kept), (0, 1, 2))), *given), f"checkpoints={kept}"),
            Contender("plain lax.scan", partial(jitted(jax.grad(_scan, (0, 1, 2))), *given), "autodiff"),
        ]
        exact = in_numpy(*given.in_numpy(), readout=1)[:3]
        return race("long", contenders, plan, partial(distance_of_all, reference=exact), ALLOWED)


def _ours(kept: int, W_h: Array, W_x: Array, b: Array, xs: Array, h0: Array) -> Array:
    cell = VanillaCell(W_h, W_x, b, jnp.tanh)
    return jnp.sum(iterate(cell, xs, h0, save=lambda h: h[0], checkpoints=kept, throw=False).states ** 2)


def _scan(W_h: Array, W_x: Array, b: Array, xs: Array, h0: Array) -> Array:
    def body(h: Array, drive: Array) -> tuple[Array, Array]:
        h = jnp.tanh(W_h @ h + drive)
        return h, h[0]

    return jnp.sum(jax.lax.scan(body, h0, xs @ W_x.T + b[None])[1] ** 2)
