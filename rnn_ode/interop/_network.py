"""A network: a cell and its readout."""

from collections.abc import Callable
from typing import Any, cast

import equinox as eqx
from jaxtyping import Array, Float

from .._base.callables import check_cell
from .._base.checks import brief, check_flag, counted
from .._base.protocol import input_width
from .._base.types import Cell
from .._cells.protocol import output_of, output_shape

Activation = Callable[[Array], Array] | None


class Network(eqx.Module):
    """A cell and its readout: how the output is computed from the state.

    **Fields:**

    - `cell`: any cell, `cell(x, h) -> h`.
    - `readout`: an `equinox.nn.Linear` of the top layer's output, to M outputs. Default `None`: that output itself.
    - `residual`: whether the first M channels of the input are added to the output, as in networks that learn what an
      amplifier changes. Default `False`.

    **Raises:** `TypeError` for fields of other types. `ValueError` if the readout does not take the cell's output, or if the
    input has fewer than M channels (both only if the cell tells its sizes).

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
    readout: eqx.nn.Linear | None = None
    residual: bool = eqx.field(static=True, default=False)

    def __check_init__(self):
        check_cell("cell", self.cell)
        check_flag("residual", self.residual)
        given = output_shape(self.cell)
        if self.readout is not None:
            if not isinstance(self.readout, eqx.nn.Linear):
                raise TypeError(f"readout must be an equinox.nn.Linear or None; got {brief(self.readout)}.")
            sizes = self.readout.in_features, self.readout.out_features
            if "scalar" in sizes:
                raise ValueError(f"readout must map vectors to vectors; it maps {sizes[0]} to {sizes[1]}.")
            if given not in (None, sizes[:1]):
                raise ValueError(f"readout must take the cell's outputs {given}; it takes {sizes[:1]}.")
        outputs, inputs = self.output_size, input_width(self.cell)
        if self.residual and outputs is not None and inputs is not None and outputs > inputs:
            raise ValueError(
                f"residual needs at least as many inputs as outputs: {outputs}; the cell takes {counted(inputs, 'input')}."
            )

    @property
    def output_size(self) -> int | None:
        """M, or `None` if there is no readout and the cell does not tell its size."""
        shape = output_shape(self.cell) if self.readout is None else (self.readout.out_features,)
        return None if shape is None else cast(int, shape[0])

    def output(self, x: Float[Array, " D"], h: Any) -> Float[Array, " M"]:
        """The output of one step.

        **Arguments:**

        - `x`: the input (D,) of the step. It counts only if the network is `residual`.
        - `h`: the state after the step, as the cell returns it: (N,), (h, c) of an LSTM, each (N,), or a tuple of the layers'
          states.

        **Returns:** the output (M,).

        **Raises:** `TypeError` for a state of which only the cell can say which part is the output, where the cell has no
        method `output`.

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
        y = output_of(self.cell, h)
        y = y if self.readout is None else self.readout(y)
        return y + x[: y.shape[0]] if self.residual else y
