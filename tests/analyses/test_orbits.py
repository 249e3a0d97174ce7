"""Closed orbits of maps and flows: closed forms, published values, and what a search says when it finds none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro
from rnn_ode._analyses.orbits_mesh import MATRIX, POINTS, least_error

ANGLES = 2 * np.pi * np.arange(64) / 64
CIRCLE = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
RATE, TURN = 0.5, 1.3  # of the normal form: radius √rate, turn per unit time


def henon(a=1.4, b=0.3):
    return ro.Map(lambda x, h: jnp.stack([1 - a * h[0] ** 2 + h[1], b * h[0]]))


def stuart_landau(rate=RATE, turn=TURN):
    return ro.Flow(lambda t, h, path: (rate - h @ h) * h + turn * jnp.stack([-h[1], h[0]]))


def van_der_pol(mu):
    return ro.Flow(lambda t, h, path: jnp.stack([h[1], mu * (1 - h[0] ** 2) * h[1] - h[0]]))


FLOW = stuart_landau()


def test_the_formula_of_collocation_is_of_order_seven():
    """Radau IIA of four points integrates polynomials up to t⁶ exactly, and each row those up to t³."""
    for k in range(7):
        assert MATRIX[-1] @ POINTS**k == pytest.approx(1 / (k + 1), abs=1e-13)
    for k in range(4):
        np.testing.assert_allclose(MATRIX @ POINTS**k, POINTS ** (k + 1) / (k + 1), atol=1e-13)
    assert abs(MATRIX[-1] @ POINTS**7 - 1 / 8) > 1e-5


def assert_in_step(orbit):
    """Each state of the normal form's orbit is there at its time: the angle from the first one is ω t."""
    x, y = np.asarray(orbit.points).T
    turned = np.exp(1j * TURN * np.asarray(orbit.times))
    np.testing.assert_allclose((x + 1j * y) / (x[0] + 1j * y[0]), turned, atol=1e-6)
    assert orbit.times[0] == 0 and np.all(np.diff(orbit.times) > 0)


@pytest.mark.gate
def test_the_normal_form_has_its_radius_period_and_multipliers_as_a_flow():
    """dr/dt = (μ − r²) r: radius √μ, period 2π/ω, multipliers 1 and exp(−2 μ T)."""
    orbit = ro.periodic_orbit(FLOW, 0.8 * CIRCLE, 4.5)
    period = 2 * np.pi / TURN
    assert bool(orbit.converged) and orbit.verdict_name == "DECAYS"
    np.testing.assert_allclose(orbit.period, period, rtol=1e-10)
    np.testing.assert_allclose(np.linalg.norm(orbit.points, axis=1), RATE**0.5, rtol=2e-7)
    assert int(orbit.trivial) == 0 and float(orbit.trivial_error) < 1e-8
    np.testing.assert_allclose(orbit.multipliers, [1, np.exp(-2 * RATE * period)], atol=1e-9)
    assert_in_step(orbit)


@pytest.mark.gate
@pytest.mark.parametrize("intervals", [None, 24])
def test_an_orbit_is_the_same_in_every_unit(intervals):
    """With time and states in units that are powers of two, but for rounding of the powers in the choice of a mesh."""

    def rate(time, state, t, h, path):
        return state / time * FLOW.rule(h / state)

    def found(time, state):
        field = ro.Flow(jax.tree_util.Partial(rate, jnp.array(time), jnp.array(state)))
        return ro.periodic_orbit(field, 0.8 * state * CIRCLE, 4.5 * time, intervals=intervals)

    one, other = found(1.0, 1.0), found(2.0**20, 2.0**-20)
    assert bool(one.converged) and bool(other.converged) and len(one.points) == len(other.points)
    assert_in_step(one)
    np.testing.assert_allclose(other.points * 2.0**20, one.points, atol=1e-9)
    np.testing.assert_allclose(other.period / 2.0**20, one.period, rtol=1e-11)
    np.testing.assert_allclose(other.multipliers, one.multipliers, atol=1e-9)


