"""The benchmark at a tiny size, so that it never rots. How fast anything is, is not asserted here."""

import contextlib
import importlib.util
import json
import math
import os
import sys
from pathlib import Path

import jax
import jaxtyping
import numpy as np
import pytest
from typer.testing import CliRunner

from rnn_ode import bench, plot
from rnn_ode.bench import _keep, _machine, _precision, _race, _tanh
from rnn_ode.bench._cases import evolve as _evolve
from rnn_ode.bench._cases import fixed_points as _fixed_points
from rnn_ode.bench._cases import long as _long
from rnn_ode.bench._cases import lyapunov as _lyapunov
from rnn_ode.bench._cases import train as _train
from rnn_ode.cli import app

TINY = {"hidden": 3, "steps": 5, "repeats": 2}
JAX = ["hand-written lax.scan"]
LOOPS = ["Python loop, jitted cell", "Python loop, un-jitted JAX"]
DIFFRAX = ["diffrax", "diffrax with jump_ts"]
SOLVERS = {"scipy": ["scipy LSODA", "scipy DOP853"], "torchdiffeq": ["torchdiffeq", "torchdiffeq, its best"]}


@contextlib.contextmanager
def as_user_runs():
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Small matrices to measure the machine with, and few settings to try."""
    monkeypatch.setitem(_machine.PRODUCT, "cpu", 256)
    monkeypatch.setattr(_machine, "COPIED", 2**22)


def run(**arguments):
    """As a user runs it: jaxtyping's checks would refuse the traced tolerance that spares a compilation for each."""
    with as_user_runs():
        return bench.run(**{**TINY, **arguments})


def here(module):
    """Whether it is installed; where the environment asks for PyTorch, it has to be."""
    found = importlib.util.find_spec(module) is not None
    assert found or module != "torch" or "RNN_ODE_REQUIRE_TORCH" not in os.environ
    return found


def missing(monkeypatch, *modules):
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


# The rows.


@pytest.fixture(scope="module")
def heard():
    return []


@pytest.fixture(scope="module")
def rows(heard):
    return run(cases="iterate", peers=False, progress=heard.append)


def test_a_case_is_ours_and_then_the_others(rows):
    assert [row.contender for row in rows] == ["rnn_ode", *JAX, *LOOPS]
    assert {(row.case, row.hidden, row.batch, row.steps) for row in rows} == {("iterate", 3, 1, 5)}


def all_is_well(rows, allowed):
    for row in rows:
        assert row.ok and not row.skipped, row
        assert row.error <= allowed
        assert 0 < row.low_s <= row.median_s <= row.high_s and row.rounds > 0
        assert row.compile_s >= 0 and row.ratio > 0
    assert rows[0].contender == "rnn_ode" and rows[0].ratio == 1


def test_all_values_agree_and_all_times_are_there(rows):
    all_is_well(rows, 1e-4)
    assert rows[0].compile_s > rows[0].median_s


def test_what_the_case_has_to_compute_is_set_beside_the_machine(rows):
    for row in rows:
        assert row.flops == 2 * 5 * 3 * (3 + 1) and row.dtype == "float32" and row.backend == jax.default_backend()
        assert 0 < row.of_peak <= 1.5 and row.of_bandwidth > 0
        assert row.of_peak == pytest.approx(row.flops / row.median_s / row.matrix_rate)


def test_rows_are_valid_json_and_come_back(rows):
    data = json.loads(json.dumps([row.to_dict() for row in rows], allow_nan=False))
    assert data[0].keys() >= {
        *("case", "contender", "median_s", "low_s", "high_s", "compile_s", "error", "ratio", "ok", "note"),
        *("hidden", "batch", "steps", "backend", "peak_bytes", "flops", "bytes", "of_peak", "of_bandwidth", "curve"),
    }
    assert [bench.Row.from_dict(fields) for fields in data] == rows


def test_the_table_has_every_row_and_the_machine(rows):
    lines = bench.table(rows).splitlines()
    for row, line in zip(rows, lines[2:], strict=False):
        assert line.startswith(row.case) and "3×1×5" in line and row.contender in line and row.note in line
    assert "ratio" in lines[0] and "above 1, ours is faster" in lines[-2]
    assert any(line.startswith(f"machine: {_machine.cores()} core") and "float32" in line for line in lines)


