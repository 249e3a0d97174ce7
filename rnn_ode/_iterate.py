"""Running a network: `lax.scan` with everything that needs no state computed before it."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PyTree, Real

from ._cells import as_state, hoisted, initial_state
from ._errors import RESULTS, as_floats, as_step, check_callable
from ._runs import after, conclude, keep, like, promote
from ._types import Cell, Trajectory


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
    drive, step = hoisted(cell)
    inputs = jax.vmap(drive)(xs)

    def body(h, x):
        new = like(h, step(x, h))
        return new, keep(new, save)

    _, rows = jax.lax.scan(body, h0, inputs, unroll=2)
    return conclude(after(keep(h0, save), rows))


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
