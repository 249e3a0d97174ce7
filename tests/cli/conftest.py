"""The command, called in a folder with a network and a series."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

from rnn_ode._base.text import Table
from rnn_ode.cli import app


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    """Run the command with these arguments, in a folder with `net.npz` and `series.csv`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    np.savez("net.npz", W_h=np.diag([0.5, 0.6, 0.7]), W_x=np.ones((3, 1)), b=np.zeros(3))
    (tmp_path / "series.csv").write_text("year,flow\n" + "\n".join(f"{1900 + k},{k % 7}" for k in range(12)) + "\n")

    def run(*arguments):
        return CliRunner().invoke(app, [str(a) for a in arguments])

    return run


class Answer:
    """A result that takes no time, and remembers what was asked for."""

    def __init__(self, *args, **options):
        self.args, self.options = args, options

    def tables(self):
        return (Table(title="the table"),)

    def plot(self):
        figure = Figure(figsize=(1, 1))
        figure.text(0, 0, "drawn")
        return figure

    def to_dict(self):
        return {"rows": [1, 2]}


@pytest.fixture
def asked(monkeypatch):
    """Put quick answers in the place of a function that a command calls: `asked("_reports.compare.compare")` lists them."""

    def replace(function):
        answers = []

        def answer(*args, progress=None, **options):
            answers.append(Answer(*args, **options))
            return answers[-1]

        monkeypatch.setattr(f"rnn_ode.{function}", answer)
        return answers

    return replace
