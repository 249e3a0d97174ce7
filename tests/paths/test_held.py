"""Held inputs."""

import jax.numpy as jnp
import numpy as np
import pytest
from readings import XS, evaluate

import rnn_ode as ro
from rnn_ode._paths.base import Constant, read


@pytest.mark.parametrize(("dt", "t0"), [(1.0, None), (0.1, None), (0.25, -3.5)])
def test_hold_gives_sample_k_from_the_start_of_step_k_until_its_end(dt, t0):
    path = ro.Hold(XS, dt, t0)
    starts = path.start + dt * np.arange(6)
    for inside in (0.0, 0.3, 0.999):
        assert np.array_equal(evaluate(path, jnp.asarray(starts + inside * dt)), XS)


def test_a_piece_of_a_held_input_is_closed():
    piece = ro.Hold(XS).piece(jnp.array(2))
    for t in (0.0, 2.0, 2.5, 3.0, 3.5):
        assert np.array_equal(piece(t), XS[2])
        assert np.array_equal(piece.moment(t, 1.0)(t, 5.0), XS[2])


def test_after_is_ignored_by_a_held_input_and_added_for_any_other_function():
    assert np.array_equal(ro.Hold(XS)(1.5, 3.0), XS[1])
    assert np.array_equal(Constant(jnp.ones(2))(0.0, 3.0), np.ones(2))
    assert read(lambda t: 2 * t, 1.0, 0.5) == 3.0
    assert read(lambda t: np.ones(2), 1.0).shape == (2,)
