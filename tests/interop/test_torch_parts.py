"""State dictionaries of PyTorch networks of many layers, against what PyTorch computes with them."""

import importlib
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from equations import outputs_of

import rnn_ode as ro
from rnn_ode import interop

N, D, T = 3, 2, 9


@pytest.fixture(scope="module")
def torch():
    if os.environ.get("RNN_ODE_REQUIRE_TORCH"):
        return importlib.import_module("torch")
    return pytest.importorskip("torch")


def through(torch, layers, xs):
    """What the layers, a recurrent one among them, make of xs in their order."""
    with torch.no_grad():
        ys = torch.from_numpy(xs)
        for layer in layers:
            ys = layer(ys)
            ys = ys[0] if isinstance(ys, tuple) else ys
    return ys.numpy()


def state_dict(torch, layers, names):
    """The arrays of the named layers, in double."""
    holder = torch.nn.Module()
    for name, layer in zip(names, layers, strict=True):
        if name:
            holder.add_module(name, layer)
    return holder.double().state_dict()


XS = np.random.default_rng(0).normal(size=(T, D))


def network_of(torch, name):
    """Layers, the names of those that have arrays, and the options with which they are read."""
    nn = torch.nn
    return {
        "two modules in sequence": ([nn.GRU(D, N), nn.LSTM(N, 4, 2), nn.Linear(4, 1)], ["gru", "gru2", "dense"], {}),
        "an input layer": ([nn.Linear(D, 4), nn.GRU(4, N), nn.Linear(N, 1)], ["inp", "rec", "lin"], {}),
        "a square input layer": ([nn.Linear(D, D), nn.GRU(D, D), nn.Linear(D, 1)], ["x", "gru", "b"], {}),
        "a square input layer and no readout": ([nn.Linear(D, D), nn.GRU(D, D)], ["inp", "gru"], {}),
        "a normalised output": ([nn.GRU(D, N), nn.LayerNorm(N), nn.Linear(N, 1)], ["rec", "norm", "lin"], {}),
        "a head of two layers": (
            [nn.LSTM(D, N), nn.Linear(N, 4), nn.ReLU(), nn.Linear(4, 1)],
            ["rec", "fc1", "", "fc2"],
            {"between": jax.nn.relu},
        ),
        "layers between two modules": (
            [nn.RNN(D, N), nn.Linear(N, 4), nn.Tanh(), nn.LayerNorm(4), nn.GRU(4, 2), nn.Linear(2, 1)],
            ["a", "b", "", "c", "d", "e"],
            {"between": jnp.tanh},
        ),
        "a projection": ([nn.LSTM(D, 4, 2, proj_size=2), nn.Linear(2, 1)], ["rec", "lin"], {}),
    }[name]


QUICK = "two modules in sequence", "a square input layer", "a head of two layers", "a projection"
SLOW = (
    "an input layer",
    "a square input layer and no readout",
    "a normalised output",
    "layers between two modules",
)


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_a_network_of_many_layers_is_read_in_its_order(torch, name):
    torch.manual_seed(0)
    layers, names, options = network_of(torch, name)
    arrays = state_dict(torch, layers, names)
    network = interop.from_torch_network(arrays, **options)
    np.testing.assert_allclose(outputs_of(network, XS), through(torch, layers, XS), atol=1e-12)
    if name == "a projection":
        again = interop.from_torch_network(interop.to_torch(network, "rec.", "lin."))
        assert jax.tree.all(jax.tree.map(lambda a, b: bool(jnp.array_equal(a, b)), again, network))
    cell = interop.from_torch_network(dict(sorted(arrays.items()))) if name in QUICK[:1] else None
    assert cell is None or cell.output_size == 1  # the order of sorted names says nothing, and the sizes say all


@pytest.mark.parametrize("kind", ["RNNCell", "GRUCell", "LSTMCell"])
def test_the_names_of_cells_and_of_wrapped_modules_are_known(torch, kind, tmp_path):
    torch.manual_seed(0)
    cells = [getattr(torch.nn, kind)(n, N).double() for n in (D, N)]
    wanted, ys = [], None
    states = [None, None]
    with torch.no_grad():
        for x in torch.from_numpy(XS):
            ys = x[None]
            for k, cell in enumerate(cells):
                states[k] = cell(ys, states[k])
                ys = states[k][0] if kind == "LSTMCell" else states[k]
            wanted.append(ys[0].numpy())
    names = {f"module._orig_mod.cells.{k}.": cell for k, cell in enumerate(cells)}
    arrays = {prefix + key: value.numpy() for prefix, cell in names.items() for key, value in cell.state_dict().items()}
    interop.write_arrays(tmp_path / "w.npz", arrays)
    if kind == "GRUCell":
        np.testing.assert_allclose(outputs_of(interop.read_network(tmp_path / "w.npz"), XS), wanted, atol=1e-12)
    step = interop.read_cell(tmp_path / "w.npz")
    one = interop.from_torch(arrays, "module._orig_mod.cells.0.")
    assert jax.tree.all(jax.tree.map(lambda a, b: bool(jnp.array_equal(a, b)), one, step.cells[0]))


