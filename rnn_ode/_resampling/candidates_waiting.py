"""The schemes that a limit of the latency allows: those of `candidates` with a window for the input, `resampled` with two
windows, and `fitted_feedback`, whose weights are looked for."""

import dataclasses
from collections.abc import Iterable
from functools import cache, partial

import numpy as np

from .._paths.half_band import half_band
from .candidates import Known
from .evolve import evolve
from .fitted import Weights, companions, expected_errors, fits, fitted_feedback
from .interpolation import whole_steps
from .reading import fitted_window, relative_error
from .resampled import Window, resampled
from .scheme import Scheme
from .stability import TOLERANCE, beyond

WIDTHS = 2, 4, 8, 16, 32, 64  # of windows, in samples, that are tried without a limit
HALF_BANDS = 4, 8  # and of half-band filters, in samples of the doubled rate
USABLE = 0.01  # of the signal's energy: a larger expected error is no scheme, however stable it is
READS = 16  # half-width of the input's window, as of `BandLimited`


class Windows:
    """The windows fitted to the network's input and outputs, each with its expected relative error."""

    def __init__(self, known: Known):
        self.known = known
        gap = known.gap
        # the input's samples are `gap` steps apart: what a sample more than a step from the next cannot hold is not there
        held = known.frequencies * gap < np.pi
        power = known.power if known.input_power is None else known.input_power

        def of_input(width: int) -> tuple[Window, float]:
            return fitted_window(width, known.frequencies[held] * gap, power[held])

        def of_output(width: int) -> tuple[Window, float]:
            return fitted_window(width, known.frequencies, known.power)

        self.of_input, self.of_output = cache(of_input), cache(of_output)


def reading(schemes: Iterable[Scheme], windows: Windows, latency: float) -> list[Scheme]:
    """Return the schemes within the latency, those of `evolve` with the widest window for the input that is allowed, up to
    16 samples. Those that read the input between its samples and have no room for a window are left out."""
    found = [reading_by(scheme, windows, _room(scheme, windows.known, latency)) for scheme in schemes]
    return [scheme for scheme in found if scheme is not None]


def reading_by(scheme: Scheme, windows: Windows, width: int) -> Scheme | None:
    """Return the scheme with a window of this width for the input, and what the window adds to latency, cost and error."""
    known = windows.known
    if scheme.run.func is not evolve:
        return scheme
    if width < 1:
        return None
    window, error = windows.of_input(width)
    return dataclasses.replace(
        scheme,
        reads=window,
        latency=_lead(scheme, known) + width * known.gap,
        cost=scheme.cost + scheme.applications * 4 * width * known.sizes.input,
        fit=float(-10 * np.log10(10 ** (-scheme.fit / 10) + error)),
    )


def _lead(scheme: Scheme, known: Known) -> float:
    """How far beyond a result the network is applied, in its steps."""
    whole = int(whole_steps(np.float64(known.gap), scheme.run.keywords["ahead"], np))
    return max(0.0, whole + scheme.run.keywords["ahead"] - known.gap)


def _room(scheme: Scheme, known: Known, latency: float) -> int:
    if scheme.run.func is not evolve:
        return 0
    return int(min(READS, np.floor((latency - _lead(scheme, known)) / known.gap + 1e-9)))


def resamplings(windows: Windows, latency: float, budget: int) -> list[Scheme]:
    """Return `resampled` with several pairs of windows: equally long ones, and the best pair within the latency."""
    known = windows.known
    if 1 / known.gap == 0 or known.gap > budget:
        return []
    pairs = [(max(1, round(width / known.gap)), width) for width in WIDTHS]
    pairs = [pair for pair in pairs if _waits(pair, known) <= latency]
    if latency < 2 * WIDTHS[-1]:
        # the largest windows of every split of the latency
        splits = [(int((latency - width) / known.gap + 1e-9), width) for width in range(1, int(latency) + 1)]
        splits = [pair for pair in splits if pair[0] >= 1]
        best = sorted(splits, key=lambda pair: windows.of_input(pair[0])[1] + windows.of_output(pair[1])[1])
        pairs = list(dict.fromkeys([*pairs, *best[:2]]))
    return [_resampling(windows, pair) for pair in pairs]


