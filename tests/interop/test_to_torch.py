"""Cells and networks written as PyTorch's arrays."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from weights import drawn

import rnn_ode as ro
from rnn_ode import interop
from rnn_ode._cells.piecewise import PiecewiseLinearCell
from rnn_ode._cells.vanilla import VanillaCell

SQUARE, TALL = np.arange(4.0).reshape(2, 2), np.ones((2, 1))

KEY = jax.random.key(0)


def test_cells_that_pytorch_does_not_have_are_refused():
    square = VanillaCell(np.eye(3), np.ones((3, 2)), np.zeros(3), jnp.tanh)
    wide = VanillaCell(np.eye(4), np.ones((4, 3)), np.zeros(4), jnp.tanh)
    gru = drawn(eqx.nn.GRUCell, 3, 3)
    two = SQUARE, TALL, np.ones(2)
    cases = [
        (
            PiecewiseLinearCell(SQUARE, *two),
            TypeError,
            "network must be of cells .* got PiecewiseLinearCell",
        ),
        (lambda x, h: h, TypeError, "network must be of cells .* got <function"),
        (
            ro.StackedCell([ro.StackedCell([square])]),
            TypeError,
            "network must be of cells .* got StackedCell",
        ),
        (VanillaCell(*two, jax.nn.sigmoid), ValueError, r"tanh and relu .* only; .* sigmoid"),
        (VanillaCell(*two, None), ValueError, "the cell has None"),
        (ro.StackedCell([square, gru]), ValueError, "got tanh RNN of 3 units, GRU of 3 units"),
        (ro.StackedCell([square, wide]), ValueError, "of one kind and size; got .*, tanh RNN of 4 units"),
    ]
    for cell, error, message in cases:
        with pytest.raises(error, match=message):
            interop.to_torch(cell)


def test_layers_without_biases_get_zeros_beside_layers_with_biases():
    bare, biased = (drawn(eqx.nn.GRUCell, 3, 3, use_bias=flag) for flag in (False, True))
    assert set(interop.to_torch(bare)) == {"weight_ih_l0", "weight_hh_l0"}
    weights = interop.to_torch(ro.StackedCell([bare, biased]))
    assert np.array_equal(weights["bias_ih_l0"], np.zeros(9)) and np.array_equal(weights["bias_hh_l0"], np.zeros(9))
    np.testing.assert_array_equal(weights["bias_ih_l1"], biased.bias)
    np.testing.assert_array_equal(weights["bias_hh_l1"], np.concatenate([np.zeros(6), biased.bias_n]))


def test_bias_leaves_zero_biases_out_or_puts_zeros_in(torch_weights):
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
