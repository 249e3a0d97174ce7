"""Runs whose steps are computed in parallel: against loops in NumPy and the scan, and when they are the scan."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import assert_close, derivative, loop

import rnn_ode as ro
from rnn_ode._base.verdict import names_of

T, N = 100, 3
RNG = np.random.default_rng(0)
XS, H0 = RNG.normal(size=(T, 2)), RNG.normal(size=N)
W, U, DIRECTION = RNG.normal(size=(N, N)), RNG.normal(size=(N, 2)), RNG.normal(size=(N, N))
DECAYS, CHAOTIC = 0.5, 8.0

# h' of (NumPy or JAX, x, h), and how Newton's method ends
NETWORKS = {
    "decaying": (lambda m, x, h: m.tanh(DECAYS * W @ h + U @ x), "NEWTON"),
    "saturated": (lambda m, x, h: m.tanh(1e3 * (W @ h) + 1e3 * (U @ x)), "NEWTON"),
    "relu": (lambda m, x, h: m.maximum(0.3 * W @ h + U @ x, 0), "NEWTON"),
    "expanding": (lambda m, x, h: 1.5 * h + U @ x, "SCAN"),
    "a step function": (lambda m, x, h: 0.5 * h + m.sign(W @ h + U @ x), "NEWTON"),
}


def run_in_parallel(W, xs=XS, h0=H0, **options):
    return ro.iterate(lambda x, h: jnp.sin(W @ h + U @ x), xs, h0, parallel=True, throw=False, **options)


def way(run):
    """The name of the way in which a run was computed, or the names of a batch."""
    return names_of(ro.ParallelChoice, run.stats["parallel"])


def loss(W, parallel=True, xs=XS, h0=H0):
    states = ro.iterate(lambda x, h: jnp.sin(W @ h + U @ x), xs, h0, parallel=parallel, throw=False).states
    return jnp.sum(jnp.sin(states + jnp.arange(states.size).reshape(states.shape)))


@pytest.mark.gate
def test_a_long_run_of_exponent_minus_0_3_is_the_scan_in_at_most_12_steps():
    """8192 steps of 8 units in float32. The exponent is measured in NumPy."""
    rng = np.random.default_rng(0)
    weights = 1.2 * rng.normal(size=(8, 8)) / 8**0.5, rng.normal(size=(8, 1)), 0.1 * rng.normal(size=8)
    weights, xs = [w.astype(np.float32) for w in weights], rng.normal(size=(8192, 1)).astype(np.float32)
    network = ro.VanillaCell(*weights, activation=jnp.tanh)
    run, scan = ro.iterate(network, xs, parallel=True), ro.iterate(network, xs)
    v, growth = np.ones(8) / 8**0.5, []
    for h in np.asarray(scan.states)[1:]:
        v = (1 - h**2) * (weights[0] @ v)
        growth.append(np.log(np.linalg.norm(v)))
        v = v / np.linalg.norm(v)
    assert np.mean(growth) == pytest.approx(-0.3, abs=0.05)
    assert way(run) == "NEWTON" and 1 <= int(run.stats["newton_steps"]) <= 12
    np.testing.assert_allclose(run.states, scan.states, rtol=0, atol=1e-5)
    assert run.states.dtype == jnp.float32
    predicted = ro.parallel_verdict(network, xs)
    assert abs(float(predicted.predicted_steps) - int(run.stats["newton_steps"])) <= 1


# Hard ones among 120 networks that are drawn like this and have exponents of −0.3 to −0.05: 29, 36, 94 and 234 keep
# a sign for thousands of steps, 46, 64 and 92 enlarge rounding errors to 1e-3, and 15 and 20 take the most Newton steps.
HARD = 2, 14, 15, 20, 29, 36, 46, 64, 74, 92, 94, 234


def random_networks(seeds):
    """Tanh networks of 8 units, as (W_h, W_x, b), with their inputs, in float32."""
    draws = []
    for rng in (np.random.default_rng(1000 + seed) for seed in seeds):
        drive, gain = rng.choice([1.0, 0.3, 0.1]), rng.uniform(0.8, 1.8)
        weights = gain * rng.normal(size=(8, 8)) / 8**0.5, drive * rng.normal(size=(8, 1)), 0.1 * rng.normal(size=8)
        draws.append([array.astype(np.float32) for array in (*weights, rng.normal(size=(8192, 1)))])
    return [np.stack(arrays) for arrays in zip(*draws, strict=True)]


def run_with_exponents(W, U, b, xs):
    """The states (n, T, 8) of tanh networks in float64, and their largest exponents, by a loop in NumPy."""
    W, U, b, xs = (array.astype(float) for array in (W, U, b, xs))
    h, v, states, growth = np.zeros(b.shape), np.ones(b.shape), [], 0.0
    for k in range(xs.shape[1]):
        h = np.tanh((W @ h[..., None])[..., 0] + xs[:, k] * U[..., 0] + b)
        v = (1 - h**2) * (W @ v[..., None])[..., 0]
        size = np.linalg.norm(v, axis=1, keepdims=True)
        states.append(h)
        growth, v = growth + (k >= 100) * np.log(size[:, 0]), v / size
    return np.stack(states, 1), growth / (xs.shape[1] - 100)


@pytest.mark.gate
def test_hard_networks_of_exponents_from_minus_0_3_to_minus_0_05_converge_and_tell_their_accuracy():
    """8192 steps in float32."""
    networks = random_networks(HARD)
    wanted, exponents = run_with_exponents(*networks)
    assert np.all((exponents > -0.3) & (exponents < -0.05))

    @jax.jit
    @jax.vmap
    def run(W, U, b, xs):
        return ro.iterate(ro.VanillaCell(W, U, b, activation=jnp.tanh), xs, parallel=True)

    runs = run(*networks)
    assert way(runs) == ["NEWTON"] * len(HARD)
    assert int(jnp.max(runs.stats["newton_steps"])) <= 12
    off = np.max(np.abs(runs.states[:, 1:] - wanted), axis=(1, 2))
    told = np.maximum(np.finfo(np.float32).eps ** 0.75, runs.stats["rounding"])
    assert np.all(off <= 4 * told) and off.max() > 1e-4


@pytest.mark.slow
def test_a_network_that_latches_is_followed_from_basin_to_basin():
    """Three bits, which pulses set some eight times each: corrections alone would pass on one window of 64 steps a time."""
    rng = np.random.default_rng(0)
    pulses = (rng.random((8192, 3)) < 1e-3) * rng.choice([-3.0, 3.0], (8192, 3))
    run = ro.iterate(lambda x, h: jnp.tanh(2 * h + x), pulses, np.full(3, 0.8), parallel=True)
    wanted = loop(lambda x, h: np.tanh(2 * h + x), pulses, np.full(3, 0.8))
    assert way(run) == "NEWTON"
    held = np.diff(np.flatnonzero(np.any(np.diff(np.sign(wanted), axis=0), axis=1))).max() // 64
    assert int(run.stats["newton_steps"]) < held
    np.testing.assert_allclose(run.states, wanted, rtol=1e-10)


@pytest.mark.gate
@pytest.mark.parametrize("name", NETWORKS)
def test_a_run_is_the_loop(name):
    f, wanted = NETWORKS[name]
    run = ro.iterate(lambda x, h: f(jnp, x, h), XS, H0, parallel=True)
    assert way(run).startswith(wanted) and run.stats["num_steps"] == T
    np.testing.assert_allclose(run.states, loop(lambda x, h: f(np, x, h), XS, H0), rtol=1e-10, atol=1e-11)


@pytest.mark.slow
def test_a_chaotic_run_is_the_scan_and_says_so():
    """Two ways of rounding part company in a chaotic network, so only the scan itself gives its states."""
    run = run_in_parallel(CHAOTIC * W)
    assert way(run).startswith("SCAN_NOT_CONVERGED")
    scan = ro.iterate(lambda x, h: jnp.sin(CHAOTIC * W @ h + U @ x), XS, H0)
    np.testing.assert_array_equal(run.states, scan.states)


@pytest.mark.gate
def test_rounding_errors_that_grow_are_seen():
    """Growth for some steps, then rest. An error is 0.02 ε in each step, and of the largest value, 0.51, at most 0.06 ε/0.51
    where growth begins, if all signs agree: 0.02 + 0.01 + … before, and as much afterwards. It doubles in each step then."""

    def run(f, count):
        xs = np.zeros((400, 1), np.float32)
        xs[100 : 100 + count] = 1
        return ro.iterate(
            lambda x, h: jnp.where(x > 0, f(h), 0.5 * h + 0.01), xs, np.ones(1, np.float32), parallel=True
        )

    def away(h):
        return 2 * (h - 0.02) + 0.02

    eps = float(jnp.finfo(jnp.float32).eps)
    for count, expected in ((24, "SCAN_ROUNDING"), (18, "NEWTON")):
        found, most = run(away, count), 2**count * 0.06 * eps / 0.51
        assert way(found) == expected and most / 10 < float(found.stats["rounding"]) <= most
    doubled = run(lambda h: 2 * h, 24)  # the state grows with its errors: one unit in each step, and two from before
    assert way(doubled) == "NEWTON" and float(doubled.stats["rounding"]) < 26 * eps


@pytest.mark.parametrize("gain", [DECAYS, pytest.param(CHAOTIC, marks=pytest.mark.slow)])
@pytest.mark.gate
def test_gradients_are_those_of_the_scan_in_both_modes(gain):
    """Also where the states are the scan's. Finite differences are of use without chaos only."""
    weights = jnp.asarray(gain * W)

    @jax.jit
    def both(W):
        return *jax.jvp(loss, (W,), (DIRECTION,)), jax.grad(loss)(W), jax.grad(lambda W: loss(W, False))(W)

    _, slope, gradient, wanted = both(weights)
    scale = float(jnp.max(jnp.abs(wanted)))
    np.testing.assert_allclose(gradient, wanted, rtol=0, atol=1e-12 * scale)
    assert float(slope) == pytest.approx(float(jnp.sum(wanted * DIRECTION)), rel=1e-10)
    if gain == DECAYS:
        assert float(slope) == pytest.approx(float(derivative(jax.jit(loss), weights, DIRECTION)), rel=1e-7)


