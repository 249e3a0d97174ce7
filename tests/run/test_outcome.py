"""How runs of a field end, and the reason that each gives."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear_system import summed

import rnn_ode as ro
from rnn_ode._run.outcome import Stop, is_rounding_too_large


@pytest.mark.slow
def test_growth_out_of_the_float_range():
    path = ro.Hold(np.zeros((4, 1)))
    run = ro.integrate(lambda t, h, path: 400 * h, path, np.ones(1), throw=False, rtol=1e-4, atol=1e-4)
    assert run.result == ro.RESULTS.left_float_range
    assert np.log(run.states[1, 0]) == pytest.approx(400, rel=1e-3)
    assert np.all(np.isinf(run.states[2:]))


def exploding(t, h, path):
    return 1e200 * h


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.parametrize("dtype", [np.float64, pytest.param(np.float32, marks=pytest.mark.slow)])
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


@pytest.mark.slow
def test_a_stiff_fixed_step_is_stiff_and_the_solver_that_the_text_names_solves_it():
    run = ro.integrate(summed(a=-1e9), None, np.ones(2), ts=np.arange(60.0), solver=diffrax.Euler(), throw=False)
    assert run.result == ro.RESULTS.stiff
    field = Relaxing(jnp.asarray(1e9))
    run = ro.integrate(field, None, np.zeros(2), ts=np.arange(3.0), solver=diffrax.Kvaerno5())
    # it follows cos t within 1/rate
    np.testing.assert_allclose(run.states[1:], np.cos([[1.0, 1.0], [2.0, 2.0]]), rtol=0, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(("c", "s"), [(1.0, 1.0), (2.0**-20, 2.0**20)])
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


class Relaxing(eqx.Module):
    rate: jax.Array

    def __call__(self, t, h, path):
        return self.rate * (jnp.cos(t) - h)


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
