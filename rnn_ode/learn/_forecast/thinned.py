"""Windows with samples taken away at random, to test what irregular times cost."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from ..._base.checks import check_flag, check_key
from .split import as_share
from .windows import Windows, check_windows


class Thinned(eqx.Module):
    """The histories of n windows with some samples missing. `thin` makes them.

    **Fields:**

    - `ts`: the times (n, most) of the samples that remain, in rows from 0 to `history` − 1. After the samples of a window,
      `ts` and `xs` are NaN.
    - `xs`: those samples (n, most, D).
    - `lengths`: how many samples each window has (n,).
    - `history`: how many rows a window had, so that the targets begin at the time `history` + `gap`.

    ```python
    >>> import jax, numpy as np
    >>> from rnn_ode import learn
    >>> every = learn.windows(np.arange(8.0)[:, None], history=5, gap=0, horizon=1)
    >>> thinned = learn.thin(jax.random.key(10), every, 0.5)
    >>> thinned.ts[0].tolist(), thinned.xs[0, :, 0].tolist()
    ([0.0, 3.0, nan], [0.0, 3.0, nan])
    >>> thinned.filled()[0].T.tolist()
    [[0.0, 1.0, 2.0, 3.0, 3.0], [1.0, 0.0, 0.0, 1.0, 0.0], [0.0, 1.0, 2.0, 0.0, 1.0]]

    ```
    """

    ts: Float[np.ndarray, "n most"]
    xs: Float[np.ndarray, "n most D"]
    lengths: Int[np.ndarray, " n"]
    history: int = eqx.field(static=True)

    def filled(self, forward: bool = False) -> Float[np.ndarray, "n history columns"]:
        """Fill the gaps, for a network that does not know times: the inputs of GRU-D (Che et al., Scientific Reports 8
        (2018) 6085).

        **Arguments:**

        - `forward`: whether a gap repeats the sample before it. By default samples are joined by straight lines, so a row in
          a gap depends on the sample after it; to `ManyToOne`, which reads the whole history, that makes no difference.

        Before the first sample a row has the value of the first sample; after the last sample, that of the last one.

        **Returns:** columns (n, history, D + 2): the D values; 1 where a sample remains and 0 elsewhere; and the time in
        rows since the last sample, or, before the first sample, since the start of the window.
        """
        check_flag("forward", forward)
        return np.stack(
            [
                _filled_window(*window, self.history, forward)
                for window in zip(self.ts, self.xs, self.lengths, strict=True)
            ]
        )


def thin(key: PRNGKeyArray, windows: Windows, share: float = 0.7) -> Thinned:
    """Take samples away from the histories of windows at random.

    Each row of the series is missing with probability `share`, and then it is missing in all windows that contain it. A key
    removes the same rows from all parts of one `split`. A window that would be left empty keeps one sample. The targets
    stay as they are.

    **Arguments:**

    - `key`: a key of `jax.random`.
    - `windows`: `Windows` of `learn.windows` or `learn.split`.
    - `share`: the probability that a row is missing, from 0 to below 1. Default 0.7.

    **Returns:** a `Thinned`.

    **Raises:** `ValueError` for a share out of range and for no windows.

    ```python
    >>> import jax
    >>> from rnn_ode import datasets, learn
    >>> parts = learn.split(datasets.lorenz(500).values, history=40, gap=0, horizon=5)
    >>> thinned = learn.thin(jax.random.key(0), parts.train)
    >>> thinned.lengths.min().item(), thinned.lengths.max().item(), thinned.filled().shape
    (5, 15, (271, 40, 5))

    ```
    """
    check_key(key)
    share = as_share("share", share)
    check_windows("thin", "windows", windows)
    if not len(windows):
        raise ValueError("windows must hold at least one window; there is none.")
    n, history, _ = windows.inputs.shape
    rows = windows.starts[:, None] + np.arange(history)
    draws = _draws(key, rows.max() + 1)[rows]
    there = (draws >= share) | (draws == draws.max(axis=1, keepdims=True))
    lengths = there.sum(axis=1)
    order = np.argsort(~there, axis=1, kind="stable")[:, : lengths.max()]
    counts = np.arange(order.shape[1]) < lengths[:, None]
    kind = windows.inputs.dtype
    ts = np.where(counts, order, np.nan).astype(kind)
    xs = np.where(counts[:, :, None], windows.inputs[np.arange(n)[:, None], order], np.nan).astype(kind)
    return Thinned(ts, xs, lengths, history)


def _draws(key: PRNGKeyArray, count: int) -> Float[np.ndarray, " count"]:
    """A random number between 0 and 1 for each row. It depends only on the key and the number of the row."""
    return np.asarray(jax.vmap(lambda row: jax.random.uniform(jax.random.fold_in(key, row)))(jnp.arange(count)))


def _filled_window(
    ts: np.ndarray, xs: np.ndarray, length: int, history: int, forward: bool
) -> Float[np.ndarray, "history columns"]:
    """One window of `Thinned.filled`."""
    times, values, rows = ts[:length], xs[:length], np.arange(history)
    before = np.searchsorted(times, rows, side="right") - 1  # −1 before the first
    if forward:
        columns = values[np.maximum(before, 0)]
    else:
        columns = np.stack([np.interp(rows, times, column) for column in values.T], axis=1)
    mask = np.isin(rows, times)
    since = rows - np.where(before < 0, 0, times[before])
    return np.concatenate([columns, mask[:, None], since[:, None]], axis=1).astype(xs.dtype)
