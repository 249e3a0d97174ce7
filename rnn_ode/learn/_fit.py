"""Training that loses nothing.

Whatever a step uses at random is drawn from the run's key and the number of the step; all else is in its state. So a run
that is killed, and started again from its checkpoint, repeats the steps that were lost with the same numbers, and ends with
parameters equal bit for bit to those of an unbroken run (on the same machine, with the same version of JAX).
"""

import inspect
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int, PRNGKeyArray, PyTree

from .. import __version__
from .._errors import as_number, check_callable, check_count, check_flag
from ._batches import sources
from ._checkpoint import Checkpoint, PathLike, read, read_header, write
from ._configuration import describe, difference
from ._progress import training_bar
from ._step import FAULTS, Record, State, Task, advance, begin, evaluate


class History(eqx.Module):
    """What a training saw, in NumPy arrays.

    **Fields:** `loss` (n,) and `gradient_norm` (n,) of every step, before its update and before the gradient is clipped;
    `checked_at` (m,), after how many steps the checks were made; `checks` by name (m, …): "validation", and what `watch`
    returned.
    """

    loss: Float[np.ndarray, " n"]
    gradient_norm: Float[np.ndarray, " n"]
    checked_at: Int[np.ndarray, " m"]
    checks: dict[str, np.ndarray]


class Fit(eqx.Module):
    """What `fit` returns.

    **Fields:** `model`, the best by validation, or the last where nothing validates; `history`; `stopped_because`, why the
    training ended, in words.
    """

    model: PyTree
    history: History
    stopped_because: str


def fit(
    model: PyTree,
    loss: Callable[..., Any],
    batches: Any,
    *,
    optimiser: optax.GradientTransformation,
    steps: int,
    key: PRNGKeyArray,
    validate: Any = None,
    checkpoint: PathLike | None = None,
    resume: bool = True,
    progress: bool = True,
    every: int = 100,
    patience: int | None = None,
    target: float | None = None,
    clip: float | None = None,
    watch: Callable[[Any], dict[str, Any]] | None = None,
) -> Fit:
    """Trains a model by gradient descent, and loses nothing when it is killed.

    **Arguments:** `model` any Equinox module, whose floating arrays are trained; `loss(model, batch)` or `loss(model, batch,
    key)` one number, compiled; it may run `iterate`, `integrate` with any adjoint, or `evolve`. `batches` a function
    of a key that draws one (compiled too), a `Minibatches(data, size)`, or an iterable, begun again when it ends, if it can
    be. `optimiser` one of optax's. `steps` how many in all, those before a resumption included. `key` what everything
    random is drawn from.

    `validate` a function of the model, or a batch for the loss: the lower the better, and the best model is returned;
    `patience` stops after so many validations without a better one, `target` at one of at most that. Validation, `watch` (a
    function of the model that returns numbers or arrays by name, such as `Dynamics`) and checkpoints come `every` so many
    steps and at the end. `clip` scales a gradient of a larger global norm down to it (Pascanu, Mikolov & Bengio 2013).
    `checkpoint` is a file, replaced in one go, and with `resume` continued from where it exists. `progress` shows a bar on
    standard error, where rich is installed.

    **Returns:** a `Fit`. A run stops early, with the last good parameters, when the loss, its gradient or the update is not
    finite, when the batches end, at Ctrl-C, and by `patience` and `target`. **Raises:** `ValueError` for a checkpoint of
    another model, optimiser, key or version, with the difference; `ValueError` and `TypeError` for arguments that do not fit.

    ```python
    >>> import jax, jax.numpy as jnp, optax, rnn_ode as ro
    >>> from rnn_ode import learn
    >>> xs = jax.random.normal(jax.random.key(0), (64, 5, 1))
    >>> def loss(cell, batch):
    ...     return jnp.mean((jax.vmap(lambda xs: ro.iterate(cell, xs).states[-1])(batch) - batch.mean(1)) ** 2)
    >>> cell = ro.VanillaCell.random(jax.random.key(1), 1, 1, activation=None)
    >>> done = learn.fit(cell, loss, [xs], optimiser=optax.adam(0.03), steps=400, key=jax.random.key(2), progress=False)
    >>> done.stopped_because, bool(done.history.loss[-1] < 0.2 * done.history.loss[0])
    ('all 400 steps are done', True)

    ```
    """
    check_callable("loss", loss, "loss(model, batch)")
    check_count("steps", steps)
    check_count("every", every)
    check_flag("resume", resume)
    check_flag("progress", progress)
    if patience is not None:
        check_count("patience", patience)
    if target is not None:
        target = as_number("target", target)
    if validate is None and not patience is target is None:
        raise ValueError("patience and target look at validations: give validate, a function of the model or a batch.")
    if clip is not None and not as_number("clip", clip) > 0:
        raise ValueError(f"clip must be a number above 0, or None; got {clip}.")
    if not isinstance(optimiser, optax.GradientTransformation):
        raise TypeError(f"optimiser must be one of optax's, such as optax.adam(1e-3); got {optimiser!r}.")
    model = jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf, model)
    params, static = eqx.partition(model, eqx.is_inexact_array)
    if not jax.tree.leaves(params):
        raise ValueError("model must have floating arrays to train; it has none.")
    takes_key = _positional(loss) > 2
    task = Task(static, loss if takes_key else _Keyless(loss), optax.with_extra_args_support(optimiser), clip, key)
    if not (validate is None or callable(validate)):
        validate = _Held(task.loss, jax.tree.map(jnp.asarray, validate), key)
    run = _Run(task, begin(task, params), validate, watch, None if checkpoint is None else Path(checkpoint))
    if resume and run.path is not None and run.path.exists():
        run.resume()
    return run.go(batches, steps, every, patience, target, progress)


