"""The pages of benchmarks, forecasts and studies of memory, drawn from plain values."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from rnn_ode import plot


def bench_row(contender, ratio=1.0, case="iterate", **fields):
    default = {"hidden": 64, "batch": 1, "steps": 100, "skipped": None, "curve": None}
    return SimpleNamespace(contender=contender, ratio=ratio, case=case, **{**default, **fields})


def test_a_bar_reaches_from_one_to_the_ratio_and_what_did_not_run_is_named_in_one_line():
    rows = [bench_row("ours"), bench_row("fast", 0.5), bench_row("slow", 3.0), bench_row("none", None, skipped="why"),
            bench_row("wrong", None)]  # fmt: skip
    figure = plot.bench(rows)
    (axes,) = figure.axes
    assert [(bar.get_x(), bar.get_width()) for bar in axes.patches] == [(1, -0.5), (1, 2.0)]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["fast", "slow", "wrong"]
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["iterate, 64 units × 1 × 100 steps", " 0.5", " 3", " wrong values"]
    assert axes.get_xlabel().splitlines()[1] == "did not run here: none"
    assert figure.get_suptitle() == "Ours is faster in 1 of 2 races"


def test_a_contender_that_ran_in_one_case_is_not_named_as_absent():
    rows = [bench_row("ours"), bench_row("slow", 3.0)]
    rows += [
        bench_row("ours", case="other"),
        *(bench_row(name, None, "other", skipped="why") for name in ("slow", "none")),
    ]
    assert plot.bench(rows).axes[0].get_xlabel().splitlines()[1:] == ["did not run here: none"]


def test_a_case_that_only_we_ran_takes_no_room():
    rows = [bench_row("ours"), bench_row("ours", case="alone"), bench_row("none", None, case="alone", skipped="why")]
    assert [text.get_text() for text in plot.bench(rows).axes[0].texts] == []


def test_a_case_with_curves_has_a_panel_of_them():
    curved = [bench_row(name, case="flow", hidden=None, curve=[(1e-3, 0.1), (1e-6, 0.2)]) for name in ("ours", "slow")]
    figure = plot.bench([bench_row("ours"), *curved])
    assert len(figure.axes) == 2
    assert [text.get_text() for text in figure.axes[1].get_legend().get_texts()] == ["ours", "slow"]
    with pytest.raises(ValueError, match="at least one row"):
        plot.bench([])


class Windows(SimpleNamespace):
    def __len__(self):
        return len(self.starts)


@pytest.fixture
def forecast():
    targets = np.sin(np.arange(50.0))[:, None, None] + np.zeros((50, 3, 1))
    history = SimpleNamespace(
        loss=np.ones(9), gradient_norm=np.ones(9), checks={"validation": [1.0, 0.5]}, checked_at=[1, 9]
    )
    test = Windows(starts=np.arange(100, 150), inputs=np.zeros((50, 10, 1)), gap=2, targets=targets)
    band = SimpleNamespace(mean=targets + 0.1, lower=targets - 0.5, upper=targets + 0.5)
    future = SimpleNamespace(mean=np.zeros((3, 1)), lower=-np.ones((3, 1)), upper=np.ones((3, 1)))
    return SimpleNamespace(
        split=SimpleNamespace(test=test),
        band=band,
        members=np.stack([band.mean] * 5),
        future=future,
        share=0.9,
        baselines={"last value": targets + 0.2},
        fit=SimpleNamespace(history=history),
    )


def test_a_forecast_is_drawn_at_the_rows_that_it_is_of(forecast):
    axes = plot.forecast(forecast).axes
    assert len(axes) == 4
    series = axes[0].lines[0]
    np.testing.assert_array_equal(series.get_xdata(), np.arange(100, 150) + 10 + 2 + 3 - 1)
    np.testing.assert_array_equal(series.get_ydata(), np.sin(np.arange(50.0)))
    assert len(axes[1].lines[0].get_xdata()) == 20
    assert [label.get_text() for label in axes[2].get_yticklabels()] == ["last value", "mean of all 5"]
    np.testing.assert_allclose([bar.get_width() for bar in axes[2].patches], [0.2, 0.1])
    assert [text.get_text() for text in axes[3].texts] == ["norm of the gradient", "loss", "validation"]
    assert plot.forecast(forecast).get_suptitle() == (
        "The mean of all 5 networks is wrong by 0.1 on average, 50% less than last value"
    )


@pytest.mark.parametrize(("lift", "cut"), [(0.0, False), (1.0, True)])
def test_forecasts_are_cut_at_zero_where_the_series_is_never_negative(forecast, lift, cut):
    """The mean too: it would otherwise be drawn outside its own interval."""
    test, band = forecast.split.test, forecast.band
    test.targets, band.lower, band.upper = test.targets + lift, band.lower + lift, band.upper + lift
    band.mean = test.targets - 0.3
    axes = plot.forecast(forecast).axes[0]
    lowest = axes.collections[0].get_paths()[0].vertices[:, 1].min()
    assert lowest == (0 if cut else band.lower.min())
    assert axes.lines[1].get_ydata().min() == (0 if cut else band.mean[:, -1].min())
    assert ("cut at 0" in plot._page._TITLES[axes]) == cut


@pytest.mark.slow
def test_rows_of_a_series_have_whole_numbers(forecast):
    figure = plot.forecast(forecast)
    figure.draw_without_rendering()
    assert all(label.get_text().isdecimal() for axes in figure.axes[:2] for label in axes.get_xticklabels())


@pytest.mark.parametrize("loss", [[2.0, 0.5, -3.0], [1.0, 1e-6, 0.0], [0.0, 0.0, 0.0]])
@pytest.mark.filterwarnings("error")
def test_a_loss_that_is_not_positive_is_drawn_up_to_its_end(loss):
    """A negative log-likelihood falls below zero."""
    axes = Figure().subplots()
    plot.training(axes, SimpleNamespace(loss=np.array(loss), gradient_norm=np.ones(3), checks={}))
    axes.figure.draw_without_rendering()
    low, high = axes.get_ylim()
    assert low <= min(loss) and max(loss) <= high and axes.get_yscale() == "symlog"
    assert {text.get_text(): text.xy[1] for text in axes.texts}["loss"] == loss[-1]


def test_a_training_of_one_step_has_a_point():
    axes = Figure().subplots()
    plot.training(axes, SimpleNamespace(loss=np.array([2.0]), gradient_norm=np.ones(1), checks={}))
    assert axes.get_yscale() == "log" and [line.get_marker() for line in axes.lines] == [".", "."]


def test_a_study_of_memory_has_the_share_that_learnt_each_lag():
    trials = [
        SimpleNamespace(cell=f"cell {c}", lag=lag, learnt=lag < 20, gradient_before=-lag * 50.0, score=0.5)
        for c in range(11)
        for lag in (10, 30)
    ]
    groups = [[trial] for trial in trials]
    study = SimpleNamespace(
        trials=trials,
        groups=lambda: groups,
        share=lambda group: float(group[0].learnt),
        longest=lambda cell: 10 if cell == "cell 0" else 0,
        settings={"task": "recall", "solved": 0.9},
    )
    figure = plot.memory(study)
    left, right = figure.axes
    assert list(left.get_xticks()) == [30, 10]
    assert all(list(line.get_ydata()) == [1, 0] for line in left.lines) and left.get_ylim() == (0, 1)
    widths = [line.get_linewidth() for line in left.lines]
    assert widths == sorted(widths, reverse=True) and len(set(widths)) == 11
    assert left.lines[10].get_color() == left.lines[0].get_color()
    assert min(points.get_offsets()[:, 0].min() for points in right.collections if len(points.get_offsets())) == -150
    assert "cell 0 10, cell 1 none, cell 2 none, cell 3 none, …" in plot._page._TITLES[figure]


@pytest.mark.parametrize("least", [-1.3, 0.0, 12.0, -40.0, -np.inf])
def test_the_numbers_of_bars_are_between_the_names_and_the_edge(least):
    schemes = [
        SimpleNamespace(label="evolve(ahead=1, behind=1)", snr=snr, applications=1, latency=2.0, in_phase=True)
        for snr in (16.3, least)
    ]
    figure = plot.recommendation(SimpleNamespace(schemes=schemes, best=schemes[0], front=schemes[:1], ratio=2.0))
    figure.draw_without_rendering()
    box = figure.axes[0].get_window_extent()
    for text in figure.axes[0].texts:
        assert box.x0 <= text.get_window_extent().x0 and text.get_window_extent().x1 <= box.x1


@pytest.mark.slow
@pytest.mark.parametrize("size", [1.0, 1e5])
def test_the_numbers_of_errors_are_inside_of_their_panel(forecast, size):
    forecast.baselines = {"last value": forecast.split.test.targets + 1.2345 * size}
    figure = plot.forecast(forecast)
    figure.draw_without_rendering()
    right = figure.axes[2].get_window_extent().x1
    assert all(text.get_window_extent().x1 < right for text in figure.axes[2].texts)


@pytest.mark.parametrize(
    ("error", "words"),
    [(0.1, "as much as last value"), (0.1002, "as much as last value"), (0.2, "50% less than last value")],
)
def test_a_forecast_that_errs_as_much_as_another_is_not_said_to_err_more(forecast, error, words):
    forecast.baselines = {"last value": forecast.split.test.targets + error}
    assert plot._forecast._finding(forecast).endswith(words)


@pytest.mark.parametrize(("share", "words"), [(0.9, "90%"), (0.975, "97.5%"), (0.995, "99.5%"), (0.999, "99.9%")])
def test_an_interval_of_less_than_everything_is_not_said_to_be_of_all(forecast, share, words):
    forecast.share = share
    axes = Figure().subplots()
    plot.forecast_rows(axes, forecast, None)
    assert f"{words} interval" in axes.get_legend_handles_labels()[1]
