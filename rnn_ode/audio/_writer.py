"""Writing recordings in blocks."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float

from .._base.checks import check_finite
from ._formats import BITS, BYTES, SUBTYPES, PathLike, check_subtype, format_of, soundfile

_CLASSIC = 2**32 - 2**16  # bytes of samples that fit the 32-bit sizes of a wav file, with room for the rest of the file


@contextlib.contextmanager
def recording_writer(
    path: PathLike, rate: int, channels: int, subtype: str, frames: int = 0
) -> Iterator[Callable[[Any], int]]:
    """A context that yields a function, which appends samples (n, channels) to a new recording.

    The function returns how many samples it clipped. Floats are never clipped.

    **Arguments:**

    - `path`: the file. The end of its name tells the format: `.wav`, `.flac`, `.aiff` and others of libsndfile.
    - `rate`: in Hz.
    - `channels`: number of channels.
    - `subtype`: format of the samples, a key of `SUBTYPES` or libsndfile's name of another one, such as `PCM_U8`.
    - `frames`: their approximate number. A wav file of more than 4 GiB is written as RF64.

    **Returns:** a context manager of the function.

    **Raises:** `ValueError` for a subtype that the format does not have, and for samples of another shape or that are not
    finite; `OSError` if the file cannot be written, `ImportError` without the package `soundfile`.

    ```python
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from rnn_ode import audio
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "loud.aiff"
    >>> with audio.recording_writer(path, 8000, 1, "pcm16") as write:
    ...     write(np.array([[0.5], [2.0]]))
    1

    ```
    """
    with _writing(path, format_of(path), rate, channels, subtype, frames) as write:
        yield write


@contextlib.contextmanager
def _writing(
    path: PathLike, kind: str, rate: int, channels: int, subtype: str, frames: int
) -> Iterator[Callable[[Any], int]]:
    sndfile, code = soundfile(), check_subtype(kind, subtype)
    if kind == "WAV" and frames * channels * BYTES.get(code, 1) >= _CLASSIC:
        kind = "RF64"
    try:
        with sndfile.SoundFile(path, "w", rate, channels, code, format=kind) as file:

            def write(samples: Float[np.ndarray, "n channels"]) -> int:
                rows = np.asarray(samples)
                if rows.shape[1:] != (channels,) and not (rows.ndim == 1 and channels == 1):
                    raise ValueError(f"samples must have shape (n, {channels}); got {rows.shape}.")
                check_finite("samples", rows)
                stored, clipped = _stored(rows, code)
                file.write(stored)
                return clipped

            yield write
    except sndfile.LibsndfileError as error:
        raise OSError(f"{path}: {error.error_string}") from error


@contextlib.contextmanager
def wav_writer(
    path: PathLike, rate: int, channels: int, subtype: str, frames: int = 0
) -> Iterator[Callable[[Any], int]]:
    """A context that yields a function, which appends samples (n, channels) to a new wav file.

    The function returns how many samples it clipped. Floats are never clipped.

    **Arguments:**

    - `path`: the file.
    - `rate`: in Hz.
    - `channels`: number of channels.
    - `subtype`: format of the samples, a key of `SUBTYPES`.
    - `frames`: their approximate number. A file of more than 4 GiB is written as RF64.

    **Returns:** a context manager of the function.

    **Raises:** `ValueError` for another subtype, and for samples of another shape or that are not finite; `OSError` if the
    file cannot be written, `ImportError` without the package `soundfile`.

    ```python
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from rnn_ode import audio
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "loud.wav"
    >>> with audio.wav_writer(path, 8000, 1, "pcm16") as write:
    ...     write(np.array([[0.5], [2.0]]))
    1

    ```
    """
    if subtype not in SUBTYPES:
        raise ValueError(f"subtype must be one of {', '.join(SUBTYPES)}; got {subtype!r}.")
    with _writing(path, "WAV", rate, channels, subtype, frames) as write:
        yield write


def _stored(samples: np.ndarray, code: str) -> tuple[np.ndarray, int]:
    """Samples in the file's type, and how many of them were clipped."""
    if code in ("FLOAT", "DOUBLE"):
        return samples.astype("float32" if code == "FLOAT" else "float64"), 0
    if code not in BITS:  # a codec, which takes floats up to full scale
        fitting = np.clip(samples, -1, 1)
        return fitting, int(np.sum(fitting != samples))
    full = 2 ** (BITS[code] - 1)
    whole = np.rint(samples * full)
    fitting = np.clip(whole, -full, full - 1)
    clipped = int(np.sum(whole != fitting))
    if code == "PCM_16":
        return fitting.astype(np.int16), clipped
    return fitting.astype(np.int32) << (32 - BITS[code]), clipped  # libsndfile takes the upper bits
