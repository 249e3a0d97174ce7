"""Branches of orbits, and what is born at a bifurcation: closed forms and published values."""

import jax.numpy as jnp
import numpy as np
import pytest
from telling import telling

import rnn_ode as ro


def kinds(branch):
    return [one.kind for one in branch.bifurcations]


def parameters(branch):
    return [one.parameter for one in branch.bifurcations]


def henon(a):
    return ro.Map(lambda x, h: jnp.stack([1 - a * h[0] ** 2 + h[1], 0.3 * h[0]]))


def unit(p):
    return ro.Map(lambda x, h: jnp.tanh(p * h))


def bautin(mu):
    """dr/dt = r (μ + r² − r⁴), dφ/dt = 1: a Hopf point at 0, a fold of orbits at μ = −¼, r² = ½."""
    return ro.Flow(lambda t, h, path: (mu + h @ h - (h @ h) ** 2) * h + jnp.stack([-h[1], h[0]]))


def control(alpha):
    """Adaptive control with β = 1: Hopf point at α = 1."""
    return ro.Flow(lambda t, h, _: jnp.stack([h[1], h[2], -alpha * h[2] - h[1] - h[0] + h[0] ** 2]))


def lorenz(rho):
    def field(t, h, path):
        x, y, z = h
        return jnp.stack([10 * (y - x), x * (rho - z) - y, x * y - 8 / 3 * z])

    return ro.Flow(field)


@pytest.mark.gate
def test_an_arm_leaves_along_a_coordinate_that_is_not_coupled():
    """(tanh(½ x + p), tanh((1 + p) y)): a pitchfork of y at p = 0, where the row of y in the equations is rounding."""

    def made(p):
        return ro.Map(lambda x, h: jnp.tanh(jnp.stack([h[0] / 2 + p, (1 + p) * h[1]])))

    branch = ro.continue_branch(made, np.array([-0.5, 0.0]), (-0.3, 0.31))
    arms = ro.switch_branch(made, branch, branch.bifurcations[0])
    np.testing.assert_allclose(arms.points[:, 1], np.tanh((1 + arms.parameters) * arms.points[:, 1]), atol=1e-8)
    assert arms.complete and arms.points[0, 1] * arms.points[-1, 1] < -0.3


@pytest.mark.slow
def test_a_doubled_orbit_and_the_other_arm_of_a_tanh_unit():
    """h₁ = tanh(p h₀), h₀ = tanh(p h₁) with h₁ = −h₀: |h| = tanh(|p h|) on both; multipliers p² (1 − h²)²."""
    branch = ro.continue_branch(unit, np.zeros(1), (-1.6, 1.6))
    flip, point = branch.bifurcations
    doubled = ro.switch_branch(unit, branch, flip)
    assert doubled.complete and doubled.points.shape[1:] == (2, 1) and doubled.interval == (-1.6, 1.6)
    h, p = doubled.points[:, 0, 0], doubled.parameters
    np.testing.assert_allclose(doubled.points[:, 1, 0], -h, atol=1e-9)
    np.testing.assert_allclose(np.tanh(-p * h), h, atol=1e-9)
    np.testing.assert_allclose(doubled.eigenvalues[:, 0], (p * (1 - h**2)) ** 2, atol=1e-8)
    assert p[-1] == -1.6 and set(doubled.verdict_names) == {"DECAYS"} and doubled.periods.tolist() == [2.0] * len(p)
    arms = ro.switch_branch(unit, branch, point)
    assert arms.complete and kinds(arms) == ["branch point"] and arms.parameters[[0, -1]].tolist() == [1.6, 1.6]
    np.testing.assert_allclose(arms.points[:, 0], np.tanh(arms.parameters * arms.points[:, 0]), atol=1e-8)
    assert arms.points[0, 0] * arms.points[-1, 0] < -0.6
    for made in (doubled, arms):
        assert "branch of" in made.table() and made.plot().axes and made.to_dict()["interval"] == [-1.6, 1.6]
        assert made.to_dataset().points.shape == made.points.shape


