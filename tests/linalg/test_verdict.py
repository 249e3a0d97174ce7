"""Verdicts, against spectra known by construction, a simulated long run, and LAPACK in more precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from matrices import METHODS, NAMES, code, g, gaussian, jordan, name, rotated

import rnn_ode as ro
from rnn_ode.linalg._eig import modes
from rnn_ode.linalg._regions import HalfPlane, UnitDisc
from rnn_ode.linalg._verdict import (
    Rounding,
    _chosen,
    _condition_limit,
    _middle_of_largest_gap,
    _Seen,
    _sunflower,
    eigenvalue_reach,
    inverse_bound,
    judge,
    reach,
)

COLUMNS = ("network", *(method.label for method in METHODS))
SIZES = (1, 2, 3, 5, 8, 16, 32, 64)
N = 12
CHUNK = 32


@jax.jit
def _codes(Ws):
    def one(W):
        return jnp.stack([code(verdict) for verdict in ro.spectrum(W).verdicts(*METHODS)])

    # a loop, not vmap: see test_vmapped_equals_a_loop for that
    return jax.lax.map(one, Ws)


def verdicts(Ws) -> np.ndarray:
    """Names of the verdicts (matrix, 1 + method); in chunks of one size, so that it is compiled once for each N."""
    Ws = np.asarray(Ws)
    padded = np.concatenate([Ws, np.repeat(Ws[-1:], -len(Ws) % CHUNK, axis=0)])
    codes = [np.asarray(_codes(jnp.asarray(padded[i : i + CHUNK]))) for i in range(0, len(padded), CHUNK)]
    return np.array(NAMES)[np.concatenate(codes)[: len(Ws)]]


# One size, one set of readings: everything here is compiled once.

U = np.finfo(float).eps
TURN = scipy.linalg.qr(np.random.default_rng(21).standard_normal((4, 4)))[0]


@jax.jit
def _judged(Ws):
    def one(W):
        found = modes(W)
        readings = UnitDisc().reading, HalfPlane().reading, ro.Backward(1).reading
        return jnp.stack([code(v) for v in judge(found.balanced, found.values, found.balanced_condition, readings)])

    return jax.lax.map(one, Ws)


def turned(T):
    return TURN @ T @ TURN.T


def steep(margin, slope):
    """Multipliers 1 − margin, 0.5, 0.2, 0.1, of which the first two have a condition of 2 · slope."""
    T = np.diag([1 - margin, 0.5, 0.2, 0.1])
    T[0, 1] = slope
    return turned(T)


def crowd(top):
    """A defective multiplier 0.95 of multiplicity three, beside another one."""
    return turned(scipy.linalg.block_diag(jordan(0.95, 3), [[top]]))


# what the map, the flow and the flow by Backward(1), |λ − ½| < ½, do
JUDGED = {
    "inside the disc": (np.diag([0.9, 0.5, -0.3, 0.2]), "DECAYS GROWS GROWS"),
    "inside the disc of Backward": (turned(np.diag([0.9, 0.5, 0.3, 0.2])), "DECAYS GROWS DECAYS"),
    "inside the half-plane": (turned(np.diag([-2.0, -1.5, -0.3, -0.2])), "GROWS DECAYS GROWS"),
    "a rotation": (turned(0.9 * np.kron(np.eye(2), [[0, -1], [1, 0]])), "DECAYS PERSISTS GROWS"),
    "a growing rotation": (turned(1.1 * np.kron(np.eye(2), [[0.6, -0.8], [0.8, 0.6]])), "GROWS GROWS GROWS"),
    "the identity": (np.eye(4), "PERSISTS GROWS PERSISTS"),
    "minus the identity": (-np.eye(4), "PERSISTS DECAYS GROWS"),
    "a reflection": (turned(np.diag([1.0, -1.0, 0.5, 0.2])), "PERSISTS GROWS GROWS"),
    "zero": (np.zeros((4, 4)), "DECAYS PERSISTS UNDETERMINED"),
    "a multiplier near the pole": (np.diag([1e-3, 0.5, 0.3, 0.2]), "DECAYS GROWS DECAYS"),
    "a multiplier at the pole": (turned(np.diag([1e-17, 0.5, 0.3, 0.2])), "DECAYS GROWS UNDETERMINED"),
    "a multiplier at the pole beside a growing one": (np.diag([1.5, 0.5, 0.3, 0.0]), "GROWS GROWS UNDETERMINED"),
    "a shift": (turned(2 * np.eye(4, k=1)), "DECAYS UNDETERMINED UNDETERMINED"),
    "a steep shift": (turned(1e6 * np.eye(4, k=1)), "UNDETERMINED UNDETERMINED UNDETERMINED"),
    "a defective multiplier inside": (turned(jordan(0.7, 4)), "DECAYS GROWS DECAYS"),
    "a defective multiplier on the boundary": (
        turned(scipy.linalg.block_diag(jordan(1.0, 2), np.diag([0.5, 0.3]))),
        "UNDETERMINED GROWS UNDETERMINED",
    ),
    "a defective multiplier outside": (turned(jordan(1.3, 4)), "GROWS GROWS GROWS"),
    "a crowd inside and one outside": (crowd(1.001), "GROWS GROWS GROWS"),
    "a crowd on the boundary and one outside": (
        turned(scipy.linalg.block_diag(jordan(1.0, 3), [[1.2]])),
        "GROWS GROWS GROWS",
    ),
    "a multiplier on the boundary beside a defective one inside": (
        turned(scipy.linalg.block_diag([[1.0]], jordan(0.3, 3))),
        "PERSISTS GROWS PERSISTS",
    ),
    "as near as rounding hides": (np.diag([1 - 14 * U, 0.5, 0.2, 0.1]), "PERSISTS GROWS PERSISTS"),
    "as near as drift and scatter together hide": (np.diag([1 - 18 * U, 1e-3, 1e-3, 1e-3]), "PERSISTS GROWS PERSISTS"),
    "a little farther than both": (np.diag([1 - 22 * U, 1e-3, 1e-3, 1e-3]), "DECAYS GROWS DECAYS"),
    "a little farther inside": (np.diag([1 - 40 * U, 0.5, 0.2, 0.1]), "DECAYS GROWS DECAYS"),
    "a little farther outside": (np.diag([1 + 40 * U, 0.5, 0.2, 0.1]), "GROWS GROWS GROWS"),
    "as near as the condition hides": (steep(6e3 * U, 100), "PERSISTS GROWS PERSISTS"),
    "as near, of a condition of 670 and with no neighbour": (steep(6e4 * U, 1000), "PERSISTS GROWS PERSISTS"),
    "farther than the condition hides": (steep(1.6e4 * U, 100), "DECAYS GROWS DECAYS"),
    "in units of 2^20": (
        np.diag([1, 2**20, 1, 1]) @ np.diag([0.9, 0.5, 0.3, 0.2]) @ np.diag([1, 2**-20, 1, 1]),
        "DECAYS GROWS DECAYS",
    ),
    "a turn in units of 2^20": (
        np.diag([1, 2.0**20, 1, 1]) @ turned(np.diag([0.999, 0.5, 0.3, 0.2])) @ np.diag([1, 2.0**-20, 1, 1]),
        "DECAYS GROWS DECAYS",
    ),
}


@pytest.fixture(scope="module")
def judged():
    codes = np.asarray(_judged(jnp.asarray(np.stack([W for W, _ in JUDGED.values()]))))
    return {label: " ".join(NAMES[i] for i in row) for label, row in zip(JUDGED, codes, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize("label", JUDGED)
def test_the_verdict_on_a_small_matrix(judged, label):
    assert judged[label] == JUDGED[label][1]


# the parts of a verdict, by hand


def test_the_second_level_is_the_middle_of_the_largest_gap_among_the_growing():
    middle = jax.jit(jax.vmap(_middle_of_largest_gap))
    growths = [[0.5, 2.0, 0.25, -9.0], [3.0, 0.5, 1.0, -9.0], [1.0, 2.0, 3.0, 9.0], [-4.0, -3.0, -1.0, -9.0]]
    assert middle(jnp.array(growths)).tolist() == [1.25, 2.0, 6.0, 0.0]


def test_the_points_to_examine_are_all_seeds_and_the_sixteen_eigenvalues_nearest_to_the_curve():
    n, far = 40, np.r_[np.arange(20.0, 0.0, -1.0), np.arange(20.0, 0.0, -1.0)]
    starts = np.r_[far[:20], far[20:] - 1e-3j, np.zeros(24)]  # the second twenty have a conjugate that is not here
    chosen = np.asarray(jax.jit(_chosen, static_argnums=1)(starts, n, np.zeros(n + 24, complex)))
    assert len(chosen) == 40 and set(chosen[:24]) == set(range(40, 64)) and chosen[24:].tolist() == [*range(19, 3, -1)]


def test_the_other_points_are_spread_over_a_disc():
    points = np.asarray(_sunflower(jnp.asarray(2 + 1j), jnp.asarray(3.0))) - (2 + 1j)
    assert len(points) == 24 and abs(np.abs(points).max() - 3) < 1e-12
    apart = np.abs(points[:, None] - points[None]) + 9 * np.eye(24)
    assert apart.min() > 0.7 and apart.min(axis=1).max() < 1.2  # a disc has room for 24 hexagons 1.17 apart
    assert abs(points.mean()) < 0.1


def test_an_eigenvalue_on_the_boundary_is_semisimple_up_to_the_condition_that_its_neighbours_allow():
    values, reach = np.array([1.0, 1.0 + 9e-10, -1.0, 11e-10 - 1.0, 1j]), np.full(5, 1e-10)
    limit = jax.jit(_condition_limit)(values + 0j, reach)
    np.testing.assert_allclose(limit, [U**-0.15, U**-0.15, 0.1 / U**0.5, 0.1 / U**0.5, 0.1 / U**0.5], rtol=1e-12)


@jax.jit
def _seen(z):
    readings = UnitDisc().reading, HalfPlane().reading, ro.Backward(1).reading
    return [_Seen.by(reading, z, 3) for reading in readings]


def test_what_a_reading_says_of_multipliers_and_of_its_curve():
    """|λ|, Re λ and Re (1 − 1/λ), and the distances of three multipliers from two curves to first order."""
    z = np.array([2.0, 0.5j, 1.5 + 0.5j, -0.7, 3.0])
    disc, plane, backward = _seen(jnp.asarray(z))
    np.testing.assert_allclose(disc.growth, np.log(np.abs(z[:3])), rtol=1e-12)
    np.testing.assert_allclose(plane.growth, [2, 0, 1.5])
    np.testing.assert_allclose(backward.growth, (1 - 1 / z[:3]).real, atol=1e-12)
    for seen, slope in ((disc, 1 / np.abs(z)), (plane, np.ones(5)), (backward, 1 / np.abs(z) ** 2)):
        ladder = np.sort(np.r_[0, np.maximum(seen.growth, 0)])
        i = np.argmax(np.diff(ladder))
        np.testing.assert_allclose(seen.levels, [0, ladder[i : i + 2].mean()], rtol=1e-12)
        distance = np.abs(np.asarray(seen.growth)[None] - np.asarray(seen.levels)[:, None]) / slope[None, :3]
        np.testing.assert_allclose(seen.distance, distance, atol=1e-12)
        assert not seen.overflows and seen.curves.shape == seen.missed.shape == (2, 5)
    np.testing.assert_allclose(np.abs(disc.curves), np.exp(np.asarray(disc.levels))[:, None] * np.ones(5), rtol=1e-12)
    np.testing.assert_allclose(plane.curves.real, np.asarray(plane.levels)[:, None] * np.ones(5), atol=1e-12)
    assert max(disc.missed.max(), plane.missed.max()) < 1e-12
    assert [bool(seen.overflows) for seen in _seen(jnp.array([0.0, 1.0, 2.0, 3.0, 4.0], complex))] == [0, 0, 1]


def growth(multipliers) -> np.ndarray:
    """The true rate of the network and of each counterpart: the largest Re g, NaN at a pole."""
    rates = [np.log(np.abs(np.where(np.asarray(multipliers) == 0, 1e-300, multipliers))).max()]
    for method in METHODS:
        values = g(method, multipliers)
        at_pole = not np.all(np.isfinite(values))
        rates.append(np.nan if at_pole else values.real.max())
    return np.array(rates)


def wrong(verdict, rate, margin=0.0) -> bool:
    """Whether a verdict is wrong; on the boundary and at a pole every decided verdict is wrong."""
    return (verdict == "DECAYS" and not rate < -margin) or (verdict == "GROWS" and not rate > margin)


def assert_never_wrong(labels, Ws, spectra, margin):
    found = verdicts(Ws)
    bad = [
        f"{label}: {column} says {verdict}, the rate is {rate:.3g}"
        for label, row, spectrum in zip(labels, found, spectra, strict=True)
        for column, verdict, rate in zip(COLUMNS, row, growth(spectrum), strict=True)
        if wrong(verdict, rate, margin)
    ]
    assert not bad, "\n".join(bad)
    return found


def complex_jordan(radius, angle, pairs):
    turn = radius * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.kron(np.eye(pairs), turn) + np.kron(np.eye(pairs, k=1), np.eye(2))


def hard_cases():
    """(label, matrix, its eigenvalues by construction), all of one size."""
    rng = np.random.default_rng(5)

    def block(*blocks):
        rest = N - sum(np.shape(b)[0] for b in blocks)
        T = scipy.linalg.block_diag(*blocks, 0.3 * np.eye(rest))
        return T

    def case(label, T):
        return label, rotated(rng, T), np.diagonal(T)

    for r in (0.5, 0.9, 0.99, 1.0, 1.01, 1.5, -0.5, -1.0, -1.2):
        yield case(f"Jordan {r}", jordan(r, N))
        yield f"Jordan {r}, not rotated", jordan(r, N), np.full(N, r)
        for size in (2, 3, 4, 6):
            yield case(f"Jordan {r} of size {size}", block(jordan(r, size)))
            yield case(f"weak Jordan {r} of size {size}", block(jordan(r, size, 1e-4)))
    for r in (0.3, 0.7, 0.9, 1.0, 1.05):
        pair = r * np.exp([1.1j, -1.1j])
        yield f"complex Jordan {r}", rotated(rng, complex_jordan(r, 1.1, N // 2)), pair
    for size in (4, 8, 11):
        for top in (0.2, -1.7, 1.5, 3.0, 1.001, 1.000001, 1 - 1e-9):
            yield case(f"ill-conditioned cluster of {size} below {top}", block(jordan(0.95, size), [[top]]))
            yield case(f"shift of {size} beside {top}", block(jordan(0.0, size, 0.9), [[top]]))
    for step in (0.5, 1.0, 1.5, 2.0, 5.0, 1e3, 1e6):
        yield case(f"{step} shift", jordan(0.0, N, step))
        yield f"{step} shift, not rotated", jordan(0.0, N, step), np.zeros(N)
    for amplitude in (0.1, 1.0, 3.0, 10.0):
        for top in (0.9, 0.999, 1.001, 1.1):
            T = amplitude * np.triu(rng.standard_normal((N, N)), 1)
            T[np.diag_indices(N)] = top * np.r_[1, rng.uniform(-0.9, 0.9, N - 1)]
            yield case(f"triangular, {amplitude} above {top}", T)
    for margin in (1e-14, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4):
        for sign in (1, -1):
            yield case(f"2 by 2, {sign * margin} from 1", block([[1 + sign * margin, 1e3], [0.0, 0.5]]))
    kahan = np.diag(np.sin(1.2) ** np.arange(N)) @ (np.eye(N) - np.cos(1.2) * np.triu(np.ones((N, N)), 1))
    for scale in (0.9, 1.0, 1.5):
        yield case(f"{scale} Kahan", scale * kahan)
    grcar = np.triu(np.tril(np.ones((N, N)), 3)) - np.eye(N, k=-1)
    for scale in (0.2, 0.4, 0.5, 1.0):
        yield f"{scale} Grcar", scale * grcar, scale * np.linalg.eigvals(grcar)
    for q in (0.5, 0.8, 1.2):
        T = 0.25 / q * np.eye(N, k=-1) + q * np.eye(N, k=1)
        yield f"Toeplitz {q}", rotated(rng, T), np.cos(np.pi * np.arange(1, N + 1) / (N + 1))
    for top in (0.7, 0.99, 1.2):
        roots = np.linspace(0.1, top, N)
        yield f"companion of roots up to {top}", scipy.linalg.companion(np.poly(roots)), roots
    yield "companion of one root", scipy.linalg.companion(np.poly(np.full(N, 0.9))), np.full(N, 0.9)


def normal_cases():
    rng = np.random.default_rng(6)
    for gain in (0.5, 0.999999, 1.0, 1.000001, 2.0):
        Q = scipy.linalg.qr(rng.standard_normal((N, N)))[0]
        yield f"{gain} orthogonal", gain * Q, gain * (lambda z: z / abs(z))(np.linalg.eigvals(Q))
        values = gain * np.r_[1, -1, rng.uniform(-1, 1, N - 2)]
        yield f"{gain} symmetric", rotated(rng, np.diag(values)), values
        A = rng.standard_normal((N, N))
        yield f"{gain} skew", gain * (A - A.T), 1j * gain * np.linalg.eigvals(A - A.T).imag
        values = gain * np.r_[1, np.logspace(-1, -18, N - 1)]
        yield f"{gain} nearly singular", rotated(rng, np.diag(values)), values
        yield f"{gain} identity", gain * np.eye(N), np.full(N, gain)
    yield "zero", np.zeros((N, N)), np.zeros(N)


def test_the_bound_of_the_inverse_is_one_and_is_sharp_for_a_normal_matrix():
    rng = np.random.default_rng(0)
    z = rng.standard_normal(20) + 1j * rng.standard_normal(20)
    W = rng.standard_normal((8, 8))
    for matrix, normal in [(W, False), (np.triu(W), False), (W + W.T, True)]:
        found = modes(jnp.asarray(matrix))
        norms = [np.linalg.norm(np.linalg.inv(point * np.eye(8) - found.balanced)) for point in z]
        bounds = [float(inverse_bound(jnp.asarray(point), found.values, found.balanced_condition)) for point in z]
        assert np.all(np.array(bounds) >= (1 - 1e-12) * np.array(norms))
        if normal:  # every κ is 1, and the sum of 8 sizes is at most √8 times the root of their squares
            assert np.all(np.array(bounds) <= 8**0.5 * np.array(norms))


@pytest.mark.gate
def test_hard_matrices():
    labels, Ws, spectra = zip(*hard_cases(), strict=True)
    assert_never_wrong(labels, Ws, spectra, margin=1e-13)


@pytest.mark.slow
def test_normal_matrices():
    labels, Ws, spectra = zip(*normal_cases(), strict=True)
    found = dict(zip(labels, assert_never_wrong(labels, Ws, spectra, margin=1e-13), strict=True))
    assert found["1.0 orthogonal"][0] == found["1.0 identity"][0] == found["1.0 symmetric"][0] == "PERSISTS"
    assert found["1.0 skew"][1] == "PERSISTS"
    assert found["0.999999 orthogonal"][0] == "DECAYS" and found["1.000001 orthogonal"][0] == "GROWS"
    assert found["0.5 nearly singular"][0] == "DECAYS" and found["2.0 nearly singular"][0] == "GROWS"
    # a zero multiplier: decided for the network, a pole for Backward and Exact
    assert found["zero"].tolist()[:3] == ["DECAYS", "PERSISTS", "DECAYS"]
    assert set(found["zero"][[4, 5, 7]]) == set(found["0.5 nearly singular"][[4, 5, 7]]) == {"UNDETERMINED"}


@pytest.mark.slow
def test_ill_conditioned_matrices_far_from_the_boundary_get_a_verdict():
    """A verdict is not only never wrong: matrices far from the boundary get one, however ill-conditioned they are."""
    found = dict(zip(*(lambda c: ([x[0] for x in c], verdicts([x[1] for x in c])))(list(hard_cases())), strict=True))
    assert set(found["Jordan 0.5"][[0, 2, 3, 6, 7]]) == {"DECAYS"} and found["Jordan 0.5"][1] == "GROWS"
    assert found["Jordan 1.5"][0] == found["ill-conditioned cluster of 8 below 1.001"][0] == "GROWS"
    assert found["1.5 shift"][0] == found["shift of 11 beside 0.2"][0] == "DECAYS"
    assert found["Jordan 1.0 of size 2"][0] == found["Jordan 1.0"][0] == found["1000000.0 shift"][0] == "UNDETERMINED"


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e-30, 1e30, 1e150, 1e300])
def test_any_scale(scale):
    """LAPACK scales such matrices, and one version of it forgets to scale the eigenvalues back."""
    A = np.random.default_rng(1).standard_normal((N, N))
    found = verdicts(scale * np.stack([A, A - A.T, np.eye(N)]))
    assert set(found[:, 0]) == {"DECAYS" if scale < 1 else "GROWS"}
    assert found[:, 1].tolist() == ["GROWS", "PERSISTS", "GROWS"]
    s = ro.spectrum(jnp.asarray(scale * A))
    assert np.allclose(s.radius / scale, np.abs(np.linalg.eigvals(A)).max(), rtol=1e-12)


@pytest.mark.gate
def test_any_scale_in_float32(float32):
    A = np.random.default_rng(1).standard_normal((N, N)).astype(np.float32)
    Ws = np.concatenate([np.float32(scale) * np.stack([A, A - A.T]) for scale in (1e-30, 1e-20, 1e20, 1e30)])
    found = verdicts(Ws)
    assert found[:, 0].tolist() == ["DECAYS"] * 4 + ["GROWS"] * 4
    assert found[:, 1].tolist() == ["GROWS", "PERSISTS"] * 4


def simulated_rate(step, doublings=40) -> float:
    """log ‖step^k‖ / k for k = 2^doublings, renormalised at every squaring."""
    logarithm = 0.0
    for _ in range(doublings):
        size = np.linalg.norm(step)
        logarithm = 2 * (logarithm + np.log(size))
        step = step @ step / size**2
    return (logarithm + np.log(np.linalg.norm(step))) / 2.0**doublings


def step_of(method, W):
    """The matrix of one unit of time, without eigenvalues: W itself, or exp of the generator."""
    eye, inverse = np.eye(len(W)), np.linalg.inv(W)
    match method:
        case None | ro.Exact():
            return W
        case ro.Textbook():
            G = W
        case ro.Tustin():
            G = 2 * np.linalg.solve(W + eye, W - eye)
        case ro.Forward():
            G = sum((-1) ** (k + 1) / k * np.linalg.matrix_power(W - eye, k) for k in range(1, method.order + 1))
        case ro.Backward():
            G = sum(np.linalg.matrix_power(eye - inverse, k) / k for k in range(1, method.order + 1))
    # a shorter step where exp would overflow: the sign of the rate is what is asked for
    return scipy.linalg.expm(G / max(1.0, np.linalg.norm(G)))


@pytest.mark.slow
def test_the_simulated_long_run():
    rng = np.random.default_rng(7)
    Ws = rng.standard_normal((2 * CHUNK, N, N)) / N**0.5 * rng.uniform(0.8, 1.2, (2 * CHUNK, 1, 1))
    for row, W in zip(verdicts(Ws), Ws, strict=True):
        for verdict, method in zip(row, (None, *METHODS), strict=True):
            assert not wrong(verdict, simulated_rate(step_of(method, W))), (method, W)


def undetermined_fraction(Ws, margin, clear_of_pole) -> np.ndarray:
    """Of the matrices with a margin above `margin` and no multiplier that near to a pole, per column; asserts on the way
    that none of them is wrong."""
    spectra = [np.linalg.eigvals(W.astype(float)) for W in Ws]
    rates = np.array([growth(values) for values in spectra])
    found = verdicts(Ws)
    bad = [(v, r) for v, r in zip(found.ravel(), rates.ravel(), strict=True) if wrong(v, r)]
    assert not bad, bad
    poles = [np.inf, *(np.inf if method.pole is None else method.pole for method in METHODS)]
    clear = np.array([[np.abs(values - pole).min() > clear_of_pole for pole in poles] for values in spectra])
    asked = (np.abs(rates) > margin) & clear
    return ((found == "UNDETERMINED") & asked).sum(axis=0) / asked.sum(axis=0)


@pytest.mark.slow
def test_random_matrices_get_a_verdict():
    assert np.all(undetermined_fraction(gaussian(N, 5 * CHUNK, float), 1e-6, 1e-6) <= 0.025)


@pytest.mark.slow
def test_random_matrices_get_a_verdict_in_float32(float32):
    assert np.all(undetermined_fraction(gaussian(N, 5 * CHUNK, np.float32), 1e-6, 1e-3) <= 0.025)


@pytest.mark.parametrize(
    "n", [pytest.param(n, marks=pytest.mark.slow if n in (1, 2, 32) else pytest.mark.thorough) for n in SIZES]
)
def test_random_matrices_of_any_size_get_a_verdict(n):
    """The network's verdict alone, which is quick to compile."""
    count = 96 if n < 32 else 32
    for dtype in (np.float64, np.float32) if n in (1, 5, 32) else (np.float64,):
        with jax.enable_x64(dtype is np.float64):
            Ws = gaussian(n, count, dtype)
            found = [NAMES[i] for i in np.asarray(_discrete(jnp.asarray(Ws)))]
        rates = [np.log(np.abs(np.linalg.eigvals(W.astype(float))).max()) for W in Ws]
        assert not any(wrong(v, r) for v, r in zip(found, rates, strict=True))
        asked = [v for v, r in zip(found, rates, strict=True) if abs(r) > 1e-6]
        assert asked.count("UNDETERMINED") <= 0.025 * len(asked)


