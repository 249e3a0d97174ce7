"""The arguments of `bench.run`."""

import pytest

from rnn_ode import bench


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"hidden": 0}, ValueError, "hidden must be at least 1; got 0"),
        ({"hidden": [2, "3"]}, TypeError, "hidden must be a whole number"),
        ({"batch": []}, ValueError, "batch must be a whole number or several; got none"),
        ({"steps": 2.5}, TypeError, "steps must be a whole number"),
        ({"repeats": 0}, ValueError, "repeats must be at least 1; got 0"),
        ({"seed": -1}, ValueError, "seed must be at least 0; got -1"),
        ({"cases": ("iterate", "resample")}, ValueError, "some of iterate, .*, lowering; got resample"),
        ({"cases": ()}, ValueError, "got none"),
    ],
)
def test_bad_arguments_are_refused(run, arguments, error, text):
    with pytest.raises(error, match=text):
        run(**arguments)


def test_sized_cases_run_at_every_size_and_others_once(run, row, monkeypatch):
    sizes = []

    def measure(plan):
        sizes.append((plan.hidden, plan.batch, plan.steps, plan.repeats, plan.seed))
        return [row()]

    monkeypatch.setitem(bench.CASES, "iterate", measure)
    monkeypatch.setitem(bench.CASES, "long", measure)
    rows = run(cases=["iterate", "long", "iterate"], hidden=[3, 2, 3], batch=(1, 4), seed=7)
    assert sizes == [(3, 1, 5, 2, 7), (3, 4, 5, 2, 7), (2, 1, 5, 2, 7), (2, 4, 5, 2, 7), (3, 1, 5, 2, 7)]
    assert len(rows) == 5
