"""The bridge: every conversion against SciPy's matrix functions, the pairs that undo each other, and the refusals."""

import math

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.optimize

import rnn_ode as ro
from rnn_ode._paths.base import Constant

N, D, T = 3, 2, 8
RNG = np.random.default_rng(1)
XS = RNG.normal(size=(T, D))
H0 = np.array([1.0, -0.5, 0.3])
W = scipy.linalg.expm(np.array([[-0.3, 0.5, 0.1], [-0.6, -0.2, 0.2], [0.1, 0.0, -0.4]]))  # multipliers near 0.7 ± 0.4i
W_X, BIAS = RNG.normal(size=(N, D)), RNG.normal(size=N)
AFFINE = ro.VanillaCell(W, W_X, BIAS, activation=None)
KEY = jax.random.key(0)


def blocks(W, W_x, b):
    """[[W, W_x, b], [0, 1]]: one step of the state, the input and 1 together."""
    extra = W_x.shape[1] + 1
    bottom = np.concatenate([np.zeros((extra, len(W))), np.eye(extra)], axis=1)
    return np.concatenate([np.concatenate([W, W_x, b[:, None]], axis=1), bottom])


def forward(M, order):
    delta = M - np.eye(len(M))
    return sum((-1) ** (k + 1) / k * np.linalg.matrix_power(delta, k) for k in range(1, order + 1))


def backward(M, order):
    nabla = np.eye(len(M)) - np.linalg.inv(M)
    return sum(np.linalg.matrix_power(nabla, k) / k for k in range(1, order + 1))


# each method's g of a matrix, from elsewhere
MATRIX_FUNCTIONS = {
    ro.Forward(1): lambda M: forward(M, 1),
    ro.Forward(4): lambda M: forward(M, 4),
    ro.Backward(1): lambda M: backward(M, 1),
    ro.Backward(3): lambda M: backward(M, 3),
    ro.Tustin(): lambda M: 2 * np.linalg.solve(M + np.eye(len(M)), M - np.eye(len(M))),
    ro.Exact(): lambda M: scipy.linalg.logm(M).real,
}
labelled = {"ids": lambda value: getattr(value, "label", None)}


def together(fields):
    """Several fields as one, so that one compilation solves them all."""

    def field(t, states, path):
        return tuple(one(t, h, path) for one, h in zip(fields, states, strict=True))

    return field


def flow_of(G, x, s, h=H0):
    """The held flow of a generator of blocks, time s on."""
    return (scipy.linalg.expm(s * G) @ np.concatenate([h, x, [1.0]]))[: len(h)]


# affine cells: the field, its flow at the samples and between them


