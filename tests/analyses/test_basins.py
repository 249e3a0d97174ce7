"""Basins: labels known by iteration or in closed form, attractors of every kind, and bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from telling import telling

import rnn_ode as ro
import rnn_ode.plot
from rnn_ode._analyses.basins_search import is_same
from rnn_ode._analyses.basins_sets import Attractor, Settled

AXIS = np.linspace(-2, 2, 21)
GRID = np.stack(np.meshgrid(AXIS, AXIS), axis=-1).reshape(-1, 2)
MEMORIES = ro.Map(lambda x, h: jnp.tanh(jnp.array([2.0, 0.5]) * h))


def newton(x, h):
    """Newton's method for z³ = 1."""
    z = h[0] + 1j * h[1]
    z = z - (z**3 - 1) / (3 * z**2)
    return jnp.stack([z.real, z.imag])


def two_cycles(t, h, path):
    """The cycle r = 2 and the point 0 attract, and the cycle r = 1 between them does not: the angle has the rate 1."""
    square = h @ h
    return jnp.stack([-h[1], h[0]]) - h * (square - 1) * (square - 4)


def lorenz(rho):
    def field(t, h, path):
        x, y, z = h
        return jnp.stack([10 * (y - x), rho * x - y - x * z, x * y - 8 / 3 * z])

    return ro.Flow(field)


@pytest.mark.gate
def test_newtons_method_goes_to_the_roots_to_which_numpy_goes():
    states = GRID + 1e-3
    z, roots = states @ [1, 1j], np.exp(2j * np.pi * np.arange(3) / 3)
    for _ in range(100):
        z = z - (z**3 - 1) / (3 * z**2)
    wanted = np.argmin(abs(z[:, None] - roots), axis=1)
    found = ro.basins(ro.Map(newton), states)
    assert found.result == ro.RESULTS.successful and found.kinds == ["point"] * 3
    places = [np.argmin(abs(roots - attractor.points[0] @ [1, 1j])) for attractor in found.attractors]
    np.testing.assert_array_equal(np.array(places)[found.labels], wanted)
    np.testing.assert_allclose(found.fractions, [np.mean(wanted == place) for place in places])
    np.testing.assert_array_equal(found.labels[np.unique(found.labels, return_index=True)[1]], range(3))


@pytest.mark.slow
def test_a_state_on_the_boundary_goes_to_no_attractor():
    found = ro.basins(MEMORIES, np.array([[1.0, 1.0], [0.0, 1.0], [-0.1, 3.0], [1e-9, 0.0]]))
    assert found.labels.tolist() == [0, -2, 1, 0]
    # h = tanh(2h) at 0.9575, with the multiplier 2 (1 − h²)
    h = found.attractors[0].points[0, 0]
    np.testing.assert_allclose(h, np.tanh(2 * h), rtol=1e-12)
    np.testing.assert_allclose(found.attractors[0].exponents, np.log([0.5, 2 * (1 - h**2)]), rtol=1e-9)
    assert "1 state" in found.table() and "label −2" in found.table()


