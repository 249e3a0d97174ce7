"""Help and results at the width of a terminal: no line is longer, and no word is broken."""

import re

import numpy as np
import pytest
from typer.testing import CliRunner

from rnn_ode.cli import app

COMMANDS = sorted(command.name or "" for command in app.registered_commands)


def printed(arguments, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert max(map(len, done.stdout.splitlines())) <= width
    return done.stdout


def words(text):
    """The words without frames, and with one sign for every number, since times differ between runs."""
    return {re.sub(r"[0-9.]+(e[-+]?[0-9]+)?", "0", word) for word in re.sub("[─│╭╮╰╯]", " ", text).split()}


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help_fits_a_terminal_and_breaks_no_word(command, monkeypatch):
    wanted = words(printed([*command, "--help"], 400, monkeypatch))
    assert words(printed([*command, "--help"], 80, monkeypatch)) <= wanted


RUN = {
    "compare": "compare --hidden 3 --activation none --method textbook --method exact",
    "compare, not all of them exist": "compare --hidden 3 --activation relu --recurrent orthogonal --method exact",
    "spectrum": "spectrum matrix.csv",
    "resample": "resample --weights net.npz --input in.csv --out out.csv --to 1.25",
}


@pytest.mark.gate
@pytest.mark.parametrize("command", RUN.values(), ids=RUN)
def test_results_fit_a_terminal_and_break_no_word(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savetxt("matrix.csv", np.diag([0.5, -2.0, 1.0]), delimiter=",")
    np.savez("net.npz", W_h=0.2 * np.eye(4), W_x=np.ones((4, 1)), b=np.zeros(4))
    (tmp_path / "in.csv").write_text("\n".join(map(str, np.sin(0.05 * np.arange(200)))))
    narrow, wide = (words(printed(command.split(), width, monkeypatch)) for width in (80, 120))
    assert narrow == wide


@pytest.mark.thorough
@pytest.mark.parametrize(
    "command",
    [
        "analyse --hidden 1 --gain 0.5",
        "memory --cell tanh --lag 10 --seeds 1 --steps 2 --hidden 2",
        "forecast sunspots --steps 5 --members 1 --hidden 2",
    ],
)
def test_longer_results_fit_a_terminal_too(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "…" not in printed(command.split(), 80, monkeypatch)
