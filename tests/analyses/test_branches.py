"""Branches of fixed points: published bifurcations, closed forms, and what must hold of any branch."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from weights import drawn

import rnn_ode as ro
import rnn_ode.plot
from rnn_ode._analyses import branches_kernels as _branch_kernels
from rnn_ode._analyses.branches_points import _determinant as determinant
from rnn_ode._analyses.branches_points import _spectrum_of as spectrum_of
from rnn_ode._analyses.branches_points import tangent

ROTATION = np.array([[0.5, -(0.75**0.5)], [0.75**0.5, 0.5]])
FOLD = 2 * 0.5**0.5 - np.arctanh(0.5**0.5)  # |b| = w sqrt(1 − 1/w) − artanh sqrt(1 − 1/w) at w = 2
A_OF_HENON = (3 * 0.7**2 / 4, -(0.7**2) / 4)
HOPF_OF_LORENZ = 10 * (10 + 8 / 3 + 3) / (10 - 8 / 3 - 1)


class Network(eqx.Module):
    """h ↦ tanh((W + p V) h + b + p c), or its flow: one program for all weights of one size."""

    W: jax.Array
    V: jax.Array
    b: jax.Array
    c: jax.Array
    flow: bool = eqx.field(static=True)

    def __call__(self, p):
        n = len(self.b)
        cell = ro.VanillaCell(self.W + p * self.V, jnp.zeros((n, 1), p.dtype), self.b + p * self.c, jnp.tanh)
        x = jnp.zeros(1, p.dtype)
        return ro.Flow(ro.to_ode(cell, ro.Forward(1)), x) if self.flow else ro.Map(cell, x)


def network(flow, W=0.0, V=0.0, b=0.0, c=0.0):
    n = max(len(np.atleast_1d(a)) for a in (W, V, b, c))
    kind = float
    return Network(
        jnp.asarray(np.broadcast_to(W, (n, n)), kind),
        jnp.asarray(np.broadcast_to(V, (n, n)), kind),
        jnp.asarray(np.broadcast_to(b, n), kind),
        jnp.asarray(np.broadcast_to(c, n), kind),
        flow,
    )


class Polynomial(eqx.Module):
    """dh/dt = Σ cᵢⱼ hⁱ pʲ, one state: one program for all normal forms."""

    coefficients: jax.Array

    def __call__(self, p):
        powers = jnp.arange(4)
        return ro.Flow(lambda t, h, path: (h[0] ** powers) @ self.coefficients @ (p**powers) + 0 * h)


def polynomial(**terms):
    """`polynomial(h1p1=1, h3p0=-1)` is dh/dt = p h − h³."""
    c = np.zeros((4, 4))
    for name, value in terms.items():
        c[int(name[1]), int(name[3])] = value
    return Polynomial(jnp.asarray(c, float))


def henon(a):
    return ro.Map(lambda x, h: jnp.stack([1 - a * h[0] ** 2 + h[1], 0.3 * h[0]]))


def logistic(r):
    return ro.Map(lambda x, h: r * h * (1 - h))


def lorenz(rho):
    def field(t, h, path):
        x, y, z = h
        return jnp.stack([10 * (y - x), x * (rho - z) - y, x * y - 8 / 3 * z])

    return ro.Flow(field)


def brusselator(B):
    return ro.Flow(lambda t, h, path: jnp.stack([1 - (B + 1) * h[0] + h[0] ** 2 * h[1], B * h[0] - h[0] ** 2 * h[1]]))


def kinds(branch):
    return [kind for kind, _, _ in branch.bifurcations]


def parameters(branch):
    return [parameter for _, parameter, _ in branch.bifurcations]


def names(branch):
    items = {name: getattr(ro.Verdict, name) for name in ("DECAYS", "PERSISTS", "GROWS", "UNDETERMINED")}
    masks = {name: np.asarray(branch.verdicts == item) for name, item in items.items()}
    return [next(name for name, mask in masks.items() if mask[i]) for i in range(len(branch.parameters))]


def check(make_system, branch, tolerance=1e-10):
    """What holds of any branch: its points are fixed points, ordered and unbroken; stability changes at bifurcations only."""
    sizes = np.maximum(1, np.linalg.norm(branch.points, axis=1))
    assert np.all(branch.residuals <= tolerance * sizes)
    p, h = branch.parameters[len(branch.parameters) // 2], branch.points[len(branch.parameters) // 2]
    system = make_system(jnp.asarray(p))
    assert np.max(np.abs(system.residual(jnp.asarray(h)))) <= tolerance * max(1, np.linalg.norm(h))
    for (_, parameter, point), i in zip(branch.bifurcations, branch.indices, strict=True):
        assert branch.parameters[i] == parameter and np.array_equal(branch.points[i], point)
    assert branch.indices == sorted(branch.indices)
    seen, at = names(branch), [0, *branch.indices, len(branch.parameters) - 1]
    for first, last in itertools.pairwise(at):
        assert len(set(seen[first + 1 : last])) <= 1, (branch.bifurcations, seen)


# --- the reference block ---------------------------------------------------------------------------------------------


@pytest.mark.gate
@pytest.mark.parametrize("flow", [False, True], ids=["map", "flow"])
def test_an_s_shaped_branch_has_both_folds_and_the_unstable_middle(flow):
    make_system = network(flow, W=2.0, c=1.0)
    branch = ro.continue_branch(make_system, np.array([-1.0]), (-1.0, 1.0))
    assert branch.complete and not branch.closed and kinds(branch) == ["fold", "fold"]
    np.testing.assert_allclose(parameters(branch), [FOLD, -FOLD], atol=1e-10)
    np.testing.assert_allclose(parameters(branch), [0.5328399754, -0.5328399754], atol=1e-8)
    np.testing.assert_allclose([h[0] for *_, h in branch.bifurcations], [-(0.5**0.5), 0.5**0.5], atol=1e-8)
    np.testing.assert_allclose(branch.critical, [0.0 if flow else 1.0] * 2, atol=1e-8)
    first, second = branch.indices
    seen = names(branch)
    assert set(seen[:first]) == set(seen[second + 1 :]) == {"DECAYS"}
    assert set(seen[first + 1 : second]) == {"GROWS"} and second - first > 10
    assert branch.parameters[0] == -1.0 and branch.parameters[-1] == 1.0
    check(make_system, branch)


@pytest.mark.gate
@pytest.mark.parametrize("flow", [False, True], ids=["map", "flow"])
def test_a_flip_belongs_to_the_map_alone(flow):
    found = ["branch point"] if flow else ["flip", "branch point"]
    branch = ro.continue_branch(network(flow, V=1.0), np.zeros(1), (-1.5, 1.6))
    assert branch.complete and kinds(branch) == found
    np.testing.assert_allclose(parameters(branch), [-1.0, 1.0][-len(found) :], atol=1e-8)
    # the origin is the fixed point, with the multiplier p, or the exponent p − 1, all along
    np.testing.assert_array_equal(branch.points, 0)
    np.testing.assert_allclose(branch.eigenvalues[:, 0], branch.parameters - flow, atol=1e-12)
    np.testing.assert_allclose(branch.critical, branch.eigenvalues[branch.indices, 0], atol=1e-8)


@pytest.mark.gate
@pytest.mark.parametrize(
    ("flow", "kind", "gain", "critical"),
    [
        (False, "neimark-sacker", 1.0, np.exp(1j * np.pi / 3)),
        (True, "hopf", 2.0, 1.7320508076j),
    ],
)
def test_neimark_sacker_of_the_map_is_at_1_and_hopf_of_the_flow_at_2(flow, kind, gain, critical):
    branch = ro.continue_branch(network(flow, V=ROTATION), np.zeros(2), (0.5, 2.5))
    assert branch.complete and kinds(branch) == [kind]
    np.testing.assert_allclose(parameters(branch), [gain], atol=1e-8)
    np.testing.assert_allclose(branch.critical, [critical], atol=1e-8)
    check(network(flow, V=ROTATION), branch)


# --- published values ------------------------------------------------------------------------------------------------


@pytest.mark.gate
def test_henon():
    """Flip at a = 3(1 − b)²/4, fold at −(1 − b)²/4, and then h → ∞ as a → 0 from below."""
    branch = ro.continue_branch(henon, np.array([0.6, 0.2]), (1.4, -1.4))
    assert kinds(branch) == ["flip", "fold"]
    np.testing.assert_allclose(parameters(branch), A_OF_HENON, atol=1e-8)
    assert not branch.complete and branch.result == ro.RESULTS.branch_diverged
    assert "partial" in ro.RESULTS[branch.result] and -1e-5 < branch.parameters[-1] < 0
    part = ro.continue_branch(henon, np.array([0.6, 0.2]), (1.4, 0.2))
    assert part.complete and kinds(part) == ["flip"]
    check(henon, part)


@pytest.mark.gate
def test_logistic():
    trivial = ro.continue_branch(logistic, np.array([0.0]), (0.5, 3.5))
    other = ro.continue_branch(logistic, np.array([0.7]), (3.5, 0.5))
    assert kinds(trivial) == ["branch point"] and kinds(other) == ["flip", "branch point"]
    np.testing.assert_allclose(parameters(trivial) + parameters(other), [1, 3, 1], atol=1e-8)
    np.testing.assert_allclose(other.points[:, 0], 1 - 1 / other.parameters, atol=1e-12)


@pytest.mark.gate
def test_lorenz():
    """Pitchfork at ρ = 1 on the origin; on C±, one branch through it, Hopf at σ(σ + β + 3)/(σ − β − 1), ω² = β(σ + ρ)."""
    origin = ro.continue_branch(lorenz, np.zeros(3), (0.0, 30.0))
    arms = ro.continue_branch(lorenz, np.array([8.0, 8.0, 27.0]), (28.0, 0.0))
    assert kinds(origin) == ["branch point"] and kinds(arms) == ["hopf", "branch point", "hopf"]
    np.testing.assert_allclose(parameters(origin), [1.0], atol=1e-8)
    np.testing.assert_allclose(parameters(arms), [HOPF_OF_LORENZ, 1.0, HOPF_OF_LORENZ], atol=1e-8)
    np.testing.assert_allclose(arms.critical[0], 1j * (8 / 3 * (10 + HOPF_OF_LORENZ)) ** 0.5, atol=1e-8)
    np.testing.assert_allclose(arms.bifurcations[1].point, 0, atol=1e-8)
    assert arms.complete and arms.parameters[-1] == 28.0
    check(lorenz, arms)


@pytest.mark.gate
def test_brusselator():
    branch = ro.continue_branch(brusselator, np.ones(2), (1.0, 3.0))
    assert kinds(branch) == ["hopf"]
    np.testing.assert_allclose([*parameters(branch), branch.critical[0]], [2.0, 1j], atol=1e-8)


@pytest.mark.gate
def test_a_pitchfork_from_its_stem_a_transcritical_point_and_a_hysteresis_loop():
    pitchfork = polynomial(h1p1=1, h3p0=-1)
    stem = ro.continue_branch(pitchfork, np.zeros(1), (-1.0, 1.3))
    assert kinds(stem) == ["branch point"]
    np.testing.assert_allclose(stem.bifurcations[0].parameter, 0, atol=1e-8)
    check(pitchfork, stem)
    assert kinds(ro.continue_branch(polynomial(h1p1=1, h2p0=-1), np.zeros(1), (-1.0, 1.3))) == ["branch point"]
    loop = ro.continue_branch(polynomial(h0p1=1, h1p0=1, h3p0=-1), np.array([-1.3]), (-1.0, 1.0))
    np.testing.assert_allclose(parameters(loop), [2 / 27**0.5, -2 / 27**0.5], atol=1e-10)


@pytest.mark.slow
def test_a_pitchfork_from_its_arm_and_a_circle():
    pitchfork = polynomial(h1p1=1, h3p0=-1)
    arm = ro.continue_branch(pitchfork, np.ones(1), (1.0, -1.0))
    assert kinds(arm) == ["branch point"]
    np.testing.assert_allclose(arm.bifurcations[0].point, 0, atol=1e-8)
    assert arm.parameters[-1] == 1.0 and np.isclose(arm.points[-1, 0], -1)
    assert {name for i, name in enumerate(names(arm)) if i not in arm.indices} == {"DECAYS"}
    circle = polynomial(h2p0=1, h0p2=1, h0p0=-1)
    closed = ro.continue_branch(circle, np.zeros(1), (-1.0, 1.5))
    assert closed.closed and closed.complete and kinds(closed) == ["fold", "fold"]
    np.testing.assert_allclose(parameters(closed), [-1, 1], atol=1e-10)
    np.testing.assert_allclose(closed.parameters**2 + closed.points[:, 0] ** 2, 1, atol=1e-10)
    np.testing.assert_array_equal(closed.points[-1], closed.points[0])
    for make_system, branch in ((pitchfork, arm), (circle, closed)):
        check(make_system, branch)


@pytest.mark.gate
def test_a_neutral_saddle_is_no_hopf_point():
    """At p = 1 the real eigenvalues 1 and p − 2 add up to zero; for the map, 2 and p/2 multiply to one."""
    flow = ro.continue_branch(
        lambda p: ro.Flow(lambda t, h, _: jnp.stack([h[0], (p - 2) * h[1]])), np.zeros(2), (0, 1.7)
    )
    chart = ro.continue_branch(
        lambda p: ro.Map(lambda x, h: jnp.stack([2 * h[0], p / 2 * h[1]])), np.zeros(2), (0, 1.7)
    )
    assert flow.complete and chart.complete and kinds(flow) == kinds(chart) == []


@pytest.mark.slow
def test_two_eigenvalues_that_cross_at_once_do_not_cancel():
    branch = ro.continue_branch(network(False, V=np.eye(2)), np.zeros(2), (-1.5, 1.6))
    assert kinds(branch) == ["flip", "branch point"]
    np.testing.assert_allclose(parameters(branch), [-1, 1], atol=1e-8)
    four = ro.continue_branch(network(True, V=np.kron(np.eye(2), ROTATION)), np.zeros(4), (0.5, 2.5))
    assert kinds(four) == ["hopf"] and np.isclose(parameters(four)[0], 2, atol=1e-8)


def test_a_start_on_a_branch_point_goes_along_the_parameter():
    branch = ro.continue_branch(network(False, V=1.0), np.zeros(1), (1.0, 1.5))
    assert branch.complete and kinds(branch) == ["branch point"] and parameters(branch) == [1.0]
    np.testing.assert_array_equal(branch.points, 0)


# --- no jump is silent -----------------------------------------------------------------------------------------------


@pytest.mark.gate
@pytest.mark.parametrize("offset", [1e-1, 1e-6])
def test_a_broken_pitchfork_is_followed_round_its_bend(offset):
    """h = tanh(w h + b): the branch of h ≈ b ends on the upper arm and has no bifurcation; straight on lies another curve."""
    make_system = network(False, V=1.0, b=offset)
    branch = ro.continue_branch(make_system, np.zeros(1), (0.5, 1.5))
    assert branch.complete and kinds(branch) == [] and set(names(branch)) == {"DECAYS"}
    assert np.all(np.diff(branch.points[:, 0]) > 0) and branch.points[-1, 0] > 0.85
    check(make_system, branch)


@pytest.mark.parametrize(
    ("flow", "seeds"),
    [
        pytest.param(False, (1, 3), marks=pytest.mark.slow, id="map"),
        pytest.param(True, (0, 1), marks=pytest.mark.gate, id="flow"),
        pytest.param(False, range(6), marks=pytest.mark.thorough, id="map of six networks"),
        pytest.param(True, range(6), marks=pytest.mark.thorough, id="flow of six networks"),
    ],
)
def test_the_diagram_is_the_same_from_the_other_end(flow, seeds):
    """Random networks of three units along a random input, from where they have settled at p = −3; the records against the
    eigenvalues of tanh's Jacobian by NumPy."""
    found = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        W, c, b = 2.2 * rng.standard_normal((3, 3)), 2 * rng.standard_normal(3), 0.3 * rng.standard_normal(3)
        h = settled(W, b - 3 * c)
        if h is None:
            continue
        make_system = network(flow, W=W, b=b, c=c)
        there = ro.continue_branch(make_system, h, (-3.0, 3.0))
        assert there.complete, ro.RESULTS[there.result]
        check(make_system, there)
        last = float(there.parameters[-1])
        back = ro.continue_branch(make_system, there.points[-1], (last, -last))
        assert kinds(back) == kinds(there)[::-1]
        np.testing.assert_allclose(parameters(back), parameters(there)[::-1], atol=1e-8)
        for (kind, p, h), critical in zip(there.bifurcations, there.critical, strict=True):
            np.testing.assert_allclose(np.tanh(W @ h + b + p * c), h, atol=1e-10)
            values = np.linalg.eigvals((1 - h**2)[:, None] * W - (np.eye(3) if flow else 0))
            on_boundary = 1j * critical.imag if flow else critical / abs(critical)
            assert np.abs(values - on_boundary).min() < 1e-8
            assert (critical.imag > 0) == (kind in ("hopf", "neimark-sacker"))
        found += kinds(there)
    assert set(found) == ({"fold", "hopf"} if flow else {"fold", "flip", "neimark-sacker"}), found


