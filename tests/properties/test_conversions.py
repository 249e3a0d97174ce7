"""Conversions keep fixed points, have the exponents g(λ), and come back."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from matrices import g
from properties import budget
from properties import strategies as draw
from properties.budget import prop

import rnn_ode as ro

METHODS = (ro.Forward(1), ro.Forward(3), ro.Backward(1), ro.Backward(3), ro.Tustin(), ro.Exact())
PAIRS = (
    (ro.Forward(1), ro.Euler()),
    (ro.Backward(1), ro.BackwardEuler()),
    (ro.Tustin(), ro.Trapezoidal()),
    (ro.Exact(), ro.ExponentialEuler()),
)
TAME = tuple(kind for kind in draw.ALL if kind != "graded")


def near_one(n=None, most=8):
    """Steps whose multipliers are within 0.6 of 1 in a well-conditioned sense, so that every conversion exists."""
    return _near_one(draw.matrices(TAME, n, most, least=draw.SLOW))


@st.composite
def _near_one(draw_, Ws):
    W = draw_(Ws)
    size = draw_(st.floats(1e-6, 0.6))
    return np.eye(len(W)) + size * W / max(np.linalg.norm(W, 2), 1e-300)


@prop(40, 4000, method=st.sampled_from(METHODS), W=draw.matrices(most=17))
def test_the_eigenvalues_of_the_generator_are_g_of_the_multipliers(method, W):
    multipliers = np.linalg.eigvals(W)
    pole = {"forward": np.inf, "backward": 0, "tustin": -1, "exact": 0}[method.label.split(":")[0]]
    assume(np.isinf(pole) or np.abs(multipliers - pole).min() > 0.1 * max(np.linalg.norm(W), 1))
    assume(not isinstance(method, ro.Exact) or np.abs(np.angle(multipliers)).max() < 3)
    A = np.asarray(method.generator(W))
    wanted = g(method, multipliers)
    # symmetric functions of the eigenvalues are well conditioned where the eigenvalues themselves are not
    scale = max(
        np.linalg.norm(A), np.abs(wanted).max(), 0.1 * np.linalg.norm(W)
    )  # NumPy's eigenvalues of W are rounded
    inner = max(np.linalg.cond(W) if np.isfinite(pole) and pole == 0 else 1, 1)
    order = getattr(method, "order", 1)
    noise = 1e-12 * len(W) * inner**order * max(1, np.linalg.norm(W - np.eye(len(W)))) ** order
    assert abs(np.trace(A) - wanted.sum()) <= noise * scale + 1e-6 * scale * (np.linalg.cond(W) > 1e6)
    commutator = np.linalg.norm(A @ W - W @ A)
    assert commutator <= noise * scale * max(np.linalg.norm(W), 1) + 1e-7 * scale * np.linalg.norm(W) * (inner > 1e4)


@prop(
    30,
    2000,
    W=near_one(),
    rng=draw.rngs(),
    dt=st.sampled_from([0.001, 0.1, 1.0, 700.0] if budget.large else [0.001, 700.0]),
)
def test_a_network_comes_back_from_its_flow(W, rng, dt):
    """Forward(1) and Euler, Backward(1) and BackwardEuler, Tustin and Trapezoidal, Exact and ExponentialEuler."""
    n = len(W)
    x, h = rng.normal(size=2), rng.normal(size=n)
    wanted, came = _there_and_back(W, rng.normal(size=(n, 2)), rng.normal(size=n), x, h, dt)
    np.testing.assert_allclose(
        came, np.broadcast_to(wanted, came.shape), rtol=0, atol=1e-10 * max(np.abs(wanted).max(), 1)
    )


def _there_and_back(W, W_x, b, x, h, dt):
    if dt not in _ROUND_TRIPS:

        def both(W, W_x, b, x, h):
            cell = ro.VanillaCell(W, W_x, b, activation=None)
            back = [ro.to_rnn(ro.to_ode(cell, method, dt=dt), scheme, dt)(x, h) for method, scheme in PAIRS]
            return cell(x, h), jnp.stack(back)

        _ROUND_TRIPS[dt] = jax.jit(both)
    return _ROUND_TRIPS[dt](W, W_x, b, x, h)


_ROUND_TRIPS = {}


@jax.jit
def _velocities(W, b, x, h):
    cell = ro.VanillaCell(W, jnp.eye(len(W)), b, jnp.tanh)
    return cell(x, h) - h, jnp.stack([ro.to_ode(cell, method)(0.0, h, ro.Hold(x[None])) for method in METHODS])


@prop(30, 2000, W=near_one(most=5), rng=draw.rngs())
def test_a_fixed_point_of_the_network_rests_in_every_flow(W, rng):
    """For a tanh network whose bias makes a chosen state a fixed point."""
    h, x = rng.uniform(-0.5, 0.5, len(W)), rng.normal(size=len(W))
    b = np.arctanh(h) - W @ h - x
    step, velocities = _velocities(W, b, x, h)
    assert np.abs(step).max() < 1e-14
    J = (1 - h[:, None] ** 2) * W
    assume(np.abs(np.linalg.eigvals(J)).min() > 0.05)
    assert np.abs(velocities).max() < 1e-10 * max(np.linalg.cond(J), 1) ** 3


@jax.jit
def _step_and_flow(W, W_x, b, xs, h):
    cell = ro.VanillaCell(W, W_x, b, activation=None)
    flow = ro.to_ode(cell, ro.Exact(), dt=0.5)
    path = ro.Hold(xs, 0.5)
    run = ro.integrate(flow, path, h, throw=False)
    return ro.iterate(cell, xs, h, dt=0.5).states, run.states


@prop(20, 1000, W=near_one(most=8), rng=draw.rngs())
def test_the_flow_under_exact_meets_the_network_at_every_sample(W, rng):
    n = len(W)
    states, met = _step_and_flow(
        W, rng.normal(size=(n, 2)), rng.normal(size=n), rng.normal(size=(6, 2)), rng.normal(size=n)
    )
    np.testing.assert_allclose(met, states, rtol=0, atol=1e-10 * np.abs(states).max())


@prop(30, 2000, method=st.sampled_from(METHODS), W=near_one(most=8), rng=draw.rngs())
def test_conversions_are_equivariant_under_a_change_of_basis(method, W, rng):
    S = np.eye(len(W)) + 0.3 * draw.KINDS["Gaussian"](rng, len(W))
    assume(np.linalg.cond(S) < 1e3)
    A, B = method.generator(W), method.generator(S @ W @ np.linalg.inv(S))
    scale = np.linalg.cond(S) ** 2 * max(np.linalg.norm(A), 1e-3) * max(np.linalg.cond(W), 1) ** 3
    assert np.abs(B - S @ A @ np.linalg.inv(S)).max() <= 1e-12 * len(W) * scale


@prop(
    40,
    3000,
    method=st.sampled_from((*METHODS, ro.Textbook())),
    z=st.complex_numbers(max_magnitude=1e6, allow_subnormal=False),
)
def test_exponents_are_g_also_of_the_conjugate_and_of_small_numbers(method, z):
    assume(abs(z) > 1e-6 and abs(z + 1) > 1e-6)
    came, conjugate = complex(method.exponent(z)), complex(method.exponent(z.conjugate()))
    wanted = complex(g(method, z))
    terms = max(abs(z - 1) ** getattr(method, "order", 1), abs(1 / z) ** getattr(method, "order", 1), 1.0, abs(wanted))
    assert abs(came - wanted) <= 1e-13 * terms
    if z.imag:
        assert abs(conjugate - came.conjugate()) <= 1e-13 * terms


@prop(30, 2000, W=near_one(most=8), method=st.sampled_from(METHODS))
def test_float32_conversions_are_those_of_float64(W, method):
    """To within float32's rounding times the condition of the matrix, to the power of the method's order."""
    single = method.generator(W.astype(np.float32))
    assert single.dtype == jnp.float32
    double = method.generator(W.astype(np.float32).astype(float))
    size = max(np.linalg.norm(W - np.eye(len(W))), 1) * np.linalg.cond(W) ** getattr(method, "order", 1)
    assert np.abs(single - double).max() <= 20 * len(W) * 2.0**-23 * size * max(np.linalg.norm(double), 1)