def test_progress_names_every_contender(rows, heard):
    for row in rows:
        assert f"iterate 3×1×5: {row.contender}" in heard


def test_a_picture_of_the_rows(rows):
    curved = [
        bench.Row("integrate", name, 3, 1, 5, "float64", "cpu", "", 1.0, ratio=2.0, curve=[(1e-3, 1.0)])
        for name in "ab"
    ]
    assert len(plot.bench(rows).axes) == 1 and len(plot.bench([*rows, *curved]).axes) == 2
    labels = [text.get_text() for text in plot.bench(rows).axes[0].get_yticklabels()]
    assert labels == [*JAX, *LOOPS]
    with pytest.raises(ValueError, match="at least one row"):
        plot.bench([])


# What is wrong wins nothing.


@pytest.mark.parametrize("wrong", (1.001, math.nan))
def test_a_wrong_contender_is_flagged_and_wins_nothing(monkeypatch, wrong):
    right = _tanh.scan
    monkeypatch.setattr(_tanh, "scan", lambda *args: wrong * right(*args))
    ours, scan, *_ = run(cases="iterate", peers=False)
    assert ours.ok and not scan.ok and scan.ratio is None
    assert "differ" in scan.note and "WRONG" in bench.table([ours, scan])
    assert (scan.error is None) == math.isnan(wrong)
    json.dumps(scan.to_dict(), allow_nan=False)


def test_values_of_another_shape_are_wrong():
    reference = np.ones((5, 3))
    assert _race.distance(np.ones((6, 3)), reference) == 0  # of more rows the last ones count
    assert all(_race.distance(np.ones(shape), reference) == math.inf for shape in ((5, 1), (4, 3), (5, 3, 1)))


def test_a_contender_that_fails_is_skipped(monkeypatch):
    def fails(*args):
        raise RuntimeError("no such thing")

    monkeypatch.setattr(_tanh, "scan", fails)
    scan = run(cases="iterate", peers=False)[1]
    assert scan.skipped and scan.ratio is None and scan.note == "failed: RuntimeError: no such thing"
    monkeypatch.setattr(_tanh, "ours", fails)
    with pytest.raises(RuntimeError, match="no such thing"):
        run(cases="iterate", peers=False)


def test_nobody_beats_us_when_we_are_wrong(monkeypatch):
    right = _tanh.ours
    monkeypatch.setattr(_tanh, "ours", lambda *args: right(*args) + 0.1)
    rows = run(cases="iterate", peers=False)
    assert [row.ok for row in rows] == [False, True, True, True]
    assert all(row.ratio is None for row in rows)


# Settings and machines.


def test_a_setting_that_reaches_the_error_is_the_cheapest():
    tried = []

    def solve(setting):
        tried.append(setting)
        return np.full((3, 1), 1 + setting)

    def error(values):
        return abs(float(values[0, 0]) - 1)

    found = _precision.tuned(solve, (1e-2, 1e-4, 1e-7, 1e-9), error)
    assert found.setting == 1e-7 and sorted(set(tried), reverse=True) == [1e-2, 1e-4, 1e-7, 1e-9] and found.first_s > 0
    assert found.call()[0, 0] == 1 + 1e-7 and len(found.curve) == 4
    assert [error for error, _ in found.curve] == pytest.approx([1e-9, 1e-7, 1e-4, 1e-2])
    assert _precision.tuned(solve, (1e-2, 1e-4), error).setting == 1e-4


def test_settings_between_are_tried_where_the_stride_first_succeeds():
    settings = [10.0**-k for k in range(2, 13)]
    found = _precision.tuned(np.array, settings, lambda values: 2 * float(values), stride=4)
    assert found.setting == 1e-7 and found.error == 2e-7
    assert [error for error, _ in found.curve] == pytest.approx([2e-10, 2e-7, 2e-6, 2e-2])


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="no such count here")
def test_peak_memory_sees_what_a_call_allocates():
    held = _machine.peak_memory(lambda: np.ones(200_000_000, np.uint8).sum())
    assert 190e6 < held < 260e6
    assert _machine.peak_memory(lambda: 0) < 20e6


def test_no_memory_where_the_system_does_not_count_it(monkeypatch):
    def no_file(name):
        raise FileNotFoundError(name)

    monkeypatch.setattr(_machine, "_status", no_file)
    assert _machine.peak_memory(lambda: 0) is None