@jax.jit
def _discrete(Ws):
    return jax.lax.map(lambda W: code(ro.spectrum(W).discrete), Ws)


@pytest.mark.slow
def test_large_nonnormal_matrices():
    rng = np.random.default_rng(9)
    n = 64
    tops = (0.9, 0.999, 1.001, 1.1)
    triangular = [
        0.1 * np.triu(rng.standard_normal((n, n)), 1) + np.diag(np.r_[t, rng.uniform(0, t, n - 1)]) for t in tops
    ]
    shifts = [s * np.eye(n, k=1) for s in (0.5, 1.1, 1.5, 2.0, 4.0)]
    Ws = [rotated(rng, T) for T in (*triangular, *shifts)]
    Ws += [Q for Q in (scipy.linalg.qr(rng.standard_normal((n, n)))[0],)] + [np.eye(n)] * (32 - len(Ws) - 1)
    found = [NAMES[i] for i in np.asarray(_discrete(jnp.asarray(np.stack(Ws))))]
    for verdict, rate in zip(found, [*np.log(tops), *[-np.inf] * 5, 0, 0], strict=False):
        assert not wrong(verdict, rate, 1e-13), (verdict, rate)
    assert found[4] == "DECAYS" and found[7] == found[8] == "UNDETERMINED" and found[9] == "PERSISTS"


