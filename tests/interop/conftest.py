"""Arrays as PyTorch names them, and files of arrays."""

import numpy as np
import pytest

N, D = 3, 2  # units and inputs


def _weights(gates, prefix="", layer=0, bias=True, seed=0):
    rng = np.random.default_rng(seed)
    shapes = {"weight_ih": (gates * N, D), "weight_hh": (gates * N, N)}
    if bias:
        shapes |= {"bias_ih": (gates * N,), "bias_hh": (gates * N,)}
    return {f"{prefix}{name}_l{layer}": rng.normal(size=shape) for name, shape in shapes.items()}


def _stack(gates, layers, prefix="", bias=True, seed=0):
    """Several layers: those above the first take its N units."""
    rng = np.random.default_rng(seed)
    weights = {}
    for layer in range(layers):
        weights |= _weights(gates, prefix, layer, bias, seed + layer)
        if layer:
            weights[f"{prefix}weight_ih_l{layer}"] = rng.normal(size=(gates * N, N))
    return weights


@pytest.fixture
def torch_weights():
    """The arrays of one layer: `torch_weights(gates, prefix, layer, bias, seed)`."""
    return _weights


@pytest.fixture
def torch_stack():
    """The arrays of several layers: `torch_stack(gates, layers, prefix, bias, seed)`."""
    return _stack
