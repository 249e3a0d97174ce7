"""The layers of a PyTorch network among its arrays: which there are, in which order, and the state that they start from."""

from collections.abc import Callable, Mapping, Sequence
from types import EllipsisType
from typing import Any, cast

import jax
import jax.numpy as jnp

from .._base.protocol import input_width
from .._base.types import Cell
from .._cells.protocol import initial_state, output_shape
from .._cells.stacked import StackedCell
from .._files.arrays import shape_of
from ._arrange import Module, Order, arranged, sizes_of
from ._fill import as_weights
from ._readout import linear_of, neither, several_readouts
from ._sequence import Layer, layer_norm
from ._torch_names import initial_states, layer_keys, none, plain_name, several

Names = str | Sequence[str] | None


def order_of(
    arrays: Mapping[str, Any],
    prefix: Names,
    readout: Names | EllipsisType,
    cell_of: Callable[[str], Cell],
    leave_others: bool = False,
) -> Order:
    """The layers in the order in which the network applies them. `cell_of` makes the cell of the arrays under a prefix.

    `ValueError` for an order that is not clear, and for arrays that belong to no layer unless both `prefix` and `readout` are
    given. With `leave_others` such arrays are left out.
    """
    known = list(dict.fromkeys(match["prefix"] for match in layer_keys(arrays)))
    if not known:
        raise ValueError(none(arrays))
    all_named = prefix is not None and not isinstance(readout, EllipsisType)
    in_order = prefix is not None and not isinstance(prefix, str)
    chosen = known if prefix is None else _names(prefix)
    recurrent = [name for name in chosen if name in known]
    if not recurrent:
        prefixes = "no prefix" if known == [""] else f"prefixes {_quoted(known)}"
        raise ValueError(f"prefix {_quoted(chosen)} names no recurrent layers; those here have {prefixes}.")
    body = {name: _recurrent(name, cell_of, recurrent) for name in recurrent}
    size = body[recurrent[-1]].gives
    body |= {name: _layer(arrays, name, 0) for name in chosen if name not in body}
    last = _readout(arrays, [] if isinstance(readout, EllipsisType) else _names(readout), size)
    named = {module.name for module in (*body.values(), *last) if not module.recurrent}
    others = [] if all_named else [module for module in _candidates(arrays) if module.name not in named]
    first = tuple(body[name] for name in chosen) if in_order else ()
    free = others if in_order else sorted([*body.values(), *others], key=lambda module: _place(arrays, module))
    ends = not isinstance(readout, EllipsisType)
    order = arranged(free, first, last, ends, told=list(arrays) != sorted(arrays))
    if order is None and leave_others and len(body) == 1:
        return tuple(body.values())
    if order is None:
        raise ValueError(_no_order(arrays, body, others, ends))
    _check_all_used(arrays, order, leave_others or all_named, size)
    return order


def initial_of(arrays: Mapping[str, Any], order: Order) -> Any:
    """The learnt initial state of the cell that these layers make; `None` where there is none.

    An array may be that of one layer, (N,), or of the L layers of a module, (L, N). Axes of size 1, such as the batch's, do
    not count.
    """
    states = {key: part for key, part in initial_states(arrays).items() if key not in _keys(arrays, order)}
    if not states:
        return None
    modules = [module for module in order if module.recurrent]
    rows = []
    for module in modules:
        mine = {key: part for key, part in states.items() if len(modules) == 1 or key.startswith(module.name)}
        rows += _states(arrays, module, mine)
        states = {key: part for key, part in states.items() if key not in mine}
    if states:
        raise ValueError(
            f"key {next(iter(states))!r}: an initial state of which recurrent layers? Write it under their prefix."
        )
    return rows[0] if len(rows) == 1 else tuple(rows)


def _states(arrays: Mapping[str, Any], module: Module, mine: Mapping[str, int]) -> list[Any]:
    """The initial states of the layers of a module: those of its arrays, or zeros where it has none."""
    zeros = [initial_state(layer.module) for layer in module.layers]
    if not mine:
        return zeros
    parts = [list(column) for column in zip(*[jax.tree.leaves(state) for state in zeros], strict=True)]
    keys = {part: key for key, part in mine.items()}
    if sorted(mine.values()) != list(range(len(parts))):
        wanted = "h and c" if len(parts) == 2 else "h"
        raise ValueError(
            f"initial states of {wanted} are wanted for the layers {module.name!r}; there are {', '.join(mine)}."
        )
    for part, column in enumerate(parts):
        array = as_weights(f"key {keys[part]!r}", arrays[keys[part]])
        shape = (len(column), column[0].size)
        if tuple(n for n in array.shape if n != 1) != tuple(n for n in shape if n != 1):
            raise ValueError(f"key {keys[part]!r}: an initial state has shape {array.shape}; wanted is {shape}.")
        parts[part] = [jnp.asarray(row) for row in array.reshape(shape)]
    return [tuple(row) if len(row) == 2 else row[0] for row in zip(*parts, strict=True)]