@pytest.mark.gate
@pytest.mark.parametrize("times", telling([3, 4], 3))
def test_the_logistic_map_doubles_its_period_at_the_published_values(times):
    """r = 3, 1 + √6, 3.5440903596, 3.5644072661, 3.5687594195 (OEIS A086181, A091517 and the cascade of Feigenbaum): within a
    wide interval too, where the next flip is near."""

    def logistic(r):
        return ro.Map(lambda x, h: r * h * (1 - h))

    branch, found = ro.continue_branch(logistic, np.array([0.5]), (2.0, 3.9)), []
    for _ in range(times):
        found.append(parameters(branch)[-1])
        branch = ro.switch_branch(logistic, branch, branch.bifurcations[-1])
        assert kinds(branch) == ["flip"] and branch.verdict_names[0] == "DECAYS"
    found.append(parameters(branch)[-1])
    published = [3, 1 + 6**0.5, 3.5440903596, 3.5644072661, 3.5687594195]
    np.testing.assert_allclose(found, published[: times + 1], atol=1e-8)


@pytest.mark.gate
@pytest.mark.parametrize("counts", telling([(2, 4), (2, 4, 8)], (2, 4)))
def test_henon_doubles_its_period_at_the_published_values(counts):
    """b = 0.3: a = 0.3675 = 3(1 − b)²/4, 0.9125 = (1 + b)² / 4 + (1 − b)², 1.02585541, 1.05112566."""
    branch = ro.continue_branch(henon, np.array([0.6, 0.2]), (0.1, 1.4))
    found = []
    for count in counts:
        found.append(parameters(branch)[-1])
        branch = ro.switch_branch(henon, branch, branch.bifurcations[-1])
        assert branch.points.shape[1] == count and kinds(branch) == ["flip"]
        after = np.stack([1 - branch.parameters[:, None] * branch.points[..., 0] ** 2 + branch.points[..., 1],
                          0.3 * branch.points[..., 0]], axis=-1)  # fmt: skip
        np.testing.assert_allclose(after, np.roll(branch.points, -1, axis=1), atol=1e-8)
    found.append(parameters(branch)[-1])
    np.testing.assert_allclose(found, [0.3675, 0.9125, 1.02585541, 1.05112566][: len(found)], atol=5e-9)


@pytest.mark.slow
def test_an_orbit_of_a_map_is_followed_down_to_the_flip_where_it_is_born():
    orbit = ro.periodic_orbit(henon(1.4), np.array([[1.0, -0.15], [-0.5, 0.3]]), 2)
    branch = ro.continue_branch(henon, orbit, (1.4, 0.2))
    assert branch.complete and kinds(branch) == ["flip", "flip"] and branch.points.shape[1:] == (2, 2)
    np.testing.assert_allclose(parameters(branch), [0.9125, 0.3675], atol=1e-9)
    np.testing.assert_allclose(branch.points[-1, 0], branch.points[-1, 1], atol=1e-3)
    with pytest.raises(ValueError, match="this branch of orbits is itself what is born"):
        ro.switch_branch(henon, branch, branch.bifurcations[-1])
    assert not branch.bifurcations[0].coefficient < 0 and branch.bifurcations[0].criticality == "supercritical"


@pytest.mark.slow
def test_orbits_of_a_flow_have_a_fold_and_end_at_their_hopf_point():
    """Multipliers exp(2π (μ + 3r² − 5r⁴)) with r² = ½ ± √(¼ + μ)."""
    orbit = ro.periodic_orbit(bautin(0.3), np.array([1.1, 0.0]), 6.2)
    branch = ro.continue_branch(bautin, orbit, (0.3, -0.5))
    assert branch.complete and kinds(branch) == ["fold", "hopf"]
    np.testing.assert_allclose(parameters(branch), [-0.25, 0.0], atol=1e-8)
    assert branch.bifurcations[0].criticality == "two orbits above"
    np.testing.assert_allclose(branch.periods, 2 * np.pi, rtol=1e-8)
    square = np.sum(branch.points**2, axis=2)
    np.testing.assert_allclose(square, square[:, :1] * np.ones_like(square), atol=1e-6)
    r2 = square[:-1, 0]
    np.testing.assert_allclose(r2**2 - r2, branch.parameters[:-1], atol=1e-6)
    across = np.exp(2 * np.pi * (branch.parameters[:-1] + 3 * r2 - 5 * r2**2))
    np.testing.assert_allclose(
        np.sort(branch.eigenvalues[:-1].real, axis=1), np.sort([across, 0 * across + 1], axis=0).T, atol=1e-5
    )
    names = branch.verdict_names
    fold = branch.indices[0]
    assert set(names[:fold]) == {"DECAYS"} and set(names[fold + 1 : -1]) == {"GROWS"}
    back = ro.switch_branch(bautin, ro.continue_branch(bautin, np.zeros(2), (-0.5, 0.31)), _hopf())
    assert kinds(back) == ["fold"] and np.isclose(parameters(back)[0], -0.25, atol=1e-8)


