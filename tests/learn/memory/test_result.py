"""The result of a memory study: groups, shares, the table, and the file."""

import json
import math

import pytest

from rnn_ode.learn import Study, Trial
from rnn_ode.learn._memory.result import read_trials, write_trials

SETTINGS = {"task": "Adding()", "hidden": 8, "steps": 100, "size": 4, "solved": 0.01}


def trial(cell: str, lag: int, seed: int, learnt: bool, **fields) -> Trial:
    given = {"verdict": "DECAYS", "radius": 0.5, "gradient_before": -2.0, "gradient_after": 1.0, "score": 0.25}
    return Trial(
        cell, lag, seed, **{**given, **fields}, learnt=learnt, steps=10, stopped_because="all 10 steps are done"
    )


TRIALS = (
    trial("tanh", 10, 0, True, radius=0.1),
    trial("tanh", 10, 1, True, radius=0.2),
    trial("tanh", 10, 2, False, radius=0.9, verdict="GROWS"),
    trial("tanh", 20, 0, True),
    trial("tanh", 20, 1, False),
    trial("gru", 20, 0, True),
)
FOUND = Study({**SETTINGS, "chance": {"10": 1 / 6, "20": 1 / 6}}, TRIALS)


def test_trials_are_grouped_by_cell_and_lag():
    assert [[t.seed for t in group] for group in FOUND.groups()] == [[0, 1, 2], [0, 1], [0]]
    assert [FOUND.share(group) for group in FOUND.groups()] == [2 / 3, 1 / 2, 1]


def test_the_longest_lag_is_one_that_more_than_half_of_the_seeds_learnt():
    assert [FOUND.longest(cell) for cell in ("tanh", "gru", "lstm")] == [10, 20, 0]


def test_the_table_has_the_medians_of_every_group():
    head, more, _, names, _, first, second, third, *_ = FOUND.table().splitlines()
    assert f"{head} {more}" == "Adding(): 8 units, up to 100 steps of 4 sequences; learnt where the score is below 0.01"
    assert names == "cell  lag  eigenvalues  radius  gradient  after   score  chance  learnt  steps"
    assert first.split() == ["tanh", "10", "mixed", "0.200", "-2.0", "1.0", "0.2500", "0.1667", "2", "of", "3", "10"]
    assert second.split()[:3] == ["tanh", "20", "DECAYS"] and third.split()[:3] == ["gru", "20", "DECAYS"]


def test_trials_come_back_from_their_file(tmp_path):
    lost = trial("irnn", 10, 0, False, gradient_after=math.nan, score=math.inf)
    write_trials(tmp_path / "study.json", SETTINGS, [*TRIALS, lost])
    stored = json.loads((tmp_path / "study.json").read_text())["trials"][-1]
    assert stored["gradient_after"] is None and stored["score"] is None
    found = read_trials(tmp_path / "study.json", SETTINGS)
    assert tuple(found.values())[:-1] == TRIALS and list(found)[-1] == ("irnn", 10, 0)
    assert math.isnan(found["irnn", 10, 0].score)
    assert read_trials(tmp_path / "none.json", SETTINGS) == {} == read_trials(None, SETTINGS)
    write_trials(None, SETTINGS, TRIALS)


def test_the_file_of_another_study_is_refused(tmp_path):
    path = tmp_path / "study.json"
    write_trials(path, SETTINGS, TRIALS)
    with pytest.raises(ValueError, match="the study there has hidden = 8, this one 9; give another file"):
        read_trials(path, {**SETTINGS, "hidden": 9})
    path.write_text("[]")
    with pytest.raises(ValueError, match="not the file of a study, or damaged"):
        read_trials(path, SETTINGS)
