"""The benchmark at a tiny size, so that it never rots. How fast anything is, is not asserted here."""

import contextlib
import json
import math
import sys

import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from rnn_ode import bench

TINY = {"hidden": 4, "steps": 8, "repeats": 2}


@contextlib.contextmanager
def as_user_runs():
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="module")
def heard():
    return []


@pytest.fixture(scope="module", params=["iterate", pytest.param("integrate", marks=pytest.mark.slow)])
def rows(request, heard):
    # as a user runs it: jaxtyping's checks would refuse the traced tolerance that spares a compilation for each
    with as_user_runs():
        return bench.run(**TINY, cases=request.param, progress=heard.append)


PEERS = {
    "iterate": ["hand-written lax.scan", "Python loop, jitted cell", "Python loop, un-jitted JAX"],
    "integrate": [
        *("diffrax", "diffrax with jump_ts"),
        *("Python loop, jitted RK4 step", "Python loop, un-jitted JAX"),
    ],
}


def test_a_case_is_ours_and_then_its_peers(rows):
    assert [row.contender for row in rows] == ["rnn_ode", *PEERS[rows[0].case]]
    assert len({row.case for row in rows}) == 1


def test_all_values_agree_and_all_times_are_there(rows):
    for row in rows:
        assert row.ok, row
        assert row.error <= (bench.TARGET if row.case == "integrate" else 1e-4)
        assert 0 < row.low_s <= row.median_s <= row.high_s
        assert row.compile_s >= 0 and row.ratio > 0
    assert rows[0].ratio == 1 and rows[0].compile_s > rows[0].median_s


@pytest.mark.parametrize("rows", [pytest.param("integrate", marks=pytest.mark.slow)], indirect=True)
def test_the_errors_that_are_compared_are_alike(rows):
    adaptive = [row for row in rows if "rtol" in row.note]
    assert len(adaptive) == 3 and len({row.note.split("rtol")[1] for row in adaptive}) > 1
    assert all(row.error > bench.TARGET / 100 for row in adaptive), "far tighter than needed is not equal error"


def test_rows_are_valid_json(rows):
    data = json.loads(json.dumps([row.to_dict() for row in rows], allow_nan=False))
    assert data[0].keys() == {
        *("case", "contender", "median_s", "low_s", "high_s", "compile_s", "error", "ratio", "ok", "note")
    }


def test_the_table_has_every_row(rows):
    lines = bench.table(rows).splitlines()
    for row, line in zip(rows, lines[2:], strict=False):
        assert line.startswith(row.case) and row.contender in line and row.note in line
    assert "ratio" in lines[0] and "above 1, ours is faster" in lines[-2]


def test_progress_names_every_contender(rows, heard):
    for row in rows:
        assert f"{row.case}: {row.contender}" in heard


@pytest.mark.parametrize("wrong", (1.001, math.nan))
def test_a_wrong_contender_is_flagged_and_wins_nothing(monkeypatch, wrong):
    right = bench._scan
    monkeypatch.setattr(bench, "_scan", lambda *args: wrong * right(*args))
    ours, scan, *_ = bench.run(**TINY, cases="iterate")
    assert ours.ok and not scan.ok and scan.ratio is None
    assert "differ" in scan.note and "WRONG" in bench.table([ours, scan])
    assert (scan.error is None) == math.isnan(wrong)
    json.dumps(scan.to_dict(), allow_nan=False)


def test_a_contender_of_another_shape_is_wrong(monkeypatch):
    monkeypatch.setattr(bench, "_scan", lambda W_h, W_x, b, xs, h0: jnp.zeros((len(xs), 1)))
    assert not bench.run(**TINY, cases="iterate")[1].ok


def test_nobody_beats_us_when_we_are_wrong(monkeypatch):
    right = bench._ours_iterate
    monkeypatch.setattr(bench, "_ours_iterate", lambda *args: right(*args) + 0.1)
    rows = bench.run(**TINY, cases="iterate")
    assert [row.ok for row in rows] == [False, True, True, True]
    assert all(row.ratio is None for row in rows)


