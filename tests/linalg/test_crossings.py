"""The rules by which a verdict follows from the points of two curves, by hand."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matrices import name

from rnn_ode.linalg._verdict import Rounding, _Crossings, _Seen

SEEDS = 24
POINTS = SEEDS + 3
INSIDE = (-0.1, -0.7, -1.6)
GROWING = (0.5, -0.7, -1.6)


@jax.jit
def _of(multipliers, condition, growth, distance, missed):
    starts = jnp.concatenate([multipliers + 0j, jnp.zeros(SEEDS)])
    curves = jnp.broadcast_to(jnp.array([[1.0], [1.3]]) + 0j, (2, POINTS))
    missed = jnp.abs(curves - starts[None]) * jnp.pad(missed, (0, SEEDS))[None]
    seen = _Seen(growth, distance, jnp.asarray(False), jnp.array([0.0, 0.25]), curves, missed)
    return _Crossings.of(starts, Rounding(*jnp.array([1e-10, 1e-10, 1.0])), condition, seen)


def crossings(multipliers, condition=(1, 1, 1), growth=INSIDE, distance=((1, 1, 1), (1, 1, 1)), missed=(0, 0, 0)):
    """Of three multipliers and the curves z = 1 and z = 1.3, where drift and scatter are 1e-10.

    The search misses a curve by `missed` times the way to it. From the seeds it finds one point of each curve."""
    return _of(*(np.array(each, float) for each in (multipliers, condition, growth, distance, missed)))


def test_a_point_of_a_curve_is_found_if_the_search_misses_it_by_less_than_a_thousandth_of_the_way():
    found = np.asarray(crossings([0.9, 0.8, 0.5], missed=[0.9e-3, 1.1e-3, 0.5]).found)
    assert found[:, :SEEDS].all() and found[:, SEEDS:].tolist() == [[True, False, False]] * 2


def test_a_multiplier_is_beyond_a_curve_if_that_is_out_of_its_reach():
    """Their reaches are 2e-10, 1e-9 and 2e-10."""
    distance = [[1.0, 2e-9, 1e-10], [1e-11, 5e-10, 3e-10]]
    beyond = np.asarray(crossings([0.9, 0.8, 0.5], [1, 9, 1], distance=distance).beyond)
    assert beyond[:, :SEEDS].all() and beyond[:, SEEDS:].tolist() == [[True, True, False], [False, False, True]]


@pytest.mark.parametrize(
    ("multipliers", "growth", "condition", "wanted"),
    [
        ([1.0, 0.5, 0.2], [0, -0.7, -1.6], 1, True),
        ([1.0, 1 + 1.9e-9, 0.2], [0, 1.9e-9, -1.6], 1, True),  # ten times the reach is 2e-9
        ([1.0, 1 + 2.1e-9, 0.2], [0, 2.1e-9, -1.6], 1, False),
        ([1.0, 1.6, 0.2], [0, 0.5, -1.6], 1, False),
        ([0.9, 0.5, 0.2], INSIDE, 1, False),
        ([1.3, 0.5, 0.2], [0.3, -0.7, -1.6], 1, False),
        ([1.0, 0.5, 0.2], [0, -0.7, -1.6], 6e6, True),  # 0.1/√u is 6.7e6
        ([1.0, 0.5, 0.2], [0, -0.7, -1.6], 7e6, False),
    ],
)
def test_a_system_persists_if_each_multiplier_is_inside_or_well_conditioned_on_the_boundary(
    multipliers, growth, condition, wanted
):
    assert bool(crossings(multipliers, (condition, 1, 1), growth).persists) == wanted


@pytest.mark.parametrize(
    ("growth", "hit", "at_pole", "overflows", "wanted"),
    [
        (INSIDE, (0, 0), 0, 0, "DECAYS"),
        (INSIDE, (0, 1), 0, 0, "DECAYS"),
        (INSIDE, (1, 0), 0, 0, "UNDETERMINED"),
        (GROWING, (0, 1), 0, 0, "GROWS"),
        (GROWING, (1, 0), 0, 0, "GROWS"),
        (GROWING, (1, 1), 0, 0, "UNDETERMINED"),
        (GROWING, (0, 0), 1, 0, "UNDETERMINED"),
        (GROWING, (0, 0), 0, 1, "UNDETERMINED"),
        (GROWING, (0, 0), 1, 1, "UNDETERMINED"),
        (INSIDE, (0, 0), 1, 1, "UNDETERMINED"),
    ],
)
def test_a_verdict_needs_a_curve_on_which_no_point_is_hit(growth, hit, at_pole, overflows, wanted):
    """The curves Re g = 0 and Re g = 0.25, each with one point that rounding may reach, or none."""
    found = eqx.tree_at(
        lambda c: c.seen.overflows, crossings([0.9, 0.5, 0.2], growth=growth), jnp.asarray(overflows, bool)
    )
    hits = jnp.zeros((2, POINTS), bool).at[:, 3].set(jnp.asarray(hit, bool))
    assert name(found.verdict(hits.ravel(), jnp.asarray(at_pole, bool))) == wanted


@pytest.mark.parametrize(("distance", "wanted"), [(1.0, "DECAYS"), (1e-11, "UNDETERMINED")])
def test_where_the_search_found_no_point_the_multiplier_must_be_beyond_the_curve(distance, wanted):
    found = crossings([0.9, 0.5, 0.2], distance=np.full((2, 3), distance), missed=[1, 1, 1])
    hits = jnp.zeros((2, POINTS), bool).at[:, SEEDS:].set(True)  # at the points that are none
    assert name(found.verdict(hits.ravel(), jnp.asarray(False))) == wanted
