"""Fields by the Jacobian of the cell: their equilibria, anchored flows, and digits."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
from conversions import BIAS, CELLS, H0, STATES, W_X, XS, D, N, T, W, labelled
from jax.flatten_util import ravel_pytree
from telling import telling

import rnn_ode as ro
from rnn_ode._bridge.jacobian import AnchoredField, JacobianField
from rnn_ode._paths.base import Constant

FIXED_POINT_METHODS = [
    pytest.param(ro.Backward(2), marks=pytest.mark.thorough),
    ro.Tustin(),
    *(pytest.param(method, marks=pytest.mark.slow) for method in (ro.Forward(3), ro.Exact())),
    pytest.param(ro.Backward(1), marks=pytest.mark.thorough),
]


@pytest.mark.gate
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
def test_the_flow_anchored_at_a_state_reaches_the_next_one(name):
    cell, x, h = CELLS[name], jnp.asarray(XS[0]), jnp.asarray(STATES[name])
    field = ro.to_ode(cell, ro.Exact(anchored=True), dt=0.5)

    @jax.jit
    def affine_flow(h):
        anchored = field.anchor(0.0, h, Constant(x))
        assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(anchored))  # it crosses a compiled scan
        return anchored.A, anchored(0.0, h, Constant(x))

    A, velocity = affine_flow(h)
    G = np.zeros((N + 1, N + 1))
    G[:N, :N], G[:N, N] = A, velocity
    arrival = h + scipy.linalg.expm(0.5 * G)[:N, N]
    np.testing.assert_allclose(arrival, cell(x, h), rtol=1e-11)


def test_an_anchored_field_is_affine_in_complex_states_of_any_structure():
    rng = np.random.default_rng(0)
    A, v = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3)), rng.normal(size=3)
    origin, unravel = ravel_pytree((np.array([1.0, 2.0]), np.array([3.0])))
    h = np.array([1j, 2.0, 1 - 1j])
    anchored = AnchoredField(*jax.device_put((A, v)), origin, unravel)
    pair, last = eqx.filter_jit(anchored)(0.0, (h[:2], h[2:]), None)
    np.testing.assert_allclose([*pair, *last], A @ (h - [1, 2, 3]) + v, rtol=1e-14)


def test_a_field_of_jacobians_by_hand():
    """One unit under the input x(t) = t, which Tustin reads half a step of 0.5 ahead."""
    cell = ro.VanillaCell([[0.8]], [[1.0]], [0.1], activation=jnp.tanh)
    field, t, h = ro.to_ode(cell, ro.Tustin(), dt=0.5), 0.3, 0.7
    after = np.tanh(0.8 * h + 0.55 + 0.1)
    J = 0.8 * (1 - after**2)

    @jax.jit
    def asked(h):
        at = t, h, lambda t: jnp.asarray(t)[None]
        return field(*at), field.equation(*at), field.generator(*at), field.jacobian_at_rest(*at)

    found = [np.asarray(value).item() for value in asked(jnp.array([h]))]
    g = 2 * (J - 1) / (J + 1) / 0.5
    np.testing.assert_allclose(found, [2 / (J + 1) * (after - h) / 0.5, after - h, g, g], rtol=1e-13)
    assert np.isnan(asked(jnp.array([np.inf]))[0]).all()  # a trial step may end there
    assert field.partial and field.input_size == 1 and field.initial_state().tolist() == [0]
    np.testing.assert_array_equal(field.output(jnp.ones(1)), 1)
    other = ro.to_ode(cell, ro.Backward(2))  # whose φ has zeros
    assert other.equation is None and other.jacobian_at_rest is None
    assert JacobianField(cell, Plain(), 1.0, 0.0, False).equation is None  # a conversion that does not say


class Plain(eqx.Module):
    """A conversion that has no more than it needs."""

    def of_matrix(self, W):
        return W

    def phi(self, J, v):
        return v

    def affine_generator(self, J, V):
        return J, V


def positive_relu():
    """A ReLU network all of whose units stay active: positive weights and inputs."""
    return ro.VanillaCell([[0.6, 0.1, 0.0], [0.05, 0.7, 0.1], [0.1, 0.0, 0.5]], 0.1 * np.ones((N, D)), 0.1 * np.ones(N))


def flipping_piecewise():
    """Leaky: J = diag(0.4) off and 0.4 + 0.5 on, never singular; the inputs switch its units all the time."""
    return ro.PiecewiseLinearCell(np.diag([0.4, 0.5, 0.6]), 0.2 * np.eye(N) + 0.1 * np.ones((N, N)), W_X, BIAS)


def negative_piecewise():
    """Its multipliers are negative where a unit is on: the anchored form needs the complex logarithm."""
    return ro.PiecewiseLinearCell(np.diag([0.4, 0.5, 0.6]), -0.9 * np.eye(N), W_X, BIAS)


@pytest.mark.gate
@pytest.mark.parametrize(
    ("cell", "complex"),
    [
        pytest.param(positive_relu(), False, marks=pytest.mark.thorough, id="relu"),
        pytest.param(flipping_piecewise(), False, id="piecewise"),
        pytest.param(CELLS["tanh"], False, id="tanh"),
        pytest.param(negative_piecewise(), True, id="complex"),
    ],
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


@pytest.mark.gate
@pytest.mark.parametrize("gain", telling([1.5, 10.0], 10.0))
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
