"""Lyapunov exponents against eigenvalues, published values and NumPy; their sum against log|det J| in every one of them."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro
from rnn_ode._analyses import lyapunov_plan

RNG = np.random.default_rng(0)
NONE = np.zeros(2)


def linear(A, dt=1.0):
    """h ↦ A h, as a network, so that all of one size share a compilation."""
    return ro.Map(ro.VanillaCell(A, np.zeros((len(A), 1)), np.zeros(len(A)), None), np.zeros(1), dt)


def linear_flow(A):
    return ro.Flow(ro.to_ode(linear(A + np.eye(len(A))).cell, ro.Forward(1)), np.zeros(1))


def logs(A):
    with np.errstate(divide="ignore"):
        return np.sort(np.log(np.abs(np.linalg.eigvals(A))))[::-1]


def total_of(system, h, transient, counted, **how):
    """The mean of log|det J| of the steps, by dense Jacobians, in nats per unit time."""
    stepper = system.stepper(**how)

    def body(h, k):
        return stepper.advance(k, h), jnp.linalg.slogdet(jax.jacfwd(lambda h: stepper.advance(k, h))(h))[1]

    steps = jnp.arange(transient + counted)
    return jnp.mean(jax.jit(lambda h: jax.lax.scan(body, h, steps)[1])(h)[transient:]) / stepper.length


def check_sum(run, system, h, transient, counted, atol=1e-9, **how):
    assert run.result == ro.RESULTS.successful
    np.testing.assert_allclose(jnp.sum(run.exponents), total_of(system, h, transient, counted, **how), atol=atol)
    assert np.all(np.diff(run.exponents) <= 0)


def logistic(r):
    return ro.Map(lambda x, h: r * h * (1 - h))


HENON = ro.Map(lambda x, h: jnp.stack([1 - 1.4 * h[0] ** 2 + h[1], 0.3 * h[0]]))
ROSSLER = ro.Flow(lambda t, h, path: jnp.stack([-h[1] - h[2], h[0] + 0.2 * h[1], 0.2 + h[2] * (h[0] - 5.7)]))


def tanh_network(size, gain, seed=0):
    W = gain * np.random.default_rng(seed).normal(size=(size, size)) / size**0.5
    return ro.VanillaCell(W, np.eye(size), np.zeros(size), jnp.tanh)


def rotation(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


# Fixed points: eigenvalues. Most of the random matrices have complex pairs.

MATRICES = {
    "diagonal": np.diag([0.5, 0.9, 0.85, -0.2]),
    "not normal": np.array([[0.9, 50, 3, 2], [0, 0.7, -40, 1], [0, 0, 0.5, 90], [0, 0, 0, 0.3]]),
    "unstable": np.diag([-2.0, 1.5, 1.0, 0.1]),
    "wide": np.diag([1e3, 1.0, 1e-3, 1e-6]),
    **{f"random {seed}": np.random.default_rng(seed).normal(size=(4, 4)) / 2 for seed in range(5)},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MATRICES)
def test_exponents_of_a_linear_map_are_log_moduli(name):
    A = MATRICES[name]
    run = ro.lyapunov(linear(A), np.zeros(4), 2000.0)
    np.testing.assert_allclose(run.exponents, logs(A), atol=1e-6)
    np.testing.assert_allclose(jnp.sum(run.exponents), np.linalg.slogdet(A)[1], atol=1e-9)


@pytest.mark.gate
@pytest.mark.parametrize("name", ["focus", "node", "saddle", "not normal"])
def test_exponents_of_a_linear_flow_are_real_parts(name):
    """Steps of 0.01 and |μ| up to 3 leave |μ|⁵ step⁴/120 = 2e-8. The windows' sides are 50 long: many turns of the focus."""
    A = {
        "focus": np.array([[-0.5, 3.0, 0.4], [-0.7, -0.3, 1.0], [0.0, 0.0, -1.5]]),
        "node": np.diag([-0.3, -0.7, -2.5]),
        "saddle": np.array([[0.4, 1.0, -2.0], [0.0, -0.4, 1.0], [0.3, 0.0, -1.0]]),
        "not normal": np.array([[-0.5, 30.0, 3.0], [0.0, -1.0, -20.0], [0.0, 0.0, -1.5]]),
    }[name]
    run = ro.lyapunov(linear_flow(A), np.zeros(3), 200.0, step=0.01)
    np.testing.assert_allclose(run.exponents, np.sort(np.linalg.eigvals(A).real)[::-1], atol=1e-6)
    np.testing.assert_allclose(jnp.sum(run.exponents), np.trace(A), atol=1e-6)


