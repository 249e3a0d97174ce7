"""What a series needs before a network can forecast it, and how that is undone in the forecasts."""

from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from ..._base.checks import brief, check_choice
from .bases import Base, Candidate, Choice, candidates, choose, logged
from .profile import at_rows, profile_of, rows_before, without
from .scaler import Scaler
from .windows import Windows

SCALINGS = ("series", "last", "level", "window")
_GAIN = 0.98  # logarithms and a profile must each lower the error of the best affine forecast to this share


class Needs(eqx.Module):
    """What is done to a series before the networks see it. All of it is undone in the forecasts.

    What is `None` is chosen by validation on the part of the series before the test.

    **Fields:**

    - `log`: whether logarithms are taken, for a series of positive values.
    - `difference`: whether the networks see the changes from row to row, and forecast the change from the last value.
    - `season_difference`: whether they see the changes from season to season, and forecast the change from the last season.
    - `scaling`: what the networks see the values relative to: "series", the mean of the training part; "last", the last value
      of the history; "level", the mean of the history; "window", that mean, in units of the history's standard deviation.
    - `linear`: whether the networks correct an affine forecast, the average of those that are best in rolling validation:
      linear autoregressions, smoothed levels, drift, the last season. With a season, the season's mean profile may be taken
      away first.

    ```python
    >>> import jax, numpy as np
    >>> from rnn_ode import learn
    >>> line = np.arange(120.0)[:, None]
    >>> f = learn.forecast(line, learn.many_to_one("gru", 4), history=6, needs=learn.Needs(), key=jax.random.key(0),
    ...                    steps=5, members=2, progress=False)
    >>> round(f.future.mean.item(), 6)
    120.0

    ```
    """

    log: bool | None = None
    difference: bool | None = None
    season_difference: bool | None = None
    scaling: str | None = None
    linear: bool | None = None

    def __check_init__(self):
        for name in ("log", "difference", "season_difference", "linear"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, bool):
                raise TypeError(f"{name} must be True, False, or None to let validation choose; got {brief(value)}.")
        if self.scaling is not None:
            check_choice("scaling", self.scaling, SCALINGS)


PLAIN = Needs(False, False, False, "series", False)


class Preparation(eqx.Module):
    """The decided needs of a series, fitted to its training windows.

    **Fields:** `log`, `difference`, `scaling` as in `Needs`; `season`, rows per season if seasonal differences are taken,
    else 0; `profile` (season, D), what the places of a season add, which is taken away first; `scaler` of what the networks
    see; `base`, the forecast that they correct; `unit` (horizon, K), the standard deviation of what it leaves; `gap`.
    """

    log: bool = eqx.field(static=True)
    difference: bool = eqx.field(static=True)
    season: int = eqx.field(static=True)
    scaling: str = eqx.field(static=True)
    scaler: Scaler
    base: Base
    unit: Float[np.ndarray, "horizon K"]
    profile: Float[np.ndarray, "season D"]
    gap: int = eqx.field(static=True)

    def inputs(
        self, windows: Float[np.ndarray, "n history D"], starts: Int[np.ndarray, " n"]
    ) -> Float[np.ndarray, "n history D"]:
        """What the networks see, with mean 0 and standard deviation 1 over the training windows."""
        return self.scaler.transform(_view(self, self._seen(windows, starts)))

    def targets(
        self,
        windows: Float[np.ndarray, "n history D"],
        targets: Float[np.ndarray, "n horizon K"],
        starts: Int[np.ndarray, " n"],
        columns: Sequence[int],
    ) -> Float[np.ndarray, "n horizon K"]:
        """What the networks are to give."""
        seen = self._seen(windows, starts)
        wanted = np.log(targets) if self.log else targets
        return (wanted - self._added(windows, starts, columns) - self.base(seen)) / self._unit(seen, columns)

    def outputs(
        self,
        windows: Float[np.ndarray, "n history D"],
        outputs: Float[np.ndarray, "*m n horizon K"],
        starts: Int[np.ndarray, " n"],
        columns: Sequence[int],
    ) -> Float[np.ndarray, "*m n horizon K"]:
        """The forecasts, in the units of the series, of what the networks gave."""
        seen = self._seen(windows, starts)
        found = outputs * self._unit(seen, columns) + self.base(seen) + self._added(windows, starts, columns)
        return np.exp(np.clip(found, -700, 700)) if self.log else found

    def in_words(self) -> str:
        """What is done, in words."""
        seen = {"series": "values", "last": "values relative to the last one", "level": "values relative to their mean"}
        words = seen.get(self.scaling, "values in units of the history's own spread")
        words = "changes" if self.difference else words
        words = f"seasonal {words if self.difference else 'changes'}" if self.season else words
        names = self.base.names
        of = names[0] if len(names) == 1 else f"the average of {', '.join(names[:-1])} and {names[-1]}"
        apart = f", without the profile of {len(self.profile)} rows" if len(self.profile) > 1 else ""
        return f"the networks see {words}{' of logarithms' if self.log else ''}{apart}, and correct {of}"

    def _seen(self, windows: np.ndarray, starts: np.ndarray) -> np.ndarray:
        found = np.log(windows) if self.log else windows
        return found - at_rows(self.profile, starts, 0, windows.shape[1])

    def _added(self, windows: np.ndarray, starts: np.ndarray, columns: Sequence[int]) -> np.ndarray:
        """The profile in the rows of the targets (n, horizon, K)."""
        first = windows.shape[1] + self.gap
        return at_rows(self.profile, starts, first, len(self.unit))[:, :, list(columns)]

    def _unit(self, seen: np.ndarray, columns: Sequence[int]) -> np.ndarray:
        if self.scaling != "window":
            return self.unit
        return self.unit * _spread(seen)[:, :, list(columns)]


