"""Small files of every format that the package reads, and what may have happened to them."""

import hashlib
import json
import os
import random
import re
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

import rnn_ode as ro
from rnn_ode import audio, datasets, interop, learn
from rnn_ode.bench._keep import KIND

ARRAYS = {"W_h": np.array([[0.5, -0.25], [0.125, 0.75]]), "W_x": np.ones((2, 1)), "b": np.zeros(2)}


SERIES = "date;a;b\n2020-01-01;1,5;2\n2020-01-02;2,5;3\n2020-01-03;3,5;5\n"


class Format(NamedTuple):
    """How a small file is written without the package where that is possible, and how the package reads it."""

    name: str
    write: Callable[[Path], Any]
    read: Callable[[Path], Any]


def _recording(path: Path) -> list[np.ndarray]:
    return list(audio.read_recording(path).blocks())


def _wav(path: Path) -> None:
    body = np.arange(-4, 4, dtype="<i2").tobytes()
    form = struct.pack("<4sLHHLLHH", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)
    path.write_bytes(
        struct.pack("<4sL4s", b"RIFF", 36 + len(body), b"WAVE") + form + struct.pack("<4sL", b"data", len(body)) + body
    )


def _flac(path: Path) -> None:
    with audio.recording_writer(path, 8000, 1, "pcm16") as write:
        write(np.linspace(-0.5, 0.5, 16)[:, None])


def _checkpoint(path: Path) -> None:
    learn.save(path, {"cell": ro.VanillaCell(*ARRAYS.values(), jax.numpy.tanh), "key": jax.random.key(0), "n": 3})


def _mended(path: Path) -> Any:
    """Read a checkpoint whose checksum is that of its arrays, as somebody would make it who means harm."""
    head, _, body = (path.read_bytes() if path.is_file() else b"").partition(b"\n")
    digest = re.compile(rb'"sha256": "[0-9a-f]{64}"')
    if path.is_file():
        path.write_bytes(digest.sub(b'"sha256": "%s"' % hashlib.sha256(body).hexdigest().encode(), head) + b"\n" + body)
    return learn.load(path)


def _cell(path: Path) -> None:
    learn.save(path, eqx.nn.GRUCell(1, 1, key=jax.random.key(0)))


def _network(path: Path) -> None:
    interop.write_network(path, interop.Network(ro.VanillaCell(*ARRAYS.values(), jax.numpy.tanh)))


def _study(path: Path) -> Any:
    from rnn_ode.learn._memory.result import read_trials

    return read_trials(path, {"steps": 1})


def _bench(path: Path) -> Any:
    from rnn_ode.bench._keep import _read

    return _read(path, {"seed": 0})


LAYER = {"type": "lstm", "shape": [None, None, 1], "weights": [[[0.5] * 4], [[0.25] * 4], [0.0] * 4]}
DENSE = {"type": "dense", "shape": [None, None, 1], "weights": [[[0.5]], [0.0]]}
AIDAX = {"in_shape": [None, None, 1], "layers": [LAYER, DENSE]}
NAM = {
    "architecture": "LSTM",
    "config": {"input_size": 1, "hidden_size": 1, "num_layers": 1},
    "weights": [0.5] * (4 * 2 + 4 + 1 + 1 + 1 + 1),
    "sample_rate": 48000,
}

