import importlib.util
import subprocess
import sys

import jax
import numpy as np
import pytest

from rnn_ode import datasets

INSTALLED = ("co2", "elec_equip", "elnino", "nile")


@pytest.fixture
def write(tmp_path):
    def write(text, name="series.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_the_shipped_series():
    series = datasets.sunspots()
    assert series.name == "sunspots" and series.columns == ("sunspots",)
    assert series.values.shape == (309, 1) and series.values.dtype == np.float64
    np.testing.assert_array_equal(series.index, np.arange(1700, 2009))
    # The first and the last values of the file in statsmodels, and the largest there (1957).
    np.testing.assert_array_equal(series.values[[0, 1, -1], 0], [5, 11, 2.9])
    assert series.index[series.values[:, 0].argmax()] == 1957 and series.values.max() == 190.2


def test_the_pendulum_swings_as_written():
    series = datasets.pendulum()
    assert series.values.shape == (4000, 1) and series.columns == ("theta",)
    period = 2 * np.pi * np.sqrt(100 / 9.81)
    np.testing.assert_allclose(np.diff(series.index), period / 400, rtol=1e-10)
    # One period on it is where it was, but for what the damping took: e^(−0.001 P).
    np.testing.assert_allclose(series.values[400:], series.values[:-400] * np.exp(-0.001 * period), rtol=0, atol=1e-13)
    # θ'' + 2γ θ' + (ω² + γ²) θ = 0 by central differences, to their own error of ω⁴ dt² / 12.
    dt, omega, gamma, theta = period / 400, np.sqrt(9.81 / 100), 0.001, series.values[:, 0]
    acceleration = (theta[2:] - 2 * theta[1:-1] + theta[:-2]) / dt**2
    velocity = (theta[2:] - theta[:-2]) / (2 * dt)
    rest = acceleration + 2 * gamma * velocity + (omega**2 + gamma**2) * theta[1:-1]
    assert abs(rest).max() < 2 * omega**4 * dt**2 / 12


def test_lorenz_where_it_is_solvable():
    # The z-axis is invariant, with dz/dt = −βz there; (±√(β(ρ−1)), ±√(β(ρ−1)), ρ−1) are equilibria.
    series = datasets.lorenz(50, 0.1, beta=2.0, start=(0.0, 0.0, 3.0))
    np.testing.assert_allclose(series.values[:, 2], 3 * np.exp(-2 * series.index), rtol=0, atol=1e-11)
    assert not series.values[:, :2].any()
    root = np.sqrt(8 / 3 * 27)
    np.testing.assert_allclose(datasets.lorenz(5, start=(root, root, 27.0)).values[-1], [root, root, 27], rtol=1e-10)


def test_lorenz_is_right_for_as_long_as_promised():
    # Taylor series of order 24 in 40 digits (mpmath), by themselves right to far more digits.
    series = datasets.lorenz(1001, 0.02)
    np.testing.assert_allclose(series.values[50], [-9.378570010925, -8.357033788427, 29.362325337363], rtol=1e-10)
    np.testing.assert_allclose(series.values[1000], [13.7931995951, 12.9518039362, 34.9016086811], rtol=0, atol=1e-4)
    np.testing.assert_array_equal(series.index, np.arange(1001) * 0.02)
    assert series.columns == ("x", "y", "z")


def test_van_der_pol_without_damping_is_a_cosine():
    series = datasets.van_der_pol(1000, 0.05, mu=0.0)
    np.testing.assert_allclose(series.values[:, 0], 2 * np.cos(series.index), rtol=0, atol=1e-9)
    np.testing.assert_allclose(series.values[:, 1], -2 * np.sin(series.index), rtol=0, atol=1e-9)


def test_van_der_pol_goes_to_its_limit_cycle():
    # Amplitude and period at μ = 1: 2.00861986 and 6.66328686 (Andersen & Geer, SIAM J. Appl. Math. 42 (1982) 678).
    x = datasets.van_der_pol(20_000, 0.005, start=(0.1, 0.0)).values[10_000:, 0]
    assert x.max() == pytest.approx(2.00861986, abs=1e-5)
    rises = np.flatnonzero((x[:-1] < 0) & (x[1:] >= 0))
    times = rises + x[rises] / (x[rises] - x[rises + 1])
    assert 0.005 * np.diff(times).mean() == pytest.approx(6.66328686, abs=1e-5)


def test_what_is_solved_does_not_depend_on_the_precision_of_jax():
    with jax.enable_x64(False):
        single = datasets.lorenz(200).values
    assert single.dtype == np.float64
    np.testing.assert_array_equal(single, datasets.lorenz(200).values)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: datasets.lorenz(1), "n must be at least 2; got 1"),
        (lambda: datasets.lorenz(10, 0.0), "dt must be positive and finite; got 0.0"),
        (lambda: datasets.lorenz(10, rho=float("nan")), "rho must be finite; got nan"),
        (lambda: datasets.lorenz(10, start=(1.0, 2.0)), "start must hold 3 numbers, x, y, z; got 2"),
        (lambda: datasets.van_der_pol(10, start=(1.0, float("inf"))), r"start\[1\] must be finite; got inf"),
        (lambda: datasets.van_der_pol(100, 1.0, -1.0, start=(3.0, 0.0)), "leaves the float range"),
    ],
)
def test_refuses_to_solve(call, message):
    with pytest.raises(ValueError, match=message):
        call()


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
    monkeypatch.setattr(datasets, "find_spec", lambda name: None)
    for name in INSTALLED:
        with pytest.raises(ImportError, match=rf"{name} .* pip install 'rnn_ode\[data\]'") as error:
            datasets.load(name)
        assert error.value.name == "statsmodels"


