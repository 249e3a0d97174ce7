"""The search for attractors: states are carried on, compared with the attractors that are known, and show new ones."""

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy import ndarray

from .._base.results import RESULTS
from .._systems.base import AbstractSystem
from .basins_runs import carried, distances
from .basins_sets import SAMPLES, SHARE, WINDOW, Settled, settled_on
from .steps import Step, step_wanted

DIVERGED, UNSTABLE, UNSETTLED = -1, -2, -3
LABELS = {
    DIVERGED: "run off to infinity, or to where the system does not exist (label −1)",
    UNSTABLE: "end on a set that does not attract its neighbours, such as a saddle (label −2)",
    UNSETTLED: "had not settled at the end (label −3)",
}

_FIRST = 128  # steps of the first round; each later one is twice as long as the one before
_LONGEST = {True: 2**14, False: 2**16}  # steps in all, of a map and of a flow
_LOOKS = 4  # states that are looked at in a round and show nothing new
_INFINITY = 1e6  # times the size of the states
_LONGER = 3.0  # a flow's steps, compared with those that exponents want: the error of the method is 2e-6 a step
_TRIED = 5  # states at which the step of a flow is measured


class Search:
    """The attractors `found` so far, and the sets that do not attract their neighbours, `passed`."""

    def __init__(
        self,
        system: AbstractSystem,
        states: ndarray,
        duration: float | None,
        step: float | None,
        tolerance: float,
        most: int,
    ):
        self.system, self.states, self.tolerance, self.most = system, states, tolerance, most
        self.parts = 1 if system.time.own_step else _parts(system, states, duration, step)
        length = float(Step(None, self.parts).stepper(system, None).length)
        self.steps = _LONGEST[system.time.own_step] if duration is None else max(1, round(duration / length))
        self.duration = self.steps * length
        self.units = _units(states)
        self.far = _INFINITY * max(float(np.max(np.abs(states))), float(np.max(self.units)))
        self.found: list[Settled] = []
        self.passed: list[Settled] = []

    def chunks(self, size: int) -> Iterator[ndarray]:
        """Yields the states, so many at a time."""
        for first in range(0, len(self.states), size):
            yield self.states[first : first + size]

    def labels(self, states: ndarray) -> ndarray:
        """Returns the label of each state."""
        labels, ends = np.full(len(states), UNSETTLED), states.copy()
        done, steps = 0, _FIRST
        while done < self.steps and np.any(labels == UNSETTLED):
            going = np.flatnonzero(labels == UNSETTLED)
            samples = self._carried(ends[going], min(steps, self.steps - done))
            ends[going] = samples[-1]
            done = done + steps
            labels[going] = self._labelled(samples, max(1, done // (2 * WINDOW)))
            left, steps = labels[going] == UNSETTLED, done
            labels[going[left]] = np.where(self._nearest(samples[:, left], self.passed) >= 0, UNSTABLE, UNSETTLED)
            if done < self.steps:
                labels[labels == UNSTABLE] = UNSETTLED
        return labels

    def result(self, labels: ndarray) -> Any:
        """Returns how the search ended."""
        if not np.any(labels == UNSETTLED):
            return RESULTS.successful
        return RESULTS.many_attractors if len(self.found) >= self.most else RESULTS.states_unsettled

    def _carried(self, states: ndarray, steps: int) -> ndarray:
        """Returns samples (s, c, N) of the second half of so many steps."""
        gap = max(1, steps // 2 // SAMPLES)
        lead = max(0, steps - SAMPLES * gap)
        return carried(self.system, _padded(states), self.parts, lead, gap, SAMPLES)[:, : len(states)]

    def _labelled(self, samples: ndarray, gap: int) -> ndarray:
        """Returns the labels of states with these samples (s, c, N), by the attractors known and by new ones. Some of the
        states that are on no known attractor are looked at with runs of two windows, in samples `gap` steps apart."""
        with np.errstate(invalid="ignore", over="ignore"):
            within = np.all(np.max(np.abs(samples), axis=2) <= self.far, axis=0)
        labels = np.where(within, UNSETTLED, DIVERGED)
        self._assign(labels, samples, 0)
        looks = 0
        while looks < _LOOKS and len(self.found) < self.most and np.any(labels == UNSETTLED):
            going = np.flatnonzero(labels == UNSETTLED)
            pick = going[looks * len(going) // _LOOKS]
            new = settled_on(self.system, samples[-1, pick], self.parts, gap, self.tolerance, self.units)
            looks += new is None or not new.attracts
            if new is None:
                continue
            known = self.found if new.attracts else self.passed
            same = [k for k, old in enumerate(known) if is_same(old, new)]
            if not same:
                known.append(new)
            if new.attracts:
                labels[pick] = same[0] if same else len(known) - 1
                looks += bool(same)
            if new.attracts and not same:
                self._assign(labels, samples, len(known) - 1)
        return labels

    def _assign(self, labels: ndarray, samples: ndarray, first: int) -> None:
        """Labels the states that are on an attractor, the `first` or a later one."""
        going = np.flatnonzero(labels == UNSETTLED)
        nearest = self._nearest(samples[:, going], self.found[first:])
        labels[going] = np.where(nearest >= 0, nearest + first, UNSETTLED)

    def _nearest(self, samples: ndarray, sets: list[Settled]) -> ndarray:
        """Returns for each state (s, c, N) the number of the nearest set that it is on, −1 for none."""
        least, nearest = np.full(samples.shape[1], np.inf), np.full(samples.shape[1], -1)
        for k, one in enumerate(sets if samples.shape[1] else []):
            apart = self._distances(samples, one)
            on = np.mean(apart <= one.reach, axis=0) >= SHARE
            if one.closing:
                still = 4 * np.finfo(samples.dtype).eps ** 0.5
                on &= apart[-1] <= np.maximum(apart[0] / 2, still)
            whole = np.where(on, apart[-1] / one.reach, np.inf)
            nearest, least = np.where(whole < least, k, nearest), np.minimum(whole, least)
        return nearest

    def _distances(self, samples: ndarray, one: Settled) -> ndarray:
        rows = np.swapaxes(_padded(np.swapaxes(samples, 0, 1)), 0, 1)
        return distances(rows, _padded(one.cloud), one.units)[:, : samples.shape[1]]


def is_same(old: Settled, new: Settled) -> bool:
    """Returns whether two sets are the same one. A window of a chaotic run leaves out parts of its set, so of two sets of a
    kind either may hold the other."""
    if old.closing != new.closing or len(old.cloud) != len(new.cloud):
        return False
    return _holds(old, new) or (old.attractor.kind == new.attractor.kind and _holds(new, old))


def _holds(one: Settled, other: Settled) -> bool:
    """Returns whether the states on a set are on another one."""
    reach = 16 * np.finfo(one.cloud.dtype).eps ** 0.5 if one.closing else one.reach
    apart = np.linalg.norm((other.cloud[:, None] - one.cloud[None]) / one.units, axis=2).min(axis=1)
    return bool(np.mean(apart <= reach) >= SHARE)


def _padded(rows: ndarray) -> ndarray:
    """Returns rows with the last one repeated up to a power of 64, so that few shapes are compiled."""
    wanted = 64
    while wanted < len(rows):
        wanted *= 64
    return np.concatenate([rows, np.repeat(rows[-1:], wanted - len(rows), axis=0)])


def _units(states: ndarray) -> ndarray:
    """Returns the range (N,) of each coordinate; where it is 0 the largest of them, or the size of the states."""
    ranges = np.ptp(states, axis=0)
    largest = float(np.max(ranges)) or float(np.max(np.abs(states))) or 1.0
    return np.where(ranges > 0, np.maximum(ranges, 1e-3 * largest), largest).astype(states.dtype)


def _parts(system: AbstractSystem, states: ndarray, duration: float | None, step: float | None) -> Any:
    """Returns into how many parts the steps of a flow divide a unit of time: as measured at some of the states, and more if
    shorter steps keep states in the float range that are lost otherwise."""
    kind = states.dtype.type
    if step is not None:
        return kind(1 / step)
    some = states[np.unique(np.linspace(0, len(states) - 1, _TRIED).round().astype(int))]
    shares = []
    for h in some:
        rate = float(np.linalg.norm(np.asarray(system.jacobian(jnp.asarray(h)))))
        whole = 100 / rate if np.isfinite(rate) and rate > 0 else duration or 1.0
        shares.append(
            float(step_wanted(system, jnp.asarray(h), jnp.asarray(kind(1 / whole)), jnp.asarray(kind(whole)), None))
        )
    longest = np.inf if duration is None else duration / _FIRST
    parts = 1 / min(_LONGER * min(shares), longest)
    tried = _padded(states[:: max(1, len(states) // 64)][:64])
    for _ in range(4):
        rough, fine = (carried(system, tried, kind(n * parts), n * _FIRST, 1, 1)[0] for n in (1, 4))
        if np.array_equal(*(np.isfinite(rows).all(axis=1) for rows in (rough, fine))):
            break
        parts *= 4
    return kind(parts)
