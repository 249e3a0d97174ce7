"""Which networks learn which lag, and what their eigenvalues and gradients said before.

One *trial* is one network, one lag and one seed. Before training it is asked for the verdict of its eigenvalues, and for how
much of the gradient reaches back over the lag on an input of the task; then it is trained until it has learnt the task, or
for so many steps; then it is asked again. A network named "… + flossing" is flossed first: all but one of its Lyapunov
exponents along such inputs are pushed towards zero (`flossing`).
"""

import dataclasses
import itertools
import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import optax
from jaxtyping import PRNGKeyArray

from ..._analyses.gradients import gradient_flow
from ..._base.checks import check_count
from ..._base.text import plain
from ..._base.verdict import verdict_name
from ..._files.atomic import written_beside
from .._training.checkpoint import PathLike
from .._training.fit import fit, uninterrupted
from .._training.penalties import flossing
from .cores import check_core, wired
from .tasks import AbstractTask

FLOSSED = " + flossing"

_FLOSSING_STEPS, _FLOSSING_RATE = 400, 3e-3

_HELD_OUT = 256  # sequences


@dataclasses.dataclass(frozen=True)
class Trial:
    """One network, trained once.

    **Fields:** `cell`, `lag`, `seed`; before training, `verdict` and `radius` of the eigenvalues (of the cell's linear part,
    or of its Jacobian at the end of a run) and `gradient_before`, log ‖∂h_T/∂h_{T−lag}‖ in nats, of which `gradient_after` is
    that after training; the best `score` on held out data, and whether that makes the task `learnt`; `steps` of training
    made.
    """

    cell: str
    lag: int
    seed: int
    verdict: str
    radius: float
    gradient_before: float
    gradient_after: float
    score: float
    learnt: bool
    steps: int
    stopped_because: str


@dataclasses.dataclass(frozen=True)
class Study:
    """The trials of a study, and its `settings`, by name."""

    settings: dict[str, Any]
    trials: tuple[Trial, ...]

    def groups(self) -> list[tuple[Trial, ...]]:
        """The trials that differ in the seed alone, in the order in which they were run."""
        together = itertools.groupby(self.trials, lambda trial: (trial.cell, trial.lag))
        return [tuple(group) for _, group in together]

    def share(self, group: Sequence[Trial]) -> float:
        """How many of these trials, of all of them, learnt."""
        return sum(trial.learnt for trial in group) / len(group)

    def longest(self, cell: str) -> int:
        """The longest lag that more than half of the seeds learnt, 0 if none."""
        return max((g[0].lag for g in self.groups() if g[0].cell == cell and self.share(g) > 0.5), default=0)

    def table(self) -> str:
        """A row for each network and lag: what was said before, beside what came of it."""
        chance = self.settings["chance"]
        lines = [
            f"{self.settings['task']}: {self.settings['hidden']} units, up to {self.settings['steps']} steps of "
            f"{self.settings['size']} sequences; learnt where the score is below {self.settings['solved']:g}",
            "",
            f"{'':<24}{'lag':>5}  {'eigenvalues':<13}{'radius':>8}{'gradient':>10}{'after':>9}{'score':>9}{'chance':>9}"
            f"{'learnt':>8}{'steps':>7}",
        ]
        for group in self.groups():
            first = group[0]
            verdicts = {trial.verdict for trial in group}
            medians = [
                float(np.median([getattr(trial, name) for trial in group]))
                for name in ("radius", "gradient_before", "gradient_after", "score", "steps")
            ]
            radius, before, after, score, steps = medians
            lines.append(
                f"{first.cell:<24}{first.lag:>5}  {verdicts.pop() if len(verdicts) == 1 else 'mixed':<13}{radius:>8.3f}"
                f"{before:>10.1f}{after:>9.1f}{score:>9.4f}{chance[str(first.lag)]:>9.4f}"
                f"{sum(trial.learnt for trial in group):>4} of {len(group)}{steps:>7.0f}"
            )
        lines += ["", "gradient: log ‖∂h_T/∂h_(T−lag)‖ in nats, before and after training; medians over the seeds"]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """All of it, as JSON; what is not finite is null."""
        return {"settings": self.settings, "trials": [_plain(trial) for trial in self.trials]}

    def plot(self):
        """One page: the share that learnt against the lag, and the outcome against the gradient before; matplotlib."""
        from ... import plot

        return plot.memory(self)


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
    """Trains named networks on a task at several lags, from several seeds, and keeps what was said of each before.

    **Arguments:** `task` one of the memory tasks; `cells` names out of `CORES`, also with `" + flossing"`; `lags` as the
    task counts them; `seeds` how many, `hidden` units; up to `steps` steps of Adam at `rate` on fresh batches of `size`
    sequences, the gradient clipped at norm 1, until the score on held out sequences is below `task.solved`. `path` a json
    file, rewritten in one go after every trial, from which a study that was killed goes on; `progress` is told, before each
    trial, how many of how many are done, and which is next. **Returns:** a `Study`. **Raises:** `ValueError` for names that
    are none, and for a file of a study with other settings.

    ```python
    >>> from rnn_ode import learn
    >>> found = learn.study(learn.TemporalOrder(), ["gru"], [10], seeds=1, hidden=16, steps=300, rate=0.01)
    >>> found.longest("gru")
    10

    ```
    """
    for name, count in (("seeds", seeds), ("hidden", hidden), ("steps", steps), ("size", size)):
        check_count(name, count)
    for cell in cells:
        check_core(cell.removesuffix(FLOSSED))
    settings = {
        "task": str(task),
        "hidden": hidden,
        "steps": steps,
        "size": size,
        "rate": rate,
        "solved": task.solved,
    }
    wanted = list(itertools.product(cells, lags, range(seeds)))
    done = _read(path, settings)
    chance = {str(lag): task.chance(lag) for lag in lags}
    optimiser = optax.adam(rate)

    def so_far() -> Study:
        return Study({**settings, "chance": chance}, tuple(done[trial] for trial in wanted if trial in done))

    for (cell, lag), group in itertools.groupby(wanted, lambda trial: trial[:2]):
        lesson = _Lesson(task, lag, size)
        for trial in group:
            if progress is not None:
                progress(len(so_far().trials), len(wanted), f"{cell}, lag {lag}, seed {trial[2]}")
            if trial not in done:
                done[trial] = _try(lesson, cell, trial[2], hidden, steps, optimiser)
                _write(path, settings, done.values())
    return so_far()


