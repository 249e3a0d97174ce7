"""The words of the tables of an analysis."""

import pytest

from rnn_ode._reports.analysis_table import _points, _transient


@pytest.mark.parametrize(
    ("leading", "words"),
    [
        ([1.94e4, 4.17e4], "1.94e+04 ± 4.17e+04i"),  # of a flow in seconds, the step being a sample of audio
        ([-2.2e4, 0.0], "-2.2e+04"),
        ([0.5, 1e-5], "0.5 ± 1e-05i"),
        (["-inf", 0.0], "−∞"),
        ([None, None], "–"),
    ],
)
def test_an_eigenvalue_and_its_conjugate_are_a_number_in_any_unit_of_time(leading, words):
    marks = dict.fromkeys(("on_kink", "added_by_the_conversion", "undefined_in_the_other"), False)
    (row,) = _points([{"kind": "FOCUS", "verdict": "GROWS", "leading_eigenvalue": leading, **marks}], "flow", "added")
    assert row[3] == words


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("GROWS", "grows without bound"),
        ("UNDETERMINED", "the eigenvalues cannot say whether it stays bounded"),
        ("DECAYS", "grows beyond the float range"),
    ],
)
def test_a_transient_without_a_peak_has_the_reason(verdict, words):
    told = dict.fromkeys(("transient_peak", "transient_peak_time", "kreiss")) | {"transient_verdict": verdict}
    assert _transient(told) == words
