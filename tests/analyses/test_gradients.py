"""Gradient norms along a run: against brute-force Jacobians, closed forms, the bounds, and the reference values."""

import os
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import parts
import pytest
from lazy import Lazy
from linear_networks import SIZE, STEPS, linear, orthogonal, zeros
from parts import KEY, RNG, D, N
from weights import drawn

import rnn_ode as ro
import rnn_ode.plot

T = 6
XS = jnp.asarray(parts.XS[:T])
KINDS = ("tanh", "affine", "piecewise", "gru", "lstm")
CELLS = Lazy(
    {name: parts.CELLS.makers[name] for name in KINDS}
    | {"function": lambda: lambda x, s: {"b": jnp.sin(s["a"] * x[0]) + s["b"], "a": s["b"] ** 2}}
)
START = {name: parts.STATES[name] for name in KINDS} | {"function": {"a": np.array([0.3]), "b": np.array([-0.7])}}
slow = pytest.mark.slow
gate = pytest.mark.gate
cells = pytest.mark.parametrize("name", [name if name == "lstm" else pytest.param(name, marks=slow) for name in CELLS])


def times(rate):
    return rate * np.arange(STEPS + 1)


def shift(n):
    return np.eye(n, k=1)


# norms


def brute_force(cell, xs, h0):
    """Spectral norms of the Jacobians of the last state in what is added to each earlier one, by reverse mode."""
    flat, unravel = jax.flatten_util.ravel_pytree(h0)

    def end(added):
        def body(h, step):
            x, extra = step
            return jax.flatten_util.ravel_pytree(cell(x, unravel(h)))[0] + extra, None

        return jax.lax.scan(body, flat + added[0], (xs, added[1:]))[0]

    jacobians = jax.jit(jax.jacrev(end))(jnp.zeros((len(xs) + 1, len(flat))))
    return [np.linalg.norm(jacobians[:, len(xs) - k], 2) for k in range(len(xs) + 1)]


@pytest.mark.slow
@cells
def test_norms_are_those_of_the_jacobian_of_the_whole_run(name):
    h0 = jax.tree.map(jnp.asarray, START[name])
    g = ro.gradient_flow(CELLS[name], XS, h0)
    wanted = brute_force(CELLS[name], XS, h0)
    np.testing.assert_allclose(g.norms, wanted, rtol=1e-12)
    assert g.norms[0] == 1 and g.norms.shape == (T + 1,)
    assert g.result == ro.RESULTS.successful


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_linear_norms_are_those_of_the_powers(seed):
    W = np.random.default_rng(seed).normal(size=(SIZE, SIZE))
    g = ro.gradient_flow(linear(W), zeros())
    wanted = [np.linalg.norm(np.linalg.matrix_power(W, k), 2) for k in range(STEPS + 1)]
    np.testing.assert_allclose(g.norms, wanted, rtol=1e-12)


@pytest.mark.slow
def test_a_gradient_may_grow_although_the_spectral_radius_is_zero():
    """Reference `radius-is-not-enough`: ρ = 0 and a gradient that grows as 1.5ᵏ until it is exactly 0."""
    g = ro.gradient_flow(linear(1.5 * shift(10)), zeros())
    np.testing.assert_allclose(g.norms[:10], 1.5 ** np.arange(10), rtol=1e-13)
    assert round(float(g.norms[9]), 4) == 38.4434
    assert np.all(g.norms[10:] == 0) and np.all(np.isneginf(g.log_norms[10:]))
    assert g.predicted_rate == g.lyapunov_rate == g.measured_rate == -np.inf
    assert g.bounds.exploding_possible and not g.bounds.vanishing_guaranteed


@slow
def test_wrong_eigenvalues_of_a_rotated_shift_give_no_verdict():
    """Reference `eigenvalues-lie`: a rotated 2 · shift has ρ = 0, and rounding makes it look like about 1.13."""
    Q = orthogonal(64)
    g = ro.gradient_flow(linear(Q @ (2 * shift(64)) @ Q.T), zeros(63))
    assert g.predicted_rate > 0 and ro.verdict_name(g.spectrum.discrete) == "UNDETERMINED"
    np.testing.assert_allclose(g.log_norms, np.log(2) * np.arange(64), atol=1e-10)


