"""A file through a network at another rate: the scheme, the round trip, the report, and the files."""

import dataclasses
import tracemalloc
from fractions import Fraction
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from recordings import CELL, KNOB, TONE, network, write

import rnn_ode as ro
from rnn_ode import audio
from rnn_ode._resampling import files_scheme
from rnn_ode._resampling.files import resample_file
from rnn_ode._resampling.files_report import Report, doubt
from rnn_ode._resampling.files_round_trip import OwnRun, level, own_run, round_trip
from rnn_ode._resampling.files_scheme import Scheme, checked_roots, error_gain, liveliest, recommended_scheme, widest
from rnn_ode._resampling.files_source import Table, survey
from rnn_ode._resampling.resampled import Window


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("in.wav", TONE)
    return tmp_path


def test_the_note_on_a_bad_round_trip_names_the_cause():
    scheme = Scheme()
    assert "up to half of --to" in doubt(10.0, scheme, 4 / 3, False)
    assert doubt(10.0, scheme, 0.8, False).endswith("Try --recommend, which compares schemes.")
    assert "--recommend" not in doubt(10.0, scheme, 0.8, True)
    assert "enlarge" not in doubt(10.0, scheme, 0.05, False)  # no smaller numbers would help the default
    assert "--ahead 50 --behind 3 enlarge every small error up to 2" in doubt(10.0, Scheme(50, 3), 0.8, False)
    assert doubt(20.0, scheme, 0.8, False) is None and doubt(None, scheme, 0.8, False) is None


def test_errors_are_enlarged_by_the_moduli_of_lagrange_s_weights():
    """At half a step between the states at 0 and 1 the weights are ½ and ½; with the state at −½ they are −⅓, 1 and ⅓."""
    assert abs(error_gain(Scheme(1, 0), 0.5) - 1) < 1e-12
    assert abs(error_gain(Scheme(1, 1), 0.5) - 5 / 3) < 1e-12


@pytest.mark.slow
def test_an_error_of_a_tenth_is_a_round_trip_of_20_db():
    rng = np.random.default_rng(0)
    own = rng.normal(size=(400, 1))
    assert abs(round_trip(own, 1.1 * own - 0.1 * own.mean(), 1.0) - 20) < 0.1
    assert round_trip(own, own, 1.0) is None and round_trip(own[:2], own[:2], 1.0) is None
    spoilt = own.copy()
    spoilt[:100] = spoilt[-25:] = 9.0  # the first quarter and the last sixteenth do not count
    assert round_trip(own, spoilt, 1.0) is None


def test_a_survey_gives_the_mean_and_the_beginning_with_the_constants():
    rows = np.arange(10.0)[:, None]
    source = SimpleNamespace(rate=2, channels=1, frames=10, blocks=lambda: iter((rows[:4], rows[4:])))
    mean, head = survey(source, [0.5], (3, 5))
    assert mean.tolist() == [4.5, 0.5] and head[:, 0].tolist() == list(range(6)) and (head[:, 1] == 0.5).all()
    assert len(survey(source, (), (1, 5))[1]) == 5


def test_the_report_in_words_and_as_a_dictionary():
    scheme = {"ahead": 3, "behind": 2, "band": 0.1, "radius": 0.5, "stable": False, "recommended": False}
    report = Report(
        "a.wav", "b.wav", 8000, 9600, 8000, 12, scheme, 7, 0.5, 2.0, None, "other(1, band=0.1), by 2.0 dB", None
    )
    text = report.table()
    for words in (
        "input a.wav at 8000",
        "output b.wav at 9600, 12 frames",
        "network trained at 8000",
        "scheme ahead=3, behind=2, band=0.1",
        "roots within 0.50000 of 0 at rest, UNSTABLE",
        "real-time factor 2.00 (0.50 s",
        "round trip not defined (too short, or no error)",
        "better in the trial other(1, band=0.1), by 2.0 dB; this command does not run it",
        "clipped 7 samples beyond full scale",
    ):
        assert words in " ".join(text.split())
    assert report.to_dict() == {**vars(report)}
    quiet = dataclasses.replace(
        report, clipped=0, better=None, round_trip_snr_db=33.33, scheme={**scheme, "stable": True}
    )
    assert "33.3 dB" in quiet.table() and "at rest, stable" in quiet.table()
    assert not any(word in quiet.table() for word in ("better", "clipped"))


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e250])
def test_the_level_in_db_is_right_at_any_scale(scale):
    rng = np.random.default_rng(0)
    own = rng.normal(size=(400, 1))
    ours = own + 0.1 * rng.normal(size=(400, 1))
    plain = level(own[100:] - own.mean(axis=0)) - level((ours - own)[100:])
    assert abs(plain - 10 * np.log10(np.sum((own - own.mean())[100:] ** 2) / np.sum((ours - own)[100:] ** 2))) < 1e-9
    scaled = level(scale * (own - own.mean(axis=0))[100:]) - level(scale * (ours - own)[100:])
    assert abs(scaled - plain) < 1e-9
    assert level(np.zeros((3, 1))) == -np.inf


