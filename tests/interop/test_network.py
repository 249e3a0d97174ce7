"""A network: a cell and its readout."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from weights import drawn

import rnn_ode as ro
from rnn_ode import interop

LINEAR = {"lin.weight": np.array([[1.0, -2.0, 0.5]]), "lin.bias": np.array([0.25])}


def run(network, xs, h0=None):
    """Outputs (T, M) and states (T, …)."""
    states = jax.tree.map(lambda rows: rows[1:], ro.iterate(network.cell, xs, h0).states)
    return jax.vmap(network.output)(xs, states), states


@pytest.mark.slow
def test_the_output_is_the_readout_of_the_top_layer_plus_the_input(torch_stack):
    weights = torch_stack(4, 2, "rec.")
    network = interop.from_torch_network(weights | LINEAR, residual=True)
    xs = np.random.default_rng(1).normal(size=(5, 2))
    outputs, states = run(network, jnp.asarray(xs))
    (top, _) = states[-1]
    wanted = np.asarray(top) @ LINEAR["lin.weight"].T + LINEAR["lin.bias"] + xs[:, :1]  # the first channel only
    np.testing.assert_allclose(outputs, wanted, rtol=1e-12)
    assert network.output_size == 1

    bare = interop.from_torch_network(weights)
    assert bare.readout is None and not bare.residual and bare.output_size == 3
    np.testing.assert_array_equal(run(bare, jnp.asarray(xs))[0], top)


@pytest.mark.slow
def test_a_network_starts_from_its_initial_state(torch_stack):
    cell = interop.from_torch_network(torch_stack(4, 2, "rec.")).cell
    initial = tuple((jnp.full(3, 0.5 + k), jnp.full(3, -1.0)) for k in range(2))
    network = interop.Network(cell, initial=initial)
    xs = jnp.asarray(np.random.default_rng(1).normal(size=(5, 2)))
    _, states = run(network, xs, network.initial)
    state = initial
    for x in xs:
        state = cell(x, state)
    np.testing.assert_allclose(states[-1][0][-1], state[-1][0], rtol=1e-12)
    assert interop.Network(cell).initial is None


def test_a_readout_may_have_several_layers_and_the_added_input_a_factor(torch_weights):
    cell = interop.from_torch(torch_weights(4))
    first, last = drawn(eqx.nn.Linear, 3, 4), drawn(eqx.nn.Linear, 4, 1)
    head = eqx.nn.Sequential([first, eqx.nn.Lambda(jnp.tanh), last])
    network = interop.Network(cell, head, 0.5, rate=48_000)
    assert network.output_size == 1
    x, h = jnp.array([2.0, 3.0]), (jnp.array([0.1, 0.2, 0.3]), jnp.zeros(3))
    np.testing.assert_allclose(network.output(x, h), last(jnp.tanh(first(h[0]))) + 1.0, rtol=1e-12)


KEY = jax.random.key(0)


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda cell: interop.Network(0.5), TypeError, r"cell must be a callable cell\(x, h\); got 0\.5"),
        (
            lambda cell: interop.Network(cell, np.ones((1, 3))),
            TypeError,
            r"readout must be an equinox\.nn\.Linear or None",
        ),
        (
            lambda cell: interop.Network(cell, residual=float("nan")),
            TypeError,
            "residual must be True or False; got nan",
        ),
        (lambda cell: interop.Network(cell, rate=0), ValueError, "rate must be positive and finite; got 0.0"),
        (
            lambda cell: interop.Network(cell, initial=jnp.zeros(3)),
            ValueError,
            r"initial must have shape \(\(3,\), \(3,\)\) for this LSTMCell; got \(3,\)",
        ),
        (
            lambda cell: interop.Network(cell, eqx.nn.LayerNorm(4)),
            ValueError,
            r"readout must take the cell's outputs \(3,\): ",
        ),
        (lambda cell: interop.Network(cell, residual=1), TypeError, "residual must be True or False; got 1"),
        (
            lambda cell: interop.Network(cell, drawn(eqx.nn.Linear, 4, 1)),
            ValueError,
            r"readout must take the cell's outputs \(3,\); it takes \(4,\)",
        ),
        (
            lambda cell: interop.Network(cell, drawn(eqx.nn.Linear, 3, "scalar")),
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
def test_parts_that_do_not_fit_are_refused(make, error, message, as_user):
    with pytest.raises(error, match=message):
        make(drawn(eqx.nn.LSTMCell, 2, 3))
