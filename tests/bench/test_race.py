"""A race of contenders that are Python functions, some of which tell their own seconds."""

import math
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from rnn_ode.bench import _machine
from rnn_ode.bench._race import Contender, Plan, Work, distance, race, timed

REFERENCE = np.array([[3.0, 4.0], [0.0, 1.0]])
ERROR = partial(distance, reference=REFERENCE)
RATES = SimpleNamespace(product=lambda dtype: 10.0, bandwidth=lambda: 4.0)


def plan(repeats=3, progress=lambda text: None):
    return Plan(3, 1, 5, repeats, False, 0, progress, RATES)  # pyright: ignore[reportArgumentType]


def seconds(*values):
    """A call that took these seconds, the first time, the second time and so on."""
    left = list(values)
    return lambda: left.pop(0)


def values(factor=1.0):
    return lambda: factor * REFERENCE


def test_the_ratio_is_the_median_over_the_rounds():
    ours = Contender("ours", seconds(2.0, 1.0, 2.0, 4.0))
    theirs = Contender("theirs", seconds(2.0, 4.0, 4.0, 4.0), note="a note")
    first, second = race("iterate", [ours, theirs], plan(), None)
    assert (first.case, first.hidden, first.batch, first.steps) == ("iterate", 3, 1, 5)
    assert (first.low_s, first.median_s, first.high_s, first.rounds, first.ratio) == (1.5, 2.0, 3.0, 3, 1.0)
    assert (second.contender, second.median_s, second.ratio, second.note) == ("theirs", 4.0, 2.0, "a note")
    assert second.error is None and second.compile_s is None and second.ok and not second.skipped


def test_what_other_programs_compute_meanwhile_is_in_every_row(monkeypatch):
    monkeypatch.setattr(_machine.Others, "cores", lambda self: 0.25)
    rows = race("iterate", [Contender("ours", seconds(2.0, 1.0, 2.0, 4.0)), Contender("none", None)], plan(), None)
    assert [row.others for row in rows] == [0.25, None]


def test_a_slow_contender_gets_fewer_rounds():
    ours = Contender("ours", seconds(1.0, *5 * [1.0]))
    slow, endless = Contender("slow", seconds(4.0, 4.0, 3.0)), Contender("endless", seconds(99.0, 30.0))
    rows = race("iterate", [ours, slow, endless], plan(repeats=5), None)
    assert [row.rounds for row in rows] == [5, 2, 1]
    assert [row.ratio for row in rows] == [1.0, 3.5, 30.0]


def test_a_quick_call_is_made_once_more_before_it_is_timed():
    calls = {"quick": 0, "slow": 0}

    def call(name, took):
        calls[name] += 1
        return took

    race(
        "iterate",
        [Contender(name, partial(call, name, took)) for name, took in (("quick", 0.01), ("slow", 0.1))],
        plan(),
        None,
    )
    assert calls == {"quick": 1 + 2 * 3, "slow": 1 + 3}


def test_every_contender_s_values_are_compared():
    right, near = Contender("ours", values()), Contender("near", values(1 + 1e-4))
    ours, theirs = race("iterate", [right, near], plan(), ERROR, 1e-3)
    assert ours.error == 0 and theirs.error == pytest.approx(1e-4) and ours.ok and theirs.ok
    assert theirs.ratio > 0 and theirs.compile_s >= 0 and theirs.peak_bytes is not None


@pytest.mark.parametrize("factor", [1.01, math.nan])
def test_wrong_values_are_flagged_and_have_no_ratio(factor):
    ours, theirs = race(
        "iterate", [Contender("ours", values()), Contender("wrong", values(factor), "a note")], plan(), ERROR, 1e-3
    )
    assert ours.ok and ours.ratio == 1 and not theirs.ok and theirs.ratio is None
    assert theirs.note == "values differ from the reference by more than 1e-03; a note"
    assert theirs.error == (pytest.approx(0.01) if factor == 1.01 else None)


def test_a_contender_may_have_a_bound_and_values_of_its_own():
    strict = Contender("strict", values(1 + 1e-4), allowed=1e-6)
    wrapped = Contender("wrapped", lambda: {"states": REFERENCE}, values=lambda results: results["states"])
    rows = race("iterate", [strict, wrapped], plan(), ERROR, 1e-3)
    assert [row.ok for row in rows] == [False, True]


def test_no_contender_has_a_ratio_if_our_values_are_wrong():
    rows = race("iterate", [Contender("ours", values(2.0)), Contender("theirs", values())], plan(), ERROR, 1e-3)
    assert [row.ok for row in rows] == [False, True] and all(row.ratio is None for row in rows)


def test_a_contender_that_fails_is_skipped_but_ours_may_not_fail():
    def fails():
        raise RuntimeError("no such thing\nand more")

    failed, absent = Contender("theirs", fails), Contender("absent", None, "not installed")
    ours, theirs, other = race("iterate", [Contender("ours", values()), failed, absent], plan(), ERROR)
    assert theirs.skipped and theirs.ratio is None and theirs.note == "failed: RuntimeError: no such thing"
    assert other.skipped and other.note == "not installed" and not ours.skipped and ours.ratio == 1
    with pytest.raises(RuntimeError, match="no such thing"):
        race("iterate", [failed], plan(), ERROR)


def test_the_work_is_set_beside_the_machine_s_rates():
    (row,) = race("iterate", [Contender("ours", seconds(2.0, 2.0, 2.0, 2.0))], plan(), None, work=Work(20.0, 4.0))
    assert (row.flops, row.bytes, row.matrix_rate, row.memory_rate) == (20.0, 4.0, 10.0, 4.0)
    assert (row.of_peak, row.of_bandwidth) == (1.0, 0.5)


def test_progress_names_every_contender_and_the_rounds():
    heard = []
    contenders = [Contender("ours", seconds(*6 * [1.0])), Contender("theirs", seconds(*6 * [1.0]))]
    race("iterate", contenders, plan(2, heard.append), None)
    race("import", contenders, plan(2, heard.append).of_size(), None)
    assert heard[:3] == ["iterate 3×1×5: ours", "iterate 3×1×5: theirs", "iterate 3×1×5: up to 2 rounds"]
    assert heard[3] == "import: ours"


def test_the_distance_is_relative_to_the_largest_reference():
    assert distance(REFERENCE + np.array([[0.0, 0.5], [0.0, 0.0]]), REFERENCE) == pytest.approx(0.1)
    assert distance(np.concatenate([[[9.0, 9.0]], REFERENCE]), REFERENCE) == 0  # the last rows are compared
    for shape in ((2, 1), (1, 2), (2, 2, 1)):
        assert distance(np.ones(shape), REFERENCE) == math.inf


def test_timed_returns_seconds_and_results():
    took, results = timed(lambda: REFERENCE)
    assert 0 <= took < 10 and results is REFERENCE
    assert timed(lambda: 2.5) == (2.5, None)
