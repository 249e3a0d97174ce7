"""The season's profile: what each place in the season adds to a trend, on average."""

import numpy as np
from jaxtyping import Float

from .windows import Windows


def profile_of(rows: Float[np.ndarray, "T D"], season: int) -> Float[np.ndarray, "season D"]:
    """What each place of the season adds, with mean 0: the median of the differences from a moving mean over a season.

    It is the additive decomposition of Hyndman & Athanasopoulos, Forecasting: Principles and Practice (3rd ed., 2021, section
    3.4), with means. The first row is at place 0.
    """
    weights = np.ones(season + 1 - season % 2)
    if season % 2 == 0:
        weights[[0, -1]] = 0.5
    half = len(weights) // 2
    trend = np.stack([np.convolve(column, weights / season, "valid") for column in rows.T], axis=1)
    apart = rows[half : half + len(trend)] - trend
    places = (np.arange(len(apart)) + half) % season
    found = np.stack([apart[places == place].mean(axis=0) for place in range(season)])
    return found - found.mean(axis=0)


def without(windows: Windows, profile: Float[np.ndarray, "season D"], columns: list[int]) -> Windows:
    """The windows less the profile; their targets are those columns."""
    history, horizon = windows.inputs.shape[1], windows.targets.shape[1]
    first = history + windows.gap
    return Windows(
        windows.inputs - at_rows(profile, windows.starts, 0, history),
        windows.targets - at_rows(profile, windows.starts, first, horizon)[:, :, columns],
        windows.starts,
        windows.gap,
    )


def at_rows(
    profile: Float[np.ndarray, "season D"], starts: np.ndarray, first: int, count: int
) -> Float[np.ndarray, "n count D"]:
    """The profile in the rows from start + first on."""
    return profile[(starts[:, None] + first + np.arange(count)) % len(profile)]


def rows_before(rows: Float[np.ndarray, "T D"], windows: Windows) -> Float[np.ndarray, "t D"]:
    """The rows of the series up to the end of the last history. The windows may be some of all."""
    return rows[: windows.starts.max() + windows.inputs.shape[1]]
