"""Every public function with wrong values, one argument at a time, as a user runs it: each call ends in an error that names
the argument, or in a result that says what is not known. A small sample of the walk (`walk.py`), and the whole as `thorough`.
"""

import json
import random
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from surface import calls, commands, judge, values, walk

import rnn_ode as ro

OPEN = json.loads((Path(__file__).parent / "open.json").read_text(encoding="utf-8"))
"""Arguments with faults that are known and not mended yet, with what happens."""

# whose examples take less than a tenth of a second
CHEAP = (
    "Hold",
    "Linear",
    "HalfBand",
    "BandLimited",
    "VanillaCell",
    "PiecewiseLinearCell",
    "StackedCell",
    "CTRNN",
    "CoRNN",
    "Forward",
    "RungeKutta",
    "Discrete",
    "Map",
    "draw_guesses",
    "iterate",
    "spectrum",
    "linalg.expm",
    "learn.mse",
    "learn.windows",
    "initializers.with_radius",
)
QUICK = ("Hold", "VanillaCell", "learn.mse")
EACH = 25  # calls of each in the suite


def faults(name: str, count: int | None = None) -> list[str]:
    """What is wrong with the calls of a public name: all of them, or so many that the name chooses."""
    found = []
    for call in calls.calls(name).values():
        todo = list(walk.cases(call))
        if count is not None:
            todo = random.Random(zlib.crc32(call.name.encode())).sample(todo, min(count, len(todo)))
        for argument, label, run in todo:
            outcome = walk.judged(call, argument, run)
            if outcome.fault and f"{call.name}|{argument}" not in OPEN:
                found.append(f"{call.name}, {argument} = {label}: {outcome.fault}: {outcome.text}")
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CHEAP]
)
def test_a_wrong_argument_ends_in_an_error_that_names_it_or_a_labelled_result(name, as_user, float32):
    assert faults(name, EACH) == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["rnn-ode spectrum", pytest.param("rnn-ode explore", marks=pytest.mark.slow)])
def test_a_wrong_option_ends_in_one_error_that_names_it_or_in_a_result(name):
    todo = list(commands.command(name).cases())
    found = []
    for option, label, run in random.Random(0).sample(todo, 10):
        outcome = run()
        found += [f"{option} {label}: {outcome.fault}: {outcome.text}"] if outcome.fault else []
    assert found == []


@pytest.mark.thorough
def test_every_public_function_refuses_every_wrong_argument_by_name(tmp_path):
    out = tmp_path / "walk.jsonl"
    subprocess.run([sys.executable, walk.__file__, str(out), *sorted(calls.THINGS), *commands.NAMES], check=True)
    rows = walk.made(str(out))
    assert len(rows) > 10_000
    wrong = Counter("|".join(row["call"].split("|")[:2]) for row in rows if row["fault"])
    assert {place: count for place, count in wrong.items() if place not in OPEN} == {}


# --- the judge itself ---------------------------------------------------------------------------------------------------


def outcome_of(run, *arguments):
    return judge.judged(run, arguments).fault


def test_an_error_from_inside_a_library_is_a_fault():
    assert outcome_of(lambda: jnp.ones(2) @ jnp.ones(3)) == "inside a library"
    assert outcome_of(lambda: np.linalg.inv(np.zeros((2, 2)))) == "inside a library"
    assert outcome_of(lambda: {}["a"]) == "undocumented kind"


def test_an_error_must_name_the_argument_as_a_word(as_user):
    def wrong():
        ro.Hold([[1.0]], dt=-1)

    assert outcome_of(wrong, "dt") == "" and outcome_of(wrong, "d") == "does not name the argument"


def test_a_nan_needs_a_label(as_user):
    assert outcome_of(lambda: jnp.array([1.0, jnp.nan])) == "silent NaN"
    assert outcome_of(lambda: {"a": [float("nan")]}) == "silent NaN"
    run = ro.iterate(ro.VanillaCell([[0.5]], [[1.0]], [0.0]), np.ones((2, 1)))
    assert outcome_of(lambda: run) == ""


def test_a_call_is_repeated_with_one_argument_replaced():
    call = calls.calls("Hold")["Hold"]
    assert call().dt == 1.0 and call(dt=0.5).dt == 0.5
    assert {label for label, _ in values.of(np.ones((2, 1)))} > {"batch first", "one NaN", "enormous", "None", "text"}


def test_every_public_function_has_a_valid_call():
    """Those of the cheap ones are made here; the walk makes all."""
    assert all(name in calls.THINGS for name in CHEAP)
