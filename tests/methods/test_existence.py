"""Whether a matrix can be told from a singular one, and how far its eigenvalues may be from the computed ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro
from rnn_ode._methods.existence import multipliers_of, nearly_singular, singular

U = np.finfo(float).eps
UNITS = np.diag([1.0, 2.0**30, 2.0**-20])
PLAIN = np.array([[0.9, 0.2, 0.1], [-0.3, 0.5, 0.2], [0.1, 0.4, 0.7]])
NEARLY = np.diag([1.0, 1.0, 2 * U])

_nearly_singular = jax.jit(nearly_singular)


@pytest.mark.parametrize(
    ("W", "is_singular"),
    [
        (PLAIN, False),
        (UNITS @ PLAIN @ np.linalg.inv(UNITS), False),
        (1e-200 * PLAIN, False),
        (np.diag([1.0, 1.0, 1e-14]), False),
        (NEARLY, True),
        (1e6 * NEARLY, True),
        (np.ones((3, 3)), True),
        (np.zeros((3, 3)), True),
    ],
)
def test_a_singular_matrix_is_told_by_its_condition_in_the_units_that_suit_it(W, is_singular):
    assert (singular(W) is not None) == is_singular == bool(_nearly_singular(jnp.asarray(W)))


def test_a_defective_matrix_gives_no_warning():
    multipliers, reach = multipliers_of(np.array([[0.0, 1.0], [0.0, 0.0]]))
    assert not multipliers.any() and np.all(reach > 0)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e200])
def test_multipliers_in_any_units_are_known_to_the_rounding_of_the_balanced_matrix(scale):
    multipliers, reach = multipliers_of(scale * UNITS @ PLAIN @ np.linalg.inv(UNITS))
    wanted = scale * np.linalg.eigvals(PLAIN)
    distance = np.abs(multipliers[:, None] - wanted[None]).min(axis=1)
    size = scale * np.linalg.norm(PLAIN)
    assert np.all(distance <= reach) and np.all((reach > 16 * U * size / 2) & (reach < 60 * U * size))


def test_the_reach_of_a_defective_multiplier_is_that_of_a_jordan_block():
    _, reach = multipliers_of(np.array([[1.0, 1.0, 0.0], [-1e-30, 1.0, 1.0], [1e-30, 0.0, 1.0]]))
    assert np.all((reach > 1e-8) & (reach < 1e-3))


def test_mixed_units_hide_no_method():
    W = UNITS @ np.diag([0.5, 0.6, 0.7]) @ np.linalg.inv(UNITS)
    assert all(method.obstacle(W) is None for method in (ro.Exact(), ro.Backward(1), ro.Textbook(), ro.Tustin()))


def test_a_concrete_matrix_is_asked_about_while_something_else_is_traced():
    @jax.jit
    def traced(x):
        assert ro.Exact().obstacle(np.diag([0.5, -0.5])).text == "its multiplier -0.5 is negative"
        return x

    traced(jnp.zeros(()))
