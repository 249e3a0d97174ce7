"""Dormand and Prince's eighth-order Runge–Kutta step, with diffrax's own tableau, and its stages in a plain `lax.scan`.

`diffrax.Dopri8` takes the same steps. It is made for every kind of Runge–Kutta method and of term: for tens of units its
stages cost two to three times as much as the field. Here a stage is the field and one sum. A test compares a step with
diffrax's, to rounding. There is no dense output, since `integrate` ends an interval at every output time.
"""

import functools
from collections.abc import Callable

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .._base.types import State

_TABLEAU = diffrax.Dopri8.tableau

_STAGES = _TABLEAU.num_stages - 1  # diffrax's last one is the first of the next step, and has no weight in this one

_NODES = np.concatenate([[0.0], _TABLEAU.c[:-1]])

# a row for each stage's state, and the last for the state at the end of the step
_WEIGHTS = np.stack([np.pad(row, (0, _STAGES - len(row))) for row in ((), *_TABLEAU.a_lower)])

_ERROR = _TABLEAU.b_error[:_STAGES]


class Dopri8(diffrax.AbstractAdaptiveSolver):
    """Dormand and Prince's 8(7) pair (Prince and Dormand 1981) for a `diffrax.ODETerm`.

    The first rate of a step is computed anew, although the last one of the step before is the same: a second copy of the
    field costs more to compile than it saves.
    """

    term_structure = diffrax.ODETerm
    interpolation_cls = diffrax.LocalLinearInterpolation

    def order(self, terms):
        return 8

    def init(self, terms, t0, t1, y0, args):
        return None

    def func(self, terms, t0, y0, args):
        return terms.vf(t0, y0, args)

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        length = terms.contr(t0, t1)

        def combined(weights, rates):
            return jax.tree.map(lambda leaf: length * _weighted(weights, leaf), rates)

        def stage(rates, x):
            index, node, weights = x
            y = jax.tree.map(jnp.add, y0, combined(weights, rates))
            rate = terms.vf(t0 + node * length, y, args)
            return jax.tree.map(lambda leaf, new: leaf.at[index].set(new), rates, rate), None

        kind = jnp.result_type(length)
        rates = jax.tree.map(lambda leaf: jnp.zeros((_STAGES, *leaf.shape), leaf.dtype), y0)
        weights = jnp.asarray(_WEIGHTS, kind)
        rates, _ = jax.lax.scan(stage, rates, (jnp.arange(_STAGES), jnp.asarray(_NODES, kind), weights[:-1]))
        y1 = jax.tree.map(jnp.add, y0, combined(weights[-1], rates))
        error = combined(jnp.asarray(_ERROR, kind), rates)
        return y1, error, {"y0": y0, "y1": y1}, None, diffrax.RESULTS.successful


@jax.custom_jvp
def _weighted(weights, rates):
    """Return Σᵢ weightsᵢ ratesᵢ of rates (stages, …), as a sum that is written out.

    XLA then adds whole vectors of entries, where `jnp.sum` adds the stages of one entry after another. In batches a solve is
    twice as fast."""
    return functools.reduce(jnp.add, (weights[i] * rates[i] for i in range(len(rates))))


# the transpose of the sum that is written out would be as many arrays of all stages, to be added
_weighted.defjvps(
    None, lambda along, _, weights, rates: jnp.sum(weights.reshape(-1, *(1,) * (along.ndim - 1)) * along, axis=0)
)


def step_transposed(rate: Callable[[Array, State], State], start: Array, end: Array, y0: State, cotangent: State):
    """Return the transpose of a step y0 → y1 of dy/dt = rate(t, y), at a cotangent of y1.

    The first of four results is the cotangent of `y0`. The others belong to the stages and have an axis in front: the
    cotangents of their rates, their times, their states. The parameters of `rate` act on y1 by way of these rates only.
    """
    length = end - start
    kind = jnp.result_type(length)
    order, times = jnp.arange(_STAGES), start + jnp.asarray(_NODES, kind) * length

    def combined(weights, rates):
        return jax.tree.map(lambda leaf: length * _weighted(weights, leaf), rates)

    def put(rows, index, row):
        return jax.tree.map(lambda a, b: jax.lax.dynamic_update_index_in_dim(a, b, index, 0), rows, row)

    def forward(rates, x):
        index, time, weights = x
        y = jax.tree.map(jnp.add, y0, combined(weights, rates))
        return put(rates, index, rate(time, y)), y

    def backward(carry, x):
        pulled, push = carry  # the cotangents of the stages' states so far, and of this stage's rate
        index, time, y, weights = x
        pulled = put(pulled, index, jax.vjp(lambda y: rate(time, y), y)[1](push)[0])
        return (pulled, pushed(weights, pulled)), None

    def pushed(weights, pulled):
        return jax.tree.map(lambda a, b: length * (_weighted(weights[:-1], a) + weights[-1] * b), pulled, cotangent)

    none = jax.tree.map(lambda leaf: jnp.zeros((_STAGES, *leaf.shape), leaf.dtype), y0)
    _, ys = jax.lax.scan(forward, none, (order, times, jnp.asarray(_WEIGHTS[:-1], kind)))
    columns = jnp.asarray(_WEIGHTS.T, kind)  # how a stage's rate enters the later stages and the end
    last = pushed(columns[-1], none)
    (pulled, _), _ = jax.lax.scan(backward, (none, last), (order, times, ys, jnp.roll(columns, 1, 0)), reverse=True)
    pulled = jax.tree.map(lambda a, b: jnp.concatenate([a, b[None]]), pulled, cotangent)

    def of_all(leaf):  # a product at the end costs less than rows that are written in every turn of the loop
        return length * jnp.tensordot(columns.astype(leaf.dtype), leaf, 1, precision="highest")

    return jax.tree.map(lambda leaf: jnp.sum(leaf, 0), pulled), jax.tree.map(of_all, pulled), times, ys