@pytest.mark.slow
@pytest.mark.parametrize("dt", [1.0, pytest.param(0.25, marks=pytest.mark.slow)])
@pytest.mark.parametrize("method", MATRIX_FUNCTIONS, **labelled)
def test_the_field_of_an_affine_cell_is_g_of_its_matrix(method, dt):
    G = MATRIX_FUNCTIONS[method](blocks(W, W_X, BIAS)) / dt
    field = ro.to_ode(AFFINE, method, dt=dt)
    wanted = G[:N] @ np.concatenate([H0, XS[0], [1.0]])
    np.testing.assert_allclose(
        field(0.0, jnp.asarray(H0), Constant(jnp.asarray(XS[0]))), wanted, rtol=1e-11, atol=1e-12
    )
    np.testing.assert_allclose(method.generator(jnp.asarray(W)), MATRIX_FUNCTIONS[method](W), rtol=1e-11, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "methods",
    [[ro.Exact()], pytest.param([*MATRIX_FUNCTIONS], marks=pytest.mark.slow)],
    ids=["exact", "all"],
)
def test_the_flows_of_an_affine_cell_are_matrix_exponentials_at_the_samples_and_between(methods):
    dt = 0.5
    ts = np.sort(np.concatenate([dt * np.arange(T + 1), dt * np.array([0.1, 2.5, 2.9, 7.75])]))
    fields = [ro.to_ode(AFFINE, method, dt=dt) for method in methods]
    run = ro.integrate(together(fields), ro.Hold(XS, dt), (H0,) * len(fields), ts=ts)
    at_samples = np.isin(ts, dt * np.arange(T + 1))
    for states, g in zip(run.states, map(MATRIX_FUNCTIONS.get, methods), strict=True):
        G, h, wanted = g(blocks(W, W_X, BIAS)), H0, []
        for k in range(T):
            wanted += [flow_of(G, XS[k], t / dt - k, h) for t in ts[(ts >= dt * k) & (ts < dt * (k + 1))]]
            h = flow_of(G, XS[k], 1.0, h)
        np.testing.assert_allclose(states, [*wanted, h], rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(run.states[-1][at_samples], ro.iterate(AFFINE, XS, H0).states, rtol=1e-9)


@pytest.mark.slow
def test_a_linear_field_becomes_the_affine_network_of_its_exponential_and_comes_back():
    A, dt = np.array([[-0.4, 1.0], [-0.8, -0.1]]), 0.7
    textbook = ro.VanillaCell(A, A @ np.ones((2, 1)), A @ np.array([0.2, -0.3]), activation=None)
    field = ro.to_ode(textbook, ro.Textbook())  # dh/dt = A h + x + (0.2, −0.3)
    G = np.zeros((4, 4))
    G[:2] = np.concatenate([A, np.ones((2, 1)), [[0.2], [-0.3]]], axis=1)
    cell = ro.to_rnn(field, ro.ExponentialEuler(), dt)
    h, x = np.array([0.3, -1.2]), np.array([0.8])
    np.testing.assert_allclose(cell(jnp.asarray(x), jnp.asarray(h)), flow_of(G, x, dt, h), rtol=1e-12)
    again = ro.to_ode(cell, ro.Exact(), dt=dt)
    wanted = G[:2] @ np.concatenate([h, x, [1.0]])
    np.testing.assert_allclose(again(0.0, jnp.asarray(h), Constant(jnp.asarray(x))), wanted, rtol=1e-10)


def with_logarithm(n, growth, seed=0):
    """A matrix with a principal logarithm and spectral radius e^growth: its exponents lie in |Im| < 2."""
    G = np.random.default_rng(seed).normal(size=(n, n)) / math.sqrt(n)
    G = G / np.max(np.abs(np.linalg.eigvals(G))) * 2
    return scipy.linalg.expm(G - (np.max(np.linalg.eigvals(G).real) - growth) * np.eye(n))


def negative(n, seed=0):
    """A matrix with negative, positive and complex multipliers."""
    V = np.random.default_rng(seed).normal(size=(n, n)) / math.sqrt(n) + 2 * np.eye(n)
    values = np.linspace(-0.9, 0.95, n)
    D = np.diag(values[np.abs(values) > 1e-9] if n % 2 == 0 else values + 0.01)
    return V @ D @ np.linalg.inv(V)


@pytest.mark.slow
@pytest.mark.parametrize("n", [4, 64])
@pytest.mark.parametrize(
    ("make", "method"),
    [
        (lambda n: with_logarithm(n, -0.05), ro.Exact()),
        (lambda n: with_logarithm(n, 0.1), ro.Exact()),
        (negative, ro.Exact(complex=True)),
    ],
    ids=["stable", "unstable", "complex"],
)
def test_exact_meets_an_affine_network_at_every_sample(make, method, n):
    rng = np.random.default_rng(n)
    cell = ro.VanillaCell(make(n), rng.normal(size=(n, 1)), rng.normal(size=n), activation=None)
    xs, h0 = rng.normal(size=(12, 1)), rng.normal(size=n)
    wanted = ro.iterate(cell, xs, h0).states
    came = ro.integrate(ro.to_ode(cell, method), ro.Hold(xs), h0).states
    assert np.max(np.abs(came - wanted)) < 1e-9 * np.max(np.abs(wanted))


# the series converge at the rate the eigenvalues predict, and diverge where they predict it


def series_errors(method, multiplier, orders):
    """|g_p − log| at one multiplier, from the package's own generator; that is the error of the flow's exponent."""
    if np.imag(multiplier):
        M = np.array([[multiplier.real, -multiplier.imag], [multiplier.imag, multiplier.real]])
    else:
        M = np.array([[float(multiplier)]])
    log = scipy.linalg.logm(M).real
    return [np.linalg.norm(method(p).generator(jnp.asarray(M)) - log, 2) for p in orders]


@pytest.mark.parametrize(
    "multiplier", [0.7, 0.8 + 0.5j, *(pytest.param(m, marks=pytest.mark.slow) for m in (0.4, 1.3, 1.8))]
)
@pytest.mark.parametrize("method", [ro.Forward, ro.Backward])
def test_series_converge_at_the_predicted_ratio(method, multiplier):
    delta = multiplier - 1 if method is ro.Forward else 1 / multiplier - 1
    r = abs(delta)
    p = 20 if r > 0.5 else int(math.log(1e-7) / math.log(r))  # above rounding
    errors = series_errors(method, multiplier, [p, p + 1])
    assert method(p).series_ratio(jnp.asarray(multiplier)) == pytest.approx(r)
    # The error is |∫₀^δ zᵖ/(1 + z) dz|: the ratio is a mean of |z|, weighed towards |δ| like |z|ᵖ. With |1 + z| between
    # 1 − r and 1 + r, integrating by parts twice bounds the rest.
    predicted = r * (p + 1) / (p + 2)
    slack = 4 * r / ((1 - r) * (p + 1) ** 2) if r < 1 else None
    if r < 1:
        assert errors[1] / errors[0] == pytest.approx(predicted, rel=slack)
    else:
        assert errors[1] / errors[0] > 1  # Backward at 0.4: 1 − 1/λ = −1.5


def test_the_flow_of_a_series_parts_from_the_network_by_what_the_exponents_say():
    """‖exp(g_p(W)) − W‖ for a symmetric W falls by the largest |λ − 1|, here 0.6, an order."""
    Q = np.linalg.qr(RNG.normal(size=(N, N)))[0]
    S = Q @ np.diag([0.4, 0.9, 1.2]) @ Q.T
    cell = ro.VanillaCell(S, W_X, BIAS, activation=None)

    def error(p):
        field = ro.to_ode(cell, ro.Forward(p))
        G = jax.jacfwd(lambda h: field(0.0, h, Constant(jnp.zeros(D))))(jnp.zeros(N))
        return np.linalg.norm(scipy.linalg.expm(np.asarray(G)) - S, 2)

    errors = np.array([error(p) for p in (1, 4, 8)])
    p = np.array([1, 4, 8])
    first_neglected = (
        0.4 * 0.6 ** (p + 1) / (p + 1)
    )  # e^μ of the exponent's error, and the tail is at most 1/(1 − 0.6) of it
    assert np.all(errors < first_neglected / 0.4 * 1.01)
    assert np.all(errors > first_neglected * 0.7)


@pytest.mark.parametrize(("method", "multiplier"), [(ro.Forward, -0.5), (ro.Forward, 2.3), (ro.Backward, 0.4)])
def test_series_diverge_where_predicted(method, multiplier):
    assert method(1).series_ratio(jnp.asarray(multiplier)) > 1
    if multiplier > 0:
        errors = series_errors(method, multiplier, [10, 20, 40])
        assert errors[0] < errors[1] < errors[2]
    else:
        size = [abs(method(p).exponent(multiplier)) for p in (10, 20, 40)]
        assert size[0] < size[1] < size[2]


def test_forward_and_backward_generators_are_mirror_images():
    for p in (1, 2, 5):
        np.testing.assert_allclose(
            ro.Backward(p).generator(jnp.asarray(W)), -ro.Forward(p).generator(jnp.linalg.inv(W)), atol=1e-13
        )


# pairs that return the cell


CELLS = {
    "affine": AFFINE,
    "tanh": ro.VanillaCell(0.6 * W, 0.1 * W_X, 0.1 * BIAS, activation=jnp.tanh),
    "gru": eqx.nn.GRUCell(D, N, key=KEY),
    "lstm": eqx.nn.LSTMCell(D, 2, key=KEY),
    "piecewise": ro.PiecewiseLinearCell(np.diag([0.5, 0.6, 0.7]), 0.1 * W, W_X, BIAS),
}
STATES = {name: H0 / 2 for name in CELLS} | {"lstm": (H0[:2], np.array([0.2, -0.1]))}
PAIRS = [
    (ro.Forward(1), ro.Euler()),
    (ro.Backward(1), ro.BackwardEuler()),
    (ro.Tustin(), ro.Trapezoidal()),
    (ro.Exact(), ro.ExponentialEuler()),
]


QUICK = [(method, "affine") for method, _ in PAIRS] + [(method, "tanh") for method, _ in PAIRS[:1]]
PAIRED = [
    pytest.param(method, scheme, name, dt, marks=[] if (method, name) in QUICK and dt == 1 else pytest.mark.slow)
    for method, scheme in PAIRS
    for name in CELLS
    for dt in ((1.0, 0.2) if name in ("affine", "tanh") else (1.0,))
    # an LSTM's step has negative multipliers, and so its field no logarithm
    if not (isinstance(method, ro.Exact) and name == "lstm")
]


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize(("solver", "order"), [(diffrax.Euler(), 1), (diffrax.Heun(), 2), (diffrax.Tsit5(), 5)])
def test_a_runge_kutta_method_keeps_its_order(solver, order):
    def error(substeps):
        cell = ro.to_rnn(lambda t, h, path: -h + path(t), ro.RungeKutta(solver, substeps), 2.0)
        return abs(cell(jnp.ones(1), jnp.zeros(1))[0] - (1 - math.exp(-2.0)))

    assert np.log2(error(16) / error(32)) == pytest.approx(order, abs=0.45)


# nonlinear cells


def small_tanh():
    """Symmetric, its multipliers within (0.6, 0.95) also where tanh is a little flat."""
    Q = np.linalg.qr(np.random.default_rng(3).normal(size=(N, N)))[0]
    return ro.VanillaCell(
        Q @ np.diag([0.65, 0.8, 0.95]) @ Q.T, 0.02 * np.ones((N, 1)), np.zeros(N), activation=jnp.tanh
    )


@pytest.mark.slow
def test_forward_errors_fall_monotonically_on_a_tanh_network_of_small_amplitude():
    cell, xs, h0 = small_tanh(), np.random.default_rng(4).normal(size=(T, 1)), np.array([0.1, -0.08, 0.05])
    network = ro.iterate(cell, xs, h0).states
    slope = 1 - np.asarray(network[1:]) ** 2
    multipliers = np.linalg.eigvals(slope[:, :, None] * np.asarray(cell.W_h))
    assert multipliers.min() > 0.6 and multipliers.max() < 0.95
    fields = [ro.to_ode(cell, ro.Forward(p)) for p in range(1, 7)]
    run = ro.integrate(together(fields), ro.Hold(xs), (h0,) * 6)
    errors = [np.max(np.abs(states - network)) for states in run.states]
    assert np.all(np.diff(errors) < 0), errors
    assert errors[-1] < errors[0] / 20


@pytest.mark.slow
def test_the_series_of_a_nonlinear_cell_is_asymptotic():
    """reference.json, asymptotic-series: |λ − 1| = 0.83, and yet the field of Forward(p) diverges by p = 10."""
    angle = np.deg2rad(50)
    R = 0.97 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    cell = ro.VanillaCell(R, np.zeros((2, 1)), np.zeros(2), activation=jnp.tanh)
    multiplier = jnp.asarray(np.linalg.eigvals(R)[0])
    assert ro.Forward(1).series_ratio(multiplier) == pytest.approx(0.83, abs=0.01)
    assert abs(multiplier**3 - 1) == pytest.approx(1.85, abs=0.01)
    h = jnp.array([0.8, -0.5])

    @jax.jit
    def terms(h):
        orders = range(1, 17)
        fields = jnp.stack([ro.to_ode(cell, ro.Forward(p))(0.0, h, Constant(jnp.zeros(1))) for p in orders])
        return jnp.linalg.norm(jnp.diff(fields, axis=0), axis=1)  # the terms of order 2 to 16

    sizes = np.asarray(terms(h))
    assert np.argmin(sizes) < 8  # the terms of order 2 and on fall at first
    assert sizes[8:].min() > sizes.min()
    assert sizes[-1] > sizes[8] > sizes.min()
    linear = np.asarray(ro.Forward(15).neglected(multiplier))
    assert sizes[-1] > 20 * abs(linear) * 0.94  # where the linear part alone would be small by then


def test_spurious_equilibria():
    """reference.json: tanh(5 h) under Forward(2) stands still at ±0.0513, where the network does not."""
    cell = ro.VanillaCell([[5.0]], [[0.0]], [0.0], activation=jnp.tanh)
    field = jax.jit(lambda h: ro.to_ode(cell, ro.Forward(2))(0.0, h[None], Constant(jnp.zeros(1)))[0])
    for low, high in ((0.03, 0.08), (-0.08, -0.03)):
        root = scipy.optimize.brentq(lambda h: float(field(h)), low, high)
        assert abs(root) == pytest.approx(0.0513, abs=1e-3)
        assert abs(np.tanh(5 * root) - root) > 0.1


FIXED_POINT_METHODS = [
    ro.Backward(2),
    ro.Tustin(),
    *(pytest.param(method, marks=pytest.mark.slow) for method in (ro.Forward(3), ro.Backward(1), ro.Exact())),
]


@pytest.mark.slow
@pytest.mark.parametrize("method", FIXED_POINT_METHODS, **labelled)
def test_fixed_points_of_a_network_are_equilibria_with_exponents_g(method):
    cell, dt = CELLS["tanh"], 0.5
    x, h = jnp.asarray(XS[1]), jnp.zeros(N)
    for _ in range(400):
        h = jnp.tanh(cell.W_h @ h + cell.W_x @ x + cell.b)
    field = ro.to_ode(cell, method, dt=dt)
    velocity, jacobian = jax.jit(
        lambda h: (field(0.0, h, Constant(x)), jax.jacfwd(lambda h: field(0.0, h, Constant(x)))(h))
    )(h)
    np.testing.assert_allclose(velocity, 0, atol=1e-13)
    multipliers = np.linalg.eigvals((1 - np.asarray(h) ** 2)[:, None] * np.asarray(cell.W_h))
    wanted = np.sort_complex(np.asarray(method.exponent(multipliers)) / dt)
    np.testing.assert_allclose(np.sort_complex(np.linalg.eigvals(jacobian)), wanted, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", ["piecewise", "tanh"])
@pytest.mark.slow
def test_the_flow_anchored_at_a_state_reaches_the_next_one(name):
    cell, x, h = CELLS[name], jnp.asarray(XS[0]), jnp.asarray(STATES[name])
    field = ro.to_ode(cell, ro.Exact(anchored=True), dt=0.5)

    @jax.jit
    def affine_flow(h):
        anchored = field.anchor(0.0, h, Constant(x))
        return anchored.A, anchored(0.0, h, Constant(x))

    A, velocity = affine_flow(h)
    G = np.zeros((N + 1, N + 1))
    G[:N, :N], G[:N, N] = A, velocity
    arrival = h + scipy.linalg.expm(0.5 * G)[:N, N]
    np.testing.assert_allclose(arrival, cell(x, h), rtol=1e-11)


def positive_relu():
    """A ReLU network all of whose units stay active: positive weights and inputs."""
    return ro.VanillaCell([[0.6, 0.1, 0.0], [0.05, 0.7, 0.1], [0.1, 0.0, 0.5]], 0.1 * np.ones((N, D)), 0.1 * np.ones(N))


def flipping_piecewise():
    """Leaky: J = diag(0.4) off and 0.4 + 0.5 on, never singular; the inputs switch its units all the time."""
    return ro.PiecewiseLinearCell(np.diag([0.4, 0.5, 0.6]), 0.2 * np.eye(N) + 0.1 * np.ones((N, N)), W_X, BIAS)


def negative_piecewise():
    """Its multipliers are negative where a unit is on: the anchored form needs the complex logarithm."""
    return ro.PiecewiseLinearCell(np.diag([0.4, 0.5, 0.6]), -0.9 * np.eye(N), W_X, BIAS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "complex"),
    [(positive_relu(), False), (flipping_piecewise(), False), (CELLS["tanh"], False), (negative_piecewise(), True)],
    ids=["relu", "piecewise", "tanh", "complex"],
)
def test_anchored_meets_a_nonlinear_network_at_every_sample(cell, complex):
    xs, h0 = np.abs(XS), np.abs(H0)
    if isinstance(cell, ro.PiecewiseLinearCell):
        xs, h0 = 3 * XS, H0
    network = ro.iterate(cell, xs, h0).states
    field = ro.to_ode(cell, ro.Exact(complex=complex, anchored=True), dt=0.5)
    ts = np.sort(np.concatenate([0.5 * np.arange(T + 1), [0.2, 1.35]]))  # between samples the anchor is carried on
    run = ro.integrate(field, ro.Hold(xs, 0.5), h0, ts=ts)
    at_samples = np.isin(ts, 0.5 * np.arange(T + 1))
    np.testing.assert_allclose(run.states[at_samples], network, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_tustin_of_a_cell_that_is_not_affine_is_second_order_in_its_step():
    """h' = h + ε f(h), and the flow of its Tustin field over one step: the distance falls like ε³."""

    def flow(h):
        return jnp.tanh(jnp.asarray(W)) @ h - h**3

    def distance(epsilon):
        cell = lambda x, h: h + epsilon * flow(h)  # noqa: E731
        field = ro.to_ode(cell, ro.Tustin())
        again = ro.to_rnn(field, ro.RungeKutta(diffrax.Heun(), substeps=64))
        return jnp.linalg.norm(again(jnp.zeros(1), jnp.asarray(H0)) - cell(None, jnp.asarray(H0)))

    coarse, fine = jax.jit(jax.vmap(distance))(jnp.array([0.04, 0.02]))
    assert 2.8 < np.log2(coarse / fine) < 3.5


# smooth input


@pytest.mark.parametrize(
    ("method", "lead"),
    [
        (ro.Textbook(), 0.0),
        (ro.Backward(1), 0.0),
        (ro.Tustin(), 0.5),
        (ro.Exact(), 0.5),
        (ro.Forward(1), 1.0),
    ],
    **labelled,
)
def test_where_a_smooth_input_is_read(method, lead):
    """Handed a clock for an input, a linear field tells the time at which it looked."""
    field = ro.to_ode(AFFINE, method)

    def clock(t):
        return jnp.full(D, t)

    fast, slow = (field(t, jnp.asarray(H0), clock) for t in (3.0, 0.0))
    gain = (fast - slow) / 3.0
    np.testing.assert_allclose(slow - field(0.0, jnp.asarray(H0), lambda t: jnp.zeros(D)), gain * lead, atol=1e-12)


def slow_sinusoid_errors(methods, kind, delta, total=60):
    """Distance at the samples for the step of a fixed linear system, taken δ at a time, under a fixed sinusoid."""
    A = np.array([[-1.0, 2.0], [-2.0, -0.5]])
    G = np.zeros((3, 3))
    G[:2] = np.concatenate([A, np.array([[1.0], [0.3]])], axis=1)
    step = scipy.linalg.expm(delta * G)[:2]
    cell = ro.VanillaCell(step[:, :2], step[:, 2:], np.zeros(2), activation=None)
    xs = np.sin(1.5 * delta * np.arange(1, total + 1))[:, None]
    fields = [ro.to_ode(cell, method) for method in methods]
    run = ro.integrate(together(fields), kind(xs), (np.zeros(2),) * len(methods))
    network = ro.iterate(cell, xs).states
    return np.array([np.max(np.abs(states - network), axis=1) for states in run.states])


@pytest.mark.slow
@pytest.mark.parametrize("kind", [ro.Linear, ro.Cubic, ro.BandLimited])
def test_a_slow_input_has_no_half_sample_of_lag(kind):
    """Second order: halving the step quarters the error. Half a sample of lag would be first order."""
    methods = (ro.Tustin(), ro.Exact(), ro.Backward(1))
    coarse, fine = (slow_sinusoid_errors(methods, kind, delta) for delta in (0.16, 0.08))
    ratio = coarse[:, :31].max(axis=1) / fine.max(axis=1)  # over the same time
    np.testing.assert_allclose(ratio[:2], 4, atol=0.6)
    assert ratio[2] < 3  # Backward(1) is of first order itself: its g misses the logarithm by (λ − 1)²/2


# the textbook's equation


@pytest.mark.parametrize("activation", [None, jax.nn.relu, jnp.tanh])
def test_textbook_is_the_published_equation_for_any_activation(activation):
    cell = ro.VanillaCell(W, W_X, BIAS, activation)
    x, h, dt = XS[0], H0, 0.5
    x_prime, b_prime = np.linalg.solve(W, W_X @ x), np.linalg.solve(W, BIAS)
    came = ro.to_ode(cell, ro.Textbook(), dt=dt)(0.0, jnp.asarray(h), Constant(jnp.asarray(x)))
    np.testing.assert_allclose(came, (W @ h + x_prime + b_prime) / dt, rtol=1e-12)


def test_backward_1_has_the_textbooks_drive_and_another_matrix():
    x, inverse = XS[0], np.linalg.inv(W)
    came = ro.to_ode(AFFINE, ro.Backward(1))(0.0, jnp.asarray(H0), Constant(jnp.asarray(x)))
    np.testing.assert_allclose(came, (np.eye(N) - inverse) @ H0 + inverse @ (W_X @ x + BIAS), rtol=1e-12)


@pytest.mark.parametrize(
    "entry", ["textbook-disagrees", "textbook-disagrees-2", "backward1-is-conservative", "forward1-is-optimistic"]
)
def test_exponents_tell_what_the_reference_says(entry):
    """The `conversions` block of reference.json, on exponents alone."""
    multiplier, growth = {
        "textbook-disagrees": (0.5, {ro.Textbook(): 1, ro.Exact(): -1}),
        "textbook-disagrees-2": (-2.0, {ro.Textbook(): -1, ro.Exact(): 1}),
        "backward1-is-conservative": (0.9j, {ro.Backward(1): 1, ro.Tustin(): -1, ro.Exact(): -1}),
        "forward1-is-optimistic": (-1.5, {ro.Forward(1): -1, ro.Tustin(): 1, ro.Exact(): 1}),
    }[entry]
    for method, sign in growth.items():
        assert np.sign(method.exponent(multiplier).real) == sign, method


# refusals


def affine(*rows):
    W = np.array(rows, float)
    return ro.VanillaCell(W, np.ones((len(W), 1)), np.zeros(len(W)), activation=None)


def relu(*rows):
    cell = affine(*rows)
    return ro.VanillaCell(cell.W_h, cell.W_x, cell.b)


SINGULAR = ([1.0, 2.0], [2.0, 4.0])


@pytest.mark.parametrize("make", [affine, relu], ids=["affine", "relu"])
@pytest.mark.parametrize(
    "method", [ro.Textbook(), ro.Backward(1), ro.Backward(3), ro.Exact(), ro.Exact(complex=True)], **labelled
)
def test_singular_weights_have_no_inverse(method, make):
    if make is relu and isinstance(method, ro.Exact) and method.complex:
        method = ro.Exact(complex=True, anchored=True)
    with pytest.raises(ValueError, match="does not exist for this network") as caught:
        ro.to_ode(make(*SINGULAR), method)
    message = str(caught.value)
    assert "W_h is singular or nearly so, a multiplier zero to within rounding (condition number" in message
    assert message.endswith("These do: Forward(1), Tustin().")


def test_nearly_singular_weights_count_as_singular_and_their_condition_is_told():
    with pytest.raises(ValueError, match=r"condition number 1e\+17\)"):
        ro.to_ode(affine([1.0, 0.0], [0.0, 1e-17]), ro.Backward(1))
    ro.to_ode(affine([1.0, 0.0], [0.0, 1e-12]), ro.Backward(1))
    with pytest.raises(ValueError, match=r"condition number (inf|nan)\)"):
        ro.to_ode(affine([0.0, 0.0], [0.0, 0.0]), ro.Textbook())


def test_negative_multipliers_have_no_real_logarithm():
    message = r"Exact\(\) does not exist for this network: its multiplier -0\.5 is negative\. These do: "
    with pytest.raises(ValueError, match=message) as caught:
        ro.to_ode(affine([-0.5, 0.0], [0.0, 0.9]), ro.Exact())
    for way in ("Forward(1)", "Tustin()", "Exact(complex=True)"):
        assert way in str(caught.value)


def test_minus_one_has_no_cayley_transform():
    message = (
        r"Tustin\(\) does not exist for this network: its multiplier -1 is a pole of the Cayley transform\. These do: "
    )
    with pytest.raises(ValueError, match=message) as caught:
        ro.to_ode(affine([-1.0, 0.0], [0.0, 0.9]), ro.Tustin())
    ways = str(caught.value).split("These do: ")[1]
    assert "Forward(1)" in ways and "Exact(complex=True)" in ways and "Tustin" not in ways


def test_traced_weights_are_not_looked_at():
    @jax.jit
    def velocity(W):
        return ro.to_ode(ro.VanillaCell(W, W_X, BIAS, activation=None), ro.Tustin())(
            0.0, jnp.ones(N), Constant(jnp.ones(D))
        )

    assert np.all(np.isfinite(velocity(jnp.asarray(W))))
    assert not np.all(np.isfinite(velocity(-jnp.eye(N))))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: ro.to_ode(CELLS["gru"], ro.Textbook()),
            TypeError,
            r"Textbook\(\) is written for VanillaCell.*got GRUCell",
        ),
        (
            lambda: ro.to_ode(CELLS["tanh"], ro.Exact(complex=True)),
            TypeError,
            "serves affine cells alone; got VanillaCell",
        ),
        (lambda: ro.to_ode(CELLS["gru"], ro.Exact(complex=True)), TypeError, r"serves affine cells.*got GRUCell"),
        (lambda: ro.to_ode(AFFINE, ro.Forward), TypeError, r"method must be one of rnn_ode's methods.*got <class"),
        (lambda: ro.to_ode(AFFINE, "exact"), TypeError, r"method must be one of .* got 'exact'"),
        (lambda: ro.to_ode(AFFINE, ro.Euler()), TypeError, r"method must be one of .* got Euler\(\)"),
        (lambda: ro.to_ode(W, ro.Exact()), TypeError, r"cell must be a callable cell\(x, h\); got array"),
        (lambda: ro.to_ode(AFFINE, ro.Exact(), dt=0), ValueError, r"dt must be positive and finite; got 0\.0"),
        (lambda: ro.to_ode(AFFINE, ro.Exact(), dt=np.nan), ValueError, r"dt must be positive and finite; got nan"),
        (lambda: ro.to_rnn(AFFINE, ro.Euler(), dt=-1), ValueError, r"dt must be positive and finite; got -1\.0"),
        (lambda: ro.to_rnn(AFFINE, ro.Euler), TypeError, r"scheme must be one of rnn_ode's schemes.*got <class"),
        (lambda: ro.to_rnn(AFFINE, diffrax.Tsit5()), TypeError, r"scheme must be one of .* got Tsit5"),
        (lambda: ro.to_rnn(W, ro.Euler()), TypeError, r"field must be a callable field\(t, h, path\); got array"),
        (lambda: ro.Forward(0), ValueError, r"order must be at least 1; got 0"),
        (lambda: ro.Backward(-2), ValueError, r"order must be at least 1; got -2"),
        (lambda: ro.Forward(1.5), TypeError, r"order must be a whole number, .* got 1\.5"),
        (lambda: ro.Backward(2.0), TypeError, r"order must be a whole number, .* got 2\.0"),
        (lambda: ro.RungeKutta(substeps=0), ValueError, r"substeps must be at least 1; got 0"),
        (lambda: ro.RungeKutta(diffrax.Heun), TypeError, r"solver must be a diffrax solver"),
        (lambda: ro.Exact(complex="yes"), TypeError, r"complex must be True or False; got 'yes'"),
    ],
)
def test_bad_arguments_are_named(call, error, message, as_user):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.slow
@pytest.mark.parametrize("gain", [1.5, 10.0])
@pytest.mark.parametrize("anchored", [True, False])
def test_exact_keeps_its_digits_as_the_states_grow(gain, anchored):
    """Every unit stays active, so that both forms are the affine flow; the states grow to 1e30 and the logarithm is of J."""
    rng = np.random.default_rng(0)
    cell = ro.VanillaCell(gain * np.eye(6) + 0.2 * np.abs(rng.normal(size=(6, 6))), np.ones((6, 1)), np.ones(6))
    xs = np.abs(rng.normal(size=(30, 1)))
    network = np.asarray(ro.iterate(cell, xs).states[1:])
    run = ro.integrate(ro.to_ode(cell, ro.Exact(anchored=anchored)), ro.Hold(xs), np.zeros(6))
    error = np.abs(run.states[1:] - network) / np.abs(network).max(axis=1, keepdims=True)
    assert error.max() < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("size", [1.0, 1e6, 1e12])
