"""Ways of running something recurrent over a sequence, which all wirings share: a network by `iterate`, a differential
equation by `integrate`, two of either in opposite directions, and one above the other.

**Padding.** A sequence of `length` samples, 1 to T, may stand in a longer array. Its padding is replaced by samples of the
sequence before anything is computed, and the state rests: what stands in it, NaN included, changes no state and no gradient.
A length outside 1 to T is a `ValueError`; a traced one is not looked at.

**Causality.** Output k depends on the samples up to k alone: a runner that cannot keep this refuses (`Integrated` under a
`Cubic` or `BandLimited` path) or says that it reads the whole sequence (`Bidirectional`). What is known of the whole sequence
(`last`, and so `ManyToOne` and encoders) may read all of it.
"""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Real

from ..._base.checks import is_concrete
from ..._base.types import Cell, State
from ..._cells.protocol import output_of

Readout = Callable[[Array], Array]

Length = Int[Array, ""] | int | None


class AbstractRunner(eqx.Module):
    """Runs over inputs (T, D), of which `length` count, all by default."""

    @abc.abstractmethod
    def outputs(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> Float[Array, "T H"]:
        """The output after every sample, which depends on no later one; after the last one that counts, that one's."""

    @abc.abstractmethod
    def last(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> Float[Array, " H"]:
        """What is known once all samples that count were seen."""

    def offline(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> Float[Array, "T H"]:
        """`outputs` for those who have the whole sequence and let each output depend on all of it."""
        return self.outputs(xs, length)


class Recurrent(AbstractRunner):
    """One state, carried forward: what an encoder hands to a decoder."""

    @abc.abstractmethod
    def states(self, xs: Real[Array | np.ndarray, "T D"], h0: State | None = None, length: Length = None) -> State:
        """The state before the first sample and after every one: a pytree of (T + 1, …)."""

    @abc.abstractmethod
    def as_cell(self) -> Cell:
        """One sample's worth of running, as a cell."""

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


def as_samples(xs: Any) -> Float[Array, "..."]:
    """Samples as a floating array, in which padding may be anything."""
    xs = jnp.asarray(xs)
    return xs if jnp.issubdtype(xs.dtype, jnp.floating) else xs.astype(jnp.result_type(float))


def check_length(xs: Real[Array | np.ndarray, "T D"], length: Int[Array, ""] | int) -> None:
    """`ValueError` for a known length outside 1 to T, `TypeError` for what is no whole number."""
    if jnp.ndim(length) or not jnp.issubdtype(jnp.result_type(length), jnp.integer):
        raise TypeError(f"length must be a whole number, how many of the samples count; got {length!r}.")
    if is_concrete(length) and not 1 <= length <= xs.shape[0]:
        raise ValueError(f"length must be from 1 to the number of samples, {xs.shape[0]}; got {length}.")
