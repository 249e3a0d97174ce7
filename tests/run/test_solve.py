"""The steps of a solver from interval to interval: how many, and what is kept of them."""

import itertools

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear_system import DT, H0, LINEAR, SAMPLES, TIMES, XS, A, B, C, T, closed_form, held, summed

import rnn_ode as ro
from rnn_ode._run import solve
from rnn_ode._run.integrate import integrate_samples
from rnn_ode._run.intervals import Interval


@pytest.mark.gate
def test_an_implicit_solver():
    stiff = jnp.array([-1000.0, -1.0])
    run = ro.integrate(
        lambda t, h, path: stiff * (h - path(t)), ro.Hold(XS, DT), H0, solver=diffrax.Kvaerno5(), rtol=1e-7, atol=1e-9
    )
    h = H0
    for row, x in zip(run.states[1:], XS, strict=True):
        h = x + (h - x) * np.exp(np.asarray(stiff) * DT)
        np.testing.assert_allclose(row, h, atol=1e-6)
    assert run.stats["num_steps"] < 1000


@pytest.mark.parametrize("solver", [None, diffrax.Tsit5(), pytest.param(diffrax.Kvaerno5(), marks=pytest.mark.slow)])
def test_an_adaptive_solve_never_calls_the_host(solver):
    """JAX keeps no program in its compile cache that calls the host."""

    def field(t, h, path):
        return jnp.tanh(LINEAR(t, h, path))

    def states(h0):
        return ro.integrate(field, ro.Linear(XS, DT), h0, solver=solver, throw=False).states

    assert "callback" not in str(jax.make_jaxpr(states)(H0))


def euler(**options):
    return ro.integrate(LINEAR, ro.Hold(XS, DT), H0, solver=diffrax.Euler(), **options)


def euler_by_hand(points):
    h = [H0]
    for a, b in itertools.pairwise(points):
        h.append(h[-1] + (b - a) * (A @ h[-1] + B @ held((a + b) / 2) + C))
    return np.array(h)


@pytest.mark.slow
def test_a_fixed_step_solver_takes_one_step_a_sample_and_save_keeps_what_it_returns():
    run = euler(save=lambda h: {"all": h, "sum": h.sum(), "up": h[0] > 0})
    wanted = euler_by_hand(SAMPLES)
    np.testing.assert_allclose(run.states["all"], wanted, rtol=1e-12)
    np.testing.assert_allclose(run.states["sum"], wanted.sum(axis=1), rtol=1e-12)
    assert np.array_equal(run.states["up"], wanted[:, 0] > 0)
    assert run.stats["num_steps"] == run.stats["num_accepted_steps"] == T
    assert run.stats["num_rejected_steps"] == 0 and run.stats["max_steps"] == 65_536 + 64 * T  # its default


def test_a_fixed_step_solver_stops_at_samples_and_times_alike():
    ts = TIMES["from the middle of a step"]
    run = euler(ts=ts)
    points = np.unique(np.concatenate([ts, [1.5, 2.0, 2.5]]))
    np.testing.assert_allclose(run.states[-1], euler_by_hand(points)[-1], rtol=1e-12)
    assert run.stats["num_steps"] == len(points) - 1


@pytest.mark.slow
def test_steps_run_out_in_total():
    run = euler(max_steps=T - 2, throw=False)
    assert run.result == ro.RESULTS.max_steps_reached
    assert run.stats["max_steps"] == T - 2
    np.testing.assert_allclose(run.states[: T - 1], euler_by_hand(SAMPLES)[: T - 1], rtol=1e-12)
    assert np.all(np.isinf(run.states[T - 1 :]))
    with pytest.raises(eqx.EquinoxRuntimeError, match=r"maximum number of solver steps"):
        euler(max_steps=T - 2)


