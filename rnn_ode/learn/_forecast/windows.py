"""Windows of a series, and its parts for training, validation and test.

A window is a problem of forecasting: `history` rows are given, the next `gap` rows are skipped, and the `horizon` rows after
them are wanted. Row i + history − 1 is the last one given of window i, and i + history + gap the first one wanted, so that
gap = 0 is the next sample.
"""

import equinox as eqx
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Int, Real

from ..._base.checks import check_count
from ..._files.arrays import as_host_floats


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
    rows = np.array(as_series(values))
    span = as_span(history, gap, horizon)
    check_rows("values", len(rows), history, gap, horizon)
    views = np.lib.stride_tricks.sliding_window_view(rows, span, axis=0).transpose(0, 2, 1)
    return Windows(views[:, :history], views[:, history + gap :], np.arange(len(views)), gap)


def as_series(values) -> np.ndarray:
    rows = as_host_floats("values", values)
    if rows.ndim != 2:
        raise ValueError(f"values must have shape (T, D), a single column as values[:, None]; got {rows.shape}.")
    return rows


def as_span(history: int, gap: int, horizon: int) -> int:
    """The rows from a window's first to its last."""
    check_count("history", history)
    check_count("gap", gap, 0)
    check_count("horizon", horizon)
    return history + gap + horizon


def check_rows(name: str, count: int, history: int, gap: int, horizon: int) -> None:
    if count < history + gap + horizon:
        raise ValueError(
            f"{name} must have at least {history + gap + horizon} rows, for one window of history {history}, gap {gap} and "
            f"horizon {horizon}; got {count}."
        )
