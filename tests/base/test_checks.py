"""What the checks say of a value that is not what is wanted: one line, with the way out where there is one."""

import equinox as eqx
import jax
import numpy as np
import pytest

import rnn_ode as ro
from rnn_ode import datasets, learn
from rnn_ode._base.checks import as_floats, brief, check_callable

SERIES = datasets.sunspots()
CELL = ro.VanillaCell(0.5 * np.eye(2), np.ones((2, 1)), np.zeros(2))
ASK = {
    "iterate": lambda series: ro.iterate(CELL, series),
    "compare": lambda series: ro.compare(CELL, series),
    "BandLimited": ro.BandLimited,
    "spectrum": ro.spectrum,
    "split": lambda series: learn.split(series, history=10, gap=0, horizon=1),
    "forecast": lambda series: learn.forecast(series, learn.many_to_one("gru", 2), history=10, key=jax.random.key(0)),
}


@pytest.mark.parametrize("name", ASK)
def test_a_series_in_place_of_its_values_is_told_to_give_them(name, as_user):
    with pytest.raises((TypeError, ValueError), match=r"^\w+(:| must be) .*; got Series: give series\.values\.$"):
        ASK[name](SERIES)


@pytest.mark.parametrize("value", [SERIES, eqx.nn.LSTMCell(1, 4, key=jax.random.key(0)), "x" * 200, [1, [2] * 99]])
def test_what_came_is_told_on_one_short_line(value):
    assert "\n" not in brief(value) and len(brief(value)) <= 80
    for error in (ValueError(str(value)), TypeError("two\nlines")):
        assert "\n" not in brief(error) and len(brief(error)) <= 80
    with pytest.raises(TypeError) as raised:
        as_floats("xs", value)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 180
    if not callable(value):
        with pytest.raises(TypeError) as raised:
            check_callable("f", value, "f(x)")
        assert "\n" not in str(raised.value) and len(str(raised.value)) < 180


def test_the_name_of_a_network_in_place_of_a_function_is_told_the_function(as_user):
    with pytest.raises(TypeError, match=r'such as learn\.many_to_one\("lstm", 32\); got \'lstm\''):
        learn.forecast(SERIES.values, "lstm", history=10, key=jax.random.key(0))
