"""Matrices, cells and networks from files."""

import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import equal

from rnn_ode import interop
from rnn_ode._cells.piecewise import PiecewiseLinearCell
from rnn_ode._cells.vanilla import VanillaCell

SQUARE, TALL = np.arange(4.0).reshape(2, 2), np.ones((2, 1))


@pytest.mark.parametrize(
    "keys, key",
    [
        ({"M": SQUARE, "W_x": TALL}, None),
        ({"W_h": SQUARE, "W_x": np.eye(2)}, None),
        ({"weight_hh_l0": SQUARE, "weight_ih_l0": np.eye(2)}, None),
        ({"W": SQUARE, "V": np.eye(2)}, None),
        ({"W": np.eye(2), "V": SQUARE}, "V"),
    ],
)
def test_read_matrix_finds_the_recurrent_matrix_or_the_one_of_the_key(save, keys, key):
    np.testing.assert_array_equal(interop.read_matrix(save("m.npz", keys), key), SQUARE)


@pytest.mark.parametrize(
    "keys, key, message",
    [
        ({"W_x": TALL, "b": np.ones(2)}, None, r"one square matrix.*'W_x' \(2, 1\), 'b' \(2,\)"),
        ({"U": SQUARE, "V": SQUARE}, None, r"'U' \(2, 2\), 'V' \(2, 2\)"),
        ({"A": SQUARE, "W": SQUARE}, None, r"one square matrix"),
        ({"W": SQUARE, "W_x": TALL}, "W_x", r"a square matrix under key 'W_x'"),
        ({"W": SQUARE}, "V", r"a square matrix under key 'V' is wanted; the file holds 'W' \(2, 2\)"),
    ],
)
def test_read_matrix_lists_the_keys_if_the_choice_is_unclear(save, keys, key, message):
    with pytest.raises(ValueError, match=message):
        interop.read_matrix(save("m.npz", keys), key)


def test_read_matrix_speaks_of_no_key_where_a_file_has_none_and_of_gates_where_there_are_some(save, tmp_path):
    (tmp_path / "m.csv").write_text("1;2;3\n4;5;6\n")
    with pytest.raises(ValueError, match=r"m\.csv: a square matrix is wanted; the file holds one of shape \(2, 3\)\.$"):
        interop.read_matrix(tmp_path / "m.csv")
    np.save(tmp_path / "m.npy", np.array([[1.0, np.nan], [0.0, 1.0]]))
    with pytest.raises(ValueError, match=r"m\.npy: finite numbers are wanted; the entry at \(0, 1\) is nan"):
        interop.read_matrix(tmp_path / "m.npy")
    for gates, kind in ((3, "a GRU"), (4, "an LSTM")):
        names = {"rec.weight_ih_l0": np.ones((2 * gates, 1)), "rec.weight_hh_l0": np.ones((2 * gates, 2))}
        with pytest.raises(ValueError, match=f"{kind} has no one recurrent matrix; compare and analyse take it"):
            interop.read_matrix(save("g.npz", names))


def test_read_cell_makes_the_cell_that_the_names_tell(save, torch_weights, torch_stack):
    vanilla = {"W_h": SQUARE, "W_x": TALL, "b": np.ones(2), "readout": np.ones((1, 2))}
    cell = interop.read_cell(save("v.npz", vanilla))
    assert isinstance(cell, VanillaCell) and cell.activation is jax.nn.relu
    np.testing.assert_array_equal(cell.W_h, SQUARE)
    assert interop.read_cell(save("v.npz", vanilla), None).activation is None

    piecewise = {"A": 0.5 * np.eye(2), "W": SQUARE, "W_x": TALL, "b": np.ones(2)}
    cell = interop.read_cell(save("p.json", piecewise))
    assert isinstance(cell, PiecewiseLinearCell)
    np.testing.assert_array_equal(cell.A, piecewise["A"])

    rnn = save("t.npz", torch_weights(1, "encoder.rnn.") | {"head.weight": np.ones((1, 3))})
    assert interop.read_cell(rnn).activation is jnp.tanh
    assert interop.read_cell(rnn, jax.nn.relu).activation is jax.nn.relu
    assert isinstance(interop.read_cell(save("t.safetensors", torch_weights(4))), eqx.nn.LSTMCell)
    stack = interop.read_cell(save("s.npz", torch_stack(1, 2)), jax.nn.relu)
    assert [(type(cell), cell.activation) for cell in stack.cells] == 2 * [(VanillaCell, jax.nn.relu)]


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"W_h": SQUARE, "W_x": TALL}, r"no key 'b'; wanted are W_h, W_x, b, the file holds 'W_h' \(2, 2\)"),
        ({"W_h": TALL, "W_x": TALL, "b": np.ones(2)}, r"\(2, 1\)"),
        ({"U": SQUARE}, r"no recurrent network: its arrays are named W_h, W_x, b; or A, .*'U' \(2, 2\)"),
        (lambda layer: layer(1) | layer(1, layer=1), r"'weight_ih_l1' has shape \(3, 2\); wanted is \(3, 3\)"),
        (
            lambda layer: layer(1, "a.") | layer(1, "b."),
            r"there are several, 'a\.', 'b\.'\. Write a file of one .* prefix='a\.'",
        ),
        ({"weight_hh_l0": SQUARE}, "no key 'weight_ih_l0'"),
    ],
)
def test_read_cell_names_the_file_and_the_key_that_is_wrong(save, torch_weights, keys, message):
    path = save("w.npz", keys(torch_weights) if callable(keys) else keys)
    with pytest.raises(ValueError, match=message) as error:
        interop.read_cell(path)
    assert str(path) in str(error.value)


