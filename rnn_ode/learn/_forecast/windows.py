"""Windows of a series, and its parts for training, validation and test.

A window is a problem of forecasting: `history` rows are given, the next `gap` rows are skipped, and the `horizon` rows after
them are wanted. Row i + history − 1 is the last one given of window i, and i + history + gap the first one wanted, so that
gap = 0 is the next sample.
"""

from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PRNGKeyArray, Real

from ..._base.checks import as_number, check_count
from ..._files.arrays import as_host_floats

_Values = TypeVar("_Values", np.ndarray, Array)


class Windows(eqx.Module):
    """Windows of a series, of which `windows` makes all and `split` the parts.

    **Fields:** `inputs` (n, history, D); `targets` (n, horizon, D); `starts` (n,), each window's first row in the series;
    `gap`, the rows skipped between inputs and targets. `windows[rows]`, for a slice or an array of indices, is those windows,
    `len(windows)` is n.

    ```python
    >>> import numpy as np
    >>> from rnn_ode import learn
    >>> every = learn.windows(np.arange(6.0)[:, None], history=2, gap=1, horizon=1)
    >>> len(every), every[np.array([0, 2])].targets.ravel().tolist()
    (3, [3.0, 5.0])

    ```
    """

    inputs: Float[np.ndarray, "n history D"]
    targets: Float[np.ndarray, "n horizon D"]
    starts: Int[np.ndarray, " n"]
    gap: int = eqx.field(static=True)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, rows: slice | np.ndarray) -> "Windows":
        return Windows(self.inputs[rows], self.targets[rows], self.starts[rows], self.gap)


def windows(values: Real[ArrayLike, "T D"], history: int, gap: int, horizon: int) -> Windows:
    """All windows of a series, one starting at each row that has enough rows after it.

    **Arguments:** `values` (T, D), oldest first; `history` ≥ 1 rows given, `gap` ≥ 0 rows skipped, `horizon` ≥ 1 rows wanted.

    **Returns:** `Windows` with n = T − (history + gap + horizon) + 1, in the floating type of `values`. Inputs and targets
    are read-only views into one copy of `values`: with long histories too they cost no more memory than the series.

    **Raises:** `ValueError` for fewer than history + gap + horizon rows, for values that are not finite or not (T, D).

    ```python
    >>> import numpy as np
    >>> from rnn_ode import learn
    >>> every = learn.windows(np.arange(8.0)[:, None], history=3, gap=2, horizon=2)
    >>> every.inputs[..., 0].tolist(), every.targets[..., 0].tolist(), every.starts.tolist()
    ([[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]], [[5.0, 6.0], [6.0, 7.0]], [0, 1])

    ```
    """
    rows = np.array(_as_series(values))
    span = _span(history, gap, horizon)
    _require_rows("values", len(rows), history, gap, horizon)
    views = np.lib.stride_tricks.sliding_window_view(rows, span, axis=0).transpose(0, 2, 1)
    return Windows(views[:, :history], views[:, history + gap :], np.arange(len(views)), gap)


class Scaler(eqx.Module):
    """The map to mean 0 and standard deviation 1, column by column, and back.

    **Fields:** `mean` and `std` (D,), float64, in the units of the values; `std` divides by T, not T − 1. `Scaler.fit` takes
    them from values.

    ```python
    >>> import numpy as np
    >>> from rnn_ode import learn
    >>> scaler = learn.Scaler.fit(np.array([[1.0, 0.0], [3.0, 8.0]]))
    >>> scaler.transform(np.array([[3.0, 0.0]])).tolist(), scaler.inverse(np.array([[0.0, 0.5]])).tolist()
    ([[1.0, -1.0]], [[2.0, 6.0]])

    ```
    """

    mean: Float[np.ndarray | Array, " D"]
    std: Float[np.ndarray | Array, " D"]

    @classmethod
    def fit(cls, values: Real[ArrayLike, "T D"]) -> "Scaler":
        """The scaler of these values (T, D). `ValueError` naming the column that is constant."""
        rows = _as_series(values).astype(np.float64)
        for column in np.flatnonzero(np.ptp(rows, axis=0) == 0):
            raise ValueError(
                f"values cannot be scaled: column {column} is constant, {rows[0, column]}, in all of the {len(rows)} rows; "
                "a column that varies is wanted."
            )
        # in units of the largest deviation, whose square neither vanishes nor overflows
        size = np.abs(rows).max(axis=0)
        mean = size * (rows / size).mean(axis=0)
        size = np.abs(rows - mean).max(axis=0)
        return cls(mean, size * ((rows - mean) / size).std(axis=0))

    def transform(self, values: _Values) -> _Values:
        """Scaled values, of the same shape (…, D) and floating type; also traced ones."""
        mean, std = self._as_wide_as(values)
        return ((values - mean) / std).astype(values.dtype)

    def inverse(self, values: _Values) -> _Values:
        """What `transform` came from, of the same shape (…, D) and floating type; also traced values."""
        mean, std = self._as_wide_as(values)
        return (values * std + mean).astype(values.dtype)

    def _as_wide_as(self, values):
        if values.ndim == 0 or values.shape[-1] != len(self.mean):
            raise ValueError(f"values must have shape (…, {len(self.mean)}), as those fitted; got {values.shape}.")
        if not jnp.issubdtype(values.dtype, jnp.floating):
            raise TypeError(f"values must hold real floating-point numbers; got dtype {values.dtype}.")
        shape = (1,) * (values.ndim - 1) + (-1,)
        return self.mean.reshape(shape), self.std.reshape(shape)


