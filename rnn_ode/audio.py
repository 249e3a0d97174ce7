"""Recordings in wav files, checked first, then read and written in blocks.

libsndfile writes the files and names their codecs, through the package `soundfile` (the extra `audio`). Headers
and samples are read here, since libsndfile does not notice if a file is shorter than its header says, or if its header has no
length because a pipe wrote it.

Samples are floats with full scale 1. An integer of b bits is divided by 2^(b − 1) when it is read. When it is written, the
sample is rounded to the nearest integer, so that reading and writing again gives the same file.
"""

import contextlib
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Float

from ._base.checks import check_finite, counted

__all__ = [
    "SUBTYPES",
    "PathLike",
    "Recording",
    "read_wav",
    "wav_writer",
]

PathLike = str | os.PathLike[str]

SUBTYPES = {"pcm16": "PCM_16", "pcm24": "PCM_24", "pcm32": "PCM_32", "float": "FLOAT", "double": "DOUBLE"}
_BYTES = {"pcm16": 2, "pcm24": 3, "pcm32": 4, "float": 4, "double": 8}
_CLASSIC = 2**32 - 2**16  # bytes of samples that fit the 32-bit sizes of a wav file, with room for the rest of the file


@dataclass(frozen=True)
class Recording:
    """A wav file that can be read.

    **Fields:**

    - `path`: the file.
    - `rate`: in Hz.
    - `channels`: number of channels.
    - `frames`: number of samples of each channel.
    - `subtype`: format of the samples, a key of `SUBTYPES`.
    - `start`: number of bytes before the first sample.

    ```python
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from rnn_ode import audio
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "tone.wav"
    >>> with audio.wav_writer(path, 8000, 1, "float") as write:
    ...     clipped = write(0.5 * np.ones((100, 1)))
    >>> recording = audio.read_wav(path)
    >>> recording.rate, recording.frames, [block.shape for block in recording.blocks(64)]
    (8000, 100, [(64, 1), (36, 1)])

    ```
    """

    path: Path
    rate: int
    channels: int
    frames: int
    subtype: str
    start: int

    def blocks(self, size: int = 65_536) -> Iterator[Float[np.ndarray, "n channels"]]:
        """Read all samples, `size` frames at a time.

        `ValueError` for a sample that is not finite, and if the file has become shorter.
        """
        frame_size = self.channels * _BYTES[self.subtype]
        with self.path.open("rb") as file:
            file.seek(self.start)
            for done in range(0, self.frames, size):
                count = min(size, self.frames - done)
                data = file.read(count * frame_size)
                if len(data) < count * frame_size:
                    came = done + len(data) // frame_size
                    raise ValueError(
                        f"{self.path}: the header promises {counted(self.frames, 'frame')}; {came} could be read."
                    )
                block = _loaded(data, self.subtype).reshape(count, self.channels)
                finite = np.isfinite(block)
                if not finite.all():
                    frame, channel = (int(i) for i in np.argwhere(~finite)[0])
                    raise ValueError(
                        f"{self.path}: sample {done + frame} of channel {channel} is {block[frame, channel]}; finite samples "
                        "are wanted."
                    )
                yield block


