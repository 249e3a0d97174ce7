"""Linear fields, from sample to sample in closed form: against SciPy's `expm` and against diffrax at 1e-12."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from weights import drawn

import rnn_ode as ro
from rnn_ode._run.linear_flow import doubled, doubled_where_finite, scanned
from rnn_ode.linalg._exponential import phi_functions

T, N, D = 9, 4, 2
RNG = np.random.default_rng(0)
W = 0.7 * np.eye(N) + 0.2 * RNG.standard_normal((N, N))
W_x, B, XS, H0 = (0.5 * RNG.standard_normal(shape) for shape in ((N, D), N, (T, D), N))
PATHS = {"hold": ro.Hold, "linear": ro.Linear, "cubic": ro.Cubic}
RATES = (1.0, 0.7)
MATRICES = {
    "random": RNG.standard_normal((N, N)),
    "large": 40 * RNG.standard_normal((N, N)),
    "defective": np.diag(np.full(N - 1, 3.0), 1),
    "zero": np.zeros((N, N)),
    "stiff": np.diag([-1e6, -1e3, -1.0, 0.0]),
}


def affine(W=W) -> ro.VanillaCell:
    return ro.VanillaCell(W, W_x, B, activation=None)


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("count", [4, *(pytest.param(count, marks=pytest.mark.slow) for count in (0, 1))])
def test_phi_functions_are_blocks_of_an_exponential(name, count):
    """exp of [[A, 1, 0], [0, 0, 1], [0, 0, 0]] has exp(A), φ₁(A), φ₂(A) in its first row."""
    A = MATRICES[name]
    block = np.zeros(((count + 1) * N, (count + 1) * N))
    block[:N, :N] = A
    block[: count * N, N:] += np.eye(count * N)
    wanted = scipy.linalg.expm(block)[:N]
    found = np.concatenate(phi_functions(jnp.asarray(A), count), axis=1)
    # both lose a rounding per squaring
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-13 * np.abs(wanted).max())


@pytest.mark.gate
def test_phi_functions_are_differentiated_in_both_modes():
    def entry(A):
        return jnp.sum(jnp.stack(phi_functions(A, 2)) * jnp.arange(48.0).reshape(3, N, N))

    A, along = jnp.asarray(3 * MATRICES["random"]), jnp.asarray(RNG.standard_normal((N, N)))
    forward = jax.jvp(entry, (A,), (along,))[1]
    np.testing.assert_allclose(forward, jnp.vdot(jax.grad(entry)(A), along), rtol=1e-12)
    size = 1e-5
    np.testing.assert_allclose(forward, (entry(A + size * along) - entry(A - size * along)) / (2 * size), rtol=1e-7)


# every way of reading the input, at the state's time, half a step and a step ahead, with every path; and the logarithm
LEADS = (ro.Textbook(), ro.Tustin(), ro.Forward(1))
READINGS = [(method, path, RATES[k % 2]) for k, (method, path) in enumerate(itertools.product(LEADS, PATHS))]
OTHERS = [(ro.Exact(), "linear", 0.7)]


@pytest.mark.gate
@pytest.mark.parametrize(
    ("method", "path", "rate"), READINGS + OTHERS, ids=lambda value: getattr(value, "label", str(value))
)
def test_it_is_what_the_solver_converges_to(path, method, rate):
    """At another rate than the network's own the input's kinks fall into the steps."""
    field, given = ro.to_ode(affine(), method), PATHS[path](XS, dt=rate)
    exact = ro.integrate(field, given, H0)
    solved = ro.integrate(field, given, H0, solver=ro_solver(), rtol=1e-12, atol=1e-14)
    assert exact.result == ro.RESULTS.successful
    np.testing.assert_allclose(exact.ts, solved.ts)
    np.testing.assert_allclose(exact.states, solved.states, rtol=0, atol=3e-10 * np.abs(solved.states).max())


def ro_solver():
    import diffrax

    return diffrax.Dopri8()


@pytest.mark.slow
def test_it_takes_a_step_a_sample_and_meets_the_network_to_rounding():
    run = ro.integrate(ro.to_ode(affine(), ro.Exact()), ro.Hold(XS), H0)
    assert run.stats["num_steps"] == run.stats["max_steps"] == T and run.stats["num_rejected_steps"] == 0
    np.testing.assert_allclose(run.states, ro.iterate(affine(), XS, H0).states, rtol=1e-13, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("W", [np.zeros((N, N)), np.eye(N), np.diag(np.ones(N - 1), 1)], ids=["0", "1", "shift"])
def test_zero_and_defective_eigenvalues_are_like_others(W):
    """dh/dt = (W − 1) h + W_x x + b under a straight line, by SciPy's exponential of the system with its input beside it."""
    field = ro.to_ode(affine(W), ro.Forward(1))
    run = ro.integrate(field, ro.Linear(XS), H0)
    h = H0
    before = np.concatenate([XS[:1], XS])  # Forward(1) reads x(t + 1): the sample after the step's, held at the end
    for k in range(T):
        start, end = XS[k], XS[min(k + 1, T - 1)]
        h = line_step(W - np.eye(N), W_x @ start + B, W_x @ (end - start), h)
        np.testing.assert_allclose(run.states[k + 1], h, rtol=1e-12, atol=1e-12)
    assert before.shape == (T + 1, D)


