"""Lists of Keras's layers, as RTNeural and AIDA-X write them, against Keras's equations in NumPy."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from equations import convolution, dense, keras_gru, keras_lstm, outputs_of

from rnn_ode import interop

RNG = np.random.default_rng(0)
XS = RNG.normal(size=(12, 1))


def draw(*shape):
    return RNG.uniform(-0.8, 0.8, shape)


IN, DEEP, OUT = (draw(1, 3), draw(3)), (draw(3, 2), draw(2)), (draw(3, 1), draw(1))
LAST = draw(2, 1), draw(1)
GRU = draw(3, 9), draw(3, 9), draw(2, 9)
LSTM = draw(1, 12), draw(3, 12), draw(12)


def layer(kind, weights, size, activation="", **more):
    return (
        {"type": kind, "activation": activation, "shape": [None, None, size]}
        | more
        | {"weights": [np.asarray(array).tolist() for array in weights]}
    )


def content(*layers, inputs=1, **more):
    return {"in_shape": [None, None, inputs], "layers": list(layers)} | more


PLAIN = content(layer("lstm", LSTM, 3, "tanh"), layer("dense", OUT, 1))


@pytest.fixture
def read(tmp_path):
    def read(content, name="amp.json", **options):
        (tmp_path / name).write_text(json.dumps(content))
        return interop.read_network(tmp_path / name, **options)

    return read


@pytest.mark.slow
def test_dense_layers_before_and_behind_a_gru_are_read_with_their_activations(read):
    network = read(
        content(
            layer("time-distributed-dense", IN, 3, "tanh"),
            layer("gru", GRU, 3, "tanh"),
            layer("dense", DEEP, 2, "sigmoid"),
            layer("dense", LAST, 1),
        )
    )
    hidden = keras_gru(dense(XS, *IN, "tanh"), *GRU)
    wanted = dense(dense(hidden, *DEEP, "sigmoid"), *LAST)
    np.testing.assert_allclose(outputs_of(network, XS), wanted, atol=1e-12)
    assert network.cell.input_size == 1 and network.output_size == 1


@pytest.mark.slow
def test_two_recurrent_layers_with_a_dense_one_between_them_are_read(read):
    gru = draw(2, 9), draw(3, 9), draw(2, 9)
    layers = (
        layer("lstm", LSTM, 3, "tanh"),
        layer("dense", DEEP, 2, "relu"),
        layer("gru", gru, 3),
        layer("dense", OUT, 1),
    )
    wanted = dense(keras_gru(dense(keras_lstm(XS, *LSTM), *DEEP, "relu"), *gru), *OUT)
    np.testing.assert_allclose(outputs_of(read(content(*layers)), XS), wanted, atol=1e-12)


def test_aida_x_adds_the_input_and_scales_both_in_db(read):
    """in_gain of 6 dB multiplies the first input, the dry signal included; out_gain multiplies the sum."""
    about = {"in_skip": 1, "in_gain": 6.0, "out_gain": -3.0, "metadata": {"name": "a", "samplerate": "44100"}}
    up, down = 10 ** (6 / 20), 10 ** (-3 / 20)
    network = read(PLAIN | about, "amp.aidax")
    wanted = down * (up * XS + dense(keras_lstm(up * XS, *LSTM), *OUT))
    np.testing.assert_allclose(outputs_of(network, XS), wanted, atol=1e-12)
    assert network.rate == 44_100
    knob = draw(2, 12), *LSTM[1:]
    xs = np.hstack([XS, np.full_like(XS, 0.3)])
    network = read(content(layer("lstm", knob, 3), layer("dense", OUT, 1), inputs=2, in_gain=6.0, in_skip=1))
    wanted = up * XS + dense(keras_lstm(xs * [up, 1], *knob), *OUT)  # the knob is not scaled
    np.testing.assert_allclose(outputs_of(network, xs), wanted, atol=1e-12)
    assert read(PLAIN | {"in_skip": 1}).residual is True and read(PLAIN | {"in_skip": None}).residual is False
    assert read(PLAIN | {"in_skip": True}).residual is True and read(PLAIN | {"in_skip": False}).residual is False
    assert read(PLAIN | {"in_skip": 1}, residual=False).residual is False


def test_convolutions_and_normalisations_are_read(read):
    kernel, bias, alpha = draw(3, 1, 2), draw(2), draw(2)
    norm = draw(2), draw(2), draw(2), draw(2) ** 2
    gru = draw(2, 9), draw(3, 9), draw(2, 9)
    network = read(
        content(
            layer("conv1d", (kernel, bias), 2, kernel_size=[3], dilation=[2]),
            layer("prelu", alpha[None, None, None], 2),
            layer("batchnorm", norm, 2, epsilon=0.01),
            layer("activation", (), 2, "tanh"),
            layer("gru", gru, 3),
            layer("dense", OUT, 1),
        )
    )
    ys = convolution(XS, kernel, bias, 2)
    ys = np.where(ys > 0, ys, alpha * ys)
    ys = np.tanh(norm[0] * (ys - norm[2]) / np.sqrt(norm[3] + 0.01) + norm[1])
    np.testing.assert_allclose(outputs_of(network, XS), dense(keras_gru(ys, *gru), *OUT), atol=1e-12)


@pytest.mark.slow
def test_a_convolution_in_groups_reads_its_own_inputs_only(read):
    kernel, bias = draw(2, 2, 6), draw(6)
    network = read(
        content(
            layer("conv1d", (kernel, bias), 6, kernel_size=[2], dilation=[1], groups=2),
            layer("prelu", [[[0.3]]], 6),
            inputs=4,
        )
    )
    xs = RNG.normal(size=(8, 4))
    halves = [
        convolution(xs[:, 2 * k : 2 * k + 2], kernel[:, :, 3 * k : 3 * k + 3], bias[3 * k : 3 * k + 3], 1)
        for k in (0, 1)
    ]
    ys = np.hstack(halves)
    np.testing.assert_allclose(outputs_of(network, xs), np.where(ys > 0, ys, 0.3 * ys), atol=1e-12)


def test_layers_without_biases_are_read(read):
    network = read(content(layer("lstm", LSTM[:2], 3), layer("dense", OUT[:1], 1)))
    np.testing.assert_allclose(outputs_of(network, XS), dense(keras_lstm(XS, *LSTM[:2], 0), OUT[0], 0), atol=1e-12)


def test_the_network_has_arrays_for_its_only_leaves(read):
    """So that `jax.jit` takes it."""
    network = read(
        content(layer("dense", IN, 3, "tanh"), layer("gru", GRU, 3), layer("dense", OUT, 1, "tanh"), in_gain=1)
    )
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(network))
    step = jax.jit(lambda network, x, h: network.output(x, network.cell(x, h)))
    x, h = jnp.ones(1), jnp.ones(3)
    np.testing.assert_allclose(step(network, x, h), network.output(x, network.cell(x, h)), rtol=1e-12)


def changed(number, **change):
    layers = list(PLAIN["layers"])
    layers[number] = layers[number] | change
    return PLAIN | {"layers": layers}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (
            PLAIN | {"in_shape": None},
            r"key 'in_shape' must be a whole number above 0, or a list that ends in one; got None",
        ),
        (
            PLAIN | {"in_shape": [None, None, 2]},
            r"layer 0 \(lstm\), weights\[0\]: its shape is \(1, 12\); wanted is \(2, 12\)",
        ),
        (PLAIN | {"layers": [1]}, "key 'layers', layer 0 must be an object"),
        (
            PLAIN | {"layers": PLAIN["layers"][1:]},
            r"layer 0 \(dense\), weights\[0\]: its shape is \(3, 1\); wanted is \(1, 1\)",
        ),
        (content(layer("dense", IN, 3)), "Keras's layers without a recurrent one"),
        (changed(0, type="wavenet"), "layer 0: a Keras layer of the type 'wavenet' is not read; dense, "),
        (
            changed(0, weights=PLAIN["layers"][0]["weights"][:1]),
            r"layer 0 \(lstm\): 2 to 3 arrays of weights are wanted; got 1",
        ),
        (changed(0, weights="none"), r"layer 0 \(lstm\): its weights must be a list of arrays; got 'none'"),
        (changed(0, type="gru"), r"layer 0 \(gru\): a GRU that resets before"),
        (changed(0, activation="relu"), r"layer 0 \(lstm\): its activation must be tanh; got 'relu'"),
        (changed(0, shape=[None, None, 4]), r"layer 0: its shape is .*, and its weights give 3 outputs"),
        (
            changed(1, activation="swish"),
            r"layer 1 \(dense\): its activation must be one of linear, tanh, .*; got 'swish'",
        ),
        (
            changed(1, weights=[[[1.0], [2.0], [float("nan")]]]),
            r"weights\[0\]: finite numbers are wanted; the entry at \(2, 0\) is nan",
        ),
        (PLAIN | {"in_skip": 2}, "key 'in_skip' must be 0, or 1"),
        (PLAIN | {"in_skip": "1"}, "key 'in_skip' must be 0, or 1"),
        (PLAIN | {"in_gain": "loud"}, "key 'in_gain' must be a finite number; got 'loud'"),
        (PLAIN | {"out_gain": 1e9}, "key 'out_gain' must be within ±200 dB"),
        (PLAIN | {"samplerate": 0}, "key 'samplerate': a sampling rate in Hz is wanted, above 0 .*; got 0"),
        (PLAIN | {"samplerate": 1e12}, "key 'samplerate': a sampling rate"),
        (PLAIN | {"metadata": {"samplerate": True}}, "key 'samplerate': a sampling rate"),
        ({"class_name": "Sequential", "config": {}}, "the description of a Keras model, without its weights"),
    ],
)
def test_what_cannot_be_read_is_named(bad, message, read):
    with pytest.raises(ValueError, match=f"amp.json: {message}" if message.startswith("key") else message):
        read(bad)


def test_what_a_file_says_itself_cannot_be_chosen(read):
    for options in ({"prefix": "rec."}, {"readout": None}, {"activation": jnp.tanh}, {"between": None}):
        with pytest.raises(ValueError, match="the file itself says what its layers are: leave out prefix"):
            read(PLAIN, **options)
