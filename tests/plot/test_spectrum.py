"""Multipliers on decay regions, with methods that are plain objects."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

import rnn_ode as ro
from rnn_ode import plot

BLUE, RED = (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)


def drawn(methods, multipliers=(0.5, -0.5j)):
    axes = Figure().subplots()
    spectrum = SimpleNamespace(multipliers=np.array(multipliers))
    plot.decay_regions(axes, spectrum, methods, {method.label: BLUE for method in methods})
    return axes


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def method(label="mine", decay_label="", exponent=lambda z: z - 1):
    return SimpleNamespace(label=label, decay_label=decay_label, exponent=exponent)


def test_a_method_draws_the_border_where_its_growth_is_zero():
    axes = drawn([method()])
    (border,) = [c for c in axes.collections if len(c.get_paths()) and not c.get_facecolor().size]
    np.testing.assert_allclose(border.get_paths()[0].vertices[:, 0], 1.0, atol=1e-9)
    assert labels(axes) == ["network decays: |λ| < 1", "border of mine", "multipliers of the linear part"]


def test_a_method_with_a_legend_for_its_region_is_shaded():
    plain, shaded = drawn([method()]), drawn([method(decay_label="mine decays: Re λ < 1")])
    assert len(shaded.collections) == len(plain.collections) + 1
    assert labels(shaded)[1] == "mine decays: Re λ < 1"


@pytest.mark.slow
@pytest.mark.parametrize("ours", [ro.Textbook(), ro.Forward(2), ro.Exact()])
def test_of_our_methods_only_the_textbook_is_shaded(ours):
    assert bool(ours.decay_label) == isinstance(ours, ro.Textbook)
    axes = drawn([ours])
    assert len(axes.collections) == 1 + bool(ours.decay_label) and (ours.decay_label in labels(axes)) == bool(
        ours.decay_label
    )


def widths(axes):
    return [c.get_linewidths()[0] for c in axes.collections if not c.get_facecolor().size]


@pytest.mark.slow
def test_borders_that_coincide_are_all_seen_and_no_line_is_thick():
    assert widths(drawn([method("one"), method("two", exponent=lambda z: 2 * z - 2)])) == pytest.approx([4.3, 1.8])
    assert widths(drawn([method("one"), method("two", exponent=lambda z: z - 0.9)])) == pytest.approx([1.8, 1.8])
    many = widths(drawn([method(str(i)) for i in range(9)]))
    assert many == sorted(many, reverse=True) and len(set(many)) == 9 and many[0] < 6
    assert widths(drawn([ro.Tustin(), ro.Forward(1), ro.Exact()]))[::2] == pytest.approx([4.3, 1.8])


def test_every_multiplier_is_on_the_page():
    axes = drawn([method()], (7.0, -3j))
    dots = axes.lines[-1]
    np.testing.assert_array_equal(dots.get_xdata(), [7, 0])
    np.testing.assert_array_equal(dots.get_ydata(), [0, -3])
    assert axes.get_xlim() == axes.get_ylim() and axes.get_xlim()[1] > 7


def test_infinite_and_undefined_exponents_leave_the_rest_of_the_border():
    axes = drawn([method(exponent=lambda z: np.where(z == z[0, 0], np.inf, np.where(z == z[1, 1], np.nan, z)))])
    x, y = axes.collections[0].get_paths()[0].vertices.T
    axis = np.abs(x) < 1
    np.testing.assert_allclose(x[axis], 0, atol=1e-9)
    np.testing.assert_allclose((y[axis].min(), y[axis].max()), axes.get_ylim())


def test_the_picture_of_a_spectrum_says_what_the_network_does():
    figure = plot.spectrum(ro.spectrum(np.diag([0.5, -2.0])), (ro.Forward(1),))
    assert figure.get_suptitle() == "The network grows: its largest multiplier has modulus 2"
    with pytest.raises(ValueError, match=r"s holds a batch \(3,\) of results"):
        plot.spectrum(SimpleNamespace(multipliers=np.ones((3, 2))))


def test_a_spectrum_draws_the_five_usual_methods_or_those_it_is_given(monkeypatch):
    monkeypatch.setattr(plot, "spectrum", lambda s, methods: methods)
    s = ro.spectrum(np.eye(2))
    usual = (ro.Textbook(), ro.Forward(1), ro.Backward(1), ro.Tustin(), ro.Exact())
    assert s.plot() == usual and s.plot(ro.Forward(2)) == (ro.Forward(2),)
