"""The numbers of steps, blocks and strides of a run."""

import numpy as np
import pytest

import rnn_ode as ro
from rnn_ode._analyses.lyapunov_plan import Plan, plan_run

FREE = ro.Map(lambda x, h: 0.5 * h)


def test_a_frame_is_aligned_unless_the_transient_is_long_or_there_is_one_state():
    assert plan_run(FREE, 3, 1.0, 1000.0, 0.0)[:3] == (100, 0, 1000)
    assert plan_run(FREE, 3, 1.0, 1000.0, 99.0)[:3] == (100, 99, 1000)
    assert plan_run(FREE, 3, 1.0, 1000.0, 100.0)[:3] == (0, 100, 1000)
    assert plan_run(FREE, 1, 1.0, 1000.0, 0.0)[:3] == (0, 0, 1000)


@pytest.mark.parametrize(("steps", "stride", "block"), [(5, 1, 1), (400, 2, 2), (2000, 10, 10), (20_001, 10, 110)])
def test_the_history_has_at_most_two_hundred_rows(steps, stride, block):
    plan = plan_run(FREE, 1, 0.5, steps / 2, 0.0)
    assert (plan.counted, plan.stride, plan.block, plan.length) == (steps, stride, block, 0.5)
    assert -(-steps // block) <= 200


def test_a_long_transient_has_at_most_four_thousand_blocks():
    plan = plan_run(FREE, 1, 1.0, 2000.0, 1e6)
    assert (plan.counted + plan.transient) / plan.block <= 4000


def test_blocks_follow_each_other_phase_by_phase():
    first, live, skipped = Plan(align=3, transient=5, counted=7, block=4, stride=2, length=1.0).schedule()
    np.testing.assert_array_equal(first, [0, 0, 4, 5, 9])
    np.testing.assert_array_equal(live, [3, 4, 1, 4, 3])
    assert skipped == 3


@pytest.mark.parametrize(
    ("duration", "transient", "message"),
    [
        (0.4, 0.0, "duration must be at least one step, 1; got 0.4"),
        (8.0, 3.0, "which cover a time of 10; got 3 . 8"),
        (1.2e9, 0.0, "under 2³⁰"),
    ],
)
def test_a_run_that_cannot_be_is_refused(duration, transient, message):
    system = FREE if duration > 1e6 else ro.Map(lambda x, h: 0.5 * h + x, np.ones((10, 1)))
    with pytest.raises(ValueError, match=message):
        plan_run(system, 1, 1.0, duration, transient)


def test_a_run_may_end_with_the_last_sample():
    plan = plan_run(ro.Map(lambda x, h: 0.5 * h + x, np.ones((10, 1))), 1, 1.0, 7.0, 3.0)
    assert (plan.transient, plan.counted) == (3, 7)
