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
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Real

from ..._base.checks import as_step, check_callable, check_count, is_concrete
from ..._base.protocol import is_linear, leads_of
from ..._base.states import promote
from ..._base.types import Cell, Field, State
from ..._bridge.schemes import RungeKutta
from ..._bridge.to_rnn import to_rnn
from ..._cells.base import initial_state, output_of
from ..._paths.sampled import AbstractPath, Hold, SampledPath
from ..._run.integrate import integrate, integrate_samples
from ..._run.iterate import iterate

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

    def states(self, xs: Real[Array | np.ndarray, "T D"], h0: State | None = None, length: Length = None) -> State:
        xs = as_samples(xs)
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
    `diffrax.BacksolveAdjoint()`, with one of diffrax's solvers, solves the adjoint equation. With a `length` nothing moves
    beyond it.

    During the step of sample k the field is given the input up to that sample's stamp, the end of the step. A field that
    reads its input ahead of the time (those of `Forward`, `Tustin` and `Exact`) gets, for any time after the stamp, the
    value at the stamp: under `Linear` it does not see sample k + 1, as `integrate` alone would let it. `Cubic` and
    `BandLimited` need later samples to draw the curve up to the stamp. `outputs` and `states` refuse them (`ValueError`);
    `last`, which has the whole sequence, takes them, and sees the last sample held after it and in place of padding.

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

    def states(self, xs: Real[Array | np.ndarray, "T D"], h0: State | None = None, length: Length = None) -> State:
        path = self.path(jnp.zeros_like(as_samples(xs)), self.dt)  # padding may be anything, which a path refuses
        beyond = getattr(path, "beyond", None)
        if beyond != 0:
            ahead = "does not say which samples it reads" if beyond is None else f"reads up to {beyond} later samples"
            raise ValueError(
                f"path = {type(path).__name__} cannot give a state after every sample: between two samples it {ahead}, so "
                "that the state would depend on samples that come later. Take path=rnn_ode.Linear or path=rnn_ode.Hold, "
                "or a wiring that reads the whole sequence first (ManyToOne, EncoderDecoder, Bidirectional)."
            )
        return self._states(xs, h0, length)

    def end(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> State:
        return jax.tree.map(lambda leaf: leaf[-1], self._states(xs, None, length))

    def offline(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> Float[Array, "T H"]:
        return self.read(self._states(xs, None, length))[1:]

    def _states(self, xs: Real[Array | np.ndarray, "T D"], h0: State | None, length: Length) -> State:
        """The states, of whatever path."""
        xs = as_samples(xs)
        h0 = promote(initial_state(self.field) if h0 is None else h0, self.field, xs)
        how = {"solver": self.solver, "rtol": self.rtol, "atol": self.atol, "adjoint": self.adjoint}
        if length is None:
            path = _causal(self.path(xs, self.dt), self.field)
            return integrate(self.field, path, h0, throw=False, **how).states
        check_length(xs, length)
        rows = jnp.minimum(jnp.arange(xs.shape[0]), length - 1)
        path = _causal(self.path(xs[rows], self.dt), self.field)
        return integrate_samples(self.field, path, h0, jnp.asarray(length), **how)

    def as_cell(self) -> Cell:
        solver = diffrax.Tsit5() if self.solver is None else self.solver
        return to_rnn(self.field, RungeKutta(solver, substeps=4), self.dt)


def _causal(path: SampledPath, field: Field) -> SampledPath:
    """The path as a field may read it in a step: up to the step's own sample. It is itself where nothing else is read: an
    input that is constant in a step, and a linear field that does not read ahead, whose flow is known in closed form."""
    reads_ahead = not is_linear(field) or max(leads_of(field), default=0.0) > 0
    return _UpToNow(path) if path.beyond == 0 != path.degree and reads_ahead else path


class _UpToNow(SampledPath):
    """A path of which each step reads what there is at its end: at any later time the value at its end."""

    path: SampledPath  # pyright: ignore[reportGeneralTypeIssues]  (our __init__ sets it)

    def __init__(self, path: SampledPath):
        self.path, self.xs, self.dt, self.t0 = path, path.xs, path.dt, path.t0

    def at(self, whole, fraction, after=0.0) -> Array:
        return self.path.at(whole, fraction, after)

    def piece(self, whole) -> "_Step":  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Step(self.path, whole)


class _Step(AbstractPath):
    """The input as a field reads it in step `whole`."""

    path: SampledPath
    whole: Int[Array, ""]

    def moment(self, t, fraction) -> "_Moment":
        return _Moment(self, t, fraction)

    def __call__(self, t, after=0.0) -> Array:
        whole, fraction = self.path.split(t)
        return self.reading(whole - self.whole + fraction + after / self.path.dt)

    def reading(self, steps) -> Array:
        """The input so many steps after the step's start."""
        return self.path.at(self.whole, jnp.minimum(steps, 1.0))


class _Moment(AbstractPath):
    """The input near an instant of a step known exactly, whose float is `t`: others are read by their distance from it."""

    step: _Step
    t: Array
    fraction: Array

    def __call__(self, t, after=0.0) -> Array:
        return self.step.reading(self.fraction + (t - self.t + after) / self.step.path.dt)


class Bidirectional(AbstractRunner):
    """Two runners, the second on the sequence from its end to its start; the output (2 H,) is both of theirs, the forward
    one's first (Schuster & Paliwal 1997). Every output depends on the whole sequence: it is no forecast of what comes after
    a sample.

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

    def outputs(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> Float[Array, "T H"]:
        behind = _reversed(self.backward.offline(_reversed(xs, length), length), length)
        return jnp.concatenate([self.forward.offline(xs, length), behind], axis=1)

    def last(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> Float[Array, " H"]:
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

    def outputs(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> Float[Array, "T H"]:
        outputs = as_samples(xs)
        for layer in self.layers:
            outputs = layer.outputs(outputs, length)
        return outputs

    def offline(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> Float[Array, "T H"]:
        outputs = as_samples(xs)
        for layer in self.layers:
            outputs = layer.offline(outputs, length)
        return outputs

    def last(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> Float[Array, " H"]:
        for layer in self.layers[:-1]:
            xs = layer.offline(xs, length)
        return self.layers[-1].last(xs, length)


def _reversed(xs: Real[Array | np.ndarray, "T D"], length: Length) -> Float[Array, "T D"]:
    """The samples that count in the opposite order, and then the last one of that order, which was the first."""
    if length is not None:
        check_length(xs, length)
    xs, last = as_samples(xs), xs.shape[0] if length is None else length
    return xs[jnp.maximum(last - 1 - jnp.arange(xs.shape[0]), 0)]


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