class Split(eqx.Module):
    """What `split` makes of a series: the windows `train`, `validation` and `test`, in the series' own units, and `scaler`,
    the `Scaler` of the training windows' samples.

    ```python
    >>> from rnn_ode import datasets, learn
    >>> parts = learn.split(datasets.sunspots().values, history=20, gap=0, horizon=1)
    >>> parts.scaler.transform(parts.train.inputs).shape
    (176, 20, 1)

    ```
    """

    train: Windows
    validation: Windows
    test: Windows
    scaler: Scaler


def split(
    values: Real[ArrayLike, "T D"],
    *,
    history: int,
    gap: int,
    horizon: int,
    test: float = 0.3,
    validation: float = 0.1,
    key: PRNGKeyArray | None = None,
) -> Split:
    """The windows of a series in three parts, the test last in time.

    Test windows lie wholly within the last part of the rows, all others wholly before it: no sample that is tested or leads
    to a test has been trained or validated on. Of the others, the last in time validate, and train those that end before the
    first validation target (the histories may overlap: they would be known). With `key` a random share validates instead, and
    shares samples with training windows, as neighbouring windows do: it stops a training, but does not measure a forecast.

    **Arguments:** `values` (T, D), oldest first; `history`, `gap`, `horizon` as in `windows`; `test` the last part's share of
    the rows, between 0 and 1; `validation` the share of the other windows that validate, one at least, or 0 for none; `key`
    for `jax.random`, or `None`.

    **Returns:** a `Split`; each part's `starts` count the rows of `values`, in order.

    **Raises:** `ValueError` where a part has too few rows for one window, for shares out of range, and where the samples that
    train are constant in a column.

    ```python
    >>> from rnn_ode import datasets, learn
    >>> parts = learn.split(datasets.pendulum().values, history=100, gap=10, horizon=1)
    >>> len(parts.train), len(parts.validation), len(parts.test), parts.test.starts[0].item()
    (2421, 269, 1090, 2800)

    ```
    """
    rows, span = _as_series(values), _span(history, gap, horizon)
    test, validation = as_share("test", test, above_zero=True), as_share("validation", validation)
    cut = len(rows) - round(test * len(rows))
    _require_rows("the test part of values", len(rows) - cut, history, gap, horizon)
    _require_rows("the part of values before the test", cut, history, gap, horizon)

    every = windows(rows, history, gap, horizon)
    earlier = every[: cut - span + 1]
    count = max(1, round(validation * len(earlier))) if validation else 0
    if key is None:
        first = len(earlier) - count
        train, valid = earlier[: max(0, first - horizon + 1 if count else first)], earlier[first:]
    else:
        order = np.asarray(jax.random.permutation(key, len(earlier)))
        train, valid = earlier[np.sort(order[count:])], earlier[np.sort(order[:count])]
    if not len(train):
        raise ValueError(
            f"values must have more rows: before the test part there are {len(earlier)} windows, of which {count} validate, "
            "and none is left for training."
        )
    return Split(train, valid, every[cut:], Scaler.fit(rows[_used(train, len(rows))]))


def _used(train: Windows, count: int) -> np.ndarray:
    """Which of the series' rows are inputs or targets of these windows."""
    used = np.zeros(count, bool)
    history, horizon = train.inputs.shape[1], train.targets.shape[1]
    for offset in (*range(history), *range(history + train.gap, history + train.gap + horizon)):
        used[train.starts + offset] = True
    return used


def _as_series(values) -> np.ndarray:
    rows = as_host_floats("values", values)
    if rows.ndim != 2:
        raise ValueError(f"values must have shape (T, D), a single column as values[:, None]; got {rows.shape}.")
    return rows


def _span(history: int, gap: int, horizon: int) -> int:
    """The rows from a window's first to its last."""
    check_count("history", history)
    check_count("gap", gap, 0)
    check_count("horizon", horizon)
    return history + gap + horizon


def _require_rows(name: str, count: int, history: int, gap: int, horizon: int) -> None:
    if count < history + gap + horizon:
        raise ValueError(
            f"{name} must have at least {history + gap + horizon} rows, for one window of history {history}, gap {gap} and "
            f"horizon {horizon}; got {count}."
        )


def as_share(name: str, value: float, above_zero: bool = False) -> float:
    share = as_number(name, value)
    if not 0 <= share < 1 or (above_zero and share == 0):
        raise ValueError(
            f"{name} must be a share {'above' if above_zero else 'of at least'} 0 and below 1; got {share}."
        )
    return share
