"""Portraits: principal components as NumPy has them, eigenvectors known by hand, orbits, and bad input."""

import jax.numpy as jnp
import numpy as np
import pytest
from weights import drawn

import rnn_ode as ro
import rnn_ode.plot

RNG = np.random.default_rng(0)
BASIS = np.linalg.qr(RNG.normal(size=(4, 4)))[0]  # its first column grows by 2 near 0, its other columns decay by ½
W = jnp.asarray(BASIS @ np.diag([2.0, 0.5, 0.5, 0.5]) @ BASIS.T)
NETWORK = ro.Map(lambda x, h: jnp.tanh(W @ h))
RUNS = [RNG.normal(size=(3, 4))]
for _ in range(15):
    RUNS.append(np.tanh(RUNS[-1] @ W.T))
RUNS = np.stack(RUNS, axis=1)


@pytest.fixture(scope="module")
def found():
    return ro.portrait(NETWORK, RUNS, fixed=ro.fixed_points(NETWORK, np.concatenate([RUNS[:, -1], np.zeros((1, 4))])))


@pytest.mark.gate
def test_fixed_points_are_searched_for_from_the_runs(found):
    searched = ro.portrait(NETWORK, RUNS)
    assert sorted(searched.fixed.kind_names) == sorted(found.fixed.kind_names)
    np.testing.assert_allclose(np.sort(searched.distances), np.sort(found.distances), rtol=1e-6)


def test_components_are_those_of_a_singular_value_decomposition(found):
    flat = RUNS.reshape(-1, 4)
    variances = np.sort(np.linalg.eigvalsh(np.cov(flat.T)))[::-1]
    np.testing.assert_allclose(found.explained, (variances / variances.sum())[:3], rtol=1e-9)
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(found.runs.reshape(-1, 3).var(axis=0, ddof=1), variances[:3], rtol=1e-9)
    np.testing.assert_allclose(found.to_plane(RUNS), found.runs, atol=1e-12)
    np.testing.assert_allclose(
        np.linalg.norm(RUNS - found.centre, axis=2) ** 2 >= (found.runs**2).sum(axis=2) - 1e-12, 1
    )


def test_points_their_distances_and_unstable_directions(found):
    kinds = found.fixed.kind_names
    assert kinds.count("SADDLE") == 1 and found.fixed.verdict_names.count("DECAYS") == 2
    saddle = kinds.index("SADDLE")
    np.testing.assert_allclose(found.points, found.to_plane(np.asarray(found.fixed.points)[: len(kinds)]), atol=1e-12)
    (direction,) = found.unstable[saddle]
    wanted = found.axes @ BASIS[:, 0]
    np.testing.assert_allclose(direction * np.sign(direction @ wanted), wanted, atol=1e-6)
    assert [len(found.unstable[i]) for i in range(len(kinds)) if i != saddle] == [0, 0]
    flat = RUNS.reshape(-1, 4)
    away = np.linalg.norm(flat, axis=1).min() / np.sqrt(((flat - flat.mean(axis=0)) ** 2).sum(axis=1).mean())
    np.testing.assert_allclose(found.distances[saddle], away, rtol=1e-6)
    assert "saddle" in found.table() and "3 runs of 16 states" in found.table()


def test_the_picture_has_runs_points_orbits_and_directions(found):
    flat = ro.plot.state_portrait(found)
    (axes,) = flat.axes
    assert flat.get_suptitle() == "3 fixed points, 2 of them stable"
    words = [text.get_text() for text in axes.get_legend().get_texts()]
    assert words[0] == "runs" and "unstable direction" in words and "saddle, unstable" in words
    assert axes.get_xlabel().startswith("principal component 1 (")
    deep = found.plot((0, 1, 2)).axes[0]
    assert deep.name == "3d" and len(deep.lines) == len(axes.lines)
    for bad in ((0,), (0, 0), (0, 3)):
        with pytest.raises(ValueError, match="components must be two or three different ones of 0 to 2"):
            found.plot(bad)


@pytest.mark.slow
def test_orbits_of_every_kind_are_taken():
    ring = ro.Flow(lambda t, h, path: h * (1 - h @ h) + jnp.stack([-h[1], h[0]]))
    angle = np.linspace(0, 6, 40)
    run = np.stack([0.5 * np.cos(angle), 0.5 * np.sin(angle)], axis=1)
    orbit = ro.periodic_orbit(ring, jnp.array([1.0, 0.0]), 6.2)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    basin = ro.basins(ring, np.array([[0.5, 0.0]]))
    found = ro.portrait(ring, run, orbits=[orbit, circle, *basin.attractors])
    assert found.stable == [True, None, True] and "3 orbits: stable, undetermined, stable." in found.table()
    for one in found.orbits:
        np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1, atol=1e-4)  # that of basins is a run
    # the focus 1 ± i at 0: its plane is the whole one
    np.testing.assert_allclose(found.unstable[0] @ found.unstable[0].T, np.eye(2), atol=1e-9)
    assert found.plot().get_suptitle() == "1 fixed point, 0 of them stable; 3 orbits"
    tent = ro.Map(ro.VanillaCell([[1.5, -3.0], [1.5, -3.0]], jnp.zeros((2, 1)), [0.0, -0.5]), jnp.zeros(1))
    states = ro.iterate(tent.cell, jnp.zeros((20, 1)), jnp.array([0.3, 0.1])).states
    assert ro.portrait(tent, states, orbits=ro.cycles(tent, 2)).stable == [False]


@pytest.mark.slow
def test_one_unit_and_states_that_are_pairs():
    one = ro.portrait(ro.Map(lambda x, h: jnp.tanh(2 * h)), np.linspace(-1, 1, 9)[:, None])
    assert one.runs.shape == (1, 9, 1) and len(one.plot().axes[0].lines) > 1
    import equinox as eqx

    cell = drawn(eqx.nn.LSTMCell, 1, 2)
    states = ro.iterate(cell, jnp.ones((9, 1))).states
    assert ro.portrait(ro.Map(cell, jnp.ones(1)), states).runs.shape == (1, 10, 3)


@pytest.mark.parametrize(
    ("states", "options", "error", "words"),
    [
        (np.full((5, 4), np.nan), {}, ValueError, "states must be finite"),
        (np.zeros(4), {}, ValueError, r"states must be runs \(…, n, N\)"),
        (np.zeros((1, 4)), {}, ValueError, "at least two states"),
        (RUNS, {"fixed": 3}, ValueError, "fixed must be what fixed_points found .* got int"),
        (RUNS, {"orbits": [np.zeros((5, 3))]}, ValueError, r"got one of shape \(5, 3\)"),
    ],
)
def test_bad_input_is_named(found, states, options, error, words, as_user):
    with pytest.raises(error, match=words):
        ro.portrait(NETWORK, states, **({"fixed": found.fixed} | options))
