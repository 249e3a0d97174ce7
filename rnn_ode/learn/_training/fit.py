"""Training that loses nothing.

Whatever a step uses at random is drawn from the run's key and the number of the step; all else is in its state. So a run
that is killed, and started again from its checkpoint, repeats the steps that were lost with the same numbers, and ends with
parameters equal bit for bit to those of an unbroken run (on the same machine, with the same version of JAX).
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import PRNGKeyArray, PyTree

from ..._base.checks import as_number, check_callable, check_count, check_flag
from .._checkpoints.checkpoint import PathLike
from .history import History
from .step import Task, begin
from .training import INTERRUPTED, Training


class Fit(eqx.Module):
    """What `fit` returns.

    **Fields:** `model`, the best by validation, or the last where nothing validates; `history`; `stopped_because`, why the
    training ended, in words.
    """

    model: PyTree
    history: History
    stopped_because: str

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it."""
        return self.stopped_because.startswith(INTERRUPTED)


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
    notes: dict[str, Any] | None = None,
) -> Fit:
    """Trains a model by gradient descent, and loses nothing when it is killed.

    **Arguments:** `model` any Equinox module, whose floating arrays are trained; `loss(model, batch)` or `loss(model, batch,
    key)` one number, compiled; it may run `iterate`, `integrate` with any adjoint, or `evolve`. `batches` a function
    of a key that draws one (compiled too), a `Minibatches(data, size)`, or an iterable, begun again when it ends, if it can
    be. `optimiser` one of optax's; those that ask for more than the gradient get it: `value`, `grad` and `value_fn` (line
    searches, `optax.contrib.reduce_on_plateau`), `grad_fn` (`optax.contrib.sam` in opaque mode) or `obj_fn`
    (`optax.contrib.sophia`), all on the step's own batch. `steps` how many in all, those before a resumption included.
    `key` what everything random is drawn from.

    `validate` a function of the model, or a batch for the loss: the lower the better, and the best model is returned;
    `patience` stops after so many validations without a better one, `target` at one of at most that. Validation, `watch` (a
    function of the model that returns numbers or arrays by name, such as `Dynamics`) and checkpoints come `every` so many
    steps and at the end. `clip` scales a gradient of a larger global norm down to it (Pascanu, Mikolov & Bengio 2013).
    `checkpoint` is a file, replaced in one go, and with `resume` continued from where it exists. `progress` shows a bar on
    standard error, where rich is installed. `notes`, JSON by name, say what else a checkpoint must agree in to be continued:
    the data's name, say, or settings of the loss, which cannot be compared.

    **Returns:** a `Fit`. A run stops early, with the last good parameters, when the loss, its gradient or the update is not
    finite, when the batches end, at Ctrl-C, and by `patience` and `target`. **Raises:** `ValueError` for a checkpoint of
    another model, kind of optimiser, key, version or notes, with the difference; `ValueError` and `TypeError` for arguments
    that do not fit.

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
    if not (callable(getattr(optimiser, "init", None)) and callable(getattr(optimiser, "update", None))):
        raise TypeError(f"optimiser must be one of optax's, such as optax.adam(1e-3); got {optimiser!r}.")
    model = jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf, model)
    params, static = eqx.partition(model, eqx.is_inexact_array)
    if not jax.tree.leaves(params):
        raise ValueError("model must have floating arrays to train; it has none.")
    parameters = inspect.signature(loss).parameters
    takes_key = "key" in parameters or len(parameters) > 2
    given = loss if takes_key else _Keyless(loss)
    task = Task(static, given, optax.with_extra_args_support(optimiser), clip, key)
    if not (validate is None or callable(validate)):
        validate = _Held(task.loss, jax.tree.map(jnp.asarray, validate), key)
    path = None if checkpoint is None else Path(checkpoint)
    training = Training(task, begin(task, params), validate, watch, path, notes or {})
    if resume and path is not None and path.exists():
        training.resume()
    else:
        training.save()  # what cannot be saved is found before the first step, not after the last
    why = training.run(batches, steps, every, patience, target, progress)
    return Fit(training.model, training.history, why)


def uninterrupted(done: Fit) -> Fit:
    """The same, or `KeyboardInterrupt` where Ctrl-C ended it: for callers to whom half a training is none."""
    if done.interrupted:
        raise KeyboardInterrupt
    return done


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
