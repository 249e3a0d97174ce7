"""Noise of networks: its distribution, its key, and pathwise gradients."""

import os
import subprocess
import sys
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from jax.test_util import check_grads
from processes import PACKAGE
from weights import drawn

import rnn_ode as ro
from rnn_ode._run.noise import BLOCK

KEY = jax.random.key(3)
W = np.array([[0.6, 0.3], [-0.4, 0.5]])
LINEAR = ro.VanillaCell(W, np.ones((2, 1)), np.zeros(2), activation=None)
TANH = ro.VanillaCell(W, np.ones((2, 1)), np.zeros(2), activation=jnp.tanh)
XS = np.sin(np.arange(2 * BLOCK + 40.0))[:, None]
SPREAD = np.array([[0.5, 0.0, 0.2], [0.1, 0.3, 0.0]])


@eqx.filter_jit
def noisy(cell, xs, key, noise, **options):
    return ro.iterate(cell, xs, noise=noise, key=key, **options).states


def increments(cell, states, xs):
    """What was added to each state."""
    return states[1:] - jax.vmap(cell)(jnp.asarray(xs), states[:-1])


@pytest.mark.parametrize("noise", [0.5, np.array([0.5, 0.2]), SPREAD], ids=["number", "vector", "matrix"])
def test_the_noise_has_the_covariance_asked_for(noise):
    """Of 592 steps, to 5 standard errors; and it is white."""
    added = np.asarray(increments(TANH, noisy(TANH, XS, KEY, noise), XS))
    sigma = noise * np.eye(2) if np.ndim(noise) < 2 else noise
    wanted, n = sigma @ sigma.T, len(XS)
    error = np.sqrt((wanted**2 + np.outer(np.diag(wanted), np.diag(wanted))) / n)
    assert (np.abs(added.T @ added / n - wanted) < 5 * error).all()
    assert (np.abs(added[1:].T @ added[:-1] / n) < 5 * np.sqrt(np.outer(np.diag(wanted), np.diag(wanted)) / n)).all()


@pytest.mark.slow
def test_a_linear_network_settles_at_the_covariance_of_lyapunovs_equation():
    """A run of 10⁶ steps, to 4 standard errors, from 100 parts of it."""
    steps = 1_000_000

    def outer(total, h, row):
        part = row // (steps // 100)
        return total.at[part].add(jnp.outer(h, h))

    h0 = jnp.zeros(2)
    fold = (outer, jnp.zeros((100, 2, 2)), jnp.arange(steps))
    run = ro.iterate(LINEAR, jnp.zeros((steps, 1)), h0, noise=SPREAD, key=KEY, fold=fold, save=lambda h: ())
    parts = np.asarray(run.stats["fold"]) / (steps // 100)
    wanted = scipy.linalg.solve_discrete_lyapunov(W, SPREAD @ SPREAD.T)
    assert (np.abs(parts.mean(0) - wanted) < 4 * parts.std(0, ddof=1) / 10).all()


@pytest.mark.gate
def test_the_same_key_gives_the_same_run():
    run = noisy(TANH, XS, KEY, 0.3)
    np.testing.assert_array_equal(run, noisy(TANH, XS, KEY, 0.3))
    eager = ro.iterate(TANH, XS, noise=0.3, key=KEY).states
    np.testing.assert_allclose(run, eager, rtol=1e-12, atol=1e-14)
    assert np.abs(run - noisy(TANH, XS, jax.random.key(4), 0.3)).max() > 0.3
    np.testing.assert_allclose(noisy(TANH, XS[: BLOCK + 5], KEY, 0.3), run[: BLOCK + 6], rtol=1e-12)


@pytest.mark.gate
def test_the_noise_does_not_depend_on_how_the_run_is_cut():
    whole = noisy(TANH, XS, KEY, SPREAD)
    kept = noisy(TANH, XS, KEY, SPREAD, save=lambda h: h[0])
    np.testing.assert_allclose(kept, whole[:, 0], rtol=1e-12, atol=1e-14)
    for checkpoints in (1, 2, 50):
        cut = noisy(TANH, XS, KEY, SPREAD, checkpoints=checkpoints)
        np.testing.assert_allclose(cut, whole, rtol=1e-12, atol=1e-14)
    any_cell = ro.iterate(lambda x, h: jnp.tanh(W @ h + x), XS, jnp.zeros(2), noise=SPREAD, key=KEY).states
    np.testing.assert_allclose(any_cell, whole, rtol=1e-12, atol=1e-14)


@pytest.mark.gate
def test_rows_that_share_a_key_have_the_same_noise():
    both = jax.vmap(lambda xs: noisy(LINEAR, xs, KEY, 0.3))(jnp.stack([jnp.asarray(XS), 0 * XS]))
    alone = noisy(LINEAR, XS, KEY, 0.3)
    np.testing.assert_allclose(both[0], alone, rtol=1e-11, atol=1e-13)
    quiet = [ro.iterate(LINEAR, xs).states for xs in (XS, 0 * XS)]
    np.testing.assert_allclose(both[0] - quiet[0], both[1] - quiet[1], atol=1e-13)
    apart = jax.vmap(lambda key: noisy(LINEAR, XS, key, 0.3))(jax.random.split(KEY, 2))
    assert np.abs(apart[0] - apart[1]).max() > 0.3


@pytest.mark.gate
def test_gradients_are_pathwise():
    """By the noise of each step, held fixed."""
    xs = XS[:5]
    xi = np.asarray(increments(TANH, ro.iterate(TANH, xs, noise=1.0, key=KEY).states, xs))

    def loss(W, spread):
        cell = eqx.tree_at(lambda c: c.W_h, TANH, W)
        return jnp.sum(noisy(cell, xs, KEY, spread) ** 2)

    def by_hand(W, spread):
        h, total = jnp.zeros(2), 0.0
        for x, noise in zip(xs, xi, strict=True):
            h = jnp.tanh(W @ h + jnp.asarray(x)[0]) + spread * noise
            total += jnp.sum(h**2)
        return total

    spread = jnp.array([0.3, 0.7])
    for mode in (jax.grad, jax.jacfwd):
        found = jax.jit(mode(loss, (0, 1)))(jnp.asarray(W), spread)
        wanted = jax.grad(by_hand, (0, 1))(jnp.asarray(W), spread)
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-10), found, wanted)