def settled(W, b):
    """A stable equilibrium of dh/dt = −h + tanh(W h + b), if a short run ends in one."""
    h = np.zeros(len(b))
    for _ in range(2000):
        step = np.tanh(W @ h + b) - h
        h = h + 0.1 * step
    return h if np.max(np.abs(step)) < 1e-8 else None


@pytest.mark.gate
def test_one_make_system_is_compiled_once():
    calls = []
    template = network(False, W=2.0, c=1.0)

    def make_system(b):
        calls.append(b)
        return template(b)

    ro.continue_branch(make_system, np.array([-1.0]), (-1.0, 1.0))
    first = len(calls)
    branch = ro.continue_branch(make_system, np.array([1.0]), (1.0, -1.0), max_step=0.02)
    assert len(calls) == first + 2 < len(branch.parameters) / 4  # the checks at p0 and at p1


# --- kinks, states, precisions, backends -----------------------------------------------------------------------------


class Corner(eqx.Module):
    """h ↦ relu(w h + p): one program for all weights."""

    w: jax.Array

    def __call__(self, p):
        return ro.Map(ro.VanillaCell(self.w[None, None], jnp.ones((1, 1)), jnp.zeros(1)), p[None])


@pytest.mark.slow
def test_corners_of_relu():
    """h = relu(w h + p): at p = 0 the branch bends (w = ½), loses stability at once (w = −2) or turns back (w = 3/2)."""
    for w, end, found in ((0.5, 1.0, []), (-2.0, 1.0, ["border collision"]), (1.5, -1.0, ["border collision"])):
        branch = ro.continue_branch(Corner(jnp.asarray(w)), np.zeros(1), (-1.0, 1.0))
        assert branch.complete and kinds(branch) == found and branch.parameters[-1] == end
        np.testing.assert_allclose(parameters(branch), 0 * np.array(parameters(branch)), atol=1e-8)
        np.testing.assert_allclose(branch.points[-1, 0], end / (1 - w), atol=1e-12)


