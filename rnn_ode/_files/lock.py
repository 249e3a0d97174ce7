"""One run at a time on a file or a folder that a run reads, goes on from and writes."""

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from .._base.stop import undone
from .atomic import check_writable


@contextlib.contextmanager
def only_run(name: str, path: Path | None, process: int = 0) -> Iterator[None]:
    """Check that a file, if one is given, can be written, and hold it for this process of a run.

    **Raises:** `OSError` as `check_writable`, and `BlockingIOError` as `held`.
    """
    if path is None:
        yield
        return
    check_writable(name, path)
    with held(name, path, process):
        yield


@contextlib.contextmanager
def held(name: str, path: Path, process: int = 0, *, needed: bool = False) -> Iterator[None]:
    """Hold a file or folder for this process of a run. `name`, the argument, begins the text of an error.

    The lock is the system's, on a file beside it: it ends with the process, however that ends. Where a file system has no
    locks, the block runs without one, unless one is `needed`: two runs would then write single parts of a folder.

    **Raises:** `BlockingIOError` if another run holds it; `OSError` if a lock is needed and there are none.
    """
    try:
        from filelock import FileLock, Timeout
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{name} {path}: a run that is kept needs filelock: pip install '.[learn]' in a clone of rnn_ode",
            name="filelock",
        ) from error
    beside = path.with_name(f".{path.name}.process-{process}.lock")
    lock = FileLock(beside)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BlockingIOError(
            f"{name} {path}: another run is writing to it. Wait until that one has ended, or give another {name}."
        ) from None
    except NotImplementedError:
        if needed:
            raise OSError(
                f"{name} {path}: its file system has no locks, so that two runs could write to it. "
                "Give a folder on another one."
            ) from None
    with undone(partial(beside.unlink, missing_ok=True)):
        try:
            yield
        finally:
            lock.release()
            beside.unlink(missing_ok=True)
