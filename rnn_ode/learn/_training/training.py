"""The course of a training: steps, checks, and checkpoints from which it can go on."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ..._base.stop import deferred, requested
from ..._base.version import __version__
from .._checkpoints.checkpoint import Checkpoint, read, read_header, write
from .._checkpoints.description import describe
from .._checkpoints.difference import difference
from .._checkpoints.names import renamed
from .batches import sources
from .history import History, checks_named
from .progress import training_bar
from .step import FAULTS, Record, State, Task, advance, evaluate

INTERRUPTED = "interrupted"


class Training:
    """A training under way: the state that the next step starts from, what was seen, and the best so far.

    It may be interrupted anywhere: what is known of step k stands under k until it is in `seen`, and what is not whole is
    not saved.
    """

    def __init__(self, task: Task, state: State, validate, watch, path: Path | None, notes: dict[str, Any]):
        self.task, self.state, self.validate, self.watch, self.path = task, state, validate, watch, path
        self.notes = {"key": np.asarray(jax.random.key_data(task.key)).ravel().tolist(), **notes}
        self.best, self.best_validation, self.since_best = state.params, np.inf, 0
        self.seen: list[tuple[float, float]] = []  # loss and norm of the gradient
        self.pending: dict[int, Record] = {}
        self.checked_at: list[int] = []
        self.checks: list[dict[str, np.ndarray]] = []

    @property
    def step(self) -> int:
        return int(self.state.step)

    @property
    def model(self) -> PyTree:
        return self.task.model(self.best if np.isfinite(self.best_validation) else self.state.params)

    @property
    def history(self) -> History:
        seen = np.array(self.seen, float).reshape(-1, 2)
        checks = {
            name: checks_named(name, self.checks) for name in dict.fromkeys(name for row in self.checks for name in row)
        }
        return History(seen[:, 0], seen[:, 1], np.array(self.checked_at, int), checks)

    def run(self, batches, steps: int, every: int, patience: int | None, target: float | None, progress: bool) -> str:
        """Trains until so many steps are made in all; why it ended."""
        feed, why, checking = sources(batches, self.step), self.enough(patience, target), False
        with deferred(), training_bar(self.step, steps, progress) as show:
            try:
                while why is None and self.step < steps:
                    why = self.stretch(feed, min(steps, (self.step // every + 1) * every), show)
                    if int(self.state.fault):
                        break  # the last checkpoint is a better place to go back to than the step before a disaster
                    checking = True
                    self.check()
                    checking, why = False, why or self.enough(patience, target)
            except KeyboardInterrupt:
                self.settle()
                del self.seen[self.step :]
                if not checking:
                    self.save()
                return f"{INTERRUPTED} after {self.step} steps"
        return why or (f"all {steps} steps are done" if self.step == steps else f"{self.step} steps were done already")

    def enough(self, patience: int | None, target: float | None) -> str | None:
        """Why the validations say to stop, or `None`."""
        if target is not None and self.best_validation <= target:
            return f"the validation reached {self.best_validation:.3g}, at most {target:g}, within {self.step} steps"
        if patience is not None and self.since_best >= patience:
            return f"no better validation in {patience} checks"
        return None

    def stretch(self, feed: Iterator, until: int, show: Callable) -> str | None:
        """Steps, until so many are made in all; why there can be no more, or `None`."""
        for index in range(self.step, until):
            if requested():  # Ctrl-C in the command
                raise KeyboardInterrupt
            source = next(feed, None)
            if source is None:
                break
            after, self.pending[index] = advance(self.task, self.state, source)
            self.state = after
            # of the step before, so that this one is under way while Python looks
            self.settle(waiting=1)
            if index - len(self.seen) > 1:
                break  # a step that failed; those after it did nothing
            if self.seen:
                show(len(self.seen), self.seen[-1], self.checks)
        self.settle()
        if int(self.state.fault):
            bad = self.pending[len(self.seen)]
            return (
                f"{FAULTS[int(bad.fault)]} was not finite at step {self.step + 1} (loss {float(bad.loss):g}, norm of the "
                f"gradient {float(bad.gradient_norm):g}); the parameters are those before it"
            )
        return None if self.step == until else f"the batches ended after {self.step} steps"

    def settle(self, waiting: int = 0) -> None:
        """Takes down what was seen of all good steps but the last ones, which may still be under way."""
        while len(self.seen) + waiting <= max(self.pending, default=-1):
            record = self.pending[len(self.seen)]
            if int(record.fault):
                return
            self.seen.append((float(record.loss), float(record.gradient_norm)))
            self.pending.pop(len(self.seen) - 1)

    def check(self) -> None:
        """Validates, watches and saves, once a step."""
        if self.checked_at and self.checked_at[-1] == self.step:
            return
        row = {}
        if self.validate is not None:
            row["validation"] = np.asarray(evaluate(self.task, self.state.params, self.validate), float)
            self.since_best += 1
            if row["validation"] < self.best_validation:
                self.best, self.best_validation, self.since_best = self.state.params, float(row["validation"]), 0
        if self.watch is not None:
            row |= jax.tree.map(np.asarray, evaluate(self.task, self.state.params, self.watch))
        self.checked_at.append(self.step)
        self.checks.append(row)
        self.save()

    def save(self) -> None:
        if self.path is not None:
            write(self.path, Checkpoint(self.model, self._arrays(), self.notes))

    def _arrays(self) -> dict[str, Any]:
        history = self.history
        return {
            "state": _by_name(self.state),
            "best": _by_name(self.best),
            "best_validation": np.array(self.best_validation),
            "since_best": np.array(self.since_best),
            "loss": history.loss,
            "gradient_norm": history.gradient_norm,
            "checked_at": history.checked_at,
            "checks": history.checks,
        }

    def resume(self) -> None:
        """Goes on from the checkpoint, or `ValueError` with what is different there."""
        assert self.path is not None
        header, _ = read_header(self.path)
        theirs, ours = header["state"]["dict"], describe(self._arrays())["dict"]
        unlike = [
            difference(header["rnn_ode"], __version__, "the version of rnn_ode"),
            difference(renamed(header["model"]), describe(self.model), "model"),
            *(difference(theirs.get(name), ours[name], "the optimiser's state") for name in ("state", "best")),
            *(difference(header["notes"].get(name), value, name) for name, value in self.notes.items()),
        ]
        if any(unlike):
            raise ValueError(
                f"{self.path}: this checkpoint is of another training: {next(filter(None, unlike))}. Give checkpoint another "
                "name, or resume=False to begin anew and replace it; `load` reads its model."
            )
        stored = read(self.path, model=self.model).state
        self.state, self.best = _from_names(self.state, stored["state"]), _from_names(self.best, stored["best"])
        self.best_validation, self.since_best = float(stored["best_validation"]), int(stored["since_best"])
        self.seen = list(zip(stored["loss"].tolist(), stored["gradient_norm"].tolist(), strict=True))
        self.checked_at = stored["checked_at"].tolist()
        checks = stored["checks"]
        self.checks = [{name: rows[i] for name, rows in checks.items()} for i in range(len(self.checked_at))]


def _by_name(tree: PyTree) -> dict[str, Any]:
    """Arrays by their places in a tree."""
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def _from_names(like: PyTree, arrays: dict[str, Any]) -> PyTree:
    return jax.tree_util.tree_map_with_path(lambda path, _: jnp.asarray(arrays[jax.tree_util.keystr(path)]), like)
