"""A series in parts for training, validation and test."""

import equinox as eqx
import jax
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import PRNGKeyArray, Real

from ..._base.checks import as_number, check_key
from .scaler import Scaler
from .windows import Windows, as_series, check_rows, window_length, windows


class Split(eqx.Module):
    """The result of `split`: a series in three parts, in its own units.

    **Fields:**

    - `train`, `validation`, `test`: the `Windows` of each part.
    - `scaler`: the `Scaler` of the rows that are in training windows.

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
    """Split the windows of a series into training, validation and test, the test last in time.

    Test windows lie entirely in the last rows, all other windows entirely before them. So no row of a test window is used in
    training or validation. Of the other windows, the last ones in time are for validation. The windows that end before the
    first validation target are for training. The histories of the two may overlap, since a history is known when the forecast
    is made.

    With `key` random windows validate instead. Neighbouring windows share rows, so such a validation tells when to stop the
    training but does not measure a forecast.

    **Arguments:**

    - `values`: the series (T, D), oldest row first.
    - `history`, `gap`, `horizon`: as in `windows`.
    - `test`: the share of the rows, between 0 and 1, that are the test part. Default 0.3.
    - `validation`: the share of the other windows that validate, at least one window, or 0 for none. Default 0.1.
    - `key`: a key of `jax.random`, to choose the validation windows at random. Default `None`.

    **Returns:** a `Split`. The `starts` of each part are in order and count the rows of `values`.

    **Raises:** `ValueError` if a part has too few rows for one window, for shares out of range, and if a column of the
    training rows is constant.

    ```python
    >>> from rnn_ode import datasets, learn
    >>> parts = learn.split(datasets.pendulum().values, history=100, gap=10, horizon=1)
    >>> len(parts.train), len(parts.validation), len(parts.test), parts.test.starts[0].item()
    (2421, 269, 1090, 2800)

    ```
    """
    rows, span = as_series(values), window_length(history, gap, horizon)
    test, validation = as_share("test", test, above_zero=True), as_share("validation", validation)
    cut = len(rows) - round(test * len(rows))
    check_rows("the test part of values", len(rows) - cut, history, gap, horizon)
    check_rows("the part of values before the test", cut, history, gap, horizon)

    every = windows(rows, history, gap, horizon)
    earlier = every[: cut - span + 1]
    count = max(1, round(validation * len(earlier))) if validation else 0
    if key is None:
        first = len(earlier) - count
        train, valid = earlier[: max(0, first - horizon + 1 if count else first)], earlier[first:]
    else:
        check_key(key)
        order = np.asarray(jax.random.permutation(key, len(earlier)))
        train, valid = earlier[np.sort(order[count:])], earlier[np.sort(order[:count])]
    if not len(train):
        raise ValueError(
            f"values must have more rows: before the test part there are {len(earlier)} windows, of which {count} validate, "
            "and none is left for training."
        )
    return Split(train, valid, every[cut:], Scaler.fit(rows[_used(train, len(rows))]))


def _used(train: Windows, count: int) -> np.ndarray:
    """Whether each row of the series is an input or a target of these windows."""
    used = np.zeros(count, bool)
    history, horizon = train.inputs.shape[1], train.targets.shape[1]
    for offset in (*range(history), *range(history + train.gap, history + train.gap + horizon)):
        used[train.starts + offset] = True
    return used


def as_share(name: str, value: float, above_zero: bool = False) -> float:
    """A share as a float; `ValueError` below 0, from 1 on, and for 0 if it must be above."""
    share = as_number(name, value)
    if not 0 <= share < 1 or (above_zero and share == 0):
        raise ValueError(
            f"{name} must be a share {'above' if above_zero else 'of at least'} 0 and below 1; got {share}."
        )
    return share
