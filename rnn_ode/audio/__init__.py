"""Recordings, checked first, then read and written in blocks.

libsndfile reads and writes the files, through the package `soundfile` (the extra `audio`): wav, AIFF, FLAC and others. The
header of a wav file is looked at here too: libsndfile does not notice if the file is shorter than its header says, or if its
header promises no samples because a pipe wrote it.

Samples are floats with full scale 1. An integer of b bits is divided by 2^(b − 1) when it is read. When it is written, the
sample is rounded to the nearest integer, so that reading and writing again gives the same file.
"""

from ._formats import SUBTYPES as SUBTYPES
from ._formats import PathLike as PathLike
from ._recording import Recording as Recording
from ._recording import read_recording as read_recording
from ._recording import read_wav as read_wav
from ._writer import recording_writer as recording_writer
from ._writer import wav_writer as wav_writer

__all__ = [
    "SUBTYPES",
    "PathLike",
    "Recording",
    "read_recording",
    "read_wav",
    "recording_writer",
    "wav_writer",
]


def __dir__() -> list[str]:
    return __all__
