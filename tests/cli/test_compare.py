"""The command `compare`: what it prints and what it writes."""

import json
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

# small, and always with these methods, since every other set would be compiled anew
SMALL = ["compare", "--hidden", "3", "--activation", "none", "--method", "textbook", "--method", "exact"]


def test_the_series_the_network_and_the_methods_are_those_of_the_options(invoke, asked, tmp_path):
    answers = asked("_reports.compare.compare")
    result = invoke("compare", "--weights", "net.npz", "--input", "series.csv", "--method", "forward:2", "--gain", "3")
    assert result.exit_code == 0, result.output
    cell, xs = answers[0].args
    np.testing.assert_array_equal(cell.W_h, np.diag([0.5, 0.6, 0.7]))
    values = np.arange(12) % 7
    np.testing.assert_allclose(xs[:, 0], (values - values.mean()) / values.std())
    assert [method.label for method in answers[0].options["methods"]] == ["forward:2"]
    assert result.stderr == (
        "note: --gain does nothing with --weights.\n"
        "note: net.npz does not say its activation: relu is taken; --activation gives another.\n"
    )
    title, _, figure = result.stdout.strip().rpartition("\n\n")
    read = "series.csv: 12 rows; column flow of 2; index year from 1900 to 1911, a step of 1"
    assert title == f"the table\n\n{read}\nflow: 12 samples; network: 3-unit relu network (net.npz)"
    assert figure.startswith("figure: rnn_ode_compare.png  (") and figure.endswith(" s)")
    assert (tmp_path / "rnn_ode_compare.png").exists()


def test_without_files_a_random_network_of_the_options_runs_on_the_sunspots(invoke, asked):
    answers = asked("_reports.compare.compare")
    options = ("--hidden", "4", "--gain", "0.5", "--recurrent", "orthogonal", "--activation", "relu", "--seed", "1")
    result = invoke("compare", *options, "--column", "0", "--json")
    assert json.loads(result.stdout) == {"series": "sunspots", "figure": "rnn_ode_compare.png", "rows": [1, 2]}
    assert result.stderr == "note: --column does nothing without --input.\n"
    cell, xs = answers[0].args
    assert cell.W_h.shape == (4, 4) and cell.activation is jax.nn.relu and xs.shape == (309, 1)
    np.testing.assert_allclose(cell.W_h @ cell.W_h.T, 0.25 * np.eye(4), atol=1e-12)


@pytest.mark.slow
def test_without_options_every_multiplier_has_a_logarithm_and_a_positive_real_part(invoke, asked):
    answers = asked("_reports.compare.compare")
    assert invoke("compare").exit_code == 0
    cell = answers[0].args[0]
    multipliers = np.linalg.eigvals(cell.W_h)
    assert cell.activation is jnp.tanh and np.abs(multipliers).max() < 1 and multipliers.real.min() > 0
    assert [method.label for method in answers[0].options["methods"]] == [
        "textbook",
        "forward:1",
        "forward:3",
        "exact:anchored",
    ]


def test_a_missing_value_is_filled_by_the_option_that_the_error_names(invoke, asked, tmp_path):
    answers = asked("_reports.compare.compare")
    (tmp_path / "gap.csv").write_text("k,a,b\n0,1,1\n1,1,2\n2,1,\n3,1,4\n")
    arguments = ("compare", "--weights", "net.npz", "--activation", "relu", "--input", "gap.csv", "--json")
    refused = invoke(*arguments)
    assert refused.exit_code == 2 and "; give --fill (linear, previous, season) to fill it.\n" in refused.stderr
    result = invoke(*arguments, "--fill", "linear")
    assert result.exit_code == 0, result.output
    values = np.arange(1.0, 5.0)
    assert "--fill season needs --season, in rows." in invoke(*arguments, "--fill", "season").stderr
    assert invoke(*arguments, "--fill", "season", "--season", "2").exit_code == 0
    assert answers[1].args[1][2, 0] == answers[1].args[1][0, 0]
    unused = invoke(*arguments, "--fill", "linear", "--season", "2").stderr
    assert unused == "note: --season does nothing without --fill season.\n"
    np.testing.assert_allclose(answers[0].args[1][:, 0], (values - values.mean()) / values.std())
    assert json.loads(result.stdout)["read"]["line"].startswith("gap.csv: 4 rows; column b of 3; index k from 0 to 3")
    assert "Without it: the last column of numbers." in " ".join(
        invoke("compare", "--help").stdout.replace("│", "").split()
    )


