"""The command: what it prints, what it writes, and what it says of bad input."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from typer.testing import CliRunner

from rnn_ode._methods.catalogue import from_label
from rnn_ode.cli import app
from rnn_ode.cli._cell import initializer
from rnn_ode.cli._options import Recurrent

# Small, and with one set of methods: every other set costs a compilation.
SMALL = ["compare", "--hidden", "3", "--activation", "none", "--method", "textbook", "--method", "exact"]


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    np.savez("net.npz", W_h=np.diag([0.5, 0.6, 0.7]), W_x=np.ones((3, 1)), b=np.zeros(3))
    (tmp_path / "series.csv").write_text("year,flow\n" + "\n".join(f"{1900 + k},{k % 7}" for k in range(12)) + "\n")

    def run(*arguments):
        return CliRunner().invoke(app, [str(a) for a in arguments])

    return run


@pytest.mark.slow
def test_compare_prints_the_table_and_writes_the_figure(invoke, tmp_path):
    result = invoke(*SMALL, "--weights", "net.npz", "--input", "series.csv", "--out", "figure.png")
    assert result.exit_code == 0, result.output
    assert "12 samples into a 3-unit affine network (net.npz)" in result.stdout
    assert "textbook  GROWS" in result.stdout.replace("   ", "  ")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["figure.png", "net.npz", "series.csv"]


@pytest.mark.slow
def test_json_is_one_object_and_nothing_else(invoke):
    result = invoke(*SMALL, "--weights", "net.npz", "--input", "series.csv", "--json")
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert [row["method"] for row in data["rows"]] == ["textbook", "exact"]
    assert data["network"]["verdict"] == "DECAYS" and data["rows"][0]["verdict"] == "GROWS"
    assert data["rows"][1]["error_max"] < 1e-9
    assert result.stdout.count("\n") == 1


@pytest.mark.slow
def test_spectrum_of_a_matrix_file(invoke, tmp_path):
    (tmp_path / "m.csv").write_text("0.5,0.0\n0.0,-2.0\n")
    text = invoke("spectrum", "m.csv")
    assert text.exit_code == 0, text.output
    assert "network h ↦ W h: GROWS" in text.stdout
    data = json.loads(invoke("spectrum", "m.csv", "--json").stdout)
    by_label = {m["method"]: m for m in data["methods"]}
    assert by_label["exact"]["exists"] is False and "negative" in by_label["exact"]["why_not"]
    assert by_label["exact:complex"]["exists"] is True
    np.testing.assert_allclose([z["re"] for z in data["multipliers"]], [-2.0, 0.5])


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


READ = {
    "compare --input": (("compare", "--input"), "csv"),
    "compare --weights": (("compare", "--weights"), "npz"),
    "analyse --weights": (("analyse", "--weights"), "json"),
    "spectrum": (("spectrum",), "npy"),
    "forecast": (("forecast",), "csv"),
    "resample --weights": (
        ("resample", "--input", "series.csv", "--out", "o.csv", "--to", "2", "--weights"),
        "safetensors",
    ),
    "resample --input": (("resample", "--weights", "net.npz", "--out", "out.wav", "--to", "2", "--input"), "wav"),
}


@pytest.mark.parametrize(("arguments", "ending"), READ.values(), ids=READ)
def test_files_that_cannot_be_read(invoke, tmp_path, arguments, ending):
    """Missing, a folder, empty, and something else: one line that names the file, without numbers or names of Python's."""
    (tmp_path / f"folder.{ending}").mkdir()
    (tmp_path / f"empty.{ending}").touch()
    (tmp_path / f"other.{ending}").write_bytes(b"\xff\xfeno such thing\n1\n")
    texts = {"missing": "there is no such ", "folder": "that is a folder", "empty": "the file is empty", "other": ": "}
    for name, words in texts.items():
        result = invoke(*arguments, f"{name}.{ending}")
        assert result.exit_code == 2 and result.stdout == "", (name, result.output)
        assert f"{name}.{ending}" in result.stderr and words in result.stderr
        assert result.stderr.count("\n") == 1 and "Errno" not in result.stderr and "codec" not in result.stderr


WRITTEN = {
    "compare --out": ("compare", "--out", "png"),
    "analyse --out": ("analyse", "--out", "svg"),
    "forecast --out": ("forecast", "sunspots", "--out", "pdf"),
    "forecast --checkpoint": ("forecast", "sunspots", "--checkpoint", "ckpt"),
    "memory --results": ("memory", "--results", "json"),
    "bench --keep": ("bench", "--keep", "json"),
    "resample --out": ("resample", "--weights", "net.npz", "--input", "series.csv", "--to", "2", "--out", "csv"),
}


@pytest.mark.parametrize("arguments", WRITTEN.values(), ids=WRITTEN)
def test_files_that_cannot_be_written(invoke, tmp_path, arguments):
    """They are named with their option, before anything takes time."""
    *arguments, option, ending = arguments
    (tmp_path / f"folder.{ending}").mkdir()
    paths = {f"folder.{ending}": "that is a folder", f"no/out.{ending}": "the folder no does not exist"}
    if Path("/proc").exists():
        paths[f"/proc/out.{ending}"] = "the folder /proc cannot be written to"
    for path, words in paths.items():
        result = invoke(*arguments, option, path)
        assert (result.exit_code, result.stdout) == (2, "") and "Errno" not in result.stderr
        assert result.stderr.startswith(f"error: {option} {path}: ") and words in result.stderr