def _spread(windows: np.ndarray) -> np.ndarray:
    """The standard deviation (n, 1, D) of each history, 1 where it is constant."""
    found = windows.std(axis=1, keepdims=True)
    return np.where(found > 1e-12 * np.abs(windows).max(axis=1, keepdims=True), found, 1.0)


def _view(way: Preparation | Needs, seen: np.ndarray, season: int = 0) -> np.ndarray:
    """What the networks see of histories, before it is scaled."""
    season = getattr(way, "season", season)
    if season:
        changed = np.zeros_like(seen)
        changed[:, season:] = seen[:, season:] - seen[:, :-season]
        seen = changed
    if way.difference:
        seen = np.diff(seen, axis=1, prepend=seen[:, :1])
    if season or way.difference or way.scaling == "series":
        return seen
    if way.scaling == "last":
        return seen - seen[:, -1:]
    centred = seen - seen.mean(axis=1, keepdims=True)
    return centred / _spread(seen) if way.scaling == "window" else centred


def prepare(
    needs: Needs,
    train: Windows,
    valid: Windows,
    earlier: Windows,
    season: int,
    columns: Sequence[int],
    rows: Float[np.ndarray, "T D"],
) -> "tuple[Fitted, ...]":
    """What a series of these rows needs, by rolling validation over `earlier`, windows before the test.

    There are two ways left if the values stay in one range and `needs` leaves open whether to correct an affine forecast: to
    correct it, or the mean of the series. A short training has to choose.
    """
    positive = bool(rows.min() > 0)
    if needs.log and not positive:
        row, column = np.argwhere(rows <= 0)[0]
        raise ValueError(f"log needs a series of positive values; got {rows[row, column]:g} in row {row}.")
    history, width = train.inputs.shape[1:]
    seasonal = bool(needs.season_difference)
    if seasonal and not 1 < season < history:
        raise ValueError(
            f"season_difference must have a season above 1 and below the history, {history}; the season is {season}."
        )
    tried = _tried(needs, history, train, season, width, seasonal)
    profiles = (0, season) if season > 1 and not seasonal and needs.linear is not False else (0,)
    choices = {
        (log, cycle): choose(earlier, tried, columns, log, cycle, rows)
        for log in _logs(needs.log, positive)
        for cycle in profiles
    }
    log, cycle = min(choices, key=lambda one: choices[one].error / (_GAIN if one[0] else 1) / (_GAIN if one[1] else 1))
    scaling = needs.scaling or _scaling(train, valid)
    decided = Needs(log, bool(needs.difference), seasonal, scaling, needs.linear)
    first = Fitted(decided, choices[log, cycle], season if seasonal else 0, cycle, tuple(columns), rows)
    if needs.linear is not None or needs.difference or seasonal or scaling != "series":
        return (first,)
    mean = Choice(((tried[0], 1.0),), float("inf"))
    return first, Fitted(Needs(bool(needs.log), False, False, scaling, False), mean, 0, 0, tuple(columns), rows)


