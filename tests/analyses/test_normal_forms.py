"""Coefficients of normal forms: published values, and maps and flows calculated by hand."""

import jax.numpy as jnp
import numpy as np
import pytest
from telling import telling

import rnn_ode as ro
from rnn_ode._analyses.curves_forms import Forms as CurveForms
from rnn_ode._analyses.curves_forms import coefficient
from rnn_ode._analyses.normal_forms import Forms, normal_form


def control(beta):
    """Adaptive control (Kuznetsov, 5.4): x‴ + α x″ + β x′ + x = x²."""
    return lambda alpha: ro.Flow(
        lambda t, h, _: jnp.stack([h[1], h[2], -alpha * h[2] - beta * h[1] - h[0] + h[0] ** 2])
    )


def told(make_system, start, interval):
    branch = ro.continue_branch(make_system, np.asarray(start, float), interval)
    return [(one.kind, one.coefficient, one.criticality) for one in branch.bifurcations], branch


@pytest.mark.gate
@pytest.mark.parametrize(("beta", "alpha", "value"), [(1.0, 1.0, -0.3), (2.0, 0.5, -0.08843086)])
def test_the_first_lyapunov_coefficient_of_adaptive_control(beta, alpha, value):
    (found,), branch = told(control(beta), np.zeros(3), (0.7 * alpha, 1.4 * alpha))
    assert found[0] == "hopf" and found[2] == "supercritical"
    np.testing.assert_allclose(branch.bifurcations[0].parameter, alpha, atol=1e-9)
    np.testing.assert_allclose(found[1], value, atol=5e-9)


@pytest.mark.gate
@pytest.mark.parametrize(("sign", "word"), [(-1, "supercritical"), (1, "subcritical")])
def test_the_normal_form_of_a_hopf_point_has_plus_or_minus_two(sign, word):
    def made(mu):
        return ro.Flow(lambda t, h, _: (mu + sign * (h @ h)) * h + jnp.stack([-h[1], h[0]]))

    (found,), _ = told(made, np.zeros(2), (-0.5, 0.7))
    assert found[0] == "hopf" and found[2] == word
    np.testing.assert_allclose(found[1], 2 * sign, rtol=1e-9)


CRITICAL = {"fold": 1.0, "flip": -1.0, "hopf": 1.3j, "neimark-sacker": np.exp(0.9j)}


@pytest.mark.parametrize("kind", CRITICAL)
def test_curves_and_branches_compute_the_same_coefficient(kind):
    """`curves_forms` computes all directions of a form at once, `normal_forms` one after another. On a cubic rule with random
    derivatives and that critical eigenvalue both must agree."""
    draw, value = np.random.default_rng(3), CRITICAL[kind]
    real, imaginary = np.real(value), np.imag(value)
    J = np.diag([real, real if imaginary else 0.4, 0.3])
    J[0, 1], J[1, 0] = -imaginary, imaginary
    turn = np.eye(3) + 0.3 * draw.standard_normal((3, 3))
    J = turn @ J @ np.linalg.inv(turn)
    quadratic, cubic = draw.standard_normal((3, 3, 3)), draw.standard_normal((3, 3, 3, 3))
    system = ro.Map(
        lambda x, h: J @ h + jnp.einsum("ijk,j,k->i", quadratic, h, h) + jnp.einsum("ijkl,j,k,l->i", cubic, h, h, h)
    )
    forms = Forms(lambda p: system, np.zeros(4), J)
    one = normal_form(kind, complex(value), forms, np.ones(3), 1.0, 2e-16, kind == "hopf")
    values, right = np.linalg.eig(J)
    q = right[:, np.argmin(np.abs(values - value))]
    values, left = np.linalg.eig(J.T)
    p = np.conj(left[:, np.argmin(np.abs(values - value))])
    if not imaginary:
        q, p = (np.real(v / v[np.argmax(np.abs(v))]) for v in (q, p))
    q = q / np.linalg.norm(q)
    p = p / np.conj(np.vdot(p, q))
    other, _ = coefficient(kind, CurveForms(lambda p: system, np.zeros(5)), J, q, p, complex(value))
    np.testing.assert_allclose(other, one.coefficient, rtol=1e-10)


@pytest.mark.gate
def test_a_tanh_unit_has_a_flip_and_a_pitchfork():
    """h ↦ tanh(p h) = p h − p³h³/3: c = −p³/3 of h³, at p = −1 and 1."""
    found, _ = told(lambda p: ro.Map(lambda x, h: jnp.tanh(p * h)), np.zeros(1), (-1.5, 1.6))
    assert [(kind, word) for kind, _, word in found] == [
        ("flip", "supercritical"),
        ("branch point", "supercritical pitchfork"),
    ]
    np.testing.assert_allclose([value for _, value, _ in found], [1 / 3, -1 / 3], atol=1e-9)


@pytest.mark.slow
def test_the_logistic_map_has_a_flip_and_a_transcritical_point():
    """f″ = −2r: c = (f″/2)² = 9 at r = 3, and a = f″/2 = −1 at r = 1."""
    found, _ = told(lambda r: ro.Map(lambda x, h: r * h * (1 - h)), [0.7], (3.5, 0.5))
    assert [(kind, word) for kind, _, word in found] == [("flip", "supercritical"), ("branch point", "transcritical")]
    np.testing.assert_allclose([value for _, value, _ in found], [9, -1], atol=1e-7)