@pytest.mark.slow
def test_gradients_of_inputs_and_states_and_second_derivatives_are_those_of_the_scan():
    def of(parallel):
        ask = lambda xs, h0: loss(jnp.asarray(DECAYS * W), parallel, xs, h0)  # noqa: E731
        return jax.jit(lambda xs, h0: (jax.grad(ask, (0, 1))(xs, h0), jax.hessian(ask, 1)(xs, h0)))(XS, H0)

    assert_close(of(True), of(False), rtol=1e-10, atol=1e-12)


@pytest.mark.gate
def test_a_batch_is_computed_in_one_way():
    """One run that does not converge makes the batch the scan: also its gradient, which has no NaN."""
    calm, mixed = (jnp.stack([DECAYS * W, gain * W]) for gain in (0.3, CHAOTIC))

    @jax.jit
    def ask(Ws):
        runs = jax.vmap(run_in_parallel)(Ws)
        return runs, jax.vmap(jax.grad(loss))(Ws), jax.grad(lambda Ws: jnp.sum(jax.vmap(loss)(Ws)))(Ws)

    for Ws, names in ((calm, ["NEWTON"] * 2), (mixed, ["SCAN_NOT_CONVERGED"] * 2)):
        runs, *gradients = ask(Ws)
        assert way(runs) == names
        for k, weights in enumerate(Ws):
            scan = ro.iterate(lambda x, h, w=weights: jnp.sin(w @ h + U @ x), XS, H0).states
            np.testing.assert_allclose(runs.states[k][:10], scan[:10], rtol=1e-9, atol=1e-9)
            if names[k] == "NEWTON":
                np.testing.assert_allclose(runs.states[k], scan, rtol=1e-12, atol=1e-13)
        wanted = jax.jit(jax.vmap(jax.grad(lambda W: loss(W, False))))(Ws)
        for gradient in gradients:
            assert bool(jnp.all(jnp.isfinite(gradient)))
            np.testing.assert_allclose(gradient[0], wanted[0], rtol=1e-9, atol=1e-11)


