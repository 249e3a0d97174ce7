"""Bifurcations in two parameters: curves in closed form, published points, and bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro
import rnn_ode.plot


def follow(make_system, kind, point, at, box, **options):
    found = ro.Bifurcation(kind, 0.0, np.asarray(point, float))
    return ro.continue_bifurcation(make_system, found, at, box, **options)


def one_unit(p):
    return ro.Map(lambda x, h: jnp.tanh(p[0] * h + p[1]))


def logistic(p):
    return ro.Map(lambda x, h: p[0] * h * (1 - p[1] * h))


def henon(p):
    return ro.Map(lambda x, h: jnp.stack([1 - p[0] * h[0] ** 2 + h[1], p[1] * h[0]]))


def turning(p):
    """tanh(g R(θ) h)."""
    turn = jnp.stack([jnp.cos(p[1]), -jnp.sin(p[1]), jnp.sin(p[1]), jnp.cos(p[1])]).reshape(2, 2)
    return ro.Map(lambda x, h: jnp.tanh(p[0] * (turn @ h)))


def adaptive_control(p):
    return ro.Flow(lambda t, h, path: jnp.stack([h[1], h[2], -p[0] * h[2] - p[1] * h[1] - h[0] + h[0] ** 2]))


def co_oxidation(p):
    """Bykov, Yablonskii and Kim (1978), in q₂ and k."""

    def field(t, h, path):
        x, y, s = h
        z = 1 - x - y - s
        return jnp.stack([5 * z**2 - 2 * x**2 - 10 * x * y, p[0] * z - 0.1 * y - 10 * x * y, 0.0675 * (z - p[1] * s)])

    return ro.Flow(field)


def bogdanov_takens(p):
    """Kuznetsov (2004), 8.4: folds at 4 p₀ = p₁², Hopf points at p₀ = 0, p₁ < 0."""
    return ro.Flow(lambda t, h, path: jnp.stack([h[1], p[0] + p[1] * h[0] + h[0] ** 2 - h[0] * h[1]]))


def bautin(p):
    """dr/dt = r (p₀ + p₁ r² − r⁴)."""
    return ro.Flow(lambda t, h, path: jnp.stack([-h[1], h[0]]) + h * (p[0] + p[1] * (h @ h) - (h @ h) ** 2))


def two_neurons(p):
    W = jnp.array([[0.5, 0.8], [0.6, 0.0]])
    return ro.Map(lambda x, h: jnp.tanh(W @ h + p[0] * h + p[1] * jnp.array([1.0, 2.0])))


def untraceable(p):
    w, b = float(p[0]), float(p[1])
    return ro.Map(lambda x, h: jnp.tanh(w * h + b))


@pytest.mark.parametrize("dtype", [np.float64, pytest.param(np.float32, marks=pytest.mark.slow)])
@pytest.mark.gate
def test_folds_of_one_unit_end_in_the_cusp(dtype):
    """h = tanh(w h + b) has folds at |b| = w s − artanh s, s = √(1 − 1/w), and the cusp at w = 1."""
    with jax.enable_x64(dtype == np.float64):
        curve = follow(one_unit, "fold", np.array([-0.707], dtype), (2.0, 0.533), ((0.5, 3.0), (-1.5, 1.5)))
    u = np.finfo(dtype).eps
    w, b = curve.parameters.T
    s = np.sqrt(np.maximum(1 - 1 / w, 0))
    np.testing.assert_allclose(np.abs(b), w * s - np.arctanh(s), atol=100 * u)
    assert curve.complete and curve.points.dtype == dtype
    np.testing.assert_allclose(np.sort(w[[0, -1]]), [3, 3], rtol=4 * u)
    (cusp,) = curve.events
    assert cusp.kind == "cusp" and curve.indices == [int(np.argmin(w))]
    np.testing.assert_allclose(cusp.parameters, [1, 0], atol=u**0.5)
    assert curve.points.shape == (len(w), 1) and "1 point of codimension two" in curve.table().replace("\n", " ")


def test_flips_of_the_logistic_map_are_at_three():
    """In any unit of the state; with f''' = 0 the coefficient is ¼ f''² = (p₀ p₁)²."""
    curve = follow(logistic, "flip", [0.66], (3.0, 1.0), ((2.0, 4.0), (0.5, 2.0)))
    np.testing.assert_allclose(curve.parameters[:, 0], 3, rtol=1e-12)
    np.testing.assert_allclose(np.sort(curve.parameters[[0, -1], 1]), [0.5, 2.0], rtol=1e-12)
    np.testing.assert_allclose(curve.coefficients, (3 * curve.parameters[:, 1]) ** 2, rtol=1e-9)
    np.testing.assert_allclose(curve.eigenvalues, -1, rtol=1e-12)
    assert curve.events == [] and curve.complete


@pytest.mark.gate
def test_henon_has_its_flips_and_folds_on_parabolas():
    """The fixed point a x² + (1 − b) x − 1 = 0 has the multipliers of λ² + 2 a x λ − b: folds at a = −(1 − b)²/4, flips at
    a = ¾ (1 − b)². At b = −1 both are −1 or both are 1."""
    box = ((-2.0, 4.0), (-1.3, 0.9))
    flips = follow(henon, "flip", [0.952, 0.286], (0.3675, 0.3), box)
    a, b = flips.parameters.T
    np.testing.assert_allclose(a, 0.75 * (1 - b) ** 2, atol=1e-12)
    folds = follow(henon, "fold", [2.857, 0.857], (-0.1225, 0.3), box)
    a, b = folds.parameters.T
    np.testing.assert_allclose(a, -0.25 * (1 - b) ** 2, atol=1e-12)
    for curve, kind, a in ((flips, "resonance 1:2", 3.0), (folds, "resonance 1:1", -1.0)):
        assert curve.complete and [event.kind for event in curve.events] == [kind]
        np.testing.assert_allclose(curve.events[0].parameters, [a, -1.0], atol=1e-9)


@pytest.mark.gate
def test_neimark_sacker_points_of_a_turning_network_pass_the_resonances():
    """By hand: g = 1 at every angle, and with q = (1, ∓i)/√2 the coefficient is −Σ|qᵢ|⁴ = −½. Area-preserving Hénon maps
    (b = −1) have the coefficient 0, and it is not taken for a change of its sign."""
    curve = follow(turning, "neimark-sacker", [0.0, 0.0], (1.0, 1.0), ((0.5, 2.0), (0.3, 3.0)))
    np.testing.assert_allclose(curve.parameters[:, 0], 1, rtol=1e-12)
    np.testing.assert_allclose(curve.coefficients, -0.5, rtol=1e-9)
    found = {event.kind: event.parameters[1] for event in curve.events}
    assert found == pytest.approx({"resonance 1:3": 2 * np.pi / 3, "resonance 1:4": np.pi / 2}, abs=1e-9)
    still = follow(henon, "neimark-sacker", [0.4142, -0.4142], (1.0, -1.0), ((-2.0, 6.0), (-1.5, 1.5)))
    found = {event.kind: event.parameters[0] for event in still.events}
    # 2 cos θ = −2 a x, with a x² + 2 x = 1
    wanted = {"resonance 1:1": -1, "resonance 1:2": 3, "resonance 1:3": 1.25, "resonance 1:4": 0}
    assert found == pytest.approx(wanted, abs=1e-9) and still.complete


@pytest.mark.slow
def test_hopf_points_of_the_adaptive_control_system():
    """On α β = 1, with the published coefficients −0.3 at (1, 1) and −0.08843086 at (½, 2)."""
    box = ((0.2, 3.0), (0.2, 5.0))
    for at, coefficient in (((1.0, 1.0), -0.3), ((0.5, 2.0), -0.08843086)):
        curve = follow(adaptive_control, "hopf", np.zeros(3), at, box)
        np.testing.assert_allclose(curve.parameters.prod(axis=1), 1, rtol=1e-12)
        there = np.argmin(np.abs(curve.parameters[:, 0] - at[0]))
        np.testing.assert_allclose(curve.parameters[there], at, rtol=1e-12)
        np.testing.assert_allclose(curve.coefficients[there], coefficient, atol=5e-9)
    assert curve.complete and curve.events == [] and np.ptp(curve.coefficients) > 0.2


@pytest.mark.slow
def test_carbon_monoxide_oxidation():
    """Folds at q₂ = 1.05220029 and 1.04204851 for k = 0.4 (Bykov et al.). The cusp, the Bogdanov–Takens points and the
    generalised Hopf points are those of the tutorial of MatCont."""
    box = ((0.5, 2.0), (0.1, 2.0))
    below = follow(co_oxidation, "fold", [0.054, 0.302, 0.46], (1.0522, 0.4), ((0.5, 2.0), (0.1, 0.4)))
    ends = below.parameters[[0, -1]]
    np.testing.assert_allclose(ends[np.argsort(ends[:, 0])], [[1.04204851, 0.4], [1.05220029, 0.4]], atol=1e-8)
    curve = follow(co_oxidation, "fold", [0.054, 0.302, 0.46], (1.0522, 0.4), box)
    found = [(event.kind, *event.parameters.round(6).tolist()) for event in curve.events]
    corners = [("bogdanov-takens", 1.161199, 0.722339), ("bogdanov-takens", 1.417628, 0.971398)]
    assert sorted(found) == sorted([*corners, ("cusp", 1.006408, 0.355991)])
    hopf = follow(co_oxidation, "hopf", [0.0779, 0.233, 0.492], (1.04099, 0.4), box)
    found = [(event.kind, *event.parameters.round(6).tolist()) for event in hopf.events]
    generalised = [("generalised hopf", 0.891319, 0.232487), ("generalised hopf", 0.924255, 0.305879)]
    assert sorted(found) == sorted([*corners, *generalised]) and hopf.complete


@pytest.mark.gate
def test_normal_forms_of_bogdanov_and_takens_and_of_bautin():
    box = ((-1.0, 1.0), (-2.0, 2.0))
    folds = follow(bogdanov_takens, "fold", [-0.5, 0.0], (0.25, 1.0), box)
    np.testing.assert_allclose(4 * folds.parameters[:, 0], folds.parameters[:, 1] ** 2, atol=1e-12)
    hopf = follow(bogdanov_takens, "hopf", [0.0, 0.0], (0.0, -1.0), box)
    np.testing.assert_allclose(hopf.parameters[:, 0], 0, atol=1e-12)
    for curve in (folds, hopf):
        assert curve.complete and [event.kind for event in curve.events] == ["bogdanov-takens"]
        np.testing.assert_allclose(curve.events[0].parameters, 0, atol=1e-9)
    assert np.max(hopf.parameters[:, 1]) < 1e-9  # it ends there
    curve = follow(bautin, "hopf", [0.0, 0.0], (0.0, 0.5), ((-1.0, 1.0), (-1.0, 1.0)))
    np.testing.assert_allclose(curve.coefficients, 2 * curve.parameters[:, 1], atol=1e-9)
    (event,) = curve.events
    assert event.kind == "generalised hopf" and np.abs(event.parameters).max() < 1e-9


def fold_flip_and_circle(p):
    """x ↦ x + p₀ − x², y ↦ −(1 + p₁ + x) y + y³, w ↦ (0.8 + p₁ + 2x) e^(0.7i) w (1 − |w|²): on a fixed point p₀ = x², the
    flip is at p₁ = −x and the Neimark–Sacker point at p₁ = 0.2 − 2x."""

    def cell(_, h):
        x, y, w = h[0], h[1], h[2:]
        turned = jnp.cos(0.7) * w + jnp.sin(0.7) * jnp.stack([-w[1], w[0]])
        grown = (0.8 + p[1] + 2 * x) * turned * (1 - w @ w)
        return jnp.append(jnp.stack([x + p[0] - x**2, -(1 + p[1] + x) * y + y**3]), grown)

    return ro.Map(cell)


def fold_and_two_planes(p):
    """dx/dt = p₀ − x², dw/dt = (p₁ + x + i) w − |w|² w, dv/dt = (p₁ − 0.2 + 2x + √2i) v − |v|² v: the Hopf points of a fixed
    point p₀ = x² are at p₁ = −x and at p₁ = 0.2 − 2x."""

    def field(t, h, path):
        x, w, v = h[0], h[1:3], h[3:]
        first = (p[1] + x - w @ w) * w + jnp.stack([-w[1], w[0]])
        second = (p[1] - 0.2 + 2 * x - v @ v) * v + 2**0.5 * jnp.stack([-v[1], v[0]])
        return jnp.concatenate([jnp.stack([p[0] - x**2]), first, second])

    return ro.Flow(field)


@pytest.mark.gate
@pytest.mark.parametrize(
    ("make_system", "kind", "x", "at", "events"),
    [
        (fold_flip_and_circle, "fold", 0.0, (0, -0.1), {"fold-flip": (0, 0), "fold-neimark-sacker": (0, 0.2)}),
        (fold_flip_and_circle, "flip", 0.1, (0.01, -0.1), {"fold-flip": (0, 0), "flip-neimark-sacker": (0.04, -0.2)}),
        (
            fold_flip_and_circle,
            "neimark-sacker",
            0.1,
            (0.01, 0.0),
            {"fold-neimark-sacker": (0, 0.2), "flip-neimark-sacker": (0.04, -0.2)},
        ),
        (fold_and_two_planes, "fold", 0.0, (0, -0.1), {"zero-hopf": [(0, 0), (0, 0.2)]}),
        (fold_and_two_planes, "hopf", 0.1, (0.01, -0.1), {"zero-hopf": (0, 0), "double hopf": (0.04, -0.2)}),
    ],
)
def test_two_bifurcations_meet_where_hand_calculation_puts_them(make_system, kind, x, at, events):
    start = np.append(x, np.zeros(3 if make_system is fold_flip_and_circle else 4))
    curve = follow(make_system, kind, start, at, ((-0.05, 0.3), (-0.3, 0.3)), max_step=0.1)
    found = {}
    for event in curve.events:
        found.setdefault(event.kind, []).append(event.parameters)
    assert curve.complete and found.keys() == events.keys()
    for name, places in events.items():
        np.testing.assert_allclose(sorted(map(tuple, found[name])), np.atleast_2d(places), atol=1e-7)


@pytest.mark.gate
def test_a_fast_mode_does_not_move_where_bifurcations_meet():
    """Hopf points at p₀ = 0 meet an eigenvalue p₁ − 0.3 at zero, beside one of −10⁶."""

    def made(p):
        def field(t, h, path):
            square = h[0] ** 2 + h[1] ** 2
            turn = p[0] * h[0] - h[1] - h[0] * square, h[0] + p[0] * h[1] - h[1] * square
            return jnp.stack([*turn, (p[1] - 0.3) * h[2] - h[2] ** 3, 1e6 * (h[0] ** 2 - h[3])])

        return ro.Flow(field)

    branch = ro.continue_branch(lambda a: made(jnp.stack([a, jnp.full_like(a, -0.5)])), np.zeros(4), (-1.0, 1.0))
    (hopf,) = branch.bifurcations
    curve = ro.continue_bifurcation(made, hopf, (hopf.parameter, -0.5), ((-1, 1), (-1, 1)))
    (event,) = curve.events
    assert event.kind == "zero-hopf"
    np.testing.assert_allclose(event.parameters, [0, 0.3], atol=1e-7)


@pytest.mark.gate
def test_the_cusp_of_two_neurons_is_where_hand_calculation_puts_it():
    """At h = 0 tanh'' = 0, so that the cusp is where det(I − W − p₀ I) = (½ − p₀)(1 − p₀) − 0.48 = 0 and p₁ = 0."""
    branch = ro.continue_branch(
        lambda b: two_neurons(jnp.stack([jnp.ones_like(b), b])), jnp.array([-1.0, -1.0]), (-1.5, 1.5)
    )
    fold = branch.bifurcations[0]
    curve = ro.continue_bifurcation(two_neurons, fold, (1.0, fold.parameter), ((0.0, 2.0), (-1.0, 1.0)))
    (cusp,) = curve.events
    assert cusp.kind == "cusp"
    np.testing.assert_allclose(cusp.parameters, [(1.5 - (2.25 - 0.08) ** 0.5) / 2, 0], atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        (
            {"bifurcation": ("branch point", 0.5, [0.1])},
            ValueError,
            "got a 'branch point'. A branch point does not persist",
        ),
        ({"bifurcation": 3.0}, TypeError, "one of a branch's bifurcations"),
        ({"bifurcation": ("hopf", 0.5, [0.1])}, ValueError, "a hopf point is none of a map"),
        ({"bifurcation": ("fold", 0.5, [0.1, 0.2, np.nan])}, ValueError, "bifurcation.point must be"),
        ({"at": (2.0, 0.9)}, ValueError, "Newton's method finds no fold near at"),
        ({"at": (2.0,)}, ValueError, r"at must have shape \(2,\)"),
        ({"at": (9.0, 0.5)}, ValueError, "box must be .* around at"),
        ({"box": ((3.0, 0.5), (-1.0, 1.0))}, ValueError, "box must be"),
        ({"make_system": 3}, TypeError, "make_system must be a callable"),
        ({"make_system": untraceable}, TypeError, "traceable in p"),
        ({"make_system": lambda p: p}, TypeError, "must be a Map or a Flow"),
    ],
)
def test_bad_input_is_named(changes, error, words, as_user):
    given = {
        "make_system": one_unit,
        "bifurcation": ("fold", 0.533, [-0.707]),
        "at": (2.0, 0.533),
        "box": ((0.5, 3.0), (-1.5, 1.5)),
    }
    with pytest.raises(error, match=words):
        ro.continue_bifurcation(**(given | changes))


def test_the_diagram_has_both_systems_and_marks_events():
    def curve(kind, x, *events):
        parameters = np.stack([np.linspace(0, 1, 5), np.full(5, x)], axis=1)
        found = [ro.CodimensionTwo(event, parameters[2], np.zeros(2)) for event in events]
        many = np.zeros((5, 2))
        return ro.BifurcationCurve(
            kind,
            parameters,
            many,
            many + 0j,
            many[:, 0],
            many[:, 0],
            found,
            [2] * len(found),
            False,
            ro.RESULTS.successful,
        )

    figure = ro.plot.diagram(
        {"network": [curve("fold", 0.0, "bogdanov-takens"), curve("flip", 1.0)], "flow": curve("hopf", 2.0)}
    )
    assert figure.get_suptitle() == "network: folds, flips; flow: Hopf points"
    (axes,) = figure.axes
    assert [line.get_linestyle() for line in axes.lines] == ["-", "-", "--", "None"]
    words = [text.get_text() for text in axes.get_legend().get_texts()]
    assert words == ["network: folds", "network: flips", "flow: Hopf points", "Bogdanov–Takens"]
    with pytest.raises(TypeError, match="curves must be a dictionary"):
        ro.plot.diagram([curve("fold", 0.0)])
