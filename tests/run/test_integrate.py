"""Running a field: against closed forms at and between the samples, how runs end, and what bad input gets."""

import itertools

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg

import rnn_ode as ro
from rnn_ode._run.dopri8 import Dopri8

T, DT = 8, 0.5
RNG = np.random.default_rng(0)
XS = RNG.normal(size=(T, 1))
A = np.array([[-0.4, 1.0], [-0.8, -0.1]])
B = np.array([[1.0], [0.5]])
C = np.array([0.2, -0.3])
H0 = np.array([1.0, -0.5])
STAMPS = DT * np.arange(1, T + 1)

# `Textbook` at dt = 1 is dh/dt = W h + W⁻¹ (W_x x + b): any linear system, its input read at t
LINEAR = ro.to_ode(ro.VanillaCell(A, A @ B, A @ C, activation=None), ro.Textbook())

SAMPLES = np.concatenate([[0.0], STAMPS])
TIMES = {  # nine of them each: one compilation
    "the samples": SAMPLES,
    "between them": np.linspace(0.0, 4.0, 9) ** 2 / 4,
    "from the middle of a step": 1.3 + np.linspace(0.0, 1.4, 9),
    "inside one step": 1.6 + np.linspace(0.0, 0.35, 9),
    "from one sample": np.concatenate([[1.5], 1.5 + np.geomspace(1e-3, 2.3, 8)]),
    "before and beyond the samples": np.linspace(-2.3, 7.9, 9),
    "before only": np.linspace(-5.0, -1.1, 9),
    "beyond only": np.linspace(4.2, 11.0, 9),
    "a hair to either side of a sample": np.array([0.0, 1 - 1e-9, 1.0, 1 + 1e-9, 2.0, 3.0, 3.5, 4 - 1e-9, 4 + 1e-9]),
}


def held(t):
    return XS[np.clip(int(np.floor(t / DT)), 0, T - 1)]


def interpolated(t):
    return np.array([np.interp(t, STAMPS, XS[:, 0])])


def breakpoints(start, end):
    return np.unique(np.clip([start, *SAMPLES, end], start, end))


def closed_form(reading, ts):
    """dh/dt = A h + B x(t) + c by matrix exponentials, over intervals in which the input is a line."""
    states = [H0]
    for start, end in itertools.pairwise(ts):
        h, points = states[-1], breakpoints(start, end)
        for a, b in itertools.pairwise(points):
            u, v = (B @ reading(a + f * (b - a)) + C for f in (0.25, 0.75))
            slope = (v - u) / ((b - a) / 2)
            block = np.zeros((4, 4))
            block[:2, :2], block[:2, 2], block[:2, 3], block[2, 3] = A, slope, u - slope * (b - a) / 4, 1
            h = (scipy.linalg.expm(block * (b - a)) @ np.concatenate([h, [0, 1]]))[:2]
        states.append(h)
    return np.array(states)


def by_scipy(rate, ts, h0=H0):
    """A nonlinear field by DOP853 at 1e-12, started again at every sample."""
    states = [h0]
    for start, end in itertools.pairwise(ts):
        h, points = states[-1], breakpoints(start, end)
        for a, b in itertools.pairwise(points):
            middle = (a + b) / 2
            run = scipy.integrate.solve_ivp(
                lambda t, h, middle=middle: rate(t, h, held(middle)), (a, b), h, "DOP853", rtol=1e-12, atol=1e-13
            )
            h = run.y[:, -1]
        states.append(h)
    return np.array(states)


def saturating(t, h, path):
    return jnp.tanh(jnp.array(A.tolist()) @ h) + path(t) - 0.3 * h**3 + jnp.cos(2 * t)


def saturating_by_hand(t, h, x):
    return np.tanh(A @ h) + x - 0.3 * h**3 + np.cos(2 * t)


# against closed forms


