"""The fields of series: where they converge, where they diverge, and where they rest."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
from conversions import BIAS, RNG, W_X, D, N, T, W, together

import rnn_ode as ro
from rnn_ode._paths.base import Constant


def series_errors(method, multiplier, orders):
    """|g_p − log| at one multiplier, from the package's own generator; that is the error of the flow's exponent."""
    if np.imag(multiplier):
        M = np.array([[multiplier.real, -multiplier.imag], [multiplier.imag, multiplier.real]])
    else:
        M = np.array([[float(multiplier)]])
    log = scipy.linalg.logm(M).real
    return [np.linalg.norm(method(p).generator(jnp.asarray(M)) - log, 2) for p in orders]


@pytest.mark.slow
@pytest.mark.parametrize("multiplier", [0.7, 0.8 + 0.5j, 0.4, 1.3, 1.8])
@pytest.mark.parametrize("method", [ro.Forward, ro.Backward])
def test_series_converge_at_the_predicted_ratio(method, multiplier):
    delta = multiplier - 1 if method is ro.Forward else 1 / multiplier - 1
    r = abs(delta)
    p = 20 if r > 0.5 else int(math.log(1e-7) / math.log(r))  # above rounding
    errors = series_errors(method, multiplier, [p, p + 1])
    assert method(p).series_ratio(jnp.asarray(multiplier, complex)) == pytest.approx(r)
    # The error is |∫₀^δ zᵖ/(1 + z) dz|: the ratio is a mean of |z|, weighed towards |δ| like |z|ᵖ. With |1 + z| between
    # 1 − r and 1 + r, integrating by parts twice bounds the rest.
    predicted = r * (p + 1) / (p + 2)
    slack = 4 * r / ((1 - r) * (p + 1) ** 2) if r < 1 else None
    if r < 1:
        assert errors[1] / errors[0] == pytest.approx(predicted, rel=slack)
    else:
        assert errors[1] / errors[0] > 1  # Backward at 0.4: 1 − 1/λ = −1.5


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize(("method", "multiplier"), [(ro.Forward, -0.5), (ro.Forward, 2.3), (ro.Backward, 0.4)])
def test_series_diverge_where_predicted(method, multiplier):
    assert method(1).series_ratio(jnp.asarray(multiplier, complex)) > 1
    if multiplier > 0:
        errors = series_errors(method, multiplier, [10, 20, 40])
        assert errors[0] < errors[1] < errors[2]
    else:
        size = [abs(method(p).exponent(multiplier)) for p in (10, 20, 40)]
        assert size[0] < size[1] < size[2]


@pytest.mark.slow
def test_forward_and_backward_generators_are_mirror_images():
    for p in (1, 2, 5):
        np.testing.assert_allclose(
            ro.Backward(p).generator(jnp.asarray(W)), -ro.Forward(p).generator(jnp.linalg.inv(W)), atol=1e-13
        )


@pytest.mark.parametrize(
    ("method", "leads"), [(ro.Forward(3), (0.5, 1.0, 1.5)), (ro.Backward(3), (0.0, -0.5, -1.0))], ids=str
)
def test_a_series_says_where_it_reads_the_input(method, leads):
    field = ro.to_ode(ro.VanillaCell(W, W_X, BIAS, activation=None), method, dt=0.5)
    assert field.leads == leads and field.linear and field.input_size == D
    assert field.initial_state().tolist() == [0] * N and field.output(jnp.ones(N)).tolist() == [1] * N
    assert not ro.to_ode(ro.VanillaCell(W, W_X, BIAS), ro.Forward(2)).linear


def test_a_series_applies_the_cell_to_what_it_reads_by_hand():
    """h ↦ ½ h + x under x(t) = t at t = 3, in steps of ½; and its inverse h ↦ 2 (h − x)."""
    cell, h = ro.VanillaCell([[0.5]], [[1.0]], [0.0], activation=None), 1.0
    first, second = 0.5 * h + 3.5, 0.5 * (0.5 * h + 3.5) + 4.0
    before, earlier = 2 * (h - 3.0), 2 * (2 * (h - 3.0) - 2.5)
    for method, wanted in (
        (ro.Forward(2), (first - h) - (second - 2 * first + h) / 2),
        (ro.Backward(2), (h - before) + (h - 2 * before + earlier) / 2),
    ):
        found = ro.to_ode(cell, method, dt=0.5)(3.0, jnp.array([h]), lambda t: jnp.asarray(t)[None])
        np.testing.assert_allclose(found, [wanted / 0.5], rtol=1e-13)


def small_tanh():
    """Symmetric, its multipliers within (0.6, 0.95) also where tanh is a little flat."""
    Q = np.linalg.qr(np.random.default_rng(3).normal(size=(N, N)))[0]
    return ro.VanillaCell(
        Q @ np.diag([0.65, 0.8, 0.95]) @ Q.T, 0.02 * np.ones((N, 1)), np.zeros(N), activation=jnp.tanh
    )


@pytest.mark.gate
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
