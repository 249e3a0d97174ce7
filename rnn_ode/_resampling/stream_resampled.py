"""A stream of a network that runs at its own rate: `resampled` in blocks.

The network is applied at k·A/Q samples after the first one, k = 0, 1, …, in blocks of a fixed number of steps, so that its
states do not depend on how the samples come. What is read of a state is kept until no later result needs it. Result n lies
n·P/A steps after the first one. Places among samples and among steps are ratios of whole numbers, of which only a few have
different fractions: each of these has its weights computed once in a block.
"""

import math
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from .._base.compiled import compiled
from .._base.types import State
from .._cells.protocol import hoisted
from .._paths.sinc import offsets, sinc_weights
from .resampled import Window
from .stream_half_band import Doubled


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
        self._begun = False
        self._samples = Doubled(reads.half_width) if reads.half_band else None
        # what is read of the states; h0 is step −1
        self._outputs = Doubled(window.half_width, -1) if window.half_band else Rows(window, -1)

    @property
    def lead(self) -> float:
        """How many steps of the network a result waits for."""
        return self._window.reach

    @property
    def reach(self) -> float:
        """How many samples after its own time a step needs."""
        return self._reads.reach

    @property
    def newest(self) -> int:
        """The number of the newest sample that the next block reads."""
        whole, rest = divmod((self._steps + self._block - 1) * self._rates.step, self._rates.unit)
        return whole + math.floor(rest / self._rates.unit + self.reach)

    @property
    def oldest(self) -> int:
        """The number of the oldest sample that the next block reads."""
        if self._samples is not None:
            return self._samples.count
        return self._steps * self._rates.step // self._rates.unit - self._reads.half_width

    def next(self, samples: Float[np.ndarray, "k D"], begin: int, last: int) -> Float[np.ndarray, "n ..."]:
        """Apply the network `block` times, and return the results that this completes, often none.

        `samples` are those from number `begin` on, of which `last` is the last one: beyond it the input is held."""
        steps = np.arange(self._steps, self._steps + self._block)
        places = np.clip(steps * self._rates.step, 0, last * self._rates.unit)
        if self._samples is None:
            xs = read_at(samples, begin, places, self._rates.unit, self._reads, 0, last)
        else:
            new = np.arange(self._samples.count, self.newest + 1)
            self._samples.add(samples[np.minimum(new, last) - begin])
            xs = self._samples.read(places, self._rates.unit)
        if not self._begun:
            self._outputs.add(np.asarray(_output(self._model, xs[0], self._h))[None])
            self._begun = True
        self._h, rows = _run(self._model, self._h, xs)
        self._outputs.add(np.asarray(rows))
        self._steps += self._block
        return self._read()

    def _read(self) -> Float[np.ndarray, "n ..."]:
        """Return the results that the steps so far allow."""
        rates = self._rates
        part, whole = math.modf(self._window.reach)
        # a result has all its rows if it lies more than `reach` before the next step
        before = (self._steps - int(whole)) * rates.step - math.ceil(part * rates.step)
        until = max(self._results, -(-before // rates.result))
        places = np.arange(self._results, until) * rates.result
        self._results = until
        return self._outputs.read(places, rates.step)


class Rows:
    """Rows of a signal that come one after another, to be read by a window; row `first` is the first one."""

    def __init__(self, window: Window, first: int = 0):
        self._window = window
        self._low = self._begin = first
        self._rows: np.ndarray | None = None

    def add(self, rows: Float[np.ndarray, "k ..."]) -> None:
        self._rows = rows if self._rows is None else np.concatenate([self._rows, rows])

    def read(self, places: Int[np.ndarray, " n"], unit: int) -> Float[np.ndarray, "n ..."]:
        """Return the values at `places`/`unit`, increasing, and forget the rows that none at or after the last one needs."""
        assert self._rows is not None
        high = self._begin + len(self._rows) - 1
        read = read_at(self._rows, self._begin, places, unit, self._window, self._low, high)
        if len(places):
            oldest = max(self._begin, int(places[-1]) // unit - self._window.half_width)
            self._rows, self._begin = self._rows[oldest - self._begin :], oldest
        return read


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
