"""The result of a memory study, and its file."""

import dataclasses
import itertools
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..._base.checks import check_text
from ..._base.shown import Shown
from ..._base.text import Column, Table, fixed, plain
from ..._files.atomic import check_regular, written_beside
from .._checkpoints.checkpoint import PathLike


@dataclasses.dataclass(frozen=True)
class Trial:
    """One network of a study, trained once.

    **Fields:**

    - `cell`, `lag`, `seed`: the name of the network, the lag of the task, and the number of the seed.
    - `verdict`, `radius`: the verdict and spectral radius before training, of the cell's linear part, or else of its Jacobian
      at the end of a run.
    - `gradient_before`, `gradient_after`: log ‖∂h_T/∂h_{T−lag}‖ in nats, before and after training.
    - `score`: the best score on held out sequences.
    - `learnt`: whether that score is below the task's `solved`.
    - `steps`: how many steps of training were made.
    - `stopped_because`: why the training ended, in words.

    ```python
    >>> from rnn_ode import learn
    >>> trial = learn.Trial("gru", 10, 0, "DECAYS", 0.5, -2.0, 1.0, 0.001, True, 10, "all 10 steps are done")
    >>> trial.cell, trial.lag, trial.learnt
    ('gru', 10, True)

    ```
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
class Study(Shown):
    """The result of `study`: which networks learnt which lag.

    **Fields:**

    - `settings`: the arguments of the study by name, as JSON values, and "chance", the score without memory by lag.
    - `trials`: the trials, in the order in which they were run.

    ```python
    >>> from rnn_ode import learn
    >>> settings = {"task": "Adding()", "hidden": 8, "steps": 10, "size": 4, "solved": 0.01, "chance": {"10": 0.167}}
    >>> trial = learn.Trial("gru", 10, 0, "DECAYS", 0.5, -2.0, 1.0, 0.001, True, 10, "all 10 steps are done")
    >>> learn.Study(settings, (trial,)).longest("gru")
    10

    ```
    """

    settings: dict[str, Any]
    trials: tuple[Trial, ...]

    def groups(self) -> list[tuple[Trial, ...]]:
        """The trials in groups that differ in the seed only, in the order in which they were run."""
        together = itertools.groupby(self.trials, lambda trial: (trial.cell, trial.lag))
        return [tuple(group) for _, group in together]

    def share(self, group: Sequence[Trial]) -> float:
        """The share of these trials that learnt the task."""
        return sum(trial.learnt for trial in group) / len(group)

    def longest(self, cell: str) -> int:
        """The longest lag that more than half of the seeds learnt, 0 if there is none."""
        check_text("cell", cell)
        return max((g[0].lag for g in self.groups() if g[0].cell == cell and self.share(g) > 0.5), default=0)

    def _tables(self) -> tuple[Table, ...]:
        settings, chance = self.settings, self.settings["chance"]
        title = (
            f"{settings['task']}: {settings['hidden']} units, up to {settings['steps']} steps of {settings['size']} "
            f"sequences; learnt where the score is below {settings['solved']:g}"
        )
        rows = tuple(_row(group, chance[str(group[0].lag)]) for group in self.groups())
        return (Table(_COLUMNS, rows, title, ("Numbers are medians over the seeds.",)),)

    def _data(self) -> dict[str, Any]:
        return {"settings": self.settings, "trials": [plain(dataclasses.asdict(trial)) for trial in self.trials]}

    def plot(self):
        """One page as a matplotlib figure: the share that learnt by lag, and the outcome by the gradient before."""
        from ... import plot

        return plot.memory(self)


_COLUMNS = (
    Column("cell"),
    Column("lag", ">"),
    Column("eigenvalues", says="their verdict before training"),
    Column("radius", ">", "spectral radius before training"),
    Column("gradient", ">", "log ‖∂h_T/∂h_(T−lag)‖ in nats, before training"),
    Column("after", ">", "the same after training"),
    Column("score", ">", "the best on held out sequences; lower is better"),
    Column("chance", ">", "the score of the best model without memory"),
    Column("learnt", ">", "how many of the networks learnt the task"),
    Column("steps", ">", "steps of training"),
)


def _row(group: Sequence[Trial], chance: float) -> tuple[str, ...]:
    """A row of the table: medians over the trials of a group."""
    verdicts = {trial.verdict for trial in group}
    radius, before, after, score, steps = (
        float(np.median([getattr(trial, name) for trial in group]))
        for name in ("radius", "gradient_before", "gradient_after", "score", "steps")
    )
    return (
        group[0].cell,
        str(group[0].lag),
        verdicts.pop() if len(verdicts) == 1 else "mixed",
        fixed(radius, 3),
        fixed(before, 1),
        fixed(after, 1),
        fixed(score, 4),
        fixed(chance, 4),
        f"{sum(trial.learnt for trial in group)} of {len(group)}",
        f"{steps:.0f}",
    )


def read_trials(path: PathLike | None, settings: dict[str, Any]) -> dict[tuple[str, int, int], Trial]:
    """The trials in a file, by cell, lag and seed; none if there is no file. `ValueError` for a study of other settings."""
    if path is None or not Path(path).exists():
        return {}
    check_regular(Path(path))
    try:
        stored = json.loads(Path(path).read_text(encoding="utf-8"))
        trials = [_trial(fields) for fields in stored["trials"]]
        theirs = {name: stored["settings"].get(name) for name in settings}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
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


def write_trials(path: PathLike | None, settings: dict[str, Any], trials: Iterable[Trial]) -> None:
    """Write settings and trials to the file, if one is wanted. It is replaced when the new one is complete."""
    if path is not None:
        with written_beside(Path(path)) as beside:
            rows = {"settings": settings, "trials": [plain(dataclasses.asdict(trial)) for trial in trials]}
            beside.write_text(json.dumps(rows, allow_nan=False), encoding="utf-8")
