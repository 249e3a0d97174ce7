"""The same networks in PyTorch itself: what it computes, and what comes back from it."""

import importlib
import os

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import equal

import rnn_ode as ro
from rnn_ode import interop

N, D = 3, 2


def run(network, xs, h0=None):
    """Outputs (T, M) and states (T, …)."""
    states = jax.tree.map(lambda rows: rows[1:], ro.iterate(network.cell, xs, h0).states)
    return jax.vmap(network.output)(xs, states), states


KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def torch():
    """PyTorch. Without it the test is skipped, unless the environment says that it must be there."""
    if os.environ.get("RNN_ODE_REQUIRE_TORCH"):
        return importlib.import_module("torch")
    return pytest.importorskip("torch")


MODULES = {"tanh": "RNN", "relu": "RNN", "gru": "GRU", "lstm": "LSTM"}

LENGTH, UNITS = 30, 8


def torch_module(torch, kind, layers, bias, seed=0):
    """A network with a readout. Weights of gates are doubled, so that some gates saturate.

    A plain network with doubled weights would amplify rounding.
    """

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            options = {"nonlinearity": kind} if MODULES[kind] == "RNN" else {}
            self.rec = getattr(torch.nn, MODULES[kind])(D, UNITS, layers, bias=bias, **options)
            self.lin = torch.nn.Linear(UNITS, 1)

        def forward(self, xs, h0=None):
            hidden, last = self.rec(xs, h0)
            return self.lin(hidden) + xs[:, :1], hidden, last

    torch.manual_seed(seed)
    model = Model()
    with torch.no_grad():
        for weight in model.rec.parameters():
            weight.mul_(1 if MODULES[kind] == "RNN" else 2)
    return model


def activation_of(kind):
    return {"relu": jax.nn.relu}.get(kind, jnp.tanh)


def assert_same_outputs(torch, model, network):
    """Compare outputs, the top layer's states and every layer's last state, from random initial states.

    The tolerance is 1e-6 in float32 and 1e-13 in float64.
    """
    rng, dtype = np.random.default_rng(3), model.lin.weight.detach().numpy().dtype
    tolerance = {"rtol": 0, "atol": 1e-6 if dtype == np.float32 else 1e-13}
    xs = rng.normal(size=(LENGTH, D)).astype(dtype)
    layers, lstm = model.rec.num_layers, isinstance(model.rec, torch.nn.LSTM)
    starts = 0.5 * rng.normal(size=(1 + lstm, layers, UNITS)).astype(dtype)
    with torch.no_grad():
        h0 = [torch.from_numpy(start) for start in starts]
        outputs, hidden, last = model(torch.from_numpy(xs), tuple(h0) if lstm else h0[0])
    states0 = [(h, c) for h, c in zip(*starts, strict=True)] if lstm else list(starts[0])
    came, states = run(
        network, jnp.asarray(xs), jax.tree.map(jnp.asarray, tuple(states0) if layers > 1 else states0[0])
    )
    tops = states if layers > 1 else (states,)
    ends = [np.stack(rows) for rows in zip(*[jax.tree.leaves(state) for state in tops], strict=True)]
    top = tops[-1][0] if lstm else tops[-1]
    assert came.dtype == dtype
    np.testing.assert_allclose(came, outputs.numpy(), **tolerance)
    np.testing.assert_allclose(top, hidden.numpy(), **tolerance)
    for end, wanted in zip(ends, last if lstm else [last], strict=True):
        np.testing.assert_allclose(end[:, -1], wanted.numpy(), **tolerance)


def there_and_back(torch, model, kind):
    network = interop.from_torch_network(model.state_dict(), activation=activation_of(kind), residual=True)
    assert_same_outputs(torch, model, network)

    # a plain cell always has biases, which may be zeros
    weights = interop.to_torch(network, "rec.", "lin.", bias=None if model.rec.bias else False)
    back = torch_module(torch, kind, model.rec.num_layers, model.rec.bias, seed=1).to(model.lin.weight.dtype)
    back.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})
    assert_same_outputs(torch, back, network)
    assert equal(interop.from_torch_network(weights, activation=activation_of(kind), residual=True), network)


QUICK = [("gru", 2, False), ("relu", 3, True)]

COMPARED = [
    pytest.param(*case, marks=[] if case in QUICK else pytest.mark.slow)
    for kind in MODULES
    for case in ((kind, 1, True), (kind, 2, False), (kind, 3, True))
    if case in QUICK or case[1] == (2 if kind == "lstm" else 1)  # the modules with two layers in float64 are below
]


@pytest.mark.gate
@pytest.mark.parametrize("kind, layers, bias", COMPARED)
def test_a_network_computes_the_same_in_pytorch_and_here_in_float32(torch, kind, layers, bias, float32):
    there_and_back(torch, torch_module(torch, kind, layers, bias), kind)


