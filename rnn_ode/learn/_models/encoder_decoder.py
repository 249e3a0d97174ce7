"""Encoder and decoder: one network reads a sequence into a state, another unrolls the state into a sequence."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Real

from ..._base.checks import check_callable, check_count
from ..._base.types import Cell, State
from ..._cells.protocol import output_of
from ..._run.iterate import iterate
from .base import Length, Readout, Recurrent, as_samples


class EncoderDecoder(eqx.Module):
    """Reads a whole sequence into a state, from which a second network unrolls values (Sutskever, Vinyals & Le 2014).

    The decoder's input is the value before, and zeros at first. While training, if `targets` are given, it is the target
    before instead (teacher forcing).

    **Arguments:**

    - `encoder`: an `Iterated` or `Integrated`.
    - `runner`: the decoder, an `Iterated` or `Integrated` with the same kind of state. An `Integrated` decoder holds its
      input during a step, whatever its path, and makes four steps of its solver in it.
    - `readout`: any function of an output (H,), such as `eqx.nn.Linear`. The decoder takes what it returns as its input.

    Called with

    - `xs`: the sequence (T, D).
    - `steps`: the number of values wanted.
    - `length`: how many of the samples count. Default: all.
    - `targets`: the true values (steps, O), for training.

    it **returns** the values (steps, O).

    **Raises:** `TypeError` for an encoder or decoder of another kind; `ValueError` for targets of another shape than the
    output.

    ```python
    >>> import jax, jax.numpy as jnp, equinox as eqx
    >>> from rnn_ode import learn
    >>> keys = jax.random.split(jax.random.key(0), 3)
    >>> encoder, decoder = (learn.Iterated(eqx.nn.GRUCell(1, 8, key=key)) for key in keys[:2])
    >>> model = learn.EncoderDecoder(encoder, decoder, eqx.nn.Linear(8, 1, key=keys[2]))
    >>> model(jnp.ones((20, 1)), steps=5).shape
    (5, 1)

    ```
    """

    encoder: Recurrent
    runner: Recurrent
    readout: Readout

    def __check_init__(self):
        for name, runner in (("encoder", self.encoder), ("runner", self.runner)):
            if not isinstance(runner, Recurrent):
                raise TypeError(
                    f"{name} must hand on one state, as Iterated(cell) and Integrated(field) do; got {type(runner).__name__}."
                )
        check_callable("readout", self.readout, "readout(output)")

    def __call__(
        self,
        xs: Real[Array | np.ndarray, "T D"],
        steps: int,
        length: Length = None,
        targets: Real[Array | np.ndarray, "steps O"] | None = None,
    ) -> Float[Array, "steps O"]:
        check_count("steps", steps)
        h = self.encoder.end(xs, length)
        y = self.readout(self.runner.read(jax.tree.map(lambda leaf: leaf[None], h))[0])
        start = jnp.zeros_like(y)
        cell = self.runner.as_cell()
        if targets is not None:
            targets = as_samples(targets, name="targets")
            if targets.shape != (steps, *y.shape):
                raise ValueError(
                    f"targets must have shape {(steps, *y.shape)}, a value for each step; got {targets.shape}."
                )
            fed = jnp.concatenate([start[None], targets[:-1]])
            return jax.vmap(self.readout)(self.runner.read(iterate(cell, fed, h, throw=False).states)[1:])
        unroll = _FeedingBack(cell, self.readout)
        return iterate(unroll, jnp.zeros((steps, 0)), (h, start), save=lambda state: state[1], throw=False).states[1:]


class _FeedingBack(eqx.Module):
    """A cell whose input is its own last readout: the state is (h, y), and the input from outside is empty."""

    cell: Cell
    readout: Readout

    def __call__(self, x: Array, state: tuple[State, Array]) -> tuple[State, Array]:
        h = self.cell(state[1], state[0])
        return h, self.readout(output_of(self.cell, h))
