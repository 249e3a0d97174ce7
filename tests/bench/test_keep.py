"""An interrupted benchmark goes on from its file, which belongs to one run."""

import pytest

from rnn_ode import bench
from rnn_ode.bench import _keep, _machine


def test_an_interrupted_run_goes_on_and_measures_nothing_twice(run, row, monkeypatch, tmp_path):
    measured = []

    def measure(name, plan):
        if name == "interrupted":
            raise KeyboardInterrupt
        measured.append(name)
        return [row(name, median_s=float(len(measured)))]

    def both(iterate, gradient):
        monkeypatch.setitem(bench.CASES, "iterate", lambda plan: measure(iterate, plan))
        monkeypatch.setitem(bench.CASES, "gradient", lambda plan: measure(gradient, plan))
        return {"cases": ["iterate", "gradient"], "peers": False, "keep": tmp_path / "rows.json"}

    before = []
    with pytest.raises(KeyboardInterrupt):
        run(**both("iterate", "interrupted"), each=before.extend)
    assert [row.contender for row in before] == ["iterate"]
    done = run(**both("iterate", "gradient"))
    assert done[:1] == before and measured == ["iterate", "gradient"]
    assert run(**both("interrupted", "interrupted")) == done
    assert [path.name for path in tmp_path.iterdir()] == ["rows.json"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [({"steps": 6}, "steps 5, this one 6"), ({"seed": 1}, "seed 0, this one 1"), ({"batch": 2}, "sizes")],
)
def test_the_file_of_another_run_is_refused(run, tmp_path, monkeypatch, arguments, text):
    file = tmp_path / "rows.json"
    monkeypatch.setitem(bench.CASES, "iterate", lambda plan: [])
    run(cases="iterate", keep=file)
    with pytest.raises(ValueError, match=text):
        run(**{"cases": "iterate", "keep": file, **arguments})


def test_the_file_of_other_code_or_another_machine_is_refused(run, tmp_path, monkeypatch):
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
def test_a_damaged_file_is_named(run, tmp_path, text):
    file = tmp_path / "rows.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"rows\.json: not a file of rows of rnn_ode\.bench, or damaged"):
        run(cases="iterate", keep=file)


def test_a_file_that_cannot_be_written_is_named_before_anything_is_timed(run, tmp_path, monkeypatch):
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
