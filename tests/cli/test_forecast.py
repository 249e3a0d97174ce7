"""The command `forecast`."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from rnn_ode.cli import app
from rnn_ode.cli._forecast_input import default_season
from rnn_ode.datasets import Series

SINE = np.sin(np.arange(240) / 5)[:, None] + 3


def run(*arguments) -> "CliRunner":
    return CliRunner().invoke(app, ["forecast", *map(str, arguments)])


@pytest.mark.slow
def test_the_command_prints_one_json_object_and_draws(tmp_path):
    """The naive row of the published table, to all its digits; a few steps of training are enough to beat it."""
    out = tmp_path / "page.png"
    done = run("pendulum", "--json", "--steps", 200, "--members", 2, "--hidden", 8, "--horizon", 3, "--out", out)
    assert done.exit_code == 0, done.stderr
    answers = json.loads(done.stdout)
    naive = {"mae": 0.109485, "mse": 0.014723, "smape": 0.423563}
    assert {name: round(answers["naive"][name], 6) for name in naive} == naive
    assert answers["windows"]["test"] == 1088 and answers["metrics"]["mae"] < naive["mae"] and out.stat().st_size > 1000
    assert answers["baselines"]["linear autoregression"]["mae"] < 1e-9


@pytest.mark.gate
def test_the_command_reads_a_csv_and_goes_on_from_a_checkpoint(tmp_path):
    file, checkpoint = tmp_path / "series.csv", tmp_path / "run.ckpt"
    file.write_text("t,x\n" + "\n".join(f"{t},{x[0]}" for t, x in enumerate(SINE)))
    way = [file, "--members", 1, "--hidden", 4, "--history", 5, "--out", tmp_path / "a.png", "--checkpoint", checkpoint]
    first = run(*way, "--steps", 20)
    again = run(*way, "--steps", 20)
    assert first.exit_code == 0 and first.stdout == again.stdout and "gru, 4 units" in " ".join(first.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "SERIES nothing: there is no such csv file"),
        (["nothing.csv"], "SERIES nothing.csv: there is no such csv file"),
        (["sunspots", "--model", "transformer"], "--model must be one of"),
        (["sunspots", "--out", "page.txt"], "--out must end in"),
        (["sunspots", "--history", "400"], "rows, for one window of history 400"),
        (["holes.csv"], "line 3, column 'x': a finite number is wanted; got a missing value"),
        (["text.csv"], "line 3, column 'x': a finite number is wanted; got 'high'"),
        (["flat.csv", "--history", "2"], "column 0 is constant"),
        (["empty.csv"], "SERIES empty.csv: the file is empty"),
        (["one.csv"], "at least 2 rows of data; got 1"),
        (["words.csv"], "no column holds numbers"),
        (["missing.csv"], "no column holds numbers"),
        (["infinite.csv"], "line 4, column 'x': a finite number is wanted; got 'inf'"),
        (
            ["twice.csv", "--column", "x"],
            "the header has column 'x' more than once; give --column its number from 0 instead",
        ),
        (["book.xlsx"], "this is a zip archive or an Excel workbook; unpack it, or save the sheet as csv"),
        (
            ["months.csv"],
            "after 2020-03-01 2 rows are missing, and there is 1 such gap; the step is monthly. Give --fill",
        ),
        (["days.csv"], "lines 2 and 4, column 'd': each time may be there once; both have 2020-01-01"),
        (["stamps.csv", "--model", "gru"], "the times are irregular, and --model gru would take them as equal steps"),
        (["plain.csv", "--model", "odernn"], "--model odernn needs times; give --index"),
        (["plain.csv", "--horizon", "50"], "must have at least"),
        (["plain.csv", "--calendar"], "--calendar needs an index of regular dates"),
        (["plain.csv", "--known", "x"], "--known needs --target or --column"),
        (["german.csv", "--target", "Wert", "--known", "Wert"], "--known must name other columns than --target: Wert"),
        (["german.csv", "--target", "Wert", "--known", "1"], "--known must name other columns than --target: 1"),
        (["german.csv", "--column", "Wert", "--known", "Wert"], "--known must leave a column to forecast; got all"),
        (["colons.csv"], "Give --sep, if something else separates them"),
        (["total.csv"], 'or give --dates a format such as %d.%m.%Y, or give --index another column or "none"'),
        (["plain.csv", "--dates", "%Y"], "no column of dates; give --index the name of one, or leave --dates out"),
        (["holes.csv"], "got a missing value; give --fill (linear, previous, season) to fill it"),
        (["holes.csv", "--fill", "season"], "tell how long a season is; --fill season needs --season, in rows"),
        (["either.csv"], "nothing in the file tells which. Give --decimal, '.' or ','"),
        (["plain.csv", "--scaling", "mean"], "--scaling must be one of auto, series, last, level, window; got 'mean'"),
        (["plain.csv", "--loss", "l2"], "--loss must be one of mse"),
        (["plain.csv", "--schedule", "step"], "--schedule must be one of cosine"),
        (["plain.csv", "--log", "--no-log"], "--log and --no-log cannot both be given"),
        (["plain.csv", "--from", "plain.csv"], "not a checkpoint of rnn_ode"),
        (["plain.csv", "--fill", "mean"], "--fill must be one of linear, season, previous; got 'mean'"),
    ],
)
def test_the_command_names_what_is_wrong(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{k % 7}\n" for k in range(40))
    texts = {
        "empty.csv": "",
        "one.csv": "x\n1\n",
        "words.csv": "a,b\nc,d\ne,f\n",
        "missing.csv": "x\nNA\n\nnan\n-\n",
        "infinite.csv": "x\n1\n2\ninf\n3\n",
        "twice.csv": "t,x,x\n1,2,3\n2,3,4\n",
        "book.xlsx": "PK\x03\x04",
        "months.csv": "d,x\n2020-01-01,1\n2020-02-01,2\n2020-03-01,4\n2020-06-01,3\n2020-07-01,2\n2020-08-01,1\n",
        "days.csv": "d,x\n2020-01-01,1\n2020-01-02,2\n2020-01-01,4\n",
        "stamps.csv": "t,x\n" + "".join(f"{k + 0.4 * (k % 3)},{k % 5}\n" for k in range(40)),
        "plain.csv": "x\n" + rows,
        "colons.csv": "a:b\n1:2\n3:4\n",
        "total.csv": "d,x\n2020-01,1\n2020-02,2\n2020-03,3\nTotal,6\n",
        "either.csv": "a;b\n1.000;2.000\n3.000;4.000\n",
        "german.csv": "Datum;Wert\n" + "".join(f"{k + 1}.1.2020;{k % 7},5\n" for k in range(30)),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    for name, third in (("holes", ""), ("text", "high"), ("flat", "1")):
        lines = [f"{t},{third if t == 1 else 1 if name == 'flat' else t}" for t in range(40)]
        (tmp_path / f"{name}.csv").write_text("t,x\n" + "\n".join(lines))
    done = run(*arguments)
    assert done.exit_code == 2 and message in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "Stopped; nothing was kept: give --checkpoint FILE to keep the training."),
        (
            ["--checkpoint", "run.ckpt"],
            "Stopped before the first checkpoint; nothing was kept: run the same command again.",
        ),
    ],
)
def test_ctrl_c_says_how_to_keep_the_training(options, sentence, monkeypatch, tmp_path):
    def interrupted(*args, **more):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rnn_ode.learn.forecast", interrupted)
    ended = run("sunspots", *options)
    assert ended.exit_code == 130 and " ".join(ended.stderr.split()) == sentence


FAST = ("--members", 1, "--hidden", 2, "--steps", 5)


def written(folder, lines, header="t,x"):
    file = folder / "series.csv"
    file.write_text("\n".join([header, *lines]) + "\n")
    return file


def found(file, *options):
    done = run(file, *FAST, "--json", "--out", file.parent / "page.png", *options)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_a_line_of_dates_from_new_to_old_is_forecast_into_its_future(tmp_path):
    """The file runs from 2021 back; what comes next was called the time before 1991, and 240 was forecast as 185."""
    dates = [f"{2002 + k // 12}-{k % 12 + 1:02d}-01" for k in range(240)]
    file = written(tmp_path, [f"{date},{k}" for k, date in reversed(list(enumerate(dates)))], "date,x")
    future = tmp_path / "future.csv"
    answers = found(file, "--horizon", 2, "--season", 1, "--future", future)
    assert answers["future"]["time"] == ["2022-01-01", "2022-02-01"]
    np.testing.assert_allclose(np.ravel(answers["future"]["mean"]), [240, 241], rtol=1e-6)
    assert answers["read"]["step"] == "monthly" and "rows sorted from old to new" in answers["read"]["remarks"]
    lines = future.read_text().splitlines()
    assert lines[0] == "date,mean,lower,upper" and lines[2].startswith("2022-02-01,")
    np.testing.assert_allclose([float(line.split(",")[1]) for line in lines[1:]], [240, 241], rtol=1e-6)
    assert "is exact" in answers["verdict"]


@pytest.mark.parametrize(
    ("unit", "size", "season"),
    [
        ("m", 1, 1),
        ("m", 10, 144),
        ("m", 15, 96),
        ("m", 30, 48),
        ("h", 1, 24),
        ("h", 6, 4),
        ("h", 5, 1),
        ("D", 1, 7),
        ("D", 7, 52),
    ],
)
def test_the_season_is_a_day_below_a_day(unit, size, season):
    times = np.datetime64("2020-01-01T00:00", "ns") + np.arange(6 * season + 300) * np.timedelta64(size, unit)
    assert default_season(Series("x", np.ones((len(times), 1)), times, ("x",))) == season
    months = np.arange(0, 240, 6).astype("datetime64[M]").astype("datetime64[ns]")
    assert default_season(Series("x", np.ones((40, 1)), months, ("x",))) == 2


@pytest.mark.slow
def test_fifteen_rows_are_enough(tmp_path):
    file = written(tmp_path, [f"{k},{(7 * k) % 5 + 0.5}" for k in range(15)])
    assert len(found(file)["future"]["mean"]) == 1


@pytest.mark.slow
def test_five_rows_are_too_few_for_a_verdict_and_that_is_said(tmp_path):
    """One window decided that the networks were worth having, and the intervals of 50 % came without a reason."""
    file = written(tmp_path, [f"{k},{k}" for k in range(1, 6)])
    done = run(file, *FAST, "--out", tmp_path / "page.png")
    text = " ".join(done.stdout.split())
    assert done.exit_code == 0 and "after the history, on 1 test window." in text
    assert "There are too few test windows to tell whether the networks are worth having: 1, and 6 are needed." in text
    assert "The intervals are not of 90%: 1 validation window allows at most 50%, n/(n + 1)." in text


@pytest.mark.gate
def test_a_series_that_repeats_itself_has_no_mase_and_says_so(tmp_path):
    """Sine of season 12 had a MASE of 8e13; as integers it refused the forecast."""
    for values in (np.sin(2 * np.pi * np.arange(120) / 12), np.tile([1, 5, 2, 8], 30)):
        season = 12 if values.dtype.kind == "f" else 4
        file = written(tmp_path, map(repr, values.tolist()), "x")
        answers = found(file, "--season", season, "--history", season + 1)
        assert answers["ensemble"]["mase"] is None and answers["naive"]["mase"] is None
        assert answers["ensemble"]["mae"] < 1e-6
        if season == 12:
            text = run(file, *FAST, "--season", 12, "--history", 13, "--out", tmp_path / "page.png").stdout
            assert "Before the test x repeats itself after 12 rows, so that it has no MASE." in " ".join(text.split())


@pytest.mark.gate
def test_one_constant_column_is_said_and_skipped(tmp_path):
    file = written(tmp_path, [f"{k},{np.sin(k):.4f},3,{np.cos(k):.4f}" for k in range(60)], "t,a,b,c")
    answers = found(file, "--column", "a", "--column", "b", "--column", "c", "--target", "c")
    assert answers["skipped"] == ["b"] and answers["columns"] == ["c"] and np.shape(answers["future"]["mean"]) == (1, 1)
    assert answers["read"]["columns"] == ["a", "b", "c"]
    both = found(file, "--column", "a", "--column", "b", "--column", "c")
    assert both["columns"] == ["a", "c"] and set(both["by_column"]) == {"a", "c"}


@pytest.mark.gate
def test_the_hidden_column_is_read_and_said(tmp_path):
    rows = [f'2020-01-{k + 1:02d},{k % 3},"1,{k:03d}.5"' for k in range(31)]
    answers = found(written(tmp_path, rows, "date,volume,Price"), "--season", 1)
    assert answers["read"]["columns"] == ["Price"] and 1000 < np.ravel(answers["future"]["mean"])[0] < 1100


@pytest.mark.slow
def test_irregular_times_go_to_a_network_that_reads_times(tmp_path):
    times = np.cumsum(np.random.default_rng(0).uniform(0.3, 2, 60))
    file = written(tmp_path, [f"{t:.4f},{np.sin(t):.4f}" for t in times])
    checkpoint = tmp_path / "run.ckpt"
    answers = found(file, "--checkpoint", checkpoint)
    assert answers["model"] == "odernn" and answers["read"]["step"] is None
    usual = np.median(np.diff(np.round(times, 4)))
    assert answers["future"]["time"][0] == pytest.approx(times[-1] + usual, abs=1e-3)
    assert found(file, "--from", checkpoint)["future"] == answers["future"]


@pytest.mark.slow
def test_a_saved_forecaster_forecasts_without_training(tmp_path, monkeypatch):
    """From the same rows it gives the same; from further rows, what comes after these."""
    checkpoint = tmp_path / "run.ckpt"
    lines = [f"{t},{x[0]}" for t, x in enumerate(SINE)]
    first = found(written(tmp_path, lines), "--checkpoint", checkpoint, "--horizon", 2)
    again = found(tmp_path / "series.csv", "--checkpoint", checkpoint, "--horizon", 2)
    assert {**first, "figure": ""} == {**again, "figure": ""}
    monkeypatch.setattr("rnn_ode.learn._forecast.trainer.fit", lambda *arguments, **settings: pytest.fail("trained"))
    saved = found(tmp_path / "series.csv", "--from", checkpoint)
    assert saved["future"] == first["future"]
    for option, kept in (("--horizon", 2), ("--gap", 0), ("--history", 24)):
        other = run(tmp_path / "series.csv", "--from", checkpoint, option, 5)
        assert other.exit_code == 2 and f"{option} must be {kept} or left out" in " ".join(other.stderr.split())
    other = run(written(tmp_path, lines, "t,y"), "--from", checkpoint)
    assert other.exit_code == 2 and "read the columns x; the file gives y" in " ".join(other.stderr.split())
    written(tmp_path, lines)
    noted = run(
        tmp_path / "series.csv", "--from", checkpoint, "--horizon", 2, "--share", 0.5, "--out", tmp_path / "a.png"
    )
    assert noted.exit_code == 0 and "--share does nothing with --from" in " ".join(noted.stderr.split())
    later = written(tmp_path, [*lines, *(f"{t},{np.sin(t / 5) + 3}" for t in range(240, 250))])
    ahead = found(later, "--from", checkpoint)["future"]
    assert ahead["time"] == [250, 251] and abs(np.ravel(ahead["mean"])[0] - np.sin(50) - 3) < 0.2


@pytest.mark.slow
def test_values_known_in_advance_are_used(tmp_path):
    """x is twice the plan of the same day, which has no pattern: only who sees the plan can forecast it."""
    plan = np.random.default_rng(0).integers(0, 2, 243)
    lines = [f"2020-01-01,{2 * p},{p}" if k < 240 else f"2020-01-01,,{p}" for k, p in enumerate(plan)]
    lines = [f"{np.datetime64('2020-01-01') + k}{line[10:]}" for k, line in enumerate(lines)]
    file = written(tmp_path, lines, "day,x,plan")
    way = ["--target", "x", "--known", "plan", "--season", 1, "--horizon", 3, "--steps", 150, "--hidden", 8]
    answers = found(file, *way)
    np.testing.assert_allclose(np.ravel(answers["future"]["mean"])[2], 2 * plan[242], atol=0.3)
    assert answers["ensemble"]["mae"] < 0.3 * answers["naive"]["mae"] and answers["future"]["time"][0] == "2020-08-28"


@pytest.mark.slow
def test_the_calendar_is_used(tmp_path):
    """Some weekdays are high. Two values before do not tell which day comes next; the calendar does."""
    days = np.datetime64("2020-01-01") + np.arange(240)
    high = np.array([0, 1, 1, 0, 0, 1, 0])[(days.astype(int) + 3) % 7]
    file = written(tmp_path, [f"{day},{5 + 2 * x}" for day, x in zip(days, high, strict=True)], "day,x")
    checkpoint = tmp_path / "run.ckpt"
    way = ["--calendar", "--season", 1, "--history", 2, "--no-linear", "--no-refit", "--steps", 200, "--hidden", 8]
    answers = found(file, *way, "--checkpoint", checkpoint)
    assert answers["ensemble"]["mae"] < 0.5 * min(row["mae"] for row in answers["baselines"].values())
    again = found(file, "--from", checkpoint, "--calendar")["future"]["mean"]
    np.testing.assert_allclose(again, answers["future"]["mean"], rtol=1e-5)
    unseen = run(file, "--from", checkpoint)
    assert unseen.exit_code == 2 and "give --known or --calendar" in " ".join(unseen.stderr.split())


@pytest.mark.gate
def test_saved_networks_find_the_season_in_a_file_that_begins_elsewhere(tmp_path):
    """They counted rows from the first one of the file, so that January was forecast as August."""
    profile = np.array([0, 30, -20, 5, 9, -14, 22, -8, 3, -11, 0, -16])
    months = np.arange(360, 560).astype("datetime64[M]").astype("datetime64[D]")
    noise = np.random.default_rng(0).normal(size=200)
    lines = [f"{month},{100 + 0.2 * k + profile[k % 12] + noise[k]:.4f}" for k, month in enumerate(months)]
    checkpoint = tmp_path / "run.ckpt"
    whole = found(written(tmp_path, lines, "month,x"), "--horizon", 3, "--checkpoint", checkpoint)
    assert "without the profile of 12 rows" in whole["prepared"]
    short = written(tmp_path, lines[67:], "month,x")
    np.testing.assert_allclose(found(short, "--from", checkpoint)["future"]["mean"], whole["future"]["mean"], rtol=1e-6)
    weeks = [f"{np.datetime64('2020-01-06') + 7 * k},{k}" for k in range(60)]
    other = run(written(tmp_path, weeks, "month,x"), "--from", checkpoint)
    assert (
        other.exit_code == 2 and "must have the step of the rows of the training, monthly; got weekly" in other.stderr
    )
    head, _, arrays = checkpoint.read_bytes().partition(b"\n")
    header = json.loads(head)
    for added in ("began", "step", "scale"):
        del header["state"]["dict"]["forecaster"]["fields"][added]
    checkpoint.write_bytes(json.dumps(header).encode() + b"\n" + arrays)  # as version 0.5 wrote it
    again = found(written(tmp_path, lines, "month,x"), "--from", checkpoint)
    assert again["future"]["mean"] == whole["future"]["mean"]
