"""Series by name."""

import numpy as np
import pytest

from rnn_ode import datasets


@pytest.mark.parametrize("name", ["lorenz", "pendulum", "sunspots", "van_der_pol"])
def test_load_is_the_function_of_that_name(name):
    loaded, called = datasets.load(name), getattr(datasets, name)()
    assert loaded.name == called.name == name
    np.testing.assert_array_equal(loaded.values, called.values)


def test_load_names_what_there_is():
    names = "co2, elec_equip, elnino, lorenz, nile, pendulum, sunspots, van_der_pol"
    with pytest.raises(ValueError, match=f"name must be one of {names}; got 'sunspot'"):
        datasets.load("sunspot")
