"""The course of a training: interrupted, killed or resumed, it ends with the numbers of an unbroken one."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from oracles import equal
from trainings import QUIET, TARGETS, XS, small, squares
from weights import drawn

from rnn_ode import learn

GRU = drawn(eqx.nn.GRUCell, 1, 3)


@pytest.mark.parametrize("when", ["validation", "history"])
def test_a_training_interrupted_at_an_odd_moment_resumes_to_the_same_end(when, tmp_path, monkeypatch):
    """During a validation, and while the history is read: resumed, the run ends as an unbroken one."""
    way = {**QUIET, "validate": (XS, TARGETS), "every": 4, "checkpoint": tmp_path / "run.ckpt"}
    whole = learn.fit(small(), squares, [(XS, TARGETS)], **{**way, "checkpoint": None}, steps=12)
    from rnn_ode.learn._training import training as _training

    calls = itertools.count()

    def stopped(function):
        def call(*arguments, **settings):
            if next(calls) == (1 if when == "validation" else 6):
                raise KeyboardInterrupt
            return function(*arguments, **settings)

        return call

    with monkeypatch.context() as patch:
        name = "evaluate" if when == "validation" else "advance"
        patch.setattr(_training, name, stopped(getattr(_training, name)))
        first = learn.fit(small(), squares, [(XS, TARGETS)], **way, steps=12)
    assert first.interrupted and len(first.history.loss) == (8 if when == "validation" else 6)
    again = learn.fit(small(), squares, [(XS, TARGETS)], **way, steps=12)
    assert equal(again.model, whole.model) and not again.interrupted
    for a, b in zip(jax.tree.leaves(again.history), jax.tree.leaves(whole.history), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_resumed_training_may_have_other_checks(tmp_path):
    way = {**QUIET, "every": 2, "checkpoint": tmp_path / "run.ckpt"}
    learn.fit(small(), squares, [(XS, TARGETS)], **way, steps=4, validate=(XS, TARGETS))
    learn.fit(small(), squares, [(XS, TARGETS)], **way, steps=6)
    done = learn.fit(small(), squares, [(XS, TARGETS)], **way, steps=8, watch=lambda model: {"one": jnp.ones(2)})
    assert np.isnan(done.history.checks["validation"]).tolist() == [False, False, True, True]
    assert np.isnan(done.history.checks["one"]).all(axis=1).tolist() == [True, True, True, False]


@pytest.mark.slow
def test_a_model_that_is_one_array_resumes(tmp_path):
    def train(steps, checkpoint):
        return learn.fit(
            jnp.zeros(2), lambda w, x: jnp.mean((w - x) ** 2), [1.0], **QUIET, steps=steps, checkpoint=checkpoint
        )

    train(2, tmp_path / "run.ckpt")
    assert equal(train(4, tmp_path / "run.ckpt").model, train(4, None).model)


def test_batches_that_end_at_a_check_are_checked_once():
    done = learn.fit(small(), squares, iter([(XS, TARGETS)] * 4), **QUIET, steps=9, every=2, validate=(XS, TARGETS))
    assert done.history.checked_at.tolist() == [2, 4] and done.stopped_because == "the batches ended after 4 steps"


def test_ctrl_c_returns_the_training_so_far_and_saves_it(tmp_path):
    def batches():
        for k in itertools.count():
            if k == 5:
                raise KeyboardInterrupt
            yield (XS, TARGETS)

    done = learn.fit(small(), squares, batches(), **QUIET, steps=50, checkpoint=tmp_path / "run.ckpt")
    assert done.stopped_because == "interrupted after 5 steps" and len(done.history.loss) == 5
    again = learn.fit(small(), squares, [(XS, TARGETS)], **QUIET, steps=9, checkpoint=tmp_path / "run.ckpt")
    assert equal(again.model, learn.fit(small(), squares, [(XS, TARGETS)], **QUIET, steps=9).model)


@pytest.mark.gate
@pytest.mark.parametrize("stop", [7, 19])
def test_a_killed_training_resumes_to_the_same_end(stop, tmp_path):
    """Random batches, a stateful optimiser, validation and a history: all of it, bit by bit."""
    batches = learn.Minibatches((XS, TARGETS), 8)
    way = {**QUIET, "validate": (XS, TARGETS), "every": 5, "watch": lambda model: {"bias": model.readout.bias}}
    whole = learn.fit(small(), squares, batches, **way, steps=20)
    path = tmp_path / "run.ckpt"

    def broken():  # a kill: nothing is done about it
        for k in itertools.count():
            if k == stop:
                raise SystemError("killed")
            yield batches.at(k, jax.random.split(way["key"])[0])

    with pytest.raises(SystemError):
        learn.fit(small(), squares, broken(), **way, steps=20, checkpoint=path)
    assert path.exists()
    again = learn.fit(small(), squares, batches, **way, steps=20, checkpoint=path)
    assert equal(again.model, whole.model) and again.stopped_because == whole.stopped_because
    for a, b in zip(jax.tree.leaves(again.history), jax.tree.leaves(whole.history), strict=True):
        np.testing.assert_array_equal(a, b)
    assert equal(learn.load(path), whole.model)


def test_a_finished_training_makes_no_more_steps(tmp_path):
    way = {**QUIET, "steps": 5, "checkpoint": tmp_path / "run.ckpt"}
    first = learn.fit(small(), squares, [(XS, TARGETS)], **way)
    second = learn.fit(small(), squares, iter(()), **way)
    assert equal(first.model, second.model) and second.stopped_because == "all 5 steps are done"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": small(hidden=4)}, r"\.cell\.W_h is float64\[3, 3\] in the file and float64\[4, 4\] in this run"),
        ({"optimiser": optax.sgd(0.1, momentum=0.9)}, "optimiser"),
        ({"key": jax.random.key(2)}, r"key\[1\] is 1 in the file and 2 in this run"),
        ({"notes": {"data": "tides"}}, "data is None in the file and 'tides' in this run"),
        ({"version": "9.9"}, "the version of rnn_ode is '9.9' in the file"),
        pytest.param(
            {"model": eqx.tree_at(lambda m: m.runner, small(), learn.Iterated(GRU))},
            r"model\.runner\.cell",
            marks=pytest.mark.slow,
        ),
    ],
)  # fmt: skip
def test_the_checkpoint_of_another_training_is_refused_with_the_difference(changes, message, tmp_path):
    path = tmp_path / "run.ckpt"
    learn.fit(small(), squares, [(XS, TARGETS)], **QUIET, steps=2, checkpoint=path)
    if "version" in changes:
        first, rest = path.read_bytes().split(b"\n", 1)
        header = json.loads(first) | {"rnn_ode": changes.pop("version")}
        path.write_bytes(json.dumps(header).encode() + b"\n" + rest)
    way = {"model": small(), **QUIET, **changes, "steps": 3, "checkpoint": path}
    with pytest.raises(ValueError, match=message):
        learn.fit(loss=squares, batches=[(XS, TARGETS)], **way)
    assert learn.fit(loss=squares, batches=[(XS, TARGETS)], **way, resume=False).stopped_because.startswith("all 3")


def in_another_process(script: str, *arguments: object, **settings: str) -> subprocess.Popen:
    env = os.environ | {"JAX_ENABLE_X64": "1", **settings}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


TRAINING = """
import os, random, signal, sys, time
import jax, jax.numpy as jnp, equinox as eqx, optax, rnn_ode as ro
from rnn_ode import learn