def test_large_inputs_cost_the_logarithm_no_digits(size):
    cell = ro.VanillaCell([[0.9, 0.3], [-0.3, 0.8]], size * np.ones((2, 1)), size * np.ones(2), activation=None)
    xs = np.random.default_rng(0).normal(size=(30, 1))
    network = np.asarray(ro.iterate(cell, xs).states)
    flow = ro.to_ode(cell, ro.Exact())
    run = ro.integrate(flow, ro.Hold(xs), np.zeros(2))
    assert np.abs(run.states - network).max() < 1e-11 * np.abs(network).max()
    again, h = ro.to_rnn(flow, ro.ExponentialEuler()), size * jnp.array([1.0, -2.0])
    np.testing.assert_allclose(again(jnp.ones(1), h), cell(jnp.ones(1), h), rtol=1e-12)


def test_weights_in_half_precision_are_refused_where_a_system_is_solved():
    cell = ro.VanillaCell(*(jnp.ones(shape, jnp.float16) for shape in ((1, 1), (1, 1), (1,))))
    with pytest.raises(
        TypeError, match=r"cell must have weights of float32 or wider for Tustin\(\).*; they are float16"
    ):
        ro.to_ode(cell, ro.Tustin())
    assert (
        ro.to_ode(cell, ro.Forward(2))(0.0, jnp.ones(1, jnp.float16), lambda t: jnp.ones(1, jnp.float16)).dtype
        == "float16"
    )


