import builtins
import importlib
import itertools
import json
import os
import pickle
import zipfile

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro
from rnn_ode import interop
from rnn_ode._cells.piecewise import PiecewiseLinearCell
from rnn_ode._cells.vanilla import VanillaCell

N, D = 3, 2


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def torch_weights(gates, prefix="", layer=0, bias=True, seed=0):
    rng = np.random.default_rng(seed)
    shapes = {"weight_ih": (gates * N, D), "weight_hh": (gates * N, N)}
    if bias:
        shapes |= {"bias_ih": (gates * N,), "bias_hh": (gates * N,)}
    return {f"{prefix}{name}_l{layer}": rng.normal(size=shape) for name, shape in shapes.items()}


def torch_stack(gates, layers, prefix="", bias=True, seed=0):
    """Several layers: those above the first take its N units."""
    rng = np.random.default_rng(seed)
    weights = {}
    for layer in range(layers):
        weights |= torch_weights(gates, prefix, layer, bias, seed + layer)
        if layer:
            weights[f"{prefix}weight_ih_l{layer}"] = rng.normal(size=(gates * N, N))
    return weights


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


@pytest.fixture
def save(tmp_path):
    def save(name, arrays):
        path = tmp_path / name
        if path.suffix == ".npz":
            np.savez(path, **arrays)
        elif path.suffix == ".json":
            path.write_text(json.dumps({key: np.asarray(value).tolist() for key, value in arrays.items()}))
        elif path.suffix == ".safetensors":
            pytest.importorskip("safetensors.numpy").save_file(arrays, path)
        return path

    return save


