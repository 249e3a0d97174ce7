"""Why a counterpart's run is missing, and why it ended."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from parts import Step
from telling import telling
from weights import drawn

import rnn_ode as ro
from rnn_ode._reports.counterparts import _effort, _out_of_steps, _undefined, run_counterpart, why_ended
from rnn_ode._run.trajectory import Trajectory

XS = np.sin(0.4 * np.arange(12.0))[:, None]
RELU = ro.VanillaCell(0.5 * np.eye(2), np.ones((2, 1)), np.zeros(2))


def ended(result, rows=2, dtype=float):
    """A run of four times that ended so after the first rows."""
    states = np.where(np.arange(4)[:, None] < rows, 1.0, np.inf) * np.ones(2)
    return Trajectory(jnp.arange(4.0), jnp.asarray(states, dtype), getattr(ro.RESULTS, result), {})


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("left_float_range", "left the float range after t = 1"),
        ("not_a_number", "not a number after t = 1"),
        ("field_undefined", "the field is not finite shortly after t = 1"),
        ("max_steps_reached", "stopped after t = 1: out of solver steps"),
        ("stiff", "stopped after t = 1: the field is stiff; ro.integrate can solve it with solver=diffrax.Kvaerno5()"),
        ("step_vanished", "stopped after t = 1: the solution runs off to infinity there, or the field jumps"),
    ],
)
def test_each_way_to_end_is_told_in_words(result, words):
    assert why_ended(ended(result)) == words
    in_single = why_ended(ended(result, dtype=jnp.float32))
    more_digits = result in ("left_float_range", "step_vanished")
    assert in_single == words + " (in float32; float64 may go on)" * more_digits


def test_a_complete_run_needs_no_reason_and_an_early_end_has_the_last_finite_time():
    assert why_ended(ended("successful", 4)) == ""
    assert why_ended(ended("not_a_number", 1)) == "not a number after t = 0"
    assert why_ended(ended("rounding_too_large", 3)) == f"{ro.RESULTS[ro.RESULTS.rounding_too_large]} (t = 2)"


def test_the_effort_grows_with_the_samples_and_is_less_for_fields_that_may_not_exist():
    affine = ro.VanillaCell(RELU.W_h, RELU.W_x, RELU.b, None)
    smooth, partial = ro.to_ode(RELU, ro.Forward(1)), ro.to_ode(RELU, ro.Backward(1))
    h0 = jnp.zeros(2)
    assert _effort(ro.to_ode(affine, ro.Forward(1)), h0, 10) == {}
    assert _effort(smooth, h0, 10) == {"rtol": 1e-8, "max_steps": 4096}
    assert _effort(smooth, h0, 100) == {"rtol": 1e-8, "max_steps": 6400}
    assert _effort(partial, h0, 10) == {"rtol": 1e-6, "max_steps": 1024}
    assert _effort(partial, h0, 100) == {"rtol": 1e-6, "max_steps": 1600}
    assert _effort(smooth, h0.astype(jnp.float32), 10)["rtol"] == 1e-5


def test_a_flow_that_cannot_start_is_missing_with_the_reason():
    off, h0 = -jnp.ones((3, 1)), jnp.zeros(2)
    assert run_counterpart(RELU, ro.Exact(), off, h0, 1.0) == (None, "does not exist here: zero multiplier at t = 0")
    negative = ro.VanillaCell([[-0.5]], [[1.0]], [0.0], jnp.tanh)
    missing, why = run_counterpart(negative, ro.Exact(), jnp.zeros((3, 1)), jnp.zeros(1), 1.0)
    assert missing is None and "the local step's" in why and why.endswith(" at t = 0")
    singular = ro.VanillaCell(np.diag([0.5, 0.0]), np.ones((2, 1)), np.zeros(2), None)
    missing, why = run_counterpart(singular, ro.Exact(), off, h0, 1.0)
    assert missing is None and why.startswith("does not exist here: W_h is singular")
    lstm = drawn(eqx.nn.LSTMCell, 1, 1)
    missing, why = run_counterpart(lstm, ro.Textbook(), off, (jnp.zeros(1), jnp.zeros(1)), 1.0)
    assert missing is None and why.startswith("does not exist here: ") and "VanillaCell" in why


def test_a_flow_that_stops_existing_says_where_and_which_multiplier():
    """The run has finite rows at t = 0 and 1; the input of the step from t = 1 on decides."""
    run = ended("field_undefined")
    for inputs, wanted in (
        ([1, 1, 1], "does not exist here from shortly after t = 1"),
        ([1, -5, 1], "does not exist here: zero multiplier at t = 1"),
        ([-5, 1, -5], "does not exist here from shortly after t = 1"),
    ):
        assert _undefined(RELU, ro.Exact(), jnp.asarray(inputs, float)[:, None], run) == wanted
    assert _undefined(RELU, ro.Exact(), -5 * jnp.ones((2, 1)), ended("field_undefined", 4)).endswith(" at t = 3")


def test_a_run_out_of_steps_tells_of_a_pole_nearby_and_what_to_do():
    run, xs = ended("max_steps_reached"), jnp.ones((3, 1))
    near, far = (ro.VanillaCell([[w]], [[0.0]], [1.0], jax.nn.relu) for w in (-1.02, 0.5))
    run = Trajectory(run.ts, run.states[:, :1] * 0 + 0.1, run.result, {})
    pole = _out_of_steps(near, ro.Tustin(), xs, run)
    assert pole.startswith("; the local step's multiplier -1.02 is near -1, a pole of tustin, ")
    assert pole.endswith("a method without a pole, such as forward:3, meets none")
    more = "; ro.integrate may go on with a larger max_steps"
    assert _out_of_steps(far, ro.Tustin(), xs, run) == _out_of_steps(near, ro.Forward(1), xs, run) == more


TURN = np.array([[0.0, -1.0], [1.0, 0.0]])


@pytest.mark.slow
@pytest.mark.parametrize("dtype", telling([np.float64, np.float32], np.float32))
@pytest.mark.parametrize(
    ("A", "reason"),
    [
        (0.5 * TURN, ""),
        (-40 * np.eye(2), ""),  # its flow decays by 41 a step: no reason to give up
        (-1e9 * np.eye(2), "the field is stiff"),
        (np.eye(2) + 1e7 * TURN, "out of solver steps"),  # turns, and does not decay
        (1e3 * np.eye(2), "left the float range"),
    ],
    ids=["smooth", "fast", "stiff", "turns", "grows"],
)
def test_a_row_says_why_its_run_ended(A, reason, dtype):
    """The runs of h' = (A − 1) h + x: each reason is given where it holds, and none where the run is complete."""
    cell = Step(jnp.asarray(A, dtype), jnp.zeros((2, 2), dtype), jnp.ones((), dtype))
    xs, h0 = np.asarray(XS[:6], dtype), jnp.ones(2, dtype)
    _, said = run_counterpart(cell, ro.Forward(1), jnp.asarray(xs), h0, 1.0)
    assert (reason in said) if reason else said == ""