CSV = ("series.csv", "link.csv", "./folder/../series.csv", "hard.csv")
OVERWRITTEN = {
    "resample --input": (("resample", "--weights", "net.npz", "--to", "2", "--input", "series.csv", "--out"), CSV),
    "resample --weights": (
        ("resample", "--input", "series.csv", "--to", "2", "--weights", "w.csv", "--out"),
        ("w.csv",),
    ),
    "compare --input": (("compare", "--input", "series.png", "--out"), ("series.png", "./series.png")),
    "compare --weights": (("compare", "--weights", "series.png", "--out"), ("series.png",)),
    "analyse --weights": (("analyse", "--weights", "series.png", "--out"), ("series.png",)),
    "forecast SERIES": (("forecast", "series.csv", "--checkpoint"), CSV),
    "forecast SERIES and --out": (("forecast", "series.png", "--out"), ("series.png",)),
    "forecast --checkpoint": (
        ("forecast", "sunspots", "--checkpoint", "new.png", "--out"),
        ("new.png", "folder/../new.png"),
    ),
    "memory --results": (("memory", "--results", "new.svg", "--out"), ("new.svg",)),
    "bench --keep": (("bench", "--keep", "new.pdf", "--out"), ("new.pdf", "./new.pdf")),
}


@pytest.mark.parametrize("name", OVERWRITTEN)
def test_no_command_overwrites_its_own_files(invoke, tmp_path, name):
    """An output that is an input, or another output, by any name of it: both are named, and nothing is written."""
    arguments, paths = OVERWRITTEN[name]
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.csv").symlink_to("series.csv")
    (tmp_path / "hard.csv").hardlink_to(tmp_path / "series.csv")
    for copy in ("series.png", "w.csv"):
        (tmp_path / copy).write_bytes((tmp_path / "series.csv").read_bytes())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    for path in paths:
        result = invoke(*arguments, path)
        assert (result.exit_code, result.stdout) == (2, ""), result.output
        assert f"this is the file of {name.split()[1]}, which would be lost" in result.stderr
        assert result.stderr.startswith(("error: --out ", "error: --checkpoint ")) and result.stderr.count("\n") == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


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
            "error: --rate, --to and --trained must have a larger common measure",
        ),
    ],
)
def test_errors_name_the_option(invoke, arguments, words):
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(words) and result.stderr.count("\n") == 1


def test_constant_series(invoke, tmp_path):
    (tmp_path / "flat.csv").write_text("1\n1\n1\n")
    result = invoke("compare", "--input", "flat.csv")
    assert result.exit_code == 2 and "constant" in result.stderr


@pytest.mark.parametrize(
    "label", ["textbook", "forward:3", "backward:2", "tustin", "exact", "exact:complex", "exact:complex:anchored"]
)
def test_labels_and_methods_go_both_ways(label):
    assert from_label("--method", label).label == label


@pytest.mark.parametrize(
    ("kind", "radius", "tolerance"),
    [("orthogonal", 0.5, 1e-12), ("gaussian", 0.5, 0.06), ("identity", 0.5, 1e-12), ("antisymmetric", 1.0, 0.05)],
)
def test_recurrent_matrices(kind, radius, tolerance):
    """The spectral radius for a gain of one half: the circular law, and the edge 2·gain of the semicircle for (M − Mᵀ)/√2.

    At N = 400 the edge fluctuates by N^(−1/2) and N^(−2/3), from which the tolerances.
    """
    W = np.asarray(initializer(Recurrent(kind), 0.5)(jax.random.key(0), (400, 400), float))
    assert abs(np.abs(np.linalg.eigvals(W)).max() - radius) < tolerance


@pytest.mark.slow
def test_without_the_app_extra_the_command_says_what_to_install():
    blocked = "import sys; sys.modules['typer'] = None; from rnn_ode.__main__ import main; main()"
    result = subprocess.run([sys.executable, "-c", blocked], capture_output=True, text=True, env=dict(os.environ))
    assert result.returncode == 1
    assert "pip install 'rnn_ode[app]'" in result.stderr and "Traceback" not in result.stderr


@pytest.mark.slow
def test_the_default_run_from_a_shell(tmp_path):
    command = [sys.executable, "-m", "rnn_ode", "compare", "--json"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert result.returncode == 0, result.stderr
    data = json.loads(result.stdout)
    assert data["series"] == "sunspots" and data["network"]["steps"] == 309
    rows = {row["method"]: row for row in data["rows"]}
    assert rows["textbook"]["verdict"] == "GROWS" and data["network"]["verdict"] == "DECAYS"
    assert rows["exact"]["reason"] == "does not exist here: zero multiplier at t = 0"
    assert (tmp_path / "rnn_ode_compare.png").stat().st_size > 20_000
