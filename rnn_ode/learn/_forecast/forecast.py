"""Forecasts of a series: what a recurrent model, trained by gradient, makes of it, beside what costs nothing.

The series is split in time (`split`) and scaled by what trains. Several models of one make are trained as one (`Ensemble`),
each to give all of the horizon at once from a history; the forecast is their mean. Its intervals are as wide as the
ensemble is in disagreement, by a factor for each step ahead that makes them cover the share that is wanted of the
validation windows (split conformal prediction with normalised residuals: Lei et al., JASA 113, 2018).
"""

import hashlib
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray, Real

from ..._base.checks import as_number, check_callable, check_count
from .._checkpoints.checkpoint import PathLike
from .._models.ensemble import Ensemble
from .._models.rollout import rollout
from .._training.batches import Minibatches
from .._training.fit import fit, uninterrupted
from .bands import ConformalIntervals
from .baselines import LinearAutoregression, drift, last_value, seasonal
from .metrics import mase
from .result import Forecast
from .scaler import Scaler
from .split import Split, split
from .windows import Windows

# a network sees and gives a quarter of the standard deviation, so that its activations begin where they are nearly linear
_AMPLITUDE = 0.25


def forecast(
    values: Real[ArrayLike, "T D"],
    make: Callable[[PRNGKeyArray, int, int], Any],
    *,
    history: int,
    gap: int = 0,
    horizon: int = 1,
    key: PRNGKeyArray,
    members: int = 5,
    steps: int = 3000,
    size: int = 32,
    rate: float = 0.02,
    direct: bool = True,
    share: float = 0.9,
    test: float = 0.3,
    validation: float = 0.1,
    shuffle: bool = False,
    season: int = 1,
    checkpoint: PathLike | None = None,
    progress: bool = True,
) -> Forecast:
    """Trains recurrent networks to forecast a series, and says how good they are on its last part, which they never saw.

    **Arguments:** `values` (T, D), oldest first; `make(key, inputs, outputs)` makes a model from histories (history, inputs)
    to (outputs,), such as a `ManyToOne`; `history`, `gap`, `horizon` in rows, as in `windows`; `key` for all that is random.
    `members` networks are trained at once, by Adam at a rate that falls from `rate` to zero in `steps` steps (a cosine), on
    batches of `size` windows. `direct`: the model gives all of the horizon at once; otherwise the next row alone, and what it
    gave is appended to the history until the horizon is reached (`rollout`). `share` of the targets that the intervals are
    to cover: n/(n + 1) at most with n validation windows, and only as far as the test part is like them. `test` and
    `validation` shares, and `shuffle` whether random windows validate (see `split`; what validates chooses the best networks
    and the width of the intervals); `season` in rows, for the baselines; `checkpoint` and `progress` as in `fit`.

    **Returns:** a `Forecast`. **Raises:** `ValueError` for too few rows for a window, a constant series and what
    does not fit.

    ```python
    >>> import jax, equinox as eqx
    >>> from rnn_ode import datasets, learn
    >>> def make(key, inputs, outputs):
    ...     return learn.ManyToOne(learn.Iterated(eqx.nn.GRUCell(inputs, 8, key=key)), eqx.nn.Linear(8, outputs, key=key))
    >>> series = datasets.sunspots().values
    >>> f = learn.forecast(series, make, history=20, key=jax.random.key(0), members=2, steps=200, progress=False)
    >>> rows = f.rows()
    >>> rows["network"]["mase"] < rows["last value"]["mase"], f.future.mean.shape
    (True, (1, 1))

    ```
    """
    check_callable("make", make, "make(key, inputs, outputs)")
    for name, count in (("members", members), ("steps", steps), ("size", size), ("season", season)):
        check_count(name, count)
    share = as_number("share", share)
    if not 0 < share < 1:
        raise ValueError(f"share must be between 0 and 1; got {share}.")
    if not 0 < as_number("rate", rate) < math.inf:
        raise ValueError(f"rate must be a finite number above 0; got {rate}.")
    if not validation:
        raise ValueError("validation must be a share above 0: it chooses the networks and the width of the intervals.")
    keys = jax.random.split(key, 3)
    shares = {"test": test, "validation": validation, "key": keys[0] if shuffle else None}
    parts = split(values, history=history, gap=gap, horizon=horizon, **shares)
    rows = np.asarray(values, float)
    past = rows[: parts.test.starts[0]]
    mase(past[-1:], past[-1:], past, season)  # what has no unit of error is refused before the training

    task = _Task(parts.scaler, gap, horizon, direct)
    width = rows.shape[1]
    ensemble = Ensemble(lambda key: make(key, width, horizon * width if direct else width), members, key=keys[1])
    done = uninterrupted(
        fit(
            ensemble,
            task.loss,
            Minibatches(task.scaled(parts.train, rows), min(size, len(parts.train))),
            optimiser=optax.adam(optax.cosine_decay_schedule(rate, steps)),
            steps=steps,
            key=keys[2],
            validate=task.scaled(parts.validation, rows),
            every=max(1, steps // 20),
            checkpoint=checkpoint,
            progress=progress,
            notes={"data": hashlib.sha256(rows.tobytes()).hexdigest()[:16], "gap": gap, "direct": direct, "rate": rate},
        )
    )
    valid, tested = (task.predict(done.model, part.inputs) for part in (parts.validation, parts.test))
    if not (np.isfinite(valid).all() and np.isfinite(tested).all()):
        raise ValueError(
            f"the networks give no finite forecasts after {len(done.history.loss)} steps ({done.stopped_because}): a smaller "
            f"rate than {rate:g} may help."
        )
    share = min(share, len(parts.validation) / (len(parts.validation) + 1))  # no wider than the widest error seen
    width_of = ConformalIntervals.fit(valid, parts.validation.targets, share)
    future = width_of(task.predict(done.model, rows[None, -history:]))
    return Forecast(
        split=parts,
        past=past,
        band=width_of(tested),
        members=tested,
        future=jax.tree.map(lambda leaf: leaf[0], future),
        baselines=_baselines(parts, season),
        share=share,
        fit=done,
        season=season,
    )


class _Task(eqx.Module):
    """What the networks are trained on and asked, in scaled values."""

    scaler: Scaler
    gap: int = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    direct: bool = eqx.field(static=True)

    def scaled(self, part: Windows, rows: np.ndarray) -> tuple[Array, Array]:
        """Histories (n, history, D) and what a network is to give (n, horizon or 1, D)."""
        following = rows[part.starts + part.inputs.shape[1]][:, None]
        return self._down(part.inputs), self._down(part.targets if self.direct else following)

    def _down(self, values: np.ndarray) -> Array:
        return jnp.asarray(_AMPLITUDE * self.scaler.transform(values))

    def loss(self, ensemble: Ensemble, batch: tuple[Array, Array]) -> Array:
        """The mean squared error of all members, in standard deviations."""
        histories, targets = batch
        outputs = jax.vmap(ensemble)(histories)
        wanted = targets.reshape(targets.shape[0], 1, -1)
        return jnp.mean((outputs - wanted) ** 2) / _AMPLITUDE**2

    def predict(self, ensemble: Ensemble, inputs: np.ndarray) -> Float[np.ndarray, "members n horizon D"]:
        """What every member gives for histories (n, history, D), in the series' own units."""
        outputs = np.asarray(_predict(self, ensemble, self._down(inputs)), float)
        return self.scaler.inverse(outputs / _AMPLITUDE)

    def one(self, member: Any, history: Array) -> Array:
        if self.direct:
            return member(history).reshape(self.horizon, -1)
        return rollout(member, history, self.gap + self.horizon)[self.gap :]


@eqx.filter_jit
def _predict(task: _Task, ensemble: Ensemble, histories: Array) -> Array:
    return eqx.filter_vmap(lambda member: jax.vmap(lambda history: task.one(member, history))(histories))(
        ensemble.stacked
    )


def _baselines(parts: Split, season: int) -> dict[str, np.ndarray]:
    found = {"last value": last_value(parts.test), "drift": drift(parts.test)}
    if 1 < season <= parts.test.inputs.shape[1]:
        found["seasonal"] = seasonal(parts.test, season)
    return found | {"linear autoregression": LinearAutoregression.fit(parts.train)(parts.test)}
