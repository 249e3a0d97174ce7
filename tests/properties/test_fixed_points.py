"""Fixed points do not depend on how they are looked for, and move with a change of basis."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from properties import strategies as draw
from properties.budget import prop

import rnn_ode as ro

GUESSES = 12


def _map(W, b, S=None):
    """The tanh network, with its states in the basis S."""
    if S is None:
        return ro.Map(lambda x, h: jnp.tanh(W @ h + b))
    inverse = jnp.linalg.inv(S)
    return ro.Map(lambda x, h: S @ jnp.tanh(W @ (inverse @ h) + b))


@jax.jit
def _found(W, b, guesses):
    return ro.fixed_points(_map(W, b), guesses)


@jax.jit
def _found_in_basis(W, b, guesses, S):
    return ro.fixed_points(_map(W, b, S), guesses)


@jax.jit
def _equilibria(W, b, guesses):
    cell = ro.VanillaCell(W, jnp.zeros((len(W), 1)), b, jnp.tanh)
    return ro.fixed_points(ro.Flow(ro.to_ode(cell, ro.Forward(1), dt=0.25), jnp.zeros(1)), guesses)


def points_of(found):
    return np.asarray(found.points)[: int(found.count)]


def same(a, b, tolerance=1e-6):
    """Whether two sets of points are the same, in any order."""
    return len(a) == len(b) and all(np.linalg.norm(b - p, axis=1).min(initial=np.inf) < tolerance for p in a)


def regular(found):
    """Whether no point is near a bifurcation, where what counts as distinct is a matter of rounding."""
    values = np.asarray(found.eigenvalues)[: int(found.count)]
    return np.abs(values - 1).min(initial=np.inf) > 1e-2


networks = st.builds(
    lambda W, gain, bias, rng: (gain * W / max(np.linalg.norm(W, 2), 1e-9), bias * rng.normal(size=len(W))),
    draw.matrices(least=2, most=5, kinds=("Gaussian", "symmetric", "skew", "normal", "Toeplitz", "integers")),
    st.floats(0.1, 6),
    st.sampled_from([0.0, 0.1, 1.0]),
    draw.rngs(),
)


@prop(30, 2000, network=networks, rng=draw.rngs())
def test_the_order_of_the_guesses_changes_the_order_alone(network, rng):
    W, b = network
    guesses = rng.normal(size=(GUESSES, len(b)))
    order = rng.permutation(GUESSES)
    one, other = _found(W, b, guesses), _found(W, b, guesses[order])
    assume(regular(one) and regular(other))
    assert same(points_of(one), points_of(other))
    # each guess reaches the same point
    for i, j in enumerate(order):
        a, c = int(one.reached[j]), int(other.reached[i])
        assert (a < 0) == (c < 0)
        assert a < 0 or np.linalg.norm(one.points[a] - other.points[c]) < 1e-6


@prop(
    30,
    2000,
    found="a guess from which Newton's method sticks may reach a point or none when other guesses change, which is now said",
    network=networks,
    rng=draw.rngs(),
)
def test_more_guesses_and_repeated_ones_lose_no_point(network, rng):
    all_, half = with_more_guesses(*network, rng)
    assume(regular(all_) and regular(half))
    no_point_is_lost(all_, half)


def with_more_guesses(W, b, rng):
    """What is found from twelve guesses, and from half of them with copies of the first one."""
    guesses = rng.normal(size=(GUESSES, len(b)))
    padded = np.concatenate([guesses[: GUESSES // 2], np.repeat(guesses[:1], GUESSES - GUESSES // 2, axis=0)])
    return _found(W, b, guesses), _found(W, b, padded)


def no_point_is_lost(all_, half):
    reached = np.asarray(all_.reached)[: GUESSES // 2]
    arrive = (reached >= 0) & (np.asarray(half.reached)[: GUESSES // 2] >= 0)
    points, others = {*reached[arrive]}, {*np.asarray(half.reached)[: GUESSES // 2][arrive]}
    assert same(np.asarray(all_.points)[sorted(points)], np.asarray(half.points)[sorted(others)])
    for a, c in zip(reached, half.reached, strict=False):
        assert a < 0 or c < 0 or np.linalg.norm(all_.points[a] - half.points[c]) < 1e-6
    assert int(half.count) == len(set(np.asarray(half.reached)[: GUESSES // 2 + 1]) - {-1})
    assert np.isnan(half.points[int(half.count) :]).all()


def test_the_points_are_those_of_the_guesses_that_stick_nowhere():
    """One guess alone reaches the third point, and sticks where other guesses give the search its units."""
    W = [
        [2.17141345, -2.17141345, 0.434282690],
        [4.3428269e-8, -2.17141345, -4.3428269],
        [0.43428269, 2.17141345, 2.17141345],
    ]
    all_, half = with_more_guesses(np.array(W), np.zeros(3), np.random.default_rng(379))
    no_point_is_lost(all_, half)
    assert not same(points_of(all_), points_of(half))


def test_a_guess_that_sticks_in_other_units_loses_no_point():
    """Its own end depends on the other guesses, which give the search its units."""
    W = [[1.65622052, -0.552073505, 0.276036753]] * 2 + [[5.52073505e-09, -0.276036753, -0.276036753]]
    b = np.array([0.2791537, -1.02640394, 0.23437569])
    all_, half = with_more_guesses(np.array(W), b, np.random.default_rng(51482))
    no_point_is_lost(all_, half)
    assert (np.asarray(all_.reached)[:6] < 0).tolist() != (np.asarray(half.reached)[:6] < 0).tolist()


@prop(30, 2000, network=networks, rng=draw.rngs())
def test_every_point_is_one_and_no_two_are_the_same(network, rng):
    W, b = network
    found = _found(W, b, rng.normal(size=(GUESSES, len(b))))
    points = points_of(found)
    np.testing.assert_allclose(np.tanh(points @ W.T + b), points, atol=1e-9)
    gaps = np.linalg.norm(points[:, None] - points[None], axis=-1) + np.eye(len(points))
    assert not regular(found) or gaps.min(initial=1) > 1e-7
    for point, values, left, right in zip(points, found.eigenvalues, found.left, found.right, strict=False):
        J = (1 - point[:, None] ** 2) * W
        np.testing.assert_allclose(J @ right, right * values[None], atol=1e-8 * max(np.linalg.norm(J), 1))
        defined = np.isfinite(np.asarray(left)).all(axis=1)
        np.testing.assert_allclose((left @ right)[defined], np.eye(len(b))[defined], atol=1e-6)


@prop(25, 1500, network=networks, rng=draw.rngs())
def test_points_and_eigenvalues_move_with_a_change_of_basis(network, rng):
    W, b = network
    n = len(b)
    S = draw._orthogonal(rng, n) * 2.0 ** rng.integers(-8, 9)
    guesses = rng.normal(size=(GUESSES, n))
    one, other = _found(W, b, guesses), _found_in_basis(W, b, guesses @ S.T, S)
    assume(regular(one) and regular(other))
    for i in range(GUESSES):
        a, c = int(one.reached[i]), int(other.reached[i])
        if a >= 0 and c >= 0 and np.linalg.norm(S @ one.points[a] - other.points[c]) < 1e-6 * np.linalg.norm(S, 2):
            np.testing.assert_allclose(
                np.sum(one.eigenvalues[a]), np.sum(other.eigenvalues[c]), atol=1e-6 * max(np.linalg.norm(W), 1)
            )
            assert ro.verdict_name(one.verdicts)[a] == ro.verdict_name(other.verdicts)[c]


@prop(25, 1500, network=networks, rng=draw.rngs())
def test_a_network_and_its_first_order_flow_rest_at_the_same_points(network, rng):
    """And the eigenvalues of the flow are (λ − 1)/dt."""
    W, b = network
    guesses = rng.normal(size=(GUESSES, len(b)))
    one, other = _found(W, b, guesses), _equilibria(W, b, guesses)
    assume(regular(one) and regular(other))
    for point, values in zip(points_of(one), np.asarray(one.eigenvalues), strict=False):
        near = np.linalg.norm(points_of(other) - point, axis=1)
        if near.min(initial=1) < 1e-8:
            came = np.asarray(other.eigenvalues)[near.argmin()]
            np.testing.assert_allclose(np.sum(came), np.sum((values - 1) / 0.25), atol=1e-6 * max(np.linalg.norm(W), 1))
    np.testing.assert_allclose(np.tanh(points_of(other) @ W.T + b), points_of(other), atol=1e-8)


@prop(20, 1000, network=networks, rng=draw.rngs(), power=st.integers(-30, 30))
def test_points_do_not_depend_on_the_units_of_time_or_state(network, rng, power):
    """A state in a unit that is a power of two has the same points, to the last bit or nearly."""
    W, b = network
    n = len(b)
    guesses = rng.normal(size=(GUESSES, n))
    s = 2.0**power
    one, other = _found(W, b, guesses), _found_in_basis(W, b, guesses * s, s * np.eye(n))
    assume(regular(one))
    assert int(one.count) == int(other.count)
    np.testing.assert_allclose(points_of(other) / s, points_of(one), atol=1e-9)