@pytest.mark.gate
def test_states_may_be_pytrees():
    cell = drawn(eqx.nn.LSTMCell, 1, 2)

    def make_system(x):
        return ro.Map(cell, x[None])

    branch = ro.continue_branch(make_system, (np.zeros(2), np.zeros(2)), (-1.0, 1.0))
    assert branch.complete and branch.points.shape[1] == 4
    check(make_system, branch)


@pytest.mark.slow
def test_float32(float32):
    """Bifurcations to a few 1e-5 and residuals to 1e-5, relative to the size of the interval and of the state."""
    folds = ro.continue_branch(network(False, W=2.0, c=1.0), np.array([-1.0], np.float32), (-1.0, 1.0))
    arms = ro.continue_branch(lorenz, np.array([8.0, 8.0, 27.0], np.float32), (28.0, 0.0))
    assert folds.points.dtype == np.float32
    for branch, found, where, width in (
        (folds, ["fold"] * 2, [FOLD, -FOLD], 2),
        (arms, ["hopf", "branch point", "hopf"], [HOPF_OF_LORENZ, 1.0, HOPF_OF_LORENZ], 28),
    ):
        assert branch.complete and kinds(branch) == found
        np.testing.assert_allclose(parameters(branch), where, atol=2e-4 * width)
        assert np.all(branch.residuals <= 1e-5 * np.maximum(1, np.linalg.norm(branch.points, axis=1)))


