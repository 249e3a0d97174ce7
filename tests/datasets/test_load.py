"""Series by name."""

import numpy as np
import pytest

from rnn_ode import datasets


def test_load_is_the_function_of_that_name():
    assert all(call is getattr(datasets, name) for name, call in datasets.SERIES.items())
    for name in ("pendulum", "sunspots"):
        loaded, called = datasets.load(name), getattr(datasets, name)()
        assert loaded.name == called.name == name
        np.testing.assert_array_equal(loaded.values, called.values)


def test_load_names_what_there_is():
    names = "co2, elec_equip, elnino, lorenz, nile, pendulum, sunspots, van_der_pol"
    with pytest.raises(ValueError, match=f"name must be one of {names}; got 'sunspot'"):
        datasets.load("sunspot")
