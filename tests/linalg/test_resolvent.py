"""The parts of the search for the Kreiss constant, and the regions it searches, against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_ode.linalg._regions import HalfPlane, UnitDisc
from rnn_ode.linalg._resolvent import _at, _climbed, _pairs, _places, _resolvent_norm, _uphill, departure

REGIONS = {"disc": UnitDisc(), "plane": HalfPlane()}
regions = pytest.mark.parametrize("name", REGIONS)
W = np.random.default_rng(0).normal(size=(3, 3)) / 2
PLACE, DISTANCE, NOISE = 0.7, 0.4, 0.05


@jax.jit
def _asked(place, distance):
    """What each region says of a point, and what it makes of W."""
    return {
        name: (
            region.point(place, distance),
            region.position(region.point(place, distance)),
            region.frame(place, distance),
            _at(jnp.asarray(W), region, jnp.asarray(NOISE), place, distance),
        )
        for name, region in REGIONS.items()
    }


@pytest.fixture(scope="module")
def places():
    return lambda place, distance: _asked(jnp.asarray(place), jnp.asarray(distance))


@pytest.mark.slow
@regions
def test_a_point_of_a_region_moves_as_its_frame_says(places, name):
    point, (place, distance), frame, _ = places(PLACE, DISTANCE)[name]
    wanted = 1.4 * np.exp(0.7j) if name == "disc" else 0.4 + 0.7j
    np.testing.assert_allclose([point, place, distance], [wanted, PLACE, DISTANCE], rtol=1e-14)
    step = 1e-4

    def moved(along, out):
        return places(PLACE + along * step, DISTANCE + out * step)[name][0]

    np.testing.assert_allclose((moved(0, 1) - moved(0, -1)) / (2 * step), frame.outward, rtol=1e-7)
    velocity = (moved(1, 0) - moved(-1, 0)) / (2 * step)
    np.testing.assert_allclose(velocity, 1j * frame.outward * frame.pace, rtol=1e-7)
    bend = (moved(1, 0) - 2 * point + moved(-1, 0)) / (step * frame.pace) ** 2
    np.testing.assert_allclose(bend, -frame.curvature * frame.outward, atol=1e-6)


@regions
def test_the_search_for_a_kreiss_constant_knows_its_slopes(places, name):
    """log(d/(σ_min + δ)) in the coordinates log d and (shift along the boundary)/d, by differences."""
    point = places(PLACE, DISTANCE)[name][3]
    pace = 1 + DISTANCE if name == "disc" else 1.0

    def height(u, v):
        place, distance = PLACE + v * DISTANCE / pace, DISTANCE * np.exp(u)
        z = (1 + distance) * np.exp(1j * place) if name == "disc" else distance + 1j * place
        return np.log(distance / (np.linalg.svd(z * np.eye(3) - W, compute_uv=False)[-1] + NOISE))

    e, units = 1e-3, np.eye(2)
    slope = [(height(*e * unit) - height(*-e * unit)) / (2 * e) for unit in units]
    bend = [
        [sum(s * t * height(*e * (s * a + t * b)) for s in (1, -1) for t in (1, -1)) / (4 * e**2) for a in units]
        for b in units
    ]
    np.testing.assert_allclose(point.value, height(0, 0), rtol=1e-12)
    np.testing.assert_allclose(point.gradient, slope, atol=1e-5)
    np.testing.assert_allclose(point.hessian, bend, atol=1e-5)


def test_a_step_uphill_is_newtons_with_the_sizes_of_the_eigenvalues():
    H = np.array([[[-2.0, 0.7], [0.7, 0.3]], [[1.0, 0.0], [0.0, -3.0]], [[2.0, 0.0], [0.0, 2.0]], [[0.0, 0.0], [0, 4]]])
    g = np.array([0.3, -1.2])
    values, V = np.linalg.eigh(H)
    wanted = (V @ ((V.swapaxes(1, 2) @ g) / np.maximum(np.abs(values), 1e-6))[..., None])[..., 0]
    np.testing.assert_allclose(jax.jit(jax.vmap(_uphill, (0, None)))(jnp.asarray(H), jnp.asarray(g)), wanted, rtol=1e-9)


@jax.jit
def _crossings(level):
    found = {}
    for name, region in REGIONS.items():
        matrix, points = region.crossing(jnp.asarray(W), level)
        found[name] = points(jnp.linalg.eigvals(matrix))
    return found


@regions
def test_a_crossing_holds_every_point_of_the_boundary_where_the_level_is_a_singular_value(name):
    for place in (0.4, 2.0):
        z = np.exp(1j * place) if name == "disc" else 1j * place
        for level in np.linalg.svd(z * np.eye(3) - W, compute_uv=False):
            assert np.abs(_crossings(jnp.asarray(level))[name] - z).min() < 1e-10


def test_a_climb_ends_at_the_maximum():
    """Of d/σ_min for [[−½, c], [0, −½]], on the real line: σ_min = (√(c² + 4 s²) − c)/2 with s = d + ½."""
    c, d = 3.0, np.linspace(1e-3, 3, 200_001)
    heights = np.log(d / ((np.sqrt(c**2 + 4 * (d + 0.5) ** 2) - c) / 2))
    block = jnp.array([[-0.5, c], [0.0, -0.5]])
    climb = jax.jit(
        lambda place, distance: _climbed(
            block, HalfPlane(), jnp.asarray(0.0), jnp.asarray(20), jnp.asarray(2.0), place, distance
        )
    )
    for place, distance in ((0.0, 0.1), (0.2, 2.0)):
        top = climb(jnp.asarray(place), jnp.asarray(distance))
        np.testing.assert_allclose([top.value, top.place], [heights.max(), 0], atol=1e-8)
        np.testing.assert_allclose(top.distance, d[heights.argmax()], rtol=1e-4)


def test_the_search_begins_opposite_the_eigenvalues_between_them_and_round_the_matrix():
    """At angles 0, the eigenvalues' ±0.4 and 1.2, their middle 0.8, and 24 more, in order; distances in equal ratios."""

    @jax.jit
    def begin(at, size):
        distances = _pairs(jnp.array([0.5, 1.0]), jnp.asarray(1e-3), jnp.asarray(1e3))
        return _places(at, size, UnitDisc()), _places(at, size, HalfPlane()), distances

    places, in_plane, pairs = map(np.asarray, begin(np.array([1.2, -0.4]), 2.0))
    assert len(places) == 28 and np.all(np.diff(places) >= 0)
    for wanted in (0.0, 0.4, 0.8, 1.2, *(np.arange(24) + 0.25) * np.pi / 24):
        assert np.abs(places - wanted).min() < 1e-14
    np.testing.assert_allclose(in_plane.max(), 2 * np.sin(12.25 * np.pi / 24), rtol=1e-14)
    assert pairs.shape == (2, 32, 2) and np.all(pairs[:, :, 0] == [[0.5], [1.0]])
    np.testing.assert_allclose(pairs[1, :, 1], np.geomspace(1e-3, 1e3, 32), rtol=1e-12)


