"""Schemes: the pairs that return the cell, and the orders of Runge–Kutta methods."""

import math

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
import pytest
import scipy.linalg
import scipy.optimize
from conversions import CELLS, STATES, XS, labelled, together

import rnn_ode as ro

PAIRS = [
    (ro.Forward(1), ro.Euler()),
    (ro.Backward(1), ro.BackwardEuler()),
    (ro.Tustin(), ro.Trapezoidal()),
    (ro.Exact(), ro.ExponentialEuler()),
]
PAIRED = [
    pytest.param(
        method,
        scheme,
        name,
        0.2 if name == "tanh" else 1.0,
        marks=[] if name == "affine" else pytest.mark.slow if name in ("tanh", "lstm") else pytest.mark.thorough,
    )
    for method, scheme in PAIRS
    for name in CELLS
    # test_conformance.py has the first pair of every cell; an LSTM's step has negative multipliers, and so its field no
    # logarithm
    if name in ("affine", "tanh") or not isinstance(method, ro.Forward | ro.Exact if name == "lstm" else ro.Forward)
]


@pytest.mark.parametrize(("method", "scheme", "name", "dt"), PAIRED, **labelled)
def test_a_pair_returns_the_cell(method, scheme, name, dt):
    cell, x, h = CELLS[name], jnp.asarray(XS[0]), jax.tree.map(jnp.asarray, STATES[name])
    again = jax.jit(lambda x, h: ro.to_rnn(ro.to_ode(cell, method, dt=dt), scheme, dt)(x, h))(x, h)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11), again, cell(x, h))


@pytest.mark.slow
def test_the_complex_exponential_pair_returns_the_cell_and_it_is_real():
    cell = ro.VanillaCell([[-0.6, 0.3], [0.1, 0.5]], [[1.0], [-1.0]], [0.1, 0.2], activation=None)
    again = ro.to_rnn(ro.to_ode(cell, ro.Exact(complex=True)), ro.ExponentialEuler())
    x, h = jnp.ones(1), jnp.array([0.4, -0.7])
    assert again(x, h).dtype == jnp.float64
    np.testing.assert_allclose(again(x, h), cell(x, h), rtol=1e-11)


KINDS = [ro.Hold, *(pytest.param(kind, marks=pytest.mark.slow) for kind in (ro.Linear, ro.Cubic, ro.BandLimited))]


@pytest.mark.gate
@pytest.mark.parametrize("kind", KINDS)
def test_euler_on_forward_1_is_the_network_step_by_step(kind):
    names = ("tanh", "gru", "lstm")
    cells, h0 = [CELLS[name] for name in names], tuple(STATES[name] for name in names)
    field = together([ro.to_ode(cell, ro.Forward(1)) for cell in cells])
    run = ro.integrate(field, kind(XS), h0, solver=diffrax.Euler())
    wanted = tuple(ro.iterate(cell, XS, h).states for cell, h in zip(cells, h0, strict=True))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-14), run.states, wanted)


@pytest.mark.slow
def test_one_step_of_a_runge_kutta_method():
    A = np.array([[-0.4, 1.0], [-0.8, -0.1]])
    cell = ro.to_rnn(lambda t, h, path: jnp.asarray(A) @ h + path(t), ro.RungeKutta(substeps=8), 0.9)
    h, x = np.array([0.3, -1.2]), np.array([0.8, 0.1])
    G = np.zeros((4, 4))
    G[:2] = np.concatenate([A, np.eye(2)], axis=1)
    wanted = (scipy.linalg.expm(0.9 * G) @ np.concatenate([h, x]))[:2]
    np.testing.assert_allclose(cell(jnp.asarray(x), jnp.asarray(h)), wanted, rtol=1e-8)


def test_a_scheme_must_say_how_it_steps():
    with pytest.raises(TypeError, match="abstract"):
        ro.AbstractScheme()


@pytest.mark.slow
def test_a_solver_that_remembers_its_last_steps_takes_all_substeps_at_once():
    """Leapfrog begins with a step of Euler, and goes on from the state before the last: by hand for dh/dt = −h + x."""
    step, before, h = 0.9 / 3, 0.5, 0.5 + 0.3 * (2.0 - 0.5)
    for _ in range(2):
        before, h = h, before + 2 * step * (2.0 - h)
    cell = ro.to_rnn(lambda t, h, path: path(t) - h, ro.RungeKutta(diffrax.LeapfrogMidpoint(), 3), 0.9)
    np.testing.assert_allclose(jax.jit(cell)(jnp.array([2.0]), jnp.array([0.5])), [h], rtol=1e-13)


