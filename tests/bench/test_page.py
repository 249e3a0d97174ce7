"""The tables of a Markdown page."""

import dataclasses
import re

import pytest

from rnn_ode.bench import _page


def grid(text):
    """The cells of the first table in a text."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "---" not in line]


@pytest.fixture
def sized(row):
    """A row of a size: `sized(contender, units, …)`."""

    def sized(contender, units, **fields):
        return row(contender, **{"hidden": units, "median_s": 2e-3, "ratio": 1.0, **fields})

    return sized


def test_one_size_has_a_line_for_each_contender(row):
    text = _page.markdown([row(median_s=2e-3, ratio=1.0), row("a peer", median_s=3e-3, ratio=1.5)], "rnn-ode bench")
    assert grid(text) == [["", "time", "its time over ours"], ["rnn_ode", "2 ms", "1"], ["a peer", "3 ms", "1.5"]]
    assert re.search(r"`rnn-ode bench`, \d{4}-\d\d-\d\d, rnn_ode .*Python 3.*jax \d.*Machine: this machine", text)


def test_several_sizes_have_a_line_each_and_a_column_for_each_contender(sized):
    rows = [sized("rnn_ode", 3), sized("a", 3, ratio=2.0), sized("rnn_ode", 4), sized("b", 4, ratio=0.5)]
    assert grid(_page.markdown(rows, "")) == [
        ["units × batch, 5 steps", "rnn_ode", "a", "b"],
        ["3\u00a0×\u00a01", "2 ms", "2", "–"],
        ["4\u00a0×\u00a01", "2 ms", "–", "0.5"],
    ]


def test_steps_and_inputs_stand_in_the_heading_unless_they_differ(sized):
    wide = [sized("rnn_ode", units, inputs=16) for units in (3, 4)]
    assert grid(_page.markdown(wide, ""))[0][0] == "units × batch, 5 steps, 16 inputs"
    lengths = [dataclasses.replace(sized("rnn_ode", 3), steps=steps) for steps in (5, 6)]
    assert [line[0] for line in grid(_page.markdown(lengths, ""))] == [
        "units × batch, steps",
        "3\u00a0×\u00a01, 5",
        "3\u00a0×\u00a01, 6",
    ]


def test_what_has_no_ratio_is_told(sized):
    rows = [
        sized("rnn_ode", 3),
        sized("wrong", 3, ok=False, ratio=None),
        sized("skipped", 3, skipped=True, ratio=None, median_s=None),
    ]
    assert [line[1:] for line in grid(_page.markdown(rows, ""))[2:]] == [["2 ms", "wrong"], ["–", "–"]]


def test_parts_of_a_case_are_lines_of_one_table(sized):
    rows = [sized(name, 3, case=case) for case in ("first logm", "first, sum") for name in ("rnn_ode", "a scan")]
    assert [line[0] for line in grid(_page.markdown(rows, ""))] == ["", "logm", "sum"]


def test_cases_have_tables_of_their_own(sized):
    text = _page.markdown([sized("rnn_ode", 3), sized("rnn_ode", 3, case="lstm")], "")
    assert text.index("`iterate`:") < text.index("`lstm`:")


def test_tables_are_replaced_where_the_same_options_made_them_and_added_at_the_end_else(row, tmp_path):
    page, rows = tmp_path / "page.md", [row(median_s=2e-3, ratio=1.0)]
    _page.put(page, "--case iterate", rows)
    page.write_text("# Title\n\n" + page.read_text() + "\nText after it.\n")
    _page.put(page, "--case lstm", rows)
    first = page.read_text()
    assert first.startswith("# Title\n\n<!-- bench --case iterate -->\n") and first.count("| 2 ms |") == 2
    assert f"`rnn-ode bench --case lstm --page {page.as_posix()}`" in first
    _page.put(page, "--case iterate", [row(median_s=5e-3, ratio=1.0)])
    assert page.read_text() == first.replace("| 2 ms |", "| 5 ms |", 1)


def test_a_page_of_windows_is_one_too(row, tmp_path):
    page, rows = tmp_path / "page.md", [row(median_s=2e-3, ratio=1.0)]
    _page.put(page, "--case iterate", rows)
    page.write_bytes(page.read_bytes().replace(b"\n", b"\r\n"))
    _page.put(page, "--case iterate", rows)
    assert page.read_text().count("| 2 ms |") == 1


def test_a_page_that_is_no_text_is_named(row, tmp_path):
    page = tmp_path / "page.md"
    page.write_bytes(b"# Title\n\xff")
    with pytest.raises(ValueError, match=re.escape(f"{page}, line 2: not UTF-8 text; got byte 0xff.")):
        _page.check_page(page, "")


def test_a_page_whose_table_does_not_end_is_refused_and_kept(row, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- bench -->\nmuch text\n")
    with pytest.raises(ValueError, match="the line <!-- end of bench --> is missing after <!-- bench -->"):
        _page.check_page(page, "")
    with pytest.raises(ValueError, match="is missing"):
        _page.put(page, "", [row()])
    assert page.read_text() == "<!-- bench -->\nmuch text\n"
