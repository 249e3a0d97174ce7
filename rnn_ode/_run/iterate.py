"""`iterate`: run a network."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, PyTree, Real

from .._base.callables import check_cell
from .._base.checks import as_floats, as_step, check_callable, check_count
from .._base.compiled import compiled
from .._base.protocol import input_width
from .._base.results import RESULTS
from .._base.states import after, like, promote
from .._base.types import Cell, State
from .._cells.protocol import as_initial_state, recurrence
from .._cells.recurrence import Recurrence
from .kept import Kept, keep, with_result, with_result_unless
from .scan import scan_states
from .trajectory import Trajectory, is_successful

_SEGMENT = 1024  # steps whose states are in memory at a time if `save` keeps something else


def iterate(
    cell: Cell,
    xs: Real[ArrayLike, "T ..."],
    h0: PyTree[ArrayLike] | None = None,
    *,
    dt: float = 1.0,
    save: Callable[[Any], Any] | None = None,
    checkpoints: int | None = None,
    throw: bool = True,
) -> Trajectory:
    """Run a network over a sequence: h_k = cell(x_k, h_{k−1}).

    **Arguments:**

    - `cell`: any callable `cell(x, h) -> h`.
    - `xs`: (T, D) inputs, time first.
    - `h0`: the state before the first step. Default: zeros, for our cells and Equinox's.
    - `dt`: length of a step, in time. Default 1.
    - `save`: what to keep of each state, a function of it. Default: all of it.
    - `checkpoints`: for gradients through long runs, see below. Default: every step is kept.
    - `throw`: whether a run that leaves the float range raises.

    **Returns:** a `Trajectory` of T + 1 states at the times 0, dt, …, T·dt, the initial state first. The outputs are
    `states[1:]`, and those of an LSTM, whose states are a pair (h, c), `states[0][1:]`. In general
    `jax.tree.map(lambda rows: rows[1:], states)` are the states after each step. `result` is `successful`,
    `left_float_range` or `not_a_number`; rows from there on are infinite.

    Reverse mode stores what it needs of every step. With `checkpoints` it stores that many states, and runs the steps between
    two of them once more on the way back: memory for `checkpoints` + T/`checkpoints` steps, least for √T of them, at the cost
    of one more run. What `save` returns is stored for every step, so let it be small.

    **Raises:** `ValueError` or `TypeError` for inputs of the wrong shape, empty or not finite, for dt ≤ 0, for checkpoints
    that are not a whole number of at least 1, and for a cell that does not return a state like its own. Under `jit` values
    are not checked.

    ```python
    >>> import jax, jax.numpy as jnp, equinox as eqx, rnn_ode as ro
    >>> cell = eqx.nn.LSTMCell(2, 3, key=jax.random.key(0))
    >>> h, c = ro.iterate(cell, jnp.ones((5, 2))).states
    >>> h.shape, c.shape
    ((6, 3), (6, 3))

    ```
    """
    dt = as_step("dt", dt)
    check_cell("cell", cell)
    xs = check_inputs(cell, xs)
    h0 = as_initial_state(h0, cell)
    if save is not None:
        check_callable("save", save, "save(h)")
    if checkpoints is not None:
        check_count("checkpoints", checkpoints)
    ts, states, result, fine = _run_network(cell, xs, h0, np.asarray(dt), save, checkpoints)
    if result is None:
        states, result = with_result_unless(fine, states)
    if throw and not is_successful(result):
        states = result.error_if(states, result != RESULTS.successful)
    return Trajectory(ts, states, result, {"num_steps": xs.shape[0]})


@compiled
def _run_network(
    cell: Cell,
    xs: Float[Array, "T ..."],
    h0: State,
    dt: Any,
    save: Callable[[Any], Any] | None,
    checkpoints: int | None,
) -> tuple[Float[Array, " n"], State, RESULTS | None, Any]:
    """Return the times, what is kept of the states (T + 1, …), and how the run ended.

    If the result is `None`, the last value says whether all states are known to be finite. Then they need no check."""
    ts = dt.astype(jnp.result_type(float)) * jnp.arange(xs.shape[0] + 1)
    h0, apart = promote(h0, cell, xs), recurrence(cell)
    if checkpoints is not None:
        rows = _run_by_segments(cell, apart, save, xs, h0, -(-xs.shape[0] // checkpoints), jax.checkpoint)
    elif apart is None:
        _, rows = _run_any_cell(cell, save, xs, h0)
    elif save is None:
        states, fine = _run_apart(apart, xs, h0)
        return ts, after(h0, states), None, fine
    else:
        length = min(xs.shape[0], _SEGMENT)
        rows = _run_by_segments(cell, apart, save, xs, h0, length, lambda segment, **options: segment)
    return ts, *with_result(after(keep(h0, save), rows)), None


def _run_any_cell(cell, save, xs, h0) -> tuple[State, Kept]:
    """Return the last state, and what is kept of every state (T, …)."""

    def body(h, x):
        new = like(h, cell(x, h))
        return new, keep(new, save)

    return jax.lax.scan(body, h0, xs, unroll=2)


def _run_apart(apart: Recurrence, xs, h0) -> tuple[State, Bool[Array, ""]]:
    """Return every state (T, …), and whether all of them are known to be finite."""
    jax.eval_shape(lambda x: like(h0, apart.step(apart.drive(x), h0)), xs[0])
    return scan_states(apart, xs, h0)


def _run_by_segments(cell, apart: Recurrence | None, save, xs, h0, length: int, checkpoint) -> Kept:
    """Return what is kept of every state (T, …), when only one segment of `length` states is in memory at a time.

    With `jax.checkpoint`, reverse mode stores only the states between segments."""

    @partial(checkpoint, prevent_cse=False)  # in a scan nothing can be shared with the forward pass
    def segment(h, xs):
        if apart is None:
            end, (states, _) = _run_any_cell(cell, None, xs, h)
        else:
            states, _ = _run_apart(apart, xs, h)
            end = jax.tree.map(lambda leaf: leaf[-1], states)
        return end, jax.vmap(lambda state: keep(state, save))(states)

    whole = xs.shape[0] // length * length
    end, rows = jax.lax.scan(segment, h0, xs[:whole].reshape(-1, length, *xs.shape[1:]))
    rows = jax.tree.map(lambda leaf: leaf.reshape(whole, *leaf.shape[2:]), rows)
    if whole == xs.shape[0]:
        return rows
    _, rest = segment(end, xs[whole:])
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), rows, rest)


def check_inputs(cell: Cell, xs: Any) -> Float[Array, "T ..."]:
    """Return inputs as a floating array, time first; `ValueError` unless they have the width that the cell tells."""
    xs = as_floats("xs", xs)
    width = input_width(cell)
    if xs.ndim == 0 or xs.shape[0] == 0:
        raise ValueError(f"xs must be a sequence with at least one sample, time first: (T, D); got shape {xs.shape}.")
    if width is not None and xs.shape[1:] != (width,):
        hint = " For one input channel write xs[:, None]." if xs.ndim == 1 and width == 1 else ""
        hint = hint or (" For a batch use jax.vmap over the first axis." if xs.ndim == 3 else "")
        raise ValueError(f"xs must have shape (T, {width}) for this cell; got {xs.shape}.{hint}")
    return xs
