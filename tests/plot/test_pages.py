"""The pages of benchmarks, forecasts and studies of memory, drawn from plain values."""

from types import SimpleNamespace

import numpy as np
import pytest

from rnn_ode import plot


def bench_row(contender, ratio=1.0, case="iterate", **fields):
    default = {"hidden": 64, "batch": 1, "steps": 100, "skipped": None, "curve": None}
    return SimpleNamespace(contender=contender, ratio=ratio, case=case, **{**default, **fields})


def test_a_bar_reaches_from_one_to_the_ratio_and_what_is_missing_is_said():
    rows = [bench_row("ours"), bench_row("fast", 0.5), bench_row("slow", 3.0), bench_row("none", None, skipped="why"),
            bench_row("wrong", None)]  # fmt: skip
    (axes,) = plot.bench(rows).axes
    assert [(bar.get_x(), bar.get_width()) for bar in axes.patches] == [(1, -0.5), (1, 2.0)]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["fast", "slow", "none", "wrong"]
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["iterate, 64 units × 1 × 100 steps", " 0.5", " 3", " skipped", " wrong values"]


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
    test = Windows(starts=np.arange(100, 150), inputs=np.zeros((50, 10, 1)), gap=2, targets=targets)
    band = SimpleNamespace(mean=targets + 0.1, lower=targets - 0.5, upper=targets + 0.5)
    future = SimpleNamespace(mean=np.zeros((3, 1)), lower=-np.ones((3, 1)), upper=np.ones((3, 1)))
    history = SimpleNamespace(
        loss=np.ones(9), gradient_norm=np.ones(9), checks={"validation": [1.0, 0.5]}, checked_at=[1, 9]
    )
    return SimpleNamespace(
        split=SimpleNamespace(test=test),
        band=band,
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
    errors = [text.get_text() for text in axes[2].get_legend().get_texts()]
    assert errors == ["last value: 0.2", "network (mean): 0.1"]
    assert [line.get_label() for line in axes[3].lines] == ["norm of the gradient", "loss", "validation"]


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
        settings={"task": "recall", "solved": 0.9},
    )
    left, right = plot.memory(study).axes
    np.testing.assert_allclose(left.lines[5].get_ydata(), [1, 0])  # the one in the middle is not shifted
    assert len(left.lines) == 11 and left.lines[10].get_color() == left.lines[0].get_color()
    assert min(points.get_offsets()[:, 0].min() for points in right.collections if len(points.get_offsets())) == -150
