"""A series as networks and baselines see it: its parts, the windows that count, and what is read beside the histories."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from .aimed import as_filled, chosen, in_the_way, varying
from .beside import Elapsed, Known, beside_of
from .split import Split, split
from .windows import Windows, as_series, windows


@dataclass(frozen=True)
class Material:
    """What the networks learn from, and what they are tested on.

    **Fields:**

    - `rows`: the columns (T, D) that vary; `kept`, their numbers among the `width` ones of the series.
    - `used`: the columns of `rows` that are forecast, and their `names`; `skipped`, the names of those left out.
    - `parts`: the windows that count, of training, validation and test; `earlier`, all of them before the test.
    - `cut`: how many rows are before the test.
    - `season`: rows per season.
    - `filled`: which values of `rows` are filled; `in_the_way`, those of them that keep windows out; `about_filled`, a
      sentence on this.
    - `beside`: what the networks read beside the histories.
    - `index`: the times (T,) of the rows, or `None`.
    """

    rows: Float[np.ndarray, "T D"]
    width: int
    kept: tuple[int, ...]
    used: tuple[int, ...]
    names: tuple[str, ...]
    skipped: tuple[str, ...]
    parts: Split
    earlier: Windows
    cut: int
    season: int
    filled: Bool[np.ndarray, "T D"]
    in_the_way: Bool[np.ndarray, "T D"]
    about_filled: str
    beside: Known | Elapsed | None
    index: np.ndarray | None

    @property
    def history(self) -> int:
        return self.parts.test.inputs.shape[1]

    @property
    def gap(self) -> int:
        return self.parts.test.gap

    @property
    def horizon(self) -> int:
        return self.parts.test.targets.shape[1]

    @property
    def inputs(self) -> int:
        """How many numbers a network reads in each row."""
        beside = 0 if self.beside is None else self.beside(self.parts.train.starts[:1]).shape[2]
        return self.rows.shape[1] + beside

    @property
    def selective(self) -> bool:
        """Whether the networks read more than they forecast."""
        return self.beside is not None or len(self.used) < self.rows.shape[1]

    @property
    def digest(self) -> str:
        """A text that is another one for other rows."""
        return hashlib.sha256(self.rows.tobytes()).hexdigest()[:16]

    @property
    def past(self) -> Float[np.ndarray, "cut K"]:
        """The columns that are forecast, before the test."""
        return self.rows[: self.cut, list(self.used)]

    @property
    def gaps(self) -> Bool[np.ndarray, "cut K"] | None:
        """Which values of `past` are filled; `None` if no value of the series is."""
        return self.filled[: self.cut, list(self.used)] if self.filled.any() else None

    def last(self) -> tuple[Float[np.ndarray, "1 history D"], Int[np.ndarray, " 1"]]:
        """The last history of the series, and the row with which it starts."""
        first = len(self.rows) - self.history
        return self.rows[None, first:], np.array([first])

    def every(self) -> Windows:
        """All windows of the series that count, those of the test included."""
        return chosen(windows(self.rows, self.history, self.gap, self.horizon), self.used, self.in_the_way)


def material_of(
    values: Any,
    *,
    history: int,
    gap: int,
    horizon: int,
    test: float,
    validation: float,
    key: PRNGKeyArray | None,
    season: int,
    targets: Sequence[int] | None,
    columns: Sequence[str],
    filled: Any,
    known: Any,
    times: Any,
    index: np.ndarray | None,
) -> Material:
    """The material in the arguments of `forecast`. With a `key` random windows validate."""
    rows, kept, used, skipped, names = varying(as_series(values), test, targets, columns)
    every = split(rows, history=history, gap=gap, horizon=horizon, test=test, validation=validation, key=key)
    cut = int(every.test.starts[0])
    lost = as_filled(filled, np.shape(values))[:, list(kept)]
    barred, about_filled = in_the_way(every, used, lost)
    parts, earlier = jax.tree.map(
        lambda part: chosen(part, used, barred),
        (every, windows(rows[:cut], history, gap, horizon)),
        is_leaf=lambda x: isinstance(x, Windows),
    )
    if cut <= season:
        raise ValueError(f"training must have more rows than season, {season}; got {cut}.")
    if index is not None and index.shape != (len(rows),):
        raise ValueError(f"index must be {len(rows)} times, one a row; got shape {index.shape}.")
    beside = beside_of(known, times, len(rows), cut, history, gap, horizon)
    return Material(
        rows=rows,
        width=np.shape(values)[1],
        kept=kept,
        used=used,
        names=names,
        skipped=skipped,
        parts=parts,
        earlier=earlier,
        cut=cut,
        season=season,
        filled=lost,
        in_the_way=barred,
        about_filled=about_filled,
        beside=beside,
        index=index,
    )
