"""The result of a memory study, and its file."""

import dataclasses
import itertools
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..._base.text import plain
from ..._files.atomic import written_beside
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
    """The result of `study`: the trials, and the settings by name."""

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
        return max((g[0].lag for g in self.groups() if g[0].cell == cell and self.share(g) > 0.5), default=0)

    def table(self) -> str:
        """A text table with a row for each network and lag: what was predicted before training, and the outcome."""
        chance = self.settings["chance"]
        lines = [
            f"{self.settings['task']}: {self.settings['hidden']} units, up to {self.settings['steps']} steps of "
            f"{self.settings['size']} sequences; learnt where the score is below {self.settings['solved']:g}",
            "",
            f"{'':<24}{'lag':>5}  {'eigenvalues':<13}{'radius':>8}{'gradient':>10}{'after':>9}{'score':>9}{'chance':>9}"
            f"{'learnt':>8}{'steps':>7}",
            *(_row(group, chance[str(group[0].lag)]) for group in self.groups()),
            "",
            "gradient: log ‖∂h_T/∂h_(T−lag)‖ in nats, before and after training; medians over the seeds",
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The settings and trials as JSON. Numbers that are not finite are null."""
        return {"settings": self.settings, "trials": [plain(dataclasses.asdict(trial)) for trial in self.trials]}

    def plot(self):
        """One page as a matplotlib figure: the share that learnt by lag, and the outcome by the gradient before."""
        from ... import plot

        return plot.memory(self)


def _row(group: Sequence[Trial], chance: float) -> str:
    """A line of the table: medians over the trials of a group."""
    verdicts = {trial.verdict for trial in group}
    radius, before, after, score, steps = (
        float(np.median([getattr(trial, name) for trial in group]))
        for name in ("radius", "gradient_before", "gradient_after", "score", "steps")
    )
    return (
        f"{group[0].cell:<24}{group[0].lag:>5}  {verdicts.pop() if len(verdicts) == 1 else 'mixed':<13}{radius:>8.3f}"
        f"{before:>10.1f}{after:>9.1f}{score:>9.4f}{chance:>9.4f}"
        f"{sum(trial.learnt for trial in group):>4} of {len(group)}{steps:>7.0f}"
    )


def read_trials(path: PathLike | None, settings: dict[str, Any]) -> dict[tuple[str, int, int], Trial]:
    """The trials in a file, by cell, lag and seed; none if there is no file. `ValueError` for a study of other settings."""
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


def write_trials(path: PathLike | None, settings: dict[str, Any], trials: Iterable[Trial]) -> None:
    """Write settings and trials to the file, if one is wanted. It is replaced when the new one is complete."""
    if path is not None:
        with written_beside(Path(path)) as beside:
            rows = {"settings": settings, "trials": [plain(dataclasses.asdict(trial)) for trial in trials]}
            beside.write_text(json.dumps(rows, allow_nan=False), encoding="utf-8")
