"""The root condition, against simulation and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from slow_input import SLOW, TANH, wave

import rnn_ode as ro
from rnn_ode._resampling import stability
from rnn_ode._resampling.interpolation import lagrange, uniform_nodes
from rnn_ode._resampling.stability import (
    RootCondition,
    _judged,
    _traced_roots,
    beyond,
    companion,
    eigenvalues,
    feedback_companion,
    jacobian_at_rest,
    roots_at_rest,
)
from rnn_ode._run.clock import Clock


@pytest.mark.gate
@pytest.mark.parametrize("gap", [0.5, 1.3, 2.7])
def test_the_root_condition_by_simulation(gap):
    """Pairs said to be stable keep every mode of a decaying network bounded, and the others make one grow."""
    cell = ro.VanillaCell(np.diag([0.95, 0.3, -0.7]), np.zeros((3, 1)), np.zeros(3), activation=None)
    roots = ro.root_condition(cell, np.zeros(1), gap, ahead=3, behind=4)
    np.testing.assert_allclose(np.sort(roots.multipliers.real), [-0.7, 0.3, 0.95], atol=1e-9)
    for ahead, behind in ((1, 1), (1, 4), (2, 2), (3, 3)):
        pair = {"ahead": ahead, "behind": behind}
        run = ro.evolve(cell, lambda t: jnp.zeros(1), gap * np.arange(800), np.ones(3), **pair, throw=False)
        size = np.abs(np.asarray(run.states))[-1].max()
        assert ((ahead, behind) in roots.stable) == bool(size < 10), (gap, ahead, behind, size)


def test_a_gap_of_whole_steps_has_the_powers_of_the_multipliers():
    cell = ro.VanillaCell(np.diag([0.9, -0.5]), np.zeros((2, 1)), np.zeros(2), activation=None)
    for gap in (1, 3):
        roots = ro.root_condition(cell, np.zeros(1), gap, ahead=3, behind=3)
        np.testing.assert_allclose(roots.radii, 0.9**gap, rtol=1e-9)
    assert ro.root_condition(cell, np.zeros(1), 1, ahead=1, behind=0).radii.shape == (1, 1)
    assert ro.root_condition(cell, np.zeros(1), 1).radii.shape == (6, 6)  # up to six states ahead and five behind


@pytest.mark.gate
def test_an_unstable_scheme_runs_and_says_so():
    """tanh keeps the states finite: the run is complete, and its result and the table of pairs tell."""
    cell = ro.VanillaCell(np.diag([0.95, -0.9]), np.ones((2, 1)), np.zeros(2), jnp.tanh)
    ts = np.arange(0, 30, 0.5)
    run = ro.evolve(cell, ro.Cubic(SLOW), ts, ahead=1, behind=4)
    assert bool(run.result == ro.RESULTS.unstable_scheme) and float(run.stats["radius"]) > 1
    assert "root_condition" in ro.RESULTS[run.result]
    roots = ro.root_condition(cell, SLOW.mean(axis=0), 0.5)
    assert (1, 4) not in roots.stable and (3, 3) in roots.stable
    np.testing.assert_allclose(roots.radii[0, 4], run.stats["radius"], rtol=1e-9)
    assert f"({roots.radii[0, 4]:.4f})" in roots.table()
    well = ro.evolve(cell, ro.Cubic(SLOW), ts)
    assert bool(well.result == ro.RESULTS.successful) and float(well.stats["radius"]) < 1
    assert well.stats["num_steps"] == 59 and well.stats["num_applications"] == 59 * 3
    same = ro.evolve(cell, ro.Cubic(SLOW), ts, ahead=3, behind=3, band=0.0, dt=1.0)
    np.testing.assert_array_equal(same.states, well.states)


@pytest.mark.gate
@pytest.mark.parametrize(("gap", "pair"), [(3.4, (3, 3)), (1.7, (1, 4)), (np.nan, (3, 3))])
def test_gaps_of_whole_steps_are_asked_too(gap, pair):
    """The radius is what a decaying affine network grows by per result; at irregular times it is the mean gap's."""
    cell = ro.VanillaCell([[-0.95]], [[0.0]], [0.0], activation=None)
    irregular = np.isnan(gap)
    ts = np.cumsum(np.random.default_rng(0).uniform(3.3, 3.5, 61)) if irregular else gap * np.arange(301)
    run = ro.evolve(cell, lambda t: jnp.zeros(1), ts, np.ones(1), ahead=pair[0], behind=pair[1])
    assert bool(run.result == ro.RESULTS.unstable_scheme)
    if irregular:
        mean = ro.root_condition(cell, np.zeros(1), np.mean(np.diff(ts)), ahead=3, behind=3)
        np.testing.assert_allclose(run.stats["radius"], mean.radii[2, 3], rtol=1e-9)
    else:
        size = np.log(np.abs(np.asarray(run.states)[:, 0]))
        growth = (size[251:].mean() - size[151:201].mean()) / 100
        np.testing.assert_allclose(np.log(run.stats["radius"]), growth, atol=2e-3)


