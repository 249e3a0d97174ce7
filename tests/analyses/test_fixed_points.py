"""Fixed points against closed forms: where they are, how many, of what kind; and what is no fixed point."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq
from weights import drawn

import rnn_ode as ro
from rnn_ode._analyses import fixed_points_search as _fixed_points_search

slow = pytest.mark.slow
gate = pytest.mark.gate
OUTER = brentq(lambda h: np.tanh(1.5 * h) - h, 0.5, 1, xtol=1e-15)
LINE = np.linspace(-2, 2, 9)[:, None]
NONE = np.zeros(1)


def unit(w, b=0.0):
    """h' = tanh(w h + b), one compiled program for all w and b."""
    return ro.Map(ro.VanillaCell(jnp.reshape(w, (1, 1)), np.eye(1), np.array([b]), jnp.tanh), NONE)


def fixed_points(*args, **options):
    """The fixed points as arrays of NumPy, of which parts are taken without compiling."""
    return jax.tree.map(np.asarray, ro.fixed_points(*args, **options))


apply = eqx.filter_jit(lambda cell, x, h: jax.flatten_util.ravel_pytree(cell(x, h))[0])


class Cubic(eqx.Module):
    """dh/dt = c₀ + c₁ h + c₂ h² + c₃ h³, one compiled program for all of them."""

    c: jax.Array

    def __call__(self, t, h, path):
        return self.c[0] + h * (self.c[1] + h * (self.c[2] + h * self.c[3]))


def cubic(*c):
    return ro.Flow(Cubic(jnp.array([*c, 0.0, 0.0, 0.0, 0.0][:4], float)))


A, B, LEAK = 1.4, 0.3, 0.3
W = np.array([[0.5, 0.2], [-0.3, 0.4]])
Q = np.array([[0.6, 0.8], [-0.8, 0.6]])
KINKED = np.array([[0.5, 0.3], [0.2, -0.4]])


def scaled(cell, gain):
    return eqx.tree_at(lambda c: c.weight_hh, cell, gain * cell.weight_hh)


GRU = scaled(drawn(eqx.nn.GRUCell, 1, 2), 4)
PIECEWISE = ro.PiecewiseLinearCell(np.diag([0.4, -0.3]), [[0.0, 0.9], [0.8, 0.0]], np.ones((2, 1)), [-0.4, 0.3])


class Zoo(eqx.Module):
    """Cells of two units, one compiled program for all of them."""

    which: jax.Array
    b: jax.Array

    def __call__(self, x, h):
        kinds = (
            lambda h: jnp.stack([1 - A * h[0] ** 2 + h[1], B * h[0]]),
            lambda h: (1 - LEAK) * h + LEAK * jnp.tanh(jnp.asarray(W, h.dtype) @ h),
            lambda h: jnp.asarray(Q.T @ np.diag([1, 0.5]) @ Q, h.dtype) @ h,
            lambda h: jax.nn.relu(jnp.asarray(KINKED, h.dtype) @ h + self.b),
            lambda h: jnp.tanh(1.5 * h),
            lambda h: jnp.tanh(1.4 * jnp.asarray(Q, h.dtype) @ h + 0.1),
            partial(jax.tree.map(lambda leaf: leaf.astype(h.dtype) if eqx.is_array(leaf) else leaf, GRU), x),
            partial(jax.tree.map(lambda leaf: leaf.astype(h.dtype), PIECEWISE), x),
        )
        return jax.lax.switch(self.which, kinds, h)

    def initial_state(self):
        return jnp.zeros_like(self.b)


HENON, LEAKY, AFFINE, RELU, PRODUCT, TANH, GATED, BENT = range(8)
X = np.full(1, 0.3)
GUESSES = np.random.default_rng(0).normal(size=(64, 2), scale=2)


def zoo(which, b=(0.0, 0.0), kind=float):
    return Zoo(jnp.asarray(which), jnp.asarray(np.asarray(b, kind)))


def network(*args):
    return ro.Map(zoo(*args), X)


def rows(found):
    """Points of the fixed rows, and their names, sorted by the points."""
    count = int(found.count)
    points = np.asarray(found.points[:count])
    order = np.lexsort(np.round(points, 4).T[::-1])
    names = [(found.kind_names[i], found.verdict_names[i]) for i in order]
    return points[order], names


def check_layout(found):
    """Fixed points first, slow ones next, NaN after; nothing that has not converged says that it has."""
    found = jax.tree.map(np.asarray, found)
    fixed, slow = found.converged, np.asarray(found.slow)
    used = fixed | slow
    assert not (fixed & slow).any()
    for flags in (fixed, used):
        assert not flags[int(flags.sum()) :].any()
    assert np.isfinite(found.points[used]).all() and np.isnan(found.points[~used]).all()
    assert np.isnan(found.residuals[~used]).all() and np.isnan(found.eigenvalues[~used]).all()
    assert len(found.kind_names) == len(found.verdict_names) == used.sum() and "NONE" not in found.kind_names
    reached = np.asarray(found.reached)
    assert set(reached[reached >= 0]) == set(range(int(used.sum())))
    assert bool(found.result == ro.RESULTS.successful) == (reached >= 0).all()


# Published values.