def line_step(A, c, slope, h):
    """h(1) of dh/ds = A h + c + s·slope."""
    block = np.zeros((N + 2, N + 2))
    block[:N, :N], block[:N, N], block[:N, N + 1] = A, slope, c
    block[N, N + 1] = 1
    return scipy.linalg.expm(block)[:N] @ np.concatenate([h, [0, 1]])


@pytest.mark.parametrize("steps", [33, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 31, 32, 100))])
def test_blocks_are_the_scan(steps):
    u = jnp.asarray(RNG.standard_normal((steps, N)))
    E = jnp.asarray(0.9 * np.linalg.qr(W)[0])
    found, wanted = jax.jit(lambda E, u, h: (doubled(E, u, h), scanned(E, u, h)))(E, u, jnp.asarray(H0))
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.slow
def test_blocks_are_left_where_the_power_they_need_is_not_finite():
    E, u, h0 = (jnp.asarray(v, jnp.float32) for v in (np.diag([20.0, 0.5]), np.ones((5, 2)), np.ones(2)))

    @jax.jit
    def asked(E):
        runs = [lambda h: doubled_where_finite(E, u, h), lambda h: scanned(E, u, h)]
        return [(run(h0), jax.grad(lambda h, run=run: run(h).sum())(h0)) for run in runs]

    (_, found), (_, wanted) = asked(E)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    (found, _), (wanted, _) = asked(0.1 * E)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("dt", [0.37, 0.7])
def test_kinks_of_the_input_within_a_step_are_integrated_exactly(dt):
    """Against the solution of the network's own linear system, from kink to kink by SciPy."""
    field, path = ro.to_ode(affine(), ro.Exact()), ro.Linear(XS, dt=dt)
    A, Bx, c = (np.asarray(v) for v in (field.A, field.B, field.c))
    stamps = np.arange(T + 1) * dt
    edges = np.unique(np.concatenate([stamps, np.clip(dt * np.arange(1, 2 * T) - 0.5, 0, stamps[-1])]))

    def x(t):
        return np.stack([np.interp(t + 0.5, dt * np.arange(1, T + 1), XS[:, d]) for d in range(D)])

    h = H0
    for a, b in itertools.pairwise(edges):
        h = line_step(A * (b - a), (Bx @ x(a) + c) * (b - a), Bx @ (x(b) - x(a)) * (b - a), h)
    found = ro.integrate(field, path, H0).states[-1]
    np.testing.assert_allclose(found, h, rtol=1e-13, atol=1e-14)


