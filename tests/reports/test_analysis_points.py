"""Fixed points of two systems beside each other, and the plane in which they are drawn."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro
from rnn_ode._base.states import principal_plane
from rnn_ode._reports.analysis_points import added_and_undefined, with_shared
from rnn_ode._reports.analysis_portrait import grid_of, nullclines_of, plane_of
from rnn_ode._reports.analysis_questions import run_orbit

CUBIC = ro.Flow(lambda t, h, path: h - h**3)  # rests at −1, 0 and 1
ROOT = ro.Flow(lambda t, h, path: jnp.sqrt(h) * (h - 1))  # rests at 0 and 1, and does not exist below 0


@pytest.fixture(scope="module")
def cubic():
    return ro.fixed_points(CUBIC, jnp.linspace(-2, 2, 9)[:, None])


@pytest.mark.gate
def test_a_point_that_the_other_system_has_is_not_added_and_one_where_it_does_not_exist_is_undefined(cubic):
    points = np.asarray(cubic.points)[np.asarray(cubic.converged), 0]
    added, undefined = added_and_undefined(cubic, ROOT)
    np.testing.assert_array_equal(undefined[: len(points)], points < -0.5)
    assert not added.any()
    shifted = ro.Flow(lambda t, h, path: h - 1)
    added, undefined = added_and_undefined(cubic, shifted)
    np.testing.assert_array_equal(added[: len(points)], points < 0.5)
    assert not undefined.any()


@pytest.mark.slow
def test_without_another_system_nothing_is_added(cubic):
    assert [marks.tolist() for marks in added_and_undefined(cubic, None)] == [[False] * 9] * 2
    assert [marks.tolist() for marks in added_and_undefined(None, CUBIC)] == [[], []]


def test_a_point_that_only_the_other_search_reached_is_shared(cubic):
    one = ro.fixed_points(CUBIC, jnp.full((9, 1), 0.9))
    assert int(one.count) == 1 and int(with_shared(one, CUBIC, cubic).count) == 3
    assert with_shared(cubic, CUBIC, one) is cubic and with_shared(cubic, CUBIC, None) is cubic


def test_one_and_two_units_are_drawn_as_they_are():
    for size in (1, 2):
        centre, axes = principal_plane(np.ones((4, size)))
        np.testing.assert_array_equal(centre, np.zeros(size))
        np.testing.assert_array_equal(axes, np.eye(2, size))


def test_more_units_are_drawn_in_their_principal_components():
    t = np.linspace(0, 1, 9)
    centre, axes = principal_plane(np.stack([3 * t, 4 * t, 0.1 * t**2, 0 * t], axis=1))
    np.testing.assert_allclose(centre[:2], [1.5, 2.0])
    np.testing.assert_allclose(np.abs(axes[0]), [0.6, 0.8, 0, 0], atol=0.02)
    np.testing.assert_allclose(axes @ axes.T, np.eye(2), atol=1e-12)


def test_the_plane_of_a_run_that_ends_in_one_point_is_that_of_the_fixed_points(as_user):
    square = SimpleNamespace(points=np.eye(5)[[1, 1, 3, 3]] * [[1], [-1], [1], [-1]], count=4)
    orbit = np.zeros((400, 5))
    orbit[:, 1] = 1
    orbit[:3] += 0.01 * np.random.default_rng(0).normal(size=(3, 5))
    axes = plane_of(orbit, square)[1]
    np.testing.assert_allclose(np.linalg.norm(axes[:, [1, 3]]), np.sqrt(2), rtol=1e-3)
    np.testing.assert_allclose(plane_of(orbit[:3], None)[1], principal_plane(orbit[:3])[1])


def test_the_grid_holds_the_run_and_the_fixed_points_near_it(cubic):
    run = np.linspace(-0.5, 0.5, 11)[:, None]
    centre, axes = np.zeros(1), np.eye(2, 1)
    np.testing.assert_allclose(grid_of(run, (None,), centre, axes)[[0, -1]], [-0.575, 0.575])
    np.testing.assert_allclose(grid_of(run, (cubic, None), centre, axes)[[0, -1]], [-1.15, 1.15], rtol=1e-6)
    np.testing.assert_allclose(grid_of(run / 10, (cubic, None), centre, axes)[-1], 1.15, rtol=1e-6)
    np.testing.assert_allclose(grid_of(run / 10, (None, cubic), centre, axes)[-1], 0.0575)  # ±1 of the flow is too far


def test_nullclines_are_of_two_units_only():
    grid = np.array([-1.0, 0.0, 2.0])
    system = ro.Flow(lambda t, h, path: jnp.stack([h[0], 10 * h[1]]))
    first, second = nullclines_of(system, 2, grid)
    np.testing.assert_array_equal(first, np.tile(grid, (3, 1)))
    np.testing.assert_array_equal(second, 10 * first.T)
    assert nullclines_of(CUBIC, 1, grid) is None and nullclines_of(None, 2, grid) is None


def test_a_run_has_its_start_first_and_a_row_for_each_step():
    times, orbit = run_orbit(ro.Map(lambda x, h: 0.5 * h, None, 0.25), jnp.ones(1), 1.0, None)
    np.testing.assert_allclose(times, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(orbit[:, 0], 0.5 ** np.arange(5))
