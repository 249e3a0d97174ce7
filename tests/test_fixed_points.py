"""Fixed points against closed forms: where they are, how many, of what kind; and what is no fixed point."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

import rnn_ode as ro
from rnn_ode import _fixed_points

slow = pytest.mark.slow
OUTER = brentq(lambda h: np.tanh(1.5 * h) - h, 0.5, 1, xtol=1e-15)
LINE = np.linspace(-2, 2, 9)[:, None]
NONE = np.zeros(1)


def unit(w, b=0.0):
    """h' = tanh(w h + b), one compiled program for all w and b."""
    return ro.Map(ro.VanillaCell(np.array([[w]]), np.eye(1), np.array([b]), jnp.tanh), NONE)


class Cubic(eqx.Module):
    """dh/dt = c₀ + c₁ h + c₂ h² + c₃ h³, one compiled program for all of them."""

    c: jax.Array

    def __call__(self, t, h, path):
        return self.c[0] + h * (self.c[1] + h * (self.c[2] + h * self.c[3]))


def cubic(*c):
    return ro.Flow(Cubic(jnp.array([*c, 0.0, 0.0, 0.0, 0.0][:4], float)))


def rows(found):
    """Points of the fixed rows, and their names, sorted by the points."""
    count = int(found.count)
    points = np.asarray(found.points[:count])
    order = np.lexsort(points.T[::-1])
    names = [(found.kind_names[i], found.verdict_names[i]) for i in order]
    return points[order], names


def check_layout(found):
    """Fixed points first, slow ones next, NaN after; nothing that has not converged says that it has."""
    fixed, slow = np.asarray(found.converged), np.asarray(found.slow)
    used = fixed | slow
    assert not (fixed & slow).any()
    for flags in (fixed, used):
        assert not flags[int(flags.sum()) :].any()
    assert np.isfinite(found.points[used]).all() and np.isnan(found.points[~used]).all()
    assert np.isnan(found.residuals[~used]).all() and np.isnan(found.eigenvalues[~used]).all()
    assert [name == "NONE" for name in found.kind_names] == (~used).tolist()
    reached = np.asarray(found.reached)
    assert set(reached[reached >= 0]) == set(range(int(used.sum())))
    assert bool(found.result == ro.RESULTS.successful) == (reached >= 0).all()


# Published values.


@slow
def test_pitchfork():
    """reference.json: `pitchfork`."""
    found = ro.fixed_points(unit(1.5), LINE)
    check_layout(found)
    points, names = rows(found)
    np.testing.assert_allclose(points[:, 0], [-0.8585596366, 0, 0.8585596366], atol=1e-10)
    assert names == [("NODE", "DECAYS"), ("NODE", "GROWS"), ("NODE", "DECAYS")]
    np.testing.assert_allclose(sorted(found.eigenvalues[:3, 0].real), [0.3943130255, 0.3943130255, 1.5], atol=1e-9)
    assert (found.residuals[:3] <= 1e-12).all() and not found.on_kink.any()
    assert found.reached.tolist() == [0, 0, 0, 0, 1, 2, 2, 2, 2]


@slow
@pytest.mark.parametrize(
    ("w", "kind", "verdict"),
    [
        (0.5, "NODE", "DECAYS"),
        (-0.5, "FLIP", "DECAYS"),
        (-1.5, "FLIP", "GROWS"),
        (-1.0, "UNDETERMINED", "PERSISTS"),
        (1.0, "UNDETERMINED", None),  # a triple zero: reached to 1e-7, where the multiplier is 1 to within 1e-14
    ],
)
def test_kinds_of_a_real_multiplier(w, kind, verdict):
    found = ro.fixed_points(unit(w), LINE)
    points, [(name, said)] = rows(found)
    np.testing.assert_allclose(points, 0, atol=1e-6 if w == 1 else 1e-12)
    assert name == kind and said in ({verdict} if verdict else {"PERSISTS", "UNDETERMINED"})