@pytest.mark.slow
@pytest.mark.parametrize("offset", range(-8, 9))
def test_one_multiplier_within_ulps_of_the_boundary(offset):
    W = 1 + offset * (np.spacing(1.0) if offset > 0 else np.spacing(0.5))
    found = {name(s) for s in _one_by_one(jnp.full((1, 1), W))}
    assert found <= {"PERSISTS", "DECAYS" if offset < 0 else "PERSISTS", "GROWS" if offset > 0 else "PERSISTS"}
    assert offset != 0 or found == {"PERSISTS"}


@jax.jit
def _one_by_one(W):
    s = ro.spectrum(W)
    return s.discrete, s.continuous(ro.Tustin()), s.continuous(ro.Forward(2))


def near_the_boundary(n, count, margins, dtype, seed=0):
    """(matrix, its rate) of Gaussian, trained-like and badly scaled matrices, half of them with their radius, half with
    their abscissa at a distance from the boundary that is even in the logarithm. The rates are those of `dtype`'s matrices.
    """
    rng = np.random.default_rng(seed)
    for k in range(count):
        R = rng.standard_normal((n, n)) / n**0.5
        if k % 3 == 1:  # a saturating tanh network with a strong direction
            slopes = 1 - np.tanh(1.5 * rng.standard_normal(n)) ** 2
            R = slopes[:, None] * (1.2 * R + 1.5 * np.outer(rng.standard_normal(n), rng.standard_normal(n)) / n)
        values, margin = np.linalg.eigvals(R), rng.choice([-1, 1]) * 10 ** rng.uniform(*np.log10(margins))
        R = R * (1 + margin) / np.abs(values).max() if k % 2 else R + (margin - values.real.max()) * np.eye(n)
        d = 2.0 ** rng.integers(0, 40, n) if k % 3 == 2 else np.ones(n)  # scales over 12 decades
        R = R.astype(dtype)
        values = np.linalg.eigvals(R.astype(float))
        yield (d[:, None] * R / d[None]).astype(dtype), np.log(np.abs(values).max()), values.real.max()


