"""Parts that somebody outside the package adds: each says itself what it is, and nobody asks for its class."""

import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro


class Halved(ro.AbstractCell):
    """h' = W h / 2 + W_x x + b."""

    W: jnp.ndarray
    W_x: jnp.ndarray
    b: jnp.ndarray

    def __call__(self, x, h):
        return self.W @ h / 2 + self.W_x @ x + self.b

    def initial_state(self):
        return jnp.zeros(len(self.W))

    @property
    def linear_part(self):
        return self.W / 2


class Shifted(ro.AbstractMethod):
    """g(λ) = λ − 1, with a pole at 3 and no multipliers near −5."""

    pole = 3.0
    label = "shifted"
    input_lead = 0.0

    def of_number(self, z):
        return z - 1

    def of_matrix(self, W):
        return W - jnp.eye(len(W))

    def excluded(self, multiplier, tolerance):
        return (abs(multiplier - 3) <= tolerance) | (abs(multiplier + 5) <= 0.1)


class Steps(ro.AbstractPath):
    """Held samples, as `Hold` has them."""

    degree = 0

    def within(self, step, fraction):
        return self.xs[step]


def test_compare_does_not_call_a_new_cell_by_another_one_s_parts():
    cell = Halved(jnp.array([[1.0]]), jnp.ones((1, 1)), jnp.zeros(1))
    found = ro.compare(cell, np.ones((4, 1)), methods=ro.Forward(1))
    assert found.linear_part == "its linear part" and "every unit active" not in found.table()
    assert found.network_verdict == "DECAYS"


@pytest.mark.parametrize(
    ("multiplier", "text"),
    [(3.0, "its multiplier 3 is a pole of shifted"), (-5.05, "its multiplier -5.05 is excluded by shifted")],
)
def test_a_new_method_says_itself_what_is_wrong_with_a_multiplier(multiplier, text):
    assert Shifted().obstacle(np.array([[multiplier]])).text == text
    assert Shifted().obstacle(np.array([[0.5]])) is None


@pytest.mark.slow
def test_another_held_path_is_held():
    """`evolve` at whole steps is the network itself, and reads a held path at half a step as the step's own sample."""
    cell = ro.VanillaCell([[0.5]], [[1.0]], [0.1], jnp.tanh)
    xs = np.array([[1.0], [-1.0], [2.0], [0.5]])
    ts = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    states = ro.evolve(cell, Steps(xs), ts).states
    np.testing.assert_allclose(states, ro.iterate(cell, xs).states, atol=1e-14)
    halves = np.arange(9) / 2
    for run in (ro.evolve, ro.delayed_feedback, ro.state_trajectory):
        ours, theirs = (run(cell, path(xs), halves, throw=False).states for path in (Steps, ro.Hold))
        np.testing.assert_array_equal(ours, theirs)
