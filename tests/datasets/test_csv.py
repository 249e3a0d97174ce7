"""Reading csv files: what is read, and what is refused with its line and column."""

import wave

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
        ("t,x\n3,2\n2,3\n1,5\n", None, [[5], [3], [2]], [1, 2, 3], ("x",)),
        ("u,x\n1,2\n1,3\n", None, [[2], [3]], None, ("x",)),
        ("u,x\n1,2\n,3\n", None, [[2], [3]], None, ("x",)),
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
        ("1\n2\n1e999\n", None, r"line 3, column '0': .* got '1e999'"),
        ("t,x\n1,2\n2,3,4\n", None, r"line 3: .* as the first, 2; got 3: '2,3,4'"),
        ("t,x\n1,2\n2\n", "t", r"line 3: .* as the first, 2; got 1"),
        (
            "t,x\n1,2\n2,3\n",
            "y",
            r"column 'y': there is no such column. There are the columns 't', 'x'; or give a number from 0 to 1\.",
        ),
        ("t,x\n1,2\n2,3\n", 2, r"column 2: there is no such column. There are the columns 't', 'x'; or give"),
        ("x\n1\n2\n", "y", r"column 'y': there is no such column. There is only one column, 'x' \(number 0\)\."),
        ("1\n2\n", "y", r"column 'y': there is no such column. There is only one column, number 0\."),
        (
            "1,5\n2,6\n",
            "y",
            r"column 'y': there is no such column. The columns have no names; give a number from 0 to 1\.",
        ),
        ("t,x\n1,2\n2,3\n", -1, r"column -1: there is no such column"),
        ("t,x\n1,2\n2,3\n", [], r"at least one column"),
        ("x,x\n1,2\n2,3\n", "x", r"column 'x' more than once"),
        ("a,b\nc,d\ne,f\n", None, r"line 2: no column holds numbers, separated by commas; got 'c,d'"),
        (
            "t;x\n1;2\n2;3;4\n",
            None,
            r"line 3: every row must have as many cells, separated by semicolons, as the first, 2",
        ),
        ("a;b\nc;d\ne;f\n", None, r"line 2: no column holds numbers, separated by semicolons; got 'c;d'"),
        (b"x\n1\n\xff\n", None, "line 3: not UTF-8 text; got byte 0xff"),
        ("x\n1\n" + "1" * 200_000 + "\n", None, "line 3, column 'x': a finite number is wanted; got '1111"),
        ("x,y\n1,2\n1,3\n2,inf\n", "y", r"line 4, column 'y': a finite number is wanted; got 'inf'"),
        ("x\nNA\nnan\n-\n", None, "no column holds numbers"),
        ("d,x\nMon,True\nTue,False\n", None, "got 'Mon,True'. True and False are no numbers: write 1 and 0.$"),
        ("x\nyes\nno\n", None, "got 'yes'. Its cells are 'yes'; numbers are wanted, such as 0.5.$"),
        ("a:b\n1:2\n3:4\n", None, "got '1:2'. Give sep, if something else separates them.$"),
        (
            "d,x\nJanuar 2010,1\nFebruar 2010,2\n",
            None,
            "'Januar 2010'. If 'Januar' is a month: its name must be English, as in January 2010 or Jan-10; or write 2010-01",
        ),
        ("d,x\nJan 2010,1\nFeb 2010,2\nMär 2010,3\n", None, "line 4, .* got 'Mär 2010'. If 'Mär' is a month"),
        ("d,x\n1. Januar 2010,1\n2. Januar 2010,2\n", None, "If 'Januar' is a month: its name must be English"),
        ("d,x\n5 January 2010,1\n6 January 2010,2\n99 January 2010,3\n", None, "got '99 January 2010'. Leave that row"),
        ('x\n1\n"2\n3\n', None, "line 3: a quoted cell begins there and does not end"),
        (b"PK\x03\x04rest", None, "a zip archive or an Excel workbook; unpack it, or save the sheet as csv"),
        (b"\xff\xfex\x00", None, "UTF-16 text; save it as UTF-8"),
        (b"\x1f\x8brest", None, "compressed by gzip"),
        ("x\n1 kg\n2 g\n", "x", "column 'x': one unit is wanted for all of it; got kg, g"),
        (
            "d,x\n2020-01-01,1\n2020-01-02,2\n2020-01-01,3\n",
            None,
            r"lines 2 and 4, column 'd': .* both have 2020-01-01",
        ),
        (
            "d,x\n2020-01-01,1\n2020-01-02,2\n2020-13-45,3\n",
            None,
            r"line 4, column 'd': a date is wanted .* got '2020-13-45'",
        ),
        (
            "d,x\n2020-01,1\n2020-02,2\n2020-03,3\nTotal,6\n",
            None,
            r"line 5, column 'd': a date .* got 'Total'. Leave that",
        ),
        ("d,x\n2020Q1,1\n2020Q2,2\nTotal,6\n", None, r"line 4, column 'd': a date is wanted .* got 'Total'"),
        ("d,x\n2020-01,1\n,2\n2020-03,3\n", None, r"line 3, column 'd': a date is wanted .* got an empty cell"),
        ("Year,x\n2019,1\n2020,2\n2021,3\nTotal,6\n", None, r"line 5, column 'Year': a time is wanted .* got 'Total'"),
        ("Year,x\n2019,1\n2020,2\n2020,3\n2021,4\n", None, r"lines 3 and 4, column 'Year': .* both have 2020"),
    ],
)
def test_refuses(write, text, column, message):
    path = write(text)
    with pytest.raises(ValueError, match=message) as error:
        datasets.load_csv(path, column)
    assert str(path) in str(error.value)