# A rerun goes on.


def interrupted_after(monkeypatch, case, others):
    def interrupt(plan):
        raise KeyboardInterrupt

    for other in others:
        monkeypatch.setitem(bench.CASES, other, interrupt)


KEPT = {"cases": ["iterate", "gradient"], "peers": False}


def test_an_interrupted_run_goes_on(monkeypatch, tmp_path):
    file = tmp_path / "rows.json"
    with monkeypatch.context() as only_one:
        interrupted_after(only_one, "iterate", ["gradient"])
        before = []
        with pytest.raises(KeyboardInterrupt):
            run(**KEPT, keep=file, each=before.extend)
    assert {row.case for row in before} == {"iterate"}
    done = run(**KEPT, keep=file)
    assert done[: len(before)] == before and {row.case for row in done} == {"iterate", "gradient"}
    interrupted_after(monkeypatch, "", ["iterate", "gradient"])
    assert run(**KEPT, keep=file) == done
    assert [path.name for path in tmp_path.iterdir()] == ["rows.json"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [({"steps": 6}, "steps 5, this one 6"), ({"seed": 1}, "seed 0, this one 1"), ({"batch": 2}, "sizes")],
)
def test_the_file_of_another_run_is_refused(tmp_path, monkeypatch, arguments, text):
    file = tmp_path / "rows.json"
    monkeypatch.setitem(bench.CASES, "iterate", lambda plan: [])
    run(cases="iterate", keep=file)
    with pytest.raises(ValueError, match=text):
        run(**{"cases": "iterate", "keep": file, **arguments})


def test_the_file_of_other_code_or_another_machine_is_refused(tmp_path, monkeypatch):
    file = tmp_path / "rows.json"
    monkeypatch.setitem(bench.CASES, "iterate", lambda plan: [])
    run(cases="iterate", keep=file)
    with monkeypatch.context() as other:
        other.setattr(_machine, "description", lambda: "another")
        with pytest.raises(ValueError, match="this one 'another'"):
            run(cases="iterate", keep=file)
    monkeypatch.setattr(_keep, "_code", lambda: "other")
    with pytest.raises(ValueError, match=r"code .*, this one 'other'"):
        run(cases="iterate", keep=file)


@pytest.mark.parametrize("text", ["{", "[]", '{"kind": "other"}', '{"kind": "rows of rnn_ode.bench", "settings": 1}'])
def test_a_damaged_file_is_named(tmp_path, text):
    file = tmp_path / "rows.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"rows\.json: not a file of rows of rnn_ode\.bench, or damaged"):
        run(cases="iterate", keep=file)


def test_what_cannot_be_written_is_said_first(tmp_path, monkeypatch):
    monkeypatch.setitem(bench.CASES, "iterate", lambda plan: pytest.fail("timed all the same"))
    with pytest.raises(OSError, match="that is a folder"):
        run(cases="iterate", keep=tmp_path)
    with pytest.raises(OSError, match=r"nowhere does not exist"):
        run(cases="iterate", keep=tmp_path / "nowhere" / "rows.json")

    def refused(dir):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    with pytest.raises(PermissionError, match=r"rows\.json: the folder .* cannot be written to \(Permission denied\)"):
        run(cases="iterate", keep=tmp_path / "rows.json")


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"hidden": 0}, ValueError, "hidden must be at least 1; got 0"),
        ({"hidden": [2, "3"]}, TypeError, "hidden must be a whole number"),
        ({"batch": []}, ValueError, "batch must be a whole number or several; got none"),
        ({"steps": 2.5}, TypeError, "steps must be a whole number"),
        ({"repeats": 0}, ValueError, "repeats must be at least 1; got 0"),
        ({"seed": -1}, ValueError, "seed must be at least 0; got -1"),
        ({"cases": ("iterate", "resample")}, ValueError, "some of iterate, .*, compare; got resample"),
        ({"cases": ()}, ValueError, "got none"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, text):
    with as_user_runs(), pytest.raises(error, match=text):
        bench.run(**arguments)


# The command.


def command(*arguments):
    return CliRunner().invoke(app, ["bench", "--hidden", "2", "--steps", "4", "--repeats", "2", *map(str, arguments)])