class _Run:
    """A training under way: the state that the next step starts from, what was seen, and the best so far."""

    def __init__(self, task: Task, state: State, validate, watch, path: Path | None):
        self.task, self.state, self.validate, self.watch, self.path = task, state, validate, watch, path
        self.best, self.best_validation, self.since_best = state.params, np.inf, 0
        self.seen: list[tuple[float, float]] = []  # loss and norm of the gradient
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
        checks = {name: np.stack([row[name] for row in self.checks]) for name in (self.checks or [{}])[0]}
        return History(seen[:, 0], seen[:, 1], np.array(self.checked_at, int), checks)

    def go(self, batches, steps: int, every: int, patience: int | None, target: float | None, progress: bool) -> Fit:
        feed, why = sources(batches, self.step), self.enough(patience, target)
        with training_bar(self.step, steps, progress) as show:
            try:
                while why is None and self.step < steps:
                    why = self.stretch(feed, min(steps, (self.step // every + 1) * every), show)
                    if int(self.state.fault):
                        break  # the last checkpoint is a better place to go back to than the step before a disaster
                    self.check()
                    why = why or self.enough(patience, target)
            except KeyboardInterrupt:
                why = f"interrupted after {self.step} steps"
                self.save()
        return Fit(self.model, self.history, why or f"all {steps} steps are done")

    def enough(self, patience: int | None, target: float | None) -> str | None:
        """Why the validations say to stop, or `None`."""
        if target is not None and self.best_validation <= target:
            return f"the validation reached {self.best_validation:.3g}, at most {target:g}, within {self.step} steps"
        if patience is not None and self.since_best >= patience:
            return f"no better validation in {patience} checks"
        return None

    def stretch(self, feed: Iterator, until: int, show: Callable) -> str | None:
        """Steps, until so many are made in all; why there can be no more, or `None`."""
        records: list[Record] = []
        try:
            for source in itertools.islice(feed, until - self.step):
                after, record = advance(self.task, self.state, source)
                records.append(record)
                self.state = after
                if len(records) > 1:  # of the step before, so that the next one is under way while Python looks
                    if int(records[-2].fault):
                        break
                    show(len(self.seen) + len(records) - 1, records[-2], self.checks)
        finally:
            good = self.step - len(self.seen)
            self.seen += [(float(record.loss), float(record.gradient_norm)) for record in records[:good]]
        if int(self.state.fault):
            bad, quantity = records[good], FAULTS[int(self.state.fault)]
            return (
                f"{quantity} was not finite at step {self.step + 1} (loss {float(bad.loss):g}, norm of the gradient "
                f"{float(bad.gradient_norm):g}); the parameters are those before it"
            )
        return None if self.step == until else f"the batches ended after {self.step} steps"

    def check(self) -> None:
        """Validates, watches and saves."""
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
            write(self.path, Checkpoint(self.model, self._state(), {"key": self._key()}))

    def _state(self) -> dict[str, Any]:
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

    def _key(self) -> list[int]:
        return np.asarray(jax.random.key_data(self.task.key)).ravel().tolist()

    def resume(self) -> None:
        """Goes on from the checkpoint, or `ValueError` with what is different there."""
        assert self.path is not None
        header, _ = read_header(self.path)
        theirs, ours = header["state"]["dict"], describe(self._state())["dict"]
        unlike = [
            difference(header["rnn_ode"], __version__, "the version of rnn_ode"),
            difference(header["model"], describe(self.model), "model"),
            *(difference(theirs.get(name), ours[name], "the optimiser's state") for name in ("state", "best")),
            difference(header["notes"].get("key"), self._key(), "key"),
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


class _Keyless(eqx.Module):
    """A loss that uses nothing random."""

    loss: Callable[[Any, Any], Any]

    def __call__(self, model, batch, key):
        return self.loss(model, batch)


class _Held(eqx.Module):
    """The loss of a batch that is held out."""

    loss: Callable[[Any, Any, Any], Any]
    batch: PyTree
    key: PRNGKeyArray

    def __call__(self, model):
        return self.loss(model, self.batch, self.key)


def _positional(function: Callable) -> int:
    """How many arguments a function takes by place; 2 where it does not say."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 2
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty for p in parameters)


def _by_name(tree: PyTree) -> dict[str, Any]:
    """Arrays by their places in a tree."""
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def _from_names(like: PyTree, arrays: dict[str, Any]) -> PyTree:
    return jax.tree_util.tree_map_with_path(lambda path, _: jnp.asarray(arrays[jax.tree_util.keystr(path)]), like)