def test_a_column_that_is_no_whole_number(write):
    with pytest.raises(TypeError, match=r"column must be the name of a column, or its number from 0; got 0\.5"):
        datasets.load_csv(write("t,x\n1,2\n2,3\n"), [0.5])


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        datasets.load_csv(tmp_path / "absent.csv")


HEADERS = {
    "an index of pandas": (",0\n0,10.5\n1,11.5\n2,12.5\n", [10.5, 11.5, 12.5]),
    "an index of pandas above integers": (",0\n0,10\n1,11\n2,12\n", [10, 11, 12]),
    "columns of pandas": (",0,1\n0,1.5,2.5\n1,3.5,4.5\n", [2.5, 4.5]),
    "columns of pandas alone": ("0,1\n1.5,2.5\n3.5,4.5\n", [2.5, 4.5]),
    "a store's number": ("date,101\n2020-01-01,5\n2020-01-02,6\n", [5, 6]),
    "years": ("2019,2020\n1.5,2.5\n3.5,4.5\n", [2.5, 4.5]),
    "depths beside a name": ("time,0.5,1.5\n1,20.5,21.5\n2,20.25,21\n", [21.5, 21]),
    "years beside a name, above whole numbers too": (
        "Land,2019,2020\nA,1.5,2.5\nB,3.5,3\nC,3,3\nD,2.5,2.5\n",
        [2.5, 3, 3, 2.5],
    ),
    "years beside a name, above whole numbers": ("Country,2019,2020,2021\nA,1,2,3\nB,4,6,5\n", [3, 5]),
    "years above some whole numbers": ("2019,2020\n1.5,2.5\n3,3.5\n4.5,4\n", [2.5, 3.5, 4]),
    "dates above numbers": ("2020-01-01,2020-01-02\n1,2\n3,4\n", [2, 4]),
}
NO_HEADERS = {
    "integers alone": ("5\n6\n7\n", [5, 6, 7]),
    "integers above both": ("1\n2.5\n3\n", [1, 2.5, 3]),
    "times and values": ("0,10.5\n1,11.5\n", [10.5, 11.5]),
    "dates and values": ("2020-01-01,5\n2020-01-02,6\n", [5, 6]),
    "a name and integers in each row": ("A,1,2\nB,4,3\n", [2, 3]),
    "an integer above fractions and another": ("5\n2.5\n3.5\n3\n2.2\n", [5, 2.5, 3.5, 3, 2.2]),
    "years in each row": ("A,2019,2020\nB,2001,2002\n", [2020, 2002]),
    "equal integers": ("7,7\n1.5,2.5\n2.5,3.5\n", [7, 2.5, 3.5]),
}


