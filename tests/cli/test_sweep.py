"""The command `sweep`."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from rnn_ode.cli import app

GRID = ["--gain", "0.5:1:2", "--seeds", "3", "--hidden", "3"]


def command(*arguments):
    return CliRunner().invoke(app, ["sweep", *map(str, arguments)])


@pytest.mark.slow
def test_the_lag_of_a_linear_network_is_where_its_powers_have_fallen_to_a_hundredth(tmp_path, monkeypatch):
    """gain · identity: 0.5⁷ is the first power below 0.01, and powers of 1 never are. The second run reuses the first."""
    monkeypatch.chdir(tmp_path)
    way = [*GRID, "--activation", "none", "--recurrent", "identity", "--steps", 12, "--store", "lags.zarr"]
    first = command("memory", *way, "--json")
    assert first.exit_code == 0, first.output
    data = json.loads(first.stdout)
    np.testing.assert_array_equal(np.squeeze(data["results"]["lag"]), [[7] * 3, [12] * 3])
    assert data["axes"] == {"hidden": [3], "gain": [0.5, 1.0], "drive": [0.0], "seed": [0, 1, 2]}
    assert data["outcomes"] == {"successful": 6} and (data["computed"], data["reused"]) == (6, 0)
    assert (tmp_path / "rnn_ode_sweep.png").read_bytes().startswith(b"\x89PNG")
    again = command("memory", *way, "--out", "b.png")
    assert "0 networks computed now, 6 reused." in again.stdout and again.stdout.endswith("figure: b.png\n")
    assert [line.split() for line in again.stdout.splitlines() if line.startswith((" 0.5", "   1"))] == [
        ["0.5", "7"],
        ["1", "12"],
    ]


@pytest.mark.slow
def test_the_exponent_of_a_linear_network_is_the_logarithm_of_its_radius(tmp_path, monkeypatch):
    """All multipliers of gain · orthogonal have the modulus of the gain. The verdict goes by it, and not by the drive."""
    monkeypatch.chdir(tmp_path)
    way = ["--gain", "0.5:2:3", "--seeds", 2, "--hidden", 4, "--hidden", 3, "--activation", "none"]
    way += ["--recurrent", "orthogonal", "--json"]
    done = command("exponent", *way, "--steps", 200, "--drive", "0:1:2")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    exponents = np.array(found["results"]["exponent"])
    assert exponents.shape == (2, 3, 2, 2)
    np.testing.assert_allclose(exponents, np.log([0.5, 1.25, 2])[:, None, None] + 0 * exponents, atol=1e-6)
    told = command("verdicts", *way, "--drive", 1)
    verdicts = np.array(json.loads(told.stdout)["results"]["network"])
    assert told.stderr == "note: --drive does nothing here: the verdicts are on the linear part.\n"
    assert (verdicts[:, 0] == "DECAYS").all() and (verdicts[:, 1:] == "GROWS").all()


@pytest.mark.slow
def test_a_contracting_network_has_one_fixed_point_and_an_expanding_one_more(tmp_path, monkeypatch):
    """gain · identity has 3 fixed points in each unit for a gain above 1: 27 for three units, and 1 below."""
    monkeypatch.chdir(tmp_path)
    done = command(
        "fixed-points", "--gain", "0.5:2:2", "--seeds", 2, "--hidden", 3, "--recurrent", "identity", "--json"
    )
    points = np.squeeze(json.loads(done.stdout)["results"]["points"])
    assert (points[0] == 1).all() and (points[1] > 8).all() and (points[1] <= 27).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("depth",), "QUESTION must be one of verdicts, exponent, fixed-points, memory; got 'depth'."),
        (("memory", "--gain", "1:2"), "--gain must be a number or LOW:HIGH:COUNT, such as 0.5:2:16; got '1:2'."),
        (("memory", "--gain", "1:2:0"), "--gain must be a number or LOW:HIGH:COUNT"),
        (("memory", "--drive", "x"), "--drive must be a number or LOW:HIGH:COUNT"),
        (("memory", "--gain", "nan"), "must be finite"),
        (("memory", "--out", "a.gif"), "--out must end in .png, .pdf or .svg"),
        (("memory", "--store", "missing/a.zarr"), "the folder missing does not exist"),
    ],
)
def test_bad_options_are_named(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = command(*arguments)
    assert done.exit_code == 2 and words in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "Stopped; nothing was kept: give --store FOLDER to keep what is done."),
        (
            ["--store", "a.zarr"],
            "Stopped: the store a.zarr holds 20 of 60 networks; run the same command again to go on.",
        ),
    ],
)
def test_ctrl_c_says_how_many_networks_are_kept(options, sentence, monkeypatch, tmp_path):
    def interrupted(*args, progress, **more):
        progress(20, 60)
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rnn_ode._sweep.sweep.sweep", interrupted)
    ended = command("memory", *options)
    assert ended.exit_code == 130 and " ".join(ended.stderr.split()) == sentence
