"""A row of a comparison, and the table of several, from made-up errors."""

import json

import numpy as np
import pytest

import rnn_ode as ro
from rnn_ode._reports.comparison_rows import Row
from rnn_ode._reports.comparison_table import comparison_table


def row(errors=(0.0, 0.03, 0.04), method=None, **fields):
    default = {
        "method": ro.Forward(1) if method is None else method,
        "trajectory": None,
        "errors": np.array(errors),
        "network_verdict": "DECAYS",
        "verdict": "DECAYS",
        "predicted_rate": -0.5,
        "measured_rate": -0.4999,
        "series_converges": True,
        "neglected": 0.125,
        "parted_at": None,
        "reason": "",
    }
    return Row(**{**default, **fields})


def table(*rows, **fields):
    default = {
        "network_verdict": "DECAYS",
        "network_rates": (-0.25, 1e-16),
        "network_ended": "",
        "linear_part": "W_h",
        "rounding": 1e-15,
    }
    return comparison_table(rows, **{**default, **fields}).text(118).splitlines()


def words(line):
    return line.split()


def test_errors_leave_the_start_out_and_what_was_not_reached():
    assert row((9.0, 0.03, 0.04)).error_max == 0.04
    assert row((0.0, 0.03, 0.04)).error_rms == pytest.approx(np.sqrt((0.03**2 + 0.04**2) / 2))
    assert row((0.0, 0.03, np.nan)).error_max == row((0.0, 0.03, np.nan)).error_rms == 0.03
    assert row((0.0, np.nan, np.nan)).error_max is None and row((0.0, np.nan, np.nan)).error_rms is None


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_the_root_of_the_mean_square_does_not_leave_the_float_range(size):
    assert row((0.0, 3 * size, 4 * size)).error_rms == pytest.approx(size * np.sqrt(12.5))


def test_a_counterpart_agrees_if_the_verdicts_are_the_same():
    assert row().agrees and not row(verdict="GROWS").agrees


def test_a_row_as_data_has_no_infinity():
    data = row(predicted_rate=-np.inf, neglected=np.nan).to_dict()
    json.dumps(data, allow_nan=False)
    assert data["predicted_rate"] is None and data["neglected"] is None
    assert data["method"] == "forward:1" and data["error_max"] == 0.04 and data["parted_at"] is None


def test_the_table_has_a_row_for_the_network_and_one_for_each_method():
    head, rule, network, first = table(row())[:4]
    assert words(head)[:5] == ["method", "linear", "part", "agrees", "rate"] and set(rule) == {"─", " "}
    assert words(network) == ["network", "DECAYS", "-0.25", "0"]  # up to rounding, a rate is 0
    assert words(first) == [
        "forward:1",
        "DECAYS",
        "yes",
        "-0.5",
        "-0.5",
        "converges",
        "0.125",
        "0.04",
        "0.0354",
        "never",
    ]


def test_the_table_says_what_parts_diverges_and_does_not_agree():
    line = table(row(verdict="GROWS", series_converges=False, parted_at=3.5))[3]
    assert words(line)[1:3] == ["GROWS", "NO"] and words(line)[5] == "diverges" and words(line)[-1] == "3.5"


@pytest.mark.parametrize("method", [ro.Textbook(), ro.Exact()])
def test_a_method_without_a_series_has_none_in_the_table(method):
    assert words(table(row(method=method))[3])[5:7] == ["–", "–"]


def test_a_counterpart_without_errors_has_dashes_in_the_table():
    assert words(table(row((0.0, np.nan)))[3])[-3:] == ["–", "–", "–"]


def test_notes_say_why_runs_ended_and_the_legend_names_the_linear_part():
    lines = table(row(reason="does not exist here."), network_ended="left the float range", linear_part="the matrix M")
    assert lines[4:7] == ["", "network: left the float range.", "forward:1: does not exist here."]
    assert "the matrix M" in " ".join(lines[7:]) and "first exceeds 0.1." in " ".join(lines[7:])
    assert max(map(len, lines)) <= 118
