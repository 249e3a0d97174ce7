"""Series with samples taken away."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from .split import as_share
from .windows import Windows


class Thinned(eqx.Module):
    """Histories of which some samples are missing: what `thin` makes of n windows.

    **Fields:** `ts` (n, most) when the samples that are there were taken, in rows of the window from 0 to `history` − 1;
    `xs` (n, most, D) those samples; `lengths` (n,) how many each window has, after which `ts` and `xs` are NaN; `history` how
    many rows a window has, so that the targets begin at the time `history` + `gap`.

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
        """Regular histories for a network that knows no times: D columns with the gaps filled, a mask, and the time since the
        last sample that is there (the inputs of GRU-D: Che et al., Scientific Reports 8 (2018) 6085).

        **Arguments:** `forward` whether a gap holds the sample before it; by default samples are joined by straight lines, so
        that a row in a gap knows the sample after it (no matter to `ManyToOne`, which reads the whole history).
        Before the first sample that is there its value stands, after the last one that one's. **Returns:** (n, history, D +
        2): after the values, 1 where the sample is there and 0 elsewhere, and the time in rows since the last one there, or
        before the first since the window's start.
        """
        return np.stack(
            [_fill(*window, self.history, forward) for window in zip(self.ts, self.xs, self.lengths, strict=True)]
        )


def thin(key: PRNGKeyArray, windows: Windows, share: float = 0.7) -> Thinned:
    """Takes samples away from the windows' histories at random.

    Each row of the series is away with probability `share`, or there, in all windows that hold it; a key takes the same rows
    from all parts of one `split`. A window of which nothing would be left keeps one sample. Targets stay as they are.

    **Arguments:** `key` for `jax.random`; `windows` of `learn.windows` or `learn.split`; `share` from 0 to below 1.

    **Returns:** a `Thinned`. **Raises:** `ValueError` for a share out of range and no windows.

    ```python
    >>> import jax
    >>> from rnn_ode import datasets, learn
    >>> parts = learn.split(datasets.lorenz(500).values, history=40, gap=0, horizon=5)
    >>> thinned = learn.thin(jax.random.key(0), parts.train)
    >>> thinned.lengths.min().item(), thinned.lengths.max().item(), thinned.filled().shape
    (5, 15, (271, 40, 5))

    ```
    """
    share = as_share("share", share)
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
    """A number between 0 and 1 for each row, which depends on the row alone."""
    return np.asarray(jax.vmap(lambda row: jax.random.uniform(jax.random.fold_in(key, row)))(jnp.arange(count)))


def _fill(ts, xs, length: int, history: int, forward: bool) -> Float[np.ndarray, "history columns"]:
    times, values, rows = ts[:length], xs[:length], np.arange(history)
    before = np.searchsorted(times, rows, side="right") - 1  # −1 before the first
    if forward:
        columns = values[np.maximum(before, 0)]
    else:
        columns = np.stack([np.interp(rows, times, column) for column in values.T], axis=1)
    mask = np.isin(rows, times)
    since = rows - np.where(before < 0, 0, times[before])
    return np.concatenate([columns, mask[:, None], since[:, None]], axis=1).astype(xs.dtype)
