"""The examples in CONTRIBUTING.md: each is a complete file that works where it says it belongs."""

import json
import re
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

import rnn_ode as ro
from rnn_ode import bench, learn

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```python\n# (rnn_ode/\S+\.py)\n(.*?)^```", TEXT, re.M | re.S))


def module(name: str) -> dict:
    """The names in the example for a file, executed as that file would be."""
    (file,) = [file for file in BLOCKS if file.split("/")[-1] == name]
    package = file.rpartition("/")[0].replace("/", ".")
    namespace = {"__package__": package, "__name__": f"{package}.{name.removesuffix('.py')}", "__file__": file}
    exec(compile(BLOCKS[file], file, "exec"), namespace)
    return namespace


def test_every_kind_of_part_has_a_short_example():
    folders = {file.rpartition("/")[0] for file in BLOCKS}
    wanted = {"_cells", "_methods", "_paths", "_analyses", "cli", "bench/_cases"}
    assert folders == {f"rnn_ode/{folder}" for folder in wanted}
    assert max(len(text.splitlines()) for text in BLOCKS.values()) < 40


def test_the_files_that_it_names_are_there():
    named = set(re.findall(r"`((?:rnn_ode|tests|docs|\.ci)/[\w./-]+)`", TEXT))
    assert [file for file in named if not (Path(__file__).parents[1] / file).exists()] == []


def test_the_cell(tmp_path):
    cell = module("leaky.py")["LeakyCell"](0.5 * jnp.eye(2), jnp.ones((2, 1)), jnp.zeros(2), 0.5)
    states = ro.iterate(cell, jnp.ones((3, 1))).states
    assert states[1, 0] == pytest.approx(0.5 * np.tanh(1)) and states.shape == (4, 2)
    learn.save(tmp_path / "cell", cell)
    assert eqx.tree_equal(learn.load(tmp_path / "cell", known=(type(cell),)), cell)


def test_the_method():
    central = module("central.py")["Central"]()
    assert complex(central.exponent(0.5)) == -0.75
    assert np.asarray(central.generator(np.diag([0.5, 2.0]))).tolist() == [[-0.75, 0], [0, 0.75]]
    assert "W_h is singular" in central.obstacle(np.zeros((1, 1))).text


def test_the_path():
    path = module("eased.py")["Eased"](jnp.array([[1.0], [2.0]]))
    assert [path(t).item() for t in (1.0, 1.25, 1.5, 2.0)] == [1.0, 1.15625, 1.5, 2.0]


@pytest.mark.slow
def test_the_analysis():
    slowest = module("slowest.py")["slowest"]
    assert float(slowest(ro.Map(lambda x, h: h / 2), jnp.zeros(1))) == pytest.approx(1 / np.log(2))
    assert float(slowest(ro.Flow(lambda t, h, path: -h / 20), jnp.zeros(1))) == pytest.approx(20)


def test_the_subcommand(tmp_path):
    from rnn_ode.cli import app

    before = list(app.registered_commands)
    try:
        module("_radius.py")
        file = tmp_path / "W.csv"
        file.write_text("0.5,0\n0,-2\n")
        assert json.loads(CliRunner().invoke(app, ["radius", str(file), "--json"]).stdout) == {"radius": 2.0}
        assert CliRunner().invoke(app, ["radius", str(file)]).stdout == "spectral radius 2\n"
        refused = CliRunner().invoke(app, ["radius", str(tmp_path / "none.csv")])
        assert refused.exit_code == 2 and "none.csv" in refused.stderr
    finally:
        app.registered_commands[:] = before


@pytest.mark.slow
def test_the_benchmark_case(monkeypatch):
    from rnn_ode.bench._cases import catalogue

    monkeypatch.setitem(catalogue.CASES, "logarithm", module("logarithm.py")["rows"])
    ours, scipy = bench.run(cases=["logarithm"], repeats=2)
    assert ours.error < 1e-12 and scipy.ratio > 0
    jax.clear_caches()
