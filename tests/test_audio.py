"""Recordings, and the command that runs a network on them: against the standard library's `wave`, `evolve`, and a kill."""

import json
import os
import signal
import struct
import subprocess
import sys
import time
import tracemalloc
import wave
from fractions import Fraction
from functools import partial
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import rnn_ode as ro
from rnn_ode import audio, interop
from rnn_ode._files.atomic import written_beside
from rnn_ode._resampling import files_scheme
from rnn_ode._resampling.files import resample_file
from rnn_ode._resampling.files_report import doubt
from rnn_ode._resampling.files_round_trip import OwnRun, level
from rnn_ode._resampling.files_scheme import Scheme, liveliest, recommended_scheme
from rnn_ode._resampling.files_source import Table
from rnn_ode.cli import app

TONE = (0.4 * np.sin(0.05 * np.arange(1500)) + 0.2 * np.sin(0.31 * np.arange(1500)))[:, None]
CELL = ro.VanillaCell(np.diag([0.8, -0.4]), np.ones((2, 1)), np.zeros(2), jnp.tanh)
KNOB = ro.VanillaCell(np.diag([0.8, -0.4]), np.ones((2, 2)), np.zeros(2), jnp.tanh)


def network(cell=CELL):
    readout = eqx.nn.Linear(2, 1, key=jax.random.key(0))
    quiet = jax.tree.map(lambda leaf: 0.5 * leaf, readout)  # within full scale
    return interop.Network(cell, quiet)


def write(path, samples, subtype="float", rate=8000):
    with audio.wav_writer(path, rate, samples.shape[1], subtype) as append:
        append(samples)
    return path


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


def wav_bytes(rate=8000, channels=1, promised=8, present=8, codec=1, bits=16, align=None):
    form = struct.pack("<HHLLHH", codec, channels, rate, rate * 2, align or 2 * max(channels, 1), bits)
    chunks = b"fmt " + struct.pack("<L", 16) + form + b"data" + struct.pack("<L", promised) + bytes(present)
    return b"RIFF" + struct.pack("<L", 4 + len(chunks)) + b"WAVE" + chunks


# Wav files.


@pytest.mark.parametrize("subtype", audio.SUBTYPES)
def test_what_is_written_is_what_is_read(subtype, tmp_path):
    samples = np.random.default_rng(0).uniform(-1, 1, (300, 2))
    first = write(tmp_path / "a.wav", samples, subtype)
    recording = audio.read_wav(first)
    assert (recording.rate, recording.channels, recording.frames, recording.subtype) == (8000, 2, 300, subtype)
    read = np.concatenate(list(recording.blocks(128)))
    bits = {"pcm16": 16, "pcm24": 24, "pcm32": 32, "float": 25, "double": 60}[subtype]
    assert abs(read - samples).max() <= 2.0**-bits
    again = np.concatenate(list(audio.read_wav(write(tmp_path / "b.wav", read, subtype)).blocks()))
    assert np.array_equal(again, read)


def test_integers_are_those_of_the_standard_library(tmp_path):
    with wave.open(str(write(tmp_path / "a.wav", np.array([[0.5], [-1.0], [1.5], [3 / 2**15]]), "pcm16"))) as file:
        assert struct.unpack("<4h", file.readframes(4)) == (2**14, -(2**15), 2**15 - 1, 3)


def test_samples_beyond_full_scale_are_counted(tmp_path):
    with audio.wav_writer(tmp_path / "a.wav", 8000, 1, "pcm16") as append:
        assert append(np.array([[1.5], [-1.0], [-2.0], [0.0]])) == 2


def test_sizes_of_64_bits(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, TONE, 8000, format="RF64", subtype="PCM_16")
    assert path.read_bytes()[:4] == b"RF64" and audio.read_wav(path).frames == len(TONE)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match=r"promises 1500 frames \(3000 bytes\), but the file ends after 1495"):
        audio.read_wav(path)


def test_headers_may_be_long_and_chunks_unknown(tmp_path):
    data = wav_bytes()
    at = data.index(b"data")
    (tmp_path / "a.wav").write_bytes(data[:at] + b"note" + struct.pack("<L", 3) + b"abc\0" + data[at:])
    assert audio.read_wav(tmp_path / "a.wav").frames == 4