@pytest.mark.gate
def test_the_exact_discretisation_of_the_normal_form_has_the_same_orbit_as_a_map():
    """r ↦ r e^{μδ} / √(1 + r² (e^{2μδ} − 1)/μ) is the flow after a time δ. With δ = T/7 the orbit has seven states, the same
    multipliers, and one of them is 1 for a shift; the map does not know of it."""
    steps = 7
    delta = 2 * np.pi / TURN / steps
    grow, angle = np.exp(RATE * delta), TURN * delta
    turn = jnp.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    chart = ro.Map(lambda x, h: turn @ h * grow / jnp.sqrt(1 + (h @ h) * (grow**2 - 1) / RATE), dt=delta)
    on_circle = RATE**0.5 * np.stack([np.cos(angle * np.arange(7)), np.sin(angle * np.arange(7))], axis=1)
    orbit = ro.periodic_orbit(chart, on_circle, steps)
    assert int(orbit.trivial) == -1 and np.isnan(orbit.trivial_error)
    assert np.max(np.abs(orbit.points - on_circle)) < 1e-12
    np.testing.assert_allclose(orbit.period, 2 * np.pi / TURN, rtol=1e-14)
    np.testing.assert_allclose(orbit.multipliers, [1, np.exp(-2 * RATE * steps * delta)], atol=1e-12)
    assert orbit.verdict_name in ("PERSISTS", "UNDETERMINED")


def test_henon_has_a_cycle_of_two_states_with_the_multipliers_of_the_product():
    """x = (1 − b ± √(4a − 3(1 − b)²)) / 2a, and det = b²."""
    a, b = 1.4, 0.3
    root = np.sqrt(4 * a - 3 * (1 - b) ** 2)
    x = (1 - b + np.array([root, -root])) / (2 * a)
    orbit = ro.periodic_orbit(henon(), np.stack([x, b * x[::-1]], axis=1) + 0.02, 2)
    np.testing.assert_allclose(orbit.points, np.stack([x, b * x[::-1]], axis=1), atol=1e-12)
    product = np.array([[-2 * a * x[1], 1], [b, 0]]) @ np.array([[-2 * a * x[0], 1], [b, 0]])
    np.testing.assert_allclose(np.sort(orbit.multipliers.real), np.sort(np.linalg.eigvals(product)), atol=1e-12)
    assert orbit.verdict_name == "GROWS" and orbit.times.tolist() == [0.0, 1.0]


@pytest.mark.gate
def test_henon_has_one_cycle_of_four_states():
    """The product of its multipliers is b⁴, and its states are the map's (published period-4 cycle of a = 1.4, b = 0.3)."""
    start = np.array([[0.638, -0.212], [0.218, 0.191], [1.125, 0.065], [-0.707, 0.338]])
    orbit = ro.periodic_orbit(henon(), start, 4)
    assert bool(orbit.converged)
    h = np.asarray(orbit.points)
    after = np.stack([1 - 1.4 * h[:, 0] ** 2 + h[:, 1], 0.3 * h[:, 0]], axis=1)
    np.testing.assert_allclose(after, np.roll(h, -1, axis=0), atol=1e-13)
    np.testing.assert_allclose(np.prod(orbit.multipliers), 0.3**4, rtol=1e-9)


@pytest.mark.gate
@pytest.mark.parametrize(
    ("mu", "period"), [pytest.param(1.0, 6.66328686, marks=pytest.mark.thorough), (10.0, 19.07836957)]
)
def test_van_der_pol_has_its_published_period(mu, period):
    system = van_der_pol(mu)
    orbit = ro.periodic_orbit(system, *ro.orbit_guess(system, np.array([2.0, 0.0]), 6 * period))
    assert bool(orbit.converged) and orbit.verdict_name == "DECAYS"
    np.testing.assert_allclose(orbit.period, period, atol=2e-8)
    assert float(orbit.trivial_error) < 1e-5 and float(orbit.error) < 1e-6


@pytest.mark.slow
def test_a_fast_decay_is_a_multiplier_near_zero():
    """The normal form with dz/dt = 10⁵ (|h|² − z): z = |h|², and exp(−10⁵ T) is 0 to any precision."""

    def rate(t, h, path):
        x = h[:2]
        moved = (RATE - x @ x) * x + TURN * jnp.stack([-x[1], x[0]])
        return jnp.append(moved, 1e5 * (x @ x - h[2]))

    guess = np.concatenate([0.8 * CIRCLE, 0.5 + 0 * CIRCLE[:, :1]], axis=1)
    orbit = ro.periodic_orbit(ro.Flow(rate), guess, 4.5)
    period = 2 * np.pi / TURN
    assert bool(orbit.converged) and orbit.verdict_name == "DECAYS"
    np.testing.assert_allclose(orbit.period, period, rtol=1e-9)
    np.testing.assert_allclose(orbit.points[:, 2], RATE, rtol=1e-5)
    np.testing.assert_allclose(np.abs(orbit.multipliers), [1, np.exp(-2 * RATE * period), 0], atol=1e-7)