def test_the_options_of_a_csv_file_are_those_of_forecast(invoke, asked, tmp_path):
    answers = asked("_reports.compare.compare")
    (tmp_path / "odd.csv").write_text("7|1,5|02.01.2020\n5|-999|01.01.2020\n6|2,5|03.01.2020\n8|3,5|04.01.2020\n")
    arguments = ("compare", "--weights", "net.npz", "--activation", "relu", "--input", "odd.csv", "--json")
    how = ("--sep", "|", "--decimal", ",", "--na", "-999", "--no-header", "--index", "2", "--dates", "%d.%m.%Y")
    refused = invoke(*arguments, *how, "--column", "1")
    assert refused.exit_code == 2 and "line 2, column '1': a finite number is wanted; got '-999'" in refused.stderr
    result = invoke(*arguments, *how, "--column", "0")
    assert result.exit_code == 0, result.output
    values = np.array([5.0, 7, 6, 8])
    np.testing.assert_allclose(answers[0].args[1][:, 0], (values - values.mean()) / values.std())
    unused = invoke("compare", "--weights", "net.npz", "--activation", "relu", "--json", *how).stderr
    assert unused == "note: --index, --dates, --sep, --decimal, --na, --no-header do nothing without --input.\n"


@pytest.mark.gate
def test_compare_prints_the_table_and_writes_the_figure(invoke, tmp_path):
    result = invoke(*SMALL, "--weights", "net.npz", "--input", "series.csv", "--out", "figure.png")
    assert result.exit_code == 0, result.output
    assert "12 samples; network: 3-unit affine network (net.npz)" in result.stdout
    assert "textbook  GROWS" in result.stdout.replace("   ", "  ")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["figure.png", "net.npz", "series.csv"]


@pytest.mark.slow
def test_json_is_one_line_with_the_numbers_of_the_table(invoke):
    result = invoke(*SMALL, "--weights", "net.npz", "--input", "series.csv", "--json")
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert [row["method"] for row in data["rows"]] == ["textbook", "exact"]
    assert data["network"]["verdict"] == "DECAYS" and data["rows"][0]["verdict"] == "GROWS"
    assert data["rows"][1]["error_max"] < 1e-9
    assert result.stdout.count("\n") == 1


def test_a_constant_series_is_refused(invoke, tmp_path):
    (tmp_path / "flat.csv").write_text("1\n1\n1\n")
    result = invoke("compare", "--input", "flat.csv")
    assert result.exit_code == 2 and "constant" in result.stderr


@pytest.mark.slow
def test_the_default_run_from_a_shell(tmp_path):
    command = [sys.executable, "-m", "rnn_ode", "compare", "--json"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert result.returncode == 0, result.stderr
    data = json.loads(result.stdout)
    assert data["series"] == "sunspots" and data["network"]["steps"] == 309
    rows = {row["method"]: row for row in data["rows"]}
    assert rows["textbook"]["verdict"] == "GROWS" and data["network"]["verdict"] == "DECAYS"
    assert not [row["reason"] for row in rows.values() if row["reason"]]
    assert rows["textbook"]["error_max"] > 1e100 and rows["exact:anchored"]["error_max"] < 1e-12
    assert rows["forward:3"]["error_max"] < 0.5 * rows["forward:1"]["error_max"] < 0.25
    said = (
        "The network's linear part decays; exp\\(W_h t\\) grows: the textbook equation is off by up to 10¹⁰[⁶⁷] times"
    )
    assert re.match(said, data["finding"])
    assert (tmp_path / "rnn_ode_compare.png").stat().st_size > 20_000


@pytest.mark.gate
@pytest.mark.filterwarnings("error")
def test_complex_flows_run_without_a_warning_of_another_library(invoke):
    np.savez("turn.npz", W_h=np.diag([-0.5, 0.6]), W_x=np.ones((2, 1)), b=np.zeros(2))
    options = ("--weights", "turn.npz", "--activation", "tanh", "--method", "exact:complex:anchored", "--json")
    result = invoke("compare", "--input", "series.csv", *options)
    assert result.exit_code == 0 and result.stderr == "", result.output
    row = json.loads(result.stdout)["rows"][0]
    assert row["reason"] == "" and row["error_max"] < 1e-9
