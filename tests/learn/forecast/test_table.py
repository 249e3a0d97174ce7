"""The script that measures the table of docs/forecasting.md, tried with a few steps on one file."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "docs" / "forecasting.py"


@pytest.mark.gate
def test_the_table_is_measured_and_kept(tmp_path, monkeypatch, capsys):
    pytest.importorskip("statsmodels")
    spec = importlib.util.spec_from_file_location("forecasting_table", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    kept = tmp_path / "results.json"
    monkeypatch.setattr(sys, "argv", ["forecasting.py", str(kept), "--file", "nile", "--seeds", "1", "--steps", "5"])
    script.main()
    first = capsys.readouterr().out
    assert first.splitlines()[2].startswith("| nile | 20 | ") and kept.exists()
    monkeypatch.setattr(script, "measured", lambda *arguments: pytest.fail("measured again"))
    script.main()
    assert capsys.readouterr().out == first
