"""Numbers, tables and JSON of what the package reports."""

import json
import math

import jax.numpy as jnp
import numpy as np
import pytest

from rnn_ode._base.text import Column, Table, _size, complex_number, fixed, number, on_one_screen, plain, wrapped


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.123"),
        (jnp.float32(1e-9), "1e-09"),
        (12345, "1.23e+04"),
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "∞"),
        ("-inf", "−∞"),
        (-0.0, "0"),
    ],
)
def test_a_number_is_rounded_and_a_missing_value_is_a_dash(value, text):
    assert number(value) == text


def test_the_number_of_digits_can_be_chosen():
    assert number(math.pi, 5) == "3.1416"


def test_a_number_that_rounds_to_zero_has_no_sign():
    assert [fixed(value, 1) for value in (-0.04, 0.04, -0.06, -math.inf)] == ["0.0", "0.0", "-0.1", "−∞"]


@pytest.mark.parametrize(("value", "text"), [(0.5, "0.5"), (0.5 - 2j, "0.5 - 2i"), (1j, "0 + 1i"), (np.nan * 1j, "–")])
def test_a_complex_number_has_an_imaginary_part_if_that_is_not_0(value, text):
    assert complex_number(complex(value)) == text


SIZES = Table(
    (Column("name"), Column("size", ">", "in metres"), Column("note")), (("a", "1", ""), ("longer", "10", "x"))
)


def test_a_table_aligns_its_columns_and_says_what_they_are():
    assert SIZES.text().splitlines() == [
        "name    size  note",
        "──────  ────  ────",
        "a          1",
        "longer    10  x",
        "",
        "size  in metres",
    ]


def test_a_table_has_a_title_above_and_notes_below():
    assert Table((Column("a"),), (("1",),), "A title.", ("A note.",)).text() == "A title.\n\na\n─\n1\n\nA note."
    assert Table(title="The title alone.").text() == "The title alone."


def test_a_table_shows_as_many_rows_as_it_may():
    assert SIZES.text(most=1).splitlines()[2:4] == ["a        1", "… and 1 more"]
    assert "more" not in SIZES.text(most=2, legend=False)


def test_rows_that_exist_beyond_the_table_are_counted_with_those_that_it_hides():
    table = Table((Column("n"),), (("1",), ("2",), ("3",)), hidden=28)
    assert table.text().splitlines()[-1] == "… and 28 more" and table.text(most=1).splitlines()[2:] == [
        "1",
        "… and 30 more",
    ]
    assert "… and 30 more" in table.html(most=1) and table.html().count("more") == 1


TEXT = "forty small words that go on and on until the line is full"


@pytest.mark.parametrize("width", [80, 40, 20])
def test_a_wide_table_breaks_its_words_at_spaces(width):
    wide = Table((Column("case"), Column("says")), (("one", TEXT), ("two", "short")), TEXT, (TEXT,))
    lines = wide.text(width).splitlines()
    assert max(map(len, lines)) <= width
    assert set(TEXT.split()) <= set(" ".join(lines).split())  # no word is broken


def test_columns_that_do_not_fit_follow_below_with_the_first_one_again():
    wide = Table(tuple(Column(f"column{i}") for i in range(12)), (tuple(f"{i}" * 8 for i in range(12)),))
    lines = wide.text().splitlines()
    heads = [line.split() for line in lines if line.startswith("column0")]
    assert len(heads) == 2 and [name for head in heads for name in head[head is not heads[0] :]] == [
        f"column{i}" for i in range(12)
    ]
    assert max(map(len, lines)) <= 80


def test_a_word_longer_than_the_line_is_shortened():
    lines = Table((Column("file"),), (("x" * 100,),)).text(20).splitlines()
    assert lines[2] == "x" * 19 + "…"


def test_wide_characters_take_two_columns_and_combining_marks_none():
    assert _size("気温") == 4 and _size("e\u0301") == 1 and _size("é…–∞") == 4
    table = Table(
        (Column("気温", says="気" * 50), Column("é" * 2, ">")), (("a", "1"), ("e\u0301", "22"), ("気温度", "3"))
    )
    assert table.text(legend=False).splitlines() == [
        "気温    éé",
        "──────  ──",
        "a        1",
        "e\u0301       22",
        "気温度   3",
    ]
    assert all(_size(line) <= 80 for line in [*table.text().splitlines(), *wrapped("気温 " * 30).splitlines()])


@pytest.mark.parametrize("width", [80, 40, 20, 11])
def test_texts_of_wide_characters_fit_the_width(width):
    words = "気温 は 昨日 より 高い"
    table = Table((Column("日"), Column("says")), (("一", f"{words} {words}"), ("二", "気" * 60)))
    assert max(map(_size, table.text(width).splitlines())) <= width
    assert set(words.split()) <= set(table.text(width).split())


def test_control_characters_are_left_out_of_a_table():
    table = Table((Column("a\x1b[31m"), Column("b")), (("x\ty\nz", "\x07bell\x00"),))
    assert table.text().splitlines() == ["a[31m  b", "─────  ────", "x y z  bell"]
    assert "x y z" in table.html() and "\x1b" not in table.html()


def test_tables_on_one_screen_lose_rows_first():
    long = Table((Column("n", says="a number"),), tuple((str(i),) for i in range(100)), "Numbers.")
    lines = on_one_screen([long, SIZES]).splitlines()
    assert len(lines) <= 30 and "… and 90 more" in lines and "Numbers." in lines and "n  a number" in lines
    many = [Table(title=f"{i}") for i in range(40)]
    assert len(on_one_screen(many).splitlines()) == 30


def test_a_table_as_html_escapes_its_words():
    page = Table((Column("a < b", ">"),), (("<script>",),), "x & y").html()
    assert "&lt;script&gt;" in page and "a &lt; b" in page and "x &amp; y" in page and "text-align:right" in page
    assert "… and 98 more" in Table((Column("n"),), (("1",),) * 100).html(most=2)


def test_plain_values_are_json():
    value = {
        "array": jnp.array([[1.0, jnp.nan]]),
        "pair": (np.float32(0.5), -math.inf),
        "flag": True,
        "count": np.int64(3),
    }
    assert plain(value) == {"array": [[1.0, None]], "pair": [0.5, None], "flag": True, "count": 3}
    assert plain(value, infinities=True)["pair"] == [0.5, "-inf"]
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == plain(value)