@pytest.mark.gate
@pytest.mark.parametrize("activation", [None, jnp.tanh, jax.nn.relu])
def test_orthogonal_networks_keep_every_gradient(activation):
    """Linear networks keep the gradient everywhere, tanh networks at zero, and ReLU networks where every unit is active
    (here: the identity)."""
    W = np.eye(SIZE) if activation is jax.nn.relu else orthogonal()
    h0 = np.ones(SIZE) if activation is jax.nn.relu else np.zeros(SIZE)
    g = ro.gradient_flow(linear(W, activation), zeros(), h0)
    np.testing.assert_allclose(g.log_norms, 0, atol=4e-14)  # 40 products, each within a few u
    assert not g.bounds.vanishing_guaranteed and not g.bounds.exploding_possible
    assert max(abs(g.predicted_rate), abs(g.lyapunov_rate), abs(g.measured_rate)) < 3e-15


@pytest.mark.slow
def test_an_antisymmetric_network_at_rest():
    """J = I + ε S is normal with eigenvalues 1 ± iεσ, so that ‖J^k‖ = (1 + ε²σ²)^{k/2}."""
    A = RNG.normal(size=(SIZE, SIZE))
    S = A - A.T
    rate = 0.5 * np.log1p(0.01 * np.linalg.norm(S, 2) ** 2)
    g = ro.gradient_flow(linear(np.eye(SIZE) + 0.1 * S, jnp.tanh), zeros())
    np.testing.assert_allclose(g.log_norms, times(rate), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose([g.predicted_rate, g.measured_rate], rate, rtol=1e-12)


@pytest.mark.slow
def test_an_lstm_forgets_at_the_rate_of_its_gate():
    """Without weights ∂c_T/∂c_{T−k} = fᵏ and ∂h_T/∂c_{T−k} = o tanh'(c_T) fᵏ = fᵏ/2; the state's own norm is √1.25 fᵏ."""
    cell = jax.tree.map(jnp.zeros_like, CELLS["lstm"])
    cell = eqx.tree_at(lambda c: c.bias, cell, cell.bias.at[N : 2 * N].set(6.0))
    g = ro.gradient_flow(cell, XS)
    forget = 1 / (1 + np.exp(-6.0))
    np.testing.assert_allclose(g.norms[1:], 1.25**0.5 * forget ** np.arange(1, T + 1), rtol=1e-12)
    np.testing.assert_allclose([g.predicted_rate, g.measured_rate, g.lyapunov_rate], np.log(forget), rtol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("gain", [1e30, 1e-30])
def test_no_lag_over_or_underflows(gain):
    g = ro.gradient_flow(linear(gain * orthogonal()), zeros())
    for logs in (g.log_norms, g.bounds.log_from_weights, g.bounds.log_from_steps):
        np.testing.assert_allclose(logs, times(np.log(gain)), rtol=1e-13, atol=1e-15)
    assert g.norms[-1] == g.bounds.from_steps[-1] == (np.inf if gain > 1 else 0)


@slow
def test_a_tiny_gradient_is_measured_after_a_large_one_has_become_zero():
    """Two units: one keeps its size and is cut off in the first step, the other has shrunk to 10^-800 by then."""
    g = ro.gradient_flow(lambda x, h: x * h, np.array([[0.0, 1e-20]] + [[1.0, 1e-20]] * 39), np.ones(2))
    np.testing.assert_allclose(g.log_norms[:40], 0)
    np.testing.assert_allclose(g.log_norms[40], 40 * np.log(1e-20), rtol=1e-13)


@pytest.mark.slow
def test_the_derivative_at_a_kink_is_that_of_jax():
    g = ro.gradient_flow(linear(np.eye(SIZE), jax.nn.relu), zeros())
    np.testing.assert_array_equal(g.norms, [1] + [0] * STEPS)


# rates


@pytest.mark.slow
def test_the_rates_of_a_normal_matrix_are_one():
    """The generic vector's direction is off by (1/9)^10 after ten steps, and its length by the square of that."""
    W = orthogonal() @ np.diag([0.9, *np.linspace(-0.1, 0.1, SIZE - 1)]) @ orthogonal().T
    g = ro.gradient_flow(linear(W), zeros())
    np.testing.assert_allclose([g.predicted_rate, g.measured_rate, g.lyapunov_rate], np.log(0.9), rtol=1e-12)


@pytest.mark.slow
def test_eigenvalues_are_of_the_linear_part_or_of_the_last_step():
    """tanh(2 h) rests where 2 (1 − h²) is its derivative; the linear part of the network that computes it is 2."""
    h = 0.9
    for _ in range(200):
        h = np.tanh(2 * h)
    rate, h0 = np.log(2 * (1 - h**2)), np.full(SIZE, h)
    named = ro.gradient_flow(linear(2 * np.eye(SIZE), jnp.tanh), zeros(), h0)
    plain = ro.gradient_flow(lambda x, h: jnp.tanh(2 * h), zeros(), h0)
    np.testing.assert_allclose(named.predicted_rate, np.log(2), rtol=1e-15)
    measured = [g.measured_rate for g in (named, plain)] + [g.lyapunov_rate for g in (named, plain)]
    np.testing.assert_allclose([plain.predicted_rate, *measured], rate, rtol=1e-9)


@gate
def test_the_lyapunov_rate_of_maps_known_for_theirs():
    """The reference's `logistic-4` and `henon`. A finite run scatters: by 4 standard errors of 20000 correlated steps."""

    def logistic(x, h):
        return 4 * h * (1 - h)

    def henon(x, h):
        return jnp.stack([1 - 1.4 * h[0] ** 2 + h[1], 0.3 * h[0]])

    for cell, h0, wanted in ((logistic, [0.3], np.log(2)), (henon, [0.1, 0.1], 0.41922)):
        g = ro.gradient_flow(cell, zeros(20000), np.array(h0))
        assert abs(g.lyapunov_rate - wanted) < 0.015
        assert abs(g.log_norms[-1] / 20000 - wanted) < 0.015
    assert abs(g.measured_rate - wanted) < 0.015


@slow
def test_the_lyapunov_rate_of_a_driven_network_is_that_of_qr():
    """Benettin's method in NumPy over the same run, after the same quarter of it."""
    rng = np.random.default_rng(3)
    W, xs = rng.normal(size=(5, 5)) * 0.8, 0.5 * rng.normal(size=(400, 5))
    h, Q, logs = np.zeros(5), np.eye(5), []
    for x in xs:
        h = np.tanh(W @ h + x)
        Q, R = np.linalg.qr((1 - h**2)[:, None] * W @ Q)
        logs.append(np.log(abs(R[0, 0])))
    g = ro.gradient_flow(ro.VanillaCell(W, np.eye(5), np.zeros(5), jnp.tanh), xs)
    # two vectors differ by their angles to the leading one at both ends of 300 steps
    assert abs(g.lyapunov_rate - np.mean(logs[100:])) < 0.01
    assert abs(g.lyapunov_rate - g.log_norms[-1] / 400) < 0.03


@slow
def test_a_run_of_one_step_has_its_rates():
    g = ro.gradient_flow(linear(np.array([[0.5]])), zeros(1))
    np.testing.assert_allclose(g.norms, [1, 0.5], rtol=1e-15)
    np.testing.assert_allclose([g.measured_rate, g.lyapunov_rate, g.predicted_rate], np.log(0.5), rtol=1e-14)


# bounds (reference `pascanu`)


@pytest.mark.slow
@cells
def test_no_norm_exceeds_a_bound(name):
    g = ro.gradient_flow(CELLS[name], XS, START[name])
    assert np.all(g.log_norms <= g.bounds.log_from_steps + 1e-12)
    if isinstance(CELLS[name], ro.VanillaCell | ro.PiecewiseLinearCell):
        assert np.all(g.bounds.log_from_steps <= g.bounds.log_from_weights + 1e-12)
        np.testing.assert_allclose(g.bounds.from_weights, g.bounds.gain ** np.arange(T + 1), rtol=1e-12)
    else:
        assert np.isnan(g.bounds.gain) and np.all(np.isnan(g.bounds.log_from_weights[1:]))
        assert not g.bounds.vanishing_guaranteed and g.bounds.exploding_possible


@slow
def test_the_bound_of_the_steps_is_the_product_of_their_norms():
    cell, h, sizes = CELLS["tanh"], jnp.asarray(START["tanh"]), [1.0]
    for x in XS:
        sizes.append(np.linalg.norm(jax.jacobian(lambda h, x=x: cell(x, h))(h), 2))
        h = cell(x, h)
    g = ro.gradient_flow(cell, XS, START["tanh"])
    np.testing.assert_allclose(g.bounds.from_steps, np.cumprod([1.0, *sizes[:0:-1]]), rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "activation",
    [jax.nn.relu, jax.nn.relu6, jax.nn.leaky_relu, jax.nn.elu, jax.nn.celu, jax.nn.softplus, jax.nn.log_sigmoid,
     None, jax.nn.identity, jnp.tanh, jax.lax.tanh, jax.nn.hard_tanh, jax.nn.soft_sign, jax.nn.sigmoid,
     jax.lax.logistic, jax.nn.hard_sigmoid],
)  # fmt: skip
def test_every_known_slope_is_the_steepest(activation):
    gain = linear(np.eye(1), activation).gain
    slopes = jax.jit(jax.vmap(jax.grad(activation or (lambda z: z))))(np.linspace(-40, 40, 8001))
    np.testing.assert_allclose(np.max(np.abs(slopes)), gain, rtol=1e-12)


# bad input


@pytest.mark.parametrize(
    ("cell", "xs", "h0", "error", "message"),
    [
        (CELLS["tanh"], np.ones((T, 3)), None, ValueError, r"xs must have shape \(T, 2\)"),
        (CELLS["tanh"], np.ones((0, 2)), None, ValueError, "at least one sample"),
        (CELLS["tanh"], [[0, np.nan]], None, ValueError, "xs must be finite"),
        (CELLS["tanh"], XS, np.ones(2), ValueError, r"h0 must have shape \(3,\)"),
        (CELLS["function"], XS, None, ValueError, "Pass h0"),
        (3, XS, None, TypeError, "cell must be a callable"),
        (lambda x, h: 1j * h, XS, np.ones(2) + 0j, TypeError, "real states"),
        (lambda x, h: h[:1], XS, np.ones(2), ValueError, "must return a state like h"),
    ],
)
def test_bad_input_is_named(cell, xs, h0, error, message, as_user):
    with pytest.raises(error, match=message):
        ro.gradient_flow(cell, xs, h0)


def test_a_run_out_of_the_float_range():
    job = linear(1e30 * np.eye(SIZE)), zeros(), np.ones(SIZE)
    with pytest.raises(eqx.EquinoxRuntimeError, match="left the float range"):
        ro.gradient_flow(*job)
    g = ro.gradient_flow(*job, throw=False)
    assert g.result == ro.RESULTS.left_float_range
    numbers = g.log_norms, g.norms, g.lyapunov_rate, g.measured_rate, g.bounds.log_from_steps
    assert all(np.all(np.isnan(value)) for value in numbers)


@pytest.mark.slow
def test_a_run_without_a_derivative_keeps_the_lags_before_it():
    def root(x, h):
        return jnp.sqrt(h) + x  # which has no derivative at the first state, 0

    with pytest.raises(eqx.EquinoxRuntimeError, match="derivative is not finite"):
        ro.gradient_flow(root, np.ones((3, 1)), np.zeros(1))
    g = ro.gradient_flow(root, np.ones((3, 1)), np.zeros(1), throw=False)
    assert g.result == ro.RESULTS.derivative_undefined
    np.testing.assert_allclose(g.norms, [1, 0.5 / 2**0.5, 0.25 / 2**0.5, np.nan], rtol=1e-14)


# compiled, batched, differentiated, in float32, on every backend


def everything(cell, xs, h0):
    g = ro.gradient_flow(cell, xs, h0)
    bounds = g.bounds
    rates = g.predicted_rate, g.lyapunov_rate, g.measured_rate
    return g.log_norms, g.norms, rates, bounds.log_from_steps, bounds.log_from_weights, bounds.vanishing_guaranteed


def assert_same(came, wanted, **tolerance):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), came, wanted)


