"""Where other rows begin, beside those of the training."""

import numpy as np
import pytest

from rnn_ode.learn._forecast.forecaster import Step, beginning, rows_between

MONTHS = np.arange(360, 420).astype("datetime64[M]").astype("datetime64[ns]")
DAYS = np.datetime64("2020-01-01", "ns") + np.arange(60) * np.timedelta64(1, "D")
WEEKDAYS = DAYS[np.is_busday(DAYS.astype("datetime64[D]"))]


@pytest.mark.parametrize(
    "times", [MONTHS, DAYS, WEEKDAYS, DAYS[::7], np.arange(1900.0, 1960), 0.1 * np.arange(60)], ids=range(6)
)
def test_rows_are_counted_from_the_first_one_of_the_training(times):
    for first, other in ((0, 7), (7, 0), (3, 3)):
        began, step = beginning(times[first:])
        for count in (2, 5, len(times)):
            assert rows_between(began, Step(*step), times[other : other + count]) == other - first


def test_times_of_another_step_are_refused_and_irregular_ones_are_not_kept():
    began, step = beginning(MONTHS)
    for times, came in ((DAYS, "daily"), (MONTHS[::3], "quarterly"), (np.arange(9.0), "a step of 1")):
        with pytest.raises(
            ValueError, match=f"index must have the step of the rows of the training, monthly; got {came}"
        ):
            rows_between(began, Step(*step), times)
    assert beginning(None) == beginning(np.array([0.0, 1.0, 2.3, 7.1])) == ("", ())
