"""Rows, their table and their picture."""

import json

import pytest

from rnn_ode import bench, plot
from rnn_ode.bench._rows import Row, as_table, case_tables, legend


@pytest.fixture
def rows(row):
    curve = {"curve": [(1e-3, 1.0), (1e-6, 2.0)]}
    shares = {
        "flops": 2e6,
        "bytes": 1e6,
        "of_peak": 0.0123,
        "of_bandwidth": 0.5,
        "matrix_rate": 2e10,
        "memory_rate": 5e9,
    }
    return [
        row(
            median_s=2e-4,
            low_s=1e-4,
            high_s=1.5e-3,
            rounds=2,
            compile_s=1.25,
            peak_bytes=2500,
            error=1e-7,
            ratio=1.0,
            note="jitted",
            **shares,
        ),
        row("slow", median_s=2.0, low_s=1.0, high_s=2.5, rounds=1, peak_bytes=3_000_000, ratio=12345.6),
        row("wrong", median_s=1e-3, low_s=1e-3, high_s=1e-3, ok=False, error=0.5, peak_bytes=4 * 10**9),
        row("absent", skipped=True, note="not installed"),
        Row(
            "import",
            "rnn_ode",
            None,
            None,
            None,
            "float32",
            "cpu",
            "another",
            median_s=0.5,
            low_s=0.5,
            high_s=0.5,
            **curve,
        ),
    ]


def test_the_table_has_a_line_for_every_row_and_tells_the_machines(rows):
    lines = as_table(rows).text(120).splitlines()
    assert lines[0].startswith("case") and set(lines[1]) == {"─", " "}
    words = [" ".join(line.split()) for line in lines[2:7]]
    assert words == [
        "iterate 3×1×5 rnn_ode 1 200 µs 100 µs … 1.5 ms 1.25 s 2.5 kB 1.2 % 1.0e-07 jitted",
        "iterate 3×1×5 slow 12,346 2 s 1 s … 2.5 s – 3 MB – –",
        "iterate 3×1×5 wrong WRONG 1 ms 1 ms … 1 ms – 4 GB – 5.0e-01",
        "iterate 3×1×5 absent skipped – – – – – – not installed",
        "import – rnn_ode – 500 ms 500 ms … 500 ms – – – –",
    ]
    assert lines[8:10] == [
        "machine: this machine; 20 GFLOP/s of matrix product in float32; 5 GB/s copied.",
        "machine: another.",
    ]
    assert any("above 1, ours is faster" in line for line in lines)
    assert max(map(len, bench.table(rows).splitlines())) <= 80


def test_a_busy_machine_is_told_under_the_table(row):
    quiet, busy = row(median_s=1e-3, others=0.04), row("another", median_s=2e-3, others=0.93)
    told = "Other programs kept 0.93 cores busy meanwhile, so that the ratios may be wrong: repeat the run alone."
    assert told in as_table([quiet, busy]).text(120)
    assert told in legend([quiet, busy]).text(120)
    assert "Other programs" not in as_table([quiet]).text(120)


def test_the_columns_are_aligned(rows):
    head, rule, *lines = as_table(rows).text(120).splitlines()[:6]
    start = head.index("ratio")
    assert rule[start - 2 : start + 1] == "  ─" and all(line[start - 2 : start] == "  " for line in lines)


def test_rows_are_valid_json_and_come_back(rows):
    data = json.loads(json.dumps([row.to_dict() for row in rows], allow_nan=False))
    assert data[0].keys() >= {
        *("case", "contender", "median_s", "low_s", "high_s", "compile_s", "error", "ratio", "ok", "note"),
        *("hidden", "batch", "steps", "backend", "peak_bytes", "flops", "bytes", "of_peak", "of_bandwidth", "curve"),
    }
    assert [bench.Row.from_dict(fields) for fields in data] == rows


def test_the_picture_names_the_contenders_and_draws_curves_if_there_are_any(rows):
    assert len(plot.bench(rows[:4]).axes) == 1 and len(plot.bench(rows).axes) == 2
    assert [text.get_text() for text in plot.bench(rows).axes[0].get_yticklabels()] == ["slow", "wrong"]
    with pytest.raises(ValueError, match="at least one row"):
        plot.bench([])


def test_each_size_of_a_case_has_a_table_of_its_own(row):
    rows = [row(name, hidden=units, note="jitted") for units in (3, 4) for name in ("rnn_ode", "a peer")]
    tables = case_tables(rows, "case 1 of 1")
    assert [table.title.split(", ")[1] for table in tables] == ["iterate: 3 units", "iterate: 4 units"]
    assert all(table.notes == ("rnn_ode: jitted.", "a peer: jitted.") for table in tables)


def test_inputs_are_told_where_there_are_several(row):
    for inputs, told in ((1, False), (16, True)):
        rows = [row(inputs=inputs)]
        assert (", 16 inputs" in case_tables(rows, "case 1 of 1")[0].title) == told
        assert (", 16 inputs" in as_table(rows).rows[0][1]) == told
