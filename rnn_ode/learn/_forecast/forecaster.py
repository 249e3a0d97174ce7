"""Trained networks that forecast what comes after any rows, and the files that keep them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

from .._checkpoints.checkpoint import Checkpoint, PathLike, read_checkpoint, write_checkpoint
from .._models.ensemble import Ensemble
from .._training.fit import Fit
from .beside import Beside
from .losses import Loss
from .needs import Preparation
from .problem import Problem


class Forecaster(eqx.Module):
    """Trained networks with all that a forecast needs beside the rows before it.

    **Fields:** `ensemble`; `prepared`, `intervals` (a `Preparation` and `ConformalIntervals`); `trust`, the factor of the
    networks' correction; `share` of the values in the intervals; the sizes of windows; the `loss`; `kept`, the columns of
    the `width` ones of the series that vary; `columns`, those of them that are forecast; `beside`, how the networks read
    values known in advance or times; `names` of all `width` columns, or none.
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

    def predictions(
        self, inputs: np.ndarray, starts: np.ndarray, beside: Beside | None = None
    ) -> tuple[Float[np.ndarray, "members n horizon K"], Float[np.ndarray, "members n horizon K"] | None]:
        """The members' forecasts from histories (n, history, D), in the units of the series, and how uncertain they say they
        are, if the loss makes them say it."""
        problem = Problem(self.prepared, Loss(self.loss, self.share), self.columns, self.gap, self.horizon, self.direct)
        given = problem.given(self.ensemble, problem.histories(inputs, starts, beside))
        centre = self.trust * given[..., 0]
        found = self.prepared.outputs(inputs, centre, starts, self.columns)
        spread = problem.criterion.spread(given)
        if spread is None:
            return found, None
        return found, np.abs(self.prepared.outputs(inputs, centre + spread, starts, self.columns) - found)

    def __call__(self, rows: np.ndarray, beside: Beside | None = None) -> Any:
        """The forecast after these rows (T, D), a `Band` (horizon, K) in the units of the series.

        `ValueError` for rows of another shape, and for values that are not finite or, with logarithms, not positive.
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
        found, spread = self.predictions(last, np.array([first]), beside)
        return jax.tree.map(lambda leaf: leaf[0], self.intervals(found, spread))

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
        state = read_checkpoint(Path(path), known).state
    if "forecaster" not in state:
        raise ValueError(f"{path}: a finished checkpoint of a forecast is wanted; run the training to its end.")
    return state["forecaster"]