def write(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# --- from_torch


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_from_torch_computes_what_pytorch_documents(kind, bias):
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


def test_from_torch_chooses_by_prefix_and_layer():
    weights = torch_weights(1, "net.", 0, seed=0) | torch_weights(1, "net.", 1, seed=1)
    for layer in (0, 1):
        cell = interop.from_torch(weights, "net.", layer, activation=jax.nn.relu)
        np.testing.assert_allclose(cell.W_h, weights[f"net.weight_hh_l{layer}"], rtol=1e-6)
        biases = weights[f"net.bias_ih_l{layer}"] + weights[f"net.bias_hh_l{layer}"]
        np.testing.assert_allclose(cell.b, biases, rtol=1e-5, atol=1e-6)
        assert cell.activation is jax.nn.relu
    assert interop.from_torch(weights, "net.").activation is jnp.tanh


@pytest.mark.parametrize("kind", KINDS)
def test_from_torch_keeps_float32(kind):
    weights = {key: value.astype(np.float32) for key, value in torch_weights(KINDS[kind][0]).items()}
    cell = interop.from_torch(weights)
    assert {leaf.dtype for leaf in jax.tree.leaves(eqx.filter(cell, eqx.is_array))} == {jnp.dtype("float32")}


def test_from_torch_takes_tensors_that_require_gradients():
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
def test_from_torch_refuses(change, message):
    weights = {key: value for key, value in (torch_weights(3) | change).items() if value is not None}
    with pytest.raises(ValueError, match=message):
        interop.from_torch(weights)


@pytest.mark.parametrize(
    "weights, message",
    [
        (None, "state_dict must be a dictionary of arrays by name; got NoneType"),
        ([1, 2], "state_dict must be a dictionary of arrays by name; got list"),
        ({1: np.zeros(2)} | torch_weights(3), "state_dict must have names for keys; got 1"),
    ],
)
def test_what_is_no_state_dictionary_is_named(weights, message, as_user):
    for read in (interop.from_torch, interop.from_torch_network):
        with pytest.raises(TypeError, match=message):
            read(weights)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_that_float32_does_not_hold_are_named(kind, float32, save):
    """In the weights, and where only the two biases' sum does not fit."""
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


# --- read_arrays


@pytest.mark.parametrize("suffix", [".npz", ".json", ".safetensors"])
def test_arrays_come_back(save, suffix):
    arrays = {"W_h": np.array([[0.5, 1.0], [0.0, -2.0]]), "b": np.array([0.1, 0.2])}
    read = interop.read_arrays(save("weights" + suffix, arrays))
    assert set(read) == {"W_h", "b"}
    for key, value in arrays.items():
        np.testing.assert_array_equal(read[key], value)
        assert read[key].dtype == np.float64


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize(
    "dtype, wanted", [("float64", "float64"), ("float32", "float32"), ("float16", "float32"), ("int32", "float64")]
)
def test_dtypes(save, suffix, dtype, wanted):
    read = interop.read_arrays(save("weights" + suffix, {"W": np.ones((2, 2), dtype)}))
    assert read["W"].dtype == wanted


@pytest.mark.parametrize(
    "name, text", [("m.csv", "# m\n1, 2\n3,4 # end\n"), ("m.txt", "1 2\n\n3\t4\n"), ("M.TXT", "1,2\n3,4")]
)
def test_a_matrix_as_text(tmp_path, name, text):
    read = interop.read_arrays(write(tmp_path, name, text))
    np.testing.assert_array_equal(read["W"], [[1, 2], [3, 4]])


def test_npy_and_nested_json(tmp_path):
    np.save(tmp_path / "m.npy", np.eye(2))
    np.testing.assert_array_equal(interop.read_arrays(tmp_path / "m.npy")["W"], np.eye(2))
    path = write(tmp_path, "w.json", '{"state_dict": {"weight_hh_l0": [[1]]}, "epoch": 3, "note": "text"}')
    assert set(interop.read_arrays(path)) == {"weight_hh_l0"}


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


def test_pickles_are_never_read(tmp_path):
    bomb = pickle.dumps(Bomb())
    for name in ("w.npz", "w.npy", "w.json", "w.safetensors", "w.csv"):
        with pytest.raises(ValueError, match=name):
            interop.read_arrays(write(tmp_path, name, bomb))
    for name in ("w.pt", "w.pkl", "w"):
        with pytest.raises(ValueError, match=r"Pickles .* are never read"):
            interop.read_arrays(write(tmp_path, name, bomb))
    np.savez(tmp_path / "o.npz", W=np.array([Bomb()], dtype=object))
    with pytest.raises(ValueError, match=r"o\.npz, key 'W': .* without pickle"):
        interop.read_arrays(tmp_path / "o.npz")


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("w.json", '{"W":\n [[1, 2]\n', r"w\.json, line 3: not json"),
        ("w.json", b'{"W":\n "\xff"}', r"w\.json, line 2: not json"),
        ("w.json", "[" * 200_000, r"w\.json"),
        ("w.json", "[[1]]", "an object of nested lists is wanted, by name; got a list"),
        ("w.json", "{}", "no arrays"),
        ("w.json", '{"W": [[1, 2], [3]]}', "key 'W': an array of numbers is wanted"),
        ("w.json", '{"W": [[1, "a"]]}', "key 'W': real numbers are wanted"),
        ("w.json", '{"W": [[1, null]]}', "key 'W': real numbers are wanted"),
        ("w.json", '{"W": [[true]]}', "key 'W': real numbers are wanted; got entries of type bool"),
        ("w.json", '{"W": {"a": 1}}', "key 'W': real numbers are wanted"),
        ("w.json", '{"W": []}', r"key 'W': the array is empty, of shape \(0,\)"),
        ("w.json", '{"W": [[1, NaN]]}', r"key 'W': finite numbers are wanted; the entry at \(0, 1\) is nan"),
        ("w.json", '{"W": [[1, 1e999]]}', r"at \(0, 1\) is inf"),
        ("w.npz", b"not a zip", "without pickle"),
        ("w.npz", b"", "without pickle"),
        ("w.npz", b"PK\x03\x04 and no more", "without pickle"),
        ("w.safetensors", b"\x00", "not a safetensors file"),
        ("w.safetensors", b"\xff" * 64, "not a safetensors file"),
        ("w.csv", "", "no arrays"),
        ("w.csv", "1,2\n3,x\n", "line 2: a row of numbers is wanted"),
        ("w.csv", "1,2\n\n3,\n", "line 3: a row of numbers is wanted"),
        ("w.txt", "1 2\n3\n", "line 2: every row must have as many entries as the first, 2; got 1"),
        ("w.csv", b"\xff\xfe1\n", "line 1: not UTF-8 text"),
    ],
)
def test_malformed_files(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=message) as error:
        interop.read_arrays(write(tmp_path, name, content))
    assert name in str(error.value)


