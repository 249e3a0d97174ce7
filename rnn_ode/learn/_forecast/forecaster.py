"""Trained networks that forecast what comes after any rows, and the files that keep them."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

from ..._files.atomic import as_path
from ...datasets._times import Step, step_of
from .._checkpoints.checkpoint import Checkpoint, PathLike, read_checkpoint, write_checkpoint
from .._models.ensemble import Ensemble
from .._training.fit import Fit
from .beside import Beside
from .losses import Loss
from .needs import Preparation
from .predicted import Predicted
from .problem import Problem
from .scale import Scale


class Forecaster(eqx.Module):
    """Trained networks with all that a forecast needs beside the rows before it.

    **Fields:** `ensemble`; `prepared`, `intervals` (a `Preparation` and `ConformalIntervals`); `trust`, the factor of the
    networks' correction; `share` of the values in the intervals; the sizes of windows; the `loss`; `kept`, the columns of
    the `width` ones of the series that vary; `columns`, those of them that are forecast; `beside`, how the networks read
    values known in advance or times; `names` of all `width` columns, or none; `scale`, what the size of the errors goes with;
    `began`, the first time of the series as a text, and `step`, the kind and size of the `Step` from one to the next; both
    empty without times at equal steps.
    """

    ensemble: Ensemble
    prepared: Preparation
    intervals: Any
    trust: float = eqx.field(static=True)
    share: float = eqx.field(static=True)
    history: int = eqx.field(static=True)
    gap: int = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    direct: bool = eqx.field(static=True)
    loss: str = eqx.field(static=True)
    columns: tuple[int, ...] = eqx.field(static=True)
    width: int = eqx.field(static=True)
    kept: tuple[int, ...] = eqx.field(static=True)
    beside: Any = None
    names: tuple[str, ...] = eqx.field(static=True, default=())
    scale: Scale | None = None
    began: str = eqx.field(static=True, default="")
    step: tuple[str, float] | tuple[()] = eqx.field(static=True, default=())

    def predictions(self, inputs: np.ndarray, starts: np.ndarray, beside: Beside | None = None) -> Predicted:
        """The members' forecasts from histories (n, history, D)."""
        return self.predicted(self.given(inputs, starts, beside), inputs, starts)

    def given(
        self, inputs: np.ndarray, starts: np.ndarray, beside: Beside | None = None
    ) -> Float[np.ndarray, "members n horizon K outputs"]:
        """What every network gives for histories, in standard deviations."""
        problem = Problem(self.prepared, Loss(self.loss, self.share), self.columns, self.gap, self.horizon, self.direct)
        return problem.given(self.ensemble, problem.histories(inputs, starts, beside))

    def predicted(
        self, given: Float[np.ndarray, "members n horizon K outputs"], inputs: np.ndarray, starts: np.ndarray
    ) -> Predicted:
        """The forecasts that follow from what the networks give for histories."""
        centre = self.trust * given[..., 0]
        found = self.prepared.outputs(inputs, centre, starts, self.columns)
        spread = Loss(self.loss, self.share).spread(given)
        if spread is None:
            return Predicted(found, None, None if self.scale is None else self.scale(inputs[:, :, list(self.columns)]))
        upper = self.prepared.outputs(inputs, centre + spread, starts, self.columns)
        return Predicted(found, np.abs(upper - found))

    def __call__(self, rows: np.ndarray, beside: Beside | None = None, index: np.ndarray | None = None) -> Any:
        """The forecast after these rows (T, D), a `Band` (horizon, K) in the units of the series.

        `index` are the times (T,) of the rows. By the first one the rows find their place in the season; without it they must
        begin at the same place as those of the training. `ValueError` for rows of another shape, for values that are not
        finite or, with logarithms, not positive, and for times of another step.
        """
        if np.ndim(rows) != 2 or np.shape(rows)[1] != self.width or len(rows) < self.history:
            raise ValueError(
                f"rows must be at least {self.history}, of {self.width} columns, (T, {self.width}); got {np.shape(rows)}."
            )
        if self.beside is not None and beside is None:
            raise ValueError("beside must be given: these networks read values known in advance, or times.")
        first = len(rows) - self.history
        last = np.asarray(rows, float)[None, first:, list(self.kept)]
        self._check(last[0], first)
        if index is not None and self.step:
            return self._moved(rows_between(self.began, Step(*self.step), np.asarray(index)))(rows, beside)
        predicted = self.predictions(last, np.array([first]), beside)
        return jax.tree.map(lambda leaf: leaf[0], self.intervals(predicted))

    def _moved(self, rows: int) -> "Forecaster":
        """The forecaster for rows that begin so many rows after those of the training."""
        profile = np.roll(self.prepared.profile, -rows, axis=0)
        return dataclasses.replace(self, prepared=dataclasses.replace(self.prepared, profile=profile), step=())

    def _check(self, last: np.ndarray, first: int) -> None:
        """`ValueError` for the first value of a history, from row `first` on, of which nothing can be forecast."""
        log = self.prepared.log
        bad = np.argwhere(~np.isfinite(last) | ((last <= 0) if log else False))
        if len(bad):
            row, column = bad[0]
            kind = "finite and positive, since these networks see logarithms" if log else "finite"
            raise ValueError(
                f"rows must be {kind}; got {last[row, column]:g} in row {first + row}, column {self.kept[column]}."
            )


