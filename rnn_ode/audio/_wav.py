"""Headers of wav files: what libsndfile does not notice about them."""

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from .._files.atomic import check_regular

ENDLESS = (0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)  # the sizes that programs write into a pipe


def header(path: Path) -> tuple[int, int, int, int | None, int]:
    """Channels; rate; bytes in a frame; bytes of samples that the header promises, or `None`; bytes before the first one."""
    check_regular(path)
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

    That has a very large size, or 0 although samples follow, which are then no valid chunks.
    """
    if size == 0xFFFFFFFF and long is not None:
        return long
    if size in ENDLESS and size > total - file.tell():
        return None
    if size:
        return size
    end = file.tell()
    for name, more in _chunks(file, total):
        if not (name.isascii() and name.decode().isprintable()):
            return None
        end += 8 + more + more % 2
    return 0 if end in (total, total + 1) else None


def promises_none(path: Path, start: int) -> bool:
    """Whether the header of a wav file whose samples begin at `start` promises none."""
    with path.open("rb") as file:
        file.seek(start - 4)
        return start > 0 and file.read(4) == bytes(4)


class Endless(io.FileIO):
    """A wav file with the largest size for its samples, which begin at `start`."""

    def __init__(self, name: Path, start: int):
        super().__init__(str(name))
        self.start = start

    def readinto(self, buffer: Any) -> int:
        at = self.tell()
        count = super().readinto(buffer) or 0
        for place in range(max(at, self.start - 4), min(at + count, self.start)):
            memoryview(buffer)[place - at] = 0xFF
        return count
