"""The order of the layers of a network whose arrays have names and no order.

A layer is put where its sizes fit. Where they leave a choice, two things decide: the order of the arrays in the file, unless
they are sorted by name, and what the names mean, such as `embed` and `out`. Where these leave a choice too, or contradict
each other, the network is refused: a readout taken for an input layer would be a wrong result that nobody sees.
"""

import itertools
import re
from collections.abc import Callable, Sequence
from types import EllipsisType
from typing import NamedTuple

from ._network import Activation
from ._sequence import Elementwise, Layer

_MOST = 7  # layers whose order is looked for

# Words in the names of layers. Those for any linear layer count only where they agree with the order of the names.
_INPUT = {"in", "inp", "input", "inputs", "embed", "embedding", "emb", "encoder", "pre", "front"}
_OUTPUT = {"out", "output", "outputs", "head", "readout", "decoder", "classifier", "regressor", "final", "last", "post"}
_ANY_OUTPUT = _OUTPUT | {"lin", "linear", "fc", "dense", "proj", "projection"}


class Module(NamedTuple):
    """A recurrent network of one layer or several, or another layer, `linear` or not, by the `name` of its arrays."""

    name: str
    takes: int
    gives: int
    layers: tuple[Layer, ...]
    linear: bool = False

    @property
    def recurrent(self) -> bool:
        return self.layers[0].is_cell


Order = tuple[Module, ...]


def arranged(
    free: Sequence[Module],
    first: Order = (),
    last: Order = (),
    ends: bool = False,
    told: bool = True,
    advice: Callable[[Order], str] | None = None,
) -> Order | None:
    """The modules in the order in which the network applies them: `first`, the `free` ones, and `last`.

    `free` is in the order of the file, which means something if `told`: a file that sorts its arrays has lost their order.
    `ends` tells that what comes before `last` ends in a recurrent module. `None` if no order fits; `ValueError` if several do
    and nothing decides.
    """
    given = (*first, *free, *last)
    orders = itertools.permutations(free) if len(free) <= _MOST else [tuple(free)]
    found = [(*first, *order, *last) for order in orders]
    found = [order for order in found if _fits(order) and (not ends or order[len(order) - len(last) - 1].recurrent)]
    fitting, found = found, _with_readout(found)
    if told:  # what the file has after the recurrent modules is no input layer
        early = {module.name for module in (*first, *_front(given))}
        if len(fitting) == 1:  # unless it cannot be a readout of them either
            fed = {module.gives for module in given if module.recurrent}
            early |= {module.name for module in free if module.takes not in fed}
        found = [order for order in found if {module.name for module in _front(order)} <= early]
    if not found or len(fitting) == 1:
        return found[0] if found else None
    meant = [order for order in found if not _against(order, _INPUT, _OUTPUT)]
    if told and given in found:
        meant = [order for order in meant if order == given]
    elif len(meant) > 1 and not told:
        meant = [order for order in meant if order == given and _is_said(order, found)]
    elif told and given in fitting:  # a readout that stands before the recurrent modules must be called one
        meant = [order for order in meant if _is_said(order, fitting)]
    if len(meant) != 1:
        raise ValueError(_undecided(fitting, advice or _by_prefix))
    return meant[0]


def applied(order: Order, functions: dict[str, Activation], between: Activation | EllipsisType) -> list[Layer]:
    """The layers of the modules in their order, with the function after each linear one.

    `functions` has those that are known. Otherwise it is `between`, and none after the last linear layer; with `...` none
    after the others either, except where two linear layers follow each other, which is a `ValueError`.
    """
    layers: list[Layer] = []
    for number, module in enumerate(order):
        layers += module.layers
        if not module.linear:
            continue
        later = [other for other in order[number + 1 :] if other.recurrent or other.linear]
        function = functions.get(module.name, between if later else None)
        if isinstance(function, EllipsisType):
            if later[0].linear:
                raise ValueError(
                    f"the names of arrays do not say which function stands between the layers {module.name!r} and "
                    f"{later[0].name!r}. Give between: jax.nn.relu or another function, or None for none, in Python; "
                    "--between in a terminal."
                )
            function = None
        if function is not None:
            layers.append(Layer(Elementwise(function)))
    return layers


def sizes_of(modules: Sequence[Module]) -> str:
    return ", ".join(f"{module.name!r} {module.takes} → {module.gives}" for module in modules)


def _fits(order: Order) -> bool:
    return all(below.gives == above.takes for below, above in itertools.pairwise(order))


def _front(order: Order) -> Order:
    return tuple(itertools.takewhile(lambda module: not module.recurrent, order))


def _with_readout(found: list[Order]) -> list[Order]:
    """Those orders that end in a readout if there are any, and those others with the same numbers of inputs and outputs."""
    sizes = {(order[0].takes, order[-1].gives) for order in found if not order[-1].recurrent}
    return [order for order in found if not sizes or (order[0].takes, order[-1].gives) in sizes]


def _against(order: Order, inputs: set[str], outputs: set[str]) -> bool:
    """Whether a name contradicts the place of its module before or behind the recurrent ones."""
    return any(said * place < 0 for _, said, place in _places(order, inputs, outputs))


def _is_said(order: Order, found: list[Order]) -> bool:
    """Whether the names say that each layer of which the orders `found` differ belongs where it is: by words, and by numbers
    in the names of recurrent modules that are the same otherwise."""
    loose = [module for module, *others in zip(order, *found, strict=True) if any(other != module for other in others)]
    names = [module.name for module in loose if module.recurrent]
    numbers = [int("".join(re.findall(r"\d", name)) or 0) for name in names]
    numbered = len({re.sub(r"\d", "", name) for name in names}) < 2 and numbers == sorted(numbers)
    return numbered and all(
        said * place > 0 for module, said, place in _places(order, _INPUT, _ANY_OUTPUT) if module in loose
    )


def _places(order: Order, inputs: set[str], outputs: set[str]) -> list[tuple[Module, int, int]]:
    """Each module that is not recurrent, where its name says that it belongs, and where it is: −1 before, 1 behind."""
    recurrent = [number for number, module in enumerate(order) if module.recurrent]
    places = []
    for number, module in enumerate(order):
        words = set(re.findall(r"[a-z]+", module.name.lower()))
        if not module.recurrent:
            said = bool(words & outputs) - bool(words & inputs)
            places.append((module, said, (number > recurrent[-1]) - (number < recurrent[0])))
    return places


def _undecided(found: list[Order], advice: Callable[[Order], str]) -> str:
    found = sorted(found, key=_agreement, reverse=True)
    text = " or ".join(map(_arrows, found[:3]))
    return f"the sizes of the layers fit in several orders, {text}, and their names do not decide. {advice(found[0])}"


def _agreement(order: Order) -> int:
    """How many names say that their layers stand where they are, less those that say that they do not."""
    return sum(said * place for _, said, place in _places(order, _INPUT, _ANY_OUTPUT))


def _arrows(order: Order) -> str:
    return " → ".join(repr(module.name) for module in order)


def _by_prefix(order: Order) -> str:
    """How to say the order of PyTorch's layers."""
    count = max(number for number, module in enumerate(order, start=1) if module.recurrent)
    names = [module.name for module in order]
    return (
        f"If it is {_arrows(order)}, give prefix={tuple(names[:count])}, readout={tuple(names[count:]) or None} in Python; "
        "in a terminal give --prefix and --readout once for each."
    )
