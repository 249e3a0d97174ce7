"""Maps and flows: what each says of itself, and how it moves, against the network and the solver."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from weights import drawn

import rnn_ode as ro

W = np.array([[0.5, 0.2], [-0.3, 0.4]])
CELL = ro.VanillaCell(W, np.eye(2), np.array([0.1, -0.2]), jnp.tanh)
XS = np.random.default_rng(0).normal(size=(5, 2))


def carried(system, h, count, **how):
    stepper = system.stepper(**how)
    advance = jax.jit(stepper.advance)
    for k in range(count):
        h = advance(k, h)
    return h


def test_a_map_is_its_network_along_the_input_and_beyond_it():
    run = ro.iterate(CELL, np.concatenate([XS, XS[-1:], XS[-1:]]))
    np.testing.assert_allclose(carried(ro.Map(CELL, XS), jnp.zeros(2), 7), run.states[-1], rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("solver", [None, diffrax.Tsit5()], ids=["rk4", "Tsit5"])
def test_a_flow_is_its_field_along_the_input(solver):
    """Steps of 0.3 become quarters of the sampling interval, and none of them crosses a jump: fourth order at least."""
    field = ro.to_ode(CELL, ro.Forward(1))
    exact = ro.integrate(field, ro.Hold(XS), np.zeros(2)).states[-1]
    flow = ro.Flow(field, XS)
    assert flow.stepper(0.3, solver).length == 0.25
    error = [np.abs(carried(flow, jnp.zeros(2), 5 * 2**n, step=0.5**n, solver=solver) - exact).max() for n in (1, 2)]
    assert error[1] < error[0] / 12 and error[1] < 1e-4


@pytest.mark.slow
def test_late_steps_are_as_long_as_early_ones(float32):
    """The length of a step is not computed as the difference of two times: at 3·10⁷ in float32 such differences were −0.1 to
    0.3 of the true ones. And time is counted in steps and a fraction: a quarter into the 3001st period, cos is 0 to the
    rounding of the time, 3001·2π·6e-8."""
    decay = ro.Flow(lambda t, h, path: -h).stepper(0.005).advance
    after = [float(decay(jnp.asarray(k), jnp.ones(1))[0]) for k in (0, 30_000_001, 2**30 - 1)]
    assert after[0] == after[1] == after[2] == pytest.approx(np.exp(-0.005), abs=1e-7)
    wave = ro.Flow(lambda t, h, path: jnp.cos(2 * jnp.pi * t) - h).stepper(1 / 64).rate
    assert wave is not None and abs(float(wave(jnp.asarray(3001 * 64 + 16), jnp.zeros(1))[0])) < 1.2e-3
    driven = ro.Flow(lambda t, h, path: -h, XS)
    late, early = (driven.stepper(1e-3).advance(jnp.asarray(k), jnp.ones(2)) for k in (4999, 0))
    np.testing.assert_array_equal(late, early)


@pytest.mark.slow
def test_residuals_and_jacobians_are_the_step_and_the_velocity():
    x, h = XS[0], jnp.array([0.3, -0.4])
    z = W @ h + x + CELL.b
    step = np.diag(1 - np.tanh(z) ** 2) @ W
    chart, flow = ro.Map(CELL, x), ro.Flow(ro.to_ode(CELL, ro.Forward(1)), x)
    for system, jacobian in ((chart, step), (flow, step - np.eye(2))):
        np.testing.assert_allclose(system.residual(h), np.tanh(z) - h, rtol=1e-12)
        np.testing.assert_allclose(system.jacobian(h), jacobian, rtol=1e-12)


@pytest.mark.slow
def test_eigenvalues_are_read_by_the_kind_of_time():
    J = jnp.diag(jnp.array([0.5, -2.0]))
    for system, first, growth, verdict in (
        (ro.Map(CELL, XS[0], dt=0.1), -2.0, np.log([2.0, 0.5]) / 0.1, "GROWS"),
        (ro.Flow(lambda t, h, path: -h), 0.5, [0.5, -2.0], "GROWS"),
    ):
        values, found = system.time.judged(J, False)
        assert values[0] == first
        np.testing.assert_allclose(system.time.growth(values), growth, rtol=1e-12)
        assert ro.verdict_name(found) == verdict
    flow = ro.Flow(lambda t, h, path: -h)
    assert ro.verdict_name(flow.time.judged(-J[:1, :1], False)[1]) == "DECAYS"


@pytest.mark.slow
def test_states_are_flat():
    lstm = drawn(eqx.nn.LSTMCell, 1, 3)
    system = ro.Map(lstm, np.ones(1))
    flat = system.as_point("h0", (np.zeros(3), np.ones(3)))
    np.testing.assert_array_equal(flat, [0, 0, 0, 1, 1, 1])
    h, c = lstm(jnp.ones(1), system.unravel(flat))
    np.testing.assert_allclose(system.residual(flat) + flat, np.concatenate([h, c]), rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ro.Map(CELL, ro.Hold(XS, 0.5)), ValueError, "every 0.5, and dt is 1"),
        (lambda: ro.Map(CELL, XS[0], dt=0.0), ValueError, "dt must be"),
        (lambda: ro.Map(3, XS[0]), TypeError, "cell"),
        (lambda: ro.Flow(3, XS[0]), TypeError, "field"),
        (lambda: ro.Map(CELL), ValueError, r"x must be an input of shape \(2,\) for this VanillaCell.*got None"),
        (lambda: ro.Map(CELL, XS[0, 0]), ValueError, r"x must .*\(2,\).*got one of shape \(\)"),
        (lambda: ro.Map(CELL, np.zeros(3)), ValueError, r"x must .*\(2,\).*got one of shape \(3,\)"),
        (lambda: ro.Map(CELL, np.zeros((4, 3))), ValueError, r"x must .*\(3,\) in each of 4 samples"),
        (lambda: ro.Map(CELL, np.zeros((3, 5, 2))), ValueError, r"x must .*\(5, 2\) in each of 3 samples"),
        (lambda: ro.Map(drawn(eqx.nn.GRUCell, 2, 3), XS[:, 0]), ValueError, r"x must .*\(5,\)"),
        (lambda: ro.Flow(ro.to_ode(CELL, ro.Forward(1)), np.zeros(3)), ValueError, r"x must .*\(2,\).*\(3,\)"),
        (lambda: ro.Map(CELL, jnp.sin), TypeError, "x must be an input"),
        (lambda: ro.Map(CELL, XS).require_constant("fixed_points"), ValueError, "constant input"),
        (lambda: ro.Map(CELL, XS).stepper(0.5), ValueError, "its own step, 1"),
        (lambda: ro.Map(CELL, XS).as_point("h0", np.zeros(3)), ValueError, "2 numbers"),
        (lambda: ro.Flow(lambda t, h, p: h[:1]).as_point("h0", np.zeros(3)), ValueError, "shape of h"),
        (lambda: ro.Flow(lambda t, h, p: 1j * h).residual(jnp.zeros(3)), TypeError, "complex"),
    ],
)
def test_bad_input_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


class Poincare(ro.AbstractSystem):
    """A system of a user: the return map of dr/dt = r (1 − r²), dθ/dt = 1 to a ray, in closed form, every turn."""

    time: ro.Discrete = ro.Discrete(2 * np.pi)

    def rule(self, r):
        return (1 + (r**-2 - 1) * jnp.exp(-4 * jnp.pi)) ** -0.5


class Ring(ro.AbstractSystem):
    """A system of a user: phases on a ring, each drawn to its two neighbours."""

    coupling: jax.Array
    time: ro.Continuous = ro.Continuous()

    def rule(self, h):
        return self.coupling * (jnp.sin(jnp.roll(h, 1) - h) + jnp.sin(jnp.roll(h, -1) - h)) - jnp.sin(h)


class Tent(ro.AbstractSystem):
    """A system of a user in pieces: h' = 1.5 h − 3 relu(h) + 1, a tent map with its top at h = 0."""

    time: ro.Discrete = ro.Discrete()

    def rule(self, h):
        return 1.5 * h - 3 * jnp.maximum(h, 0) + 1

    def pieces(self):
        return np.array([[1.5]]), np.array([[-3.0]]), np.array([1.0]), False