@pytest.mark.parametrize("name", HEADERS | NO_HEADERS)
def test_a_header_is_told_from_data(name, write):
    """A row of names or of distinct integers above other kinds of values is a header, and nothing else is."""
    text, values = (HEADERS | NO_HEADERS)[name]
    series = datasets.load_csv(write(text))
    assert series.values[:, 0].tolist() == values
    assert ("no header" in series.understood()) == (name in NO_HEADERS)


INDICES = {
    "falling, with a gap": ("Year,x\n2021,1\n2020,2\n2017,3\n2016,4\n", [2016, 2017, 2020, 2021]),
    "unsorted": ("Year,x\n2019,1\n2021,2\n2020,3\n2022,4\n", [2019, 2020, 2021, 2022]),
    "unsorted, of no name": ("a,x\n2019,1\n2021,2\n2020,3\n2022,4\n", [2019, 2020, 2021, 2022]),
    "in the second column": ("id,Year,x\n1,2019,1\n7,2020,2\n4,2021,2\n", [2019, 2020, 2021]),
    "in the last column": ("x,Year\n1,2019\n7,2020\n4,2021\n", [2019, 2020, 2021]),
    "a column named by a year": ("2019,x\n1.5,1\n2.5,2\n3.5,3\n4.25,4\n", None),
    "values that may be years": ("vol,x\n2019,1\n1990,2\n1850,3\n1700,4\n", None),
}


@pytest.mark.parametrize("name", INDICES)
def test_years_are_the_index_in_any_order(name, write):
    text, years = INDICES[name]
    series = datasets.load_csv(write(text))
    assert series.columns == ("x",)
    assert (series.index is None) if years is None else (series.index.tolist() == years)


def test_dates_as_numbers_are_sorted(write):
    series = datasets.load_csv(write("d,x\n20200101,1\n20200103,2\n20200102,3\n"))
    assert series.values.ravel().tolist() == [1, 3, 2] and str(series.step) == "daily"


def test_years_with_months_beside_them_are_no_index_and_that_is_said(write):
    text = "year,month,x\n" + "".join(f"{2000 + k // 12},{k % 12 + 1},{k}\n" for k in range(30))
    series = datasets.load_csv(write(text))
    assert series.index is None and "year is no index, since its times are there again and again" in series.understood()


def test_what_pandas_writes_is_read_back(write, tmp_path):
    import pandas as pd

    values = np.random.default_rng(0).normal(size=(5, 2))
    for number, data in enumerate((pd.Series(values[:, 1]), pd.DataFrame(values), pd.Series(np.arange(5) + 3))):
        for index in (True, False):
            path = tmp_path / f"{number}{index}.csv"
            data.to_csv(path, index=index)
            header = None if index or number < 2 else True  # integers above integers are taken for data
            last = data.to_numpy().reshape(5, -1)[:, -1]
            np.testing.assert_allclose(datasets.load_csv(path, header=header).values[:, 0], last, rtol=1e-12)


def test_the_header_is_as_the_user_says(write):
    assert datasets.load_csv(write("1\n2\n3\n"), header=True).values.ravel().tolist() == [2, 3]
    assert datasets.load_csv(write("2019,2020\n1.5,2.5\n"), header=False).values.ravel().tolist() == [2020, 2.5]