@pytest.mark.slow
@pytest.mark.parametrize("times", TIMES)
def test_held_input_meets_the_closed_form_at_any_times(times):
    ts = TIMES[times]
    run = ro.integrate(LINEAR, ro.Hold(XS, DT), H0, ts=ts)
    assert np.array_equal(run.ts, ts)
    np.testing.assert_allclose(run.states, closed_form(held, ts), rtol=1e-9, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("times", TIMES)
def test_linear_input_meets_the_closed_form_at_any_times(times):
    ts = TIMES[times]
    run = ro.integrate(LINEAR, ro.Linear(XS, DT), H0, ts=ts)
    np.testing.assert_allclose(run.states, closed_form(interpolated, ts), rtol=1e-9, atol=1e-10)


@pytest.mark.slow
def test_no_times_are_the_start_and_the_stamps():
    path = ro.Hold(XS, DT)
    run, again = ro.integrate(LINEAR, path, H0), ro.integrate(LINEAR, path, H0, ts=SAMPLES)
    np.testing.assert_allclose(run.ts, SAMPLES, rtol=1e-15)
    np.testing.assert_allclose(run.states, closed_form(held, SAMPLES), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(run.states, again.states, rtol=1e-13)
    assert run.result == again.result == ro.RESULTS.successful
    assert run.stats["num_steps"] == again.stats["num_steps"]
    traced = jax.jit(lambda xs: ro.integrate(LINEAR, ro.Hold(xs, DT), H0, ts=SAMPLES, throw=False).states)(XS)
    np.testing.assert_allclose(run.states, traced, rtol=1e-13)


@pytest.mark.slow
def test_a_nonlinear_field_that_knows_the_time_meets_scipy():
    ts = TIMES["between them"]
    run = ro.integrate(saturating, ro.Hold(XS, DT), H0, ts=ts)
    np.testing.assert_allclose(run.states, by_scipy(saturating_by_hand, ts), rtol=1e-8, atol=1e-9)


@pytest.mark.slow
def test_the_first_stamp_moves_the_whole_run():
    ts = TIMES["between them"]
    run = ro.integrate(lambda t, h, path: path(t) * h, ro.Hold(XS, DT, t0=10.0), H0, ts=ts + 10 - DT)
    cumulated = np.concatenate([[0], np.cumsum(XS[:, 0]) * DT])
    wanted = H0 * np.exp(np.interp(ts, SAMPLES, cumulated))[:, None]
    np.testing.assert_allclose(run.states, wanted, rtol=1e-9)


@pytest.mark.slow
def test_no_path_and_a_plain_function():
    ts = TIMES["between them"]
    run = ro.integrate(lambda t, h, path: jnp.cos(t) * jnp.ones(2), None, H0, ts=ts)
    np.testing.assert_allclose(run.states, H0 + np.sin(ts)[:, None], atol=1e-9)
    run = ro.integrate(lambda t, h, path: path(t) - h, lambda t: jnp.cos(t)[None], np.zeros(1), ts=ts)
    np.testing.assert_allclose(run.states[:, 0], (np.cos(ts) + np.sin(ts) - np.exp(-ts)) / 2, atol=1e-9)


@pytest.mark.slow
def test_float32(float32):
    # of its own type: JAX 0.12 has been seen to give an array met in float64 again in float64
    xs, h0, *weights = (v.astype(np.float32) for v in (XS, H0, A, A @ B, A @ C))
    field = ro.to_ode(ro.VanillaCell(*weights, activation=None), ro.Textbook())
    run = ro.integrate(field, ro.Hold(xs, DT), h0)
    assert run.states.dtype == run.ts.dtype == jnp.float32
    np.testing.assert_allclose(run.states, closed_form(held, SAMPLES), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128"])
def test_the_default_solver_steps_as_that_of_diffrax(dtype):
    """One step of each from the same state, their solutions and their errors apart by rounding only."""
    kind = jnp.dtype(dtype)
    eps, clock = float(jnp.finfo(kind).eps), jnp.finfo(kind).dtype
    A = jnp.asarray(RNG.normal(size=(3, 3)), kind)
    y0 = (jnp.asarray(RNG.normal(size=3), kind), jnp.asarray(RNG.normal(size=(2, 2)), kind))
    term = diffrax.ODETerm(lambda t, y, A: (jnp.tanh(A @ y[0]) * jnp.cos(t), jnp.sin(y[1]) - t * y[0][:2, None]))
    t0, t1 = jnp.asarray(0.3, clock), jnp.asarray(0.8, clock)

    def step(solver):
        state = solver.init(term, t0, t1, y0, A)
        y1, error, _, _, result = solver.step(term, t0, t1, y0, A, state, made_jump=False)
        assert result == diffrax.RESULTS.successful
        return y1, error

    ours, theirs = (eqx.filter_jit(step)(solver) for solver in (Dopri8(), diffrax.Dopri8()))
    assert Dopri8().order(term) == diffrax.Dopri8().order(term) == 8
    # fourteen stages whose weights reach a few hundred, of rates of order one
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e3 * eps)


@pytest.mark.slow
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


# steps, and what is kept of them


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
    assert run.stats["num_rejected_steps"] == 0


@pytest.mark.slow
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


@pytest.mark.slow
def test_tolerances_are_of_a_step():
    path = ro.Hold(XS, DT)
    loose, tight = (ro.integrate(LINEAR, path, H0, solver=diffrax.Bosh3(), rtol=tol, atol=tol) for tol in (1e-3, 1e-8))
    error = [np.max(np.abs(run.states - closed_form(held, SAMPLES))) for run in (loose, tight)]
    assert error[1] < 1e-6 < error[0] < 1e-2
    assert loose.stats["num_steps"] < tight.stats["num_steps"]


# how runs end


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


# states of any kind


@pytest.mark.slow
def test_complex_states_are_real_at_the_samples():
    cell = ro.VanillaCell([[-0.6, 0.3], [0.1, 0.5]], [[1.0], [-1.0]], [0.1, 0.2], activation=None)
    run = ro.integrate(ro.to_ode(cell, ro.Exact(complex=True)), ro.Hold(XS), H0)
    assert run.states.dtype == jnp.complex128
    np.testing.assert_allclose(run.states, ro.iterate(cell, XS, H0).states, rtol=1e-9, atol=1e-10)


@pytest.mark.slow
def test_states_may_be_pytrees():
    cell = eqx.nn.LSTMCell(1, 2, key=jax.random.key(0))
    field = ro.to_ode(cell, ro.Forward(1))
    h0 = (H0, np.array([0.3, 0.1]))
    run = ro.integrate(field, ro.Hold(XS, DT), h0)
    assert jax.tree.structure(run.states) == jax.tree.structure(h0)
    step = eqx.filter_jit(cell)

    def rate(t, v, x):
        return np.concatenate(step(x, (v[:2], v[2:]))) - v

    wanted = by_scipy(rate, SAMPLES, np.concatenate(h0))
    np.testing.assert_allclose(np.concatenate(run.states, axis=1), wanted, rtol=1e-8, atol=1e-9)


# a field is diffrax's


AFFINE = ro.VanillaCell([[0.6, 0.3], [-0.2, 0.7]], [[1.0], [-0.5]], [0.1, 0.2], activation=None)
TANH = ro.VanillaCell([[0.6, 0.3], [-0.2, 0.7]], [[1.0], [-0.5]], [0.1, 0.2], activation=jnp.tanh)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "method"),
    [(AFFINE, m) for m in (ro.Textbook(), ro.Forward(2), ro.Backward(2), ro.Tustin(), ro.Exact())]
    + [(TANH, m) for m in (ro.Forward(3), ro.Backward(1), ro.Tustin(), ro.Exact())],
    ids=lambda value: getattr(value, "label", "affine" if value is AFFINE else "tanh"),
)
def test_every_field_solves_under_plain_diffrax(cell, method):
    field, path = ro.to_ode(cell, method, dt=DT), ro.Cubic(XS, DT)
    run = diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        diffrax.Tsit5(),
        0.0,
        4.0,
        0.1,
        jnp.asarray(H0),
        args=path,
        saveat=diffrax.SaveAt(ts=SAMPLES),
        stepsize_controller=diffrax.PIDController(1e-9, 1e-10),
    )
    wanted, rate = [H0], jax.jit(lambda t, h: field(t, h, path))
    for start in SAMPLES[:-1]:  # the classical Runge–Kutta method, 40 steps a sample
        h, step = wanted[-1], DT / 40
        for t in start + step * np.arange(40):
            k1 = rate(t, h)
            k2 = rate(t + step / 2, h + step / 2 * k1)
            k3 = rate(t + step / 2, h + step / 2 * k2)
            h = h + step / 6 * (k1 + 2 * k2 + 2 * k3 + rate(t + step, h + step * k3))
        wanted.append(np.asarray(h))
    np.testing.assert_allclose(run.ys, wanted, rtol=1e-6, atol=1e-7)


