"""The case "first": first calls in fresh processes."""

import ast
import inspect

import pytest

from rnn_ode import bench
from rnn_ode.bench._cases import first


def test_every_call_has_a_bare_program_beside_it_and_the_last_rows_are_the_sums(run, monkeypatch):
    asked = []

    def seconds_of(statement, before, without):
        asked.append((statement, "from rnn_ode import *" in before, without))
        return 2.0 if "from rnn_ode" in before else 0.5

    monkeypatch.setattr(first, "seconds_of", seconds_of)
    rows = run(cases="first", repeats=9)
    names = [f"first {name}" for name in first.CALLS]
    assert [row.case for row in rows] == [*(name for name in names for _ in range(2)), "first, sum", "first, sum"]
    assert [row.contender for row in rows] == 10 * ["rnn_ode", "hand-written lax.scan"]
    assert [(row.median_s, row.ratio) for row in rows[:2]] == [(2.0, 1.0), (0.5, 0.25)]
    assert [(row.median_s, row.ratio) for row in rows[-2:]] == [(18.0, 1.0), (4.5, 0.25)]
    assert {row.rounds for row in rows} == {first.ROUNDS} and {row.hidden for row in rows} == {16}
    assert all(without == ("JAX_COMPILATION_CACHE_DIR",) for *_, without in asked)
    assert "jax.block_until_ready(jax.tree.leaves(logm(symmetric)))" in {statement for statement, *_ in asked}


def test_without_the_bare_program_the_sum_is_skipped_too(run, monkeypatch):
    def seconds_of(statement, before, without):
        if "from rnn_ode" not in before:
            raise OSError("no process")
        return 2.0

    monkeypatch.setattr(first, "seconds_of", seconds_of)
    ours, theirs = run(cases="first")[-2:]
    assert ours.median_s == 18.0 and theirs.skipped and "no process" in theirs.note
    assert "first, sum" in bench.table([ours, theirs])


@pytest.mark.slow
def test_a_first_call_is_timed_in_a_fresh_process(run, monkeypatch):
    monkeypatch.setattr(first, "CALLS", {"integrate": first.CALLS["integrate"]})  # which compiles something
    ours, scan, *sums = run(cases="first", repeats=1)
    assert (
        ours.median_s > 0.01
        and scan.median_s > 0.01
        and [row.median_s for row in sums] == [ours.median_s, scan.median_s]
    )


def test_every_call_fits_the_function_that_it_calls(float32):
    """Without running it, which takes ten seconds for all."""
    names = {}
    exec(first.WEIGHTS + first.OBJECTS + first.SCAN, names)
    for call in first.CALLS.values():
        asked = ast.parse(call, mode="eval").body
        node = asked.value if isinstance(asked, ast.Attribute) else asked
        assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        function = inspect.signature(names[node.func.id])
        values = [eval(ast.unparse(argument), names) for argument in node.args]
        function.bind(*values, **{word.arg: eval(ast.unparse(word.value), names) for word in node.keywords})
        if isinstance(asked, ast.Attribute):
            assert (
                asked.attr in dir(function.return_annotation)
                or asked.attr in function.return_annotation.__annotations__
            )


@pytest.mark.thorough
def test_every_call_runs_as_it_is_written(float32):
    """All of them in this process, which is quicker than a process for each."""
    import jax

    names = {}
    exec(first.WEIGHTS + first.OBJECTS + first.SCAN, names)
    for call in first.CALLS.values():
        assert jax.tree.leaves(eval(call, names))
