"""What the command says of bad input: one line, with the option, and status 2."""

import errno
import os
import re
import subprocess
import sys
from importlib.metadata import version

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from rnn_ode import bench, datasets, learn
from rnn_ode._methods import catalogue
from rnn_ode._sweep.questions import QUESTIONS
from rnn_ode.cli import _options, app
from rnn_ode.cli._app import job, mention_unused


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("compare", "--method", "forwards"), "--method forwards: unknown"),
        (("compare", "--method", "forward:x"), "must be a whole number"),
        (("compare", "--method", "forward:0"), "order must be at least 1; got 0"),
        (("compare", "--method", "backward:0"), "--method backward:0: order must be at least 1"),
        (("compare", "--method", "forward:²"), "--method forward:²: the order must be a whole number"),
        (("compare", "--method", "tustin:x:"), "--method tustin:x:: unknown"),
        (("compare", "--input", "[/].csv"), "[/].csv"),
        (("compare", "--input", "[red].csv"), "[red].csv"),
        (("compare", "--input", "missing.csv"), "missing.csv"),
        (("compare", "--input", "series.csv", "--column", "depth"), "depth"),
        (("compare", "--weights", "missing.npz"), "missing.npz"),
        (("compare", "--out", "figure.gif"), "--out must end in .png, .pdf or .svg"),
        (("compare", "--out", "nowhere/figure.png"), "does not exist"),
        (("compare", "--gain", "nan"), "--gain must be a finite number"),
        (
            ("compare", "--weights", "two.npz"),
            "--weights two.npz: the network takes 2 inputs, and the series has 1 column.",
        ),
        (("spectrum", "series.csv"), "series.csv"),
    ],
)
def test_bad_input_is_one_line_and_status_2(invoke, arguments, words):
    np.savez("two.npz", W_h=0.5 * np.eye(3), W_x=np.ones((3, 2)), b=np.zeros(3))
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())
    assert result.stdout == "" and "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("forecast", "sunspots", "--rate", "-1"), "error: --rate must be a finite number above 0; got -1.0."),
        (("forecast", "sunspots", "--share", "nan"), "error: --share must be between 0 and 1; got nan."),
        (
            ("forecast", "series.csv", "--history", "99"),
            "error: the test part of the series series.csv must have at least 100",
        ),
        (
            ("forecast", "tides"),
            "error: SERIES tides: there is no such csv file, and no series of that name; there are co2",
        ),
        (("memory", "--lag", "3"), "error: --lag must be at least 10 for this task; got 3."),
        (("memory", "--cell", "x"), "error: --cell must be one of tanh, "),
        (("memory", "--rate", "nan"), "error: --rate must be a finite number above 0; got nan."),
        (("bench", "--case", "x"), "error: --case must be some of iterate, "),
        (("analyse", "--x", "nan"), "error: --x must be finite numbers; got nan."),
        (
            ("analyse", "--weights", "net.npz", "--x", "1", "--x", "2"),
            "error: --x must be given once: the network takes 1 input; got 1.0, 2.0.",
        ),
        (
            ("resample", "--weights", "net.npz", "--input", "series.csv", "--out", "o.csv", "--to", "1e300"),
            "error: the rates must be within a factor of 10,000 of each other; the input's rate is 1, and --to is 1e+300.",
        ),
    ],
)
def test_errors_name_the_option(invoke, arguments, words):
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(words) and result.stderr.count("\n") == 1


@pytest.fixture
def context():
    """That of a command with the options --rate and --weights, of which --rate was given."""
    app, contexts = typer.Typer(), []

    @app.command()
    def run(context: typer.Context, rate: float = 1.0, weights: str = "w.npz"):
        contexts.append(context)

    typer.main.get_command(app).main(["--rate", "2"], standalone_mode=False)
    return contexts[0]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("rate must be above 0; got -1."), "--rate must be above 0; got -1."),
        (ValueError("rate and xs must fit the weights."), "--rate and --series must fit the weights."),
        (TypeError("the rate is wrong"), "the rate is wrong"),
        (
            ValueError("a.csv: too few. Give rate, or leave weights."),
            "a.csv: too few. Give --rate, or leave --weights.",
        ),
        (ValueError("a.csv: rate='low' needs weights"), "a.csv: --rate low needs --weights"),
        (ValueError("the files give rates; give them"), "the files give rates; give them"),
        (ImportError("weights cannot be read [red]"), "--weights cannot be read [red]"),
        (OSError(errno.ENOSPC, "No space left on device", "a.png"), "a.png: the disk is full."),
        (OSError(errno.EACCES, "Permission denied"), "permission denied."),
        (OSError(errno.EIO, "Input/output error", "a"), "a: input/output error."),
        (OSError("plain words"), "plain words"),
    ],
)
def test_an_error_is_told_in_words_and_with_the_options_of_the_command(context, error, text, capsys):
    with pytest.raises(typer.Exit) as ended, job(context, names={"xs": "--series"}):
        raise error
    assert ended.value.exit_code == 2 and capsys.readouterr().err == f"error: {text}\n"