@pytest.mark.gate
def test_an_orbit_has_derivatives_in_both_modes_and_batches():
    """d/dμ of the period 2π/ω is 0, of the radius √μ is 1/2√μ, and of log of the multiplier −2 T. A batch is differentiated
    forwards and one run in reverse, each with its values, which agree."""

    def told(rate):
        orbit = ro.periodic_orbit(stuart_landau(rate), CIRCLE, 4.8, intervals=24)
        values = jnp.stack([orbit.period, orbit.points[0] @ orbit.points[0], jnp.log(jnp.abs(orbit.multipliers[1]))])
        return values, values

    exact = [0, 1, -4 * np.pi / TURN]
    rates = jnp.array([0.4, RATE])
    forward, batch = jax.jit(jax.vmap(jax.jacfwd(told, has_aux=True)))(rates)
    reverse, single = jax.jit(jax.jacrev(told, has_aux=True))(rates[1])
    np.testing.assert_allclose(forward, [exact, exact], atol=1e-5)
    np.testing.assert_allclose(reverse, exact, atol=1e-5)
    np.testing.assert_allclose(batch[1], single, atol=1e-9)
    period = 2 * np.pi / TURN
    np.testing.assert_allclose(batch[0], [period, rates[0], -2 * rates[0] * period], atol=1e-6)


@pytest.mark.gate
def test_a_driven_flow_answers_with_the_period_of_its_input():
    """dh/dt = −h + cos t: h = (cos t + sin t)/2, and the multiplier is exp(−2π)."""
    system = ro.Flow(lambda t, h, path: path(t) - h, lambda t: jnp.cos(t)[None])
    orbit = ro.periodic_orbit(system, np.array([0.3]), 2 * np.pi)
    t = np.asarray(orbit.times)
    np.testing.assert_allclose(orbit.points[:, 0], (np.cos(t) + np.sin(t)) / 2, atol=1e-7)
    np.testing.assert_allclose(orbit.multipliers, [np.exp(-2 * np.pi)], rtol=1e-7)
    assert int(orbit.trivial) == -1
    with pytest.raises(ValueError, match="period must be one of the input's"):
        ro.periodic_orbit(system, np.array([0.3]), 5.0)


@pytest.mark.slow
def test_samples_repeat():
    """Four held samples: the map's state after many periods, and of dh/dt = x − h the geometric sum."""
    xs = np.array([[1.0], [0.0], [-1.0], [0.5]])
    chart = ro.Map(ro.VanillaCell([[0.5]], [[1.0]], [0.0], jnp.tanh), xs)
    h = 0.0
    for k in range(200):
        h = np.tanh(0.5 * h + xs[k % 4, 0])
    orbit = ro.periodic_orbit(chart, np.array([0.3]), 4)
    np.testing.assert_allclose(orbit.points[0], h, atol=1e-12)
    twice = ro.periodic_orbit(chart, np.array([0.3]), 8)
    assert not bool(twice.converged) and bool(twice.result == ro.RESULTS.orbit_of_shorter_period)
    flow = ro.Flow(lambda t, h, path: path(t) - h, xs)
    decay = np.exp(-1)
    h = sum(decay ** (3 - k) * (1 - decay) * xs[k, 0] for k in range(4)) / (1 - decay**4)
    orbit = ro.periodic_orbit(flow, np.array([0.3]), 4)
    np.testing.assert_allclose(orbit.points[0], h, atol=1e-10)
    with pytest.raises(ValueError, match="whole multiple of the input's"):
        ro.periodic_orbit(chart, np.array([0.3]), 6)
    with pytest.raises(ValueError, match="must be held samples"):
        ro.periodic_orbit(ro.Flow(lambda t, h, path: path(t) - h, ro.Linear(xs)), np.array([0.3]), 4)