def test_a_damaged_archive(save):
    path = save("w.npz", {"W": np.arange(64.0).reshape(8, 8)})
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"w\.npz, key 'W'"):
        interop.read_arrays(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "no array")
    with pytest.raises(ValueError, match=r"w\.npz, key 'notes\.txt'"):
        interop.read_arrays(path)


def test_an_encrypted_archive(save):
    path = save("w.npz", {"W": np.eye(2)})
    data = bytearray(path.read_bytes())
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(header) + flags] |= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"w\.npz, key 'W': not an array .*encrypted"):
        interop.read_arrays(path)


def test_bfloat16_becomes_float32(tmp_path):
    """A bfloat16 is the upper half of a float32."""
    values = np.array([[1.5, -2.0], [0.15625, 3.0e38]], np.float32)
    upper = (values.view(np.uint32) >> 16).astype(np.uint16)
    header = json.dumps({"W": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}).encode()
    path = write(tmp_path, "w.safetensors", len(header).to_bytes(8, "little") + header + upper.tobytes())
    wanted = (upper.astype(np.uint32) << 16).view(np.float32)
    pytest.importorskip("safetensors")
    read = interop.read_arrays(path)["W"]
    assert read.dtype == np.float32 and np.array_equal(read, wanted)
    other = header.replace(b"BF16", b"F8_E5M2").replace(b"[0, 8]", b"[0, 4]")
    path.write_bytes(len(other).to_bytes(8, "little") + other + bytes(4))
    with pytest.raises(ValueError, match=r"w\.safetensors, key 'W': entries of F64, .* are read; got F8_E5M2"):
        interop.read_arrays(path)


def test_complex_entries(save):
    with pytest.raises(ValueError, match="real numbers are wanted; got entries of type complex128"):
        interop.read_arrays(save("w.npz", {"W": np.array([[1j]])}))


@pytest.mark.parametrize("name", ["w.npz", "w.json", "w.safetensors", "w.csv"])
def test_a_file_that_is_not_there(tmp_path, name):
    with pytest.raises(FileNotFoundError):
        interop.read_arrays(tmp_path / name)


def test_safetensors_missing(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("safetensors"):
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'rnn_ode\[interop\]'"):
        interop.read_arrays(write(tmp_path, "w.safetensors", b""))
    with pytest.raises(ImportError, match=r"writing .* pip install 'rnn_ode\[interop\]'"):
        interop.write_arrays(tmp_path / "new.safetensors", {"W": SQUARE})
    assert not list(tmp_path.glob("*new*"))


# --- read_matrix and read_cell

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
def test_read_matrix(save, keys, key):
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
def test_read_matrix_refuses(save, keys, key, message):
    with pytest.raises(ValueError, match=message):
        interop.read_matrix(save("m.npz", keys), key)


def test_read_cell(save):
    vanilla = {"W_h": SQUARE, "W_x": TALL, "b": np.ones(2), "readout": np.ones((1, 2))}
    cell = interop.read_cell(save("v.npz", vanilla))
    assert isinstance(cell, VanillaCell) and cell.activation is jax.nn.relu
    np.testing.assert_array_equal(cell.W_h, SQUARE)
    assert interop.read_cell(save("v.npz", vanilla), None).activation is None

    piecewise = {"A": 0.5 * np.eye(2), "W": SQUARE, "W_x": TALL, "b": np.ones(2)}
    cell = interop.read_cell(save("p.json", piecewise))
    assert isinstance(cell, PiecewiseLinearCell)
    np.testing.assert_array_equal(cell.A, piecewise["A"])

    rnn = save("t.npz", torch_weights(1, "encoder.rnn.") | {"head.weight": np.ones((1, N))})
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
        (torch_weights(1) | torch_weights(1, layer=1), r"'weight_ih_l1' has shape \(3, 2\); wanted is \(3, 3\)"),
        (
            torch_weights(1, "a.") | torch_weights(1, "b."),
            r"there are several, 'a\.', 'b\.'\. Write a file of one .* prefix='a\.'",
        ),
        ({"weight_hh_l0": SQUARE}, "no key 'weight_ih_l0'"),
    ],
)
def test_read_cell_refuses(save, keys, message):
    path = save("w.npz", keys)
    with pytest.raises(ValueError, match=message) as error:
        interop.read_cell(path)
    assert str(path) in str(error.value)