@pytest.mark.parametrize(
    "text, values",
    [
        ('d,Price\n1,"1,000.6"\n2,"2,000"\n', [1000.6, 2000]),
        ("d,Price\n1,$10\n2,$10.50\n", [10, 10.5]),
        ("d,Price\n1,-$10\n2,$-2\n3,($3)\n4,−4 $\n", [-10, -2, -3, -4]),
        ("1,5;2,5\n1,6;2,75\n", [2.5, 2.75]),
        ("t;x\n1;1.000,5\n2;2,5\n", [1000.5, 2.5]),
        ("x\n1,5\n2,5\n", [1.5, 2.5]),
        ("t\tx\n1\t5 %\n2\t6%\n", [5, 6]),
        ("t|x\n1|12 kWh\n2|13 kWh\n", [12, 13]),
        ("-1.5 0.25\n2.5 0.5\n", [0.25, 0.5]),
        ("t,x\r\n1,1e3\r\n2,-.5\r\n", [1000, -0.5]),
        ('t,"x\nm"\n1,2\n2,3\n', [2, 3]),
        ("d;price;vol\na;10.50;1,000\nb;11.25;2,500\nc;11.25;900\n", [1000, 2500, 900]),
        ('d,x\n1,"0,523"\n2,"0,487"\n3,"1,021"\n', [0.523, 0.487, 1.021]),
        ('d,x\n1,"1,234"\n2,"2,345"\n', [1234, 2345]),
        ("d,x\n1,1.234\n2,2.345\n", [1.234, 2.345]),
        ("x\n1.234\n2.345\n", [1.234, 2.345]),
        ("t\tx\n0\t1.234\n1\t2.345\n", [1.234, 2.345]),
        ("0 1.234\n1 2.345\n", [1.234, 2.345]),
        ("m;x\n01.2020;1,5\n02.2020;1.000,5\n", [1.5, 1000.5]),
        ("d,x\n1,950\n2,980\n3,1.1K\n4,1.2M\n5,2B\n6,(3k)\n", [950, 980, 1100, 1.2e6, 2e9, -3000]),
        ("d,x\n1,$1.5K\n2,980\n", [1500, 980]),
        ("d,x\n1,50%\n2,0\n", [50, 0]),
    ],
)
def test_numbers_as_people_write_them(text, values, write):
    assert datasets.load_csv(write(text)).values[:, 0].tolist() == values


@pytest.mark.parametrize(
    "text, line, cell",
    [
        ("m;x\n2020-02;999\n2020-03;1.000\n2020-04;1.001\n", 3, "1.000"),
        ("m,x\n2020-02,999\n2020-03,1.000\n", 3, "1.000"),
        ("m;x\n01.02.2020;1.234\n02.02.2020;2.345\n", 2, "1.234"),
        ("m;x\n01.02.2020;1,234\n02.02.2020;2,345\n", 2, "1,234"),
        ("m\tx\n2020-01\t1,000\n2020-02\t900\n", 2, "1,000"),
    ],
)
def test_a_mark_that_may_be_of_thousands_or_of_decimals_is_asked_for(text, line, cell, write):
    with pytest.raises(ValueError, match=f"line {line}: '{cell}' may be a whole number .* Give decimal"):
        datasets.load_csv(write(text))
    mark = cell[1]
    place = line - 2
    assert datasets.load_csv(write(text), decimal=mark).values[place, 0] == float(cell.replace(",", "."))
    other = ".,"[mark == "."]
    assert datasets.load_csv(write(text), decimal=other).values[place, 0] == float(cell.replace(mark, ""))


