"""Memory tasks: a network can do them only if it remembers, with the lag as a number.

A task draws batches from a key, says how many inputs and outputs a model has, and scores what the model returns, so one study
runs any task.
"""

import abc
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ..._base.checks import check_count, check_key


class AbstractTask(eqx.Module):
    """A memory task, which draws batches of sequences (size, T, input_size).

    A task of your own defines all of the following. `every_step` says whether every step has a target, or the last one
    alone. A task counts as learnt if the score is below `solved`.

    ```python
    >>> import jax
    >>> from rnn_ode import learn
    >>> task = learn.Adding()
    >>> inputs, targets = task.draw(jax.random.key(0), 20, 4)
    >>> inputs.shape, isinstance(task, learn.AbstractTask), round(task.chance(20), 4)
    ((4, 20, 2), True, 0.1667)

    ```
    """

    every_step: eqx.AbstractClassVar[bool]
    solved: eqx.AbstractClassVar[float]

    @property
    @abc.abstractmethod
    def input_size(self) -> int:
        """D, the number of inputs."""

    @property
    @abc.abstractmethod
    def output_size(self) -> int:
        """The number of outputs of a model."""

    @abc.abstractmethod
    def chance(self, lag: int) -> float:
        """The expected score of the best model without memory."""

    @abc.abstractmethod
    def draw(self, key: PRNGKeyArray, lag: int, size: int) -> tuple[Array, Array]:
        """Inputs (size, T, D) and targets, which need a memory of `lag` steps."""

    @abc.abstractmethod
    def loss(self, predictions: Array, targets: Array) -> Float[Array, ""]:
        """The loss on which a model is trained, as a mean over a batch."""

    @abc.abstractmethod
    def score(self, predictions: Array, targets: Array) -> Float[Array, ""]:
        """The score of a model, as a mean over a batch; lower is better."""


class Adding(AbstractTask):
    """The adding problem (Hochreiter & Schmidhuber 1997): add the two marked numbers of a sequence, at its end.

    A sequence has T = lag numbers in [0, 1], and one number in each half is marked. The score is the mean squared error, 1/6
    for the constant answer 1.

    ```python
    >>> import jax
    >>> from rnn_ode import learn
    >>> inputs, targets = learn.Adding().draw(jax.random.key(0), lag=200, size=32)
    >>> inputs.shape, targets.shape
    ((32, 200, 2), (32, 1))

    ```
    """

    every_step: ClassVar[bool] = False
    solved: ClassVar[float] = 0.01

    @property
    def input_size(self) -> int:
        return 2

    @property
    def output_size(self) -> int:
        return 1

    def chance(self, lag: int) -> float:
        return 1 / 6

    def draw(self, key: PRNGKeyArray, lag: int, size: int) -> tuple[Float[Array, "size T 2"], Float[Array, "size 1"]]:
        _check_draw(key, lag, size, 2)
        keys, half = jax.random.split(key, 3), lag // 2
        values = jax.random.uniform(keys[0], (size, lag))
        first = jax.random.randint(keys[1], (size,), 0, half)
        second = jax.random.randint(keys[2], (size,), half, lag)
        marks = jax.nn.one_hot(first, lag, dtype=values.dtype) + jax.nn.one_hot(second, lag, dtype=values.dtype)
        return jnp.stack([values, marks], axis=2), jnp.sum(values * marks, axis=1, keepdims=True)

    def loss(self, predictions: Array, targets: Array) -> Float[Array, ""]:
        return jnp.mean((predictions - targets) ** 2)

    def score(self, predictions: Array, targets: Array) -> Float[Array, ""]:
        return self.loss(predictions, targets)


class Copy(AbstractTask):
    """The copy task (Hochreiter & Schmidhuber 1997; as in Arjovsky, Shah & Bengio 2016): repeat symbols after a pause.

    A sequence has `items` symbols, then `lag` blanks of which the last is a signal, then `items` blanks during which the
    symbols are to be repeated in order: T = lag + 2·items. The score is the share of wrong symbols, 1 − 1/symbols by
    chance.

    **Arguments:**

    - `symbols`: the size of the alphabet, at least 2. Default 8.
    - `items`: how many symbols to repeat. Default 10.

    ```python
    >>> import jax
    >>> from rnn_ode import learn
    >>> task = learn.Copy(symbols=4, items=3)
    >>> inputs, targets = task.draw(jax.random.key(0), lag=5, size=1)
    >>> inputs.shape, targets[0].tolist()[-3:] == inputs[0].argmax(-1).tolist()[:3]
    ((1, 11, 6), True)

    ```
    """

    symbols: int = eqx.field(static=True, default=8)
    items: int = eqx.field(static=True, default=10)
    every_step: ClassVar[bool] = True
    solved: ClassVar[float] = 0.05

    def __check_init__(self):
        check_count("symbols", self.symbols, 2)
        check_count("items", self.items)

    @property
    def input_size(self) -> int:
        return self.symbols + 2

    @property
    def output_size(self) -> int:
        return self.symbols + 1

    def chance(self, lag: int) -> float:
        return 1 - 1 / self.symbols

    def draw(self, key: PRNGKeyArray, lag: int, size: int) -> tuple[Float[Array, "size T D"], Int[Array, "size T"]]:
        """Symbol number `symbols` is the blank, the next number the signal. Targets are symbols or blank."""
        _check_draw(key, lag, size, 1)
        blank = self.symbols
        items = jax.random.randint(key, (size, self.items), 0, self.symbols)
        silence = jnp.full((size, lag + self.items), blank)
        inputs = jnp.concatenate([items, silence.at[:, lag - 1].set(blank + 1)], axis=1)
        return jax.nn.one_hot(inputs, self.input_size), jnp.concatenate([silence, items], axis=1)

    def loss(self, predictions: Array, targets: Array) -> Float[Array, ""]:
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(predictions, targets))

    def score(self, predictions: Array, targets: Array) -> Float[Array, ""]:
        wrong = jnp.argmax(predictions, axis=-1) != targets
        return jnp.mean(wrong[..., -self.items :])