@pytest.mark.gate
@pytest.mark.parametrize("kernel", ["correct", "branch_point"])
def test_the_kernels_lower_everywhere(kernel, monkeypatch):
    monkeypatch.setenv("EQX_ON_ERROR", "nan")
    make_system = network(True, V=ROTATION)
    with jax.enable_x64(False):
        z = jnp.zeros(3, jnp.float32)
        make_system = jax.tree.map(lambda a: a.astype(jnp.float32), make_system)
        run = jax.jit(lambda z, d, u: tuple(getattr(_branch_kernels, kernel).__wrapped__(make_system, z, d, u)))
        for platform in ("cpu", "cuda", "tpu"):
            assert run.trace(z, z, z + 1).lower(lowering_platforms=(platform,)).as_text()


# --- the tests at a point, by hand -------------------------------------------------------------------------------------


def test_a_determinant_is_the_relative_change_of_the_entries_that_makes_it_zero_whatever_the_units():
    """Of [[1, 1], [1, 1 + d]] it is d/(4 + 2d), and of a diagonal matrix of two entries ½."""
    d = 1e-3
    A = np.array([[1.0, 1.0], [1.0, 1 + d]])
    for scaled in (A, np.diag([1e8, 1e-3]) @ A @ np.diag([1e-5, 1e6])):
        assert determinant(scaled) == pytest.approx(d / (4 + 2 * d), rel=1e-9)
    assert determinant(A[::-1]) == pytest.approx(-d / (4 + 2 * d), rel=1e-9)
    assert determinant(np.diag([2.0, -1e-9])) == pytest.approx(-0.5) and determinant(np.zeros((2, 2))) == 0