def test_huge_weights_are_not_refused():
    """Squares of them leave the float range, which is no reason for a pole at −1 or a zero multiplier."""
    cell = ro.VanillaCell(1e160 * np.eye(2), np.ones((2, 1)), np.zeros(2), activation=None)
    np.testing.assert_allclose(ro.to_ode(cell, ro.Tustin()).A, 2 * np.eye(2))
    np.testing.assert_allclose(ro.to_ode(cell, ro.Exact()).A, np.log(1e160) * np.eye(2), rtol=1e-12)


@pytest.mark.parametrize(
    ("method", "matrix", "words"),
    [
        (ro.Backward(1), np.diag([1.0, 0.0]), "backward:1 does not exist for this W: W_h is singular"),
        (ro.Backward(2), [[1.0, 1.0], [1.0, 1.0]], "singular"),
        (ro.Tustin(), np.diag([1.0, -1.0]), "its multiplier -1 is a pole of the Cayley transform"),
        (ro.Tustin(), [[0.0, 1.0], [1.0, 0.0]], "its multiplier -1 is a pole"),
        (ro.Exact(), np.diag([1.0, -1.0]), "its multiplier -1 is negative"),
        (ro.Textbook(), np.ones((2, 3)), r"W must be a square matrix \(N, N\), .* got \(2, 3\)"),
        (ro.Forward(2), np.ones((2, 3)), r"W must be a square matrix \(N, N\), .* got \(2, 3\)"),
    ],
)
def test_a_generator_that_does_not_exist_is_refused(method, matrix, words):
    with pytest.raises(ValueError, match=words):
        method.generator(matrix)