# --- networks

LINEAR = {"lin.weight": np.array([[1.0, -2.0, 0.5]]), "lin.bias": np.array([0.25])}


def run(network, xs, h0=None):
    """Outputs (T, M) and states (T, …)."""
    states = jax.tree.map(lambda rows: rows[1:], ro.iterate(network.cell, xs, h0).states)
    return jax.vmap(network.output)(xs, states), states


def test_an_output_is_the_readout_of_the_top_layer_and_the_input():
    weights = torch_stack(4, 2, "rec.")
    network = interop.from_torch_network(weights | LINEAR, residual=True)
    xs = np.random.default_rng(1).normal(size=(5, D))
    outputs, states = run(network, jnp.asarray(xs))
    (top, _) = states[-1]
    wanted = np.asarray(top) @ LINEAR["lin.weight"].T + LINEAR["lin.bias"] + xs[:, :1]  # the first channel only
    np.testing.assert_allclose(outputs, wanted, rtol=1e-12)
    assert network.output_size == 1

    bare = interop.from_torch_network(weights)
    assert bare.readout is None and not bare.residual and bare.output_size == N
    np.testing.assert_array_equal(run(bare, jnp.asarray(xs))[0], top)


def test_names_choose_and_leave_other_keys_alone():
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
            dict.fromkeys(torch_stack(4, 2, "rec.")),
            r"no recurrent network: .* There are 'lin\.weight' \(1, 3\)",
        ),
    ],
)
def test_a_network_that_is_unclear_is_refused(change, message):
    weights = torch_stack(4, 2, "rec.") | LINEAR | change
    with pytest.raises(ValueError, match=message):
        interop.from_torch_network({key: value for key, value in weights.items() if value is not None})


@pytest.mark.parametrize(
    "prefix, readout, message",
    [
        ("rec", ..., r"no key 'recweight_ih_l0'; there are 'rec\.weight_ih_l0' \(12, 2\)"),
        (None, "head.", r"no key 'head\.weight' for the readout; there are "),
        ("rec.", "rec.", r"no key 'rec\.weight' for the readout"),
        (None, None, r"key 'lin\.weight' \(1, 3\) belongs neither"),
        ("rec.", "flat.", r"key 'flat\.weight' has shape \(3,\); wanted is \(M, 3\), as the network has 3 outputs"),
        ("rec.", "wide.", r"key 'wide\.bias' has shape \(2,\); wanted is \(1,\)"),
        ("rec.", "nan.", r"key 'nan\.weight': finite numbers are wanted"),
    ],
)
def test_names_that_choose_nothing_are_refused(prefix, readout, message):
    weights = torch_stack(4, 1, "rec.") | LINEAR
    if prefix and isinstance(readout, str):
        weights |= {"flat.weight": np.ones(3), "wide.weight": np.ones((1, 3)), "wide.bias": np.ones(2)}
        weights |= {"nan.weight": np.full((1, 3), np.nan)}
    with pytest.raises(ValueError, match=message):
        interop.from_torch_network(weights, prefix, readout)


KEY = jax.random.key(0)


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda cell: interop.Network(0.5), TypeError, r"cell must be a callable cell\(x, h\); got 0\.5"),
        (
            lambda cell: interop.Network(cell, np.ones((1, N))),
            TypeError,
            r"readout must be an equinox\.nn\.Linear or None",
        ),
        (lambda cell: interop.Network(cell, residual=1), TypeError, "residual must be True or False; got 1"),
        (
            lambda cell: interop.Network(cell, eqx.nn.Linear(4, 1, key=KEY)),
            ValueError,
            r"readout must take the cell's outputs \(3,\); it takes \(4,\)",
        ),
        (
            lambda cell: interop.Network(cell, eqx.nn.Linear(N, "scalar", key=KEY)),
            ValueError,
            "readout must map vectors to vectors; it maps 3 to scalar",
        ),
        (
            lambda cell: interop.Network(cell, residual=True),
            ValueError,
            "residual needs at least as many inputs as outputs: 3; the cell takes 2 inputs",
        ),
    ],
)
def test_a_network_that_does_not_fit_is_refused(make, error, message, as_user):
    with pytest.raises(error, match=message):
        make(interop.from_torch(torch_weights(4)))