def test_a_tangent_is_the_null_vector_at_an_acute_angle_and_the_nearest_of_several():
    eps = 2.0**-52
    A = np.array([[1.0, 0.0, -2.0], [0.0, 1.0, 0.0]])
    along = np.array([2.0, 0.0, 1.0]) / 5**0.5
    np.testing.assert_allclose(tangent(A, np.array([1.0, 5.0, 0.0]), eps), along, atol=1e-12)
    np.testing.assert_allclose(tangent(A, np.array([-1.0, 5.0, 0.0]), eps), -along, atol=1e-12)
    flat = np.array([[1.0, 0.0, 0.0], [1e-17, 0.0, 0.0]])
    np.testing.assert_allclose(tangent(flat, np.array([1.0, 3.0, 4.0]), eps), [0, 0.6, 0.8], atol=1e-12)


def test_the_reach_of_an_eigenvalue_is_what_the_change_of_the_jacobian_moves_it_by():
    """[[a, k], [0, b]] has the left and right eigenvectors (1, k/(a − b)) and (1, 0) of a; entries change by E each."""
    a, b, k, change = 1.001, 0.5, 0.1, 1e-4
    chart = ro.Map(lambda x, h: h)
    found = spectrum_of(chart, np.array([[a, k], [0.0, b]]), lambda: np.full((2, 2), change), 1e-16)
    np.testing.assert_allclose(found.values, [a, b], rtol=1e-12)
    np.testing.assert_allclose(found.distance, [a - 1, b - 1], rtol=1e-9)
    slope = k / (a - b)
    np.testing.assert_allclose(found.reach, 8 * change * np.array([1 + slope, (1 + slope)]), rtol=1e-6)
    far = spectrum_of(chart, np.array([[3.0, k], [0.0, b]]), lambda: pytest.fail("nothing is near"), 1e-16)
    assert (far.reach < 1e-14).all() and far.nearest(found).values.tolist() == [b, b]