@pytest.mark.slow
def test_reading_the_installed_series_imports_no_statsmodels(tmp_path):
    script = (
        "import sys; from rnn_ode import datasets; datasets.co2(); print({'statsmodels', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lorenz", "pendulum", "sunspots", "van_der_pol"])
def test_load_is_the_function_of_that_name(name):
    loaded, called = datasets.load(name), getattr(datasets, name)()
    assert loaded.name == called.name == name
    np.testing.assert_array_equal(loaded.values, called.values)


def test_load_names_what_there_is():
    names = "co2, elec_equip, elnino, lorenz, nile, pendulum, sunspots, van_der_pol"
    with pytest.raises(ValueError, match=f"name must be one of {names}; got 'sunspot'"):
        datasets.load("sunspot")


@pytest.mark.parametrize(
    "text, column, values, index, columns",
    [
        ("1\n2\n3\n", None, [[1], [2], [3]], None, ("0",)),
        ("x\n1\n2\n", None, [[1], [2]], None, ("x",)),
        ("\ufefft, x\r\n1, -2.5e-1\r\n2, .5\r\n", None, [[-0.25], [0.5]], [1, 2], ("x",)),
        ("# a\n\nt,x\n # b\n1,2\n\n2,3\n", None, [[2], [3]], [1, 2], ("x",)),
        ("t,x,y\n1,2,3\n2,5,7\n", "x", [[2], [5]], [1, 2], ("x",)),
        ("t,x,y\n1,2,3\n2,5,7\n", 1, [[2], [5]], [1, 2], ("x",)),
        ("t,x,y\n1,2,3\n2,5,7\n", "1", [[2], [5]], [1, 2], ("x",)),
        ("t,x,y\n1,2,3\n2,5,7\n", ("y", 1), [[3, 2], [7, 5]], [1, 2], ("y", "x")),
        ("t,x\n1,2\n2,3\n", "t", [[1], [2]], None, ("t",)),
        ("t,x\n3,2\n2,3\n", None, [[2], [3]], [3, 2], ("x",)),
        ("u,x\n1,2\n1,3\n", None, [[2], [3]], None, ("x",)),
        ("u,x\n1,2\n,3\n", None, [[2], [3]], None, ("x",)),
        ("date,x,note\n2020-01-01,2,a\n2020-01-02,3,\n", None, [[2], [3]], None, ("x",)),
        ("t,x,note\n1,2,3\n2,3,a\n3,4,b\n", None, [[2], [3], [4]], [1, 2, 3], ("x",)),
        ('t,"x, m"\n1,"2"\n2,"3"\n', "x, m", [[2], [3]], [1, 2], ("x, m",)),
    ],
)
def test_reads(write, text, column, values, index, columns):
    series = datasets.load_csv(write(text), column)
    np.testing.assert_array_equal(series.values, values)
    assert series.values.dtype == np.float64 and series.columns == columns
    assert (series.index is None) if index is None else series.index.tolist() == index


