"""The fields of the literature against closed forms, NumPy and the cells whose steps they are."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from weights import drawn

import rnn_ode as ro

RNG = np.random.default_rng(0)
N, D, T = 3, 2, 4
XS = RNG.standard_normal((T, D))
KEY = jax.random.key(0)


def weights(*shapes):
    return [0.7 * RNG.standard_normal(shape) for shape in shapes]


FIELDS = {
    "CTRNN": ro.CTRNN(*weights((N, N), (N, D), N), tau=np.array([0.5, 1.0, 2.0])),
    "AntisymmetricRNN": ro.AntisymmetricRNN(*weights((N, N), (N, D), N), gamma=0.1),
    "CoRNN": ro.CoRNN(*weights((N, N), (N, N), (N, D), N), gamma=2.7, epsilon=0.7),
    "GRUODE": ro.GRUODE(*weights((3, N, N), (3, N, D), (3, N))),
}
each = pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS.keys())
# with a state of one array and of two; tests/test_conformance.py asks the like of all
two = pytest.mark.parametrize("field", [FIELDS["CTRNN"], FIELDS["CoRNN"]], ids=["CTRNN", "CoRNN"])


def euler(field, dt=0.1):
    return ro.to_rnn(field, ro.Euler(), dt)


def rate(field, h, x):
    return field(0.0, jax.tree.map(jnp.asarray, h), lambda t: jnp.asarray(x))


def step(cell, h):
    return cell(jnp.asarray(XS[0]), jnp.asarray(h))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# --- what every field must do ----------------------------------------------------------------------------------------


@pytest.mark.gate
@two
def test_a_run_of_small_steps_is_near_the_flow(field):
    """Euler's steps of 1/64 against the solver, held and smooth input: first order, so that halves leave half the error."""
    flow = field.output if hasattr(field, "output") else lambda h: h
    run = ro.integrate(field, ro.Hold(XS), field.initial_state())
    errors = []
    for parts in (32, 64):
        steps = ro.iterate(euler(field, 1 / parts), np.repeat(XS, parts, axis=0))
        errors.append(np.abs(flow(steps.states)[::parts] - flow(run.states)).max())
    assert errors[0] < 0.05 and 1.8 < errors[0] / errors[1] < 2.2
    smooth = ro.integrate(field, ro.Linear(XS), field.initial_state())
    assert flow(smooth.states).shape == (T + 1, N) and np.abs(flow(smooth.states) - flow(run.states)).max() > 1e-3


@each
def test_it_says_its_sizes_as_a_field_and_as_a_cell(field):
    cell = euler(field)
    assert (field.input_size, field.hidden_size, cell.input_size) == (D, N, D)
    assert jax.tree.map(jnp.shape, cell.initial_state()) == jax.tree.map(jnp.shape, field.initial_state())
    with pytest.raises(ValueError, match=r"xs must have shape \(T, 2\)"):
        ro.iterate(cell, XS[:, :1])
    with pytest.raises(ValueError, match=r"samples of shape \(2,\)"):
        ro.integrate(field, ro.Hold(XS[:, :1]), field.initial_state())
    with pytest.raises(ValueError, match="h0 must have shape"):
        ro.iterate(cell, XS, jnp.zeros(N + 1))


@pytest.mark.slow
@two
def test_a_field_can_be_a_layer_of_a_stack(field):
    """A layer above reads the output, N numbers whatever the state is."""
    top = drawn(eqx.nn.GRUCell, N, 2)
    states, above = ro.iterate(ro.StackedCell([euler(field), top]), XS).states
    outputs = states[0] if isinstance(states, tuple) else states
    assert outputs.shape == (T + 1, N) and np.abs(outputs[2:]).min() > 0
    np.testing.assert_allclose(above[1:], jax.vmap(top)(outputs[1:], above[:-1]), rtol=1e-12)
    with pytest.raises(ValueError, match=r"gives outputs \(3,\)"):
        ro.StackedCell([euler(field), drawn(eqx.nn.GRUCell, N + 1, 2)])


def loss(field, xs):
    states = ro.iterate(euler(field, 0.5), xs, throw=False).states
    return sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(states))


@pytest.mark.gate
@each
def test_gradients_are_those_of_finite_differences(field):
    """In every weight and constant, along one direction: reverse mode against a five-point difference."""
    value_and_grad = jax.jit(jax.value_and_grad(loss))
    rng = np.random.default_rng(1)
    direction = jax.tree.map(lambda leaf: jnp.asarray(rng.standard_normal(leaf.shape)), field)
    gradient = value_and_grad(field, XS)[1]
    assert all(np.any(leaf != 0) for leaf in jax.tree.leaves(gradient))
    slope = sum(jax.tree.leaves(jax.tree.map(jnp.vdot, gradient, direction)))

    def at(s):
        return value_and_grad(jax.tree.map(lambda v, d: v + s * d, field, direction), XS)[0]

    e = 1e-3
    np.testing.assert_allclose(slope, (8 * (at(e) - at(-e)) - (at(2 * e) - at(-2 * e))) / (12 * e), rtol=1e-8)


