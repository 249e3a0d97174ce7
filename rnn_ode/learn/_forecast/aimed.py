"""Which columns and which windows of a series a forecast is about."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..._base.checks import as_array, brief
from .split import Split
from .windows import Windows

_MOST_WINDOWS = 50_000  # of each part; those of a longer series are taken evenly
_FEWEST = 10  # windows of a part, or half of a short one, that must be left without filled values


def varying(
    rows: np.ndarray, test: float, targets: Sequence[int] | None, columns: Sequence[str]
) -> tuple[np.ndarray, tuple[int, ...], tuple[int, ...], tuple[str, ...], tuple[str, ...]]:
    """The rows without the columns that are constant before the test; their numbers; those to forecast among them; the names
    of the columns left out, and of those that are forecast."""
    width = rows.shape[1]
    wanted = list(range(width)) if targets is None else list(targets) if np.iterable(targets) else [targets]
    if any(isinstance(column, bool) or not isinstance(column, int | np.integer) for column in wanted):
        raise TypeError(f"targets must be numbers of columns, from 0 to {width - 1}; got {brief(targets)}.")
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


def chosen(part: Any, used: tuple[int, ...], filled: np.ndarray) -> Any:
    """The windows that count, with only the targets that are forecast: those without filled values where these would tell of
    a target, and of many of them some, evenly."""
    if not isinstance(part, Windows):
        return part
    rows = np.flatnonzero(~_touched(part, used, filled))
    if len(rows) > _MOST_WINDOWS:
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, _MOST_WINDOWS).astype(int))]
    some = part if len(rows) == len(part) else part[rows]
    if len(used) == part.targets.shape[2]:
        return some
    return Windows(some.inputs, some.targets[:, :, list(used)], some.starts, some.gap)


def in_the_way(parts: Split, used: tuple[int, ...], filled: np.ndarray) -> tuple[np.ndarray, str]:
    """The filled values that keep windows out, and a sentence on this. If too few windows were left, none does."""
    if not filled.any():
        return filled, ""
    share = f"{filled.mean():.1%} of the values"
    for part in (parts.train, parts.validation, parts.test):
        if (~_touched(part, used, filled)).sum() < min(_FEWEST, len(part) / 2):
            return np.zeros_like(filled), (
                f"{share} are filled. They are in nearly all windows, so that they count like measured ones. "
                "The errors may be too small: a value that was filled from those after it tells of the future."
            )
    out = int(_touched(parts.test, used, filled).sum())
    return filled, (
        f"{share} are filled. Windows whose history ends with such a value, or that ask for one, are "
        f"left out: {out} of {len(parts.test)} in the test."
    )


def _touched(part: Windows, used: tuple[int, ...], filled: np.ndarray) -> np.ndarray:
    """Whether a target of each window is filled, or the last row of its history, by which a line leads to the next value."""
    after = part.starts + part.inputs.shape[1]
    targets = after[:, None] + part.gap + np.arange(part.targets.shape[1])
    ends, asked = np.any(filled, axis=1), np.any(filled[:, list(used)], axis=1)
    return np.logical_or(ends[after - 1], asked[targets].any(axis=1))


def as_filled(filled: Any, shape: tuple[int, int]) -> np.ndarray:
    """Which values of a series of this shape are filled; `ValueError` for another shape or type."""
    if filled is None:
        return np.zeros(shape, bool)
    found = as_array("filled", filled)
    if found.shape != shape or found.dtype != bool:
        raise ValueError(
            f"filled must be True or False for each of the values, {shape}; got {found.dtype} of shape {found.shape}."
        )
    return found