@pytest.mark.slow
def test_chunks_and_order_change_nothing():
    whole = ro.basins(ro.Map(newton), GRID + 1e-3)
    parts = ro.basins(ro.Map(newton), GRID + 1e-3, chunk=50)
    np.testing.assert_array_equal(parts.labels, whole.labels)
    back = ro.basins(ro.Map(newton), (GRID + 1e-3)[::-1])
    ends = [np.array([a.points[0] for a in one.attractors])[one.labels] for one in (whole, back)]
    np.testing.assert_allclose(ends[0], ends[1][::-1], atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", telling([np.float64, np.float32], np.float32))
def test_a_flow_goes_to_the_cycle_or_the_point_by_its_radius(dtype):
    found = ro.basins(ro.Flow(two_cycles), GRID.astype(dtype))
    radius = np.linalg.norm(GRID, axis=1)
    ends = np.array([*found.kinds, "", "", ""])[found.labels]
    np.testing.assert_array_equal(ends[radius > 1 + 1e-4], "orbit")
    np.testing.assert_array_equal(ends[radius < 1 - 1e-4], "point")
    cycle = found.attractors[found.kinds.index("orbit")]
    np.testing.assert_allclose(cycle.period, 2 * np.pi, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(cycle.points, axis=1), 2, rtol=1e-4)
    np.testing.assert_allclose(cycle.exponents, [0, -24], atol=0.02)  # d/dr of −r(r² − 1)(r² − 4) at 2


@pytest.mark.thorough
def test_periods_of_van_der_pol():
    """Estimates from recurrences: the published ones are 6.66328686 at μ = 1 and 19.07836957 at μ = 10."""
    for mu, period in ((1.0, 6.66328686), (10.0, 19.07836957)):

        def field(t, h, path, mu=mu):
            return jnp.stack([h[1], mu * (1 - h[0] ** 2) * h[1] - h[0]])

        found = ro.basins(ro.Flow(field), np.array([[1.0, 0.0], [0.0, -3.0], [4.0, 4.0]]))
        assert found.kinds == ["orbit"] and found.fractions.tolist() == [1.0]
        np.testing.assert_allclose(found.attractors[0].period, period, rtol=1e-5)


@pytest.mark.slow
def test_a_flow_of_two_states_without_friction_moves_on_orbits():
    """dx/dt = −2y, dy/dt = 2x: circles of the period π, and no torus, since a plane has none."""
    found = ro.basins(ro.Flow(lambda t, h, path: 2 * jnp.stack([-h[1], h[0]])), np.array([[1.0, 0.0], [0.5, 0.0]]))
    assert found.kinds == ["orbit"] * 2
    np.testing.assert_allclose([attractor.period for attractor in found.attractors], np.pi, rtol=1e-4)


@pytest.mark.slow
def test_maps_have_points_orbits_circles_chaos_and_infinity():
    def logistic(r):
        return ro.basins(ro.Map(lambda x, h: r * h * (1 - h)), np.array([[0.3], [0.7], [1.5]]))

    wanted = {2.5: ("point", np.nan), 3.2: ("orbit", 2.0), 3.5: ("orbit", 4.0), 4.0 - 1e-3: ("chaotic", np.nan)}
    for r, (kind, period) in wanted.items():
        found = logistic(r)
        assert found.kinds == [kind] and found.labels.tolist() == [0, 0, -1]
        np.testing.assert_equal(found.attractors[0].period, period)
    # the cycle of period 2 of r h (1 − h) has the multiplier 4 + 2r − r²
    np.testing.assert_allclose(logistic(3.2).attractors[0].exponents, [np.log(4 + 6.4 - 3.2**2) / 2], rtol=1e-9)
    turn = 1.2 * np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    circle = ro.basins(ro.Map(lambda x, h: jnp.tanh(jnp.asarray(turn) @ h)), GRID[:50])
    assert circle.kinds == ["quasiperiodic"] and abs(circle.attractors[0].exponents[0]) < 1e-3


@pytest.mark.gate
def test_a_window_that_leaves_out_a_part_of_a_chaotic_set_makes_no_second_attractor():
    """A window of a run over 0 to 1 that saw 0 to 0.7, and one that saw all of it."""

    def settled(end, reach, kind="chaotic"):
        cloud = np.linspace(0, end, 1024)[:, None]
        return Settled(Attractor(kind, cloud, np.nan, np.zeros(1)), True, cloud, reach, np.ones(1), False)

    part, whole, orbit = settled(0.7, 0.05), settled(1.0, 0.1), settled(0.7, 0.05, "orbit")
    assert is_same(part, whole) and is_same(whole, part)
    assert not is_same(orbit, whole)
    random = np.random.default_rng(0)
    states = [
        random.uniform(low, high, (n, d)) for low, high, n, d in ((-2, 2, 60, 2), (-15, 25, 30, 3), (-15, 25, 30, 3))
    ]
    assert ro.basins(lorenz(28.0), states[-1].astype(np.float32)).kinds == ["chaotic"]


@pytest.mark.thorough
def test_lorenz_at_24_1_has_a_chaotic_attractor_and_two_points():
    """Between 24.06 and 24.74 (Yorke & Yorke 1979) they coexist; the points are (±√(8/3 (ρ − 1)), …, ρ − 1)."""
    states = np.random.default_rng(0).normal(size=(40, 3)) * [10, 10, 8] + [0, 0, 23]
    at = np.sqrt(8 / 3 * 23.1)
    states[:2] = [[at, at + 0.1, 23.1], [-at, -at - 0.1, 23.1]]
    found = ro.basins(lorenz(24.1), states)
    assert sorted(found.kinds) == ["chaotic", "point", "point"]
    for label, sign in ((0, 1), (1, -1)):
        point = found.attractors[found.labels[label]]
        np.testing.assert_allclose(point.points[0], [sign * at, sign * at, 23.1], rtol=1e-6)
    chaotic = found.attractors[found.kinds.index("chaotic")]
    assert 0.5 < chaotic.exponents[0] < 0.9  # 0.906 at 28


@pytest.mark.slow
def test_a_line_of_fixed_points_ends_the_search():
    found = ro.basins(ro.Map(lambda x, h: h), GRID[:30], most=5)
    assert len(found.attractors) == 5 and found.result == ro.RESULTS.many_attractors
    assert (found.labels == -3).sum() == 25 and "most" in found.table()


@pytest.mark.thorough
def test_chaos_of_a_high_dimension_is_said_not_to_have_settled():
    W = jnp.asarray(3 * np.random.default_rng(1).normal(size=(48, 48)) / 48**0.5)
    found = ro.basins(ro.Map(lambda x, h: jnp.tanh(W @ h)), np.eye(48)[:8], duration=2000.0)
    assert found.labels.tolist() == [-3] * 8 and found.result == ro.RESULTS.states_unsettled


@pytest.mark.gate
def test_time_and_state_in_other_units_change_no_label():
    def rate(slow, unit, t, h, path):
        return slow * unit * two_cycles(t, h / unit, path)

    def ask(slow, unit):
        field = jax.tree_util.Partial(rate, jnp.array(slow), jnp.array(unit))
        return ro.basins(ro.Flow(field), unit * GRID)

    unit, slow = 2.0**20, 2.0**-10
    found, wanted = ask(slow, unit), ask(1.0, 1.0)
    np.testing.assert_array_equal(found.labels, wanted.labels)
    place = found.kinds.index("orbit")
    np.testing.assert_allclose(slow * found.attractors[place].period, wanted.attractors[place].period, rtol=1e-6)


@pytest.mark.parametrize(
    ("states", "options", "error", "words"),
    [
        (np.array([[np.nan, 0.0]]), {}, ValueError, "states must be finite"),
        (np.zeros((0, 2)), {}, ValueError, "at least one row"),
        (np.zeros((3, 3)), {}, ValueError, "state"),
        (GRID, {"tolerance": 0.5}, ValueError, "at most 0.1; got 0.5"),
        (GRID, {"duration": -1.0}, ValueError, "duration must be positive"),
        (GRID, {"most": 0}, ValueError, "most must be at least 1"),
        (GRID, {"chunk": 0}, ValueError, "chunk must be at least 1"),
        (GRID, {"step": 0.5}, ValueError, "a map has its own step"),
    ],
)
def test_bad_input_is_named(states, options, error, words, as_user):
    cell = ro.VanillaCell(np.diag([2.0, 0.5]), np.zeros((2, 1)), np.zeros(2), jnp.tanh)
    with pytest.raises(error, match=words):
        ro.basins(ro.Map(cell, jnp.zeros(1)), states, **options)


def test_inputs_that_change_and_traced_states_are_refused(as_user):
    cell = ro.VanillaCell(np.diag([2.0, 0.5]), np.zeros((2, 1)), np.zeros(2), jnp.tanh)
    with pytest.raises(ValueError, match="basins needs a system with a constant input"):
        ro.basins(ro.Map(cell, jnp.zeros((5, 1))), GRID)
    with pytest.raises(TypeError, match="outside jit"):
        jax.jit(lambda states: ro.basins(MEMORIES, states).labels)(GRID)
    with pytest.raises(ValueError, match="does not depend on the time"):
        ro.basins(ro.Flow(lambda t, h, path: jnp.cos(t) - h), GRID)


def test_the_picture_is_an_image_of_a_grid_and_dots_otherwise():
    states = GRID[:, ::-1]
    labels = np.where(states[:, 0] > 0, 0, np.where(states[:, 0] < 0, 1, -2))
    points = [ro.Attractor("point", np.array([[x, 0.0]]), np.nan, np.zeros(2)) for x in (1.0, -1.0)]
    result = ro.Basins(states, labels, points, np.array([0.4, 0.6]), 1.0, ro.RESULTS.successful)
    (axes,) = result.plot().axes
    (image,) = axes.collections
    np.testing.assert_array_equal(np.asarray(image.get_array()).reshape(21, 21)[0, [0, 10, 20]], [2, 0, 1])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "0: point, 40 %",
        "1: point, 60 %",
        "ends on a set that does not attract",
    ]
    turned = ro.plot.basins(result, plane=np.array([[1.0, 1.0], [1.0, -1.0]])).axes[0]
    assert not turned.collections and len(turned.lines) == 5
    with pytest.raises(ValueError, match=r"plane must be two different directions \(2, 2\)"):
        ro.plot.basins(result, plane=np.ones((2, 2)))
    with pytest.raises(ValueError, match="coordinates must be two different ones of 0 to 1"):
        result.plot((0, 2))
