"""Which columns and which windows of a series a forecast is about."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .split import Split
from .windows import Windows

_MOST_WINDOWS = 50_000  # of each part; those of a longer series are taken evenly


def varying(
    rows: np.ndarray, test: float, targets: Sequence[int] | None, columns: Sequence[str]
) -> tuple[np.ndarray, tuple[int, ...], tuple[int, ...], tuple[str, ...], tuple[str, ...]]:
    """The rows without the columns that are constant before the test; their numbers; those to forecast among them; the names
    of the columns left out, and of those that are forecast."""
    width = rows.shape[1]
    wanted = list(range(width)) if targets is None else list(targets)
    if not wanted or len(set(wanted)) < len(wanted) or not set(wanted) <= set(range(width)):
        raise ValueError(f"targets must be different numbers of columns from 0 to {width - 1}; got {wanted}.")
    if columns and len(columns) != width:
        raise ValueError(f"columns must be {width} names, one a column; got {len(columns)}.")
    names = list(columns) or [str(column) for column in range(width)]
    before = rows[: max(1, len(rows) - round(test * len(rows)))] if isinstance(test, float) else rows
    constant = np.ptp(before, axis=0) == 0
    if constant[wanted].all():
        constant = np.zeros(width, bool)  # refused by the scaler, which names the column
    kept = [column for column in range(width) if not constant[column]]
    used = tuple(kept.index(column) for column in wanted if column in kept)
    skipped = tuple(names[column] for column in np.flatnonzero(constant))
    return rows[:, kept].astype(float), tuple(kept), used, skipped, tuple(names[kept[column]] for column in used)


def thinned(part: Windows) -> Windows:
    if len(part) <= _MOST_WINDOWS:
        return part
    return part[np.unique(np.linspace(0, len(part) - 1, _MOST_WINDOWS).astype(int))]


def few(parts: Split) -> Split:
    return Split(thinned(parts.train), thinned(parts.validation), thinned(parts.test), parts.scaler)


def aimed(part: Any, used: tuple[int, ...]) -> Any:
    """The windows with only the targets that are forecast."""
    if not isinstance(part, Windows) or len(used) == part.targets.shape[2]:
        return part
    return Windows(part.inputs, part.targets[:, :, list(used)], part.starts, part.gap)
