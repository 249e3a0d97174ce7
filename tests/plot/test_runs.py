"""Runs, exponents and cycles, drawn from plain values: short ones, late ones, and none."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro
from rnn_ode import plot


def run(ts, states=None):
    states = np.cos(np.arange(len(ts)))[:, None] if states is None else states
    return ro.Trajectory(jnp.asarray(ts, float), jnp.asarray(states), ro.RESULTS.successful, {})


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (10000, 10010, "from t = 10000 to 10010"),
        (1e6, 1e6 + 5, "from t = 1000000 to 1000005"),
        (0, 44100, "from t = 0 to 44100"),
        (0, 1e-3, "from t = 0 to 0.001"),
        (3, 3, "from t = 3 to 3"),
    ],
)
def test_the_times_of_a_late_run_can_be_told_apart(first, last, words):
    late = run(np.linspace(first, last, 6))
    assert plot.trajectory(late).get_suptitle() == f"A run {words}"
    column = [line.split()[0] for line in late.table().splitlines()[4:10]]
    assert len(set(column)) == (6 if last > first else 1)


def test_a_late_run_that_stops_says_when():
    stops = run(np.arange(20000.0, 20006.0), [[0.0], [1.0], [2.0], [np.inf], [np.inf], [np.inf]])
    assert plot.trajectory(stops).get_suptitle() == "A run that stops after t = 20002"


def test_an_exponent_of_one_step_is_a_point_without_an_error():
    short = SimpleNamespace(
        exponents=np.array([-0.933]), stderr=np.array([np.nan]), history=np.array([[-0.933]]), times=np.ones(1)
    )
    axes = plot.lyapunov(short).axes[0]
    assert [text.get_text() for text in axes.texts] == ["−0.933"]
    assert axes.lines[-1].get_marker() == "."


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), None),
        (("GROWS",), ["not stable"]),
        (("DECAYS",), ["stable"]),
        (("GROWS", "DECAYS"), ["stable", "not stable"]),
    ],
)
def test_the_legend_of_cycles_names_the_lines_that_are_drawn(names, words):
    orbits = np.random.default_rng(0).normal(size=(len(names), 3, 2))
    given = [getattr(ro.Verdict, name) for name in names]
    codes = jax.tree.map(lambda *each: jnp.stack(each), *given) if names else None
    legend = plot.cycles(SimpleNamespace(points=orbits, verdicts=codes, complete=True)).axes[0].get_legend()
    assert (legend and [text.get_text() for text in legend.get_texts()]) == words


def orbit(*multipliers, trivial=-1):
    points = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, -1.0]])
    return SimpleNamespace(
        points=points, times=np.arange(3.0), period=3.0, multipliers=np.array(multipliers), trivial=trivial,
        verdict=ro.Verdict.GROWS, error=0.0, converged=True,
    )  # fmt: skip


@pytest.mark.slow
def test_the_unit_circle_is_seen_beside_a_large_multiplier():
    figure = plot.orbit(orbit(1.0, 1165.0, 0.5, trivial=0))
    axes = figure.axes[2]
    assert axes.get_xlim()[1] == pytest.approx(1.15)
    assert plot._page._TITLES[axes].endswith("\n1 outside, |λ| ≤ 1.16e+03")
    figure.draw_without_rendering()
    assert all(one.get_tightbbox().x1 <= figure.bbox.width for one in figure.axes)
    near = plot.orbit(orbit(-6.0, np.nan)).axes[2]
    assert near.get_xlim()[1] == pytest.approx(6.9) and "outside" not in plot._page._TITLES[near]


@pytest.mark.parametrize(("rest", "drawn"), [(1.0, 2), (0.0, 3)])
def test_a_portrait_leaves_out_points_that_are_far_from_the_runs_and_says_so(rest, drawn):
    """Runs that move least in the third component, and a point that is off their plane by half of their length."""
    runs = rest * np.stack([np.linspace(0, 1, 9), np.zeros(9), np.zeros(9)], axis=-1)[None]
    points = np.array([[1.0, 0.0, 0.0], [0.5, 0.2, 0.5], [0.5, 0.2, 1.5]])
    fixed = SimpleNamespace(count=3, slow=np.zeros(3, bool), kind_names=["NODE"] * 3, verdict_names=["DECAYS"] * 3)
    p = SimpleNamespace(
        runs=runs, points=points, fixed=fixed, unstable=[np.zeros((0, 3))] * 3, orbits=[], stable=[],
        explained=np.array([1.0, 0.0, 0.0]), centre=np.zeros(3),
    )  # fmt: skip
    axes = plot.state_portrait(p).axes[0]
    assert sum(line.get_marker() == "o" for line in axes.lines) == drawn
    words = [text.get_text() for text in axes.get_legend().get_texts()]
    assert [word for word in words if "far" in word] == ["1 point far from the runs"] * (drawn < 3)


def test_the_sign_of_infinity_covers_no_exponent():
    values = np.append(np.linspace(-0.5, -3, 40), np.full(20, -np.inf))
    many = SimpleNamespace(
        exponents=values, stderr=np.zeros(60), history=np.stack([values, values]), times=np.arange(2.0)
    )
    axes = plot.lyapunov(many).axes[1]
    axes.figure.draw_without_rendering()
    box = axes.texts[0].get_window_extent()
    places = axes.transData.transform([(i + 1, value) for i, value in enumerate(values[:40])])
    assert axes.texts[0].get_text() == "−∞" and not any(box.contains(*place) for place in places)
