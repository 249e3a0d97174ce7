"""What pictures ask of their arguments, checked before anything is drawn."""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import is_color_like

from .._base.checks import brief, check_index, check_on_host

_F = TypeVar("_F", bound=Callable[..., Any])


def reads(**fields: str) -> Callable[[_F], _F]:
    """Make a picture refuse an argument without the fields that it reads, by name: `@reads(b="states labels")`.

    `"* case"` is about a list, each of whose items has the fields, and `"** kind"` about a dictionary with such values. Axes
    must be axes, colours a dictionary of colours, and nothing may be traced.
    """

    def decorated(draw: _F) -> _F:
        signature = inspect.signature(draw)

        @functools.wraps(draw)
        def checked(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs).arguments
            for name, value in given.items():
                if name == "axes":
                    _check_axes(value, optional=signature.parameters["axes"].default is None)
                elif not hasattr(value, "__next__"):
                    check_on_host(f"plot.{draw.__name__}", **{name: value})
                if name == "colours":
                    _check_colours(value)
                if name in fields:
                    check_fields(f"plot.{draw.__name__}", name, value, fields[name])
            return draw(*args, **kwargs)

        return checked  # pyright: ignore[reportReturnType]

    return decorated


def _check_axes(value: Any, optional: bool) -> None:
    if not isinstance(value, Axes) and not (optional and value is None):
        raise TypeError(f"axes must be matplotlib's axes{', or None' * optional}; got {brief(value)}.")


def _check_colours(value: Any) -> None:
    if not isinstance(value, Mapping) or not all(is_color_like(colour) for colour in value.values()):
        raise TypeError(f"colours must be a dictionary of colours by the label of a method; got {brief(value)}.")


def check_fields(picture: str, name: str, value: Any, wanted: str) -> None:
    """`TypeError` for a value without the fields that a picture reads; `wanted` is as in `reads`."""
    stars, _, names = wanted.rpartition("* ")
    items, kind = [value], ""
    if "* " in wanted:
        kind = "a dictionary of " if stars else "a list of "
        fits = isinstance(value, Mapping) if stars else isinstance(value, list | tuple)
        items = [None] if not fits else list(value.values()) if stars else list(value)
    if not items:
        raise ValueError(
            f"{name} must hold at least one {'array' if name == 'arrays' else 'row'} to draw; it is empty."
        )
    for item in items:
        if isinstance(item, type) or not all(hasattr(type(item), one) or hasattr(item, one) for one in names.split()):
            raise TypeError(
                f"{name} must be {kind}what {picture} draws, with {', '.join(names.split())}; got {brief(value)}."
            )


def as_methods(value: Any) -> tuple[Any, ...]:
    """The methods of a picture, each with a label and an exponent."""
    listed = tuple(value) if isinstance(value, list | tuple) else (value,)
    if any(isinstance(one, type) or not (hasattr(one, "label") and hasattr(one, "exponent")) for one in listed):
        raise TypeError(f"methods must be a list of rnn_ode's methods, such as [Forward(1)]; got {brief(value)}.")
    return listed


def colour_in(colours: Mapping[str, Any], label: str) -> Any:
    """The colour of a label. `ValueError` if there is none."""
    if label not in colours:
        raise ValueError(
            f"colours must have one for {label!r}; it has those of {', '.join(map(repr, colours)) or 'none'}."
        )
    return colours[label]


def _depth(value: Any) -> int | None:
    """The number of axes of an array or list; `None` for a ragged one."""
    try:
        return np.ndim(value)
    except ValueError:
        return None


def as_places(name: str, value: Any, size: int, *counts: int) -> list[int]:
    """Different numbers of coordinates, each from 0 to `size` − 1, as many as one of the counts."""
    wanted = f"{' or '.join(_WORDS[count] for count in counts)} different ones of 0 to {size - 1}"
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | Mapping) or _depth(value) != 1:
        raise TypeError(f"{name} must be {wanted}; got {brief(value)}.")
    places = list(value)
    for i, place in enumerate(places):
        check_index(f"{name}[{i}]", place, -(2**31), 2**31 - 1)
    if len(places) not in counts or len(set(places)) < len(places) or not all(0 <= place < size for place in places):
        raise ValueError(f"{name} must be {wanted}; got {tuple(places)}.")
    return [int(place) for place in places]


_WORDS = {2: "two", 3: "three"}
