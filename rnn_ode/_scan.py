"""The states of a network by `lax.scan`, with derivatives that take the weight's part for all steps at once.

A step is h(k) = combine(d(k) + W read(h(k−1)), h(k−1)), where the drive d(k) needs no state. Its tangent with respect to W is
that of the drive when dW read(h(k−1)) is added to it, and those are known for all steps once the states are: one matrix
product. Transposed, the scan back through time carries the state's cotangents alone, and dW is one product of those of all
steps with the states, where plain reverse mode adds an outer product to it in every step. Both modes, and their
derivatives, are this one rule.

A narrow input's drives are computed step by step: fresh memory costs more than the sums (at 32 units and a batch of 16, a
third of the run).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ._cells import Recurrence
from ._runs import after
from ._types import State

_NARROW = 4


def scan_states(apart: Recurrence, xs: Float[Array, "T ..."], h0: State) -> tuple[State, Bool[Array, ""]]:
    """The states (T, …) after each input, and whether all of them are known to be finite."""
    drive, drive_parameters = jax.closure_convert(lambda x: apart.drive(x), xs[0])
    z = jax.eval_shape(lambda x, h: apart.drive(x) + apart.place(apart.weight @ apart.read(h)), xs[0], h0)
    # what combine closes over, an activation's slope for one, has derivatives too
    combine, parameters = jax.closure_convert(apart.combine, z, h0)
    return _states((drive, combine, apart.read, apart.place), apart.weight, drive_parameters, parameters, xs, h0)


def _plain(functions, weight, drive_parameters, parameters, xs, h0):
    drive, *_ = functions
    if xs.size > _NARROW * xs.shape[0]:
        drives = jax.vmap(lambda x: drive(x, *drive_parameters))(xs)
        return _driven(functions, lambda d: d, weight, parameters, drives, h0)
    return _driven(functions, lambda x: drive(x, *drive_parameters), weight, parameters, xs, h0)


def _driven(functions, drive, weight, parameters, inputs, h0):
    _, combine, read, place = functions
    transposed = weight.T  # of a batch of rows, XLA makes the faster product

    def body(carry, x):
        h, zero = carry
        h = combine(drive(x) + place(read(h) @ transposed), h, *parameters)
        return (h, jax.tree.map(lambda total, leaf: total + 0 * leaf, zero, h)), h

    (_, zero), states = jax.lax.scan(body, (h0, jax.tree.map(lambda leaf: 0 * leaf, h0)), inputs, unroll=2)
    # 0 · ∞ is NaN, and so is what it was ever added to
    return states, jnp.all(jnp.stack([jnp.all(leaf == 0) for leaf in jax.tree.leaves(zero)]))


_states = jax.custom_jvp(_plain, nondiff_argnums=(0,))


@_states.defjvp  # pyright: ignore[reportArgumentType]  (the tangent of a boolean is NumPy's)
def _states_jvp(functions, primals, tangents):
    drive, _, read, place = functions
    weight, drive_parameters, parameters, xs, h0 = primals
    d_weight, d_drive_parameters, d_parameters, d_xs, d_h0 = tangents
    drives, drives_along = jax.linearize(lambda p, xs: jax.vmap(lambda x: drive(x, *p))(xs), drive_parameters, xs)

    def run(parameters, drives, h0):
        return _driven(functions, lambda d: d, weight, parameters, drives, h0)[0]

    states, along = jax.linearize(run, parameters, drives, h0)
    before = jax.tree.map(lambda leaf: leaf[:-1], after(h0, states))
    pushes = jax.vmap(place)(jax.vmap(read)(before) @ d_weight.T)
    tangent = along(d_parameters, drives_along(d_drive_parameters, d_xs) + pushes, d_h0)
    return (states, jnp.array(False)), (tangent, np.zeros((), jax.dtypes.float0))