@pytest.mark.parametrize("suffix", [".npz", ".json", ".safetensors"])
def test_a_network_comes_back_from_a_file(tmp_path, suffix):
    network = interop.from_torch_network(torch_stack(3, 2, "rec.") | LINEAR)
    path = tmp_path / f"w{suffix}"
    interop.write_arrays(path, interop.to_torch(network, "gru."))
    assert eqx.tree_equal(interop.read_network(path), network)
    assert not interop.read_network(path).residual and interop.read_network(path, residual=True).residual


def test_a_file_says_whether_the_input_is_added(tmp_path):
    weights = {key: value.tolist() for key, value in (torch_weights(4, "rec.") | LINEAR).items()}

    def read(skip, **options):
        text = json.dumps({"model_data": {"unit_type": "LSTM", **skip}, "state_dict": weights})
        return interop.read_network(write(tmp_path, "amp.json", text), **options).residual

    assert [read({"skip": 1}), read({"skip": 0}), read({})] == [True, False, False]
    assert not read({"skip": 1}, residual=False)
    assert read({"skip": 2}, residual=True)
    for skip in (2, "1", [1]):
        with pytest.raises(
            ValueError,
            match=r"amp\.json: key 'model_data': skip, .*, 1; got .*residual=True or False in Python, --residual",
        ):
            read({"skip": skip})


def test_a_network_by_this_package_s_names(save):
    """Its output is the state, unless a readout stands beside the cell."""
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


def test_a_network_s_file_is_named(save, tmp_path):
    with pytest.raises(ValueError, match=r"w\.npz: key 'lin\.weight' \(1, 4\) belongs neither"):
        interop.read_network(save("w.npz", torch_weights(1) | {"lin.weight": np.ones((1, 4))}))
    with pytest.raises(ValueError, match=r"Pickles .* are never read"):
        interop.read_network(write(tmp_path, "w.pt", pickle.dumps(Bomb())))


# --- to_torch and write_arrays


def test_to_torch_refuses_what_pytorch_does_not_have():
    square = VanillaCell(np.eye(3), np.ones((3, D)), np.zeros(3), jnp.tanh)
    wide = VanillaCell(np.eye(4), np.ones((4, 3)), np.zeros(4), jnp.tanh)
    gru = interop.from_torch(torch_stack(3, 2), layer=1)
    two = SQUARE, TALL, np.ones(2)
    cases = [
        (PiecewiseLinearCell(SQUARE, *two), TypeError, "no counterpart of a PiecewiseLinearCell"),
        (lambda x, h: h, TypeError, "no counterpart of a function"),
        (ro.StackedCell([ro.StackedCell([square])]), TypeError, "no counterpart of a StackedCell"),
        (VanillaCell(*two, jax.nn.sigmoid), ValueError, r"tanh and relu .* only; .* sigmoid"),
        (VanillaCell(*two, None), ValueError, "the cell has None"),
        (ro.StackedCell([square, gru]), ValueError, "got tanh RNN of 3 units, GRU of 3 units"),
        (ro.StackedCell([square, wide]), ValueError, "of one kind and size; got .*, tanh RNN of 4 units"),
    ]
    for cell, error, message in cases:
        with pytest.raises(error, match=message):
            interop.to_torch(cell)


def test_biases_that_only_some_layers_have():
    bare, biased = (eqx.nn.GRUCell(3, 3, use_bias=flag, key=KEY) for flag in (False, True))
    assert set(interop.to_torch(bare)) == {"weight_ih_l0", "weight_hh_l0"}
    weights = interop.to_torch(ro.StackedCell([bare, biased]))
    assert np.array_equal(weights["bias_ih_l0"], np.zeros(9)) and np.array_equal(weights["bias_hh_l0"], np.zeros(9))
    np.testing.assert_array_equal(weights["bias_ih_l1"], biased.bias)
    np.testing.assert_array_equal(weights["bias_hh_l1"], np.concatenate([np.zeros(6), biased.bias_n]))