@pytest.mark.gate
def test_pitchfork():
    """reference.json: `pitchfork`."""
    found = fixed_points(unit(1.5), LINE)
    check_layout(found)
    points, names = rows(found)
    np.testing.assert_allclose(points[:, 0], [-0.8585596366, 0, 0.8585596366], atol=1e-10)
    assert names == [("NODE", "DECAYS"), ("NODE", "GROWS"), ("NODE", "DECAYS")]
    np.testing.assert_allclose(sorted(found.eigenvalues[:3, 0].real), [0.3943130255, 0.3943130255, 1.5], atol=1e-9)
    assert (found.residuals[:3] <= 1e-12).all() and not found.on_kink.any()
    assert found.reached.tolist() == [0, 0, 0, 0, 1, 2, 2, 2, 2]
    assert not found.absent_from(unit(1.5)).any()
    assert found.absent_from(unit(0.5)).tolist() == [True, False, True] + 6 * [False]  # tanh(h/2) rests at 0 alone


class Plane(eqx.Module):
    """dh/dt = A h + k (h₁², 0), one compiled program for all of them."""

    A: jax.Array
    k: jax.Array

    def __call__(self, t, h, path):
        return self.A @ h + self.k * jnp.stack([h[0] ** 2, 0])


def in_plane(A, guesses=((1.0, 0.5), (-2.0, 0.7), (0.3, -1.0)), k=0.0):
    flow = ro.Flow(Plane(jnp.asarray(A, float), jnp.asarray(k)))
    return fixed_points(flow, np.array(guesses), slow=True)


@pytest.mark.gate
@pytest.mark.parametrize(
    ("A", "kind", "verdict"),
    [
        ([[-0.3, 2.0], [-2.0, -0.3]], "FOCUS", "DECAYS"),
        ([[0.1, 3.0], [-0.5, 0.2]], "FOCUS", "GROWS"),
        ([[-0.5, 1.0], [0.0, -2.0]], "NODE", "DECAYS"),
        ([[0.4, 1.0], [0.0, -1.5]], "SADDLE", "GROWS"),
        ([[0.0, 2.0], [-0.5, 0.0]], "CENTRE", "PERSISTS"),
    ],
)
def test_a_linear_flow_is_described_by_the_eigenvectors_of_its_matrix(A, kind, verdict):
    A = np.array(A)
    found = in_plane(A)
    values = np.linalg.eigvals(A).astype(complex)
    values = values[np.lexsort((-values.imag, -values.real))]
    assert int(found.count) == 1 and found.reached.tolist() == [0, 0, 0]
    assert (found.kind_names[0], found.verdict_names[0]) == (kind, verdict)
    np.testing.assert_allclose(found.points[0], 0, atol=1e-12)
    mine, right, left = found.eigenvalues[0], np.asarray(found.right[0]), np.asarray(found.left[0])
    np.testing.assert_allclose(np.sort_complex(mine), np.sort_complex(values), rtol=1e-12)
    assert np.all(np.diff(mine.real) <= 0)
    np.testing.assert_allclose(A @ right, right * np.asarray(mine), atol=1e-12)
    np.testing.assert_allclose(left @ right, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(right, axis=0), 1, rtol=1e-12)
    largest = right[np.argmax(np.abs(right), axis=0), [0, 1]]
    np.testing.assert_allclose(largest, np.abs(largest), atol=1e-12)
    with np.errstate(divide="ignore"):
        wanted = np.where(verdict == "PERSISTS", np.inf, -1 / values.real)
    np.testing.assert_allclose(found.timescales[0], wanted, rtol=1e-9)
    assert abs(found.leading[0].real) == pytest.approx(np.abs(values.real).min(), abs=1e-12)


@pytest.mark.slow
def test_a_line_of_equilibria_is_each_guess_s_own_and_persists():
    """dh/dt = [[0, 1], [0, −½]] h rests wherever the second state is 0."""
    found = in_plane([[0.0, 1.0], [0.0, -0.5]])
    assert found.count == 3 and found.verdict_names == ["PERSISTS"] * 3 and found.kind_names == ["UNDETERMINED"] * 3
    np.testing.assert_allclose(found.points[:, 1], 0, atol=1e-12)
    np.testing.assert_allclose(found.timescales, [[np.inf, 2.0]] * 3, rtol=1e-9)


@pytest.mark.slow
def test_a_defective_flow_has_no_left_eigenvectors():
    found = in_plane([[-0.5, 1.0], [0.0, -0.5]])
    assert found.count == 1 and found.verdict_names[0] == "DECAYS"
    assert np.isnan(found.left[0]).all() and np.isfinite(found.right[0]).all()


def test_the_verdict_is_open_at_a_double_zero_and_sure_at_two_points_close_together():
    """dh/dt = (μ h₁ + h₂ + h₁², −h₂) rests at h₁ = 0 and −μ, with the exponents μ and −μ beside −1."""
    double = in_plane([[0.0, 1.0], [0.0, -1.0]], k=1.0)
    assert double.verdict_names[0] == "UNDETERMINED"
    np.testing.assert_allclose(double.points[0], 0, atol=1e-6)
    two = in_plane([[-1e-4, 1.0], [0.0, -1.0]], [(1e-5, 0.5), (2e-4, 0.7), (-1e-3, -1.0)], k=1.0)
    points, names = rows(two)
    np.testing.assert_allclose(points, [[0, 0], [1e-4, 0]], atol=1e-10)
    assert [verdict for _, verdict in names] == ["DECAYS", "GROWS"]


