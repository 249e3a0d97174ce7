"""Basins of attraction, drawn from plain values."""

from types import SimpleNamespace

import numpy as np
import pytest

from rnn_ode import plot


def basins(count, scale=(1.0, 1.0)):
    """A grid of 12 × 12 states, and attractors along its diagonal."""
    x = np.linspace(-1, 1, 12)
    states = np.stack(np.meshgrid(x, x), axis=-1).reshape(-1, 2) * scale
    attractors = [SimpleNamespace(kind="point", points=states[13 * k % 144][None]) for k in range(count)]
    labels = np.arange(144) % count
    return SimpleNamespace(states=states, labels=labels, attractors=attractors, fractions=np.bincount(labels) / 144)


@pytest.mark.filterwarnings("error")
def test_many_attractors_leave_room_for_the_picture():
    figure = plot.basins(basins(25))
    figure.draw_without_rendering()
    (axes,) = figure.axes
    legend = axes.get_legend()
    assert axes.get_position().height > 0.6
    assert [text.get_text() for text in legend.get_texts()][9:] == [
        "9: point, 4.17 %",
        "and 15 more, in the same colours",
    ]
    assert legend.get_window_extent().y0 >= 0


def test_a_grid_is_an_image_where_the_coordinates_have_different_units():
    for scale in ((1.0, 1e-9), (1e6, 1e-3)):
        (axes,) = plot.basins(basins(2, scale)).axes
        (image,) = axes.collections
        assert image.get_array().shape == (12, 12)
        assert axes.get_xlim()[1] == pytest.approx(scale[0] * 12 / 11) and axes.get_ylim()[1] == pytest.approx(
            scale[1] * 12 / 11
        )