@pytest.mark.gate
def test_large_states_take_the_diagonal():
    """130 units that hardly act on each other, with a memory of a hundred steps. Windows of 32 steps alone, each from
    the end of the one before, would reduce the error by 0.72 a step: to 1e-12 in 84 steps."""
    rng = np.random.default_rng(1)
    weak = 1e-3 * rng.normal(size=(130, 130)) / 130**0.5
    xs, h0 = rng.normal(size=(1024, 130)), np.zeros(130)
    run = ro.iterate(lambda x, h: 0.99 * h + weak @ jnp.tanh(h) + 0.1 * x, xs, h0, parallel=True)
    assert way(run) == "QUASI_NEWTON"
    np.testing.assert_allclose(run.states, loop(lambda x, h: 0.99 * h + weak @ np.tanh(h) + 0.1 * x, xs, h0), rtol=1e-9)
    assert int(run.stats["newton_steps"]) <= 16

    def loss(rate, parallel):
        states = ro.iterate(lambda x, h: rate * h + weak @ jnp.tanh(h) + 0.1 * x, xs, h0, parallel=parallel).states
        return jnp.sum(jnp.sin(states))

    slopes = [jax.grad(loss)(0.99, parallel) for parallel in (True, False)]
    assert float(slopes[0]) == pytest.approx(float(slopes[1]), rel=1e-9)


