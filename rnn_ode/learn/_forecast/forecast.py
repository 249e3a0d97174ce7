"""`forecast`: train recurrent networks to forecast a series, and compare them with forecasts that cost nothing.

The series is split in time (`split`) and scaled by its training part. Several networks are trained at once (`Ensemble`). Each
gives all of the horizon from a history; the forecast is their mean, with calibrated intervals (`bands`).
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

from ..._base.checks import as_number, check_callable, check_count, check_key
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

# Networks read and give values of a quarter of a standard deviation, where their activations are nearly linear.
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
    """Train recurrent networks to forecast a series, and measure their errors on its last part, which they never saw.

    **Arguments:**

    - `values`: the series (T, D), oldest row first.
    - `make`: `make(key, inputs, outputs)` makes a model from histories (history, inputs) to (outputs,), such as a
      `ManyToOne`. `many_to_one(name, hidden)` gives such functions.
    - `history`, `gap`, `horizon`: the rows of a window, as in `windows`.
    - `key`: the key from which everything random is drawn.
    - `members`: how many networks to train. Default 5.
    - `steps`: steps of Adam. Default 3000.
    - `size`: windows per batch. Default 32.
    - `rate`: the rate of Adam at first; it falls to zero as a cosine. Default 0.02.
    - `direct`: whether a model gives all of the horizon at once. Otherwise it gives the next row, which is appended to the
      history until the horizon is reached (`rollout`). Default `True`.
    - `share`: the share of the targets that the intervals are to cover, at most n/(n + 1) for n validation windows. They
      cover it as far as the test part is like the validation part. Default 0.9.
    - `test`, `validation`: shares of the series, as in `split`. The validation chooses the best networks and the width of
      the intervals.
    - `shuffle`: whether random windows validate, as with a `key` in `split`. Default `False`.
    - `season`: rows per season, for the baselines. Default 1.
    - `checkpoint`, `progress`: as in `fit`.

    **Returns:** a `Forecast`.

    **Raises:** `ValueError` for too few rows for a window, for a constant series and for arguments that do not fit.

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
    check_callable("make", make, 'make(key, inputs, outputs), such as learn.many_to_one("lstm", 32)')
    for name, count in (("members", members), ("steps", steps), ("size", size), ("season", season)):
        check_count(name, count)
    share = _check_shares(share, rate, validation)
    check_key(key)
    keys = jax.random.split(key, 3)
    shares = {"test": test, "validation": validation, "key": keys[0] if shuffle else None}
    parts = split(values, history=history, gap=gap, horizon=horizon, **shares)
    rows = np.asarray(values, float)
    past = rows[: parts.test.starts[0]]
    # if the past has no scale for MASE, the error comes here and not after the training
    mase(past[-1:], past[-1:], past, season)

    problem = _ScaledProblem(parts.scaler, gap, horizon, direct)
    width = rows.shape[1]
    ensemble = Ensemble(lambda key: make(key, width, horizon * width if direct else width), members, key=keys[1])
    done = uninterrupted(
        fit(
            ensemble,
            problem.loss,
            Minibatches(problem.examples(parts.train, rows), min(size, len(parts.train))),
            optimiser=optax.adam(optax.cosine_decay_schedule(rate, steps)),
            steps=steps,
            key=keys[2],
            validate=problem.examples(parts.validation, rows),
            every=max(1, steps // 20),
            checkpoint=checkpoint,
            progress=progress,
            notes={"data": hashlib.sha256(rows.tobytes()).hexdigest()[:16], "gap": gap, "direct": direct, "rate": rate},
        )
    )
    # one call for all histories, since each shape of input is compiled anew
    histories = np.concatenate([parts.validation.inputs, parts.test.inputs, rows[None, -history:]])
    predictions = problem.predict(done.model, histories)
    valid, tested, ahead = np.split(predictions, [len(parts.validation), len(histories) - 1], axis=1)
    if not (np.isfinite(valid).all() and np.isfinite(tested).all()):
        raise ValueError(
            f"the networks give no finite forecasts after {len(done.history.loss)} steps ({done.stopped_because}): a smaller "
            f"rate than {rate:g} may help."
        )
    share = min(share, len(parts.validation) / (len(parts.validation) + 1))  # at most as wide as the largest error seen
    with_intervals = ConformalIntervals.fit(valid, parts.validation.targets, share)
    return Forecast(
        split=parts,
        past=past,
        band=with_intervals(tested),
        members=tested,
        future=jax.tree.map(lambda leaf: leaf[0], with_intervals(ahead)),
        baselines=baselines_of(parts, season),
        share=share,
        fit=done,
        season=season,
    )


def _check_shares(share: float, rate: float, validation: float) -> float:
    """`share` as a float; `ValueError` for a share, rate or validation part that does not fit."""
    share = as_number("share", share)
    if not 0 < share < 1:
        raise ValueError(f"share must be between 0 and 1; got {share}.")
    if not 0 < as_number("rate", rate) < math.inf:
        raise ValueError(f"rate must be a finite number above 0; got {rate}.")
    if not validation:
        raise ValueError("validation must be a share above 0: it chooses the networks and the width of the intervals.")
    return share


class _ScaledProblem(eqx.Module):
    """What the networks are trained on and asked for, in scaled values."""

    scaler: Scaler
    gap: int = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    direct: bool = eqx.field(static=True)

    def examples(self, part: Windows, rows: np.ndarray) -> tuple[Array, Array]:
        """Histories (n, history, D) and what a network is to give for each: the horizon, or the next row (n, 1, D)."""
        next_row = rows[part.starts + part.inputs.shape[1]][:, None]
        return self._scaled(part.inputs), self._scaled(part.targets if self.direct else next_row)

    def _scaled(self, values: np.ndarray) -> Array:
        return jnp.asarray(_AMPLITUDE * self.scaler.transform(values))

    def loss(self, ensemble: Ensemble, batch: tuple[Array, Array]) -> Array:
        """The mean squared error of all members, in standard deviations."""
        histories, targets = batch
        outputs = jax.vmap(ensemble)(histories)
        wanted = targets.reshape(targets.shape[0], 1, -1)
        return jnp.mean((outputs - wanted) ** 2) / _AMPLITUDE**2

    def predict(self, ensemble: Ensemble, inputs: np.ndarray) -> Float[np.ndarray, "members n horizon D"]:
        """The predictions of every member from histories (n, history, D), in the units of the series."""
        outputs = np.asarray(_predict(self, ensemble, self._scaled(inputs)), float)
        return self.scaler.inverse(outputs / _AMPLITUDE)

    def predict_one(self, member: Any, history: Array) -> Array:
        """The horizon (horizon, D) that one network gives from one history."""
        if self.direct:
            return member(history).reshape(self.horizon, -1)
        return rollout(member, history, self.gap + self.horizon)[self.gap :]


@eqx.filter_jit
def _predict(problem: _ScaledProblem, ensemble: Ensemble, histories: Array) -> Array:
    def of_all(member: Any) -> Array:
        return jax.vmap(lambda history: problem.predict_one(member, history))(histories)

    return eqx.filter_vmap(of_all)(ensemble.stacked)


def baselines_of(parts: Split, season: int) -> dict[str, np.ndarray]:
    """The predictions of the baselines for the test windows, by name."""
    found = {"last value": last_value(parts.test), "drift": drift(parts.test)}
    if 1 < season <= parts.test.inputs.shape[1]:
        found["seasonal"] = seasonal(parts.test, season)
    return found | {"linear autoregression": LinearAutoregression.fit(parts.train)(parts.test)}