@jax.jit
def _map_and_flow(Ws):
    return jax.lax.map(lambda W: jnp.stack([code(v) for v in ro.spectrum(W).verdicts(ro.Textbook())]), Ws)


def assert_nearly_all_is_said(n, count, margins, dtype, asked):
    Ws, maps, flows = zip(*near_the_boundary(n, count, margins, dtype, seed=n), strict=True)
    rates = np.stack([maps, flows], axis=1)
    found = np.array(NAMES)[np.asarray(_map_and_flow(jnp.asarray(np.stack(Ws))))]
    assert not any(wrong(v, r) for v, r in zip(found.ravel(), rates.ravel(), strict=True))
    open_ = np.isin(found, ["UNDETERMINED", "PERSISTS"])[np.abs(rates) > asked]
    assert open_.mean() <= 0.025


@pytest.mark.gate
@pytest.mark.parametrize(("n", "count"), [(2, 96), (16, 96), pytest.param(128, 24, marks=pytest.mark.thorough)])
def test_gaussian_trained_and_badly_scaled_matrices_get_a_verdict_in_float32(float32, n, count):
    assert_nearly_all_is_said(n, count, (1e-4, 1e-1), np.float32, 1e-4)


@pytest.mark.gate
@pytest.mark.parametrize(("n", "count"), [(2, 96), (64, 48)])
def test_gaussian_trained_and_badly_scaled_matrices_get_a_verdict(n, count):
    # a margin of 1e-10 is met by NumPy's eigenvalues to 1e-13
    assert_nearly_all_is_said(n, count, (2e-10, 1e-1), np.float64, 1e-10)