def test_a_network_that_leaves_the_float_range_is_refused(folder):
    """2^1024 is beyond float64; the state grows by a factor of 2 in every step."""
    growing = ro.VanillaCell(np.diag([2.0, -0.4]), np.ones((2, 1)), np.zeros(2), None)
    with pytest.raises(
        ValueError, match=r"leaves the float range on this input, at its own rate, at step 102\d: it cannot"
    ):
        resample_file(network(growing), audio.read_wav("in.wav"), folder / "out.wav", 9600, 8000, scheme=Scheme())
    assert not (folder / "out.wav").exists()


def test_recommended_is_the_best_stable_scheme_of_evolve(monkeypatch):
    """Of an invented ranking, the first scheme that can stream and is stable."""

    def scheme(function, stable, snr, **arguments):
        label = f"{function.__name__}{tuple(arguments.values())}"
        return SimpleNamespace(
            run=partial(function, **arguments), stable=stable, snr=snr, label=label, reads=None, in_phase=True
        )

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
    with pytest.raises(ValueError, match=r"no scheme that this command runs is stable at a ratio of 1\.2"):
        recommended(ranking[0], ranking[3])
    feedback = scheme(ro.fitted_feedback, True, 62.0, predict=(1.5, -0.5), correct=())
    assert recommended(feedback, *ranking) == (Scheme(predict=(1.5, -0.5)), None)


def test_a_recommended_scheme_reads_by_the_windows_of_its_trial(monkeypatch):
    """At twice the network's rate. An input at the network's own rate needs half as many samples for as long a window."""
    run = partial(ro.resampled, half_width=3, beta=9.5)
    best = SimpleNamespace(run=run, snr=90.0, label="", reads=Window(6, 11.5), in_phase=True)
    monkeypatch.setattr(files_scheme, "recommend", lambda *_, **__: SimpleNamespace(schemes=(best,)))
    own = OwnRun(TONE, TONE)
    for interval in (0.5, None):
        scheme, _ = recommended_scheme(network(), own, 2.0, 6, interval)
        assert scheme == Scheme(half_width=3, beta=9.5, input_half_width=6, input_beta=11.5)
    scheme, _ = recommended_scheme(network(), own, 2.0, 6, 1.0)
    assert scheme.input_half_width == 3

    def error(beta):
        path = ro.BandLimited(TONE, half_width=3, beta=beta)
        ts = 100.4 + np.arange(1000.0)
        wanted = 0.4 * np.sin(0.05 * (ts - 1)) + 0.2 * np.sin(0.31 * (ts - 1))
        return abs(np.asarray(jax.vmap(path)(ts))[:, 0] - wanted).max()

    assert error(scheme.input_beta) < min(error(scheme.input_beta - 2), error(scheme.input_beta + 2), error(7.0))


@pytest.mark.parametrize(("latency", "width"), [(16.0, 8), (16.1, 8), (126, 63), (128, 64), (1e5, 64), (np.inf, 64)])
def test_the_widest_windows_for_a_latency_have_at_most_64_samples(latency, width):
    assert widest(latency, 1.0) == Scheme(half_width=width, input_half_width=width)


def test_a_trial_looks_at_the_liveliest_stretch():
    outputs = np.concatenate([np.zeros((20_000, 1)), np.random.default_rng(0).normal(size=(20_000, 1))])
    xs = np.arange(40_000.0)[:, None]
    assert liveliest(OwnRun(xs, outputs))[0] >= 19_999
    assert np.array_equal(liveliest(OwnRun(TONE, TONE)), TONE)


