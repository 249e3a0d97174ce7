"""A series in parts for training, validation and test."""

import equinox as eqx
import jax
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import PRNGKeyArray, Real

from ..._base.checks import as_number
from .scaler import Scaler
from .windows import Windows, as_series, as_span, check_rows, windows


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
    rows, span = as_series(values), as_span(history, gap, horizon)
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


def as_share(name: str, value: float, above_zero: bool = False) -> float:
    share = as_number(name, value)
    if not 0 <= share < 1 or (above_zero and share == 0):
        raise ValueError(
            f"{name} must be a share {'above' if above_zero else 'of at least'} 0 and below 1; got {share}."
        )
    return share