@pytest.mark.gate
def test_a_stable_fixed_point_of_a_network_has_the_exponents_of_its_jacobian():
    W = np.block([[0.7 * rotation(1.0), np.ones((2, 2))], [np.zeros((2, 2)), 0.95 * rotation(0.5)]])
    cell = ro.VanillaCell(W, np.eye(4), np.linspace(-0.1, 0.1, 4), jnp.tanh)
    x = np.zeros(4)
    for system, dt in ((ro.Map(cell, x), 1.0), (ro.Flow(ro.to_ode(cell, ro.Forward(1)), x), 0.05)):
        run = ro.lyapunov(system, np.zeros(4), 8000 * dt, transient=3000 * dt, step=None if dt == 1 else dt)
        growth = np.sort(system.time.growth(jnp.linalg.eigvals(system.jacobian(run.state))))[::-1]
        np.testing.assert_allclose(run.exponents, growth, atol=1e-6)


@pytest.mark.gate
def test_a_defective_pair_converges_as_one_over_the_duration():
    """‖[[λ, 1], [0, λ]]ᵏ‖ is about k λᵏ: the k-th step gains 1/k more than λ, and the mean of that is about 2/T."""
    A = np.array([[0.5, 1.0], [0.0, 0.5]])
    for duration in (2000.0, 8000.0):
        run = ro.lyapunov(linear(A), np.zeros(2), duration)
        np.testing.assert_allclose(run.exponents, np.log(0.5), atol=3 / duration)
        np.testing.assert_allclose(jnp.sum(run.exponents), 2 * np.log(0.5), atol=1e-9)


@pytest.mark.gate
def test_a_partial_spectrum_is_the_beginning_of_the_full_one():
    for A in (MATRICES["not normal"], MATRICES["random 0"], np.diag([0.9, 0.5, 0.0, 0.0])):
        full = ro.lyapunov(linear(A), np.zeros(4), 2000.0).exponents
        for count in (1, 3):
            part = ro.lyapunov(linear(A), np.zeros(4), 2000.0, count=count)
            np.testing.assert_allclose(part.exponents, full[:count], atol=1e-9)


# What a step destroys.


@pytest.mark.gate
def test_what_a_step_destroys_has_minus_infinity():
    rank_2 = 0.1 * RNG.normal(size=(4, 2)) @ RNG.normal(size=(2, 4))
    turned = np.linalg.qr(RNG.normal(size=(4, 4)))[0]
    for A, rank in (
        (np.diag([0.0, 0.5, 0.0, 0.9]), 2),
        (turned @ np.diag([0.5, 0.0, 0.9, 0.0]) @ turned.T, 2),
        (rank_2, 2),
        (np.diag([1.0, 1.0, 1.0], 1), 0),
        (np.zeros((4, 4)), 0),
    ):
        for count in (None, 1, 3):
            run = ro.lyapunov(linear(A), np.zeros(4), 2000.0, count=count)
            size = len(run.exponents)
            expected = [*np.sort(np.log(np.sort(np.abs(np.linalg.eigvals(A)))[4 - rank :]))[::-1], *4 * [-np.inf]]
            np.testing.assert_allclose(run.exponents, expected[:size], atol=1e-6)
            assert run.result == ro.RESULTS.successful and np.isfinite(run.stderr).all()
            assert run.kaplan_yorke == 0 and run.entropy_sum == 0 and not np.isnan(run.history).any()


@pytest.mark.gate
def test_a_superstable_orbit_has_minus_infinity():
    """Where a float is on it. Otherwise its multiplier is that of the nearest floats, about u."""
    for r, h in ((2.0, 0.5), (1 + 5**0.5, 0.5)):
        run = ro.lyapunov(logistic(r), np.array([h]), 100.0)
        assert run.exponents[0] == -jnp.inf and run.stderr[0] == 0
    assert ro.lyapunov(logistic(2.0), np.array([0.3]), 100.0, transient=20.0).exponents[0] < -30


