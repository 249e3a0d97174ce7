"""Reading recordings in blocks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from .._base.checks import counted
from .._files.atomic import as_path, check_regular
from ._formats import BYTES, CHANNELS, MOST_HZ, NAMES, PathLike, soundfile
from ._wav import ENDLESS, Endless, header, promises_none

_MOST_FRAMES = 2**62  # libsndfile says 2**63 - 1 for a FLAC file that does not tell


@dataclass(frozen=True)
class Recording:
    """A recording that can be read.

    **Fields:**

    - `path`: the file.
    - `rate`: in Hz.
    - `channels`: number of channels.
    - `frames`: number of samples of each channel.
    - `subtype`: format of the samples, a key of `SUBTYPES`, or libsndfile's name of another one, such as `PCM_U8`.
    - `start`: number of bytes before the first sample of a wav file.
    - `pick`: `"left"`, `"right"` or `"mix"`, where one channel is made of the file's. Default: all channels as they are.

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
    start: int = 0
    pick: str | None = None

    def blocks(self, size: int = 65_536) -> Iterator[Float[np.ndarray, "n channels"]]:
        """Read all samples, `size` frames at a time.

        `ValueError` for a sample that is not finite, and if the file is shorter than it should be.
        """
        sndfile = soundfile()
        endless = self.start > 0 and promises_none(self.path, self.start)
        with (
            Endless(self.path, self.start) if endless else self.path.open("rb") as opened,
            sndfile.SoundFile(opened) as file,
        ):
            for done in range(0, self.frames, size):
                count = min(size, self.frames - done)
                try:
                    block = file.read(count, dtype="float64", always_2d=True)
                except sndfile.LibsndfileError as error:
                    raise ValueError(
                        f"{self.path}: damaged after frame {done}: {error.error_string or error}"
                    ) from None
                if len(block) < count:
                    raise ValueError(
                        f"{self.path}: the header promises {counted(self.frames, 'frame')}; {done + len(block)} could be "
                        "read."
                    )
                finite = np.isfinite(block)
                if not finite.all():
                    frame, channel = (int(i) for i in np.argwhere(~finite)[0])
                    raise ValueError(
                        f"{self.path}: sample {done + frame} of channel {channel} is {block[frame, channel]}; finite samples "
                        "are wanted."
                    )
                yield block if self.pick is None else _picked(block, self.pick)

    def channel(self, which: str) -> "Recording":
        """The recording with one channel: the `"left"` or `"right"` one of two, or the `"mix"`, the mean of all."""
        if which not in CHANNELS:
            raise ValueError(f"which must be one of {', '.join(CHANNELS)}; got {which!r}.")
        if self.channels == 1:
            return self
        if which != "mix" and self.channels != 2:
            raise ValueError(
                f"{self.path}: left and right are two channels; there are {self.channels}. mix is their mean."
            )
        return replace(self, channels=1, pick=which)


def read_recording(path: PathLike) -> Recording:
    """Look at a recording in any format of libsndfile: wav, AIFF, FLAC, Ogg and more. `blocks` reads the samples.

    **Arguments:**

    - `path`: the file. Its content tells the format.

    **Returns:** a `Recording`.

    **Raises:** as `read_wav`; `ValueError` for a file that libsndfile does not read, and for a FLAC file that came out of a
    pipe and does not tell how many samples it has.

    ```python
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from rnn_ode import audio
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "tone.flac"
    >>> with audio.recording_writer(path, 8000, 1, "pcm24") as write:
    ...     clipped = write(0.5 * np.ones((100, 1)))
    >>> tone = audio.read_recording(path)
    >>> tone.rate, tone.frames, tone.subtype, next(tone.blocks())[0].tolist()
    (8000, 100, 'pcm24', [0.5])

    ```
    """
    path = as_path("path", path)
    check_regular(path)
    with path.open("rb") as file:
        start = file.read(4)
    if start in (b"RIFF", b"RF64") or not start or path.suffix.lower() == ".wav":
        return read_wav(path)
    sndfile = soundfile()
    try:
        about = sndfile.info(path, verbose=True)
    except sndfile.LibsndfileError as error:
        raise ValueError(f"{path}: no recording that libsndfile reads: {error.error_string or error}") from None
    sizes = [(int(a), int(b)) for a, b in re.findall(r": (\d+) \(should be (\d+)\)", about.extra_info)]
    short = [(promised, present) for promised, present in sizes if promised > present + 1 and not _of_a_pipe(promised)]
    if short:
        promised, present = short[-1]
        raise ValueError(
            f"{path}: the header promises {counted(promised, 'byte')}, but {counted(present, 'byte')} follow: it is "
            "truncated."
        )
    return _checked(path, about.samplerate, about.channels, about.frames, about.subtype, 0)


def read_wav(path: PathLike) -> Recording:
    """Read the header of a wav file and check it against the file. `blocks` of the result reads the samples.

    If the header promises no samples, or the very many that a program promises which writes into a pipe and cannot know their
    number (2³² − 1 bytes, or SoX's 2³¹ − 4096), they are taken to go on to the end of the file.

    **Arguments:**

    - `path`: the file.

    **Returns:** a `Recording`.

    **Raises:** `ValueError` naming the file and the field: for a file that is empty, truncated or no wav file, for a rate of
    0 or above 10⁸, for no channels or samples, for a codec that libsndfile does not know, and for frames of another size
    than the samples need. `OSError` if the file cannot be opened; `ImportError` without the package `soundfile`.

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
    path = as_path("path", path)
    channels, rate, align, promised, start = header(path)
    if rate == 0 or channels == 0:
        raise ValueError(
            f"{path}: chunk 'fmt ': the rate and the number of channels must be above 0; got {rate} Hz and {channels}."
        )
    sndfile = soundfile()
    try:
        about = sndfile.info(path)
    except sndfile.LibsndfileError as error:
        raise ValueError(f"{path}: chunk 'fmt ': {error.error_string} {_wanted()}") from None
    size = channels * BYTES.get(about.subtype, 0)
    if size and align != size:
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
    return _checked(path, rate, channels, promised // align if size else about.frames, about.subtype, start)


def _checked(path: Path, rate: int, channels: int, frames: int, code: str, start: int) -> Recording:
    if not 0 < rate <= MOST_HZ:
        raise ValueError(f"{path}: the sampling rate must be above 0 and at most {MOST_HZ:,} Hz; got {rate} Hz.")
    if frames < 1:
        raise ValueError(f"{path}: the file holds no samples.")
    if frames > _MOST_FRAMES:
        raise ValueError(
            f"{path}: the header does not tell how many samples there are; a program that writes into a pipe does not know. "
            f"Convert the file to wav: ffmpeg -i {path.name} {path.stem}.wav"
        )
    return Recording(path, rate, channels, frames, NAMES.get(code, code), start)


def _of_a_pipe(size: int) -> bool:
    """Whether a program promises so many bytes because it writes into a pipe: in AIFF files SoX says about 0x7F000000."""
    return size in ENDLESS or abs(size - 0x7F000000) < 4096


def _picked(block: np.ndarray, which: str) -> np.ndarray:
    return block.mean(axis=1, keepdims=True) if which == "mix" else block[:, [int(which == "right")]]


def _wanted() -> str:
    return "Samples of 8, 16, 24 or 32 bits, or floats of 32 or 64 bits, are wanted."
