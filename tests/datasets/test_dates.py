"""Dates: how texts and numbers are read."""

import numpy as np
import pytest

from rnn_ode.datasets._dates import dates_in_numbers, dates_of
from rnn_ode.datasets._times import step_of


def texts(*cells):
    return np.array(cells, object)


@pytest.mark.parametrize(
    "cells, first, last",
    [
        (("2020-01-31", "2020-02-29"), "2020-01-31", "2020-02-29"),
        (("2020-01-01 00:00", "2020-01-01 01:30"), "2020-01-01T00:00", "2020-01-01T01:30"),
        (("2020-01-01T00:00:00Z", "2020-01-01T02:00:00+01:00"), "2020-01-01T00:00", "2020-01-01T01:00"),
        (("31.01.2020", "01.02.2020"), "2020-01-31", "2020-02-01"),
        (("1/31/2020", "2/1/2020"), "2020-01-31", "2020-02-01"),
        (("1/2/20 10:30 PM", "2/2/20 10:30 PM", "3/2/20 10:30 PM"), "2020-01-02T22:30", "2020-03-02T22:30"),
        (("Jan-1-1995", "Feb-1-1995"), "1995-01-01", "1995-02-01"),
        (("January 1995", "February 1995"), "1995-01-01", "1995-02-01"),
        (("5 Mar 2020", "6 Mar 2020"), "2020-03-05", "2020-03-06"),
        (("Mar 5, 2020", "Mar 6, 2020"), "2020-03-05", "2020-03-06"),
        (("1974Q1", "1974Q2"), "1974-01-01", "1974-04-01"),
        (("1974 Q1", "1974 Q4"), "1974-01-01", "1974-10-01"),
        (("2020-W01", "2020-W53"), "2019-12-30", "2020-12-28"),
        (("Wednesday 1 January 2020", "Thursday 2 January 2020"), "2020-01-01", "2020-01-02"),
        (("Wed, Jan 1, 2020 10:30", "Thu, Jan 2, 2020 10:30"), "2020-01-01T10:30", "2020-01-02T10:30"),
        (("2020-01", "2020-02"), "2020-01-01", "2020-02-01"),
        (("2020M01", "2020M02"), "2020-01-01", "2020-02-01"),
    ],
)
def test_dates_are_read(cells, first, last):
    times = dates_of(texts(*cells)).times
    assert (times[0], times[-1]) == (np.datetime64(first), np.datetime64(last))


def test_day_and_month_are_told_by_what_is_regular():
    daily = dates_of(texts("11/02/2020", "12/02/2020", "13/02/2020"))
    assert daily.times[-1] == np.datetime64("2020-02-13") and daily.remark == ""  # no month has the number 13
    first_days = [f"01/{month:02d}/2020" for month in range(1, 13)] + ["01/01/2021"]
    monthly = dates_of(texts(*first_days))
    assert str(step_of(monthly.times)) == "monthly" and monthly.remark == "dates read as day, then month, then year"
    both = ("01/02/2020", "02/02/2020", "03/02/2020")
    assert dates_of(texts(*both)).remark == "dates read as month, then day, then year; the other order fits as well"
    assert dates_of(texts(*[cell.replace("/", ".") for cell in both])).times[-1] == np.datetime64("2020-02-03")
    years = dates_of(texts("06/01/2020", "07/01/2020", "08/01/2020", "12/01/2020", "01/01/2021"))
    assert years.times[-1] == np.datetime64("2021-01-01") and years.remark.startswith("dates read as month, then day")


@pytest.mark.parametrize(
    "cells, first, last",
    [
        (("Jan-66", "Jul-66", "Jan-71"), "1966-01", "1971-01"),
        (("31/12/67", "31/12/68", "31/12/70"), "1967-12-31", "1970-12-31"),
        (("Dec-99", "Jan-00", "Feb-00"), "1999-12", "2000-02"),
        (("Feb-00", "Jan-00", "Dec-99"), "2000-02", "1999-12"),
        (("Jan-20", "Jan-21", "Jan-24"), "2020-01", "2024-01"),
        (("29-Feb-68", "01-Mar-68"), "1968-02-29", "1968-03-01"),
    ],
)
def test_years_of_two_digits_are_close_together_and_not_in_the_future(cells, first, last):
    read = dates_of(texts(*cells))
    assert (read.times[0], read.times[-1]) == (np.datetime64(first), np.datetime64(last))
    years = sorted((first[:4], last[:4]))
    words = years[0] if years[0] == years[1] else f"{years[0]} to {years[1]}"
    assert read.remark.endswith(f"years of two digits read as {words}")
    given = dates_of(texts("31.12.67", "31.12.68"), "%d.%m.%y")
    assert given.times[0] == np.datetime64("1967-12-31") and "1967 to 1968" in given.remark


def test_a_century_of_years_of_two_digits_begins_where_the_texts_begin():
    read = dates_of(texts(*[f"Jan-{year % 100:02d}" for year in range(1910, 2010)]))
    assert (read.times.astype("datetime64[Y]").astype(int) + 1970).tolist() == list(range(1910, 2010))


def test_a_text_that_is_no_date_is_marked():
    assert dates_of(texts("2020-01-01", "2020-13-01")).unread.tolist() == [False, True]
    with pytest.raises(ValueError, match="dates must be a format"):
        dates_of(texts("2020-01-01"), "%Q")


@pytest.mark.parametrize("form", ["{}-01-01", "{}-01", "1/31/{}", "{} Q1", "{}-W03"])
def test_years_that_nanoseconds_cannot_count_are_no_dates(form):
    """NumPy before 2.5 read the year 6024 as 1932 and 1024 as 2193, without a word."""
    years = 1024, 1678, 1900, 2000, 2261, 6024
    read = dates_of(texts(*(form.format(year) for year in years)))
    assert read.unread.tolist() == [True, False, False, False, False, True]
    assert read.times[1:5].astype("datetime64[Y]").astype(str).tolist() == ["1678", "1900", "2000", "2261"]


def test_dates_written_as_numbers_are_dates():
    assert dates_in_numbers(np.array([19580329.0, 19580405.0]))[1] == np.datetime64("1958-04-05")
    assert dates_in_numbers(np.array([202011.0, 202012.0, 202101.0]))[2] == np.datetime64("2021-01-01")
    assert (
        dates_in_numbers(np.array([20200103.0, 20200101.0, 20200102.0]))[0] == np.datetime64("2020-01-03")
        and dates_in_numbers(np.array([20200101.0, 20200101.0])) is None
        and dates_in_numbers(np.array([1990.0, 1991.0])) is None
        and dates_in_numbers(np.array([200001.0, 200014.0])) is None
    )
