"""Ctrl-C in the commands: at any moment status 130 within two seconds, one sentence, and no unfinished file."""

import json
import os
import random
import signal
import time

import numpy as np
import pytest
from processes import EARLY, LIMIT, start, stopped, wait_until_it_watches

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")

SPARE = 3.0  # more of them for a machine that is busy with other tests


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
    "explore": ["explore", "small.npy", "--no-browser"],
    "sweep": ["sweep", "exponent", "--hidden", "3", "--seeds", "200", "--store", "found.zarr"],
    "resample": ["resample", "--weights", "net.npz", "--input", "in.csv", "--out", "out.csv", "--to", "1.25"],
}


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "matrix.npy", rng.normal(size=(60, 60)) / 8)
    np.save(tmp_path / "small.npy", 0.5 * np.eye(2))
    np.savez(tmp_path / "net.npz", W_h=0.2 * np.eye(4), W_x=np.ones((4, 1)), b=np.zeros(4))
    (tmp_path / "in.csv").write_text("\n".join(map(str, np.sin(0.05 * np.arange(20_000)))))
    return tmp_path


def begin(name, folder):
    process = start(["-m", "rnn_ode", *COMMANDS[name]], folder)
    wait_until_it_watches(process)
    return process


def assert_stopped(name, folder, code, seconds, out, err):
    """Assert what holds for a command that is stopped at any moment."""
    assert code == 130 and seconds < LIMIT + SPARE, (name, code, seconds, err)
    sentences = [line for line in err.splitlines() if not line.startswith("note: ")]
    assert len(sentences) == 1 and sentences[0].startswith(("Stopped", "The explorer is closed.")), (name, err)
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    if name == "bench" and out:
        assert json.loads(out)["interrupted"] is ("after all was done" not in err)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["compare", "forecast", "bench"])
def test_the_command_is_stopped_before_jax_is_imported(name, folder):
    process = begin(name, folder)
    time.sleep(0.05)
    result = stopped(process)
    assert_stopped(name, folder, *result)
    assert result[2:] == ("", EARLY)


@pytest.mark.slow
def test_a_stopped_training_says_how_many_steps_its_checkpoint_holds(folder):
    process = begin("forecast", folder)
    checkpoint, deadline = folder / "run.ckpt", time.monotonic() + 120
    while not checkpoint.exists() or b'"loss": {"array": [0]' in checkpoint.read_bytes():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    result = stopped(process)
    assert_stopped("forecast", folder, *result)
    before, _, after = result[3].strip().partition(" of 300 steps; ")
    text, _, done = before.rpartition(" ")
    assert (text, after) == ("Stopped: the checkpoint run.ckpt holds", "run the same command again to go on.")
    header = json.loads(checkpoint.read_bytes().partition(b"\n")[0])
    assert header["state"]["dict"]["loss"]["array"] == [int(done)] and int(done) >= 15


@pytest.mark.slow
def test_a_stopped_benchmark_prints_the_rows_that_are_done(folder):
    process = start(["-m", "rnn_ode", *COMMANDS["bench"], "--keep", "rows.json"], folder)
    rows, deadline = folder / "rows.json", time.monotonic() + 120
    while not rows.exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    code, seconds, out, err = stopped(process, signal.SIGTERM)
    assert code == 143 and seconds < LIMIT + SPARE and "goes on from rows.json" in err
    printed = json.loads(out)
    assert printed["interrupted"] and {row["case"] for row in printed["rows"]} == {"iterate"}


def stop_at_random(name, folder, count, seconds):
    """Stop the command `count` times, each time in its first `seconds`, and return how often it was done before that."""
    draw, ended = random.Random(name), 0
    for _ in range(count):
        process = begin(name, folder)
        time.sleep(seconds * draw.random())
        code, *rest = stopped(process)
        if code == 0:
            ended += 1
        else:
            assert_stopped(name, folder, code, *rest)
        for made in {path.name for path in folder.iterdir()} & {"run.ckpt", "trials.json", "out.csv"}:
            (folder / made).unlink()
    return ended


@pytest.mark.thorough
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_can_be_stopped_at_a_random_moment(name, folder):
    stop_at_random(name, folder, 1, 4.0)


@pytest.mark.thorough
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_can_be_stopped_at_any_of_forty_moments(name, folder):
    seconds = {"analyse": 30, "compare": 15, "memory": 20, "forecast": 25, "bench": 20}.get(name, 10)
    assert stop_at_random(name, folder, 40, seconds) < 35, "the moments were too late"