# Published values.


@pytest.mark.slow
def test_logistic_map():
    h = np.array([0.3])
    run = ro.lyapunov(logistic(4.0), h, 20_000.0, transient=100.0)
    np.testing.assert_allclose(run.exponents, [0.69314718], atol=0.002)
    check_sum(run, logistic(4.0), h, 100, 20_000)


@pytest.mark.gate
def test_henon_map():
    run = ro.lyapunov(HENON, np.zeros(2), 100_000.0, transient=100.0)
    np.testing.assert_allclose(run.exponents, [0.41922, -1.62319], atol=0.005)
    np.testing.assert_allclose(jnp.sum(run.exponents), -1.2039728043, atol=1e-9)
    np.testing.assert_allclose(run.kaplan_yorke, 1.25827, atol=0.005)
    assert run.entropy_sum == run.exponents[0]
    assert np.all(np.abs(run.exponents - np.array([0.41922, -1.62319])) < 4 * run.stderr)


@pytest.mark.gate
def test_rossler_flow():
    """Its trace varies, 0.2 + x − 5.7: the sum is the mean of it along the trajectory, to the solver's error."""
    run = ro.lyapunov(ROSSLER, np.ones(3), 2000.0, transient=200.0, step=0.02)
    np.testing.assert_allclose(run.exponents[0], 0.0714, atol=0.01)
    np.testing.assert_allclose(run.exponents[1], 0.0, atol=0.003)
    check_sum(run, ROSSLER, jnp.ones(3), 10_000, 100_000, atol=0.01, step=0.02)


@pytest.mark.gate
def test_random_tanh_network():
    size, gain, largest = 1000, 3, 0.310249
    system = ro.Map(tanh_network(size, gain), np.zeros(size))
    run = ro.lyapunov(system, RNG.normal(size=size), 1200.0, transient=200.0, count=1)
    np.testing.assert_allclose(run.exponents, [largest], atol=0.01)
    assert np.isnan(run.kaplan_yorke) and np.isnan(run.entropy_sum)


@pytest.mark.gate
def test_random_tanh_network_that_decays():
    """At the fixed point 0 the exponents are log|λ| of J, and the circular law says how they lie."""
    size = 100
    cell = tanh_network(size, 0.8)
    run = ro.lyapunov(ro.Map(cell, np.zeros(size)), np.zeros(size), 2000.0)
    np.testing.assert_allclose(jnp.sum(run.exponents), np.linalg.slogdet(cell.W_h)[1], atol=1e-9)
    np.testing.assert_allclose(run.exponents, logs(cell.W_h), atol=2e-3)  # moduli of a hundred are as near as 1e-3
    fraction = 1 - (np.arange(size) + 0.5) / size
    np.testing.assert_allclose(fraction, np.exp(2 * run.exponents) / 0.8**2, atol=0.1)  # 1/√N: N = 1000 has 0.02


@pytest.mark.gate
def test_random_relu_network():
    size, gain = 2000, 1.6
    W = gain * RNG.normal(size=(size, size)) / size**0.5
    cell = ro.VanillaCell(W, np.zeros((size, 1)), np.zeros(size))
    run = ro.lyapunov(ro.Map(cell, np.zeros(1)), RNG.normal(size=size), 150.0, transient=30.0, count=1)
    np.testing.assert_allclose(run.exponents, [0.5 * np.log(gain**2 / 2)], atol=0.04)


@pytest.mark.gate
def test_along_a_flow_that_does_not_settle_there_is_a_zero():
    """Van der Pol's cycle. With both exponents, half of what the mean divergence over no whole number of periods is off by
    goes to the zero: at most the divergence's swing of a period, 3.5, over the duration."""
    flow = ro.Flow(lambda t, h, path: jnp.stack([h[1], (1 - h[0] ** 2) * h[1] - h[0]]))
    h = jnp.array([2.0, 0.0])
    alone = ro.lyapunov(flow, h, 200.0, transient=40.0, step=0.02, count=1)
    np.testing.assert_allclose(alone.exponents, [0.0], atol=1e-6)
    both = ro.lyapunov(flow, h, 200.0, transient=40.0, step=0.02)
    np.testing.assert_allclose(both.exponents[0], 0.0, atol=3.5 / 200)
    check_sum(both, flow, h, 2000, 10_000, step=0.02)


