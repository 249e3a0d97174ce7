"""Reading csv files: what is read, and what is refused with its line and column."""

import numpy as np
import pytest

from rnn_ode import datasets


@pytest.fixture
def write(tmp_path):
    def write(text, name="series.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


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
    with pytest.raises(TypeError, match="'float' object cannot be interpreted as an integer"):
        datasets.load_csv(write("t,x\n1,2\n2,3\n"), [0.5])


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        datasets.load_csv(tmp_path / "absent.csv")
