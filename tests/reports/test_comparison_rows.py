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
        "finding": "It decays.",
        "network_verdict": "DECAYS",
        "network_rates": (-0.25, 1e-16),
        "network_ended": "",
        "linear_part": "W_h",
        "rounding": 1e-15,
    }
    return comparison_table(rows, **{**default, **fields}).text().splitlines()


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
    title, _, head, rule, network, first = table(row())[:6]
    assert title == "It decays."
    assert words(head) == ["method", "verdict", "rate", "measured", "left", "out", "error", "rms", "parts"]
    assert set(rule) == {"─", " "}
    assert words(network) == ["network", "DECAYS", "-0.25", "0"]  # up to rounding, a rate is 0
    assert head.index("left out") + len("left out") == first.index("0.12") + len("0.12")  # numbers end below each other
    assert words(first) == ["forward:1", "DECAYS", "-0.5", "-0.5", "0.12", "0.04", "0.035", "never"]


def test_the_table_says_what_parts_diverges_and_does_not_agree():
    lines = table(row(verdict="GROWS", series_converges=False, parted_at=3.5))
    assert words(lines[5])[1:3] == ["GROWS", "≠"] and words(lines[5])[5] == "diverges" and words(lines[5])[-1] == "3.5"
    assert "diverges: the method's series does not converge for this matrix." in lines
    assert not any("diverges:" in line for line in table(row()))
    assert "≠: the verdict is not that of the network." in lines
    assert not any("≠" in line for line in table(row()))


@pytest.mark.parametrize("method", [ro.Textbook(), ro.Exact()])
def test_a_method_without_a_series_has_none_in_the_table(method):
    assert words(table(row(method=method))[5])[4] == "–"


def test_a_counterpart_without_errors_has_dashes_in_the_table():
    assert words(table(row((0.0, np.nan)))[5])[-3:] == ["–", "–", "–"]


def test_errors_of_a_run_that_ended_early_are_marked():
    lines = table(row((0.0, 0.03, np.nan)), row())
    assert words(lines[5])[-3:] == ["0.03*", "0.03*", "never"] and "*" not in lines[6]
    assert "*: over the part of the run that the method reached." in lines


def test_notes_say_why_runs_ended_and_the_columns_name_the_linear_part():
    lines = table(row(reason="does not exist here."), network_ended="left the float range", linear_part="the matrix M")
    assert lines[6:9] == ["", "network: left the float range.", "forward:1 does not exist here."]
    assert "the matrix M" in " ".join(lines[9:]) and "first exceeds 0.1" in " ".join(lines[9:])


@pytest.mark.parametrize(
    ("reason", "said"),
    [("zero multiplier at t = 0", "forgets a direction"), ("its multiplier -0.5 is negative", "turns a direction")],
)
def test_a_multiplier_without_a_logarithm_is_explained_once(reason, said):
    text = " ".join(table(row(reason=reason), row(reason=reason)))
    assert text.count(said) == 1 and said not in " ".join(table(row()))


def test_the_table_fits_a_terminal_and_breaks_no_word():
    rows = [
        row((0.0, 7.72e106, np.nan), ro.Exact(complex=True, anchored=True), verdict="UNDETERMINED", reason="zero"),
        row((0.0, 4.9e105), verdict="GROWS", parted_at=0.015625, neglected=1.25e-11),
    ]
    lines = table(*rows)
    assert max(map(len, lines)) <= 80
    assert {"exact:complex:anchored", "UNDETERMINED", "7.7e+106*", "1.3e-11", "0.015625"} <= set(
        " ".join(lines).split()
    )
