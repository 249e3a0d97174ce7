"""Runners, which run a network or an equation over a sequence. All wirings use them.

`Iterated` runs a network, `Integrated` a differential equation, `Bidirectional` two runners in opposite directions, and
`Stacked` one runner on the outputs of another.

**Padding.** A sequence of `length` samples, 1 to T, may stand in a longer array. What stands in the padding, NaN included,
changes no state and no gradient: it is replaced by samples of the sequence before anything is computed, and the state stays
as it is. A length outside 1 to T is a `ValueError`; a traced length is not checked.

**Causality.** Output k depends on the samples up to k alone. A runner that cannot keep this refuses (`Integrated` with a
`Cubic` or `BandLimited` path) or says that it reads the whole sequence (`Bidirectional`). `last`, and so `ManyToOne` and
encoders, may read the whole sequence.
"""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Real

from ..._base.checks import as_floats, as_numbers, brief, check_index, is_concrete
from ..._base.types import Cell, State
from ..._cells.protocol import output_of

Readout = Callable[[Array], Array]

Length = Int[Array, ""] | int | None


class AbstractRunner(eqx.Module):
    """Runs something recurrent over inputs (T, D), of which the first `length` count, by default all.

    A runner of your own defines `outputs` and `last`.

    ```python
    >>> import jax, jax.numpy as jnp, equinox as eqx
    >>> from rnn_ode import learn
    >>> class Mean(learn.AbstractRunner):
    ...     def outputs(self, xs, length=None):
    ...         return jnp.cumsum(xs, axis=0) / jnp.arange(1, len(xs) + 1)[:, None]
    ...     def last(self, xs, length=None):
    ...         return self.outputs(xs)[-1 if length is None else length - 1]
    >>> model = learn.ManyToOne(Mean(), eqx.nn.Identity())
    >>> model(jnp.array([[1.0], [3.0]])).tolist()
    [2.0]

    ```
    """

    @abc.abstractmethod
    def outputs(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> Float[Array, "T H"]:
        """The output after every sample, from the samples up to it; after the last one that counts, that output again."""

    @abc.abstractmethod
    def last(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> Float[Array, " H"]:
        """The output after all samples that count, from all of them."""

    def offline(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> Float[Array, "T H"]:
        """The output after every sample, which may depend on the whole sequence. Default: `outputs`."""
        return self.outputs(xs, length)


class Recurrent(AbstractRunner):
    """A runner with one state that is carried forward, so that an encoder can hand it to a decoder.

    A runner of your own defines `states` and `as_cell`.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> from rnn_ode import learn
    >>> runner = learn.Iterated(ro.VanillaCell([[0.5]], [[1.0]], [0.0], activation=None))
    >>> isinstance(runner, learn.Recurrent), runner.end(jnp.ones((2, 1))).tolist()
    (True, [1.5])

    ```
    """

    @abc.abstractmethod
    def states(self, xs: Real[Array | np.ndarray, "T D"], h0: State | None = None, length: Length = None) -> State:
        """The state before the first sample and after every one, as a pytree of (T + 1, …)."""

    @abc.abstractmethod
    def as_cell(self) -> Cell:
        """A cell whose step is the run over one sample."""

    def end(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> State:
        """The state after all samples that count."""
        return jax.tree.map(lambda leaf: leaf[-1], self.states(xs, length=length))

    def outputs(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> Float[Array, "T H"]:
        return self.read(self.states(xs, length=length))[1:]

    def last(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> Float[Array, " H"]:
        return self.read(jax.tree.map(lambda leaf: leaf[None], self.end(xs, length)))[0]

    def read(self, states: State) -> Float[Array, "n H"]:
        """The outputs of states (n, …)."""
        cell = self.as_cell()
        return jax.vmap(lambda state: output_of(cell, state))(states)


def as_samples(xs: Any, length: Length = None, name: str = "xs") -> Float[Array, "..."]:
    """Samples as a floating-point array; `ValueError` for a known length outside 1 to T.

    The values are not checked, since padding may be anything.
    """
    xs = as_numbers(name, xs)
    if length is not None:
        if xs.ndim == 0 or xs.shape[0] == 0:
            raise ValueError(f"{name} must be a sequence with at least one sample, time first; got shape {xs.shape}.")
        check_index("length", length, -(2**31), 2**31 - 1)
        if is_concrete(length) and not 1 <= length <= xs.shape[0]:
            raise ValueError(
                f"length must be from 1 to the number of samples of {name}, {xs.shape[0]}; got {int(length)}."
            )
    return xs if jnp.issubdtype(xs.dtype, jnp.floating) else as_floats(name, xs)


def check_runner(name: str, value: Any) -> None:
    """Raise `TypeError` unless the value runs over sequences."""
    if isinstance(value, type) or not all(
        callable(getattr(value, part, None)) for part in ("outputs", "offline", "last")
    ):
        raise TypeError(f"{name} must be a runner, such as learn.Iterated(cell); got {brief(value)}.")
