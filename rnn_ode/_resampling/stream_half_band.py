"""Reading a signal by a half-band filter while it comes: `HalfBand` in blocks.

The filter carries what it needs from row to row, so that its results do not depend on the blocks.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._paths.half_band import Branches, at_rest, delay_of, doubled_step, doubled_weights, half_band
from .._paths.sinc import offsets

_AT_ONCE = 4096  # rows that are doubled in one call, at most


class Doubled:
    """The rows of a signal at twice its rate, from the first one on that is still to be read.

    Row `first` is the first one of all. `count` is the number of the next row that `add` takes."""

    def __init__(self, half_width: int, first: int = 0):
        self.count = first
        self._half_width = half_width
        self._begin = 2 * first  # the number of the first row of the doubled rate that is kept
        self._rows: np.ndarray | None = None
        self._carry: Branches = []

    def add(self, rows: Float[np.ndarray, "k ..."]) -> None:
        """Double the next k rows."""
        if self._rows is None:
            self._carry = at_rest(jnp.asarray(rows[0]))
            self._rows = np.zeros((0, *rows.shape[1:]), rows.dtype)
        parts = [self._rows]
        for begin in range(0, len(rows), _AT_ONCE):
            part = rows[begin : begin + _AT_ONCE]
            size = 1 << (len(part) - 1).bit_length()  # a few sizes, so that few are compiled
            padded = np.zeros((size, *part.shape[1:]), part.dtype)
            padded[: len(part)] = part
            self._carry, doubled = _doubled(self._carry, padded, np.asarray(len(part)))
            parts.append(np.asarray(doubled)[: len(part)].reshape(-1, *part.shape[1:]))
        self._rows = np.concatenate(parts)
        self.count += len(rows)

    def read(self, places: Int[np.ndarray, " n"], unit: int) -> Float[np.ndarray, "n ..."]:
        """Return the values at `places`/`unit`, increasing, and forget the rows that none at or after the last one needs."""
        assert self._rows is not None
        rows, whole, rest = self._rows, *np.divmod(places, unit)
        phases, which = np.unique(rest, return_inverse=True)
        steps, weights = doubled_weights((phases / unit).astype(rows.dtype)[:, None], self._half_width, np)
        first = 2 * whole + steps[which, 0].astype(int)
        taps = np.clip(first[:, None] + offsets(self._half_width) - self._begin, 0, len(rows) - 1)
        around = rows.reshape(len(rows), -1)[taps]
        read = np.matmul(weights.astype(rows.dtype)[which][:, None], around)[:, 0].reshape(len(places), *rows.shape[1:])
        if len(places):
            oldest = 2 * int(whole[-1]) + int(delay_of(half_band())) - self._half_width
            self._rows = rows[max(0, oldest - self._begin) :]
            self._begin = max(oldest, self._begin)
        return read


@jax.jit
def _doubled(carry: Branches, rows: Array, count: Any) -> tuple[Branches, Array]:
    """Return what the filter carries after the first `count` rows, and all rows doubled (k, 2, …)."""

    def body(carry: Branches, numbered: tuple[Array, Array]) -> tuple[Branches, Array]:
        i, row = numbered
        new, pair = doubled_step(carry, row)
        return jax.tree.map(lambda a, b: jnp.where(i < count, a, b), new, carry), pair

    return jax.lax.scan(body, carry, (jnp.arange(rows.shape[0]), rows))