@pytest.mark.gate
def test_a_driven_flow_that_answers_in_a_shorter_period_is_said():
    """dh/dt = input − h answers with the input's own period, whatever multiple of it is asked for."""
    xs = np.array([[1.0], [0.0], [-1.0], [0.5]])
    held = ro.Flow(lambda t, h, path: path(t) - h, xs)
    free = ro.Flow(lambda t, h, path: jnp.stack([jnp.cos(t), jnp.sin(t)]) - h)
    for system, h, period, intervals in (
        (held, np.zeros(1), 8, None),
        (held, np.zeros(1), 28, 28),
        (free, np.zeros(2), 6 * np.pi, None),
        (free, np.zeros(2), 4 * np.pi, 24),
    ):
        again = ro.periodic_orbit(system, h, period, intervals=intervals)
        assert bool(again.result == ro.RESULTS.orbit_of_shorter_period) and not bool(again.converged)
        assert np.all(np.isnan(again.multipliers)) and again.verdict_name == "UNDETERMINED"
    traced = jax.jit(lambda h: ro.periodic_orbit(free, h, 6 * np.pi).converged)
    assert not bool(traced(jnp.zeros(2)))


@pytest.mark.gate
def test_an_answer_need_not_be_shorter_than_what_can_be_asked_for():
    """Samples are one period of their input, also where they repeat or where the answer is constant; and a field may have a
    longer period than its orbit has."""
    twice = np.array([[1.0], [-1.0], [1.0], [-1.0]])
    tanh, relu = (ro.VanillaCell([[0.5]], [[1.0]], [-2.0 * k], f) for k, f in enumerate((jnp.tanh, jax.nn.relu)))
    for system, h in (
        (ro.Map(tanh, twice), 0.3),
        (ro.Map(relu, twice), 0.0),
        (ro.Flow(ro.to_ode(tanh, ro.Forward(1)), twice), 0.3),
        (ro.Flow(ro.to_ode(relu, ro.Forward(1)), twice), 0.0),
    ):
        orbit = ro.periodic_orbit(system, np.array([h]), 4)
        assert bool(orbit.converged) and float(orbit.period) == 4, orbit.result
    across = ro.Flow(lambda t, h, path: jnp.stack([jnp.cos(2 * t) - h[0], h[1] * (0.5 * jnp.cos(t) - 1)]))
    orbit = ro.periodic_orbit(across, np.zeros(2), 2 * np.pi)
    assert bool(orbit.converged) and orbit.verdict_name == "DECAYS"


@pytest.mark.gate
def test_the_period_of_short_pulses_is_checked():
    """Few times see such pulses of period 10, or do so 13.5 later. A disturbance decays by e⁻¹⁰."""
    pulses = ro.Flow(lambda t, h, path: jnp.exp(-(((jnp.mod(t, 10.0) - 5.5) / 0.2) ** 2)) - h)
    with pytest.raises(ValueError, match="period must be one of the input's"):
        ro.periodic_orbit(pulses, np.array([0.1]), 13.5)
    orbit = ro.periodic_orbit(pulses, np.array([0.1]), 10.0)
    assert bool(orbit.converged)
    np.testing.assert_allclose(orbit.multipliers, [np.exp(-10)], rtol=1e-6)


@pytest.mark.gate
def test_a_subharmonic_answer_has_its_own_period():
    """Duffing's oscillator at four times its frequency answers in three periods; multipliers by DOP853 at 1e-12."""
    system = ro.Flow(lambda t, h, path: jnp.stack([h[1], -0.05 * h[1] - h[0] - h[0] ** 3 + 5 * jnp.cos(4 * t)]))
    guess = ro.orbit_guess(system, np.array([1.5, 0.0]), 600.0, period=np.pi / 2)
    orbit = ro.periodic_orbit(system, *guess)
    assert bool(orbit.converged) and round(float(orbit.period) / (np.pi / 2), 9) == 3
    np.testing.assert_allclose(orbit.multipliers, [-0.16978567 + 0.87249877j, -0.16978567 - 0.87249877j], atol=1e-7)


@pytest.mark.slow
def test_a_guess_that_leads_elsewhere_is_said():
    at_rest = ro.periodic_orbit(henon(), np.array([0.6, 0.2]), 2)
    assert bool(at_rest.result == ro.RESULTS.orbit_at_rest)
    x = (0.7 + np.array([1.0, -1.0]) * np.sqrt(5.6 - 3 * 0.49)) / 2.8
    shorter = ro.periodic_orbit(henon(), np.tile(np.stack([x, 0.3 * x[::-1]], axis=1), (2, 1)) + 0.01, 4)
    assert bool(shorter.result == ro.RESULTS.orbit_of_shorter_period)
    for found in (at_rest, shorter):
        assert (
            not bool(found.converged) and np.all(np.isnan(found.multipliers)) and found.verdict_name == "UNDETERMINED"
        )
        assert "No such orbit" in found.table() and "The guess leads to" in found.table()


