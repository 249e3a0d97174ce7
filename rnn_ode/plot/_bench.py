"""The page of a benchmark."""

from collections.abc import Iterable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ._style import AMBER, BLUE, faint, ink, note


def bench(rows: Iterable[Any]) -> Figure:
    """Every contender's time over ours, and the work–precision curves of the cases that have some.

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
    lines = sum(len(group) for group in groups.values()) + 1.0 * len(groups)
    height = max(1.6 + 0.24 * lines, 0.6 + 3.6 * len(curved), 3.0)
    figure = Figure(figsize=(14 if curved else 8.5, height), layout="constrained")
    widths = (1, 0.9) if curved else (1,)
    parts = figure.subfigures(1, len(widths), squeeze=False, width_ratios=widths)[0]
    bench_ratios(parts[0].subplots(), list(groups.values()))
    if curved:
        for axes, group in zip(parts[1].subplots(len(curved), 1, squeeze=False)[:, 0], curved, strict=True):
            bench_curves(axes, group)
    return figure


def _bench_title(row: Any) -> str:
    return row.case if row.hidden is None else f"{row.case}, {row.hidden} units × {row.batch} × {row.steps} steps"


def bench_ratios(axes: Axes, groups: list[list[Any]]) -> None:
    """Draw a bar from 1 to each contender's time over ours, on a logarithmic axis, where our own time is the line at 1.

    **Arguments:**

    - `axes`: the axes to draw into.
    - `groups`: the rows of each case, ours first; see `bench`.
    """
    y, ticks, names = 0.0, [], []
    for group in groups:
        place = {"transform": axes.get_yaxis_transform(), "va": "center", "weight": "bold"}
        axes.text(0.01, y, _bench_title(group[0]), **place, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
        for row in group[1:]:
            y += 1
            ticks.append(y)
            names.append(row.contender)
            if row.ratio is None:
                axes.text(1, y, " skipped" if row.skipped else " wrong values", va="center", color=note(), fontsize=9)
                continue
            colour = BLUE if row.ratio >= 1 else AMBER
            axes.barh(y, row.ratio - 1, left=1, height=0.7, color=colour)
            number = f"{row.ratio:.3g}" if row.ratio < 1000 else f"{row.ratio:,.0f}"
            axes.text(max(row.ratio, 1), y, f" {number}", va="center", fontsize=9)
        y += 1.4
    ratios = [row.ratio for group in groups for row in group if row.ratio] or [1.0]
    axes.axvline(1, color=ink(), lw=1)
    axes.set(xscale="log", xlim=(min(0.7, 0.8 * min(ratios)), 2 * max(2.0, *ratios) ** 1.15), ylim=(y - 0.6, -0.8))
    axes.set_yticks(ticks, names, fontsize=9)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.set(xlabel="the contender's time over ours (right of 1, ours is faster)")
    axes.grid(axis="x", alpha=0.25)
    axes.set_axisbelow(True)


def bench_curves(axes: Axes, group: list[Any]) -> None:
    """Draw the seconds that each contender takes, against the error that it makes.

    **Arguments:**

    - `axes`: the axes to draw into.
    - `group`: the rows of one case, ours first; see `bench`.
    """
    for i, row in enumerate(row for row in group if row.curve):
        errors, seconds = zip(*row.curve, strict=True)
        colour = ink() if row is group[0] else f"C{(i - 1) % 10}"
        axes.loglog(errors, seconds, "o-", ms=3.5, lw=2 if row is group[0] else 1.2, color=colour, label=row.contender)
    axes.axvline(1e-6, color=faint(), lw=1, ls=":")
    axes.set(xlabel="largest relative error", ylabel="seconds")
    axes.set_title(_bench_title(group[0]), loc="left", fontsize=10)
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes.grid(alpha=0.25)
