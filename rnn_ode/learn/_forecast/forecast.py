"""`forecast`: train recurrent networks to forecast a series, and compare them with forecasts that cost nothing.

The series is split in time (`split`) and scaled by its training part. Several networks are trained at once (`Ensemble`). Each
gives all of the horizon from a history; the forecast is their mean, with calibrated intervals (`bands`).
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Bool, PRNGKeyArray, Real

from ..._base.checks import as_number, as_texts, brief, check_callable, check_count, check_flag, check_key
from .._checkpoints.checkpoint import PathLike
from .._models.ensemble import Ensemble
from .._models.times import host_times
from .forecaster import Forecaster, beginning
from .losses import Loss
from .material import Material, material_of
from .needs import PLAIN, Needs, Preparation
from .outcome import outcome
from .result import Forecast
from .scale import Scale, scale_of
from .schedules import check_schedule
from .split import as_share
from .trainer import Trainer


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
    needs: Needs | None = None,
    targets: Sequence[int] | None = None,
    known: Real[ArrayLike, "T_more F"] | None = None,
    times: Any = None,
    loss: str = "mse",
    schedule: str = "cosine",
    patience: int | None = None,
    refit: bool = False,
    callback: Callable[[int, dict[str, Any]], Any] | None = None,
    columns: Sequence[str] = (),
    filled: Bool[ArrayLike, "T D"] | None = None,
    index: Any = None,
) -> Forecast:
    """Train recurrent networks to forecast a series, and measure their errors on its last part, which they never saw.

    **Arguments:**

    - `values`: the series (T, D), oldest row first.
    - `make`: `make(key, inputs, outputs)` makes a model from histories (history, inputs) to (outputs,), such as a
      `ManyToOne`. `many_to_one(name, hidden)` gives such functions.
    - `history`, `gap`, `horizon`: the rows of a window, as in `windows`.
    - `key`: the key from which everything random is drawn.
    - `members`: how many networks to train. Default 5.
    - `steps`: steps of Adam at most. Default 3000.
    - `size`: windows per batch. Default 32.
    - `rate`: the rate of Adam at first. Default 0.02.
    - `direct`: whether a model gives all of the horizon at once. Otherwise it gives the next row, which is appended to the
      history until the horizon is reached (`rollout`). Default `True`.
    - `share`: the share of the targets that the intervals are to cover, at most n/(n + 1) for n validation windows. They
      cover it as far as the test part is like the validation part. Default 0.9.
    - `test`, `validation`: shares of the series, as in `split`. The validation chooses the best networks and the width of
      the intervals.
    - `shuffle`: whether random windows validate, as with a `key` in `split`. Default `False`.
    - `season`: rows per season, for the baselines. Default 1.
    - `checkpoint`, `progress`, `callback`: as in `fit`. The finished checkpoint holds the forecaster too, for
      `load_forecaster`.
    - `needs`: what is done to the series first and undone in the forecasts, a `Needs`; `Needs()` lets validation choose.
      Default `None`: values in standard deviations of the training rows.
    - `targets`: the numbers of the columns that are forecast; the others are inputs only. Default: all.
    - `known`: values known in advance (T + gap + horizon, F), such as calendars or plans, as further inputs.
    - `times`: the times (T,) of the rows, increasing numbers or datetime64, if they are irregular: the networks get the time
      since the row before and to each target, as `many_to_one("odernn", N)` takes them.
    - `loss`: "mse", "mae", "gaussian", "student" or "quantile": what the networks minimise. With the last three they say how
      uncertain they are. Default "mse".
    - `schedule`: how the rate goes on: "cosine", down to zero; "constant"; "exponential", down to a hundredth; "warmup", up
      over the first tenth of the steps and then the cosine. Default "cosine".
    - `patience`: stop after this many of 20 checks without a better validation. Default `None`: make all steps.
    - `refit`: whether the networks learn on, with a quarter of the steps, from all windows, before they forecast what comes
      after the series. Its intervals are then calibrated on validation and test. Default `False`.
    - `columns`: names of the columns, for the tables.
    - `filled`: which values (T, D) were missing and are filled, such as `series.filled`. Windows that ask for such a value,
      or whose history ends with one, are left out of training, calibration and errors; `Forecast.filled` says how many.
    - `index`: the times (T,) of rows at equal steps, numbers or datetime64, such as `series.index`. The finished checkpoint
      keeps the first one, by which the forecaster finds the place in the season at which other rows begin.

    A column that is constant before the test is left out, if there are others; `Forecast.skipped` says so.

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
    check_key(key)
    check_callable("make", make, 'make(key, inputs, outputs), such as learn.many_to_one("lstm", 32)')
    for name, count in (("members", members), ("steps", steps), ("size", size), ("season", season)):
        check_count(name, count)
    for name, flag in (("refit", refit), ("direct", direct), ("shuffle", shuffle), ("progress", progress)):
        check_flag(name, flag)
    if needs is not None and not hasattr(needs, "season_difference"):
        raise TypeError(f"needs must be learn.Needs(), or None; got {brief(needs)}.")
    test, columns = as_share("test", test, above_zero=True), _names(columns)
    share = _check_shares(share, rate, validation)
    criterion = Loss(loss, share)
    check_schedule(schedule)
    keys, index = jax.random.split(key, 3), None if index is None else host_times("index", index)
    material = material_of(
        values, history=history, gap=gap, horizon=horizon, test=test, validation=validation,
        key=keys[0] if shuffle else None, season=season, targets=targets, columns=columns, filled=filled, known=known,
        times=times, index=index,
    )  # fmt: skip
    if not direct and (needs not in (None, PLAIN) or criterion.outputs > 1 or material.selective):
        raise ValueError("direct must be True with needs, targets, known, times and losses of more than one output.")
    outputs = len(material.used) * criterion.outputs * (horizon if direct else 1)
    ensemble = Ensemble(lambda key: make(key, material.inputs, outputs), members, key=keys[1])
    trainer = Trainer(material, ensemble, criterion, direct, steps, size, rate, schedule, keys[2], progress)

    way, corrects = trainer.chosen(needs)
    prepared = way(material.parts.train, material.parts.scaler)
    words = prepared.in_words()
    notes = {"data": material.digest, "gap": gap, "direct": direct, "rate": rate}
    if needs is not None or loss != "mse" or schedule != "cosine" or material.selective:
        notes |= {"needs": words, "loss": loss, "schedule": schedule, "targets": list(material.used)}
    if material.about_filled:
        notes |= {"filled": material.about_filled}
    watched: dict[str, Any] = {"patience": patience, "checkpoint": checkpoint, "callback": callback, "notes": notes}
    done = trainer.train(trainer.problem(prepared), steps=steps, every=max(1, steps // 20), **watched)

    affine = needs is not None and needs.linear is not False
    scale = _scale(material, prepared) if corrects and affine and criterion.outputs == 1 else None
    count, (began, step) = len(material.parts.validation), beginning(index)
    ready = Forecaster(
        done.model, prepared, intervals=None, trust=1.0,
        share=min(share, count / (count + 1)),  # at most as wide as the largest error seen
        history=history, gap=gap, horizon=horizon, direct=direct, loss=loss, columns=material.used, width=material.width,
        kept=material.kept, beside=material.beside, names=tuple(columns), scale=scale, began=began, step=step,
    )  # fmt: skip
    said = "" if needs is None else words if scale is None else f"{words}; {scale.in_words()}"
    found = outcome(trainer, way, ready, done, corrects, refit, checkpoint, said)
    return found if ready.share == share else dataclasses.replace(found, asked=share)


def _names(columns: Any) -> tuple[str, ...]:
    """The names of columns. Those of a table without a header are whole numbers."""
    if isinstance(columns, Iterable) and not isinstance(columns, str):
        columns = [str(name) if isinstance(name, Integral) else name for name in columns]
    return as_texts("columns", columns)


def _check_shares(share: float, rate: float, validation: float) -> float:
    """`share` as a float; `ValueError` for a share, rate or validation part that does not fit."""
    share = as_number("share", share)
    if not 0 < share < 1:
        raise ValueError(f"share must be between 0 and 1; got {share}.")
    if not 0 < as_number("rate", rate) < math.inf:
        raise ValueError(f"rate must be a finite number above 0; got {rate}.")
    if not as_share("validation", validation):
        raise ValueError("validation must be a share above 0: it chooses the networks and the width of the intervals.")
    return share


def _scale(material: Material, prepared: Preparation) -> Scale | None:
    """What the errors of the simple forecast go with, by all windows before the test."""
    every = material.earlier
    if prepared.log:
        return None
    nothing = np.zeros((1, *every.targets.shape))
    wrong = every.targets - prepared.outputs(every.inputs, nothing, every.starts, material.used)[0]
    return scale_of(wrong, every.inputs[:, :, list(material.used)], material.gap + material.horizon)
