"""`study`: which networks learn which lag, and what their eigenvalues and gradients predicted.

A *trial* is one network, one lag and one seed. Before training, the verdict of the eigenvalues is recorded, and how much of
the gradient reaches back over the lag on an input of the task. Then the network is trained until it has learnt the task, or
for a given number of steps, and the gradient is measured again. A network named "… + flossing" is trained with the penalty
`flossing` first, which drives all but one of its Lyapunov exponents along such inputs towards zero.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import equinox as eqx
import jax
import numpy as np
import optax
from jaxtyping import Array, PRNGKeyArray

from ..._analyses.gradients import gradient_flow
from ..._base.checks import as_step, as_texts, brief, check_callable, check_count
from ..._base.verdict import verdict_name
from ..._files.atomic import as_path
from ..._files.lock import only_run
from .._checkpoints.checkpoint import PathLike
from .._models.cores import check_core, many_to_many, many_to_one
from .._models.wirings import ManyToMany, ManyToOne
from .._training.fit import fit, uninterrupted
from .._training.penalties import flossing
from .result import Study, Trial, read_trials, write_trials
from .tasks import AbstractTask

FLOSSED = " + flossing"

_FLOSSING_STEPS, _FLOSSING_RATE = 400, 3e-3

_HELD_OUT = 256  # sequences on which the score is measured


def study(
    task: AbstractTask,
    cells: Sequence[str],
    lags: Sequence[int],
    *,
    seeds: int = 5,
    hidden: int = 32,
    steps: int = 2000,
    size: int = 32,
    rate: float = 1e-3,
    path: PathLike | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Study:
    """Train networks on a memory task at several lags, and compare the outcome with what was predicted before training.

    For every network, lag and seed it records what the eigenvalues and the gradient say of the untrained network. Then it
    trains the network, on new sequences at every step, until the score on held out sequences is below `task.solved`.

    **Arguments:**

    - `task`: a memory task, such as `Adding()`.
    - `cells`: names of networks out of `CORES`. A name may end in `" + flossing"`.
    - `lags`: lags, as the task counts them.
    - `seeds`: how many seeds. Default 5.
    - `hidden`: units of each network. Default 32.
    - `steps`: at most so many steps of Adam, with the gradient clipped to norm 1. Default 2000.
    - `size`: sequences per step. Default 32.
    - `rate`: the rate of Adam. Default 1e-3.
    - `path`: a JSON file, written after every trial, from which a study that was killed resumes.
    - `progress`: called before each trial with the number of trials done, the number of all, and the name of the next.

    **Returns:** a `Study`.

    **Raises:** `ValueError` for unknown names and for the file of a study with other settings; `BlockingIOError` if another
    run is writing to the file, and `OSError` if it cannot be written.

    ```python
    >>> from rnn_ode import learn
    >>> found = learn.study(learn.TemporalOrder(), ["gru"], [10], seeds=1, hidden=16, steps=300, rate=0.01)
    >>> found.longest("gru")
    10

    ```
    """
    for name, count in (("seeds", seeds), ("hidden", hidden), ("steps", steps), ("size", size)):
        check_count(name, count)
    if not all(hasattr(task, part) for part in ("draw", "chance", "solved")):
        raise TypeError(f"task must be a task, such as learn.Adding(); got {brief(task)}.")
    cells, lags = as_texts("cells", cells), _lags(lags)
    for cell in cells:
        check_core(cell.removesuffix(FLOSSED), "cells")
    if progress is not None:
        check_callable("progress", progress, "progress(done, total, text)")
    path = None if path is None else as_path("path", path)
    given = {"task": str(task), "hidden": hidden, "steps": steps, "size": size, "rate": as_step("rate", rate)}
    settings = {**given, "solved": task.solved}
    for lag in lags:
        try:
            jax.eval_shape(lambda key, lag=lag: task.draw(key, lag, 1), jax.random.key(0))
        except ValueError as error:
            raise ValueError(re.sub(r"^lag\b", "lags", str(error))) from None
    with only_run("path", path):
        return _study(task, list(itertools.product(cells, lags, range(seeds))), settings, path, progress)


def _lags(lags: Any) -> list[int]:
    """The argument `lags` as a list of whole numbers."""
    listed: list[Any] = list(lags) if isinstance(lags, Iterable) and not isinstance(lags, str | bytes) else [lags]
    for lag in listed:
        check_count("lags", lag)
    return listed


def _study(
    task: AbstractTask,
    wanted: Sequence[tuple[str, int, int]],
    settings: dict[str, Any],
    path: PathLike | None,
    progress: Callable[[int, int, str], None] | None,
) -> Study:
    """Run the trials, by network, lag and seed, that the file does not have."""
    done = read_trials(path, settings)
    chance = {str(lag): task.chance(lag) for lag in dict.fromkeys(lag for _, lag, _ in wanted)}
    optimiser = _adam(float(settings["rate"]))

    def so_far() -> Study:
        return Study({**settings, "chance": chance}, tuple(done[trial] for trial in wanted if trial in done))

    for (cell, lag), group in itertools.groupby(wanted, lambda trial: trial[:2]):
        exercise = _Exercise(task, lag, settings["size"])
        for trial in group:
            if progress is not None:
                progress(len(so_far().trials), len(wanted), f"{cell}, lag {lag}, seed {trial[2]}")
            if trial not in done:
                done[trial] = _run_trial(exercise, cell, trial[2], settings["hidden"], settings["steps"], optimiser)
                write_trials(path, settings, done.values())
    return so_far()


@lru_cache(maxsize=64)
def _adam(rate: float) -> optax.GradientTransformation:
    """Returns one object for each rate, since a training with another one is compiled anew."""
    return optax.adam(rate)


class _Exercise(eqx.Module):
    """A task at one lag: batches, losses, the score, and what is measured of a model."""

    task: AbstractTask
    lag: int = eqx.field(static=True)
    size: int = eqx.field(static=True)

    def draw(self, key: PRNGKeyArray) -> tuple[Array, Array]:
        return self.task.draw(key, self.lag, self.size)

    def loss(self, model: Any, batch: tuple[Array, Array]) -> Array:
        inputs, targets = batch
        return self.task.loss(jax.vmap(model)(inputs), targets)

    def score(self, model: Any) -> Array:
        """The score on held out sequences."""
        inputs, targets = self.task.draw(jax.random.key(2**31 - 1), self.lag, _HELD_OUT)
        return self.task.score(jax.vmap(model)(inputs), targets)

    def flossing_loss(self, model: Any, batch: Any, key: PRNGKeyArray) -> Array:
        """The penalty `flossing` of all but one exponent, on an input of the task."""
        inputs, _ = self.task.draw(key, self.lag, 1)
        return flossing(model.runner.as_cell(), inputs[0], max(1, model.readout.in_features - 1))

    @eqx.filter_jit
    def predictions(self, model: Any) -> tuple[Any, Array, Array]:
        """The verdict and radius of the eigenvalues, and log ‖∂h_T/∂h_{T−lag}‖ on an input of the task."""
        inputs, _ = self.task.draw(jax.random.key(0), self.lag, 1)
        flow = gradient_flow(model.runner.as_cell(), inputs[0], throw=False)
        return flow.spectrum.discrete, flow.spectrum.radius, flow.log_norms[min(self.lag, len(inputs[0]))]


def _run_trial(
    exercise: _Exercise, cell: str, seed: int, hidden: int, steps: int, optimiser: optax.GradientTransformation
) -> Trial:
    keys = jax.random.split(jax.random.key(seed), 3)
    model = _wired(cell.removesuffix(FLOSSED), hidden, exercise.task, keys[0])
    if cell.endswith(FLOSSED):
        way = {"optimiser": _adam(_FLOSSING_RATE), "steps": _FLOSSING_STEPS, "key": keys[1], "progress": False}
        model = uninterrupted(fit(model, exercise.flossing_loss, [0.0], **way)).model
    verdict, radius, before = exercise.predictions(model)
    done = uninterrupted(
        fit(
            model,
            exercise.loss,
            exercise.draw,
            optimiser=optimiser,
            steps=steps,
            key=keys[2],
            validate=exercise.score,
            target=exercise.task.solved,
            clip=1.0,
            progress=False,
        )
    )
    scores = done.history.checks.get("validation", np.array([np.inf]))
    return Trial(
        cell=cell,
        lag=exercise.lag,
        seed=seed,
        verdict=verdict_name(verdict),
        radius=float(radius),
        gradient_before=float(before),
        gradient_after=float(exercise.predictions(done.model)[2]),
        score=float(np.min(scores)),
        learnt=bool(np.min(scores) < exercise.task.solved),
        steps=len(done.history.loss),
        stopped_because=done.stopped_because,
    )


def _wired(name: str, hidden: int, task: AbstractTask, key: PRNGKeyArray) -> ManyToOne | ManyToMany:
    """A model for a memory task: a named core with a readout, after the last step or after every step."""
    make = many_to_many if task.every_step else many_to_one
    return make(name, hidden)(key, task.input_size, task.output_size)