def _waits(pair: tuple[int, int], known: Known) -> float:
    return pair[0] * known.gap + pair[1]


def _resampling(windows: Windows, pair: tuple[int, int]) -> Scheme:
    known, (width_in, width_out) = windows.known, pair
    (window_in, error_in), (window, error_out) = windows.of_input(width_in), windows.of_output(width_out)
    arithmetic = known.gap * (known.sizes.application + 4 * width_in * known.sizes.input)
    return Scheme(
        f"resampled(half_width={width_out}, beta={window.beta:g})",
        partial(resampled, half_width=width_out, beta=window.beta),
        known.gap,
        2 * width_out,
        float("nan"),
        True,
        float(-10 * np.log10(error_in + error_out + known.rounding)),
        latency=_waits(pair, known),
        cost=arithmetic + 4 * width_out * known.sizes.output,
        reads=window_in,
    )


def half_bands(windows: Windows, latency: float, budget: int) -> list[Scheme]:
    """Return `resampled` with half-band filters of a few widths within the latency."""
    known = windows.known
    reads = (Window.of(width, None, half_band=True) for width in HALF_BANDS)
    if 1 / known.gap == 0 or known.gap > budget:
        return []
    return [_half_band(known, window) for window in reads if window.reach * (1 + known.gap) <= latency]


def _half_band(known: Known, window: Window) -> Scheme:
    width, sections = window.half_width, 3 * len(half_band())  # operations of a sample
    power = known.power if known.input_power is None else known.input_power
    frequencies = known.frequencies / 2  # in radians per sample of the doubled rate
    held = frequencies * known.gap < np.pi / 2
    errors = relative_error(window, frequencies[held] * known.gap, power[held])
    errors += relative_error(window, frequencies, known.power)
    arithmetic = known.gap * (known.sizes.application + 4 * width * known.sizes.input + sections * known.sizes.output)
    return Scheme(
        f"resampled(half_width={width}, half_band=True)",
        partial(resampled, half_width=width, half_band=True),
        known.gap,
        2 * width,
        float("nan"),
        True,
        float(-10 * np.log10(errors + known.rounding)),
        latency=window.reach * (1 + known.gap),
        cost=arithmetic + 4 * width * known.sizes.output + sections * known.sizes.input,
        reads=window,
    )


def fitted(known: Known, budget: int) -> list[Scheme]:
    """Return `fitted_feedback` with the weights of the smallest expected error, for one application and for two, among
    those that satisfy the root condition and are expected to reach 20 dB."""
    power = known.power if known.state_power is None else known.state_power
    best: dict[int, tuple[float, float, Weights, Weights]] = {}
    for predict, correct in fits(known.gap, known.multipliers, known.frequencies, power):
        applications = 2 if correct else 1
        if applications > budget:
            continue
        radii = np.abs(np.linalg.eigvals(companions(predict, correct, known.multipliers, np))).max(axis=1)
        if not beyond(radii, known.multipliers, known.gap, np) <= TOLERANCE:
            continue
        errors = expected_errors(predict, correct, known.gap, known.multipliers, known.frequencies)
        error = float(np.max(errors @ power) / np.sum(power))
        if error < min(USABLE, best[applications][0] if applications in best else np.inf):
            best[applications] = error, float(radii.max()), predict, correct
    return [_fitted(known, applications, *found) for applications, found in sorted(best.items())]


def _fitted(known: Known, applications: int, error: float, radius: float, predict: Weights, correct: Weights) -> Scheme:
    given = {"predict": predict} | ({"correct": correct} if correct else {})
    label = " + ".join(str(len(weights)) for weights in given.values()) + " weights"
    taps = len(predict) + len(correct)
    return Scheme(
        f"fitted_feedback({label})",
        partial(fitted_feedback, **given),
        applications,
        taps,
        radius,
        True,
        float(-10 * np.log10(error + known.rounding)),
        latency=0.0,
        cost=applications * known.sizes.application + 2 * taps * known.sizes.state,
    )
