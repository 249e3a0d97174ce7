"""Bifurcation diagrams, drawn from plain values."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure

import rnn_ode as ro
from rnn_ode import plot


def verdicts(*decays, other=ro.Verdict.GROWS):
    return jax.vmap(lambda flag: ro.Verdict.where(flag, ro.Verdict.DECAYS, other))(jnp.array(decays))


def branch(**fields):
    default = {
        "parameters": np.array([0.0, 1.0, 2.0, 1.0, 0.0]),
        "points": np.array([[3.0], [2.0], [1.0], [0.0], [-1.0]]),
        "verdicts": verdicts(True, True, False, False, False),
        "bifurcations": [("fold", 2.0, np.array([1.0]))],
        "indices": [2],
        "complete": True,
        "diverged": False,
    }
    return SimpleNamespace(**{**default, **fields})


def test_stable_parts_are_solid_and_unstable_ones_dashed_up_to_the_bifurcation():
    axes = plot.branch(branch()).axes[0]
    stable, unstable, fold = axes.lines
    assert (stable.get_linestyle(), unstable.get_linestyle()) == ("-", "--")
    np.testing.assert_array_equal(stable.get_xdata(), [0, 1, 2])
    np.testing.assert_array_equal(unstable.get_xdata(), [2, 1, 0])
    assert (fold.get_marker(), fold.get_color()) == plot.MARKERS["fold"]
    assert (fold.get_xdata()[0], fold.get_ydata()[0]) == (2.0, 1.0)


def test_a_verdict_that_is_open_is_dotted():
    open_ = verdicts(*[False] * 5, other=ro.Verdict.UNDETERMINED)
    (line,) = plot.branch(branch(verdicts=open_, bifurcations=[], indices=[])).axes[0].lines
    assert line.get_linestyle() == ":" and line.get_label() == "undetermined"


def test_a_partial_branch_and_one_that_runs_off_say_so():
    axes = plot.branch(branch(complete=False, diverged=True)).axes[0]
    assert axes.lines[-1].get_label() == "stopped: partial branch" and axes.get_yscale() == "symlog"
    assert plot.branch(branch()).axes[0].get_yscale() == "linear"


def test_branches_may_share_axes_and_each_kind_has_one_entry_in_the_legend():
    axes = Figure().subplots()
    plot.branch(branch(), axes=axes)
    assert plot.branch(branch(), axes=axes) is axes.figure
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["stable", "unstable", "fold"]


@pytest.mark.parametrize("coordinate", [-1, 1])
def test_a_coordinate_that_the_state_does_not_have_is_named(coordinate):
    with pytest.raises(ValueError, match=f"coordinate must be from 0 to 0; got {coordinate}"):
        plot.branch(branch(), coordinate)
