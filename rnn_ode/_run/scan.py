"""The states of a network by `lax.scan`, with a derivative rule that handles the weights for all steps at once.

A step is h(k) = combine(d(k) + W read(h(k−1)), h(k−1)), where the drive d(k) needs no state. A change dW acts like the change
dW read(h(k−1)) of the drive. Once the states are known, one matrix product gives these changes for all steps. In reverse
mode, the scan back through time carries only the cotangents of the state. dW is then one product of the cotangents of all
steps with the states. Plain reverse mode adds an outer product to dW in every step instead. Both modes, and their
derivatives, follow from this rule.

Where the product is only a part of the drive, as in a GRU, the rule would cut that part out of the cotangents of all steps
and copy it. There the gradient is plain reverse mode (a GRU of 32 units in a batch of 64: 15 ms in place of 31, on two cores
of an AMD EPYC).

The drives of a narrow input are computed step by step: to write them to memory for all steps costs more than to compute them
(of the run a third for 32 units, one input and a batch of 16, and a fifth for 128 units, 16 inputs and a batch of 64, on two
cores of an AMD EPYC). At 64 inputs an LSTM of 128 units in a batch of 64 takes 30 ms in place of 52, and one sequence 2.5 in
place of 1.9. On GPUs and TPUs this was not measured.

A fold over the states is part of the same loop. In reverse mode the cotangent of each state is then made where it is used,
and no array of them is in memory.

For reverse mode the loop keeps of each step only the state before it, what `combine` needs, and the values of tanh and of
the logistic function. The rest of `combine` and of the fold is computed again on the way back, which costs less than the
memory: an LSTM of 128 units in a batch of 64 saves a fifth of the gradient's time and a third of its memory (same machine).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from .._base.states import is_finite
from .._base.types import State
from .._cells.recurrence import Recurrence
from .fold import Fold
from .kept import Kept

_NARROW = 128  # inputs
_COSTLY = jax.lax.tanh_p, jax.lax.logistic_p  # to compute again


def run_steps(
    step: Callable[[State, PyTree, Any], tuple[State, PyTree]],
    h0: State,
    init: PyTree,
    inputs: Any,
    keep: Callable[[State, State], Any],
    absorbing: bool = False,
) -> tuple[Any, State, PyTree, Float[Array, ""]]:
    """Run (h, total) ← step(h, total, input), the loop of all networks.

    It returns what is kept of the states before and after every step (T, …), the last state, the last total, and a number
    that is 0 only if every state was finite. If the step is `absorbing`, as a `Recurrence` is, the first and the last state
    tell. Otherwise the loop adds 0·h of every state: 0·inf is NaN and propagates."""

    def nothing(h):
        return () if absorbing else jax.tree.map(lambda leaf: 0 * jax.lax.stop_gradient(leaf), h)

    def body(carry, given):
        h, total, zero = carry
        new, total = step(h, total, given)
        return (new, total, jax.tree.map(jnp.add, zero, nothing(new))), keep(h, new)

    (end, total, zero), kept = jax.lax.scan(body, (h0, init, nothing(h0)), inputs)
    return kept, end, total, jnp.where(is_finite((h0, end, zero)), 0.0, 1.0)


def scan_states(
    apart: Recurrence,
    fold: Fold,
    xs: Float[Array, "T ..."],
    h0: State,
    keep: Callable[[State], Kept],
    kicks: State | None = None,
) -> tuple[Kept, State, PyTree, Float[Array, ""]]:
    """Return the states (T, …) after each input, as `keep` returns them, the last one, the fold, and a number that is 0 only
    if all are finite. `kicks` (T, …) are added to the states."""

    def wide_drive(x):
        drive = apart.drive(x)
        return drive.astype(jnp.result_type(drive, apart.place(apart.weight @ apart.read(h0))))

    # the arrays that the functions close over (weights, an activation's slope, a mask) become arguments
    drive = eqx.filter_closure_convert(wide_drive, xs[0])
    combine = eqx.filter_closure_convert(apart.combine, drive(xs[0]), h0)
    f = eqx.filter_closure_convert(fold.f, fold.init, h0, jax.tree.map(lambda leaf: leaf[0], fold.rows))
    traced, static = eqx.partition((drive, combine, fold._replace(f=f)), eqx.is_array)
    slopes, others = eqx.partition(traced, eqx.is_inexact_array)
    leaves, structure = jax.tree.flatten(static)
    functions = (tuple(leaves), structure, keep, apart.absorbing, apart.read, apart.place)
    in_part = apart.weight.shape[0] < drive(xs[0]).size
    return (_plain if in_part else _states)(functions, others, apart.weight, slopes, xs, h0, kicks)


def _together(functions, others, slopes):
    """Return `drive`, `combine` and the fold from their parts: constants, arrays without derivatives, and the others."""
    leaves, structure, *_ = functions
    return eqx.combine(slopes, others, jax.tree.unflatten(structure, leaves))


def _plain(functions, others, weight, slopes, xs, h0, kicks):
    drive, combine, fold = _together(functions, others, slopes)
    drive, inputs = (drive, xs) if _narrow(xs) else (lambda d: d, jax.vmap(drive)(xs))
    (_, rows), end, total, doubt = _driven(functions, combine, fold, drive, weight, inputs, h0, kicks)
    return rows, end, total, doubt


def _narrow(xs: Array) -> bool:
    return xs.size <= _NARROW * xs.shape[0]


def _driven(functions, combine, fold, drive, weight, inputs, h0, kicks):
    """Return the states before and after every step, the last state, the fold, and the number of `run_steps`."""
    *_, keep, absorbing, read, place = functions
    # without the barriers, XLA fuses the product with what surrounds it and then computes it by its own slower loop
    barrier = jax.lax.optimization_barrier
    transposed = barrier(weight.T)  # for a batch of rows, XLA makes a faster product of it

    def kept_for_reverse(primitive, *_, **__):
        return primitive in _COSTLY

    @partial(jax.checkpoint, prevent_cse=False, policy=kept_for_reverse)  # a scan shares nothing with the forward pass
    def finish(z, h, total, row, kick):
        h = kicked(combine(z, h), kick)
        return h, fold.f(total, h, row)

    def step(h, total, given):
        x, row, kick = given
        return finish(drive(x) + place(barrier(_product(weight, transposed, read(h)))), h, total, row, kick)

    def both(before, h):
        return before, keep(h)

    # a kick and a complex tanh may be infinite, and tanh(inf) is finite
    real = not any(map(jnp.iscomplexobj, jax.tree.leaves(h0)))
    return run_steps(step, h0, fold.init, (inputs, fold.rows, kicks), both, absorbing and real and kicks is None)


@jax.custom_jvp
def _product(weight, transposed, h):
    """Return weight @ h. A batch of states takes the product with the transposed weight, which XLA computes faster.

    In reverse mode the gradient of the weight has the weight's own order of axes, since to add the transposed of an outer
    product in every step takes twice the time (a GRU of 128 units, one sequence). The cotangent of h is that of the result,
    multiplied by the weight, which is the faster product in a batch; `jnp.inner` keeps the batch the first axis of both."""
    return _by_rows(weight, transposed, h)


@jax.custom_batching.custom_vmap
def _by_rows(weight, transposed, h):
    return weight @ h


@_by_rows.def_vmap
def _by_rows_in_a_batch(size, batched, weight, transposed, h):
    axes = [0 if one else None for one in batched]
    return jax.vmap(lambda _, transposed, h: h @ transposed, axes, axis_size=size)(weight, transposed, h), True


@partial(_product.defjvp, symbolic_zeros=True)  # a zero matrix would be multiplied in every step
def _product_jvp(primals, tangents):
    weight, _, h = primals
    d_weight, _, d_h = tangents  # the tangent of the transposed is that of the weight
    along = [jnp.inner(d_h, weight)] if _moves(d_h) else []
    along += [d_weight @ h] if _moves(d_weight) else []
    value = _product(*primals)
    return value, sum(along[1:], along[0]) if along else jnp.zeros_like(value)


def _moves(tangent: Any) -> bool:
    return not isinstance(tangent, jax.custom_derivatives.SymbolicZero)


def kicked(h: State, kick: State | None) -> State:
    """Return the state with what noise adds to it, if there is any."""
    return h if kick is None else jax.tree.map(jnp.add, h, kick)


_states = jax.custom_jvp(_plain, nondiff_argnums=(0,))


@_states.defjvp
def _states_jvp(functions, primals, tangents):
    *_, read, place = functions
    others, weight, slopes, xs, h0, kicks = primals
    _, d_weight, d_slopes, d_xs, d_h0, d_kicks = tangents

    def drives_of(slopes, xs):
        return jax.vmap(_together(functions, others, slopes)[0])(xs)

    drives, drives_along = jax.linearize(drives_of, slopes, xs)
    drive, inputs = (_together(functions, others, slopes)[0], xs) if _narrow(xs) else (lambda d: d, drives)

    def run(slopes, changes, h0, kicks):
        """Run with `changes` added to the drives, which are zeros here: the drives of a narrow input are never in memory."""
        _, combine, fold = _together(functions, others, slopes)
        both = inputs, changes
        return _driven(functions, combine, fold, lambda pair: drive(pair[0]) + pair[1], weight, both, h0, kicks)

    ((before, rows), *ends), along = jax.linearize(run, slopes, jnp.zeros_like(drives), h0, kicks)
    pushes = jax.vmap(place)(jax.vmap(read)(before) @ d_weight.T)
    (_, d_rows), *d_ends = along(d_slopes, drives_along(d_slopes, d_xs) + pushes.astype(drives.dtype), d_h0, d_kicks)
    return (rows, *ends), (d_rows, *d_ends)