# bad input


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"ts": [0.0, 2.0, 1.0]},
            ValueError,
            r"ts must increase .*; ts\[1\] = 2\.0 and ts\[2\] = 1\.0 are out of order",
        ),
        (
            {"ts": [0.0, 1.0, 1.0]},
            ValueError,
            r"ts must increase .*; ts\[1\] = 1\.0 and ts\[2\] = 1\.0 are a duplicate",
        ),
        ({"ts": []}, ValueError, r"ts must hold at least one time; it is empty"),
        ({"ts": [[0.0, 1.0]]}, ValueError, r"ts must have shape \(n,\); got \(1, 2\)"),
        ({"ts": [0.0, np.inf]}, ValueError, r"ts must be finite"),
        ({"h0": np.ones(3)}, ValueError, r"h0 must have shape \(2,\) for this LinearField; got \(3,\)"),
        ({"h0": np.array([1, np.nan])}, ValueError, r"h0 must be finite; 1 of 2 entries are not"),
        ({"h0": None}, ValueError, r"h0 must hold at least one array; got None"),
        (
            {"field": lambda t, h, path: h[:1]},
            ValueError,
            r"dh/dt in the shape of h; h has \[2\], the field returned \[1\]",
        ),
        (
            {"field": lambda t, h, path: (h, h)},
            ValueError,
            r"dh/dt in the shape of h; h has \[2\], the field returned \(",
        ),
        ({"field": 1.0}, TypeError, r"field must be a callable field\(t, h, path\); got 1\.0"),
        ({"path": None}, ValueError, r"ts must be given for a path without samples \(NoneType\)"),
        ({"path": jnp.cos}, ValueError, r"ts must be given for a path without samples"),
        ({"rtol": 0.0}, ValueError, r"rtol must be positive; got 0\.0"),
        ({"atol": -1e-3}, ValueError, r"atol must be positive; got -0\.001"),
        ({"rtol": np.nan}, ValueError, r"rtol must be positive; got nan"),
        ({"rtol": "low"}, TypeError, r"rtol must be a number; got 'low'"),
        ({"path": XS, "ts": [0.0, 1.0]}, TypeError, r"path must be .* got ndarray. Samples .* Hold\(xs\)"),
        ({"path": ro.Hold(np.ones((2, 3)))}, ValueError, r"samples of shape \(1,\) for this field; they are \(3,\)"),
        ({"adjoint": "x"}, TypeError, r"adjoint must be one of diffrax's"),
        ({"save": 3}, TypeError, r"save must be a callable save\(h\); got 3"),
        ({"max_steps": 0}, ValueError, r"max_steps must be at least 1; got 0"),
        ({"max_steps": 1.5}, TypeError, r"max_steps must be a whole number, .* got 1\.5"),
        (
            {"solver": diffrax.Tsit5},
            TypeError,
            r"solver must be a diffrax solver, such as diffrax\.Tsit5\(\); got <class",
        ),
    ],
)
def test_bad_arguments_are_named(options, error, message, as_user):
    arguments = {"field": LINEAR, "path": ro.Hold(XS, DT), "h0": H0} | options
    with pytest.raises(error, match=message):
        ro.integrate(**arguments)


