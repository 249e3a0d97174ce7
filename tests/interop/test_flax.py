"""Networks from Flax, against what Flax computes with the same arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from equations import outputs_of

import rnn_ode as ro
from rnn_ode import interop

flax = pytest.importorskip("flax")
nn, nnx = pytest.importorskip("flax.linen"), pytest.importorskip("flax.nnx")

D, N, T = 2, 3, 7
XS = jnp.asarray(np.random.default_rng(0).normal(size=(T, D)), jnp.float32)
TOLERANCE = {"rtol": 0, "atol": 1e-6}  # Flax's arrays are float32


def drawn(tree):
    """The tree with random numbers, since Flax's biases are zeros."""
    leaves, structure = jax.tree.flatten(tree)
    rng = np.random.default_rng(1)
    return jax.tree.unflatten(structure, [jnp.asarray(rng.uniform(-0.9, 0.9, x.shape), x.dtype) for x in leaves])


class Linen(nn.Module):
    cell: str
    between: bool = False

    @nn.compact
    def __call__(self, xs):
        xs = nn.Dense(4)(xs)
        xs = nn.LayerNorm()(xs)
        xs = nn.RNN(getattr(nn, self.cell)(N))(xs)
        xs = jnp.tanh(nn.Dense(5)(xs)) if self.between else xs
        return nn.Dense(1)(xs)


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("cell", "between"),
    [pytest.param(cell, False, marks=SLOW) for cell in ("GRUCell", "LSTMCell", "SimpleCell")],
)
def test_linen_computes_the_same(cell, between):
    model = Linen(cell, between)
    variables = drawn(model.init(jax.random.key(0), XS))
    network = interop.from_flax(variables)
    np.testing.assert_allclose(outputs_of(network, XS), model.apply(variables, XS), **TOLERANCE)
    flat = flax.traverse_util.flatten_dict(variables["params"])  # tuples for keys
    assert outputs_of(interop.from_flax(flat), XS).shape == (T, 1)


@SLOW
def test_a_function_between_dense_layers_must_be_said():
    model = Linen("OptimizedLSTMCell", True)
    variables = drawn(model.init(jax.random.key(0), XS))
    with pytest.raises(ValueError, match=r"which function stands between the layers 'Dense_1' and 'Dense_2'"):
        interop.from_flax(variables)
    names = "Dense_0", "LayerNorm_0", "OptimizedLSTMCell_0", "Dense_1", "Dense_2"
    head = interop.from_flax(variables, names[2:], between=jnp.tanh)
    body = interop.from_flax(variables, names[:3])
    states = jax.tree.map(lambda rows: rows[1:], ro.iterate(body.cell, XS).states)
    np.testing.assert_allclose(jax.vmap(head.output)(XS, states), model.apply(variables, XS), **TOLERANCE)


class Nnx(nnx.Module):
    def __init__(self, cell, rngs):
        self.embed = nnx.Linear(D, 4, rngs=rngs)
        self.rnn = nnx.RNN(getattr(nnx, cell)(4, N, rngs=rngs), rngs=rngs)
        self.readout = nnx.Linear(N, 1, use_bias=False, rngs=rngs)

    def __call__(self, xs):
        return self.readout(self.rnn(self.embed(xs)))


@SLOW
@pytest.mark.parametrize("cell", ["LSTMCell", "OptimizedLSTMCell", "GRUCell", "SimpleCell"])
def test_nnx_computes_the_same(cell):
    model = Nnx(cell, nnx.Rngs(0))
    nnx.update(model, drawn(nnx.state(model, nnx.Param)))
    network = interop.from_flax(model)
    np.testing.assert_allclose(outputs_of(network, XS), model(XS[None])[0], **TOLERANCE)
    for given in (nnx.state(model), nnx.to_pure_dict(nnx.state(model, nnx.Param))):
        assert jax.tree.all(jax.tree.map(jnp.array_equal, interop.from_flax(given), network))


# in the order of their names, which then tells nothing
DENSE = {"bias": np.ones(3), "kernel": np.ones((3, 3))}
CELL = {"dense_h": {"kernel": np.ones((3, 9))}, "dense_i": {"kernel": np.ones((3, 9))}}


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        (np.ones(3), TypeError, "params must be nested dictionaries of arrays, as Flax's init returns them; got array"),
        ({"Dense_0": DENSE}, ValueError, "no recurrent layer; there are 'Dense_0'"),
        ({}, ValueError, "no recurrent layer; there are no layers"),
        ({"x": DENSE, "y": DENSE, "z": CELL}, ValueError, r"fit in several orders, .* Give order, such as order=\('"),
        ({"a": DENSE, "b": CELL}, ValueError, r"fit in several orders, 'a' → 'b' or 'b' → 'a'"),
        ({"cell": CELL, "bn": DENSE | {"mean": np.ones(3)}}, ValueError, r"no layer that is read, .*'bn/mean' \(3,\)"),
        (
            {"cell": CELL | {"dense_i": {"kernel": np.ones((2, 8))}}},
            ValueError,
            r"must be 9 wide in all; got \(2, 8\)",
        ),
        (
            {"cell": CELL, "d": {"kernel": np.ones((4, 1))}},
            ValueError,
            r"in no order: 'cell' 3 → 3, 'd' 4 → 1\.",
        ),
        ({"cell": CELL, "d": {"kernel": np.full((3, 1), np.nan)}}, ValueError, "d/kernel: finite numbers are wanted"),
        ({"cell": CELL, "d": {"kernel": np.ones((5, 3, 1))}}, ValueError, "d: a Dense kernel has two axes"),
        (
            {"cell": CELL, "d": {"kernel": np.ones((3, 1)), "bias": np.ones(2)}},
            ValueError,
            r"d: a bias has shape \(2,\)",
        ),
    ],
)
def test_what_cannot_be_read_is_named(params, error, message):
    with pytest.raises(error, match=message):
        interop.from_flax(params)


def test_an_order_must_name_layers_that_fit():
    params = {"x": DENSE, "z": CELL}
    assert interop.from_flax(params, ["z", "x"]).readout is not None
    with pytest.raises(ValueError, match=r"order must list names of layers, which are '.', '.'; got"):
        interop.from_flax(params, ["z", "w"])
    with pytest.raises(ValueError, match="the layers do not fit in the order given: 'z' 3 → 3, 'y' 4 → 1"):
        interop.from_flax(params | {"y": {"kernel": np.ones((4, 1))}}, ["z", "y"])