@pytest.mark.gate
def test_an_implicit_method_takes_its_substeps_one_by_one():
    """For dh/dt = x − h: Euler's by hand, and one of order 3 to within the fourth power of its step."""
    chord = diffrax.VeryChord(rtol=1e-12, atol=1e-12, norm=optimistix.max_norm)
    h, x = jnp.array([0.5]), jnp.array([2.0])

    def found(solver):
        return jax.jit(ro.to_rnn(lambda t, h, path: path(t) - h, ro.RungeKutta(solver, 3), 0.9))(x, h)

    np.testing.assert_allclose(found(diffrax.ImplicitEuler(root_finder=chord)), x + (h - x) / 1.3**3, rtol=1e-11)
    np.testing.assert_allclose(found(diffrax.Kvaerno3(root_finder=chord)), x + (h - x) * np.exp(-0.9), atol=0.3**4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "solver",
    [
        diffrax.Bosh3(),
        diffrax.Ralston(),
        diffrax.Dopri8(),
    ],
    ids=repr,
)
def test_a_step_of_an_explicit_method_is_that_of_diffrax(solver):
    """To rounding: a step adds up at most 13 terms. The field changes with time, and the state is a pair."""

    def field(t, h, path):
        return jnp.tanh(h[1] + t) * path(t), -h[0] * h[1]

    x, h = np.array([0.7]), (np.array([0.3]), np.array([-1.2]))
    term = diffrax.ODETerm(lambda t, h, x: field(t, h, lambda _: x))

    @jax.jit
    def two_steps(x, h):
        state = solver.init(term, 0.0, 0.45, h, x)
        middle, *_, state, _ = solver.step(term, 0.0, 0.45, h, x, state, False)
        return solver.step(term, 0.45, 0.9, middle, x, state, False)[0]

    wanted = two_steps(x, h)
    found = jax.jit(ro.to_rnn(field, ro.RungeKutta(solver, 2), 0.9))(x, h)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=30 * np.finfo(float).eps), found, wanted)


@pytest.mark.parametrize("solver", [diffrax.Heun(), diffrax.LeapfrogMidpoint()], ids=repr)
def test_a_field_is_told_the_time_in_the_precision_of_the_state(solver):
    told = []

    def field(t, h, path):
        told.append(t.dtype)
        return -t * h

    h = jnp.ones(1, jnp.float32)
    assert jax.eval_shape(ro.to_rnn(field, ro.RungeKutta(solver, 2), 0.9), h, h).dtype == jnp.float32
    assert set(told) == {np.dtype(np.float32)}


def test_a_gradient_keeps_of_each_substep_its_state_and_not_the_stages():
    """Heun's two stages and Dopri8's fourteen need the same memory."""

    def kept(solver):
        cell = ro.to_rnn(lambda t, h, path: jnp.tanh(h), ro.RungeKutta(solver, 10), 0.9)
        pull = jax.eval_shape(lambda h: jax.vjp(lambda h: cell(jnp.zeros(1), h), h)[1], jnp.zeros(100))
        return sum(leaf.size for leaf in jax.tree.leaves(pull))

    assert kept(diffrax.Heun()) < 10 * 100 + 100 and kept(diffrax.Dopri8()) < 10 * 100 + 100


def test_a_rate_of_another_shape_is_refused():
    cell = ro.to_rnn(lambda t, h, path: -h[:1], ro.RungeKutta(), 0.1)
    with pytest.raises(ValueError, match=r"dh/dt in the shape of h; h0 has \[3\], the field returned \[1\]"):
        cell(jnp.zeros(1), jnp.ones(3))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("solver", "order"),
    [pytest.param(diffrax.Euler(), 1, marks=pytest.mark.thorough), (diffrax.Heun(), 2), (diffrax.Tsit5(), 5)],
)
def test_a_runge_kutta_method_keeps_its_order(solver, order):
    def error(substeps):
        cell = ro.to_rnn(lambda t, h, path: -h + path(t), ro.RungeKutta(solver, substeps), 2.0)
        return abs(cell(jnp.ones(1), jnp.zeros(1))[0] - (1 - math.exp(-2.0)))

    assert np.log2(error(16) / error(32)) == pytest.approx(order, abs=0.45)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exponential_euler_is_the_exponential(dtype):
    """dh/dt = a h over dt = 1; e^a by `math`, relative to what a step adds up: u (1 + |a|), measured 0.5."""
    with jax.enable_x64(dtype == np.float64):
        step = jax.jit(lambda a, h: ro.to_rnn(lambda t, h, path: a * h, ro.ExponentialEuler())(h, h)[0])
        for a in (7.0, 10.7, 0.3, -3.0, 60.0):
            a = float(dtype(a))
            error = abs(float(step(jnp.asarray(a, dtype), jnp.ones(1, dtype))) - math.exp(a)) / max(1, math.exp(a))
            assert error <= np.finfo(dtype).eps * (1 + abs(a)), a


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exponential_euler_in_mixed_units(dtype):
    """An oscillator in units that differ by 1e16, and so its input."""
    with jax.enable_x64(dtype == np.float64):

        @jax.jit
        def step(s):
            G = jnp.stack([jnp.stack([0 * s, s]), jnp.stack([-1 / s, 0 * s])])
            field = lambda t, h, path: G @ h + path(t)  # noqa: E731
            return ro.to_rnn(field, ro.ExponentialEuler())(jnp.stack([s, 0 * s]), jnp.stack([s, jnp.ones_like(s)]))

        wanted = [np.cos(1) + np.sin(1) + np.sin(1), np.cos(1) - np.sin(1) + np.cos(1) - 1]
        for s in (1.0, 1e5, 1e8):
            found = np.asarray(step(jnp.asarray(s, dtype))) / [s, 1]
            np.testing.assert_allclose(found, wanted, atol=16 * np.finfo(dtype).eps)  # measured 3
