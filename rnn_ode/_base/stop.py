"""Ctrl-C in the command: it ends within two seconds, at any moment, with one sentence and status 130.

Python's own way is to raise `KeyboardInterrupt` in the main thread. That can come long after the key, when the main thread
is back from a compilation, and raised while XLA compiles it ends in a segmentation fault. So nothing is raised here. The
signal writes its number to a socket (`signal.set_wakeup_fd`), even while the main thread is inside XLA. A thread waits for
it there, says what was kept, removes unfinished files and ends the process with `os._exit`, which unwinds nothing.

Only the command calls `watch`. In a program or a notebook Ctrl-C raises `KeyboardInterrupt` as usual, and the other functions
here have no effect.
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
from typing import Any

PATIENCE = 0.8  # seconds that a `deferred` block has to end

LONGEST = 1.5  # seconds after which the process ends, whatever is still to be said

SAME = 0.3  # seconds within which a second signal is the first one, passed on by the program that started this one

_ENDS = (signal.SIGINT, signal.SIGTERM)

_requested = threading.Event()

_undeferred = threading.Event()


_undeferred.set()

_undo: list[Callable[[], Any]] = []

_said = False

_status: Any = None


def _farewell() -> str:
    return "Stopped before the work began; run the same command again."


def watch() -> None:
    """From now on Ctrl-C (SIGINT) and SIGTERM end the process as described above. For the main thread of a command.

    SIGINT stays ignored in a process that was started so, as shells start what a script runs in the background.
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
    """The process is to end with this status when its exit handlers have run.

    Otherwise Python takes all modules apart, which lasts a second after JAX. During that second the process ignores signals.
    """
    global _status
    _status = status


def requested() -> bool:
    """Whether the process is about to end: a loop inside a `deferred` block looks here and ends itself."""
    return _requested.is_set()


def tell(farewell: Callable[[], str]) -> None:
    """From now on, the sentence to end with is what this returns. It is called in another thread, once."""
    global _farewell
    _farewell = farewell


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """The block may end, if that takes less than `PATIENCE`, before the process does. Blocks may not be nested."""
    _undeferred.clear()
    try:
        yield
    finally:
        _undeferred.set()
        if requested():
            _rest()


@contextlib.contextmanager
def undone(undo: Callable[[], Any]) -> Iterator[None]:
    """Where the process ends inside the block, `undo` is called: it removes a file, or ends a child process."""
    _undo.append(undo)
    try:
        yield
    finally:
        _undo.remove(undo)


def _end_without_teardown() -> None:
    if isinstance(_status, int):
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
                stream.flush()
        os._exit(_status)


def _rest_unless_deferred(number: int, frame: Any) -> None:
    """The signal's handler in Python, which the main thread runs when it is next in Python."""
    _requested.set()
    if _undeferred.is_set():
        _rest()


def _rest() -> None:
    """Nothing more is to be printed or written by this thread."""
    while True:
        time.sleep(60)


def _wait_for_signal(bell: socket.socket, kept_open: socket.socket) -> None:
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
    _undeferred.wait(PATIENCE)
    try:
        text = _farewell()
    except Exception as error:  # what to say depends on files, which others may have changed
        text = f"Stopped; what was kept is not known ({error})."
    _end(number, text)


def _end(number: int, text: str) -> None:
    """Removes what is unfinished, says the text, once, and ends the process. It takes no lock that others may hold."""
    global _said
    for undo in reversed(_undo[:]):
        with contextlib.suppress(OSError):
            undo()
    if not _said:
        _said = True
        screen = "\r\x1b[2K\x1b[?25h" if os.isatty(2) else ""  # clears a progress line and shows the cursor again
        with contextlib.suppress(OSError):
            os.write(2, f"{screen}{text}\n".encode(errors="surrogateescape"))
    os._exit(128 + number)