def _names(names: Names) -> list[str]:
    given = [] if names is None else [names] if isinstance(names, str) else list(names)
    return [plain_name(name) for name in given]


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names)) or "()"


def _recurrent(name: str, cell_of: Callable[[str], Cell], all_of_them: Sequence[str]) -> Module:
    try:
        cell = cell_of(name)
    except ValueError as error:
        if len(all_of_them) == 1:
            raise
        raise ValueError(f"{several(sorted(all_of_them))} ({error})") from None
    cells = cell.cells if isinstance(cell, StackedCell) else (cell,)
    takes, gives = cast(int, input_width(cells[0])), cast(tuple, output_shape(cells[-1]))[0]
    return Module(name, takes, gives, tuple(Layer(cell, True) for cell in cells))


def _candidates(arrays: Mapping[str, Any]) -> list[Module]:
    """The linear layers with a bias, and the layer normalisations with both weights, among the arrays."""
    prefixes = [key.removesuffix("weight") for key in arrays if key == "weight" or key.endswith(".weight")]
    shapes = {name: (shape_of(arrays[f"{name}weight"]), shape_of(arrays.get(f"{name}bias", 0.0))) for name in prefixes}
    return [
        _layer(arrays, name, 0)
        for name, (weight, bias) in shapes.items()
        if len(weight) in (1, 2) and bias == weight[:1] and f"{name}running_mean" not in arrays
    ]


def _layer(arrays: Mapping[str, Any], name: str, size: int) -> Module:
    """A linear layer or a layer normalisation. `size` is what it is wanted to take, or 0 for anything."""
    weight, bias = (shape_of(arrays.get(f"{name}{part}", 0.0)) for part in ("weight", "bias"))
    if len(weight) == 1 and bias == weight and f"{name}running_mean" not in arrays:
        arrays = {part: as_weights(f"key '{name}{part}'", arrays[f"{name}{part}"]) for part in ("weight", "bias")}
        return Module(name, weight[0], weight[0], (Layer(layer_norm(arrays["weight"], arrays["bias"], 1e-5)),))
    made = linear_of(arrays, name, size or (weight or (0,))[-1])
    return Module(name, cast(int, made.in_features), cast(int, made.out_features), (Layer(made),), True)


def _readout(arrays: Mapping[str, Any], names: Sequence[str], size: int) -> Order:
    modules: list[Module] = []
    for name in names:
        modules.append(_layer(arrays, name, modules[-1].gives if modules else size))
    return tuple(modules)


def _place(arrays: Mapping[str, Any], module: Module) -> int:
    """Where the first array of a layer stands among the names."""
    own = _keys(arrays, (module,))
    return next(number for number, key in enumerate(arrays) if key in own)


def _keys(arrays: Mapping[str, Any], order: Order) -> set[str]:
    """The names of the layers' arrays."""
    keys = set()
    for module in order:
        linear = {f"{module.name}weight", f"{module.name}bias"}
        keys |= {match[0] for match in layer_keys(arrays, module.name)} if module.recurrent else linear
    return keys


def _check_all_used(arrays: Mapping[str, Any], order: Order, leave_others: bool, size: int) -> None:
    used = _keys(arrays, order) | initial_states(arrays).keys()
    unknown = [key for key in arrays if key not in used]
    if unknown and not leave_others:
        raise ValueError(
            neither(unknown[0], arrays[unknown[0]], f"layers {', '.join(repr(m.name) for m in order)}", size)
        )


def _no_order(arrays: Mapping[str, Any], body: Mapping[str, Module], others: Sequence[Module], ends: bool) -> str:
    """Why the layers fit in no order."""
    modules = [module for module in body.values() if module.recurrent]
    if len(modules) > 1:
        return several(sorted(module.name for module in modules))
    (middle,) = modules
    for module in others:
        if module.gives != middle.takes and (ends or module.takes != middle.gives):
            return neither(
                f"{module.name}weight",
                arrays[f"{module.name}weight"],
                f"recurrent layers {middle.name!r}",
                middle.gives,
            )
    readouts = [module.name for module in others if module.takes == middle.gives]
    if len(readouts) > 1:
        return several_readouts(readouts, middle.gives)
    sizes = sizes_of((*body.values(), *others))
    return f"the layers fit in no order: {sizes}. Name those that are applied, in their order, by prefix and readout."
