"""How runs end, and the reason that each gives."""

import json
import os
import subprocess
import sys
from pathlib import Path

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear_system import summed

import rnn_ode as ro
from rnn_ode._run.dopri8 import Dopri8
from rnn_ode._run.intervals import Interval
from rnn_ode._run.outcome import Stop, _exponents, _finite_near, _why, is_rounding_too_large


@pytest.mark.slow
def test_growth_out_of_the_float_range():
    path = ro.Hold(np.zeros((4, 1)))
    run = ro.integrate(lambda t, h, path: 400 * h, path, np.ones(1), throw=False, rtol=1e-4, atol=1e-4)
    assert run.result == ro.RESULTS.left_float_range
    assert np.log(run.states[1, 0]) == pytest.approx(400, rel=1e-3)
    assert np.all(np.isinf(run.states[2:]))


def exploding(t, h, path):
    return 1e200 * h


@pytest.mark.slow
def test_a_fixed_step_out_of_the_float_range():
    path = ro.Hold(np.zeros((4, 1)))
    run = ro.integrate(exploding, path, np.ones(1), solver=diffrax.Euler(), throw=False)
    assert run.result == ro.RESULTS.left_float_range
    np.testing.assert_array_equal(run.states[:, 0], [1, 1e200, np.inf, np.inf, np.inf])
    with pytest.raises(eqx.EquinoxRuntimeError, match=r"left the float range(.|\n)*scale the weights"):
        ro.integrate(exploding, path, np.ones(1), solver=diffrax.Euler())


@pytest.mark.slow
def test_a_fixed_step_out_of_the_domain():
    path = ro.Hold(np.zeros((4, 1)))
    run = ro.integrate(lambda t, h, path: jnp.log(h), path, np.full(1, 0.5), solver=diffrax.Euler(), throw=False)
    assert run.result == ro.RESULTS.field_undefined
    np.testing.assert_allclose(run.states[:, 0], [0.5, 0.5 + np.log(0.5), np.inf, np.inf, np.inf])


@pytest.mark.gate
def test_a_solution_that_ends_in_finite_time_says_what_to_do():
    """h' = h² from 1.25 is 1/(0.8 − t), which is nowhere at the end of the first step."""
    path, h0 = ro.Hold(np.zeros((4, 1))), np.full(1, 1.25)
    run = ro.integrate(lambda t, h, path: h**2, path, h0, ts=np.array([0.0, 0.3, 1.5, 2.0]), throw=False)
    assert run.result == ro.RESULTS.step_vanished
    np.testing.assert_allclose(run.states[:2, 0], [1.25, 2.0], rtol=1e-8)
    assert np.all(np.isinf(run.states[2:]))
    with pytest.raises(eqx.EquinoxRuntimeError, match=r"step shrank to rounding(.|\n)*`rtol`"):
        ro.integrate(lambda t, h, path: h**2, path, h0)


RELU = ro.VanillaCell([[0.5, 0.2], [0.1, 0.6]], [[1.0], [1.0]], [0.1, 0.2])


@pytest.mark.gate
@pytest.mark.parametrize(
    ("xs", "met"),
    [
        ([1.0, 1.0, -9.0, 1.0, 1.0, 1.0], 2),  # both units are off from the third step's start
        ([1.0, -0.35, -0.35, -0.35, -0.35, -0.35], 3),  # one goes off within the fourth step
    ],
)
def test_a_field_that_does_not_exist_on_the_way(xs, met):
    """A ReLU unit that is off makes the step's Jacobian singular, and there is no logarithm of that."""
    xs = np.array(xs)[:, None]
    run = ro.integrate(ro.to_ode(RELU, ro.Exact()), ro.Hold(xs), np.full(2, 0.5), throw=False)
    assert run.result == ro.RESULTS.field_undefined
    np.testing.assert_allclose(
        run.states[: met + 1], ro.iterate(RELU, xs, np.full(2, 0.5)).states[: met + 1], rtol=1e-9
    )
    assert np.all(np.isinf(run.states[met + 1 :]))
    text = ro.RESULTS[run.result]
    assert "Forward(order)" in text and "Tustin()" in text


@pytest.mark.slow
@pytest.mark.parametrize("h0", [0.0, 1.0])
def test_a_linear_overflow_is_one_from_rest_too(h0):
    cell = ro.VanillaCell([[800.0]], [[1.0]], [0.0], activation=None)
    run = ro.integrate(ro.to_ode(cell, ro.Textbook()), ro.Hold(np.ones((3, 1))), np.full(1, h0), throw=False)
    assert run.result == ro.RESULTS.left_float_range


