"""What a PyTorch module tells of itself. PyTorch is not imported: a module is read by its methods and attributes."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ._arrange import Module
from ._network import Activation
from ._sequence import Layer, layer_norm
from ._torch_names import PARTS, plain_name, plain_names

ACTIVATIONS: dict[str, Activation] = {"tanh": jnp.tanh, "relu": jax.nn.relu}


class Recurrent(NamedTuple):
    """A recurrent layer, or a stack of them, in a module: the `prefix` of its arrays, and what they do not say."""

    prefix: str
    activation: Activation
    layers: int


def is_module(given: Any) -> bool:
    """Whether this is a PyTorch module, or acts as one. A class of modules is not."""
    asked = (getattr(given, name, None) for name in ("named_modules", "state_dict"))
    return not isinstance(given, type) and all(map(callable, asked))


def arrays_of(module: Any) -> dict[str, Any]:
    """The arrays of the state dictionary, in its order. Those of a cell, such as `weight_hh`, get the names of a layer.

    An array that is computed from others (by a spectral norm, say) is in no state dictionary: it is the layer's attribute.
    """
    arrays = plain_names(module.state_dict())
    for name, inner in _inner(module):
        computed = {}
        for own in _names_in(inner):
            key = _prefix(name) + own
            if not {key, f"{key}_l0"} & arrays.keys() and (value := getattr(inner, own, None)) is not None:
                computed[key] = value.detach()
        arrays = _inserted(arrays, _prefix(name), computed)
    return plain_names({key: value for key, value in arrays.items() if "parametrizations." not in key})


def _names_in(module: Any) -> list[str]:
    """The names of the arrays that a module may compute: those of a recurrent layer, and those that it says itself."""
    names: list[str] = [*getattr(module, "parametrizations", ())]
    if _is_cell(module):
        names += PARTS
    elif _is_layer(module):
        names += [f"{part}_l{k}" for part in PARTS for k in range(module.num_layers)]
    return names


def _inserted(arrays: dict[str, Any], prefix: str, computed: dict[str, Any]) -> dict[str, Any]:
    """The arrays with the computed ones before the first under the prefix, as the order of the names counts."""
    items = list(arrays.items())
    place = next((number for number, key in enumerate(arrays) if key.startswith(prefix)), len(items))
    return dict([*items[:place], *computed.items(), *items[place:]])


def recurrent_of(module: Any, prefix: str | None) -> Recurrent:
    """The recurrent layers of a module, those under the prefix if it has several. `ValueError` if that is none or many."""
    found = _found(module)
    if prefix is None and len(found) == 1:
        (prefix,) = found
    if prefix is None or prefix not in found:
        there = ", ".join(map(repr, found))
        raise ValueError(
            f"a {type(module).__name__} with one recurrent layer (RNN, GRU, LSTM, or a cell of these) is wanted, or the "
            f"prefix of one: its recurrent layers have the prefixes {there}."
        )
    return _recurrent(prefix, found[prefix])


def all_recurrent_of(module: Any) -> list[Recurrent]:
    """All recurrent layers of a module. `ValueError` if there are none."""
    return [_recurrent(prefix, layer) for prefix, layer in _found(module).items()]


def with_eps(module: Any, layer: Module) -> Module:
    """The layer, with the module's eps if it is a layer normalisation. `ValueError` if the module has another layer there."""
    if layer.recurrent or layer.linear:
        return layer
    own = next((inner for name, inner in _inner(module) if _prefix(name) == layer.name), module)
    if type(own).__name__ != "LayerNorm":
        raise ValueError(
            f"the layer {layer.name!r} is a {type(own).__name__}. Of the layers with a weight and a bias of one axis only "
            "LayerNorm is read. If the network does not use it, name the layers that it uses by prefix and readout."
        )
    norm = layer.layers[0].module
    return layer._replace(layers=(Layer(layer_norm(norm.weight, norm.bias, own.eps)),))


_NORMS = ("LayerNorm", "RMSNorm", "GroupNorm", "InstanceNorm1d", "BatchNorm1d")


def check_norms(module: Any) -> None:
    """`ValueError` for a normalisation without arrays, which would be left out without a word."""
    for name, inner in _inner(module):
        kind = type(inner).__name__
        if kind in _NORMS and not inner.state_dict():
            raise ValueError(
                f"the layer {name!r} is a {kind} without arrays: nothing says where it is applied. Give it a weight and a "
                "bias. If the network does not use it, name the layers that it uses by prefix and readout."
            )


def functions_of(module: Any) -> dict[str, Activation]:
    """The function after each linear layer that is in a `torch.nn.Sequential`, by the prefix of the layer's arrays."""
    functions: dict[str, Activation] = {}
    for name, inner in _inner(module):
        if type(inner).__name__ == "Sequential":
            children = [(_prefix(f"{name}.{key}" if name else key), child) for key, child in inner.named_children()]
            for number, (prefix, child) in enumerate(children):
                if type(child).__name__ == "Linear":
                    functions[prefix] = _function_of([later for _, later in children[number + 1 :]])
    return functions


def _function_of(later: list[Any]) -> Activation:
    """The function that the first of these modules computes; `None` if it is another layer, or there is none."""
    for module in later:
        kind = type(module).__name__
        if kind in ("Dropout", "Identity"):
            continue
        if kind in _FUNCTIONS:
            return _FUNCTIONS[kind]
        if not list(module.state_dict()):
            raise ValueError(f"a function {kind} after a linear layer is not read; {', '.join(_FUNCTIONS)} are.")
        break
    return None


_FUNCTIONS: dict[str, Activation] = {
    "Tanh": jnp.tanh,
    "ReLU": jax.nn.relu,
    "Sigmoid": jax.nn.sigmoid,
    "ELU": jax.nn.elu,
    "SiLU": jax.nn.silu,
    "LeakyReLU": jax.nn.leaky_relu,
    "Softplus": jax.nn.softplus,
}


def agreed(ours: Activation, given: Activation) -> Activation:
    """The module's activation. `ValueError` if the caller gave another one, which tanh, the default, is not."""
    if given not in (jnp.tanh, ours):
        raise ValueError("activation is said by the module: leave it out, or give a state dictionary.")
    return ours


def _inner(module: Any) -> list[tuple[str, Any]]:
    return list(module.named_modules())


def _found(module: Any) -> dict[str, Any]:
    """The recurrent layers of a module by the prefix of their arrays. `ValueError` if there are none."""
    found = {_prefix(name): inner for name, inner in _inner(module) if _is_cell(inner) or _is_layer(inner)}
    if not found:
        raise ValueError(f"this {type(module).__name__} holds no RNN, GRU, LSTM or cell of these.")
    return found


def _recurrent(prefix: str, layer: Any) -> Recurrent:
    return Recurrent(prefix, ACTIVATIONS[getattr(layer, "nonlinearity", "tanh")], getattr(layer, "num_layers", 1))


def _prefix(name: str) -> str:
    return plain_name(f"{name}.") if name else ""


def _is_cell(module: Any) -> bool:
    return all(hasattr(module, part) for part in (*PARTS, "hidden_size"))


def _is_layer(module: Any) -> bool:
    return all(hasattr(module, name) for name in ("weight_hh_l0", "num_layers", "hidden_size"))
