"""Wirings: how the inputs and outputs of a task are connected to something recurrent.

| wiring | in | out | for |
|---|---|---|---|
| `OneToOne` | a sample | a value | regression, classification |
| `OneToMany` | a sample | a sequence | generating from a seed or a label |
| `ManyToOne` | a sequence | a value | classification of series, direct forecasts |
| `ManyToMany` | a sequence | a sequence of the same times | filtering, tagging |
| `EncoderDecoder` | a sequence | a sequence of other times | translation, forecasts of any horizon |
| `IrregularToOne` | observations at irregular times | a value | `ManyToOne` for an `ODERNN` |

Each takes a *runner*, which runs a network or a differential equation (`Iterated`, `Integrated`, or several of them in
`Bidirectional` and `Stacked`), and a *readout*, any function of its output (H,), such as `eqx.nn.Linear`. Sequences are
(T, D), time first. For a batch use `jax.vmap`. A sequence that stands in a longer array has a `length`.

`ManyToMany` is causal: a value depends on the samples up to its own, unless the runner is `Bidirectional`. The value of
`ManyToOne` and every value of `EncoderDecoder` depend on the whole sequence.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from ..._base.checks import brief, check_callable, check_count
from .base import AbstractRunner, Length, Readout, as_samples
from .intervals import Intervals
from .ode_rnn import ODERNN


class _Wiring(eqx.Module):
    """A runner and a readout, checked."""

    runner: eqx.AbstractVar[AbstractRunner]
    readout: eqx.AbstractVar[Readout]

    def __check_init__(self):
        if not isinstance(self.runner, AbstractRunner):
            raise TypeError(
                f"runner must be an AbstractRunner, such as Iterated(cell) or Integrated(field); got {brief(self.runner)}."
            )
        check_callable("readout", self.readout, "readout(output)")


class OneToOne(_Wiring):
    """Reads one sample, makes one step and returns one value.

    **Arguments:**

    - `runner`: a runner.
    - `readout`: any function of its output (H,).

    Called with a sample `x` (D,) it **returns** the value (O,).

    ```python
    >>> import jax, jax.numpy as jnp, equinox as eqx
    >>> from rnn_ode import learn
    >>> keys = jax.random.split(jax.random.key(0))
    >>> model = learn.OneToOne(learn.Iterated(eqx.nn.GRUCell(2, 8, key=keys[0])), eqx.nn.Linear(8, 3, key=keys[1]))
    >>> model(jnp.ones(2)).shape
    (3,)

    ```
    """

    runner: AbstractRunner
    readout: Readout

    def __call__(self, x: Real[Array | np.ndarray, " D"]) -> Float[Array, " O"]:
        return self.readout(self.runner.last(x[None]))


class OneToMany(_Wiring):
    """Reads one sample, then zeros, and returns a value at every step.

    **Arguments:**

    - `runner`: a runner.
    - `readout`: any function of its output (H,).

    Called with a sample `x` (D,) and the number of `steps` it **returns** the values (steps, O).

    ```python
    >>> import jax, jax.numpy as jnp, equinox as eqx
    >>> from rnn_ode import learn
    >>> keys = jax.random.split(jax.random.key(0))
    >>> model = learn.OneToMany(learn.Iterated(eqx.nn.GRUCell(2, 8, key=keys[0])), eqx.nn.Linear(8, 3, key=keys[1]))
    >>> model(jnp.ones(2), steps=5).shape
    (5, 3)

    ```
    """

    runner: AbstractRunner
    readout: Readout

    def __call__(self, x: Real[Array | np.ndarray, " D"], steps: int) -> Float[Array, "steps O"]:
        check_count("steps", steps)
        x = as_samples(x, name="x")
        xs = jnp.zeros((steps, *x.shape), x.dtype).at[0].set(x)
        return jax.vmap(self.readout)(self.runner.offline(xs))


class ManyToOne(_Wiring):
    """Reads a sequence and returns one value after all of it.

    **Arguments:**

    - `runner`: a runner.
    - `readout`: any function of its output (H,).

    Called with a sequence `xs` (T, D), and a `length` if only that many samples count, it **returns** the value (O,).

    ```python
    >>> import jax, jax.numpy as jnp, equinox as eqx
    >>> from rnn_ode import learn
    >>> keys = jax.random.split(jax.random.key(0))
    >>> model = learn.ManyToOne(learn.Iterated(eqx.nn.LSTMCell(2, 8, key=keys[0])), eqx.nn.Linear(8, 1, key=keys[1]))
    >>> padded = jnp.full((20, 2), jnp.nan).at[:9].set(1.0)
    >>> bool(jnp.allclose(model(padded, length=9), model(padded[:9])))
    True

    ```
    """

    runner: AbstractRunner
    readout: Readout

    def __call__(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> Float[Array, " O"]:
        return self.readout(self.runner.last(xs, length))


class ManyToMany(_Wiring):
    """Reads a sequence and returns a value at each of its samples.

    A value depends on the samples up to its own; with a `Bidirectional` runner on all samples.

    **Arguments:**

    - `runner`: a runner.
    - `readout`: any function of its output (H,).

    Called with a sequence `xs` (T, D), and a `length` if only that many samples count, it **returns** the values (T, O).
    After the last sample that counts, its value is repeated.

    ```python
    >>> import jax, jax.numpy as jnp, equinox as eqx
    >>> from rnn_ode import learn
    >>> keys = jax.random.split(jax.random.key(0), 3)
    >>> both = learn.Bidirectional(*(learn.Iterated(eqx.nn.GRUCell(2, 8, key=key)) for key in keys[:2]))
    >>> learn.ManyToMany(both, eqx.nn.Linear(16, 1, key=keys[2]))(jnp.ones((20, 2))).shape
    (20, 1)

    ```
    """

    runner: AbstractRunner
    readout: Readout

    def __call__(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> Float[Array, "T O"]:
        return jax.vmap(self.readout)(self.runner.outputs(xs, length))


class IrregularToOne(eqx.Module):
    """Reads observations at irregular times and returns a value at a time after them: `ManyToOne` for an `ODERNN`.

    **Arguments:**

    - `runner`: an `ODERNN`.
    - `readout`: any function of its output (H,).

    Called with `ts` (T,), `xs` (T, D), `at` and `length`, as `ODERNN.last`, it **returns** the value (O,). For a batch use
    `jax.vmap`, over `intervals(ts, at, lengths)` in place of `ts` and `at` if float32 does not resolve the times.

    **Raises:** `TypeError` for another runner.

    ```python
    >>> import jax, jax.numpy as jnp, equinox as eqx, rnn_ode as ro
    >>> from rnn_ode import learn
    >>> keys = jax.random.split(jax.random.key(0), 3)
    >>> runner = learn.ODERNN(ro.GRUODE.random(keys[0], 1, 8), eqx.nn.GRUCell(1, 8, key=keys[1]))
    >>> model = learn.IrregularToOne(runner, eqx.nn.Linear(8, 1, key=keys[2]))
    >>> ts, xs = jnp.array([0.0, 0.3, 2.0, jnp.nan]), jnp.array([[1.0], [0.9], [-0.4], [jnp.nan]])
    >>> bool(jnp.allclose(model(ts, xs, at=2.5, length=3), model(ts[:3], xs[:3], at=2.5)))
    True

    ```
    """

    runner: ODERNN
    readout: Readout

    def __check_init__(self):
        if not isinstance(self.runner, ODERNN):
            raise TypeError(f"runner must be an ODERNN(field, cell), which takes times; got {brief(self.runner)}.")
        check_callable("readout", self.readout, "readout(output)")

    def __call__(
        self,
        ts: Real[ArrayLike, " T"] | Intervals,
        xs: Real[ArrayLike, "T D"],
        at: Real[ArrayLike, ""] | None = None,
        length: Length = None,
    ) -> Float[Array, " O"]:
        return self.readout(self.runner.last(ts, xs, at, length))