def test_the_name_without_a_header_is_the_file(write):
    assert datasets.load_csv(write("1\n2\n", "tides.csv")).name == "tides"
    assert datasets.load_csv(write("a,b\n1,2\n2,3\n"), ["a", "b"]).name == "a, b"


@pytest.mark.parametrize(
    "text, column, message",
    [
        ("", None, "holds no data"),
        ("# only a comment\n", None, "holds no data"),
        ("x\n", None, "at least 2 rows of data; got 0"),
        ("x\n1\n", None, "at least 2 rows of data; got 1"),
        ("t,x\n1,2\n2,\n", None, r"line 3, column 'x': .* got a missing value"),
        ("t,x\n1,\n2,3\n3,4\n", None, r"line 2, column 'x': .* got a missing value"),
        ("t,x\n1,NA\n2,3\n3,4\n", None, r"line 2, column 'x': .* got 'NA'"),
        ("t,x\n1,-inf\n2,3\n3,4\n", None, r"line 2, column 'x': .* got '-inf'"),
        ("# c\n\nt,x\n1,2\n2,NA\n", None, r"line 5, column 'x': .* got 'NA'"),
        ("t,x\n1,2\n2,nan\n", None, r"line 3, column 'x': .* got 'nan'"),
        ("1\n1e999\n", None, r"line 2, column '0': .* got '1e999'"),
        ("t,x\n1,2\n2,3,4\n", None, r"line 3: .* as the first, 2; got 3: '2,3,4'"),
        ("t,x\n1,2\n2\n", "t", r"line 3: .* as the first, 2; got 1"),
        ("t,x\n1,2\n2,3\n", "y", r"no column 'y'. There are the columns 't', 'x'; or give a number from 0 to 1\."),
        ("t,x\n1,2\n2,3\n", 2, r"no column 2. There are the columns 't', 'x'; or give"),
        ("x\n1\n2\n", "y", r"no column 'y'. There is only one column, 'x' \(number 0\)\."),
        ("1\n2\n", "y", r"no column 'y'. There is only one column, number 0\."),
        ("1,5\n2,6\n", "y", r"no column 'y'. The columns have no names; give a number from 0 to 1\."),
        ("t,x\n1,2\n2,3\n", -1, r"no column -1"),
        ("t,x\n1,2\n2,3\n", [], r"at least one column"),
        ("x,x\n1,2\n2,3\n", "x", r"column 'x' more than once"),
        ("a,b\nc,d\ne,f\n", None, r"line 2: no column holds numbers, separated by commas; got 'c,d'"),
        ("t;x\n1;2,5\n2;3,5\n", None, r"line 2: every row must have as many cells as the first, 1; got 2"),
        ("t;x\n1;2\n2;3\n", None, r"line 2: no column holds numbers, separated by commas; got '1;2'"),
        (b"x\n1\n\xff\n", None, "line 3: not UTF-8 text; got byte 0xff"),
        ("x\n1\n" + "1" * 200_000 + "\n", None, "line 3: not comma-separated text"),
    ],
)
def test_refuses(write, text, column, message):
    path = write(text)
    with pytest.raises(ValueError, match=message) as error:
        datasets.load_csv(path, column)
    assert str(path) in str(error.value)


def test_a_column_that_is_no_whole_number(write):
    with pytest.raises(TypeError):
        datasets.load_csv(write("t,x\n1,2\n2,3\n"), [0.5])


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        datasets.load_csv(tmp_path / "absent.csv")
