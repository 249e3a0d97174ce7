"""Cells and networks from PyTorch's arrays, against the equations of its documentation."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_ode import interop
from rnn_ode._cells.vanilla import VanillaCell

N, D = 3, 2  # units and inputs


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def gates_of(weights, x, h):
    """W_ih x + b_ih and W_hh h + b_hh."""
    b_x, b_h = weights.get("bias_ih_l0", 0), weights.get("bias_hh_l0", 0)
    return weights["weight_ih_l0"] @ x + b_x, weights["weight_hh_l0"] @ h + b_h


# The equations of the torch.nn.RNN, GRU and LSTM documentation, one step.
def torch_rnn(weights, x, h):
    return np.tanh(sum(gates_of(weights, x, h)))


def torch_gru(weights, x, h):
    (r_x, z_x, n_x), (r_h, z_h, n_h) = (np.split(part, 3) for part in gates_of(weights, x, h))
    r, z = sigmoid(r_x + r_h), sigmoid(z_x + z_h)
    n = np.tanh(n_x + r * n_h)
    return (1 - z) * n + z * h


def torch_lstm(weights, x, state):
    h, c = state
    i, f, g, o = np.split(sum(gates_of(weights, x, h)), 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


KINDS = {
    "rnn": (1, torch_rnn, VanillaCell),
    "gru": (3, torch_gru, eqx.nn.GRUCell),
    "lstm": (4, torch_lstm, eqx.nn.LSTMCell),
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_computes_the_equations_of_pytorch_s_documentation(kind, bias, torch_weights):
    gates, reference, cls = KINDS[kind]
    weights = torch_weights(gates, bias=bias)
    cell = interop.from_torch(weights)
    assert isinstance(cell, cls)
    rng = np.random.default_rng(1)
    state = wanted = (rng.normal(size=N), rng.normal(size=N)) if kind == "lstm" else rng.normal(size=N)
    state = jax.tree.map(jnp.asarray, state)
    tolerance = 1e-12 if jnp.result_type(float) == jnp.float64 else 1e-5
    for x in rng.normal(size=(4, D)):
        state, wanted = cell(jnp.asarray(x), state), reference(weights, x, wanted)
        for got, value in zip(jax.tree.leaves(state), jax.tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(got, value, rtol=0, atol=tolerance)


def test_prefix_and_layer_choose_the_arrays(torch_weights):
    weights = torch_weights(1, "net.", 0, seed=0) | torch_weights(1, "net.", 1, seed=1)
    for layer in (0, 1):
        cell = interop.from_torch(weights, "net.", layer, activation=jax.nn.relu)
        np.testing.assert_allclose(cell.W_h, weights[f"net.weight_hh_l{layer}"], rtol=1e-6)
        biases = weights[f"net.bias_ih_l{layer}"] + weights[f"net.bias_hh_l{layer}"]
        np.testing.assert_allclose(cell.b, biases, rtol=1e-5, atol=1e-6)
        assert cell.activation is jax.nn.relu
    assert interop.from_torch(weights, "net.").activation is jnp.tanh


@pytest.mark.parametrize("kind", KINDS)
def test_float32_weights_stay_float32(kind, torch_weights):
    weights = {key: value.astype(np.float32) for key, value in torch_weights(KINDS[kind][0]).items()}
    cell = interop.from_torch(weights)
    assert {leaf.dtype for leaf in jax.tree.leaves(eqx.filter(cell, eqx.is_array))} == {jnp.dtype("float32")}


def test_tensors_that_require_gradients_are_detached(torch_weights):
    class Tensor:
        def __init__(self, value):
            self.value = value

        def detach(self):
            return self

        def cpu(self):
            return self.value

    weights = torch_weights(1)
    cell = interop.from_torch({key: Tensor(value) for key, value in weights.items()})
    np.testing.assert_allclose(cell.W_x, weights["weight_ih_l0"], rtol=1e-6)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"weight_hh_l0": None}, r"no key 'weight_hh_l0'; there are 'weight_ih_l0' \(9, 2\)"),
        ({"bias_hh_l0": None}, "no key 'bias_hh_l0'"),
        ({"bias_ih_l0": None}, "no key 'bias_ih_l0'"),
        (
            {"weight_hh_l0": np.zeros((6, 3))},
            r"'weight_hh_l0' has shape \(6, 3\); wanted is one of \(N, N\) RNN, \(3N, N\) GRU",
        ),
        ({"weight_hh_l0": np.zeros(9)}, r"'weight_hh_l0' has shape \(9,\)"),
        ({"weight_ih_l0": np.zeros((6, 2))}, r"'weight_ih_l0' has shape \(6, 2\); wanted is \(9, D\)"),
        ({"weight_ih_l0": np.zeros(9)}, r"'weight_ih_l0' has shape \(9,\); wanted is \(9, D\)"),
        ({"bias_hh_l0": np.zeros((9, 1))}, r"'bias_hh_l0' has shape \(9, 1\); wanted is \(9,\)"),
        ({"bias_hh_l0": np.full(9, np.nan)}, r"'bias_hh_l0': finite numbers are wanted; the entry at \(0,\) is nan"),
        ({"weight_ih_l0": [[1.0], [2.0, 3.0]]}, r"'weight_ih_l0': an array of numbers is wanted"),
        ({"weight_hr_l0": np.zeros((3, 9))}, "'weight_hr_l0': an LSTM with a projection"),
    ],
)
def test_missing_keys_and_wrong_shapes_are_named(change, message, torch_weights):
    weights = {key: value for key, value in (torch_weights(3) | change).items() if value is not None}
    with pytest.raises(ValueError, match=message):
        interop.from_torch(weights)


@pytest.mark.parametrize(
    "weights, message",
    [
        (None, "state_dict must be a dictionary of arrays by name, or a PyTorch module; got NoneType"),
        ([1, 2], "state_dict must be a dictionary of arrays by name, or a PyTorch module; got list"),
        ({1: np.zeros(2)}, "state_dict must have names for keys; got 1"),
    ],
)
def test_only_a_dictionary_by_name_is_a_state_dictionary(weights, message, as_user):
    for read in (interop.from_torch, interop.from_torch_network):
        with pytest.raises(TypeError, match=message):
            read(weights)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_beyond_float32_are_named(kind, float32, save, torch_weights):
    """Numbers of the weights, and of the sum of the two biases."""
    weights = torch_weights(KINDS[kind][0], "rec.")
    huge = weights | {"rec.weight_ih_l0": np.full_like(weights["rec.weight_ih_l0"], -1e308)}
    message = r"key 'rec\.weight_ih_l0': numbers of float32 are wanted .*; got -1e\+308"
    with pytest.raises(ValueError, match=message):
        interop.from_torch(huge, "rec.")
    with pytest.raises(ValueError, match=rf"huge\.json: {message}"):
        interop.read_network(save("huge.json", huge))
    biases = {name: np.full(len(weights[name]), 3e38, np.float32) for name in ("rec.bias_ih_l0", "rec.bias_hh_l0")}
    with pytest.raises(ValueError, match=r"keys 'rec\.bias_ih_l0' and 'rec\.bias_hh_l0', summed: finite numbers"):
        interop.from_torch(weights | biases, "rec.")
    with pytest.raises(ValueError, match=r"key 'lin\.weight': numbers of float32 are wanted"):
        interop.from_torch_network(weights | {"lin.weight": np.full((1, N), 1e39), "lin.bias": np.zeros(1)})


LINEAR = {"lin.weight": np.array([[1.0, -2.0, 0.5]]), "lin.bias": np.array([0.25])}


def test_given_prefix_and_readout_choose_and_ignore_other_keys(torch_weights):
    weights = torch_weights(3, "enc.") | torch_weights(1, "dec.", seed=1) | LINEAR
    weights |= {"head.weight": np.ones((2, N)), "step": np.array(7)}
    network = interop.from_torch_network(weights, "dec.", "head.", activation=jax.nn.relu)
    assert isinstance(network.cell, VanillaCell) and network.cell.activation is jax.nn.relu
    assert network.readout.bias is None
    np.testing.assert_array_equal(network.readout.weight, np.ones((2, N)))
    assert interop.from_torch_network(weights, "enc.", None).readout is None
    only = interop.from_torch_network(torch_weights(1) | {"weight": np.ones((1, N)), "bias": np.ones(1)})
    np.testing.assert_array_equal(only.readout.weight, np.ones((1, N)))


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"rec.weight_ih_l0_reverse": np.ones((12, D))},
            r"l0_reverse': .* backward too .* interop\.from_torch",
        ),
        ({"rec.weight_hr_l0": np.ones((2, N))}, r"'rec\.weight_hr_l0': an LSTM with a projection"),
        ({"rec.weight_hh_l1": None}, r"no key 'rec\.weight_hh_l1'; there are"),
        ({"rec.weight_ih_l3": np.ones((12, N))}, r"no key 'rec\.weight_ih_l2'; there are"),
        (
            {"rec.weight_ih_l1": np.ones((12, 2))},
            r"_ih_l1' has shape \(12, 2\); wanted is \(12, 3\), as .* 3 units",
        ),
        ({"other.weight_hh_l0": np.ones((3, 3))}, r"there are several, 'other\.', 'rec\.'\. Write a file of one"),
        (
            {"lin.weight": np.ones((1, 4))},
            r"\(1, 4\) belongs neither .* \(M, 3\) .* in Python give readout, and",
        ),
        ({"lin.bias": None}, r"'lin\.weight' \(1, 3\) belongs neither"),
        ({"lin.bias": np.ones(2)}, r"'lin\.weight' \(1, 3\) belongs neither"),
        ({"rec.weight_ih_l00": np.ones(1)}, r"'rec\.weight_ih_l00' \(1,\) belongs neither"),
        ({"note": [[1.0], [2.0, 3.0]]}, r"'note' \(2,\) belongs neither"),
        (
            {"a.weight": np.ones((2, 3)), "a.bias": np.ones(2)},
            r"3 outputs; .* 'lin\.', 'a\.'\. Write .* readout='lin\.'",
        ),
        (
            dict.fromkeys(
                f"rec.{part}_l{k}" for k in (0, 1) for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            ),
            r"no recurrent network: .* There are 'lin\.weight' \(1, 3\)",
        ),
    ],
)
def test_arrays_that_do_not_make_one_clear_network_are_refused(change, message, torch_stack):
    weights = torch_stack(4, 2, "rec.") | LINEAR | change
    with pytest.raises(ValueError, match=message):
        interop.from_torch_network({key: value for key, value in weights.items() if value is not None})


@pytest.mark.parametrize(
    "prefix, readout, message",
    [
        ("rec", ..., r"prefix 'rec' names no recurrent layers; those here have prefixes 'rec\.'\."),
        (None, "head.", r"no key 'head\.weight' for the readout; there are "),
        ("rec.", "rec.", r"no key 'rec\.weight' for the readout"),
        (None, None, r"key 'lin\.weight' \(1, 3\) belongs neither"),
        ("rec.", "flat.", r"key 'flat\.weight' has shape \(3,\); wanted is \(M, 3\), as the network has 3 outputs"),
        ("rec.", "wide.", r"key 'wide\.bias' has shape \(2,\); wanted is \(1,\)"),
        ("rec.", "nan.", r"key 'nan\.weight': finite numbers are wanted"),
    ],
)
def test_a_prefix_or_readout_that_does_not_fit_is_refused(prefix, readout, message, torch_stack):
    weights = torch_stack(4, 1, "rec.") | LINEAR
    if prefix and isinstance(readout, str):
        weights |= {"flat.weight": np.ones(3), "wide.weight": np.ones((1, 3)), "wide.bias": np.ones(2)}
        weights |= {"nan.weight": np.full((1, 3), np.nan)}
    with pytest.raises(ValueError, match=message):
        interop.from_torch_network(weights, prefix, readout)
