"""The trial of a scheme: its run on given samples, against the ideal resampling of the network's own output."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from .._base.states import flat_rows
from .._base.types import Cell, State
from .._run.iterate import iterate
from .reading import at_rate, through_phase
from .scheme import Scheme, middle_of

SHARP = 128  # half-width of the filter that resamples the network's own output
FINE = 64  # and of the one that resamples the input


class Trial(NamedTuple):
    """What all schemes are tried on.

    `xs` is the input at the new rate and `times` the results' times, in steps of the network, after one of the initial
    state. `target` is the network's own output, ideally resampled, and `folded` what of it the new rate cannot hold."""

    cell: Cell
    xs: np.ndarray
    times: np.ndarray
    h0: State
    gap: float
    pick: Callable[[State], Any]
    target: np.ndarray
    folded: np.ndarray

    @classmethod
    def of(cls, cell: Cell, xs: np.ndarray, h0: State, gap: float, pick: Callable, outputs: np.ndarray) -> "Trial":
        """The trial on samples xs (T, …) at the network's own rate, to which it answers with the outputs (T, M)."""
        count = round(len(xs) / gap)
        times = np.concatenate([[1 - gap], 1 + gap * np.arange(count)])
        finer = at_rate(xs.reshape(len(xs), -1), gap, count, FINE).reshape(count, *xs.shape[1:])
        return cls(cell, finer, times, h0, gap, pick, *_target(outputs, gap, count))

    def through_half_band(self, xs: np.ndarray) -> "Trial":
        """This trial, of samples xs (T, …), for schemes whose filters are half-band filters, with a phase of their own.

        The target is what the network makes of the input through the same phase, then through the phase again."""
        late = through_phase(xs.reshape(len(xs), -1), self.gap).reshape(xs.shape)
        outputs = jax.vmap(self.pick)(iterate(self.cell, late, self.h0).states)
        outputs = through_phase(flat_rows(outputs)[1:].astype(float), 1.0)
        target, folded = _target(outputs, self.gap, len(self.target))
        return self._replace(target=target, folded=folded)


def _target(outputs: np.ndarray, gap: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return outputs (T, M) ideally resampled, (count, M), and what of them the new rate cannot hold."""
    target = at_rate(outputs, gap, count, SHARP)
    folded = at_rate(outputs, gap, count, SHARP, lowpass=False) - target if gap > 1 else np.zeros_like(target)
    return target, folded


def tried(scheme: Scheme, trial: Trial) -> Scheme:
    """Return the scheme with its ratios of signal to error, in which the start and the end do not count."""
    path = scheme.path(trial.xs.astype(np.result_type(float)), trial.gap, 1.0)
    run = scheme.run(trial.cell, path, trial.times, trial.h0, save=trial.pick, throw=False)
    ours = flat_rows(run.states)[1:].astype(float)
    size, middle = np.max(np.abs(trial.target)), middle_of(len(ours))
    with np.errstate(over="ignore", invalid="ignore"):  # errors of 1e160
        error = ((ours - trial.target) / size)[middle]
    if not np.isfinite(error).all() or not np.isfinite(np.sum(error**2)):
        return dataclasses.replace(scheme, snr=-np.inf)
    signal = ((trial.target - trial.target.mean(axis=0)) / size)[middle]
    power = float(np.sum(signal**2))
    aliased = _aliased(error, trial.folded[middle] / size, trial.gap)
    rest = float(np.sum((error - aliased) ** 2))
    ratios = (_decibels(power, float(np.sum(part**2))) for part in (error, aliased))
    snr, aliasing = ratios
    return dataclasses.replace(scheme, snr=snr, in_band=_decibels(power, rest), aliasing=aliasing)


def _aliased(error: np.ndarray, folded: np.ndarray, gap: float) -> np.ndarray:
    """Return the part of the errors (n, M) that are frequencies beyond the lower of the two rates.

    At a higher rate these are the frequencies that the network's own rate does not hold. At a lower rate they have been
    folded into the band: the part is what the errors share with the output's own frequencies there."""
    if gap > 1:
        energy = float(np.sum(folded**2))
        return folded * (float(np.sum(error * folded)) / energy) if energy else np.zeros_like(error)
    parts = np.fft.rfft(error, axis=0)
    parts[np.fft.rfftfreq(len(error)) <= 0.5 * gap] = 0
    return np.fft.irfft(parts, len(error), axis=0)


def _decibels(power: float, noise: float) -> float:
    return float(10 * np.log10(power / noise)) if noise else np.inf
