"""The table of published values is what the package calculates now, row by row."""

import json

import numpy as np
import pytest
from ledger import __main__ as ledger
from ledger import page
from published import exact, flows
from published.rows import row, told

PUBLISHED = ledger.section_module("published")
STORED = {
    (one["part"], one["subject"], one["value"], one["source"]): one["status"]
    for one in page.stored()["published"]["rows"]
}


def is_as_stored(rows):
    assert rows
    for one in rows:
        key = one["part"], one["subject"], one["value"], one["source"]
        assert STORED.get(key) == one["status"], (one, "run `python tests/ledger published`")


@pytest.mark.gate
@pytest.mark.parametrize("part", PUBLISHED.QUICK)
def test_quick_rows_are_as_stored(part):
    is_as_stored(PUBLISHED.QUICK[part]())


@pytest.mark.thorough
@pytest.mark.parametrize("part", PUBLISHED.WHOLE)
def test_all_rows_are_as_stored(part):
    is_as_stored(PUBLISHED.WHOLE[part]())


def test_the_rows_of_dysts_are_those_of_its_stored_measurements():
    is_as_stored(flows.rows())


def test_five_exponents_of_macarthurs_flow_are_known():
    """With R the resources and C N what is bound in the species, Q = R + C N obeys dQ/dt = D (S − Q), D = 1/4."""
    found = json.loads(flows.KEPT.read_text(encoding="utf-8"))["MacArthur"]
    np.testing.assert_array_less(np.abs(np.array(found["exponents"]) + 0.25)[4:9], 4 * np.array(found["stderr"])[4:9])


def test_rows_that_differ_or_that_are_no_number_do_not_agree():
    assert row("", "", 1.0, "", 1.05, within=0.1)["status"] == "agrees"
    assert row("", "", 1.0, "", 1.2, within=0.1)["status"] == "differs: not yet explained"
    assert row("", "", 1.0, "", np.nan, within=0.1)["status"].startswith("differs")
    assert row("", "", np.ones(3), "", np.ones(2), within=0.1)["status"].startswith("differs")
    assert told("", "", "GROWS", "", "DECAYS")["status"].startswith("differs")


def test_the_sum_of_a_flow_is_checked_against_its_divergence():
    good = {
        "result": "",
        "step": 0.01,
        "exponents": [0.9, 0.0, -14.5],
        "stderr": [0.01, 0.0, 0.01],
        "divergence": -13.6,
        "divergence_stderr": 0.0,
        "second": 0.9,
        "second_stderr": 0.01,
        "published": [0.91, 0.0, -14.5],
        "published_largest": 0.89,
    }
    assert flows.of_flow("x", good)["status"] == "agrees"
    assert flows.of_flow("x", good | {"divergence": -13.5})["status"] == "differs: our sum is not the mean divergence"

    def status(**changes):
        return flows.of_flow("x", good | changes)["status"]

    assert status(published_largest=0.4) == "agrees in part: with the spectrum, not with the single value"
    assert status(published=[0.5, 0.0, -14.0], published_largest=0.3).endswith("published ones contradict each other")
    assert status(published=[0.5, 5.0, -14.5], published_largest=0.5).endswith("spectrum is not the mean divergence")
    assert status(published=[0.7, 0.0, -14.3], published_largest=0.7, second=None).startswith("differs")
    assert status(second=0.5).startswith("differs: one tangent vector gives 0.5")
    assert status(published=None) == "agrees" and status(published=None, published_largest=0.4).endswith("our value")
    assert status(published=None, published_largest=None) == "not compared: nothing is published"
    at_rest = status(exponents=[-0.1, -0.1, -13.4], second=0.4, rest=[-0.1, -0.1, -13.4])
    assert at_rest.startswith("published value is inexact: the chaos is transient")
    assert status(rest=[0.5, 0.0, -14.1]).startswith("differs: the eigenvalues of the fixed point give 0.5")
    assert flows.of_flow("x", {"not run": "a delay"})["status"] == "not compared: a delay"


def test_the_referee_knows_a_fold_and_a_hopf_point():
    """dx/dt = p − x² has its fold at 0 with the coefficient −1; the normal form of a Hopf point with −|h|² has l₁ = −2."""
    state, (p,) = exact.bifurcation("fold", lambda h, p: [p[0] - h[0] ** 2], [0.1], [0.02])
    assert abs(p) < 1e-20 and abs(exact.fold_coefficient(lambda h, p: [p[0] - h[0] ** 2], state, [p]) + 1) < 1e-12

    def hopf(h, p):
        square = h[0] ** 2 + h[1] ** 2
        return [p[0] * h[0] - h[1] - square * h[0], h[0] + p[0] * h[1] - square * h[1]]

    state, (p,) = exact.bifurcation("hopf", hopf, [0.01, 0.0], [0.1])
    value, omega = exact.lyapunov_coefficient(hopf, state, [p])
    assert abs(p) < 1e-20 and abs(omega - 1) < 1e-12 and abs(value + 2) < 1e-12