def test_normed_weights_are_computed(torch):
    torch.manual_seed(0)
    nn, norms = torch.nn, torch.nn.utils.parametrizations
    rec, lin = nn.GRU(D, N).double(), nn.Linear(N, 2).double()
    norms.weight_norm(rec, "weight_hh_l0")
    norms.spectral_norm(lin)
    for module in (rec, lin):
        module.eval()
    arrays = state_dict(torch, [rec, lin], ["rec", "lin"])
    assert any("original0" in key for key in arrays) and any("_u" in key for key in arrays)
    wanted = through(torch, [rec, lin], XS)
    np.testing.assert_allclose(outputs_of(interop.from_torch_network(arrays), XS), wanted, atol=1e-12)
    # the older names of a weight norm
    g, v = (arrays.pop(f"rec.parametrizations.weight_hh_l0.original{k}") for k in (0, 1))
    arrays |= {"rec.weight_hh_l0_g": g, "rec.weight_hh_l0_v": v}
    again = interop.from_torch_network(arrays).cell.weight_hh
    np.testing.assert_allclose(again, rec.weight_hh_l0.detach().numpy(), rtol=1e-12)
    with pytest.raises(ValueError, match=r"a weight norm's lengths \(2, 1\) do not fit its directions \(9, 3\)"):
        interop.from_torch_network(arrays | {"rec.weight_hh_l0_g": g[:2]})


def test_a_weight_that_another_parametrization_computes_is_refused_with_the_way_out():
    arrays = {"rec.weight_ih_l0": np.ones((4, 1)), "rec.parametrizations.weight_hh_l0.original": np.eye(4)}
    with pytest.raises(ValueError, match=r"'rec\.weight_hh_l0' is computed by a parametrization.*remove_param"):
        interop.from_torch_network(arrays | {"rec.parametrizations.weight_hh_l0.0.base": np.eye(4)})


@pytest.mark.parametrize(
    ("names", "shape"), [(("h0", "c0"), (1, N)), (("init_hidden", "init_cell"), (2, 1, N)), (("h_0", "c_0"), (2, N))]
)
def test_a_learnt_initial_state_is_where_the_network_starts(torch, names, shape):
    torch.manual_seed(0)
    layers = 2 if shape[0] == 2 else 1
    rec = torch.nn.LSTM(D, N, layers).double()
    starts = [torch.randn(layers, N, dtype=torch.float64) for _ in range(2)]
    arrays = {f"rec.{key}": value for key, value in rec.state_dict().items()}
    arrays |= {name: start.reshape(shape) for name, start in zip(names, starts, strict=True)}
    network = interop.from_torch_network(arrays)
    with torch.no_grad():
        wanted, _ = rec(torch.from_numpy(XS), tuple(starts))
    if layers == 2:
        np.testing.assert_allclose(outputs_of(network, XS), wanted.numpy(), atol=1e-12)
    first = network.initial[0] if layers == 2 else network.initial
    assert [part.tolist() for part in first] == [start[0].tolist() for start in starts]
    with pytest.raises(ValueError, match=r"initial states of h and c are wanted for the layers 'rec\.'; there are "):
        interop.from_torch_network({key: value for key, value in arrays.items() if key != names[1]})
    with pytest.raises(
        ValueError, match=rf"key '{names[0]}': an initial state has shape \(4,\); wanted is \({layers}, 3\)"
    ):
        interop.from_torch_network(arrays | {names[0]: np.ones(4)})


def linear(rows, columns):
    return {"weight": np.ones((rows, columns)), "bias": np.ones(rows)}


def named(**layers):
    return {f"{name}.{key}": value for name, arrays in layers.items() for key, value in arrays.items()}


