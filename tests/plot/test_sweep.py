"""The phase diagram of a sweep, drawn from plain values."""

import matplotlib.style
import numpy as np
import pytest
import xarray

from rnn_ode import plot

GAIN, BIAS = np.array([2.0, 1.0, 3.0]), np.array([0.0, 0.5])


def grid(values, dims=("gain", "bias", "seed"), **attrs):
    coordinates = {"gain": GAIN, "bias": BIAS}
    return xarray.DataArray(values, {k: v for k, v in coordinates.items() if k in dims}, dims, "value", attrs)


def test_two_parameters_are_a_map_of_the_mean_of_the_finite_values():
    values = np.arange(12.0).reshape(3, 2, 2) - 6
    values[0, 0] = [np.nan, -np.inf]
    values[1, 1, 0] = np.inf
    axes, bar = plot.sweep(grid(values, long_name="exponent", units="nats")).axes
    (mesh, *_) = axes.collections
    wanted = [[-1.5, np.nan, 2.5], [1.0, -3.5, 4.5]]  # gains in order: 1, 2, 3
    np.testing.assert_allclose(np.ma.filled(mesh.get_array(), np.nan), wanted)
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title(loc="left")) == ("gain", "bias", "exponent")
    assert bar.get_ylabel() == "nats" and mesh.get_clim() == (-3.5, 4.5) and mesh.norm(0.0) == 0.5


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_the_line_at_zero_is_dark_on_the_white_of_zero_in_any_style(style):
    with matplotlib.style.context(style):
        _, line = plot.sweep(grid(np.arange(12.0).reshape(3, 2, 2) - 6)).axes[0].collections
    np.testing.assert_array_equal(line.get_edgecolor(), [[0, 0, 0, 1]])


def test_true_and_false_are_a_share():
    axes, bar = plot.sweep(grid(np.arange(12).reshape(3, 2, 2) % 3 == 0)).axes
    assert bar.get_ylabel() == "share of the networks" and axes.collections[0].get_clim() == (0, 1)
    assert set(np.unique(axes.collections[0].get_array())) <= {0, 0.5, 1}


def test_one_parameter_is_a_line_with_a_band():
    values = np.array([[2.0, 4.0], [1.0, 1.0], [0.0, np.nan]])
    (axes,) = plot.sweep(grid(values, ("gain", "seed"))).axes
    np.testing.assert_allclose(axes.lines[0].get_xydata(), [[1, 1], [2, 3], [3, 0]])
    assert len(axes.collections) == 1 and axes.get_xlabel() == "gain"


def test_three_parameters_are_a_panel_for_each_value_of_the_first():
    values = np.zeros((3, 2, 4, 2)) + np.arange(4)[:, None]
    figure = plot.sweep(grid(values, ("gain", "bias", "size", "seed")), finding="what was found")
    assert [axes.get_title(loc="left") for axes in figure.axes[:3]] == [
        "value, gain 2.0",
        "value, gain 1.0",
        "value, gain 3.0",
    ]
    assert figure.get_suptitle() == "what was found"


def test_a_map_without_finite_values_says_so():
    (axes,) = plot.sweep(grid(np.full((3, 2, 2), np.nan))).axes
    assert axes.texts[0].get_text() == "no value is finite"


def test_too_many_or_too_few_parameters_are_refused():
    for values, dims in ((np.zeros((2, 2, 2, 2)), ("a", "b", "c", "d")), (np.zeros(3), ("seed",))):
        with pytest.raises(ValueError, match="one to three dimensions with more than one value beside 'seed'"):
            plot.sweep(xarray.DataArray(values, dims=dims))
    with pytest.raises(ValueError, match="at least one array"):
        plot.sweep()