@pytest.mark.slow
@pytest.mark.parametrize("h0", [0.0, 1.0])
def test_a_linear_overflow_is_one_from_rest_too(h0):
    cell = ro.VanillaCell([[800.0]], [[1.0]], [0.0], activation=None)
    run = ro.integrate(ro.to_ode(cell, ro.Textbook()), ro.Hold(np.ones((3, 1))), np.full(1, h0), throw=False)
    assert run.result == ro.RESULTS.left_float_range


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("W", "method"),
    [
        (np.array([[-(3**0.5), -1.0], [1.0, -(3**0.5)]]) / 2, ro.Exact()),
        (np.array([[-1.05]]), ro.Exact(complex=True)),
    ],
    ids=["rotation by 150°", "sign change"],
)
def test_long_runs_of_linear_fields_meet_the_network(W, method):
    steps, n = 1000, len(W)
    cell = ro.VanillaCell(W, np.ones((n, 1)), np.zeros(n), activation=None)
    xs, h0 = np.random.default_rng(0).normal(size=(steps, 1)), np.ones(n)
    network = np.asarray(ro.iterate(cell, xs, h0).states)
    run = ro.integrate(ro.to_ode(cell, method), ro.Hold(xs), h0)
    assert np.max(np.abs(run.states - network)) < 1e-10 * np.max(np.abs(network))
    assert int(run.stats["num_steps"]) < 20 * steps


