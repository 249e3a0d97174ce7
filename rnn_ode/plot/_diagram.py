"""Bifurcation diagrams in two parameters."""

import re
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .._base.checks import as_texts, brief
from ._branch import MARKERS
from ._needs import check_fields, reads
from ._page import headline, legend_beside, page
from ._style import BLUE, faint, ink, key

EVENTS = {
    "cusp": "v",
    "bogdanov-takens": "s",
    "generalised hopf": "D",
    "generalised flip": "D",
    "generalised neimark-sacker": "D",
    "zero-hopf": "P",
    "double hopf": "X",
    "resonance 1:1": "o",
    "resonance 1:2": "p",
    "resonance 1:3": "^",
    "resonance 1:4": "h",
}
"""The marker of each kind of point of codimension two. All others have "*"."""

_SAID = {"bogdanov": "Bogdanov", "takens": "Takens", "hopf": "Hopf", "neimark": "Neimark", "sacker": "Sacker"}
_COLOURS = {kind: colour for kind, (_, colour) in MARKERS.items()} | {"neimark-sacker": BLUE}
_NAMES = {"fold": "folds", "flip": "flips", "hopf": "Hopf points", "neimark-sacker": "Neimark–Sacker points"}
_LINES = ("-", "--", ":", "-.")


@reads()
def diagram(
    curves: Mapping[str, Any],
    names: tuple[str, str] = ("parameter 0", "parameter 1"),
    axes: Axes | None = None,
) -> Figure:
    """Curves of bifurcations of several systems in one plane: a network and its flow, say, under the same two parameters.

    The colour of a line is the kind of the bifurcation. The curves of the first of several systems are wide and pale, those
    of the others are thin. Points of codimension two are marked by kind.

    **Arguments:**

    - `curves`: for each name of a system a curve, or a list of curves, as `continue_bifurcation` returns them; their `kind`,
      `parameters` and `events` are read.
    - `names`: the names of the two parameters.
    - `axes`: the axes to draw into. Default: those of a new figure.

    **Returns:** the matplotlib figure.

    **Raises:** `TypeError` if `curves` is no dictionary.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> def network(p):
    ...     return ro.Map(lambda x, h: jnp.tanh(p[0] * h + p[1]))
    >>> at = ro.Bifurcation("fold", 0.533, jnp.array([-0.707]))
    >>> curve = ro.continue_bifurcation(network, at, (2.0, 0.533), ((0.5, 3.0), (-1.0, 1.0)))
    >>> ro.plot.diagram({"network": curve}, ("w", "b")).get_suptitle()
    'network: folds'

    ```
    """
    if not isinstance(curves, Mapping):
        raise TypeError(
            f"curves must be a dictionary of curves by the name of the system; got {type(curves).__name__}."
        )
    lists = {name: list(one) if isinstance(one, list | tuple) else [one] for name, one in curves.items()}
    for found in lists.values():
        check_fields("plot.diagram", "curves", found, "* kind parameters events")
    if len(as_texts("names", names)) != 2:
        raise ValueError(f"names must be the names of two parameters; got {brief(names)}.")
    if axes is None:
        figure, panels = page(size=(7.6, 4.8))
        headline(figure, _finding(lists))
        return diagram(curves, names, panels[0, 0])
    handles: dict[str, Any] = {}
    for k, (system, found) in enumerate(lists.items()):
        # curves of two systems may be the same: the first one is wide and pale
        style = (
            {"ls": "-", "lw": 5, "alpha": 0.45}
            if k == 0 and len(lists) > 1
            else {"ls": _LINES[k % len(_LINES)], "lw": 1.8}
        )
        for curve in found:
            colour = _COLOURS[curve.kind]
            axes.plot(*curve.parameters.T, color=colour, zorder=2, **style)
            label = f"{system}: {_NAMES[curve.kind]}"
            handles.setdefault(label, key(colour, label, **style))
    for k, found in enumerate(lists.values()):
        for curve in found:
            for kind, parameters, _ in curve.events:
                style = {
                    "marker": EVENTS.get(kind, "*"),
                    "ms": max(12 - 5 * k, 5),
                    "mfc": "none",
                    "mec": ink(),
                    "mew": 1.3,
                    "ls": "",
                }
                axes.plot(*parameters, zorder=3, **style)
                handles.setdefault(kind, key(ink(), _said(kind), **style))
    axes.set(xlabel=names[0], ylabel=names[1])
    axes.grid(color=faint(), lw=0.6, alpha=0.6)
    axes.margins(0.04)
    legend_beside(axes, list(handles.values()))
    return axes.figure  # pyright: ignore[reportReturnType]


def _said(kind: str) -> str:
    """The name of a kind of point as the literature writes it: "Bogdanov–Takens", "zero-Hopf"."""
    words = re.sub("[a-z]+", lambda word: _SAID.get(word[0], word[0]), kind)
    return words.replace("Bogdanov-Takens", "Bogdanov–Takens").replace("Neimark-Sacker", "Neimark–Sacker")


def _finding(lists: Mapping[str, list[Any]]) -> str:
    """Which kinds of curves each system has."""
    kinds = {system: dict.fromkeys(_NAMES[curve.kind] for curve in found) for system, found in lists.items()}
    return "; ".join(f"{system}: {', '.join(names) or 'no curve'}" for system, names in kinds.items())