def square_network(torch_weights, *layers):
    """Arrays of a GRU and of linear layers that all have three inputs and three outputs."""
    square = torch_weights(3) | {"weight_ih_l0": np.ones((9, 3))}
    return named(**{name: square if name == "gru" else linear(3, 3) for name in layers})


@pytest.mark.parametrize(
    ("layers", "sorts"),
    [
        (("gru", "x"), True),
        (("fc", "gru"), True),
        (("gru", "inp", "x"), True),
        (("readout", "gru"), False),  # the order says input layer, the word says readout
        (("gru", "inp"), False),
    ],
)
def test_a_layer_that_may_be_input_layer_or_readout_is_refused(torch_weights, layers, sorts):
    """If a file sorts its arrays, their order says nothing."""
    arrays = square_network(torch_weights, *layers)
    given = dict(sorted(arrays.items())) if sorts else arrays
    with pytest.raises(ValueError, match=r"fit in several orders, .* give prefix=\(.*'gru\.'.*--prefix and --readout"):
        interop.from_torch_network(given)
    other = next(name for name in layers if name != "gru")
    before = interop.from_torch_network(given, (f"{other}.", "gru."), None)
    behind = interop.from_torch_network(given, "gru.", f"{other}.")
    assert before.readout is None and before.cell.layer.out_features == 3
    assert behind.readout is not None and behind.cell.hidden_size == 3


@pytest.mark.parametrize(
    ("layers", "sorts", "first"),
    [
        (("x", "gru"), False, True),
        (("gru", "x"), False, False),
        (("gru", "inp"), True, True),
        (("gru", "out"), True, False),
        (("gru", "fc"), False, False),
    ],
)
def test_the_order_of_arrays_or_a_word_in_a_name_tells_where_a_layer_stands(torch_weights, layers, sorts, first):
    arrays = square_network(torch_weights, *layers)
    network = interop.from_torch_network(dict(sorted(arrays.items())) if sorts else arrays)
    assert (network.readout is None) == first


def test_a_layer_that_the_recurrent_ones_cannot_feed_is_an_input_layer_wherever_it_stands(torch_weights):
    arrays = torch_weights(3, "gru.") | named(cond=linear(2, 2), out=linear(1, 3))
    network = interop.from_torch_network(arrays)
    assert same(network, interop.from_torch_network(arrays, ("cond.", "gru."), "out."))
    assert network.cell.layer.out_features == 2


def test_the_error_of_layers_that_do_not_follow_each_other_offers_what_fits(torch_weights):
    gru = torch_weights(3, "gru.")
    with pytest.raises(ValueError, match=r"no order: 'gru\.' 2 → 3, 'a\.' 5 → 2, 'b\.' 5 → 2, 'out\.' 3 → 1\. Name"):
        interop.from_torch_network(named(a=linear(2, 5), b=linear(2, 5)) | gru | named(out=linear(1, 3)))
    named_ones = named(a=linear(2, 5)) | gru | named(out=linear(1, 3))
    with pytest.raises(
        ValueError, match=r"no order: 'gru\.' 2 → 3, 'out\.' 3 → 1. Name those that are applied, in their"
    ):
        interop.from_torch_network(named_ones, ("out.", "gru."), None)
    with pytest.raises(ValueError, match=r"there are several, 'out\.', 'aux\.'\. .* readout='out\.'"):
        interop.from_torch_network(named(a=linear(2, 5)) | gru | named(out=linear(1, 3), aux=linear(1, 3)))


def test_the_advice_names_an_order_that_agrees_with_the_words(torch_weights):
    arrays = dict(sorted(square_network(torch_weights, "gru", "x", "inp").items()))
    words = r"If it is 'inp\.' → 'gru\.' → 'x\.', give prefix=\('inp\.', 'gru\.'\), readout=\('x\.',\) in Python"
    with pytest.raises(ValueError, match=words):
        interop.from_torch_network(arrays)


def test_a_readout_that_stands_before_the_recurrent_layers_must_be_called_one(torch_weights):
    """Sizes that fit both ways: 2 inputs and 2 outputs, or 3 and 3."""
    after = torch_weights(3, "gru.")
    for name in ("out", "lin"):
        assert interop.from_torch_network(named(**{name: linear(2, 3)}) | after).output_size == 2
    with pytest.raises(ValueError, match=r"fit in several orders, "):
        interop.from_torch_network(named(x=linear(2, 3)) | after)