def test_a_guess_that_hardly_moves_rests_in_its_fast_directions_alone():
    """dh/dt = (1e-10 h₁, −h₂): from (1, 1e-7) the second state goes to 0, and the first one stays."""
    found = in_plane(np.diag([1e-10, -1.0]), [(1.0, 1e-7), (-2.0, 0.7), (0.3, -1.0)])
    row = int(found.reached[0])
    assert found.kind_names[row] == "SLOW" and not found.converged[row]
    np.testing.assert_allclose(found.points[row], [1, 0], atol=1e-6)
    assert abs(found.points[row, 1]) < 1e-12 and found.residuals[row] == pytest.approx(1e-10, rel=1e-5)


@pytest.mark.slow
def test_the_unit_of_a_search_is_a_quantile_of_the_positive_sizes_as_a_power_of_two():
    values = np.array([0.0, 3.0, np.nan, 1.0, np.inf, 7.0, 2.0, 5.5])
    finite = values[np.isfinite(values) & (values > 0)]
    quantile, shares = _fixed_points_search._quantile_of_positive, (0.0, 0.25, 0.5, 0.8, 1.0)
    found = jax.jit(lambda values: [quantile(values, share) for share in shares])(values)
    np.testing.assert_allclose(found, np.quantile(finite, shares), rtol=1e-15)
    assert jax.jit(lambda values: quantile(values, 0.5, 4.5))(np.zeros(3)) == 4.5
    power = jax.jit(_fixed_points_search._power_of_two)
    assert [float(power(x)) for x in (3.0, 4.0, 0.3, 1e-20)] == [2.0, 4.0, 0.25, 2.0**-67]
    unit, length = jax.jit(_fixed_points_search._sizes)(np.array([[3.0, 4.0], [0.0, 0.0], [3.0, -4.0]]))
    assert unit == 2 and length == pytest.approx(5)


def sigmoid_population(x, a, threshold):
    return jax.nn.sigmoid(a * (x - threshold)) - jax.nn.sigmoid(-a * threshold)


def wilson_cowan(t, h, path):
    """Wilson and Cowan (1972), figure 4: two rates, each at rest at 0."""
    e = -h[0] + (1 - h[0]) * sigmoid_population(12 * h[0] - 4 * h[1], 1.2, 2.8)
    i = -h[1] + (1 - h[1]) * sigmoid_population(13 * h[0] - 11 * h[1], 1.0, 4.0)
    return jnp.stack([e, i])


AT_ORIGIN = {
    "a sigmoid": (ro.Flow(lambda t, h, p: -h + jax.nn.sigmoid(0.9 * h + 2) - jax.nn.sigmoid(2.0)), 1, 1),
    "Wilson and Cowan": (ro.Flow(wilson_cowan), 2, 3),
    "an exponential": (ro.Map(lambda x, h: jnp.exp(0.5 * h) - 1), 1, 2),
}


@pytest.mark.gate
@pytest.mark.parametrize("name", ["Wilson and Cowan", "an exponential"])
def test_a_point_at_the_origin_is_one_point_though_what_the_field_is_summed_of_is_large(name):
    system, size, count = AT_ORIGIN[name]
    guesses = np.random.default_rng(0).uniform(-0.1, 3 if size == 1 else 0.6, size=(60, size))
    assert int(fixed_points(system, guesses).count) == count


@pytest.mark.gate
def test_a_point_at_the_origin_is_one_point_in_float32(float32):
    system, size, count = AT_ORIGIN["a sigmoid"]
    guesses = np.random.default_rng(0).normal(size=(60, size)).astype(np.float32)
    assert int(fixed_points(system, guesses).count) == count


@pytest.mark.slow
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
    found = fixed_points(unit(w), LINE)
    points, [(name, said)] = rows(found)
    np.testing.assert_allclose(points, 0, atol=1e-6 if w == 1 else 1e-12)
    assert name == kind and said in ({verdict} if verdict else {"PERSISTS", "UNDETERMINED"})


@gate
def test_henon():
    """reference.json: `henon`; the eigenvalues of [[−2ax, 1], [b, 0]]."""
    found = fixed_points(network(HENON), GUESSES)
    check_layout(found)
    points, names = rows(found)
    x = (-(1 - B) + np.array([-1, 1]) * np.sqrt((1 - B) ** 2 + 4 * A)) / (2 * A)
    np.testing.assert_allclose(points, np.stack([x, B * x], axis=1), atol=1e-12)
    assert names == [("SADDLE", "GROWS")] * 2
    for point, values in zip(found.points[:2], found.eigenvalues[:2], strict=True):
        exact = np.linalg.eigvals([[-2 * A * point[0], 1], [B, 0]])
        np.testing.assert_allclose(values, exact[np.argsort(-abs(exact))], rtol=1e-10)


@slow
def test_a_leaky_network_has_multipliers_1_minus_a_plus_a_mu():
    """reference.json: `leak`."""
    found = fixed_points(network(LEAKY), GUESSES)
    exact = 1 - LEAK + LEAK * np.linalg.eigvals(W)
    np.testing.assert_allclose(np.sort(found.eigenvalues[0]), np.sort(exact), atol=1e-12)
    assert rows(found)[1] == [("FOCUS", "DECAYS")] and found.count == 1


