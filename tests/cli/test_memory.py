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