@pytest.mark.gate
def test_gradients_in_three_ways_with_and_without_checkpoints():
    def states(W, spread, cut):
        cell = eqx.tree_at(lambda c: c.W_h, TANH, W)
        return ro.iterate(cell, XS[: BLOCK + 5], noise=spread, key=KEY, checkpoints=cut).states[-1]

    for cut in (None, 2):
        check_grads(partial(states, cut=cut), (jnp.asarray(W), jnp.asarray(SPREAD)), 1, eps=1e-6)


@pytest.mark.slow
def test_states_of_several_arrays_and_of_single_precision():
    cell = drawn(eqx.nn.LSTMCell, 1, 2, dtype=jnp.float32)
    xs = XS[:20].astype(np.float32)
    h, c = ro.iterate(cell, xs, noise=np.array([0.0, 0.0, 0.5, 0.0]), key=KEY).states
    assert h.dtype == c.dtype == jnp.float32
    again = jax.vmap(cell)(xs, (h[:-1], c[:-1]))
    np.testing.assert_allclose(h[1:], again[0], atol=1e-6)  # the noise is c[0]'s
    np.testing.assert_allclose(c[1:, 1], again[1][:, 1], atol=1e-6)
    assert 0.2 < np.std(c[1:, 0] - again[1][:, 0]) < 0.8


@pytest.mark.gate
@pytest.mark.parametrize("impl", ["rbg", "unsafe_rbg"])
def test_keys_of_other_generators(impl):
    key = jax.random.key(0, impl=impl)
    added = np.asarray(increments(LINEAR, noisy(LINEAR, XS, key, 0.5), XS))
    assert abs(added.std() - 0.5) < 5 * 0.5 / np.sqrt(2 * added.size)
    assert ro.iterate(LINEAR, XS, noise=0.5, key=jax.random.PRNGKey(0)).states.shape == (len(XS) + 1, 2)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"noise": 0.1}, TypeError, r"noise needs a key .* key=jax.random.key\(0\)"),
        ({"key": KEY}, TypeError, "there is no noise: give noise="),
        ({"noise": -0.1, "key": KEY}, ValueError, r"standard deviation, at least 0; got -0.1"),
        ({"noise": np.array([0.1, -2.0]), "key": KEY}, ValueError, "at least 0; got -2"),
        ({"noise": np.ones(3), "key": KEY}, ValueError, r"one for each number of the state \(2,\).* got shape \(3,\)"),
        ({"noise": np.ones((3, 2)), "key": KEY}, ValueError, r"a matrix \(2, M\).* got shape \(3, 2\)"),
        ({"noise": np.nan, "key": KEY}, ValueError, "noise must be finite"),
        ({"noise": "loud", "key": KEY}, TypeError, "noise"),
        ({"noise": 0.1, "key": 7}, TypeError, "key"),
        ({"noise": 0.1, "key": jax.random.split(KEY)}, TypeError, "one key.*jax.vmap|key"),
        ({"noise": 0.1, "key": KEY, "parallel": True}, ValueError, "noise goes step by step"),
    ],
    ids=str,
)
def test_bad_input_is_named(options, error, says):
    with pytest.raises(error, match=says):
        ro.iterate(LINEAR, XS, **options)


def test_a_complex_state_has_no_noise():
    with pytest.raises(TypeError, match="noise is for real states"):
        ro.iterate(lambda x, h: 0.5j * h, XS, jnp.zeros(1, complex), noise=0.1, key=KEY)


@pytest.mark.slow
def test_a_run_that_leaves_the_float_range_says_so():
    unstable = ro.VanillaCell(100 * W, np.ones((2, 1)), np.zeros(2), activation=None)
    run = ro.iterate(unstable, XS, noise=0.1, key=KEY, throw=False)
    assert run.result == ro.RESULTS.left_float_range and np.isinf(run.states[-1]).all()


ON_DEVICES = """
import jax, jax.numpy as jnp, numpy as np, rnn_ode as ro
from jax.sharding import Mesh, NamedSharding, PartitionSpec
assert len(jax.devices()) == 8
cell = ro.VanillaCell([[0.6, 0.3], [-0.4, 0.5]], [[1.0], [1.0]], [0.0, 0.0], activation=jnp.tanh)
keys = jax.random.split(jax.random.key(0), 8)
run = jax.jit(jax.vmap(lambda key: ro.iterate(cell, jnp.zeros((300, 1)), noise=0.3, key=key, throw=False).states))
spread = run(jax.device_put(keys, NamedSharding(Mesh(np.array(jax.devices()), ("device",)), PartitionSpec("device"))))
assert spread.sharding.num_devices == 8
np.testing.assert_allclose(spread, run(keys), rtol=0, atol=1e-6)  # rounding of float32: programs of 1 and of 8 runs
"""


@pytest.mark.slow
def test_a_key_gives_the_same_run_on_one_device_and_on_eight():
    env = os.environ | {"PYTHONPATH": str(PACKAGE), "XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    done = subprocess.run([sys.executable, "-c", ON_DEVICES], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
