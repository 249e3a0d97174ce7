"""`forecast`: train recurrent networks to forecast a series, and compare them with forecasts that cost nothing.

The series is split in time (`split`) and scaled by its training part. Several networks are trained at once (`Ensemble`). Each
gives all of the horizon from a history; the forecast is their mean, with calibrated intervals (`bands`).
"""

import dataclasses
import hashlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from jax.typing import ArrayLike
from jaxtyping import Bool, PRNGKeyArray, Real

from ..._base.checks import as_number, check_callable, check_count, check_flag, check_key
from .._checkpoints.checkpoint import PathLike
from .._models.ensemble import Ensemble
from .._training.batches import Minibatches
from .._training.fit import Fit, fit, uninterrupted
from .aimed import as_filled, chosen, in_the_way, varying
from .bands import ConformalIntervals
from .beside import Beside, beside_of
from .forecaster import Forecaster, keep
from .losses import Loss
from .needs import PLAIN, Needs, plain, prepare
from .problem import Problem
from .result import Forecast
from .scaler import Scaler
from .schedules import schedule_of
from .scores import Part, all_baselines, places, scores_of
from .split import Split, split
from .windows import Windows, as_series, windows

_TRUSTS = (0.25, 0.5, 0.75, 1.0)  # factors of the networks' correction that are tried
_PILOT = 150  # steps of a short training
_EXACT = 1e-10  # relative error of an affine forecast that needs no correction
_SURE = 2.0  # standard errors by which a correction must help on the validation windows


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
    check_flag("refit", refit)
    share = _check_shares(share, rate, validation)
    criterion, way = Loss(loss, share), schedule_of(schedule, rate, steps)
    rows, kept, used, skipped, names = varying(as_series(values), test, targets, columns)
    keys = jax.random.split(key, 3)
    parts = split(
        rows,
        history=history,
        gap=gap,
        horizon=horizon,
        test=test,
        validation=validation,
        key=keys[0] if shuffle else None,
    )
    past = rows[: parts.test.starts[0]]
    empty = as_filled(filled, np.shape(values))[:, list(kept)]
    gaps = empty[: len(past), list(used)] if empty.any() else None
    empty, about_filled = in_the_way(parts, used, empty)
    parts, earlier = jax.tree.map(
        lambda part: chosen(part, used, empty),
        (parts, windows(past, history, gap, horizon)),
        is_leaf=lambda x: isinstance(x, Windows),
    )
    if len(past) <= season:
        raise ValueError(f"training must have more rows than season, {season}; got {len(past)}.")
    beside = beside_of(known, times, len(rows), len(past), history, gap, horizon)
    if not direct and (needs not in (None, PLAIN) or criterion.outputs > 1 or beside or len(used) < rows.shape[1]):
        raise ValueError("direct must be True with needs, targets, known, times and losses of more than one output.")
    optimiser = optax.adam(way)

    def problem_of(prepared: Any) -> Problem:
        return Problem(prepared, criterion, used, gap, horizon, direct)

    ways = _ways(needs, parts, earlier, season, used, rows)
    width = rows.shape[1] + (0 if beside is None else beside(parts.train.starts[:1]).shape[2])
    outputs = problem_of(None).outputs
    ensemble = Ensemble(lambda key: make(key, width, outputs), members, key=keys[1])

    def trained(problem: Problem, **settings: Any) -> Fit:
        return uninterrupted(
            fit(
                ensemble,
                problem.loss,
                Minibatches(problem.examples(parts.train, rows, beside), min(size, len(parts.train))),
                optimiser=optimiser,
                key=keys[2],
                validate=problem.examples(parts.validation, rows, beside),
                progress=progress,
                **settings,
            )
        )

    def tried(again: Any, trusts: tuple[float, ...]) -> np.ndarray:
        """The errors of the validation windows after a short training, with the best of these factors of the networks."""
        problem, valid = problem_of(again(parts.train, parts.scaler)), parts.validation
        model = trained(problem, steps=min(steps, _PILOT), every=_PILOT // 5).model
        given = problem.given(model, problem.histories(valid.inputs, valid.starts, beside))[..., 0].mean(axis=0)
        each = [problem.prepared.outputs(valid.inputs, trust * given, valid.starts, used) for trust in trusts]
        errors = [(np.abs(found - valid.targets) / parts.scaler.std[list(used)]).mean(axis=(1, 2)) for found in each]
        return min(errors, key=np.mean)

    again, corrects = ways[0], needs is not None
    if len(ways) > 1 and _gains(tried(ways[0], (0.0, 1.0)), tried(ways[1], (1.0,))):
        again, corrects = ways[1], False
    prepared = again(parts.train, parts.scaler)
    problem = problem_of(prepared)
    notes = {"data": hashlib.sha256(rows.tobytes()).hexdigest()[:16], "gap": gap, "direct": direct, "rate": rate}
    if needs is not None or loss != "mse" or schedule != "cosine" or beside is not None or len(used) < rows.shape[1]:
        notes |= {"needs": prepared.in_words(), "loss": loss, "schedule": schedule, "targets": list(used)}
    if about_filled:
        notes |= {"filled": about_filled}
    done = trained(
        problem,
        steps=steps,
        every=max(1, steps // 20),
        patience=patience,
        checkpoint=checkpoint,
        callback=callback,
        notes=notes,
    )
    share = min(share, len(parts.validation) / (len(parts.validation) + 1))  # at most as wide as the largest error seen
    ready = Forecaster(
        done.model,
        prepared,
        None,
        1.0,
        share,
        history,
        gap,
        horizon,
        direct,
        loss,
        used,
        np.shape(values)[1],
        kept,
        beside,
        tuple(columns),
    )
    # one call for all histories, since each shape of input is compiled anew
    count = len(parts.validation)
    inputs = np.concatenate([parts.validation.inputs, parts.test.inputs, rows[None, -history:]])
    starts = np.concatenate([parts.validation.starts, parts.test.starts, [len(rows) - history]])
    trust = 1.0
    if corrects:
        found, _ = ready.predictions(inputs[:count], starts[:count], beside)
        trust = _trust(prepared, parts.validation, found, used)
        ready = dataclasses.replace(ready, trust=trust)
    found, spread = ready.predictions(inputs, starts, beside)
    valid, tested, ahead = (Part(found, spread, where) for where in places(count, len(inputs)))
    if not (np.isfinite(valid.found).all() and np.isfinite(tested.found).all()):
        raise ValueError(
            f"the networks give no finite forecasts after {len(done.history.loss)} steps ({done.stopped_because}): a smaller "
            f"rate than {rate:g} may help."
        )
    intervals = ConformalIntervals.fit(valid.found, parts.validation.targets, share, valid.spread, prepared.log)
    final, ended = dataclasses.replace(ready, intervals=intervals), done
    if refit:
        final, ended = _refitted(
            final, again, rows, used, beside, done, rate, steps, size, keys[2], progress, parts, valid, tested, empty
        )
        future = final(as_series(values), beside)
    else:
        future = jax.tree.map(lambda leaf: leaf[0], intervals(ahead.found, ahead.spread))
    if checkpoint is not None:
        keep(Path(checkpoint), done, final)
    baselines, before = all_baselines(parts, rows, len(past), season, used)
    return Forecast(
        split=parts,
        past=past[:, list(used)],
        band=intervals(tested.found, tested.spread),
        members=tested.found,
        future=future,
        baselines=baselines,
        share=share,
        fit=ended,
        season=season,
        forecaster=final,
        scores=scores_of(parts, share, baselines, before, valid, tested, intervals),
        columns=names,
        skipped=skipped,
        prepared=prepared.in_words() if needs is not None else "",
        filled=about_filled,
        gaps=gaps,
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


def _ways(
    needs: Needs | None, parts: Split, earlier: Windows, season: int, used: tuple[int, ...], rows: np.ndarray
) -> tuple[Callable[[Windows, Scaler], Any], ...]:
    """How to make the preparation from windows: one way, or two of which a short training chooses."""
    if needs is None or needs == PLAIN:
        return (lambda every, scaler: plain(every, scaler, used),)
    return prepare(needs, parts.train, parts.validation, earlier, season, used, rows)


def _trust(prepared: Any, valid: Windows, found: np.ndarray, used: tuple[int, ...]) -> float:
    """The factor of the networks' correction with the lowest error on the validation windows. It is 0 if no correction helps
    by more than two standard errors."""
    base = prepared.outputs(valid.inputs, np.zeros((1, *valid.targets.shape)), valid.starts, used)[0]
    unit = np.maximum(np.abs(valid.targets - base).mean(axis=0), np.finfo(float).tiny)

    def errors(trust: float) -> np.ndarray:
        mixed = base + trust * (found.mean(axis=0) - base)
        return (np.abs(mixed - valid.targets) / unit).mean(axis=(1, 2))

    if errors(0.0).mean() * np.abs(unit).max() <= _EXACT * np.abs(valid.targets).max():
        return 0.0
    best = min(_TRUSTS, key=lambda trust: errors(trust).mean())
    return best if _gains(errors(0.0), errors(best)) else 0.0


def _gains(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether errors of windows are lower by more than two standard errors."""
    gain = before - after
    return bool(gain.mean() > _SURE * gain.std() / math.sqrt(len(gain)))


def _refitted(
    final: Forecaster,
    again: Callable[[Windows, Scaler], Any],
    rows: np.ndarray,
    used: tuple[int, ...],
    beside: Beside | None,
    done: Fit,
    rate: float,
    steps: int,
    size: int,
    key: PRNGKeyArray,
    progress: bool,
    parts: Split,
    valid: Part,
    tested: Part,
    empty: np.ndarray,
) -> tuple[Forecaster, Fit]:
    """The forecaster after it learnt on from all windows, with intervals calibrated on validation and test; and how the
    training ended. If Ctrl-C stops the learning, it is the forecaster as it was."""
    every = chosen(windows(rows, final.history, final.gap, final.horizon), used, empty)
    pair: Any = (valid.spread, tested.spread)
    spread = None if valid.spread is None else np.concatenate(pair, axis=1)
    targets = np.concatenate([parts.validation.targets, parts.test.targets])
    found = np.concatenate([valid.found, tested.found], axis=1)
    intervals = ConformalIntervals.fit(found, targets, final.share, spread, final.prepared.log)
    problem = Problem(
        again(every, Scaler.fit(rows)), Loss(final.loss, final.share), used, final.gap, final.horizon, final.direct
    )
    refitted = dataclasses.replace(final, prepared=problem.prepared, intervals=intervals)
    if not final.trust:
        return refitted, done
    more = max(1, min(len(done.history.loss), steps) // 4)
    longer = fit(
        final.ensemble,
        problem.loss,
        Minibatches(problem.examples(every, rows, beside), min(size, len(parts.train))),
        optimiser=optax.adam(optax.cosine_decay_schedule(rate / 4, more)),
        steps=more,
        key=jax.random.fold_in(key, 1),
        progress=progress,
    )
    if longer.interrupted:
        said = f"{done.stopped_because}; learning on from all rows was stopped, so the networks of the test forecast"
        return final, dataclasses.replace(done, stopped_because=said)
    return dataclasses.replace(refitted, ensemble=longer.model), done