def test_the_norm_of_a_resolvent_by_inverses_has_digits_where_singular_values_have_none():
    """Of [[½, c], [0, ½]] at z = 1: ‖[[2, 4 c], [0, 2]]‖."""
    norm = jax.jit(_resolvent_norm)
    for c in (1.0, 1e9, 1e18):
        wanted = (4 * c + np.sqrt(16 * c**2 + 16)) / 2
        np.testing.assert_allclose(norm(jnp.array([[0.5, c], [0.0, 0.5]]), jnp.asarray(1.0 + 0j)), wanted, rtol=1e-12)


def test_the_departure_from_normality_is_what_is_above_the_diagonal():
    of = jax.jit(departure)
    for T in ([[0.5, 3.0], [0.0, -0.2]], [[0.5, 1e-12], [0.0, -0.2]], [[0.5, 3e200], [0.0, -2e199]], np.zeros((2, 2))):
        values, vectors = np.linalg.eig(np.array(T))
        found = of(jnp.asarray(T, float), jnp.asarray(values + 0j), jnp.asarray(vectors + 0j))
        np.testing.assert_allclose(found, T[0][1], rtol=1e-3 if T[0][1] < 1e-6 else 1e-12)


def test_contours_are_the_circle_and_the_line_at_the_level():
    z, level = jnp.array([0.3 - 0.4j, 2.0j, 0.0]), jnp.asarray(0.2)
    on_circle, on_line = jax.jit(lambda: tuple(region.reading.contour(z, level) for region in REGIONS.values()))()
    np.testing.assert_allclose(on_circle, np.exp(0.2) * np.array([0.6 - 0.8j, 1j, 1]), rtol=1e-14)
    np.testing.assert_allclose(on_line, [0.2 - 0.4j, 0.2 + 2j, 0.2], rtol=1e-14)
