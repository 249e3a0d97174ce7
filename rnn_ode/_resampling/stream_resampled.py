"""A stream of a network that runs at its own rate: `resampled` in blocks.

The network is applied at k·A/Q samples after the first one, k = 0, 1, …, in blocks of a fixed number of steps, so that its
states do not depend on how the samples come. What is read of a state is kept until no later result needs it. Result n lies
n·P/A steps after the first one. Places among samples and among steps are ratios of whole numbers, of which only a few have
different fractions: each of these has its weights computed once in a block.
"""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from .._base.compiled import compiled
from .._base.types import State
from .._cells.protocol import hoisted
from .._paths.sinc import offsets, sinc_weights
from .resampled import Window


class Rates(NamedTuple):
    """P, A and Q: the distance of two results, a step of the network, and a sample, in common parts of a sample."""

    result: int
    step: int
    unit: int


class Resampling:
    """The steps and results of a stream, `block` steps at a time; `reads` is the window for the samples."""

    def __init__(self, model: Any, h0: State, rates: Rates, reads: Window, window: Window, block: int):
        self._model, self._h, self._rates = model, h0, rates
        self._reads, self._window, self._block = reads, window, block
        self._steps = 0  # of the network so far
        self._results = 0
        self._rows: np.ndarray | None = None  # what was read of the states from step `_first` on; h0 is step −1
        self._first = -1

    @property
    def lead(self) -> int:
        """How many steps of the network a result waits for."""
        return self._window.half_width

    @property
    def reach(self) -> int:
        """How many samples after its own time a step needs."""
        return self._reads.half_width

    @property
    def newest(self) -> int:
        """The number of the newest sample that the next block reads."""
        return (self._steps + self._block - 1) * self._rates.step // self._rates.unit + self._reads.half_width

    @property
    def oldest(self) -> int:
        """The number of the oldest sample that the next block reads."""
        return self._steps * self._rates.step // self._rates.unit - self._reads.half_width

    def next(self, samples: Float[np.ndarray, "k D"], begin: int, last: int) -> Float[np.ndarray, "n ..."]:
        """Apply the network `block` times, and return the results that this completes, often none.

        `samples` are those from number `begin` on, of which `last` is the last one: beyond it the input is held."""
        steps = np.arange(self._steps, self._steps + self._block)
        places = np.clip(steps * self._rates.step, 0, last * self._rates.unit)
        xs = read_at(samples, begin, places, self._rates.unit, self._reads, 0, last)
        if self._rows is None:
            self._rows = np.asarray(_output(self._model, xs[0], self._h))[None]
        self._h, rows = _run(self._model, self._h, xs)
        self._rows = np.concatenate([self._rows, np.asarray(rows)])
        self._steps += self._block
        return self._read()

    def _read(self) -> Float[np.ndarray, "n ..."]:
        """Return the results that the steps so far allow, and forget the rows that no later one needs."""
        assert self._rows is not None
        rates, width = self._rates, self._window.half_width
        known = self._steps - 1 - width  # results before the step after this one have all their rows
        until = max(self._results, -(-(known + 1) * rates.step // rates.result))
        places = np.arange(self._results, until) * rates.result
        rows = read_at(self._rows, self._first, places, rates.step, self._window, -1, self._steps - 1)
        self._results = until
        oldest = max(-1, until * rates.result // rates.step - width)
        self._rows, self._first = self._rows[oldest - self._first :], oldest
        return rows


def read_at(
    rows: Float[np.ndarray, "k ..."],
    first: int,
    places: Int[np.ndarray, " n"],
    unit: int,
    window: Window,
    low: int,
    high: int,
) -> Float[np.ndarray, "n ..."]:
    """Return the values at `places`/`unit` of rows that are numbered from `first` on; rows `low` and `high` hold beyond."""
    whole, rest = np.divmod(places, unit)
    phases, which = np.unique(rest, return_inverse=True)
    weights = sinc_weights((phases / unit).astype(rows.dtype)[:, None], window.half_width, window.beta, np).astype(
        rows.dtype
    )[which]
    taps = np.clip(whole[:, None] + offsets(window.half_width), low, high)
    # after the end the place is that of row `high`, and rows of weight 0 may be forgotten
    around = rows.reshape(len(rows), -1)[np.maximum(taps, first) - first]
    if not np.isfinite(around).all():  # nor does a row of weight 0 count where it is not finite
        around = np.where(weights[..., None] == 0, 0, around)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.matmul(weights[:, None], around)[:, 0].reshape(len(places), *rows.shape[1:])


@compiled
def _output(model: Any, x: Any, h: State) -> Any:
    return model[1](x, h)


@compiled
def _run(model: Any, h: State, xs: Any) -> tuple[State, Any]:
    """Return the last state, and what is read of every state and its input."""
    cell, output = model
    drive, step = hoisted(cell)

    def body(h: State, u: Any) -> tuple[State, State]:
        new = step(u, h)
        return new, new

    last, states = jax.lax.scan(body, h, jax.vmap(drive)(xs))
    return last, jax.vmap(output)(xs, states)
