"""Recurrent networks by name, from which the command `forecast` and the memory study choose.

A *core* is the recurrent part of a model: a runner with D inputs and N units, made from a key. A model is a core with a
linear readout.

| name | what |
|---|---|
| tanh | h' = tanh(W_h h + W_x x + b), W_h Gaussian of radius 1 |
| orthogonal | the same, W_h orthogonal |
| irnn | the same with relu, W_h the identity (Le, Jaitly & Hinton 2015) |
| rnn | leaky: an Euler step of `CTRNN`, h' = h + (tanh(W_h h + W_x x + b) − h)/τ, with τ trained from 8 |
| antisymmetric, cornn, gru-ode | Euler steps of those fields |
| gru | `eqx.nn.GRUCell` |
| lstm | `eqx.nn.LSTMCell`, its gates initialised to remember 1 to 256 steps (Tallec & Ollivier 2018, "chrono") |
| neural-ode | `CTRNN` as a differential equation, solved by Tsit5, its input linear between samples |
"""

from collections.abc import Callable
from typing import TypeVar

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from ... import initializers
from ..._base.checks import check_choice, check_count, check_key
from ..._bridge.schemes import Euler
from ..._bridge.to_rnn import to_rnn
from ..._cells.vanilla import VanillaCell
from ..._fields.antisymmetric import AntisymmetricRNN
from ..._fields.cornn import CoRNN
from ..._fields.ctrnn import CTRNN
from ..._fields.gruode import GRUODE
from ..._paths.interpolated import Linear
from .base import Recurrent
from .integrated import Integrated
from .iterated import Iterated
from .wirings import ManyToMany, ManyToOne

_LONGEST_MEMORY = 256.0  # steps

_Wiring = TypeVar("_Wiring", ManyToOne, ManyToMany)

Core = Callable[[PRNGKeyArray, int, int], Recurrent]


def _vanilla(activation: Callable, recurrent: Callable) -> Core:
    return lambda key, D, N: Iterated(VanillaCell.random(key, D, N, activation=activation, recurrent=recurrent))


def _euler(field: Callable, dt: float) -> Core:
    return lambda key, D, N: Iterated(to_rnn(field(key, D, N), Euler(), dt))


def _lstm(key: PRNGKeyArray, D: int, N: int) -> Recurrent:
    cell = eqx.nn.LSTMCell(D, N, key=key)
    spans = jax.random.uniform(jax.random.fold_in(key, 1), (N,), minval=1, maxval=_LONGEST_MEMORY)
    bias = jnp.zeros(4 * N).at[N : 2 * N].set(jnp.log(spans)).at[:N].set(-jnp.log(spans))
    return Iterated(eqx.tree_at(lambda cell: cell.bias, cell, bias))


def _neural_ode(key: PRNGKeyArray, D: int, N: int) -> Recurrent:
    field = CTRNN.random(key, D, N, tau=8.0)
    return Integrated(field, Linear, solver=diffrax.Tsit5(), rtol=1e-3, atol=1e-4)


CORES: dict[str, Core] = {
    "tanh": _vanilla(jnp.tanh, initializers.gaussian()),
    "orthogonal": _vanilla(jnp.tanh, initializers.orthogonal()),
    "irnn": _vanilla(jax.nn.relu, initializers.identity()),
    "rnn": _euler(lambda key, D, N: CTRNN.random(key, D, N, tau=8.0), 1.0),
    "antisymmetric": _euler(lambda key, D, N: AntisymmetricRNN.random(key, D, N, gamma=0.01), 0.1),
    "cornn": _euler(lambda key, D, N: CoRNN.random(key, D, N, gamma=2.7, epsilon=4.7), 0.05),
    "gru": lambda key, D, N: Iterated(eqx.nn.GRUCell(D, N, key=key)),
    "lstm": _lstm,
    "gru-ode": _euler(lambda key, D, N: GRUODE.random(key, D, N), 0.5),
    "neural-ode": _neural_ode,
}
"""The named cores: `CORES[name](key, inputs, hidden)` makes the recurrent part of a model, a runner.

`many_to_one` and `many_to_many` add a readout, and `study` compares cores on a task. To add a core of your own, assign such a
function to `CORES["its name"]`.
"""


def many_to_one(name: str, hidden: int) -> Callable[[PRNGKeyArray, int, int], ManyToOne]:
    """Return a function that makes a model from a named core and a linear readout, as `forecast` takes it.

    **Arguments:**

    - `name`: a name of `CORES`, such as "gru".
    - `hidden`: the number of units.

    **Returns:** `make(key, inputs, outputs)`, which makes a `ManyToOne`.

    **Raises:** `ValueError` for an unknown name.

    ```python
    >>> import jax, jax.numpy as jnp
    >>> from rnn_ode import learn
    >>> model = learn.many_to_one("gru", 8)(jax.random.key(0), 2, 1)
    >>> model(jnp.ones((5, 2))).shape
    (1,)

    ```
    """
    return _maker(ManyToOne, name, hidden)


def many_to_many(name: str, hidden: int) -> Callable[[PRNGKeyArray, int, int], ManyToMany]:
    """Return a function that makes a model with a value at every step, from a named core and a linear readout.

    **Arguments:**

    - `name`: a name of `CORES`, such as "tanh".
    - `hidden`: the number of units.

    **Returns:** `make(key, inputs, outputs)`, which makes a `ManyToMany`.

    **Raises:** `ValueError` for an unknown name.

    ```python
    >>> import jax, jax.numpy as jnp
    >>> from rnn_ode import learn
    >>> model = learn.many_to_many("tanh", 8)(jax.random.key(0), 2, 1)
    >>> model(jnp.ones((5, 2))).shape
    (5, 1)

    ```
    """
    return _maker(ManyToMany, name, hidden)


def _maker(wiring: type[_Wiring], name: str, hidden: int) -> Callable[[PRNGKeyArray, int, int], _Wiring]:
    check_core(name)
    check_count("hidden", hidden)

    def make(key: PRNGKeyArray, inputs: int, outputs: int) -> _Wiring:
        check_key(key)
        keys = jax.random.split(key)
        return wiring(CORES[name](keys[0], inputs, hidden), eqx.nn.Linear(hidden, outputs, key=keys[1]))

    return make


def check_core(name: str, argument: str = "name") -> None:
    """`ValueError` for an unknown name, with the names that exist."""
    check_choice(argument, name, CORES)