def test_biases_are_left_out_and_put_in_as_pytorch_says():
    cell = interop.from_torch(torch_weights(1, bias=False))
    assert set(interop.to_torch(cell)) == {f"{part}_l0" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    assert set(interop.to_torch(cell, bias=False)) == {"weight_ih_l0", "weight_hh_l0"}
    bare = interop.from_torch(torch_weights(3, bias=False))
    assert not bare.use_bias and bare.bias is None
    np.testing.assert_array_equal(interop.to_torch(bare, bias=True)["bias_hh_l0"], np.zeros(9))
    for gates in (1, 3, 4):
        with pytest.raises(
            ValueError, match="bias=False leaves the biases out, which must be zero; a layer's bias_ih is not"
        ):
            interop.to_torch(interop.from_torch(torch_weights(gates)), bias=False)


@pytest.mark.parametrize("suffix", [".npz", ".json", ".safetensors"])
def test_written_arrays_come_back(tmp_path, suffix):
    # names that np.savez takes for its own; a transposed view; a scalar
    arrays = {"file": SQUARE.T, "allow_pickle": TALL, "a.npy": np.float64(0.1), "a/b": np.ones(3, np.float32) / 3}
    path = tmp_path / f"w{suffix}"
    interop.write_arrays(path, {"old": SQUARE})
    interop.write_arrays(path, arrays)
    read = interop.read_arrays(path)
    assert set(read) == set(arrays)
    for key, value in arrays.items():
        np.testing.assert_array_equal(read[key], value)
        assert suffix == ".json" or read[key].dtype == value.dtype
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_what_cannot_be_written_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "w.npz"
    interop.write_arrays(path, {"old": SQUARE})
    cases = [
        (path, {}, ValueError, r"w\.npz: there are no arrays"),
        (path, {"W": SQUARE, "b": [np.nan]}, ValueError, r"w\.npz, key 'b': finite numbers are wanted"),
        (path, {"b": []}, ValueError, r"w\.npz, key 'b': the array is empty"),
        (
            tmp_path / "w.pt",
            {"W": SQUARE},
            ValueError,
            r"w\.pt: arrays are written to \.npz, .*; got .*'\.pt'",
        ),
        (tmp_path / "no" / "w.npz", {"W": SQUARE}, FileNotFoundError, r"w\.npz: the folder .*no does not exist"),
    ]
    for file, arrays, error, message in cases:
        with pytest.raises(error, match=message):
            interop.write_arrays(file, arrays)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        interop.write_arrays(path, {"new": SQUARE})
    assert [file.name for file in tmp_path.iterdir()] == ["w.npz"]
    assert set(interop.read_arrays(path)) == {"old"}


# --- against PyTorch itself


@pytest.fixture(scope="module")
def torch():
    """PyTorch, whose absence skips the test, but where the environment says that it must be there."""
    if os.environ.get("RNN_ODE_REQUIRE_TORCH"):
        return importlib.import_module("torch")
    return pytest.importorskip("torch")


MODULES = {"tanh": "RNN", "relu": "RNN", "gru": "GRU", "lstm": "LSTM"}
LENGTH, UNITS = 30, 8


def torch_module(torch, kind, layers, bias, seed=0):
    """A network with a readout, as people write them. Gates get twice PyTorch's weights, so that they saturate here and
    there; a plain network with such weights would amplify rounding instead."""

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            options = {"nonlinearity": kind} if MODULES[kind] == "RNN" else {}
            self.rec = getattr(torch.nn, MODULES[kind])(D, UNITS, layers, bias=bias, **options)
            self.lin = torch.nn.Linear(UNITS, 1)

        def forward(self, xs, h0=None):
            hidden, last = self.rec(xs, h0)
            return self.lin(hidden) + xs[:, :1], hidden, last

    torch.manual_seed(seed)
    model = Model()
    with torch.no_grad():
        for weight in model.rec.parameters():
            weight.mul_(1 if MODULES[kind] == "RNN" else 2)
    return model


def activation_of(kind):
    return {"relu": jax.nn.relu}.get(kind, jnp.tanh)


def assert_same_outputs(torch, model, network):
    """Outputs, the top layer's states and every layer's last, from random states: to 1e-6 in float32, to 1e-13 in float64."""
    rng, dtype = np.random.default_rng(3), model.lin.weight.detach().numpy().dtype
    tolerance = {"rtol": 0, "atol": 1e-6 if dtype == np.float32 else 1e-13}
    xs = rng.normal(size=(LENGTH, D)).astype(dtype)
    layers, lstm = model.rec.num_layers, isinstance(model.rec, torch.nn.LSTM)
    starts = 0.5 * rng.normal(size=(1 + lstm, layers, UNITS)).astype(dtype)
    with torch.no_grad():
        h0 = [torch.from_numpy(start) for start in starts]
        outputs, hidden, last = model(torch.from_numpy(xs), tuple(h0) if lstm else h0[0])
    states0 = [(h, c) for h, c in zip(*starts, strict=True)] if lstm else list(starts[0])
    came, states = run(
        network, jnp.asarray(xs), jax.tree.map(jnp.asarray, tuple(states0) if layers > 1 else states0[0])
    )
    tops = states if layers > 1 else (states,)
    ends = [np.stack(rows) for rows in zip(*[jax.tree.leaves(state) for state in tops], strict=True)]
    top = tops[-1][0] if lstm else tops[-1]
    assert came.dtype == dtype
    np.testing.assert_allclose(came, outputs.numpy(), **tolerance)
    np.testing.assert_allclose(top, hidden.numpy(), **tolerance)
    for end, wanted in zip(ends, last if lstm else [last], strict=True):
        np.testing.assert_allclose(end[:, -1], wanted.numpy(), **tolerance)


def there_and_back(torch, model, kind):
    network = interop.from_torch_network(model.state_dict(), activation=activation_of(kind), residual=True)
    assert_same_outputs(torch, model, network)

    # a plain cell's biases are always there, and may be zeros
    weights = interop.to_torch(network, "rec.", "lin.", bias=None if model.rec.bias else False)
    back = torch_module(torch, kind, model.rec.num_layers, model.rec.bias, seed=1).to(model.lin.weight.dtype)
    back.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})
    assert_same_outputs(torch, back, network)
    assert eqx.tree_equal(interop.from_torch_network(weights, activation=activation_of(kind), residual=True), network)