@pytest.mark.gate
def test_nonlinear_cells_with_linear_parts_are_not_taken_for_linear():
    class Layered(eqx.Module):
        linear: eqx.nn.Linear

        def __call__(self, t, h, path):
            return jnp.tanh(self.linear(h)) + path(t).sum()

    class Clipped(ro.VanillaCell):
        def __call__(self, x, h):
            return jnp.clip(super().__call__(x, h), -1, 1)

    fields = (
        Layered(drawn(eqx.nn.Linear, N, N)),
        ro.to_ode(Clipped(W, W_x, B, activation=None), ro.Forward(1)),
    )
    for field in fields:
        run, solved = (ro.integrate(field, ro.Hold(XS), H0, solver=solver).states for solver in (None, ro_solver()))
        # two runs of one solver whose steps meet the clip's kinks elsewhere; taken for linear, they were 1 and 199 apart
        np.testing.assert_allclose(run, solved, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_complex_logarithms_save_and_a_ctrnn():
    turning = affine(-0.5 * np.eye(N) + 0.1 * W)
    field = ro.to_ode(turning, ro.Exact(complex=True))
    network = ro.iterate(turning, XS, H0).states
    np.testing.assert_allclose(ro.integrate(field, ro.Hold(XS), H0).states, network, rtol=0, atol=1e-12)
    kept = ro.integrate(field, ro.Hold(XS), H0, save=lambda h: h.real[0]).states
    np.testing.assert_allclose(kept, network[:, 0], rtol=0, atol=1e-12)
    ctrnn = ro.CTRNN(W, W_x, B, tau=2.0, activation=None)
    run, solved = (ro.integrate(ctrnn, ro.Cubic(XS), H0, solver=s, rtol=1e-12) for s in (None, ro_solver()))
    np.testing.assert_allclose(run.states, solved.states, rtol=1e-9, atol=1e-11)
    assert run.stats["num_steps"] == T < solved.stats["num_steps"]


@pytest.mark.slow
def test_what_leaves_the_float_range_and_what_runs_out_of_steps():
    grows = ro.to_ode(affine(1e60 * np.eye(N)), ro.Exact())
    run = ro.integrate(grows, ro.Hold(XS), H0, throw=False)
    assert run.result == ro.RESULTS.left_float_range
    finite = np.isfinite(run.states).all(axis=1)
    assert finite.tolist() == [True] * 6 + [False] * 4 and np.isposinf(run.states[6:]).all()
    short = ro.integrate(ro.to_ode(affine(), ro.Exact()), ro.Hold(XS), H0, max_steps=3, throw=False)
    assert short.result == ro.RESULTS.max_steps_reached and np.isfinite(short.states).all(axis=1).sum() == 4
    undefined = jax.jit(lambda W: ro.integrate(ro.to_ode(affine(W), ro.Textbook()), ro.Hold(XS), H0, throw=False))
    assert undefined(jnp.zeros((N, N))).result == ro.RESULTS.field_undefined


@pytest.mark.gate
def test_gradients_three_ways():
    def end(W, xs, h0):
        cell = ro.VanillaCell(W, W_x, B, activation=None)
        return jnp.sum(ro.integrate(ro.to_ode(cell, ro.Tustin()), ro.Linear(xs), h0, throw=False).states ** 2)

    values = tuple(jnp.asarray(v) for v in (W, XS, H0))
    along = tuple(jnp.asarray(RNG.standard_normal(v.shape)) for v in values)
    forward = jax.jit(lambda *v: jax.jvp(end, v, along)[1])(*values)
    reverse = jax.jit(jax.grad(end, argnums=(0, 1, 2)))(*values)
    np.testing.assert_allclose(forward, sum(jnp.vdot(g, a) for g, a in zip(reverse, along, strict=True)), rtol=1e-11)
    size = 1e-6
    ahead, behind = (end(*(v + sign * size * a for v, a in zip(values, along, strict=True))) for sign in (1, -1))
    np.testing.assert_allclose(forward, (ahead - behind) / (2 * size), rtol=1e-6)


@pytest.mark.gate
def test_it_holds_in_float32_and_lowers_everywhere(float32):
    xs, h0, *weights = (v.astype(np.float32) for v in (XS, H0, W, W_x, B))
    cell = ro.VanillaCell(*weights, activation=None)
    field = ro.to_ode(cell, ro.Exact())
    run = ro.integrate(field, ro.Hold(xs), h0)
    assert run.states.dtype == jnp.float32
    np.testing.assert_allclose(run.states, ro.iterate(cell, xs, h0).states, rtol=2e-5, atol=2e-6)

    def states(xs):
        return ro.integrate(field, ro.Linear(xs), h0, throw=False).states

    for platform in ("cpu", "cuda", "tpu"):
        jax.jit(states).trace(jnp.asarray(xs)).lower(lowering_platforms=(platform,))