def beginning(index: np.ndarray | None) -> tuple[str, tuple[str, float] | tuple[()]]:
    """The first time of a series as a text, and the kind and size of its step; empty without times at equal steps."""
    step = None if index is None else step_of(index)
    if index is None or step is None:
        return "", ()
    first = str(index[0].astype("datetime64[ns]")) if index.dtype.kind == "M" else repr(float(index[0]))
    return first, (step.kind, step.size)


def rows_between(began: str, step: Step, index: np.ndarray) -> int:
    """How many rows after the first one of the training other rows begin, by their times (T,)."""
    if (step.kind == "number") == (index.dtype.kind != "M"):
        first = float(began) if step.kind == "number" else np.datetime64(began, "ns")
        places = step.places(np.concatenate([np.array([first]), index]))[1:]
        if (np.abs(np.diff(places) - 1) < 0.01).all():
            return round(float(places[0]))
    raise ValueError(
        f"index must have the step of the rows of the training, {step}; got {step_of(index) or 'irregular times'}."
    )


def keep(path: Path, done: Fit, final: Forecaster) -> None:
    """Add the forecaster to the finished checkpoint. A training that resumes from it does not look at it."""
    kept = read_checkpoint(path, model=done.model)
    write_checkpoint(path, Checkpoint(kept.model, {**kept.state, "forecaster": final}, kept.notes))


def load_forecaster(path: PathLike, known: Sequence[Any] = ()) -> Forecaster:
    """The forecaster in a checkpoint of `forecast` that was finished.

    **Arguments:**

    - `path`: the file that was `checkpoint`.
    - `known`: your own classes and functions in its networks, as in `load`.

    **Returns:** a `Forecaster`; `forecaster(rows)` is the `Band` of what comes after rows (T, D).

    **Raises:** `ValueError` for a file that is no finished checkpoint of `forecast`.

    ```python
    >>> import pathlib, tempfile, jax, numpy as np
    >>> from rnn_ode import learn
    >>> path, line = pathlib.Path(tempfile.mkdtemp()) / "run.ckpt", np.arange(60.0)[:, None]
    >>> f = learn.forecast(line, learn.many_to_one("gru", 4), history=5, needs=learn.Needs(), key=jax.random.key(0),
    ...                    steps=5, members=2, checkpoint=path, progress=False)
    >>> learn.load_forecaster(path)(line[:50]).mean.round(2).tolist()
    [[50.0]]

    ```
    """
    with jax.enable_x64(True):  # the preparation is in float64; the networks are as they were
        state = read_checkpoint(as_path("path", path), known).state
    if "forecaster" not in state:
        raise ValueError(f"{path}: a finished checkpoint of a forecast is wanted; run the training to its end.")
    return state["forecaster"]