# Identities.


@pytest.mark.slow
def test_the_sum_is_the_mean_log_determinant():
    system, h = ro.Map(tanh_network(4, 1.5), RNG.normal(size=(500, 4))), jnp.asarray(RNG.normal(size=4))
    run = ro.lyapunov(system, h, 450.0, transient=50.0)
    check_sum(run, system, h, 50, 450)


@pytest.mark.gate
@pytest.mark.parametrize("driven", [False, True], ids=["autonomous", "driven"])
def test_the_sum_is_the_mean_trace(driven):
    x = RNG.normal(size=(500, 4)) if driven else np.ones(4)
    cell, h = tanh_network(4, 1.5), jnp.asarray(RNG.normal(size=4))
    flow = ro.Flow(ro.to_ode(cell, ro.Forward(1)), x[:100] if driven else x)
    run = ro.lyapunov(flow, h, 90.0, transient=10.0, step=0.05)
    check_sum(run, flow, h, 200, 1800, step=0.05)


@pytest.mark.gate
def test_strides_change_nothing(monkeypatch):
    """The frame made orthonormal once in ten steps, or after each: the window is then the only difference, 1e-4 of it."""
    flow = ro.Flow(ro.to_ode(tanh_network(4, 2.5), ro.Forward(1)), np.zeros(4))
    h = RNG.normal(size=4)
    often = ro.lyapunov(flow, h, 100.0, step=0.05, transient=20.0)
    monkeypatch.setattr(lyapunov_plan, "_STRIDE", 1)
    each = ro.lyapunov(flow, h, 100.0, step=0.05, transient=20.0)
    np.testing.assert_allclose(often.exponents, each.exponents, atol=1e-4)
    np.testing.assert_allclose(jnp.sum(often.exponents), jnp.sum(each.exponents), atol=1e-10)
    stiff = linear(np.diag([1.0, 0.01]) + 1e-3)  # √u of its length is left after four steps
    monkeypatch.undo()
    run = ro.lyapunov(stiff, np.zeros(2), 2000.0)
    np.testing.assert_allclose(run.exponents, logs(np.diag([1.0, 0.01]) + 1e-3), atol=1e-12)


@pytest.mark.slow
def test_time_is_in_the_units_of_the_system():
    A = MATRICES["diagonal"]
    run = ro.lyapunov(linear(A, dt=0.5), np.zeros(4), 1000.0, transient=200.0)
    np.testing.assert_allclose(run.exponents, logs(A) / 0.5, atol=1e-6)
    assert run.times[-1] == 1000


@pytest.mark.gate
def test_rows_are_running_means_and_the_last_is_the_answer():
    system, h = ro.Map(tanh_network(4, 1.5), RNG.normal(size=(700, 4))), RNG.normal(size=4)
    run = ro.lyapunov(system, h, 603.0, transient=3.0)
    np.testing.assert_array_equal(run.history[-1], run.exponents)
    assert len(run.history) == len(run.times) <= 200 and run.times[-1] == 603
    row = 50
    counted = int(run.times[row])
    np.testing.assert_allclose(jnp.sum(run.history[row]), total_of(system, h, 3, counted), atol=1e-9)
    states = ro.iterate(system.cell, system.path.xs[:606], h).states
    np.testing.assert_allclose(run.state, states[-1], atol=1e-12)


@pytest.mark.gate
def test_an_lstm_has_two_exponents_a_unit():
    lstm = eqx.nn.LSTMCell(2, 3, key=jax.random.key(0))
    system, h0 = ro.Map(lstm, np.ones(2)), (np.zeros(3), np.ones(3))
    run = ro.lyapunov(system, h0, 300.0, transient=300.0)
    growth = np.sort(system.time.growth(jnp.linalg.eigvals(system.jacobian(run.state))))[::-1]
    assert run.exponents.shape == (6,)
    finite = growth > -30  # c depends on h only through the gates: three of the six multipliers are nearly 0
    np.testing.assert_allclose(run.exponents[finite], growth[finite], atol=1e-5)


