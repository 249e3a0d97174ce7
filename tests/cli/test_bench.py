"""The command `bench`, with cases that take no time."""

import json

import pytest
from typer.testing import CliRunner

from rnn_ode import bench
from rnn_ode.cli import app


@pytest.fixture
def measured(monkeypatch):
    """The sizes that the case `iterate` was measured at; `lstm` is interrupted."""
    sizes = []

    def iterate(plan):
        sizes.append((plan.hidden, plan.batch, plan.steps, plan.repeats, plan.peers))
        ours = bench.Row(
            "iterate", "rnn_ode", plan.hidden, plan.batch, plan.steps, "", "", "here", 1.0, 1.0, 1.0, ratio=1.0
        )
        size = plan.hidden, plan.batch, plan.steps
        skipped = {"skipped": True, "note": "not installed"}
        return [
            ours,
            *(bench.Row("iterate", name, *size, "", "", "here", **skipped) for name in ("another", "a third")),
        ]

    def interrupt(plan):
        raise KeyboardInterrupt

    monkeypatch.setitem(bench.CASES, "iterate", iterate)
    monkeypatch.setitem(bench.CASES, "lstm", interrupt)
    return sizes


def command(*arguments):
    return CliRunner().invoke(app, ["bench", "--steps", "4", "--repeats", "2", *map(str, arguments)])


def test_the_command_prints_a_table_and_draws(measured, tmp_path):
    done = command("--case", "iterate", "--no-peers", "--hidden", "2", "--out", tmp_path / "b.png")
    assert done.exit_code == 0, done.output
    assert measured == [(2, 1, 4, 2, False)]
    assert (
        "another" in done.stdout
        and "machine: here" in done.stdout
        and done.stdout.endswith(f"figure: {tmp_path / 'b.png'}\n")
    )
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")


def test_the_tables_of_a_page_are_those_of_its_commands(measured, tmp_path):
    """The options stand in the page in the order of the help; those that say where results go do not."""
    page = tmp_path / "page.md"
    for _ in range(2):
        done = command(
            "--keep", tmp_path / "rows.json", "--page", page, "--no-peers", "--case", "iterate", "--hidden", 2
        )
        assert done.exit_code == 0 and done.stdout.endswith(f"page: {page}\n")
    text = page.read_text()
    assert text.count("<!-- bench --case iterate --hidden 2 --steps 4 --repeats 2 --no-peers -->") == 1
    assert "| rnn_ode | 1 s | 1 |" in text and text.endswith("<!-- end of bench -->\n")
    page.write_text(text.replace("<!-- end of bench -->", ""))
    done = command("--page", page, "--no-peers", "--case", "iterate", "--hidden", 2)
    assert done.exit_code == 2 and "is missing after" in done.stderr and len(measured) == 1


def test_each_case_is_printed_with_its_number_and_those_skipped_in_one_line(measured):
    done = command("--case", "iterate", "--batch", 1, "--batch", 2)
    first, *tables = done.stdout.split("\n\n")
    assert first.startswith("2 cases, about ") and first.endswith(" in all.")
    assert tables[0] == "case 1 of 2, iterate: 48 units, 1 at once, 4 steps"
    assert tables[3] == "case 2 of 2, iterate: 48 units, 2 at once, 4 steps"
    assert tables[1].splitlines()[-1].split() == ["rnn_ode", "1", "1", "s", "±0", "%", "–", "–", "–"]
    assert tables[2] == "skipped: another, a third (not installed)."


def test_quick_is_few_cases_with_few_rounds(measured, monkeypatch):
    for case in bench.QUICK:
        monkeypatch.setitem(bench.CASES, case, bench.CASES["iterate"])
    done = CliRunner().invoke(app, ["bench", "--quick", "--json"])
    assert done.exit_code == 0 and len(measured) == len(bench.QUICK) > 1
    assert {repeats for *_, repeats, _ in measured} == {10}
    assert sum(bench.SECONDS[case] for case in bench.QUICK) < 180


def test_json_is_one_object_and_nothing_else(measured):
    done = command("--case", "iterate", "--batch", 1, "--batch", 2, "--json")
    data = json.loads(done.stdout)
    assert [row["batch"] for row in data["rows"]] == [1, 1, 1, 2, 2, 2] and data["interrupted"] is False
    assert measured == [(48, 1, 4, 2, True), (48, 2, 4, 2, True)]


@pytest.mark.parametrize(
    ("arguments", "printed", "said"),
    [
        (("--case", "iterate", "--case", "lstm", "--keep", "rows.json"), "iterate", "goes on from rows.json"),
        (("--case", "iterate", "--case", "lstm"), "iterate", "not kept: give --keep FILE.json"),
        (
            ("--case", "lstm"),
            f"1 case, about {bench.SECONDS['lstm']} s in all.",
            "Stopped before a case was done",
        ),
        (("--case", "lstm", "--json"), '{"rows": [], "interrupted": true}', "Stopped before a case was done"),
    ],
)
def test_ctrl_c_prints_the_rows_that_are_done(measured, tmp_path, monkeypatch, arguments, printed, said):
    """Called from Python, where Ctrl-C raises. test_stopping.py has the command in a process of its own."""
    monkeypatch.chdir(tmp_path)
    done = command(*arguments)
    assert done.exit_code == 130
    if printed == "iterate":
        assert "case 1 of 2, iterate" in done.stdout
    else:
        assert done.stdout.strip() == printed
    assert said in done.stderr and (tmp_path / "rows.json").exists() == ("--keep" in arguments)


def test_files_that_cannot_be_written_are_named_before_anything_is_timed(measured, tmp_path):
    (tmp_path / "folder.png").mkdir()
    for arguments in (("--out", tmp_path / "folder.png"), ("--keep", tmp_path)):
        done = command("--case", "iterate", *arguments)
        assert done.exit_code == 2 and "that is a folder" in done.stderr and not measured


def test_a_suite_is_what_suits_the_device(measured, monkeypatch):
    """On a CPU nothing is raced that needs an accelerator. Options that the suite sets are said to do nothing."""
    suite = bench.SUITES["device"]()
    assert set(suite["cases"]) == {"parallel", "sweep", "lowering"}
    for case in suite["cases"]:
        monkeypatch.setitem(bench.CASES, case, bench.CASES["iterate"])
    done = CliRunner().invoke(app, ["bench", "--suite", "Device", "--hidden", "7", "--json"])
    assert done.exit_code == 0 and len(json.loads(done.stdout)["rows"]) == 9
    assert done.stderr == "note: --hidden does nothing with --suite.\n"
    assert [sizes[3:] for sizes in measured] == 3 * [(suite["repeats"], False)]
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    suite = bench.SUITES["device"]()
    assert sum(bench.SECONDS[case] for case, _ in bench.parts(suite["cases"], suite["hidden"], suite["batch"])) < 480
    wrong = CliRunner().invoke(app, ["bench", "--suite", "x"])
    assert wrong.exit_code == 2 and "--suite must be one of device; got 'x'" in wrong.stderr