def read_wav(path: PathLike) -> Recording:
    """Read the header of a wav file and check it against the file. `blocks` of the result reads the samples.

    If the header promises 0 or 2³² − 1 bytes of samples, they are taken to go on to the end of the file: a program that
    writes into a pipe cannot know their number.

    **Arguments:**

    - `path`: the file.

    **Returns:** a `Recording`.

    **Raises:** `ValueError` naming the file and the field: for a file that is empty, truncated or no wav file, for a rate of
    0, for no channels or samples, for a codec that is not one of `SUBTYPES`, and for frames of another size than the samples
    need. `OSError` if the file cannot be opened; `ImportError` without the package `soundfile`.

    ```python
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from rnn_ode import audio
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "tone.wav"
    >>> with audio.wav_writer(path, 8000, 1, "pcm16") as write:
    ...     clipped = write(0.5 * np.ones((100, 1)))
    >>> tone = audio.read_wav(path)
    >>> tone.rate, tone.frames, tone.subtype, next(tone.blocks())[0].tolist()
    (8000, 100, 'pcm16', [0.5])

    ```
    """
    path = Path(path)
    channels, rate, align, promised, start = _header(path)
    if rate == 0 or channels == 0:
        raise ValueError(
            f"{path}: chunk 'fmt ': the rate and the number of channels must be above 0; got {rate} Hz and {channels}."
        )
    soundfile = _soundfile()
    try:
        about = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path}: chunk 'fmt ': {error.error_string} {_wanted()}") from None
    names = {code: name for name, code in SUBTYPES.items()}
    if about.subtype not in names:
        raise ValueError(f"{path}: chunk 'fmt ': the codec is {about.subtype_info} ({about.subtype}). {_wanted()}")
    size = channels * _BYTES[names[about.subtype]]
    if align != size:
        raise ValueError(
            f"{path}: chunk 'fmt ': a frame must have {size} bytes ({counted(channels, 'channel')} of {about.subtype_info}); "
            f"the header says {counted(align, 'byte')}."
        )
    present = path.stat().st_size - start
    if promised is None:
        promised = present // align * align
    if promised > present:
        raise ValueError(
            f"{path}: chunk 'data': the header promises {counted(promised // align, 'frame')} "
            f"({counted(promised, 'byte')}), but the file ends after {present // align} "
            f"({counted(present, 'byte')}): it is truncated."
        )
    if promised < align:
        raise ValueError(f"{path}: chunk 'data': the file holds no samples.")
    if promised % align:
        raise ValueError(
            f"{path}: chunk 'data': {counted(promised, 'byte')} do not make whole frames of {counted(align, 'byte')} each."
        )
    return Recording(path, rate, channels, promised // align, names[about.subtype], start)


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
    kind = "WAV" if frames * channels * _BYTES[subtype] < _CLASSIC else "RF64"
    soundfile = _soundfile()
    try:
        with soundfile.SoundFile(path, "w", rate, channels, SUBTYPES[subtype], format=kind) as file:

            def write(samples: Float[np.ndarray, "n channels"]) -> int:
                rows = np.asarray(samples)
                if rows.shape[1:] != (channels,) and not (rows.ndim == 1 and channels == 1):
                    raise ValueError(f"samples must have shape (n, {channels}); got {rows.shape}.")
                check_finite("samples", rows)
                stored, clipped = _stored(rows, subtype)
                file.write(stored)
                return clipped

            yield write
    except soundfile.LibsndfileError as error:
        raise OSError(f"{path}: {error.error_string}") from error


def _loaded(data: bytes, subtype: str) -> np.ndarray:
    """The samples that these bytes of a file are, as floats."""
    if subtype in ("float", "double"):
        return np.frombuffer(data, "<f4" if subtype == "float" else "<f8").astype(np.float64)
    size = _BYTES[subtype]
    upper = np.zeros((len(data) // size, 4), np.uint8)
    upper[:, 4 - size :] = np.frombuffer(data, np.uint8).reshape(-1, size)
    return upper.view("<i4")[:, 0] / 2.0**31


def _stored(samples: np.ndarray, subtype: str) -> tuple[np.ndarray, int]:
    """Samples in the file's type, and how many of them were clipped."""
    if subtype in ("float", "double"):
        return samples.astype("float32" if subtype == "float" else "float64"), 0
    size = _BYTES[subtype]
    full = 2 ** (8 * size - 1)
    whole = np.rint(samples * full)
    fitting = np.clip(whole, -full, full - 1)
    clipped = int(np.sum(whole != fitting))
    if subtype == "pcm16":
        return fitting.astype(np.int16), clipped
    return fitting.astype(np.int32) << (32 - 8 * size), clipped  # libsndfile takes the upper bits


def _header(path: Path) -> tuple[int, int, int, int | None, int]:
    """Channels; rate; bytes in a frame; bytes of samples that the header promises, or `None`; bytes before the first one."""
    total = path.stat().st_size
    if total == 0:
        raise ValueError(f"{path}: the file is empty.")
    with path.open("rb") as file:
        start = file.read(12)
        if start[:4] not in (b"RIFF", b"RF64") or (len(start) == 12 and start[8:] != b"WAVE"):
            raise ValueError(
                f"{path}: not a wav file: a wav file begins with RIFF or RF64, a size, and WAVE; this one with {start!r}."
            )
        form, long = None, None
        for name, size in _chunks(file, total):
            if name == b"ds64":
                long = struct.unpack("<Q", file.read(16)[8:].ljust(8, b"\0"))[0]
            elif name == b"fmt " and len(body := file.read(16)) == 16:
                form = struct.unpack("<2xHL4xH2x", body)
            elif name == b"data":
                if form is None:
                    raise ValueError(f"{path}: chunk 'fmt ': missing before the samples.")
                channels, rate, align = form
                start = file.tell()
                return channels, rate, align, _promised(file, size, long, total), start
    raise ValueError(f"{path}: chunk 'data': missing; the file is truncated after {total} bytes.")


def _chunks(file: BinaryIO, total: int) -> Iterator[tuple[bytes, int]]:
    """The name and size of each chunk. The file then stands at the chunk's body."""
    place = file.tell()
    while place + 8 <= total:
        file.seek(place)
        name, size = struct.unpack("<4sL", file.read(8))
        yield name, size
        place += 8 + size + size % 2


def _promised(file: BinaryIO, size: int, long: int | None, total: int) -> int | None:
    """Bytes of samples by the header, or `None` for the header of a pipe.

    That has the size 2³² − 1, or 0 although samples follow, which are then no valid chunks.
    """
    if size == 0xFFFFFFFF:
        return long
    if size:
        return size
    end = file.tell()
    for name, more in _chunks(file, total):
        if not (name.isascii() and name.decode().isprintable()):
            return None
        end += 8 + more + more % 2
    return 0 if end in (total, total + 1) else None


def _wanted() -> str:
    return "Samples of 16, 24 or 32 bits, or floats of 32 or 64 bits, are wanted."


def _soundfile() -> ModuleType:
    try:
        import soundfile
    except ImportError as error:
        raise ImportError(
            "wav files need the package soundfile: pip install '.[audio]' in a clone of rnn_ode"
        ) from error
    return soundfile


def __dir__() -> list[str]:
    return __all__