@pytest.mark.slow
def test_hard_matrices_in_float32(float32):
    labels, Ws, spectra = zip(*hard_cases(), *normal_cases(), strict=True)
    # the rounding of a matrix of size 10 to float32 moves its well-conditioned eigenvalues by 1e-6
    assert_never_wrong(labels, [W.astype(np.float32) for W in Ws], spectra, margin=1e-6)


def reach_cases():
    """(matrix, its eigenvalues): defective and normal, in a rotated basis and in mixed units."""
    rng = np.random.default_rng(13)
    for size, value in ((2, 1.0), (3, 1.0), (4, -0.5), (2, 0.0)):
        T = np.diag(np.r_[np.full(size, value), rng.uniform(0.2, 0.4, 8 - size)])
        T[:size, :size] += np.eye(size, k=1)
        W = rotated(rng, T)
        for d in (np.ones(8), 2.0 ** rng.integers(-20, 20, 8)):
            yield d[:, None] * W / d[None], np.diagonal(T)
    values = np.r_[1, -1, rng.uniform(-1, 1, 6)]
    yield rotated(rng, np.diag(values)), values
    yield rotated(rng, np.eye(8)), np.ones(8)
    for gap in np.geomspace(
        1e-5, 5e-3, 12
    ):  # nearly defective: one of the four is apart, by less or more than a block moves
        T = np.diag(np.r_[0.5, 0.5, 0.5 + gap, 0.5, rng.uniform(-0.4, -0.2, 4)])
        T[:4, :4] += np.eye(4, k=1)
        yield rotated(rng, T), np.diagonal(T)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("W", "method", "verdict"),
    [
        (np.diag([2.0, 0.3]), ro.Forward(2), "GROWS"),
        (np.diag([0.5, 0.9]), ro.Backward(2), "DECAYS"),
        ([[-1e103]], ro.Forward(3), "DECAYS"),
    ],
)
def test_where_g_is_flat_or_overflows_no_boundary_is_seen(W, method, verdict):
    """g' is 0 at λ = 2 under Forward(2) and at ½ under Backward(2): from there no point of the curve is found."""
    assert ro.verdict_name(ro.spectrum(W).continuous(method)) == verdict


