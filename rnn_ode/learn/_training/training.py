"""The course of a training: steps, checks, and checkpoints from which it resumes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ..._base.stop import deferred, requested
from ..._base.version import __version__
from .._checkpoints.checkpoint import Checkpoint, read_checkpoint, read_header, write_checkpoint
from .._checkpoints.description import describe
from .._checkpoints.difference import difference
from .._checkpoints.names import renamed
from .batches import BatchSource, batch_sources
from .history import History, history_of
from .progress import Show, training_bar
from .step import FAULTS, Setup, StepRecord, StepState, advance, evaluate

INTERRUPTED = "interrupted"


class Training:
    """A training in progress: the state from which the next step starts, what was recorded, and the best model so far.

    Ctrl-C may interrupt it anywhere. The record of step k waits in `pending[k]` until it is in `seen`, so a step that is
    only half recorded can be dropped. JAX computes while Python goes on, so records arrive one step late.
    """

    def __init__(
        self,
        setup: Setup,
        state: StepState,
        validate: Callable[[PyTree], Any] | None,
        watch: Callable[[PyTree], dict[str, Any]] | None,
        path: Path | None,
        notes: dict[str, Any],
    ):
        self.setup, self.state, self.validate, self.watch, self.path = setup, state, validate, watch, path
        self.notes = {"key": np.asarray(jax.random.key_data(setup.key)).ravel().tolist(), **notes}
        self.best, self.best_validation, self.since_best = state.params, np.inf, 0
        self.seen: list[tuple[float, float]] = []  # loss and norm of the gradient
        self.pending: dict[int, StepRecord] = {}
        self.checked_at: list[int] = []
        self.checks: list[dict[str, np.ndarray]] = []

    @property
    def step(self) -> int:
        """The number of steps made."""
        return int(self.state.step)

    @property
    def model(self) -> PyTree:
        """The best model by validation, or the current one if nothing was validated."""
        return self.setup.model(self.best if np.isfinite(self.best_validation) else self.state.params)

    @property
    def history(self) -> History:
        return history_of(self.seen, self.checked_at, self.checks)

    def train(
        self,
        batches: Any,
        steps: int,
        every: int,
        patience: int | None,
        target: float | None,
        progress: bool,
        callback: Callable[[int, dict[str, Any]], Any] | None = None,
    ) -> str:
        """Train until `steps` steps are made in all. Returns why it ended."""
        sources, why, checking = batch_sources(batches, self.step), self.reason_to_stop(patience, target), False
        with deferred(), training_bar(self.step, steps, progress) as show:
            try:
                while why is None and self.step < steps:
                    why = self.make_steps(sources, min(steps, (self.step // every + 1) * every), show)
                    if int(self.state.fault):
                        break  # not saved: the last checkpoint is a better place to resume than the step before a fault
                    checking = True
                    self.check()
                    checking, why = False, why or self.reason_to_stop(patience, target)
                    if callback is not None:
                        callback(self.step, self.metrics())
            except KeyboardInterrupt:
                self.collect()
                del self.seen[self.step :]
                if not checking:
                    self.save()
                return f"{INTERRUPTED} after {self.step} steps"
        return why or (f"all {steps} steps are done" if self.step == steps else f"{self.step} steps were done already")

    def metrics(self) -> dict[str, Any]:
        """What the last check found, numbers as floats."""
        loss, norm = self.seen[-1] if self.seen else (np.nan, np.nan)
        checked = self.checks[-1] if self.checks else {}
        found = {name: float(value) if np.ndim(value) == 0 else np.asarray(value) for name, value in checked.items()}
        return {"loss": loss, "gradient_norm": norm, **found}

    def reason_to_stop(self, patience: int | None, target: float | None) -> str | None:
        """Why the validations say to stop, or `None`."""
        if target is not None and self.best_validation <= target:
            return f"the validation reached {self.best_validation:.3g}, at most {target:g}, within {self.step} steps"
        if patience is not None and self.since_best >= patience:
            return f"no better validation in {patience} checks"
        return None

    def make_steps(self, sources: Iterator[BatchSource], until: int, show: Show) -> str | None:
        """Make steps until `until` are made in all. Returns why no more can be made, or `None`."""
        for index in range(self.step, until):
            if requested():  # Ctrl-C in the command
                raise KeyboardInterrupt
            source = next(sources, None)
            if source is None:
                break
            after, self.pending[index] = advance(self.setup, self.state, source)
            self.state = after
            self.collect(waiting=1)  # all but the last step, which JAX still computes
            if index - len(self.seen) > 1:
                break  # a step failed, and those after it changed nothing
            if self.seen:
                show(len(self.seen), self.seen[-1], self.checks)
        self.collect()
        if int(self.state.fault):
            bad = self.pending[len(self.seen)]
            return (
                f"{FAULTS[int(bad.fault)]} was not finite at step {self.step + 1} (loss {float(bad.loss):g}, norm of the "
                f"gradient {float(bad.gradient_norm):g}); the parameters are those before it"
            )
        return None if self.step == until else f"the batches ended after {self.step} steps"

    def collect(self, waiting: int = 0) -> None:
        """Move the records of finished steps from `pending` to `seen`, except the last `waiting` and those with a fault."""
        while len(self.seen) + waiting <= max(self.pending, default=-1):
            record = self.pending[len(self.seen)]
            if int(record.fault):
                return
            self.seen.append((float(record.loss), float(record.gradient_norm)))
            self.pending.pop(len(self.seen) - 1)

    def check(self) -> None:
        """Validate, watch and save, at most once after each step."""
        if self.checked_at and self.checked_at[-1] == self.step:
            return
        row = {}
        if self.validate is not None:
            row["validation"] = np.asarray(evaluate(self.setup, self.state.params, self.validate), float)
            self.since_best += 1
            if row["validation"] < self.best_validation:
                self.best, self.best_validation, self.since_best = self.state.params, float(row["validation"]), 0
        if self.watch is not None:
            row |= jax.tree.map(np.asarray, evaluate(self.setup, self.state.params, self.watch))
        self.checked_at.append(self.step)
        self.checks.append(row)
        self.save()

    def save(self) -> None:
        """Write the checkpoint, if one is wanted."""
        if self.path is not None:
            write_checkpoint(self.path, Checkpoint(self.model, self._arrays(), self.notes))

    def resume(self) -> None:
        """Continue from the checkpoint; `ValueError` with the first difference if it is of another training."""
        assert self.path is not None
        self._check_same(self.path)
        stored = read_checkpoint(self.path, model=self.model).state
        self.state, self.best = _from_names(self.state, stored["state"]), _from_names(self.best, stored["best"])
        self.best_validation, self.since_best = float(stored["best_validation"]), int(stored["since_best"])
        self.seen = list(zip(stored["loss"].tolist(), stored["gradient_norm"].tolist(), strict=True))
        self.checked_at = stored["checked_at"].tolist()
        checks = stored["checks"]
        self.checks = [{name: rows[i] for name, rows in checks.items()} for i in range(len(self.checked_at))]

    def _check_same(self, path: Path) -> None:
        """`ValueError` if the checkpoint's model, kind of optimiser, version or notes are not those of this training."""
        header, _ = read_header(path)
        theirs, ours = header["state"]["dict"], describe(self._arrays())["dict"]
        unlike = [
            difference(header["rnn_ode"], __version__, "the version of rnn_ode"),
            difference(renamed(header["model"]), describe(self.model), "model"),
            *(difference(theirs.get(name), ours[name], "the optimiser's state") for name in ("state", "best")),
            *(difference(header["notes"].get(name), value, name) for name, value in self.notes.items()),
        ]
        if any(unlike):
            raise ValueError(
                f"{path}: this checkpoint is of another training: {next(filter(None, unlike))}. Give checkpoint another "
                "name, or resume=False to begin anew and replace it; `load` reads its model."
            )

    def _arrays(self) -> dict[str, Any]:
        """The arrays from which `resume` continues."""
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


def _by_name(tree: PyTree) -> dict[str, Any]:
    """The arrays of a tree by their places in it."""
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def _from_names(like: PyTree, arrays: dict[str, Any]) -> PyTree:
    """The tree like `like` of arrays by name."""
    return jax.tree_util.tree_map_with_path(lambda path, _: jnp.asarray(arrays[jax.tree_util.keystr(path)]), like)