REASONS = [
    ("successful", {"a": -1.0}),
    ("successful", {"a": -1.0, "f": 30.0}),
    ("successful", {"a": -60.0}),  # fast, not stiff
    ("stiff", {"a": -1e9}),
    ("stiff", {"a": -3e6, "f": 1e6}),
    ("left_float_range", {"a": 800.0}),
    ("left_float_range", {"a": 1e6}),
    ("left_float_range", {"a": 1e30}),
    ("step_vanished", {"b": 1.25}),
    ("step_vanished", {"a": -0.3, "b": 0.9}),
    ("field_undefined", {"c": 1.0, "d": 1.5}),
    ("max_steps_reached", {"f": 1e7}),  # nothing decays, and no implicit solver would take longer steps
]


@pytest.mark.gate
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_each_reason_is_given_where_it_holds_and_nowhere_else(dtype):
    """From 1, by the default solver; and again in a unit of time 2²⁰ times longer, and of state 2²⁰ times smaller."""
    for wanted, terms in REASONS:
        for c, s in ((1.0, 1.0), (2.0**-20, 2.0**20)):
            rates = {"a": 1 / c, "b": 1 / (c * s), "c": s / c, "d": c, "f": 1 / c}
            scaled = {name: jnp.asarray(value * rates[name], dtype) for name, value in terms.items()}
            field = eqx.tree_at(
                lambda f: jax.tree.leaves(f), summed(), [scaled.get(k, jnp.zeros((), dtype)) for k in "abcdef"]
            )
            if "c" in terms:  # log(c d − t) = log(d − t / c) + log c, whose last term does not matter here
                field = eqx.tree_at(lambda f: f.d, field, jnp.asarray(terms["d"] * c, dtype))
            run = ro.integrate(field, None, np.full(2, s, dtype), ts=c * np.arange(3.0), max_steps=5000, throw=False)
            assert run.result == getattr(ro.RESULTS, wanted), (terms, c, ro.RESULTS[run.result])
            assert bool(jnp.all(jnp.isfinite(run.states))) == (wanted == "successful")


def test_the_reasons_say_what_to_do():
    assert "Kvaerno5" in ro.RESULTS[ro.RESULTS.stiff] and "solved exactly" in ro.RESULTS[ro.RESULTS.stiff]
    assert "jax_enable_x64" in ro.RESULTS[ro.RESULTS.rounding_too_large]
    assert "float64" in ro.RESULTS[ro.RESULTS.stiff] and "float64" in ro.RESULTS[ro.RESULTS.step_vanished]


@pytest.mark.gate
def test_a_stiff_fixed_step_is_stiff_and_the_solver_that_the_text_names_solves_it():
    run = ro.integrate(summed(a=-1e9), None, np.ones(2), ts=np.arange(60.0), solver=diffrax.Euler(), throw=False)
    assert run.result == ro.RESULTS.stiff
    field = Relaxing(jnp.asarray(1e9))
    run = ro.integrate(field, None, np.zeros(2), ts=np.arange(3.0), solver=diffrax.Kvaerno5())
    # it follows cos t within 1/rate
    np.testing.assert_allclose(run.states[1:], np.cos([[1.0, 1.0], [2.0, 2.0]]), rtol=0, atol=1e-7)


@pytest.mark.gate
@pytest.mark.parametrize(("c", "s"), [pytest.param(1.0, 1.0, marks=pytest.mark.thorough), (2.0**-20, 2.0**20)])
def test_rounding_is_the_reason_where_float64_solves_what_float32_cannot(c, s):
    """The flow follows cos t within 1e-5. A run that ends near a singularity, or has too few steps, has another reason."""

    def run(dtype, ts=(0.0, 5.0), field=None, **options):
        def relax(t, h, path):
            return -(1e5 / c) * (h - s * jnp.cos(t / c))

        ts, h0 = c * np.asarray(ts, dtype), np.full(1, s, dtype)
        options = {"solver": diffrax.Kvaerno5(), "throw": False, "max_steps": 20_000} | options
        return ro.integrate(relax if field is None else field, None, h0, ts=ts, **options)

    solved = run(np.float64)
    np.testing.assert_allclose(solved.states[-1] / s, np.cos(5.0), atol=2e-5)
    failed = run(np.float32)
    assert failed.stats["num_rejected_steps"] > failed.stats["num_accepted_steps"]  # Newton's iterations fail
    assert failed.result == ro.RESULTS.rounding_too_large, ro.RESULTS[failed.result]
    for dtype in (np.float32, np.float64):
        assert run(dtype, max_steps=5).result == ro.RESULTS.max_steps_reached
        assert run(dtype, field=lambda t, h, path: h**2 / (c * s)).result == ro.RESULTS.step_vanished