def test_errors_that_are_not_the_user_s_are_raised(context):
    with pytest.raises(ZeroDivisionError), job(context):
        raise ZeroDivisionError


def test_ctrl_c_says_what_was_kept(context, capsys):
    for kept, text in (((), "Stopped; nothing was kept: run the same command again."), ((lambda: "All.",), "All.")):
        with pytest.raises(typer.Exit) as ended, job(context, *kept):
            raise KeyboardInterrupt
        assert ended.value.exit_code == 130 and capsys.readouterr().err == f"{text}\n"


def test_only_options_that_were_given_are_said_to_do_nothing(context, capsys):
    mention_unused(context, "here", "weights", "rate")
    assert capsys.readouterr().err == "note: --rate does nothing here.\n"
    mention_unused(context, "here", "weights")
    assert capsys.readouterr().err == ""


def printed(*arguments, **environment):
    """What the command prints in a process of its own that cannot import JAX."""
    script = "import sys; sys.modules['jax'] = None; sys.argv[0] = 'rnn-ode'; from rnn_ode.__main__ import main; main()"
    command, env = [sys.executable, "-c", script, *arguments], os.environ | {"COLUMNS": "80"} | environment
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


def test_the_version_is_that_of_the_package_and_needs_no_jax():
    assert printed("--version") == f"rnn-ode {version('rnn_ode')}\n"


def test_a_shell_completes_commands_options_and_values_without_jax():
    def completed(words):
        return printed(_RNN_ODE_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(len(words.split(" ")) - 1))

    assert completed("rnn-ode sp").split() == ["spectrum"]
    assert {"--recurrent", "--results"} & set(completed("rnn-ode compare --re").split()) == {"--recurrent"}
    assert completed("rnn-ode compare --recurrent sh").split() == ["shifted"]
    assert "_RNN_ODE_COMPLETE" in printed("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")


def test_the_names_in_the_help_are_all_there_are():
    methods = [spelling for kind in catalogue._OURS for spelling in kind.spellings()]
    known = {"SERIES": datasets.SERIES, "MODELS": learn.CORES, "CASES": bench.CASES, "METHODS": methods}
    known |= {"QUESTIONS": QUESTIONS}
    assert {name: sorted(getattr(_options, name)) for name in known} == {name: sorted(known[name]) for name in known}
    for command, names in (
        ("forecast", (*_options.SERIES, *_options.MODELS)),
        ("memory", _options.MODELS),
        ("bench", _options.CASES),
        ("sweep", _options.QUESTIONS),
        ("compare", _options.METHODS),
        ("analyse", _options.METHODS),
    ):
        shown = " ".join(re.sub("[─│╭╮╰╯]", " ", CliRunner().invoke(app, [command, "--help"]).stdout).split())
        assert [name for name in names if not re.search(rf"\b{name}\b", shown)] == [] and "…" not in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ("forecast", "Sunspots", "--model", "LSTM", "--history", "400"),
        ("memory", "--task", "COPY", "--cell", "Tanh + Flossing", "--cell", "nothing"),
        ("compare", "--activation", "ReLU", "--recurrent", "Orthogonal", "--method", "EXACT", "--gain", "nan"),
        ("bench", "--case", "Iterate", "--case", "nothing"),
    ],
)
def test_upper_case_names_are_understood(arguments, tmp_path, monkeypatch):
    """Each run ends at the last option, which is wrong."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, arguments)
    told = " ".join(done.stderr.split())
    assert done.exit_code == 2 and re.search("for one window of history 400|nothing|--gain must be", told)
