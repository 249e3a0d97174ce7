"""Checks of files before anything takes time, and writing a file whole or not at all."""

import contextlib
import errno
import os
import platform
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from .._base.stop import undone


def check_readable(name: str, path: Path) -> None:
    """Check that the file at `path` can be read and is not empty.

    **Raises:** `OSError`, or `ValueError` for an empty file. The text begins with `name`, the argument or option, if it is
    not empty.
    """
    file = f"{name} {path}".strip()
    if path.is_dir():
        raise IsADirectoryError(f"{file}: a file is wanted; that is a folder.")
    if not path.exists():
        raise FileNotFoundError(f"{file}: there is no such file.")
    if not os.access(path, os.R_OK):
        raise PermissionError(f"{file}: you are not permitted to read this file.")
    if path.is_file() and path.stat().st_size == 0:
        raise ValueError(f"{file}: the file is empty.")


def as_path(name: str, value: Any) -> Path:
    """Return the name of a file, text or `os.PathLike`, as a path. `TypeError` or `ValueError` for others."""
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
        raise TypeError(f"{name} must be the name of a file, a text or a pathlib.Path; got {repr(value)[:80]}.")
    if not os.fspath(value) or "\0" in os.fspath(value):
        raise ValueError(f"{name} must be the name of a file; got {repr(value)[:80]}.")
    return Path(value)


def check_regular(path: Path) -> None:
    """Check that a file lies on a disk, so that reading it comes to an end. `OSError`, which names it, if it does not."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"{path}: a file is wanted; that is a folder.")
    if not stat.S_ISREG(mode):
        raise OSError(
            f"{path}: a file on a disk is wanted; that is a pipe, a socket or a device. Write what it gives to a file first."
        )


def check_writable(name: str, path: Path) -> None:
    """Check that a file at `path` can be written. `OSError` if not: its text begins with `name`, the argument or option."""
    if path.is_dir():
        raise IsADirectoryError(f"{name} {path}: a file is wanted; that is a folder.")
    _check_folder(name, path, path.parent)


def check_folder_writable(name: str, path: Path) -> None:
    """Check that the folder at `path` can be made, or written to if it is there. `OSError` if not, as for a file."""
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"{name} {path}: a folder is wanted; that is a file.")
    _check_folder(name, path, path.parent)
    if path.exists():
        _check_folder(name, path, path)


def _check_folder(name: str, path: Path, folder: Path) -> None:
    if not folder.is_dir():
        raise FileNotFoundError(f"{name} {path}: the folder {folder} does not exist.")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise type(error)(f"{name} {path}: the folder {folder} cannot be written to ({error.strerror}).") from None


@contextlib.contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Write a file under another name in the folder of `path`, and rename it to `path` when the block ends.

    Yields the other name, which ends like `path`. If the block fails or the command is stopped, the file is removed. Files
    that killed runs have left under such names are removed first. `OSError` if no file can be written there.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: the folder {path.parent} does not exist.")
    if path.is_dir():
        raise IsADirectoryError(f"{path}: a file is wanted; that is a folder.")
    beside = _name_beside(path)

    def remove() -> None:
        with contextlib.suppress(OSError):  # a disk that became read-only refuses even what is not there
            beside.unlink()

    with undone(remove):
        try:
            yield beside
            os.replace(beside, path)
        except OSError as error:
            raise _about(error, beside, path) from error
        finally:
            remove()


@contextlib.contextmanager
def filled_beside(path: Path) -> Iterator[Path]:
    """Fill a folder under another name, and rename it to `path` when the block ends, as `written_beside` does with a file.

    If another process has put a folder there in the meantime, that one stays and this one is removed.
    """
    beside = _name_beside(path)
    remove = partial(shutil.rmtree, beside, ignore_errors=True)
    with undone(remove):
        try:
            beside.mkdir()
            yield beside
            try:
                os.replace(beside, path)
            except OSError:
                if not path.is_dir():
                    raise
        finally:
            remove()


def _about(error: OSError, beside: Path, path: Path) -> OSError:
    """An error from writing the file beside as one about `path`, which is the name that people know."""
    known_by_name = str(beside) in str(error)
    # libraries for sound and pictures have texts of their own, without a number
    without_number = error.errno is None and not shutil.disk_usage(path.parent).free
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or without_number:
        return OSError(f"{path}: the disk is full. Nothing there has changed: make room, and run the same again.")
    if error.errno == errno.EFBIG or str(error.filename) == str(beside):
        return OSError(error.errno, error.strerror, str(path))
    return type(error)(str(error).replace(str(beside), str(path))) if known_by_name else error


def _name_beside(path: Path) -> Path:
    """A new name in the folder of `path`, which ends like it. What killed runs have left under such names is removed."""
    _remove_leftovers(path)
    return path.with_name(f".{path.stem}.{platform.node()}-{os.getpid()}-{secrets.token_hex(4)}{path.suffix}")


def _remove_leftovers(path: Path) -> None:
    """Remove unfinished files and folders of `path` whose processes, on this machine, have ended."""
    own = re.compile(
        rf"\.{re.escape(path.stem)}\.{re.escape(platform.node())}-(\d+)-[0-9a-f]{{8}}{re.escape(path.suffix)}"
    )
    for other in path.parent.iterdir():
        match = own.fullmatch(other.name)
        if match and not _lives(int(match[1])):
            shutil.rmtree(other) if other.is_dir() else other.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    """Whether a process exists. True if the system cannot tell."""
    if os.name != "posix":  # on Windows signal 0 is Ctrl-C
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