# why a run ended


class Sum(eqx.Module):
    """dh/dt = a h + b h² + c log(d − t) + e sign(h) + f (h₂, −h₁): one field, compiled once, for every way to end."""

    a: jax.Array
    b: jax.Array
    c: jax.Array
    d: jax.Array
    e: jax.Array
    f: jax.Array

    def __call__(self, t, h, path):
        logs = jnp.log(jnp.where(self.c == 0, 1, self.d - t))
        turned = jnp.stack([h[1], -h[0]])
        return self.a * h + self.b * h**2 + self.c * logs + self.e * jnp.sign(h) + self.f * turned


def summed(**terms):
    return Sum(*(jnp.asarray(terms.get(name, 0.0), float) for name in "abcdef"))


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


@pytest.mark.slow
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


# units


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("start", [[0.0, 0.0], [0.3, -0.7]], ids=["from rest", "from a state"])
def test_units_of_time_and_state_change_nothing_else(dtype, start):
    """Powers of two, so that every rounding is the same, and every step."""

    def states(c, s):
        # with t in the field, and a component that passes through zero
        field = eqx.tree_at(
            lambda f: (f.a, f.b, f.f),
            summed(),
            tuple(jnp.asarray(value, dtype) for value in (-0.3 / c, 0.2 / (c * s), 2.0 / c)),
        )
        path = ro.Hold(np.asarray(s / c * XS, dtype), float(c))
        run = ro.integrate(
            Driven(field), path, np.asarray(start, dtype) * dtype(s), ts=c * np.array([0.0, 0.7, 2.0, 5.0])
        )
        return np.asarray(run.states) / s, int(run.stats["num_steps"])

    wanted, steps = states(1.0, 1.0)
    for c, s in ((1.0, 2.0**20), (1.0, 2.0**-20), (2.0**20, 2.0**-20), (2.0**-20, 1.0)):
        got, taken = states(c, s)
        assert taken == steps
        np.testing.assert_array_equal(got, wanted)


class Driven(eqx.Module):
    field: Sum

    def __call__(self, t, h, path):
        return self.field(t, h, None) + path(t)