@pytest.mark.slow
def test_a_guess_that_goes_round_twice_is_said():
    twice = ro.periodic_orbit(FLOW, np.concatenate([0.8 * CIRCLE] * 2), 9.0)
    assert bool(twice.result == ro.RESULTS.orbit_of_shorter_period)


@pytest.mark.gate
def test_nothing_is_found_where_there_is_nothing():
    decays = ro.Flow(lambda t, h, path: jnp.stack([-h[0] + h[1], -h[0] - h[1]]))
    assert not bool(ro.periodic_orbit(decays, CIRCLE, 6.0, intervals=24).converged)
    runs_off = ro.Flow(lambda t, h, path: 1 + h**2)
    assert not bool(ro.periodic_orbit(runs_off, CIRCLE, 6.0, intervals=24).converged)
    undefined = ro.Flow(lambda t, h, path: jnp.sqrt(h - 2))
    found = ro.periodic_orbit(undefined, CIRCLE, 6.0)
    assert not bool(found.converged) and "No orbit was found" in found.table() and "friction" in found.table()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((3, np.zeros(2), 2), TypeError, "system must be a Map or a Flow"),
        ((henon(), np.array([np.nan, 0.0]), 2), ValueError, "guess must be finite"),
        ((henon(), np.zeros(2), 1.5), ValueError, "whole number of steps"),
        ((henon(), np.zeros(2), 0), ValueError, "period must be positive"),
        ((henon(), np.zeros((3, 2)), 2), ValueError, "one state for each of the 2 steps"),
        ((henon(), np.array([9.0, 9.0]), 40), ValueError, "stays finite"),
        ((FLOW, np.zeros((3, 2)), 2.0), ValueError, "at least 4 states"),
        ((FLOW, CIRCLE, -1.0), ValueError, "period must be positive"),
        ((ro.Flow(lambda t, h, path: -h), np.zeros(1), 1.0), ValueError, "two states or more"),
    ],
)
@pytest.mark.usefixtures("as_user")
def test_bad_input_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        ro.periodic_orbit(*arguments)


@pytest.mark.gate
def test_the_guess_of_a_map_is_its_cycle():
    """The logistic map at r = 3.2 has a stable cycle of two states, at 3.5 one of four."""
    for r, period in ((3.2, 2), (3.5, 4)):
        chart = ro.Map(lambda x, h, r=r: r * h * (1 - h))
        guess = ro.orbit_guess(chart, np.array([0.3]), 400.0)
        assert guess.period == period and guess.points.shape == (period, 1)
        assert bool(ro.periodic_orbit(chart, *guess).converged)
    with pytest.raises(ValueError, match="settles at a fixed point"):
        ro.orbit_guess(ro.Map(lambda x, h: 2.5 * h * (1 - h)), np.array([0.3]), 400.0)


@pytest.mark.parametrize(
    ("rule", "duration", "words"),
    [
        (lambda x, h: jnp.tanh(0.5 * h), 100.0, "settles at a fixed point"),  # at zero, as 2⁻ᵏ
        (lambda x, h: -0.98 * h, 100.0, "still shrinks"),
        (lambda x, h: h + 1, 20.0, "never comes back near an earlier state"),
    ],
)
def test_a_run_that_is_on_no_orbit_is_said(rule, duration, words):
    with pytest.raises(ValueError, match=words):
        ro.orbit_guess(ro.Map(rule), np.array([1.0, 0.5]), duration)