def _hopf():
    (found,) = ro.continue_branch(bautin, np.zeros(2), (-0.5, 0.31)).bifurcations
    assert found.kind == "hopf" and found.criticality == "subcritical"
    return found


@pytest.mark.slow
def test_the_cycle_of_adaptive_control_doubles_its_period():
    """MatCont's tutorial: period doubling at α = 0.6303020 with the period 6.364071, on the cycle born at α = 1."""
    branch = ro.continue_branch(control, np.zeros(3), (1.2, 0.5))
    cycles = ro.switch_branch(control, branch, branch.bifurcations[0])
    assert cycles.complete and kinds(cycles) == ["flip"]
    np.testing.assert_allclose(parameters(cycles), [0.6303020], atol=1e-7)
    assert cycles.bifurcations[0].coefficient > 0 and cycles.bifurcations[0].criticality == "supercritical"
    np.testing.assert_allclose(cycles.periods[cycles.indices[0]], 6.364071, atol=1e-6)
    doubled = ro.switch_branch(control, cycles, cycles.bifurcations[0])
    np.testing.assert_allclose(doubled.periods[0], 2 * 6.364071, rtol=1e-3)
    assert doubled.verdict_names[0] == "DECAYS" and "flip" in kinds(doubled)


def with_planes(p):
    """A cycle of radius 1 and period 2π, and about it dz/dt = p z − z³, a plane dw/dt = (p − 0.1 + 0.37i) w − |w|² w, and one
    that turns with half the cycle's phase, in which the turning coordinate s has ds/dt = (p + 0.1) s − s³."""

    def field(t, h, path):
        x, z, w, u = h[:2], h[2], h[3:5], h[5:]
        c, s = x / jnp.sqrt(x @ x)
        along = (jnp.eye(2) + jnp.stack([c, s, s, -c]).reshape(2, 2)) / 2 @ u  # the part on (cos φ/2, sin φ/2)
        cycle = (1 - x @ x) * x + jnp.stack([-x[1], x[0]])
        plane = (p - 0.1 - w @ w) * w + 0.37 * jnp.stack([-w[1], w[0]])
        turned = (p + 1.1 - along @ along) * along - u + jnp.stack([-u[1], u[0]]) / 2
        return jnp.concatenate([cycle, jnp.stack([p * z - z**3]), plane, turned])

    return ro.Flow(field)


@pytest.mark.slow
def test_bifurcations_of_cycles_have_the_coefficients_of_their_return_maps():
    """After T = 2π: s ↦ −s + T s³, z ↦ z − T z³, and w ↦ e^(iωT) (w − T |w|² w), whose coefficient for 2 Re(w q) is −2T."""
    guess = np.zeros((32, 7))
    guess[:, 0], guess[:, 1] = np.cos(2 * np.pi * np.arange(32) / 32), np.sin(2 * np.pi * np.arange(32) / 32)
    start = ro.periodic_orbit(with_planes(-0.2), guess, 6.2, intervals=24)
    branch = ro.continue_branch(with_planes, start, (-0.2, 0.2), max_step=0.25)
    assert kinds(branch) == ["flip", "branch point", "neimark-sacker"]
    np.testing.assert_allclose(parameters(branch), [-0.1, 0, 0.1], atol=1e-9)
    wanted = 2 * np.pi * np.array([1, -1, -2])
    np.testing.assert_allclose([one.coefficient for one in branch.bifurcations], wanted, rtol=1e-8)
    words = [one.criticality for one in branch.bifurcations]
    assert words == ["supercritical", "supercritical pitchfork", "supercritical"]
    arms = ro.switch_branch(with_planes, branch, branch.bifurcations[1], max_step=0.1)
    np.testing.assert_allclose(np.abs(arms.points[:, 0, 2]), np.sqrt(np.maximum(arms.parameters, 0)), atol=1e-6)
    assert arms.complete and arms.points[0, 0, 2] * arms.points[-1, 0, 2] < 0
    with pytest.raises(ValueError, match="torus"):
        ro.switch_branch(with_planes, branch, branch.bifurcations[2])