def test_numbers_in_different_units_are_no_column(write):
    for cells, units in (("$950 €980 EUR990", "USD, EUR"), ("0.5 50% 60%", "none, %"), ("1.2kg 900g 5", "none, kg, g")):
        text = "d,x\n" + "".join(f"{k},{cell}\n" for k, cell in enumerate(cells.split()))
        with pytest.raises(ValueError, match=f"column 'x': one unit is wanted for all of it; got {units}"):
            datasets.load_csv(write(text), "x")
    with pytest.raises(ValueError, match="units differ in 'Vol': kg, g"):
        datasets.load_csv(write("date,Vol\n2020-01-01,1.2 kg\n2020-01-02,900 g\n"))
    with pytest.raises(ValueError, match="units differ in 'x': none, %"):
        datasets.load_csv(write("d,x\n1,0.5\n2,50%\n3,60%\n"))  # and d is not read in its place
    money = datasets.load_csv(write("d,x\n1,$10\n2,US$11\n3,USD 12\n4,13\n"))
    assert money.values[:, 0].tolist() == [10, 11, 12, 13] and "in USD" in money.understood()


def test_a_number_for_missing_is_found_however_it_is_written(write):
    series = datasets.load_csv(write("d,x\n1,2\n2,-999.0\n3,4\n"), na=["-999"], fill="linear")
    assert series.values.ravel().tolist() == [2, 3, 4]
    series = datasets.load_csv(write("d;x\n1;2,5\n2;-999,0\n3;4,5\n"), na=["-999"], fill="linear")
    assert series.values.ravel().tolist() == [2.5, 3.5, 4.5]


def test_what_was_understood_is_said_in_one_line(write):
    series = datasets.load_csv(write("Datum;Menge;Preis\n01.02.2020;1;1,5\n01.03.2020;2;2,5\n01.04.2020;3;3,5\n"))
    assert series.understood() == (
        "series.csv: 3 rows; column Preis of 3; index Datum from 2020-02-01 to 2020-04-01, monthly; "
        "separated by semicolons; decimal commas; dates read as day, then month, then year; the other order fits as well"
    )
    assert series.understanding()["step"] == "monthly" and series.understanding()["gaps"] == []
    other = datasets.load_csv(write("d,vol,x\n1,1.2kg,5\n2,900g,6\n"), "x")
    assert "vol not read, since units differ there" in other.understood()


def test_missing_values_are_filled_on_request_only(write):
    path = write("t,x\n1,NA\n2,1\n3,n.a.\n4,3\n6,7\n7,-\n")
    with pytest.raises(ValueError, match=r"line 2, column 'x': .* got 'NA'; give fill "):
        datasets.load_csv(path)
    series = datasets.load_csv(path, fill="linear")
    assert series.values.ravel().tolist() == [1, 2, 3, 5, 7] and series.index.tolist() == [2, 3, 4, 5, 6]
    assert series.filled.ravel().tolist() == [value in (2, 5) for value in series.values.ravel()]
    assert "1 missing value filled (linear); 1 missing row filled (linear)" in series.understood()
    assert datasets.load_csv(path, fill="previous").values.ravel().tolist() == [1, 1, 3, 3, 7]
    cycle = write("t,x\n1,1\n2,2\n3,NA\n4,4\n6,3\n")
    assert datasets.load_csv(cycle, fill="season", season=2).values.ravel().tolist() == [1, 2, 1, 4, 1, 3]
    assert datasets.load_csv(write("x\n1\n-99\n3\n"), na=["-99"], fill="linear").values.ravel().tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="fill must be one of linear, season, previous; got 'mean'"):
        datasets.load_csv(path, fill="mean")


def test_rows_are_sorted_by_their_dates(write):
    series = datasets.load_csv(write("date,x\n2021-03-01,3\n2021-02-01,2\n2021-01-01,1\n"))
    assert series.values.ravel().tolist() == [1, 2, 3] and str(series.index[0])[:10] == "2021-01-01"
    assert "rows sorted from old to new" in series.understood() and series.gaps == ()


def test_values_known_ahead_stand_after_the_series(write):
    text = "t,x,holiday\n1,5,0\n2,6,1\n3,,0\n4,,1\n"
    series = datasets.load_csv(write(text), ["x", "holiday"], known=["holiday"])
    assert series.values.tolist() == [[5, 0], [6, 1]] and series.ahead[:, 1].tolist() == [0, 1]