FORMATS = {
    "weights.npz": Format("npz", lambda p: np.savez(p, **ARRAYS), interop.read_arrays),
    "packed.npz": Format("npz, packed", lambda p: np.savez_compressed(p, **ARRAYS), interop.read_arrays),
    "matrix.npy": Format("npy", lambda p: np.save(p, ARRAYS["W_h"]), interop.read_matrix),
    "big.npy": Format("npy, other byte order", lambda p: np.save(p, ARRAYS["W_h"].astype(">f8")), interop.read_matrix),
    "weights.json": Format(
        "json", lambda p: p.write_text(json.dumps({k: v.tolist() for k, v in ARRAYS.items()})), interop.read_cell
    ),
    "weights.safetensors": Format("safetensors", lambda p: interop.write_arrays(p, ARRAYS), interop.read_arrays),
    "network.json": Format("network", _network, interop.read_network),
    "amplifier.nam": Format("nam", lambda p: p.write_text(json.dumps(NAM)), interop.read_network),
    "amplifier.aidax": Format("aidax", lambda p: p.write_text(json.dumps(AIDAX)), interop.read_network),
    "matrix.csv": Format("csv of a matrix", lambda p: p.write_text("0.5,-1\n2,3e-1\n"), interop.read_matrix),
    "series.csv": Format("csv of a series", lambda p: p.write_text(SERIES), datasets.load_csv),
    "quoted.csv": Format("csv with quotes", lambda p: p.write_text('"t","x"\n1,"1.5"\n2,"2.5"\n'), datasets.load_csv),
    "tone.wav": Format("wav", _wav, _recording),
    "tone.flac": Format("flac", _flac, _recording),
    "model.ckpt": Format("checkpoint", _checkpoint, learn.load),
    "cell.ckpt": Format("checkpoint of an Equinox cell", _cell, learn.load),
    "mended.ckpt": Format("checkpoint with a mended checksum", _cell, _mended),
    "study.json": Format("study", lambda p: p.write_text(json.dumps({"settings": {"steps": 1}, "trials": []})), _study),
    "bench.json": Format(
        "benchmark",
        lambda p: p.write_text(json.dumps({"kind": KIND, "settings": {"seed": 0}, "parts": {}})),
        _bench,
    ),
}


def damaged(data: bytes, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """The bytes of a file, cut after every byte, with one bit changed in every byte, and with what else happens to files."""
    chance = random.Random(seed)
    for n in range(len(data)):
        yield f"cut after {n}", data[:n]
        yield f"bit of byte {n}", data[:n] + bytes([data[n] ^ 1 << chance.randrange(8)]) + data[n + 1 :]
    for n in range(0, len(data), 4):
        yield f"four bytes reversed at {n}", data[:n] + data[n : n + 4][::-1] + data[n + 4 :]
        yield f"four bytes 255 at {n}", data[:n] + b"\xff" * 4 + data[n + 4 :]
    yield "twice", data + data
    yield "zeros behind", data + bytes(100)
    yield "only zeros", bytes(len(data))
    yield "only 255", b"\xff" * len(data)
    yield "UTF-16", "ü,1\n2,3\n".encode("utf-16")
    yield "Latin-1", "ü,1\n2,3\n".encode("latin-1")
    yield "deeply nested", b"[" * 100_000
    yield "a pickle", b"\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94."
    yield "random bytes", chance.randbytes(1000)


STORED = ("zarr.json", "gain/zarr.json", "value/zarr.json", "value/c/0", "outcome/c/1")
"""Files of the store of a sweep."""


def sweep_in(store: Path) -> list[float]:
    """The results of a sweep of two chunks, which its store may hold."""
    return ro.sweep(_twice, {"gain": [1.0, 2.0, 3.0, 4.0]}, store=store, chunk=2)["value"].values.tolist()


def _twice(gain: Any) -> Any:
    return 2 * gain


PLACES = (
    "nothing",
    "a folder",
    "a pipe",
    "a socket",
    "a device",
    "a link to nowhere",
    "a link to itself",
    "a link to a pipe",
)


def no_files(folder: Path, name: str) -> Iterator[tuple[str, Path]]:
    """What may stand at the place of a file: nothing, a folder, a pipe, a device, a link to nowhere or to itself."""
    places = {kind: folder / kind.replace(" ", "_") / name for kind in PLACES}
    for place in places.values():
        place.parent.mkdir()
    places["a folder"].mkdir()
    os.mkfifo(places["a pipe"])
    os.symlink("/dev/zero", places["a device"])
    os.symlink(folder / "missing", places["a link to nowhere"])
    os.symlink(places["a link to itself"], places["a link to itself"])
    os.symlink(places["a pipe"], places["a link to a pipe"])
    with socket.socket(socket.AF_UNIX) as one:
        here = os.open(places["a socket"].parent, os.O_RDONLY)
        one.bind(f"/proc/self/fd/{here}/{name}")
        os.close(here)
        yield from places.items()
