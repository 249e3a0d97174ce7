"""Ctrl-C in the command: the process ends within two seconds, at any moment, with one sentence and exit status 130.

Python itself would raise `KeyboardInterrupt` in the main thread. It does so only when the main thread is back from XLA, which
can take long, and while XLA compiles in a thread the exception ends in a segmentation fault. Therefore nothing is raised
here. Python's signal handler writes the number of the signal to a socket (`signal.set_wakeup_fd`), even while the main
thread is inside XLA. Another thread waits at that socket. It removes unfinished files, prints what was kept, and ends the
process by `os._exit`, without unwinding the main thread.

Only the command calls `watch`. In a program or a notebook, Ctrl-C raises `KeyboardInterrupt` as usual, and the other
functions here have no effect.
"""

import atexit
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

PATIENCE = 0.8  # seconds that a `deferred` block has to end
LONGEST = 1.5  # seconds after which the process ends even if the last sentence is not ready
SAME = 0.3  # a second signal within these seconds is the same one again, passed on by the parent process

_ENDS = (signal.SIGINT, signal.SIGTERM)

_requested = threading.Event()  # a signal has come
_undeferred = threading.Event()  # no `deferred` block is running
_undeferred.set()
_undo: list[Callable[[], Any]] = []
_said = False
_status: Any = None


def _farewell() -> str:
    return "Stopped before the work began; run the same command again."


def watch() -> None:
    """Let Ctrl-C (SIGINT) and SIGTERM end the process as described above. Called once, in the main thread of the command.

    A process that was started with SIGINT ignored keeps ignoring it: shells start background jobs of scripts that way.
    """
    atexit.register(_end_without_teardown)
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    threading.Thread(target=_wait_for_signal, args=(ours, theirs), daemon=True).start()
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    for number in _ENDS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _rest_unless_deferred)


def end_with(status: Any) -> None:
    """End the process with this status as soon as its exit handlers have run.

    Otherwise Python would destroy all modules first. With JAX that takes a second, during which signals are ignored.
    """
    global _status
    _status = status


def requested() -> bool:
    """Whether the process is about to end. A loop in a `deferred` block asks this and then ends itself."""
    return _requested.is_set()


def tell(farewell: Callable[[], str]) -> None:
    """Set the function that returns the last sentence. It is called in another thread, once."""
    global _farewell
    _farewell = farewell


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Let the block end before the process does, if it takes less than `PATIENCE` seconds. Blocks cannot be nested."""
    _undeferred.clear()
    try:
        yield
    finally:
        _undeferred.set()
        if requested():
            _rest()


@contextlib.contextmanager
def undone(undo: Callable[[], Any]) -> Iterator[None]:
    """Call `undo` if the process ends inside the block: it removes a file, say, or ends a child process."""
    _undo.append(undo)
    try:
        yield
    finally:
        _undo.remove(undo)


def _end_without_teardown() -> None:
    if isinstance(_status, int):
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # its reader has closed it
                stream.flush()
        os._exit(_status)


def _rest_unless_deferred(number: int, frame: FrameType | None) -> None:
    """The signal handler, which the main thread runs as soon as it is back in Python."""
    _requested.set()
    if _undeferred.is_set():
        _rest()


def _rest() -> NoReturn:
    """Wait for the end: this thread prints and writes nothing more."""
    while True:
        time.sleep(60)


def _wait_for_signal(bell: socket.socket, kept_open: socket.socket) -> None:
    """Wait for a signal, then for the last sentence, for a second signal or for `LONGEST`; end the process.

    `kept_open` is the other end of the socket, which would be closed without a reference to it.
    """
    number = 0
    while number not in _ENDS:
        number = bell.recv(1)[0]
    _requested.set()
    began = time.monotonic()
    threading.Thread(target=_say_farewell, args=(number,), daemon=True).start()
    while (left := began + LONGEST - time.monotonic()) > 0:
        bell.settimeout(left)
        with contextlib.suppress(TimeoutError):
            if bell.recv(1)[0] in _ENDS and time.monotonic() - began > SAME:
                break
    _end(number, "Stopped. No file is damaged: each is the old one or the complete new one.")


def _say_farewell(number: int) -> None:
    """End the process with the sentence of `tell`, after a `deferred` block has ended or `PATIENCE` has passed."""
    _undeferred.wait(PATIENCE)
    try:
        text = _farewell()
    except Exception as error:  # the sentence may depend on files that other programs have changed
        text = f"Stopped; what was kept is not known ({error})."
    _end(number, text)


def _end(number: int, text: str) -> NoReturn:
    """Remove unfinished files, print the text (once) and end the process. Takes no lock that another thread may hold."""
    global _said
    for undo in reversed(_undo[:]):
        with contextlib.suppress(OSError):
            undo()
    if not _said:
        _said = True
        screen = "\r\x1b[2K\x1b[?25h" if os.isatty(2) else ""  # clears the progress line, shows the cursor
        with contextlib.suppress(OSError):
            os.write(2, f"{screen}{text}\n".encode(errors="surrogateescape"))
    os._exit(128 + number)
