"""Cycles of piecewise-linear networks: the tent map's closed forms, kneading counts, and enumeration without pruning."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro

GOLDEN = (1 + 5**0.5) / 2


def vanilla(W, c):
    return ro.Map(ro.VanillaCell(W, np.zeros((len(c), 1)), c), np.zeros(1))


def plrnn(A, W, c):
    return ro.Map(ro.PiecewiseLinearCell(A, W, np.zeros((len(c), 1)), c), np.zeros(1))


def tent(m):
    return vanilla(np.array([[m, -2 * m], [m, -2 * m]]), np.array([0, -0.5]))


def random_network(kind, N, seed):
    rng = np.random.default_rng(seed)
    W, c = rng.normal(size=(N, N)) * 1.5 / N**0.5, rng.normal(size=N)
    return vanilla(W, c) if kind == "vanilla" else plrnn(np.diag(rng.uniform(-0.9, 0.9, N)), W, c)


def sparse_network(seed):
    """Half of the weights and of the biases are zero: rank-deficient, with units on kinks and rows that prove nothing."""
    rng = np.random.default_rng(seed)
    W, c = rng.normal(size=(4, 4)) * 1.5 * (rng.random((4, 4)) < 0.5), rng.normal(size=4) * (rng.random(4) < 0.5)
    return vanilla(W, c) if seed % 2 else plrnn(np.diag(rng.uniform(-0.9, 0.9, 4)), W, c)


def canonical(points):
    """A set of orbits (n, period, N), each from its least state on, as rows rounded to 1e-7."""
    n, period, N = np.shape(points)
    rounded = np.round(np.asarray(points), 7) + 0.0
    orbits = [min(np.roll(orbit, k, axis=0).ravel().tolist() for k in range(period)) for orbit in rounded]
    return np.array(sorted(orbits)).reshape(n, period * N)


def enumerated(system, period):
    """Every orbit of that prime period by solving every pattern's product of steps: no pruning, no rotations left out."""
    A, W, c, rectified = system.pieces()
    N, orbits = len(c), []
    for pattern in itertools.product((0.0, 1.0), repeat=N * period):
        steps = [A + W * np.array(pattern[t * N : (t + 1) * N]) for t in range(period)]
        J, offset = np.eye(N), np.zeros(N)
        for step in steps:
            J, offset = step @ J, step @ offset + c
        z = [np.linalg.solve(np.eye(N) - J, offset)]
        for step in steps[:-1]:
            z.append(step @ z[-1] + c)
        z = np.array(z)
        fits = np.all((2 * np.array(pattern).reshape(period, N) - 1) * z >= -1e-11)
        if fits and all(np.abs(z - np.roll(z, d, axis=0)).max() > 1e-9 for d in range(1, period)):
            orbits.append(np.maximum(z, 0) if rectified else z)
    return np.unique(canonical(np.array(orbits).reshape(-1, period, N)), axis=0)


