"""Clocks that are set back during a run."""

import ast
import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

import rnn_ode
from rnn_ode import learn
from rnn_ode.cli import _progress

WALL_CLOCKS = {"time", "localtime", "gmtime", "ctime"}


def test_no_time_is_measured_by_a_clock_that_can_be_set():
    """`time.perf_counter` and `time.monotonic` never go back."""
    for file in Path(rnn_ode.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "time":
                assert node.attr not in WALL_CLOCKS, f"{file}, line {node.lineno}: time.{node.attr}"
            assert not (isinstance(node, ast.ImportFrom) and (node.module, node.level) == ("time", 0)), (
                f"{file}, line {node.lineno}"
            )


def test_a_clock_that_is_set_back_changes_neither_a_training_nor_what_is_shown(monkeypatch):
    hours = itertools.count(2e9, -3600)
    monkeypatch.setattr("time.time", lambda: next(hours))

    def loss(model, batch):
        return jnp.mean((model - batch) ** 2)

    way = {"optimiser": optax.sgd(0.5), "steps": 20, "every": 5, "key": jax.random.key(0)}
    done = learn.fit(jnp.zeros(2), loss, [jnp.ones(2)], progress=True, **way)
    assert done.stopped_because == "all 20 steps are done" and done.history.checked_at.tolist() == [5, 10, 15, 20]
    np.testing.assert_allclose(done.model, 1, rtol=1e-6)
    with _progress.percentage("resampling") as update:
        update(1, 2)
    assert next(hours) <= 2e9, "the clock was set back"
