"""Noise of fields: closed forms of the Ornstein–Uhlenbeck process, orders of the schemes, its key and its gradients."""

from functools import partial

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from jax.test_util import check_grads

import rnn_ode as ro

KEY = jax.random.key(3)
A = np.array([[-1.0, 2.0], [-2.0, -0.5]])
SPREAD = np.array([[0.5, 0.0, 0.2], [0.1, 0.3, 0.0]])
PATH = ro.Hold(np.sin(np.arange(8.0))[:, None])
LINEAR = ro.CTRNN(A + np.eye(2), np.ones((2, 1)), np.zeros(2), 1.0, activation=None)
SCHEMES = {"Euler": diffrax.Euler(), "Heun": None}


def tanh_field(t, h, path):
    return jnp.tanh(A @ h + path(t)) - h


@eqx.filter_jit
def noisy(field, key, noise, step=0.1, **options):
    return ro.integrate(field, PATH, jnp.zeros(2), noise=noise, key=key, step=step, **options).states


def decay(t, h, path):
    return A @ h


@pytest.mark.gate
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_flow_settles_at_its_covariance_and_autocovariance(scheme):
    """C(τ) = exp(A τ) X, with A X + X Aᵀ + σ σᵀ = 0, to 4 standard errors over 64 runs and the error of the steps."""
    ts, tau = np.arange(0.0, 201.0, 0.25), 0.25

    def run(key):
        states = ro.integrate(
            decay, None, jnp.zeros(2), ts=ts, noise=SPREAD, key=key, step=0.0125, solver=SCHEMES[scheme]
        ).states[80:]
        return jnp.stack([states.T @ states, states[1:].T @ states[:-1]]) / len(states)

    found = np.asarray(jax.jit(lambda keys: jax.lax.map(run, keys))(jax.random.split(KEY, 64)))
    X = scipy.linalg.solve_continuous_lyapunov(A, -SPREAD @ SPREAD.T)
    wanted = np.stack([X, scipy.linalg.expm(A * tau) @ X])
    assert (np.abs(found.mean(0) - wanted) < 4 * found.std(0, ddof=1) / 8 + 0.02 * np.abs(X).max()).all()


def exact_covariance(scheme, z):
    """Of dh = −h dt + dB after one unit of time in steps of z: the recursion by hand."""
    factor, kick = (1 - z, 1.0) if scheme == "Euler" else (1 - z + z**2 / 2, 1 - z / 2)
    steps = round(1 / z)
    return z * kick**2 * (1 - factor ** (2 * steps)) / (1 - factor**2)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_scheme_is_the_recursion_by_hand(scheme):
    """Its covariance follows from the derivative of the state by each increment, which autodiff gives."""
    field, ts = lambda t, h, path: -h, np.array([0.0, 1.0])

    def end(sigma):
        return ro.integrate(
            field, None, jnp.zeros(4000), ts=ts, noise=sigma, key=KEY, step=0.25, solver=SCHEMES[scheme]
        ).states[-1]

    states = np.asarray(jax.jit(end)(1.0))
    wanted = exact_covariance(scheme, 0.25)
    assert abs(states.var() - wanted) < 5 * wanted * np.sqrt(2 / 4000)