@pytest.mark.parametrize("promised", [0, 2**32 - 1])
def test_a_header_that_knows_no_end_means_the_file_s(promised, tmp_path):
    """As programs write it into a pipe; a frame that is cut there does not count."""
    for sound in (TONE, np.zeros((1500, 1))):
        path = write(tmp_path / "a.wav", sound, "pcm16")
        samples = next(audio.read_wav(path).blocks())
        data = bytearray(path.read_bytes())
        at = data.index(b"data") + 4
        data[4:8] = data[at : at + 4] = struct.pack("<L", promised)
        for tail in (b"", b"\1"):
            path.write_bytes(bytes(data) + tail)
            recording = audio.read_wav(path)
            assert recording.frames == 1500
            assert np.array_equal(np.concatenate(list(recording.blocks(400))), samples)


def test_no_samples_and_a_chunk_after_them_are_no_samples(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(promised=0, present=0) + b"LIST" + struct.pack("<L", 4) + b"abcd")
    with pytest.raises(ValueError, match="chunk 'data': the file holds no samples"):
        audio.read_wav(path)


BAD = {
    "the file is empty": b"",
    "not a wav file: a wav file begins with RIFF or RF64, a size, and WAVE; this one with b'hello'": b"hello",
    "and WAVE; this one with b'RIFF": b"RIFF\0\0\0\0AVI LIST",
    "chunk 'data': missing; the file is truncated after 20 bytes": wav_bytes()[:20],
    "chunk 'fmt ': missing before the samples": wav_bytes()[:12] + wav_bytes()[36:],
    "chunk 'data': the header promises 50 frames (100 bytes), but the file ends after 4 (8 bytes)": wav_bytes(
        promised=100
    ),
    "chunk 'data': the file holds no samples": wav_bytes(promised=0, present=0),
    "7 bytes do not make whole frames of 2 bytes each": wav_bytes(promised=7),
    "channels must be above 0; got 0 Hz and 1.": wav_bytes(rate=0),
    "channels must be above 0; got 8000 Hz and 0.": wav_bytes(channels=0),
    "Samples of 16, 24 or 32 bits, or floats of 32 or 64 bits, are wanted": wav_bytes(codec=0x1234),
    "the codec is U-Law (ULAW)": "ULAW",
    "a frame must have 2 bytes (1 channel of Signed 16 bit PCM); the header says 8 bytes": wav_bytes(align=8),
}


@pytest.mark.parametrize("words", BAD)
def test_bad_files_are_named_with_the_field(words, tmp_path):
    path = tmp_path / "bad.wav"
    if isinstance(BAD[words], str):
        soundfile.write(path, TONE, 8000, subtype=BAD[words])
    else:
        path.write_bytes(BAD[words])
    with pytest.raises(ValueError) as raised:
        audio.read_wav(path)
    assert str(raised.value).startswith(str(path)) and words in str(raised.value)


def test_samples_that_are_not_finite_are_named(tmp_path):
    samples = np.zeros((100, 2))
    samples[71, 1] = np.nan
    with pytest.raises(ValueError, match=r"a.wav: sample 71 of channel 1 is nan"):
        list(audio.read_wav(write(tmp_path / "a.wav", samples)).blocks(30))


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "a.wav").write_bytes(wav_bytes())
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(ImportError, match=r"pip install 'rnn_ode\[audio\]'"):
        audio.read_wav(tmp_path / "a.wav")


# The command.


