"""The network that a command asks its questions to."""

import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from weights import drawn

import rnn_ode as ro
from rnn_ode import interop
from rnn_ode.cli._cell import assumed_activation, cell_from_file, cell_name, initializer, network_from_file
from rnn_ode.cli._options import Activation, Recurrent


@pytest.mark.slow
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
    assert cell_name(ro.StackedCell([tanh, piecewise])) == "stack of 2-unit tanh network, 2-unit PiecewiseLinearCell"


def test_the_options_choose_among_the_layers_of_a_file(save):
    gru, square = drawn(eqx.nn.GRUCell, 2, 2), {"weight": np.ones((2, 2)), "bias": np.zeros(2)}
    arrays = {f"g.{key}": value for key, value in interop.to_torch(gru).items()}
    sorts = sorted((arrays | {f"x.{key}": value for key, value in square.items()}).items())
    path = save("w.npz", dict(sorts))
    with pytest.raises(ValueError, match="--prefix and --readout"):
        cell_from_file(path, None)
    behind, _ = cell_from_file(path, None, ["x.", "g."], ["none"])
    assert cell_name(behind) == "2-unit GRUCell behind an input layer"
    assert cell_name(cell_from_file(path, None, ["g."], ["x."])[0]) == "2-unit GRUCell"
    network = network_from_file(path, None, ["g."], ["x."], Activation.relu, True)
    assert network.residual and network.output_size == 2
    two = save("two.npz", arrays | {f"{name}.{key}": value for name in "xy" for key, value in square.items()})
    network = network_from_file(two, None, ["g."], ["x.", "y."], Activation.tanh)
    assert len(network.readout.layers) == 3


def test_a_cell_comes_with_the_state_that_its_file_says(save):
    lstm = interop.to_torch(drawn(eqx.nn.LSTMCell, 1, 2))
    h0, c0 = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    path = save("w.npz", lstm | {"h0": h0, "c0": c0, "unknown": np.ones(1)})
    _, state = cell_from_file(path, None)
    assert [part.tolist() for part in state] == [[1, 2], [3, 4]]
    assert cell_from_file(save("v.npz", lstm), None)[1] is None


def test_relu_is_called_assumed_only_where_a_file_leaves_the_activation_open(save):
    plain = save("plain.npz", {"W_h": np.eye(2), "W_x": np.ones((2, 1)), "b": np.zeros(2)})
    rnn = save("rnn.npz", interop.to_torch(ro.VanillaCell(np.eye(2), np.ones((2, 1)), np.zeros(2), jnp.tanh)))
    layer = {
        "type": "simplernn",
        "activation": "relu",
        "shape": [None, None, 2],
        "weights": [[[1, 1]], [[1, 0], [0, 1]], [0, 0]],
    }
    keras = plain.with_name("keras.json")
    keras.write_text(json.dumps({"in_shape": [None, None, 1], "layers": [layer]}))
    notes = [assumed_activation(path, cell_from_file(path, None)[0], None) for path in (plain, rnn, keras)]
    assert notes == [[f"{plain} does not say its activation: relu is taken; --activation gives another."], [], []]
    assert cell_from_file(keras, None)[0].activation is jax.nn.relu
    assert assumed_activation(plain, cell_from_file(plain, Activation.relu)[0], Activation.relu) == []