@gate
def test_compiled_equals_eager_and_batched_equals_a_loop():
    cell, h0 = CELLS["lstm"], jax.tree.map(jnp.asarray, START["lstm"])
    batch = jnp.asarray(RNG.normal(size=(3, T, D)))
    each = [everything(cell, xs, h0) for xs in batch]
    assert_same(jax.jit(everything)(cell, batch[0], h0), each[0], rtol=1e-12)
    together = jax.jit(jax.vmap(everything, in_axes=(None, 0, None)))(cell, batch, h0)
    assert_same(together, jax.tree.map(lambda *rows: np.stack(rows), *each), rtol=1e-12)


@gate
def test_a_batch_of_networks_is_a_flow_with_leading_axes():
    cells = eqx.filter_vmap(lambda key: ro.VanillaCell.random(key, D, N, activation=jnp.tanh))(jax.random.split(KEY, 4))
    g = eqx.filter_vmap(lambda cell: ro.gradient_flow(cell, XS))(cells)
    assert g.norms.shape == (4, T + 1) and g.predicted_rate.shape == g.bounds.gain.shape == (4,)
    one = ro.gradient_flow(jax.tree.map(lambda leaf: leaf[2], cells), XS)
    np.testing.assert_allclose(g.predicted_rate[2], one.predicted_rate, rtol=1e-12)
    with pytest.raises(ValueError, match=r"flows\['many'\] holds a batch \(4,\)"):
        ro.plot.gradient_flows({"many": g})