@pytest.mark.parametrize("first", ["sep=;", "\ufeffsep=;\r", '"sep=;"'])
def test_the_separator_is_told_by_a_first_line_as_excel_writes_it(write, first):
    series = datasets.load_csv(write(f"{first}\nd;x\n2020-01;1,5\n2020-02;2,5\n2020-03;\n"), fill="linear")
    assert series.values.ravel().tolist() == [1.5, 2.5] and str(series.step) == "monthly"
    with pytest.raises(ValueError, match=r"line 5, column 'x': .* got a missing value"):
        datasets.load_csv(write(f"{first}\nd;x\n2020-01;1,5\n2020-02;2,5\n2020-03;\n"), "x")
    assert datasets.load_csv(write("sep=|\nx|y\n1,5|2,5\n2,5|3,5\n")).values.ravel().tolist() == [2.5, 3.5]


def test_columns_known_ahead_are_filled_with_the_series(write):
    """Rows in which a column of the series is missing at its end are left out, and the known values stay at their times."""
    rows = [
        f"2020-{k:02d}-01,{k if k < 9 else ''},{10 * k if k < 7 else ''},{k if k != 8 else ''}" for k in range(1, 12)
    ]
    path = write("d,y,z,k\n" + "\n".join(row for row in rows if row[5:7] not in ("03", "10")) + "\n")
    series = datasets.load_csv(path, ["y", "z", "k"], known=["k"], fill="linear")
    np.testing.assert_allclose(series.values, [[k, 10 * k, k] for k in range(1, 7)], rtol=1e-12)
    np.testing.assert_allclose(series.ahead[:, 2], [7, 8, 9, 10, 11], rtol=1e-12)
    assert np.isnan(series.ahead[:, :2]).all()
    assert series.understood().endswith(
        "2 rows after the last one with all values left out; 1 missing value filled (linear); "
        "2 missing rows filled (linear)"
    )


def test_rows_ahead_must_follow_the_step(write):
    rows = "".join(f"2020-{k:02d}-01,{k if k < 7 else ''},{k}\n" for k in (1, 2, 3, 4, 5, 6, 7, 9, 11))
    with pytest.raises(ValueError, match=r"after 2020-07-01 1 row is missing, where only .* the step is monthly\. Add"):
        datasets.load_csv(write("d,y,k\n" + rows), ["y", "k"], known=["k"])
    late = "".join(f"2020-{k:02d}-01,{k if k < 7 else ''},{k}\n" for k in (1, 2, 3, 4, 5, 6, 9))
    with pytest.raises(ValueError, match="after 2020-06-01 2 rows are missing, where only"):
        datasets.load_csv(write("d,y,k\n" + late), ["y", "k"], known=["k"])


def test_rows_that_filling_leaves_out_are_told(write):
    series = datasets.load_csv(write("d,x\n1,\n2,1\n3,\n4,3\n5,\n6,-\n"), "x", fill="linear")
    assert series.values.ravel().tolist() == [1, 2, 3] and series.index.tolist() == [2, 3, 4]
    assert (
        "1 row before the first one with all values left out; 2 rows after the last one with all values left out"
        in series.understood()
    )


def test_a_season_is_filled_by_the_step_of_the_dates(write):
    months = [f"{2000 + k // 12}-{k % 12 + 1:02d}-01,{100 + 10 * (k % 12) if k != 30 else ''}" for k in range(60)]
    series = datasets.load_csv(write("d,x\n" + "\n".join(months) + "\n"), fill="season")
    assert series.values[30, 0] == 160
    with pytest.raises(ValueError, match="fill='season' needs season, in rows"):
        datasets.load_csv(write("t,x\n1,1\n2,2\n3,NA\n4,4\n"), fill="season")