def expected(samples, rate_in, rate_out):
    """The output by one call of `evolve`, for a network of the input's own rate."""
    gap = float(Fraction(rate_in, rate_out))
    ts = 1 + gap * np.arange(-1, -(-len(samples) * rate_out // rate_in))
    path, net = ro.BandLimited(samples), network()
    states = ro.evolve(net.cell, path, ts).states[1:]
    return np.asarray(jax.vmap(net.output)(jax.vmap(path)(ts[1:]), states))


@pytest.mark.slow
def test_a_recording_at_another_rate(folder):
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


@pytest.mark.slow
@pytest.mark.parametrize("subtype", ["pcm16", "pcm32"])
def test_integer_recordings(folder, subtype):
    write("in.wav", TONE, subtype)
    result = invoke("--weights", "net.npz", "--input", "in.wav", "--out", "out.wav", "--to", 6000)
    assert result.exit_code == 0, result.output
    assert "in.wav at 8000 → out.wav at 6000, 1125 frames; network trained at 8000" in result.stdout
    assert "stable" in result.stdout and "round trip: " in result.stdout
    samples, written = (next(audio.read_wav(name).blocks()) for name in ("in.wav", "out.wav"))
    assert audio.read_wav("out.wav").subtype == subtype
    assert abs(written - expected(samples, 8000, 6000)).max() <= 2.0 ** -int(subtype[3:]) * 1.001


@pytest.mark.slow
def test_a_csv_series_and_a_knob(folder):
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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--to", 0), "--to must be positive and finite; got 0.0"),
        (("--to", 9600.5), "--to must be a whole number of Hz"),
        (("--to", 9600, "--trained", 0), "--trained must be positive and finite"),
        (("--to", 9600, "--out", "out.csv"), "both end in .wav or both in .csv"),
        (("--to", 9600, "--out", "nowhere/out.wav"), "the folder nowhere does not exist"),
        (("--to", 9600, "--subtype", "mp3"), "--subtype must be one of pcm16, pcm24, pcm32, float, double; got 'mp3'"),
        (("--to", 9600, "--hold", 0.5), "in.wav has 1 channel, and --hold adds 1 constant; the network takes 1 input."),
        (("--to", 9600, "--weights", "knob.npz"), "in.wav has 1 channel; the network takes 2 inputs. Give --hold once"),
        (("--to", 9600, "--weights", "missing.npz"), "missing.npz"),
        (("--to", 9600, "--input", "missing.wav"), "missing.wav"),
        (("--to", 9600, "--input", "cut.wav"), "cut.wav: chunk 'data': the header promises 50 frames"),
        (("--to", 9600, "--input", "nan.wav"), "nan.wav: sample 3 of channel 0 is nan"),
    ],
)
def test_bad_input_is_one_line_and_status_2(folder, arguments, words):
    (folder / "cut.wav").write_bytes(wav_bytes(promised=100))
    write("nan.wav", np.array([[0.0], [0.0], [0.0], [np.nan]]))
    before = sorted(folder.iterdir())
    result = invoke("--weights", "net.npz", "--input", "in.wav", "--out", "out.wav", *arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())
    assert result.stdout == "" and "Traceback" not in result.stderr
    assert sorted(folder.iterdir()) == before


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


@pytest.mark.slow
@pytest.mark.parametrize(("to", "ahead"), [(9600, 50), (6000, 20), (16_000, 3)])
def test_a_bad_round_trip_is_said(folder, to, ahead):
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


def test_a_lower_rate_is_named_where_it_is_the_cause():
    scheme = Scheme()
    assert "up to half of --to" in doubt(10.0, scheme, 4 / 3, False)
    assert doubt(10.0, scheme, 0.8, False).endswith("Try --recommend, which compares schemes.")
    assert "--recommend" not in doubt(10.0, scheme, 0.8, True)
    assert "enlarge" not in doubt(10.0, scheme, 0.05, False)  # no smaller numbers would help the default


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e250])
def test_the_round_trip_has_no_unit(scale):
    rng = np.random.default_rng(0)
    own = rng.normal(size=(400, 1))
    ours = own + 0.1 * rng.normal(size=(400, 1))
    plain = level(own[100:] - own.mean(axis=0)) - level((ours - own)[100:])
    assert abs(plain - 10 * np.log10(np.sum((own - own.mean())[100:] ** 2) / np.sum((ours - own)[100:] ** 2))) < 1e-9
    scaled = level(scale * (own - own.mean(axis=0))[100:]) - level(scale * (ours - own)[100:])
    assert abs(scaled - plain) < 1e-9
    assert level(np.zeros((3, 1))) == -np.inf


def test_a_network_that_leaves_the_float_range_is_refused(folder):
    """2^1024 does not fit a float64, and the input adds to the first power."""
    growing = ro.VanillaCell(np.diag([2.0, -0.4]), np.ones((2, 1)), np.zeros(2), None)
    with pytest.raises(
        ValueError, match=r"leaves the float range on this input, at its own rate, at step 102\d: it cannot"
    ):
        resample_file(network(growing), audio.read_wav("in.wav"), folder / "out.wav", 9600, 8000, scheme=Scheme())
    assert not (folder / "out.wav").exists()