def one_interval(field):
    """The interval from 0 to 1, without input."""
    return Interval.of(field, None, (jnp.zeros((), int), jnp.zeros(()), jnp.ones(())))


def stop_at(first, h, s=0.5, step=0.01):
    return Stop(jnp.asarray(first, float), jnp.asarray(h, float), jnp.asarray(s), jnp.asarray(step))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("terms", "first", "h", "wanted"),
    [
        ({"a": -40.0}, [1.0, 0.5], [0.1, 0.2], [-40, -40]),
        ({"a": 7.0, "f": 1.0}, [1.0, 0.5], [0.1, 0.2], [7, 7]),
        ({"a": -1.0, "f": 30.0}, [1.0, 0.5], [0.1, 0.2], [0, 0]),  # it turns faster than it decays
        ({"a": 1.0, "b": -2.0}, [3.0, 1.0], [0.0, -2.0], [-11, 9]),  # 1 − 4 h: of −11, −3, and of 1, 9
        ({}, [1.0, 0.5], [0.1, 0.2], [0, 0]),
    ],
)
def test_the_exponents_are_the_jacobian_s_largest_eigenvalues_at_both_ends(terms, first, h, wanted):
    found = jax.jit(lambda field: _exponents(one_interval(field), stop_at(first, h)))(summed(**terms))
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.slow
def test_a_field_is_finite_near_a_stop_unless_it_is_not_at_a_state_within_reach():
    """dh/dt = 1 below h = 1, and NaN above it."""
    field = lambda t, h, path: jnp.where(h > 1, jnp.nan, 1.0 + 0 * t)  # noqa: E731

    def finite(h, ahead, too_far=10.0):
        return bool(_finite_near(one_interval(field), stop_at([0.0], [h], 0.9), jnp.array(ahead), too_far))

    assert finite(0.5, [0.1, 0.4]) and not finite(0.5, [0.1, 0.6]) and not finite(1.5, [0.1])
    assert finite(0.5, [0.1, 0.6], too_far=1.05)  # a state so large does not count


class Growing(eqx.Module):
    """dh/dt = a h, without the square of h, which leaves the float range before h does."""

    a: jax.Array

    def __call__(self, t, h, path):
        return self.a * h


@pytest.fixture(scope="module")
def reason():
    """Why a run in the interval from 0 to 1 ended, by its field and its stop."""

    def compiled(solver):
        tolerances = jnp.asarray(1e-8), None

        @jax.jit
        def code(field, stop, result):
            return _why(one_interval(field), stop, result, solver, tolerances)

        return code

    codes = {"adaptive": compiled(Dopri8()), "fixed": compiled(diffrax.Euler())}

    def reason(solver, terms, stop, result):
        field = Growing(jnp.asarray(terms["rate"])) if "rate" in terms else summed(**terms)
        found = codes[solver](field, stop_at(*stop), getattr(ro.RESULTS, result))
        return next(name for name in ENDS if bool(found == getattr(ro.RESULTS, name)))

    return reason


ENDS = ("stiff", "left_float_range", "step_vanished", "field_undefined", "max_steps_reached", "not_a_number")
ONE, HUGE = [1.0, 0.5], [1e240, 1e240]  # the float range ends at e^709.8; 1e240 is e^552.6, beyond ¾ of that