def test_the_command_prints_a_table_and_draws(tmp_path):
    done = command("--case", "iterate", "--no-peers", "--out", tmp_path / "b.png")
    assert done.exit_code == 0, done.output
    assert "hand-written lax.scan" in done.stdout and "machine: " in done.stdout
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_prints_json_and_nothing_else():
    done = command("--case", "iterate", "--no-peers", "--batch", 1, "--batch", 2, "--json")
    data = json.loads(done.stdout)
    assert {row["batch"] for row in data["rows"]} == {1, 2} and data["interrupted"] is False


def test_the_command_is_interrupted(monkeypatch, tmp_path):
    """Called from Python, where Ctrl-C raises; test_stop.py has the process of its own."""
    interrupted_after(monkeypatch, "iterate", ["lstm"])
    monkeypatch.setitem(bench.CASES, "iterate", lambda plan: [bench.Row("iterate", "rnn_ode", 2, 1, 4, "", "", "")])
    done = command("--case", "iterate", "--case", "lstm", "--keep", tmp_path / "rows.json")
    assert done.exit_code == 130 and "iterate" in done.stdout and "goes on from" in done.stderr
    assert (tmp_path / "rows.json").exists()


def test_the_command_says_first_what_cannot_be_written(monkeypatch, tmp_path):
    monkeypatch.setitem(bench.CASES, "iterate", lambda plan: pytest.fail("timed all the same"))
    (tmp_path / "folder.png").mkdir()
    done = command("--case", "iterate", "--out", tmp_path / "folder.png")
    assert done.exit_code == 2 and "that is a folder" in done.stderr
    done = command("--case", "iterate", "--keep", tmp_path)
    assert done.exit_code == 2 and "that is a folder" in done.stderr


# Every case, beside its peers where they are installed.


def test_a_missing_peer_is_a_skipped_row(monkeypatch):
    missing(monkeypatch, "torch", "flax")
    rows = run(cases="iterate")
    skipped = [row for row in rows if row.skipped]
    assert [row.contender for row in skipped] == ["PyTorch nn.RNN", "flax nnx.RNN"]
    assert skipped[0].note == "not installed: pip install torch"
    assert skipped[1].note == "not installed: pip install 'rnn_ode[bench]'"
    assert all(row.median_s is None and row.ratio is None for row in skipped) and "skipped" in bench.table(rows)
    json.dumps([row.to_dict() for row in rows], allow_nan=False)
    assert len(plot.bench(rows).axes) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("case", "batch"), [("iterate", 1), ("lstm", 2), ("gradient", 2)])
def test_networks_agree_with_their_peers(case, batch):
    peers = {f"PyTorch nn.{'LSTM' if case == 'lstm' else 'RNN'}": here("torch"), "flax nnx.RNN": here("flax")}
    rows = run(cases=case, batch=batch)
    all_is_well([row for row in rows if not row.skipped], 1e-5)
    assert [row.contender for row in rows[1:]] == [*JAX, *peers, *(LOOPS if case == "iterate" else [])]
    assert {row.contender: not row.skipped for row in rows if row.contender in peers} == peers


@pytest.mark.slow
@pytest.mark.parametrize("installed", [True, False])
def test_flows_agree_with_their_peers(installed, monkeypatch):
    """A batch under a held input; one under a linear input without the peers, whose rows say what to install."""
    monkeypatch.setattr(_precision, "CURVE_S", 0.0)
    monkeypatch.setattr(_precision, "POINT_S", 0.0)
    if not installed:
        missing(monkeypatch, "scipy.integrate", "torchdiffeq")
    case, batch = ("integrate", 2) if installed else ("integrate_linear_input", 1)
    rows = run(cases=case, batch=batch, hidden=2, steps=3, repeats=1)
    timed = [row for row in rows if not row.skipped]
    all_is_well(timed, bench.TARGET)
    peers = {name: installed and here(module) for module, names in SOLVERS.items() for name in names}
    loops = [] if installed else ["Python loop, jitted RK4 step", "Python loop, un-jitted JAX"]
    assert [row.contender for row in rows[1:]] == [*DIFFRAX, *peers, *loops]
    assert {row.contender: not row.skipped for row in rows if row.contender in peers} == peers
    notes = {row.contender: row.note for row in rows if row.skipped}
    assert installed or notes["torchdiffeq"] == "not installed: pip install torch torchdiffeq"
    adaptive = [row for row in timed if "rtol" in row.note]
    assert len({row.note.split("rtol")[1] for row in adaptive}) > 1
    assert all(row.error > bench.TARGET / 100 for row in adaptive[:3]), "far tighter than needed is not equal error"
    assert all(row.curve for row in timed if row.contender != "Python loop, un-jitted JAX")


