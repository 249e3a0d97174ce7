"""How long a flow's steps may be: against the classical Runge–Kutta method's polynomial, and through Lyapunov exponents."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from telling import telling

import rnn_ode as ro
from rnn_ode._analyses import steps
from rnn_ode._analyses.steps import Accuracy, Errors, Step, divided, is_thrown

local_error, longer_by, some_rows, step_wanted, accuracy_of = map(
    eqx.filter_jit, (steps.local_error, steps.longer_by, steps.some_rows, steps.step_wanted, Accuracy.of)
)

RNG = np.random.default_rng(0)
LORENZ = ro.Flow(
    lambda t, h, path: jnp.stack([10 * (h[1] - h[0]), h[0] * (28 - h[2]) - h[1], h[0] * h[1] - 8 / 3 * h[2]])
)


def decay(rate):
    return ro.Flow(lambda t, h, path: -rate * h)


def runge_kutta(z):
    return 1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24


def test_a_length_is_divided_into_a_small_number_times_a_power_of_two():
    wanted = {
        1.0: 1,
        0.5: 2,
        0.4: 3,
        1 / 3: 3,
        0.3: 4,
        0.2: 5,
        1 / 7: 7,
        0.13: 8,
        0.12: 10,
        0.08: 14,
        1 / 15: 16,
        2.0: 1,
    }
    assert {share: divided(share) for share in wanted} == wanted
    for share in (0.77, 0.031, 1e-5):
        assert share / 2 < 1 / divided(share) <= share * (1 + 1e-5)
        assert int(divided(jnp.asarray(share))) == divided(share)


def test_the_error_of_a_step_is_its_difference_from_two_halves():
    z = -0.8
    errors = local_error(decay(4.0), Step(0.2), None, np.asarray(3), np.ones(2), np.eye(2))
    difference = runge_kutta(z) - runge_kutta(z / 2) ** 2
    np.testing.assert_allclose(errors.size, abs(difference), rtol=1e-10)
    np.testing.assert_allclose(errors.move, abs(runge_kutta(z) - 1), rtol=1e-12)
    np.testing.assert_allclose(errors.growth, [difference] * 2, rtol=1e-10)


def test_a_step_that_leaves_the_float_range_has_errors_of_one():
    errors = local_error(decay(1e200), Step(1.0), None, np.asarray(0), np.ones(1), np.eye(1))
    assert jax.device_get(errors) == Errors(np.asarray(1.0), np.asarray(1.0), np.ones(1))


def test_a_step_of_error_one_in_ten_thousand_is_made_one_sixth_as_long():
    error = np.asarray(1e-4)
    np.testing.assert_allclose(longer_by(error, float, None), 1 / 6)
    np.testing.assert_allclose(longer_by(error / 2**5, float, None), 1 / 3)
    np.testing.assert_allclose(longer_by(error / 4, float, diffrax.Euler()), 1 / 3)
    assert longer_by(np.asarray(0.0), float, None) < 1e3  # no more than rounding allows


@pytest.mark.parametrize("rate", [1.0, 2.0**20])
def test_the_wanted_step_is_a_fixed_part_of_the_time_constant(rate):
    """The trial's first step is one unit of time; e ≈ z⁵/128 is 10⁻⁴ at z = 0.42, and a sixth of that is 0.07."""
    share = step_wanted(decay(rate), np.ones(1), np.asarray(1 / 128), np.asarray(128.0), None)
    np.testing.assert_allclose(share * rate, 0.07, rtol=0.3)


def test_at_most_four_rows_stand_for_a_frame():
    np.testing.assert_array_equal(some_rows(np.eye(10)), np.eye(10)[[0, 3, 6, 9]])
    np.testing.assert_array_equal(some_rows(np.eye(3)), np.eye(3))


@pytest.mark.parametrize(
    ("size", "growth", "inexact", "useless"),
    [(1e-4, 1e-4, False, False), (0.01, 0.01, True, False), (0.2, 0.2, True, True), (0.15, 0.0, True, False)],
)
def test_accuracy_is_judged_beside_the_fastest_rate(size, growth, inexact, useless):
    """Of three steps the last does not count. Errors of both signs cancel in an exponent, but count by their size."""
    errors = Errors(np.array([size, size, 9.0]), np.array([1.0, 1.0, 9.0]), np.array([[growth], [growth], [9.0]]))
    found = accuracy_of(errors, np.array([True, True, False]), 0.5, None)
    assert (found.inexact, found.useless) == (inexact, useless)
    np.testing.assert_allclose([found.error, found.length], [growth / 0.5, 0.5])
    np.testing.assert_allclose(found.wanted, 0.5 * longer_by(jnp.asarray(size), float, None))