@jax.jit
def dimension(exponents, stderr, state):
    run = ro.Lyapunov(exponents, exponents[None], jnp.ones(1), stderr, state, ro.RESULTS.successful)
    return run.kaplan_yorke, run.entropy_sum, run.kaplan_yorke_range


def test_kaplan_yorke_and_entropy():
    def of(exponents, size):
        return dimension(jnp.asarray(exponents), jnp.zeros(len(exponents)), jnp.zeros(size))[:2]

    assert of([0.5, 0.0, -2.0], 3) == (2.25, 0.5)
    assert of([-0.5, -1.0], 2) == (0, 0) and of([0.5, -0.5], 2) == (2, 0.5) and of([1.0, -jnp.inf], 2) == (1, 1)
    assert np.isnan(of([0.5, 0.1], 3)).all()
    assert np.isnan(of([0.5, -0.1], 3)[0]) and of([0.5, -0.1], 3)[1] == 0.5


# Units, steps and precision.


@pytest.mark.gate
def test_a_long_run_in_float32_does_not_drift(float32):
    """4·10⁶ steps. Rounding of a step, at most 6e-8 over 0.005, is 1.2e-5; sums and times that round each step gave 7e-3."""
    run = ro.lyapunov(ro.Flow(lambda t, h, path: -h), np.ones(1), 2e4, step=0.005)
    np.testing.assert_allclose(run.exponents, [-1], atol=1.2e-5)
    assert run.times[-1] == 2e4 and run.result == ro.RESULTS.successful


@pytest.mark.gate
@pytest.mark.parametrize("name", ["logistic", "slow network"])
def test_standard_errors_are_the_scatter_over_starts(name):
    """64 runs of 400 steps know a scatter to 9 %. The logistic map's growth is log 2 and a difference from step to step, so
    that batches taken as independent claim eight times too much; the network forgets in tens of steps."""
    W = np.random.default_rng(2).normal(size=(60, 60)) / 60**0.5
    system, h, count = {
        "logistic": (logistic(4.0), RNG.uniform(0.1, 0.9, (64, 1)), 1),
        "slow network": (ro.Map(lambda x, h: 0.9 * h + 0.1 * jnp.tanh(8 * W @ h)), RNG.normal(size=(64, 60)), 1),
    }[name]
    run = jax.jit(jax.vmap(lambda h: ro.lyapunov(system, h, 400.0, transient=300.0, count=count)))(h)
    claimed = jnp.sqrt(jnp.mean(run.stderr[:, 0] ** 2))
    assert 0.55 < jnp.std(run.exponents[:, 0]) / claimed < 1.6


@pytest.mark.gate
def test_the_dimension_of_a_point_a_cycle_and_a_torus():
    """Of two limit cycles of periods 2π and √2 π, side by side, and of the first alone; and of a focus."""

    def turning(h, w):
        return jnp.stack([w * h[1], -w * h[0]]) + h * (1 - jnp.sum(h**2))

    cycle = ro.Flow(lambda t, h, path: turning(h, 1.0))
    torus = ro.Flow(lambda t, h, path: jnp.concatenate([turning(h[:2], 1.0), turning(h[2:], 2**0.5)]))
    focus = ro.Flow(lambda t, h, path: jnp.stack([h[1], -h[0] - 0.2 * h[1]]))
    for system, size, dimension in ((focus, 2, 0), (cycle, 2, 1), (torus, 4, 2)):
        run = ro.lyapunov(system, np.linspace(0.5, 1, size), 100.0, transient=30.0)
        assert run.kaplan_yorke == dimension and run.kaplan_yorke_range == (dimension, dimension)


@pytest.mark.gate
def test_a_run_that_is_too_short_does_not_know_the_dimension_of_a_point():
    """All eigenvalues of the network are below 0.999 in size, so that it settles at 0."""
    W = np.random.default_rng(0).normal(size=(12, 12))
    W *= 0.995 / np.abs(np.linalg.eigvals(W)).max()
    run = ro.lyapunov(ro.Map(lambda x, h: jnp.tanh(W @ h)), np.random.default_rng(1).normal(size=12), 100.0)
    assert 2 * run.stderr[0] > abs(run.exponents[0])
    assert run.kaplan_yorke_range[0] == 0


