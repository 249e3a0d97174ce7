"""The network that a command asks its questions to."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro
from rnn_ode.cli._cell import cell_name, initializer
from rnn_ode.cli._options import Recurrent


@pytest.mark.parametrize(
    ("kind", "radius", "tolerance"),
    [("orthogonal", 0.5, 1e-12), ("gaussian", 0.5, 0.06), ("identity", 0.5, 1e-12), ("antisymmetric", 1.0, 0.05)],
)
def test_a_random_matrix_has_the_spectral_radius_of_its_kind(kind, radius, tolerance):
    """For a gain of ½: ½ by the circular law, and 2·½ for (M − Mᵀ)/√2, the edge of the semicircle.

    The tolerances are the fluctuations of the edge at N = 400: N^(−1/2) and N^(−2/3).
    """
    W = np.asarray(initializer(Recurrent(kind), 0.5)(jax.random.key(0), (400, 400), float))
    assert abs(np.abs(np.linalg.eigvals(W)).max() - radius) < tolerance


def test_a_cell_is_named_by_its_size_and_kind():
    tanh, affine = (ro.VanillaCell(np.eye(n), np.ones((n, 2)), np.zeros(n), f) for n, f in ((2, jnp.tanh), (3, None)))
    assert cell_name(tanh) == "2-unit tanh network" and cell_name(affine) == "3-unit affine network"
    piecewise = ro.PiecewiseLinearCell(np.eye(2), np.eye(2), np.ones((2, 2)), np.zeros(2))
    assert cell_name(piecewise) == "2-unit PiecewiseLinearCell"
    assert (
        cell_name(ro.StackedCell([tanh, piecewise])) == "stack of a 2-unit tanh network, a 2-unit PiecewiseLinearCell"
    )
