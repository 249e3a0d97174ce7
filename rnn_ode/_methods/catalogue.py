"""The methods by their labels."""

from collections.abc import Iterator

from .base import AbstractMethod
from .closed import Exact, Textbook, Tustin
from .series import Backward, Forward

CONVERSIONS = (Forward(1), Backward(1), Tustin(), Exact(), Exact(complex=True))
"""The methods that approximate the logarithm, or are it, in their simplest form."""

_OURS = (Textbook, Forward, Backward, Tustin, Exact)


def from_label(name: str, text: str) -> AbstractMethod:
    """The method with a label such as `textbook`, `forward:3` or `exact:complex`; `forward` and `backward` are of order 1.

    A class that somebody else derived from `AbstractMethod` is known once it is imported. `ValueError`, which begins with
    `name`, for a label that no class understands (the text lists the known ones) and for a parameter that a class refuses.
    """
    label = text.strip().lower()
    for kind in _kinds():
        try:
            method = kind.from_label(label)
        except ValueError as error:
            raise ValueError(f"{name} {text}: {error}") from None
        if method is not None:
            return method
    *most, last = dict.fromkeys(spelling for kind in _kinds() for spelling in kind.spellings())
    raise ValueError(f"{name} {text}: unknown. There are {', '.join(most)} and {last}.")


def _kinds() -> Iterator[type[AbstractMethod]]:
    """Our classes, and then every other one derived from `AbstractMethod`."""
    yield from dict.fromkeys([*_OURS, *_derived(AbstractMethod)])


def _derived(kind: type[AbstractMethod]) -> Iterator[type[AbstractMethod]]:
    for child in kind.__subclasses__():
        yield child
        yield from _derived(child)
