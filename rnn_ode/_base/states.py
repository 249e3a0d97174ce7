"""The few types everything else is written in: cells, fields, paths and trajectories.

A *cell* is any callable `cell(x, h) -> h` (Equinox's convention), a *field* any callable `field(t, h, path) -> dh/dt` (a
diffrax vector field whose `args` is the path), a *path* an input as a function of time. States may be any pytree.
"""

import functools
import math
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ._errors import RESULTS

State = PyTree[Array]


@runtime_checkable
class Cell(Protocol):
    """One step of a recurrent network: `cell(x, h)` is the next state; x (D,), h any pytree, LSTM's is (h, c)."""

    def __call__(self, x: Array, h: Any, /) -> Any: ...


@runtime_checkable
class Field(Protocol):
    """A vector field: `field(t, h, path)` is dh/dt at time t, in the shape of h; exactly what `diffrax.ODETerm` takes."""

    def __call__(self, t: Any, h: Any, path: Any, /) -> Any: ...


@runtime_checkable
class Path(Protocol):
    """An input as a function of time: `path(t)` is the input (D,) at time t."""

    def __call__(self, t: Any, /) -> Array: ...


class Trajectory(eqx.Module):
    """States at times: what `iterate`, `integrate` and `evolve` return.

    **Fields:** `ts` (n,) times, the first one the initial state's; `states` a pytree of (n, …), so that a network's
    outputs are `states[1:]`; `result` a `RESULTS`, `successful` or why the run ended early (rows past that end are
    infinite, as diffrax's are); `stats` a dictionary of counts such as `num_steps`.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> run = ro.iterate(lambda x, h: 0.5 * h + x, jnp.ones((3, 1)), jnp.zeros(1))
    >>> run.states[:, 0].tolist(), run.ts.tolist()
    ([0.0, 1.0, 1.5, 1.75], [0.0, 1.0, 2.0, 3.0])

    ```
    """

    ts: Float[Array, " n"]
    states: State
    result: RESULTS
    stats: dict[str, Any]


def of_each(name: str, ndim: int):
    """Makes a method of a result one that a batch of results, from `vmap`, answers for each member.

    `name` is a field that has `ndim` axes in a single result."""

    def decorate(method):
        @functools.wraps(method)
        def ask(self, *args):
            def one(result):
                return method(result, *args)

            for _ in range(jnp.ndim(getattr(self, name)) - ndim):
                one = jax.vmap(one)
            return one(self)

        return ask

    return decorate


def is_finite(state: State) -> Array:
    """Whether every entry of a state is finite: a boolean scalar."""
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(state)]))


def real_dtype(state: State):
    """The real floating type of a state, which is also that of the times it is solved with."""
    return jnp.finfo(jnp.result_type(*jax.tree.leaves(state))).dtype


def frozen(tree: PyTree) -> PyTree:
    """The same without derivatives."""
    return jax.tree.map(lambda leaf: jax.lax.stop_gradient(leaf) if eqx.is_inexact_array(leaf) else leaf, tree)


def finite_or_none(value: Any) -> float | None:
    """A number for json: `None` for what is missing or not finite."""
    return None if value is None or not math.isfinite(float(value)) else float(value)


def flat_rows(states: State) -> np.ndarray:
    """States (n, …) as rows of real numbers (n, M) on the host, every leaf side by side."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(states)]
    return np.concatenate([np.real(leaf).reshape(len(leaf), -1) for leaf in leaves], axis=1)


def keep_before(failed: Array, states: State) -> State:
    """Rows (n, …) with those where `failed` (n,) holds made infinite, so that none passes for a result."""

    def mask(rows):
        flags = failed.reshape(failed.shape + (1,) * (rows.ndim - 1))
        return jnp.where(flags, jnp.asarray(jnp.inf, rows.dtype), rows) if eqx.is_inexact_array(rows) else rows

    return jax.tree.map(mask, states)