@slow
def test_henon():
    """reference.json: `henon`; the eigenvalues of [[−2ax, 1], [b, 0]]."""
    a, b = 1.4, 0.3
    henon = ro.Map(lambda x, h: jnp.stack([1 - a * h[0] ** 2 + h[1], b * h[0]]))
    found = ro.fixed_points(henon, np.random.default_rng(0).normal(size=(16, 2), scale=3))
    check_layout(found)
    points, names = rows(found)
    x = (-(1 - b) + np.array([-1, 1]) * np.sqrt((1 - b) ** 2 + 4 * a)) / (2 * a)
    np.testing.assert_allclose(points, np.stack([x, b * x], axis=1), atol=1e-12)
    assert names == [("SADDLE", "GROWS")] * 2
    for point, values in zip(found.points[:2], found.eigenvalues[:2], strict=True):
        exact = np.linalg.eigvals([[-2 * a * point[0], 1], [b, 0]])
        np.testing.assert_allclose(values, exact[np.argsort(-abs(exact))], rtol=1e-10)


def lorenz(r):
    return lambda t, h, path: jnp.stack([10 * (h[1] - h[0]), h[0] * (r - h[2]) - h[1], h[0] * h[1] - 8 / 3 * h[2]])


@slow
@pytest.mark.parametrize("precise", [True, False], ids=["float64", "float32"])
def test_lorenz(precise):
    """reference.json: `lorenz-22`."""
    with jax.enable_x64(precise):
        guesses = np.random.default_rng(0).normal(size=(24, 3), scale=10)
        found = ro.fixed_points(ro.Flow(lorenz(22.0)), guesses.astype(float if precise else np.float32))
        check_layout(found)
        points, names = rows(found)
    c = np.sqrt(8 / 3 * 21)
    np.testing.assert_allclose(points, [[-c, -c, 21], [0, 0, 0], [c, c, 21]], atol=1e-12 if precise else 1e-4)
    assert names == [("FOCUS", "DECAYS"), ("SADDLE", "GROWS"), ("FOCUS", "DECAYS")]


@slow
def test_a_centre_and_its_saddles():
    found = ro.fixed_points(
        ro.Flow(lambda t, h, p: jnp.stack([h[1], -jnp.sin(h[0])])), np.linspace([-3.5, 0.1], [3.5, 0.1], 15)
    )
    points, names = rows(found)
    turns = points[:, 0] / np.pi
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-12)
    assert {0, 1, -1} <= set(np.round(turns))
    for turn, name in zip(np.round(turns), names, strict=True):
        assert name == (("CENTRE", "PERSISTS") if turn % 2 == 0 else ("SADDLE", "GROWS"))