@pytest.mark.slow
def test_traced_long_gaps_are_asked_too():
    cell = ro.VanillaCell([[-0.95]], [[1.0]], [0.1], jnp.tanh)
    known = ro.evolve(cell, wave, 3.4 * np.arange(20))
    traced = jax.jit(lambda ts: ro.evolve(cell, wave, ts, throw=False))(3.4 * np.arange(20))
    assert bool(known.result == ro.RESULTS.unstable_scheme) and bool(traced.result == ro.RESULTS.unstable_scheme)
    np.testing.assert_allclose(traced.stats["radius"], known.stats["radius"], rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("ahead", "radius"), [(1, 0.95**2 * (0.4 + 1.4 * 0.95)), (4, None)])
def test_a_long_held_interval_is_asked_too(ahead, radius):
    """From a sample to the next, 3.4 steps: two whole ones, then z² (1.4 z − 0.4) for z = −0.95, by hand."""
    cell = ro.VanillaCell([[-0.95]], [[1.0]], [0.0], activation=None)
    run = ro.evolve(cell, ro.Hold(np.ones((9, 1)), 3.4), 1.7 * np.arange(12), ahead=ahead, behind=0)
    assert bool(run.result == ro.RESULTS.unstable_scheme) == (ahead == 1)
    assert run.stats["radius"] < 1 if radius is None else abs(run.stats["radius"] - radius) < 1e-9


@pytest.mark.slow
def test_an_unstable_scheme_that_leaves_the_float_range_raises():
    cell = ro.VanillaCell(np.diag([0.95, -0.9]), np.ones((2, 1)), np.zeros(2), None)
    ts = np.arange(0, 3000, 0.5)
    with pytest.raises(Exception, match="unstable"):
        ro.evolve(cell, wave, ts, ahead=1, behind=5)


@pytest.mark.slow
def test_an_exploding_network_is_not_called_unstable():
    cell = ro.VanillaCell([[1.2]], [[0.0]], [0.0], None)
    run = ro.evolve(cell, wave, np.arange(0, 20, 0.5), np.ones(1))
    assert bool(run.result == ro.RESULTS.successful)
    np.testing.assert_allclose(run.states[:, 0], 1.2 ** np.arange(0, 20, 0.5), rtol=1e-5)
    gone = ro.evolve(cell, wave, np.arange(0, 8000, 0.5), np.ones(1), throw=False)
    assert bool(gone.result == ro.RESULTS.left_float_range)


def test_the_gap_of_a_root_condition_is_checked(as_user):
    with pytest.raises(ValueError, match="gap must be positive and finite, in steps of the network; got 0"):
        ro.root_condition(TANH, np.zeros(1), 0)
    for name in ("ahead", "behind"):
        with pytest.raises(ValueError, match=f"^{name} must be at least"):
            ro.root_condition(TANH, np.zeros(1), 0.5, **{name: -1})
    with pytest.raises(ValueError, match=r"x must be a constant input \(1,\) for this cell; got \(3,\)"):
        ro.root_condition(TANH, np.zeros(3), 0.5)


# the parts, by hand

Z = np.array([0.9, -0.5 + 0.3j])  # multipliers


@pytest.mark.parametrize(
    ("gap", "nodes", "behind"),
    [
        # r₀ is the newest result, r₁ and r₂ are the states behind it; ahead = behind = 2
        (0.5, lambda r, z: [r[2], r[1], r[0], z * r[0], z**2 * r[0]], lambda r, z: [r[0], r[1]]),
        # after one whole step, and after two
        (2.4, lambda r, z: [r[1], r[0], z * r[0], z**2 * r[0], z**3 * r[0]], lambda r, z: [z * r[0], r[0]]),
        (
            3.2,
            lambda r, z: [r[0], z * r[0], z**2 * r[0], z**3 * r[0], z**4 * r[0]],
            lambda r, z: [z**2 * r[0], z * r[0]],
        ),
    ],
)
def test_a_companion_matrix_makes_the_next_result_of_the_last_states(gap, nodes, behind):
    times, whole = uniform_nodes(gap, 2, 2)
    weights, states = lagrange(times, gap - whole, 0.0, np), np.array([0.7, -0.4, 1.3])
    for matrix, z in zip(companion(weights, Z, 2, whole, np), Z, strict=True):
        np.testing.assert_allclose(matrix @ states, [weights @ nodes(states, z), *behind(states, z)], atol=1e-13)


