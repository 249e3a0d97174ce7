"""The trainings of a forecast: the short ones that choose a preparation, that of the test, and the one that goes on with all
windows after the test."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from .._models.ensemble import Ensemble
from .._training.batches import Minibatches
from .._training.fit import Fit, fit, uninterrupted
from .bands import ConformalIntervals
from .forecaster import Forecaster
from .losses import Loss
from .material import Material
from .needs import PLAIN, Needs, Preparation, plain, prepare
from .problem import Problem
from .scaler import Scaler
from .schedules import adam
from .windows import Windows

_PILOT = 150  # steps of a short training
_SURE = 2.0  # standard errors by which one forecast must be better than another one

Way = Callable[[Windows, Scaler], Preparation]
"""How the preparation is made from windows."""


@dataclass(frozen=True)
class Trainer:
    """Trains networks on windows of a series. Each training begins with the same weights.

    **Fields:** the `material`; the `ensemble`, before any training; the `criterion` that it minimises; `direct`, `steps`,
    `size`, `rate`, `schedule`, `progress` as in `forecast`; the `key` of all that is random.
    """

    material: Material
    ensemble: Ensemble
    criterion: Loss
    direct: bool
    steps: int
    size: int
    rate: float
    schedule: str
    key: PRNGKeyArray
    progress: bool

    def chosen(self, needs: Needs | None) -> tuple[Way, bool]:
        """How the series is prepared, and whether the networks correct a forecast. Of two ways a short training chooses."""
        material = self.material
        if needs is None or needs == PLAIN:
            return (lambda every, scaler: plain(every, scaler, material.used)), needs is not None
        parts = material.parts
        first, *others = prepare(
            needs, parts.train, parts.validation, material.earlier, material.season, material.used, material.rows
        )
        if others and gains(self._errors(first, (0.0, 1.0)), self._errors(others[0], (1.0,))):
            return others[0], False
        return first, True

    def problem(self, prepared: Preparation) -> Problem:
        """What the networks are trained on, if the series is prepared so."""
        material = self.material
        return Problem(prepared, self.criterion, material.used, material.gap, material.horizon, self.direct)

    def train(self, problem: Problem, **settings: Any) -> Fit:
        """The training of the test, whose validation chooses the networks. Ctrl-C ends the forecast."""
        validation = problem.examples(self.material.parts.validation, self.material.rows, self.material.beside)
        optimiser = adam(self.schedule, float(self.rate), self.steps)
        settings |= {"optimiser": optimiser, "key": self.key, "validate": validation}
        return uninterrupted(self._fit(self.ensemble, problem, self.material.parts.train, **settings))

    def refit(self, way: Way, final: Forecaster, intervals: ConformalIntervals, done: Fit) -> tuple[Forecaster, Fit]:
        """The forecaster after it learnt on from all windows, with these intervals; and how the training ended. If Ctrl-C
        stops the learning, it is the forecaster as it was."""
        every = self.material.every()
        problem = self.problem(way(every, Scaler.fit(self.material.rows)))
        refitted = dataclasses.replace(final, prepared=problem.prepared, intervals=intervals)
        if not final.trust:
            return refitted, done
        steps = max(1, min(len(done.history.loss), self.steps) // 4)
        way_on = {"optimiser": adam("cosine", float(self.rate) / 4, steps), "key": jax.random.fold_in(self.key, 1)}
        longer = self._fit(final.ensemble, problem, every, steps=steps, **way_on)
        if longer.interrupted:
            said = (
                f"{done.stopped_because}; learning on from all rows was stopped, so the networks of the test forecast"
            )
            return final, dataclasses.replace(done, stopped_because=said)
        return dataclasses.replace(refitted, ensemble=longer.model), done

    def _fit(self, ensemble: Ensemble, problem: Problem, part: Windows, **settings: Any) -> Fit:
        examples = problem.examples(part, self.material.rows, self.material.beside)
        batches = Minibatches(examples, min(self.size, len(self.material.parts.train)))
        return fit(ensemble, problem.loss, batches, progress=self.progress, **settings)

    def _errors(self, way: Way, trusts: tuple[float, ...]) -> np.ndarray:
        """The errors of the validation windows after a short training, with the best of these factors of the networks."""
        parts, used = self.material.parts, self.material.used
        valid, problem = parts.validation, self.problem(way(parts.train, parts.scaler))
        model = self.train(problem, steps=min(self.steps, _PILOT), every=_PILOT // 5).model
        histories = problem.histories(valid.inputs, valid.starts, self.material.beside)
        given = problem.given(model, histories)[..., 0].mean(axis=0)
        each = [problem.prepared.outputs(valid.inputs, trust * given, valid.starts, used) for trust in trusts]
        errors = [(np.abs(found - valid.targets) / parts.scaler.std[list(used)]).mean(axis=(1, 2)) for found in each]
        return min(errors, key=np.mean)


def gains(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether errors of windows are lower by more than two standard errors."""
    gain = before - after
    return bool(gain.mean() > _SURE * gain.std() / math.sqrt(len(gain)))
