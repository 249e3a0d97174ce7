"""A network for observations at irregular times: between them its state flows.

A discrete network knows the order of its inputs but not their times. If samples are missing it sees the others as if they
were equally far apart, or a regular series whose gaps somebody filled. `ODERNN` lets time pass.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from ..._base.callables import check_cell, check_field
from ..._base.checks import about, as_floats, check_count, is_concrete
from ..._base.protocol import input_width
from ..._base.states import real_dtype
from ..._base.types import Cell, Field, State
from ..._cells.protocol import initial_state, output_of
from ..._files.arrays import shape_of
from ..._paths.base import Constant
from ..._run.runge_kutta import runge_kutta_4
from .base import Length, as_samples
from .intervals import Intervals, observed_gaps, time_until
from .iterated import Iterated


class ODERNN(eqx.Module):
    """A network for observations at irregular times (ODE-RNN: Rubanova, Chen & Duvenaud, NeurIPS 2019).

    Between observations the state flows by dh/dt = field(t, h, path) under a zero input. At an observation it jumps,
    h ← cell(x, h).

    **Arguments:**

    - `field`: any field that does not depend on t. Its input is zeros of `field.input_size` entries (none if it has no such
      attribute). Its state must have the structure of the cell's: `CTRNN` and `GRUODE` fit a `GRUCell`, `CoRNN` fits an
      `LSTMCell`, with (y, z) for (h, c).
    - `cell`: any cell with a zero state, which is the state before the first observation.
    - `substeps`: how many equal steps of the classical Runge–Kutta method of fourth order (Kutta 1901) lead from one
      observation to the next, however long the gap. Default 2. The method is unstable if a substep is longer than 2.8 time
      constants of the field. So count time in units in which gaps are a few time constants at most, or take more substeps.

    **Times.** Only differences of times matter. Times that are known while Python runs (NumPy, Python, JAX arrays outside
    `jit` and `vmap`) are subtracted in float64. JAX makes float32 of the times of a batch, in which Unix seconds are wrong
    by a minute: give `intervals(ts, at, lengths)` in place of `ts` and `at`. Traced times cannot be refused: after a gap that
    is not positive, or is below 4 rounding errors of its type, all outputs are infinite, and `fit` stops.

    It is itself a cell whose input (D + 1,) ends with the time since the observation before, so `Iterated`, `iterate` and
    the analyses take it.

    **Raises:** `ValueError` if the states of field and cell differ.

    ```python
    >>> import jax, jax.numpy as jnp, equinox as eqx, rnn_ode as ro
    >>> from rnn_ode import learn
    >>> keys = jax.random.split(jax.random.key(0))
    >>> model = learn.ODERNN(ro.GRUODE.random(keys[0], 1, 8), eqx.nn.GRUCell(2, 8, key=keys[1]))
    >>> ts, xs = jnp.array([0.0, 0.3, 2.0]), jnp.ones((3, 2))
    >>> model.outputs(ts, xs).shape, model.last(ts, xs, at=2.5).shape
    ((3, 8), (8,))

    ```
    """

    field: Field
    cell: Cell
    substeps: int = eqx.field(static=True, default=2)

    def __check_init__(self):
        check_field("field", self.field)
        check_cell("cell", self.cell)
        check_count("substeps", self.substeps)
        with about("cell"):
            state = jax.eval_shape(self.initial_state)
        try:
            rate = jax.eval_shape(self._rate, state)
        except (TypeError, ValueError) as error:
            raise ValueError(f"field must take the state of the cell, of shape {_shapes(state)}: {error}") from error
        if _shapes(rate) != _shapes(state):
            raise ValueError(f"field must return a rate of the cell's state, {_shapes(state)}; got {_shapes(rate)}.")

    def outputs(
        self, ts: Real[ArrayLike, " T"] | Intervals, xs: Real[ArrayLike, "T D"], length: Length = None
    ) -> Float[Array, "T H"]:
        """The output after every observation, from the observations up to it; after the last one that counts, that again.

        **Arguments:**

        - `ts`: increasing times (T,), or `intervals` of them.
        - `xs`: the observations (T, D).
        - `length`: how many of them count. Default: all. What stands in the others, NaN included, changes nothing.

        **Returns:** outputs (T, H).

        **Raises:** `ValueError` for times that do not increase, arrays that do not fit and a length out of range; traced
        values are not checked.
        """
        return Iterated(self).outputs(self._observations(ts, xs, length), length)

    def last(
        self,
        ts: Real[ArrayLike, " T"] | Intervals,
        xs: Real[ArrayLike, "T D"],
        at: Real[ArrayLike, ""] | None = None,
        length: Length = None,
    ) -> Float[Array, " H"]:
        """The output at the time `at`, from all observations that count.

        **Arguments:**

        - `ts`, `xs`, `length`: as in `outputs`.
        - `at`: a time not before the last observation that counts. Default: the time of that one. `intervals` hold their
          own.

        **Returns:** the output (H,). It is NaN if the method overflows, as it does after a gap of very many time constants.

        **Raises:** as `outputs`, and `ValueError` for a time before the last observation.
        """
        h = Iterated(self).end(self._observations(ts, xs, length), length)
        after = time_until(ts, at, length)
        return self.output(h if after is None else self._flow(h, after))

    def __call__(self, x: Float[Array, " D_1"], h: State) -> State:
        return self.cell(x[:-1], self._flow(h, x[-1]))

    @property
    def input_size(self) -> int | None:
        """D + 1, where the cell tells its D."""
        width = input_width(self.cell)
        return width + 1 if width is not None else None

    def initial_state(self) -> State:
        return initial_state(self.cell)

    def output(self, h: State) -> Array:
        """The output of the cell's state, which a readout takes."""
        return output_of(self.cell, h)

    def _observations(self, ts: Any, xs: Any, length: Length) -> Float[Array, "T D_1"]:
        """The inputs of the cell: each observation, followed by the time since the one before. `ValueError` if known values
        do not fit."""
        shape, times = shape_of(xs), shape_of(ts.gaps if isinstance(ts, Intervals) else ts)
        if len(shape) != 2 or times != shape[:1] or not shape[0]:
            raise ValueError(f"ts (T,) and xs (T, D) must have one T ≥ 1; got {times} and {shape}.")
        width = input_width(self.cell)
        if width is not None and shape[1] != width:
            raise ValueError(f"xs must have shape (T, {width}) for this cell; got {shape}.")
        values = as_samples(xs, length)
        if is_concrete(length):
            as_floats("xs", xs[:length])
        return jnp.concatenate([values, observed_gaps(ts, length)[:, None].astype(values.dtype)], axis=1)

    def _rate(self, h: State) -> State:
        """dh/dt under a zero input."""
        nothing = jnp.zeros(input_width(self.field) or 0, real_dtype(h))
        return self.field(0.0, h, Constant(nothing))

    @eqx.filter_jit
    def _flow(self, h: State, gap: Float[Array, ""]) -> State:
        """The state after a time `gap` without an observation."""
        dt = (gap / self.substeps).astype(real_dtype(h))

        def rate(s: Any, h: State) -> State:
            return jax.tree.map(lambda a, v: (dt * v).astype(a.dtype), h, self._rate(h))

        return jax.lax.scan(lambda h, _: (runge_kutta_4(rate, h), None), h, length=self.substeps)[0]


def _shapes(tree: Any) -> Any:
    return jax.tree.map(jnp.shape, tree)