QUICK = [("tanh", 1, True), ("relu", 3, True), ("gru", 2, False), ("lstm", 2, True)]
COMPARED = [
    pytest.param(*case, marks=[] if case in QUICK else pytest.mark.slow)
    for case in itertools.product(MODULES, (1, 2, 3), (True, False))
]


@pytest.mark.slow
@pytest.mark.parametrize("kind, layers, bias", COMPARED)
def test_pytorch_s_network_here_and_ours_there(torch, kind, layers, bias, float32):
    there_and_back(torch, torch_module(torch, kind, layers, bias), kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MODULES)
def test_nothing_but_rounding_parts_it_from_pytorch(torch, kind):
    there_and_back(torch, torch_module(torch, kind, 2, bias=True).double(), kind)


@pytest.mark.slow
@pytest.mark.parametrize("make", [eqx.nn.GRUCell, pytest.param(eqx.nn.LSTMCell, marks=pytest.mark.slow)])
def test_equinox_s_cells_without_biases_in_pytorch(torch, make, float32):
    keys = jax.random.split(KEY, 3)
    stack = ro.StackedCell(
        [make(D, UNITS, use_bias=False, key=keys[0]), make(UNITS, UNITS, use_bias=False, key=keys[1])]
    )
    network = interop.Network(stack, eqx.nn.Linear(UNITS, 1, key=keys[2]), residual=True)
    model = torch_module(torch, "gru" if make is eqx.nn.GRUCell else "lstm", 2, bias=False)
    weights = interop.to_torch(network, "rec.", "lin.")
    model.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})
    assert_same_outputs(torch, model, network)


def test_tensors_of_half_the_digits(torch):
    weights = {key: torch.from_numpy(value).bfloat16() for key, value in torch_weights(4).items()}
    cell = interop.from_torch(weights)
    assert cell.weight_ih.dtype == np.float32
    np.testing.assert_array_equal(cell.weight_ih, weights["weight_ih_l0"].float().numpy())


def test_pytorch_s_other_networks_are_refused(torch):
    for options, key in (({"bidirectional": True}, "weight_ih_l0_reverse"), ({"proj_size": 2}, "weight_hr_l0")):
        with pytest.raises(ValueError, match=f"key '{key}'"):
            interop.from_torch_network(torch.nn.LSTM(D, UNITS, 2, **options).state_dict())
