"""Steps: which one leads from one time to the next, and the times after the last one."""

import numpy as np
import pytest

from rnn_ode.datasets._times import as_text, places_of, season_of, step_of


@pytest.mark.parametrize(
    "times, step, after",
    [
        (["2020-01-31", "2020-02-29", "2020-03-31"], "monthly", "2020-04-30"),
        (["2020-01-15", "2020-02-15", "2020-03-15"], "monthly", "2020-04-15"),
        (["2020-01-01", "2020-04-01", "2020-07-01"], "quarterly", "2020-10-01"),
        (["2018-12-31", "2019-12-31", "2020-12-31"], "yearly", "2021-12-31"),
        (["2020-01-01", "2020-01-08", "2020-01-15"], "weekly", "2020-01-22"),
        (
            ["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07", "2020-01-08", "2020-01-09"],
            "every weekday",
            "2020-01-10",
        ),
        (["2020-01-01T00:00", "2020-01-01T00:15", "2020-01-01T00:30"], "every 15 minutes", "2020-01-01T00:45"),
        ([1.0, 1.5, 2.0], "a step of 0.5", 2.5),
    ],
)
def test_the_step_is_found_and_goes_on(times, step, after):
    times = np.array(times, float if isinstance(after, float) else "datetime64[ns]")
    found = step_of(times)
    assert str(found) == step and found.after(times[-1], [1])[0] == np.array(after, times.dtype)
    assert places_of(found, times).tolist() == list(range(len(times)))


@pytest.mark.parametrize("digits", [3, 4, 9])
def test_rounded_years_and_months_have_a_step(digits):
    times = np.round(1959 + np.arange(1200) / 12, digits)
    step = step_of(times)
    assert step is not None and places_of(step, times).tolist() == list(range(1200))
    kept = np.delete(times, [5, 6, 200])
    found = step_of(kept)
    assert found is not None and places_of(found, kept)[-1] == 1199


@pytest.mark.parametrize(
    "step, season",
    [
        ("1 D", 7),
        ("7 D", 52),
        ("1 h", 24),
        ("30 m", 48),
        ("15 m", 96),
        ("1 m", None),
        ("7 h", None),
        ("1 M", 12),
        ("3 M", 4),
        ("6 M", 2),
        ("12 M", None),
        ("5 M", None),
    ],
)
def test_the_season_of_dates_is_the_year_the_week_or_the_day(step, season):
    size, unit = step.split()
    times = np.datetime64("2020-01", "M" if unit == "M" else "s") + np.arange(20) * np.timedelta64(int(size), unit)
    assert season_of(step_of(times.astype("datetime64[ns]"))) == season


def test_missing_times_leave_places_and_irregular_times_have_no_step():
    months = np.array(["2020-01-01", "2020-02-01", "2020-05-01", "2020-06-01"], "datetime64[ns]")
    assert places_of(step_of(months), months).tolist() == [0, 1, 4, 5]
    assert step_of(np.array([0, 0.3, 1.1, 5.0])) is None and step_of(np.array([0, 1.0, 90.0])) is None
    assert step_of(np.array([3.0])) is None


def test_times_are_written_as_people_do():
    assert as_text(np.datetime64("2020-01-01", "ns")) == "2020-01-01" and as_text(np.float64(1958.25)) == "1958.25"
    assert as_text(np.datetime64("2020-01-01T10:30", "ns")) == "2020-01-01 10:30:00"