@pytest.mark.slow
def test_the_guess_of_a_driven_flow_has_the_period_of_its_input():
    """dh/dt = x(t) − h under four held samples, and dh/dt = cos 1.1t − h: h = (cos 1.1t + 1.1 sin 1.1t)/2.21. Under twice the
    frequency of a cycle that the input entrains the answer has two of its periods."""
    xs = np.array([[1.0], [0.0], [-1.0], [0.5]])
    held = ro.Flow(lambda t, h, path: path(t) - h, xs)
    guess = ro.orbit_guess(held, np.array([0.3]), 41.0)
    decay = np.exp(-1)
    h = sum(decay ** (3 - k) * (1 - decay) * xs[k, 0] for k in range(4)) / (1 - decay**4)
    assert guess.period == 4.0 and np.allclose(guess.points[0], h, atol=1e-6)
    length = 2 * np.pi / 1.1
    field = ro.Flow(lambda t, h, path: jnp.cos(1.1 * t)[None] - h)
    guess = ro.orbit_guess(field, np.array([0.3]), 60.0, period=length)
    t = length * np.arange(len(guess.points)) / len(guess.points)
    np.testing.assert_allclose(guess.points[:, 0], (np.cos(1.1 * t) + 1.1 * np.sin(1.1 * t)) / 2.21, atol=1e-6)
    assert guess.period == length and bool(ro.periodic_orbit(field, *guess, intervals=24).converged)
    doubled = ro.Flow(lambda t, h, path: (1 - h @ h) * h + jnp.stack([-h[1], h[0]]) + 0.2 * jnp.cos(2 * t) * h[::-1])
    guess = ro.orbit_guess(doubled, np.array([1.0, 0.0]), 60.0, period=np.pi)
    assert guess.period == 2 * np.pi


@pytest.mark.slow
def test_the_spikes_of_a_stiff_oscillator_do_not_count_as_decay():
    """Van der Pol at μ = 40 in 300 time units: the samples miss the peaks of the velocity by up to a quarter. The period is
    (3 − 2 log 2) μ + 7.0143 μ^(−1/3) + … for large μ (Dorodnitsyn 1947), with terms of the order log(μ)/μ."""
    guess = ro.orbit_guess(van_der_pol(40.0), np.array([2.0, 0.0]), 300.0)
    assert abs(guess.period - ((3 - 2 * np.log(2)) * 40 + 7.0143 * 40 ** (-1 / 3))) < 0.2


def test_the_period_of_an_input_that_is_a_function_of_time_must_be_given(as_user):
    field = ro.Flow(lambda t, h, path: jnp.cos(t) - h)
    with pytest.raises(ValueError, match="function of time, so its period must be given"):
        ro.orbit_guess(field, np.array([0.3]), 60.0)
    with pytest.raises(ValueError, match="period must be one of the input's"):
        ro.orbit_guess(field, np.array([0.3]), 60.0, period=5.0)
    with pytest.raises(ValueError, match="period is that of an input which is a function of time"):
        ro.orbit_guess(FLOW, np.array([0.3, 0.0]), 60.0, period=5.0)


@pytest.mark.slow
def test_the_guess_of_a_chaotic_run_leads_to_an_unstable_orbit():
    orbit = ro.periodic_orbit(henon(), *ro.orbit_guess(henon(), np.array([0.1, 0.1]), 4000.0))
    assert bool(orbit.converged) and orbit.verdict_name == "GROWS"


@pytest.mark.gate
def test_float32(float32):
    orbit = ro.periodic_orbit(stuart_landau(), CIRCLE.astype(np.float32), 4.5)
    assert bool(orbit.converged) and orbit.points.dtype == np.float32
    np.testing.assert_allclose(orbit.period, 2 * np.pi / TURN, rtol=1e-5)
    np.testing.assert_allclose(orbit.multipliers, [1, np.exp(-4 * RATE * np.pi / TURN)], atol=1e-4)


@pytest.mark.gate
@pytest.mark.parametrize("chart", [False, True], ids=["flow", "map"])
def test_the_search_lowers_everywhere(chart, monkeypatch):
    monkeypatch.setenv("EQX_ON_ERROR", "nan")
    with jax.enable_x64(False):
        guess = jnp.asarray(CIRCLE[::8], jnp.float32)
        system = (
            ro.Map(lambda x, h: jnp.stack([-h[1], h[0]]))
            if chart
            else stuart_landau(jnp.float32(0.5), jnp.float32(1.3))
        )
        run = jax.jit(lambda h: tuple(jax.tree.leaves(ro.periodic_orbit(system, h, 8 if chart else 4.8))))
        for platform in ("cpu", "cuda", "tpu"):
            assert run.trace(guess).lower(lowering_platforms=(platform,)).as_text()


def test_a_fine_mesh_has_an_error_in_single_precision_too(float32):
    """The number of intervals to a power was a whole number that no int32 holds, from 74 intervals on."""
    S = jnp.sin(jnp.arange(128 * len(POINTS) * 2.0).reshape(128, -1, 2) / 50)
    assert jnp.isfinite(least_error(S, jnp.full(128, 1 / 128)))