@pytest.mark.slow
@two
def test_jitted_equals_eager_and_vmapped_equals_a_loop(field):
    other = jax.tree.map(lambda leaf: 0.5 * leaf, field)
    eager = [loss(one, XS) for one in (field, other)]
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), field, other)
    np.testing.assert_allclose(jax.jit(loss)(field, XS), eager[0], rtol=1e-12)
    np.testing.assert_allclose(jax.jit(jax.vmap(loss, in_axes=(0, None)))(both, XS), eager, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "coefficients"),
    [
        ("CTRNN", {"tau": np.float64(0.3)}),
        ("AntisymmetricRNN", {"gamma": 0.3}),
        ("CoRNN", {"gamma": 0.3, "epsilon": np.float64(0.3)}),
        ("GRUODE", {}),
    ],
)
def test_float32_stays_float32(name, coefficients):
    """In a float64 session, also with coefficients that are Python's and NumPy's floats."""
    arrays = [leaf.astype(jnp.float32) for leaf in jax.tree.leaves(FIELDS[name])]
    field = type(FIELDS[name])(*arrays[: 4 if name == "CoRNN" else 3], **coefficients)

    def compute(field, xs):
        run = ro.iterate(euler(field), xs, throw=False)
        return run.states, field(0.0, field.initial_state(), ro.Linear(xs))

    shapes = jax.tree.leaves(jax.eval_shape(compute, field, jnp.asarray(XS, jnp.float32)))
    assert {leaf.dtype for leaf in shapes} == {jnp.dtype(jnp.float32)}


@pytest.mark.slow
@each
def test_float32_is_right_to_its_rounding(field):
    single = loss(*jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), (field, XS)))
    assert single.dtype == jnp.float32 and abs(float(single) - float(loss(field, XS))) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@each
def test_gradients_lower(field, platform):
    text = jax.jit(jax.grad(loss)).trace(field, XS).lower(lowering_platforms=(platform,)).as_text()
    assert "callback" not in text


@pytest.mark.parametrize("kind", [ro.CTRNN, ro.AntisymmetricRNN, ro.CoRNN, ro.GRUODE])
def test_random_fields_draw_from_the_initializer(kind):
    n = 4
    field = kind.random(KEY, D, n, recurrent=ro.initializers.orthogonal(0.5))
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(field)]
    squares = np.concatenate([W.reshape(-1, n, n) for W in leaves if W.shape[-2:] == (n, n)])
    np.testing.assert_allclose(squares @ squares.mT, 0.25 * np.broadcast_to(np.eye(n), squares.shape), atol=1e-14)
    assert all(np.abs(a - b).max() > 0.1 for i, a in enumerate(squares) for b in squares[:i])
    assert field.W_x.shape[-2:] == (n, D) and not np.any(field.b)


# --- CTRNN -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("activation", [jnp.tanh, jax.nn.relu, None])
def test_a_step_of_tau_is_the_vanilla_network(activation):
    values = weights((N, N), (N, D), N)
    cell, field = ro.VanillaCell(*values, activation), ro.CTRNN(*values, tau=0.1, activation=activation)
    np.testing.assert_allclose(ro.iterate(euler(field), XS).states, ro.iterate(cell, XS).states, rtol=1e-13, atol=1e-15)
    unit = ro.CTRNN(*values, activation=activation)
    np.testing.assert_allclose(step(euler(unit, 1.0), np.ones(N)), step(cell, np.ones(N)), rtol=1e-15)


def test_a_leak_of_dt_over_tau_for_each_unit():
    W_h, W_x, b = weights((N, N), (N, D), N)
    tau, h = np.array([0.5, 1.0, 2.0]), RNG.standard_normal(N)
    leak = 0.1 / tau
    wanted = (1 - leak) * h + leak * np.tanh(W_h @ h + W_x @ XS[0] + b)
    np.testing.assert_allclose(step(euler(ro.CTRNN(W_h, W_x, b, tau)), h), wanted, rtol=1e-13)


def test_the_two_common_forms_are_the_same_network():
    """τ dv/dt = −v + W_h f(v) + W_x x + b along v = W_h h + W_x x + b (Miller & Fumarola 2012)."""
    W_h, W_x, b = weights((N, N), (N, D), N)
    h, x = RNG.standard_normal(N), XS[0]
    v = W_h @ h + W_x @ x + b
    found = W_h @ rate(ro.CTRNN(W_h, W_x, b, tau=0.3), h, x)
    np.testing.assert_allclose(found, (-v + W_h @ np.tanh(v) + W_x @ x + b) / 0.3, rtol=1e-12)


