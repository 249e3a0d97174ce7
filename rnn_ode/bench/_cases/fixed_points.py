"""The case "fixed_points": a search for the fixed points of a GRU without input, from uniform guesses in (−1, 1)."""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from ..._analyses.fixed_points import fixed_points
from ..._systems.map import Map
from .._peers import peer
from .._race import OURS, Contender, Plan, race
from .._rows import Row

SEARCH = (64, 1024, 10_000)  # units, guesses and steps of Adam: after 5000 some residuals are still 2e-2

GAIN = 1.5


def rows(plan: Plan) -> list[Row]:
    units, guesses, steps = SEARCH
    plan = plan.of_size(units, guesses, steps)
    with jax.enable_x64(True):
        problem = _gated(plan)
        adam, note = _adam(steps), f"{steps} steps, jitted, rate 0.05 with cosine decay"
        contenders = [
            Contender(OURS, partial(jax.jit(_ours), *problem), "jitted, with verdicts"),
            Contender("Adam on the speed", None, adam)
            if isinstance(adam, str)
            else Contender("Adam on the speed", partial(jax.jit(adam), *problem), note),
        ]
        return race("fixed_points", contenders, plan, lambda residuals: float(jnp.max(residuals)))


def _gated(plan: Plan) -> tuple[eqx.nn.GRUCell, Array]:
    """A random GRU, and guesses (K, N).

    Random GRUs of gain 1 have one fixed point; with gain 2 most searches fail. The gain 1.5 lies between.
    """
    size, count, _ = SEARCH
    keys = jax.random.split(jax.random.key(plan.seed), 3)
    cell = eqx.nn.GRUCell(1, size, key=keys[0])
    weights = GAIN * jax.random.normal(keys[1], (3 * size, size)) / size**0.5
    guesses = jax.random.uniform(keys[2], (count, size), minval=-1, maxval=1)
    return eqx.tree_at(lambda cell: cell.weight_hh, cell, weights), guesses


def _ours(cell: eqx.nn.GRUCell, guesses: Array) -> Array:
    """The residual of every guess, infinite where it reached no fixed point."""
    found = fixed_points(Map(cell, jnp.zeros(1)), guesses)
    return jnp.where(found.reached < 0, jnp.inf, found.residuals[found.reached])


def _adam(count: int) -> Callable | str:
    """The search by Adam on the speed ½‖cell(0, h) − h‖² of all guesses, as in usual fixed-point finders.

    Without optax: the text that says so.
    """
    optax = peer("optax")
    if isinstance(optax, str):
        return optax

    def search(cell: eqx.nn.GRUCell, guesses: Array) -> Array:
        def residuals(h: Array) -> Array:
            return jax.vmap(lambda h: cell(jnp.zeros(1), h) - h)(h)

        def step(carry: Any, _: None) -> tuple[Any, None]:
            h, state = carry
            updates, state = optimiser.update(jax.grad(lambda h: 0.5 * jnp.sum(residuals(h) ** 2))(h), state)
            return (optax.apply_updates(h, updates), state), None

        optimiser = optax.adam(optax.cosine_decay_schedule(0.05, count))
        h = jax.lax.scan(step, (guesses, optimiser.init(guesses)), length=count)[0][0]
        return jnp.linalg.norm(residuals(h), axis=1)

    return search