class Turning(eqx.Module):
    """An oscillation whose components have units of their own."""

    units: jax.Array

    def __call__(self, t, h, path):
        a, b = h / self.units
        return self.units * jnp.stack([b, -a])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "units", "tolerance"),
    # measured: 2e-11 and 3e-11; 2e-5 and 4e-5
    [
        (np.float64, (1.0, 1.0), 1e-10),
        (np.float64, (1e-6, 65.0), 1e-10),
        (np.float32, (1.0, 1.0), 1e-4),
        (np.float32, (0.065, 1.0), 1e-4),
        (np.float32, (1e-6, 1e-6), 1e-4),
    ],
)
def test_every_component_has_the_accuracy_of_its_own_size(dtype, units, tolerance):
    ts = np.linspace(0, 10, 11)
    units = np.asarray(units, dtype)
    run = ro.integrate(Turning(jnp.asarray(units)), None, units * np.asarray([0, 1], dtype), ts=ts)
    wanted = np.stack([np.sin(ts), np.cos(ts)], axis=1)
    assert np.max(np.abs(np.asarray(run.states, float) / units - wanted)) < tolerance


def test_a_zero_field_from_zero_stays_there():
    run = ro.integrate(summed(), None, np.zeros(2), ts=np.arange(3.0))
    np.testing.assert_array_equal(run.states, 0)


# times


def test_large_host_times_keep_their_differences_in_float32(float32):
    ts = 1.6e9 + np.array([0.0, 0.1, 0.3])
    run = ro.integrate(summed(a=-1.0), None, np.ones(2, np.float32), ts=ts)
    np.testing.assert_allclose(run.states[:, 0], np.exp([0, -0.1, -0.3]), rtol=1e-5)  # the default rtol
    ts = 1e6 + 0.1 * np.arange(101)
    run = ro.integrate(summed(a=-1.0), None, np.ones(2, np.float32), ts=ts)
    np.testing.assert_allclose(run.states[-1], np.exp(-10), rtol=1e-4)


BAD_TIMES = [
    ([1.0, 0.5, 0.0], 1),
    ([0.0, 1.0, 1.0], 2),
    ([0.0, np.nan, 1.0], 1),
    ([np.nan, 0.0, 1.0], 0),
    ([0.0, 1.0, np.inf], 2),
    ([0.0, 2.5, 2.25], 2),
]


@pytest.mark.parametrize("path", [None, ro.Hold(XS, DT)], ids=["no samples", "samples"])
def test_traced_times_that_do_not_increase_are_told(path):
    field = summed(a=-1.0)
    run = jax.jit(jax.vmap(lambda ts: ro.integrate(field, path, jnp.ones(2), ts=ts, throw=False)))
    rows = np.array([ts for ts, _ in BAD_TIMES] + [[0.0, 0.5, 2.0]])
    got = run(rows)
    bad = np.asarray(got.result == ro.RESULTS.times_not_increasing)
    assert bad.tolist() == [True] * len(BAD_TIMES) + [False]
    assert bool(jax.tree.map(lambda leaf: leaf[-1], got.result) == ro.RESULTS.successful)
    for states, ts, kept in zip(got.states, rows, [k for _, k in BAD_TIMES] + [3], strict=True):
        np.testing.assert_allclose(states[:kept, 0], np.exp(-(ts - ts[0]))[:kept], rtol=1e-9)
        assert np.all(np.isinf(states[kept:]))
    with pytest.raises(Exception, match="do not increase strictly"):
        jax.jit(lambda ts: ro.integrate(field, path, jnp.ones(2), ts=ts).states)(rows[0]).block_until_ready()
    with pytest.raises(ValueError, match=r"ts must increase strictly; ts\[0\] = 1\.0"):  # h0 alone is traced
        jax.jit(lambda h0: ro.integrate(field, path, h0, ts=rows[0]).states)(jnp.ones(2))