@gate
def test_centres_and_saddles_of_a_pendulum():
    found = fixed_points(
        ro.Flow(lambda t, h, p: jnp.stack([h[1], -jnp.sin(h[0])])), np.linspace([-3.5, 0.1], [3.5, 0.1], 15)
    )
    points, names = rows(found)
    turns = np.round(points[:, 0] / np.pi)
    np.testing.assert_allclose(points, np.stack([np.pi * turns, 0 * turns], axis=1), atol=1e-12)
    assert {0, 1, -1} <= set(turns)
    assert names == [("SADDLE", "GROWS") if turn % 2 else ("CENTRE", "PERSISTS") for turn in turns]


@slow
def test_every_point_of_a_product_of_pitchforks():
    """Two uncoupled units have 3² fixed points, the kinds those of their eigenvalues."""
    found = fixed_points(network(PRODUCT), np.asarray(GUESSES) / 3)
    check_layout(found)
    points, names = rows(found)
    grid = np.stack(np.meshgrid(*[[-OUTER, 0, OUTER]] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    np.testing.assert_allclose(points, grid, atol=1e-11)
    said = {0: ("NODE", "DECAYS"), 1: ("SADDLE", "GROWS"), 2: ("NODE", "GROWS")}
    assert names == [said[int(zeros)] for zeros in (grid == 0).sum(axis=1)]


# Hard cases, one program for all: a cubic velocity, with slow points asked for.


@pytest.mark.gate
def test_two_points_close_together_are_two():
    found = fixed_points(cubic(0.5 * 0.5001, 0.5 * 0.5001 - 1.0001, 1 - 1.0001, 1), LINE, slow=True)
    points, names = rows(found)
    np.testing.assert_allclose(points[:, 0], [-1, 0.5, 0.5001], atol=1e-10)
    assert [verdict for _, verdict in names] == ["GROWS", "DECAYS", "GROWS"]


@pytest.mark.slow
def test_a_double_zero_is_one_point_of_unknown_verdict():
    """Newton's method closes in by halves from either side, where the computed eigenvalue is 1e-9 or −1e-9."""
    found = fixed_points(cubic(0.09, -0.6, 1.0), LINE, slow=True)
    points, names = rows(found)
    np.testing.assert_allclose(points[:, 0], [0.3], atol=1e-6)
    assert names == [("UNDETERMINED", "UNDETERMINED")] and (found.reached == 0).all()


@pytest.mark.slow
def test_a_ghost_is_slow_and_no_fixed_point():
    """dh/dt = h² + 0.01 has none: its speed has the minimum 0.01 at 0."""
    found = fixed_points(cubic(0.01, 0.0, 1.0), LINE, slow=True)
    check_layout(found)
    assert found.count == 0 and found.slow.tolist() == [True] + 8 * [False]
    np.testing.assert_allclose(found.points[0], 0, atol=1e-8)
    np.testing.assert_allclose(found.residuals[0], 0.01, rtol=1e-12)
    assert found.kind_names[0] == "SLOW" and found.verdict_names[0] == "UNDETERMINED"


def test_a_guess_on_a_hill_of_the_speed_falls_off_it():
    """h² − 1 at h = 0: J = 0, and the speed has its maximum."""
    points, names = rows(fixed_points(cubic(-1.0, 0.0, 1.0), LINE, slow=True))
    np.testing.assert_allclose(points[:, 0], [-1, 1], atol=1e-12)
    assert names == [("NODE", "DECAYS"), ("NODE", "GROWS")]


def test_a_velocity_without_zeros_has_no_fixed_points():
    found = fixed_points(cubic(1.0), LINE, slow=True)
    check_layout(found)
    assert found.count == 0 and not found.slow.any() and (found.reached == -1).all()
    assert "reached no fixed point" in ro.RESULTS[found.result]


def test_every_guess_is_a_fixed_point_of_the_velocity_zero():
    found = fixed_points(cubic(0.0), LINE, slow=True)
    assert found.count == 9 and set(found.verdict_names) == {"PERSISTS"}
    np.testing.assert_allclose(found.points, LINE, atol=1e-7)


@slow
def test_running_off_to_infinity_is_no_convergence():
    """The residual e^{−h} falls below any tolerance on the way."""
    found = fixed_points(ro.Flow(lambda t, h, path: jnp.exp(-h)), LINE)
    assert found.count == 0 and (found.reached == -1).all()


@slow
def test_a_line_of_fixed_points_is_many_points_and_persists():
    found = fixed_points(network(AFFINE), GUESSES)
    check_layout(found)
    count = int(found.count)
    assert count > 1 and set(found.verdict_names[:count]) == {"PERSISTS"}
    np.testing.assert_allclose(found.points[:count] @ Q[1], 0, atol=1e-10)
    np.testing.assert_allclose(found.eigenvalues[:count], [[1, 0.5]] * count, atol=1e-12)


# Networks and their flows.


def check_flow(cell, method, guesses):
    """The fixed points of the network are equilibria of its flow, with exponents g(λ), and found from the same guesses."""
    system, flow = ro.Map(cell, X), ro.Flow(ro.to_ode(cell, method), X)
    found, again = fixed_points(system, guesses), fixed_points(flow, guesses)
    check_layout(found)
    check_layout(again)
    count = int(found.count)
    assert count >= 1 and (found.residuals[:count] <= 1e-12).all()
    assert not found.absent_from(flow).any()
    for h, values in zip(found.points[:count], found.eigenvalues[:count], strict=True):
        np.testing.assert_allclose(apply(cell, X, system.unravel(jax.device_put(h))), h, atol=1e-12)
        j = np.nanargmin(np.linalg.norm(again.points - h[None], axis=1))
        np.testing.assert_allclose(again.points[j], h, atol=1e-10)
        exponents = np.asarray(method.exponent(values))
        distance = np.abs(exponents[:, None] - np.asarray(again.eigenvalues[j])[None])
        assert max(distance.min(axis=0).max(), distance.min(axis=1).max()) < 1e-6 * (1 + np.abs(exponents).max())
    assert again.absent_from(system).sum() == again.count - count
    return found


@gate
@pytest.mark.parametrize("which", [TANH, GATED, BENT], ids=["tanh", "gru", "piecewise"])
def test_every_fixed_point_is_an_equilibrium_with_exponents_g(which):
    found = check_flow(zoo(which), ro.Tustin(), GUESSES)
    assert not found.on_kink.any()


@gate
def test_every_fixed_point_of_an_lstm_is_an_equilibrium():
    cell = scaled(drawn(eqx.nn.LSTMCell, 1, 2), 4)
    states = ro.iterate(cell, np.full((20, 1), 0.3), throw=False).states
    check_flow(cell, ro.Forward(1), ro.draw_guesses(jax.random.key(0), 32, states, spread=1.0))


# Kinks.


@gate
def test_a_zero_bias_relu_network_s_flow_is_undetermined_at_zero():
    found = check_flow(zoo(RELU), ro.Tustin(), GUESSES)
    assert found.on_kink[0] and found.verdict_names[0] == "UNDETERMINED"
    assert fixed_points(ro.Flow(ro.to_ode(zoo(RELU), ro.Tustin()), X), GUESSES).on_kink[0]


@slow
@pytest.mark.parametrize("beside", [0.0, 1e-6, -1e-6])
def test_only_a_point_exactly_on_a_kink_is_marked(beside):
    """h = relu(W h + b) with b such that the second unit's argument at the fixed point (1, 0) is `beside`."""
    h = np.array([1.0, max(beside, 0.0)])
    found = fixed_points(network(RELU, np.array([1.0, beside]) - KINKED @ h), GUESSES)
    near = int(np.nanargmin(np.linalg.norm(found.points - h[None], axis=1)))
    np.testing.assert_allclose(found.points[near], h, atol=1e-12)
    assert found.on_kink[near] == (beside == 0)
    assert found.verdict_names[near] == ("UNDETERMINED" if beside == 0 else "DECAYS")


@gate
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


@pytest.fixture(scope="module")
def together():
    """Three searches in one batch."""
    find = jax.jit(jax.vmap(lambda w: ro.fixed_points(unit(w), jnp.asarray(LINE))))
    return find(jnp.array([1.5, 0.5, 2.0]))


@gate
def test_jitted_and_vmapped_it_is_the_same(together):
    alone = [fixed_points(unit(w), LINE) for w in (1.5, 0.5, 2.0)]
    for i, one in enumerate(alone):
        other = jax.tree.map(lambda leaf, i=i: leaf[i], together)
        jax.tree.map(partial(np.testing.assert_allclose, atol=1e-12), one, other)


@gate
def test_points_and_eigenvalues_are_differentiable():
    """By the implicit function theorem: dh/dw = s h / (1 − s w), s = 1 − h², and the multiplier is s w."""

    def outermost(w):
        found = ro.fixed_points(unit(w), jnp.asarray(LINE))
        return jnp.stack([found.points[2, 0], found.eigenvalues[2, 0].real])

    s = 1 - OUTER**2
    slope = s * OUTER / (1 - s * 1.5)
    derivative = jax.jit(jax.jacrev(outermost))(1.5)
    np.testing.assert_allclose(derivative, [slope, s - 2 * OUTER * 1.5 * slope], rtol=1e-9)


@gate
def test_guesses_that_fail_leave_the_derivative_of_the_others_alone():
    """dh/dt = w − h on the right, 1 on the left: one equilibrium, w, and guesses that run off."""

    def total(w):
        flow = ro.Flow(lambda t, h, path: jnp.where(h > -0.9, w - h, 1 + 0 * h))
        return jnp.nansum(ro.fixed_points(flow, jnp.asarray(LINE)).points)

    value, derivative = jax.jit(jax.value_and_grad(total))(1.0)
    np.testing.assert_allclose([value, derivative], 1.0, rtol=1e-9)


@gate
def test_it_lowers_everywhere(monkeypatch):
    monkeypatch.setenv("EQX_ON_ERROR", "nan")
    find = jax.jit(lambda W, g: ro.fixed_points(ro.Map(lambda x, h: jnp.tanh(W @ h)), g, slow=True).points)
    traced = find.trace(jnp.eye(2), jnp.ones((3, 2)))
    for platform in ("cpu", "cuda", "tpu"):
        text = traced.lower(lowering_platforms=(platform,)).as_text()
        assert "func.func" in text and not any("callback" in line.split("loc(")[0] for line in text.splitlines())


@gate
def test_side_by_side_the_search_is_the_same(monkeypatch):
    """What other platforms than a CPU run; seven guesses, so that it is traced anew."""
    one_by_one = fixed_points(unit(1.5), LINE)
    monkeypatch.setattr(_fixed_points_search, "_each", lambda function, rows, platform: jax.vmap(function)(rows))
    together = fixed_points(unit(1.5), LINE[:7])
    np.testing.assert_allclose(together.points[:3], one_by_one.points[:3], atol=1e-12)
    assert together.reached.tolist() == one_by_one.reached[:7].tolist()


@slow
def test_every_property_of_a_vmapped_result_is_that_of_each(together):
    alone = [fixed_points(unit(w), LINE) for w in (1.5, 0.5, 2.0)]
    other = unit(0.5)
    assert together.count.tolist() == [3, 1, 3] == [int(one.count) for one in alone]
    assert together.kind_names == [one.kind_names for one in alone]
    assert together.verdict_names == [one.verdict_names for one in alone]
    assert together.slow.tolist() == [one.slow.tolist() for one in alone]
    assert together.absent_from(other).tolist() == [one.absent_from(other).tolist() for one in alone]
    assert [sum(row) for row in together.absent_from(other).tolist()] == [2, 0, 2] and together.hint == ""


@slow
def test_order_copies_and_padding_of_the_guesses_do_not_change_the_points():
    plain = rows(fixed_points(unit(1.5), LINE))
    for guesses in (LINE[::-1], LINE[[0, 0, 0, 0, 8, 8, 8, 4, 4]], np.where(np.arange(9)[:, None] % 8 == 0, LINE, 0.0)):
        other = rows(fixed_points(unit(1.5), guesses))
        np.testing.assert_allclose(other[0], plain[0], atol=1e-12)
        assert other[1] == plain[1]


# Units and precision.


class Scaled(eqx.Module):
    """The cell or field tanh(W h + b), less h for the field, in other units of state and time."""

    W: jax.Array
    b: jax.Array
    state: jax.Array
    time: jax.Array | None

    def __call__(self, *args):
        h = args[1] / self.state
        after = jnp.tanh(self.W @ h + self.b)
        return self.state * (after if self.time is None else (after - h) / self.time)


@gate
@pytest.mark.parametrize("time", [2.0**-20, 2.0**20])
@pytest.mark.parametrize("state", [2.0**-20, 2.0**20])
def test_in_other_units_everything_is_the_same(time, state):
    def ask(time, state):
        field = Scaled(
            jnp.array([[1.8, -0.4], [0.3, 1.5]]), jnp.array([0.1, 0.0]), jnp.asarray(state), jnp.asarray(time)
        )
        return ro.fixed_points(ro.Flow(field), state * GUESSES[:24])

    plain, other = ask(1.0, 1.0), ask(time, state)
    count = int(plain.count)
    assert count == 3 and plain.kind_names == other.kind_names and plain.reached.tolist() == other.reached.tolist()
    np.testing.assert_array_equal(other.points[:count] / state, plain.points[:count])  # powers of two round nothing
    np.testing.assert_allclose(other.timescales[:count] / time, plain.timescales[:count], rtol=1e-12)
    none = ro.Flow(Scaled(jnp.zeros((2, 2)), jnp.ones(2), jnp.asarray(state), jnp.asarray(time)))
    assert other.absent_from(none).sum() == count


@gate
@pytest.mark.parametrize("margin", [1e-2, 1e-3, -1e-3])
def test_float32_decides_where_its_eigenvalues_do(margin):
    """64 units, eigenvectors of condition 2, a multiplier 1 − margin at a fixed point away from the origin; in a process that
    has float64 as well."""
    rng, n = np.random.default_rng(0), 64
    left, _, right = np.linalg.svd(rng.normal(size=(n, n)))
    V = left @ np.diag(np.linspace(1, 2, n)) @ right
    J = V @ np.diag([1 - margin, *rng.uniform(-0.8, 0.8, n - 1)]) @ np.linalg.inv(V)
    h = 0.1 * rng.normal(size=n)
    W = J / (1 - h**2)[:, None]
    single = [jnp.asarray(a, jnp.float32) for a in (W, np.arctanh(h) - W @ h, 1.0)]
    found = ro.fixed_points(ro.Map(Scaled(*single, None)), (h + 1e-3 * rng.normal(size=(2, n))).astype(np.float32))
    assert found.points.dtype == np.float32 and found.count == 1 and found.hint == ""
    assert found.verdict_names[0] == ("DECAYS" if margin > 0 else "GROWS")
    np.testing.assert_allclose(found.points[0], h, atol=1e-6 / abs(margin))  # its rounding, 1e-6, over the margin
    assert abs(found.leading[0] - (1 - margin)) < 1e-5


@slow
def test_an_undecided_verdict_says_that_float64_may_decide():
    found = ro.fixed_points(ro.Map(unit(1.0).cell, np.zeros(1)), LINE)
    assert found.hint == ""  # in float64 there is nothing to be had from it
    with jax.enable_x64(False):
        near = jax.tree.map(lambda leaf: leaf.astype(np.float32), unit(1 + 1e-7))
        found = ro.fixed_points(near, LINE.astype(np.float32))
    assert found.verdict_names[0] != "DECAYS" and ("float64" in found.hint) == (
        found.verdict_names[0] == "UNDETERMINED"
    )


# Nearly continuous attractors, eigenvectors.


@slow
def test_states_settled_on_a_nearly_continuous_attractor_stay_where_they_are():
    """A ring of 32 units, W = 4/N cos(θᵢ − θⱼ), on which the state drifts by 2e-8 a step."""
    n, count = 32, 24
    angle = 2 * np.pi * np.arange(n) / n
    W = jnp.asarray(4 / n * np.cos(angle[:, None] - angle[None]))
    states = jax.random.normal(jax.random.key(0), (count, n))
    settled = jax.lax.fori_loop(0, 2000, lambda _, h: jnp.tanh(h @ W), states)
    found = ro.fixed_points(ro.Map(lambda x, h: jnp.tanh(W @ h)), settled, slow=1e-6)
    assert (found.reached >= 0).all() and int(found.slow.sum()) + int(found.count) == count
    assert np.nanmax(found.residuals) <= 1e-6
    moved = np.linalg.norm(found.points[found.reached] - settled, axis=1)
    assert moved.max() < 1e-3 * np.linalg.norm(settled[0])
    assert (abs(found.timescales[:, 0]) > 1e5).all() and (abs(found.timescales[:, 1]) < 10).all()
    # the direction of the ring is the slope of the bump, here by a central difference of 32 points
    along = np.roll(found.points, -1, axis=1) - np.roll(found.points, 1, axis=1)
    cosine = np.abs(np.sum(along * found.right[:, :, 0].real, axis=1)) / np.linalg.norm(along, axis=1)
    assert cosine.min() > 0.98  # measured


@gate
def test_eigenvectors_are_biorthogonal_and_nan_where_there_are_none():
    found = fixed_points(network(LEAKY), GUESSES)
    J = np.asarray(network(LEAKY).jacobian(jax.device_put(found.points[0])))
    np.testing.assert_allclose(found.left[0] @ found.right[0], np.eye(2), atol=1e-12)
    np.testing.assert_allclose(J @ found.right[0], found.right[0] * found.eigenvalues[0][None], atol=1e-12)
    np.testing.assert_allclose(found.left[0] @ J, found.eigenvalues[0][:, None] * found.left[0], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(found.right[0], axis=0), 1, rtol=1e-12)
    np.testing.assert_allclose(found.timescales[0], -1 / np.log(abs(found.eigenvalues[0])), rtol=1e-12)
    assert np.isnan(found.left[1:]).all() and np.isnan(found.timescales[1:]).all()
    line = fixed_points(network(AFFINE), GUESSES)
    assert np.isinf(line.timescales[0, 0]) and line.timescales[0, 0] > 0
    np.testing.assert_allclose(line.left[0, 0] @ Q[0], line.right[0, :, 0] @ Q[0], atol=1e-12)  # symmetric
    jordan = fixed_points(ro.Map(lambda x, h: jnp.array([[0.5, 1.0], [0.0, 0.5]]) @ h), GUESSES)
    assert np.isnan(jordan.left[0]).all() and np.isfinite(jordan.right[0]).all()


# Time in the field; the cheap Jacobian.


@pytest.mark.parametrize(
    "ask",
    [
        lambda flow: ro.fixed_points(flow, LINE),
        lambda flow: ro.transient(flow, np.zeros(1)),
        lambda flow: ro.continue_branch(lambda p: flow, np.zeros(1), (0.0, 1.0)),
    ],
    ids=["fixed_points", "transient", "continue_branch"],
)
def test_a_field_that_uses_time_is_refused(ask):
    with pytest.raises(ValueError, match=r"does not depend on the time t.*Map\(to_rnn"):
        ask(ro.Flow(lambda t, h, path: -h + 0.3 * jnp.cos(t)))


@pytest.mark.thorough  # tests of periodic orbits and of schemes have both halves
def test_the_map_over_a_period_has_the_periodic_orbit_as_its_fixed_point():
    """h' = −h + 0.3 cos t settles on 0.15 (cos t + sin t), which is 0.15 at t = 0, with the multiplier e^{−2π}."""
    field = lambda t, h, path: -h + 0.3 * jnp.cos(t)  # noqa: E731
    found = ro.fixed_points(ro.Map(ro.to_rnn(field, ro.RungeKutta(substeps=100), 2 * np.pi), np.zeros(1)), LINE)
    np.testing.assert_allclose(found.points[0], 0.15, atol=1e-8)  # Tsit5's error at these steps
    np.testing.assert_allclose(found.eigenvalues[0].real, np.exp(-2 * np.pi), rtol=1e-6)


@gate
def test_the_flow_by_the_logarithm_has_the_network_s_points_and_the_logarithms_of_its_multipliers():
    W = np.array([[1.3, 0.2, 0.0], [0.0, 0.7, 0.2], [0.1, 0.0, 0.6]])
    cell = ro.VanillaCell(W, np.ones((3, 1)), 0.05 * np.ones(3), jnp.tanh)
    flow, guesses = ro.to_ode(cell, ro.Exact(), dt=0.5), np.random.default_rng(0).normal(size=(12, 3))
    network, found = fixed_points(ro.Map(cell, NONE), guesses), fixed_points(ro.Flow(flow, NONE), guesses)
    count = int(network.count)
    assert count == found.count > 1
    np.testing.assert_allclose(found.points[:count], network.points[:count], atol=1e-12)
    np.testing.assert_allclose(found.eigenvalues[:count], np.log(network.eigenvalues[:count]) / 0.5, atol=1e-12)
    at = jax.device_put(found.points[0])
    exact = jax.jit(jax.jacfwd(lambda h: flow(0.0, h, lambda t: jnp.zeros(1))))(at)
    np.testing.assert_allclose(eqx.filter_jit(ro.Flow(flow, NONE).jacobian_at_rest)(at), exact, atol=1e-11)


def test_a_conversion_that_may_add_equilibria_is_searched_as_it_is():
    cell = unit(1.5).cell
    said = {m.label: ro.to_ode(cell, m).equation is not None for m in (ro.Tustin(), ro.Exact(), ro.Backward(1))}
    assert all(said.values()) and ro.to_ode(cell, ro.Backward(2)).equation is None


# Which ends are one point; guesses; bad input.


lead = jax.jit(_fixed_points_search._lead)
distinct = jax.jit(_fixed_points_search.distinct)


def led(points, radius):
    points = np.asarray(points, float)[:, None]
    yes = np.ones(len(points), bool)
    end = _fixed_points_search.End(points, np.full(len(points), radius / 4), points[:, None], yes, ~yes)
    return lead(end)


@pytest.mark.slow
def test_copies_collapse_and_neighbours_do_not_chain():
    copies = 0.3 + 1e-12 * np.random.default_rng(0).uniform(size=2000)
    assert set(np.asarray(led([*copies, 0.3001], 1e-12)).tolist()) == {0, 2000}
    chain = np.asarray(led(np.arange(30) * 1.5, 1.0))
    assert len(set(chain.tolist())) == 15 and (np.abs(chain - np.arange(30)) <= 1).all()


def test_an_end_that_is_no_point_leads_no_cluster():
    no, nan = np.zeros(3, bool), np.full((3, 1, 1), np.nan)
    point, radius = np.array([[np.nan], [0.0], [np.nan]]), np.array([np.nan, 0.1, np.nan])
    end = _fixed_points_search.End(point, radius, nan, np.array([False, True, False]), no)
    order, used, reached = map(np.asarray, distinct(end))
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
        (lambda: ro.fixed_points(unit(1.5), [["h"]]), TypeError, "numbers"),
        (lambda: ro.fixed_points(unit(1.5), LINE, slow="yes"), TypeError, "slow must be True, False or a speed"),
        (lambda: ro.fixed_points(unit(1.5), LINE, slow=-1e-6), ValueError, "positive, finite speed"),
        (lambda: ro.fixed_points(lambda x, h: h, LINE), TypeError, "must be a Map or a Flow"),
        (lambda: ro.fixed_points(ro.Map(unit(1.5).cell, np.zeros((4, 1))), LINE), ValueError, "constant input"),
        (lambda: ro.fixed_points(unit(1.5), LINE.astype(jnp.bfloat16)[None]), ValueError, "state of 1 numbers"),
        (lambda: ro.draw_guesses(jax.random.key(0), 2, np.zeros((4, 9, 2))), ValueError, r"rows \(T, N\).*\(4, 9, 2\)"),
        (lambda: ro.draw_guesses(jax.random.key(0), 0, LINE), ValueError, "n must be at least 1"),
        (lambda: ro.draw_guesses(jax.random.key(0), 2, LINE, spread=-1.0), ValueError, "spread"),
        (lambda: ro.draw_guesses(jax.random.key(0), 2, LINE + np.inf), ValueError, "states must be finite"),
    ],
)
def test_bad_input_is_named(make, error, message, as_user):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.gate
def test_where_gates_round_to_one_the_kind_is_undetermined():
    """A GRU of huge weights: whatever state shuts its update gates rests there, in floats, be it in the network's range
    (−1, 1) or not. No point outside it passes for an isolated one."""
    gru = drawn(eqx.nn.GRUCell, 1, 4)
    gru = eqx.tree_at(lambda g: g.weight_hh, gru, 40 * jax.random.normal(jax.random.key(3), (12, 4)))
    found = ro.fixed_points(ro.Map(gru, jnp.zeros(1)), 5 * jax.random.normal(jax.random.key(1), (40, 4)))
    outside = np.abs(np.asarray(found.points)).max(axis=1) > 1 + 1e-9  # NaN, of an empty row, is not
    kinds = {kind for kind, out in zip(found.kind_names, outside, strict=False) if out}
    assert kinds == {"UNDETERMINED"}


def test_a_field_that_branches_on_time_in_python_is_named():
    def branching(t, h, path):
        return -h if t < 1 else h

    with pytest.raises(TypeError, match=r"this function cannot be compiled: it has a Python `if`"):
        ro.fixed_points(ro.Flow(branching), np.ones((2, 1)))


@pytest.mark.slow
def test_points_are_not_looked_for_in_a_field_that_uses_time():
    found = fixed_points(unit(1.5), LINE)
    with pytest.raises(ValueError, match="absent_from needs a field that does not depend on the time t"):
        found.absent_from(ro.Flow(lambda t, h, path: -h + 0.3 * jnp.cos(t)))