@pytest.mark.parametrize("budget", [T, T - 2])
def test_samples_of_a_linear_field_count_as_steps(budget):
    """They are solved exactly, without a solver."""
    run = ro.integrate(LINEAR, ro.Hold(XS, DT), H0, max_steps=budget, throw=False)
    assert run.result == (ro.RESULTS.successful if budget == T else ro.RESULTS.max_steps_reached)
    assert run.stats["num_steps"] == run.stats["num_accepted_steps"] == run.stats["max_steps"] == budget
    assert run.stats["num_rejected_steps"] == 0
    np.testing.assert_allclose(run.states[: budget + 1], closed_form(held, SAMPLES)[: budget + 1], rtol=1e-11)
    assert np.all(np.isinf(run.states[budget + 1 :]))


@pytest.mark.slow
def test_the_stamps_of_a_path_are_no_other_times():
    path = ro.Hold(XS, DT)
    run = ro.integrate(LINEAR, path, H0, ts=path.times)
    assert run.stats["num_steps"] == T
    np.testing.assert_allclose(run.states, closed_form(held, SAMPLES), rtol=1e-11)


def test_samples_after_the_first_few_are_not_run():
    run = jax.jit(
        lambda count: integrate_samples(
            LINEAR, ro.Hold(XS, DT), jnp.asarray(H0), count, diffrax.Euler(), None, None, None
        )
    )
    for count in (0, 3, T):
        wanted = euler_by_hand(SAMPLES)[np.minimum(np.arange(T + 1), count)]
        np.testing.assert_allclose(run(jnp.asarray(count)), wanted, rtol=1e-12)


@pytest.mark.slow
def test_steps_may_be_used_up():
    assert euler(max_steps=T).result == ro.RESULTS.successful


