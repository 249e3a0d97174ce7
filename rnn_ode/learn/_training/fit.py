"""`fit`: train a model, with checkpoints from which the training resumes with the same numbers.

Everything random in a step is drawn from the training's key and the number of the step. Everything else is in the state. So
a training that is killed and started again from its checkpoint repeats the lost steps with the same numbers. It ends with
parameters equal bit for bit to those of an uninterrupted training, on the same machine with the same version of JAX.
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import numpy as np
import optax
from jaxtyping import PRNGKeyArray, PyTree

from ..._base.checks import as_number, brief, check_callable, check_count, check_flag, check_key, check_on_host
from ..._base.compiled import read_by
from ..._base.shown import ShownArrays, Variables
from ..._base.text import Table
from ..._files.atomic import as_path
from ..._files.lock import only_run
from .._checkpoints.checkpoint import PathLike
from .batches import Minibatches, as_arrays, check_batches
from .history import History
from .step import Setup, first_state
from .training import INTERRUPTED, Training


class Fit(ShownArrays, eqx.Module):
    """The result of `fit`.

    **Fields:**

    - `model`: the best model by validation, or the last one if there was no validation.
    - `history`: a `History` of all steps and checks.
    - `stopped_because`: why the training ended, in words.

    ```python
    >>> import jax, jax.numpy as jnp, optax
    >>> from rnn_ode import learn
    >>> def loss(model, batch):
    ...     return jnp.mean((model - batch) ** 2)
    >>> way = {"optimiser": optax.sgd(0.5), "steps": 9, "key": jax.random.key(0), "progress": False}
    >>> done = learn.fit(jnp.zeros(1), loss, [jnp.ones(1)], **way)
    >>> done.model.tolist(), len(done.history.loss), done.interrupted
    ([1.0], 9, False)

    ```
    """

    model: PyTree
    history: History
    stopped_because: str

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the training."""
        return self.stopped_because.startswith(INTERRUPTED)

    def plot(self):
        """The course of the training. A matplotlib figure (needs the `app` extra)."""
        from ...plot import fit as draw

        return draw(self)

    def _tables(self) -> tuple[Table, ...]:
        (table,) = self.history.tables()
        return (dataclasses.replace(table, title=f"Training: {self.stopped_because}."),)

    def _data(self) -> dict[str, Any]:
        return {"stopped_because": self.stopped_because, "history": self.history.to_dict()}

    def _variables(self) -> Variables:
        return self.history._variables()


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
    callback: Callable[[int, dict[str, Any]], Any] | None = None,
) -> Fit:
    """Train a model by gradient descent. A training that is killed resumes from its checkpoint without loss.

    It stops early, and keeps the last finite parameters, if the loss, its gradient or the update is not finite. It also
    stops when the batches end, at Ctrl-C, and by `patience` and `target`.

    **Arguments:**

    - `model`: a pytree, such as an Equinox module. Its floating-point arrays are trained.
    - `loss`: `loss(model, batch)` or `loss(model, batch, key)` returns one real number. It is compiled, and may run
      `iterate`, `integrate` with any adjoint, or `evolve`; with noise, drawn from `key`, which differs from step to step. A
      penalty is any function of the model that returns one real number and that JAX can differentiate: add it to the loss.
      `spectral_penalty`, `orthogonality_penalty`, `flossing` and `vanishing_gradient` are such functions.
    - `batches`: `batches(key)` draws a batch and is compiled too; or `Minibatches(data, size)`; or an iterable of batches,
      which begins again when it ends, if it can. For one batch at every step give `[batch]`. A tuple of arrays is refused: it
      is one batch.
    - `optimiser`: one of optax's. Those that need more than the gradient get it, computed on the batch of the step: `value`,
      `grad` and `value_fn` (line searches, `optax.contrib.reduce_on_plateau`), `grad_fn` (`optax.contrib.sam` in opaque
      mode) or `obj_fn` (`optax.contrib.sophia`).
    - `steps`: how many steps to make, those before a resumption included.
    - `key`: the key from which everything random is drawn.
    - `validate`: a function of the model, or a batch for the loss; lower is better. `fit` returns the best model.
    - `checkpoint`: a file in which to keep the training. An existing one is replaced when the new one is complete.
    - `resume`: whether to continue from `checkpoint` if it exists. Default `True`.
    - `progress`: whether to show a progress bar on standard error, if rich is installed. Default `True`.
    - `every`: the number of steps between checks. A check validates, watches and writes the checkpoint; the last step is
      checked too. Default 100.
    - `patience`: stop after this many validations without a better one.
    - `target`: stop at a validation of at most this.
    - `clip`: scale a gradient with a larger global norm down to this norm (Pascanu, Mikolov & Bengio 2013).
    - `watch`: a function of the model that returns numbers or arrays by name, such as `Dynamics`. The history records them.
    - `notes`: JSON values by name that must be equal in a checkpoint to resume from it, such as the name of the data or
      settings of the loss, which cannot be compared.
    - `callback`: called after each check with the number of steps made and a dictionary: the "loss" and "gradient_norm" of
      the last step, the "validation", and what `watch` returned. For TensorBoard:
      `lambda step, metrics: [writer.add_scalar(name, value, step) for name, value in metrics.items()]`; for Weights &
      Biases: `lambda step, metrics: wandb.log(metrics, step=step)`. Default `None`.

    **Returns:** a `Fit`.

    **Raises:** `ValueError` for a checkpoint of another model, kind of optimiser, key, version or notes, with the first
    difference; `BlockingIOError` if another run is writing to the checkpoint, and `OSError` if it cannot be written;
    `ValueError` and `TypeError` for arguments that do not fit.

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
    check_flag("resume", resume)
    check_flag("progress", progress)
    if callback is not None:
        check_callable("callback", callback, "callback(step, metrics)")
    _check_counts(steps, every, patience, validates=validate is not None or patience is target is None)
    target = None if target is None else as_number("target", target)
    if watch is not None:
        check_callable("watch", watch, "watch(model)")
    if callable(validate):
        check_callable("validate", validate, "validate(model)")
    if callable(batches):
        check_callable("batches", batches, "batches(key)")
    check_batches(batches)
    if notes is not None and not (isinstance(notes, Mapping) and all(isinstance(name, str) for name in notes)):
        raise TypeError(f"notes must be JSON values by name; got {brief(notes)}.")
    listed = batches if isinstance(batches, list | tuple | Minibatches) else ()
    check_on_host("fit", model=model, batches=listed, validate=validate)
    setup, params = _set_up(model, loss, optimiser, clip, key)
    if not (validate is None or callable(validate)):
        validate = _LossOn(setup.loss, as_arrays("validate", validate), key)
    path = None if checkpoint is None else as_path("checkpoint", checkpoint)
    training = Training(setup, first_state(setup, params), validate, watch, path, notes or {})
    with only_run("checkpoint", path, jax.process_index()):
        if resume and path is not None and path.exists():
            training.resume()
        else:
            training.save()  # so that a model that cannot be saved is refused before the first step
        why = training.train(batches, steps, every, patience, target, progress, callback)
    return Fit(training.model, training.history, why)


def uninterrupted(done: Fit) -> Fit:
    """Return the fit; re-raise Ctrl-C, for callers that cannot use a partial run."""
    if done.interrupted:
        raise KeyboardInterrupt
    return done


def _check_counts(steps: int, every: int, patience: int | None, validates: bool) -> None:
    check_count("steps", steps)
    check_count("every", every)
    if patience is not None:
        check_count("patience", patience)
    if not validates:
        raise ValueError("patience and target look at validations: give validate, a function of the model or a batch.")


def _set_up(
    model: PyTree,
    loss: Callable[..., Any],
    optimiser: optax.GradientTransformation,
    clip: float | None,
    key: PRNGKeyArray,
) -> tuple[Setup, PyTree]:
    """What stays the same in all steps, and the arrays to train."""
    check_callable("loss", loss, "loss(model, batch[, key])")
    check_key(key)
    if clip is not None:
        clip = as_number("clip", clip)
        if not clip > 0:
            raise ValueError(f"clip must be a number above 0, or None; got {clip}.")
    if not (callable(getattr(optimiser, "init", None)) and callable(getattr(optimiser, "update", None))):
        raise TypeError(f"optimiser must be one of optax's, such as optax.adam(1e-3); got {brief(optimiser)}.")
    model = jax.tree.map(lambda leaf: as_arrays("model", leaf) if isinstance(leaf, np.ndarray) else leaf, model)
    params, static = eqx.partition(model, eqx.is_inexact_array)
    if not jax.tree.leaves(params):
        raise ValueError("model must have floating arrays to train; it has none.")
    try:
        parameters = inspect.signature(loss).parameters
    except ValueError:
        raise TypeError(f"loss must be a callable loss(model, batch[, key]); got {brief(loss)}.") from None
    takes_key = "key" in parameters or len(parameters) > 2
    with_key = loss if takes_key else _WithoutKey(loss)
    return Setup(static, with_key, optax.with_extra_args_support(optimiser), clip, key, read_by((static, loss))), params


class _WithoutKey(eqx.Module):
    """A loss that uses nothing random, called with a key that it ignores."""

    loss: Callable[[Any, Any], Any]

    def __call__(self, model: PyTree, batch: PyTree, key: PRNGKeyArray) -> Any:
        return self.loss(model, batch)


class _LossOn(eqx.Module):
    """The loss on a batch that validates."""

    loss: Callable[[Any, Any, Any], Any]
    batch: PyTree
    key: PRNGKeyArray

    def __call__(self, model: PyTree) -> Any:
        return self.loss(model, self.batch, self.key)
