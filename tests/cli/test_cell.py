"""The network that a command asks its questions to."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro
from rnn_ode.cli._cell import cell_name, initializer
from rnn_ode.cli._options import Recurrent


@pytest.mark.parametrize("kind", Recurrent)
def test_the_gain_multiplies_the_random_matrix_of_its_kind(kind):
    key, shape = jax.random.key(0), (4, 4)
    once = getattr(ro.initializers, kind)()(key, shape, float)
    np.testing.assert_allclose(initializer(kind, 0.5)(key, shape, float), 0.5 * once)


def test_a_cell_is_named_by_its_size_and_kind():
    tanh, affine = (ro.VanillaCell(np.eye(n), np.ones((n, 2)), np.zeros(n), f) for n, f in ((2, jnp.tanh), (3, None)))
    assert cell_name(tanh) == "2-unit tanh network" and cell_name(affine) == "3-unit affine network"
    piecewise = ro.PiecewiseLinearCell(np.eye(2), np.eye(2), np.ones((2, 2)), np.zeros(2))
    assert cell_name(piecewise) == "2-unit PiecewiseLinearCell"
    assert (
        cell_name(ro.StackedCell([tanh, piecewise])) == "stack of a 2-unit tanh network, a 2-unit PiecewiseLinearCell"
    )