@pytest.mark.gate
@pytest.mark.parametrize("kind", MODULES)
def test_a_network_computes_the_same_in_pytorch_and_here_to_rounding_in_float64(torch, kind):
    there_and_back(torch, torch_module(torch, kind, 2, bias=True).double(), kind)


@pytest.mark.slow
@pytest.mark.parametrize("make", [eqx.nn.GRUCell, eqx.nn.LSTMCell])
def test_cells_without_biases_compute_the_same_in_pytorch(torch, make, float32):
    keys = jax.random.split(KEY, 3)
    stack = ro.StackedCell(
        [make(D, UNITS, use_bias=False, key=keys[0]), make(UNITS, UNITS, use_bias=False, key=keys[1])]
    )
    network = interop.Network(stack, eqx.nn.Linear(UNITS, 1, key=keys[2]), residual=True)
    model = torch_module(torch, "gru" if make is eqx.nn.GRUCell else "lstm", 2, bias=False)
    weights = interop.to_torch(network, "rec.", "lin.")
    model.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})
    assert_same_outputs(torch, model, network)


def test_bfloat16_tensors_become_float32(torch, torch_weights):
    weights = {key: torch.from_numpy(value).bfloat16() for key, value in torch_weights(4).items()}
    cell = interop.from_torch(weights)
    assert cell.weight_ih.dtype == np.float32
    np.testing.assert_array_equal(cell.weight_ih, weights["weight_ih_l0"].float().numpy())


def test_bidirectional_networks_are_refused(torch):
    with pytest.raises(ValueError, match="key 'weight_ih_l0_reverse'"):
        interop.from_torch_network(torch.nn.LSTM(D, UNITS, 2, bidirectional=True).state_dict())


@pytest.mark.slow
@pytest.mark.parametrize("kind", MODULES)
def test_a_module_is_taken_as_it_is_with_its_activation(torch, kind, float32):
    model = torch_module(torch, kind, 2, bias=True)
    assert_same_outputs(torch, model, interop.from_torch_network(model, residual=True))
    one = torch_module(torch, kind, 1, bias=True)
    for module in (one, one.rec):  # the layer itself, or what holds it
        cell = interop.from_torch(module)
        assert equal(cell, interop.from_torch(one.state_dict(), "rec.", activation=activation_of(kind)))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "bias"), [("tanh", True), ("relu", False), ("gru", False), ("lstm", True)])
def test_a_cell_of_pytorch_computes_the_same_here(torch, kind, bias, float32):
    torch.manual_seed(0)
    options = {"nonlinearity": kind} if MODULES[kind] == "RNN" else {}
    module = getattr(torch.nn, f"{MODULES[kind]}Cell")(D, UNITS, bias=bias, **options)
    xs = np.random.default_rng(0).normal(size=(LENGTH, D)).astype(np.float32)
    state, wanted = None, []
    with torch.no_grad():
        for x in torch.from_numpy(xs):
            state = module(x[None], None if state is None else state)
            wanted.append((state[0] if kind == "lstm" else state)[0].numpy())
    holder = torch.nn.ModuleDict({"inner": module})
    for given in (module, holder):
        states = ro.iterate(interop.from_torch(given), xs).states
        hidden = states[0] if kind == "lstm" else states
        np.testing.assert_allclose(hidden[1:], wanted, rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["spectral_norm", "weight_norm"])
def test_weights_that_a_module_computes_from_others_are_those_that_it_runs_with(torch, name, float32):
    """The state dictionary holds what they are computed from."""
    model = torch_module(torch, "lstm", 1, bias=True)
    getattr(torch.nn.utils.parametrizations, name)(model.rec, "weight_hh_l0")
    model.eval()
    assert_same_outputs(torch, model, interop.from_torch_network(model, residual=True))


def test_modules_that_are_not_one_recurrent_layer_are_refused(torch):
    two = torch.nn.ModuleDict({"a": torch.nn.GRU(D, UNITS), "b": torch.nn.LSTM(D, UNITS)})
    with pytest.raises(ValueError, match=r"its recurrent layers have the prefixes 'a\.', 'b\.'"):
        interop.from_torch(two)
    assert isinstance(interop.from_torch(two, "b."), eqx.nn.LSTMCell)
    with pytest.raises(ValueError, match="this Linear holds no RNN, GRU, LSTM or cell of these"):
        interop.from_torch(torch.nn.Linear(2, 2))
    with pytest.raises(TypeError, match="or a PyTorch module; got type"):
        interop.from_torch(torch.nn.LSTM)
    with pytest.raises(ValueError, match="the module has 2 layers"):
        interop.from_torch(torch.nn.GRU(D, UNITS, 2))
    with pytest.raises(ValueError, match="weight_ih_l0_reverse"):
        interop.from_torch(torch.nn.GRU(D, UNITS, bidirectional=True))
    with pytest.raises(ValueError, match="activation is said by the module"):
        interop.from_torch(torch.nn.RNN(D, UNITS), activation=jax.nn.relu)
