"""Ctrl-C in a process that is watched: status 130 within two seconds, one sentence, and no unfinished file."""

import os
import signal
import time
from pathlib import Path

import pytest
from processes import EARLY, LIMIT, start, stopped

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")


HEAD = "import subprocess, sys, time\nfrom pathlib import Path\nfrom rnn_ode._base import stop\nstop.watch()\n"


def begin_script(script, cwd, **options):
    """Start a watched process with a script; return it and the line that the script prints when it is ready."""
    process = start(["-c", HEAD + script], cwd, **options)
    return process, process.stdout.readline()


def run_script(script, cwd, number=signal.SIGINT, **options):
    return stopped(begin_script(script, cwd, **options)[0], number)


READY = "print('ready', flush=True)\n"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_long_call_outside_python_is_not_waited_for(tmp_path, number, status):
    script = "import numpy as np\nW = np.random.default_rng(0).normal(size=(2500, 2500))\n" + READY
    code, seconds, _, err = run_script(script + "np.linalg.eigvals(W)", tmp_path, number)
    assert (code, err) == (status, EARLY) and seconds < LIMIT


def test_a_deferred_block_that_asks_may_end_itself(tmp_path):
    script = """
with stop.deferred():
    print('ready', flush=True)
    while not stop.requested():
        time.sleep(0.001)
    Path("kept").write_text("all of it")
    stop.tell(lambda: "Stopped: all of it is kept.")
Path("later").write_text("never")
"""
    code, seconds, _, err = run_script(script, tmp_path)
    assert (code, err) == (130, "Stopped: all of it is kept.\n") and seconds < LIMIT
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("kept", "all of it")]


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("with stop.deferred():\n    print('ready', flush=True)\n    time.sleep(30)", EARLY),
        pytest.param(
            f"stop.tell(lambda: time.sleep(30))\n{READY}time.sleep(30)",
            "Stopped. No file is damaged: each is the old one or the complete new one.\n",
            marks=pytest.mark.slow,
        ),
        (
            f"stop.tell(lambda: 1 / 0)\n{READY}time.sleep(30)",
            "Stopped; what was kept is not known (division by zero).\n",
        ),
    ],
    ids=["deferred", "farewell hangs", "farewell fails"],
)
def test_a_long_deferred_block_and_a_slow_last_sentence_do_not_delay_the_end(tmp_path, script, text):
    code, seconds, _, err = run_script(script, tmp_path)
    assert (code, err) == (130, text) and seconds < LIMIT


def test_a_second_signal_ends_the_process_at_once(tmp_path):
    script = "with stop.deferred():\n    print('ready', flush=True)\n    time.sleep(30)"
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
with written_beside(Path("out.csv")) as beside, stop.undone(child.kill):
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
    """Without a signal, the status is that of the command, and all of its output is printed."""
    script = """
import atexit
atexit.register(lambda: (print('ready', flush=True), time.sleep(WAIT)))
sys.stdout.write('printed\\n')
stop.end_with(3)
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
