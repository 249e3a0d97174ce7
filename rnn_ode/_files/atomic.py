"""Files: whether they can be read and written, said before anything takes time; and none half-written by a run that ends."""

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
    """An error that begins with the name of the argument or option where there is no file at `path` that can be read:
    `OSError`, or `ValueError` for one that is empty."""
    if path.is_dir():
        raise IsADirectoryError(f"{name} {path}: a file is wanted; that is a folder.")
    if not path.exists():
        raise FileNotFoundError(f"{name} {path}: there is no such file.")
    if not os.access(path, os.R_OK):
        raise PermissionError(f"{name} {path}: you are not permitted to read this file.")
    if path.is_file() and path.stat().st_size == 0:
        raise ValueError(f"{name} {path}: the file is empty.")


def check_writable(name: str, path: Path) -> None:
    """`OSError` that begins with the name of the argument or option where a file at `path` cannot be written."""
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
    """A name beside `path`, of the same ending, for the block to write; renamed to `path` when the block ends well, and
    removed when it does not, or when the command is stopped. What runs that were killed have left under such names of `path`
    is removed first. `OSError` where no file can be written there."""
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
    """Those of processes of this machine that are no more."""
    own = re.compile(
        rf"\.{re.escape(path.stem)}\.{re.escape(platform.node())}-(\d+)-[0-9a-f]{{8}}{re.escape(path.suffix)}"
    )
    for other in path.parent.iterdir():
        match = own.fullmatch(other.name)
        if match and not _lives(int(match[1])):
            other.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    if os.name != "posix":  # signal 0 is no question elsewhere
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
