"""Running a network: `lax.scan` with everything that needs no state computed before it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PyTree, Real

from ._cells import AbstractCell, as_state, initial_state
from ._errors import RESULTS, as_floats, as_step, check_callable
from ._types import Cell, State, Trajectory, is_finite, keep_before


def iterate(
    cell: Cell,
    xs: Real[ArrayLike, "T ..."],
    h0: PyTree[ArrayLike] | None = None,
    *,
    dt: float = 1.0,
    save: Callable[[Any], Any] | None = None,
    throw: bool = True,
) -> Trajectory:
    """Run a network over a sequence: h_k = cell(x_k, h_{k−1}).

    **Arguments:** `cell` any callable `cell(x, h) -> h`; `xs` (T, D) inputs, time first; `h0` the state before the first
    step, zeros by default for our cells and Equinox's; `dt` time per step; `save` what to keep of each state, a function of
    it (all of it by default); `throw` whether a run that leaves the float range raises.

    **Returns:** a `Trajectory` of T + 1 states at the times 0, dt, …, T·dt, the initial state first: the outputs are
    `states[1:]`. Its `result` is `successful`, `left_float_range` or `not_a_number`; rows from there on are infinite.

    **Raises:** `ValueError` or `TypeError` for inputs of the wrong shape, empty or not finite, for dt ≤ 0, and for a cell
    that does not return a state like its own. Under `jit` values are not looked at.

    ```python
    >>> import jax, jax.numpy as jnp, equinox as eqx, rnn_ode as ro
    >>> cell = eqx.nn.LSTMCell(2, 3, key=jax.random.key(0))
    >>> h, c = ro.iterate(cell, jnp.ones((5, 2))).states
    >>> h.shape, c.shape
    ((6, 3), (6, 3))

    ```
    """
    dt = as_step("dt", dt)
    check_callable("cell", cell, "cell(x, h)")
    xs = check_inputs(cell, xs)
    h0 = initial_state(cell) if h0 is None else as_state("h0", h0, cell)
    if save is not None:
        check_callable("save", save, "save(h)")
    states, result = _run(cell, xs, h0, save)
    ts = dt * jnp.arange(xs.shape[0] + 1)
    if throw:
        states = result.error_if(states, result != RESULTS.successful)
    return Trajectory(ts, states, result, {"num_steps": xs.shape[0]})


@eqx.filter_jit
def _run(cell, xs, h0, save):
    h0 = promote(h0, cell, xs)
    if isinstance(cell, AbstractCell):
        inputs, step = jax.vmap(cell.drive)(xs), cell.step
    else:
        inputs, step = xs, cell

    def body(h, x):
        new = like(h, step(x, h))
        return new, new if save is None else (save(new), _health(new))

    _, rows = jax.lax.scan(body, h0, inputs, unroll=2)
    if save is None:
        states = _after(h0, rows)
        finite, health = _finite_rows(states), lambda k: _health(jax.tree.map(lambda leaf: leaf[k], states))
    else:
        states, healths = _after((save(h0), _health(h0)), rows)
        finite, health = healths.finite, lambda k: jax.tree.map(lambda leaf: leaf[k], healths)
    total = finite.shape[0]
    end = jnp.min(jnp.where(finite, total, jnp.arange(total)))
    undefined = health(jnp.minimum(end, total - 1)).nan & health(jnp.maximum(end - 1, 0)).moderate
    why = RESULTS.where(undefined, RESULTS.not_a_number, RESULTS.left_float_range)  # pyright: ignore
    result = RESULTS.where(end < total, why, RESULTS.successful)  # pyright: ignore
    return keep_before(jnp.arange(total) >= end, states), result


class _Health(NamedTuple):
    """Whether a state is finite, holds NaN, and is nowhere near the end of the float range."""

    finite: Array
    nan: Array
    moderate: Array


def _health(state) -> _Health:
    leaves = jax.tree.leaves(state)
    large = [jnp.any(jnp.abs(leaf) > jnp.finfo(leaf.dtype).max ** 0.5) for leaf in leaves]
    nan = [jnp.any(jnp.isnan(leaf)) for leaf in leaves]
    return _Health(is_finite(state), jnp.any(jnp.stack(nan)), ~jnp.any(jnp.stack(large)))


def _after(first, rows):
    """Rows (n + 1, …), the first one in front."""
    return jax.tree.map(lambda a, b: jnp.concatenate([jnp.asarray(a)[None], b]), first, rows)


def _finite_rows(states):
    """Whether every entry of a row (n, …) is finite, by its mean: XLA makes vector code of that on a CPU, which it does
    not of a conjunction, and half a mean cannot overflow."""

    def finite(leaf):
        rows = leaf.reshape(leaf.shape[0], -1)
        weights = jnp.full(rows.shape[1], 0.5 / rows.shape[1], leaf.dtype)
        return jnp.isfinite(jnp.matmul(rows, weights, precision="highest"))

    return jnp.stack([finite(leaf) for leaf in jax.tree.leaves(states)]).all(axis=0)


def promote(h0: State, *others) -> State:
    """`h0` in the widest floating type among it and the arrays it will meet."""
    leaves = [leaf for leaf in jax.tree.leaves(others) if eqx.is_inexact_array(leaf)]
    return jax.tree.map(lambda leaf: leaf.astype(jnp.result_type(leaf, *leaves)), h0)


def like(h: State, new: State) -> State:
    """The new state if it has the structure, shapes and type of the old one, else `ValueError`."""

    def describe(state):
        return jax.tree.map(lambda leaf: f"{leaf.dtype}{list(leaf.shape)}", state)

    new = jax.tree.map(jnp.asarray, new)
    if describe(new) != describe(h):
        raise ValueError(
            f"cell(x, h) must return a state like h: h is {describe(h)}, the cell returned {describe(new)}. "
            "Pass an h0 of the state's own structure, shape and type."
        )
    return new


def check_inputs(cell, xs) -> Float[Array, "T ..."]:
    """Inputs as a floating array, time first, of the width the cell declares."""
    xs = as_floats("xs", xs)
    width = getattr(cell, "input_size", None)
    width = width if isinstance(width, int) else None
    if xs.ndim == 0 or xs.shape[0] == 0:
        raise ValueError(f"xs must be a sequence with at least one sample, time first: (T, D); got shape {xs.shape}.")
    if width is not None and xs.shape[1:] != (width,):
        hint = " For one input channel write xs[:, None]." if xs.ndim == 1 and width == 1 else ""
        hint = hint or (" For a batch use jax.vmap over the first axis." if xs.ndim == 3 else "")
        raise ValueError(f"xs must have shape (T, {width}) for this cell; got {xs.shape}.{hint}")
    return xs