def test_a_setting_that_reaches_the_error_is_the_cheapest():
    tried = []

    def solve(setting):
        tried.append(setting)
        return np.full((3, 1), 1 + setting)

    setting, call, first = bench._tuned(solve, (1e-2, 1e-4, 1e-7, 1e-9), (), np.ones((3, 1)))
    assert setting == 1e-7 and tried == [1e-2, 1e-4, 1e-7] and first > 0
    assert call()[0, 0] == 1 + 1e-7
    assert bench._tuned(solve, (1e-2, 1e-4), (), np.ones((3, 1)))[0] == 1e-4


@pytest.mark.slow
def test_another_rate_is_timed(monkeypatch):
    """At this length the values are right to a thousandth; the plain scans have none to compare."""
    monkeypatch.setattr(bench, "AUDIO", (3, 400, 9, 10))
    with as_user_runs():
        ours, *peers = bench.run(repeats=1, cases="evolve")
    assert [row.contender for row in peers] == ["delayed_feedback", "… with band=0.075", "3 hand-written lax.scan"]
    assert ours.error < 1e-3 and all(row.error < 1e-2 for row in peers[:2]) and peers[2].error is None
    assert all(row.ok and row.ratio > 0 for row in (ours, *peers))


@pytest.mark.slow
@pytest.mark.parametrize("installed", [True, False])
def test_a_search_for_fixed_points_is_timed(installed, monkeypatch):
    """At this size and length Adam leaves less than a tenth; without optax the row says what to install."""
    monkeypatch.setattr(bench, "SEARCH", (4, 64, 1000))
    if not installed:
        monkeypatch.setitem(sys.modules, "optax", None)
    with as_user_runs():
        ours, *adam = bench.run(repeats=1, cases="fixed_points")
    assert ours.ok and ours.error < 1e-12 and ours.ratio == 1
    assert [row.contender for row in adam] == (["Adam on the speed"] if installed else [])
    assert all(row.ok and ours.error < row.error < 0.1 and row.ratio > 0 for row in adam)
    assert ("rnn_ode[bench]" in ours.note) == (not installed)


@pytest.mark.slow
def test_the_import_is_timed():
    ours, diffrax = bench.run(repeats=1, cases=("import",))
    assert (ours.contender, diffrax.contender) == ("rnn_ode", "diffrax")
    assert ours.median_s > 0.01 and diffrax.ratio > 0 and ours.error is None and ours.ok
    assert "rnn_ode" in bench.table([ours, diffrax])


@pytest.mark.slow
def test_the_exponents_are_timed(monkeypatch):
    monkeypatch.setattr(bench, "RATE_NETWORK", (4, 50, 0.05))
    with as_user_runs():
        ours, *peers = bench.run(repeats=1, cases="lyapunov")
    assert ours.contender == "rnn_ode" and peers[0].contender == "hand-written lax.scan"
    assert all(row.ok and row.ratio > 0 and row.error <= bench.TARGET for row in (ours, *peers))
    assert len(peers) == 3 or "pip install lyapax" in ours.note


@pytest.mark.slow
def test_a_missing_peer_is_named(monkeypatch):
    monkeypatch.setattr(bench, "RATE_NETWORK", (2, 4, 0.05))
    monkeypatch.setitem(sys.modules, "lyapax", None)
    with as_user_runs():
        ours, *peers = bench.run(repeats=1, cases="lyapunov")
    assert "pip install lyapax" in ours.note and [row.contender for row in peers] == ["hand-written lax.scan"]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"hidden": 0}, ValueError, "hidden must be at least 1; got 0"),
        ({"steps": 2.5}, TypeError, "steps must be a whole number"),
        ({"repeats": 0}, ValueError, "repeats must be at least 1; got 0"),
        ({"seed": -1}, ValueError, "seed must be at least 0; got -1"),
        ({"cases": ("iterate", "resample")}, ValueError, "some of iterate, .*, import; got resample"),
        ({"cases": ()}, ValueError, "got none"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, text):
    with pytest.raises(error, match=text):
        bench.run(**arguments)


@pytest.mark.slow
def test_training_ends_where_a_hand_written_loop_ends(monkeypatch):
    monkeypatch.setattr(bench, "LESSON", (4, 10, 3, 6))
    with as_user_runs():
        rows = bench.run(**TINY, cases="train")
    assert [row.contender for row in rows][:2] == ["rnn_ode", "hand-written optax loop"]
    assert all(row.ok and row.ratio > 0 for row in rows) and max(row.error for row in rows) < 1e-4
