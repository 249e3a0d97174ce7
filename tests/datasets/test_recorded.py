"""Measured series, against the files of statsmodels read by NumPy."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from rnn_ode import datasets

INSTALLED = ("co2", "elec_equip", "elnino", "nile")


def test_the_shipped_series():
    series = datasets.sunspots()
    assert series.name == "sunspots" and series.columns == ("sunspots",)
    assert series.values.shape == (309, 1) and series.values.dtype == np.float64
    np.testing.assert_array_equal(series.index, np.arange(1700, 2009))
    # The first and the last values of the file in statsmodels, and the largest there (1957).
    np.testing.assert_array_equal(series.values[[0, 1, -1], 0], [5, 11, 2.9])
    assert series.index[series.values[:, 0].argmax()] == 1957 and series.values.max() == 190.2


def test_the_installed_series_are_those_of_statsmodels():
    location = importlib.util.find_spec("statsmodels").submodule_search_locations[0]
    for name in INSTALLED:
        series = datasets.load(name)
        assert series.name == name and len(series.columns) == series.values.shape[1] == 1
        assert series.index.shape == (len(series.values),) and np.all(np.diff(series.index) > 0)
        # Read once more, by NumPy; what follows the first column, row by row, is the series.
        again = np.genfromtxt(f"{location}/datasets/{name}/{name}.csv", delimiter=",", skip_header=1)[:, 1:].ravel()
        known = np.isfinite(again)
        np.testing.assert_array_equal(series.values[known, 0], again[known])
        assert (~known).sum() == (59 if name == "co2" else 0)


def test_weeks_without_a_value_lie_on_straight_lines():
    values = datasets.co2().values[:, 0]
    # The file has 316.9, nothing and 317.5 in weeks 5 to 7, and nothing in weeks 9 to 13, between 317.9 and 315.8.
    assert values[5] == 316.9 and values[7] == 317.5 and values[6] == pytest.approx(317.2, abs=1e-12)
    np.testing.assert_allclose(values[8:15], np.linspace(317.9, 315.8, 7), rtol=1e-13)


def test_the_installed_series_without_statsmodels(monkeypatch):
    monkeypatch.setattr("rnn_ode.datasets._recorded.find_spec", lambda name: None)
    for name in INSTALLED:
        with pytest.raises(ImportError, match=rf"{name} .* pip install '\.\[data\]'") as error:
            datasets.load(name)
        assert error.value.name == "statsmodels"


@pytest.mark.slow
def test_reading_the_installed_series_imports_no_statsmodels(tmp_path):
    script = (
        "import sys; from rnn_ode import datasets; datasets.co2(); print({'statsmodels', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
