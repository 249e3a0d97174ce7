"""The files of `rnn-ode resample`: a recording or a csv series as input, and an output of the same kind, in blocks."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..audio import Recording, recording_writer
from ..audio._formats import subtype_for
from ..datasets import Series, load_csv


@dataclasses.dataclass(frozen=True)
class Table:
    """A csv series with the interface of an `audio.Recording`; `rate` in samples per time unit, `reading` what `load_csv`
    is told beside the columns."""

    path: Path
    rate: Fraction
    columns: Sequence[str] | None = None
    reading: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @cached_property
    def series(self) -> Series:
        return load_csv(self.path, self.columns, **self.reading)

    @property
    def values(self) -> np.ndarray:
        return self.series.values

    @property
    def channels(self) -> int:
        return self.values.shape[1]

    @property
    def frames(self) -> int:
        return len(self.values)

    def blocks(self, size: int = 65_536) -> Iterator[np.ndarray]:
        yield from (self.values[i : i + size] for i in range(0, self.frames, size))


Source = Recording | Table


def with_constants(block: np.ndarray, hold: Sequence[float]) -> np.ndarray:
    """The network's input (n, D): samples of the file (n, channels), and constants as the last channels."""
    return np.hstack([block, np.broadcast_to(np.asarray(hold, float), (len(block), len(hold)))])


def survey(source: Source, hold: Sequence[float], excerpt: tuple[float, int]) -> tuple[np.ndarray, np.ndarray]:
    """Read the whole file once: the mean input (D,), and the beginning of the input (n, D).

    The beginning has the seconds or the samples of `excerpt`, whichever are more.
    """
    seconds, samples = excerpt
    size = max(math.ceil(seconds * source.rate), samples)
    total, head = np.zeros(source.channels), []
    for block in source.blocks():
        total += block.sum(axis=0)
        keep_up_to(size, head, block)
    return with_constants((total / source.frames)[None], hold)[0], with_constants(np.concatenate(head), hold)


def keep_up_to(most: int, parts: list[np.ndarray], rows: np.ndarray) -> None:
    """Append rows to the parts until these have `most` rows. Rows are copied: a view would keep the whole block."""
    left = most - sum(map(len, parts))
    if left > 0:
        parts.append(rows[:left].copy())


@contextlib.contextmanager
def writer(
    path: Path, source: Source, rate: Fraction, channels: int, subtype: str | None, frames: int
) -> Iterator[Callable[[np.ndarray], int]]:
    """Yields a function that appends rows (n, channels) to a new file of the source's kind.

    It returns how many samples it clipped. `frames` is the approximate number of rows.
    """
    if isinstance(source, Recording):
        subtype = subtype or subtype_for(path, source.subtype)
        with recording_writer(path, int(rate), channels, subtype, frames) as write:
            yield write
        return
    with path.open("w", encoding="utf-8") as file:
        names = ["output"] if channels == 1 else [f"output{m}" for m in range(channels)]
        file.write(",".join(["time", *names]) + "\n")
        done = 0

        def append(rows: np.ndarray) -> int:
            nonlocal done
            for row in rows.tolist():
                file.write(",".join(map(repr, [float(done / rate), *row])) + "\n")
                done += 1
            return 0

        yield append