@pytest.mark.slow
def test_the_linear_field_follows_its_exponential():
    W_h = weights((N, N))[0]
    field = ro.CTRNN(W_h, np.zeros((N, D)), np.zeros(N), tau=0.5, activation=None)
    h0 = RNG.standard_normal(N)
    wanted = scipy.linalg.expm((W_h - np.eye(N)) * 3.0 / 0.5) @ h0
    np.testing.assert_allclose(step(ro.to_rnn(field, ro.ExponentialEuler(), 3.0), h0), wanted, rtol=1e-11)


def test_tau_stays_positive_in_training():
    field = FIELDS["CTRNN"]
    np.testing.assert_allclose(field.tau, [0.5, 1.0, 2.0], rtol=1e-15)
    pushed = eqx.tree_at(lambda f: f.log_tau, field, field.log_tau - 100.0)
    assert np.all(pushed.tau > 0)


# --- AntisymmetricRNN ------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("gamma", [0.0, 0.3])
def test_the_antisymmetric_jacobian_turns_and_is_damped_by_gamma(gamma):
    A, W_x = weights((5, 5), (5, D))
    field = ro.AntisymmetricRNN(A, W_x, np.zeros(5), gamma)
    exponents = np.linalg.eigvals(jax.jacfwd(lambda h: rate(field, h, np.zeros(D)))(jnp.zeros(5)))
    np.testing.assert_allclose(exponents.real, -gamma, atol=1e-14)
    np.testing.assert_allclose(np.sort(exponents.imag), np.sort(np.linalg.eigvals(A - A.T).imag), atol=1e-14)
    h = RNG.standard_normal(5)
    wanted = np.tanh((A - A.T - gamma * np.eye(5)) @ h + W_x @ XS[0])
    np.testing.assert_allclose(rate(field, h, XS[0]), wanted, rtol=1e-13)
    elsewhere = np.linalg.eigvals(jax.jacfwd(lambda h: rate(field, h, XS[0]))(h)).real
    assert np.all((-gamma - 1e-14 < elsewhere) & (elsewhere < 1e-14))


# --- CoRNN -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_uncoupled_oscillators_are_damped_in_closed_form():
    """y'' = −γ y − ε y' from (y₀, z₀): e^{−εt/2} (y₀ cos ωt + (z₀ + ε y₀/2)/ω sin ωt), ω² = γ − ε²/4."""
    gamma, epsilon = 4.0, 0.6
    zeros = np.zeros((N, N))
    field = ro.CoRNN(zeros, zeros, np.zeros((N, D)), np.zeros(N), gamma, epsilon)
    y0, z0 = RNG.standard_normal((2, N))
    run = ro.integrate(field, ro.Hold(XS), (y0, z0))
    omega, t = np.sqrt(gamma - epsilon**2 / 4), np.asarray(run.ts)[:, None]
    wanted = np.exp(-epsilon * t / 2) * (y0 * np.cos(omega * t) + (z0 + epsilon * y0 / 2) / omega * np.sin(omega * t))
    np.testing.assert_allclose(field.output(run.states), wanted, rtol=1e-8, atol=1e-9)


def test_coupled_oscillators_are_pulled_by_every_matrix():
    W, W_prime, V, b = weights((N, N), (N, N), (N, D), N)
    y, z = RNG.standard_normal((2, N))
    dy, dz = rate(ro.CoRNN(W, W_prime, V, b, gamma=2.7, epsilon=4.7), (y, z), XS[0])
    np.testing.assert_array_equal(dy, z)
    np.testing.assert_allclose(dz, np.tanh(W @ y + W_prime @ z + V @ XS[0] + b) - 2.7 * y - 4.7 * z, rtol=1e-13)


# --- GRUODE ----------------------------------------------------------------------------------------------------------


def gru(W_h, W_x, b, x, h):
    """h' of Cho et al. 2014, in De Brouwer et al.'s letters."""
    r, z = (sigmoid(W_h[i] @ h + W_x[i] @ x + b[i]) for i in (0, 1))
    return z * h + (1 - z) * np.tanh(W_h[2] @ (r * h) + W_x[2] @ x + b[2])


def test_a_step_of_one_is_a_gru():
    values = weights((3, N, N), (3, N, D), (3, N))
    h = RNG.standard_normal(N)
    np.testing.assert_allclose(step(euler(ro.GRUODE(*values), 1.0), h), gru(*values, XS[0], h), rtol=1e-12)


