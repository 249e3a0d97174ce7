"""Writing files so that a run that is killed leaves none half-written."""

import contextlib
import os
import platform
import re
import secrets
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A name beside `path`, of the same ending, for the block to write; renamed to `path` when the block ends well, and
    removed when it does not. What runs that were killed have left under such names of `path` is removed first.
    `FileNotFoundError` where there is no such folder."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: the folder {path.parent} does not exist.")
    _remove_leftovers(path)
    beside = path.with_name(f".{path.stem}.{platform.node()}-{os.getpid()}-{secrets.token_hex(4)}{path.suffix}")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


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
