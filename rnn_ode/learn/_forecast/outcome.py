"""From trained networks to a `Forecast`: what they are trusted with, their intervals, and what they are worth."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .._checkpoints.checkpoint import PathLike
from .._training.fit import Fit
from .bands import Band, ConformalIntervals
from .forecaster import Forecaster, keep
from .material import Material
from .predicted import Predicted
from .result import Forecast
from .scores import all_baselines, scores_of
from .trainer import Trainer, Way, gains
from .windows import Windows

_TRUSTS = (0.25, 0.5, 0.75, 1.0)  # factors of the networks' correction that are tried
_EXACT = 1e-10  # relative error of an affine forecast that needs no correction


def outcome(
    trainer: Trainer,
    way: Way,
    ready: Forecaster,
    done: Fit,
    corrects: bool,
    refit: bool,
    checkpoint: PathLike | None,
    prepared: str,
) -> Forecast:
    """The forecast of trained networks that have no trust and no intervals yet. `corrects` says whether they correct a
    forecast; `prepared`, what was done to the series, in words."""
    material, parts = trainer.material, trainer.material.parts
    ready, valid, tested, ahead = _trusted(ready, material, corrects)
    if not (np.isfinite(valid.found).all() and np.isfinite(tested.found).all()):
        raise ValueError(
            f"the networks give no finite forecasts after {len(done.history.loss)} steps ({done.stopped_because}): a smaller "
            f"rate than {trainer.rate:g} may help."
        )
    log = ready.prepared.log
    intervals = ConformalIntervals.fit(valid, parts.validation.targets, ready.share, log)
    final, ended = dataclasses.replace(ready, intervals=intervals), done
    future = _first(intervals(ahead))
    if refit:
        both = np.concatenate([parts.validation.targets, parts.test.targets])
        wider = ConformalIntervals.fit(valid.followed_by(tested), both, ready.share, log)
        final, ended = trainer.refit(way, final, wider, done)
        future = _first(final.intervals(final.predictions(*material.last(), material.beside)))
    if checkpoint is not None:
        keep(Path(checkpoint), done, final)
    baselines, before = all_baselines(parts, material.rows, material.cut, material.season, material.used)
    return Forecast(
        split=parts,
        past=material.past,
        band=intervals(tested),
        members=tested.found,
        future=future,
        baselines=baselines,
        share=ready.share,
        fit=ended,
        season=material.season,
        forecaster=final,
        scores=scores_of(parts, ready.share, baselines, before, valid, tested, intervals),
        columns=material.names,
        skipped=material.skipped,
        prepared=prepared,
        filled=material.about_filled,
        index=material.index,
        gaps=material.gaps,
    )


def _first(band: Band) -> Band:
    """The predictions for the first window."""
    return jax.tree.map(lambda leaf: leaf[0], band)


def _trusted(
    ready: Forecaster, material: Material, corrects: bool
) -> tuple[Forecaster, Predicted, Predicted, Predicted]:
    """The forecaster, with the factor that validation gives its networks if they correct a forecast; and what it forecasts
    for validation, for the test and for what comes after the series."""
    valid, test, last = material.parts.validation, material.parts.test, material.last()
    # one call for all histories, since each shape of input is compiled anew
    inputs = np.concatenate([valid.inputs, test.inputs, last[0]])
    starts = np.concatenate([valid.starts, test.starts, last[1]])
    given, count = ready.given(inputs, starts, material.beside), len(valid)
    if corrects:
        found = ready.predicted(given[:, :count], valid.inputs, valid.starts).found
        ready = dataclasses.replace(ready, trust=_trust(ready.prepared, valid, found, material.used))
    every = ready.predicted(given, inputs, starts)
    return ready, every[:count], every[count:-1], every[-1:]


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
    return best if gains(errors(0.0), errors(best)) else 0.0