@pytest.mark.gate
def test_every_analysis_takes_a_map_of_a_user():
    """The cycle r = 1 has the multiplier e^{−4π}, and so the exponent −2 per unit time."""
    system, rest = Poincare(), jnp.ones(1)
    found = ro.fixed_points(system, jnp.array([[0.5], [1.5]]))
    assert int(found.count) == 1 and found.verdict_names[0] == "DECAYS"
    np.testing.assert_allclose(found.points[0], rest, rtol=1e-12)
    np.testing.assert_allclose(found.eigenvalues[0], np.exp(-4 * np.pi), rtol=1e-9)
    np.testing.assert_allclose(ro.lyapunov(system, rest, 200.0).exponents, -2.0, rtol=1e-6)
    assert ro.transient(system, rest).peak == 1
    branch = ro.continue_branch(lambda p: Poincare(), rest, (0.0, 1.0))
    assert branch.complete and branch.bifurcations == []


@pytest.mark.gate
def test_every_analysis_takes_a_flow_of_a_user():
    """At rest the rates of four phases are −1 − κ (2 − 2 cos θ), θ = 0, π/2, π, 3π/2."""
    system, rest = Ring(jnp.array(0.5)), jnp.zeros(4)
    rates = np.array([-1.0, -2.0, -2.0, -3.0])
    found = ro.fixed_points(system, jnp.full((1, 4), 0.1))
    assert found.verdict_names == ["DECAYS"] and found.kind_names == ["NODE"]
    np.testing.assert_allclose(found.points, 0, atol=1e-12)
    np.testing.assert_allclose(found.eigenvalues[0].real, rates, rtol=1e-12)
    np.testing.assert_allclose(ro.lyapunov(system, rest, 50.0, step=0.05).exponents, rates, rtol=1e-5)
    assert ro.transient(system, rest).peak == 1
    branch = ro.continue_branch(lambda p: Ring(p), rest, (0.0, -1.0))
    assert [(b.kind, round(b.parameter, 6)) for b in branch.bifurcations] == [
        ("branch point", -0.25),
        ("branch point", -0.5),
    ]
    # at −0.5 two eigenvalues are zero
    assert branch.bifurcations[1].criticality == "undecided: another eigenvalue is critical too"


@pytest.mark.slow
def test_cycles_takes_a_map_of_a_user_that_gives_its_pieces():
    """The tent has two fixed points, −2 and 0.4, and one orbit of period 2: −2/13 and 10/13."""
    np.testing.assert_allclose(np.sort(ro.cycles(Tent(), 1).points.ravel()), [-2.0, 0.4], rtol=1e-12)
    np.testing.assert_allclose(ro.cycles(Tent(), 2).points.ravel(), [-2 / 13, 10 / 13], rtol=1e-12)
    with pytest.raises(TypeError, match=r"piecewise-linear map is wanted.* got Ring"):
        ro.cycles(Ring(jnp.ones(())), 1)
