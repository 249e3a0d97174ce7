"""Ctrl-C in a process that is watched: status 130 within two seconds, one sentence, and no unfinished file."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")

PACKAGE = Path(__file__).parents[2]

LIMIT = 2.0  # seconds within which the process must end

# a shell's background job ignores SIGINT, and its children inherit that; so the handler is set before Python starts anew
ANEW = "import os, signal, sys; signal.signal(signal.SIGINT, {}); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"


def start(command, cwd, *, stderr=subprocess.PIPE, sigint="signal.SIG_DFL"):
    """Start a Python process."""
    env = os.environ | {"PYTHONPATH": str(PACKAGE), "MPLBACKEND": "Agg"}
    anew = [sys.executable, "-c", ANEW.format(sigint), *command]
    return subprocess.Popen(anew, stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=cwd, env=env)


def stopped(process, number=signal.SIGINT):
    """Send a signal, and return the status, the seconds until the end, standard output and standard error."""
    began = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, time.monotonic() - began, out, err


HEAD = (
    "import subprocess, sys, time\nfrom pathlib import Path\nfrom rnn_ode._base import stop as _stop\n_stop.watch()\n"
)


def begin_script(script, cwd, **options):
    """Start a watched process with a script; return it and the line that the script prints when it is ready."""
    process = start(["-c", HEAD + script], cwd, **options)
    return process, process.stdout.readline()


def run_script(script, cwd, number=signal.SIGINT, **options):
    return stopped(begin_script(script, cwd, **options)[0], number)


READY = "print('ready', flush=True)\n"

EARLY = "Stopped before the work began; run the same command again.\n"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_long_call_outside_python_is_not_waited_for(tmp_path, number, status):
    script = "import numpy as np\nW = np.random.default_rng(0).normal(size=(2500, 2500))\n" + READY
    code, seconds, _, err = run_script(script + "np.linalg.eigvals(W)", tmp_path, number)
    assert (code, err) == (status, EARLY) and seconds < LIMIT


def test_a_deferred_block_that_asks_may_end_itself(tmp_path):
    script = """
with _stop.deferred():
    print('ready', flush=True)
    while not _stop.requested():
        time.sleep(0.001)
    Path("kept").write_text("all of it")
    _stop.tell(lambda: "Stopped: all of it is kept.")
Path("later").write_text("never")
"""
    code, seconds, _, err = run_script(script, tmp_path)
    assert (code, err) == (130, "Stopped: all of it is kept.\n") and seconds < LIMIT
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("kept", "all of it")]


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("with _stop.deferred():\n    print('ready', flush=True)\n    time.sleep(30)", EARLY),
        (
            f"_stop.tell(lambda: time.sleep(30))\n{READY}time.sleep(30)",
            "Stopped. No file is damaged: each is the old one or the complete new one.\n",
        ),
        (
            f"_stop.tell(lambda: 1 / 0)\n{READY}time.sleep(30)",
            "Stopped; what was kept is not known (division by zero).\n",
        ),
    ],
    ids=["deferred", "farewell hangs", "farewell fails"],
)
def test_neither_a_block_nor_a_farewell_delays_the_end(tmp_path, script, text):
    code, seconds, _, err = run_script(script, tmp_path)
    assert (code, err) == (130, text) and seconds < LIMIT


def test_a_second_signal_ends_the_process_at_once(tmp_path):
    script = "with _stop.deferred():\n    print('ready', flush=True)\n    time.sleep(30)"
    process, _ = begin_script(script, tmp_path)
    process.send_signal(signal.SIGINT)
    time.sleep(0.4)
    code, seconds, _, err = stopped(process)
    assert code == 130 and seconds < 0.5 and err.startswith("Stopped. No file is damaged")


def test_unfinished_files_are_removed_and_child_processes_ended(tmp_path):
    (tmp_path / "out.csv").write_text("old")
    script = """
from rnn_ode._files.atomic import written_beside
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
with written_beside(Path("out.csv")) as beside, _stop.undone(child.kill):
    beside.write_text("half")
    print(child.pid, flush=True)
    time.sleep(30)
"""
    process, child = begin_script(script, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    assert stopped(process)[0] == 130
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out.csv", "old")]
    deadline = time.monotonic() + 5
    status = Path(f"/proc/{child.strip()}/status")
    while status.exists() and "zombie" not in status.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_terminal_s_cursor_is_shown_again(tmp_path):
    import pty

    ours, theirs = pty.openpty()
    code, _, _, _ = run_script(READY + "time.sleep(30)", tmp_path, stderr=theirs)
    os.close(theirs)
    assert code == 130 and os.read(ours, 1000).decode().startswith("\r\x1b[2K\x1b[?25hStopped before")
    os.close(ours)


def test_a_process_that_was_started_with_sigint_ignored_keeps_ignoring_it(tmp_path):
    code, _, out, err = run_script(f"{READY}time.sleep(0.3)\nprint('done')", tmp_path, sigint="signal.SIG_IGN")
    assert (code, out, err) == (0, "done\n", "")


def test_a_signal_ends_the_process_even_in_its_exit_handlers(tmp_path):
    """Without a signal the status is that of the command, and everything printed is there."""
    script = """
import atexit
atexit.register(lambda: (print('ready', flush=True), time.sleep(WAIT)))
sys.stdout.write('printed\\n')
_stop.end_with(3)
sys.exit(3)
"""
    code, _, _, err = run_script(script.replace("WAIT", "30"), tmp_path)
    assert (code, err) == (130, EARLY)
    process = start(["-c", HEAD + script.replace("WAIT", "0")], tmp_path)
    out, err = process.communicate()
    assert (process.returncode, out, err) == (3, "printed\nready\n", "")


def test_a_command_that_was_started_with_sigint_ignored_keeps_ignoring_it(tmp_path):
    script = """
import signal, sys
from rnn_ode.__main__ import main
sys.modules['typer'] = None
try:
    main()
except SystemExit:
    print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)
"""
    assert start(["-c", script], tmp_path, sigint="signal.SIG_IGN").communicate()[0] == "True\n"


@pytest.mark.slow
def test_a_compilation_is_not_waited_for(tmp_path):
    """XLA compiles this for ten seconds or more, during which the main thread runs no Python."""
    script = """
import os
os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)
import jax, jax.numpy as jnp
def f(x):
    for _ in range(1000):
        x = jnp.sin(x) @ x
    return x
lowered = jax.jit(f).lower(jnp.ones((3, 3)))
print('ready', flush=True)
lowered.compile()
print('compiled', flush=True)
"""
    process, _ = begin_script(script, tmp_path)
    time.sleep(0.5)
    code, seconds, out, err = stopped(process)
    assert (code, out, err) == (130, "", EARLY) and seconds < LIMIT
