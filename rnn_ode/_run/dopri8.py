"""Dormand and Prince's eighth-order Runge–Kutta step, with diffrax's own tableau and its stages in a plain `lax.scan`.

`diffrax.Dopri8` takes the same steps, and serves every kind of Runge–Kutta method and of term. With states of tens of
units its stages cost two to three times what the field does; here a stage is the field and one sum. The tests hold a step
to diffrax's, to rounding. There is no dense output: `integrate` ends an interval at every time it is asked for.
"""

import functools

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

_TABLEAU = diffrax.Dopri8.tableau

_STAGES = _TABLEAU.num_stages

_NODES = np.concatenate([[0.0], _TABLEAU.c])

_WEIGHTS = np.stack([np.pad(row, (0, _STAGES - len(row))) for row in ((), *_TABLEAU.a_lower)])


class Dopri8(diffrax.AbstractAdaptiveSolver):
    """Dormand and Prince's 8(7) pair (Prince and Dormand 1981) for a `diffrax.ODETerm`.

    The last stage is evaluated at the end of the step, so that its state is the solution. Its rate would serve the next
    step as the first one; that is not used, since a second copy of the field costs more to compile than it saves.
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

        def stage(carry, x):
            rates, _ = carry
            index, node, weights = x
            y = jax.tree.map(jnp.add, y0, combined(weights, rates))
            rate = terms.vf(t0 + node * length, y, args)
            return (jax.tree.map(lambda leaf, new: leaf.at[index].set(new), rates, rate), y), None

        kind = jnp.result_type(length)
        rates = jax.tree.map(lambda leaf: jnp.zeros((_STAGES, *leaf.shape), leaf.dtype), y0)
        table = (jnp.arange(_STAGES), jnp.asarray(_NODES, kind), jnp.asarray(_WEIGHTS, kind))
        (rates, y1), _ = jax.lax.scan(stage, (rates, y0), table)
        error = combined(jnp.asarray(_TABLEAU.b_error, kind), rates)
        return y1, error, {"y0": y0, "y1": y1}, None, diffrax.RESULTS.successful


@jax.custom_jvp
def _weighted(weights, rates):
    """Σᵢ weightsᵢ ratesᵢ of rates (stages, …), written out: XLA then takes whole vectors of entries at a time, where
    `jnp.sum` goes through the stages of one entry after another. In batches that makes a solve twice as fast."""
    return functools.reduce(jnp.add, (weights[i] * rates[i] for i in range(_STAGES)))


# written out, it would be transposed to as many arrays of all stages, to be added up
_weighted.defjvps(
    None, lambda along, _, weights, rates: jnp.sum(weights.reshape(-1, *(1,) * (along.ndim - 1)) * along, axis=0)
)