class Fitted(eqx.Module):
    """Makes the preparation from windows of a series: decided needs, which base, and the rows of the series. Of these only
    those up to the last history of the windows are looked at."""

    needs: Needs
    choice: Choice
    season: int
    cycle: int
    columns: tuple[int, ...]
    rows: Float[np.ndarray, "T D"]

    def __call__(self, train: Windows, scaler: Scaler) -> Preparation:
        seen = logged(train) if self.needs.log else train
        profile = np.zeros((1, train.inputs.shape[2]))
        if self.cycle:
            rows = rows_before(self.rows, train)
            profile = profile_of(np.log(rows) if self.needs.log else rows, self.cycle)
            seen = without(seen, profile, list(self.columns))
        inputs = np.asarray(seen.inputs, float)
        base = self.choice.fit(seen, self.columns)
        plain = self.needs.scaling == "series" and not (
            self.season or self.cycle or self.needs.difference or self.needs.log
        )
        if not plain:
            view = _view(self.needs, inputs, self.season).reshape(-1, inputs.shape[2])
            std = view.std(axis=0)
            scaler = Scaler(view.mean(axis=0), np.where(std > 0, std, 1.0))
        left = np.asarray(seen.targets, float) - base(inputs)
        if self.needs.scaling == "window":
            left = left / _spread(inputs)[:, :, list(self.columns)]
        unit = np.sqrt(np.mean(left**2, axis=0))
        size = np.abs(np.asarray(seen.targets, float)).max(axis=(0, 1))
        unit = np.maximum(unit, 1e-12 * np.where(size > 0, size, 1.0))  # an exact base leaves rounding errors
        return Preparation(
            bool(self.needs.log),
            bool(self.needs.difference),
            self.season,
            str(self.needs.scaling),
            scaler,
            base,
            unit,
            profile,
            train.gap,
        )


def plain(train: Windows, scaler: Scaler, columns: Sequence[int]) -> Preparation:
    """Values in standard deviations of the training rows, and nothing else."""
    shape = (*train.inputs.shape[1:], train.targets.shape[1], len(columns))
    mean = np.broadcast_to(scaler.mean[list(columns)], shape[2:])
    unit = np.broadcast_to(scaler.std[list(columns)], shape[2:])
    base = Base(np.zeros(shape), mean, ("the mean of the series",))
    return Preparation(False, False, 0, "series", scaler, base, unit, np.zeros((1, shape[1])), train.gap)


def _tried(needs: Needs, history: int, train: Windows, season: int, width: int, seasonal: bool) -> list[Candidate]:
    """The candidates for the base that the needs leave."""
    every = list(candidates(history, train.gap, train.targets.shape[1], season, width))
    if needs.linear or (needs.linear is None and not needs.difference and not seasonal):
        return every
    name = {"series": "the mean of the series", "last": "the last value"}.get(
        needs.scaling or "series", "the mean of the history"
    )
    if seasonal:
        name = f"the season before{', moved by its change smoothed by 1' if needs.difference else ''}"
    elif needs.difference:
        name = "the last value"
    return [one for one in every if one.name == name] or every[1:2]


def _logs(log: bool | None, positive: bool) -> tuple[bool, ...]:
    return (log,) if log is not None else (False, True)[: 1 + positive]


def _scaling(train: Windows, valid: Windows) -> str:
    """ "series" if the validation part lies in the range of the training part, else "last"."""
    low, high = train.inputs.min(axis=(0, 1)), train.inputs.max(axis=(0, 1))
    inside = (valid.inputs >= low) & (valid.inputs <= high)
    return "series" if inside.mean() >= 0.95 else "last"