# --- partial answers and bad input -----------------------------------------------------------------------------------


def test_a_partial_branch_says_so():
    branch = ro.continue_branch(network(False, W=2.0, c=1.0), np.array([-1.0]), (-1.0, 1.0), max_points=20)
    assert len(branch.parameters) == 20 and not branch.complete
    assert branch.result == ro.RESULTS.branch_cut_short and "max_points" in ro.RESULTS[branch.result]


@pytest.mark.slow
def test_a_branch_that_ends_is_lost_not_invented():
    """dh/dt = p − log h + h has no real continuation where log ends: the field is NaN for h < 0; sqrt(p) ends at p = 0."""
    branch = ro.continue_branch(lambda p: ro.Flow(lambda t, h, _: jnp.sqrt(p) - h), np.ones(1), (1.0, -1.0))
    assert not branch.complete and branch.result == ro.RESULTS.branch_lost
    assert "partial" in ro.RESULTS[branch.result] and 0 <= branch.parameters[-1] < 1e-3
    assert np.all(np.isfinite(branch.points))


FIXED = network(False, W=2.0, c=1.0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((3, np.zeros(1), (0.0, 1.0)), TypeError, "make_system"),
        ((lambda p: p, np.zeros(1), (0.0, 1.0)), TypeError, "make_system returns at p = 0 must be a Map or a Flow"),
        ((lambda p: ro.Map(FIXED(p).cell, np.zeros((3, 1))), np.zeros(1), (0.0, 1.0)), ValueError, "constant input"),
        ((FIXED, np.zeros(1), (1.0, 1.0)), ValueError, "two different, finite ends"),
        ((FIXED, np.zeros(1), (0.0, np.inf)), ValueError, "two different, finite ends"),
        ((FIXED, np.zeros(1), 1.0), TypeError, "pair"),
        ((FIXED, np.zeros(2), (0.0, 1.0)), ValueError, "1 numbers"),
        ((FIXED, np.array([np.nan]), (0.0, 1.0)), ValueError, "finite"),
        (
            (lambda p: network(False, W=np.eye(1 if p < 0.5 else 2))(p), np.zeros(1), (0.0, 1.0)),
            ValueError,
            "2 numbers",
        ),
        ((lambda p: FIXED(p) if p < 9 else None, np.zeros(1), (0.0, 1.0)), TypeError, "traceable in p"),
        ((lambda p: FIXED(jnp.asarray(float(np.asarray(p)))), np.zeros(1), (0.0, 1.0)), TypeError, "traceable in p"),
    ],
)
@pytest.mark.usefixtures("as_user")
def test_bad_input_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        ro.continue_branch(*arguments)


