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

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Real

from ..._base.checks import check_callable, check_count
from ..._base.types import Cell
from ..._cells.base import output_of
from ..._run.iterate import iterate
from .runners import AbstractRunner, Length, Recurrent, as_samples

Readout = Callable[[Array], Array]


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


class EncoderDecoder(eqx.Module):
    """A whole sequence is read into a state, which another network of the same kind of state unrolls into values (Sutskever,
    Vinyals & Le 2014). The decoder's input is the value before, zeros at first: its own, or during training the true one,
    where `targets` are given.

    **Arguments:** `encoder`, `runner` (the decoder), each an `Iterated` or `Integrated`; `readout`, whose output the decoder
    takes as its input. A decoder that is `Integrated` holds that input during a step, whatever its path, and solves the step
    in four of its solver's. **Raises:** `TypeError` for an encoder or decoder of another kind, `ValueError` for targets of
    another shape than the output's.

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
            if targets.shape != (steps, *y.shape):
                raise ValueError(
                    f"targets must have shape {(steps, *y.shape)}, a value for each step; got {targets.shape}."
                )
            fed = jnp.concatenate([start[None], as_samples(targets)[:-1]])
            return jax.vmap(self.readout)(self.runner.read(iterate(cell, fed, h, throw=False).states)[1:])
        unroll = _FeedingBack(cell, self.readout)
        return iterate(unroll, jnp.zeros((steps, 0)), (h, start), save=lambda state: state[1], throw=False).states[1:]


class _FeedingBack(eqx.Module):
    """A cell whose input is what was last read out of it: the state is (h, y), and nothing comes from outside."""

    cell: Cell
    readout: Readout

    def __call__(self, x, state):
        h = self.cell(state[1], state[0])
        return h, self.readout(output_of(self.cell, h))


def rollout(
    model: Callable[[Array], Array], history: Real[Array | np.ndarray, "T D"], steps: int
) -> Float[Array, "steps D"]:
    """A forecast of any horizon by a model of the next sample: what it says is appended to the history it sees next.

    **Arguments:** `model` from histories (T, D) to the next sample (D,), or (1, D); `history` (T, D); `steps` how far.
    **Returns:** (steps, D). The model always sees as many samples as `history` has.

    ```python
    >>> import jax.numpy as jnp
    >>> from rnn_ode import learn
    >>> learn.rollout(lambda history: 2 * history[-1], jnp.ones((3, 1)), 4)[:, 0].tolist()
    [2.0, 4.0, 8.0, 16.0]

    ```
    """
    check_count("steps", steps)
    history = as_samples(history)
    history = history.astype(jnp.result_type(history, jax.eval_shape(model, history).dtype))

    def advance(seen, _):
        following = jnp.reshape(model(seen), history.shape[1:]).astype(seen.dtype)
        return jnp.concatenate([seen[1:], following[None]]), following

    return jax.lax.scan(advance, history, length=steps)[1]