@gate
def test_float32_is_float64_to_its_own_rounding(float32):
    job = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), (CELLS["lstm"], XS, START["lstm"]))
    single = everything(*job)
    assert {leaf.dtype for leaf in jax.tree.leaves(single)} == {jnp.dtype(jnp.float32), jnp.dtype(bool)}
    with jax.enable_x64(True):
        double = everything(*jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), job))
    assert_same(single, double, rtol=1e-4, atol=1e-5)


@gate
def test_gradients_three_ways():
    """Of the norms, rates and bounds in weights, input and start: jvp, reverse mode, five-point differences."""
    arrays, static = eqx.partition((CELLS["tanh"], XS, START["tanh"]), eqx.is_inexact_array_like)
    arrays = jax.tree.map(jnp.asarray, arrays)

    def number(values):
        g = ro.gradient_flow(*eqx.combine(values, static))
        rates = jnp.stack([g.lyapunov_rate, g.measured_rate, g.predicted_rate])
        return jnp.sum(jnp.sin(jnp.concatenate([g.log_norms, g.norms, rates, g.bounds.log_from_steps])))

    rng = np.random.default_rng(2)
    direction = jax.tree.map(lambda v: jnp.asarray(rng.standard_normal(v.shape)), arrays)
    number = jax.jit(number)
    tangent = jax.jvp(number, (arrays,), (direction,))[1]
    slope = sum(jax.tree.leaves(jax.tree.map(jnp.vdot, jax.grad(number)(arrays), direction)))
    at = [number(jax.tree.map(lambda v, d, s=s: v + s * 2e-4 * d, arrays, direction)) for s in (-2, -1, 1, 2)]
    difference = (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / 24e-4
    np.testing.assert_allclose([tangent, slope], difference, rtol=1e-7)
    np.testing.assert_allclose(tangent, slope, rtol=1e-10)


@gate
def test_gradients_stay_finite_where_the_gradient_is_gone():
    def loss(W):
        g = ro.gradient_flow(ro.VanillaCell(W, jnp.zeros((SIZE, 1)), jnp.zeros(SIZE), None), zeros())
        return jnp.sum(jnp.where(jnp.isfinite(g.log_norms), g.log_norms, 0)) + jnp.sum(g.norms)

    assert np.all(np.isfinite(jax.grad(loss)(jnp.asarray(shift(SIZE)))))
    assert np.all(np.isfinite(jax.grad(loss)(jnp.eye(SIZE))))


LOWERED = {
    "tanh": lambda W, xs: everything(ro.VanillaCell(W, jnp.ones((N, D)), jnp.zeros(N), jnp.tanh), xs, jnp.zeros(N)),
    "lstm": lambda W, xs: everything(drawn(eqx.nn.LSTMCell, D, N), xs, (W[0], W[1])),
    "batch": lambda W, xs: jax.vmap(LOWERED["tanh"], (None, 0))(W, jnp.stack([xs, xs])),
    "gradient": jax.grad(lambda W, xs: jnp.sum(LOWERED["tanh"](W, xs)[0])),
}


def lower_everything():
    """What the child process does: one line for each job and platform that fails, and a last one."""
    for name, job in LOWERED.items():
        for platform in ("cpu", "cuda", "tpu"):
            traced = jax.jit(job).trace(jnp.ones((N, N), jnp.float32), jnp.ones((T, D), jnp.float32))
            text = traced.lower(lowering_platforms=(platform,)).as_text()
            if any("callback" in line.split("loc(")[0] for line in text.splitlines()):
                print("host callback:", name, platform)
    print("lowered")


@gate
def test_it_lowers_for_every_backend():
    env = os.environ | {"EQX_ON_ERROR": "nan", "JAX_PLATFORMS": "cpu"}
    env["PYTHONPATH"] = os.pathsep.join(
        [str(Path(ro.__file__).parent.parent), str(Path(__file__).parent), str(Path(__file__).parents[1])]
    )
    script = "import test_gradients; test_gradients.lower_everything()"
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True)
    assert done.stdout == "lowered\n", done.stdout + done.stderr
