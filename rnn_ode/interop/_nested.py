"""Arrays in nested dictionaries, as Flax and Keras have them, and the network of their layers."""

from collections.abc import Collection, Mapping, Sequence
from types import EllipsisType
from typing import Any, cast

from .._base.checks import as_texts, brief
from .._base.types import Cell
from .._files.arrays import shapes_of
from ._arrange import Module, Order, applied, arranged, sizes_of
from ._network import Activation, Network
from ._sequence import in_sequence


def flat(tree: Mapping[Any, Any]) -> dict[str, Any]:
    """The arrays of nested dictionaries by their paths, such as `rnn/cell/kernel`. What draws random numbers is left out."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        path = "/".join(map(str, key)) if isinstance(key, tuple) else str(key)
        if isinstance(value, Mapping):
            found |= {f"{path}/{inner}": leaf for inner, leaf in flat(value).items()}
        else:
            found[path.removesuffix(":0")] = value
    return {path: value for path, value in found.items() if "rngs" not in path.split("/")}


def grouped(arrays: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The arrays of each layer, by the path of the layer and then by the last part of their own."""
    groups: dict[str, dict[str, Any]] = {}
    for path, array in arrays.items():
        layer, _, last = path.rpartition("/")
        groups.setdefault(layer, {})[last] = array
    return groups


def network_of(
    argument: str,
    modules: Sequence[Module],
    order: Sequence[str] | None,
    between: Activation | EllipsisType,
    told: bool = True,
) -> Network:
    """The network of these layers of an argument, in the order of their names or, with `None`, in the one that fits.

    `told` tells whether the order of the modules means something.
    """
    if not any(module.recurrent for module in modules):
        raise ValueError(
            f"{argument}: no recurrent layer; there are {', '.join(repr(module.name) for module in modules) or 'no layers'}."
        )
    if order is None:
        found = arranged(modules, told=told, advice=_advice)
        if found is None:
            raise ValueError(
                f"the layers fit in no order: {sizes_of(modules)}. Give order, the names of those to read."
            )
    else:
        found = _in_order(modules, order)
    cell, readout = in_sequence(found[0].takes, applied(found, {}, between))
    return Network(cast(Cell, cell), readout)


def check_all_read(arrays: Mapping[str, Any], read: Collection[str], kinds: str) -> None:
    """`ValueError` for an array of a layer that is not among those `read`, by their paths."""
    left = {path: array for path, array in arrays.items() if path.rpartition("/")[0] not in read}
    if left:
        raise ValueError(f"these arrays are of no layer that is read, which are {kinds}: {shapes_of(left)}.")


def _in_order(modules: Sequence[Module], order: Sequence[str]) -> Order:
    known = {module.name: module for module in modules}
    names = as_texts("order", order)
    if not names or isinstance(order, str) or any(name not in known for name in names):
        raise ValueError(
            f"order must list names of layers, which are {', '.join(map(repr, known))}; got {brief(order)}."
        )
    found = tuple(known[name] for name in names)
    if arranged((), found) is None:
        raise ValueError(f"order: the layers do not fit in the order given: {sizes_of(found)}.")
    return found


def _advice(order: Order) -> str:
    return f"Give order, such as order={tuple(module.name for module in order)}."
