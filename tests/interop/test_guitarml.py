"""The json files of GuitarML and Proteus, and back."""

import dataclasses
import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import equal
from weights import drawn

import rnn_ode as ro
from rnn_ode import interop

READOUT = drawn(eqx.nn.Linear, 3, 1)
LSTM, GRU = drawn(eqx.nn.LSTMCell, 1, 3, seed=1), drawn(eqx.nn.GRUCell, 2, 3, seed=2)
TANH = ro.VanillaCell(np.diag([0.5, 0.1, -0.3]), np.ones((3, 1)), np.ones(3), jnp.tanh)
STACK = ro.StackedCell([LSTM, drawn(eqx.nn.LSTMCell, 3, 3, seed=3)])

ZEROS = jax.device_put((np.zeros(3), np.ones(3)))
NETWORKS = {
    "LSTM": interop.Network(LSTM, READOUT, True, rate=44_100.0),
    "GRU": interop.Network(GRU, READOUT, initial=jax.device_put(np.array([0.1, 0.2, 0.3]))),
    "RNN": interop.Network(TANH, READOUT, True),
    "stack": interop.Network(STACK, READOUT, True, (ZEROS, ZEROS)),
    "bare": interop.Network(LSTM),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_written_with_its_skip_its_state_and_its_rate(name, tmp_path):
    interop.write_network(tmp_path / "amp.json", NETWORKS[name])
    assert equal(interop.read_network(tmp_path / "amp.json"), NETWORKS[name])


def test_the_file_has_the_keys_of_guitarml(tmp_path):
    interop.write_network(tmp_path / "amp.json", NETWORKS["LSTM"])
    content = json.loads((tmp_path / "amp.json").read_text())
    names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    assert list(content["state_dict"]) == [*(f"rec.{name}" for name in names), "lin.weight", "lin.bias"]
    wanted = {"model": "SimpleRNN", "input_size": 1, "output_size": 1, "unit_type": "LSTM", "hidden_size": 3}
    wanted |= {"num_layers": 1, "skip": 1, "bias_fl": True, "sample_rate": 44_100.0}
    assert content["model_data"] == wanted


@pytest.mark.parametrize(
    ("network", "error", "message"),
    [
        (LSTM, TypeError, "network must be an interop.Network; got LSTMCell"),
        (interop.Network(LSTM, READOUT, 0.5), ValueError, r"the input is multiplied by 0\.5 before it is added"),
        (
            interop.Network(dataclasses.replace(TANH, activation=jax.nn.relu), READOUT),
            ValueError,
            "the activation of a plain network, which must be tanh",
        ),
        (interop.Network(LSTM, eqx.nn.Sequential([READOUT])), TypeError, "the readout must be one linear layer"),
        (interop.Network(lambda x, h: h), TypeError, "network must be of cells .* got <function"),
    ],
)
def test_what_the_file_cannot_hold_is_refused(network, error, message, tmp_path):
    with pytest.raises(error, match=message):
        interop.write_network(tmp_path / "amp.json", network)
    with pytest.raises(ValueError, match=r"amp\.npz: networks are written to \.json files"):
        interop.write_network(tmp_path / "amp.npz", NETWORKS["LSTM"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unit_type": "GRU"}, "unit_type is 'GRU', but the arrays are those of LSTM"),
        ({"hidden_size": 40}, "hidden_size is 40, but the arrays are those of 3"),
        ({"num_layers": 2}, "num_layers is 2, but the arrays are those of 1"),
        ({"skip": 3}, "skip, the number of inputs that are added"),
        ({"sample_rate": 0}, "key 'sample_rate': a sampling rate in Hz is wanted"),
    ],
)
def test_a_description_that_does_not_fit_the_arrays_is_refused(change, message, tmp_path):
    path = tmp_path / "amp.json"
    interop.write_network(path, NETWORKS["LSTM"])
    content = json.loads(path.read_text())
    content["model_data"] |= change
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        interop.read_network(path)