def cubic(t, h, path):
    return jnp.sin(2 * h) - h**3


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "least"), [("Euler", 0.85), ("Heun", 0.85)])
def test_the_strong_order_is_one(scheme, least):
    """The mean distance from a run along the same Brownian paths with steps 64 times as short.

    The paths are made by hand, from increments whose sums are those of the longer steps."""
    fine, paths = 2**12, 200
    dB = np.random.default_rng(0).normal(size=(fine, paths)) / fine**0.5

    def end(steps):
        h = jnp.full(paths, 0.5)
        for_each = dB.reshape(steps, fine // steps, paths).sum(1)

        def step(h, kick):
            from rnn_ode._run.noisy_field import _euler, _heun

            ds = jnp.asarray(1 / steps)
            return (_euler if scheme == "Euler" else _heun)(lambda s, h: cubic(s, h, None), 0.0 * ds, ds, h, kick), None

        return jax.lax.scan(step, h, jnp.asarray(for_each))[0]

    reference = end(fine)
    errors = [float(jnp.mean(jnp.abs(end(steps) - reference))) for steps in (16, 32, 64)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (orders > least).all(), orders


@pytest.mark.parametrize(("scheme", "order"), [("Euler", 1), ("Heun", 2)])
def test_the_weak_order(scheme, order):
    """Of the variance of a linear process at time 1, (1 − e⁻²)/2, whose value under the scheme has a closed form."""
    errors = [abs(exact_covariance(scheme, z) - (1 - np.exp(-2)) / 2) for z in (1 / 32, 1 / 64)]
    assert abs(np.log2(errors[0] / errors[1]) - order) < 0.1


@pytest.mark.slow
def test_the_weak_order_of_euler_by_simulation():
    """The variance at time 1 of 2·10⁵ members, whose bias at a step of ½ and ¼ is 8 and more standard errors."""
    field, ts, exact = lambda t, h, path: -h, np.array([0.0, 1.0]), (1 - np.exp(-2)) / 2

    def bias(step):
        run = ro.integrate(
            field, None, jnp.zeros(200_000), ts=ts, noise=1.0, key=KEY, step=step, solver=diffrax.Euler()
        )
        return float(jnp.var(run.states[-1])) - exact

    half, quarter = bias(0.5), bias(0.25)
    assert 1.4 < half / quarter < 3.2


@pytest.mark.gate
@pytest.mark.parametrize("scheme", SCHEMES)
def test_without_noise_it_is_the_solution(scheme):
    wanted = ro.integrate(tanh_field, PATH, jnp.zeros(2)).states
    tolerance = {"Euler": 3e-2, "Heun": 3e-4}[scheme]
    np.testing.assert_allclose(noisy(tanh_field, KEY, 0.0, 0.02, solver=SCHEMES[scheme]), wanted, atol=tolerance)


@pytest.mark.slow
def test_times_between_samples_and_after_them():
    ts = np.array([0.3, 1.0, 2.6, 8.0, 11.5])
    run = partial(ro.integrate, tanh_field, PATH, jnp.zeros(2))
    wanted = jax.jit(lambda: run(ts=ts).states)()
    found = jax.jit(lambda: run(noise=0.0, key=KEY, step=0.02, ts=ts).states)()
    np.testing.assert_allclose(found, wanted, atol=3e-4)
    assert jax.jit(lambda: run(noise=0.1, key=KEY, step=0.1, ts=ts[:1]).states)().shape == (1, 2)


@pytest.mark.slow
def test_intervals_of_more_steps_than_a_block():
    """300 steps an interval are two blocks, and the states at the stamps are those of the intervals' ends."""
    wanted = ro.integrate(tanh_field, PATH, jnp.zeros(2)).states
    np.testing.assert_allclose(noisy(tanh_field, KEY, 0.0, 1 / 300), wanted, atol=1e-5)


@pytest.mark.gate
def test_the_same_key_gives_the_same_run():
    run = noisy(tanh_field, KEY, 0.3)
    np.testing.assert_array_equal(run, noisy(tanh_field, KEY, 0.3))
    eager = ro.integrate(tanh_field, PATH, jnp.zeros(2), noise=0.3, key=KEY, step=0.1)
    np.testing.assert_allclose(run, eager.states, rtol=1e-12, atol=1e-14)
    assert eager.stats["num_steps"] == 80
    np.testing.assert_allclose(noisy(tanh_field, KEY, 0.3, save=lambda h: h[1]), run[:, 1], rtol=1e-12, atol=1e-14)
    both = jax.vmap(lambda scale: noisy(lambda t, h, path: scale * tanh_field(t, h, path), KEY, 0.3))(
        jnp.array([1.0, 0.0])
    )
    np.testing.assert_allclose(both[0], run, rtol=1e-11, atol=1e-13)
    assert np.abs(run - noisy(tanh_field, jax.random.key(4), 0.3)).max() > 0.1


def test_held_input_is_read_up_to_the_end_of_its_step():
    """A field that is its input: the integral of a held input is exact, whatever the scheme."""
    run = noisy(lambda t, h, path: path(t) + 0 * h, KEY, 0.0, 0.5)
    np.testing.assert_allclose(run[1:, 0], np.cumsum(np.sin(np.arange(8.0))), atol=1e-13)


@pytest.mark.gate
def test_gradients_are_pathwise_in_three_ways():
    def states(W, spread):
        field = eqx.tree_at(lambda f: f.W_h, LINEAR, W)
        return ro.integrate(field, PATH, jnp.zeros(2), noise=spread, key=KEY, step=0.02).states[-1]

    check_grads(states, (jnp.asarray(A), jnp.asarray(SPREAD)), 1, eps=1e-6)


@pytest.mark.gate
def test_the_gradient_by_sigma_of_a_linear_flow_is_its_noise():
    """h is linear in σ, so dh/dσ · σ is what the noise adds."""
    still = ro.integrate(LINEAR, PATH, jnp.zeros(2), noise=0.0, key=KEY, step=0.1).states
    for mode in (jax.jacfwd, jax.jacrev):
        along = jax.jit(mode(lambda sigma: noisy(LINEAR, KEY, sigma)))(0.7)
        np.testing.assert_allclose(0.7 * along, noisy(LINEAR, KEY, 0.7) - still, atol=1e-12)


@pytest.mark.gate
def test_a_field_that_is_anchored_and_a_field_of_pairs():
    cell = ro.VanillaCell(A / 4, np.ones((2, 1)), np.zeros(2), activation=jnp.tanh)
    field = ro.to_ode(cell, ro.Exact(anchored=True))
    wanted = ro.integrate(field, PATH, jnp.full(2, 0.3)).states
    found = ro.integrate(field, PATH, jnp.full(2, 0.3), noise=0.0, key=KEY, step=0.01).states
    np.testing.assert_allclose(found, wanted, atol=1e-3)

    def spring(t, h, path):
        return {"x": h["v"], "v": -h["x"]}

    h0 = {"v": jnp.zeros(1, jnp.float32), "x": jnp.ones(1, jnp.float32)}
    run = ro.integrate(spring, None, h0, ts=np.array([0.0, 1.0]), noise=[0.0, 0.0], key=KEY, step=0.01).states
    assert run["x"].dtype == jnp.float32
    np.testing.assert_allclose(run["x"][:, 0], [1, np.cos(1)], atol=1e-4)


@pytest.mark.slow
def test_a_run_that_leaves_the_float_range_says_so():
    run = ro.integrate(
        lambda t, h, path: h**3, None, jnp.ones(1), ts=np.array([0.0, 9.0]), noise=0.1, key=KEY, step=0.1, throw=False
    )
    assert run.result == ro.RESULTS.left_float_range and np.isinf(run.states[-1]).all()
    undefined = ro.integrate(
        lambda t, h, path: jnp.sqrt(h),
        None,
        jnp.ones(1),
        ts=np.array([0.0, 9.0]),
        noise=9.0,
        key=KEY,
        step=0.1,
        throw=False,
    )
    assert undefined.result == ro.RESULTS.field_undefined


@pytest.mark.slow
def test_it_lowers_for_every_platform():
    run = jax.jit(
        lambda key: ro.integrate(LINEAR, PATH, jnp.zeros(2), noise=0.1, key=key, step=0.1, throw=False).states
    )
    for platform in ("cpu", "cuda", "tpu"):
        run.trace(KEY).lower(lowering_platforms=(platform,))


GOOD = {"noise": 0.1, "key": KEY, "step": 0.1}


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"noise": 0.1, "step": 0.1}, TypeError, "noise needs a key"),
        ({"key": KEY}, TypeError, "there is no noise"),
        ({"step": 0.1}, ValueError, "step is the step of a run with noise"),
        ({"noise": 0.1, "key": KEY}, TypeError, "noise needs step="),
        (GOOD | {"step": 0.0}, ValueError, "step must be positive"),
        (GOOD | {"noise": -0.1}, ValueError, "at least 0; got -0.1"),
        (GOOD | {"noise": np.ones(3)}, ValueError, r"got shape \(3,\)"),
        (GOOD | {"noise": np.inf}, ValueError, "noise must be finite"),
        (GOOD | {"solver": diffrax.Tsit5()}, TypeError, r"diffrax.Heun\(\) \(the default\) or diffrax.Euler\(\)"),
        (GOOD | {"rtol": 1e-3}, ValueError, "rtol is not used"),
        (GOOD | {"max_steps": 10}, ValueError, "max_steps is not used"),
    ],
    ids=str,
)
def test_bad_input_is_named(options, error, says):
    with pytest.raises(error, match=says):
        ro.integrate(LINEAR, PATH, jnp.zeros(2), **options)


@pytest.mark.slow
def test_traced_times_are_refused():
    run = partial(ro.integrate, LINEAR, PATH, jnp.zeros(2), **GOOD)
    with pytest.raises(TypeError, match="ts must be known while Python runs"):
        jax.jit(lambda ts: run(ts=ts).states)(jnp.array([0.0, 1.0]))
