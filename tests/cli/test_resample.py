"""The command `resample`: against one call of `evolve`, and what it says of bad input and of a bad run."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import soundfile
from recordings import CELL, KNOB, TONE, network, write
from typer.testing import CliRunner

import rnn_ode as ro
from rnn_ode import audio, interop
from rnn_ode._resampling.files import resample_file
from rnn_ode._resampling.files_scheme import Scheme
from rnn_ode.cli import app


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name, cell in (("net.npz", CELL), ("knob.npz", KNOB)):
        interop.write_arrays(name, interop.to_torch(network(cell)))
    write("in.wav", TONE)
    return tmp_path


def invoke(*arguments):
    return CliRunner().invoke(app, ["resample", *(str(a) for a in arguments)])


def expected(samples, rate_in, rate_out):
    """The output by one call of `evolve`; the network was trained at the rate of the input."""
    gap = float(Fraction(rate_in, rate_out))
    ts = 1 + gap * np.arange(-1, -(-len(samples) * rate_out // rate_in))
    path, net = ro.BandLimited(samples), network()
    states = ro.evolve(net.cell, path, ts).states[1:]
    return np.asarray(jax.vmap(net.output)(jax.vmap(path)(ts[1:]), states))


@pytest.mark.gate
def test_a_recording_comes_out_as_one_call_of_evolve_gives_it(folder):
    result = invoke("--weights", "net.npz", "--input", "in.wav", "--out", "out.wav", "--to", 9600, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert result.stdout.count("\n") == 1
    assert report["frames"] == 1800 and report["clipped"] == 0 and report["real_time_factor"] > 0
    assert report["scheme"]["stable"] and report["scheme"]["radius"] < 1
    assert report["round_trip_snr_db"] > 60
    written = audio.read_wav("out.wav")
    assert (written.rate, written.subtype) == (9600, "float")
    samples = next(audio.read_wav("in.wav").blocks())
    np.testing.assert_allclose(next(written.blocks()), expected(samples, 8000, 9600), atol=1e-6)
    assert sorted(p.name for p in folder.iterdir()) == ["in.wav", "knob.npz", "net.npz", "out.wav"]


@pytest.mark.gate
@pytest.mark.parametrize("subtype", ["pcm16", "pcm32"])
def test_an_integer_recording_is_written_with_the_same_bits(folder, subtype):
    write("in.wav", TONE, subtype)
    result = invoke("--weights", "net.npz", "--input", "in.wav", "--out", "out.wav", "--to", 6000)
    assert result.exit_code == 0, result.output
    for words in ("in.wav at 8000", "out.wav at 6000, 1125 frames", "trained at 8000", "stable", "round trip"):
        assert words in result.stdout
    samples, written = (next(audio.read_wav(name).blocks()) for name in ("in.wav", "out.wav"))
    assert audio.read_wav("out.wav").subtype == subtype
    assert abs(written - expected(samples, 8000, 6000)).max() <= 2.0 ** -int(subtype[3:]) * 1.001


@pytest.mark.gate
def test_a_csv_series_is_resampled_with_a_constant_input(folder):
    (folder / "in.csv").write_text("year,flow\n" + "\n".join(f"{k},{x!r}" for k, x in enumerate(TONE[:, 0].tolist())))
    arguments = ("--weights", "knob.npz", "--input", "in.csv", "--out", "out.csv", "--to", 0.3, "--rate", 0.1)
    result = invoke(*arguments, "--hold", 0.5, "--column", "flow")
    assert result.exit_code == 0, result.output
    rows = np.loadtxt("out.csv", delimiter=",", skiprows=1)
    assert (folder / "out.csv").read_text().startswith("time,output\n0.0,")
    assert rows.shape == (4500, 2) and rows[3, 0] == 10 and abs(rows[1, 0] - 1 / 0.3) < 1e-12
    net = network(KNOB)
    xs = np.hstack([TONE, np.full_like(TONE, 0.5)])
    own = jax.vmap(net.output)(jnp.asarray(xs), ro.iterate(net.cell, xs).states[1:])
    assert abs(rows[::3, 1:] - own)[50:].max() < 1e-3


@pytest.mark.slow
def test_notes_tell_which_column_was_read_and_that_times_begin_at_0(folder):
    rows = [f"2020-01-{k + 1:02},9,{'' if k == 3 else k % 3}" for k in range(20)]
    (folder / "in.csv").write_text("day,a,b\n" + "\n".join(rows))
    arguments = ("--weights", "net.npz", "--input", "in.csv", "--out", "out.csv", "--to", 2)
    refused = invoke(*arguments)
    assert refused.exit_code == 2 and "; give --fill (linear, previous, season) to fill it.\n" in refused.stderr
    result = invoke(*arguments, "--fill", "linear")
    assert result.exit_code == 0, result.output
    assert "note: in.csv: 20 rows; column b of 3; index day from 2020-01-01 to 2020-01-20" in result.stderr
    times = "note: the times of in.csv are not kept: those of out.csv begin at 0, and --rate (1) gives their unit.\n"
    assert times in result.stderr
    (folder / "in.csv").write_text("a,b\n" + "\n".join(f"9,{k % 3}" for k in range(20)))
    assert "not kept" not in invoke(*arguments).stderr
    (folder / "in.csv").write_text("\n".join(f"{k},{k % 3}" for k in range(20)))
    read = invoke(*arguments, "--no-header", "--index", "none").stderr
    assert "note: in.csv: 20 rows; column 1 of 2; no index: " in read and "not kept" not in read


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--to", 0), "--to must be positive and finite; got 0.0"),
        (("--to", 9600.5), "--to must be a whole number of Hz"),
        (("--to", 9600, "--trained", 0), "--trained must be positive and finite"),
        (("--to", -1), "--to must be positive and finite; got -1.0"),
        (("--to", 1e9), "--to must be a whole number of Hz for a recording, at most 100,000,000; got 1000000000.0"),
        (
            ("--to", 9600, "--trained", 1e9),
            "10,000 of each other; the input's rate is 8000, and --trained",
        ),
        (("--to", 9600, "--pre-roll", 1e9), "--pre-roll must be from 0 to 100,000,000 steps of the network; got 8e+12"),
        (("--to", 9600, "--channel", "centre"), "'centre' is not one of 'left', 'right', 'mix', 'each'"),
        (("--to", 9600, "--prefix", "x."), "prefix 'x.' names no recurrent layers; those here have no prefix"),
        (("--to", 9600, "--out", "out.txt"), "out.txt: recordings are written with the names .aiff, .au"),
        (("--to", 9600, "--out", "out.csv"), "both end in .wav or both in .csv"),
        (("--to", 9600, "--out", "nowhere/out.wav"), "the folder nowhere does not exist"),
        (("--to", 9600, "--subtype", "mp3"), "--subtype must be one of pcm16, pcm24, pcm32, float, double; got 'mp3'"),
        (("--to", 9600, "--hold", 0.5), "in.wav has 1 channel, and --hold adds 1 constant; the network takes 1 input."),
        (("--to", 9600, "--weights", "knob.npz"), "in.wav has 1 channel; the network takes 2 inputs. Give --hold once"),
        (("--to", 9600, "--weights", "missing.npz"), "missing.npz"),
        (("--to", 9600, "--input", "missing.wav"), "missing.wav"),
        (("--to", 9600, "--latency", 1), "--latency must be at least 2 steps of the network here"),
        (
            ("--to", 9600, "--latency", 4, "--half-band"),
            "--latency must be at least 4.74 steps of the network here, for",
        ),
        (("--to", 9600, "--latency", "nan"), "'--latency': Input should be greater than or equal to 0"),
        (("--to", 9600, "--half-width", 513), "'--half-width': Input should be less than or equal to 512"),
        (("--to", 9600, "--latency", 9, "--half-width", 9), "give --half-width or --latency; got 9 and 9"),
        (("--to", 9600, "--input", "cut.wav"), "cut.wav: chunk 'data': the header promises 50 frames"),
        (("--to", 9600, "--input", "nan.wav"), "nan.wav: sample 3 of channel 0 is nan"),
    ],
)
def test_bad_input_is_one_line_and_status_2(folder, arguments, words):
    whole = write(folder / "cut.wav", TONE[:50], "pcm16").read_bytes()
    (folder / "cut.wav").write_bytes(whole[:-20])
    soundfile.write(folder / "nan.wav", np.array([0.0, 0.0, 0.0, np.nan]), 8000, subtype="FLOAT")
    before = sorted(folder.iterdir())
    result = invoke("--weights", "net.npz", "--input", "in.wav", "--out", "out.wav", *arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())
    assert result.stdout == "" and "Traceback" not in result.stderr
    assert sorted(folder.iterdir()) == before


@pytest.mark.gate
def test_a_stereo_recording_comes_out_in_another_format(folder):
    """Read from a file of 8 bits, each channel alone, and with silence first."""
    stereo = np.hstack([TONE, -TONE])
    soundfile.write("in.aiff", stereo, 8000, subtype="PCM_S8")
    arguments = ("--weights", "net.npz", "--input", "in.aiff", "--to", 9600, "--pre-roll", 0.1)
    assert invoke(*arguments, "--out", "out.flac", "--subtype", "pcm24").exit_code == 0
    assert invoke(*arguments, "--out", "right.wav", "--channel", "right", "--subtype", "PCM_U8").exit_code == 0
    both, right = (next(audio.read_recording(name).blocks()) for name in ("out.flac", "right.wav"))
    assert both.shape == (1800, 2) and audio.read_wav("right.wav").subtype == "PCM_U8"
    assert np.abs(both[:, 1:] - right).max() <= 2.0**-8 + 2.0**-20
    result = invoke(*arguments, "--out", "out.flac", "--subtype", "float")
    assert result.exit_code == 2 and "FLAC files have PCM_S8, pcm16, pcm24." in " ".join(result.stderr.split())


@pytest.mark.slow
def test_an_unstable_scheme_is_refused_unless_forced(folder):
    arguments = ("--weights", "net.npz", "--input", "in.wav", "--out", "out.wav", "--to", 32_000)
    arguments += ("--ahead", 1, "--behind", 5, "--trained", 16_000)
    result = invoke(*arguments)
    assert result.exit_code == 2 and not (folder / "out.wav").exists()
    assert "unstable at 0.5 steps" in result.stderr and "(3, 3)" in result.stderr
    forced = invoke(*arguments, "--force", "--json")
    assert forced.exit_code == 2 and not (folder / "out.wav").exists()
    assert "--force ran the unstable scheme --ahead 1 --behind 5: without --force" in forced.stderr
    assert "root_condition" not in forced.stderr


@pytest.mark.gate
@pytest.mark.parametrize(("to", "ahead"), [(9600, 50), (6000, 20), (16_000, 3)])
def test_a_bad_round_trip_gets_a_warning_with_its_cause(folder, to, ahead):
    """The sum of the weights of 50 and 3 is 2.4e8: white noise is enlarged, and so is the error of reading a smooth input.

    White noise loses a quarter of its power at 6000 of 8000 Hz, which is 6 dB whatever the scheme.
    """
    white = 0.2 * np.random.default_rng(0).normal(size=(1500, 1))
    write("noise.wav", white)
    nodes = np.arange(-3, ahead + 1) * np.where(np.arange(-3, ahead + 1) < 0, 8000 / to, 1)
    at = 8000 / to
    weights = [np.prod([(at - b) / (a - b) for b in nodes if b != a]) for a in nodes]
    arguments = ("--weights", "net.npz", "--out", "out.wav", "--to", to, "--ahead", ahead, "--force", "--json")
    result = invoke("--input", "noise.wav", *arguments)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    bad = report["round_trip_snr_db"] < 20
    assert bad == (ahead > 3) == (report["note"] is not None) == ("warning: " in result.stderr)
    if bad:
        assert (
            f"--ahead {ahead} --behind 3 enlarge every small error up to {np.abs(weights).sum():.2g} times"
            in report["note"]
        )
        assert report["note"] in result.stderr and "give a smaller --ahead" in report["note"]


@pytest.mark.gate
def test_recommend_chooses_a_stable_scheme(folder):
    write("in.wav", TONE[:400])
    result = invoke(
        "--weights", "net.npz", "--input", "in.wav", "--out", "out.wav", "--to", 9600, "--recommend", "--json"
    )
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["scheme"]["recommended"] and report["scheme"]["stable"]
    assert report["better"] is None


@pytest.mark.gate
@pytest.mark.parametrize(("option", "width"), [(("--latency", 16), 7), (("--half-width", 3), 3)])
def test_a_network_at_its_own_rate_comes_out_without_delay(folder, option, width):
    """As one call of `resampled` gives it. Widths of 7 wait for 7 + 7 · 8000/8000 steps and more; of 8, for 16."""
    arguments = ("--weights", "net.npz", "--input", "in.wav", "--out", "out.wav", "--to", 9600)
    arguments += ("--trained", 9000) if option[0] == "--latency" else ()
    result = invoke(*arguments, *option, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    step = 9 / 8 if option[0] == "--latency" else 1.0  # of the network's steps between two samples
    assert report["scheme"]["half_width"] == report["scheme"]["input_half_width"] == width
    assert report["scheme"]["stable"] and report["scheme"]["radius"] is None
    assert report["latency"] == pytest.approx(width * (1 + step)) and report["latency"] <= 16
    samples, net = next(audio.read_wav("in.wav").blocks()), network()
    ts = np.append(0.0, 1 + step * 8000 / 9600 * np.arange(1800))
    path = ro.BandLimited(samples, step, t0=1.0, half_width=width, beta=min(2.5 * width - 0.5, 8.6))
    rows = ro.resampled(net.cell, path, ts, half_width=width, save=lambda h: net.readout(h)).states[1:]
    dry = ro.resampled(lambda x, h: x, path, ts, np.zeros(1), half_width=width).states[1:]
    wanted = rows + dry if net.residual else rows
    np.testing.assert_allclose(next(audio.read_wav("out.wav").blocks())[8:], wanted[8:], atol=1e-6)
    assert "at the network's own rate" in " ".join(invoke(*arguments, *option).stdout.split())


@pytest.mark.gate
@pytest.mark.parametrize(
    "options", [("--latency", 16), pytest.param(("--latency", 16, "--half-band"), marks=pytest.mark.thorough)]
)
def test_a_file_read_in_blocks_comes_out_as_one_read_at_once(folder, monkeypatch, options):
    """In blocks of 1, 17 and 4096 samples."""
    samples = np.random.default_rng(0).uniform(-0.3, 0.3, size=(4200, 1))
    write("in.wav", samples)
    arguments = ("--weights", "net.npz", "--input", "in.wav", "--to", 9600, *options, "--subtype", "double", "--json")
    written, blocks = {}, audio.Recording.blocks
    for size in (65_536, 1, 17, 4096):
        monkeypatch.setattr(audio.Recording, "blocks", lambda self, size=size: blocks(self, size))
        result = invoke(*arguments, "--out", f"{size}.wav")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["latency"] <= 16
        written[size] = next(blocks(audio.read_wav(f"{size}.wav"), 10_000))
    assert written[1].shape == (5040, 1)
    for size in (1, 17, 4096):
        np.testing.assert_allclose(written[size], written[65_536], rtol=0, atol=1e-14)


@pytest.mark.slow
def test_half_band_filters_are_compared_through_their_own_phase(folder):
    """Of a wave of 0.38 of the rate, which comes out late, the file is told to be right."""
    t = np.arange(1500)
    write("in.wav", (0.3 * np.sin(0.3 * t) + 0.2 * np.sin(2.4 * t))[:, None])
    result = invoke("--weights", "net.npz", "--input", "in.wav", "--out", "out.wav", "--to", 9600, "--half-band")
    assert result.exit_code == 0 and "warning" not in result.stderr
    told = " ".join(result.stdout.split())
    assert "half_width=4, input_half_width=4" in told and "half-band, with a phase of their own" in told
    decibels = re.search(r"round trip ([0-9.]+) dB", told)
    assert decibels is not None and float(decibels[1]) > 50, told
    assert f"{2 * ro.HalfBand(np.zeros((2, 1))).reach:.3g} steps of the network" in told
    write("in.wav", TONE[:3])
    short = invoke("--weights", "net.npz", "--input", "in.wav", "--out", "out.wav", "--to", 9600, "--half-band")
    assert short.exit_code == 0 and "warning" not in short.stderr and "not defined (too short" in short.stdout


@pytest.mark.slow
def test_recommend_keeps_to_the_latency(folder):
    write("in.wav", TONE[:400])
    arguments = ("--weights", "net.npz", "--input", "in.wav", "--out", "out.wav", "--to", 9600, "--recommend", "--json")
    report = json.loads(invoke(*arguments, "--latency", 9).stdout)
    assert report["latency"] <= 9 and report["scheme"]["recommended"] and report["round_trip_snr_db"] > 30
    result = invoke(*arguments, "--latency", 0)
    assert result.exit_code == 2 and "an input at the rate --to" in " ".join(result.stderr.split())


@pytest.mark.slow
def test_recommend_without_latency_runs_the_fitted_feedback(folder):
    """Of an input at the rate of the output; the file is one call of `fitted_feedback`."""
    write("in.wav", TONE[:400], rate=9600)
    arguments = ("--weights", "net.npz", "--input", "in.wav", "--out", "out.wav", "--to", 9600, "--trained", 8000)
    result = invoke(*arguments, "--recommend", "--latency", 0, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    scheme, net, gap = report["scheme"], network(), 8000 / 9600
    assert (
        report["latency"] == 0 and scheme["stable"] and 0 < scheme["radius"] <= 1 and report["round_trip_snr_db"] > 30
    )
    samples = next(audio.read_wav("in.wav").blocks())
    given = {name: scheme[name] for name in ("predict", "correct")}
    path = ro.BandLimited(samples, gap, t0=1.0)
    run = ro.fitted_feedback(net.cell, path, 1 + gap * np.arange(-1, 400), **given, save=lambda h: net.readout(h))
    wanted = run.states[1:] + samples if net.residual else run.states[1:]
    np.testing.assert_allclose(next(audio.read_wav("out.wav").blocks()), wanted, atol=1e-6)


def test_a_file_shorter_than_the_latency_is_written_whole(folder):
    write("in.wav", TONE[:5])
    arguments = ("--weights", "net.npz", "--input", "in.wav", "--out", "out.wav", "--to", 9600, "--half-width", 64)
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["frames"] == 6 and audio.read_wav("out.wav").frames == 6


@pytest.mark.slow
def test_without_a_readout_the_states_are_written(folder):
    """A file of W_h, W_x, b tells neither readout nor activation: notes on standard error tell what is assumed."""
    arrays = {"W_h": np.asarray(CELL.W_h), "W_x": np.asarray(CELL.W_x), "b": np.asarray(CELL.b)}
    interop.write_arrays("plain.json", arrays)
    (folder / "in.csv").write_text("\n".join(map(str, TONE[:60, 0])))
    arguments = ("--weights", "plain.json", "--input", "in.csv", "--out", "out.csv", "--to", 1, "--ahead", 1, "--json")
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["frames"] == 60
    assert "relu is taken; --activation" in result.stderr and "has no readout" in result.stderr
    rows = np.loadtxt("out.csv", delimiter=",", skiprows=1)
    states = ro.iterate(ro.VanillaCell(CELL.W_h, CELL.W_x, CELL.b), TONE[:60]).states[1:]
    np.testing.assert_allclose(rows[:, 1:], states, atol=1e-12)  # at its own rate the network itself, to rounding
    result = invoke(*arguments, "--activation", "tanh")
    assert "relu" not in result.stderr
    states = ro.iterate(CELL, TONE[:60]).states[1:]
    np.testing.assert_allclose(np.loadtxt("out.csv", delimiter=",", skiprows=1)[:, 1:], states, atol=1e-12)


@pytest.mark.slow
def test_a_killed_run_leaves_the_old_file(folder):
    write("long.wav", np.tile(TONE, (2000, 1)))
    (folder / "out.wav").write_bytes(b"old")
    arguments = ["--weights", "net.npz", "--input", "long.wav", "--out", "out.wav", "--to", "9600"]
    run = subprocess.Popen([sys.executable, "-m", "rnn_ode", "resample", *arguments], env=dict(os.environ))
    deadline = time.monotonic() + 120
    while not any(p.stat().st_size > 100_000 for p in folder.glob(".out.*.wav")):
        assert run.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    assert (folder / "out.wav").read_bytes() == b"old"
    assert len(list(folder.glob(".out.*.wav"))) == 1
    resample_file(network(), audio.read_wav("in.wav"), folder / "out.wav", 9600, 8000, scheme=Scheme(1, 1))
    assert not list(folder.glob(".out.*")) and audio.read_wav("out.wav").frames == 1800
