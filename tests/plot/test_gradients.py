"""Gradients against lag, drawn from plain values."""

from types import SimpleNamespace

import numpy as np
import pytest

from rnn_ode import plot


def flow(log_norms, rate=-0.1, gain=1.5):
    log_norms = np.asarray(log_norms)
    lags = np.arange(log_norms.shape[-1])
    bounds = SimpleNamespace(
        gain=gain,
        log_from_weights=lags * np.log(gain),
        log_from_steps=lags * np.log(0.8),
        vanishing_guaranteed=gain < 1,
    )
    return SimpleNamespace(
        log_norms=log_norms, measured_rate=rate, predicted_rate=-np.inf, lyapunov_rate=rate, bounds=bounds
    )


def titles(figure):
    return [plot._page._TITLES[axes] for axes in figure.axes]


@pytest.mark.parametrize(
    ("log_norms", "rate", "gain", "fate"),
    [
        ([0.0, 3.0, 6.0], 3.0, 30.0, "explodes: ×20.1 a step"),
        ([0.0, -3.0, -6.0], -3.0, 1.0, "vanishes: ×0.0498 a step"),
        ([0.0, 2.0, 4.0], 0.05, 30.0, "persists: ×1.05 a step"),
        ([0.0, 3.0, 6.0], 0.05, 30.0, "explodes: ×1.05 a step"),  # slowly, but by more than a hundredfold
        ([0.0, -0.7, -1.4], -0.7, 1.0, "vanishes: ×0.497 a step"),  # little in all, but fast
        ([0.0, 2.0, 1.0], -0.7, 30.0, "vanishes: ×0.497 a step"),  # it grew at first
        ([0.0, -0.05, -0.1], -0.05, 0.95, "vanishes: ×0.951 a step"),  # the weights let it do nothing else
        ([0.0, 1.0, -np.inf], -np.inf, 1.0, "vanishes: 0 from lag 2"),
        ([0.0, np.nan, np.nan], np.nan, 1.0, "is undefined: see its result"),
    ],
)
def test_a_panel_says_what_became_of_the_gradient(log_norms, rate, gain, fate):
    assert titles(plot.gradient_flows({"mine": flow(log_norms, rate, gain)})) == [f"mine\n{fate}"]


def test_a_single_gradient_has_its_fate_as_the_headline_of_the_page():
    figure = plot.gradient_flow(flow([0.0, -0.7, -1.4], -0.7))
    assert figure.get_suptitle() == "The gradient vanishes: ×0.497 a step" and titles(figure) == [""]


@pytest.mark.parametrize("gain", [1.5, np.inf])
def test_the_legend_names_a_bound_by_the_weights_where_there_is_one(gain):
    g = flow([0.0, -0.1])
    g.bounds.gain = gain
    (legend,) = plot.gradient_flows({"mine": g}).legends
    named = any("ruled out by the weights" in text.get_text() for text in legend.get_texts())
    assert named == np.isfinite(gain)


@pytest.mark.slow
def test_networks_are_side_by_side_on_one_axis():
    flows = {"long": flow(-9.0 * np.arange(4)), "short": flow(0.1 * np.arange(4))}
    figure = plot.gradient_flows(flows)
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert figure.axes[0].get_ylim()[0] < -27 / np.log(10)
    for axes, g in zip(figure.axes, flows.values(), strict=True):
        curves = [np.asarray(line.get_ydata()) * np.log(10) for line in axes.lines]
        assert any(len(curve) == 4 and np.allclose(curve, g.log_norms) for curve in curves)
    figure.draw_without_rendering()


def test_a_triangle_marks_where_the_gradient_is_gone():
    (axes,) = plot.gradient_flows({"mine": flow([0.0, -1.0, -np.inf, -np.inf])}).axes
    triangle = axes.lines[-1]
    assert triangle.get_marker() == "v" and list(triangle.get_xdata()) == [2]


def test_several_networks_are_counted_by_their_fate():
    rates = {"long": -9.0, "short": 0.05, "loud": 9.0}
    flows = {name: flow(rate * np.arange(4), rate) for name, rate in rates.items()}
    assert plot._page._TITLES[plot.gradient_flows(flows)] == "Gradients: 1 of 3 vanish, 1 of 3 persist, 1 of 3 explode"


def test_no_flow_and_a_batch_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        plot.gradient_flows({})
    with pytest.raises(ValueError, match=r"flows\['many'\] holds a batch \(4,\)"):
        plot.gradient_flows({"many": flow(np.zeros((4, 3)))})
