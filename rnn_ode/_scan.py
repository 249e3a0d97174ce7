"""The states of a network by `lax.scan`, with derivatives that take the weight's part for all steps at once.

A step is h(k) = combine(d(k) + W read(h(k−1)), h(k−1)). Its tangent with respect to W is that of the drive d(k) when
dW read(h(k−1)) is added to it, and those are known for all steps once the states are: one matrix product. Transposed, the
scan back through time carries the state's cotangents alone, and dW is one product of those of all steps with the states,
where plain reverse mode adds an outer product to it in every step. Both modes, and their derivatives, are this one rule.
"""

import jax

from ._cells import Recurrence
from ._runs import after
from ._types import State


def scan_states(apart: Recurrence, drives, h0: State) -> State:
    """The states (T, …) after each of the drives (T, …)."""
    z = jax.eval_shape(lambda drive, h: drive + apart.place(apart.weight @ apart.read(h)), drives[0], h0)
    # what combine closes over, an activation's slope for one, has derivatives too
    combine, parameters = jax.closure_convert(apart.combine, z, h0)
    return _states((combine, apart.read, apart.place), apart.weight, parameters, drives, h0)


def _plain(functions, weight, parameters, drives, h0):
    combine, read, place = functions
    transposed = weight.T  # of a batch of rows, XLA makes the faster product

    def body(h, drive):
        h = combine(drive + place(read(h) @ transposed), h, *parameters)
        return h, h

    return jax.lax.scan(body, h0, drives, unroll=2)[1]


_states = jax.custom_jvp(_plain, nondiff_argnums=(0,))


@_states.defjvp
def _states_jvp(functions, primals, tangents):
    _, read, place = functions
    weight, *rest = primals
    weight_tangent, parameters_tangent, drives_tangent, start_tangent = tangents
    states, along = jax.linearize(lambda *rest: _plain(functions, weight, *rest), *rest)
    before = jax.tree.map(lambda leaf: leaf[:-1], after(rest[-1], states))
    pushes = jax.vmap(place)(jax.vmap(read)(before) @ weight_tangent.T)
    return states, along(parameters_tangent, drives_tangent + pushes, start_tangent)
