"""A forecast that is killed anywhere and run again with its checkpoint ends with the same numbers, bit for bit."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from rnn_ode import learn
from rnn_ode.learn._training import training

STEPS = 100  # of the training and of each of the two short ones before it; a quarter of them for the refit
PILOTS, TRAINING, ALL = 2 * STEPS, 3 * STEPS, 3 * STEPS + STEPS // 4


def forecast(path):
    """Of the logistic map, which networks that see two values forecast better than any line: they pass the validation, so
    that the refit has something to train."""
    x = [0.3]
    while len(x) < 90:
        x.append(3.9 * x[-1] * (1 - x[-1]))
    return learn.forecast(
        np.array(x)[:, None], learn.many_to_one("tanh", 6), history=2, needs=learn.Needs(scaling="series"), refit=True,
        steps=STEPS, rate=0.05, members=1, size=8, validation=0.3, key=jax.random.key(0), checkpoint=path, progress=False,
    )  # fmt: skip


def outcome(path):
    """All numbers of a forecast, its table, and its checkpoint."""
    f = forecast(path)
    leaves = jax.tree.leaves((f.forecaster, f.band, f.members, f.future, f.baselines, f.fit.history.loss))
    return [np.asarray(leaf).tobytes() for leaf in leaves], f.table(), path.read_bytes()


class Killed(BaseException):
    """What nobody catches, so that nothing is put in order first."""


def kill():
    raise Killed


def killed_at(step, how=kill):
    """A step of training that kills the run when it is called for the time after `step`."""
    advance, calls = training.advance, iter(range(step))
    return lambda *arguments: advance(*arguments) if next(calls, None) is not None else how()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return outcome(tmp_path_factory.mktemp("whole") / "run.ckpt")


@pytest.mark.slow
@pytest.mark.parametrize(("step", "begun"), [(PILOTS // 2 + 7, False), (TRAINING + 3, True)], ids=["pilot", "refit"])
def test_a_run_that_is_killed_ends_the_same_when_it_is_run_again(step, begun, whole, monkeypatch, tmp_path):
    path = tmp_path / "run.ckpt"
    with monkeypatch.context() as patched:
        patched.setattr(training, "advance", killed_at(step))
        with pytest.raises(Killed):
            forecast(path)
    assert path.exists() == begun and outcome(path) == whole


SCRIPT = """
import os, signal, sys
from pathlib import Path
from rnn_ode.learn._training import training
import test_killed
training.advance = test_killed.killed_at(int(sys.argv[1]), lambda: os.kill(os.getpid(), signal.SIGKILL))
test_killed.forecast(Path("run.ckpt"))
"""


@pytest.mark.thorough
@pytest.mark.skipif(os.name != "posix", reason="processes are killed as POSIX has it")
@pytest.mark.parametrize("step", [0, 1, 50, STEPS, 150, PILOTS, PILOTS + 33, TRAINING - 1, TRAINING, ALL - 1])
def test_a_process_that_is_killed_ends_the_same_when_it_is_run_again(step, whole, tmp_path):
    where = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": where, "JAX_ENABLE_X64": "1"}
    dead = subprocess.run([sys.executable, "-c", SCRIPT, str(step)], cwd=tmp_path, env=environment, capture_output=True)
    assert dead.returncode == -9, dead.stderr
    assert outcome(tmp_path / "run.ckpt") == whole
