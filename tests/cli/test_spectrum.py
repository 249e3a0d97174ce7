"""The command `spectrum`."""

import json

import numpy as np
import pytest


@pytest.mark.slow
def test_the_text_and_the_json_tell_what_the_eigenvalues_say(invoke, tmp_path):
    (tmp_path / "m.csv").write_text("0.5,0.0\n0.0,-2.0\n")
    text = invoke("spectrum", "m.csv")
    assert text.exit_code == 0, text.output
    assert "network h ↦ W h: GROWS" in text.stdout
    data = json.loads(invoke("spectrum", "m.csv", "--json").stdout)
    by_label = {m["method"]: m for m in data["methods"]}
    assert by_label["exact"]["exists"] is False and "negative" in by_label["exact"]["why_not"]
    assert by_label["exact:complex"]["exists"] is True
    np.testing.assert_allclose([z["re"] for z in data["multipliers"]], [-2.0, 0.5])
    (tmp_path / "s.csv").write_text("0.5;0.0\n0.0;-2.0\n")
    assert json.loads(invoke("spectrum", "s.csv", "--json").stdout)["multipliers"] == data["multipliers"]


def test_a_missing_file_is_named_as_it_was_given(invoke):
    assert invoke("spectrum", "nix.csv").stderr == "error: nix.csv: there is no such file.\n"