@pytest.mark.slow
def test_linear_flows_are_exact():
    rows = run(cases="linear")
    all_is_well(rows, bench.TARGET)
    assert [row.contender for row in rows[1:]] == ["hand-written expm, lax.scan", *DIFFRAX]
    assert rows[0].error < 1e-13 and len(rows[0].curve) == 1 and len(rows[2].curve) > 3


@pytest.mark.slow
def test_long_gradients_agree(monkeypatch):
    monkeypatch.setattr(_long, "SIZE", (3, 1, 20))
    ours, plain = run(cases="long", repeats=1)
    all_is_well([ours, plain], 1e-5)
    assert ours.steps == 20 and "checkpoints=4" in ours.note


@pytest.mark.slow
def test_another_rate_is_timed(monkeypatch):
    """At this length the values are right to a thousandth; the plain scans have none to compare."""
    monkeypatch.setattr(_evolve, "AUDIO", (3, 400, 9, 10))
    ours, *peers = run(repeats=1, cases="evolve")
    assert [row.contender for row in peers] == ["delayed_feedback", "… with band=0.075", "3 hand-written lax.scan"]
    assert ours.error < 1e-3 and all(row.error < 1e-2 for row in peers[:2]) and peers[2].error is None
    assert all(row.ok and row.ratio > 0 for row in (ours, *peers))


@pytest.mark.slow
@pytest.mark.parametrize("installed", [True, False])
def test_a_search_for_fixed_points_is_timed(installed, monkeypatch):
    """At this size and length Adam leaves less than a tenth; without optax the row says what to install."""
    monkeypatch.setattr(_fixed_points, "SEARCH", (4, 64, 1000))
    if not installed:
        missing(monkeypatch, "optax")
    ours, adam = run(repeats=1, cases="fixed_points")
    assert ours.ok and ours.error < 1e-12 and ours.ratio == 1
    assert adam.contender == "Adam on the speed" and adam.skipped != installed
    if installed:
        assert adam.ok and ours.error < adam.error < 0.1 and adam.ratio > 0
    else:
        assert adam.note == "not installed: pip install 'rnn_ode[bench]'"


@pytest.mark.slow
def test_the_import_is_timed():
    ours, diffrax = run(repeats=1, cases=("import",))
    assert (ours.contender, diffrax.contender) == ("rnn_ode", "diffrax")
    assert ours.median_s > 0.01 and diffrax.ratio > 0 and ours.error is None and ours.ok and ours.hidden is None
    assert "rnn_ode" in bench.table([ours, diffrax])


@pytest.mark.slow
def test_the_command_compare_is_timed(monkeypatch):
    monkeypatch.setattr("rnn_ode.bench._cases.compare.COMMAND", ("--help",))
    (ours,) = run(repeats=1, cases="compare")
    assert ours.median_s > 0.1 and ours.ratio == 1 and ours.rounds == 1


@pytest.mark.slow
def test_the_exponents_are_timed(monkeypatch):
    monkeypatch.setattr(_lyapunov, "RATE_NETWORK", (3, 50, 0.05))
    pytest.importorskip("lyapax")
    rows = run(repeats=1, cases="lyapunov")
    assert [row.contender for row in rows] == ["rnn_ode", *JAX, "lyapax, renorm_every=1", "lyapax, renorm_every=10"]
    all_is_well(rows, bench.TARGET)


@pytest.mark.slow
def test_training_ends_where_a_hand_written_loop_ends(monkeypatch):
    monkeypatch.setattr(_train, "LESSON", (4, 10, 3, 6))
    rows = run(cases="train")
    assert [row.contender for row in rows][:2] == ["rnn_ode", "hand-written optax loop"]
    assert all(row.ok and row.ratio > 0 for row in rows if not row.skipped)
    assert max(row.error for row in rows if not row.skipped) < 1e-4
    missing(monkeypatch, "optax")
    (ours,) = run(cases="train")
    assert ours.skipped and "rnn_ode[bench]" in ours.note
