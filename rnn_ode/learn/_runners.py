"""Ways of running something recurrent over a sequence, which all wirings share: a network by `iterate`, a differential
equation by `integrate`, two of either in opposite directions, and one above the other.

**Padding.** A sequence of `length` samples, 1 to T, may stand in a longer array. Its padding is replaced by samples of the
sequence before anything is computed, and the state rests: what stands in it, NaN included, changes no state and no gradient.
A length outside 1 to T is a `ValueError`; a traced one is not looked at.
"""

import abc
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .. import Hold, RungeKutta, integrate, iterate, to_rnn
from .._cells import initial_state, output_of
from .._errors import as_step, check_callable, check_count, is_concrete
from .._types import Cell, Field, State

Length = Int[Array, ""] | int | None


class AbstractRunner(eqx.Module):
    """Runs over inputs (T, D), of which `length` count, all by default."""

    @abc.abstractmethod
    def outputs(self, xs: Float[Array, "T D"], length: Length = None) -> Float[Array, "T H"]:
        """The output after every sample; after the last one that counts, that one's."""

    @abc.abstractmethod
    def last(self, xs: Float[Array, "T D"], length: Length = None) -> Float[Array, " H"]:
        """What is known once all samples that count were seen."""


class Recurrent(AbstractRunner):
    """One state, carried forward: what an encoder hands to a decoder."""

    @abc.abstractmethod
    def states(self, xs: Float[Array, "T D"], h0: State | None = None, length: Length = None) -> State:
        """The state before the first sample and after every one: a pytree of (T + 1, …)."""

    @abc.abstractmethod
    def as_cell(self) -> Cell:
        """One sample's worth of running, as a cell."""

    def outputs(self, xs: Float[Array, "T D"], length: Length = None) -> Float[Array, "T H"]:
        return self.read(self.states(xs, length=length))[1:]

    def last(self, xs: Float[Array, "T D"], length: Length = None) -> Float[Array, " H"]:
        return self.outputs(xs, length)[-1]

    def read(self, states: State) -> Float[Array, "n H"]:
        """The outputs of states (n, …)."""
        cell = self.as_cell()
        return jax.vmap(lambda state: output_of(cell, state))(states)