@pytest.mark.gate
def test_an_exponent_that_may_be_zero_is_zero_in_the_dimension():
    def of(exponents, stderr):
        e = jnp.asarray(exponents)
        return ro.Lyapunov(e, e[None], jnp.ones(1), jnp.asarray(stderr), jnp.zeros(3), ro.RESULTS.successful)

    cycle = of([-0.0002, -1.0, -2.0], [0.003, 0.003, 0.003])
    assert cycle.kaplan_yorke == 1 and cycle.kaplan_yorke_range == (1, 1)
    assert of([-0.02, -1.0, -2.0], [0.003, 0.003, 0.003]).kaplan_yorke == 0
    chaos = of([0.9, -0.01, -14.5], [0.01, 0.01, 0.01])
    np.testing.assert_allclose(chaos.kaplan_yorke, 2 + 0.9 / 14.5)
    np.testing.assert_allclose(chaos.kaplan_yorke_range, [2 + 0.88 / 14.52, 2 + 0.92 / 14.48])
    turning = of([1e-9, -1e-9, -3e-9], [2e-9, 2e-9, 2e-9])  # a rotation, of which no other exponent tells the scale
    assert turning.kaplan_yorke == 3 and turning.kaplan_yorke_range == (3, 3)
    unsettled = of([-0.018, -0.073, -0.102], [0.021, 0.081, 0.051])
    assert unsettled.kaplan_yorke == 0 and unsettled.kaplan_yorke_range[0] == 0 and unsettled.kaplan_yorke_range[1] == 3
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), cycle, chaos)  # as `vmap` has them
    np.testing.assert_allclose(both.kaplan_yorke, [1, chaos.kaplan_yorke])
    np.testing.assert_allclose(both.entropy_sum, [0, 0.9])


# Differentiation and transformations.


def slope(f, x, d=1e-6):
    return (f(x + d) - f(x - d)) / (2 * d)


@pytest.mark.gate
def test_the_gradient_of_the_logistic_map():
    @jax.jit
    def logistic_exponent(r):
        return ro.lyapunov(logistic(r), np.array([0.3]), 20.0).exponents[0]

    np.testing.assert_allclose(jax.grad(logistic_exponent)(3.2), slope(logistic_exponent, 3.2), rtol=1e-7)


@pytest.mark.gate
@pytest.mark.parametrize("flow", [False, True], ids=["map", "flow"])
def test_an_exponent_can_be_a_loss(flow):
    """Against a central difference in a random direction; the flow's 2100 steps take strides of ten."""
    W, direction, h = (RNG.normal(size=shape) for shape in ((2, 2), (2, 2), (2,)))

    @jax.jit
    def largest(s):
        cell = ro.VanillaCell(0.7 * W + s * direction, np.eye(2), np.zeros(2), jnp.tanh)
        if flow:
            return ro.lyapunov(ro.Flow(ro.to_ode(cell, ro.Forward(1)), np.ones(2)), h, 42.0, step=0.02).exponents
        return ro.lyapunov(ro.Map(cell, np.ones(2)), h, 30.0).exponents

    exact = slope(largest, 0.0)
    np.testing.assert_allclose(jax.jacrev(largest)(0.0), exact, rtol=1e-6, atol=1e-7)
    if not flow:
        np.testing.assert_allclose(jax.jacfwd(largest)(0.0), exact, rtol=1e-6, atol=1e-7)


@pytest.mark.gate
def test_gradients_of_the_remaining_exponents_are_finite():
    @jax.jit
    def largest(s):
        return ro.lyapunov(linear(jnp.diag(jnp.array([0.0, 0.5]) * s)), np.zeros(2), 30.0).exponents[0]

    np.testing.assert_allclose(jax.grad(largest)(1.0), 1.0, rtol=1e-9)