LINEAR = {"lin.weight": np.array([[1.0, -2.0, 0.5]]), "lin.bias": np.array([0.25])}


@pytest.mark.parametrize("suffix", [".npz", ".json", ".safetensors"])
def test_a_written_network_comes_back(tmp_path, suffix, torch_stack):
    network = interop.from_torch_network(torch_stack(3, 2, "rec.") | LINEAR)
    path = tmp_path / f"w{suffix}"
    interop.write_arrays(path, interop.to_torch(network, "gru."))
    assert equal(interop.read_network(path), network)
    assert not interop.read_network(path).residual and interop.read_network(path, residual=True).residual


def test_a_json_file_says_whether_the_input_is_added(tmp_path, torch_weights):
    weights = {key: value.tolist() for key, value in (torch_weights(4, "rec.") | LINEAR).items()}

    def read(skip, **options):
        text = json.dumps({"model_data": {"unit_type": "LSTM", **skip}, "state_dict": weights})
        (tmp_path / "amp.json").write_text(text)
        return interop.read_network(tmp_path / "amp.json", **options).residual

    assert [read({"skip": 1}), read({"skip": 0}), read({})] == [True, False, False]
    assert not read({"skip": 1}, residual=False)
    assert read({"skip": 2}, residual=True)
    for skip in (2, "1", [1]):
        with pytest.raises(
            ValueError,
            match=r"amp\.json: key 'model_data': skip, .*, 1; got .*residual=True or False in Python, --residual",
        ):
            read({"skip": skip})


def test_the_output_is_the_state_unless_a_readout_stands_beside_the_cell(save):
    vanilla = {"W_h": SQUARE, "W_x": TALL, "b": np.ones(2)}
    bare = interop.read_network(save("v.json", vanilla))
    assert bare.readout is None and bare.output_size == 2 and bare.cell.activation is jax.nn.relu
    np.testing.assert_array_equal(bare.cell.W_h, SQUARE)
    assert interop.read_network(save("v.json", vanilla), activation=None).cell.activation is None
    read = interop.read_network(save("r.npz", vanilla | {"readout.weight": np.ones((1, 2)), "readout.bias": [3.0]}))
    assert read.output_size == 1 and read.readout.bias.tolist() == [3.0]
    piecewise = {"A": 0.5 * np.eye(2), "W": SQUARE, "W_x": TALL, "b": np.ones(2)}
    assert isinstance(interop.read_network(save("p.npz", piecewise)).cell, PiecewiseLinearCell)
    with pytest.raises(
        ValueError, match=r"key 'W_out' \(1, 2\) belongs neither to the cell \(W_h, W_x, b\) nor .*readout\.weight"
    ):
        interop.read_network(save("w.npz", vanilla | {"W_out": np.ones((1, 2))}))
    assert interop.read_network(save("w.npz", vanilla | {"W_out": np.ones((1, 2))}), readout=None).readout is None
    with pytest.raises(ValueError, match="no key 'b'; wanted are W_h, W_x, b"):
        interop.read_network(save("w.npz", {"W_h": SQUARE, "W_x": TALL}))


def test_errors_of_read_network_name_the_file(save, tmp_path, torch_weights):
    with pytest.raises(ValueError, match=r"w\.npz: key 'lin\.weight' \(1, 4\) belongs neither"):
        interop.read_network(save("w.npz", torch_weights(1) | {"lin.weight": np.ones((1, 4))}))
    with pytest.raises(ValueError, match=r"Pickles .* are never read"):
        interop.read_network(tmp_path / "w.pt")
