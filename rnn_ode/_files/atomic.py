"""Checks of files before anything takes time, and writing a file whole or not at all."""

import contextlib
import os
import platform
import re
import secrets
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from .._base.stop import undone


def check_readable(name: str, path: Path) -> None:
    """Check that the file at `path` can be read and is not empty.

    **Raises:** `OSError`, or `ValueError` for an empty file. The text begins with `name`, the argument or option.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{name} {path}: a file is wanted; that is a folder.")
    if not path.exists():
        raise FileNotFoundError(f"{name} {path}: there is no such file.")
    if not os.access(path, os.R_OK):
        raise PermissionError(f"{name} {path}: you are not permitted to read this file.")
    if path.is_file() and path.stat().st_size == 0:
        raise ValueError(f"{name} {path}: the file is empty.")


def check_writable(name: str, path: Path) -> None:
    """Check that a file at `path` can be written. `OSError` if not: its text begins with `name`, the argument or option."""
    if path.is_dir():
        raise IsADirectoryError(f"{name} {path}: a file is wanted; that is a folder.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{name} {path}: the folder {path.parent} does not exist.")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise type(error)(f"{name} {path}: the folder {path.parent} cannot be written to ({error.strerror}).") from None


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
    _remove_leftovers(path)
    beside = path.with_name(f".{path.stem}.{platform.node()}-{os.getpid()}-{secrets.token_hex(4)}{path.suffix}")
    remove = partial(beside.unlink, missing_ok=True)
    with undone(remove):
        try:
            yield beside
            os.replace(beside, path)
        finally:
            remove()


def _remove_leftovers(path: Path) -> None:
    """Remove unfinished files of `path` whose processes, on this machine, have ended."""
    own = re.compile(
        rf"\.{re.escape(path.stem)}\.{re.escape(platform.node())}-(\d+)-[0-9a-f]{{8}}{re.escape(path.suffix)}"
    )
    for other in path.parent.iterdir():
        match = own.fullmatch(other.name)
        if match and not _lives(int(match[1])):
            other.unlink(missing_ok=True)


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