def test_recommended_is_the_best_stable_scheme_of_evolve(monkeypatch):
    """Of a ranking made up here: what streams, and is stable."""

    def scheme(function, stable, snr, **arguments):
        label = f"{function.__name__}{tuple(arguments.values())}"
        return SimpleNamespace(run=partial(function, **arguments), stable=stable, snr=snr, label=label)

    ranking = (
        scheme(ro.delayed_feedback, True, 61.5, order=3, band=0.0),
        scheme(ro.evolve, True, 58.0, ahead=2, behind=3, band=0.1),
        scheme(ro.evolve, True, 57.0, ahead=3, behind=3, band=0.0),
        scheme(ro.evolve, False, np.nan, ahead=1, behind=2, band=0.0),
    )

    def recommended(*ranking):
        monkeypatch.setattr(
            files_scheme, "recommend", lambda *_, **__: SimpleNamespace(schemes=ranking, table=lambda: "-")
        )
        return recommended_scheme(network(), OwnRun(TONE, TONE), 1.2)

    assert recommended(*ranking) == (Scheme(2, 3, 0.1), "delayed_feedback(3, 0.0), by 3.5 dB")
    assert recommended(*ranking[1:]) == (Scheme(2, 3, 0.1), None)
    with pytest.raises(ValueError, match=r"no scheme of evolve is stable at a ratio of 1\.2"):
        recommended(ranking[0], ranking[3])


def test_a_trial_looks_at_what_is_not_silence():
    outputs = np.concatenate([np.zeros((20_000, 1)), np.random.default_rng(0).normal(size=(20_000, 1))])
    xs = np.arange(40_000.0)[:, None]
    assert liveliest(OwnRun(xs, outputs))[0] >= 19_999
    assert np.array_equal(liveliest(OwnRun(TONE, TONE)), TONE)


@pytest.mark.slow
def test_the_command_recommends(folder):
    write("in.wav", TONE[:300])
    result = invoke(
        "--weights", "net.npz", "--input", "in.wav", "--out", "out.wav", "--to", 9600, "--recommend", "--json"
    )
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["scheme"]["recommended"] and report["scheme"]["stable"]
    assert report["better"] is None or report["better"].endswith(" dB")


@pytest.mark.slow
def test_the_command_writes_the_states_of_a_network_without_a_readout(folder):
    """A file of W_h, W_x, b says neither its readout nor its activation: notes on standard error do."""
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


def test_what_fails_on_the_way_leaves_the_old_file(folder, monkeypatch):
    (folder / "out.wav").write_bytes(b"old")

    def fail(stored, subtype):
        raise OSError("no space left")

    monkeypatch.setattr(audio, "_stored", fail)
    with pytest.raises(OSError, match="no space"):
        resample_file(network(), audio.read_wav("in.wav"), folder / "out.wav", 9600, 8000, scheme=Scheme())
    assert (folder / "out.wav").read_bytes() == b"old"
    assert sorted(p.name for p in folder.iterdir()) == ["in.wav", "knob.npz", "net.npz", "out.wav"]


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


def test_what_dead_runs_have_left_is_removed_and_nothing_else(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    path = tmp_path / "a[1].wav"
    with written_beside(path) as beside:
        host = beside.name.rsplit("-", 2)[0]
        leftover = tmp_path / f"{host}-{dead.pid}-00000000.wav"
        kept = (f"{host}-{os.getpid()}-00000000.wav", leftover.name.replace("a[1]", "a1"), ".a[1].wav", "b.wav")
        others = [tmp_path / name for name in kept]
        for other in (leftover, *others):
            other.write_bytes(b"-")
        beside.write_bytes(b"live")
        with written_beside(path) as second:
            second.write_bytes(b"second")
        assert not leftover.exists() and beside.exists()
    assert path.read_bytes() == b"live"
    assert sorted(tmp_path.iterdir()) == sorted([path, *others])


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(folder):
    def peak(frames):
        write("in.wav", np.tile(TONE, (frames // len(TONE), 1)))
        recording = audio.read_wav("in.wav")
        tracemalloc.start()
        resample_file(network(), recording, folder / "out.wav", 9600, 8000, scheme=Scheme(1, 1))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(70_000)  # compiles
    assert peak(280_000) < 1.1 * peak(140_000)  # two and four blocks and a part


def test_a_series_is_read_in_blocks(tmp_path):
    (tmp_path / "a.csv").write_text("\n".join(map(str, range(10))))
    table = Table(tmp_path / "a.csv", Fraction(1))
    assert (table.frames, table.channels, [len(block) for block in table.blocks(4)]) == (10, 1, [4, 4, 2])
