"""A network: a cell and its readout."""

import math
from collections.abc import Callable
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._base.callables import check_cell
from .._base.checks import as_floats, as_step, brief, check_flag, counted
from .._base.protocol import input_width
from .._base.types import Cell
from .._cells.protocol import as_state, output_of, output_shape

Activation = Callable[[Array], Array] | None


class Network(eqx.Module):
    """A cell and its readout: how the output is computed from the state.

    **Fields:**

    - `cell`: any cell, `cell(x, h) -> h`.
    - `readout`: an `equinox.nn.Linear` of the top layer's output, to M outputs, or any other layer that maps (N,) to (M,),
      such as an `equinox.nn.Sequential`. Default `None`: the top layer's output itself.
    - `residual`: whether the first M channels of the input are added to the output, as in networks that learn what an
      amplifier changes. A float is a factor by which they are multiplied first. Default `False`.
    - `initial`: the state from which the network starts, for `h0` of `iterate`, `evolve` and `Stream`. Default `None`: the
      cell's own, which is zeros for our cells and Equinox's.
    - `rate`: the number of steps in a unit of time, such as the sampling rate in Hz. Default `None`: not known.

    **Raises:** `TypeError` for fields of other types. `ValueError` if the readout does not take the cell's output, if the
    input has fewer than M channels, or if `initial` is no state of the cell (all three only if the cell tells its sizes).

    ```python
    >>> import equinox as eqx, jax, jax.numpy as jnp, rnn_ode as ro
    >>> from rnn_ode import interop
    >>> keys = jax.random.split(jax.random.key(0))
    >>> network = interop.Network(eqx.nn.LSTMCell(1, 4, key=keys[0]), eqx.nn.Linear(4, 1, key=keys[1]), residual=True)
    >>> xs = jnp.ones((10, 1))
    >>> states = jax.tree.map(lambda rows: rows[1:], ro.iterate(network.cell, xs).states)
    >>> jax.vmap(network.output)(xs, states).shape
    (10, 1)

    ```
    """

    cell: Cell
    readout: Callable[[Array], Array] | None = None
    residual: bool | float = eqx.field(static=True, default=False)
    initial: Any = None
    rate: float | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        check_cell("cell", self.cell)
        if not (isinstance(self.residual, float) and math.isfinite(self.residual)):
            check_flag("residual", self.residual)
        if self.rate is not None:
            as_step("rate", self.rate)
        if self.initial is not None:
            as_state("initial", self.initial, self.cell)
        self._check_readout(output_shape(self.cell))
        outputs, inputs = self.output_size, input_width(self.cell)
        if self.residual and outputs is not None and inputs is not None and outputs > inputs:
            raise ValueError(
                f"residual needs at least as many inputs as outputs: {outputs}; the cell takes {counted(inputs, 'input')}."
            )

    def _check_readout(self, given: tuple[int, ...] | None) -> None:
        if isinstance(self.readout, eqx.nn.Linear):
            sizes = self.readout.in_features, self.readout.out_features
            if "scalar" in sizes:
                raise ValueError(f"readout must map vectors to vectors; it maps {sizes[0]} to {sizes[1]}.")
            if given not in (None, sizes[:1]):
                raise ValueError(f"readout must take the cell's outputs {given}; it takes {sizes[:1]}.")
        elif self.readout is not None:
            if not callable(self.readout):
                raise TypeError(
                    "readout must be an equinox.nn.Linear or None, or another layer that is called as readout(y); got "
                    f"{brief(self.readout)}."
                )
            if given is not None:
                self._read_shape(given)

    def _read_shape(self, given: tuple[int, ...]) -> tuple[int, ...]:
        """The shape that a readout returns for an output of the cell."""
        try:
            row = eqx.filter_eval_shape(
                cast(Callable, self.readout), jax.ShapeDtypeStruct(given, jnp.result_type(float))
            )
        except (TypeError, ValueError) as error:
            raise ValueError(f"readout must take the cell's outputs {given}: {brief(error)}") from None
        if not isinstance(row, jax.ShapeDtypeStruct) or len(row.shape) != 1:
            raise ValueError(f"readout must map vectors to vectors; it maps {given} to {brief(row)}.")
        return row.shape

    def _read(self, y: Array) -> Array:
        """The readout of an output of the cell, whose shape may not have been known before."""
        wanted = getattr(self.readout, "in_features", None)
        if wanted is not None and y.shape != (wanted,):
            raise ValueError(
                f"h must be a state whose output has shape {(wanted,)}, which the readout takes; got {y.shape}."
            )
        return y if self.readout is None else self.readout(y)

    @property
    def output_size(self) -> int | None:
        """M, or `None` if neither a linear readout nor the cell tells it."""
        if isinstance(self.readout, eqx.nn.Linear):
            return cast(int, self.readout.out_features)
        shape = output_shape(self.cell)
        if shape is not None and self.readout is not None:
            shape = self._read_shape(shape)
        return None if shape is None else shape[0]

    def output(self, x: Float[Array, " D"], h: Any) -> Float[Array, " M"]:
        """The output of one step.

        **Arguments:**

        - `x`: the input (D,) of the step. It counts only if the network is `residual`.
        - `h`: the state after the step, as the cell returns it: (N,), (h, c) of an LSTM, each (N,), or a tuple of the layers'
          states.

        **Returns:** the output (M,).

        **Raises:** `ValueError` or `TypeError` for an input or a state of other shapes, or not finite, and for a state of
        which only the cell can say which part is the output, where the cell has no method `output`.

        ```python
        >>> import equinox as eqx, jax, jax.numpy as jnp
        >>> from rnn_ode import interop
        >>> cell = eqx.nn.LSTMCell(1, 4, key=jax.random.key(0))
        >>> network = interop.Network(cell, eqx.nn.Linear(4, 2, key=jax.random.key(1)))
        >>> x, h = jnp.ones(1), (jnp.zeros(4), jnp.zeros(4))
        >>> network.output(x, cell(x, h)).shape
        (2,)

        ```
        """
        y = self._read(output_of(self.cell, as_state("h", h, self.cell)))
        if self.residual is False:
            return y
        x = as_floats("x", x, ("D",))
        if x.shape[0] < y.shape[0]:
            raise ValueError(f"x must have at least as many entries as the output, {y.shape[0]}; got {x.shape[0]}.")
        added = x[: y.shape[0]]
        return y + (added if self.residual is True else self.residual * added)