class Iterated(Recurrent):
    """A network, run by `iterate`.

    **Arguments:** `cell` any cell; of a state of several arrays the output is what the cell says (h of an LSTM's (h, c));
    `checkpoints` for gradients through long sequences in little memory, as `iterate` takes them.

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
        check_callable("cell", self.cell, "cell(x, h)")
        if self.checkpoints is not None:
            check_count("checkpoints", self.checkpoints)

    def states(self, xs: Float[Array, "T D"], h0: State | None = None, length: Length = None) -> State:
        run = partial(iterate, checkpoints=self.checkpoints, throw=False)
        if length is None:
            return run(self.cell, xs, h0).states
        check_length(xs, length)
        h0 = initial_state(self.cell) if h0 is None else h0
        rows = jnp.arange(xs.shape[0])
        counts = (rows < length).astype(xs.dtype)
        marked = jnp.concatenate([xs[jnp.where(rows < length, rows, 0)], counts[:, None]], axis=1)
        return run(_Resting(self.cell, h0), marked, h0).states

    def as_cell(self) -> Cell:
        return self.cell


class _Resting(eqx.Module):
    """A cell that keeps its state where the input's last column is 0.

    What it computes there and throws away starts from h0, like the run's first step: a step from where the state rests might
    overflow, and 0 · ∞ would spoil the gradient."""

    cell: Cell
    h0: State

    def __call__(self, x, h):
        def choose(moving, resting):
            return jax.tree.map(lambda a, b: jnp.where(x[-1] > 0, a, b), moving, resting)

        return choose(self.cell(x[:-1], choose(h, self.h0)), h)


class Integrated(Recurrent):
    """A differential equation, run by `integrate` from sample to sample.

    **Arguments:** `field` any field that tells its zero state, `field.initial_state()`; `path` how the samples are read in
    between, one of rnn_ode's paths; `dt` the time between them; `solver`, `rtol`, `atol` and `adjoint` as `integrate` takes
    them: the default adjoint differentiates the solver's own steps (discretise, then optimise), and
    `diffrax.BacksolveAdjoint()`, with one of diffrax's solvers, solves the adjoint equation. `Cubic` and `BandLimited` look
    ahead, and see the last sample held in place of padding. With a `length` nothing moves beyond it.

    ```python
    >>> import jax, jax.numpy as jnp, rnn_ode as ro
    >>> from rnn_ode import learn
    >>> cell = ro.VanillaCell.random(jax.random.key(0), 1, 4, activation=jnp.tanh)
    >>> learn.Integrated(ro.to_ode(cell, ro.Forward(1)), path=ro.Linear).outputs(jnp.ones((5, 1))).shape
    (5, 4)

    ```
    """

    field: Field
    path: Callable[..., Any] = eqx.field(static=True, default=Hold)
    dt: float = eqx.field(static=True, default=1.0)
    solver: diffrax.AbstractSolver | None = None
    rtol: float | None = eqx.field(static=True, default=None)
    atol: float | None = eqx.field(static=True, default=None)
    adjoint: diffrax.AbstractAdjoint | None = None

    def __check_init__(self):
        check_callable("field", self.field, "field(t, h, path)")
        check_callable("path", self.path, "path(xs, dt)")
        as_step("dt", self.dt)

    def states(self, xs: Float[Array, "T D"], h0: State | None = None, length: Length = None) -> State:
        if length is None:
            return self._solve(self.path(xs, self.dt), h0)
        check_length(xs, length)
        return _solve_until(self, xs, h0, jnp.asarray(length))

    def _solve(self, path, h0: State | None, ts: Float[Array, " n"] | None = None) -> State:
        h0 = initial_state(self.field) if h0 is None else h0
        how = {"solver": self.solver, "rtol": self.rtol, "atol": self.atol, "adjoint": self.adjoint}
        return integrate(self.field, path, h0, ts=ts, throw=False, **how).states

    def as_cell(self) -> Cell:
        solver = diffrax.Tsit5() if self.solver is None else self.solver
        return to_rnn(self.field, RungeKutta(solver, substeps=4), self.dt)


@eqx.filter_jit
def _solve_until(runner: Integrated, xs: Float[Array, "T D"], h0: State | None, length: Int[Array, ""]) -> State:
    """The states up to a sample, and then that one's: intervals of no length, in which nothing moves. Compiled, since only
    traced times may repeat."""
    rows = jnp.minimum(jnp.arange(xs.shape[0] + 1), length)
    path = runner.path(xs[jnp.maximum(rows[1:], 1) - 1], runner.dt)
    return runner._solve(path, h0, path.time(rows, 0.0))


class Bidirectional(AbstractRunner):
    """Two runners, the second on the sequence from its end to its start; the output (2 H,) is both of theirs, the forward
    one's first (Schuster & Paliwal 1997).

    ```python
    >>> import jax, jax.numpy as jnp, equinox as eqx
    >>> from rnn_ode import learn
    >>> there, back = (learn.Iterated(eqx.nn.GRUCell(2, 3, key=jax.random.key(k))) for k in range(2))
    >>> learn.Bidirectional(there, back).outputs(jnp.ones((5, 2)), length=4).shape
    (5, 6)

    ```
    """

    forward: AbstractRunner
    backward: AbstractRunner

    def outputs(self, xs: Float[Array, "T D"], length: Length = None) -> Float[Array, "T H"]:
        behind = _reversed(self.backward.outputs(_reversed(xs, length), length), length)
        return jnp.concatenate([self.forward.outputs(xs, length), behind], axis=1)

    def last(self, xs: Float[Array, "T D"], length: Length = None) -> Float[Array, " H"]:
        return jnp.concatenate([self.forward.last(xs, length), self.backward.last(_reversed(xs, length), length)])


class Stacked(AbstractRunner):
    """Runners one above the other, each on the outputs of the one below (of networks alone `rnn_ode.StackedCell` makes one).

    ```python
    >>> import jax, jax.numpy as jnp, equinox as eqx
    >>> from rnn_ode import learn
    >>> below, above = eqx.nn.GRUCell(2, 3, key=jax.random.key(0)), eqx.nn.GRUCell(3, 4, key=jax.random.key(1))
    >>> learn.Stacked([learn.Iterated(below), learn.Iterated(above)]).last(jnp.ones((5, 2))).shape
    (4,)

    ```
    """

    layers: tuple[AbstractRunner, ...]

    def __init__(self, layers: Sequence[AbstractRunner]):
        self.layers = tuple(layers)
        if not self.layers:
            raise ValueError("layers must hold at least one runner; it is empty.")

    def outputs(self, xs: Float[Array, "T D"], length: Length = None) -> Float[Array, "T H"]:
        for layer in self.layers:
            xs = layer.outputs(xs, length)
        return xs

    def last(self, xs: Float[Array, "T D"], length: Length = None) -> Float[Array, " H"]:
        for layer in self.layers[:-1]:
            xs = layer.outputs(xs, length)
        return self.layers[-1].last(xs, length)


def _reversed(xs: Float[Array, "T D"], length: Length) -> Float[Array, "T D"]:
    """The samples that count in the opposite order, and then the last one of that order, which was the first."""
    if length is not None:
        check_length(xs, length)
    last = xs.shape[0] if length is None else length
    return xs[jnp.maximum(last - 1 - jnp.arange(xs.shape[0]), 0)]


def check_length(xs: Float[Array, "T D"], length: Int[Array, ""] | int) -> None:
    """`ValueError` for a known length outside 1 to T, `TypeError` for what is no whole number."""
    if jnp.ndim(length) or not jnp.issubdtype(jnp.result_type(length), jnp.integer):
        raise TypeError(f"length must be a whole number, how many of the samples count; got {length!r}.")
    if is_concrete(length) and not 1 <= length <= xs.shape[0]:
        raise ValueError(f"length must be from 1 to the number of samples, {xs.shape[0]}; got {length}.")
