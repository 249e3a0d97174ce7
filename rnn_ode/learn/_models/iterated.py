"""A network as a runner."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Real

from ..._base.callables import check_cell
from ..._base.checks import check_count
from ..._base.types import Cell, State
from ..._cells.protocol import as_initial_state
from ..._run.inputs import check_width
from ..._run.iterate import iterate
from .base import Length, Recurrent, as_samples


class Iterated(Recurrent):
    """Runs a network by `iterate`.

    **Arguments:**

    - `cell`: any cell. If its state has several arrays, the output is the one that the cell names (h for an LSTM's (h, c)).
    - `checkpoints`: how many states to keep for the gradient, as `iterate` takes it, to save memory on long sequences.

    ```python
    >>> import jax, jax.numpy as jnp, equinox as eqx
    >>> from rnn_ode import learn
    >>> runner = learn.Iterated(eqx.nn.LSTMCell(2, 3, key=jax.random.key(0)))
    >>> runner.outputs(jnp.ones((5, 2))).shape, runner.last(jnp.ones((5, 2))).shape
    ((5, 3), (3,))

    ```
    """

    cell: Cell
    checkpoints: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        check_cell("cell", self.cell)
        if self.checkpoints is not None:
            check_count("checkpoints", self.checkpoints)

    def states(self, xs: Real[Array | np.ndarray, "T D"], h0: State | None = None, length: Length = None) -> State:
        xs = as_samples(xs, length)
        run = partial(iterate, checkpoints=self.checkpoints, throw=False)
        if length is None:
            return run(self.cell, xs, h0).states
        h0 = as_initial_state(h0, self.cell)
        check_width(self.cell, xs.shape)
        rows = jnp.arange(xs.shape[0])
        counts = (rows < length).astype(xs.dtype)
        marked = jnp.concatenate([xs[jnp.where(rows < length, rows, 0)], counts[:, None]], axis=1)
        return run(_Resting(self.cell, h0), marked, h0).states

    def as_cell(self) -> Cell:
        return self.cell


class _Resting(eqx.Module):
    """A cell that keeps its state where the last entry of the input is 0.

    There it still computes a step, from h0, and discards the result. A discarded step from the kept state might overflow, and
    0·inf in its gradient is NaN.
    """

    cell: Cell
    h0: State

    def __call__(self, x: Array, h: State) -> State:
        def choose(moving: State, resting: State) -> State:
            return jax.tree.map(lambda a, b: jnp.where(x[-1] > 0, a, b), moving, resting)

        return choose(self.cell(x[:-1], choose(h, self.h0)), h)
