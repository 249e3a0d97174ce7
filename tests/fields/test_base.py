"""What a field of somebody else's gets from `AbstractField`, and what it may tell of itself."""

import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro
from rnn_ode._base.protocol import input_width, is_linear, leads_of


class Pendulum(ro.AbstractField):
    """y'' = sin y + x with the state (y, y'), and nothing but the equation."""

    def __call__(self, t, h, path):
        y, z = h
        return z, jnp.sin(y) + path(t)[0]


class Split(ro.AbstractField):
    """h' = A h + tanh(h), whose linear part is A alone."""

    A: jnp.ndarray

    def __call__(self, t, h, path):
        return self.A @ h + jnp.tanh(h)

    def generator(self, t, h, path):
        return self.A


def test_only_the_equation_is_required():
    field, start = Pendulum(), (jnp.array(0.5), jnp.array(0.0))
    assert (input_width(field), is_linear(field), leads_of(field)) == (None, False, (0.0,))
    np.testing.assert_allclose(field.generator(0.0, start, lambda t: jnp.zeros(1)), [[0, 1], [np.cos(0.5), 0]])
    y, z = ro.iterate(ro.to_rnn(field, ro.Euler(), 0.1), np.ones((1, 1)), start).states
    np.testing.assert_allclose([y[1], z[1]], [0.5, 0.1 * (np.sin(0.5) + 1)], rtol=1e-14)
    with pytest.raises(TypeError, match="abstract"):
        ro.AbstractField()


def test_a_run_without_h0_asks_for_h0_or_the_initial_state():
    with pytest.raises(ValueError, match=r"Pendulum has no method `initial_state\(\)`\. Give h0"):
        ro.iterate(ro.to_rnn(Pendulum(), ro.Euler()), np.ones((1, 1)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "scheme",
    [ro.BackwardEuler(), ro.Trapezoidal(), ro.ExponentialEuler()],
)
def test_implicit_and_exponential_schemes_use_the_linear_part_that_a_field_gives(scheme):
    """With A in the place of the Jacobian A + diag(1 − tanh²), which is what a field without `generator` gets."""
    A, h, dt = np.array([[-3.0, 1.0], [0.0, -2.0]]), np.array([0.4, -0.2]), 0.5
    field, rate = Split(jnp.asarray(A)), A @ h + np.tanh(h)

    def stepped(G):
        if isinstance(scheme, ro.ExponentialEuler):
            values, vectors = np.linalg.eig(dt * G)
            return h + dt * (vectors * (np.expm1(values) / values)) @ np.linalg.solve(vectors, rate)
        theta = 1.0 if isinstance(scheme, ro.BackwardEuler) else 0.5
        return h + dt * np.linalg.solve(np.eye(2) - theta * dt * G, rate)

    x = jnp.zeros(1)
    np.testing.assert_allclose(ro.to_rnn(field, scheme, dt)(x, jnp.asarray(h)), stepped(A), rtol=1e-12)
    plain = ro.to_rnn(lambda t, h, path: field(t, h, path), scheme, dt)
    np.testing.assert_allclose(plain(x, jnp.asarray(h)), stepped(A + np.diag(1 - np.tanh(h) ** 2)), rtol=1e-12)
