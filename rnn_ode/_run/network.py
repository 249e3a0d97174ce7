"""The loop over the steps of a network, in the way that suits its cell."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from .._base.states import like
from .._base.types import Cell, State
from .._cells.protocol import output_of, recurrence
from .._cells.stacked import layers_of
from .fold import NO_FOLD, Fold
from .kept import Kept, beside, keep
from .noise import BLOCK, Noise
from .scan import kicked, run_steps, scan_states

Run = tuple[Kept, State, PyTree, Float[Array, ""]]
"""What is kept of every state (T, …), the last state, the fold, and a number that is 0 only if every state is finite."""

Save = Callable[[Any], Any] | None


def keeps_whole_states(cell: Cell) -> bool:
    """Return whether `run_cell` keeps the whole states of this cell, so that its `save` must return them."""
    return recurrence(cell) is not None or layers_of(cell) is not None


def run_cell(cell: Cell, save: Save, fold: Fold, xs: Array, h0: State, kicks: State | None = None) -> Run:
    """Run a cell over the inputs (T, …). `kicks` (T, …) are added to its states."""
    apart, layers = recurrence(cell), layers_of(cell)
    if apart is not None or layers is not None:
        jax.eval_shape(lambda x: like(h0, cell(x, h0)), xs[0])
    if apart is not None:
        return scan_states(apart, fold, xs, h0, partial(keep, save=save), kicks)
    if layers is not None:
        return _run_layers(layers, save, fold, xs, h0, kicks)
    return _run_any_cell(cell, save, fold, xs, h0, kicks)


def _run_any_cell(cell, save, fold: Fold, xs, h0, kicks) -> Run:
    def step(h, total, given):
        x, row, kick = given
        h = kicked(like(h, cell(x, h)), kick)
        return h, fold.f(total, h, row)

    return run_steps(step, h0, fold.init, (xs, fold.rows, kicks), lambda _, h: keep(h, save))


def _run_layers(cells: Sequence[Cell], save, fold: Fold, xs, h0, kicks) -> Run:
    """Run each layer over all steps, then the one above it, so that each is as fast as it is alone.

    The fold is the top layer's, which is given the states of the others beside the rows."""
    *below, top = zip(cells, h0, kicks or [None] * len(cells), strict=True)
    kept, ends, doubts = [], [], []
    for cell, start, kick in below:
        rows, end, _, doubt = run_cell(cell, save, NO_FOLD, xs, start, kick)
        kept.append(rows)
        ends.append(end)
        doubts.append(doubt)
        xs = jax.vmap(partial(output_of, cell))(rows.state)

    def f(total, h, given):
        others, row = given
        return fold.f(total, (*others, h), row)

    whole = fold if fold.f is NO_FOLD.f else Fold(f, fold.init, (tuple(rows.state for rows in kept), fold.rows))
    cell, start, kick = top
    rows, end, total, doubt = run_cell(cell, save, whole, xs, start, kick)
    return beside([*kept, rows]), (*ends, end), total, sum(doubts, doubt)


def run_by_segments(
    cell: Cell,
    kept: Callable[[State], Kept],
    fold: Fold,
    noise: Noise | None,
    xs: Array,
    h0: State,
    length: int,
    checkpoint: Callable,
) -> tuple[Kept, PyTree, Float[Array, ""]]:
    """Return what is `kept` of every state (T, …), the fold, and whether the states are in doubt.

    Only one segment of `length` states is in memory at a time, or with noise of the next multiple of a block of noise. With
    `jax.checkpoint`, reverse mode stores only the states between segments."""
    if noise is not None:
        length = -(-length // BLOCK) * BLOCK

    @partial(checkpoint, prevent_cse=False)  # in a scan nothing can be shared with the forward pass
    def segment(carry, given):
        h, total, doubt, block = carry
        part, count = Fold(fold.f, total, given[1]), given[0].shape[0]
        kicks = None if noise is None else noise.steps(block, count, h0)
        rows, end, total, more = run_cell(cell, None, part, given[0], h, kicks)
        return (end, total, doubt + more, block + -(-count // BLOCK)), jax.vmap(kept)(rows.state)

    start, inputs = (h0, fold.init, jnp.zeros(()), jnp.zeros((), int)), (xs, fold.rows)
    if length >= xs.shape[0]:
        (_, total, doubt, _), rows = segment(start, inputs)
        return rows, total, doubt
    whole = xs.shape[0] // length * length
    blocks = jax.tree.map(lambda leaf: leaf[:whole].reshape(-1, length, *leaf.shape[1:]), inputs)
    end, rows = jax.lax.scan(segment, start, blocks)
    rows = jax.tree.map(lambda leaf: leaf.reshape(whole, *leaf.shape[2:]), rows)
    if whole < xs.shape[0]:
        rest = jax.tree.map(lambda leaf: leaf[whole:], inputs)
        end, rest = segment(end, rest)
        rows = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), rows, rest)
    _, total, doubt, _ = end
    return rows, total, doubt