@pytest.mark.parametrize("method", [ro.Textbook(), ro.Forward(2), ro.Tustin()], **labelled)
def test_a_zero_multiplier_leaves_the_generators_without_an_inverse(method):
    assert np.isfinite(method.generator(np.diag([1.0, 0.0]))).all()


@pytest.mark.parametrize(("A", "error"), [(None, TypeError), ([["a"]], TypeError), (np.ones((2, 3)), ValueError)])
def test_logm_of_what_is_not_a_matrix_names_the_argument(A, error, as_user):
    with pytest.raises(error, match=r"^A must"):
        ro.logm(A)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exponential_euler_is_the_exponential(dtype):
    """dh/dt = a h over dt = 1; e^a by `math`, relative to what a step adds up: u (1 + |a|), measured 0.5."""
    with jax.enable_x64(dtype == np.float64):
        step = jax.jit(lambda a, h: ro.to_rnn(lambda t, h, path: a * h, ro.ExponentialEuler())(h, h)[0])
        for a in (7.0, 10.7, 0.3, -3.0, 60.0):
            a = float(dtype(a))
            error = abs(float(step(jnp.asarray(a, dtype), jnp.ones(1, dtype))) - math.exp(a)) / max(1, math.exp(a))
            assert error <= np.finfo(dtype).eps * (1 + abs(a)), a


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