def test_a_companion_matrix_of_results_that_come_late():
    first, second = feedback_companion(np.array([0.2, 0.3, 0.5]), np.array([2.0, -1.0]), 1, np)
    np.testing.assert_array_equal(first, [[0, 1, 0.6, 0.4], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    np.testing.assert_array_equal(second[0], [0, -0.5, -0.3, -0.2])


def test_a_radius_may_be_the_larger_of_1_and_that_of_the_flow():
    radii, multipliers = np.array([0.9, 1.5]), np.array([0.5, -2.0])
    np.testing.assert_allclose(beyond(radii, multipliers, 0.5, np), 1.5 - 2**0.5)
    for last, radius, stable in ((1.4, 1.4, True), (1.41, 1.41, True), (1.4153, 1.4153, False), (np.nan, np.nan, True)):
        found = _judged(np.array([0.9, last]), multipliers, 0.5, np)
        np.testing.assert_equal([float(found[0]), bool(found[1])], [radius, stable])


def test_traced_roots_are_those_of_the_host():
    J, weights = np.array([[0.5, 0.4], [-0.4, 0.5]]), np.array([0.2, -0.4, 1.7])

    def matrices(gap, multipliers, xp):
        return companion(xp.asarray(weights) * gap, multipliers, 1, 0, xp)

    for gap in (0.5, 2.0):
        radius, stable = _traced_roots(jnp.asarray(J), jnp.asarray(gap), matrices)
        roots = np.abs(np.linalg.eigvals(matrices(gap, np.linalg.eigvals(J), np)))
        np.testing.assert_allclose(radius, roots.max(), rtol=1e-12)
        assert bool(stable) == bool(roots.max() <= 1)


def test_roots_of_known_multipliers_are_found_on_the_host(monkeypatch):
    """With nothing to compile for them; at steps of the network's own they are its multipliers."""
    cell = ro.VanillaCell(np.diag([0.9, -0.5]), np.zeros((2, 1)), np.zeros(2), activation=None)
    path, h0 = ro.Cubic(np.zeros((4, 1))), jnp.zeros(2)
    monkeypatch.setattr(stability, "_traced_roots", None)
    run = cell, path, Clock.of(path, [0.0, 1.0, 2.0], 1.0), h0
    radius, stable = roots_at_rest(run, 1.0, lambda gap, z, xp: companion(xp.array([0.0, 1.0]), z, 0, 0, xp))
    assert radius == pytest.approx(0.9, rel=1e-12) and bool(stable)


def test_eigenvalues_of_what_is_not_finite_are_nan():
    found = eigenvalues(np.array([[[0, -1], [1, 0]], [[np.inf, 0], [0, 1]]], np.float32))
    np.testing.assert_allclose(np.sort_complex(found[0]), [-1j, 1j], atol=1e-14)
    assert np.isnan(found[1]).all() and found.dtype == complex


def test_the_jacobian_is_that_where_the_network_comes_to_rest():
    cells = {
        "tanh": lambda x, h: jnp.tanh(1.5 * h + x),
        "to and fro": lambda x, h: x - h,
        "away": lambda x, h: h + x,  # never at rest
    }
    at = jnp.array([0.2]), jnp.array([0.1])
    found = jax.jit(lambda: {name: jacobian_at_rest(cell, *at)[0, 0] for name, cell in cells.items()})()
    rest = scipy.optimize.brentq(lambda h: np.tanh(1.5 * h + 0.2) - h, 0, 2)
    np.testing.assert_allclose(found["tanh"], 1.5 * (1 - rest**2), rtol=1e-12)
    assert found["to and fro"] == -1 and found["away"] == 1


def test_a_root_condition_as_data():
    roots = RootCondition(0.5, np.array([0.9 + 0j]), np.array([[0.8, 1.2]]), np.array([[-0.2, 0.2]]))
    assert roots.stable == [(1, 0)]
    data = roots.to_dict()
    assert data["gap"] == 0.5 and data["radii"] == [[0.8, 1.2]] and data["stable"] == [[1, 0]]
    grid = roots._variables()
    assert grid["ahead"][1].tolist() == [1] and grid["behind"][1].tolist() == [0, 1]
    row = roots.table().splitlines()[-3]
    assert row.split() == ["1", "0.8000", "(1.2000)"]