@pytest.mark.gate
def test_folds_say_on_which_side_there_are_two_points():
    """h = tanh(2h + b): at h = ∓√½, a = ½ tanh″ · 2² = −4 h (1 − h²) = ±√2; two are below 0.533 and above −0.533."""

    def made(b):
        return ro.Map(ro.VanillaCell([[2.0]], [[1.0]], [0.0], jnp.tanh), b[None])

    found, branch = told(made, [-1.0], (-1.0, 1.0))
    assert [(kind, word) for kind, _, word in found] == [("fold", "two points below"), ("fold", "two points above")]
    np.testing.assert_allclose([value for _, value, _ in found], [2**0.5, -(2**0.5)], atol=1e-7)
    kind, parameter, point = branch.bifurcations[0]
    assert (kind, parameter) == branch.bifurcations[0][:2] and point.shape == (1,)
    assert "two points below" in branch.table()
    assert branch.to_dict()["bifurcations"][0]["criticality"] == "two points below"


@pytest.mark.gate
def test_the_normal_form_of_a_neimark_sacker_point():
    """In w = x + iy: w ↦ e^{iθ} w (1 + μ + d |w|²). With ⟨q, q⟩ = 1 a state is √2 w q in part, so the coefficient is 2 Re d.
    The network h ↦ tanh(g R h) with g = 1: C(u, v, w)ᵢ = −2 (Ru)ᵢ(Rv)ᵢ(Rw)ᵢ, q = (1, −i)/√2, so ⟨p, C⟩ e⁻ⁱᶿ = −1: a = −½."""
    theta = 0.7
    turn = jnp.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])
    for d in (-0.3 + 0.2j, 0.4 - 0.1j):

        def made(mu, d=d):
            def step(x, h):
                scale = 1 + mu + d.real * (h @ h)
                swing = d.imag * (h @ h)
                return turn @ (scale * h + swing * jnp.stack([-h[1], h[0]]))

            return ro.Map(step)

        (found,), _ = told(made, np.zeros(2), (-0.5, 0.6))
        assert found[0] == "neimark-sacker" and found[2] == ("supercritical" if d.real < 0 else "subcritical")
        np.testing.assert_allclose(found[1], 2 * d.real, atol=1e-8)
    (found,), _ = told(lambda g: ro.Map(lambda x, h: jnp.tanh(g * turn @ h)), np.zeros(2), (0.5, 1.6))
    np.testing.assert_allclose(found[1], -0.5, atol=1e-8)


@pytest.mark.slow
def test_what_is_not_decided_is_said():
    turn = jnp.array([[-0.5, -(0.75**0.5)], [0.75**0.5, -0.5]])
    (resonant,), _ = told(lambda g: ro.Map(lambda x, h: jnp.tanh(g * turn @ h)), np.zeros(2), (0.5, 1.6))
    assert resonant[2] == "undecided: strong resonance 1:3" and np.isnan(resonant[1])
    (linear,), _ = told(lambda p: ro.Map(lambda x, h: p * h), np.zeros(1), (-1.5, 0.5))
    assert linear[1:] == (0.0, "degenerate")


@pytest.mark.gate
def test_the_folds_of_co_oxidation():
    """Bykov, Yablonskii & Kim (1978), with q₁ = 2.5, q₃ = 10, q₄ = 0.0675, q₅ = 1, q₆ = 0.1, k = 0.4, in q₂."""

    def made(q2):
        def field(t, h, _):
            x, y, s = h
            z = 1 - x - y - s
            rows = (
                2 * 2.5 * z**2 - 2 * x**2 - 10 * x * y,
                q2 * z - 0.1 * y - 10 * x * y,
                0.0675 * z - 0.4 * 0.0675 * s,
            )
            return jnp.stack(rows)

        return ro.Flow(field)

    guesses = np.random.default_rng(0).dirichlet(np.ones(4), 64)[:, :3]
    found = ro.fixed_points(made(jnp.asarray(0.8)), guesses)
    inside = [h for h in np.asarray(found.points)[: int(found.count)] if np.all(h > 0) and h.sum() < 1]
    branch = ro.continue_branch(made, inside[0], (0.8, 1.4))
    folds = [one.parameter for one in branch.bifurcations if one.kind == "fold"]
    np.testing.assert_allclose(folds, [1.05220029, 1.04204851], atol=2e-8)


@pytest.mark.gate
@pytest.mark.parametrize("fast", telling([1e2, 1e4, 1e10], 1e4))
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_fast_mode_is_not_another_critical_eigenvalue(fast, kind):
    """dr/dt = r (p − r²) at one turn in 2π has l₁ = −2 with |q| = 1, whatever a fast third state follows."""

    def made(p):
        def field(t, h, path):
            x, y, z = h
            square = x**2 + y**2
            return jnp.stack([p * x - y - x * square, x + p * y - y * square, fast * (x**2 - z)])

        return ro.Flow(field)

    (hopf,) = ro.continue_branch(made, np.zeros(3, kind), (-1.0, 1.0)).bifurcations
    assert hopf.criticality == "supercritical"
    np.testing.assert_allclose(hopf.coefficient, -2, rtol=1e-4)