def test_a_decaying_flow_that_overflows_was_thrown_and_a_growing_one_was_not():
    thrown = [
        bool(is_thrown(decay(rate), Step(0.005), None, jnp.asarray(0), jnp.ones(1), jnp.asarray(1000)))
        for rate in (1000.0, -1000.0)
    ]
    assert thrown == [True, False]


def lorenz(c=1.0, s=1.0):
    """With time in units of 1/c and the state in units of 1/s: dh/dt = (s/c) f(h/s)."""
    return ro.Flow(lambda t, h, path: s / c * LORENZ.field(t, h / s, None))


@pytest.mark.gate
@pytest.mark.parametrize("tau", telling([1e-6, 2e-3, 1e3], 1e-6, 1e3))
def test_a_flow_may_have_any_time_constant(tau):
    """(−h + tanh(W h))/τ at rest. The default step's error is 2e-7 of the fastest rate; 0.005 gave +523.6 at 1 ms."""
    W = np.array([[0.1, 0.05], [-0.05, 0.1]])
    run = ro.lyapunov(ro.Flow(lambda t, h, path: (jnp.tanh(W @ h) - h) / tau), np.array([0.1, 0.2]), 100 * tau)
    assert run.result == ro.RESULTS.successful
    np.testing.assert_allclose(run.exponents * tau, [-0.9, -0.9], atol=1e-6)


@pytest.mark.gate
def test_exponents_are_the_same_in_other_units():
    """By powers of two every operation is the same, and so are the digits."""
    here = ro.lyapunov(lorenz(), np.ones(3), 50.0, transient=10.0)
    for c, s in ((2.0**20, 2.0**-20), (2.0**-20, 2.0**20)):
        there = ro.lyapunov(lorenz(c, s), s * np.ones(3), 50.0 * c, transient=10.0 * c)
        np.testing.assert_array_equal(there.exponents * c, here.exponents)
        np.testing.assert_array_equal(there.stderr * c, here.stderr)
        assert there.step == here.step * c and there.result == ro.RESULTS.successful


@pytest.mark.gate
@pytest.mark.parametrize(
    ("name", "field", "h0", "step", "result"),
    [
        ("2 ms", lambda t, h, path: -500 * h, [1.0], 0.005, "step_too_long"),
        pytest.param("5 ms", lambda t, h, path: -200 * h, [1.0], 0.005, "step_too_long", marks=pytest.mark.thorough),
        ("1 s", lambda t, h, path: -h, [1.0], 0.005, "successful"),
        (
            "stiff",
            lambda t, h, path: jnp.stack([1e3 * (jnp.cos(h[1]) - h[0]), -h[1]]),
            [1.0, 1.0],
            0.01,
            "step_too_long",
        ),
        ("lorenz", lambda t, h, path: LORENZ.field(t, h, path), [1.0, 1.0, 1.0], 0.2, "step_too_long"),
        ("grows", lambda t, h, path: 1000 * h, [1.0], 0.005, "left_float_range"),
        ("blows up", lambda t, h, path: h**2, [2.0], None, "left_float_range"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_step_that_is_too_long_is_said_and_growth_is_not_mistaken_for_it(name, field, h0, step, result):
    """The error of an exponent is 2 % at 5 ms, which is said, and over half at 2 ms, which is NaN."""
    run = ro.lyapunov(ro.Flow(field), np.array(h0), 20.0, step=step)
    assert run.result == getattr(ro.RESULTS, result)
    assert np.isnan(run.exponents).any() == (name not in ("5 ms", "1 s"))
    if result == "step_too_long":
        assert run.step_wanted < step / 5


@pytest.mark.gate
def test_the_input_between_its_samples_needs_steps_as_the_field_does():
    xs = RNG.normal(size=(20, 1))
    for tau in (0.01, 20.0):
        run = ro.lyapunov(ro.Flow(lambda t, h, path, tau=tau: (jnp.tanh(path(t)) - h) / tau, xs), np.ones(1), 20.0)
        np.testing.assert_allclose(run.exponents * tau, [-1], atol=1e-6)


@pytest.mark.slow
def test_the_step_is_chosen_inside_jit_and_vmap_too():
    def exponent(rate):
        return ro.lyapunov(ro.Flow(lambda t, h, path: -rate * h), np.ones(1), 2.0).exponents[0]

    rates = jnp.array([1.0, 1e4])
    np.testing.assert_allclose(jax.vmap(exponent)(rates), -rates, rtol=1e-6)
    np.testing.assert_allclose(jax.grad(exponent)(1.0), -1.0, rtol=1e-5)
    jitted = jax.jit(exponent)
    np.testing.assert_allclose(jax.jvp(jitted, (1e4,), (1.0,)), (-1e4, -1.0), rtol=1e-5)
    with pytest.raises(ValueError, match="give lyapunov a `step`"):
        jax.grad(jitted)(1.0)
