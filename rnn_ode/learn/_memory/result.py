"""What a memory study found."""

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
        return {"settings": self.settings, "trials": [plain(dataclasses.asdict(trial)) for trial in self.trials]}

    def plot(self):
        """One page: the share that learnt against the lag, and the outcome against the gradient before; matplotlib."""
        from ... import plot

        return plot.memory(self)


def read_trials(path: PathLike | None, settings: dict[str, Any]) -> dict[tuple[str, int, int], Trial]:
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


def write_trials(path: PathLike | None, settings: dict[str, Any], trials: Iterable[Trial]) -> None:
    if path is not None:
        with written_beside(Path(path)) as beside:
            rows = {"settings": settings, "trials": [plain(dataclasses.asdict(trial)) for trial in trials]}
            beside.write_text(json.dumps(rows, allow_nan=False), encoding="utf-8")
