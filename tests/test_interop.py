import builtins
import json
import pickle
import zipfile

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_ode import interop
from rnn_ode._cells import PiecewiseLinearCell, VanillaCell

N, D = 3, 2


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def torch_weights(gates, prefix="", layer=0, bias=True, seed=0):
    rng = np.random.default_rng(seed)
    shapes = {"weight_ih": (gates * N, D), "weight_hh": (gates * N, N)}
    if bias:
        shapes |= {"bias_ih": (gates * N,), "bias_hh": (gates * N,)}
    return {f"{prefix}{name}_l{layer}": rng.normal(size=shape) for name, shape in shapes.items()}


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
        ("w.csv", b"\xff\xfe1\n", "line 1: a row of numbers"),
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
    with pytest.raises(ImportError, match=r"pip install 'rnn_ode\[app\]'"):
        interop.read_arrays(write(tmp_path, "w.safetensors", b""))


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


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"W_h": SQUARE, "W_x": TALL}, r"no key 'b'; wanted are W_h, W_x, b, the file holds 'W_h' \(2, 2\)"),
        ({"W_h": TALL, "W_x": TALL, "b": np.ones(2)}, r"\(2, 1\)"),
        ({"U": SQUARE}, r"the keys of a cell are wanted.*'U' \(2, 2\)"),
        (torch_weights(1) | torch_weights(1, layer=1), "one layer, one direction; .*'weight_hh_l0', 'weight_hh_l1'"),
        (torch_weights(1, "a.") | torch_weights(1, "b."), r"'a\.weight_hh_l0', 'b\.weight_hh_l0'"),
        ({"weight_hh_l0": SQUARE}, "no key 'weight_ih_l0'"),
    ],
)
def test_read_cell_refuses(save, keys, message):
    path = save("w.npz", keys)
    with pytest.raises(ValueError, match=message) as error:
        interop.read_cell(path)
    assert str(path) in str(error.value)
