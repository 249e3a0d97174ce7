"""The page of a benchmark."""

import textwrap
from collections.abc import Iterable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ._needs import check_fields, reads
from ._page import Layout, Page, headline, legend_beside, title
from ._style import AMBER, BLUE, bound, colours_of, faint, ink, note

_WIDTH = 88  # characters of the line that names what did not run


@reads(rows="* case contender")
def bench(rows: Iterable[Any]) -> Figure:
    """Every contender's time over ours, and the work–precision curves of the cases that have some.

    Contenders that could not run are named in one line below.

    **Arguments:**

    - `rows`: what `rnn_ode.bench.run` returned; of each row `case`, `hidden`, `batch`, `steps`, `contender`, `ratio`,
      `skipped` and `curve` are read. The first row of each case is ours.

    **Returns:** a matplotlib figure.

    **Raises:** `ValueError` where there is no row.

    ```python
    >>> from rnn_ode import bench, plot
    >>> rows = bench.run(cases="iterate", hidden=2, steps=4, repeats=2, peers=False)
    >>> len(plot.bench(rows).axes)
    1

    ```
    """
    groups: dict[tuple, list] = {}
    for row in rows:
        groups.setdefault((row.case, row.hidden, row.batch, row.steps), []).append(row)
    if not groups:
        raise ValueError("rows must hold at least one row of rnn_ode.bench.run; it is empty.")
    curved = [group for group in groups.values() if any(row.curve for row in group)]
    lines = sum(sum(not row.skipped for row in group) for group in groups.values()) + len(groups)
    height = max(1.8 + 0.24 * lines, 0.6 + 3.4 * len(curved), 3.0)
    figure = Page(figsize=(12 if curved else 7.5, height), layout=Layout())
    grid = figure.add_gridspec(max(len(curved), 1), 2 if curved else 1, width_ratios=(1, 0.8) if curved else None)
    bench_ratios(figure.add_subplot(grid[:, 0]), list(groups.values()))
    for i, group in enumerate(curved):
        bench_curves(figure.add_subplot(grid[i, 1]), group)
    headline(figure, _finding(groups.values()))
    return figure


def _finding(groups: Iterable[list[Any]]) -> str:
    ratios = [row.ratio for group in groups for row in group[1:] if row.ratio is not None]
    if not ratios:
        return "No other library ran here"
    return f"Ours is faster in {sum(ratio > 1 for ratio in ratios)} of {len(ratios)} races"


def _case(row: Any) -> str:
    return row.case if row.hidden is None else f"{row.case}, {row.hidden} units × {row.batch} × {row.steps} steps"


@reads()
def bench_ratios(axes: Axes, groups: list[list[Any]]) -> None:
    """Draw a bar from 1 to each contender's time over ours, on a logarithmic axis, where our own time is the line at 1.

    **Arguments:**

    - `axes`: the axes to draw into.
    - `groups`: the rows of each case, ours first; see `bench`.

    ```python
    >>> from matplotlib.figure import Figure
    >>> from rnn_ode import bench, plot
    >>> def row(contender, ratio, curve):
    ...     return bench.Row("iterate", contender, 32, 1, 9, "float32", "cpu", "a laptop", 1e-3, ratio=ratio, curve=curve)
    >>> rows = [row("rnn_ode", 1.0, [(1e-3, 1.0), (1e-6, 2.0)]), row("another", 2.5, [(1e-3, 3.0)])]
    >>> axes = Figure().subplots()
    >>> plot.bench_ratios(axes, [rows])
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['another']

    ```
    """
    check_fields("plot.bench_ratios", "groups", groups, "* __len__")
    for group in groups:
        check_fields("plot.bench_ratios", "groups", group, "* contender ratio")
    y, ticks, names, ratios = 0.0, [], [], [1.0]
    for group in groups:
        ran = [row for row in group[1:] if not row.skipped]
        if not ran:
            continue
        place = {"transform": axes.get_yaxis_transform(), "va": "center", "fontweight": "bold", "fontsize": "small"}
        axes.text(0.01, y, _case(group[0]), **place)
        for row in ran:
            y += 1
            ticks.append(y)
            names.append(row.contender)
            if row.ratio is None:
                axes.text(1, y, " wrong values", va="center", color=note(), fontsize="small")
                continue
            ratios.append(row.ratio)
            axes.barh(y, row.ratio - 1, left=1, height=0.7, color=BLUE if row.ratio >= 1 else AMBER)
            number = f"{row.ratio:.3g}" if row.ratio < 1000 else f"{row.ratio:,.0f}"
            axes.text(max(row.ratio, 1), y, f" {number}", va="center", fontsize="small")
        axes.plot([1, 1], [y - len(ran) + 0.5, y + 0.5], color=ink(), lw=1)
        y += 1.4
    axes.set(
        xscale="log", xlim=(min(0.7, 0.8 * min(ratios)), 2 * max(2.0, *ratios) ** 1.15), ylim=(max(y - 0.6, 1), -0.8)
    )
    axes.set_yticks(ticks, names, fontsize="small")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.set_xlabel("the contender's time over ours (right of 1, ours is faster)" + _absent(groups))
    axes.grid(axis="x", color=faint(), lw=0.6, alpha=0.6)
    axes.set_axisbelow(True)


def _absent(groups: Iterable[list[Any]]) -> str:
    """A line that names the contenders that ran in no case."""
    rows = [row for group in groups for row in group]
    ran = {row.contender for row in rows if not row.skipped}
    names = sorted({row.contender for row in rows} - ran)
    return "\n" + textwrap.fill(f"did not run here: {', '.join(names)}", _WIDTH) if names else ""


@reads(group="* curve contender")
def bench_curves(axes: Axes, group: list[Any]) -> None:
    """Draw the seconds that each contender takes, against the error that it makes.

    **Arguments:**

    - `axes`: the axes to draw into.
    - `group`: the rows of one case, ours first; see `bench`.

    ```python
    >>> from matplotlib.figure import Figure
    >>> from rnn_ode import bench, plot
    >>> def row(contender, ratio, curve):
    ...     return bench.Row("iterate", contender, 32, 1, 9, "float32", "cpu", "a laptop", 1e-3, ratio=ratio, curve=curve)
    >>> rows = [row("rnn_ode", 1.0, [(1e-3, 1.0), (1e-6, 2.0)]), row("another", 2.5, [(1e-3, 3.0)])]
    >>> axes = Figure().subplots()
    >>> plot.bench_curves(axes, rows)
    >>> axes.get_xscale()
    'log'

    ```
    """
    curves = [row for row in group if row.curve]
    colours = colours_of(row.contender for row in curves if row is not group[0])
    for row in curves:
        errors, seconds = zip(*row.curve, strict=True)
        ours = row is group[0]
        colour = ink() if ours else colours[row.contender]
        axes.loglog(errors, seconds, "o-", ms=3.5, lw=2 if ours else 1.2, color=colour, label=row.contender)
    axes.axvline(1e-6, color=bound(), lw=1, ls=":")
    axes.set(xlabel="largest relative error", ylabel="seconds")
    title(axes, _case(group[0]))
    legend_beside(axes)
    axes.grid(color=faint(), lw=0.6, alpha=0.6)