class _Lesson(eqx.Module):
    """A task at one lag: what batches are drawn from and what is asked of a model."""

    task: AbstractTask
    lag: int = eqx.field(static=True)
    size: int = eqx.field(static=True)

    def draw(self, key: PRNGKeyArray):
        return self.task.draw(key, self.lag, self.size)

    def loss(self, model, batch):
        inputs, targets = batch
        return self.task.loss(jax.vmap(model)(inputs), targets)

    def score(self, model):
        inputs, targets = self.task.draw(jax.random.key(2**31 - 1), self.lag, _HELD_OUT)
        return self.task.score(jax.vmap(model)(inputs), targets)

    def floss(self, model, batch, key):
        inputs, _ = self.task.draw(key, self.lag, 1)
        return flossing(model.runner.as_cell(), inputs[0], max(1, model.readout.in_features - 1))

    @eqx.filter_jit
    def seen(self, model):
        """The verdict and the radius of the eigenvalues, and log ‖∂h_T/∂h_{T−lag}‖, on an input of the task."""
        inputs, _ = self.task.draw(jax.random.key(0), self.lag, 1)
        flow = gradient_flow(model.runner.as_cell(), inputs[0], throw=False)
        return flow.spectrum.discrete, flow.spectrum.radius, flow.log_norms[min(self.lag, len(inputs[0]))]


def _try(lesson: _Lesson, cell: str, seed: int, hidden: int, steps: int, optimiser) -> Trial:
    keys = jax.random.split(jax.random.key(seed), 3)
    model = wired(cell.removesuffix(FLOSSED), hidden, lesson.task, keys[0])
    if cell.endswith(FLOSSED):
        way = {"optimiser": optax.adam(_FLOSSING_RATE), "steps": _FLOSSING_STEPS, "key": keys[1], "progress": False}
        model = uninterrupted(fit(model, lesson.floss, [0.0], **way)).model
    verdict, radius, before = lesson.seen(model)
    done = uninterrupted(
        fit(
            model,
            lesson.loss,
            lesson.draw,
            optimiser=optimiser,
            steps=steps,
            key=keys[2],
            validate=lesson.score,
            target=lesson.task.solved,
            clip=1.0,
            progress=False,
        )
    )
    scores = done.history.checks.get("validation", np.array([np.inf]))
    return Trial(
        cell=cell,
        lag=lesson.lag,
        seed=seed,
        verdict=verdict_name(verdict),
        radius=float(radius),
        gradient_before=float(before),
        gradient_after=float(lesson.seen(done.model)[2]),
        score=float(np.min(scores)),
        learnt=bool(np.min(scores) < lesson.task.solved),
        steps=len(done.history.loss),
        stopped_because=done.stopped_because,
    )


def _read(path: PathLike | None, settings: dict[str, Any]) -> dict[tuple[str, int, int], Trial]:
    """The trials of a file of these settings, none where there is no file."""
    if path is None or not Path(path).exists():
        return {}
    try:
        stored = json.loads(Path(path).read_text(encoding="utf-8"))
        trials = [_trial(fields) for fields in stored["trials"]]
        theirs = {name: stored["settings"].get(name) for name in settings}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{path}: not the file of a study, or damaged; remove it or give another.") from None
    for name, value in settings.items():
        if theirs[name] != value:
            raise ValueError(
                f"{path}: the study there has {name} = {theirs[name]!r}, this one {value!r}; give another file."
            )
    return {(trial.cell, trial.lag, trial.seed): trial for trial in trials}


def _trial(fields: dict[str, Any]) -> Trial:
    numbers: dict[str, Any] = {name: math.nan if value is None else value for name, value in fields.items()}
    return Trial(**numbers)


def _plain(trial: Trial) -> dict[str, Any]:
    return plain(dataclasses.asdict(trial))


def _write(path: PathLike | None, settings: dict[str, Any], trials: Iterable[Trial]) -> None:
    if path is not None:
        with written_beside(Path(path)) as beside:
            rows = {"settings": settings, "trials": [_plain(trial) for trial in trials]}
            beside.write_text(json.dumps(rows, allow_nan=False), encoding="utf-8")
