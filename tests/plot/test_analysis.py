"""The page of an analysis, drawn from plain values."""

from types import SimpleNamespace

import numpy as np
import pytest

from rnn_ode import plot


def points(rows, kinds, verdicts):
    return SimpleNamespace(points=np.array(rows), count=len(rows), kind_names=kinds, verdict_names=verdicts)


def lyapunov(values, errors):
    history, zero = np.array([values, values], float), np.abs(values) < 1e-3
    return SimpleNamespace(
        exponents=history[0], stderr=np.array(errors), history=history, is_zero=zero, times=np.array([1, 2.0])
    )


def side(name="network", reason="", **answers):
    found = points([[0.0, 0.0], [1.0, 1.0]], ["SADDLE", "NODE"], ["GROWS", "DECAYS"])
    grid = np.linspace(-2, 2, 21)
    x, y = np.meshgrid(grid, grid)
    default = {
        "name": name,
        "reason": reason,
        "orbit": np.array([[0.1, 0.0], [0.5, 0.2], [0.9, 0.8]]),
        "points": found,
        "added": np.array([False, True]),
        "mark": "lost",
        "nullclines": np.stack([y - x**3, x - y]),
        "exponents": lyapunov([0.5, -np.inf], [0.1, 0.0]),
        "gradients": SimpleNamespace(log_norms=np.log([1.0, 10.0, 0.0 + 1e-300])),
        "transient": SimpleNamespace(times=np.arange(40.0), norms=np.exp(-np.arange(40.0)), peak=1.0, peak_time=0.0),
        "about": np.zeros(2),
    }
    return SimpleNamespace(**{**default, **answers})


def page(*sides, size=2):
    method = SimpleNamespace(label="mine")
    centre, axes, grid = np.zeros(size), np.eye(2, size), np.linspace(-2, 2, 21)
    return plot.analysis(
        SimpleNamespace(sides=sides, x=np.zeros(6), method=method, centre=centre, axes=axes, grid=grid, dt=1.0)
    )


NOTHING = dict.fromkeys(("points", "nullclines", "exponents", "gradients", "transient", "about"))


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_a_column_a_system_and_a_row_a_question():
    figure = page(side(), side("flow"))
    assert len(figure.axes) == 8
    titles = [axes.get_title(loc="left") for axes in figure.axes[:2]]
    assert titles == ["network: phase portrait", "flow: phase portrait"]
    found = "network: 2 fixed points, largest exponent 0.5; flow: 2 fixed points, largest exponent 0.5"
    assert plot._page._TITLES[figure] == f"{found} (input x = (0, 0, 0, 0, …))"


def test_what_is_outside_of_a_portrait_is_said_and_drawn_nowhere():
    far = points([[0.0, 0.0], [9.0, 0.5], [-2.5, 0.0]], ["NODE"] * 3, ["DECAYS"] * 3)
    orbit = np.array([[5.0, 0.0], [0.5, 0.2], [0.1, 0.1]])
    figure = page(side(points=far, added=np.zeros(3, bool), orbit=orbit), side("flow"))
    markers = [line.get_xydata() for line in figure.axes[0].lines if line.get_marker() == "o"]
    np.testing.assert_array_equal(np.concatenate(markers), [[0.0, 0.0]])
    first, second = ([text.get_text() for text in axes.get_legend().get_texts()] for axes in figure.axes[:2])
    assert "2 fixed points outside" in first and "the run, which begins outside" in first
    assert not any("outside" in text for text in second)


def test_an_exponent_is_zero_or_has_its_error_where_it_is_not_known():
    cycle, unsettled = lyapunov([1e-4, -0.5], [1e-3, 1e-3]), lyapunov([2.741, 0.5], [3.0, 1.0])
    found = plot._page._TITLES[page(side(exponents=cycle), side("flow", exponents=unsettled))]
    assert "network: 2 fixed points, largest exponent zero; flow" in found
    assert "largest exponent 2.74 ± 3 (input" in found


def test_what_one_system_cannot_answer_is_a_gap_with_the_reason():
    figure = page(side(), side("flow", "W_h is singular", **NOTHING))
    for axes in figure.axes[1::2]:
        assert texts(axes) == ["no answer here:\nW_h is singular"]


def test_systems_share_the_axes_of_a_question():
    figure = page(side(), side("flow", exponents=lyapunov([30.0, -40.0], [0.0, 0.0])))
    assert figure.axes[2].get_ylim() == figure.axes[3].get_ylim()


def test_an_exponent_of_minus_infinity_is_said():
    assert texts(page(side(), side()).axes[2]) == ["0.5 ± 0.1", "−∞"]


@pytest.mark.filterwarnings("error")
def test_the_legend_names_the_nullclines_that_there_are():
    x, y = np.meshgrid(*2 * [np.linspace(-2, 2, 21)])
    figure = page(side(nullclines=np.stack([y - x**3, 0.3 + 0 * x])), side("flow"))
    first, second = ([text.get_text() for text in axes.get_legend().get_texts()] for axes in figure.axes[:2])
    assert "nullcline of unit 0" in first and "nullcline of unit 1" not in first
    assert "nullcline of unit 1" in second


def test_a_gradient_that_is_zero_is_said_and_marked():
    gone = SimpleNamespace(log_norms=np.array([0.0, -np.inf, -np.inf]))
    axes = page(side(gradients=gone), side("flow")).axes[4]
    assert plot._page._TITLES[axes].endswith("not at all from lag 1 on")
    (mark,) = (line for line in axes.lines if line.get_marker() == "v")
    assert (list(mark.get_xdata()), list(mark.get_ydata())) == ([1], [0])


def test_many_exponents_are_drawn_as_a_spectrum():
    many = lyapunov([*np.linspace(1, -1, 47), -np.inf], np.full(48, 0.1))
    assert texts(page(side(exponents=many), side()).axes[2]) == ["−∞"]


def test_fixed_points_are_marked_by_kind_and_verdict_and_by_what_the_other_lacks():
    axes = page(side(), side()).axes[0]
    saddle, node = axes.lines[-2:]
    assert (saddle.get_marker(), node.get_marker()) == (plot.SHAPES["SADDLE"], plot.SHAPES["NODE"])
    assert (saddle.get_markerfacecolor(), node.get_markerfacecolor()) == ("#ffffff", "#005af0")
    assert (saddle.get_markeredgecolor(), node.get_markeredgecolor()) == (plot.NETWORK, "#b43c00")
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == [
        "nullcline of unit 0",
        "nullcline of unit 1",
        "the run",
        "saddle, unstable",
        "node, stable (lost)",
    ]


def test_three_units_are_drawn_in_principal_components():
    three = {"points": points([[0.0, 0.0, 0.0]], ["NODE"], ["DECAYS"]), "orbit": np.ones((4, 3)), "nullclines": None}
    axes = page(side(**three), side(**three), size=3).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("principal component 1", "principal component 2")


@pytest.mark.gate
def test_legends_stay_on_the_page():
    figure = page(side(), side())
    figure.draw_without_rendering()
    legends = [axes.get_legend() for axes in figure.axes if axes.get_legend() is not None]
    assert legends
    for legend in legends:
        box = legend.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width
