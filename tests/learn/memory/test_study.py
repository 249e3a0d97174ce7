"""The memory study: what it records, that it resumes, and that it tells networks apart."""

import json

import numpy as np
import pytest

from rnn_ode import learn

pytestmark = pytest.mark.slow

WAY = {"seeds": 2, "hidden": 6, "steps": 3, "size": 4}


@pytest.fixture(scope="module")
def small():
    return learn.study(learn.TemporalOrder(), ["tanh", "gru"], [10], **WAY)


def test_a_row_for_every_network_lag_and_seed(small):
    found = [(trial.cell, trial.lag, trial.seed) for trial in small.trials]
    assert found == [(c, 10, s) for c in ("tanh", "gru") for s in (0, 1)]
    assert all(trial.steps == 3 and trial.stopped_because == "all 3 steps are done" for trial in small.trials)
    assert len(small.groups()) == 2 and small.longest("tanh") == 0


def test_the_verdict_is_that_of_the_untrained_network(small):
    """The radius of the matrix that the seed gives, by NumPy."""
    import jax

    trial = small.trials[1]
    keys = jax.random.split(jax.random.key(trial.seed), 3)
    cell = learn.CORES["tanh"](jax.random.split(keys[0])[0], 6, 6).cell
    radius = np.abs(np.linalg.eigvals(np.asarray(cell.W_h, float))).max()
    assert trial.radius == pytest.approx(radius, rel=1e-5)
    assert trial.verdict == ("DECAYS" if radius < 1 else "GROWS")


def test_a_killed_study_resumes_to_the_same_end(small, tmp_path):
    path, told = tmp_path / "study.json", []

    def kill(done, total, text):
        told.append((done, total, text))
        if len(told) == 2:
            raise SystemError("killed")

    with pytest.raises(SystemError):
        learn.study(learn.TemporalOrder(), ["tanh"], [10], path=path, progress=kill, **WAY)
    assert len(json.loads(path.read_text())["trials"]) == 1 and told[-1] == (1, 2, "tanh, lag 10, seed 1")
    again = learn.study(learn.TemporalOrder(), ["tanh"], [10], path=path, **WAY)
    assert again.trials == small.trials[:2]
    with pytest.raises(ValueError, match="the study there has hidden = 6, this one 7"):
        learn.study(learn.TemporalOrder(), ["tanh"], [10], path=path, **{**WAY, "hidden": 7})
    path.write_text("[]")
    with pytest.raises(ValueError, match="not the file of a study"):
        learn.study(learn.TemporalOrder(), ["tanh"], [10], path=path, **WAY)


def test_an_interrupted_trial_is_not_kept(tmp_path, monkeypatch):
    """Ctrl-C ends the study; the file keeps the complete trials."""
    from rnn_ode.learn._training import training as _training

    path, steps, advance = tmp_path / "study.json", [], _training.advance

    def stopped(*arguments):
        steps.append(1)
        if len(steps) == 5:
            raise KeyboardInterrupt
        return advance(*arguments)

    monkeypatch.setattr(_training, "advance", stopped)
    with pytest.raises(KeyboardInterrupt):
        learn.study(learn.TemporalOrder(), ["tanh"], [10], path=path, **WAY)
    assert len(json.loads(path.read_text())["trials"]) == 1


@pytest.mark.gate
def test_numbers_that_are_not_finite_are_null_in_the_file(tmp_path):
    """At a rate of 1e38 a network is gone after a step; a neural ODE is asked through its steps."""
    way = {**WAY, "seeds": 1, "rate": 1e38, "path": tmp_path / "study.json"}
    found = learn.study(learn.TemporalOrder(), ["irnn", "neural-ode"], [10], **way)
    assert not np.isfinite([found.trials[0].gradient_after, found.trials[0].score]).all()
    json.dumps(found.to_dict(), allow_nan=False)
    again = learn.study(learn.TemporalOrder(), ["irnn", "neural-ode"], [10], **way)
    assert [trial.stopped_because for trial in again.trials] == [trial.stopped_because for trial in found.trials]


def test_the_table_and_the_page_show_all_trials(small):
    lines = small.table().splitlines()
    assert sum("of 2" in line for line in lines) == 2 and "DECAYS" in small.table()
    assert len(small.plot().axes) == 2
    json.dumps(small.to_dict())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cells": ["transformer"]}, "cells must be one of tanh, .*; got 'transformer'"),
        ({"seeds": 0}, "seeds must be at least 1; got 0"),
        ({"lags": [3]}, "lags must be at least 10 for this task; got 3"),
    ],
)
def test_bad_arguments_are_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        learn.study(**{"task": learn.TemporalOrder(), "cells": ["tanh"], "lags": [10], **WAY, **changes})


@pytest.mark.thorough
def test_a_gated_network_learns_what_a_gaussian_one_does_not():
    """The adding problem over 60 steps, in 600 steps of training."""
    found = learn.study(learn.Adding(), ["tanh", "gru"], [60], seeds=1, hidden=24, steps=600, rate=0.01)
    assert found.longest("gru") == 60 and found.longest("tanh") == 0


def test_flossing_carries_gradients_over_the_lag():
    """Of the same networks, before any training for the task: most of the way from where the gradient was, in nats, to 0."""
    found = learn.study(learn.TemporalOrder(), ["tanh", "tanh + flossing"], [30], seeds=2, hidden=12, steps=1)
    plain, flossed = (np.mean([abs(trial.gradient_before) for trial in group]) for group in found.groups())
    assert flossed < 0.5 * plain and plain > 4
