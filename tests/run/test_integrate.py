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
from linear_system import DT, H0, LINEAR, SAMPLES, STAMPS, TIMES, XS, A, B, C, breakpoints, closed_form, held
from weights import drawn

import rnn_ode as ro


def interpolated(t):
    return np.array([np.interp(t, STAMPS, XS[:, 0])])


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


@pytest.mark.gate
@pytest.mark.parametrize("times", TIMES)
def test_held_input_meets_the_closed_form_at_any_times(times):
    ts = TIMES[times]
    run = ro.integrate(LINEAR, ro.Hold(XS, DT), H0, ts=ts)
    assert np.array_equal(run.ts, ts)
    np.testing.assert_allclose(run.states, closed_form(held, ts), rtol=1e-9, atol=1e-10)


@pytest.mark.gate
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


@pytest.mark.gate
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


@pytest.mark.gate
def test_complex_states_are_real_at_the_samples():
    cell = ro.VanillaCell([[-0.6, 0.3], [0.1, 0.5]], [[1.0], [-1.0]], [0.1, 0.2], activation=None)
    run = ro.integrate(ro.to_ode(cell, ro.Exact(complex=True)), ro.Hold(XS), H0)
    assert run.states.dtype == jnp.complex128
    np.testing.assert_allclose(run.states, ro.iterate(cell, XS, H0).states, rtol=1e-9, atol=1e-10)


@pytest.mark.gate
def test_states_may_be_pytrees():
    cell = drawn(eqx.nn.LSTMCell, 1, 2)
    field = ro.to_ode(cell, ro.Forward(1))
    h0 = (H0, np.array([0.3, 0.1]))
    run = ro.integrate(field, ro.Hold(XS, DT), h0)
    assert jax.tree.structure(run.states) == jax.tree.structure(h0)
    step = eqx.filter_jit(cell)

    def rate(t, v, x):
        return np.concatenate(step(x, (v[:2], v[2:]))) - v

    wanted = by_scipy(rate, SAMPLES, np.concatenate(h0))
    np.testing.assert_allclose(np.concatenate(run.states, axis=1), wanted, rtol=1e-8, atol=1e-9)


AFFINE = ro.VanillaCell([[0.6, 0.3], [-0.2, 0.7]], [[1.0], [-0.5]], [0.1, 0.2], activation=None)
TANH = ro.VanillaCell([[0.6, 0.3], [-0.2, 0.7]], [[1.0], [-0.5]], [0.1, 0.2], activation=jnp.tanh)


@pytest.mark.gate
@pytest.mark.parametrize(
    ("cell", "method"),
    [(AFFINE, m) for m in (ro.Textbook(), ro.Exact())]
    + [(TANH, m) for m in (ro.Forward(3), ro.Backward(1), ro.Tustin())],
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
            r"dh/dt in the shape of h; h0 has \[2\], the field returned \[1\]",
        ),
        (
            {"field": lambda t, h, path: (h, h)},
            ValueError,
            r"dh/dt in the shape of h; h0 has \[2\], the field returned \(",
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


@pytest.mark.gate
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