def test_a_run_that_fails_leaves_the_old_file(folder, monkeypatch):
    (folder / "out.wav").write_bytes(b"old")

    def fail(stored, subtype):
        raise OSError("no space left")

    monkeypatch.setattr("rnn_ode.audio._writer._stored", fail)
    with pytest.raises(OSError, match="no space"):
        resample_file(network(), audio.read_wav("in.wav"), folder / "out.wav", 9600, 8000, scheme=Scheme())
    assert (folder / "out.wav").read_bytes() == b"old"
    assert sorted(p.name for p in folder.iterdir()) == ["in.wav", "out.wav"]


@pytest.mark.gate
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


@pytest.mark.gate
def test_at_its_own_rate_the_output_is_that_of_the_network(folder):
    (folder / "in.csv").write_text("\n".join(map(str, TONE[:60, 0])))
    net, done = network(KNOB), []
    report = resample_file(
        net,
        Table(folder / "in.csv", Fraction(2)),
        folder / "out.csv",
        2,
        2,
        scheme=Scheme(1, 1),
        hold=[0.5],
        progress=lambda frames, total: done.append((frames, total)),
    )
    xs = jnp.hstack([TONE[:60], 0.5 * jnp.ones((60, 1))])
    outputs = jax.vmap(net.output)(xs, ro.iterate(net.cell, xs).states[1:])
    rows = np.loadtxt(folder / "out.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(rows[:, 1:], outputs, atol=1e-12)
    assert rows[:, 0].tolist() == [0.5 * k for k in range(60)] and done[-1] == (60, 60)
    assert (report.frames, report.clipped, report.rate_in, report.rate_out, report.trained) == (60, 0, 2, 2, 2)
    assert report.scheme["stable"] and not report.scheme["recommended"] and report.scheme["ahead"] == 1
    assert abs(report.real_time_factor * report.seconds - 30) < 1e-9
    assert report.round_trip_snr_db is None  # the input is too short for one


@pytest.mark.slow
def test_a_pre_roll_runs_silence_first(folder):
    """The network is the same under ten steps of silence and the input, without the outputs of the silence."""
    (folder / "in.csv").write_text("\n".join(map(str, TONE[:60, 0])))
    net = dataclasses.replace(network(KNOB), initial=jnp.array([1.0, -1.0]))
    source, out = Table(folder / "in.csv", Fraction(2)), folder / "out.csv"
    resample_file(net, source, out, 2, 2, scheme=Scheme(1, 1), hold=[0.5], pre_roll=5)
    xs = np.concatenate([np.zeros((10, 1)), TONE[:60]])
    xs = jnp.hstack([xs, 0.5 * jnp.ones((70, 1))])
    outputs = jax.vmap(net.output)(xs, ro.iterate(net.cell, xs, net.initial).states[1:])
    np.testing.assert_allclose(np.loadtxt(out, delimiter=",", skiprows=1)[:, 1:], outputs[10:], atol=1e-12)
    for seconds in (-1, float("nan"), 1e9):
        with pytest.raises(ValueError, match=r"--pre-roll must be from 0 to 100,000,000 steps of the network; got"):
            resample_file(net, source, out, 2, 2, scheme=Scheme(1, 1), hold=[0.5], pre_roll=seconds)


def test_an_unstable_scheme_is_refused_with_the_stable_ones_unless_forced():
    with pytest.raises(ValueError, match=r"--ahead 1 --behind 5: unstable at 0\.5 steps .* \(3, 3\)"):
        checked_roots(network(), np.zeros(1), 0.5, Scheme(1, 5), False)
    forced = checked_roots(network(), np.zeros(1), 0.5, Scheme(1, 5), True)
    assert not forced["stable"] and forced["radius"] > 1
    assert checked_roots(network(), np.zeros(1), 0.5, Scheme(), False)["stable"]


@pytest.mark.slow
def test_the_network_s_own_run_has_the_steps_within_the_beginning_of_the_input():
    """49 · (1/49) is below 1 in floating point, and is one whole step all the same."""
    own = own_run(network(), TONE[:50], 1 / 49)
    np.testing.assert_allclose(own.xs, TONE[[0, 49]], atol=1e-6)
    assert own.outputs.shape == (2, 1)
    same = own_run(network(), TONE[:5], 1.0)
    states = ro.iterate(CELL, TONE[:5]).states[1:]
    np.testing.assert_allclose(same.outputs, jax.vmap(network().readout)(states), atol=1e-12)
