"""A stream of a network whose feedback is a sum of earlier results: `fitted_feedback` in blocks.

What it carries is the last few results. Where a result has the stamp of a sample, it waits for no other sample.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .._base.compiled import compiled
from .._base.types import State
from .._cells.protocol import hoisted
from .fitted import Weights, fed_back, slots_of
from .resampled import Window
from .stream_resampled import Rates, read_at


class Feedback:
    """The results of a stream, `block` at a time; `reads` is the window for the samples."""

    def __init__(
        self, model: Any, h0: State, rates: Rates, reads: Window, weights: tuple[Weights, Weights], block: int
    ):
        self._model, self._rates, self._block = model, rates, block
        self._weights = tuple(np.asarray(part) for part in weights)
        self._ring = [h0] * slots_of(*weights)
        self._reads = reads._replace(half_width=1) if at_samples(rates) else reads
        self._results = 0

    lead = 0
    """How many steps of the network a result waits for."""

    @property
    def reach(self) -> int:
        """How many samples after its own time a result needs."""
        return 0 if at_samples(self._rates) else self._reads.half_width

    @property
    def newest(self) -> int:
        """The number of the newest sample that the next block reads."""
        return (self._results + self._block - 1) * self._rates.result // self._rates.unit + self.reach

    @property
    def oldest(self) -> int:
        """The number of the oldest sample that the next block reads."""
        return self._results * self._rates.result // self._rates.unit - self._reads.half_width

    def next(self, samples: Float[np.ndarray, "k D"], begin: int, last: int) -> Float[np.ndarray, "n ..."]:
        """Return the next results.

        `samples` are those from number `begin` on, of which `last` is the last one: beyond it the input is held."""
        before, rest = divmod(self._results * self._rates.result, self._rates.unit)
        places = np.minimum(rest + self._rates.result * np.arange(self._block), (last - before) * self._rates.unit)
        xs = read_at(samples, begin - before, places, self._rates.unit, self._reads, -before, last - before)
        self._ring, rows = _run(self._model, self._ring, xs, *self._weights)
        self._results += self._block
        return np.asarray(rows)


def at_samples(rates: Rates) -> bool:
    """Whether every result has the stamp of a sample, so that the input is not read between them."""
    return rates.result % rates.unit == 0


@compiled
def _run(model: Any, ring: list[State], xs: Any, predict: Any, correct: Any) -> tuple[list[State], Any]:
    """Return the last results, and what is read of every state and its input."""
    cell, output = model
    drive, step = hoisted(cell)

    def body(results: list[State], row: Any) -> tuple[list[State], Any]:
        x, u = row
        new = fed_back(step, results, u, predict, correct)
        return [new, *results[:-1]], output(x, new)

    return jax.lax.scan(body, ring, (jnp.asarray(xs), jax.vmap(drive)(xs)))