@pytest.mark.slow
def test_states_may_be_trees_and_complex_and_part_of_them_be_kept():
    def turning(x, state):
        h, c = state
        return 0.5j * h + 0.1 * h.conj() + x[0], 0.9 * c + h.real

    h0 = np.ones(2, complex), np.ones(2)
    run = ro.iterate(turning, XS, h0, parallel=True)
    assert way(run) == "NEWTON"
    assert_close(run.states, loop(turning, XS, h0), rtol=1e-10, atol=1e-12)
    kept = ro.iterate(turning, XS, h0, parallel=True, save=lambda state: state[1][:1])
    np.testing.assert_allclose(kept.states, run.states[1][:, :1], rtol=1e-12)


@pytest.mark.gate
@pytest.mark.parametrize("count", [1, 2, 5])
def test_short_runs_are_the_loop(count):
    run = run_in_parallel(DECAYS * W, XS[:count])
    wanted = loop(lambda x, h: np.sin(DECAYS * W @ h + U @ x), XS[:count], H0)
    np.testing.assert_allclose(run.states, wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.slow
def test_an_overflow_is_reported_as_the_scan_reports_it():
    runs = [
        ro.iterate(lambda x, h: 1e9 * h, np.ones((90, 1)), np.ones(1), parallel=p, throw=False) for p in (True, False)
    ]
    assert [run.result == ro.RESULTS.left_float_range for run in runs] == [True, True]
    np.testing.assert_allclose(runs[0].states, runs[1].states, rtol=1e-14)


def test_the_result_shows_how_it_was_computed():
    shown = run_in_parallel(DECAYS * W).to_dict()["stats"]
    assert shown["parallel"].startswith("NEWTON: all steps at once")
    assert 0 <= shown["residual"] < 1e-12 and 0 < shown["rounding"] < 1e-13 and shown["newton_steps"] >= 1


def test_a_fold_and_checkpoints_are_refused():
    for name, value in {"fold": (lambda acc, h, row: acc, 0.0, None), "checkpoints": 3}.items():
        with pytest.raises(ValueError, match=f"parallel=True computes all steps at once, and {name} goes step by step"):
            run_in_parallel(W, **{name: value})


def test_a_value_of_another_type_is_refused(as_user):
    with pytest.raises(TypeError, match="parallel must be True, False or None"):
        ro.iterate(lambda x, h: h, XS, H0, parallel="yes")