def boundary_blocks(n, coupling, rng):
    """Q diag([[1, c], [0, 1]], inner multipliers) Qᵀ: a Jordan block on the boundary, hidden by a rotation."""
    T = np.diag(np.r_[1.0, 1.0, rng.uniform(-0.8, 0.8, n - 2)])
    T[0, 1] = coupling
    return rotated(rng, T)


def discrete_verdicts(Ws):
    return {NAMES[i] for i in np.asarray(_discrete(jnp.asarray(np.stack(Ws))))}


@pytest.mark.gate
@pytest.mark.parametrize(("n", "coupling"), [(2, 1e-4), (8, 1e-2), (32, 1e-1)])
def test_defective_boundary_multipliers_do_not_persist(n, coupling):
    """‖Wᵏ‖ grows as k c, however small the c above the diagonal of the Jordan block, so long as rounding cannot hide it."""
    rng = np.random.default_rng(3)
    Ws = [boundary_blocks(n, coupling, rng) for _ in range(16)]
    assert discrete_verdicts(Ws) == {"UNDETERMINED"}
    assert {name(ro.spectrum(Ws[0]).continuous(m)) for m in (ro.Forward(2), ro.Tustin(), ro.Exact())} == {
        "UNDETERMINED"
    }


@pytest.mark.slow
def test_defective_boundary_multipliers_do_not_persist_in_float32(float32):
    rng = np.random.default_rng(4)
    assert discrete_verdicts([boundary_blocks(4, 1e-2, rng).astype(np.float32) for _ in range(16)]) == {"UNDETERMINED"}


