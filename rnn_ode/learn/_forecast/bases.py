"""Forecasts that are affine functions of the history, on which networks build.

Networks learn the rest that such a forecast leaves, so that a trend or a season need not be learnt (Zhang, Neurocomputing 50
(2003) 159; Smyl, International Journal of Forecasting 36 (2020) 75). The candidates are the simple methods of `baselines.py`,
levels smoothed exponentially, with half of the trend as in the Theta method (Hyndman & Billah, International Journal of
Forecasting 19 (2003) 287), and linear autoregressions of several orders. Rolling validation chooses: each candidate is fitted
to the first windows and tried on those that follow, four times. The best ones of different
kinds are averaged.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .profile import at_rows, profile_of, rows_before, without
from .windows import Windows

_MOST = 5000  # windows to which candidates are fitted
_FOLDS = 4
_AVERAGED = 5  # candidates at most
_EXACT = 1e-9  # an error, in standard deviations, that is but rounding; an average would have more
_SIMPLEST = "the last value"
_RATES = (0.1, 0.2, 0.35, 0.5, 0.7)


class Base(eqx.Module):
    """An affine forecast.

    **Fields:** `weights` (history, D, horizon, K) of each input for each target; `intercept` (horizon, K); `names`, what is
    averaged in it.
    """

    weights: Float[np.ndarray, "history D horizon K"]
    intercept: Float[np.ndarray, "horizon K"]
    names: tuple[str, ...] = eqx.field(static=True)

    def __call__(self, inputs: Float[np.ndarray, "n history D"]) -> Float[np.ndarray, "n horizon K"]:
        return np.tensordot(inputs, self.weights, 2) + self.intercept


@dataclass(frozen=True)
class Candidate:
    """A way to make a `Base`: fixed `weights` (history, horizon) of each column alone, or a regression on the last `order`
    rows, of each column alone or of all (`together`), of the values or of their differences from the last one (`moving`).
    With neither it is the mean of the series."""

    name: str
    weights: np.ndarray | None = None
    order: int = 0
    together: bool = False
    moving: bool = False

    @property
    def family(self) -> str:
        """The name without its numbers."""
        return re.sub(r"[\d.]+", "", self.name)

    def fit(self, train: Windows, targets: Sequence[int]) -> Base:
        """The forecast, fitted to windows whose values are as the networks see them: logarithms, if these are taken."""
        history, width = train.inputs.shape[1:]
        horizon = train.targets.shape[1]
        weights = np.zeros((history, width, horizon, len(targets)))
        intercept = np.zeros((horizon, len(targets)))
        if self.weights is not None:
            for k, column in enumerate(targets):
                weights[:, column, :, k] = self.weights
            return Base(weights, intercept, (self.name,))
        few = _thinned(train, _MOST)
        if self.order == 0:
            return Base(weights, intercept + _mean(few, targets), (self.name,))
        for k, column in enumerate(targets):
            sources = range(width) if self.together else [column]
            found, constant = _regression(few, sources, column, k, self.order, self.moving)
            for source, part in zip(sources, found, strict=True):
                weights[history - self.order :, source, :, k] = part
            if self.moving:  # the weights are those of differences from the last value
                for source, part in zip(sources, found, strict=True):
                    weights[-1, source, :, k] -= part.sum(axis=0)
                weights[-1, column, :, k] += 1
            intercept[:, k] = constant
        return Base(weights, intercept, (self.name,))


def _regression(
    train: Windows, sources: Sequence[int], column: int, k: int, order: int, moving: bool
) -> tuple[list[np.ndarray], np.ndarray]:
    """Least squares: for each source the weights (order, horizon), and the intercept (horizon,)."""
    inputs = train.inputs[:, -order:, list(sources)].astype(float)
    wanted = train.targets[:, :, k].astype(float)
    if moving:
        wanted = wanted - train.inputs[:, -1:, column]
        inputs = inputs - inputs[:, -1:]
    unit = inputs.std(axis=(0, 1))
    unit = np.where(unit > 0, unit, 1.0)
    flat = (inputs / unit).transpose(0, 2, 1).reshape(len(inputs), -1)
    centre, level = flat.mean(axis=0), wanted.mean(axis=0)
    found = np.linalg.lstsq(flat - centre, wanted - level)[0]
    parts = found.reshape(len(unit), order, -1)
    return [part / one for part, one in zip(parts, unit, strict=True)], level - centre @ found


def _mean(train: Windows, targets: Sequence[int]) -> np.ndarray:
    return train.inputs[:, :, list(targets)].astype(float).mean(axis=(0, 1))


def _thinned(windows: Windows, most: int) -> Windows:
    """At most so many of the windows, evenly over all."""
    if len(windows) <= most:
        return windows
    return windows[np.unique(np.linspace(0, len(windows) - 1, most).astype(int))]


def candidates(history: int, gap: int, horizon: int, season: int, width: int) -> Iterator[Candidate]:
    """The candidates for windows of this size."""
    leads = gap + 1 + np.arange(horizon)
    rows = np.arange(history)
    last = (rows == history - 1).astype(float)[:, None] * np.ones(horizon)
    yield Candidate("the mean of the series")
    yield Candidate(_SIMPLEST, last)
    if history > 1:
        slope = (rows - rows.mean()) / np.sum((rows - rows.mean()) ** 2)
        yield Candidate("the mean of the history", np.full((history, horizon), 1 / history))
        yield Candidate("drift", last + np.outer((rows == history - 1) * 1.0 - (rows == 0), leads / (history - 1)))
        for rate in _RATES:
            level = _smoothing(history, rate)[:, None] * np.ones(horizon)
            yield Candidate(f"a level smoothed by {rate:g}", level)
            half = np.outer(slope / 2, leads - 1 + 1 / rate)
            yield Candidate(f"a level smoothed by {rate:g} with half the trend", level + half)
    if 1 < season <= history:
        yield from _seasonal_candidates(history, leads, season)
    orders = {1, 2, 3, 5, 8, 12, season, season + 1, 2 * season + 1, history}
    for order in sorted(order for order in orders if 1 <= order <= history):
        for together in (False, True)[: 1 + (width > 1)]:
            whose = " of all columns" if together else ""
            yield Candidate(f"linear autoregression of order {order}{whose}", None, order, together)
            if order > 1 or together:
                yield Candidate(
                    f"linear autoregression of order {order}{whose} from the last value", None, order, together, True
                )
    yield Candidate("the last value with the mean change", None, 1, False, True)


def _seasonal_candidates(history: int, leads: np.ndarray, season: int) -> Iterator[Candidate]:
    """The last season again, as it is or moved by what changed since the season before."""
    naive = np.zeros((history, len(leads)))
    naive[history - 1 - (-(-leads // season) * season - leads), np.arange(len(leads))] = 1
    yield Candidate("the season before", naive)
    for rate in (1.0, *_RATES) if history > season else ():
        weights = _smoothing(history - season, rate)
        change = np.zeros(history)
        change[season:] += weights
        change[: history - season] -= weights
        ahead = -(-leads // season)  # seasons from the value that is repeated
        yield Candidate(f"the season before, moved by its change smoothed by {rate:g}", naive + np.outer(change, ahead))


def _smoothing(history: int, rate: float) -> np.ndarray:
    """The weights (history,) of exponential smoothing that begins with the first value."""
    weights = rate * (1 - rate) ** np.arange(history - 1, -1, -1.0)
    weights[0] = (1 - rate) ** (history - 1)
    return weights


@dataclass(frozen=True)
class Choice:
    """The candidates that are averaged with their shares, and their error in rolling validation, in standard deviations."""

    shares: tuple[tuple[Candidate, float], ...]
    error: float

    def fit(self, train: Windows, targets: Sequence[int]) -> Base:
        """The average of the candidates, each fitted to these windows."""
        parts = [(candidate.fit(train, targets), share) for candidate, share in self.shares]
        return Base(
            np.sum([share * part.weights for part, share in parts], axis=0),
            np.sum([share * part.intercept for part, share in parts], axis=0),
            tuple(candidate.name for candidate, _ in self.shares),
        )


def choose(
    earlier: Windows,
    tried: Sequence[Candidate],
    targets: Sequence[int],
    log: bool,
    season: int,
    rows: Float[np.ndarray, "T D"],
) -> Choice:
    """The best candidates in rolling validation over windows before the test, whose `targets` are those columns.

    With a `season` above 0 they see the series without the season's profile. `rows` is the series.
    """
    seen = logged(earlier) if log else earlier
    unit = earlier.targets.astype(float).std(axis=(0, 1))
    unit = np.where(unit > 0, unit, 1.0)
    errors: list[list[np.ndarray]] = [[] for _ in tried]  # of each candidate, for each fold, for each window
    folds = list(_folds(len(earlier), earlier.targets.shape[1]))
    for train, valid in folds:
        before = rows_before(rows, seen[train])
        if season and len(before) < 2 * season + 1:
            return Choice(((tried[0], 1.0),), np.inf)
        profile = (
            profile_of(np.log(before) if log else before, season) if season else np.zeros((1, earlier.inputs.shape[2]))
        )
        fitting, some = (without(_thinned(seen[part], _MOST), profile, list(targets)) for part in (train, valid))
        true = _thinned(earlier[valid], _MOST).targets
        back = at_rows(profile, some.starts, some.inputs.shape[1] + some.gap, true.shape[1])[:, :, list(targets)]
        for i, candidate in enumerate(tried):
            weights = candidate.order * (seen.inputs.shape[2] if candidate.together else 1)
            if weights and len(fitting) < 2 * (weights + 1):
                errors[i].append(np.full(len(true), np.inf))
                continue
            found = candidate.fit(fitting, targets)(some.inputs.astype(float)) + back
            with np.errstate(over="ignore"):
                found = np.exp(found) if log else found
            errors[i].append((np.abs(found - true) / unit).mean(axis=(1, 2)))
    if not folds:
        return Choice(((tried[0], 1.0),), np.inf)
    whole = np.array([np.concatenate(parts) for parts in errors])
    means = whole.mean(axis=1)
    order = [int(i) for i in np.argsort(means, kind="stable")]
    best = order[0]
    close = [best]
    if means[best] > _EXACT:
        close = _similar(tried, whole, order)
    return Choice(tuple((tried[i], 1 / len(close)) for i in close), float(np.mean(whole[close].mean(axis=0))))


def _similar(tried: Sequence[Candidate], errors: np.ndarray, order: Sequence[int]) -> list[int]:
    """The best candidate of each family, of those that are not clearly worse than the best of all.

    Their average is safer than the best of all: which one that is, is partly chance. The last value is taken alone unless the
    best is clearly better: on a random walk nothing is better, and much looks so by chance. Regressions count only if the
    best one is clearly better than all candidates without parameters.
    """
    last = next((i for i in order if tried[i].name == _SIMPLEST), order[0])
    if not _clearly_worse(errors[last], errors[order[0]]):
        return [last]
    simple = [i for i in order if not tried[i].order]
    if simple and not _clearly_worse(errors[simple[0]], errors[order[0]]):
        order = simple
    best, found = order[0], {}
    for i in order:
        if not _clearly_worse(errors[i], errors[best]):
            found.setdefault(tried[i].family, i)
    return list(found.values())[:_AVERAGED]


def _clearly_worse(errors: np.ndarray, best: np.ndarray) -> bool:
    """Whether the errors of windows are higher by more than a standard error (the rule of Breiman et al., Classification and
    Regression Trees, 1984)."""
    worse = errors - best
    return not np.isfinite(worse).all() or bool(worse.mean() > worse.std() / np.sqrt(len(worse)))


def _folds(count: int, horizon: int) -> Iterator[tuple[slice, slice]]:
    """Windows to fit to and those after them to try, whose targets do not overlap."""
    ends = np.linspace(count / 3, count, _FOLDS + 1).astype(int)
    for first, end in itertools.pairwise(ends):
        if first - horizon + 1 > 0 and end > first:
            yield slice(0, first - horizon + 1), slice(first, end)


def logged(windows: Windows) -> Windows:
    """The windows of the logarithms."""
    return Windows(np.log(windows.inputs), np.log(windows.targets), windows.starts, windows.gap)
