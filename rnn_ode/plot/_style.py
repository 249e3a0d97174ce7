"""Colours that all pictures share."""

from collections.abc import Iterable

from matplotlib import colormaps

NETWORK = "#1a1a1a"
"""The network, and what was measured of a system."""

BLUE, ORANGE, GREEN, RED = "tab:blue", "tab:orange", "tab:green", "tab:red"
PURPLE, BROWN, GREY = "tab:purple", "tab:brown", "tab:gray"

REFERENCE = "0.7"
"""Lines for orientation, such as the one at zero."""

BOUND = "0.45"
"""Bounds and limits."""

FORBIDDEN = "0.88"
"""Areas that a bound rules out."""

NOTE = "0.4"
"""Words in a picture."""

_PALETTE: tuple[tuple[float, float, float], ...] = colormaps["tab10"].colors  # pyright: ignore[reportAttributeAccessIssue]


def colours_of(names: Iterable[str]) -> dict[str, tuple[float, float, float]]:
    """A colour for every name, in the order in which the names first appear; after ten they repeat."""
    return {name: _PALETTE[i % len(_PALETTE)] for i, name in enumerate(dict.fromkeys(names))}
