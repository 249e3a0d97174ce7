"""LSTMs of Neural Amp Modeler, against their equations in NumPy."""

import json

import numpy as np
import pytest
from equations import dense, outputs_of, sigmoid

from rnn_ode import interop


def lstm_file(layers, inputs=1, size=3, seed=0, outputs=1):
    """The content of a file, its layers (matrix, bias, h, c), and its readout."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return rng.uniform(-0.9, 0.9, shape)

    widths = [inputs] + [size] * (layers - 1)
    parts = [(draw(4 * size, width + size), draw(4 * size), draw(size), draw(size)) for width in widths]
    head = draw(outputs, size), draw(outputs)
    numbers = np.concatenate([array.ravel() for part in [*parts, head] for array in part]).tolist()
    config = {"input_size": inputs, "hidden_size": size, "num_layers": layers}
    config |= {"in_channels": inputs, "out_channels": outputs} if outputs > 1 else {}
    content = {"version": "0.5.4", "architecture": "LSTM", "config": config, "weights": numbers}
    return content, parts, head


def run(parts, head, xs):
    states = [(h, c) for _, _, h, c in parts]
    ys = []
    for x in xs:
        for k, (matrix, bias, _, _) in enumerate(parts):
            h, c = states[k]
            i, f, g, o = np.split(matrix @ np.concatenate([x, h]) + bias, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            x = sigmoid(o) * np.tanh(c)
            states[k] = x, c
        ys.append(dense(x, head[0].T, head[1]))
    return np.array(ys)


@pytest.fixture
def read(tmp_path):
    def read(content, name="amp.nam"):
        (tmp_path / name).write_text(json.dumps(content))
        return interop.read_network(tmp_path / name)

    return read


@pytest.mark.gate
@pytest.mark.parametrize("layers, inputs, outputs", [(1, 1, 1), (3, 2, 2)])
def test_an_lstm_starts_from_its_initial_state_and_computes_its_equations(read, layers, inputs, outputs):
    content, parts, head = lstm_file(layers, inputs, outputs=outputs)
    xs = np.random.default_rng(1).normal(size=(9, inputs))
    np.testing.assert_allclose(outputs_of(read(content), xs), run(parts, head, xs), atol=1e-12)


def test_the_sampling_rate_is_read_where_there_is_one(read, tmp_path):
    content, *_ = lstm_file(1)
    assert read(content).rate is None and read(content | {"sample_rate": None}).rate is None
    assert read(content | {"sample_rate": 44_100.0}, "amp.json").rate == 44_100
    assert read(content | {"metadata": {"sample_rate": 48_000}}).rate == 48_000
    assert read(content | {"sample_rate": -1}).rate is None
    cell = interop.read_cell(tmp_path / "amp.nam")
    assert cell.input_size == 1 and cell.hidden_size == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"architecture": "WaveNet"},
            r"key 'architecture': of Neural Amp Modeler's networks the LSTMs are read; got 'WaveNet'",
        ),
        (
            {"architecture": ...},
            "no key 'architecture': a Neural Amp Modeler file has architecture, config and weights",
        ),
        ({"config": None}, "key 'config': input_size, hidden_size and num_layers are wanted; got None"),
        (
            {"config": {"input_size": 1, "hidden_size": 3.5, "num_layers": 1}},
            "key 'config', hidden_size must be a whole number",
        ),
        (
            {"config": {"input_size": 1, "hidden_size": 10**9, "num_layers": 10**9}},
            r"has \d+ numbers; got an array of shape \(70,\)",
        ),
        (
            {"config": {"input_size": 1, "hidden_size": 3, "num_layers": 1, "in_channels": 2}},
            "in_channels must be input_size, 1; got 2",
        ),
        ({"weights": [0.0] * 69}, r"has 70 numbers; got an array of shape \(69,\): the file is truncated"),
        ({"weights": [[0.0]] * 70}, r"got an array of shape \(70, 1\)"),
        (
            {"weights": [0.0] * 69 + [float("inf")]},
            r"key 'weights': finite numbers are wanted; the entry at \(69,\) is inf",
        ),
        ({"weights": {}}, "key 'weights': real numbers are wanted"),
        ({"sample_rate": 0}, "key 'sample_rate': a sampling rate in Hz is wanted"),
        ({"sample_rate": -2}, "key 'sample_rate': a sampling rate in Hz is wanted"),
        ({"sample_rate": "fast"}, "key 'sample_rate': a sampling rate in Hz is wanted, above 0 .*; got 'fast'"),
    ],
)
def test_what_cannot_be_read_is_named(read, change, message):
    content = {key: value for key, value in (lstm_file(1)[0] | change).items() if value is not ...}
    with pytest.raises(ValueError, match=rf"amp\.nam: .*{message}"):
        read(content)
