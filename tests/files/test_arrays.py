"""Named arrays in files: what is read, what is refused and what is written."""

import builtins
import json
import os
import pickle
import zipfile

import equinox as eqx
import numpy as np
import pytest
from weights import drawn

from rnn_ode import interop
from rnn_ode._files.arrays import as_host_floats, decoded, shapes_of


def write(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("suffix", [".npz", ".json", ".safetensors"])
def test_arrays_are_read_by_name_from_every_format(save, suffix):
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
def test_floats_keep_their_type_but_for_float16_and_integers(save, suffix, dtype, wanted):
    read = interop.read_arrays(save("weights" + suffix, {"W": np.ones((2, 2), dtype)}))
    assert read["W"].dtype == wanted


@pytest.mark.parametrize(
    "name, text", [("m.csv", "# m\n1, 2\n3,4 # end\n"), ("m.txt", "1 2\n\n3\t4\n"), ("M.TXT", "1,2\n3,4")]
)
def test_text_with_commas_or_blanks_is_one_matrix(tmp_path, name, text):
    read = interop.read_arrays(write(tmp_path, name, text))
    np.testing.assert_array_equal(read["W"], [[1, 2], [3, 4]])


def test_npy_is_one_matrix_and_json_may_nest_a_state_dictionary(tmp_path):
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
        ("w.csv", "1,2\n3,x\n", "line 2: a row of numbers is wanted, .* commas, semicolons or blanks .*; got '3,x'"),
        ("w.csv", "1;2\n3,5;1\n", "line 2: a row of numbers is wanted, with decimal points"),
        ("w.csv", "1,2\n3,nan\n", "w.csv, line 2: finite numbers are wanted; got '3,nan'"),
        ("w.csv", "1,2\n\n3,\n", "line 3: a row of numbers is wanted"),
        ("w.txt", "1 2\n3\n", "line 2: every row must have as many entries as the first, 2; got 1"),
        ("w.csv", b"\xff\xfe1\n", "line 1: not UTF-8 text"),
    ],
)
def test_malformed_files_are_named_with_key_or_line(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=message) as error:
        interop.read_arrays(write(tmp_path, name, content))
    assert name in str(error.value)


def test_a_damaged_archive_is_named_with_the_key(save):
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


def test_an_encrypted_archive_is_named_with_the_key(save):
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


def test_complex_entries_are_refused(save):
    with pytest.raises(ValueError, match="real numbers are wanted; got entries of type complex128"):
        interop.read_arrays(save("w.npz", {"W": np.array([[1j]])}))


@pytest.mark.parametrize("name", ["w.npz", "w.json", "w.safetensors", "w.csv"])
def test_a_missing_file_is_an_error_of_the_system(tmp_path, name):
    with pytest.raises(FileNotFoundError):
        interop.read_arrays(tmp_path / name)


def test_without_safetensors_the_error_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("safetensors"):
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install '\.\[interop\]'"):
        interop.read_arrays(write(tmp_path, "w.safetensors", b""))
    with pytest.raises(ImportError, match=r"writing .* pip install '\.\[interop\]'"):
        interop.write_arrays(tmp_path / "new.safetensors", {"W": SQUARE})
    assert not list(tmp_path.glob("*new*"))


SQUARE, TALL = np.arange(4.0).reshape(2, 2), np.ones((2, 1))


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


def test_a_torch_module_is_written_by_its_state_dictionary(tmp_path):
    module = pytest.importorskip("torch").nn.LSTM(1, 2)
    for name, arrays in (("a.npz", module), ("b.npz", module.state_dict())):
        interop.write_arrays(tmp_path / name, arrays)
        read = interop.read_arrays(tmp_path / name)
        assert {key: array.tolist() for key, array in read.items()} == {
            key: tensor.tolist() for key, tensor in module.state_dict().items()
        }


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "w.npz"
    interop.write_arrays(path, {"old": SQUARE})
    cases = [
        (path, {}, ValueError, r"w\.npz: there are no arrays"),
        (
            path,
            drawn(eqx.nn.GRUCell, 1, 2),
            TypeError,
            r"w\.npz: .* interop\.to_torch\(cell\) .* got GRU",
        ),
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


def test_shapes_are_told_by_name_and_ragged_lists_by_their_length():
    assert shapes_of({"W": SQUARE, "list": [[1.0], [2.0, 3.0]]}) == "'W' (2, 2), 'list' (2,)"
    assert shapes_of({}) == "none"


def test_a_byte_that_is_not_utf_8_is_named_with_its_line(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf1,2\n3,\xff\n")
    with pytest.raises(ValueError, match=r"a\.csv, line 2: not UTF-8 text; got byte 0xff\."):
        decoded(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_bytes(b"\xff")
    with pytest.raises(ValueError, match="line 1: "):
        decoded(tmp_path / "a.csv")


def test_the_format_of_a_name_is_told_in_any_case_and_others_are_listed(tmp_path):
    interop.write_arrays(tmp_path / "W.NPZ", {"W": SQUARE})
    np.testing.assert_array_equal(interop.read_arrays(tmp_path / "W.NPZ")["W"], SQUARE)
    with pytest.raises(ValueError, match=r"w\.csv: arrays are written to \.npz, \.json, \.safetensors; got"):
        interop.write_arrays(tmp_path / "w.csv", {"W": SQUARE})


def test_lists_and_scalars_become_float64_arrays():
    for value, shape in ((3, ()), ([1, 2], (2,)), ([[0.5]], (1, 1))):
        array = as_host_floats("W", value)
        assert array.shape == shape and array.dtype == np.float64
    with pytest.raises(ValueError, match=r"W: finite numbers are wanted; the entry at \(1, 0\) is -inf"):
        as_host_floats("W", [[0.0, 1.0], [-np.inf, np.nan]])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "w.json",
            b"\x89HDF\r\n\x1a\n" + bytes(40),
            r"by its content this is an HDF5 file\. .* interop\.from_keras\(model\)",
        ),
        (
            "w.safetensors",
            b"PK\x03\x04" + bytes(40),
            r"this is a zip archive, as PyTorch and Keras write them\. Pickles \(\.pt",
        ),
        ("w.npz", pickle.dumps({"W": 1}), r"this is a pickle\. Pickles .* are never read"),
        (
            "w.h5",
            b"",
            r"arrays are read from \.npz, .* too; got a name ending in '\.h5'\. Load Keras's files",
        ),
    ],
)
def test_a_file_of_another_format_is_named_with_the_way_out(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=rf"{name}: .*{message}"):
        interop.read_arrays(write(tmp_path, name, content))


def test_files_and_archives_that_are_too_large_are_refused(save, monkeypatch):
    """An archive may say that it holds more than fits into the memory."""
    path = save("w.npz", {"W": np.zeros((100, 100))})
    monkeypatch.setattr("rnn_ode._files.arrays._MOST_BYTES", 1 << 30)
    assert interop.read_arrays(path)["W"].shape == (100, 100)
    monkeypatch.setattr("rnn_ode._files.arrays._MOST_BYTES", 1000)
    with pytest.raises(ValueError, match=r"w\.npz: a file of at most 0 GiB is read; it has 80,\d+ bytes"):
        interop.read_arrays(path)
    np.savez_compressed(path, W=np.zeros((100, 100)))
    with pytest.raises(ValueError, match=r"w\.npz: arrays of at most 0 GiB are read; the archive holds more"):
        interop.read_arrays(path)