@slow
def test_every_point_of_a_product_of_pitchforks():
    """Three uncoupled units have 3³ fixed points, the kinds those of their eigenvalues; 1024 guesses find all of them."""
    network = ro.Map(ro.VanillaCell(1.5 * np.eye(3), np.eye(3), np.zeros(3), jnp.tanh), np.zeros(3))
    found = ro.fixed_points(network, ro.draw_guesses(jax.random.key(0), 1024, jnp.zeros((1, 3)), spread=0.6))
    check_layout(found)
    points, names = rows(found)
    grid = np.stack(np.meshgrid(*[[-OUTER, 0, OUTER]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    np.testing.assert_allclose(points, grid, atol=1e-11)
    for point, name in zip(grid, names, strict=True):
        zeros = (point == 0).sum()
        assert name == {0: ("NODE", "DECAYS"), 3: ("NODE", "GROWS")}.get(zeros, ("SADDLE", "GROWS"))


# Hard cases, one program for all: a cubic velocity, with slow points asked for.


@slow
def test_two_points_close_together_are_two():
    found = ro.fixed_points(cubic(0.5 * 0.5001, 0.5 * 0.5001 - 1.0001, 1 - 1.0001, 1), LINE, slow=True)
    points, names = rows(found)
    np.testing.assert_allclose(points[:, 0], [-1, 0.5, 0.5001], atol=1e-10)
    assert [verdict for _, verdict in names] == ["GROWS", "DECAYS", "GROWS"]


@slow
def test_a_double_zero_is_one_point_of_unknown_verdict():
    """Newton's method closes in by halves from either side, where the computed eigenvalue is 1e-9 or −1e-9."""
    found = ro.fixed_points(cubic(0.09, -0.6, 1.0), LINE, slow=True)
    points, names = rows(found)
    np.testing.assert_allclose(points[:, 0], [0.3], atol=1e-6)
    assert names == [("UNDETERMINED", "UNDETERMINED")] and (found.reached == 0).all()


@slow
def test_a_ghost_is_slow_and_no_fixed_point():
    """dh/dt = h² + 0.01 has none: its speed has the minimum 0.01 at 0."""
    found = ro.fixed_points(cubic(0.01, 0.0, 1.0), LINE, slow=True)
    check_layout(found)
    assert found.count == 0 and found.slow.tolist() == [True] + 8 * [False]
    np.testing.assert_allclose(found.points[0], 0, atol=1e-8)
    np.testing.assert_allclose(found.residuals[0], 0.01, rtol=1e-12)
    assert found.kind_names[0] == "SLOW" and found.verdict_names[0] == "UNDETERMINED"


@slow
def test_a_guess_on_a_hill_of_the_speed_falls_off_it():
    """h² − 1 at h = 0: J = 0, and the speed has its maximum."""
    points, names = rows(ro.fixed_points(cubic(-1.0, 0.0, 1.0), LINE, slow=True))
    np.testing.assert_allclose(points[:, 0], [-1, 1], atol=1e-12)
    assert names == [("NODE", "DECAYS"), ("NODE", "GROWS")]


@slow
def test_where_nothing_is_there_is_nothing():
    found = ro.fixed_points(cubic(1.0), LINE, slow=True)
    check_layout(found)
    assert found.count == 0 and not found.slow.any() and (found.reached == -1).all()
    assert "reached no fixed point" in ro.RESULTS[found.result]


@slow
def test_where_everything_is_fixed_every_guess_is():
    found = ro.fixed_points(cubic(0.0), LINE, slow=True)
    assert found.count == 9 and set(found.verdict_names) == {"PERSISTS"}
    np.testing.assert_array_equal(found.points, LINE)


@slow
def test_running_off_to_infinity_is_no_convergence():
    """The residual e^{−h} falls below any tolerance on the way."""
    found = ro.fixed_points(ro.Flow(lambda t, h, path: jnp.exp(-h)), LINE)
    assert found.count == 0 and (found.reached == -1).all()


@slow
def test_a_line_of_fixed_points_is_many_points_and_persists():
    Q = np.array([[0.6, 0.8], [-0.8, 0.6]])
    cell = ro.VanillaCell(Q.T @ np.diag([1, 0.5]) @ Q, np.eye(2), np.zeros(2), None)
    found = ro.fixed_points(ro.Map(cell, np.zeros(2)), np.random.default_rng(0).normal(size=(6, 2)))
    count = int(found.count)
    assert count > 1 and set(found.verdict_names[:count]) == {"PERSISTS"}
    np.testing.assert_allclose(found.points[:count] @ Q[1], 0, atol=1e-12)
    np.testing.assert_allclose(found.eigenvalues[:count], [[1, 0.5]] * count, atol=1e-12)


# Networks and their flows.


def scaled(cell, gain):
    return eqx.tree_at(lambda c: c.weight_hh, cell, gain * cell.weight_hh)


CELLS = {
    "vanilla": (ro.VanillaCell.random(jax.random.key(1), 1, 3, activation=jnp.tanh), ro.Tustin()),
    "gru": (scaled(eqx.nn.GRUCell(1, 3, key=jax.random.key(0)), 4), ro.Forward(1)),
    "lstm": (scaled(eqx.nn.LSTMCell(1, 2, key=jax.random.key(0)), 4), ro.Tustin()),
    "piecewise": (
        ro.PiecewiseLinearCell(np.diag([0.4, -0.3]), [[0.0, 1.5], [1.2, 0.0]], np.ones((2, 1)), [-0.4, 0.3]),
        ro.Forward(1),
    ),
}


@slow
@pytest.mark.parametrize("name", CELLS)
def test_every_fixed_point_is_an_equilibrium_with_exponents_g(name):
    cell, method = CELLS[name]
    network, flow = ro.Map(cell, np.full(1, 0.3)), ro.Flow(ro.to_ode(cell, method), np.full(1, 0.3))
    states = ro.iterate(cell, np.full((20, 1), 0.3)).states
    guesses = ro.draw_guesses(jax.random.key(0), 32, states, spread=1.0)
    found = ro.fixed_points(network, guesses)
    check_layout(found)
    count = int(found.count)
    assert count >= 1 and (found.residuals[:count] <= 1e-12).all() and not found.on_kink.any()
    for h in found.points[:count]:
        after = cell(jnp.full(1, 0.3), network.unravel(h))
        np.testing.assert_allclose(jax.flatten_util.ravel_pytree(after)[0], h, atol=1e-12)
    # from the network's own points and the guesses, the flow finds all of them again
    again = ro.fixed_points(flow, jnp.concatenate([found.points[:count], guesses])[:32])
    assert not found.absent_from(flow).any()
    for h, values in zip(found.points[:count], found.eigenvalues[:count], strict=True):
        j = np.nanargmin(np.linalg.norm(again.points - h[None], axis=1))
        np.testing.assert_allclose(again.points[j], h, atol=1e-10)
        exponents = np.asarray(method.exponent(values))
        distance = np.abs(exponents[:, None] - np.asarray(again.eigenvalues[j])[None])
        assert distance.min(axis=1).max() < 1e-6 * (1 + np.abs(exponents).max())
    assert again.absent_from(network).sum() == again.count - count


@slow
def test_a_leaky_network_has_multipliers_1_minus_a_plus_a_mu():
    """reference.json: `leak`."""
    a, W = 0.3, np.array([[0.5, 0.2], [-0.3, 0.4]])
    found = ro.fixed_points(ro.Map(lambda x, h: (1 - a) * h + a * jnp.tanh(W @ h)), np.ones((2, 2)))
    mu = np.linalg.eigvals(W)
    np.testing.assert_allclose(np.sort(found.eigenvalues[0]), np.sort(1 - a + a * mu), atol=1e-12)
    assert rows(found)[1] == [("FOCUS", "DECAYS")] and found.count == 1


@slow
@pytest.mark.parametrize("precise", [True, False], ids=["float64", "float32"])
def test_equilibria_that_a_conversion_added_are_marked(precise):
    """reference.json: `spurious-equilibria`; of 2Δ − Δ²/2 the zeros beside those of Δ, by bisection."""
    cell = ro.VanillaCell([[5.0]], [[1.0]], [0.0], jnp.tanh)
    extra = brentq(lambda h: 2 * np.tanh(5 * h) - 1.5 * h - np.tanh(5 * np.tanh(5 * h)) / 2, 0.01, 0.2)
    np.testing.assert_allclose(extra, 0.0513, atol=1e-3)
    outer = brentq(lambda h: np.tanh(5 * h) - h, 0.5, 1)
    with jax.enable_x64(precise):
        cell = jax.tree.map(lambda leaf: leaf.astype(float if precise else np.float32), cell)
        network, flow = ro.Map(cell, NONE), ro.Flow(ro.to_ode(cell, ro.Forward(2)), NONE)
        found = ro.fixed_points(flow, np.linspace(-1.5, 1.5, 41)[:, None].astype(cell.b.dtype))
        added = found.absent_from(network)
        count = int(found.count)
        points, added = np.asarray(found.points[:count, 0]), np.asarray(added)
    order = np.argsort(points)
    np.testing.assert_allclose(points[order], [-outer, -extra, 0, extra, outer], atol=1e-10 if precise else 1e-5)
    assert added[order].tolist() == [False, True, False, True, False] and not added[count:].any()


# Kinks.


@slow
@pytest.mark.parametrize("kind", ["map", "flow"])
@pytest.mark.parametrize("precise", [True, False], ids=["float64", "float32"])
def test_a_zero_bias_relu_network_is_undetermined_at_zero(kind, precise):
    """reference.json: `kink`."""
    with jax.enable_x64(precise):
        cell = ro.VanillaCell.random(jax.random.key(0), 1, 4)
        system = ro.Map(cell, jnp.zeros(1)) if kind == "map" else ro.Flow(ro.to_ode(cell, ro.Forward(1)), jnp.zeros(1))
        found = ro.fixed_points(system, jax.random.normal(jax.random.key(1), (8, 4)))
        points, names = rows(found)
        np.testing.assert_allclose(points, 0, atol=1e-12)
        assert names == [("UNDETERMINED", "UNDETERMINED")] and found.on_kink.tolist() == [True] + 7 * [False]


@slow
@pytest.mark.parametrize("beside", [0.0, 1e-6, -1e-6])
def test_on_a_kink_is_not_beside_it(beside):
    """h = relu(W h + b) with b such that the second unit's argument at the fixed point (1, 0) is `beside`."""
    W = np.array([[0.5, 0.3], [0.2, -0.4]])
    h = np.array([1.0, max(beside, 0.0)])
    cell = ro.VanillaCell(W, np.zeros((2, 1)), np.array([1.0, beside]) - W @ h)
    found = ro.fixed_points(ro.Map(cell, NONE), np.array([[0.9, 0.1], [1.1, -0.2]]))
    assert found.count >= 1 and found.on_kink[0] == (beside == 0)
    assert found.verdict_names[0] == ("UNDETERMINED" if beside == 0 else "DECAYS")


@slow
@pytest.mark.parametrize("steep", [1.0, 1e2, 1e4])
@pytest.mark.parametrize("precise", [True, False], ids=["float64", "float32"])
def test_a_smooth_cell_however_curved_has_no_kink(steep, precise):
    """Where the second derivative of h ↦ tanh(s h) is at its largest, s² times 0.77; beyond s = 1e4 float32 cannot tell."""
    with jax.enable_x64(precise):
        bend = 0.6585  # of tanh, largest second derivative
        kind = float if precise else np.float32
        at = np.tanh(bend)
        system = unit(steep, bend - steep * at)
        system = jax.tree.map(lambda leaf: leaf.astype(kind), system)
        found = ro.fixed_points(system, (at + np.linspace(-1, 1, 9)[:, None] * 0.1 / steep).astype(kind))
        near = np.abs(np.asarray(found.points[:, 0]) - at) < 0.1 / steep
        assert near.any() and not found.on_kink.any()


# JAX's manners.


@slow
def test_jitted_vmapped_and_differentiated():
    def find(w):
        return ro.fixed_points(ro.Map(lambda x, h: jnp.tanh(w * h)), jnp.asarray(LINE[::4] + 0.1))

    alone = [find(w) for w in (1.5, 2.0)]
    jitted = jax.jit(find)(1.5)
    together = jax.vmap(find)(jnp.array([1.5, 2.0]))
    for i, one in enumerate(alone):
        for other in (*([jitted] if i == 0 else []), jax.tree.map(lambda leaf, i=i: leaf[i], together)):
            for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
                np.testing.assert_allclose(a, b, atol=1e-12)
    # the implicit function theorem: dh/dw = s h / (1 − s w), s = 1 − h²; of the last row's point and of its multiplier s w
    slope = (1 - OUTER**2) * OUTER / (1 - (1 - OUTER**2) * 1.5)
    multiplier = (1 - OUTER**2) - 2 * OUTER * 1.5 * slope
    point, value = (lambda w: find(w).points[2, 0]), (lambda w: find(w).eigenvalues[2, 0].real)
    for derivative in (jax.grad, jax.jacfwd):
        np.testing.assert_allclose(derivative(point)(1.5), slope, rtol=1e-9)
        np.testing.assert_allclose(derivative(value)(1.5), multiplier, rtol=1e-9)
    # a guess that fails leaves the others' derivative alone
    partly = jax.grad(lambda w: jnp.nansum(ro.fixed_points(cubic_of(w), jnp.asarray(LINE)).points))(1.0)
    np.testing.assert_allclose(partly, 1.0, rtol=1e-9)


def cubic_of(w):
    """h' = w − h on the right, h' = 1 on the left: one equilibrium, w, and guesses that run off."""
    return ro.Flow(lambda t, h, path: jnp.where(h > -0.9, w - h, 1 + 0 * h))


@slow
@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
def test_it_lowers_everywhere(platform, monkeypatch):
    monkeypatch.setenv("EQX_ON_ERROR", "nan")
    find = jax.jit(lambda W, g: ro.fixed_points(ro.Map(lambda x, h: jnp.tanh(W @ h)), g, slow=True).points)
    find.trace(jnp.eye(2), jnp.ones((3, 2))).lower(lowering_platforms=(platform,))


@slow
def test_the_batched_search_is_the_same(monkeypatch):
    """What other platforms than a CPU run."""
    one_by_one = ro.fixed_points(unit(1.5), LINE[:7])
    monkeypatch.setattr(_fixed_points, "_each", lambda function, rows: jax.vmap(function)(rows))
    together = ro.fixed_points(unit(1.5), LINE[:7] + 0.0)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), one_by_one, together)


# Which ends are one point; guesses; bad input.


def led(points, radius):
    points = jnp.asarray(points, float)[:, None]
    yes = jnp.ones(len(points), bool)
    end = _fixed_points._End(points, jnp.full(len(points), radius), yes, ~yes)
    return _fixed_points._lead(end)


def test_copies_collapse_and_neighbours_do_not_chain():
    copies = 0.3 + 1e-12 * np.random.default_rng(0).uniform(size=2000)
    assert set(np.asarray(led([*copies, 0.3001], 1e-12)).tolist()) == {0, 2000}
    chain = np.asarray(led(np.arange(30) * 1.5, 1.0))
    assert len(set(chain.tolist())) == 15 and (np.abs(chain - np.arange(30)) <= 1).all()


def test_an_end_that_is_no_point_leads_nothing():
    no = jnp.zeros(3, bool)
    end = _fixed_points._End(jnp.full((3, 1), jnp.nan), jnp.full(3, jnp.nan), no.at[1].set(True), no)
    end = end._replace(point=end.point.at[1].set(0.0), radius=end.radius.at[1].set(0.1))
    order, used, reached = _fixed_points._distinct(end)
    assert order[0] == 1 and used.tolist() == [True, False, False] and reached.tolist() == [-1, 0, -1]


def test_guesses_are_states_of_a_run_with_noise():
    states = (np.arange(10.0)[:, None] * np.ones(2), np.zeros((10, 1)))
    drawn = np.asarray(ro.draw_guesses(jax.random.key(0), 50, states))
    assert drawn.shape == (50, 3) and set(drawn[:, 0]) <= set(range(10)) and (drawn[:, 0] == drawn[:, 1]).all()
    about = np.asarray(ro.draw_guesses(jax.random.key(0), 4000, jnp.zeros((1, 2)), spread=0.5))
    np.testing.assert_allclose(about.std(axis=0), 0.5, rtol=0.05)  # three standard errors are 3.4 %


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ro.fixed_points(unit(1.5), np.zeros(3)), ValueError, r"flat states \(n, N\).*\(3,\)"),
        (lambda: ro.fixed_points(unit(1.5), np.zeros((3, 2))), ValueError, "state of 1 numbers"),
        (lambda: ro.fixed_points(unit(1.5), np.zeros((0, 1))), ValueError, "at least one row"),
        (lambda: ro.fixed_points(unit(1.5), np.array([[0.0], [np.nan]])), ValueError, "guesses must be finite"),
        (lambda: ro.fixed_points(unit(1.5), np.zeros((2, 1), complex)), TypeError, "real"),
        (lambda: ro.fixed_points(unit(1.5), (np.zeros((2, 1)), np.zeros((3, 1)))), ValueError, "leading axis"),
        (lambda: ro.fixed_points(unit(1.5), [["a"]]), TypeError, "numbers"),
        (lambda: ro.fixed_points(unit(1.5), LINE, slow=1), TypeError, "slow must be True or False"),
        (lambda: ro.fixed_points(lambda x, h: h, LINE), TypeError, "must be a Map or a Flow"),
        (lambda: ro.fixed_points(ro.Map(unit(1.5).cell, np.zeros((4, 1))), LINE), ValueError, "constant input"),
        (lambda: ro.draw_guesses(jax.random.key(0), 0, LINE), ValueError, "n must be at least 1"),
        (lambda: ro.draw_guesses(jax.random.key(0), 2, LINE, spread=-1.0), ValueError, "spread"),
        (lambda: ro.draw_guesses(jax.random.key(0), 2, LINE * np.inf), ValueError, "states must be finite"),
    ],
)
def test_bad_input_is_named(make, error, message, as_user):
    with pytest.raises(error, match=message):
        make()
