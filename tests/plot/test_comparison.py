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


def row(label, states=None, errors=(0.0, 1e-3, 1e-2, 0.2, np.nan)):
    method = SimpleNamespace(label=label, decay_label="", exponent=lambda z: z - 1)
    return SimpleNamespace(method=method, trajectory=None if states is None else run(states), errors=np.array(errors))


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
    return SimpleNamespace(network=run(states), rows=rows, spectrum=spectrum, growth=growth, error_limit=0.1)


def test_the_page_has_four_panels_and_says_which_method_does_not_exist():
    states = np.stack([TS, 0 * TS], axis=1)
    figure = plot.comparison(comparison(states, row("mine", states + 0.1), row("none")))
    assert len(figure.axes) == 4
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["network", "mine", "none (does not exist here)"]
    figure.draw_without_rendering()


def test_trajectories_are_of_the_unit_with_the_largest_swing():
    states = np.stack([0 * TS + 9, TS], axis=1)
    axes = Figure().subplots()
    plot.trajectories(axes, comparison(states, row("mine", states + 0.5)), COLOURS)
    flow, network = axes.lines
    assert axes.get_ylabel() == "state of unit 1"
    np.testing.assert_array_equal(network.get_ydata(), TS)
    np.testing.assert_array_equal(flow.get_ydata(), TS + 0.5)


def test_a_trajectory_leaves_the_page_and_ends_there():
    states = np.array([[0.0], [1.0], [0.0], [1.0], [0.0]])
    axes = Figure().subplots()
    plot.trajectories(axes, comparison(states, row("mine", [[0.0], [1.0], [50.0], [60.0], [0.5]])), COLOURS)
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [0.0, 1.0, 50.0, np.nan, np.nan])


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
    error, limit = axes.lines
    np.testing.assert_allclose(error.get_ydata(), [np.nan, 1e-3, 1e-2, 0.2, np.nan])
    assert list(limit.get_ydata()) == [0.1, 0.1] and axes.get_yscale() == "log"


def test_growth_has_the_computed_norms_over_the_predicted_rates():
    axes = Figure().subplots()
    plot.growth(axes, comparison([[0.0]] * 5))
    predicted, textbook, rate, network = (line.get_ydata() for line in axes.lines[:4])
    np.testing.assert_allclose(predicted, 2.0 ** np.arange(4))
    np.testing.assert_allclose(textbook, [1, 2])
    np.testing.assert_allclose(rate, 0.5 ** np.arange(4))
    np.testing.assert_allclose(network, [1, 0.5, 0.25])
