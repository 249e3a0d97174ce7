"""Python processes that a test starts and stops."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import rnn_ode

PACKAGE = Path(rnn_ode.__file__).parents[1]
LIMIT = 2.0  # seconds within which a process must end
EARLY = "Stopped before the work began; run the same command again.\n"

# a shell's background job ignores SIGINT, and its children inherit that; so the handler is set before Python starts anew
ANEW = "import os, signal, sys; signal.signal(signal.SIGINT, {}); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"


def start(command, cwd, *, stderr=subprocess.PIPE, sigint="signal.SIG_DFL"):
    """Start a Python process."""
    env = os.environ | {"PYTHONPATH": str(PACKAGE), "MPLBACKEND": "Agg"}
    anew = [sys.executable, "-c", ANEW.format(sigint), *command]
    return subprocess.Popen(anew, stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=cwd, env=env)


def wait_until_it_watches(process):
    """Wait until the command watches for signals, which needs a socket. Before that, Python ends as it always does."""
    opened = Path(f"/proc/{process.pid}/fd")
    if not opened.exists():
        time.sleep(0.5)
    while opened.exists() and process.poll() is None and not any(map(_is_socket, opened.iterdir())):
        time.sleep(0.01)


def _is_socket(opened):
    try:
        return os.readlink(opened).startswith("socket:")
    except OSError:  # it has been closed since
        return False


def stopped(process, number=signal.SIGINT):
    """Send a signal, and return the status, the seconds until the end, standard output and standard error."""
    began = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, time.monotonic() - began, out, err