def test_recurrent_modules_of_one_size_are_in_order_by_number_where_arrays_are_sorted(torch_weights):
    arrays = {"weight_ih_l0": np.ones((9, 3)), "weight_hh_l0": np.ones((9, 3))}
    numbered = {f"rnn{k}.{key}": (k + 1) * value for k in range(2) for key, value in arrays.items()}
    network = interop.from_torch_network(dict(sorted(numbered.items())))
    assert [float(cell.weight_ih[0, 0]) for cell in network.cell.cells] == [1.0, 2.0]
    unnumbered = {key.replace("rnn0", "b").replace("rnn1", "a"): value for key, value in numbered.items()}
    assert [float(cell.weight_ih[0, 0]) for cell in interop.from_torch_network(unnumbered).cell.cells] == [1.0, 2.0]
    with pytest.raises(ValueError, match=r"fit in several orders, 'a\.' → 'b\.' or 'b\.' → 'a\.'"):
        interop.from_torch_network(dict(sorted(unnumbered.items())))


def test_names_in_order_choose_among_all_layers(torch_stack):
    arrays = torch_stack(3, 1, "a.") | {f"b.{key}": value for key, value in torch_stack(4, 2).items()}
    arrays["b.weight_ih_l0"] = np.ones((12, 3))
    arrays |= named(h=linear(4, 3), o=linear(1, 4), ema=linear(4, 3))
    network = interop.from_torch_network(arrays, ["a.", "b."], ["h.", "o."], between=jnp.tanh)
    assert len(network.cell.cells) == 3 and network.output_size == 1 and len(network.readout.layers) == 3
    with pytest.raises(
        ValueError, match=r"do not say which function stands between the layers 'h\.' and 'o\.'\. Give between"
    ):
        interop.from_torch_network(arrays, ["a.", "b."], ["h.", "o."])
    with pytest.raises(ValueError, match=r"no key 'nix\.weight'"):
        interop.from_torch_network(arrays, ["nix.", "a."], None)
    with pytest.raises(ValueError, match=r"prefix 'h\.' names no recurrent layers; .* 'a\.', 'b\.'"):
        interop.from_torch_network(arrays, ["h."], None)


def test_modules_that_do_not_follow_each_other_are_refused_without_dropping_one(torch_weights):
    arrays = torch_weights(3, "a.") | torch_weights(3, "b.") | named(lin=linear(1, 3))
    with pytest.raises(
        ValueError, match=r"there are several, 'a\.', 'b\.'\. .* leaves all other arrays out, and prefix=\('a"
    ):
        interop.from_torch_network(arrays)


def test_read_cell_keeps_input_layers_and_leaves_the_rest_out(save, torch_weights):
    arrays = (
        named(inp=linear(2, 5)) | torch_weights(3, "rec.") | named(lin=linear(1, 3)) | {"head.weight": np.ones((1, 3))}
    )
    cell = interop.read_cell(save("w.npz", arrays))
    assert cell.input_size == 5 and cell.hidden_size == 3
    two = torch_weights(3, "rec.") | named(a=linear(1, 3), b=linear(1, 3))
    assert interop.read_cell(save("w.npz", two)).input_size == D


def test_a_module_says_which_functions_stand_in_its_sequences(torch):
    torch.manual_seed(0)
    nn = torch.nn
    holder = nn.ModuleDict(
        {
            "embed": nn.Sequential(nn.Linear(D, 4), nn.Dropout(0.1), nn.Tanh()),
            "rec": nn.RNN(4, N, nonlinearity="relu"),
            "head": nn.Sequential(nn.Linear(N, 4), nn.ELU(), nn.Linear(4, 1), nn.Sigmoid()),
        }
    ).double()
    holder.eval()
    network = interop.from_torch_network(holder)
    np.testing.assert_allclose(outputs_of(network, XS), through(torch, holder.values(), XS), atol=1e-12)
    holder["head"][1] = nn.Hardtanh()
    with pytest.raises(ValueError, match="a function Hardtanh after a linear layer is not read; Tanh, "):
        interop.from_torch_network(holder)


def same(ours, theirs):
    return jax.tree.all(jax.tree.map(lambda a, b: bool(jnp.array_equal(a, b)), ours, theirs))