@pytest.mark.slow
def test_a_start_at_which_the_system_is_not_defined_is_refused_with_that_reason():
    """The root of −p has no real value."""
    with pytest.raises(ValueError, match=r"at p0 = 0\.2 its residual there is not finite"):
        ro.continue_branch(lambda p: ro.Flow(lambda t, h, path: jnp.sqrt(h - p)), np.zeros(1), (0.2, 3.0))


@pytest.mark.slow
def test_a_start_that_does_not_converge_is_refused_with_its_residual():
    """dh/dt = 1 + h² has no equilibrium."""
    with pytest.raises(ValueError, match=r"p0 = 1; .*residual there: 1.*fixed_points"):
        ro.continue_branch(polynomial(h0p1=1, h2p0=1), np.zeros(1), (1.0, 2.0))


# --- the picture -----------------------------------------------------------------------------------------------------


@pytest.mark.gate
def test_the_picture_draws_what_is_stable_solid_and_marks_each_kind():
    branch = ro.continue_branch(FIXED, np.array([-1.0]), (-1.0, 1.0))
    axes = ro.plot.branch(branch).axes[0]
    lines = [line for line in axes.lines if len(line.get_xdata()) > 1]
    assert [line.get_linestyle() for line in lines] == ["-", "--", "-"]
    np.testing.assert_array_equal(np.concatenate([line.get_xdata()[:-1] for line in lines]), branch.parameters[:-1])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["stable", "unstable", "fold"]
    assert len([line for line in axes.lines if line.get_label() == "fold"]) == 2
    assert ro.plot.branch(branch, axes=axes).axes[0] is axes
    with pytest.raises(ValueError, match="coordinate must be from 0 to 0; got 1"):
        ro.plot.branch(branch, 1)


@pytest.mark.gate
def test_no_verdict_of_a_branch_is_sure_on_a_kink():
    """h ↦ relu(p h) rests at 0, on its kink, for every p; h ↦ relu(p h + 1) off it, at 1/(1 − p)."""
    for bias, verdict in ((0.0, "UNDETERMINED"), (1.0, "DECAYS")):
        branch = ro.continue_branch(
            lambda p, bias=bias: ro.Map(lambda x, h: jax.nn.relu(p * h + bias)), jnp.full(1, 2 * bias), (0.5, 0.7)
        )
        verdicts = branch.verdicts
        names = [ro.verdict_name(jax.tree.map(lambda v, i=i: v[i], verdicts)) for i in range(len(branch.parameters))]
        assert branch.complete and set(names) == {verdict}


@pytest.mark.gate
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e-4])
def test_states_may_be_small(size):
    """0 = b + x − x³ with x = h/size folds at b = ±2/√27, whatever the size."""
    make_system = polynomial(h0p1=1, h1p0=1 / size, h3p0=-1 / size**3)
    branch = ro.continue_branch(make_system, jnp.array([-2.0 * size]), (-5.0, 5.0))
    assert branch.complete and [kind for kind, *_ in branch.bifurcations] == ["fold", "fold"]
    np.testing.assert_allclose([b for _, b, _ in branch.bifurcations], [2 / 27**0.5, -2 / 27**0.5], rtol=1e-9)
