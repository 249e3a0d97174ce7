"""The look of all pictures: colours, titles, and labels at the ends of lines.

Foreground and background are those of matplotlib's current style, so `plt.style.use("dark_background")` gives a dark picture.
The other colours are of middling lightness and stand out against white and against black.
"""

import zlib
from collections.abc import Iterable
from typing import Any, SupportsFloat

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

RUST, AMBER, BROWN, PURPLE, GREEN, BLUE = "#b43c00", "#c38700", "#875a3c", "#784bb4", "#3ca578", "#005af0"
SLATE, OLIVE, SKY, PLUM = "#8796a5", "#96964b", "#1e96ff", "#695a87"

PALETTE = (BLUE, AMBER, GREEN, RUST, PURPLE, SLATE, BROWN, SKY, OLIVE, PLUM)
"""Colours that people with any common colour blindness can tell apart; a test measures it."""

_STRANGERS = (SLATE, OLIVE, PLUM)  # no method of ours has one of these
_LINES = ("-", "--", "-.", ":")


def ink() -> str:
    """The foreground: the network, and what was measured of a system."""
    return to_hex(rcParams["text.color"])


def paper() -> str:
    """The background of a panel."""
    return to_hex(rcParams["axes.facecolor"])


def shade(share: float) -> str:
    """A grey between the background, 0, and the foreground, 1."""
    low, high = (np.array(to_rgb(rcParams[name])) for name in ("axes.facecolor", "text.color"))
    return to_hex(tuple((1 - share) * low + share * high))


def faint() -> str:
    """Lines for orientation, such as the one at zero."""
    return shade(0.3)


def bound() -> str:
    """Bounds and limits."""
    return shade(0.55)


def forbidden() -> str:
    """Areas that a bound rules out."""
    return shade(0.12)


def note() -> str:
    """Words in a picture."""
    return shade(0.65)


def look_of(method: Any) -> dict[str, Any]:
    """Colour and line style of a method, as arguments for a line: what it says itself, or else what its label picks."""
    pick = zlib.crc32(method.label.encode())
    colour = getattr(method, "colour", "") or _STRANGERS[pick % len(_STRANGERS)]
    return {"color": colour, "ls": getattr(method, "line", "") or _LINES[pick // len(_STRANGERS) % len(_LINES)]}


def colours_of(names: Iterable[str]) -> dict[str, str]:
    """A colour for every name, in the order in which the names first appear; after ten they repeat."""
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(dict.fromkeys(names))}


class PowerLocator(LogLocator):
    """Marks of a logarithmic axis, without those that matplotlib puts beyond the float range and then fails to draw."""

    def tick_values(self, vmin: float, vmax: float) -> np.ndarray:
        with np.errstate(over="ignore", under="ignore"):
            marks = np.asarray(super().tick_values(vmin, vmax))
        return marks[np.isfinite(marks) & (marks > 0)]


def logarithmic(axes: Axes, low: SupportsFloat, high: SupportsFloat) -> None:
    """Make the upright axis logarithmic from `low` to `high`, which may be as far apart as 1e-250 and 1e250."""
    axes.set(yscale="log", ylim=(float(low), float(high)))
    axes.yaxis.set_major_locator(PowerLocator())
    axes.yaxis.set_minor_locator(PowerLocator(subs=None))


def mark_stop(axes: Axes, x: SupportsFloat, y: SupportsFloat, colour: Any) -> None:
    """A cross where a run stops."""
    axes.plot([float(x)], [float(y)], "x", color=colour, ms=7, mew=2, zorder=5, clip_on=False)


def key(colour: Any, label: str, **style: Any) -> Line2D:
    """An entry of a legend."""
    return Line2D([], [], color=colour, label=label, **style)


def unit_name(states: Any, index: int) -> str:
    """A number of a flat state: a unit, or, where a state is more than a vector, as an LSTM's is, a component."""
    return f"{'unit' if getattr(states, 'ndim', 0) == 2 else 'component'} {index}"
