"""Basins of attraction."""

from typing import Any

import numpy as np
from jax.typing import ArrayLike
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from .._base.checks import as_floats, counted
from ._needs import as_places, reads
from ._page import headline, legend_beside, page
from ._style import PALETTE, ink, key, shade

_NONE = {-1: "runs off", -2: "ends on a set that does not attract", -3: "not settled"}


@reads(b="states labels attractors fractions")
def basins(
    b: Any, coordinates: tuple[int, int] = (0, 1), plane: ArrayLike | None = None, axes: Axes | None = None
) -> Figure:
    """Many states, coloured by the attractor that each goes to, with the attractors.

    States on a regular grid are drawn as an image, others as dots. The legend names the first ten attractors.

    **Arguments:**

    - `b`: what `basins` returned; its `states`, `labels`, `attractors` and `fractions` are read.
    - `coordinates`: the two coordinates of the state to draw. Default the first two.
    - `plane`: (2, N), two directions to draw in their place: states are drawn by their parts along these (least squares).
    - `axes`: the axes to draw into. Default: those of a new figure.

    **Returns:** the matplotlib figure.

    **Raises:** `ValueError` for coordinates that the state does not have, and for a plane of another shape.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> states = jnp.stack(jnp.meshgrid(*2 * [jnp.linspace(-2, 2, 20)]), axis=-1).reshape(-1, 2)
    >>> found = ro.basins(ro.Map(lambda x, h: jnp.tanh(jnp.array([1.5, 0.5]) * h)), states)
    >>> ro.plot.basins(found).get_suptitle()
    '2 attractors: point, point'

    ```
    """
    if axes is None:
        figure, panels = page(size=(6.8, 4.6))
        headline(figure, _finding(b))
        return basins(b, coordinates, plane, panels[0, 0])
    view, names = _view(b.states.shape[1], coordinates, plane)
    labels = sorted({int(label) for label in np.unique(b.labels)} | set(range(len(b.attractors))))
    colours = {k: _colour(k) for k in labels}
    _areas(axes, b.states @ view, np.asarray(b.labels), colours)
    for k, attractor in enumerate(b.attractors):
        _attractor(axes, attractor.kind, attractor.points @ view, colours[k])
    words = {k: f"{k}: {one.kind}, {100 * share:.3g} %" for k, (one, share) in enumerate(_pairs(b))} | _NONE
    named = range(min(len(b.attractors), len(PALETTE)))  # a colour of its own
    handles = [key(colours[k], words[k], marker="s", ls="") for k in (*named, -1, -2, -3) if k in colours]
    if more := len(b.attractors) - len(named):
        handles.insert(len(named), key("none", f"and {more} more, in the same colours", ls=""))
    legend_beside(axes, handles)
    axes.set(xlabel=names[0], ylabel=names[1])
    if b.states.shape[1] == 1:
        axes.set_yticks([])
    return axes.figure  # pyright: ignore[reportReturnType]


def _pairs(b: Any) -> list[Any]:
    return list(zip(b.attractors, np.asarray(b.fractions), strict=True))


def _finding(b: Any) -> str:
    kinds = ", ".join(attractor.kind for attractor in b.attractors[:6])
    more = ", …" if len(b.attractors) > 6 else ""
    return counted(len(b.attractors), "attractor") + (f": {kinds}{more}" if kinds else "")


def _colour(label: int) -> Any:
    return PALETTE[label % len(PALETTE)] if label >= 0 else {-1: shade(0.12), -2: ink(), -3: shade(0.5)}[label]


def _view(size: int, coordinates: tuple[int, int], plane: ArrayLike | None) -> tuple[np.ndarray, tuple[str, str]]:
    """A matrix (N, 2) from states to the plane of the picture, and the names of its axes."""
    if plane is not None:
        directions = np.asarray(as_floats("plane", plane), float)
        if directions.shape != (2, size) or np.linalg.matrix_rank(directions) < 2:
            raise ValueError(f"plane must be two different directions (2, {size}); got shape {directions.shape}.")
        return np.linalg.pinv(directions), ("along direction 0", "along direction 1")
    if size == 1:
        return np.array([[1.0, 0.0]]), ("state", "")
    first, second = as_places("coordinates", coordinates, size, 2)
    return np.eye(size)[:, [first, second]], (f"coordinate {first}", f"coordinate {second}")


def _areas(axes: Axes, at: np.ndarray, labels: np.ndarray, colours: dict[int, Any]) -> None:
    """An image of states (n, 2) on a full grid, and dots otherwise."""
    size = np.ptp(at, axis=0)  # of each coordinate: one may be a voltage in volts, the other a current in amperes
    size = np.where(size > 0, size, 1.0)
    (x, i), (y, j) = (np.unique(np.round(column, 6), return_inverse=True) for column in (at / size).T)
    cells = {*zip(i.ravel().tolist(), j.ravel().tolist(), strict=True)}
    if len(x) * len(y) == len(at) == len(cells) and min(len(x), len(y)) > 1:
        places = {label: place for place, label in enumerate(colours)}
        image = np.zeros((len(y), len(x)))
        image[j.ravel(), i.ravel()] = [places[int(label)] for label in labels]
        shades = ListedColormap(list(colours.values()))
        style = {"cmap": shades, "vmin": -0.5, "vmax": len(places) - 0.5, "alpha": 0.55, "shading": "nearest"}
        axes.pcolormesh(x * size[0], y * size[1], image, rasterized=True, zorder=1, **style)
        return
    for label, colour in colours.items():
        own = at[labels == label]
        axes.plot(*own.T, ".", color=colour, ms=max(2.0, 8 - np.log2(max(len(at), 1)) / 2), alpha=0.7, zorder=1)


def _attractor(axes: Axes, kind: str, at: np.ndarray, colour: Any) -> None:
    if len(at) == 1:
        axes.plot(*at.T, "o", ms=9, color=colour, mec=ink(), mew=1.2, zorder=3)
    elif kind == "orbit" and len(at) < 64:
        axes.plot(*at.T, "o", ms=6, color=colour, mec=ink(), mew=1, zorder=3)
    elif kind == "orbit" and np.median(np.linalg.norm(np.diff(at, axis=0), axis=1)) < 0.1 * np.ptp(at, axis=0).max():
        axes.plot(*np.concatenate([at, at[:1]]).T, "-", lw=1.6, color=ink(), zorder=2)
    else:
        axes.plot(*at.T, ".", ms=2.5, color=ink(), zorder=2)
