"""The page of a comparison, drawn from plain values."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure

from rnn_ode import plot

TS = np.arange(5.0)
COLOURS = {"mine": (0.0, 0.0, 1.0), "none": (1.0, 0.0, 0.0)}


def run(states):
    return SimpleNamespace(ts=TS, states=jnp.asarray(states))


def row(label, states=None, errors=(0.0, 1e-3, 1e-2, 0.2, np.nan), verdict="GROWS"):
    method = SimpleNamespace(label=label, decay_label="", exponent=lambda z: z - 1)
    trajectory = None if states is None else run(states)
    error_max = None if np.isnan(errors).all() else np.nanmax(errors)
    return SimpleNamespace(
        method=method, trajectory=trajectory, errors=np.array(errors), error_max=error_max, verdict=verdict
    )


def comparison(states, *rows):
    growth = SimpleNamespace(
        steps=np.arange(4),
        network=np.array([1.0, 0.5, 0.25, 0.0]),
        textbook=np.array([1.0, 2.0, np.inf, np.inf]),
        radius=0.5,
        abscissa=np.log(2),
        eigenvector_condition=np.inf,
    )
    spectrum = SimpleNamespace(multipliers=np.array([0.5]))
    return SimpleNamespace(
        network=run(states), rows=rows, spectrum=spectrum, growth=growth, error_limit=0.1, finding="It decays."
    )


def words(axes):
    return [text.get_text() for text in axes.texts]


@pytest.mark.slow
def test_the_page_has_four_panels_and_the_finding_above_them():
    states = np.stack([TS, 0 * TS], axis=1)
    none = row("none", errors=[np.nan] * 5)
    figure = plot.comparison(
        comparison(states, row("mine", states + 0.1), row("far", errors=[0.0, 1e12, 0, 0, 0]), none)
    )
    assert len(figure.axes) == 4
    figure.draw_without_rendering()
    assert figure.get_suptitle() == "It decays."
    assert words(figure.axes[0]) == ["mine", "network"]


def test_trajectories_are_of_the_unit_with_the_largest_swing():
    states = np.stack([0 * TS + 9, TS], axis=1)
    axes = Figure().subplots()
    plot.trajectories(axes, comparison(states, row("mine", states + 0.5)), COLOURS)
    flow, network = axes.lines
    assert axes.get_ylabel() == "state of unit 1"
    np.testing.assert_array_equal(network.get_ydata(), TS)
    np.testing.assert_array_equal(flow.get_ydata(), TS + 0.5)


def test_of_units_that_move_as_much_the_one_is_drawn_in_which_the_flows_part_least():
    states = np.stack([TS, -TS, 0.1 * TS], axis=1)
    axes = Figure().subplots()
    plot.trajectories(axes, comparison(states, row("mine", states * [3.0, 1.2, 1.0])), COLOURS)
    assert axes.get_ylabel() == "state of unit 1"


def test_a_trajectory_leaves_the_page_and_ends_there_with_an_arrow_and_a_label():
    states = np.array([[0.0], [1.0], [0.0], [1.0], [0.0]])
    axes = Figure().subplots()
    plot.trajectories(axes, comparison(states, row("mine", [[0.0], [1.0], [50.0], [60.0], [0.5]])), COLOURS)
    line, arrow, _ = axes.lines
    assert len(line.get_xdata()) == 3 and line.get_ydata()[2] == axes.get_ylim()[1]
    assert arrow.get_marker() == "^" and 1 < arrow.get_xdata()[0] == line.get_xdata()[2] < 1.1
    assert words(axes) == ["mine leaves ↑", "network"]


@pytest.mark.parametrize("gone", [np.nan, np.inf, -np.inf])
def test_a_run_that_stops_ends_in_a_cross(gone):
    states = np.array([[0.0], [1.0], [0.0], [1.0], [0.0]])
    axes = Figure().subplots()
    plot.trajectories(axes, comparison(states, row("mine", [[0.0], [0.8], [gone], [gone], [gone]])), COLOURS)
    assert axes.lines[1].get_marker() == "x" and words(axes)[0] == "mine (stops)"


def test_a_run_that_leaves_the_page_before_it_stops_leaves():
    states = np.array([[0.0], [1.0], [0.0], [1.0], [0.0]])
    axes = Figure().subplots()
    plot.trajectories(axes, comparison(states, row("mine", [[0.0], [0.8], [-1e30], [np.inf], [np.inf]])), COLOURS)
    assert axes.lines[1].get_marker() == "v" and words(axes)[0] == "mine leaves ↓"


@pytest.mark.parametrize("size", [1e-12, 1e12, 1e37])
def test_a_power_of_ten_stands_beside_the_numbers_of_the_axis_and_not_above_it(size):
    states = size * np.array([[0.0], [1.0], [2.0], [3.0], [1.0]])
    axes = Figure().subplots()
    plot.trajectories(axes, comparison(states), COLOURS)
    axes.figure.draw_without_rendering()
    assert axes.yaxis.get_offset_text().get_text() == "" and f"{2 * size:g}" in {
        label.get_text() for label in axes.get_yticklabels()
    }


def test_one_sample_is_the_first():
    axes = Figure().subplots()
    plot.trajectories(axes, comparison(np.stack([TS, 0 * TS], axis=1)), COLOURS, 1)
    assert plot._page._TITLES[axes] == "The network (dots) and each flow: the first sample"


def test_the_first_samples_alone_are_drawn_if_asked_for():
    axes = Figure().subplots()
    plot.trajectories(axes, comparison(np.stack([TS, 0 * TS], axis=1)), COLOURS, 2)
    assert list(axes.lines[0].get_xdata()) == [0, 1, 2] and axes.get_xlim() == (0, 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e-12, 1.0, 1e37])
def test_states_of_any_size_are_on_the_page(size, dtype):
    states = (size * np.array([[0.0], [1.0], [2.0], [3.0], [np.inf]])).astype(dtype)
    axes = Figure().subplots()
    plot.trajectories(axes, comparison(states), COLOURS)
    low, high = axes.get_ylim()
    assert low < 0 and 3 * size < high < 9 * size


def test_errors_are_drawn_where_there_are_any_with_the_limit():
    axes = Figure().subplots()
    plot.errors(axes, comparison([[0.0]] * 5, row("mine"), row("none", errors=[np.nan] * 5)), COLOURS)
    limit, error, stop = axes.lines
    np.testing.assert_allclose(error.get_ydata(), [np.nan, 1e-3, 1e-2, 0.2])
    assert list(limit.get_ydata()) == [0.1, 0.1] and axes.get_yscale() == "log"
    assert (stop.get_marker(), stop.get_xdata()[0]) == ("x", 3)
    assert words(axes) == ["a tenth: they part", "mine"]


def test_an_error_of_zero_and_the_error_of_one_sample_are_seen():
    axes = Figure().subplots()
    plot.errors(axes, comparison([[0.0]] * 2, row("mine", errors=[0.0, 1.0]), row("none", errors=[0.0, 0.0])), COLOURS)
    assert words(axes) == ["a tenth: they part", "mine", "none: 0"]
    assert [line.get_marker() for line in axes.lines[1:]] == ["."]


def test_an_error_that_ends_at_zero_says_so():
    axes = Figure().subplots()
    plot.errors(axes, comparison([[0.0]] * 5, row("mine", errors=[0.0, 0.2, 1e-3, 0.0, 0.0])), COLOURS)
    assert words(axes) == ["a tenth: they part", "mine: 0 at the end"]


def test_an_error_off_the_page_is_labelled_with_its_size_where_it_leaves():
    axes = Figure().subplots()
    plot.errors(axes, comparison([[0.0]] * 5, row("mine", errors=[0.0, 1.0, 1e6, 1e119, np.nan])), COLOURS)
    assert words(axes)[1] == "mine ↑ 10¹¹⁹" and axes.texts[1].xy[0] == 2 and axes.get_ylim()[1] == 1e3


@pytest.mark.filterwarnings("error")
def test_an_error_near_the_end_of_the_float_range_warns_of_nothing():
    axes = Figure().subplots()
    plot.errors(axes, comparison([[0.0]] * 5, row("mine", errors=[0.0, 1.0, 1e6, 1.7e308, np.nan])), COLOURS)
    assert words(axes)[1] == "mine ↑ 10³⁰⁸" and axes.get_ylim()[1] == 1e3


def test_growth_has_the_computed_norms_over_the_predicted_rates():
    axes = Figure().subplots()
    plot.growth(axes, comparison([[0.0]] * 5))
    predicted, textbook, rate, network = (line.get_ydata() for line in axes.lines[:4])
    np.testing.assert_allclose(predicted, 2.0 ** np.arange(4))
    np.testing.assert_allclose(textbook, [1, 2])
    np.testing.assert_allclose(rate, 0.5 ** np.arange(4))
    np.testing.assert_allclose(network, [1, 0.5, 0.25])
    assert words(axes) == ["‖exp(W t)‖", "‖Wᵏ‖"]


@pytest.mark.filterwarnings("error")
def test_growth_beyond_the_float_range_is_drawn_as_far_as_it_goes():
    c = comparison([[0.0]] * 5)
    c.growth.abscissa, c.growth.radius = 400.0, 1e100
    c.growth.textbook, c.growth.network = np.array([1.0, 1e170, 1e307, np.inf]), np.array([1.0, 1e100, 1e200, 1e300])
    axes = Figure().subplots()
    plot.growth(axes, c)
    axes.figure.draw_without_rendering()
    low, high = axes.get_ylim()
    assert 1e-20 < low < 1 and high == pytest.approx(1e250)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [(4, 2), (11, 7)])
def test_decay_and_growth_beyond_the_float_range_are_drawn_on_one_axis(size):
    """As of a multiplier of −1e100: exp(W t) is 0 after a step, and the powers of W leave the range."""
    c = comparison([[0.0]] * 5)
    c.growth.abscissa, c.growth.radius = -1e100, 1e100
    c.growth.textbook, c.growth.network = np.array([1.0, 0.0, 0.0, 0.0]), np.array([1.0, 1e100, 1e200, 1e300])
    axes = Figure(size).subplots()
    plot.growth(axes, c)
    axes.figure.draw_without_rendering()
    marks = axes.get_yticks()
    assert axes.get_ylim() == pytest.approx((1e-250, 1e250)) and len(marks) > 1
    assert np.isfinite(marks).all() and (marks > 0).all()
