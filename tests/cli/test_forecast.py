"""The command `forecast`."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from rnn_ode.cli import app

SINE = np.sin(np.arange(240) / 5)[:, None] + 3


def run(*arguments) -> "CliRunner":
    return CliRunner().invoke(app, ["forecast", *map(str, arguments)])


@pytest.mark.slow
def test_the_command_prints_one_json_object_and_draws(tmp_path):
    """The naive row of the published table, to all its digits; a few steps of training are enough to beat it."""
    out = tmp_path / "page.png"
    done = run("pendulum", "--json", "--steps", 200, "--members", 2, "--hidden", 8, "--horizon", 3, "--out", out)
    assert done.exit_code == 0, done.stderr
    answers = json.loads(done.stdout)
    naive = {"mae": 0.109485, "mse": 0.014723, "smape": 0.423563}
    assert {name: round(answers["naive"][name], 6) for name in naive} == naive
    assert answers["windows"]["test"] == 1088 and answers["metrics"]["mae"] < naive["mae"] and out.stat().st_size > 1000
    assert answers["baselines"]["linear autoregression"]["mae"] < 1e-9


@pytest.mark.slow
def test_the_command_reads_a_csv_and_goes_on_from_a_checkpoint(tmp_path):
    file, checkpoint = tmp_path / "series.csv", tmp_path / "run.ckpt"
    file.write_text("t,x\n" + "\n".join(f"{t},{x[0]}" for t, x in enumerate(SINE)))
    way = [file, "--members", 1, "--hidden", 4, "--history", 5, "--out", tmp_path / "a.png", "--checkpoint", checkpoint]
    first = run(*way, "--steps", 20)
    again = run(*way, "--steps", 20)
    assert first.exit_code == 0 and first.stdout == again.stdout and "gru, 4 units" in first.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "SERIES nothing: there is no such csv file"),
        (["nothing.csv"], "SERIES nothing.csv: there is no such csv file"),
        (["sunspots", "--model", "transformer"], "--model must be one of"),
        (["sunspots", "--out", "page.txt"], "--out must end in"),
        (["sunspots", "--history", "400"], "rows, for one window of history 400"),
        (["holes.csv"], "line 3, column 'x': a finite number is wanted; got a missing value"),
        (["text.csv"], "line 3, column 'x': a finite number is wanted; got 'high'"),
        (["flat.csv", "--history", "2"], "column 0 is constant"),
    ],
)
def test_the_command_names_what_is_wrong(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, third in (("holes", ""), ("text", "high"), ("flat", "1")):
        lines = [f"{t},{third if t == 1 else 1 if name == 'flat' else t}" for t in range(40)]
        (tmp_path / f"{name}.csv").write_text("t,x\n" + "\n".join(lines))
    done = run(*arguments)
    assert done.exit_code == 2 and message in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "Stopped; nothing was kept: give --checkpoint FILE to keep the training."),
        (
            ["--checkpoint", "run.ckpt"],
            "Stopped before the first checkpoint; nothing was kept: run the same command again.",
        ),
    ],
)
def test_ctrl_c_says_how_to_keep_the_training(options, sentence, monkeypatch, tmp_path):
    def interrupted(*args, **more):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rnn_ode.learn.forecast", interrupted)
    ended = run("sunspots", *options)
    assert ended.exit_code == 130 and " ".join(ended.stderr.split()) == sentence