def semisimple_boundaries(n):
    rng = np.random.default_rng(5)
    permutations = [np.eye(n)[rng.permutation(n)] for _ in range(3)]
    inner = np.diag(np.r_[1.0, rng.uniform(-0.9, 0.9, n - 1)])
    V = np.eye(n) + rng.standard_normal((n, n)) / (4 * n**0.5)
    Q = scipy.linalg.qr(rng.standard_normal((n, n)))[0]
    return [np.eye(n), -np.eye(n), rotated(rng, np.eye(n)), Q, V @ inner @ np.linalg.inv(V), *permutations]


@pytest.mark.slow
@pytest.mark.parametrize("n", [2, 64])
def test_semisimple_boundary_multipliers_persist(n):
    assert discrete_verdicts(semisimple_boundaries(n)) == {"PERSISTS"}


@pytest.mark.slow
def test_semisimple_boundary_multipliers_persist_in_float32(float32):
    assert discrete_verdicts([W.astype(np.float32) for W in semisimple_boundaries(16)]) == {"PERSISTS"}


@jax.jit
def _eigenvalues_and_reach(W):
    found = modes(W)
    return found.values, eigenvalue_reach(found.balanced, found.balanced_condition, found.values)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_eigenvalue_is_within_its_reach(dtype):
    with jax.enable_x64(dtype == np.float64):
        for W, values in reach_cases():
            multipliers, reach = map(np.asarray, _eigenvalues_and_reach(jnp.asarray(W.astype(dtype))))
            # W itself was rounded, by no more than the algorithm rounds
            distance = np.abs(multipliers[:, None] - values[None])
            assert np.all(distance.min(axis=1) <= reach), (values, multipliers, reach)