def necklaces(k):
    """Prime k-orbits of the full shift on two letters (Moreau)."""
    mobius = {1: 1, 2: -1, 3: -1, 4: 0, 5: -1, 6: 1, 7: -1, 8: 0}
    return sum(mobius[d] * 2 ** (k // d) for d in range(1, k + 1) if k % d == 0) // k


@pytest.mark.slow
@pytest.mark.parametrize(("period", "count"), [(1, 2), (2, 1), (3, 2), (4, 3)])
def test_the_tent_map_has_the_counts_and_multipliers_of_the_reference(period, count):
    m = 1.9
    found = ro.cycles(tent(m), period)
    assert found.complete and found.degenerate == 0 and found.points.shape == (count, period, 2)
    np.testing.assert_allclose(np.abs(found.multipliers), [[m**period, 0]] * count, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(found.on_kink, [True, False] if period == 1 else [False] * count)
    verdicts = [ro.verdict_name(jax.tree.map(lambda v, i=i: v[i], found.verdicts)) for i in range(count)]
    assert verdicts == [("UNDETERMINED" if kink else "GROWS") for kink in found.on_kink]
    h1 = {1: [[0], [m / (1 + m)]], 2: [[m / (1 + m**2), m**2 / (1 + m**2)]]}
    if period in h1:
        np.testing.assert_allclose(found.points[:, :, 0], h1[period], rtol=1e-13, atol=1e-15)
    assert found.residuals.max() < 1e-14


@pytest.mark.slow
def test_three_cycles_of_the_tent_map_begin_at_the_golden_ratio():
    low, high = 1.5, 1.9
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (low, middle) if len(ro.cycles(tent(middle), 3).points) else (middle, high)
    assert abs(high - GOLDEN) < 1e-8
    assert [len(ro.cycles(tent(GOLDEN + step), 3).points) for step in (-1e-8, 1e-8)] == [0, 2]


@pytest.mark.slow
@pytest.mark.parametrize("period", [5, 6, 7, 8])
def test_a_tent_map_that_covers_itself_has_the_necklaces_of_the_full_shift(period):
    """h ↦ relu(z), one slope 2.5: the orbits that never leave [0, 1] are the full shift's; 0 is one of its fixed points."""
    m = 2.5
    found = ro.cycles(tent(m), period)
    assert found.complete and len(found.points) == necklaces(period)
    np.testing.assert_allclose(np.abs(found.multipliers[:, 0]), m**period, rtol=1e-9)


@pytest.mark.parametrize(
    ("kind", "N", "period"),
    [
        ("vanilla", 2, 4),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (("plrnn", 2, 4), ("vanilla", 3, 3), ("plrnn", 3, 3))
        ),
        *(pytest.param(kind, 8, 1, marks=pytest.mark.slow) for kind in ("vanilla", "plrnn")),
    ],
)
def test_pruning_loses_nothing(kind, N, period):
    """Fifteen random networks each against enumeration; the proofs leave out most of the patterns."""
    total = 0
    for seed in range(15):
        system = random_network(kind, N, seed)
        found, expected = ro.cycles(system, period, limit=10**6), enumerated(system, period)
        assert found.complete and len(found.points) == len(expected)
        np.testing.assert_allclose(canonical(found.points), expected, atol=1e-6)
        total += found.coverage.solves
    assert total < 15 * 2 ** (N * period) / 3


@pytest.mark.gate
def test_pruning_loses_nothing_of_sparse_networks():
    for seed in range(20):
        system = sparse_network(seed)
        for period in (1, 2):
            found, expected = ro.cycles(system, period), enumerated(system, period)
            assert found.complete and len(found.points) == len(expected)
            np.testing.assert_allclose(canonical(found.points), expected, atol=1e-6)


@pytest.mark.slow
def test_orbits_return_after_the_period_and_not_before_with_the_multipliers_of_autodiff():
    other = plrnn(np.diag([0.5, -0.4]), np.array([[-1.9, 0.8], [0.9, -1.6]]), np.array([1.0, 0.6]))
    for system, period in ((tent(1.9), 4), (other, 1)):
        found = ro.cycles(system, period)
        assert len(found.points) > 0
        advance = system.stepper().advance

        def after(h, count, advance=advance):
            for k in range(count):
                h = advance(k, h)
            return h

        for orbit, multipliers in zip(found.points, found.multipliers, strict=True):
            gaps = [float(jnp.abs(after(orbit[0], count) - orbit[0]).max()) for count in range(1, period + 1)]
            assert gaps[-1] < 1e-13 and all(gap > 1e-3 for gap in gaps[:-1])
            expected = np.linalg.eigvals(jax.jacfwd(after)(orbit[0], period))
            np.testing.assert_allclose(np.sort_complex(multipliers), np.sort_complex(expected), atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vanilla", "plrnn"])
def test_renaming_the_units_renames_the_orbits(kind):
    order = np.array([2, 0, 3, 1])
    for seed in range(4):
        system = random_network(kind, 4, seed)
        A, W, c, _ = system.pieces()
        renamed = (A[np.ix_(order, order)], W[np.ix_(order, order)], c[order])
        other = vanilla(*renamed[1:]) if kind == "vanilla" else plrnn(*renamed)
        for period in (1, 2):
            a, b = ro.cycles(system, period), ro.cycles(other, period)
            np.testing.assert_allclose(canonical(a.points[:, :, order]), canonical(b.points), atol=1e-6)
            np.testing.assert_allclose(
                np.sort(np.abs(a.multipliers).ravel()), np.sort(np.abs(b.multipliers).ravel()), atol=1e-8
            )


@pytest.mark.slow
def test_a_network_without_bias_rests_on_every_kink():
    W = np.random.default_rng(0).normal(size=(12, 12)) / 12**0.5
    found = ro.cycles(vanilla(W, np.zeros(12)), 1)
    assert found.complete and found.points.shape == (1, 1, 12) and not found.points.any() and bool(found.on_kink[0])
    assert ro.verdict_name(jax.tree.map(lambda v: v[0], found.verdicts)) == "UNDETERMINED"
    assert found.coverage.solves < 2**12 / 10


@pytest.mark.slow
def test_a_contraction_has_one_fixed_point_at_any_size():
    rng = np.random.default_rng(1)
    W = np.linalg.qr(rng.normal(size=(60, 60)))[0] * 0.9
    system = vanilla(W, rng.normal(size=60))
    one, two = ro.cycles(system, 1), ro.cycles(system, 2)
    assert one.complete and two.complete and len(one.points) == 1 and len(two.points) == 0
    assert "contraction" in str(two.coverage) and one.residuals[0] < 1e-12
    assert two.multipliers.shape == (0, 60) and two.residuals.shape == (0,)


@pytest.mark.slow
@pytest.mark.parametrize("unit", [2.0**-20, 2.0**20])
def test_orbits_are_the_same_in_other_units(unit):
    """The second network's pattern of period 1 is singular, and the linear programme has tolerances of its own."""
    np.testing.assert_allclose(
        canonical(ro.cycles(vanilla(tent(1.9).cell.W_h, unit * tent(1.9).cell.b), 4).points / unit),
        canonical(ro.cycles(tent(1.9), 4).points),
        atol=1.1e-6,  # `canonical` rounds
    )
    line = plrnn(np.diag([1.0, 0.5]), np.array([[0.0, 0.0], [0.0, 0.2]]), np.array([0.0, unit]))
    assert ro.cycles(line, 1).degenerate > 0 and ro.cycles(line, 2).complete
    turn = np.array([[-1, -(3**0.5)], [3**0.5, -1]]) / 2
    rotation = vanilla(turn, unit * (np.ones(2) - turn @ np.ones(2)))
    assert ro.cycles(rotation, 3).degenerate > 0 and ro.cycles(rotation, 1).complete


def test_a_continuum_of_orbits_is_counted():
    """relu(h) alone: every h ≥ 0 is a fixed point. A rotation by a third of a turn about (1, 1): every state near is
    in a 3-cycle. A swap: every pair a 2-cycle, but the fixed points h1 = h2 are no 2-cycles."""
    identity = ro.cycles(vanilla(np.eye(2), np.zeros(2)), 1)
    assert identity.degenerate > 0 and not identity.complete
    turn = np.array([[-1, -(3**0.5)], [3**0.5, -1]]) / 2
    rotation = vanilla(turn, np.ones(2) - turn @ np.ones(2))
    assert ro.cycles(rotation, 3).degenerate > 0
    fixed = ro.cycles(rotation, 1)
    assert fixed.complete and any(np.allclose(h, 1) for h in fixed.points[:, 0])
    assert ro.cycles(vanilla(np.array([[0.0, 1.0], [1.0, 0.0]]), np.zeros(2)), 2).degenerate > 0
    line = plrnn(np.diag([1.0, 0.5]), np.array([[0.0, 0.0], [0.0, 0.2]]), np.array([0.0, 1.0]))
    assert ro.cycles(line, 1).degenerate > 0
    even = ro.cycles(line, 2)
    assert even.degenerate == 0 and even.complete and len(even.points) == 0
    drifting = plrnn(np.diag([1.0, 0.5]), np.array([[0.0, 0.0], [0.0, 0.2]]), np.array([1.0, 1.0]))
    none = ro.cycles(drifting, 1)
    assert none.complete and none.degenerate == 0 and len(none.points) == 0
    slow = plrnn(np.diag([1.0 - 1e-13, 0.5]), np.array([[0.0, 0.0], [0.0, 0.2]]), np.array([1.0, 1.0]))
    assert ro.cycles(slow, 2).complete


@pytest.mark.slow
def test_an_affine_network_has_its_fixed_point_alone():
    W, b = np.array([[0.5, 2.0], [-2.0, 0.5]]), np.array([1.0, 2.0])
    system = ro.Map(ro.VanillaCell(W, np.zeros((2, 1)), b, None), np.zeros(1))
    one = ro.cycles(system, 1)
    np.testing.assert_allclose(one.points[0, 0], np.linalg.solve(np.eye(2) - W, b), rtol=1e-14)
    assert one.complete and ro.cycles(system, 2).complete and len(ro.cycles(system, 2).points) == 0


@pytest.mark.slow
def test_a_search_that_stops_early_says_so_and_repeats_itself():
    system = random_network("vanilla", 20, 0)
    whole, part = ro.cycles(system, 1), ro.cycles(system, 1, limit=60, key=jax.random.key(3))
    assert whole.complete and len(whole.points) == 1 and whole.coverage.settled == 2**20
    assert not part.complete and part.coverage.settled < 2**20 and part.coverage.solves == part.coverage.searched == 60
    assert str(part.coverage).startswith("partial: 60") and str(whole.coverage).startswith("complete")
    np.testing.assert_array_equal(part.points, ro.cycles(system, 1, limit=60, key=jax.random.key(3)).points)
    assert {tuple(row) for row in canonical(part.points)} <= {tuple(row) for row in canonical(whole.points)}


@pytest.mark.slow
def test_the_search_finds_an_attracting_cycle_where_proof_is_out_of_reach():
    """Thirty copies of a one-unit network with an attracting 2-cycle, and so with 2^30 phases between them."""
    N = 30
    cell = plrnn(np.eye(N) * 0.5, -2.2 * np.eye(N), np.linspace(1, 2, N))
    found = ro.cycles(cell, 2, limit=40)
    assert not found.complete and len(found.points) > 0 and found.residuals.max() < 1e-12
    attracting = np.abs(found.multipliers).max(axis=1) < 1
    assert attracting.any()


@pytest.mark.slow
def test_float32_is_the_default_and_the_search_is_exact_for_its_weights(float32):
    found = ro.cycles(tent(np.float32(1.9)), 3)
    assert found.points.dtype == jnp.float32 and found.complete and len(found.points) == 2
    assert found.residuals.max() < 3e-7


class Resting(eqx.Module):
    def __call__(self, x, h):
        return h


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda: ro.cycles(ro.Flow(lambda t, h, path: -h, np.zeros(1)), 1), TypeError, "PiecewiseLinearCell"),
        (lambda: ro.cycles(ro.Map(Resting(), np.zeros(1)), 1), TypeError, "jax.nn.relu"),
        (
            lambda: ro.cycles(ro.Map(ro.VanillaCell(np.eye(2), np.eye(2), np.zeros(2), jnp.tanh), np.zeros(2)), 1),
            TypeError,
            "tanh",
        ),
        (lambda: ro.cycles(lambda h: h, 1), TypeError, "map must be a Map or a Flow"),
        (lambda: ro.cycles(tent(1.9), 0), ValueError, "period"),
        (lambda: ro.cycles(tent(1.9), 1.5), TypeError, "period"),
        (lambda: ro.cycles(tent(1.9), 1, limit=0), ValueError, "limit"),
        (lambda: ro.cycles(ro.Map(tent(1.9).cell, np.zeros((4, 1))), 1), ValueError, "constant input"),
        (lambda: ro.cycles(ro.Map(tent(1.9).cell, np.zeros(3)), 1), ValueError, r"\(1,\)"),
        (lambda: ro.cycles(ro.Map(tent(1.9).cell), 1), ValueError, r"\(1,\)"),
        (
            lambda: jax.jit(lambda m: ro.cycles(eqx.tree_at(lambda s: s.cell.b, tent(1.9), m), 1).points)(np.zeros(2)),
            TypeError,
            "traced",
        ),
    ],
)
def test_bad_input_is_named(as_user, ask, error, message):
    with pytest.raises(error, match=message):
        ask()