def test_a_large_file_is_read_in_pieces(write, monkeypatch):
    monkeypatch.setattr("rnn_ode.datasets._csv_table._PIECE", 7)
    path = write("d,x\n" + "".join(f"2020-01-{k + 1:02d},{k}.5\n" for k in range(30)))
    series = datasets.load_csv(path)
    assert series.values.ravel().tolist() == [k + 0.5 for k in range(30)] and str(series.step) == "daily"


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("2018,2019,2020\n15,25,35\n25,35,12\n", "columns are named by years: if each row is a series, turn rows into"),
        ("t,x,x\n1,2,3\n2,3,4\n", "x is column 2, one of 2 of that name"),
        ("t,x\n1,2\n2,-999\n3,5\n", "-999 is there 1 time: if it stands for a missing value, give na -999"),
    ],
)
def test_what_may_be_meant_otherwise_is_said(write, text, remark):
    """Integers below years were data under "no header", the last column of a name was read unsaid, and so was -999."""
    assert any(one.startswith(remark) for one in datasets.load_csv(write(text)).reading.remarks)
    for usual in ("t,x\n1,2\n2,5\n", "a,2019,2020\nb,1,2\nc,3,5\n", "t,x\n1,-999\n2,-998\n3,-5\n"):
        assert not datasets.load_csv(write(usual)).reading.remarks


def test_lines_may_end_as_on_an_old_macintosh_and_prices_begin_with_a_currency(write):
    """ "USD 10" was taken for a month and a year, so that no column held numbers."""
    series = datasets.load_csv(write("d,p\r2020-01-01,USD 10\r2020-01-02,USD 11.5\r"))
    assert series.values.ravel().tolist() == [10, 11.5] and series.reading.remarks == ("in USD",)
    named = datasets.load_csv(write("<DATE>,<CLOSE>\n2020-01-01,10\n2020-01-02,11\n"))
    assert named.columns == ("<CLOSE>",)
    months = datasets.load_csv(write("m,x\nJan 95,1\nFEB 95,2\nMar 95,4\n"))
    assert str(months.step) == "monthly"


def test_a_season_is_asked_for_only_if_something_is_to_be_filled(write):
    text = "x\n" + "".join(f"{k % 3}\n" for k in range(9))
    whole = datasets.load_csv(write(text), fill="season")
    assert len(whole.values) == 9 and whole.filled is not None and not whole.filled.any()
    with pytest.raises(ValueError, match="fill='season' needs season, in rows"):
        datasets.load_csv(write(text + "NA\n1\n"), fill="season")
    plan = "x,plan\n" + "".join(f"{k % 3},1\n" for k in range(9)) + ",NA\n,1\n"
    with pytest.raises(ValueError, match="fill='season' needs season, in rows"):
        datasets.load_csv(write(plan), ("x", "plan"), known=["plan"], fill="season")


@pytest.mark.parametrize(
    ("text", "kind"), [('{"a": [1, 2]}', "JSON"), ("[[1], [2]]", "JSON"), ("<!doctype html>", "HTML")]
)
def test_text_of_another_kind_is_named(write, text, kind):
    with pytest.raises(ValueError, match=f"this is {kind}"):
        datasets.load_csv(write(text))


def test_files_that_are_no_text_are_named_by_their_first_bytes(tmp_path):
    """A npy and a wav file were to be saved as UTF-8."""
    array, packed, sound, other = (tmp_path / name for name in ("m.npy", "m.npz", "a.wav", "a.bin"))
    np.save(array, np.linspace(0, 1, 50))
    np.savez(packed, np.linspace(0, 1, 50))
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(np.arange(-500, 500, dtype=np.int16).tobytes())
    other.write_bytes(np.linspace(0, 1, 50).tobytes())
    kinds = {
        array: "an array of NumPy",
        packed: "an archive of arrays of NumPy",
        sound: "a sound file",
        other: "a binary",
    }
    for path, kind in kinds.items():
        with pytest.raises(ValueError, match=rf"{path.name}: a csv file is wanted; this is {kind}"):
            datasets.load_csv(path)