@pytest.mark.slow
def test_the_cycles_of_lorenz_end_at_a_homoclinic_orbit():
    """σ = 10, β = 8/3: born unstable at ρ = 24.7368, homoclinic at ρ = 13.926 (Sparrow 1982)."""
    branch = ro.continue_branch(lorenz, np.array([8.0, 8.0, 27.0]), (28.0, 5.0))
    cycles = ro.switch_branch(lorenz, branch, branch.bifurcations[0])
    assert cycles.result == ro.RESULTS.branch_period_diverges and not cycles.complete
    np.testing.assert_allclose(cycles.parameters[-1], 13.926, atol=1e-3)
    assert cycles.periods[-1] > 6 * cycles.periods[0] and "GROWS" in cycles.verdict_names
    assert "homoclinic" in cycles.table()


@pytest.mark.slow
def test_the_circle_at_a_neimark_sacker_point_turns_as_the_network_does():
    """g R(1.9 rad): against 4000 steps of the network itself."""
    turn = np.array([[np.cos(1.9), -np.sin(1.9)], [np.sin(1.9), np.cos(1.9)]])

    def network(g):
        return ro.Map(ro.VanillaCell(g * turn, jnp.zeros((2, 1)), jnp.zeros(2), jnp.tanh), jnp.zeros(1))

    branch = ro.continue_branch(network, np.zeros(2), (0.5, 1.5))
    circles = ro.switch_branch(network, branch, branch.bifurcations[0])
    assert circles.result == ro.RESULTS.branch_of_circles and circles.points.shape[1:] == (64, 2)
    assert np.all(circles.residuals <= 0.02 * np.linalg.norm(circles.points[:, 0], axis=1) + 1e-12)
    k = 4
    W, h, states = circles.parameters[k] * turn, np.array([0.1, 0.0]), []
    for _ in range(12_000):
        h = np.tanh(W @ h)
        states.append(h)
    w = np.array(states[8000:]) @ [1, 1j]
    np.testing.assert_allclose(2 * np.pi / np.mean(np.angle(w[1:] / w[:-1])), circles.periods[k], rtol=1e-5)
    np.testing.assert_allclose(np.abs(w).mean(), np.linalg.norm(circles.points[k, 0]), rtol=0.01)
    assert set(circles.verdict_names[1:]) == {"DECAYS"}
    assert "A branch of 9 circles of 64 states, from p = 1 to 1.0" in circles.table()
    assert "8 of the circles attract." in circles.table()


@pytest.mark.slow
def test_a_driven_flow_has_branches_of_its_response():
    """Duffing: the response to a periodic force has two folds of orbits, and the multipliers of a linear one are known."""

    def linear(w):
        return ro.Flow(lambda t, h, path: jnp.stack([h[1], -w * h[0] - 0.2 * h[1] + jnp.cos(t)]))

    orbit = ro.periodic_orbit(linear(2.0), np.array([1.0, 0.0]), 2 * np.pi)
    branch = ro.continue_branch(linear, orbit, (2.0, 3.0))
    assert branch.complete and kinds(branch) == [] and branch.eigenvalues.shape[1] == 2
    np.testing.assert_allclose(np.abs(branch.eigenvalues), np.exp(-0.2 * np.pi), rtol=1e-6)
    amplitude = 1 / np.sqrt((branch.parameters - 1) ** 2 + 0.04)
    np.testing.assert_allclose(np.max(branch.points[..., 0], axis=1), amplitude, rtol=2e-3)


@pytest.mark.slow
def test_bad_input_is_named():
    branch = ro.continue_branch(unit, np.zeros(1), (-1.6, 1.6))
    other = ro.continue_branch(henon, np.array([0.6, 0.2]), (1.4, -1.0))
    with pytest.raises(ValueError, match="bifurcation must be one of"):
        ro.switch_branch(unit, branch, other.bifurcations[0])
    with pytest.raises(ValueError, match="nothing but the branch itself"):
        ro.switch_branch(henon, other, other.bifurcations[1])
    failed = ro.periodic_orbit(henon(1.4), np.array([0.6, 0.2]), 2)
    with pytest.raises(ValueError, match="start must be an orbit"):
        ro.continue_branch(henon, failed, (1.4, 1.0))
