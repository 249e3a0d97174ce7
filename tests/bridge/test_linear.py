"""The linear systems of affine networks, against matrix exponentials."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
from conversions import (
    AFFINE,
    BIAS,
    H0,
    MATRIX_FUNCTIONS,
    W_X,
    XS,
    D,
    T,
    W,
    blocks,
    labelled,
    together,
)
from telling import telling

import rnn_ode as ro
from rnn_ode._paths.base import Constant


def flow_of(G, x, s, h=H0):
    """The held flow of a generator of blocks, time s on."""
    return (scipy.linalg.expm(s * G) @ np.concatenate([h, x, [1.0]]))[: len(h)]


@pytest.mark.gate
@pytest.mark.parametrize(
    "methods",
    [[ro.Exact()], [*MATRIX_FUNCTIONS]],
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


@pytest.mark.gate
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


def test_a_linear_field_says_that_it_is_one():
    field = ro.to_ode(AFFINE, ro.Tustin(), dt=0.5)
    assert field.linear and field.leads == (0.25,) and field.input_size == D
    np.testing.assert_array_equal(field.generator(0.0, H0, None), field.A)
    np.testing.assert_array_equal(field.initial_state(), np.zeros(len(H0)))


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


@pytest.mark.gate
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


@pytest.mark.slow
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


@pytest.mark.gate
@pytest.mark.parametrize("kind", telling([ro.Linear, ro.Cubic, ro.BandLimited], ro.Cubic))
def test_a_slow_input_has_no_half_sample_of_lag(kind):
    """Second order: halving the step quarters the error. Half a sample of lag would be first order."""
    methods = (ro.Tustin(), ro.Exact(), ro.Backward(1))
    coarse, fine = (slow_sinusoid_errors(methods, kind, delta) for delta in (0.16, 0.08))
    ratio = coarse[:, :31].max(axis=1) / fine.max(axis=1)  # over the same time
    np.testing.assert_allclose(ratio[:2], 4, atol=0.6)
    assert ratio[2] < 3  # Backward(1) is of first order itself: its g misses the logarithm by (λ − 1)²/2


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