@pytest.mark.gate
def test_jitted_and_vmapped_equal_a_loop():
    """2000 steps of a slow map, so that the frames of a batch are made orthonormal once in ten, some of them."""
    cells = [
        ro.VanillaCell(s * rotation(0.01) + 0.01 * np.eye(2), np.eye(2), np.zeros(2), jnp.tanh) for s in (0.9, 1.0)
    ]
    cells.append(ro.VanillaCell(rotation(1.0), np.eye(2), np.zeros(2), jnp.tanh))
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *cells)

    def exponents(cell):
        return ro.lyapunov(ro.Map(cell, np.ones(2)), np.ones(2), 2000.0).exponents

    loop = jnp.stack([exponents(cell) for cell in cells])
    np.testing.assert_allclose(jax.vmap(exponents)(batch), loop, atol=1e-10)
    np.testing.assert_allclose(jax.jit(exponents)(cells[0]), loop[0], atol=1e-12)
    gradients = jax.vmap(jax.grad(lambda cell: exponents(cell)[0]))(batch)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))


@pytest.mark.gate
def test_float32_stays_and_is_right(float32):
    A = MATRICES["random 1"].astype(np.float32)
    run = ro.lyapunov(linear(A), np.zeros(4, np.float32), 2000.0)
    assert all(leaf.dtype == jnp.float32 for leaf in (run.exponents, run.history, run.times, run.stderr, run.state))
    np.testing.assert_allclose(run.exponents, logs(A), atol=1e-5)
    run = ro.lyapunov(HENON, np.zeros(2, np.float32), 20_000.0, transient=100.0)
    np.testing.assert_allclose(jnp.sum(run.exponents), np.log(0.3), atol=1e-5)


@pytest.mark.slow
def test_it_lowers_everywhere(monkeypatch):
    monkeypatch.setenv("EQX_ON_ERROR", "nan")
    traced = jax.jit(lambda h: ro.lyapunov(HENON, h, 2000.0).exponents).trace(jnp.zeros(2))
    for platform in ("cpu", "cuda", "tpu"):
        assert traced.lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_duration():
    def memory(duration):
        run = jax.jit(lambda h: ro.lyapunov(HENON, h, duration).exponents)
        stats = run.lower(jnp.zeros(2)).compile().memory_analysis()
        return stats.temp_size_in_bytes + stats.output_size_in_bytes

    assert memory(4e7) <= 1.1 * memory(4e4)


# Trouble.


@pytest.mark.slow
def test_divergence_is_said():
    run = ro.lyapunov(HENON, np.array([5.0, 5.0]), 1000.0)
    assert run.result == ro.RESULTS.left_float_range
    for field in (run.exponents, run.stderr, run.history[-1], run.kaplan_yorke, run.entropy_sum):
        assert np.isnan(field).all()
    run = ro.lyapunov(linear(2 * np.eye(2)), np.ones(2), 2000.0)
    assert run.result == ro.RESULTS.left_float_range and np.isnan(run.exponents).all()
    np.testing.assert_allclose(run.history[run.times < 1000], np.log(2), atol=1e-12)
    assert np.isnan(run.history[run.times > 1100]).all()


def test_a_state_that_comes_back_from_infinity_is_no_success():
    system = ro.Map(lambda x, h: jnp.where(h > 2, jnp.tanh(1e200 * h * 1e200), 1.5 * h))
    assert ro.lyapunov(system, np.ones(1), 50.0).result == ro.RESULTS.left_float_range