FIRST = 1e-14 + 1e-15 * 1e6  # drift and scatter · condition


@pytest.mark.parametrize(
    ("eigenvalues", "condition", "wanted"),
    [
        ([0.0, 1.0], 1e6, FIRST),
        ([0.0, 10.5 * FIRST], 1e6, FIRST),
        ([0.0, 9.5 * FIRST], 1e6, 2 * FIRST),
        ([0.0, 5 * FIRST, -5 * FIRST], 1e6, 3 * FIRST),
        ([0.0, 1e-9], 1e9, 1e-14 + 1e-15 ** (1 / 2)),
        ([0.0, 1.9 * 1e-15 ** (1 / 2)], 1e9, 1e-14 + 1e-15 ** (1 / 2)),
        ([0.0, 2.1 * 1e-15 ** (1 / 2)], 1e9, 1e-14 + 1e-6),  # too far apart for a block
        ([0.0, 1e-9, 1e-9j], 1e12, 1e-14 + 1e-15 ** (1 / 3)),
        ([0.0, 1e-9, 2.1 * 1e-15 ** (1 / 3)], 1e12, 1e-14 + 1e-15 ** (1 / 2)),
        ([0.0, 1e-15], 200.0, 1e-14 + 2e-13),
        ([0.0, 1e-15], 250.0, 2 * (1e-14 + 2.5e-13)),
    ],
)
def test_the_reach_of_an_eigenvalue_by_its_condition_and_its_neighbours(eigenvalues, condition, wanted):
    rounding = Rounding(drift=1e-14, scatter=1e-15, size=1.0)
    found = reach(np, rounding, U, np.full(len(eigenvalues), condition), np.array(eigenvalues, complex))
    np.testing.assert_allclose(found[0], wanted, rtol=1e-12)


def test_the_reach_in_a_normal_matrix_is_drift_and_scatter():
    _, reach = _eigenvalues_and_reach(jnp.diag(jnp.array([3.0, -2.0, 1.0, 0.5, 0.1, 0.1, 0.0, 0.0])))
    np.testing.assert_allclose(reach, 16 * U * np.sqrt(14.27) + 4 * U * 3, rtol=1e-12)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_the_reach_of_a_defective_eigenvalue_is_that_of_a_jordan_block(size):
    T = scipy.linalg.block_diag(jordan(0.9, size), np.diag(np.linspace(-0.6, -0.1, 8 - size)))
    Q = scipy.linalg.qr(np.random.default_rng(22).standard_normal((8, 8)))[0]
    values, reach = map(np.asarray, _eigenvalues_and_reach(jnp.asarray(Q @ T @ Q.T)))
    norm = np.linalg.norm(T, 2)
    block = 16 * U * np.linalg.norm(T) + norm * (4 * U) ** (1 / size)
    defective = np.abs(values - 0.9) < 0.1
    assert defective.sum() == size
    np.testing.assert_allclose(reach[defective], block, rtol=0.1)  # rtol: Q T Qᵀ is balanced
    assert np.all(reach[~defective] < 1e-12)
