"""`iterate`: run a network."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree, Real

from .._base.callables import check_cell
from .._base.checks import as_step, check_callable, check_count, check_flag
from .._base.compiled import compiled
from .._base.results import RESULTS
from .._base.states import after, frozen, mask_failed, promote
from .._base.types import Cell, State
from .._cells.protocol import as_initial_state
from .fold import NO_FOLD, Fold, as_fold, checked_fold
from .inputs import check_inputs
from .kept import Kept, ending, ending_unless, keep, with_result, with_result_unless
from .network import keeps_whole_states, run_by_segments, run_cell
from .noise import BLOCK, Noise
from .parallel import run_in_parallel
from .parallel_verdict import parallel_or_not
from .trajectory import Trajectory, or_raise

_SEGMENT = 1024  # steps whose states are in memory at a time if `save` keeps something else


def iterate(
    cell: Cell,
    xs: Real[ArrayLike, "T ..."],
    h0: PyTree[ArrayLike] | None = None,
    *,
    dt: float = 1.0,
    save: Callable[[Any], Any] | None = None,
    fold: tuple[Callable[[Any, Any, Any], Any], Any, Any] | None = None,
    checkpoints: int | None = None,
    parallel: bool | None = False,
    noise: ArrayLike | Sequence | None = None,
    key: PRNGKeyArray | None = None,
    throw: bool = True,
) -> Trajectory:
    """Run a network over a sequence: h_k = cell(x_k, h_{k−1}), or with noise h_k = cell(x_k, h_{k−1}) + σ ξ_k.

    **Arguments:**

    - `cell`: any callable `cell(x, h) -> h`.
    - `xs`: (T, D) inputs, time first.
    - `h0`: the state before the first step. Default: zeros, for our cells and Equinox's.
    - `dt`: length of a step, in time. Default 1.
    - `save`: what to keep of each state, a function of it. Default: all of it.
    - `fold`: a triple `(f, init, rows)`, see below. Default: nothing is accumulated.
    - `checkpoints`: for gradients through long runs, see below. Default: every step is kept.
    - `parallel`: `True` computes all steps at once, by Newton's method, and falls back to the scan where that does not
      converge. `None` does so where `parallel_verdict` expects it to pay. Default `False`: step by step. See below.
    - `noise`: σ, the standard deviation of the noise of a step: a number, one for each number of a state (N,), or a matrix
      (N, M) for the covariance σ σᵀ. States count flat, as `jax.flatten_util.ravel_pytree` orders them. Default: no noise.
    - `key`: the key from which the noise is drawn, such as `jax.random.key(0)`.
    - `throw`: whether a run that leaves the float range raises.

    **Returns:** a `Trajectory` of T + 1 states at the times 0, dt, …, T·dt, the initial state first. The outputs are
    `states[1:]`, and those of an LSTM, whose states are a pair (h, c), `states[0][1:]`. In general
    `jax.tree.map(lambda rows: rows[1:], states)` are the states after each step. `result` is `successful`,
    `left_float_range` or `not_a_number`; rows from there on are infinite.

    **A fold** accumulates while the network runs: acc ← f(acc, h_k, row_k) for k = 1 … T, from acc = `init` on. `rows` is a
    pytree of arrays (T, …), such as targets, or `None`. `stats["fold"]` is the last acc; its floating-point numbers are
    infinite if the run leaves the float range. A loss that is a sum over the steps needs no states then: inside `jit` they
    are not kept if nobody uses `states`, and outside `save=lambda h: ()` keeps none. Its gradient needs no array of
    cotangents of the states.

    Reverse mode stores what it needs of every step. With `checkpoints` it stores that many states, and runs the steps between
    two of them once more on the way back: memory for `checkpoints` + T/`checkpoints` steps, least for √T of them, at the cost
    of one more run. What `save` returns is stored for every step, so let it be small.

    In parallel, `stats["parallel"]` is a `ParallelChoice`: how the run was computed, and why. `stats["newton_steps"]` counts
    the steps of Newton's method, `stats["residual"]` is the largest jump that is left between its windows, and
    `stats["rounding"]` estimates what rounding errors grow to, both relative to the largest value of a unit. The method
    converges fast if disturbances of the network decay. The states agree with the scan's to about 1e-5 of a unit's largest
    value in float32 and 1e-11 in float64, and so do derivatives. A network that enlarges disturbances for a while enlarges
    rounding errors too. Then the states differ by up to some 10 times `stats["rounding"]`, and derivatives by more.
    Beyond 2e-2 in float32 and 1e-4 in float64 the run is the scan. A batch that `vmap` makes is computed in one way: if one
    run does not converge, all are the scan.

    **Noise** ξ is standard normal and independent from step to step. The same key gives the same run, under `jit` and for any
    `save` and `checkpoints`; a shorter run is the beginning of a longer one. Under `vmap` all rows that share a key have the
    same noise: give each its own, `jax.random.split(key, rows)`. Gradients by σ and by what the cell holds are pathwise. With
    noise, at least 256 steps lie between two checkpoints. On a GPU or TPU, keys of the generator "rbg" may draw faster.

    **Raises:** `ValueError` or `TypeError` for inputs of the wrong shape, empty or not finite, for dt ≤ 0, for checkpoints
    that are not a whole number of at least 1, for a cell that does not return a state like its own, for a fold that is no
    triple, whose `rows` are not T, or whose f does not return a value like `init`, for noise that is negative, of the wrong
    shape, not finite or without a key, for a key without noise, and for a fold, checkpoints or noise with `parallel=True`.
    Under `jit` values are not checked.

    ```python
    >>> import jax, jax.numpy as jnp, equinox as eqx, rnn_ode as ro
    >>> cell = eqx.nn.LSTMCell(2, 3, key=jax.random.key(0))
    >>> h, c = ro.iterate(cell, jnp.ones((5, 2))).states
    >>> h.shape, c.shape
    ((6, 3), (6, 3))
    >>> targets = jnp.zeros((5, 3))
    >>> squares = lambda acc, h, target: acc + jnp.sum((h[0] - target) ** 2)
    >>> total = ro.iterate(cell, jnp.ones((5, 2)), fold=(squares, 0.0, targets)).stats["fold"]
    >>> bool(jnp.isclose(total, jnp.sum((h[1:] - targets) ** 2)))
    True

    ```
    """
    dt = as_step("dt", dt)
    check_cell("cell", cell)
    check_flag("throw", throw)
    xs = check_inputs(cell, xs)
    h0 = as_initial_state(h0, cell)
    if save is not None:
        check_callable("save", save, "save(h)")
    if checkpoints is not None:
        check_count("checkpoints", checkpoints)
    asked = None if fold is None else as_fold(fold, xs.shape[0])
    driven = Noise.of(noise, key, h0)
    in_parallel, how = parallel_or_not(parallel, cell, xs, h0, fold, checkpoints, noise)
    total = None
    if in_parallel:
        ts, states, result, fine, how = run_in_parallel(cell, xs, h0, np.asarray(dt), save)
    else:
        ts, states, total, result, fine = _run_network(cell, xs, h0, np.asarray(dt), save, asked, checkpoints, driven)
    if result is None:
        states, result = with_result_unless(fine, states)
    if throw:
        # one by one: what nobody uses is not computed
        states, total = (or_raise(part, result) for part in (states, total))
    stats = {"num_steps": xs.shape[0]} | how
    return Trajectory(ts, states, result, stats if fold is None else stats | {"fold": total})


@compiled
def _run_network(
    cell: Cell,
    xs: Float[Array, "T ..."],
    h0: State,
    dt: Any,
    save: Callable[[Any], Any] | None,
    fold: Fold | None,
    checkpoints: int | None,
    noise: Noise | None,
) -> tuple[Float[Array, " n"], State, PyTree, RESULTS | None, Bool[Array, ""]]:
    """Return the times, what is kept of the states (T + 1, …), the fold, and how the run ended.

    If the result is `None`, the last value says whether all states are known to be finite. Then they need no check."""
    ts = dt.astype(jnp.result_type(float)) * jnp.arange(xs.shape[0] + 1)
    h0, whole = promote(h0, cell, xs), save is None
    if fold is not None:
        # with a `save`, the check needs no states: if nobody uses them, they are not kept
        fold, save = checked_fold(fold, h0), save or _as_it_is
    by_segments = partial(run_by_segments, cell, partial(keep, save=save), fold or NO_FOLD, noise, xs, h0)
    if checkpoints is not None:
        rows, total, doubt = by_segments(-(-xs.shape[0] // checkpoints), jax.checkpoint)
    elif noise is not None:
        rows, total, doubt = by_segments(BLOCK, _without_checkpoint)
        if whole and fold is None:
            return ts, after(h0, rows.state), total, None, doubt == 0
    elif whole or not keeps_whole_states(cell):
        rows, _, total, doubt = run_cell(cell, save, fold or NO_FOLD, xs, h0)
        if whole and fold is None:
            return ts, after(h0, rows.state), total, None, doubt == 0
    else:
        assert save is not None
        return ts, *_run_and_save(cell, save, fold or NO_FOLD, xs, h0)
    states, result = with_result(after(keep(h0, save), rows))
    return ts, states, mask_failed(doubt > 0, total), result, doubt == 0


def _run_and_save(
    cell: Cell, save: Callable[[Any], Any], fold: Fold, xs: Array, h0: State
) -> tuple[State, PyTree, RESULTS, Bool[Array, ""]]:
    """Return what `save` returns of the states (T + 1, …), the fold, how the run ended, and whether all states are finite.

    Only if one is not, the run is repeated to find it."""
    total = xs.shape[0] + 1
    rows, folded, doubt = run_by_segments(
        cell, lambda h: Kept(save(h), None), fold, None, xs, h0, _SEGMENT, _without_checkpoint
    )
    still, given, start = frozen((cell, xs, h0))

    def look():
        health = partial(keep, save=lambda h: ())
        found, _, _ = run_by_segments(still, health, NO_FOLD, None, given, start, _SEGMENT, _without_checkpoint)
        return ending(after(health(start), found))

    end, result = ending_unless(doubt == 0, total, look)
    states = mask_failed(jnp.arange(total) >= end, after(save(h0), rows.state))
    return states, mask_failed(doubt > 0, folded), result, doubt == 0


def _without_checkpoint(segment: Callable, **options: Any) -> Callable:
    return segment


def _as_it_is(h: State) -> State:
    return h