def test_a_step_of_one_is_equinox_gru_where_the_reset_gates_agree():
    """Equinox's acts after the matrix of g, which is the same where that is diagonal; its order of gates is ours."""
    W_h, W_x, b = weights((3, N, N), (3, N, D), (3, N))
    W_h[2] = np.diag(np.diag(W_h[2]))
    theirs = eqx.tree_at(
        lambda c: (c.weight_hh, c.weight_ih, c.bias, c.bias_n),
        drawn(eqx.nn.GRUCell, D, N),
        (jnp.asarray(W_h.reshape(3 * N, N)), jnp.asarray(W_x.reshape(3 * N, D)), jnp.asarray(b.ravel()), jnp.zeros(N)),
    )
    ours = euler(ro.GRUODE(W_h, W_x, b), 1.0)
    h = RNG.standard_normal(N)
    np.testing.assert_allclose(step(ours, h), step(theirs, h), rtol=1e-12)


@pytest.mark.slow
def test_a_gru_flow_stays_within_one():
    """Weights that saturate every gate, and inputs that turn."""
    field = ro.GRUODE(*(10 * v for v in weights((3, N, N), (3, N, D), (3, N))))
    xs = np.where(np.arange(20)[:, None] % 2, 3.0, -3.0) * np.ones(D)
    states = ro.integrate(field, ro.Hold(xs), jnp.zeros(N)).states
    assert 0.5 < np.abs(states).max() < 1


# --- bad input -------------------------------------------------------------------------------------------------------

SQUARE, WIDE, ROW = np.eye(N), np.zeros((N, D)), np.zeros(N)
GATES = np.zeros((3, N, N)), np.zeros((3, N, D)), np.zeros((3, N))


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: ro.CTRNN(WIDE, WIDE, ROW), ValueError, r"W_h must be a square matrix \(N, N\).*got \(3, 2\)"),
        (lambda: ro.CTRNN(SQUARE, WIDE.T, ROW), ValueError, r"W_x must have shape \(3, D\); got \(2, 3\)"),
        (lambda: ro.CTRNN(SQUARE, WIDE, ROW[1:]), ValueError, r"b must have shape \(3,\); got \(2,\)"),
        (lambda: ro.CTRNN(np.nan * SQUARE, WIDE, ROW), ValueError, "W_h must be finite"),
        (lambda: ro.CTRNN(SQUARE, WIDE, ROW, tau=0.0), ValueError, r"tau must be a positive time.*got 0\.0"),
        (lambda: ro.CTRNN(SQUARE, WIDE, ROW, tau=[1.0, 2.0]), ValueError, r"each of the 3 units \(3,\); got \[1"),
        (lambda: ro.CTRNN(SQUARE, WIDE, ROW, activation="tanh"), TypeError, "activation must be a function or None"),
        (lambda: ro.CTRNN.random(KEY, 0, 3), ValueError, "input_size must be at least 1"),
        (lambda: ro.AntisymmetricRNN(ROW, WIDE, ROW), ValueError, r"A must have shape \(N, N\); got \(3,\)"),
        (lambda: ro.AntisymmetricRNN(SQUARE, WIDE, ROW, -0.1), ValueError, r"gamma must be .*0 or more; got -0\.1"),
        (lambda: ro.AntisymmetricRNN(SQUARE, WIDE, ROW, ROW), TypeError, "gamma must be a number"),
        (lambda: ro.CoRNN(SQUARE, WIDE, WIDE, ROW), ValueError, r"W_z must have shape \(3, 3\); got \(3, 2\)"),
        (lambda: ro.CoRNN(SQUARE, SQUARE, WIDE, ROW, epsilon=-1.0), ValueError, r"epsilon must be .*got -1"),
        (lambda: ro.GRUODE(GATES[0][:2], *GATES[1:]), ValueError, r"W_h must have shape \(3, N, N\); got \(2, 3, 3\)"),
        (lambda: ro.GRUODE(GATES[1], *GATES[1:]), ValueError, r"W_h\[0\] must be a square matrix"),
        (lambda: ro.GRUODE(*GATES[:2], ROW), ValueError, r"b must have shape \(3, 3\); got \(3,\)"),
    ],
)  # fmt: skip
def test_bad_input(make, error, match, as_user):
    with pytest.raises(error, match=match):
        make()


@pytest.mark.slow
def test_an_lstm_as_a_field_hands_its_h_to_the_layer_above():
    """The field of an LSTM made into a cell again is the LSTM, in a stack as well."""
    lower, upper = drawn(eqx.nn.LSTMCell, D, N), drawn(eqx.nn.GRUCell, N, 2, seed=1)
    again = ro.to_rnn(ro.to_ode(lower, ro.Forward(1)), ro.Euler())
    runs = [ro.iterate(ro.StackedCell([cell, upper]), np.ones((4, D))).states[1] for cell in (lower, again)]
    np.testing.assert_allclose(*runs, atol=1e-14)
