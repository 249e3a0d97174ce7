"""Numbers, tables and JSON of what the package reports."""

import json
import math

import jax.numpy as jnp
import numpy as np
import pytest

from rnn_ode._base.text import number, plain, table


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.123"),
        (jnp.float32(1e-9), "1e-09"),
        (12345, "1.23e+04"),
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "∞"),
        ("-inf", "−∞"),
    ],
)
def test_a_number_is_rounded_and_a_missing_value_is_a_dash(value, text):
    assert number(value) == text


def test_the_number_of_digits_can_be_chosen():
    assert number(math.pi, 5) == "3.1416"


def test_a_table_aligns_its_columns():
    rows = [("name", "size", "note"), ("a", "1", ""), ("longer", "10", "x")]
    assert table(rows, align="<>").splitlines() == ["name    size  note", "a          1", "longer    10  x"]


def test_a_table_may_have_a_rule_and_wider_columns():
    rows = [("a", "b"), ("1", "2")]
    assert table(rows, align="<^", least=(3, 3), gap=1, rule=True).splitlines() == ["a    b", "─── ───", "1    2"]


def test_plain_values_are_json():
    value = {
        "array": jnp.array([[1.0, jnp.nan]]),
        "pair": (np.float32(0.5), -math.inf),
        "flag": True,
        "count": np.int64(3),
    }
    assert plain(value) == {"array": [[1.0, None]], "pair": [0.5, None], "flag": True, "count": 3}
    assert plain(value, infinities=True)["pair"] == [0.5, "-inf"]
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == plain(value)
