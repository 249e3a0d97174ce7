"""Windows of a series: short pieces of it, each a problem of forecasting.

A window gives `history` rows, skips the next `gap` rows, and asks for the `horizon` rows after them. The last row that
window i gives is row i + history − 1, and the first row that it asks for is row i + history + gap. With gap = 0 that is the
next row.
"""

from typing import Any

import equinox as eqx
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Int, Real

from ..._base.checks import brief, check_count, check_on_host
from ..._files.arrays import as_host_floats


class Windows(eqx.Module):
    """Windows of a series. `windows` makes all of them, `split` those of each part.

    **Fields:**

    - `inputs`: the rows that each window gives (n, history, D).
    - `targets`: the rows that it asks for (n, horizon, K), K = D unless only some columns are forecast.
    - `starts`: the row of the series with which it starts (n,).
    - `gap`: the number of rows skipped between inputs and targets.

    `windows[rows]`, for a slice or an array of indices, are those windows. `len(windows)` is n.

    ```python
    >>> import numpy as np
    >>> from rnn_ode import learn
    >>> every = learn.windows(np.arange(6.0)[:, None], history=2, gap=1, horizon=1)
    >>> len(every), every[np.array([0, 2])].targets.ravel().tolist()
    (3, [3.0, 5.0])

    ```
    """

    inputs: Float[np.ndarray, "n history D"]
    targets: Float[np.ndarray, "n horizon K"]
    starts: Int[np.ndarray, " n"]
    gap: int = eqx.field(static=True)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, rows: slice | np.ndarray) -> "Windows":
        return Windows(self.inputs[rows], self.targets[rows], self.starts[rows], self.gap)


def windows(values: Real[ArrayLike, "T D"], history: int, gap: int, horizon: int) -> Windows:
    """Cut a series into all of its windows, one from each row that has enough rows after it.

    **Arguments:**

    - `values`: the series (T, D), oldest row first.
    - `history`: how many rows a window gives, at least 1.
    - `gap`: how many rows it skips, at least 0.
    - `horizon`: how many rows it asks for, at least 1.

    **Returns:** `Windows` with n = T − (history + gap + horizon) + 1, in the floating type of `values`. Inputs and targets
    are read-only views into one copy of `values`, so they need no more memory than the series.

    **Raises:** `ValueError` for fewer than history + gap + horizon rows and for values that are not finite or not (T, D).

    ```python
    >>> import numpy as np
    >>> from rnn_ode import learn
    >>> every = learn.windows(np.arange(8.0)[:, None], history=3, gap=2, horizon=2)
    >>> every.inputs[..., 0].tolist(), every.targets[..., 0].tolist(), every.starts.tolist()
    ([[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]], [[5.0, 6.0], [6.0, 7.0]], [0, 1])

    ```
    """
    rows = np.array(as_series(values))
    span = window_length(history, gap, horizon)
    check_rows("values", len(rows), history, gap, horizon)
    views = np.lib.stride_tricks.sliding_window_view(rows, span, axis=0).transpose(0, 2, 1)
    return Windows(views[:, :history], views[:, history + gap :], np.arange(len(views)), gap)


def check_windows(function: str, name: str, value: Any) -> None:
    """Raise `TypeError` unless the value has inputs and targets, as windows do, known to a function on the host."""
    if not all(getattr(getattr(value, part, None), "ndim", 0) == 3 for part in ("inputs", "targets")):
        raise TypeError(f"{name} must be the Windows of learn.windows or learn.split; got {brief(value)}.")
    check_on_host(function, **{name: value.inputs})


def as_series(values: ArrayLike, name: str = "values") -> np.ndarray:
    """A series (T, D) as a floating array on the host."""
    rows = as_host_floats(name, values)
    if rows.ndim != 2:
        raise ValueError(f"{name} must have shape (T, D), a single column as {name}[:, None]; got {rows.shape}.")
    return rows


def window_length(history: int, gap: int, horizon: int) -> int:
    """The number of rows from the first to the last of a window."""
    check_count("history", history)
    check_count("gap", gap, 0)
    check_count("horizon", horizon)
    return history + gap + horizon


def check_rows(name: str, count: int, history: int, gap: int, horizon: int) -> None:
    """`ValueError` if there are too few rows for one window."""
    if count < history + gap + horizon:
        raise ValueError(
            f"{name} must have at least {history + gap + horizon} rows, for one window of history {history}, gap {gap} and "
            f"horizon {horizon}; got {count}."
        )