@pytest.mark.slow
def test_an_adaptive_run_ends_where_its_steps_do():
    path = ro.Hold(XS, DT)
    whole = ro.integrate(LINEAR, path, H0)
    run = ro.integrate(LINEAR, path, H0, max_steps=int(whole.stats["num_steps"]) // 2, throw=False)
    assert run.result == ro.RESULTS.max_steps_reached
    finite = np.isfinite(run.states).all(axis=1)
    assert 1 < finite.sum() < T
    np.testing.assert_array_equal(run.states[finite], whole.states[finite])
    assert np.all(np.isinf(run.states[~finite]))


@pytest.mark.gate
@pytest.mark.parametrize("activation", [jnp.tanh, jax.nn.sigmoid], ids=lambda f: f.__name__)
def test_trial_steps_to_where_the_field_is_undefined_leave_the_gradient_alone(activation):
    """The first trial step of these runs ends where the activation is saturated and its Jacobian zero; it is refused."""

    @jax.jit
    def last(w):
        cell = ro.VanillaCell(w[None, None], jnp.ones((1, 1)), jnp.zeros(1), activation=activation)
        run = ro.integrate(ro.to_ode(cell, ro.Backward(1)), ro.Hold(jnp.ones((4, 1))), jnp.zeros(1), throw=False)
        return run.states[-1, 0]

    step = 1e-5
    for w in (0.3, 0.5):
        wanted = (last(w + step) - last(w - step)) / (2 * step)
        np.testing.assert_allclose(jax.grad(last)(w), wanted, rtol=1e-5)


@jax.jit
def _turning(speed, decay):
    """A turn that may decay, under twenty samples."""
    field = lambda t, h, path: speed * jnp.stack([-h[1], h[0]]) - decay * h  # noqa: E731
    run = ro.integrate(field, ro.Hold(np.zeros((20, 1))), jnp.array([1.0, 0.0]), max_steps=2000, throw=False)
    return run.stats, run.result


@pytest.mark.slow
def test_an_interval_begins_with_steps_as_long_as_those_of_the_last():
    """A first step that is too long for a turn is refused in the first interval alone. A slow turn takes one step in each."""
    (fast, _), (slow, _) = _turning(1.0, 0.0), _turning(0.01, 0.0)
    assert fast["num_accepted_steps"] > 40 and fast["num_rejected_steps"] < 5
    assert slow["num_steps"] < 25


@pytest.mark.slow
def test_a_decay_that_uses_up_the_steps_is_stiff_and_a_turn_is_not():
    """Both need more than 2000 steps an interval, and an implicit solver would take longer ones of the decay alone."""
    assert _turning(0.0, 1e5)[1] == ro.RESULTS.stiff and _turning(1e5, 0.0)[1] == ro.RESULTS.max_steps_reached


TRACED, ASKED = [], []


class Logarithm(eqx.Module):
    """dh/dt = log h, which is not defined everywhere and says so. It notes when it is traced, and where it is asked."""

    partial: bool = eqx.field(static=True, default=True)

    def __call__(self, t, h, path):
        TRACED.append(h)
        jax.debug.callback(ASKED.append, h)
        return jnp.log(h)


def of_logarithm(h0):
    """Ten intervals, of which one has a length."""
    path, ts = ro.Hold(np.zeros((8, 1))), np.array([0.25, 0.5])
    return ro.integrate(Logarithm(), path, np.full(1, h0), ts=ts, solver=diffrax.Euler(), throw=False)


@pytest.mark.slow
def test_a_field_that_is_not_defined_everywhere_is_solved_only_where_time_passes():
    """Such a field may take long: those of `Exact` have a logarithm of a matrix at every state."""
    ASKED.clear()
    ended = of_logarithm(0.1)  # at −0.48, where the field is not defined; nothing is left to solve
    jax.effects_barrier()
    assert ended.result == ro.RESULTS.successful and ended.stats["num_steps"] == 1
    np.testing.assert_allclose(ended.states[:, 0], [0.1, 0.1 + np.log(0.1) / 4], rtol=1e-14)
    assert len(ASKED) == 10 + 1  # in each interval whether it is defined there, and the step
    undefined = of_logarithm(-1.0)
    assert undefined.result == ro.RESULTS.field_undefined and undefined.stats["num_steps"] == 0
    np.testing.assert_array_equal(undefined.states[:, 0], [-1.0, np.inf])


@pytest.mark.slow
def test_a_second_run_of_a_field_traces_nothing():
    of_logarithm(1.0)
    TRACED.clear()
    assert of_logarithm(2.0).states[1, 0] == 2 + np.log(2.0) / 4 and not TRACED


@pytest.mark.parametrize(
    ("solver", "atol", "wanted"), [(diffrax.Kvaerno5(), None, 5e-5), (diffrax.Kvaerno5(), 1e-7, 1e-7)]
)
def test_an_implicit_solver_from_zero_has_a_tolerance_by_how_far_its_field_moves_it(solver, atol, wanted):
    """A hundredth of rtol, of the size of the state: a field of 5 over an interval of 1."""
    segment = jnp.asarray(0), jnp.asarray(0.0), jnp.asarray(1.0)
    interval = Interval.of(lambda t, h, path: path(t), ro.Hold(np.full((2, 1), 5.0)), segment)
    tolerances = jnp.asarray(1e-3), None if atol is None else jnp.asarray(atol)
    controller = solve._controller(solver, tolerances, interval, solve._Progress.begin(jnp.zeros(1)))
    np.testing.assert_allclose(controller.atol, wanted, rtol=1e-12)


@pytest.mark.slow
def test_a_zero_field_from_zero_stays_there():
    run = ro.integrate(summed(), None, np.zeros(2), ts=np.arange(3.0))
    np.testing.assert_array_equal(run.states, 0)


@pytest.mark.slow
def test_why_a_run_failed_is_asked_only_if_it_failed(monkeypatch):
    asked = []
    monkeypatch.setattr(solve, "_diagnosed", lambda *args: asked.append(args) or args[5])
    assert euler().result == ro.RESULTS.successful and not asked
    assert euler(max_steps=T - 2, throw=False).result == ro.RESULTS.max_steps_reached and len(asked) == 1
