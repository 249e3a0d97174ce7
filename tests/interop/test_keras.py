"""Networks from Keras's models and arrays, against Keras's equations in NumPy. A class plays the part of a Keras model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from equations import dense, keras_gru, keras_lstm, outputs_of

import rnn_ode as ro
from rnn_ode import interop

RNG = np.random.default_rng(0)
XS = RNG.normal(size=(8, 2))


def draw(*shape):
    return RNG.uniform(-0.8, 0.8, shape)


IN, OUT, DEEP = (draw(2, 4), draw(4)), (draw(3, 1), draw(1)), (draw(3, 3), draw(3))
GRU, LSTM = (draw(4, 9), draw(3, 9), draw(2, 9)), (draw(2, 12), draw(3, 12), draw(12))


def by_path(**layers):
    names = "kernel", "recurrent_kernel", "bias"
    paths = {"gru": "gru/gru_cell", "lstm": "lstm/lstm_cell", "rnn": "rnn/simple_rnn_cell"}
    return {
        f"model/{paths.get(name, name)}/{part}": array
        for name, arrays in layers.items()
        for part, array in zip(names if len(arrays) == 3 else names[::2], arrays, strict=True)
    }


def test_arrays_by_path_and_in_a_list_make_the_network():
    wanted = dense(keras_gru(dense(XS, *IN), *GRU), *OUT)
    paths = by_path(dense=IN, gru=GRU, dense_1=OUT)
    nested = {"model": {key.removeprefix("model/") + ":0": array for key, array in paths.items()}}
    for given in (paths, nested, [*IN, *GRU, *OUT]):
        np.testing.assert_allclose(outputs_of(interop.from_keras(given), XS), wanted, atol=1e-12)


@pytest.mark.slow
def test_two_dense_layers_need_the_function_between_them():
    arrays = by_path(lstm=LSTM, dense=DEEP, dense_1=OUT)
    with pytest.raises(ValueError, match=r"between the layers 'model/dense' and 'model/dense_1'\. Give between"):
        interop.from_keras(arrays)
    network = interop.from_keras(arrays, between=jnp.tanh)
    wanted = dense(dense(keras_lstm(XS, *LSTM), *DEEP, "tanh"), *OUT)
    np.testing.assert_allclose(outputs_of(network, XS), wanted, atol=1e-12)
    one = interop.from_keras(arrays, ["model/lstm/lstm_cell", "model/dense_1"])
    assert one.output_size == 1 and one.readout.in_features == 3


class Variable:
    """An array of another library."""

    def __init__(self, value):
        self.value = value
        self.dtype = "float32"

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.value, dtype)


def fake(kind, *weights, **config):
    """An instance of a class of this name, with what is asked of a Keras layer."""
    methods = {
        "name": kind.lower(),
        "get_config": lambda self: config,
        "get_weights": lambda self: [np.asarray(array) for array in weights],
    }
    return type(kind, (), methods)()


def model(*layers, inputs=2):
    made = fake("Sequential")
    made.layers, made.input_shape = list(layers), (None, None, inputs)
    return made


def test_a_model_says_its_functions_itself():
    wrapped = fake("TimeDistributed")
    wrapped.layer = fake("Dense", *IN, activation="relu")
    norm = draw(3), draw(3)
    layers = (
        fake("InputLayer"),
        wrapped,
        fake("Dropout"),
        fake("GRU", *GRU, activation="tanh", recurrent_activation="sigmoid", reset_after=True, go_backwards=False),
        fake("LayerNormalization", *norm, epsilon=0.01),
        fake("Dense", *DEEP, activation="sigmoid"),
        fake("Dense", *OUT, activation="linear"),
    )
    hidden = keras_gru(dense(XS, *IN, "relu"), *GRU)
    centred = hidden - hidden.mean(axis=1, keepdims=True)
    scaled = centred / np.sqrt(np.mean(centred**2, axis=1, keepdims=True) + 0.01)
    wanted = dense(dense(norm[0] * scaled + norm[1], *DEEP, "sigmoid"), *OUT)
    np.testing.assert_allclose(outputs_of(interop.from_keras(model(*layers)), XS), wanted, atol=1e-12)


def test_a_simple_layer_has_the_activation_that_is_said():
    weights = draw(2, 3), draw(3, 3), draw(3)
    for network in (
        interop.from_keras(model(fake("SimpleRNN", *weights, activation="relu"))),
        interop.from_keras(by_path(rnn=[Variable(array) for array in weights]), activation=jax.nn.relu),
    ):
        assert isinstance(network.cell, ro.VanillaCell) and network.cell.activation is jax.nn.relu
        np.testing.assert_allclose(network.cell.W_x, weights[0].T, rtol=1e-6)
    assert interop.from_keras(by_path(rnn=weights)).cell.activation is jnp.tanh


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (3, TypeError, "model must be a Keras model, its arrays by path, or the list of its arrays; got 3"),
        (model(fake("Bidirectional")), ValueError, "layer 'bidirectional': a Bidirectional is not read; Dense, GRU"),
        (
            model(fake("GRU", *GRU, reset_after=False), inputs=4),
            ValueError,
            r"layer 0 \(gru\): a GRU that resets before",
        ),
        (model(fake("GRU", *GRU, go_backwards=True), inputs=4), ValueError, "reads its input backward"),
        (
            model(fake("LSTM", *LSTM, recurrent_activation="hard_sigmoid")),
            ValueError,
            "activation must be sigmoid",
        ),
        (model(fake("LSTM", *LSTM, activation={"class": "own"})), ValueError, "its activation must be tanh"),
        (model(fake("Conv1D", draw(2, 2, 3), draw(3), padding="same")), ValueError, "a causal convolution is wanted"),
        ([draw(2, 3), draw(3, 3), draw(3)], ValueError, r"array 0 .* it may be a SimpleRNN or two Dense layers"),
        ([draw(3)], ValueError, r"array 0 of the list has shape \(3,\): a layer's kernel \(inputs, units\) is wanted"),
        ([], ValueError, "no recurrent layer; there are no layers"),
        (by_path(lstm=(draw(2, 10), draw(3, 10), draw(10))), ValueError, "are of no LSTM, GRU or SimpleRNN"),
        ({"norm/gamma": draw(3)}, ValueError, r"these arrays are of no layer that is read, .*'norm/gamma' \(3,\)"),
    ],
)
def test_what_cannot_be_read_is_named(given, error, message):
    with pytest.raises(error, match=message):
        interop.from_keras(given)
