"""What networks read beside the history: values known in advance, and the times of irregular samples."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .._models.times import host_times
from .windows import as_series

Beside = Callable[[np.ndarray], np.ndarray]
"""What a network reads beside the history: from the starts (n,) of windows, arrays (n, history, F)."""


class Known(eqx.Module):
    """Values (T + lead, F) that are known in advance, such as calendars, prices or plans. Beside each row of a history stands
    the value `lead` rows after it, so that the last one is that of the last row of the forecast."""

    values: Float[np.ndarray, "n F"]
    mean: Float[np.ndarray, " F"]
    std: Float[np.ndarray, " F"]
    lead: int
    history: int

    def __call__(self, starts: np.ndarray) -> Float[np.ndarray, "n history F"]:
        rows = starts[:, None] + self.lead + np.arange(self.history)
        return (self.values[rows] - self.mean) / self.std / 4


class Elapsed(eqx.Module):
    """The times of irregular samples, in units of the usual interval: the time since the row before, and the time from the
    last row of the history to each target. `along` has gap + horizon more entries than the series."""

    along: Float[np.ndarray, " n"]
    usual: float
    history: int
    gap: int
    horizon: int

    @classmethod
    def of(cls, times: np.ndarray, history: int, gap: int, horizon: int, usual: float | None = None) -> "Elapsed":
        """Of the times (T,) of a series. After its end they go on by the usual interval, by default the median."""
        steps = np.diff(times).astype("timedelta64[ns]").astype(float) if times.dtype.kind == "M" else np.diff(times)
        usual = float(np.median(steps)) if usual is None else usual
        along = np.concatenate([[0.0], np.cumsum(steps / usual)])
        return cls(np.concatenate([along, along[-1] + 1 + np.arange(gap + horizon)]), usual, history, gap, horizon)

    def __call__(self, starts: np.ndarray) -> Float[np.ndarray, "n history F"]:
        rows = starts[:, None] + np.arange(self.history)
        since = self.along[rows] - self.along[np.maximum(rows - 1, starts[:, None])]
        ends = starts + self.history - 1
        until = self.along[ends[:, None] + self.gap + 1 + np.arange(self.horizon)] - self.along[ends][:, None]
        return np.concatenate([since[:, :, None], np.repeat(until[:, None], self.history, axis=1)], axis=2)


def beside_of(
    known: Any, times: Any, count: int, past: int, history: int, gap: int, horizon: int
) -> Known | Elapsed | None:
    """What the networks read beside the history."""
    if known is not None and times is not None:
        raise ValueError("known and times cannot be used together.")
    if times is not None:
        stamps = host_times("times", times)
        if stamps.shape != (count,) or not (np.diff(stamps) > np.zeros((), np.diff(stamps).dtype)).all():
            raise ValueError(f"times must be {count} increasing times, one a row; got shape {stamps.shape}.")
        return Elapsed.of(stamps, history, gap, horizon)
    if known is None:
        return None
    values = as_series(known, "known")
    if len(values) < count + gap + horizon:
        raise ValueError(
            f"known must have {count + gap + horizon} rows, up to the end of the forecast; got {len(values)}."
        )
    values = np.asarray(values, float)
    std = values[:past].std(axis=0)
    return Known(values, values[:past].mean(axis=0), np.where(std > 0, std, 1.0), gap + horizon, history)