XS = RNG.normal(size=(50, 4))
DRIVEN = ro.Map(tanh_network(4, 1.0), XS)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ro.lyapunov(lambda h: h, np.zeros(2), 1.0), TypeError, "system must be a Map or a Flow"),
        (
            lambda: ro.lyapunov(tanh_network(2, 1.0), np.zeros(2), 1.0),
            TypeError,
            r"got VanillaCell\. Give Map\(cell, x\) of a cell",
        ),
        (lambda: ro.lyapunov(HENON, np.zeros(2), 0.0), ValueError, "duration must be positive"),
        (lambda: ro.lyapunov(HENON, np.zeros(2), 0.4), ValueError, "at least one step, 1; got 0.4"),
        (lambda: ro.lyapunov(HENON, np.zeros(2), np.inf), ValueError, "duration"),
        (lambda: ro.lyapunov(HENON, np.zeros(2), 5.0, transient=-1.0), ValueError, "transient must be at least 0"),
        (lambda: ro.lyapunov(HENON, np.zeros(2), 5.0, count=0), ValueError, "count must be at least 1"),
        (lambda: ro.lyapunov(HENON, np.zeros(2), 5.0, count=3), ValueError, "number of states, 2; got 3"),
        (lambda: ro.lyapunov(HENON, np.zeros(2), 5.0, count=1.5), TypeError, "count"),
        (lambda: ro.lyapunov(HENON, np.zeros(2), 5.0, step=0.1), ValueError, "its own step"),
        (lambda: ro.lyapunov(HENON, np.array([0.0, np.nan]), 5.0), ValueError, "h0 must be finite"),
        (lambda: ro.lyapunov(DRIVEN, np.zeros(4), 45.0, transient=6.0), ValueError, "a time of 50; got 6 . 45"),
        (lambda: ro.lyapunov(DRIVEN, np.zeros(3), 45.0), ValueError, "h0"),
        (lambda: jax.jit(lambda d: ro.lyapunov(HENON, np.zeros(2), d))(5.0), TypeError, "duration"),
        (
            lambda: ro.lyapunov(ro.Flow(lambda t, h, p: -h), np.ones(1), 1.0, solver=diffrax.Kvaerno3()),
            ValueError,
            "solver must be an explicit one.*Kvaerno3",
        ),
    ],
)
def test_bad_input_is_named(as_user, make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.slow
@pytest.mark.parametrize("solver", [diffrax.Heun(), diffrax.Euler()], ids=lambda s: type(s).__name__)
def test_the_solver_may_be_chosen(solver):
    """One step of length 0.1 multiplies by 1 − 0.1 + …, to the solver's order: the exponent is the logarithm of that."""
    order = solver.order(None)
    run = ro.lyapunov(ro.Flow(lambda t, h, path: -h), np.ones(1), 2.0, step=0.1, solver=solver)
    np.testing.assert_allclose(run.exponents, -1, atol=0.1**order)


@pytest.mark.gate
def test_the_whole_input_may_be_used():
    run = ro.lyapunov(DRIVEN, np.zeros(4), 45.0, transient=5.0)
    check_sum(run, DRIVEN, jnp.zeros(4), 5, 45)
    short = ro.lyapunov(DRIVEN, np.zeros(4), 1.0)
    assert np.isfinite(short.exponents).all() and np.isnan(short.stderr).all()


@pytest.mark.gate
@pytest.mark.parametrize(
    ("system", "h0", "result"),
    [
        # at 0 the first unit is off: the step has no inverse
        (ro.Flow(ro.to_ode(ro.VanillaCell(np.diag([0.7, 0.5]), np.eye(2), np.array([-1.0, 0.1])), ro.Backward(1)), NONE),
         np.zeros(2), "field_undefined"),
        (ro.Map(lambda x, h: jnp.sqrt(h - 1)), np.array([3.0]), "not_a_number"),
        (ro.Map(lambda x, h: h**3), np.array([3.0]), "left_float_range"),
        (ro.Flow(lambda t, h, path: -(h**3)), np.array([1e3]), "step_too_long"),
        (ro.Flow(lambda t, h, path: h**3), np.array([1e3]), "left_float_range"),
    ],
    ids=["flow undefined", "map undefined", "map overflows", "stiff flow", "flow overflows"],
)  # fmt: skip
def test_a_run_that_fails_says_why(system, h0, result):
    run = ro.lyapunov(system, h0, 20.0, step=0.1 if isinstance(system, ro.Flow) else None)
    assert np.isnan(run.exponents).all() and run.result == getattr(ro.RESULTS, result)


@pytest.mark.gate
def test_what_one_exponent_varies_by_does_not_move_another():
    """The first rate is −1 all along; the second one changes by 500 on the way, and so does the sum of both, by which the
    first one was moved to +9. Now it moves by its own standard error at most."""

    def rate(t, h, path):
        return jnp.stack([1 - h[0], -(1 + 500 * jax.nn.sigmoid(50 * (h[0] - 0.9))) * h[1]])

    run = ro.lyapunov(ro.Flow(rate), jnp.array([-5.0, 0.5]), 20.0)
    np.testing.assert_allclose(run.exponents[0], -1, atol=min(0.05, 2 * run.stderr[0]))
    assert run.exponents[1] < -300 and run.stderr[1] > 100 * run.stderr[0]
