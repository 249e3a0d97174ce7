"""The states of a network by `lax.scan`, with a derivative rule that handles the weights for all steps at once.

A step is h(k) = combine(d(k) + W read(h(k−1)), h(k−1)), where the drive d(k) needs no state. A change dW acts like the change
dW read(h(k−1)) of the drive. Once the states are known, one matrix product gives these changes for all steps. In reverse
mode, the scan back through time carries only the cotangents of the state. dW is then one product of the cotangents of all
steps with the states. Plain reverse mode adds an outer product to dW in every step instead. Both modes, and their
derivatives, follow from this rule.

The drives of a narrow input are computed step by step: to write them to memory for all steps costs more than to compute them
(of the run a third for 32 units, one input and a batch of 16, and a fifth for 128 units, 16 inputs and a batch of 64, on two
cores of an AMD EPYC).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._base.states import after
from .._base.types import State
from .._cells.recurrence import Recurrence

_NARROW = 32  # inputs


def scan_states(apart: Recurrence, xs: Float[Array, "T ..."], h0: State) -> tuple[State, Bool[Array, ""]]:
    """Return the states (T, …) after each input, and whether all of them are known to be finite."""

    def wide_drive(x):
        drive = apart.drive(x)
        return drive.astype(jnp.result_type(drive, apart.place(apart.weight @ apart.read(h0))))

    # the arrays that drive and combine close over (weights, an activation's slope, a mask) become arguments
    drive = eqx.filter_closure_convert(wide_drive, xs[0])
    combine = eqx.filter_closure_convert(apart.combine, drive(xs[0]), h0)
    traced, static = eqx.partition((drive, combine), eqx.is_array)
    slopes, others = eqx.partition(traced, eqx.is_inexact_array)
    leaves, structure = jax.tree.flatten(static)
    functions = (tuple(leaves), structure, apart.read, apart.place)
    states, doubt = _states(functions, others, apart.weight, slopes, xs, h0)
    return states, doubt == 0


def _together(functions, others, slopes):
    """Return `drive` and `combine` from their parts: constants, arrays without derivatives, and arrays with derivatives."""
    leaves, structure, *_ = functions
    return eqx.combine(slopes, others, jax.tree.unflatten(structure, leaves))


def _plain(functions, others, weight, slopes, xs, h0):
    drive, combine = _together(functions, others, slopes)
    drive, inputs = (drive, xs) if _narrow(xs) else (lambda d: d, jax.vmap(drive)(xs))
    return _driven(functions, combine, drive, weight, inputs, h0)


def _narrow(xs: Array) -> bool:
    return xs.size <= _NARROW * xs.shape[0]


def _driven(functions, combine, drive, weight, inputs, h0):
    *_, read, place = functions
    transposed = weight.T  # for a batch of rows, XLA makes a faster product of it

    def body(carry, x):
        h, zero = carry
        h = combine(drive(x) + place(read(h) @ transposed), h)
        return (h, jax.tree.map(lambda total, leaf: total + 0 * leaf, zero, h)), h

    (_, zero), states = jax.lax.scan(body, (h0, jax.tree.map(lambda leaf: 0 * leaf, h0)), inputs, unroll=2)
    # 0·inf is NaN and propagates, so the sum is 0 only if every state was finite
    fine = jnp.all(jnp.stack([jnp.all(leaf == 0) for leaf in jax.tree.leaves(zero)]))
    return states, jnp.where(fine, 0.0, 1.0)


_states = jax.custom_jvp(_plain, nondiff_argnums=(0,))


@_states.defjvp
def _states_jvp(functions, primals, tangents):
    *_, read, place = functions
    others, weight, slopes, xs, h0 = primals
    _, d_weight, d_slopes, d_xs, d_h0 = tangents

    def drives_of(slopes, xs):
        return jax.vmap(_together(functions, others, slopes)[0])(xs)

    drives, drives_along = jax.linearize(drives_of, slopes, xs)
    drive, inputs = (_together(functions, others, slopes)[0], xs) if _narrow(xs) else (lambda d: d, drives)

    def run(slopes, changes, h0):
        """Run with `changes` added to the drives, which are zeros here: the drives of a narrow input are never in memory."""
        combine = _together(functions, others, slopes)[1]
        return _driven(functions, combine, lambda pair: drive(pair[0]) + pair[1], weight, (inputs, changes), h0)[0]

    states, along = jax.linearize(run, slopes, jnp.zeros_like(drives), h0)
    before = jax.tree.map(lambda leaf: leaf[:-1], after(h0, states))
    pushes = jax.vmap(place)(jax.vmap(read)(before) @ d_weight.T)
    tangent = along(d_slopes, drives_along(d_slopes, d_xs) + pushes.astype(drives.dtype), d_h0)
    # nothing is known here; under vmap, both numbers need the batch axis of the states
    first = jax.tree.leaves(states)[0].ravel()[0]
    doubt = jnp.where(first == first, 1.0, 1.0)
    return (states, doubt), (tangent, 0 * doubt)
