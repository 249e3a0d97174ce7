"""Transient growth and pseudospectra, drawn from plain values."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from rnn_ode import Verdict, plot

MAP = SimpleNamespace(
    times=np.arange(6.0),
    norms=np.array([1.0, 10.0, 5.0, 0.05, 0.01, np.nan]),
    rate=-0.7,
    peak=10.0,
    peak_time=1.0,
    kreiss=5.0,
    eigenvalues=np.array([0.5, 0.25]),
    numerical_radius=5.5,
    numerical_abscissa=None,
    verdict=Verdict.DECAYS,
)
FLOW = SimpleNamespace(**{**vars(MAP), "numerical_radius": None, "numerical_abscissa": 2.0})
UNBOUNDED = dict.fromkeys(("peak", "peak_time", "kreiss"), np.inf)
GROWS = SimpleNamespace(**{**vars(MAP), **UNBOUNDED, "norms": np.exp(np.arange(6.0)), "verdict": Verdict.GROWS})
X = np.linspace(-1, 1, 5)
GRID = X[None] + 1j * X[:, None]


def labels(axes):
    return [text.get_text().replace("\n", " ") for text in axes.texts]


def test_the_curve_ends_where_everything_has_happened():
    predicted, norms, _, peak = plot.transient(MAP).axes[0].lines
    np.testing.assert_array_equal(norms.get_ydata(), [1, 10, 5, 0.05])
    np.testing.assert_allclose(predicted.get_ydata(), np.exp(-0.7 * np.arange(4)))
    assert (peak.get_xdata()[0], peak.get_ydata()[0]) == (1, 10)
    assert plot.transient(MAP).get_suptitle() == "Disturbances grow up to ×10, at t = 1"
    assert labels(plot.transient(MAP).axes[0])[2] == "Kreiss constant 5"


@pytest.mark.filterwarnings("error")
def test_a_matrix_with_no_rate_is_zero_after_the_first_step():
    gone = SimpleNamespace(**{**vars(MAP), "rate": -np.inf})
    figure = plot.transient(gone)
    figure.draw_without_rendering()
    predicted = figure.axes[0].lines[0].get_ydata()
    assert predicted[0] == 1 and np.all(predicted[1:] < 1e-200)


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_a_peak_near_the_end_of_the_float_range_is_drawn():
    high = SimpleNamespace(
        **{**vars(MAP), "norms": np.array([1.0, 1.7e308, 0.0]), "times": np.arange(3.0), "peak": 1.7e308}
    )
    figure = plot.transient(high)
    figure.draw_without_rendering()
    marks = figure.axes[0].get_yticks()
    assert len(marks) > 1 and np.isfinite(marks).all() and (marks > 0).all()


def test_growth_without_bound_has_no_peak():
    assert len(plot.transient(GROWS).axes[0].lines) == 2


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Verdict.GROWS, "Disturbances grow without bound"),
        (Verdict.UNDETERMINED, "The eigenvalues cannot say whether disturbances stay bounded"),
        (Verdict.DECAYS, "Disturbances grow beyond the float range"),
    ],
)
def test_growth_without_a_peak_has_the_reason_in_the_headline(verdict, words):
    assert plot.transient(SimpleNamespace(**{**vars(GROWS), "verdict": verdict})).get_suptitle() == words


def test_a_map_and_a_flow_have_their_own_names():
    names = [(plot.transient(t).axes[0].get_xlabel(), labels(plot.transient(t).axes[0])[1]) for t in (MAP, FLOW)]
    assert names == [("steps · dt", "‖Wᵏ‖"), ("time", "‖exp(A t)‖")]


def test_boundaries_are_circles_of_a_map_and_upright_lines_of_a_flow():
    circle, numerical = plot.pseudospectrum(MAP, GRID, abs(GRID) + 0.1).axes[0].lines[1:]
    np.testing.assert_allclose(np.hypot(*circle.get_data()), 1)
    np.testing.assert_allclose(np.hypot(*numerical.get_data()), 5.5)
    zero, abscissa = plot.pseudospectrum(FLOW, GRID, abs(GRID) + 0.1).axes[0].lines[1:]
    assert (zero.get_xdata()[0], abscissa.get_xdata()[0]) == (0, 2)


@pytest.mark.slow
def test_numbers_of_any_size_stay_apart_below_a_pseudospectrum():
    for size in (1e-3, 44100.0, 1e9):
        figure = plot.pseudospectrum(FLOW, size * GRID, abs(GRID) + 0.1)
        figure.draw_without_rendering()
        axes = figure.axes[0]
        low, high = axes.get_xlim()
        boxes = [
            tick.label1.get_window_extent() for tick in axes.xaxis.get_major_ticks() if low <= tick.get_loc() <= high
        ]
        assert len(boxes) > 2 and all(one.x1 + 4 < other.x0 for one, other in itertools.pairwise(boxes))


def test_a_grid_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"grid and smallest must both be \(m, n\)"):
        plot.pseudospectrum(MAP, GRID, np.ones(3))
