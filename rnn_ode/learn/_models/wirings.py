"""How inputs and outputs are wired to a recurrent network, for the task at hand.

| wiring | in | out | for |
|---|---|---|---|
| `OneToOne` | a sample | a value | regression, classification |
| `OneToMany` | a sample | a sequence | generating from a seed or a label |
| `ManyToOne` | a sequence | a value | classification of series, direct forecasts |
| `ManyToMany` | a sequence | a sequence of the same times | filtering, tagging |
| `EncoderDecoder` | a sequence | a sequence of other times | translation, forecasts of any horizon |

Each takes a *runner* (a network or a differential equation, `Iterated` or `Integrated`, in both directions or stacked) and a
*readout*, any function of its output (H,), such as `eqx.nn.Linear`. Sequences are (T, D), time first and unbatched: batches
come from `jax.vmap`. A sequence that stands in a longer array is told by its `length`.

`ManyToMany` is causal: the value at a sample depends on the samples up to it alone, unless the runner is `Bidirectional`. The
value of `ManyToOne`, and every value of `EncoderDecoder`, depends on the whole sequence.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from ..._base.checks import check_callable, check_count
from .base import AbstractRunner, Length, Readout, as_samples
from .intervals import Intervals
from .ode_rnn import ODERNN


class IrregularToOne(eqx.Module):
    """Observations at irregular times, and a value at a time after them: `ManyToOne` for an `ODERNN`.

    **Arguments:** `runner` an `ODERNN`; `readout` any function of its output (H,). Called with `ts` (T,), `xs` (T, D), the
    time `at` (by default that of the last observation) and `length`, as `ODERNN.last`; batches come from `jax.vmap`, over
    `intervals(ts, at, lengths)` in place of `ts` and `at` where float32 does not resolve the times.

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
            raise TypeError(f"runner must be an ODERNN(field, cell), which takes times; got {self.runner!r}.")
        check_callable("readout", self.readout, "readout(output)")

    def __call__(
        self,
        ts: Real[ArrayLike, " T"] | Intervals,
        xs: Real[ArrayLike, "T D"],
        at: Real[ArrayLike, ""] | None = None,
        length: Length = None,
    ) -> Float[Array, " O"]:
        return self.readout(self.runner.last(ts, xs, at, length))


class _Wiring(eqx.Module):
    runner: eqx.AbstractVar[AbstractRunner]
    readout: eqx.AbstractVar[Readout]

    def __check_init__(self):
        if not isinstance(self.runner, AbstractRunner):
            raise TypeError(
                f"runner must be one of rnn_ode.learn's, such as Iterated(cell) or Integrated(field); got {self.runner!r}."
            )
        check_callable("readout", self.readout, "readout(output)")


class OneToOne(_Wiring):
    """One sample, one step, one value.

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
    """One sample, then nothing (zeros), and a value at each of so many steps.

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
        x = as_samples(x)
        xs = jnp.zeros((steps, *x.shape), x.dtype).at[0].set(x)
        return jax.vmap(self.readout)(self.runner.offline(xs))


class ManyToOne(_Wiring):
    """A sequence, and a value once all of it was seen.

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
    """A sequence, and a value at each of its samples; after the last one that counts, that one's again. A value depends on
    the samples up to its own; with a `Bidirectional` runner on all of them.

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
