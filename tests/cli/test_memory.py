"""The command `memory`."""

import json

import pytest
from typer.testing import CliRunner

from rnn_ode.cli import app


@pytest.mark.slow
def test_the_memory_command_prints_one_json_object_and_draws(tmp_path):
    way = ["memory", "--cell", "gru", "--lag", "10", "--seeds", "1", "--steps", "2", "--out", str(tmp_path / "a.png")]
    done = CliRunner().invoke(app, [*way, "--json"])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["trials"][0]["cell"] == "gru" and (tmp_path / "a.png").stat().st_size > 1000
    wrong = CliRunner().invoke(app, ["memory", "--task", "juggling"])
    assert wrong.exit_code == 2 and "--task must be one of adding" in wrong.stderr


@pytest.mark.parametrize(
    ("options", "done", "sentence"),
    [
        ([], 2, "Stopped; nothing was kept: give --results FILE.json to keep the networks that are done."),
        (
            ["--results", "t.json"],
            0,
            "Stopped before the first network was done; nothing was kept: run the same command again.",
        ),
        (
            ["--results", "t.json"],
            2,
            "Stopped: the results t.json hold 2 of 6 networks; run the same command again to go on.",
        ),
    ],
)
def test_ctrl_c_says_how_many_networks_are_kept(options, done, sentence, monkeypatch, tmp_path):
    def interrupted(*args, progress, **more):
        progress(done, 6, "gru, lag 10, seed 0")
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rnn_ode.learn.study", interrupted)
    ended = CliRunner().invoke(app, ["memory", *options])
    assert ended.exit_code == 130 and " ".join(ended.stderr.split()) == sentence
