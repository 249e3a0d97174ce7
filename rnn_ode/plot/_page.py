"""A page with panels: its titles fit, and the labels of its lines stay apart, however large it is drawn."""

import io
import re
import textwrap
from collections.abc import Sequence
from typing import Any, SupportsFloat
from weakref import WeakKeyDictionary

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Annotation, Text
from numpy.typing import ArrayLike

from ._style import note

_TITLES: WeakKeyDictionary[Any, str] = WeakKeyDictionary()  # of axes, and of figures: the words before they are wrapped
_ENDS: WeakKeyDictionary[Axes, list[Annotation]] = WeakKeyDictionary()
_EXITS: WeakKeyDictionary[Axes, list[Annotation]] = WeakKeyDictionary()
_PASSES = 5  # of the layout at most
_WIDEST = 24  # characters of a label in one line
_TOGETHER = re.compile(  # spaces
    r"(?<=[^\W\d]) (?=[−-]?\d)|(?<==) | (?==)|(?<=[\d…],) (?=[\d−….-]+[,)])|(?<=\d) (?=[%×])|(?<=×) "
)


class Layout(ConstrainedLayoutEngine):
    """Constrained layout, after which titles are wrapped and labels moved apart; repeated until the panels stay in place."""

    def execute(self, fig: Figure) -> None:
        for _ in range(_PASSES):
            before = _places(fig)
            super().execute(fig)
            settle(fig)
            if np.abs(_places(fig) - before).max(initial=0.0) < 1e-3:
                break


def _places(figure: Figure) -> np.ndarray:
    """The corners of the panels, in shares of the figure."""
    return np.array([axes.get_position().bounds for axes in figure.axes])