@pytest.mark.slow
def test_a_module_is_read_in_the_order_of_its_declaration(torch):
    """All of these sizes fit both before and behind the recurrent layer, which stands first."""
    torch.manual_seed(0)
    nn = torch.nn
    heads = [[nn.Linear(N, N)], [nn.Linear(N, N), nn.Linear(N, D)], [nn.LayerNorm(N), nn.Linear(N, D)]]
    for kind in (nn.LSTM, nn.GRU, nn.GRUCell):
        for head in heads:
            inputs = head[-1].out_features
            module = nn.ModuleList([kind(inputs, N), *head]).double()
            network = interop.from_torch_network(module, between=jax.nn.relu)
            assert same(network, interop.from_torch_network(module.state_dict(), between=jax.nn.relu))
            assert type(network.cell).__name__ == kind.__name__.removesuffix("Cell") + "Cell"
    xs = np.random.default_rng(0).normal(size=(T, N))
    layers = [nn.LSTM(N, N), nn.Linear(N, N)]
    network = interop.from_torch_network(nn.ModuleList(layers).double())
    np.testing.assert_allclose(outputs_of(network, xs), through(torch, layers, xs), atol=1e-12)


def test_computed_weights_of_a_module_stand_where_their_layer_is_declared(torch):
    """An orthogonal weight (`torch.nn.utils.parametrizations.orthogonal`) is in no state dictionary."""
    torch.manual_seed(0)
    nn, orthogonal = torch.nn, torch.nn.utils.parametrizations.orthogonal
    xs = np.random.default_rng(0).normal(size=(T, N))
    for layers in (
        [nn.Linear(N, N), nn.RNN(N, N, bias=False), nn.Linear(N, N)],
        [nn.RNN(N, N), nn.Linear(N, N, bias=False)],
    ):
        for layer in layers:
            for name in [name for name, _ in layer.named_parameters() if "weight" in name]:
                orthogonal(layer, name)
        network = interop.from_torch_network(nn.ModuleList(layers).double(), readout=f"{len(layers) - 1}.")
        np.testing.assert_allclose(outputs_of(network, xs), through(torch, layers, xs), atol=1e-12)
    cell = orthogonal(nn.GRUCell(N, N).double(), "weight_hh")
    assert interop.from_torch(cell).weight_hh.tolist() == cell.weight_hh.tolist()


def test_a_module_says_what_its_normalisations_are(torch):
    torch.manual_seed(0)
    nn = torch.nn
    layers = [nn.GRU(D, 4), nn.LayerNorm(4, eps=0.1), nn.Linear(4, 1)]
    module = nn.ModuleList(layers).double()
    wanted = through(torch, layers, XS)
    for names in ((None, ...), ("0.", ("1.", "2."))):
        np.testing.assert_allclose(outputs_of(interop.from_torch_network(module, *names), XS), wanted, atol=1e-12)
    module[1] = nn.GroupNorm(2, 4).double()
    with pytest.raises(ValueError, match=r"the layer '1\.' is a GroupNorm\. Of the layers .* only LayerNorm is read"):
        interop.from_torch_network(module)
    assert interop.from_torch_network(module, "0.", "2.").output_size == 1
    module[1] = nn.LayerNorm(4, elementwise_affine=False)
    with pytest.raises(
        ValueError, match=r"the layer '1' is a LayerNorm without arrays: nothing says where it is applied"
    ):
        interop.from_torch_network(module)
    assert interop.from_torch_network(module, "0.", "2.").output_size == 1
    module[1] = nn.BatchNorm1d(4).double()
    for given in (module, module.state_dict()):
        with pytest.raises(ValueError, match=r"key '1\.weight' has shape \(4,\); wanted is \(M, 4\)"):
            interop.from_torch_network(given, "0.", ("1.", "2."))


@pytest.mark.gate
def test_gradients_and_resampling_go_through_an_input_layer_and_a_projection(torch):
    torch.manual_seed(0)
    layers, names, _ = network_of(torch, "a projection")
    rec = interop.from_torch_network(state_dict(torch, layers, names)).cell
    network = interop.from_torch_network(state_dict(torch, [torch.nn.Linear(D, D), *layers], ["inp", *names]))
    xs = jnp.asarray(XS)

    def end(network):
        return jnp.sum(ro.iterate(network.cell, xs).states[-1][0][-1])

    gradient = jax.grad(end)(network)
    step = 1e-6
    moved = jax.tree.map(lambda a, b: a + step * b, network, gradient)
    size = sum(float(jnp.sum(leaf**2)) for leaf in jax.tree.leaves(gradient))
    assert abs((end(moved) - end(network)) / step - size) < 1e-4 * size
    assert ro.evolve(rec, ro.BandLimited(xs), jnp.arange(1.0, 8.0, 0.5)).states[-1][0].shape == (14, 2)