whole, broken, path, kills = *sys.argv[1:4], int(sys.argv[4])

def train(checkpoint, result):
    cell = ro.VanillaCell.random(jax.random.key(0), 1, 4, activation=jnp.tanh)
    xs = jax.random.normal(jax.random.key(1), (64, 20, 1))
    def loss(cell, xs):
        return jnp.mean((jax.vmap(lambda x: ro.iterate(cell, x, throw=False).states[-1])(xs) - xs.mean(1)) ** 2)
    done = learn.fit(cell, loss, learn.Minibatches(xs, 16), optimiser=optax.adam(1e-3), steps=4000, key=jax.random.key(2),
                     checkpoint=checkpoint, validate=xs, every=10, progress=False)
    learn.save(result, done.model)

def started(checkpoint, result):
    child = os.fork()  # nothing was computed yet, so that JAX has no threads to lose
    if child == 0:
        train(checkpoint, result)
        os._exit(0)
    return child

os.waitpid(started(whole + ".ckpt", whole), 0)
moments = random.Random(0)

def written():
    return os.stat(path).st_mtime_ns if os.path.exists(path) else 0

for _ in range(kills):
    before, writes = written(), moments.randrange(4)
    child = started(path, broken)
    while writes > 0:  # so that it is killed in the midst of training, however fast that is
        assert os.waitpid(child, os.WNOHANG)[0] == 0, "the training ended before it was killed"
        time.sleep(1e-3)
        now = written()
        before, writes = now, writes - (now != before)
    time.sleep(moments.uniform(0, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if os.path.exists(path):
        reader = os.fork()
        if reader == 0:
            learn.load(path)
            os._exit(0)
        assert os.waitpid(reader, 0)[1] == 0, "a checkpoint that cannot be read"
print("unfinished" if not os.path.exists(broken) else "finished", os.path.exists(path), flush=True)
assert os.waitpid(started(path, broken), 0)[1] == 0
print("done")
"""


@pytest.mark.parametrize(
    "kills", [pytest.param(2, marks=pytest.mark.gate), pytest.param(20, marks=pytest.mark.thorough)]
)
def test_a_training_killed_many_times_ends_bit_by_bit_as_an_unbroken_one(kills, tmp_path):
    """SIGKILL at random moments, and on again each time: the parameters of an unbroken run bit by bit, and at no moment a
    checkpoint that cannot be read."""
    files = [tmp_path / name for name in ("whole", "broken", "run.ckpt")]
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    out, err = in_another_process(TRAINING, *files, kills, **cache).communicate()
    assert out.endswith("unfinished True\ndone\n"), f"{out}\n{err}"
    assert files[0].read_bytes() == files[1].read_bytes()


OLD = Path(__file__).parents[2] / "data" / "0.1.0"
OLD_XS = np.sin(0.3 * np.arange(12.0))[:, None]


@pytest.mark.slow
def test_a_training_of_0_1_0_resumes(tmp_path, float32):
    """Six of twelve steps were made by 0.1.0; the losses and the result are those of its unbroken run, to rounding."""
    shutil.copy(OLD / "training.ckpt", tmp_path / "run.ckpt")

    def loss(model, batch):
        return jnp.mean((jax.vmap(model)(batch)[:, 0] - batch.mean((1, 2))) ** 2)

    done = learn.fit(
        learn.load(OLD / "scheme.ckpt"),
        loss,
        lambda key: jax.random.normal(key, (4, 6, 1)),
        optimiser=optax.adam(0.01),
        steps=12,
        key=jax.random.key(7),
        every=3,
        checkpoint=tmp_path / "run.ckpt",
        progress=False,
    )
    expected = json.loads((OLD / "expected.json").read_text())["training"]
    np.testing.assert_allclose(done.history.loss, expected["loss"], rtol=1e-4)
    np.testing.assert_allclose(
        np.ravel(done.model(jnp.asarray(OLD_XS, jnp.float32))), expected["output"], rtol=1e-4, atol=1e-6
    )