class TemporalOrder(AbstractTask):
    """Temporal order (Hochreiter & Schmidhuber 1997, task 6a): say which two symbols came, and in which order.

    A sequence of T = lag distractors has two symbols in it, each A or B, one in the second tenth and one in the sixth. The
    answer is one of the four pairs. The score is the share of wrong answers, ¾ by chance.

    ```python
    >>> import jax
    >>> from rnn_ode import learn
    >>> inputs, targets = learn.TemporalOrder().draw(jax.random.key(0), lag=50, size=4)
    >>> inputs.shape, targets.shape
    ((4, 50, 6), (4,))

    ```
    """

    every_step: ClassVar[bool] = False
    solved: ClassVar[float] = 0.05

    @property
    def input_size(self) -> int:
        return 6

    @property
    def output_size(self) -> int:
        return 4

    def chance(self, lag: int) -> float:
        return 3 / 4

    def draw(self, key: PRNGKeyArray, lag: int, size: int) -> tuple[Float[Array, "size T 6"], Int[Array, " size"]]:
        """Symbols 0 and 1 are A and B; 2 to 5 are distractors."""
        _check_draw(key, lag, size, 10)
        keys = jax.random.split(key, 4)
        sequence = jax.random.randint(keys[0], (size, lag), 2, 6)
        pair = jax.random.randint(keys[1], (size, 2), 0, 2)
        first = jax.random.randint(keys[2], (size,), lag // 10, 2 * lag // 10)
        second = jax.random.randint(keys[3], (size,), 5 * lag // 10, 6 * lag // 10)
        rows = jnp.arange(size)
        sequence = sequence.at[rows, first].set(pair[:, 0]).at[rows, second].set(pair[:, 1])
        return jax.nn.one_hot(sequence, 6), 2 * pair[:, 0] + pair[:, 1]

    def loss(self, predictions: Array, targets: Array) -> Float[Array, ""]:
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(predictions, targets))

    def score(self, predictions: Array, targets: Array) -> Float[Array, ""]:
        return jnp.mean(jnp.argmax(predictions, axis=-1) != targets)


class FlipFlop(AbstractTask):
    """The flip-flop (Sussillo & Barak 2013): for each channel, remember the sign of its last pulse.

    Each of `bits` channels has pulses of ±1, one every `lag` steps on average. Its output is the sign of the last pulse, and
    0 before the first. T = 5·lag. The score is the mean squared error.

    **Arguments:**

    - `bits`: the number of channels. Default 3.

    ```python
    >>> import jax
    >>> from rnn_ode import learn
    >>> inputs, targets = learn.FlipFlop().draw(jax.random.key(0), lag=10, size=4)
    >>> inputs.shape, targets.shape
    ((4, 50, 3), (4, 50, 3))

    ```
    """

    bits: int = eqx.field(static=True, default=3)
    every_step: ClassVar[bool] = True
    solved: ClassVar[float] = 0.05

    def __check_init__(self):
        check_count("bits", self.bits)

    @property
    def input_size(self) -> int:
        return self.bits

    @property
    def output_size(self) -> int:
        return self.bits

    def chance(self, lag: int) -> float:
        return sum((1 - 1 / lag) * (1 - (1 - 1 / lag) ** k) for k in range(5 * lag)) / (5 * lag)

    def draw(self, key: PRNGKeyArray, lag: int, size: int) -> tuple[Float[Array, "size T B"], Float[Array, "size T B"]]:
        _check_draw(key, lag, size, 2)
        when, which = jax.random.split(key)
        shape = (size, 5 * lag, self.bits)
        signs = jax.random.rademacher(which, shape, float)
        pulses = jnp.where(jax.random.bernoulli(when, 1 / lag, shape), signs, 0)
        return pulses, _last_pulses(pulses)

    def loss(self, predictions: Array, targets: Array) -> Float[Array, ""]:
        return jnp.mean((predictions - targets) ** 2)

    def score(self, predictions: Array, targets: Array) -> Float[Array, ""]:
        return self.loss(predictions, targets)


def _last_pulses(pulses: Float[Array, "size T B"]) -> Float[Array, "size T B"]:
    """At every step the last pulse, or 0 before the first."""
    rows = jnp.arange(pulses.shape[1])[None, :, None]
    last = jax.lax.cummax(jnp.where(pulses == 0, 0, rows), axis=1)
    return jnp.take_along_axis(pulses, last, axis=1)


def _check_draw(key: PRNGKeyArray, lag: int, size: int, least: int) -> None:
    check_key(key)
    check_count("lag", lag)
    check_count("size", size)
    if lag < least:
        raise ValueError(f"lag must be at least {least} for this task; got {lag}.")