@pytest.mark.parametrize(
    ("solver", "terms", "stop", "result", "wanted"),
    [
        # 50 folds of decay in the interval, and a step of half a decay time: an explicit solver can do no better
        ("adaptive", {"a": -100.0}, (ONE, ONE, 0.9, 0.01), "dt_min_reached", "stiff"),
        ("adaptive", {"a": -100.0}, (ONE, ONE, 0.9, 0.004), "dt_min_reached", "step_vanished"),
        ("adaptive", {"a": -49.0}, (ONE, ONE, 0.9, 0.1), "dt_min_reached", "step_vanished"),
        ("adaptive", {"a": -100.0}, (ONE, ONE, 0.49, 0.01), "max_steps_reached", "max_steps_reached"),
        ("adaptive", {"a": -100.0}, (ONE, ONE, 0.51, 0.01), "max_steps_reached", "stiff"),
        # it has grown to the end of the float range
        ("adaptive", {"rate": 1.0}, (ONE, HUGE, 0.9, 0.01), "dt_min_reached", "left_float_range"),
        ("adaptive", {"rate": 1.0}, (ONE, [1e230, 1e230], 0.9, 0.01), "dt_min_reached", "step_vanished"),
        ("adaptive", {"rate": 1.0}, ([2e239, 1.0], HUGE, 0.9, 0.01), "dt_min_reached", "step_vanished"),
        # it grows too fast for any step
        ("adaptive", {"a": 1e30}, (ONE, ONE, 0.4, 0.01), "dt_min_reached", "left_float_range"),
        ("adaptive", {"a": 1e30}, (ONE, ONE, 0.6, 0.01), "dt_min_reached", "step_vanished"),
        # log(0.5 − t) is NaN from t = 0.5 on; with h² a large state leaves the float range there instead
        ("adaptive", {"c": 1.0, "d": 0.5}, (ONE, ONE, 0.6, 0.01), "dt_min_reached", "field_undefined"),
        ("adaptive", {"b": 1.0}, (ONE, [1e170, 1.0], 0.6, 0.01), "dt_min_reached", "left_float_range"),
        ("fixed", {"a": -2.1}, (ONE, ONE, 0.0, 1.0), "not_a_number", "stiff"),
        ("fixed", {"a": -1.9}, (ONE, ONE, 0.0, 1.0), "not_a_number", "not_a_number"),
        ("fixed", {"c": 1.0, "d": 0.9}, (ONE, ONE, 0.0, 1.0), "not_a_number", "field_undefined"),
        ("fixed", {"b": 1.0}, (ONE, [1e170, 1.0], 0.0, 1.0), "not_a_number", "left_float_range"),
    ],
)
def test_the_reason_depends_on_decay_growth_size_and_steps(reason, solver, terms, stop, result, wanted):
    assert reason(solver, terms, stop, result) == wanted


class Relaxing(eqx.Module):
    rate: jax.Array

    def __call__(self, t, h, path):
        return self.rate * (jnp.cos(t) - h)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({}, True),
        ({"at_first": -10.0}, False),  # near a singularity: fast only where the solver stopped
        ({"at_stop": -10.0}, False),
        ({"rtol": 0.5}, False),
        ({"atol": 1.0}, False),
        ({"result": "max_steps_reached"}, True),
        ({"result": "max_steps_reached", "s": 2e-5}, False),  # in the first transient
        ({"result": "max_steps_reached", "step": 2e-5}, False),  # the steps are longer than an explicit solver's
        ({"result": "successful"}, False),
    ],
)
def test_rounding_is_too_large_for_a_decay_that_is_fast_throughout_and_for_short_steps(changed, wanted):
    """A decay of 10⁶ multiplies a rounding of 1.2e-7 to 0.12, far above rtol."""
    case = {"at_first": -1e6, "at_stop": -1e6, "rtol": 1e-5, "atol": None, "result": "dt_min_reached"} | changed
    one = jnp.ones(1, jnp.float32)
    stop = Stop(one, one, jnp.float32(case.get("s", 0.5)), jnp.float32(case.get("step", 1e-6)))
    exponents = jnp.float32(case["at_first"]), jnp.float32(case["at_stop"])
    result = getattr(ro.RESULTS, case["result"])
    assert is_rounding_too_large(stop, *exponents, result, (case["rtol"], case["atol"])) == wanted


WITHOUT_ERRORS = """
import json, jax, jax.numpy as jnp, rnn_ode as ro
cell = ro.VanillaCell([[2.0]], [[1.0]], [0.0], activation=None)
runs = {
    "states": lambda xs: ro.iterate(cell, xs).states[0],
    "counted": lambda xs: ro.iterate(cell, xs, fold=(lambda n, h, row: n + 1, 0, None)).stats["fold"],
    "signs": lambda xs: ro.iterate(cell, xs, save=lambda h: jnp.sign(h).astype(jnp.int8)).states,
    "solved": lambda xs: ro.integrate(ro.to_ode(cell, ro.Forward(1)), ro.Hold(xs), jnp.zeros(1)).states[0],
}
for given in (jnp.ones((4, 1)), jnp.ones((4, 1)).at[2, 0].set(jnp.nan)):
    found = {name: jax.jit(run)(given).ravel().tolist()[:1] for name, run in runs.items()}
    print(json.dumps({name: str(value[0]) for name, value in found.items()}))
"""


@pytest.mark.slow
def test_where_equinox_is_told_not_to_raise_no_part_of_a_failed_run_looks_like_a_result():
    env = os.environ | {"EQX_ON_ERROR": "nan", "PYTHONPATH": str(Path(ro.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", WITHOUT_ERRORS], env=env, capture_output=True, text=True, timeout=300)
    good, failed = map(json.loads, done.stdout.splitlines())
    assert good == {"states": "0.0", "counted": "4", "signs": "0", "solved": "0.0"}
    assert failed == {"states": "nan", "counted": str(2**31 - 1), "signs": "127", "solved": "nan"}
