"""Ctrl-C in the command: at any moment, status 130 within two seconds, one sentence, and no file half written."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")
PACKAGE = Path(__file__).parents[2]
LIMIT = 2.0  # seconds that the command may take to end
SPARE = 3.0  # more of them for a machine that is busy with other tests


# SIGINT is ignored in what a shell runs in the background, and so in the tests' own children there: set first of all
ANEW = "import os, signal, sys; signal.signal(signal.SIGINT, {}); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"


def start(command, cwd, *, stderr=subprocess.PIPE, sigint="signal.SIG_DFL"):
    """A Python process of its own."""
    env = os.environ | {"PYTHONPATH": str(PACKAGE), "MPLBACKEND": "Agg"}
    anew = [sys.executable, "-c", ANEW.format(sigint), *command]
    return subprocess.Popen(anew, stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=cwd, env=env)


def stopped(process, number=signal.SIGINT):
    """Status, seconds, standard output and standard error after a signal."""
    began = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, time.monotonic() - began, out, err


HEAD = (
    "import subprocess, sys, time\nfrom pathlib import Path\nfrom rnn_ode._base import stop as _stop\n_stop.watch()\n"
)


def begin_script(script, cwd, **options):
    """A process that is watched and runs a script, and the line that the script prints when it is ready."""
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


def test_a_deferred_block_that_looks_ends_itself(tmp_path):
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
def test_nothing_holds_it_up(tmp_path, script, text):
    code, seconds, _, err = run_script(script, tmp_path)
    assert (code, err) == (130, text) and seconds < LIMIT


def test_a_second_key_ends_it_at_once(tmp_path):
    script = "with _stop.deferred():\n    print('ready', flush=True)\n    time.sleep(30)"
    process, _ = begin_script(script, tmp_path)
    process.send_signal(signal.SIGINT)
    time.sleep(0.4)
    code, seconds, _, err = stopped(process)
    assert code == 130 and seconds < 0.5 and err.startswith("Stopped. No file is damaged")


def test_unfinished_files_and_child_processes_go(tmp_path):
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


def test_a_process_that_was_told_to_ignore_ctrl_c_does(tmp_path):
    code, _, out, err = run_script(f"{READY}time.sleep(0.3)\nprint('done')", tmp_path, sigint="signal.SIG_IGN")
    assert (code, out, err) == (0, "done\n", "")


def test_ctrl_c_is_heard_until_the_end(tmp_path):
    """Also in exit handlers; the status is the command's where none comes, and what was printed is there."""
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


def test_the_command_keeps_ignoring_it_too(tmp_path):
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


# The command itself.

COMMANDS = {
    "compare": ["compare"],
    "analyse": ["analyse"],
    "spectrum": ["spectrum", "matrix.npy", "--json"],
    "memory": ["memory", "--cell", "tanh", "--lag", "20", "--seeds", "2", "--steps", "200", "--results", "trials.json"],
    "forecast": [
        "forecast",
        "sunspots",
        "--steps",
        "300",
        "--members",
        "1",
        "--hidden",
        "2",
        "--checkpoint",
        "run.ckpt",
    ],
    "bench": ["bench", "--case", "iterate", "--case", "lstm", "--hidden", "4", "--steps", "10", "--no-peers", "--json"],
    "resample": ["resample", "--weights", "net.npz", "--input", "in.csv", "--out", "out.csv", "--to", "1.25"],
}


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "matrix.npy", rng.normal(size=(60, 60)) / 8)
    np.savez(tmp_path / "net.npz", W_h=0.2 * np.eye(4), W_x=np.ones((4, 1)), b=np.zeros(4))
    (tmp_path / "in.csv").write_text("\n".join(map(str, np.sin(0.05 * np.arange(20_000)))))
    return tmp_path


def begin(name, folder):
    return start(["-m", "rnn_ode", *COMMANDS[name]], folder)


def is_well(name, folder, code, seconds, out, err):
    """What holds of a stopped command at any moment."""
    assert code == 130 and seconds < LIMIT + SPARE, (name, code, seconds, err)
    sentences = [line for line in err.splitlines() if not line.startswith("note: ")]
    assert len(sentences) == 1 and sentences[0].startswith("Stopped"), (name, err)
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    if name == "bench" and out:
        assert json.loads(out)["interrupted"] is True


@pytest.mark.slow
@pytest.mark.parametrize("name", ["compare", "forecast", "bench"])
def test_the_command_is_stopped_before_jax_is_imported(name, folder):
    process = begin(name, folder)
    time.sleep(0.5)
    result = stopped(process)
    is_well(name, folder, *result)
    assert result[2:] == ("", EARLY)


@pytest.mark.slow
def test_a_compilation_is_not_waited_for(tmp_path):
    """XLA takes ten seconds and more for this, in which the main thread runs no Python."""
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


@pytest.mark.slow
def test_a_training_says_what_its_checkpoint_holds_and_goes_on_from_it(folder):
    process = begin("forecast", folder)
    checkpoint, deadline = folder / "run.ckpt", time.monotonic() + 120
    while not checkpoint.exists() or b'"loss": {"array": [0]' in checkpoint.read_bytes():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    result = stopped(process)
    is_well("forecast", folder, *result)
    before, _, after = result[3].strip().partition(" of 300 steps; ")
    text, _, done = before.rpartition(" ")
    assert (text, after) == ("Stopped: the checkpoint run.ckpt holds", "run the same command again to go on.")
    header = json.loads(checkpoint.read_bytes().partition(b"\n")[0])
    assert header["state"]["dict"]["loss"]["array"] == [int(done)] and int(done) >= 15


@pytest.mark.slow
def test_a_benchmark_prints_the_rows_that_it_has(folder):
    process = start(["-m", "rnn_ode", *COMMANDS["bench"], "--keep", "rows.json"], folder)
    rows, deadline = folder / "rows.json", time.monotonic() + 120
    while not rows.exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    code, seconds, out, err = stopped(process, signal.SIGTERM)
    assert code == 143 and seconds < LIMIT + SPARE and "goes on from rows.json" in err
    printed = json.loads(out)
    assert printed["interrupted"] and {row["case"] for row in printed["rows"]} == {"iterate"}


@pytest.mark.thorough
@pytest.mark.parametrize("name", COMMANDS)
def test_forty_moments(name, folder):
    seconds = {"analyse": 30, "compare": 15, "memory": 20, "forecast": 25, "bench": 20}.get(name, 10)
    draw, ended = random.Random(name), 0
    for _ in range(40):
        process = begin(name, folder)
        time.sleep(0.3 + seconds * draw.random())
        code, *rest = stopped(process)
        if (
            code == 0
        ):  # it was done before the signal came: while the system takes its memory back it does not look done
            ended += 1
        else:
            is_well(name, folder, code, *rest)
        for made in {path.name for path in folder.iterdir()} & {"run.ckpt", "trials.json", "out.csv"}:
            (folder / made).unlink()
    assert ended < 35, "the moments were too late"