class Page(Figure):
    """A figure that notebooks show without pyplot."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=100)
        return file.getvalue()

    def show(self, warn: bool = True) -> None:
        """Refuse, and say how to see the picture; one that pyplot has adopted opens its window."""
        if self.canvas.manager is None:
            raise RuntimeError(
                'This picture has no window. Save it with .savefig("figure.png"), or, in a notebook, end a cell with it.'
            )
        super().show(warn)


def page(rows: int = 1, columns: int = 1, *, size: tuple[float, float] = (6.4, 4.2), **grid: Any) -> tuple[Page, Any]:
    """A page of so many inches, and its panels (rows, columns) as an array."""
    figure = Page(figsize=size, layout=Layout())  # pyright: ignore[reportArgumentType]
    return figure, figure.subplots(rows, columns, squeeze=False, **grid)


def headline(figure: Figure, words: str) -> None:
    """The title of a page: what was found."""
    figure.suptitle(words, x=0.012, ha="left", fontsize="large", fontweight="bold")
    _TITLES[figure] = words


def title(axes: Axes, words: str) -> None:
    """The title of a panel."""
    _TITLES[axes] = words
    axes.set_title(words, loc="left", fontsize="medium")
    _settle_panel(axes)


def empty(axes: Axes, words: str) -> None:
    """Say in a panel without data that there are none."""
    axes.set(xticks=[], yticks=[])
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=note())


def legend_beside(axes: Axes, handles: Sequence[Any] | None = None) -> None:
    """A legend to the right of a panel, where no data are; without entries, of the lines that have labels."""
    style = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.02), "fontsize": "small", "frameon": False}
    axes.legend(**({} if handles is None else {"handles": handles}), **style)


def label_end(axes: Axes, y: SupportsFloat, words: str, colour: Any) -> None:
    """A label beside the panel for a line that ends at the height y. Other labels move it up or down."""
    words = _fill(words, _WIDEST, max_lines=2, placeholder=" …")
    label = axes.annotate(
        words, (1, float(y)), (5, 0), ("axes fraction", "data"), "offset points",
        color=colour, va="center", fontsize="small", annotation_clip=False,
    )  # fmt: skip
    _ENDS.setdefault(axes, []).append(label)


def label_exit(axes: Axes, x: SupportsFloat, words: str, colour: Any) -> None:
    """A label above the panel for a line that leaves it at x."""
    label = axes.annotate(
        words, (float(x), 1), (0, 3), ("data", "axes fraction"), "offset points",
        color=colour, ha="center", va="bottom", fontsize="small", annotation_clip=False,
    )  # fmt: skip
    _EXITS.setdefault(axes, []).append(label)


def settle(figure: Figure) -> None:
    """Wrap the titles of a figure, and move the labels of its lines apart."""
    suptitle = figure._suptitle  # pyright: ignore[reportAttributeAccessIssue]
    if figure in _TITLES and suptitle is not None:
        _wrap(suptitle, _TITLES[figure], 0.976 * figure.bbox.width)
    for axes in figure.axes:
        _settle_panel(axes)


def _settle_panel(axes: Axes) -> None:
    _spread_ends(axes, _ENDS.get(axes, []))
    lines = _spread_exits(axes, _EXITS.get(axes, []))
    if axes in _TITLES:
        text = axes.set_title(_TITLES[axes], loc="left", fontsize="medium", pad=6 + 11 * lines)
        _wrap(text, _TITLES[axes], _room(axes))


def _room(axes: Axes) -> float:
    """How wide the title of a panel may be, in pixels: from the left edge, which a fixed aspect moves to the right, to
    the end of its place and of its labels, and at least 100 pixels."""
    figure: Any = axes.figure
    left = figure.bbox.width * axes.get_position().x0
    place = figure.bbox.width * axes.get_position(original=True).x1
    right = max([place, *(label.get_window_extent().x1 for label in _ENDS.get(axes, []))])
    return max(right - left, 100.0)


def _wrap(text: Text, words: str, room: float) -> None:
    """Break words into lines that are not wider than the room, in pixels."""
    text.set_text(words)
    longest = max(map(len, words.split("\n")), default=0)
    while longest > 8 and text.get_window_extent().width > room:
        longest = min(longest - 1, int(longest * room / text.get_window_extent().width) + 1)
        text.set_text("\n".join(_fill(line, longest) for line in words.split("\n")))


def _fill(words: str, width: int, **options: Any) -> str:
    """Words in lines of a width, none of which breaks before a number, at an equals sign or inside a vector."""
    return textwrap.fill(_TOGETHER.sub("\N{NO-BREAK SPACE}", words), width, **options).replace(
        "\N{NO-BREAK SPACE}", " "
    )


def _spread_ends(axes: Axes, labels: Sequence[Annotation]) -> None:
    if not labels:
        return
    box, scale = axes.get_window_extent(), 72 / axes.figure.dpi
    low, high = sorted(axes.get_ylim())
    for label in labels:
        label.xy = (1, min(max(label.xy[1], low), high))
        label.set_fontsize("small")
    sizes = np.array([1.08 * label.get_window_extent().height for label in labels])
    shrink = max(min(1.0, box.height / sizes.sum()), 0.4)  # smaller letters where there are more labels than room
    wanted = [axes.transData.transform(label.xy)[1] for label in labels]
    for label, y, place in zip(labels, wanted, spread(wanted, shrink * sizes, box.y0, box.y1), strict=True):
        label.set_fontsize(shrink * float(label.get_fontsize()))
        label.set_position((5, scale * (place - y)))


def _spread_exits(axes: Axes, labels: Sequence[Annotation]) -> int:
    """Move labels apart in rows above the panel, and return the number of rows."""
    box, scale = axes.get_window_extent(), 72 / axes.figure.dpi
    rows: list[list[Annotation]] = []
    for label in sorted(labels, key=lambda label: label.xy[0]):
        width = label.get_window_extent().width
        if not rows or sum(other.get_window_extent().width + 8 for other in rows[-1]) + width > box.width:
            rows.append([])
        rows[-1].append(label)
    for line, row in enumerate(rows):
        wanted = [axes.transData.transform((label.xy[0], 1.0))[0] for label in row]
        sizes = [label.get_window_extent().width + 8 for label in row]
        for label, x, place in zip(row, wanted, spread(wanted, sizes, box.x0, box.x1), strict=True):
            label.set_position((scale * (place - x), 3 + 11 * (len(rows) - 1 - line)))
    return len(rows)


def spread(wanted: ArrayLike, sizes: ArrayLike, low: float, high: float) -> np.ndarray:
    """Places nearest to the wanted ones (least squares) at which intervals of these sizes do not overlap, in their order.

    They stay between `low` and `high` if there is room. It is isotonic regression, by pooling adjacent violators.
    """
    wanted = np.asarray(wanted, float)
    order = np.argsort(wanted, kind="stable")
    size = np.asarray(sizes, float)[order]
    offsets = np.cumsum(size) - size / 2  # of the centres, if all intervals touch
    pools: list[tuple[float, int]] = []
    for value in wanted[order] - offsets:
        pools.append((value, 1))
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            (one, m), (two, n) = pools[-2:]
            pools[-2:] = [((m * one + n * two) / (m + n), m + n)]
    starts = np.concatenate([np.full(n, value) for value, n in pools]) if pools else np.zeros(0)
    places = np.empty(len(order))
    places[order] = np.clip(starts, low, max(low, high - size.sum())) + offsets
    return places


def single(name: str, value: Any, ndim: int) -> None:
    """Raise `ValueError` for a batch of results, told by a field that has `ndim` axes in a single one."""
    batch = np.shape(value)[: np.ndim(value) - ndim]
    if batch:
        raise ValueError(f"{name} holds a batch {batch} of results; draw one of them.")
