"""A network for forecasts from irregular times: an `ODERNN` that reads the times among its inputs."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..._base.checks import check_count
from ..._fields.gruode import GRUODE
from .iterated import Iterated
from .ode_rnn import ODERNN


class Timed(eqx.Module):
    """Reads a history whose last 1 + horizon columns are the time since the row before and the times from the last row to
    each target, as `forecast` gives them with `times`. Between the targets the state flows on.

    `timed` makes them. Called with a history (T, D + 1 + horizon) it **returns** the values of all targets.
    """

    runner: ODERNN
    readout: eqx.nn.Linear
    horizon: int = eqx.field(static=True)

    def __call__(self, xs: Float[Array, "T D_more"]) -> Float[Array, " O"]:
        width = xs.shape[1] - self.horizon
        h = Iterated(self.runner).end(xs[:, :width])
        steps = jnp.diff(xs[-1, width:], prepend=0.0)

        def flow_on(h: Array, step: Array) -> tuple[Array, Array]:
            h = self.runner._flow(h, step)
            return h, self.readout(self.runner.output(h))

        return jax.lax.scan(flow_on, h, steps)[1].ravel()


def timed(hidden: int, horizon: int) -> Callable[[PRNGKeyArray, int, int], Timed]:
    """Return a function that makes networks for irregular times, as `forecast` takes it with `times`.

    They are an `ODERNN` of a `GRUODE` and a `GRUCell`, and a linear readout.

    **Arguments:**

    - `hidden`: the number of units.
    - `horizon`: how many rows are forecast, as in `forecast`.

    **Returns:** `make(key, inputs, outputs)`.

    ```python
    >>> import jax, numpy as np
    >>> from rnn_ode import learn
    >>> times = np.cumsum(np.random.default_rng(0).uniform(0.5, 2, 80))
    >>> f = learn.forecast(np.sin(times)[:, None], learn.timed(4, 2), history=6, horizon=2, times=times, steps=5, members=2,
    ...                    key=jax.random.key(0), progress=False)
    >>> f.future.mean.shape
    (2, 1)

    ```
    """
    check_count("hidden", hidden)
    check_count("horizon", horizon)

    def make(key: PRNGKeyArray, inputs: int, outputs: int) -> Timed:
        keys = jax.random.split(key, 3)
        width = inputs - 1 - horizon
        runner = ODERNN(GRUODE.random(keys[0], 1, hidden), eqx.nn.GRUCell(width, hidden, key=keys[1]))
        return Timed(runner, eqx.nn.Linear(hidden, outputs // horizon, key=keys[2]), horizon)

    return make
