"""Reading a signal between its samples: the error to be expected of a window, and readings at another rate."""

import numpy as np

from .._paths.half_band import phase_of
from .._paths.sinc import fitted_beta, offsets, sinc_weights
from .resampled import Window

BETAS = np.arange(1.0, 13.5, 0.5)  # of the windows that are compared

_CHUNK = 256  # readings at a time

_BACK = 2048  # rows from the end of a signal back to its beginning: a half-band filter forgets in fewer


def relative_error(window: Window, frequencies: np.ndarray, power: np.ndarray) -> float:
    """Return the expected energy of a window's errors over that of the signal, at times anywhere between samples.

    The signal has a `power` at `frequencies`, in radians per sample. A window reads the frequency ω with the error
    Σ_k w_k e^{iωk} − e^{iωf}, whose square is averaged over the fractions f and the spectrum."""
    fractions = (np.arange(8) + 0.5) / 8
    weights = sinc_weights(fractions[:, None], window.half_width, window.beta, np)
    read = weights @ np.exp(1j * offsets(window.half_width)[:, None] * frequencies)
    error = np.abs(read - np.exp(1j * fractions[:, None] * frequencies)) ** 2
    return float(np.mean(error @ power) / np.sum(power))


def fitted_window(half_width: int, frequencies: np.ndarray, power: np.ndarray) -> tuple[Window, float]:
    """Return the window of this width whose errors are smallest for the signal's spectrum, and its `relative_error`."""
    windows = [Window(half_width, float(beta)) for beta in {*BETAS, fitted_beta(half_width)}]
    errors = [relative_error(window, frequencies, power) for window in windows]
    return windows[int(np.argmin(errors))], min(errors)


def at_rate(rows: np.ndarray, gap: float, count: int, half_width: int, lowpass: bool = True) -> np.ndarray:
    """Return the readings (count, M) of samples (T, M) at every `gap` samples from the first one on, band-limited.

    `lowpass` keeps what both rates can hold: where the gap is longer than a sample, less than the samples hold. The sum goes
    over `half_width` of the longer of the two intervals to either side. Beyond the ends the end values hold."""
    cutoff = min(1.0, 1 / gap) if lowpass else 1.0
    reach = int(np.ceil(half_width / cutoff))
    taps, places = offsets(reach), gap * np.arange(count)
    whole = np.floor(places).astype(int)
    read = np.empty((count, rows.shape[1]))
    for begin in range(0, count, _CHUNK):
        part = slice(begin, begin + _CHUNK)
        distance = (places[part] - whole[part])[:, None] - taps
        window = np.i0(8.6 * np.sqrt(np.maximum(1 - (distance / reach) ** 2, 0)))
        weights = np.sinc(cutoff * distance) * window
        weights /= weights.sum(axis=1, keepdims=True)
        around = rows[np.clip(whole[part, None] + taps, 0, len(rows) - 1)]
        read[part] = np.matmul(weights[:, None], around)[:, 0]
    return read


def through_phase(rows: np.ndarray, gap: float) -> np.ndarray:
    """Return rows (T, M) through the phase of a `HalfBand` whose samples are `gap` rows apart, and its phase alone.

    The end values hold for a while, and a smooth way leads from the last one back to the first one: the phase is not
    continuous at half of the rate, where a jump would ring long. Frequencies above half of the samples' rate keep the phase
    there."""
    way = np.clip(2 * np.arange(1, _BACK)[:, None] / _BACK - 0.5, 0, 1)
    back = 0.5 + 0.5 * np.cos(np.pi * way)
    closed = np.concatenate([rows, rows[:1] + (rows[-1:] - rows[:1]) * back])
    omega = np.minimum(2 * np.pi * gap * np.fft.rfftfreq(len(closed)), np.pi)
    return np.fft.irfft(np.fft.rfft(closed, axis=0) * phase_of(omega)[:, None], len(closed), axis=0)[: len(rows)]


def spectrum_of(rows: np.ndarray, most: int = 512) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies (F,), in radians per sample, and the power of rows (T, M) around their mean there, F ≤ `most`."""
    size = np.max(np.abs(rows), initial=np.finfo(float).tiny)
    window = np.hanning(len(rows))[:, None]
    power = np.sum(np.abs(np.fft.rfft(window * (rows - rows.mean(axis=0)) / size, axis=0)) ** 2, axis=1)[1:]
    frequencies = 2 * np.pi * np.fft.rfftfreq(len(rows))[1:]
    each = -(-len(power) // most)
    starts = np.arange(0, len(power), each)
    counts = np.diff(np.append(starts, len(power)))
    return np.add.reduceat(frequencies, starts) / counts, np.add.reduceat(power, starts)
